"""The slow path: one WebSocket message through every layer of repair, each change a flag."""

from collections.abc import Callable
from typing import Any

from gateway.dialect import replies
from gateway.dialect.brand import Index
from gateway.dialect.clean import Check, check_for, clean
from gateway.dialect.envelope import Context, Envelope, opened
from gateway.dialect.fields import Fields
from gateway.dialect.hidden import names_16_schema
from gateway.dialect.lenient import NotJsonError, parse
from gateway.dialect.notes import Notes
from gateway.dialect.reading import Outcome, Reading
from gateway.dialect.rules.rule import KIND_OF
from gateway.dialect.text import decoded
from gateway.dialect.times import Clock
from gateway.ocpp import frame
from gateway.ocpp.actions import NEVER_LOST, may_send
from gateway.ocpp.flags import Flag, FlagCode, Severity, gravest, unapplied
from gateway.ocpp.frame import split
from gateway.ocpp.message import Message, MessageType, Version
from gateway.ocpp.schema import schema
from gateway.ocpp.values import dumps

MAX_ROUNDS = 3


class Work:
    """The slow path for one WebSocket message; `rules` are the brand's, if any are still to be applied."""

    def __init__(
        self,
        data: bytes,
        context: Context,
        clock: Clock,
        judged: Callable[[Message, Any], list[Flag]],
        rules: Index | None = None,
    ) -> None:
        self.version = context.version
        self.sender = context.sender
        self.clock = clock
        self.judged = judged
        self.data = data
        self.context = context
        self.rules = rules
        self.notes = Notes()
        self.written = 0  # flags of what is as repaired even in a frame that is kept: its text and envelope

    def run(self) -> Reading:
        """Every frame in the message."""
        text = decoded(self.data, self.notes)
        if (reading := self.no_frame(text)) is not None:
            return reading
        try:
            parsed = parse(text, self.notes)
        except NotJsonError as error:
            return self.unreadable(text, error.code)
        values = parsed.values
        if parsed.unclosed:
            if not _is_result(values[-1]):
                return self.unreadable(text, FlagCode.TRUNCATED)
            self.notes.add(FlagCode.UNCLOSED)
        first = values[0]
        if len(values) == 1 and isinstance(first, list) and first and all(isinstance(v, list) for v in first):
            self.notes.add(FlagCode.SEVERAL_FRAMES)
            values = first
        readings = [self.one(value, text) for value in values]
        return readings[0] if len(readings) == 1 else _together(readings, self.notes.flags)

    def no_frame(self, text: str) -> Reading | None:
        """Messages that were never meant to be frames."""
        stripped = text.strip()
        if not stripped:
            return self.ignored(FlagCode.FRAME_EMPTY)
        if stripped[0] in "[{\"'" or stripped in _WORDS or stripped.lstrip("-").isdecimal():
            return None
        if any(f'"{action}"' in stripped for action in NEVER_LOST):
            return self.unreadable(text, FlagCode.FRAME_UNREADABLE)
        return self.ignored(FlagCode.NOT_OCPP, stripped)

    def ignored(self, code: FlagCode, before: str = "") -> Reading:
        """A message with nothing in it to forward."""
        self.notes.add(code, before=dumps(before[:200]) if before else "")
        return Reading(Outcome.IGNORED, [], self.notes.flags)

    def unreadable(self, text: str, code: FlagCode) -> Reading:
        """A message that is kept because nobody can say what it is."""
        self.notes.add(code)
        reply = replies.reply_to_text(self.version, text)
        return Reading(Outcome.QUARANTINED, [], unapplied(self.notes.flags), reply)

    def one(self, value: object, text: str) -> Reading:
        """One frame."""
        notes = self.notes
        try:
            envelope = opened(value, self.context, notes)
        except NotJsonError as error:
            return self.unreadable(text, error.code)
        if envelope is None:
            return self.without_envelope(text)
        self.written = len(notes.flags)
        if notes.fatal or (envelope.type in _CALLS and not self.allowed(envelope)):
            return self.kept(envelope)
        is_call = envelope.type in _CALLS
        if envelope.type in _ERRORS or schema(self.version, envelope.action, is_call) is None:
            return self.passed(envelope, envelope.payload, not notes.flags)
        if not isinstance(envelope.payload, dict):
            return self.kept(envelope)
        return self.repaired(envelope, envelope.payload)

    def allowed(self, envelope: Envelope) -> bool:
        """Whether the sender may send the action, spelled like this."""
        return may_send(self.version, self.sender, envelope.action)

    def without_envelope(self, text: str) -> Reading:
        """A frame whose type, id or action cannot be read."""
        flags = self.notes.flags
        if gravest(flags) is not Severity.ERROR:
            return Reading(Outcome.IGNORED, [], flags)
        return Reading(Outcome.QUARANTINED, [], flags, replies.reply_to_text(self.version, text))

    def repaired(self, envelope: Envelope, payload: dict[str, object]) -> Reading:
        """A frame whose payload has a schema."""
        is_request = envelope.type in _CALLS
        before = len(self.notes.flags)
        envelope.payload = payload = self.ruled(envelope, payload)
        self.written = len(self.notes.flags)
        fixed = self.settled(envelope, is_request, payload)
        if fixed is None:
            if (other := self.other_version(envelope, payload)) is not None:
                del self.notes.flags[before:]
                self.notes.add(FlagCode.VERSION_MISMATCH, after=f'"{other}"')
            return self.kept(envelope)
        return self.passed(envelope, fixed, not before and fixed == payload)

    def ruled(self, envelope: Envelope, payload: dict[str, object]) -> dict[str, object]:
        """The payload as the brand's rules leave it."""
        kind = KIND_OF.get((envelope.type, self.sender))
        if self.rules is None or kind is None:
            return payload
        payload, flags = self.rules.ruled(kind, envelope.action, payload)
        self.notes.flags += flags
        return payload

    def settled(
        self, envelope: Envelope, is_request: bool, payload: dict[str, object]
    ) -> dict[str, object] | None:
        """The payload repaired until there is nothing left to repair: one repair may uncover another."""
        notes = self.notes
        for _ in range(MAX_ROUNDS):
            fields = Fields(self.version, envelope.action, is_request, self.sender, self.clock, notes)
            fixed = fields.repair(payload)
            if notes is not self.notes:
                seen = {(flag.code, flag.path) for flag in self.notes.flags}
                new = [flag for flag in notes.flags if (flag.code, flag.path) not in seen]
                self.notes.flags.extend(new if fixed != payload else [])
            if fixed is None or fixed == payload:
                break
            payload, notes = fixed, Notes()
        return fixed

    def other_version(self, envelope: Envelope, payload: dict[str, object]) -> Version | None:
        """The version whose schema a payload fits that cannot be repaired in this one."""
        is_request = envelope.type in _CALLS
        here = schema(self.version, envelope.action, is_request)
        if (
            here is None
            or not payload
            or (len(payload) == 1 and not payload.keys().isdisjoint(here.properties))
        ):
            return None
        for version in Version:
            check = check_for(version, envelope.action, is_request) if version is not self.version else None
            if check is not None and _fits(check, payload):
                return version
        return None

    def passed(self, envelope: Envelope, payload: object, unchanged: bool) -> Reading:
        """A frame that goes on; `unchanged`, as the very bytes that came."""
        message = _message(envelope, payload)
        if message is None:
            return self.kept(envelope)
        if envelope.type in _ERRORS and names_16_schema(self.version, message):
            self.notes.add(FlagCode.WRONG_SCHEMA, before=dumps(message.error_description))
        flags = self.notes.flags
        if envelope.action and envelope.type not in _ERRORS:
            check = check_for(self.version, envelope.action, envelope.type in _CALLS)
            try:
                struct = check.decode(message.payload) if check is not None else None
            except (ValueError, RecursionError):
                self.notes.add(FlagCode.SCHEMA_VIOLATION)
                return self.kept(envelope)
            known = {(flag.code, flag.path) for flag in flags}
            judged = self.judged(message, struct)
            flags = flags + [flag for flag in judged if (flag.code, flag.path) not in known]
        if envelope.type is MessageType.CALLRESULT and not envelope.action:
            flags = [flag for flag in flags if flag.code is not FlagCode.ANSWER_UNKNOWN]
        if unchanged and (original := self.original(envelope)) is not None:
            message = original
        return Reading(Outcome.REPAIRED if flags else Outcome.CLEAN, [message], flags)

    def kept(self, envelope: Envelope) -> Reading:
        """A frame that was read but goes no further."""
        flags = self.notes.flags
        lost = gravest(flags) is Severity.ERROR
        reply = replies.reply_to(self.version, self.sender, envelope, flags)
        original = self.original(envelope)
        untouched_from = 0 if original is not None else self.written
        flags[untouched_from:] = unapplied(flags[untouched_from:])
        original = original or _message(envelope, envelope.payload)
        return Reading(Outcome.QUARANTINED if lost else Outcome.IGNORED, [], flags, reply, original)

    def original(self, envelope: Envelope) -> Message | None:
        """The message as it came, None when its frame is not to the letter or holds several."""
        found = split(b"[" + self.data.lstrip(_SPACE)[1:].strip(_SPACE))
        if found is None or (found.id, found.type) != (envelope.id, envelope.type):
            return None
        found.frame = self.data
        found.action = found.action or envelope.action
        return found


