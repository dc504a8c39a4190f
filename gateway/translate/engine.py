"""What translators share: calls in, orders out, and steps of an exchange that wait for answers.

Whatever comes in and goes out is fitted to the schema of its version here, so that handlers (see `rules`)
read and write payloads that are whole.
"""

from collections.abc import Callable, Generator
from typing import ClassVar

from msgspec import structs

from gateway.ocpp import errors
from gateway.ocpp.message import Version
from gateway.translate import jobs
from gateway.translate import memory as memories
from gateway.translate.clock import SET_BACK_S, set_back
from gateway.translate.fitting import answered_in, asked_in, fitted, going_out
from gateway.translate.losses import Loss, lost
from gateway.translate.memory import Memory
from gateway.translate.parts import COLD, Parts, parts_of
from gateway.translate.policies import Policies
from gateway.translate.port import (
    Answer,
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Lost,
    NoAnswer,
    Order,
    Payload,
    Refused,
    Severity,
    ToBackend,
    ToCharger,
)
from gateway.translate.rules import (
    BACKEND,
    CHARGER,
    NEVER,
    Ask,
    BackendHandler,
    ChargerHandler,
    How,
    Outcome,
    Result,
    Rule,
    Rules,
    Steps,
    Task,
    Undelivered,
    Wait,
)


