"""Connections come and go: epochs, pings, blocked writers, rates, and which close goes where."""

import random

import pytest
from script import (
    BACKEND,
    CHARGER,
    Script,
    clear_cache,
    clear_cache_result,
    heartbeat,
    heartbeat_result,
    start,
    start_result,
    told,
)

from gateway.ocpp.message import Version
from gateway.session import events as ev
from gateway.session.effects import (
    Close,
    DoubtBackend,
    Noted,
    Ping,
    ReadOn,
    SendToBackend,
    SendToCharger,
    StopReading,
    Verdict,
)

CODES = [1000, 1001, 1005, 1006, 1008, 1011, 1012, 3000, 4999]


@pytest.mark.parametrize("code", CODES)
def test_a_charger_that_leaves_takes_its_backend_link_along(code):
    s = Script()
    s.happens(ev.ChargerClosed(1, code))
    s.then(Noted("charger-disconnected", str(code)), Close(BACKEND, code, "charger left"))
    s.happens(ev.BackendClosed(1, code)).then()
    assert s.session.is_over


@pytest.mark.parametrize("code", CODES)
def test_a_backend_that_leaves_takes_the_charger_along(code):
    s = Script()
    s.happens(ev.BackendClosed(1, code))
    s.then(Noted("backend-link-closed", str(code)), Close(CHARGER, code, "backend left"))
    s.happens(ev.ChargerClosed(1, code)).then()
    assert s.session.is_over


def test_nothing_is_sent_once_an_end_is_gone():
    s = Script()
    s.charger_sends(heartbeat("m1"), heartbeat("m2"))
    s.happens(ev.ChargerClosed(1, 1000))
    s.effects.clear()
    s.happens(ev.BackendFrame(1, heartbeat_result("m1")), ev.ChargerFrame(1, heartbeat("m3")))
    s.happens(ev.ProbeWanted(), ev.BackendUnblocked(1), ev.ChargerBlocked(1), ev.BackendBlocked(1))
    s.happens(ev.ChargerPonged(1), ev.BackendPonged(1))
    s.after(1000).then()


def test_calls_die_with_their_connection():
    s = Script()
    s.charger_sends(heartbeat("m1"), heartbeat("m2"), start("m3"))
    s.backend_sends(clear_cache("b1"), clear_cache("b2"))
    s.happens(ev.BackendClosed(1, 1001), ev.ChargerClosed(1, 1001))
    s.effects.clear()
    assert (len(s.session.to_backend), len(s.session.to_charger)) == (0, 0)
    s.happens(ev.BackendOpened(2), ev.ChargerOpened(2, Version.V16)).then()
    stray = heartbeat_result("m1")
    s.backend_sends(stray).then(told(BACKEND, Verdict.IGNORED, stray, "answer-unknown"))
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))


def test_expired_ids_are_forgotten_with_their_connection():
    s = Script(call_timeout_s=30)
    s.charger_sends(heartbeat("m1")).after(30)
    s.happens(ev.ChargerClosed(1, 1006), ev.BackendClosed(1, 1006))
    s.happens(ev.BackendOpened(2), ev.ChargerOpened(2, Version.V16))
    s.effects.clear()
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))


def test_the_memory_of_billing_data_dies_with_the_connection():
    s = Script()
    s.charger_sends(start("m1")).backend_sends(start_result("m1"))
    s.happens(ev.ChargerClosed(1, 1006), ev.BackendClosed(1, 1006))
    s.happens(ev.BackendOpened(2), ev.ChargerOpened(2, Version.V16))
    s.effects.clear()
    s.charger_sends(start("m1")).then(SendToBackend(start("m1")))


def test_what_comes_before_the_backend_is_there_waits():
    s = Script(is_open=False)
    s.happens(ev.ChargerOpened(1, Version.V16)).charger_sends(heartbeat("m1"), heartbeat("m2")).then()
    s.happens(ev.BackendOpened(1)).then(SendToBackend(heartbeat("m1")))


