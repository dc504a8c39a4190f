"""What the gateway makes of one frame, outside of any connection: the function behind `inspect`.

A record is a frame with what is known around it; the answer is its outcome, the frames that go on and
the flags. Frames given as context are read first, so that order and memory count as they do live.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from msgspec import UNSET

from gateway.dialect.history import Register, State, Transaction
from gateway.dialect.reader import Outcome, Reader, Reading
from gateway.ocpp.actions import actions, known_action
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Message, MessageType, Sender, Version
from gateway.ocpp.times import seconds

Record = dict[str, Any]

_FRAME: Final = re.compile(r"\s*(?:\(([\w ]+)\))?\s*(\[.*)", re.DOTALL)
_NOTES: Final = {
    "ended": re.compile(r"transaction (\d+)\b[^.;]{0,30}?\b(?:ended|stopped|closed|over)\b"),
    "open": re.compile(
        r"(?:transaction (\d+)\b[^.;]{0,20}?\b(?:open|running|active|started|accepted)\b"
        r"|\b(?:open|running|active) transaction (\d+))(?:.*?connector (\d+))?",
        re.IGNORECASE,
    ),
    "never": re.compile(r"no (?:StartTransaction|transaction|start)\b[^\d]{0,30}(\d+)"),
    "register": re.compile(r"(?:register|reading|value)\b.{0,60}?([\d.]+) *(k?Wh)"),
    "limit": re.compile(r"limit\b[^\d]{0,20}([\d.]+) ?A\b"),
    "list": re.compile(r"list version\b[^\d]{0,10}(\d+)"),
    "sequence": re.compile(r"seqNo\b.{0,60}\b(\d+)\D*$"),
    "no_boot": re.compile(
        r"\b(?:no|without)\b.{0,30}\bBoot(?:Notification)?\b"
        r"|\bBoot(?:Notification)?\b.{0,40}\b(?:not (?:sent|seen|repeated)|previous|earlier)\b"
        r"|\bafter (?:a |the )?re-?connect",
        re.IGNORECASE,
    ),
    "status": re.compile(r"\b(Available|Preparing|Charging|SuspendedEV(?:SE)?|Finishing)\b"),
    "same": re.compile(r"\b(?:same|this) transaction\b|\btransaction (\d+)"),
    "twice": re.compile(
        r"\b(?:old|older|previous|first|other|second|two|duplicate)\b.{0,40}\b(?:socket|connection)s?\b.{0,40}"
        r"\bopen\b|\b(?:second|two|duplicate)\b.{0,10}\b(?:socket|connection)s?\b",
        re.IGNORECASE,
    ),
}
"""Facts in words, as people write them beside a frame."""

_TRANSACTION: Final = re.compile(r'"transactionId"\s*:\s*"([^"]*)"')
_READING: Final = re.compile(r"\d *k?Wh\b")
_TRANSACTION_16: Final = re.compile(r'"transactionId"\s*:\s*(\d+)')
_CONNECTOR: Final = re.compile(r'"connectorId"\s*:\s*"?(\d+)')


def inspect(record: Record) -> Record:
    """The outcome (clean, repaired, quarantined or ignored), normalised frames and flags of one record.

    Fields read: `raw`, `encoding` ("base64"), `version`, `direction`, `action` (of the CALL an answer
    belongs to), `given` (frames and facts that came before), `received_at`, `ws_opcode`, `session`, `id`.
    Raises ValueError for a record that is none.
    """
    scene = _Scene(record)
    for item in scene.given:
        scene.before(item)
    outcome, messages, flags = scene.read()
    return {
        "id": record.get("id"),
        "outcome": outcome.value,
        "frames": [message.frame.decode("utf-8", "replace") for message in messages],
        "flags": [told(flag) for flag in flags],
    }


def told(flag: Flag) -> Record:
    """A flag as JSON value."""
    return {
        "code": flag.code.value,
        "severity": flag.severity.value,
        "path": flag.path,
        "before": flag.before,
        "after": flag.after,
        "applied": flag.applied,
    }


class _Scene:
    """A connection made up around one record."""

    def __init__(self, record: Record) -> None:
        self.version = _version(record)
        self.sender = _sender(str(record.get("direction", "")))
        self.data = _data(record)
        self.binary = record.get("ws_opcode") in (2, "2", "binary")
        received = record.get("received_at")
        self.now = (seconds(received) if isinstance(received, str) else received) or 0.0
        self.action = _action(record, self.version)
        given = record.get("given") or []
        self.given = [_told(item) for item in (given if isinstance(given, list) else [given])]
        self.reader = Reader(self.version)
        self.pending: dict[Sender, dict[str, str]] = {Sender.CHARGER: {}, Sender.BACKEND: {}}
        self.answered: set[str] = set()
        self.seen: set[str] = set()
        self.second_connection = False
        session = record.get("session")
        for name, value in session.items() if isinstance(session, dict) else ():
            self.session_fact(str(name), value)

    def before(self, item: str) -> None:
        """One thing that happened before: a frame, or a fact in words."""
        match = _FRAME.fullmatch(item)
        if match is None:
            self.fact(item)
            return
        data = match[2].encode()
        senders = [_sender(match[1].replace(" ", "_"))] if match[1] else self.senders(data)
        for sender in senders:
            reading = self._read(data, sender)
            messages = [reading] if isinstance(reading, Message) else reading.messages
            if messages:
                for message in messages:
                    self.learn(message, sender)
                return

    def senders(self, data: bytes) -> list[Sender]:
        """The ends a frame may come from, the likelier first."""
        both = [self.sender, self.sender.other]
        id_ = _id_of(data)
        return both if id_ is None else [end for end in both if id_ in self.pending[end]] or both

    def _read(self, data: bytes, sender: Sender) -> Message | Reading:
        return self.reader.read(
            data, sender, self.pending[sender].get, self.now, lambda: list(self.pending[sender])
        )

    def learn(self, message: Message, sender: Sender) -> None:
        """Keep track of who waits for which answer."""
        if message.type is MessageType.CALL:
            self.pending[sender.other][message.id] = message.action
            if sender is self.sender:
                self.seen.add(message.id)
        elif self.pending[sender].pop(message.id, None) is not None:
            self.answered.add(message.id)

    def fact(self, text: str) -> None:
        """A fact in words, as far as the gateway would know it."""
        history = self.reader.history
        raw = self.data.decode("utf-8", "replace")
        connector = int(named[1]) if (named := _CONNECTOR.search(raw)) is not None else 1
        found = {name: match for name, note in _NOTES.items() if (match := note.search(text)) is not None}
        if m := found.get("ended"):
            history.transactions[int(m[1])] = Transaction(State.ENDED_BEFORE)
        elif m := found.get("open"):
            history.transactions[int(m[1] or m[2])] = Transaction(State.OPEN, int(m[3]) if m[3] else None)
        if m := found.get("never"):
            history.transactions[int(m[1])] = Transaction(State.NEVER_STARTED)
        if m := found.get("register"):
            energy = float(m[1]) * (1000.0 if m[2] == "kWh" else 1.0)
            mine = _TRANSACTION_16.search(raw)
            same = "same" in found and mine is not None and found["same"][1] in (None, mine[1])
            between = len(_READING.findall(text)) > 1
            of = int(mine[1]) if mine is not None and (same or between) else UNSET
            history.registers[connector] = Register(energy, None, of)
        if m := found.get("limit"):
            history.limit_a = float(m[1])
        if m := found.get("list"):
            history.list_version = int(m[1])
        if (m := found.get("sequence")) and (named := _TRANSACTION.search(raw)) is not None:
            history.transactions[named[1]] = Transaction(State.OPEN, sequence=int(m[1]))
        if m := found.get("status"):
            history.statuses[connector] = m[1]
        history.awaits_boot = history.awaits_boot or "no_boot" in found
        self.second_connection = self.second_connection or "twice" in found

    def session_fact(self, name: str, value: object) -> None:
        """A fact about the connection: whether a boot was seen on it, whether the charger has another one."""
        if "boot" in name.lower() and not value:
            self.reader.history.awaits_boot = True
        if re.search(r"socket|connection|duplicate", name.lower()) and (
            value is True or (isinstance(value, int) and value > 1) or "open" in str(value)
        ):
            self.second_connection = True

    def read(self) -> tuple[Outcome, list[Message], list[Flag]]:
        """The record's own frame."""
        waiting = self.pending[self.sender]
        if self.action and (id_ := _id_of(self.data)):
            waiting.setdefault(id_, self.action)
        reading = self._read(self.data, self.sender)
        if isinstance(reading, Message):
            reading = Reading(Outcome.CLEAN, [reading], [])
        outcome, messages, flags = reading.outcome, reading.messages, list(reading.flags)
        flags += dict.fromkeys(flag for one in reading.rest for flag in one.flags)
        if self.second_connection:
            flags.insert(0, Flag(FlagCode.CONNECTION_DUPLICATE))
        if self.binary:
            flags.insert(0, Flag(FlagCode.BINARY_FRAME))
        for message in messages:
            code = self.judged(message)
            if code is not None:
                flags.append(Flag(code))
                if code is not FlagCode.ID_REUSED:
                    return Outcome.IGNORED, [], flags
        if flags and outcome is Outcome.CLEAN:
            outcome = Outcome.REPAIRED
        return outcome, messages, flags

    def judged(self, message: Message) -> FlagCode | None:
        """What the session would say about a message's id."""
        if message.type in (MessageType.CALL, MessageType.SEND):
            return FlagCode.ID_REUSED if message.id in self.seen else None
        if message.id in self.answered:
            is_error = message.type is MessageType.CALLERROR
            return FlagCode.ERROR_TO_RESULT if is_error else FlagCode.ANSWER_UNKNOWN
        if message.type is MessageType.CALLRESULT and message.id not in self.pending[self.sender]:
            return FlagCode.ANSWER_UNKNOWN
        return None


