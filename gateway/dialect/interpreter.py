"""One charger's dialect at work: what it sends becomes standard, what goes to it becomes what it takes.

From the charger: packs first, on the payload as it was written, for they say how a brand writes; then the
general repairs; then adapters, which can rely on the shape of the standard. To the charger the other way
round: adapters, then packs.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from gateway.dialect.adapting import Adapted, Memories, Subject, adapted
from gateway.dialect.brand import Brand, Index
from gateway.dialect.clean import check_for
from gateway.dialect.reading import Mode, Outcome, Reading
from gateway.dialect.rules.rule import KIND_OF, Kind, Payload
from gateway.ocpp import frame
from gateway.ocpp.actions import known_action
from gateway.ocpp.flags import Flag, unapplied
from gateway.ocpp.frame import split
from gateway.ocpp.message import Message, MessageType, Sender, Version
from gateway.ocpp.values import Number, dumps

if TYPE_CHECKING:
    from gateway.dialect.reader import Reader

CALL, CALLRESULT = MessageType.CALL, MessageType.CALLRESULT
LONGEST_STEM = 30  # with what is added an id stays within 36 characters


class Fitted(Struct):
    """A message as it leaves for the charger: its frame, or the answer its sender gets instead; flags."""

    data: bytes
    flags: list[Flag]
    answer: bytes | None = None


class Interpreter:
    """What a reader asks when its station has a dialect of its own. `memories` outlive it."""

    __slots__ = ("brand", "index", "memories", "version")

    def __init__(self, brand: Brand, version: Version, memories: Memories) -> None:
        self.brand = brand
        self.version = version
        self.memories = memories
        self.index: Index = brand.index(version)

    @property
    def listens(self) -> bool:
        """Whether anything applies to what the charger sends."""
        return bool(self.index.calls) or self.index.hears_answers

    def concerns(self, parts: list[bytes]) -> bool:
        """Whether a frame of the charger, split at its first four quotation marks, may be for this dialect.

        A CALL that is written in another way than most may slip through; it is not clean and comes again.
        """
        if len(parts) == 5 and parts[0] == b"[2,":
            return parts[3] in self.index.calls
        return self.index.hears_answers or parts[0][:2] != b"[3"

    # From the charger

    def read(
        self,
        reader: "Reader",
        data: bytes,
        action_of: Callable[[str], str | None],
        now: float,
        awaited: Callable[[], Sequence[str]],
    ) -> Message | Reading:
        """As `Reader.read`, in this dialect."""
        message = split(data)
        flags: list[Flag] = []
        written, action = data, ""
        if message is not None:
            kind = KIND_OF.get((message.type, Sender.CHARGER))
            action = message.action if message.type is CALL else action_of(message.id) or ""
            if kind is not None and (kind, action) in self.index.rules:
                flags, written = self._ruled(message, kind, action)
        is_spelt = message is not None and (message.type is not CALL or known_action(self.version, action))
        rules = None if is_spelt else self.index
        wanted = any(kind.sender is Sender.CHARGER for kind, _ in self.index.methods) or self._is_awaited(
            message
        )
        reader.hushed = wanted
        try:
            got = reader.read(written, Sender.CHARGER, action_of, now, awaited, Ruled(rules))
        finally:
            reader.hushed = False
        if wanted:
            got = self._adapted(reader, got, action_of, now, awaited)
        if flags:
            got = got if isinstance(got, Reading) else Reading(Outcome.REPAIRED, [got], [])
            got.flags = [*(unapplied(flags) if reader.mode is Mode.OBSERVE else flags), *got.flags]
        if reader.mode is Mode.OBSERVE and isinstance(got, Reading) and written is not data and got.messages:
            got.messages[0].frame = data
        return got

    def _is_awaited(self, message: Message | None) -> bool:
        """Whether an adapter wants to know this CALL when its answer comes."""
        return message is None or (Kind.BACKEND_RESULT, message.action) in self.index.methods

    def _ruled(self, message: Message, kind: Kind, action: str) -> tuple[list[Flag], bytes]:
        payload = payload_of(bytes(message.payload))
        if payload is None:
            return [], message.frame
        ruled, flags = self.index.ruled(kind, action, payload)
        if ruled is payload:
            return flags, message.frame
        message.payload = dumps(ruled).encode()
        return flags, frame.renamed(message, message.id)

    def _adapted(
        self,
        reader: "Reader",
        got: Message | Reading,
        action_of: Callable[[str], str | None],
        now: float,
        awaited: Callable[[], Sequence[str]],
    ) -> Message | Reading:
        """What was read, as the adapters leave it; only then is it judged by what came before."""
        reading = got if isinstance(got, Reading) else Reading(Outcome.CLEAN, [got], [])
        message = reading.messages[0] if len(reading.messages) == 1 else None
        is_broken = not reading.messages and reading.original is not None
        subject_of = message or (reading.original if is_broken else None)
        if subject_of is None:
            return self._judged(reader, got, reading, now)
        kind = KIND_OF.get((subject_of.type, Sender.CHARGER))
        methods = self.index.methods.get((kind, subject_of.action), ()) if kind is not None else ()
        payload = None
        if kind is not None and (methods or self._is_awaited(subject_of)):
            payload = payload_of(_payload_text(subject_of))
        if kind is None or payload is None:
            return self._judged(reader, got, reading, now)
        if methods and reader.mode is not Mode.STRICT:
            done = self._done(kind, subject_of, payload, is_broken)
            if is_broken:
                return self._mended(reader, reading, subject_of, payload, done, action_of, now, awaited)
            got = self._applied(reader, reading, subject_of, payload, done, now)
            payload = done.payload
        if kind is Kind.CHARGER_CALL and self._is_awaited(subject_of):
            self.memories.ask(Sender.CHARGER, subject_of.id, payload)
        return self._judged(reader, got, reading, now)

    def _done(self, kind: Kind, message: Message, payload: Payload, is_broken: bool = False) -> Adapted:
        request = {} if kind.is_request else self.memories.requests.pop((kind.caller, message.id), {})
        subject = Subject(kind, message.action, message.id, payload, self.version, request, is_broken)
        return adapted(self.index.methods[kind, message.action], subject, self.memories, self.brand.run)

    def _applied(
        self, reader: "Reader", reading: Reading, message: Message, before: Payload, done: Adapted, now: float
    ) -> Message | Reading:
        """The reading with what the adapters did; the message itself when they did nothing."""
        if done.payload is before and not done.flags and not done.is_withheld:
            return message if reading.outcome is Outcome.CLEAN else reading
        reading.outcome = Outcome.REPAIRED
        if reader.mode is Mode.OBSERVE:
            reading.flags = [*reading.flags, *unapplied(done.flags)]
            return reading
        reading.flags = [*reading.flags, *done.flags]
        if done.payload != before:
            _rewrite(message, done.payload)
        made = [self._made(message, n, *new) for n, new in enumerate([*done.before, *done.after], 1)]
        early = len(done.before)
        if done.is_withheld:
            reading.messages = made
            reading.original = message
            reading.reply = _confirmation(message, now)
            reading.outcome = Outcome.REPAIRED if made else Outcome.IGNORED
        else:
            reading.messages = [*made[:early], message, *made[early:]]
        return reading

    def _made(self, message: Message, number: int, action: str, payload: Payload) -> Message:
        """A CALL of ours in the charger's name; its id tells whose message it came with."""
        text = dumps(payload).encode()
        id_ = f"{message.id[:LONGEST_STEM]}-gw{number}"
        return Message(CALL, id_, action, text, frame.call(id_, action, text), is_made=True)

    def _mended(
        self,
        reader: "Reader",
        reading: Reading,
        message: Message,
        before: Payload,
        done: Adapted,
        action_of: Callable[[str], str | None],
        now: float,
        awaited: Callable[[], Sequence[str]],
    ) -> Message | Reading:
        """A message beyond repair that adapters changed: read once more. In vain, it stays."""
        reading.flags = [*reading.flags, *unapplied(done.flags)]
        if done.payload == before or reader.mode is Mode.OBSERVE:
            return reading
        text = dumps(done.payload).encode()
        changed = Message(message.type, message.id, message.action, text, b"", id_literal=message.id_literal)
        data = frame.renamed(changed, message.id_literal or message.id)
        again = reader.read(data, Sender.CHARGER, action_of, now, awaited, Ruled())
        if isinstance(again, Message):
            return Reading(Outcome.REPAIRED, [again], done.flags)
        if not again.messages:
            return reading
        again.flags = [*done.flags, *again.flags]
        return again

    def _judged(
        self, reader: "Reader", got: Message | Reading, reading: Reading, now: float
    ) -> Message | Reading:
        """What the messages mean, once they are as they go on."""
        flags: list[Flag] = []
        for message in reading.messages:
            if message.is_made or message.type not in (CALL, CALLRESULT) or not message.action:
                continue
            check = check_for(self.version, message.action, message.type is CALL)
            try:
                struct = check.decode(_payload_text(message)) if check is not None else None
            except (ValueError, RecursionError):
                continue
            known = {(flag.code, flag.path) for flag in reading.flags}
            judged = reader.judged(message, struct, Sender.CHARGER, now)
            flags += [flag for flag in judged if (flag.code, flag.path) not in known]
        if not flags:
            return got
        reading.outcome = Outcome.REPAIRED
        reading.flags = [*reading.flags, *flags]
        return reading

    # To the charger

    def fit(self, data: bytes, kind: Kind, action: str) -> Fitted:
        """A CALL or CALLRESULT on its way to the charger, in the form this brand takes.

        The frame is the very same where nothing applies to it.
        """
        try:
            parts = msgspec.json.decode(data, type=list[Raw])
        except (msgspec.DecodeError, RecursionError, ValueError):
            return Fitted(data, [])
        before = payload_of(bytes(parts[-1])) if len(parts) == (4 if kind.is_request else 3) else None
        if before is None:
            return Fitted(data, [])
        id_ = _text(parts[1])
        payload, flags = before, []
        if (kind, action) in self.index.methods:
            message = Message(CALL if kind.is_request else CALLRESULT, id_, action, b"", data)
            done = self._done(kind, message, payload)
            payload, flags = done.payload, done.flags
            if done.answer is not None:
                return Fitted(data, flags, frame.result(bytes(parts[1]), dumps(done.answer).encode()))
        payload, raised = self.index.ruled(kind, action, payload)
        if kind is Kind.BACKEND_CALL and (Kind.CHARGER_RESULT, action) in self.index.methods:
            self.memories.ask(Sender.BACKEND, id_, before)
        if payload == before:
            return Fitted(data, flags + raised)
        head = b",".join(bytes(part) for part in parts[:-1])
        return Fitted(b"[%b,%b]" % (head, dumps(payload).encode()), flags + raised)


