"""What to answer the sender of a message that goes no further."""

import re
from typing import Final

from gateway.dialect.envelope import Envelope
from gateway.ocpp import errors, frame
from gateway.ocpp.actions import known_action, must_not_be_lost
from gateway.ocpp.errors import Wrong
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import MessageType, Sender, Version
from gateway.ocpp.schema import schema

_HEAD: Final = re.compile(r"\s*\[\s*2\s*,\s*(\"[^\"\\\x00-\x1f]{1,36}\")\s*,", re.ASCII)

_WRONG_OF: Final = {
    FlagCode.ACTION_UNKNOWN: Wrong.ACTION_UNKNOWN,
    FlagCode.ACTION_NOT_FOR_SENDER: Wrong.ACTION_UNSUPPORTED,
    FlagCode.FIELD_MISSING: Wrong.OCCURRENCE,
    FlagCode.NULL_REQUIRED: Wrong.TYPE,
    FlagCode.TIME_MISSING: Wrong.OCCURRENCE,
    FlagCode.EMPTY_ARRAY: Wrong.OCCURRENCE,
    FlagCode.SCHEMA_VIOLATION: Wrong.TYPE,
    FlagCode.TEXT_NOT_NUMBER: Wrong.TYPE,
    FlagCode.INTEGER_WITH_FRACTION: Wrong.TYPE,
    FlagCode.ENUM_UNKNOWN: Wrong.PROPERTY,
    FlagCode.REQUIRED_EMPTY: Wrong.PROPERTY,
    FlagCode.STATUS_AMBIGUOUS: Wrong.PROPERTY,
    FlagCode.IDENTIFIER_TOO_LONG: Wrong.PROPERTY,
    FlagCode.TEXT_TOO_LONG: Wrong.PROPERTY,
    FlagCode.NUMBER_OUT_OF_RANGE: Wrong.PROPERTY,
    FlagCode.FRAME_TOO_COMPLEX: Wrong.PROPERTY,
}
_PRECEDENCE: Final = tuple(_WRONG_OF)

_ANSWERED_WITH_DATA: Final = frozenset({"StatusNotification", "Heartbeat"})


def reply_to(version: Version, sender: Sender, envelope: Envelope, flags: list[Flag]) -> bytes | None:
    """The answer to a CALL that was read but goes no further, None to anything else.

    Data of a charger is confirmed, since an error makes several firmwares send it again for ever; all
    else is refused with the version's own code.
    """
    if envelope.type is not MessageType.CALL:
        return None
    id_ = envelope.id_literal or envelope.id
    if sender is Sender.CHARGER and confirms(version, envelope.action):
        return frame.result(id_, b"{}")
    return frame.error(id_, errors.code(version, wrong_of(flags)), description_of(flags))


def confirms(version: Version, action: str) -> bool:
    """Whether `{}` is a valid confirmation of this action's data."""
    answer = schema(version, action, False) if known_action(version, action) else None
    is_report = must_not_be_lost(action) or action.endswith(("Notification", "Report")) or "Notify" in action
    return answer is not None and not answer.required and is_report


def reply_to_text(version: Version, text: str) -> bytes | None:
    """The answer to a text that is no frame: a CALLERROR, if need be with the id "-1" of 2.x."""
    head = _HEAD.match(text)
    if head is not None:
        return frame.error(head[1].encode(), errors.code(version, Wrong.SYNTAX), "The message cannot be read")
    id_ = errors.unreadable_id(version)
    if id_ is None:
        return None
    return frame.error(id_, errors.code(version, Wrong.FRAME), "The message cannot be read")


def wrong_of(flags: list[Flag]) -> Wrong:
    """The kind of wrong that flags stand for."""
    codes = {flag.code for flag in flags}
    return next((_WRONG_OF[code] for code in _PRECEDENCE if code in codes), Wrong.SYNTAX)


def description_of(flags: list[Flag]) -> str:
    """The flags in words, for a person who reads the charger's log."""
    return "; ".join(f"{flag.code} {flag.path}".strip() for flag in flags)
