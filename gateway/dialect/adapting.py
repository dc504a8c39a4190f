"""Running a brand's adapters on one message: bounded, checked, and harmless when they fail."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.dialect.adapter import Adapter, AdapterMessage, Memory
from gateway.dialect.clean import bounded, check_for, clean
from gateway.dialect.exact import difference, plain, tree
from gateway.dialect.rules.places import Change
from gateway.dialect.rules.rule import Kind, Use, flags_of, signed_values
from gateway.ocpp.actions import may_send, must_not_be_lost
from gateway.ocpp.flags import FLAGS, Consequence, Flag, FlagCode
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.values import dumps

MOST_NEW: Final = 8
MOST_MEMORY_BYTES: Final = 65_536
MOST_PAYLOAD_BYTES: Final = 1_048_576
MOST_OVERRUNS: Final = 3
REQUESTS_KEPT: Final = 16
_MOST_PLACE: Final = 200

Payload = dict[str, Any]
Runner = Callable[[Callable[[], Any]], Any]
"""Calls a function and returns what it returns; may raise `TookTooLong` in the middle of it."""


class TookTooLong(BaseException):
    """The adapter used up the time it has for one message. No `except Exception` of its own catches it."""


class Nonsense(ValueError):
    """What an adapter returned cannot be used; the text says why."""


class Method(Struct, frozen=True):
    """One marked method of an adapter that fits a station."""

    adapter: Adapter
    name: str
    broken: bool
    use: Use

    @property
    def author(self) -> str:
        return f"adapters/{self.adapter.name}"


class Memories:
    """What a charger's adapters remember, and the CALLs whose answers they wait for.

    `is_dirty` says that what `stored` returns has changed since it was last asked for.
    """

    __slots__ = ("_by_adapter", "is_dirty", "overruns", "requests")

    def __init__(self, stored: bytes = b"") -> None:
        self._by_adapter: dict[str, bytes] = {}
        self.requests: dict[tuple[Sender, str], Payload] = {}
        self.overruns: dict[str, int] = {}
        self.is_dirty = False
        if stored:
            found = msgspec.json.decode(stored, type=dict[str, msgspec.Raw])
            self._by_adapter = {name: bytes(memory) for name, memory in found.items()}

    def of(self, adapter: str) -> Memory:
        """A copy of what an adapter remembers."""
        raw = self._by_adapter.get(adapter)
        return msgspec.json.decode(raw, type=dict[str, Any]) if raw is not None else {}

    def keep(self, adapter: str, memory: Memory) -> None:
        """Remember from now on. Errors: Nonsense when it is too much or no JSON."""
        if not isinstance(memory, dict):
            raise Nonsense("the memory is no dict")
        try:
            raw = dumps(tree(memory)).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise Nonsense(f"the memory is not JSON: {error}") from None
        if len(raw) > MOST_MEMORY_BYTES:
            raise Nonsense(f"the memory has {len(raw)} bytes; {MOST_MEMORY_BYTES} are the most")
        if raw != self._by_adapter.get(adapter, b"{}"):
            self._by_adapter[adapter] = raw
            self.is_dirty = True

    def stored(self) -> bytes:
        """Everything that is remembered, as JSON; b"" for nothing."""
        self.is_dirty = False
        kept = {name: msgspec.Raw(raw) for name, raw in self._by_adapter.items() if raw != b"{}"}
        return msgspec.json.encode(kept) if kept else b""

    def ask(self, caller: Sender, id_: str, payload: Payload) -> None:
        """Keep the payload of a CALL for its answer."""
        self.requests.pop((caller, id_), None)
        self.requests[caller, id_] = payload
        if len(self.requests) > REQUESTS_KEPT:
            del self.requests[next(iter(self.requests))]


class Subject(Struct):
    """A message under the adapters' hands; `payload` is a tree."""

    kind: Kind
    action: str
    id: str
    payload: Payload
    version: Version
    request: Payload
    is_broken: bool = False


class Adapted(Struct):
    """What adapters made of a message.

    `payload` as it goes on; CALLs of the charger's to go before and after it; whether it is withheld; the
    answer the backend gets instead; flags.
    """

    payload: Payload
    before: list[tuple[str, Payload]]
    after: list[tuple[str, Payload]]
    flags: list[Flag]
    is_withheld: bool = False
    answer: Payload | None = None


