"""One CALL is out per direction, the others stand in line; what is not answered in time makes room."""

import pytest
from script import (
    BACKEND,
    CHARGER,
    Script,
    call,
    clear_cache,
    clear_cache_result,
    error,
    heartbeat,
    heartbeat_result,
    result,
    security,
    start,
    start_result,
    told,
)

from gateway.ocpp import errors, frame
from gateway.ocpp.message import Version
from gateway.session import events as ev
from gateway.session.effects import (
    Close,
    DoubtBackend,
    Noted,
    ReadOn,
    SendToBackend,
    SendToCharger,
    StopReading,
    Verdict,
)

SILENT = (
    Close(CHARGER, 1013, "the backend does not answer"),
    Close(BACKEND, 1001, "the backend does not answer"),
)


def test_calls_of_the_charger_leave_one_at_a_time_in_their_order():
    s = Script()
    s.charger_sends(*(heartbeat(f"m{i}") for i in range(5))).then(SendToBackend(heartbeat("m0")))
    for i in range(4):
        s.backend_sends(heartbeat_result(f"m{i}"))
        s.then(SendToCharger(heartbeat_result(f"m{i}")), SendToBackend(heartbeat(f"m{i + 1}")))
    s.backend_sends(heartbeat_result("m4")).then(SendToCharger(heartbeat_result("m4")))


def test_calls_of_the_backend_leave_one_at_a_time_in_their_order():
    s = Script()
    s.backend_sends(*(clear_cache(f"m{i}") for i in range(5))).then(SendToCharger(clear_cache("m0")))
    for i in range(4):
        s.charger_sends(clear_cache_result(f"m{i}"))
        s.then(SendToBackend(clear_cache_result(f"m{i}")), SendToCharger(clear_cache(f"m{i + 1}")))
    s.charger_sends(clear_cache_result("m4")).then(SendToBackend(clear_cache_result("m4")))


def test_the_two_directions_do_not_wait_for_each_other():
    s = Script()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    s.backend_sends(clear_cache("b1")).then(SendToCharger(clear_cache("b1")))


def test_a_full_line_leaves_the_charger_waiting_until_it_is_half_empty():
    s = Script(waiting_calls=4)
    s.charger_sends(*(heartbeat(f"m{i}") for i in range(4))).then(SendToBackend(heartbeat("m0")))
    s.charger_sends(heartbeat("m4")).then(Noted("charger-paused", "LINE_FULL"), StopReading(CHARGER))
    s.charger_sends(heartbeat("m5")).then()
    for i in range(2):
        s.backend_sends(heartbeat_result(f"m{i}"))
        s.then(SendToCharger(heartbeat_result(f"m{i}")), SendToBackend(heartbeat(f"m{i + 1}")))
    s.backend_sends(heartbeat_result("m2"))
    s.then(SendToCharger(heartbeat_result("m2")), SendToBackend(heartbeat("m3")), ReadOn(CHARGER))
    s.backend_sends(heartbeat_result("m3"), heartbeat_result("m4"), heartbeat_result("m5"))
    assert s.effects[-1] == SendToCharger(heartbeat_result("m5"))


@pytest.mark.parametrize("version", list(Version))
def test_a_backend_that_sends_too_many_calls_is_told_so_in_the_words_of_its_version(version):
    s = Script(version, waiting_calls=2)
    s.backend_sends(*(clear_cache(f"b{i}") for i in range(3))).then(SendToCharger(clear_cache("b0")))
    code = errors.code(version, errors.Wrong.INTERNAL)
    assert code in errors.codes(version)
    refusal = frame.error("b3", code, "too many CALLs wait for this charger")
    s.backend_sends(clear_cache("b3")).then(
        Noted("backend-call-refused", "ClearCache"), SendToBackend(refusal)
    )
    s.charger_sends(clear_cache_result("b0"))
    s.then(SendToBackend(clear_cache_result("b0")), SendToCharger(clear_cache("b1")))
    s.backend_sends(clear_cache("b4")).then()


