"""What an adapter is written with: a class with a match, and methods marked by kind and action.

Message in, message(s) out. `memory` is JSON, belongs to one charger and one adapter, is handed as a copy and
kept only when the method returns. No I/O, no clock: the same messages always give the same result.
"""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar, Final, Self

from msgspec import Struct

from gateway.dialect.facts import Facts
from gateway.dialect.match import Match
from gateway.dialect.rules.rule import Kind
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Version

Memory = dict[str, Any]
Handler = Callable[[Any, "AdapterMessage", Memory], Any]

_STEP: Final = re.compile(r"([\w-]+)((?:\[\d{1,5}\])*)", re.ASCII)


class Handling(Struct, frozen=True):
    """What a method is marked with; `broken` says that it also wants messages beyond repair."""

    kind: Kind
    action: str
    broken: bool


class Raised(Struct, frozen=True):
    """A flag that an adapter raised itself."""

    code: FlagCode
    path: str


class AdapterMessage:
    """A message as an adapter sees it; the methods return a changed copy.

    `kind` is `charger_call`, `charger_result`, `backend_call` or `backend_result`; `payload` are plain Python
    values under their wire names, in the shape of the standard unless `is_broken`; a number that is written
    with a fraction is a float that goes on as it was written while it is not changed. An answer carries the
    payload of the CALL it answers as `request` (empty where that CALL came before the adapter was there).
    """

    __slots__ = ("action", "answer", "id", "is_broken", "is_new", "is_withheld", "kind", "payload", "raised",
                 "request", "version")  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        action: str,
        id_: str,
        payload: dict[str, Any],
        request: dict[str, Any],
        version: Version,
        is_broken: bool = False,
    ) -> None:
        self.kind = kind
        self.action = action
        self.id = id_
        self.payload = payload
        self.request = request
        self.version = version
        self.is_broken = is_broken
        self.raised: tuple[Raised, ...] = ()
        self.is_new = False
        self.is_withheld = False
        self.answer: dict[str, Any] | None = None

    def _copy(self) -> Self:
        copy = type(self)(
            self.kind,
            self.action,
            self.id,
            deepcopy(self.payload),
            self.request,
            self.version,
            self.is_broken,
        )
        copy.raised, copy.is_new = self.raised, self.is_new
        copy.is_withheld, copy.answer = self.is_withheld, self.answer
        return copy

    def with_field(self, path: str, value: Any, code: FlagCode = FlagCode.ADAPTER_APPLIED) -> Self:
        """The message with a value at `transactionId` or `meterValue[0].timestamp`, flagged with the code."""
        copy = self._copy()
        parent, key = _parent(copy.payload, path)
        parent[key] = value
        return copy.flagged(code, path)

    def without_field(self, path: str, code: FlagCode = FlagCode.FIELD_DROPPED) -> Self:
        """The message without the member at a path; KeyError where there is none."""
        copy = self._copy()
        parent, key = _parent(copy.payload, path)
        del parent[key]
        return copy.flagged(code, path)

    def flagged(self, code: FlagCode, path: str = "") -> Self:
        """The message with one more flag."""
        copy = self._copy()
        copy.raised += (Raised(FlagCode(code), path),)
        return copy

    def new(self, action: str, payload: dict[str, Any]) -> Self:
        """Another CALL of the charger, to be returned in a list with this one, before or after it.

        It must fit the standard and may not carry billing data. Its answer ends in the gateway.
        """
        made = type(self)(Kind.CHARGER_CALL, action, "", deepcopy(payload), {}, self.version)
        made.is_new = True
        return made

    def withheld(self) -> Self:
        """The message, held back: the gateway answers it. Billing data cannot be held back.

        An adapter that wants it to go on later keeps its payload in memory and returns it with `new`.
        """
        copy = self._copy()
        copy.is_withheld = True
        return copy

    def answered(self, payload: dict[str, Any]) -> Self:
        """A backend's CALL that does not go to the charger, with the answer that the backend gets instead."""
        copy = self._copy()
        copy.answer = deepcopy(payload)
        return copy


def _parent(payload: Any, path: str) -> tuple[Any, Any]:
    """The object or list that a path ends in, and the last step. Errors: KeyError."""
    steps: list[str | int] = []
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise KeyError(f"{path!r} is not a path")
        steps += [match[1], *map(int, re.findall(r"\d+", match[2]))]
    for step in steps[:-1]:
        payload = payload[step]
    return payload, steps[-1]


class Adapter:
    """What data cannot say about a brand.

    `match` says which stations it is for, `name` what it is called (by default after its class), `after` are
    globs of the names of adapters it comes after where both fit a station. `facts` are the brand's.
    """

    match: ClassVar[Match]
    name: ClassVar[str] = ""
    after: ClassVar[tuple[str, ...]] = ()
    facts: ClassVar[Facts] = Facts()
    handlers: ClassVar[tuple[tuple[Handling, str], ...]] = ()
    """What each marked method is for, and its name; filled in when the class is made."""

    def __init_subclass__(cls) -> None:
        found = {}
        for base in reversed(cls.__mro__):
            for name, member in vars(base).items():
                for handling in getattr(member, "_handles", ()):
                    found[handling.kind, handling.action, name] = (handling, name)
        cls.handlers = tuple(found.values())
        if not cls.__dict__.get("name"):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cls.__name__).lower()


def _marks(kind: Kind) -> Callable[..., Callable[[Handler], Handler]]:
    def marker(*actions: str, broken: bool = False) -> Callable[[Handler], Handler]:
        def mark(method: Handler) -> Handler:
            earlier = getattr(method, "_handles", ())
            added = tuple(Handling(kind, action, broken) for action in actions)
            method._handles = earlier + added  # type: ignore[attr-defined]
            return method

        return mark

    marker.__doc__ = f"""Marks a method for every {kind.value} of these actions.

    With `broken` it also gets messages that are beyond repair (`is_broken`), whose payload may be anything.
    """
    return marker


charger_call = _marks(Kind.CHARGER_CALL)
charger_result = _marks(Kind.CHARGER_RESULT)
backend_call = _marks(Kind.BACKEND_CALL)
backend_result = _marks(Kind.BACKEND_RESULT)