def test_a_new_connection_may_speak_another_version():
    s = Script(Version.V16)
    s.happens(ev.ChargerClosed(1, 1006), ev.BackendClosed(1, 1006))
    s.happens(ev.BackendOpened(2), ev.ChargerOpened(2, Version.V201))
    assert s.session.version is s.session.reader.version is Version.V201


def test_an_end_that_we_closed_does_not_take_a_new_connection_along_when_it_is_gone():
    s = Script()
    s.happens(ev.BackendClosed(1, 1001)).then(Close(CHARGER, 1001, "backend left"))
    s.happens(ev.BackendOpened(2)).then()
    s.happens(ev.ChargerClosed(1, 1001)).then()
    s.happens(ev.ChargerOpened(2, Version.V16)).charger_sends(heartbeat("m1"))
    s.then(SendToBackend(heartbeat("m1")))


@pytest.mark.parametrize("end", ["charger", "backend"])
def test_a_new_connection_begins_anew_though_nobody_told_that_the_old_one_had_gone(end):
    s = Script()
    s.charger_sends(heartbeat("m1"), heartbeat("m2")).backend_sends(clear_cache("b1"), clear_cache("b2"))
    s.effects.clear()
    s.happens(ev.ChargerOpened(2, Version.V16) if end == "charger" else ev.BackendOpened(2)).then()
    s.charger_sends(heartbeat("m3")).then(SendToBackend(heartbeat("m3")))
    s.backend_sends(clear_cache("b3")).then(SendToCharger(clear_cache("b3")))


def test_what_was_given_up_is_given_up_once():
    s = Script(answer_deadline_s=10)
    s.charger_sends(start("m1")).after(10)
    s.effects.clear()
    s.happens(ev.TimePassed(), ev.TimePassed()).then()
    assert s.session.due == float("inf")


LATE = {
    ev.ChargerFrame: lambda epoch: ev.ChargerFrame(epoch, heartbeat("late")),
    ev.BackendFrame: lambda epoch: ev.BackendFrame(epoch, clear_cache("late")),
    ev.ChargerClosed: lambda epoch: ev.ChargerClosed(epoch, 1006),
    ev.BackendClosed: lambda epoch: ev.BackendClosed(epoch, 1006),
    ev.ChargerBlocked: ev.ChargerBlocked,
    ev.BackendBlocked: ev.BackendBlocked,
    ev.ChargerUnblocked: ev.ChargerUnblocked,
    ev.BackendUnblocked: ev.BackendUnblocked,
    ev.ChargerPonged: ev.ChargerPonged,
    ev.BackendPonged: ev.BackendPonged,
}


@pytest.mark.parametrize("kind", LATE)
@pytest.mark.parametrize("epoch", [1, 3])
def test_an_event_of_another_connection_changes_nothing(kind, epoch):
    s = Script(charger_ping_s=45, backend_ping_s=45)
    s.happens(ev.BackendOpened(2), ev.ChargerOpened(2, Version.V16)).charger_sends(heartbeat("m1"))
    s.effects.clear()
    before = portrait(s)
    s.now += 1
    s.happens(LATE[kind](epoch)).then()
    assert portrait(s) == before


def portrait(s):
    """What a session remembers of its legs and CALLs."""
    legs = [
        tuple(getattr(leg, name) for name in leg.__slots__) for leg in (s.session.charger, s.session.backend)
    ]
    return legs, list(s.session.to_backend), list(s.session.to_charger), s.session.due


