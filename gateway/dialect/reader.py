"""From the bytes of a WebSocket message to messages that can be relayed, and flags.

One `Reader` belongs to one charger; it remembers what is needed to judge the next message. A clean
message comes back as the `Message` it is, its bytes untouched; everything else as a `Reading`.
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import Any, Final

from gateway.dialect import quiet, replies
from gateway.dialect.adapting import Memories
from gateway.dialect.brand import Brand, Key
from gateway.dialect.clean import intact, whole
from gateway.dialect.envelope import Context
from gateway.dialect.hidden import hidden, names_16_schema
from gateway.dialect.history import History
from gateway.dialect.interpreter import Fitted, Interpreter, Ruled
from gateway.dialect.judge import Judge
from gateway.dialect.kinds import TABLES, KindOfMessage, learned
from gateway.dialect.lenient import NotJsonError, parse
from gateway.dialect.meaning import look_for
from gateway.dialect.notes import Notes
from gateway.dialect.reading import Mode, Outcome, Reading
from gateway.dialect.rules.rule import Kind
from gateway.dialect.shapes import Shape, shape_of
from gateway.dialect.slow import Work, untouched
from gateway.dialect.times import Clock
from gateway.ocpp import errors, frame
from gateway.ocpp.actions import may_send
from gateway.ocpp.flags import Flag, FlagCode, unapplied
from gateway.ocpp.frame import MAX_ID_LENGTH, split
from gateway.ocpp.message import Message, MessageType, Sender, Version
from gateway.ocpp.schema import deviations, schema, wrong_of
from gateway.ocpp.values import dumps, path_text

__all__ = ["Mode", "Outcome", "Reader", "Reading"]


_NO_FLAGS: list[Flag] = []
_NOTHING: frozenset[Key] = frozenset()

_CALL, _CALLRESULT, _SEND = MessageType.CALL, MessageType.CALLRESULT, MessageType.SEND
_CHARGER: Final = Sender.CHARGER
_MOST_PATIENT: Final = 4096


class Reader:
    """Reads one charger's frames, from both of its sides.

    `timezone` is the zone of timestamps that name none, where the time of receipt does not tell it;
    `history` and `memories` are what is known of the charger from earlier connections. `to_charger` are the
    kinds and actions of messages to the charger that `fit` has something to do for; `shape`, if it is there,
    reads what the charger writes like one before, and is to be asked first; `listens`: the brand has
    something to say about what the charger sends. `hushed` leaves judging a message for later.
    """

    __slots__ = (
        "_answers",
        "_brand",
        "_from_backend",
        "_from_charger",
        "_interpreter",
        "_judge",
        "_listening",
        "_patience",
        "_unlike",
        "history",
        "hushed",
        "listens",
        "memories",
        "mode",
        "shape",
        "timezone",
        "to_charger",
        "version",
    )

    def __init__(
        self,
        version: Version,
        mode: Mode = Mode.REPAIR,
        timezone: tzinfo | None = None,
        history: History | None = None,
        memories: Memories | None = None,
    ) -> None:
        self.mode = mode
        self.timezone = timezone
        self.history = history or History()
        self.memories = memories or Memories()
        self.hushed = False
        self._brand: Brand | None = None
        self.speak(version)

    def follow(self, mode: Mode, timezone: tzinfo | None, brand: Brand | None) -> None:
        """From now on messages are read like this, in the dialect of this brand if there is one."""
        self.mode = mode
        self.timezone = timezone
        if brand is not self._brand:
            self.memories.overruns.clear()
        self._brand = brand
        self._find_interpreter()

    @property
    def brand(self) -> Brand | None:
        """What applies to the station beside the general repairs."""
        return self._brand

    def hears(self, action: str) -> bool:
        """Whether the brand has something to say about this CALL of the charger."""
        return self._listening is not None and action.encode() in self._listening.index.calls

    def _find_interpreter(self) -> None:
        brand = self._brand if self.mode is not Mode.STRICT else None
        self._interpreter = Interpreter(brand, self.version, self.memories) if brand is not None else None
        found = self._interpreter
        self._listening = found if found is not None and found.listens else None
        self.listens = self._listening is not None
        self.shape: Shape | None = None
        self._unlike, self._patience = 0, 2
        self.to_charger = found.index.to_charger if found is not None else _NOTHING

    def speak(self, version: Version) -> None:
        """From now on frames are of this version."""
        self.version = version
        self._judge = Judge(self.history, version)
        self._from_charger, self._from_backend, self._answers = TABLES[version]
        self._find_interpreter()

    def read(
        self,
        data: bytes,
        sender: Sender,
        action_of: Callable[[str], str | None],
        now: float,
        awaited: Callable[[], Sequence[str]] = tuple,
        ruled: Ruled | None = None,
    ) -> Message | Reading:
        """Read one frame.

        `action_of(id)` is the action of the CALL with that id that awaits its answer from `sender`, or
        None; `now` is the gateway's clock in seconds since 1970 (0: not known); `awaited()` are the ids of
        all CALLs that await their answer from `sender`. An answer whose CALL is not known comes back with
        action "", for the session to judge. `ruled` is given when a dialect's own reading asks for the
        general one.
        """
        kinds = self._from_charger if sender is _CHARGER else self._from_backend
        parts = data.split(b'"', 4)
        own = self._listening if ruled is None and sender is _CHARGER else None
        if own is not None and own.concerns(parts):
            return own.read(self, data, action_of, now, awaited)
        kind = kinds.get(parts[3]) if len(parts) == 5 else None
        if kind is not None:
            read = self._in_one_go(kind, data, sender, now)
            if read is not None:
                return read
        message = split(data)
        if message is not None:
            read = self._quickly(message, sender, action_of, now)
            if read is not None:
                return read
        if own is not None:
            return own.read(self, data, action_of, now, awaited)
        if self.mode is Mode.STRICT:
            return self._refused(data, message, sender)
        context = Context(self.version, sender, action_of, awaited)
        clock = Clock(now, self.timezone)
        rules = ruled.rules if ruled is not None else None
        reading = Work(
            data, context, clock, lambda m, payload: self.judged(m, payload, sender, now), rules
        ).run()
        return reading if self.mode is Mode.REPAIR else untouched(reading, data)

    def fit(self, data: bytes, kind: Kind, action: str) -> Fitted:
        """A message to the charger that is among `to_charger`, in the form that its brand takes."""
        assert self._interpreter is not None
        fitted = self._interpreter.fit(data, kind, action)
        return Fitted(data, unapplied(fitted.flags)) if self.mode is Mode.OBSERVE else fitted

    def _in_one_go(
        self, kind: KindOfMessage, data: bytes, sender: Sender, now: float
    ) -> Message | Reading | None:
        """A CALL of a kind met before, if it is clean; its payload is left in the frame."""
        try:
            decoded = kind.decode(data)
        except (ValueError, RecursionError):
            return None
        type_, id_, _, payload = decoded
        if type_ != 2 or not 0 < len(id_) <= MAX_ID_LENGTH or not whole(kind.check, data, decoded):
            return None
        message = Message(_CALL, id_, kind.action, b"", data)
        if kind.is_meter_values and not self.hushed and quiet.meter_values(self.history, payload, now):
            self._unlike += 1
            if self._unlike == self._patience:
                self._look_for_shape(data, payload)
            return message
        return self._meant(kind, message, payload, sender, now)

    def _look_for_shape(self, data: bytes, payload: Any) -> None:
        """Several MeterValues were not written like the one before: perhaps the next are like this one.

        A charger that writes them in many ways makes us look ever less often.
        """
        self._unlike, self._patience = 0, min(2 * self._patience, _MOST_PATIENT)
        if not self.hears("MeterValues"):
            self.shape = shape_of(data, payload) or self.shape

    def _quickly(
        self, message: Message, sender: Sender, action_of: Callable[[str], str | None], now: float
    ) -> Message | Reading | None:
        """The message if it is clean, or clean but doubtful; None when there is something to repair."""
        type_, action = message.type, message.action
        if type_ is _CALL or type_ is _SEND:
            kinds = self._from_charger if sender is _CHARGER else self._from_backend
            kind = kinds.get(action) or learned(kinds, self.version, sender, action, type_)
        else:
            message.action = action = action_of(message.id) or ""
            if type_ is not _CALLRESULT:
                return self._error(message)
            if not action:
                return message
            kind = self._answers.get(action) or learned(self._answers, self.version, None, action, type_)
        if kind is None or (type_ is _SEND and self.version is not Version.V21):
            return None
        try:
            payload = kind.check.decode(message.payload)
        except (ValueError, RecursionError):
            return None
        if not whole(kind.check, message.payload, payload):
            return None
        return self._meant(kind, message, payload, sender, now)

    def _meant(
        self, kind: KindOfMessage, message: Message, payload: Any, sender: Sender, now: float
    ) -> Message | Reading | None:
        """A message that fits its schema goes on, flagged or not, unless something is hidden in it."""
        look = kind.check.look
        if look is not None and not look(payload):
            return None
        if kind.may_hide and self.mode is not Mode.STRICT and hidden(kind.action, kind.is_request, payload):
            return None
        if kind.look is None and not self.history.awaits_boot:
            return message
        flags = self.judged(message, payload, sender, now)
        return Reading(Outcome.REPAIRED, [message], flags) if flags else message

    def judged(self, message: Message, payload: Any, sender: Sender, now: float) -> list[Flag]:
        """What the message means, as flags; `payload` is the decoded one."""
        if self.hushed:
            return []
        look = look_for(self.version, message.action, message.type)
        if look is None and not self.history.awaits_boot:
            return _NO_FLAGS
        judge = self._judge
        judge.now, judge.sender, judge.id = now, sender, message.id
        if self.history.awaits_boot and sender is Sender.CHARGER and message.type is MessageType.CALL:
            self.history.awaits_boot = False
            if message.action != "BootNotification":
                judge.notes.add(FlagCode.BEFORE_BOOT)
        if look is not None:
            look(judge, payload)
        flags = judge.notes.flags
        if flags:
            judge.notes = Notes()
        return flags

    def _error(self, message: Message) -> Message | Reading | None:
        """A CALLERROR or CALLRESULTERROR, which has no schema."""
        if message.type is MessageType.CALLRESULTERROR and self.version is not Version.V21:
            return None
        details = bytes(message.payload)
        if message.error_code not in errors.codes(self.version) or details[:1] != b"{" or not intact(details):
            return None
        if names_16_schema(self.version, message):
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
        if schema(self.version, message.action, is_call) is None:
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