# Time


def test_a_call_that_is_not_answered_makes_room_and_its_late_answer_ends_here():
    s = Script(call_timeout_s=30)
    s.charger_sends(heartbeat("m1"), heartbeat("m2")).then(SendToBackend(heartbeat("m1")))
    s.after(29.9).then()
    s.after(0.1).then(Noted("call-timed-out", "Heartbeat"), SendToBackend(heartbeat("m2")))
    late = heartbeat_result("m1")
    s.backend_sends(late).then(Noted("answer-late"), told(BACKEND, Verdict.IGNORED, late, "answer-late"))
    s.backend_sends(heartbeat_result("m2")).then(SendToCharger(heartbeat_result("m2")))
    s.backend_sends(late).then(
        Noted("answer-unknown"), told(BACKEND, Verdict.IGNORED, late, "answer-unknown")
    )


def test_a_command_that_the_charger_does_not_answer_makes_room():
    s = Script(call_timeout_s=30)
    s.backend_sends(clear_cache("b1"), clear_cache("b2")).then(SendToCharger(clear_cache("b1")))
    s.after(30).then(Noted("call-timed-out", "ClearCache"), SendToCharger(clear_cache("b2")))
    late = clear_cache_result("b1")
    s.charger_sends(late).then(told(CHARGER, Verdict.IGNORED, late, "answer-late"))
    s.charger_sends(clear_cache_result("b2")).then(SendToBackend(clear_cache_result("b2")))


