"""Frames as a translator's values, and a translator's values as frames."""

from gateway.ocpp import frame
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.flags import Severity as Grave
from gateway.ocpp.message import Message, MessageType
from gateway.ocpp.values import dumps
from gateway.translate.port import Answer, Lost, Payload, Refused, Severity
from gateway.translate.values import parsed

_GRAVE = {
    Severity.INFO: Grave.INFO,
    Severity.WARN: Grave.WARNING,
    Severity.ERROR: Grave.ERROR,
    Severity.BILLING: Grave.ERROR,
}

CALLRESULT = MessageType.CALLRESULT


def split(data: bytes) -> Message | None:
    """The message in a frame of the session; None when it is none that can be taken apart."""
    return frame.split(data) or frame.split(b"[" + data.strip()[1:].lstrip())


def payload_of(message: Message) -> Payload:
    """The payload with its numbers exact; {} for what is no object, as its schema will say."""
    payload = message.payload
    if not payload:
        known = split(message.frame)
        payload = known.payload if known is not None else b"{}"
    try:
        value = parsed(bytes(payload).decode())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def text_of(payload: Payload) -> bytes:
    """The payload as JSON text."""
    return dumps(payload).encode()


def answer_in(message: Message) -> Answer:
    """What an answer says, in the words of `gateway.translate.port`."""
    if message.type is CALLRESULT:
        return payload_of(message)
    return Refused(message.error_code, message.error_description)


def frame_of(id_: str | bytes, answer: Payload | Refused) -> bytes:
    """The frame of an answer; an id given as bytes is a JSON literal."""
    if isinstance(answer, Refused):
        return frame.error(id_, answer.code, answer.description)
    return frame.result(id_, text_of(answer))


def flag_of(loss: Lost) -> Flag:
    """How a loss is told: its code is the author, and it is as grave as the loss."""
    author, rated = f"translate/{loss.code}", _GRAVE[loss.severity]
    return Flag(FlagCode.TRANSLATION_LOSS, loss.path, loss.value, loss.became, author, rated)
