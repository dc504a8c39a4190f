"""EVSEs and their connectors of 2.0.1 ↔ the flat connector numbers of 1.6, which are given once and kept."""

from typing import Final

from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.memory import Place
from gateway.translate.port import Payload

MOST_PLACES: Final = 200


def flat_of(t: Engine, evse: int, connector: int | None = None) -> int | None:
    """The flat number of a connector, or of an EVSE's first one; one that is new is put at the end.

    0 is the charger itself. None when there are more connectors than any charger has, or none can be meant.
    """
    if evse == 0:
        return 0
    known = t.memory.place_of(evse, connector or None)
    if known is not None:
        return known.flat
    if evse < 0 or (connector or 1) < 0 or len(t.memory.topology) >= MOST_PLACES:
        return None
    place = Place(1 + max((p.flat for p in t.memory.topology), default=0), evse, connector or 1)
    t.memory.topology.append(place)
    t.lose(Loss.TOPOLOGY_EXTENDED, "", f"{place.evse}.{place.connector}", str(place.flat))
    return place.flat


def discovered(t: Engine, pairs: list[tuple[int, int]]) -> None:
    """Number the connectors of an inventory in their order, after those that have numbers."""
    for evse, connector in sorted(set(pairs)):
        if evse > 0 and connector > 0:
            flat_of(t, evse, connector)


def evse_of(t: Engine, flat: int) -> Payload | None:
    """`{id, connectorId}` of a flat number, None when there is none."""
    place = t.memory.place(flat)
    return None if place is None else {"id": place.evse, "connectorId": place.connector}


def evse_id(t: Engine, flat: int) -> int | None:
    """The EVSE of a flat number, 0 for the charger itself, None when there is none."""
    if flat == 0:
        return 0
    place = t.memory.place(flat)
    return None if place is None else place.evse


def flat_of_evse(t: Engine, evse: int) -> int | None:
    """Where readings of an EVSE belong: the connector of its transaction, else its first one."""
    running = [tx.flat for tx in t.memory.open_on(evse=evse) if tx.flat and tx.state != "pre"]
    return running[-1] if running and evse else flat_of(t, evse)