def test_a_call_in_the_line_has_its_whole_time_from_when_it_is_sent():
    s = Script(call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(20).charger_sends(heartbeat("m2"))
    s.after(10).then(SendToBackend(heartbeat("m1")), SendToBackend(heartbeat("m2")))
    s.after(29.9).then()
    s.backend_sends(heartbeat_result("m2")).then(SendToCharger(heartbeat_result("m2")))


@pytest.mark.parametrize("billing", [start, security])
def test_billing_data_without_an_answer_is_left_with_the_charger(billing):
    s = Script(answer_deadline_s=10)
    s.charger_sends(billing("m1")).then(SendToBackend(billing("m1")))
    s.after(9.9).then()
    s.after(0.1)
    action = "StartTransaction" if billing is start else "SecurityEventNotification"
    s.then(DoubtBackend(f"no answer to {action}"), *SILENT)
    s.after(1000).then()


def test_the_deadline_of_billing_data_runs_from_when_it_came_not_from_when_it_was_sent():
    s = Script(answer_deadline_s=10)
    s.charger_sends(heartbeat("m1"), start("m2")).then(SendToBackend(heartbeat("m1")))
    s.after(4)
    s.backend_sends(heartbeat_result("m1"))
    s.then(SendToCharger(heartbeat_result("m1")), SendToBackend(start("m2")))
    s.after(5.9).then()
    s.after(0.1).then(DoubtBackend("no answer to StartTransaction"), *SILENT)


def test_what_keeps_billing_data_waiting_gets_half_its_time():
    s = Script(answer_deadline_s=10, call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(1).charger_sends(start("m2"))
    s.then(SendToBackend(heartbeat("m1")))
    s.after(3.9).then()
    s.after(0.1).then(Noted("call-timed-out", "Heartbeat"), SendToBackend(start("m2")))
    s.backend_sends(start_result("m2")).then(SendToCharger(start_result("m2")))


def test_patience_is_never_longer_than_the_timeout_itself():
    s = Script(answer_deadline_s=100, call_timeout_s=30)
    s.charger_sends(heartbeat("m1"), start("m2")).then(SendToBackend(heartbeat("m1")))
    s.after(30).then(SendToBackend(start("m2")))


def test_billing_data_in_the_line_behind_a_long_silence_is_sent_at_once():
    s = Script(answer_deadline_s=10, call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(20).charger_sends(start("m2"))
    s.after(0).then(SendToBackend(heartbeat("m1")), SendToBackend(start("m2")))
    s.backend_sends(start_result("m2")).then(SendToCharger(start_result("m2")))


def test_billing_data_that_is_out_has_its_whole_deadline_whatever_waits_behind_it():
    s = Script(answer_deadline_s=10, call_timeout_s=5)
    s.charger_sends(start("m1"), heartbeat("m2"), security("m3")).then(SendToBackend(start("m1")))
    s.after(9.9).then()
    s.backend_sends(start_result("m1"))
    s.then(SendToCharger(start_result("m1")), SendToBackend(heartbeat("m2")))


def test_billing_data_that_waits_for_a_backend_to_come_has_its_deadline_too():
    s = Script(is_open=False, answer_deadline_s=10)
    s.happens(ev.ChargerOpened(1, Version.V16)).charger_sends(start("m1")).after(10)
    s.then(DoubtBackend("no answer to StartTransaction"), SILENT[0])


# Ids


def test_the_id_of_a_call_in_flight_may_come_again():
    s = Script()
    s.charger_sends(heartbeat("m1"), call("m1", "DataTransfer", {"vendorId": "x"}))
    s.then(SendToBackend(heartbeat("m1")))
    s.backend_sends(heartbeat_result("m1")).then(
        SendToCharger(heartbeat_result("m1")),
        SendToBackend(call("m1", "DataTransfer", {"vendorId": "x"})),
    )
    s.backend_sends(result("m1", {"status": "Accepted"}))
    s.then(SendToCharger(result("m1", {"status": "Accepted"})))


def test_an_id_that_is_used_again_after_a_timeout_is_renamed_and_mapped_back():
    s = Script(call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(30).then(SendToBackend(heartbeat("m1")))
    s.charger_sends(call("m1", "DataTransfer", {"vendorId": "1.10"}))
    s.then(
        Noted("id-renamed", "DataTransfer"),
        SendToBackend(b'[2,"gateway-1","DataTransfer",{"vendorId": "1.10"}]'),
    )
    late = heartbeat_result("m1")
    s.backend_sends(late).then(told(BACKEND, Verdict.IGNORED, late, "answer-late"))
    s.backend_sends(result("gateway-1", {"status": "Accepted"}))
    s.then(SendToCharger(b'[3,"m1",{"status": "Accepted"}]'))


def test_a_frame_is_renamed_wherever_its_blanks_are():
    s = Script(call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(30)
    s.effects.clear()
    s.charger_sends(b' [\n2\t, "m1" , "Heartbeat" ,  {} \n] \n')
    s.then(SendToBackend(b'[2,"gateway-1","Heartbeat",{}]'))


def test_a_renamed_command_is_answered_under_its_own_id_even_with_an_error():
    s = Script(call_timeout_s=30)
    s.backend_sends(clear_cache("b1")).after(30).then(SendToCharger(clear_cache("b1")))
    s.backend_sends(clear_cache("b1")).then(SendToCharger(b'[2,"gateway-1","ClearCache",{}]'))
    s.charger_sends(error("gateway-1", "NotSupported", "é"))
    s.then(SendToBackend('[4,"b1","NotSupported","é",{}]'.encode()))


def test_a_renamed_call_whose_id_was_a_number_is_answered_with_the_number():
    s = Script(call_timeout_s=30)
    s.charger_sends(b'[2,17,"Heartbeat",{}]').after(30)
    s.effects.clear()
    s.charger_sends(b'[2,17,"Heartbeat",{}]')
    assert s.effects[1] == SendToBackend(b'[2,"gateway-1","Heartbeat",{}]')
    s.effects.clear()
    s.backend_sends(result("gateway-1", {"currentTime": "2026-11-21T08:00:00Z"}))
    s.then(SendToCharger(b'[3,17,{"currentTime": "2026-11-21T08:00:00Z"}]'))


def test_a_refused_command_with_a_number_as_id_is_refused_under_the_number():
    s = Script(waiting_calls=1)
    s.backend_sends(clear_cache("b1"), clear_cache("b2"), b'[2,3,"ClearCache",{}]')
    (refusal,) = [e.data for e in s.effects if isinstance(e, SendToBackend)]
    assert refusal.startswith(b"[4,3,")


def test_an_id_is_its_own_again_once_its_late_answer_has_come():
    s = Script(call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(30).backend_sends(heartbeat_result("m1"))
    s.effects.clear()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))


def test_every_new_name_is_different():
    s = Script(call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(30)
    names = set()
    for _ in range(3):
        s.effects.clear()
        s.charger_sends(heartbeat("m1"))
        names.add(s.effects[-1].data)
        s.after(30)
    assert names == {b'[2,"gateway-%d","Heartbeat",{}]' % i for i in (1, 2, 3)}


def test_only_so_many_expired_ids_are_remembered():
    s = Script(call_timeout_s=1)
    for i in range(33):
        s.charger_sends(heartbeat(f"m{i}")).after(1)
    s.effects.clear()
    s.backend_sends(heartbeat_result("m0"), heartbeat_result("m1"))
    s.then(
        Noted("answer-unknown"),
        told(BACKEND, Verdict.IGNORED, heartbeat_result("m0"), "answer-unknown"),
        Noted("answer-late"),
        told(BACKEND, Verdict.IGNORED, heartbeat_result("m1"), "answer-late"),
    )


# Repetitions


def test_billing_data_that_comes_again_is_answered_from_memory():
    s = Script()
    s.charger_sends(start("m1")).backend_sends(start_result("m1"))
    s.then(SendToBackend(start("m1")), SendToCharger(start_result("m1")))
    for _ in range(2):
        s.charger_sends(start("m1"))
        s.then(Noted("answer-repeated", "StartTransaction"), SendToCharger(start_result("m1")))


def test_a_repetition_while_the_first_is_out_hears_the_same_answer():
    s = Script()
    s.charger_sends(start("m1"), start("m1"), heartbeat("m2")).then(SendToBackend(start("m1")))
    s.backend_sends(start_result("m1")).then(
        SendToCharger(start_result("m1")),
        Noted("answer-repeated", "StartTransaction"),
        SendToCharger(start_result("m1")),
        SendToBackend(heartbeat("m2")),
    )


NOT_A_REPETITION = {
    "another id": (security("m1"), result("m1"), security("m2")),
    "other bytes": (start("m1", 100), start_result("m1"), start("m1", 200)),
    "no billing data": (heartbeat("m1"), heartbeat_result("m1"), heartbeat("m1")),
    "refused before": (start("m1"), error("m1"), start("m1")),
}


@pytest.mark.parametrize("case", NOT_A_REPETITION)
def test_what_is_not_the_very_same_billing_data_is_forwarded(case):
    first, answer, second = NOT_A_REPETITION[case]
    s = Script()
    s.charger_sends(first).backend_sends(answer).then(SendToBackend(first), SendToCharger(answer))
    s.charger_sends(second).then(SendToBackend(second))


def test_only_the_last_billing_data_is_remembered():
    s = Script()
    for id_ in ("m1", "m2"):
        s.charger_sends(security(id_)).backend_sends(result(id_))
        s.then(SendToBackend(security(id_)), SendToCharger(result(id_)))
    s.charger_sends(security("m1")).then(SendToBackend(security("m1")))


def test_a_command_is_never_answered_from_memory_of_the_chargers_own_calls():
    s = Script(Version.V16)
    data = call("m1", "DataTransfer", {"vendorId": "x"})
    s.charger_sends(data).backend_sends(result("m1", {"status": "Accepted"}))
    s.effects.clear()
    s.backend_sends(data).then(SendToCharger(data))
