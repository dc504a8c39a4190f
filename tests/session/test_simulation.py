"""Hundreds of lives by chance: the session keeps its promises, and it would be seen if it did not."""

import json

import pytest
from msgspec import structs
from simulation import CHARGER, Violation, live

from gateway.session.calls import Call, Calls
from gateway.session.effects import SendToBackend, SendToCharger
from gateway.session.session import ChargerSession

SEEDS = 300
BLOCK = 30
SEEDS_PER_PLANT = 50


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_the_session_keeps_its_promises(first):
    delivered = sum(live(seed).delivered for seed in range(first, first + BLOCK))
    assert delivered > 100 * BLOCK


class NoEpochs(ChargerSession):
    """Takes what an old connection says for what the present one says."""

    def handle(self, event, now):
        if hasattr(event, "epoch") and "Opened" not in type(event).__name__:
            leg = self.charger if type(event).__name__.startswith("Charger") else self.backend
            event = structs.replace(event, epoch=leg.epoch)
        return super().handle(event, now)


class AnswersTwice(ChargerSession):
    def _answer(self, message, calls, now):
        effects = super()._answer(message, calls, now)
        return effects[:1] + effects


class ForwardsLateAnswers(ChargerSession):
    def _stray(self, message, calls):
        send = SendToCharger if calls is self.to_backend else SendToBackend
        return [send(message.frame)] if calls.was_late(message.id) else super()._stray(message, calls)


class _LastFirst(Calls):
    def next(self):
        return self.line.pop() if self.line else None


class _NeverRenames(Calls):
    def rename(self, call):
        return False


class _KeepsTheNewName(Calls):
    def rename(self, call):
        renamed = super().rename(call)
        call.answer_id = None
        return renamed


class _NeverCleared(Calls):
    def clear(self):
        return []


class ReversesTheLine(ChargerSession):
    lines = _LastFirst

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.to_backend = self.lines(self.backend)
        self.to_charger = self.lines(self.charger)


class ConfusesIds(ReversesTheLine):
    lines = _NeverRenames


class AnswersUnderItsOwnName(ReversesTheLine):
    lines = _KeepsTheNewName


class RemembersTheDead(ReversesTheLine):
    lines = _NeverCleared


class DoesNotWait(ChargerSession):
    def _wait(self, call, calls, now):
        return self._send(call, calls, now)


class WritesAnew(ChargerSession):
    def _send(self, call, calls, now):
        call.frame = json.dumps(json.loads(call.frame)).encode()
        return super()._send(call, calls, now)


class ForgetsTheLine(ChargerSession):
    def _expire(self, calls, now):
        effects = super()._expire(calls, now)
        return [e for e in effects if not isinstance(e, SendToBackend | SendToCharger)]


class NeverReadsOn(ChargerSession):
    def _release(self, leg, why):
        return []


class KeepsBillingDataWaiting(ChargerSession):
    def _ends(self, now):
        return [] if any(call.billing for call in self.to_backend) else super()._ends(now)


class GivesBillingDataUp(ChargerSession):
    def _patience(self, calls):
        return self.settings.answer_deadline_s / 2 if calls.waiting else super()._patience(calls)


class RepeatsByIdAlone(ChargerSession):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.heard = {}

    def _answer(self, message, calls, now):
        effects = super()._answer(message, calls, now)
        if calls is self.to_backend and isinstance(effects[0], SendToCharger):
            self.heard[message.id] = effects[0]
        return effects

    def _send(self, call, calls, now):
        if calls is self.to_backend and call.id in self.heard:
            return [self.heard[call.id], *self._next(calls, now)]
        return super()._send(call, calls, now)


class TalksToTheDead(ChargerSession):
    def _lost(self, leg, other, code, reason):
        return [
            SendToCharger(b'[4,"m1","InternalError","gone",{}]'),
            *super()._lost(leg, other, code, reason),
        ]


class LosesTheLast(ChargerSession):
    def _wait(self, call: Call, calls, now):
        return [] if calls.waiting == 2 else super()._wait(call, calls, now)


PLANTS = [
    NoEpochs,
    AnswersTwice,
    ForwardsLateAnswers,
    ReversesTheLine,
    ConfusesIds,
    AnswersUnderItsOwnName,
    RemembersTheDead,
    DoesNotWait,
    WritesAnew,
    ForgetsTheLine,
    NeverReadsOn,
    KeepsBillingDataWaiting,
    GivesBillingDataUp,
    RepeatsByIdAlone,
    TalksToTheDead,
    LosesTheLast,
]


@pytest.mark.parametrize("plant", PLANTS)
def test_a_broken_promise_is_seen(plant):
    for seed in range(SEEDS_PER_PLANT):
        try:
            live(seed, plant)
        except (Violation, AssertionError) as problem:
            assert f"seed {seed}" in str(problem)
            return
    pytest.fail(f"{plant.__name__} lived through {SEEDS_PER_PLANT} seeds unseen")


def test_a_failure_tells_how_to_see_it_again():
    with pytest.raises(Violation, match=r"seed 0, .*\n(?s:.*)python tests/session/simulation.py 0$"):
        live(0, AnswersTwice)


def test_a_seed_is_always_the_same_story():
    assert live(7).history == live(7).history
    assert live(7).history != live(8).history
    assert any("Charger" in line for line in live(7, ChargerSession).history), CHARGER
