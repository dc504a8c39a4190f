"""A transaction that begins with the cable, for backends of 2.0.1 that want CablePluggedIn before Authorized.

1.6 has no such message, so Preparing stands for it. Until StartTransaction the charger knows nothing of the
transaction, and one that never gets a token ends when the connector is Available.
"""

from gateway.translate.charger16_backend201.common import place_at
from gateway.translate.charger16_backend201.events import event, is_offline, tell_own
from gateway.translate.engine import Engine
from gateway.translate.memory import Transaction, remember
from gateway.translate.port import ChargerCall, Payload
from gateway.translate.values import uuid_of


def status_came(t: Engine, call: ChargerCall, payload: Payload) -> None:
    """A connector without a transaction of the charger has a state: it may be a cable that comes or goes."""
    flat, at = payload["connectorId"], payload["timestamp"]
    cable = t.memory.cables.get(str(flat))
    if payload["status"] == "Available" and cable is not None:
        del t.memory.cables[str(flat)]
        info = {"chargingState": "Idle", "stoppedReason": "EVDisconnected"}
        _tell(t, call, cable, event(t, cable, "Ended", "EVCommunicationLost", at, info))
    elif payload["status"] == "Preparing" and cable is None and t.policies.synthetic_cable_event:
        place, session = place_at(t, flat), t.memory.sessions.get(str(flat), 0)
        cable = Transaction(uuid_of(t.station, "cable", flat, session, at), flat=flat)
        remember(t.memory.cables, str(flat), cable)
        made = event(t, cable, "Started", "CablePluggedIn", at, {"chargingState": "EVConnected"})
        made["evse"] = {"id": place.evse, "connectorId": place.connector}
        _tell(t, call, cable, made)


def _tell(t: Engine, call: ChargerCall, cable: Transaction, made: Payload) -> None:
    if is_offline(t, call, made["timestamp"]):
        made["offline"] = True
    tell_own(t, cable, made)


def id_at(t: Engine, flat: int | None) -> str | None:
    """The id of the transaction that a cable has begun here, and no StartTransaction has taken up."""
    cable = t.memory.cables.get(str(flat))
    return cable.id201 if cable is not None else None


def by_id(t: Engine, id201: str) -> Transaction | None:
    """The transaction with this id that a cable has begun."""
    wanted = id201.casefold()
    return next((cable for cable in t.memory.cables.values() if cable.id201 == wanted), None)
