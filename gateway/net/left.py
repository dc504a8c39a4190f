"""What is known of a charger that is not connected: chargers do not boot again when they reconnect."""

from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from gateway.config import Dialect
from gateway.dialect.adapting import Memories
from gateway.dialect.brand import Brand
from gateway.dialect.history import History
from gateway.dialect.library import Library
from gateway.dialect.reader import Mode
from gateway.dialect.station import Station
from gateway.session.knowledge import Known
from gateway.session.session import ChargerSession, stored_dialect
from gateway.watch.drift import Drift


class Left(Struct):
    """Its history, who it is, what its adapters remember, and the profile of its flags."""

    history: History
    station: Station
    memories: Memories
    drift: Drift


def left_by(session: ChargerSession) -> Left:
    """What a session leaves behind."""
    return Left(session.reader.history, session.station, session.reader.memories, session.drift)


def left_in(known: Known) -> Left:
    """What the store knows."""
    data = known.parts.get("station")
    station = msgspec.json.decode(data, type=Station) if data else Station()
    return Left(History(), station, *stored_dialect(known.parts.get("dialect", b"")))


def dialect_of(
    dialect: Dialect, library: Library, charger_id: str, station: Station
) -> tuple[Mode, ZoneInfo | None, Brand | None]:
    """How the messages of a station are read."""
    mode, zone = dialect.of(charger_id, station.vendor)
    brand = library.brand(charger_id, station, *dialect.chosen(charger_id, station.vendor))
    return mode, ZoneInfo(zone) if zone else None, brand