class Ruled(Struct, frozen=True):
    """How the general reading is done for a dialect: the rules still to be applied, once the envelope can be
    read (None: they have been)."""

    rules: Index | None = None


def payload_of(text: bytes) -> Payload | None:
    """A payload as a tree whose numbers keep their text; None for what is no JSON object to the letter."""
    try:
        found = json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice")
    return members


def _payload_text(message: Message) -> bytes:
    """The JSON text of a payload, also where it was left in the frame."""
    if message.payload:
        return bytes(message.payload)
    found = split(message.frame)
    return bytes(found.payload) if found is not None else b""


def _rewrite(message: Message, payload: Payload) -> None:
    """Give a message another payload; its id towards the backend stays."""
    message.payload = dumps(payload).encode()
    message.frame = frame.renamed(message, message.id)


def _confirmation(message: Message, now: float) -> bytes:
    """The answer to a charger's CALL that says no more than that it has come."""
    payload = b"{}"
    if message.action == "Heartbeat":
        at = datetime.fromtimestamp(max(now, 0), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        payload = b'{"currentTime":"%b"}' % at.encode()
    return frame.result(message.id_literal or message.id, payload)


def _text(literal: Raw) -> str:
    """The id that a JSON literal is, as a text."""
    value = msgspec.json.decode(literal)
    return value if isinstance(value, str) else bytes(literal).decode()