def _version(record: Record) -> Version:
    session = record.get("session")
    negotiated = session.get("negotiated") if isinstance(session, dict) else None
    if (version := _version_named(negotiated)) is not None:
        return version
    written = record.get("version") or Version.V16.value
    version = _version_named(written)
    if version is None:
        raise ValueError(f"{written!r} is not a version of OCPP; known: {', '.join(Version)}")
    return version


def _action(record: Record, version: Version) -> str:
    """The action of the CALL that an answer belongs to, "" when it is not told."""
    action = str(record.get("action") or "")
    if action and not known_action(version, action):
        known = {name.lower(): name for name in actions(version)}
        near = get_close_matches(action.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]}?" if near else "its actions are those of the standard's CALLs"
        raise ValueError(f"{action!r} is no action of OCPP {version}; {hint}")
    return action


def _version_named(text: object) -> Version | None:
    """The version a record or a sub-protocol names: `1.6`, `ocpp2.0.1`, `OCPP1.6J`."""
    plain = str(text).strip().lower().removeprefix("ocpp").removesuffix("j").strip()
    return next((version for version in Version if version.value == plain), None)


def _told(item: object) -> str:
    """One thing that came before, as text: a frame may also stand there as the JSON it is, or as a record."""
    if isinstance(item, dict) and isinstance(item.get("raw"), str):
        return f"({item['direction']}) {item['raw']}" if item.get("direction") else item["raw"]
    return item if isinstance(item, str) else json.dumps(item)


def _sender(direction: str) -> Sender:
    return Sender.BACKEND if direction.startswith(("backend", "central", "csms")) else Sender.CHARGER


def _data(record: Record) -> bytes:
    raw = record.get("raw")
    if not isinstance(raw, str):
        raise ValueError("a record needs its frame as text in 'raw'")
    if record.get("encoding") != "base64":
        return raw.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise ValueError(f"'raw' is not base64: {error}") from error


_ID: Final = re.compile(rb"""\s*\[\s*["']?[3](?:\.0)?["']?\s*,\s*(?:"([^"]*)"|'([^']*)'|(\d+))""")


def _id_of(data: bytes) -> str | None:
    """The id of a CALLRESULT, however it is written."""
    match = _ID.match(data)
    if match is None:
        return None
    return next((group for group in _groups(match.groups()) if group is not None), None)


def _groups(groups: Iterable[bytes | None]) -> Iterable[str | None]:
    return (group.decode("utf-8", "replace") if group is not None else None for group in groups)
