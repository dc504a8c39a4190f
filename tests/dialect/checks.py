"""What must hold for any input at all; shared by the short tests and by the long fuzz run."""

import json

from gateway.dialect.reader import Mode, Outcome, Reader, Reading
from gateway.ocpp.message import Message, MessageType, Sender, Version
from tests.dialect import judge


def read(
    data: bytes, version: Version, sender: Sender, action: str = "", mode: Mode = Mode.REPAIR
) -> Message | Reading:
    reader = Reader(version, mode)
    return reader.read(data, sender, lambda id_: action or None, 1_772_446_531.0)


def frames_of(reading: Message | Reading) -> list[Message]:
    return [reading] if isinstance(reading, Message) else reading.messages


def check_any(data: bytes, version: Version, sender: Sender, action: str = "") -> None:
    """Reading never raises, what goes on fits its schema, and is at rest: read again it stays as it is."""
    reading = read(data, version, sender, action)
    if isinstance(reading, Reading):
        assert reading.messages or reading.outcome in (Outcome.QUARANTINED, Outcome.IGNORED)
        if reading.reply is not None:
            json.loads(reading.reply)
    for message in frames_of(reading):
        if message.type is MessageType.CALLRESULT and not message.action:
            continue  # an answer to nobody is not relayed
        tree = json.loads(message.frame)
        assert tree[0] == message.type
        if message.type in (MessageType.CALL, MessageType.CALLRESULT) and message.action:
            is_call = message.type is MessageType.CALL
            assert judge.fits(version, message.action, is_call, tree[-1]), (data, message.frame)
        again = frames_of(read(message.frame, version, sender, action))
        assert [m.frame for m in again] == [message.frame], (data, message.frame)