def adapted(methods: tuple[Method, ...], subject: Subject, memories: Memories, run: Runner) -> Adapted:
    """Let every adapter that wants the message have it, one after the other."""
    result = Adapted(subject.payload, [], [], [])
    for method in methods:
        name = method.adapter.name
        if subject.is_broken and not method.broken:
            continue
        if memories.overruns.get(name, 0) >= MOST_OVERRUNS:
            continue
        try:
            _one(method, subject, memories, run, result)
        except TookTooLong as error:
            memories.overruns[name] = memories.overruns.get(name, 0) + 1
            rest = MOST_OVERRUNS - memories.overruns[name]
            reason = f"took too long; it is given up after {rest} more" if rest else "given up"
            result.flags.append(_failed(method, error, reason))
        except Exception as error:
            result.flags.append(_failed(method, error, f"{type(error).__name__}: {error}"))
        subject.payload = result.payload
        if result.is_withheld or result.answer is not None:
            break
    return result


def _failed(method: Method, error: BaseException, reason: str) -> Flag:
    """The flag of a failure; its path is the adapter, with the line of its file that was reached last."""
    path, code = method.author, getattr(getattr(method.adapter, method.name), "__code__", None)
    if code is not None:
        line = line_of(error, code.co_filename) or code.co_firstlineno
        path = f"{path} {PurePath(code.co_filename).name}:{line}"
    return Flag(FlagCode.ADAPTER_FAILED, path[:_MOST_PLACE], dumps(reason[:200]), author=method.author)


def line_of(error: BaseException, filename: str) -> int:
    """The last line of a file that an error came through; 0 when it came through none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _one(method: Method, subject: Subject, memories: Memories, run: Runner, result: Adapted) -> None:
    memory = memories.of(method.adapter.name)
    given = AdapterMessage(
        subject.kind,
        subject.action,
        subject.id,
        plain(subject.payload),
        plain(subject.request),
        subject.version,
        subject.is_broken,
    )
    function = getattr(method.adapter, method.name)
    returned = run(lambda: function(given, memory))
    wanted = _checked(returned, subject)
    memories.keep(method.adapter.name, memory)
    _take(wanted, subject, method, result)


class _Wanted(Struct):
    """What one method returned, found to make sense."""

    message: AdapterMessage
    payload: Payload
    changes: list[Change]
    before: list[tuple[str, Payload]]
    after: list[tuple[str, Payload]]
    answer: Payload | None


def _checked(returned: Any, subject: Subject) -> _Wanted:
    """What a method wants. Errors: Nonsense."""
    listed = list(returned) if isinstance(returned, list | tuple) else [returned]
    if not all(isinstance(item, AdapterMessage) for item in listed):
        raise Nonsense("it did not return a message; return the message, changed or not")
    own = [item for item in listed if not item.is_new]
    if len(own) != 1:
        raise Nonsense("return the message once; to hold it back, return message.withheld()")
    message = own[0]
    if len(listed) - 1 > MOST_NEW:
        raise Nonsense(f"it returned {len(listed) - 1} new messages; {MOST_NEW} are the most")
    if (message.kind, message.action, message.id) != (subject.kind, subject.action, subject.id):
        raise Nonsense("it changed the kind, action or id; only the payload may change")
    at = listed.index(message)
    new = [_new(item, subject) for item in listed if item.is_new]
    payload = _payload(message.payload)
    changes = difference(subject.payload, payload)
    if changes and signed_values(payload) != signed_values(subject.payload):
        raise Nonsense("it changed a signed meter value")
    if changes and subject.kind.sender is Sender.CHARGER and not subject.is_broken:
        _must_fit(subject.version, subject.action, subject.kind.is_request, payload)
    if message.is_withheld:
        _must_be_withholdable(subject)
    answer = None
    if message.answer is not None:
        if subject.kind is not Kind.BACKEND_CALL:
            raise Nonsense("only a backend_call can be answered")
        answer = _payload(message.answer)
        _must_fit(subject.version, subject.action, False, answer)
    return _Wanted(message, payload, changes, new[:at], new[at:], answer)


def _payload(value: Any) -> Payload:
    if not isinstance(value, dict):
        raise Nonsense("a payload is no dict")
    try:
        found: Payload = tree(value)
        size = len(dumps(found))
    except (TypeError, ValueError, RecursionError) as error:
        raise Nonsense(f"a payload is not JSON: {error}") from None
    if size > MOST_PAYLOAD_BYTES or not bounded(found):
        raise Nonsense("a payload is too large")
    return found


def _new(item: AdapterMessage, subject: Subject) -> tuple[str, Payload]:
    if subject.kind.sender is not Sender.CHARGER:
        raise Nonsense("a new message can only go along with a charger's")
    if not may_send(subject.version, Sender.CHARGER, item.action):
        raise Nonsense(f"a charger cannot send {item.action!r} in OCPP {subject.version}")
    if must_not_be_lost(item.action):
        raise Nonsense(f"{item.action} carries what somebody is billed for; it cannot be made up")
    payload = _payload(item.payload)
    _must_fit(subject.version, item.action, True, payload)
    return item.action, payload


def _must_fit(version: Version, action: str, is_request: bool, payload: Payload) -> None:
    check = check_for(version, action, is_request)
    if check is None or clean(check, dumps(payload).encode()) is None:
        what = action if is_request else f"the answer to {action}"
        raise Nonsense(f"{what} would not fit the schema of OCPP {version}")


def _must_be_withholdable(subject: Subject) -> None:
    if subject.kind is not Kind.CHARGER_CALL or must_not_be_lost(subject.action):
        raise Nonsense(f"{subject.action} cannot be withheld: it carries what must not be lost")
    if not can_be_confirmed(subject.version, subject.action):
        raise Nonsense(f"{subject.action} cannot be withheld: only the backend can answer it")


def can_be_confirmed(version: Version, action: str) -> bool:
    """Whether the gateway can answer a charger's CALL without saying more than that it has come."""
    check = check_for(version, action, False)
    return action == "Heartbeat" or (check is not None and clean(check, b"{}") is not None)


