"""From the bytes of a WebSocket message to messages that can be relayed, and flags.

One `Reader` belongs to one charger; it remembers what is needed to judge the next message. A clean
message comes back as the `Message` it is, its bytes untouched; everything else as a `Reading`.
"""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from gateway.dialect.clean import check_for, clean
from gateway.ocpp import errors, frame
from gateway.ocpp.actions import known_action, may_send
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.frame import split
from gateway.ocpp.message import Message, MessageType, Sender, Version


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
    (a CALLERROR to an unreadable CALL, a confirmation to data that only we kept).
    """

    outcome: Outcome
    messages: list[Message]
    flags: list[Flag]
    reply: bytes | None = None
    original: Message | None = None


class Reader:
    """Reads one charger's frames, from both of its sides."""

    __slots__ = ("mode", "version")

    def __init__(self, version: Version, mode: Mode = Mode.REPAIR) -> None:
        self.version = version
        self.mode = mode

    def read(
        self, data: bytes, sender: Sender, action_of: Callable[[str], str | None], now: float
    ) -> Message | Reading:
        """Read one frame.

        `action_of(id)` is the action of the CALL with that id that awaits its answer from `sender`, or
        None; `now` is the gateway's clock in seconds since 1970. An answer whose CALL is not known comes
        back with action "", for the session to judge.
        """
        message = split(data)
        if message is None:
            return self._unreadable(data)
        match message.type:
            case MessageType.CALL:
                if may_send(self.version, sender, message.action):
                    check = check_for(self.version, message.action, True)
                    if check is not None and clean(check, message.payload) is not None:
                        return message
            case MessageType.CALLRESULT:
                message.action = action_of(message.id) or ""
                if not message.action:
                    return message
                check = check_for(self.version, message.action, False)
                if check is not None and clean(check, message.payload) is not None:
                    return message
            case MessageType.CALLERROR:
                message.action = action_of(message.id) or ""
                return message
            case _:
                pass
        code = FlagCode.SCHEMA_VIOLATION
        if message.type == MessageType.CALL and not known_action(self.version, message.action):
            code = FlagCode.ACTION_UNKNOWN
        return Reading(Outcome.REPAIRED, [message], [Flag(code)])

    def _unreadable(self, data: bytes) -> Reading:
        id_ = errors.unreadable_id(self.version)
        reply = None
        if id_ is not None:
            reply = frame.error(
                id_, errors.code(self.version, errors.Wrong.FRAME), "The message cannot be read"
            )
        return Reading(Outcome.QUARANTINED, [], [Flag(FlagCode.FRAME_UNREADABLE)], reply)
