"""How handlers are written and registered: one function per action, which answers at once or in steps.

A handler returns its answer, or is a generator that yields what it asks (`Ask`) or waits for (`Wait`) and
is given each answer.
"""

from collections.abc import Callable, Generator, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gateway.ocpp.message import Sender
from gateway.translate.losses import Loss
from gateway.translate.parts import COLD
from gateway.translate.port import Answer, BackendCall, ChargerCall, Payload, Refused

if TYPE_CHECKING:
    from gateway.translate.engine import Engine

NEVER: Final = float("inf")
CHARGER, BACKEND = Sender


class Ask(Struct, frozen=True, gc=False):
    """A CALL that a handler wants made of an end, in that end's version."""

    end: Sender
    action: str
    payload: Payload
    live: bool = False


class Wait(Struct, frozen=True, gc=False):
    """A handler waits for `signal` with this key, which gives it an answer; at `until` it gets `NoAnswer`."""

    key: str
    until: float = NEVER


class Undelivered(Struct, frozen=True, gc=False):
    """The outcome of a charger's CALL that the backend has not processed."""

    refused: Refused


Result = Payload | Refused
Outcome = Result | Undelivered
Steps = Generator[Ask | Wait, Answer, Outcome]
ChargerHandler = Callable[["Engine", ChargerCall], Outcome | Steps]
BackendHandler = Callable[["Engine", BackendCall], Outcome | Steps]


class Task(Struct):
    """Steps under way: what becomes of their outcome, and (as in `Rule`) what they may change."""

    steps: Steps
    finish: Callable[[Outcome], None]
    stateless: bool
    touches: frozenset[str]
    asked: Ask | None = None


class How(StrEnum):
    """What becomes of a message."""

    TRANSLATED = "translated"
    ANSWERED = "answered by the gateway"
    TUNNELLED = "tunnelled"
    REFUSED = "refused"


class Rule(Struct, frozen=True):
    """How one action is handled, for the engine and for the page that lists all of them.

    `becomes` names the messages of the other version. `stateless`: nothing is remembered
    of it; `only_asked`: of the answers to what it asks nothing is remembered that must survive. `touches`
    are the cold parts of the memory that may be others after it (see `parts`).
    """

    handler: Callable[..., Outcome | Steps]
    how: How
    becomes: str
    losses: tuple[Loss, ...] = ()
    stateless: bool = False
    only_asked: bool = False
    touches: frozenset[str] = COLD


class Rules:
    """The handlers of one subject, by what came in."""

    def __init__(self, *parts: "Rules") -> None:
        self.charger_calls: dict[str, Rule] = {}
        self.backend_calls: dict[str, Rule] = {}
        for part in parts:
            self.charger_calls |= part.charger_calls
            self.backend_calls |= part.backend_calls

    def charger_call(
        self,
        action: str,
        how: How,
        becomes: str = "",
        *losses: Loss,
        stateless: bool = False,
        only_asked: bool = False,
        touches: Iterable[str] = COLD,
    ) -> Callable[[ChargerHandler], ChargerHandler]:
        """The function below handles this CALL of the charger."""

        def registered(handler: ChargerHandler) -> ChargerHandler:
            touched = frozenset(touches)
            self.charger_calls[action] = Rule(handler, how, becomes, losses, stateless, only_asked, touched)
            return handler

        return registered

    def backend_call(
        self, action: str, how: How, becomes: str = "", *losses: Loss, stateless: bool = False
    ) -> Callable[[BackendHandler], BackendHandler]:
        """The function below handles this CALL of the backend."""

        def registered(handler: BackendHandler) -> BackendHandler:
            self.backend_calls[action] = Rule(handler, how, becomes, losses, stateless)
            return handler

        return registered