def _take(wanted: _Wanted, subject: Subject, method: Method, result: Adapted) -> None:
    """Do what a method wants, or in observe mode only say it."""
    author = method.author
    if method.use is Use.OBSERVE:
        result.flags += flags_of(wanted.changes, FlagCode.DIALECT_OBSERVED, author)
        extra = [*wanted.before, *wanted.after]
        what = [
            *(f"add {action}" for action, _ in extra),
            *(["withhold"] if wanted.message.is_withheld else []),
        ]
        what += ["answer"] if wanted.answer is not None else []
        result.flags += [
            Flag(FlagCode.DIALECT_OBSERVED, after=dumps(word), author=author, applied=False) for word in what
        ]
        return
    result.flags += _flags(wanted, author)
    result.payload = wanted.payload
    result.before += wanted.before
    result.after = wanted.after + result.after
    result.is_withheld = wanted.message.is_withheld
    result.answer = wanted.answer


def _flags(wanted: _Wanted, author: str) -> list[Flag]:
    """Every change as a flag, with the code the adapter gave it; then what it only raised."""
    codes = {raised.path: raised.code for raised in wanted.message.raised}
    flags = []
    for flag in flags_of(wanted.changes, FlagCode.ADAPTER_APPLIED, author):
        code = codes.get(flag.path) or next(
            (code for path, code in codes.items() if path and flag.path.startswith((path + ".", path + "["))),
            FlagCode.ADAPTER_APPLIED,
        )
        flags.append(Flag(_harmless(code), flag.path, flag.before, flag.after, author))
    told = {(flag.code, flag.path) for flag in flags}
    for raised in wanted.message.raised[:MOST_NEW]:
        flag = Flag(_harmless(raised.code), raised.path[:200], author=author)
        if (flag.code, flag.path) not in told and raised.code is not FlagCode.ADAPTER_APPLIED:
            flags.append(flag)
    for action, payload in [*wanted.before, *wanted.after]:
        flags.append(Flag(FlagCode.MESSAGE_SYNTHESISED, after=dumps({action: payload})[:200], author=author))
    if wanted.message.is_withheld:
        flags.append(Flag(FlagCode.MESSAGE_WITHHELD, author=author))
    if wanted.answer is not None:
        flags.append(Flag(FlagCode.COMMAND_ANSWERED, after=dumps(wanted.answer)[:200], author=author))
    return flags


def _harmless(code: FlagCode) -> FlagCode:
    """A code that says the message was not delivered would not be true of one that goes on."""
    return code if FLAGS[code].consequence is Consequence.DELIVERED else FlagCode.ADAPTER_APPLIED
