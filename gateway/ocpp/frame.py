"""Taking a frame's envelope apart without touching its payload, and putting envelopes together.

This is the fast path: `split` understands only what OCPP-J allows, to the letter. What it does not
understand is for `gateway.dialect`.
"""

import msgspec
from msgspec import Raw

from gateway.ocpp.message import Message, MessageType

_call = msgspec.json.Decoder(tuple[int, str, str, Raw])
_result = msgspec.json.Decoder(tuple[int, str, Raw])
_error = msgspec.json.Decoder(tuple[int, str, str, str, Raw])

_quote = msgspec.json.Encoder().encode

_CALL, _CALLRESULT = MessageType.CALL, MessageType.CALLRESULT
_CALL_DIGIT, _RESULT_DIGIT = b"23"

MAX_ID_LENGTH = 36  # OCPP-J 1.6 §4.1.4, OCPP 2.0.1 part 4 §4.1.4


def split(frame: bytes) -> Message | None:
    """The message in `frame`, or None when it is not exactly an OCPP-J envelope.

    Only the envelope is looked at; whether the action exists and the payload fits is not.
    """
    try:
        kind = frame[1]
        if kind == _CALL_DIGIT:
            type_, id_, action, payload = _call.decode(frame)
            message = Message(_CALL, id_, action, payload, frame)
        elif kind == _RESULT_DIGIT:
            type_, id_, payload = _result.decode(frame)
            message = Message(_CALLRESULT, id_, "", payload, frame)
        else:
            return _split_rare(frame)
    except (msgspec.DecodeError, RecursionError, ValueError, IndexError):
        return None
    return message if type_ == message.type and 0 < len(id_) <= MAX_ID_LENGTH else None


def _split_rare(frame: bytes) -> Message | None:
    match frame[1:2]:
        case b"4" | b"5":
            type_, id_, code, description, payload = _error.decode(frame)
            message = Message(MessageType(type_), id_, "", payload, frame, code, description)
        case b"6":
            type_, id_, action, payload = _call.decode(frame)
            message = Message(MessageType(type_), id_, action, payload, frame)
        case _:
            return None
    return message if frame[1:2] == b"%d" % type_ and 0 < len(id_) <= MAX_ID_LENGTH else None


def digit(frame: bytes) -> bytes:
    """The digit of the message type, as the frame begins: b"2" for a CALL; b"" where there is nothing."""
    return frame.lstrip(b" \t\r\n[")[:1]


def call(id_: str, action: str, payload: bytes) -> bytes:
    """The frame of a CALL."""
    return b"[2,%b,%b,%b]" % (_quote(id_), _quote(action), payload)


def result(id_: str | bytes, payload: bytes) -> bytes:
    """The frame of a CALLRESULT. An id given as bytes is a JSON literal and is repeated as it is."""
    return b"[3,%b,%b]" % (_literal(id_), payload)


def error(id_: str | bytes, code: str, description: str, details: bytes = b"{}") -> bytes:
    """The frame of a CALLERROR; the description is cut at 255 characters (OCPP-J 1.6 §4.2.3)."""
    return b"[4,%b,%b,%b,%b]" % (_literal(id_), _quote(code), _quote(description[:255]), details)


def renamed(message: Message, id_: str | bytes) -> bytes:
    """The frame of `message` under another id, every other byte as it was."""
    head = b"[%d,%b," % (message.type, _literal(id_))
    match message.type:
        case MessageType.CALL | MessageType.SEND:
            return b"%b%b,%b]" % (head, _quote(message.action), bytes(message.payload))
        case MessageType.CALLRESULT:
            return b"%b%b]" % (head, bytes(message.payload))
        case _:
            return b"%b%b,%b,%b]" % (
                head,
                _quote(message.error_code),
                _quote(message.error_description),
                bytes(message.payload),
            )


def quoted(text: str) -> bytes:
    """`text` as a JSON string."""
    return _quote(text)


def _literal(id_: str | bytes) -> bytes:
    return id_ if isinstance(id_, bytes) else _quote(id_)
