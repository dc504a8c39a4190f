"""Nearly every CALL and every empty answer, to the letter, just passes; these are some that must not."""

from gateway.session.effects import SendToBackend, SendToCharger, StopReading
from tests.session.boards import MAIN, SECOND, Board
from tests.session.script import CHARGER, Script, meter_values
from tests.session.test_switchboard import charging


def empty(id_: str) -> bytes:
    """The empty answer as most backends write it."""
    return b'[3,"%b",{}]' % id_.encode()


def test_a_reading_that_comes_again_hears_its_answer_and_goes_no_further():
    s = Script().charger_sends(meter_values("m1")).then(SendToBackend(meter_values("m1")))
    s.backend_sends(empty("m1")).then(SendToCharger(empty("m1")))
    s.charger_sends(meter_values("m1"))
    assert SendToCharger(empty("m1")) in s.effects
    assert not any(isinstance(effect, SendToBackend) for effect in s.effects)


def test_an_id_that_is_a_number_is_answered_as_one():
    s = Script().charger_sends(meter_values("7").replace(b'"7"', b"7", 1))
    s.effects.clear()
    s.backend_sends(empty("7"))
    assert SendToCharger(b"[3,7,{}]") in s.effects


def test_a_charger_over_its_rate_is_read_no_further():
    s = Script(message_cost_s=1.0, burst_s=2.0)
    for number in range(4):
        s.charger_sends(meter_values(f"m{number}", energy=500 + number)).backend_sends(empty(f"m{number}"))
    assert StopReading(CHARGER) in s.effects


def test_empty_answers_of_a_backend_that_is_tried_are_compared_with_the_leaders():
    board = charging(Board(MAIN, SECOND))
    for number in range(10):  # after some of them it is known that the charger repeats nothing
        board.charger_sends(meter_values(f"m{number}", energy=500 + number))
        board.backend_sends(MAIN, empty(f"m{number}")).backend_sends(SECOND, empty(f"m{number}"))
    board.board.compared = frozenset({SECOND})
    board.charger_sends(meter_values("v", energy=600))
    board.backend_sends(MAIN, empty("v")).backend_sends(SECOND, empty("v"))
    (found,) = board.board.shadowing.found
    assert (found.name, found.action, found.differences) == (SECOND, "MeterValues", ())
