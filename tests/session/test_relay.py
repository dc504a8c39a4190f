"""Messages go on as the very bytes that came, answers find the CALL they are for, and nothing else passes."""

import inspect
import re
from pathlib import Path

import pytest
from script import (
    BACKEND,
    CHARGER,
    TIME,
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

from gateway.dialect.reader import Mode
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Version
from gateway.session.effects import EVENTS, Noted, SendToBackend, SendToCharger, Verdict
from gateway.session.events import BackendFrame, ChargerFrame
from gateway.session.session import ChargerSession
from gateway.session.tally import MAX_STATIONS, OTHER, Tally

VERSIONS = pytest.mark.parametrize("version", list(Version))

STREAM = call(
    "s1",
    "NotifyPeriodicEventStream",
    {"id": 1, "pending": 0, "basetime": TIME, "data": [{"t": 0.5, "v": "1.10"}]},
).replace(b"[2", b"[6")
RESULT_ERROR = error("m1", "FormatViolation").replace(b"[4", b"[5")


@VERSIONS
def test_a_call_of_the_charger_and_its_result_pass_unchanged(version):
    s = Script(version)
    s.happens(ChargerFrame(1, heartbeat("m1"))).then(SendToBackend(heartbeat("m1")))
    s.happens(BackendFrame(1, heartbeat_result("m1"))).then(SendToCharger(heartbeat_result("m1")))


@VERSIONS
def test_a_call_of_the_backend_and_its_result_pass_unchanged(version):
    s = Script(version)
    s.happens(BackendFrame(1, clear_cache("m1"))).then(SendToCharger(clear_cache("m1")))
    s.happens(ChargerFrame(1, clear_cache_result("m1"))).then(SendToBackend(clear_cache_result("m1")))


@VERSIONS
def test_a_callerror_is_relayed_both_ways_and_makes_room_for_the_next_call(version):
    s = Script(version)
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    s.backend_sends(error("m1")).then(SendToCharger(error("m1")))
    s.backend_sends(clear_cache("m2")).then(SendToCharger(clear_cache("m2")))
    s.charger_sends(error("m2")).then(SendToBackend(error("m2")))
    s.charger_sends(heartbeat("m3")).then(SendToBackend(heartbeat("m3")))
    s.backend_sends(clear_cache("m4")).then(SendToCharger(clear_cache("m4")))


@VERSIONS
def test_a_clean_frame_leaves_as_the_same_object(version):
    s = Script(version)
    frame = security("m1")
    (effect,) = s.session.charger_frame(1, frame, False, s.now)
    assert effect.data is frame
    answer = result("m1")
    (effect,) = s.session.backend_frame(1, answer, False, s.now)
    assert effect.data is answer


@pytest.mark.parametrize("mode", list(Mode))
def test_clean_frames_pass_in_every_mode(mode):
    s = Script(mode=mode)
    s.charger_sends(start("m1")).then(SendToBackend(start("m1")))
    s.backend_sends(start_result("m1")).then(SendToCharger(start_result("m1")))


def test_a_send_goes_on_without_waiting_for_anything():
    s = Script(Version.V21)
    s.charger_sends(heartbeat("m1"), STREAM, STREAM)
    s.then(SendToBackend(heartbeat("m1")), SendToBackend(STREAM), SendToBackend(STREAM))
    s.backend_sends(heartbeat_result("m1")).then(SendToCharger(heartbeat_result("m1")))


def test_a_callresulterror_goes_to_the_sender_of_the_result():
    s = Script(Version.V21)
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    s.backend_sends(heartbeat_result("m1")).then(SendToCharger(heartbeat_result("m1")))
    s.charger_sends(RESULT_ERROR).then(SendToBackend(RESULT_ERROR))
    s.backend_sends(clear_cache("m1")).then(SendToCharger(clear_cache("m1")))
    s.charger_sends(clear_cache_result("m1")).then(SendToBackend(clear_cache_result("m1")))
    s.backend_sends(RESULT_ERROR).then(SendToCharger(RESULT_ERROR))


@pytest.mark.parametrize("version", [Version.V16, Version.V201])
@pytest.mark.parametrize("frame", [STREAM, RESULT_ERROR])
def test_the_additions_of_2_1_are_not_relayed_in_older_versions(version, frame):
    s = Script(version)
    s.charger_sends(frame)
    assert not [e for e in s.effects if isinstance(e, SendToBackend)]


def test_both_directions_may_use_the_same_id_at_the_same_time():
    s = Script()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    s.backend_sends(clear_cache("m1")).then(SendToCharger(clear_cache("m1")))
    s.charger_sends(clear_cache_result("m1")).then(SendToBackend(clear_cache_result("m1")))
    s.backend_sends(heartbeat_result("m1")).then(SendToCharger(heartbeat_result("m1")))


@pytest.mark.parametrize("answer", [heartbeat_result("zz"), error("zz")])
def test_an_answer_that_nobody_waits_for_ends_here(answer):
    s = Script()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    s.backend_sends(answer).then(
        Noted("answer-unknown"), told(BACKEND, Verdict.IGNORED, answer, "answer-unknown")
    )
    s.backend_sends(heartbeat_result("m1")).then(SendToCharger(heartbeat_result("m1")))


def test_an_answer_to_the_own_call_is_not_taken_for_one():
    s = Script()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    answer = heartbeat_result("m1")
    s.charger_sends(answer).then(told(CHARGER, Verdict.IGNORED, answer, "answer-unknown"))


def test_a_second_answer_ends_here():
    s = Script()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    answer = heartbeat_result("m1")
    s.backend_sends(answer, answer)
    s.then(SendToCharger(answer), told(BACKEND, Verdict.IGNORED, answer, "answer-unknown"))


def test_a_repaired_message_is_relayed_and_flagged_with_the_bytes_that_came():
    s = Script()
    came = call("m1", "Heartbeat").replace(b'"m1"', b"17")
    s.charger_sends(came).then(
        SendToBackend(b'[2,"17","Heartbeat",{}]'), told(CHARGER, Verdict.DELIVERED, came, "id-number")
    )


def test_a_number_as_id_is_repeated_to_the_charger_as_a_number():
    s = Script()
    s.charger_sends(b'[2,17,"Heartbeat",{}]')
    s.backend_sends(heartbeat_result("17"))
    assert s.effects[-1] == SendToCharger(b'[3,17,{"currentTime": "%s"}]' % TIME.encode())
    s.effects.clear()
    s.charger_sends(b'[2,18,"Heartbeat",{}]')
    s.backend_sends(error("18"))
    assert s.effects[-1] == SendToCharger(b'[4,18,"InternalError","no",{}]')


def test_a_binary_message_is_flagged_and_goes_on():
    s = Script()
    s.happens(ChargerFrame(1, heartbeat("m1"), binary=True)).then(
        SendToBackend(heartbeat("m1")), told(CHARGER, Verdict.DELIVERED, heartbeat("m1"), "binary-frame")
    )
    s.happens(BackendFrame(1, heartbeat_result("m1"), binary=True)).then(
        SendToCharger(heartbeat_result("m1")),
        told(BACKEND, Verdict.DELIVERED, heartbeat_result("m1"), "binary-frame"),
    )


def test_a_repaired_binary_message_has_both_flags():
    s = Script()
    came = b'[2,17,"Heartbeat",{}]'
    s.happens(ChargerFrame(1, came, binary=True)).then(
        SendToBackend(b'[2,"17","Heartbeat",{}]'),
        told(CHARGER, Verdict.DELIVERED, came, "binary-frame", "id-number"),
    )


UNREADABLE = [b"hello", b"", b"\xff\xfe\x00", b"{}", b"[]", b"null", b"[2]", b'[9,"m1",{}]', b"[" * 500]


@VERSIONS
@pytest.mark.parametrize("came", UNREADABLE)
@pytest.mark.parametrize("sender", ["charger", "backend"])
def test_what_cannot_be_read_is_kept_or_ignored_and_the_connection_lives_on(version, came, sender):
    s = Script(version)
    if sender == "charger":
        s.charger_sends(came)
        onward = SendToBackend
    else:
        s.backend_sends(came)
        onward = SendToCharger
    (flagged,) = [effect for effect in s.effects if hasattr(effect, "verdict")]
    assert flagged.raw == came
    assert flagged.flags
    assert flagged.verdict in (Verdict.IGNORED, Verdict.QUARANTINED)
    assert not [effect for effect in s.effects if isinstance(effect, onward)]
    s.effects.clear()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))
    s.backend_sends(heartbeat_result("m1")).then(SendToCharger(heartbeat_result("m1")))


