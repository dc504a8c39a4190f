"""What was promised and is not done: it is in the memory, and goes on after a gateway that was killed.

Two kinds. What is *owed* to the backend are CALLs that nobody waits for: one is out at a time, until it has
an answer. What was *begun* is a command of the backend that becomes several CALLs to the charger: should the
gateway or the backend's link be lost amid them, all are made again when both ends are there. Whoever asked is
gone, so nobody hears an answer; but no charger is left half changed.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway.translate.losses import Loss
from gateway.translate.memory import Begun, Event
from gateway.translate.parts import NOTHING
from gateway.translate.port import SILENCE, BackendCall, Payload, Refused
from gateway.translate.rules import BACKEND, Ask, Steps

if TYPE_CHECKING:
    from gateway.translate.engine import Engine

OWED_KEPT: Final = 1000
BEGUN_KEPT: Final = 16
CARRIED_ON_S: Final = 600.0
"""A command that was begun longer ago than this is not carried on: its backend has long given it up."""

_OWED: Final = "owed"


def owe(t: "Engine", action: str, *payloads: Payload, live: bool = False, now: bool = False) -> None:
    """Tell the backend this, one after the other, also after a restart: at once (`now`), or after what is
    being handled is answered.
    """
    owed = t.memory.owed
    owed += [Event(action, payload, live=live) for payload in payloads]
    while len(owed) > OWED_KEPT:
        t.lose(Loss.PARTIAL, owed.pop(1).action)  # the first one may be out
    t.spawn(_telling(t), now=now, only_asked=True, touches=NOTHING)


def tell_owed(t: "Engine") -> None:
    """The backend is there (again): tell it what it is owed."""
    if t.memory.owed:
        t.spawn(_telling(t), only_asked=True, touches=NOTHING)


def _telling(t: "Engine") -> Steps:
    if _OWED in t.busy or not t.backend_is_there:
        return {}
    t.busy.add(_OWED)
    while t.memory.owed:
        first = t.memory.owed[0]
        answer = yield Ask(BACKEND, first.action, first.payload, first.live)
        if not t.backend_is_there:
            break
        if isinstance(answer, Refused) and answer != SILENCE:
            t.lose(Loss.BACKEND_ERROR, first.action, answer.code)
        del t.memory.owed[0]
        t.changed = t.changed or bool(t.memory.owed)  # before the next leaves it is known that this one has
    t.busy.discard(_OWED)
    return {}


@contextmanager
def carried_on(t: "Engine", call: BackendCall) -> Iterator[None]:
    """What is done of a command within this is done again, should gateway or backend be lost amid it."""
    one = Begun(call.action, call.payload, t.now)
    t.memory.begun = [*t.memory.begun, one][-BEGUN_KEPT:]
    t.busy.add(name := _name(one))
    yield
    t.busy.discard(name)
    if t.backend_is_there:
        t.memory.begun = [other for other in t.memory.begun if other is not one]


def carry_on(t: "Engine") -> None:
    """Both ends are there (again): do again what was begun, in its order."""
    left = [one for one in t.memory.begun if _name(one) not in t.busy]
    t.memory.begun = [one for one in t.memory.begun if _name(one) in t.busy]
    for one in left:
        rule = t.rules.backend_calls.get(one.action)
        if rule is None or t.now - one.at > CARRIED_ON_S:
            continue
        steps = rule.handler(t, BackendCall("", one.action, one.payload))
        if isinstance(steps, Generator):
            t.spawn(steps, now=True)


def _name(one: Begun) -> str:
    return f"begun {id(one)}"
