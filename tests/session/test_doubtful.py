"""What cannot be repaired goes on as it came; what is kept is on disk before the charger hears of it."""

import pytest
from script import (
    BACKEND,
    CHARGER,
    TIME,
    Script,
    call,
    clear_cache,
    error,
    heartbeat,
    heartbeat_result,
    result,
    start,
    stop_without_transaction,
    told,
)

from gateway.ocpp.message import Version
from gateway.session.effects import Close, Noted, Retried, SendToBackend, SendToCharger, Verdict
from gateway.session.events import BackendClosed, ChargerClosed, Kept, RetryWanted

STOP = stop_without_transaction("m1")
PASSED = told(CHARGER, Verdict.DELIVERED, STOP, "field-missing")
KEPT = told(CHARGER, Verdict.QUARANTINED, STOP, "refused-by-backend")


def doubtful(s):
    """A StopTransaction that nobody can repair has gone to the backend."""
    s.charger_sends(STOP).then(SendToBackend(STOP), PASSED)
    return s


def test_a_backend_that_understands_it_answers_it():
    doubtful(Script()).backend_sends(result("m1")).then(SendToCharger(result("m1")))


def test_it_is_not_lost_beside_a_message_that_is_well():
    well, stop = (data.replace(b" ", b"") for data in (heartbeat("h"), STOP))
    s = Script().charger_sends(well + stop)
    s.then(
        SendToBackend(well),
        told(CHARGER, Verdict.DELIVERED, well + stop, "several-frames"),
        told(CHARGER, Verdict.DELIVERED, stop, "field-missing"),
    )
    s.backend_sends(heartbeat_result("h")).then(SendToCharger(heartbeat_result("h")), SendToBackend(stop))


def test_a_refusal_of_billing_data_is_kept_and_the_charger_hears_the_confirmation():
    s = doubtful(Script()).backend_sends(error("m1", "FormationViolation")).then(KEPT)
    s.happens(Kept(s.numbers[-1], durable=True)).then(SendToCharger(b'[3,"m1",{}]'))


def test_the_charger_is_left_alone_when_nothing_can_be_kept():
    s = doubtful(Script()).backend_sends(error("m1", "FormationViolation")).then(KEPT)
    s.happens(Kept(s.numbers[-1], durable=False)).then(
        Noted("quarantine-failed"),
        Close(CHARGER, 1013, "messages cannot be stored at present"),
        Close(BACKEND, 1001, "messages cannot be stored at present"),
    )


def test_the_next_call_goes_on_while_the_store_works():
    s = doubtful(Script()).charger_sends(heartbeat("m2")).then()
    s.backend_sends(error("m1")).then(KEPT, SendToBackend(heartbeat("m2")))
    s.backend_sends(heartbeat_result("m2")).then(SendToCharger(heartbeat_result("m2")))
    s.happens(Kept(s.numbers[-1], durable=True)).then(SendToCharger(b'[3,"m1",{}]'))


def test_what_is_durable_after_the_charger_has_gone_is_told_to_nobody():
    s = doubtful(Script()).backend_sends(error("m1"))
    s.happens(ChargerClosed(1, 1006))
    s.effects.clear()
    for durable in (True, False):
        s.happens(Kept(s.numbers[-1], durable=durable)).then()


def test_a_record_is_confirmed_once():
    s = doubtful(Script()).backend_sends(error("m1")).then(KEPT)
    s.happens(Kept(s.numbers[-1], True), Kept(s.numbers[-1], True), Kept(77, True))
    s.then(SendToCharger(b'[3,"m1",{}]'))


@pytest.mark.parametrize("version", [Version.V201, Version.V21])
def test_billing_data_of_2_x_is_kept_like_that_too(version):
    came = call("m1", "TransactionEvent", {"eventType": "Ended", "timestamp": TIME})
    s = Script(version)
    s.charger_sends(came)
    assert s.effects[0] == SendToBackend(came)
    s.effects.clear()
    s.backend_sends(error("m1", "ProtocolError"))
    s.then(told(CHARGER, Verdict.QUARANTINED, came, "refused-by-backend"))
    s.happens(Kept(s.numbers[-1], durable=True)).then(SendToCharger(b'[3,"m1",{}]'))


