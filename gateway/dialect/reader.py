"""From the bytes of a WebSocket message to messages that can be relayed, and flags.

One `Reader` belongs to one charger; it remembers what is needed to judge the next message. A clean
message comes back as the `Message` it is, its bytes untouched; everything else as a `Reading`.
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from enum import StrEnum
from typing import Any

from msgspec import Struct

from gateway.dialect import quiet, replies
from gateway.dialect.clean import Check, check_for, clean, intact, whole
from gateway.dialect.envelope import Context, Envelope, opened
from gateway.dialect.fields import Fields
from gateway.dialect.history import History
from gateway.dialect.lenient import NotJsonError, parse
from gateway.dialect.meaning import Judge, hidden, look_for
from gateway.dialect.notes import Notes
from gateway.dialect.text import decoded
from gateway.dialect.times import Clock
from gateway.ocpp import errors, frame
from gateway.ocpp.actions import may_send
from gateway.ocpp.flags import Flag, FlagCode, Severity, gravest
from gateway.ocpp.frame import split
from gateway.ocpp.message import Message, MessageType, Sender, Version
from gateway.ocpp.schema import deviations, wrong_of
from gateway.ocpp.values import dumps, path_text


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
    """Reads one charger's frames, from both of its sides.

    `timezone` is the zone of timestamps that name none, where the time of receipt does not tell it.
    """

    __slots__ = ("history", "mode", "timezone", "version")

    def __init__(self, version: Version, mode: Mode = Mode.REPAIR, timezone: tzinfo | None = None) -> None:
        self.version = version
        self.mode = mode
        self.timezone = timezone
        self.history = History()

    def read(
        self,
        data: bytes,
        sender: Sender,
        action_of: Callable[[str], str | None],
        now: float,
        awaited: Callable[[], Sequence[str]] = tuple,
    ) -> Message | Reading:
        """Read one frame.

        `action_of(id)` is the action of the CALL with that id that awaits its answer from `sender`, or
        None; `now` is the gateway's clock in seconds since 1970 (0: not known); `awaited()` are the ids of
        all CALLs that await their answer from `sender`. An answer whose CALL is not known comes back with
        action "", for the session to judge.
        """
        message = split(data)
        if message is not None:
            reading = self._quickly(message, sender, action_of, now)
            if reading is not None:
                return reading
        if self.mode is Mode.STRICT:
            return self._refused(data, message, sender)
        work = _Work(self, data, sender, Context(self.version, sender, action_of, awaited), now)
        reading = work.run()
        return reading if self.mode is Mode.REPAIR else _untouched(reading, data)

    def _quickly(  # noqa: PLR0911
        self, message: Message, sender: Sender, action_of: Callable[[str], str | None], now: float
    ) -> Message | Reading | None:
        """The message if it is clean, or clean but doubtful; None when there is something to repair."""
        type_ = message.type
        if type_ is MessageType.CALL or type_ is MessageType.SEND:
            if not may_send(self.version, sender, message.action):
                return None
            if type_ is MessageType.SEND and self.version is not Version.V21:
                return None
            is_request = True
        else:
            message.action = action_of(message.id) or ""
            if type_ is not MessageType.CALLRESULT:
                return self._error(message)
            if not message.action:
                return message
            is_request = False
        check = check_for(self.version, message.action, is_request)
        if (
            check is not None
            and is_request
            and message.action == "MeterValues"
            and self.version is Version.V16
        ):
            try:
                payload = check.decode(message.payload)
            except (ValueError, RecursionError):
                return None
            if whole(check, message.payload, payload) and quiet.meter_values(self.history, payload, now):
                return message
        payload = clean(check, message.payload) if check is not None else None
        if payload is None or hidden(self.version, message.action, is_request, payload):
            return None
        flags = self.judged(message, payload, sender, now)
        return Reading(Outcome.REPAIRED, [message], flags) if flags else message

    def judged(self, message: Message, payload: Any, sender: Sender, now: float) -> list[Flag]:
        """What the message means, as flags; `payload` is the decoded one."""
        look = look_for(self.version, message.action, message.type)
        if look is None and not self.history.awaits_boot:
            return _NO_FLAGS
        judge = Judge(self.history, self.version, now, sender)
        judge.id = message.id
        if self.history.awaits_boot and sender is Sender.CHARGER and message.type is MessageType.CALL:
            self.history.awaits_boot = False
            if message.action != "BootNotification":
                judge.notes.add(FlagCode.BEFORE_BOOT)
        if look is not None:
            look(judge, payload)
        return judge.notes.flags

    def _error(self, message: Message) -> Message | Reading | None:
        """A CALLERROR or CALLRESULTERROR, which has no schema."""
        if message.type is MessageType.CALLRESULTERROR and self.version is not Version.V21:
            return None
        details = bytes(message.payload)
        if message.error_code not in errors.codes(self.version) or details[:1] != b"{" or not intact(details):
            return None
        if self.version is not Version.V16 and "csChargingProfiles" in message.error_description:
            flag = Flag(FlagCode.WRONG_SCHEMA, before=dumps(message.error_description))
            return Reading(Outcome.REPAIRED, [message], [flag])
        return message

    def _refused(self, data: bytes, message: Message | None, sender: Sender) -> Reading:
        """Strict mode: nothing is repaired; the sender hears the standard's own error code."""
        if message is None:
            text = data.decode("utf-8", "replace")
            flags = [Flag(FlagCode.FRAME_UNREADABLE)]
            return Reading(Outcome.QUARANTINED, [], flags, replies.reply_to_text(self.version, text))
        is_call = message.type is MessageType.CALL
        if is_call and not may_send(self.version, sender, message.action):
            flags = [Flag(FlagCode.ACTION_UNKNOWN, before=dumps(message.action))]
            code = errors.code(self.version, errors.Wrong.ACTION_UNKNOWN)
        else:
            flags, code = self._violations(message, is_call)
        reply = None
        if is_call:
            reply = frame.error(message.id, code, replies.description_of(flags))
        return Reading(Outcome.QUARANTINED, [], flags, reply, message)

    def _violations(self, message: Message, is_call: bool) -> tuple[list[Flag], str]:
        """The places where a payload differs from its schema, and the error code of the first."""
        fallback = [Flag(FlagCode.SCHEMA_VIOLATION)], errors.code(self.version, errors.Wrong.SYNTAX)
        if not message.action:
            return fallback
        try:
            payload = parse(bytes(message.payload).decode(), Notes()).values[0]
        except (NotJsonError, ValueError):
            return fallback
        found = deviations(self.version, message.action, is_call, payload)[:100]
        if not found:
            return fallback
        flags = [Flag(FlagCode.SCHEMA_VIOLATION, path_text(d.path), after=d.kind.value) for d in found]
        return flags, errors.code(self.version, wrong_of(found[0]))