@pytest.mark.parametrize("seed", range(100))
def test_late_events_of_old_connections_are_not_felt_in_any_order(seed):
    """Two generations of connections on both legs: what is late of the first, the second does not feel."""
    rng = random.Random(seed)
    s = Script()
    s.charger_sends(heartbeat("old")).backend_sends(clear_cache("old"))
    dead = ["charger", "backend"]
    rng.shuffle(dead)
    for leg in dead[: rng.randint(1, 2)]:
        s.happens(ev.ChargerClosed(1, 1006) if leg == "charger" else ev.BackendClosed(1, 1006))
    late = [make(1) for make in LATE.values() for _ in range(2)]
    steps = [ev.BackendOpened(2), ev.ChargerOpened(2, Version.V16)]
    rng.shuffle(steps)
    rng.shuffle(late)
    s.happens(late.pop(), steps[0], late.pop(), steps[1])
    s.effects.clear()

    steps = [
        (ev.ChargerFrame(2, heartbeat("m1")), [SendToBackend(heartbeat("m1"))]),
        (ev.BackendFrame(2, heartbeat_result("m1")), [SendToCharger(heartbeat_result("m1"))]),
        (ev.BackendFrame(2, clear_cache("b1")), [SendToCharger(clear_cache("b1"))]),
        (ev.ChargerFrame(2, clear_cache_result("b1")), [SendToBackend(clear_cache_result("b1"))]),
    ]
    for event, effects in steps:
        while late and rng.random() < 0.7:
            s.happens(late.pop()).then()
        s.happens(event).then(*effects)
    s.happens(ev.ChargerClosed(2, 1000)).then(Close(BACKEND, 1000, "charger left"))


# Pings


def test_a_silent_end_is_pinged_once_and_given_up_when_it_stays_silent():
    s = Script(charger_ping_s=45, charger_pong_s=20)
    s.after(44.9).then()
    s.after(0.1).then(Ping(CHARGER))
    s.after(19.9).then()
    s.after(0.1).then(
        Noted("charger-silent"),
        Close(CHARGER, 1001, "no answer to ping"),
        Close(BACKEND, 1001, "no answer to ping"),
    )


def test_a_silent_backend_is_doubted_and_the_charger_keeps_its_data():
    s = Script(backend_ping_s=45, backend_pong_s=20)
    s.after(45).then(Ping(BACKEND))
    s.after(20).then(
        DoubtBackend("no answer to ping"),
        Noted("backend-silent", "a ping"),
        Close(CHARGER, 1013, "the backend does not answer"),
        Close(BACKEND, 1001, "the backend does not answer"),
    )


@pytest.mark.parametrize("end", [CHARGER, BACKEND])
def test_a_pong_or_any_frame_counts_as_life(end):
    s = Script(**{f"{end.value}_ping_s": 45, f"{end.value}_pong_s": 20})
    ponged = ev.ChargerPonged if end is CHARGER else ev.BackendPonged
    frame = ev.ChargerFrame if end is CHARGER else ev.BackendFrame
    s.after(45).then(Ping(end)).after(10).happens(ponged(1)).after(44.9).then()
    s.after(0.1).then(Ping(end)).after(19.9).happens(frame(1, b"")).after(20)
    assert not [effect for effect in s.effects if isinstance(effect, Ping | Close)]
    s.after(25)
    assert s.effects[-1] == Ping(end)


def test_frames_put_the_ping_off():
    s = Script(charger_ping_s=45)
    for i in range(10):
        s.after(40).charger_sends(heartbeat(f"m{i}")).backend_sends(heartbeat_result(f"m{i}"))
    assert not [effect for effect in s.effects if isinstance(effect, Ping)]


def test_pings_that_are_off_are_off():
    Script(charger_ping_s=0, backend_ping_s=0).after(1e6).then()


def test_a_probe_is_a_ping_and_says_nothing_of_an_end_that_is_not_there():
    Script().happens(ev.ProbeWanted()).then(Ping(CHARGER))
    Script(is_open=False).happens(ev.ProbeWanted()).then()


# Blocked writers


def test_a_charger_that_does_not_read_holds_the_backend_up_until_it_does():
    s = Script()
    s.happens(ev.ChargerBlocked(1)).then(StopReading(BACKEND))
    s.after(29.9).happens(ev.ChargerUnblocked(1)).then(ReadOn(BACKEND))
    s.after(1000).then()


def test_a_backend_that_does_not_read_holds_the_charger_up_until_it_does():
    s = Script()
    s.happens(ev.BackendBlocked(1))
    s.then(Noted("charger-paused", "OTHER_END_BLOCKED"), StopReading(CHARGER))
    s.happens(ev.BackendUnblocked(1)).then(ReadOn(CHARGER))


