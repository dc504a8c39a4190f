"""What can happen to a session: facts, told by the driver in the order they happened.

Every connection of a leg has an epoch, counted up per charger and per leg; an event of an epoch that is
not the current one is late and changes nothing. Times are not in the events: `ChargerSession.handle`
is told the present.
"""

from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.session.outbox import Entry


class ChargerOpened(Struct, frozen=True, gc=False):
    """A charger's WebSocket is open, with the version that was agreed in its handshake."""

    epoch: int
    version: Version


class ChargerFrame(Struct, frozen=True, gc=False):
    """One whole message from the charger: assembled and inflated. `binary` if it came as a binary message."""

    epoch: int
    data: bytes
    binary: bool = False


class ChargerPonged(Struct, frozen=True, gc=False):
    """The charger answered a ping."""

    epoch: int


class ChargerBlocked(Struct, frozen=True, gc=False):
    """More is waiting to be written to the charger than the high-water mark allows."""

    epoch: int


class ChargerUnblocked(Struct, frozen=True, gc=False):
    """The charger has read on; what waits is below the low-water mark."""

    epoch: int


class ChargerClosed(Struct, frozen=True, gc=False):
    """The charger's WebSocket is gone. `code` is its close code, 1006 when it just vanished."""

    epoch: int
    code: int


class BackendOpened(Struct, frozen=True, gc=False):
    """The link to the backend is open."""

    epoch: int


class BackendFrame(Struct, frozen=True, gc=False):
    """One whole message from the backend."""

    epoch: int
    data: bytes
    binary: bool = False


class BackendPonged(Struct, frozen=True, gc=False):
    """The backend answered a ping."""

    epoch: int


class BackendBlocked(Struct, frozen=True, gc=False):
    """More is waiting to be written to the backend than the high-water mark allows."""

    epoch: int


class BackendUnblocked(Struct, frozen=True, gc=False):
    """The backend has read on."""

    epoch: int


class BackendClosed(Struct, frozen=True, gc=False):
    """The link to the backend is gone. `code` is its close code, 1006 when it just vanished."""

    epoch: int
    code: int


class TimePassed(Struct, frozen=True, gc=False):
    """The session's `due` has come."""


class Kept(Struct, frozen=True, gc=False):
    """The message of `Flagged` number `number` is durable in quarantine, or (False) could not be kept."""

    number: int
    durable: bool


class EntryStored(Struct, frozen=True, gc=False):
    """The CALL of `StoreEntry` number `number` is on disk, or (False) could not be written."""

    number: int
    durable: bool


class EntryDropped(Struct, frozen=True, gc=False):
    """The CALL of `DropEntry` number `number` is off the disk, or (False) could not be removed."""

    number: int
    durable: bool


class EntriesFetched(Struct, frozen=True, gc=False):
    """What `FetchEntries` asked for, in order; () when nothing is there, None when it cannot be read now."""

    entries: tuple[Entry, ...] | None


class StateKept(Struct, frozen=True, gc=False):
    """The parts of `KeepState` number `number` are on disk, or (False) could not be written."""

    number: int
    durable: bool


class Turn(Struct, frozen=True, gc=False):
    """So many stored messages may be delivered now."""

    messages: int


class BackendAway(Struct, frozen=True, gc=False):
    """The backend is known to be away: nobody need wait for it."""


class RetryWanted(Struct, frozen=True, gc=False):
    """A person wants a message of the charger, kept earlier, to go to the backend now."""

    number: int
    raw: bytes


class RestWanted(Struct, frozen=True, gc=False):
    """The node is busy, and this charger costs it much: read it no more for so many seconds."""

    seconds: float


class ProbeWanted(Struct, frozen=True, gc=False):
    """A second connection of the same charger has come: is the present one alive?"""


Event = (
    ChargerOpened
    | ChargerFrame
    | ChargerPonged
    | ChargerBlocked
    | ChargerUnblocked
    | ChargerClosed
    | BackendOpened
    | BackendFrame
    | BackendPonged
    | BackendBlocked
    | BackendUnblocked
    | BackendClosed
    | TimePassed
    | Kept
    | EntryStored
    | EntryDropped
    | EntriesFetched
    | StateKept
    | Turn
    | BackendAway
    | RetryWanted
    | RestWanted
    | ProbeWanted
)
