"""A capture read again with one pack: what that pack would have changed."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import structs

from gateway.dialect.brand import Brand
from gateway.dialect.reader import Reader
from gateway.dialect.reading import Mode, Outcome, Reading
from gateway.dialect.rules.pack import Pack
from gateway.dialect.rules.rule import KIND_OF, Use
from gateway.ocpp.frame import split
from gateway.ocpp.message import MessageType, Sender, Version

Record = dict[str, Any]


class Replay:
    """Reads the records of a capture in their order, as the gateway would."""

    def __init__(self, brand: Brand | None) -> None:
        self._brand = brand
        self._readers: dict[str, Reader] = {}
        self._asked: dict[Sender, dict[str, str]] = {Sender.CHARGER: {}, Sender.BACKEND: {}}

    def reader(self, version: str) -> Reader:
        reader = self._readers.get(version)
        if reader is None:
            known = {one.value: one for one in Version}
            reader = self._readers[version] = Reader(known.get(version, Version.V16))
            reader.follow(Mode.REPAIR, None, self._brand)
        return reader

    def read(self, record: Record) -> tuple[Sender, bytes, Reading, str]:
        """Sender and bytes of a record, what becomes of it, and its action."""
        sender = Sender.BACKEND if str(record.get("direction", "")).startswith("backend") else Sender.CHARGER
        data = data_of(record)
        reader = self.reader(str(record.get("version", "1.6")))
        waiting = self._asked[sender]
        given = str(record.get("action") or "")
        now = record.get("received_at")
        got = reader.read(
            data,
            sender,
            lambda id_: waiting.get(id_) or given or None,
            float(now) if isinstance(now, int | float) else 0.0,
            lambda: list(waiting),
        )
        reading = got if isinstance(got, Reading) else Reading(Outcome.CLEAN, [got], [])
        message = reading.messages[0] if reading.messages else reading.original
        if message is None:
            return sender, data, reading, ""
        if message.type is MessageType.CALL:
            self._asked[sender.other][message.id] = message.action
        else:
            waiting.pop(message.id, None)
        return sender, data, reading, message.action


def data_of(record: Record) -> bytes:
    """The bytes of a record's frame."""
    raw = str(record.get("raw", ""))
    if record.get("encoding") == "base64":
        try:
            return base64.b64decode(raw)
        except binascii.Error:
            return raw.encode()
    return raw.encode("utf-8", "surrogatepass")


def replayed(pack: Pack, records: Iterable[Record]) -> Iterator[Record]:
    """What the pack does to each record it touches: `before`, `after` and its flags."""
    rules = tuple(structs.replace(rule, observe=False) for rule in pack.rules)
    brand = Brand(((structs.replace(pack, rules=rules), Use.REPAIR),))
    replay = Replay(brand)
    for number, record in enumerate(records, 1):
        sender, data, reading, action = replay.read(record)
        after, flags = data, reading.flags
        if sender is Sender.CHARGER and reading.messages:
            after = reading.messages[0].frame
        elif sender is Sender.BACKEND and (message := split(data)) is not None:
            kind = KIND_OF.get((message.type, sender))
            reader = replay.reader(str(record.get("version", "1.6")))
            if kind is not None and (kind, action) in reader.to_charger:
                fitted = reader.fit(data, kind, action)
                after, flags = fitted.data, fitted.flags
        own = [flag for flag in flags if flag.author.startswith(f"rules/{pack.name}:")]
        if own:
            yield {
                "id": str(record.get("id", number)),
                "kind": sender.value,
                "action": action,
                "before": data.decode("utf-8", "backslashreplace"),
                "after": after.decode("utf-8", "backslashreplace"),
                "flags": [structs.asdict(flag) for flag in own],
            }