@pytest.mark.parametrize("end", [CHARGER, BACKEND])
def test_an_end_that_never_reads_is_given_up(end):
    s = Script(blocked_s=30)
    s.happens((ev.ChargerBlocked if end is CHARGER else ev.BackendBlocked)(1))
    s.effects.clear()
    reason = "not reading" if end is CHARGER else "the backend does not read"
    s.after(29.9).then()
    s.after(0.1).then(
        Noted(f"{end.value}-slow-reader"), Close(CHARGER, 1013, reason), Close(BACKEND, 1001, reason)
    )


def test_a_charger_is_read_on_only_when_no_reason_to_wait_is_left():
    s = Script(waiting_calls=1)
    s.charger_sends(heartbeat("m1"), heartbeat("m2"))
    s.then(SendToBackend(heartbeat("m1")), StopReading(CHARGER))
    s.happens(ev.BackendBlocked(1)).then()
    s.backend_sends(heartbeat_result("m1"))
    s.then(SendToCharger(heartbeat_result("m1")), SendToBackend(heartbeat("m2")))
    s.happens(ev.BackendUnblocked(1)).then(ReadOn(CHARGER))


# Rates


def flood(s, count, name="f"):
    """`count` messages of the charger at once, which nobody has to answer."""
    for _ in range(count):
        s.charger_sends(b"ping")
    s.effects = [effect for effect in s.effects if not hasattr(effect, "verdict")]


RATE = {"message_cost_s": 0.05, "burst_s": 5.0, "flood_s": 60.0}


def test_a_charger_may_send_a_burst_then_waits_until_half_of_it_is_free():
    s = Script(**RATE)
    flood(s, 100)
    s.then()
    flood(s, 1)
    s.then(Noted("charger-paused", "RATE"), StopReading(CHARGER))
    s.after(2.5).then()
    s.after(0.1).then(ReadOn(CHARGER))


def test_a_charger_within_its_rate_is_never_paused():
    s = Script(**RATE)
    for _ in range(3000):
        flood(s, 1)
        s.after(0.05)
    s.then()


def test_messages_under_way_while_paused_do_not_pause_twice():
    s = Script(**RATE)
    flood(s, 110)
    s.then(StopReading(CHARGER))


def test_a_charger_that_floods_for_a_minute_is_disconnected():
    s = Script(**RATE)
    for _ in range(700):
        flood(s, 20)
        s.after(0.1)
        if not s.session.charger.is_open:
            break
    assert s.effects[-3:] == [
        Noted("charger-flooding"),
        Close(CHARGER, 1008, "too many messages"),
        Close(BACKEND, 1001, "too many messages"),
    ]


def test_bursts_with_calm_between_them_are_no_flood():
    s = Script(**RATE)
    for _ in range(20):
        flood(s, 105)
        s.after(20)
    assert not [effect for effect in s.effects if isinstance(effect, Close)]
    assert len([effect for effect in s.effects if isinstance(effect, ReadOn)]) == 20


def test_unread_messages_count_towards_the_rate_too():
    s = Script(**RATE)
    for _ in range(101):
        s.charger_sends(b"\xff" * 10)
    assert s.effects[-1] == StopReading(CHARGER)


def test_received_messages_are_counted_per_connection():
    s = Script()
    s.charger_sends(heartbeat("m1"), heartbeat("m2")).backend_sends(heartbeat_result("m1"))
    assert (s.session.charger.received, s.session.backend.received) == (2, 1)
    s.happens(ev.ChargerOpened(2, Version.V16))
    assert s.session.charger.received == 0


def test_a_charger_rests_as_long_as_the_busy_node_wants():
    s = Script()
    s.happens(ev.RestWanted(2.0)).then(Noted("charger-paused", "NODE_BUSY"), StopReading(CHARGER))
    s.after(1.5).then()
    s.happens(ev.RestWanted(1.0)).then()
    s.after(0.9).then()
    s.after(0.2).then(ReadOn(CHARGER))