class Engine:
    """A translator made of rules. A subclass names its versions and rules and says what times and links mean.

    Handlers use `memory`, `policies`, `now`, `station` (the charger's id, "" when not told), `busy` (names of
    what is being done and must not be begun again before its end), and the methods below.
    """

    charger_version: Version
    backend_version: Version
    rules: ClassVar[Rules]

    def __init__(self, policies: Policies, snapshot: bytes = b"", station: str = "") -> None:
        self.policies = policies
        self.station = station
        self.memory = memories.decoded(snapshot) if snapshot else Memory()
        self.changed = False
        self.touched = set(COLD)
        self.due = NEVER
        self.heard_here = ""
        self.now = 0.0
        self.backend_is_there = False
        self.delivering = 0
        self.triggers: dict[tuple[str, int | None], float] = {}
        self._orders: list[Order] = []
        self._tasks: dict[int, Task] = {}
        self.busy: set[str] = set()
        self._spawned: list[tuple[Steps, bool, frozenset[str]]] = []
        self._waiting: list[tuple[Wait, Task]] = []
        self._signals: list[tuple[str, Answer]] = []
        self._tokens = 0

    # The contract with the session

    @property
    def listens(self) -> bool:
        """Whether the backend has not said that it does not accept the charger, or not yet."""
        return self.memory.registration not in ("Pending", "Rejected")

    def charger_call(self, call: ChargerCall, now: float) -> list[Order]:
        """The charger asks, or the outbox delivers what it asked."""
        self._at(now)
        self.delivering += call.stored

        def finish(outcome: Outcome) -> None:
            self.delivering -= call.stored
            delivered = not isinstance(outcome, Undelivered)
            result = outcome.refused if isinstance(outcome, Undelivered) else outcome
            answer = self._noted(going_out(self.charger_version, call.action, result))
            self._orders.append(AnswerCharger(call.id, answer, delivered))
            self.charger_was_answered(call)

        self._serve(call, self.charger_version, self.rules.charger_calls.get(call.action), finish)
        return self._done()

    def backend_call(self, call: BackendCall, now: float) -> list[Order]:
        """The backend asks."""
        self._at(now)

        def finish(outcome: Outcome) -> None:
            result = outcome.refused if isinstance(outcome, Undelivered) else outcome
            answer = self._noted(going_out(self.backend_version, call.action, result))
            self._orders.append(AnswerBackend(call.id, answer))

        self._serve(call, self.backend_version, self.rules.backend_calls.get(call.action), finish)
        return self._done()

    def backend_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The backend's answer to `ToBackend`."""
        return self._answered(token, answer, now, self.backend_version)

    def charger_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The charger's answer to `ToCharger`."""
        return self._answered(token, answer, now, self.charger_version)

    def charger_opened(self, now: float) -> list[Order]:
        """The charger has connected (again)."""
        self._at(now)
        self.when_charger_opened()
        return self._done()

    def backend_opened(self, now: float) -> list[Order]:
        """The backend's link is there (again)."""
        self._at(now)
        self.backend_is_there = True
        self.when_backend_opened()
        jobs.tell_owed(self)
        return self._done()

    def backend_closed(self, now: float) -> list[Order]:
        """The backend's link is gone."""
        self._at(now)
        self.backend_is_there = False
        return self._done()

    def resumed(self, now: float) -> list[Order]:
        """Both ends are there (again)."""
        self._at(now)
        self.when_resumed()
        jobs.carry_on(self)
        return self._done()

    def time_passed(self, now: float) -> list[Order]:
        """`due` has come."""
        self._at(now)
        self.due = NEVER
        for pair in [pair for pair in self._waiting if pair[0].until <= now]:
            self._waiting.remove(pair)
            self._advance(pair[1], NoAnswer())
        self.when_time_passed()
        self.due = min([self.due, *(wait.until for wait, _ in self._waiting)])
        return self._done()

    def stores(self, action: str, payload: Payload) -> bool:
        """Whether this CALL must reach the backend later, in its place, though no outbox would keep it."""
        return False

    def parts(self, everything: bool = False) -> Parts:
        """The parts of the memory that may be others now, or all."""
        cold, self.touched = COLD if everything else self.touched, set()
        return parts_of(self.memory, cold)

    def snapshot(self) -> bytes:
        """Everything that must survive, as JSON."""
        return memories.encoded(self.memory)

    # For a subclass

    def when_charger_opened(self) -> None:
        """The charger has connected (again)."""

    def when_backend_opened(self) -> None:
        """The backend's link is there (again)."""

    def when_resumed(self) -> None:
        """Both ends are there (again): what is to be asked of the charger can be."""

    def when_time_passed(self) -> None:
        """A moment that was asked for by `wake` has come (or an earlier one)."""

    def charger_was_answered(self, call: ChargerCall) -> None:
        """The answer to a CALL of the charger is among the orders."""

    def answered_before(self, call: ChargerCall) -> Outcome | None:
        """The answer to a CALL of the charger that its rule is not asked for."""
        return None

    def refusal_of_unknown(self, version: Version, action: str) -> Result:
        """The answer to a CALL that no rule is for."""
        self.lose(Loss.NOT_SUPPORTED, action)
        return Refused(errors.code(version, errors.Wrong.ACTION_UNKNOWN), f"{action} is not known here")

    # For handlers

    def lose(
        self, code: Loss, path: str = "", value: str = "", became: str = "", severity: Severity | None = None
    ) -> None:
        """Report a loss."""
        self._orders.append(lost(code, path, value, became, severity))

    def tell_backend(self, action: str, payload: Payload, live: bool = True) -> None:
        """Send a CALL whose answer changes nothing; until there is one it is owed."""
        jobs.owe(self, action, payload, live=live, now=True)

    def spawn(
        self, steps: Steps, now: bool = False, only_asked: bool = False, touches: frozenset[str] = COLD
    ) -> None:
        """Start steps of their own: at once, or after what is being handled is answered."""
        if now:
            self.changed = True
            self._begin(steps, _ignore, only_asked, touches)
        else:
            self._spawned.append((steps, only_asked, touches))

    def signal(self, key: str, answer: Answer) -> None:
        """Let those that wait for this key go on, in order, after the answer to what is being handled."""
        self._signals.append((key, answer))

    def wake(self, at: float) -> None:
        """Let `when_time_passed` come at this time, or earlier."""
        self.due = min(self.due, at)

    # Inside

    def _at(self, now: float) -> None:
        """It is this late; a clock that was set back takes along what is to come."""
        back_s = self.memory.told_at - now
        if back_s > SET_BACK_S:
            set_back(self.memory, back_s)
            self.due -= back_s
            self._waiting = [
                (structs.replace(wait, until=wait.until - back_s), x) for wait, x in self._waiting
            ]
            self.triggers = {key: until - back_s for key, until in self.triggers.items()}
        self.now = self.memory.told_at = now

    def _serve(
        self,
        call: ChargerCall | BackendCall,
        version: Version,
        rule: Rule | None,
        finish: Callable[[Outcome], None],
    ) -> None:
        if rule is None:
            finish(self.refusal_of_unknown(version, call.action))
            return
        payload = self._noted(asked_in(version, call.action, call.payload))
        if isinstance(payload, Refused):
            finish(payload)
            return
        known = structs.replace(call, payload=payload)
        outcome = self.answered_before(known) if isinstance(known, ChargerCall) else None
        self.changed = self.changed or not rule.stateless
        produced = rule.handler(self, known) if outcome is None else outcome
        self._begin(produced, finish, rule.stateless or rule.only_asked, rule.touches)

    def _begin(
        self,
        produced: Outcome | Steps,
        finish: Callable[[Outcome], None],
        stateless: bool,
        touches: frozenset[str],
    ) -> None:
        self.touched |= touches
        if isinstance(produced, Generator):
            self._advance(Task(produced, finish, stateless, touches), None)
        else:
            finish(produced)

    def _advance(self, task: Task, answer: Answer | None) -> None:
        """Give a task its answer and send what it asks next; what cannot be made to fit is refused here."""
        self.touched |= task.touches
        while True:
            try:
                ask = task.steps.send(answer)  # type: ignore[arg-type]
            except StopIteration as stop:
                task.finish(stop.value)
                return
            if isinstance(ask, Wait):
                self._waiting.append((ask, task))
                self.wake(ask.until)
                return
            version = self.backend_version if ask.end is BACKEND else self.charger_version
            payload, losses = fitted(version, ask.action, True, ask.payload)
            self._orders += losses
            if payload is not None:
                break
            answer = Refused("PropertyConstraintViolation", "it cannot be said in the other version")
        task.asked = ask
        self._tokens += 1
        self._tasks[self._tokens] = task
        if ask.end is BACKEND:
            self._orders.append(ToBackend(self._tokens, ask.action, payload, ask.live))
        else:
            self._orders.append(ToCharger(self._tokens, ask.action, payload))

    def _answered(self, token: int, answer: Answer, now: float, version: Version) -> list[Order]:
        self._at(now)
        task = self._tasks.pop(token, None)
        if task is None:
            return []
        if isinstance(answer, dict):
            assert task.asked is not None
            answer = self._noted(answered_in(version, task.asked.action, answer))
        self.changed = self.changed or not task.stateless
        self._advance(task, answer)
        return self._done()

    def _done(self) -> list[Order]:
        while self._spawned or self._signals:
            if self._spawned:
                steps, only_asked, touches = self._spawned.pop(0)
                self.spawn(steps, True, only_asked, touches)
            else:
                self._signalled(*self._signals.pop(0))
        orders, self._orders = self._orders, []
        return orders

    def _signalled(self, key: str, answer: Answer) -> None:
        for pair in [pair for pair in self._waiting if pair[0].key == key]:
            self._waiting.remove(pair)
            self._advance(pair[1], answer)

    def _noted(self, got: tuple[Result, list[Lost]]) -> Result:
        self._orders += got[1]
        return got[0]


def _ignore(outcome: Outcome) -> None:
    pass


__all__ = [
    "BACKEND", "CHARGER", "NEVER", "Ask", "BackendHandler", "ChargerHandler", "Engine", "How", "Outcome",
    "Result", "Rule", "Rules", "Steps", "Undelivered", "Wait",
]  # fmt: skip
