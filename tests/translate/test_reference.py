"""Every message that can arrive between two versions has a rule, and a line on the page."""

import pytest

from gateway.ocpp.actions import UNANSWERED, actions_of
from gateway.ocpp.message import Sender
from gateway.translate.engine import How
from gateway.translate.losses import LOSSES, Loss
from gateway.translate.reference import ENGINES, page


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_every_call_that_can_arrive_has_a_rule(engine):
    rules = engine.rules
    assert rules.charger_calls.keys() == actions_of(engine.charger_version, Sender.CHARGER) - UNANSWERED
    assert rules.backend_calls.keys() == actions_of(engine.backend_version, Sender.BACKEND) - UNANSWERED


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_what_is_refused_names_its_loss_and_what_is_translated_its_message(engine):
    rules = engine.rules
    for action, rule in {**rules.charger_calls, **rules.backend_calls}.items():
        assert rule.becomes if rule.how in (How.TRANSLATED, How.TUNNELLED) else True, action
        assert rule.losses if rule.how is How.REFUSED else True, action


def test_every_loss_has_a_meaning_on_the_page():
    assert LOSSES.keys() == set(Loss)
    text = page()
    assert [code for code in Loss if f"| `{code}` |" not in text] == []