def test_a_refusal_of_good_billing_data_is_the_backends_word():
    s = Script()
    s.charger_sends(start("m1")).backend_sends(error("m1")).then(
        SendToBackend(start("m1")), SendToCharger(error("m1"))
    )


def test_a_refusal_of_other_data_is_relayed_though_it_could_not_be_repaired():
    came = call("m1", "StatusNotification", {"connectorId": 1})
    s = Script()
    s.charger_sends(came)
    assert s.effects[0] == SendToBackend(came)
    s.effects.clear()
    s.backend_sends(error("m1")).then(SendToCharger(error("m1")))


def test_what_cannot_be_read_at_all_is_answered_with_an_error_and_kept():
    came = b'[2,"m1","StopTransaction",{"meterStop":1'
    s = Script()
    s.charger_sends(came).then(
        SendToCharger(b'[4,"m1","FormationViolation","The message cannot be read",{}]'),
        told(CHARGER, Verdict.QUARANTINED, came, "truncated"),
    )


def test_a_command_that_cannot_be_repaired_goes_on_as_it_came_and_is_never_confirmed_for_the_charger():
    came = call("b1", "Reset", {"type": "Sideways"})
    s = Script()
    s.backend_sends(came)
    assert s.effects[0] == SendToCharger(came)
    s.effects.clear()
    s.charger_sends(error("b1", "PropertyConstraintViolation"))
    s.then(SendToBackend(error("b1", "PropertyConstraintViolation")))


# Kept messages that a person wants to try again


def test_a_kept_message_is_tried_again_under_a_name_of_ours_and_its_answer_is_not_the_chargers():
    s = Script()
    s.happens(RetryWanted(5, start("m1")))
    renamed = start("gateway-1").replace(
        b'[2, "gateway-1",  "StartTransaction", ', b'[2,"gateway-1","StartTransaction",'
    )
    s.then(SendToBackend(renamed.removesuffix(b" ]") + b"]"))
    s.backend_sends(result("gateway-1", {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}))
    (retried,) = [effect for effect in s.effects if isinstance(effect, Retried)]
    assert (retried.number, retried.delivered) == (5, True)
    assert not [effect for effect in s.effects if isinstance(effect, SendToCharger)]


def test_a_retry_that_is_refused_says_so():
    s = Script().happens(RetryWanted(5, start("m1")))
    s.backend_sends(error("gateway-1", "InternalError"))
    (retried,) = [effect for effect in s.effects if isinstance(effect, Retried)]
    assert (retried.number, retried.delivered) == (5, False)
    assert not [effect for effect in s.effects if isinstance(effect, SendToCharger)]


def test_a_retry_waits_for_its_turn_behind_the_chargers_own_call():
    s = Script().charger_sends(heartbeat("m1")).happens(RetryWanted(5, start("m2")))
    s.then(SendToBackend(heartbeat("m1")))
    s.backend_sends(heartbeat_result("m1"))
    assert s.effects[0] == SendToCharger(heartbeat_result("m1"))
    assert s.effects[1].data.startswith(b'[2,"gateway-1","StartTransaction"')


def test_a_retry_ends_with_the_connection():
    s = Script().happens(RetryWanted(5, start("m1")), RetryWanted(6, start("m2")), BackendClosed(1, 1006))
    assert [(e.number, e.delivered) for e in s.effects if isinstance(e, Retried)] == [(5, False), (6, False)]


def test_a_retry_that_is_not_answered_is_told_and_makes_room():
    s = Script(call_timeout_s=30).happens(RetryWanted(5, start("m1"))).charger_sends(heartbeat("m2"))
    s.after(30)
    assert [(e.number, e.delivered) for e in s.effects if isinstance(e, Retried)] == [(5, False)]
    assert s.effects[-1] == SendToBackend(heartbeat("m2"))


def test_no_retry_without_a_backend_or_of_what_is_still_no_call():
    s = Script(is_open=False).happens(RetryWanted(5, start("m1")))
    s.then(Retried(5, False, "the charger is not connected"))
    for raw in (b"hello", clear_cache("b1"), heartbeat_result("m1"), STOP):
        s = Script().happens(RetryWanted(5, raw))
        s.then(Retried(5, False, "it still cannot be read as one CALL of this version"))