def test_several_frames_in_one_message_go_on_one_after_the_other():
    s = Script()
    came = heartbeat("m1") + heartbeat("m2")
    s.charger_sends(came)
    assert s.effects[0] == SendToBackend(b'[2,"m1","Heartbeat",{}]')
    assert [effect for effect in s.effects if isinstance(effect, SendToBackend)] == s.effects[:1]
    s.effects.clear()
    s.backend_sends(heartbeat_result("m1"))
    s.then(SendToCharger(heartbeat_result("m1")), SendToBackend(b'[2,"m2","Heartbeat",{}]'))


def test_a_station_is_known_by_its_boot_notification():
    s = Script()
    boot = {"chargePointVendor": "ACME", "chargePointModel": "Wall", "firmwareVersion": "1.2"}
    s.charger_sends(call("m1", "BootNotification", boot))
    assert (s.session.station.vendor, s.session.station.model, s.session.station.firmware) == (
        "ACME",
        "Wall",
        "1.2",
    )
    assert s.session.last_action == "BootNotification"


def test_what_was_relayed_is_counted_by_kind_action_and_version():
    s = Script()
    s.charger_sends(heartbeat("m1"))
    s.after(0.5)
    s.backend_sends(heartbeat_result("m1"), clear_cache("m2"))
    s.charger_sends(error("m2"))
    s.charger_sends(call("m3", "DataTransfer", {"vendorId": "x"}))
    s.backend_sends(result("m4"))
    assert s.tally.counted() == {
        ("charger_call", "Heartbeat", "1.6"): 1,
        ("backend_result", "Heartbeat", "1.6"): 1,
        ("backend_call", "ClearCache", "1.6"): 1,
        ("charger_error", "ClearCache", "1.6"): 1,
        ("charger_call", "DataTransfer", "1.6"): 1,
        ("backend_result", "unknown", "1.6"): 1,
    }
    latency = s.tally.latency["backend", "Heartbeat"]
    assert (sum(latency.buckets), latency.total_s) == (1, 0.5)
    assert dict(s.tally.flags) == {("answer-unknown", "info", "", ""): 1}


