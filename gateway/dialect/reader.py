"""From the bytes of a WebSocket message to messages that can be relayed, and flags.

One `Reader` belongs to one charger; it remembers what is needed to judge the next message. A clean
message comes back as the `Message` it is, its bytes untouched; everything else as a `Reading`.
"""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Message, Sender, Version


class Outcome(StrEnum):
    """`repaired`: goes on, changed or only flagged; `quarantined`: kept, not forwarded; `ignored`: nothing in it."""

    CLEAN = "clean"
    REPAIRED = "repaired"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"


class Mode(StrEnum):
    """How far the gateway may go with a wrong message."""

    REPAIR = "repair"
    OBSERVE = "observe"
    STRICT = "strict"


class Reading(Struct, gc=False):
    """What was made of a message that was not simply clean.

    `messages` are to be relayed in order (more than one when several frames came in one message; none
    when it is quarantined or ignored). `reply` is the frame to answer its sender with at once, if any
    (a CALLERROR to an unreadable CALL, a confirmation to data that only we kept).
    """

    outcome: Outcome
    messages: list[Message]
    flags: list[Flag]
    reply: bytes | None = None


class Reader:
    """Reads one charger's frames, from both of its sides."""

    __slots__ = ("version", "mode")

    def __init__(self, version: Version, mode: Mode = Mode.REPAIR) -> None:
        self.version = version
        self.mode = mode

    def read(
        self, data: bytes, sender: Sender, action_of: Callable[[str], str | None], now: float
    ) -> Message | Reading:
        """Read one frame.

        `action_of(id)` is the action of the CALL with that id that awaits its answer from `sender`, or
        None; `now` is the gateway's clock in seconds since 1970.
        """
        raise NotImplementedError