_NO_FLAGS: list[Flag] = []


class _Work:
    """The slow path for one WebSocket message."""

    def __init__(self, reader: Reader, data: bytes, sender: Sender, context: Context, now: float) -> None:
        self.reader = reader
        self.version = reader.version
        self.data = data
        self.sender = sender
        self.context = context
        self.now = now
        self.notes = Notes()

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
        if stripped[0] in "[{\"'" or stripped in {"null", "None"} or stripped.lstrip("-").isdecimal():
            return None
        return self.ignored(FlagCode.NOT_OCPP, stripped)

    def ignored(self, code: FlagCode, before: str = "") -> Reading:
        """A message with nothing in it to forward."""
        self.notes.add(code, before=dumps(before[:200]) if before else "")
        return Reading(Outcome.IGNORED, [], self.notes.flags)

    def unreadable(self, text: str, code: FlagCode) -> Reading:
        """A message that is kept because nobody can say what it is."""
        self.notes.add(code)
        reply = replies.reply_to_text(self.version, text)
        return Reading(Outcome.QUARANTINED, [], self.notes.flags, reply)

    def one(self, value: object, text: str) -> Reading:
        """One frame."""
        notes = self.notes
        try:
            envelope = opened(value, self.context, notes)
        except NotJsonError as error:
            return self.unreadable(text, error.code)
        if envelope is None:
            return self.without_envelope(text)
        if notes.fatal or (envelope.type in _CALLS and not self.allowed(envelope)):
            return self.kept(envelope)
        if envelope.type in _ERRORS or not envelope.action:
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
        clock = Clock(self.now, self.reader.timezone)
        fields = Fields(self.version, envelope.action, is_request, self.sender, clock, self.notes)
        fixed = fields.repair(payload)
        if fixed is None:
            if (other := self.other_version(envelope, payload)) is not None:
                del self.notes.flags[before:]
                self.notes.add(FlagCode.VERSION_MISMATCH, after=f'"{other}"')
            return self.kept(envelope)
        return self.passed(envelope, fixed, not before and fixed == payload)

    def other_version(self, envelope: Envelope, payload: dict[str, object]) -> Version | None:
        """The version whose schema a payload fits that cannot be repaired in this one."""
        is_request = envelope.type in _CALLS
        for version in Version:
            check = check_for(version, envelope.action, is_request) if version is not self.version else None
            if check is not None and len(payload) > 1 and _fits(check, payload):
                return version
        return None

    def passed(self, envelope: Envelope, payload: object, unchanged: bool) -> Reading:
        """A frame that goes on; `unchanged`, as the very bytes that came."""
        message = _message(envelope, payload)
        if message is None:
            return self.kept(envelope)
        flags = self.notes.flags
        if envelope.action and envelope.type not in _ERRORS:
            check = check_for(self.version, envelope.action, envelope.type in _CALLS)
            try:
                struct = check.decode(message.payload) if check is not None else None
            except (ValueError, RecursionError):
                self.notes.add(FlagCode.SCHEMA_VIOLATION)
                return self.kept(envelope)
            known = {(flag.code, flag.path) for flag in flags}
            judged = self.reader.judged(message, struct, self.sender, self.now)
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
        original = self.original(envelope) or _message(envelope, envelope.payload)
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
    """The readings of several frames of one message as one."""
    messages = [message for reading in readings for message in reading.messages]
    everything = list(dict.fromkeys([*flags, *(flag for reading in readings for flag in reading.flags)]))
    reply = next((reading.reply for reading in readings if reading.reply is not None), None)
    if messages:
        return Reading(Outcome.REPAIRED, messages, everything, reply)
    worst = Outcome.QUARANTINED if gravest(everything) is Severity.ERROR else Outcome.IGNORED
    return Reading(worst, [], everything, reply)


def _untouched(reading: Message | Reading, data: bytes) -> Message | Reading:
    """Observe mode: the flags of a repair, the message as it came."""
    if isinstance(reading, Message) or reading.outcome is Outcome.IGNORED:
        return reading
    message = reading.messages[0] if reading.messages else reading.original
    if message is None or len(reading.messages) > 1:
        return reading
    message.frame = data
    return Reading(Outcome.REPAIRED, [message], reading.flags)