def test_a_fleet_of_liars_about_its_brand_takes_a_bounded_amount_of_memory():
    tally = Tally()
    told = {tally.station(f"brand {number}", "1") for number in range(1000)}
    assert len(told) == MAX_STATIONS + 1
    assert tally.station("brand 0", "1") == ("brand 0", "1")
    assert tally.station("brand 999", "1") == OTHER


def test_a_station_is_read_as_its_vendor_wants_from_its_boot_notification_on():
    s = Script()
    s.session.dialect_of = lambda station: (
        Mode.OBSERVE if station.vendor == "Acme" else Mode.REPAIR,
        None,
        None,
    )
    boot = {"chargePointVendor": "Acme", "chargePointModel": "Street"}
    s.charger_sends(call("m1", "BootNotification", boot))
    assert s.session.reader.mode is Mode.OBSERVE


def test_every_event_that_a_session_tells_has_its_meaning_written_down():
    folder = Path(inspect.getfile(ChargerSession)).parent
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    told = set(re.findall(r'(?:Noted\(|_give_up\(|close_charger\(|events\[)\s*"([a-z-]+)"', source))
    assert len(told) > 10
    assert told | {FlagCode.ANSWER_LATE.value, FlagCode.ANSWER_UNKNOWN.value} == EVENTS.keys() - {
        "session-failed"
    }
