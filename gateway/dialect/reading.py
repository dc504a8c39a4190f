"""What reading a message comes to, and how far a reader may go."""

from enum import StrEnum

from msgspec import Struct

from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Message


class Outcome(StrEnum):
    """`repaired`: goes on, changed or only flagged; `quarantined`: kept; `ignored`: nothing is in it."""

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
    (a CALLERROR to an unreadable CALL, a confirmation to data that only we kept). `rest` are further frames
    of the same message that nobody could repair, each with a reading of its own.
    """

    outcome: Outcome
    messages: list[Message]
    flags: list[Flag]
    reply: bytes | None = None
    original: Message | None = None
    rest: "list[Reading]" = []

    @property
    def whatever(self) -> list[Message]:
        """What may go on, repaired or as it came."""
        own = self.messages or ([self.original] if self.original is not None else [])
        return [*own, *(one.original for one in self.rest if one.original is not None)]