_SPACE = b" \t\r\n"
_WORDS = frozenset({"null", "None", "true", "false"})
_CALLS = (MessageType.CALL, MessageType.SEND)
_ERRORS = (MessageType.CALLERROR, MessageType.CALLRESULTERROR)


def _is_result(value: object) -> bool:
    """Whether a frame is a CALLRESULT: all that may be closed for its sender."""
    return isinstance(value, list) and len(value) > 2 and getattr(value[0], "text", "") == "3"


def _message(envelope: Envelope, payload: object) -> Message | None:
    """The message of an envelope with this payload, None when the payload is not JSON."""
    try:
        text = dumps(payload).encode()
    except TypeError:
        return None
    message = Message(
        envelope.type, envelope.id, envelope.action, text, b"",
        envelope.error_code, envelope.error_description, envelope.id_literal,
    )  # fmt: skip
    message.frame = frame.renamed(message, envelope.id)
    return message


def _fits(check: Check, payload: dict[str, object]) -> bool:
    try:
        return clean(check, dumps(payload).encode()) is not None
    except TypeError:
        return False


def _together(readings: list[Reading], flags: list[Flag]) -> Reading:
    """The readings of several frames of one message as one; what could not be repaired stays apart."""
    messages = [message for reading in readings for message in reading.messages]
    everything = list(dict.fromkeys([*flags, *(flag for reading in readings for flag in reading.flags)]))
    if messages:
        grave = [flag for flag in everything if flag.severity is Severity.ERROR]
        rest = [reading for reading in readings if reading.outcome is Outcome.QUARANTINED]
        for reading in rest:
            reading.flags = grave
        others = [flag for flag in everything if not rest or flag not in grave]
        return Reading(Outcome.REPAIRED, messages, others, rest=rest)
    reply = next((reading.reply for reading in readings if reading.reply is not None), None)
    worst = Outcome.QUARANTINED if gravest(everything) is Severity.ERROR else Outcome.IGNORED
    return Reading(worst, [], everything, reply)


def untouched(reading: Message | Reading, data: bytes) -> Message | Reading:
    """Observe mode: the flags of a repair, the message as it came."""
    if isinstance(reading, Message) or reading.outcome is Outcome.IGNORED:
        return reading
    message = reading.messages[0] if reading.messages else reading.original
    if message is None or len(reading.messages) > 1:
        return reading
    message.frame = data
    return Reading(Outcome.REPAIRED, [message], unapplied(reading.flags))
