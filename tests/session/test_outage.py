"""What a session does while its backend is away, silent or slow, and when it is back."""

import json
import re

import pytest

from gateway.ocpp.message import Sender, Version
from gateway.session import events as ev
from gateway.session.answers import UnknownTags
from gateway.session.book import FIRST_ID
from gateway.session.effects import (
    Close,
    DoubtBackend,
    DropEntry,
    FetchEntries,
    Noted,
    Remember,
    Retried,
    SendToBackend,
    SendToCharger,
    Verdict,
    WantTurn,
)
from gateway.session.knowledge import BufferSettings, Known
from gateway.session.outbox import Entry
from tests.session.script import (
    TIME,
    Drops,
    Script,
    Stores,
    answered,
    call,
    error,
    heartbeat,
    heartbeat_result,
    meter_values,
    result,
    start,
    start_result,
    stop,
    told,
)

CHARGER, BACKEND = Sender
ALL = BufferSettings(unknown_tags=UnknownTags.ACCEPT_ALL)


def away(**settings):
    """A session whose backend is known to be away."""
    settings.setdefault("buffer", ALL)
    return Script(backend_is_open=False, **settings).happens(ev.BackendAway())


def accepted(id_, transaction=FIRST_ID):
    return answered(id_, {"transactionId": transaction, "idTagInfo": {"status": "Accepted"}})


def back(script, epoch=2, turns=100):
    """The backend's link opens, and stored messages may leave as they like."""
    return script.happens(ev.BackendOpened(epoch), ev.Turn(turns))


def renamed(data, transaction):
    """The frame with another transaction id, all else as the charger wrote it."""
    return re.sub(rb'("transactionId": )-?[0-9]+', rb"\g<1>%d" % transaction, data)


def test_a_stop_transaction_is_on_disk_before_the_charger_hears_that_it_arrived():
    s = away()
    s.charger_sends(stop("m1")).then(Stores(1, stop("m1")))
    s.happens(ev.EntryStored(1, True)).then(SendToCharger(answered("m1")))


def test_what_cannot_be_stored_is_not_answered_and_the_charger_keeps_it():
    s = away()
    s.charger_sends(stop("m1")).then(Stores(1, stop("m1")))
    s.happens(ev.EntryStored(1, False)).then(Close(CHARGER, 1013, "nothing can be stored"))


def test_a_whole_transaction_without_the_backend_reaches_it_in_order_with_its_own_id():
    s = away()
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True))
    s.charger_sends(meter_values("m2", FIRST_ID)).happens(ev.EntryStored(2, True))
    s.charger_sends(stop("m3", FIRST_ID)).happens(ev.EntryStored(3, True))
    s.then(
        Stores(1, start("m1")),
        SendToCharger(accepted("m1")),
        Stores(2, meter_values("m2", FIRST_ID)),
        SendToCharger(answered("m2")),
        Stores(3, stop("m3", FIRST_ID)),
        SendToCharger(answered("m3")),
    )
    s.happens(ev.BackendOpened(2)).then(WantTurn())
    s.happens(ev.Turn(10)).then(SendToBackend(start("m1")))
    s.backend_sends(start_result("m1", 42)).then(Drops(1))
    s.happens(ev.EntryDropped(1, True)).then(SendToBackend(renamed(meter_values("m2", FIRST_ID), 42)))
    s.backend_sends(result("m2")).happens(ev.EntryDropped(2, True))
    s.then(Drops(2), SendToBackend(renamed(stop("m3", FIRST_ID), 42)))
    s.backend_sends(result("m3")).happens(ev.EntryDropped(3, True)).then(Drops(3))


def test_the_next_stored_message_waits_until_the_one_before_is_off_the_disk():
    s = away()
    s.charger_sends(stop("m1"), stop("m2", 8)).happens(ev.EntryStored(1, True), ev.EntryStored(2, True))
    back(s)
    s.backend_sends(result("m1"))
    assert s.effects[-1].number == 1
    s.happens(ev.EntryDropped(1, False))
    s.effects.clear()
    s.after(2).then(Drops(1))
    s.happens(ev.EntryDropped(1, True)).then(SendToBackend(stop("m2", 8)))


def test_new_transaction_messages_queue_behind_stored_ones_and_others_do_not_wait():
    s = away()
    s.charger_sends(stop("m1")).happens(ev.EntryStored(1, True))
    back(s).then(Stores(1, stop("m1")), SendToCharger(answered("m1")), WantTurn(), SendToBackend(stop("m1")))
    s.charger_sends(stop("m2", 8)).then(Stores(2, stop("m2", 8)))
    s.charger_sends(heartbeat("m3")).then()
    s.backend_sends(result("m1")).then(Drops(1), SendToBackend(heartbeat("m3")))
    s.backend_sends(heartbeat_result("m3")).then(SendToCharger(heartbeat_result("m3")))
    s.happens(ev.EntryStored(2, True)).then(SendToCharger(answered("m2")))
    s.happens(ev.EntryDropped(1, True)).then(SendToBackend(stop("m2", 8)))


def test_delivery_goes_on_when_a_live_message_was_out_meanwhile():
    s = away()
    s.charger_sends(stop("m1"), stop("m2", 8)).happens(ev.EntryStored(1, True), ev.EntryStored(2, True))
    back(s)
    s.charger_sends(heartbeat("m3")).backend_sends(result("m1")).happens(ev.EntryDropped(1, True))
    s.effects.clear()
    s.backend_sends(heartbeat_result("m3"))
    s.then(SendToCharger(heartbeat_result("m3")), SendToBackend(stop("m2", 8)))


def test_when_everything_is_delivered_messages_pass_as_before():
    s = away()
    s.charger_sends(stop("m1")).happens(ev.EntryStored(1, True))
    back(s).backend_sends(result("m1")).happens(ev.EntryDropped(1, True))
    s.effects.clear()
    s.charger_sends(meter_values("m2", 9)).then(SendToBackend(meter_values("m2", 9)))
    s.backend_sends(result("m2")).then(SendToCharger(result("m2")))


def test_a_message_that_was_out_when_the_link_broke_is_sent_again_with_the_same_bytes():
    s = Script(buffer=ALL)
    s.charger_sends(stop("m1")).then(SendToBackend(stop("m1")))
    s.happens(ev.BackendClosed(1, 1006)).then(Stores(1, stop("m1")))
    s.happens(ev.EntryStored(1, True)).then(SendToCharger(answered("m1")))
    back(s).then(WantTurn(), SendToBackend(stop("m1")))


def test_the_charger_stays_when_the_backend_goes():
    s = Script(buffer=ALL)
    s.happens(ev.BackendClosed(1, 1001)).then()
    s.charger_sends(heartbeat("m1")).then(SendToCharger(answered("m1", {"currentTime": _at(0)})))


def _at(seconds):
    return TIME.replace("00:00Z", f"00:{seconds:06.3f}Z")


def test_an_authorization_waits_a_moment_for_the_backend_to_come_back():
    s = Script(buffer=BufferSettings(hold_s=3))
    s.happens(ev.BackendClosed(1, 1006))
    authorize = call("m1", "Authorize", {"idTag": "TAG1"})
    s.charger_sends(authorize).then()
    s.after(2.9).then()
    s.after(0.2).then(SendToCharger(answered("m1", {"idTagInfo": {"status": "Invalid"}})))
    s.charger_sends(authorize.replace(b"m1", b"m2"))
    s.then(SendToCharger(answered("m2", {"idTagInfo": {"status": "Invalid"}})))


def test_an_authorization_that_waited_goes_to_the_backend_that_is_back():
    s = Script(buffer=BufferSettings(hold_s=3))
    s.happens(ev.BackendClosed(1, 1006))
    authorize = call("m1", "Authorize", {"idTag": "TAG1"})
    s.charger_sends(authorize).after(1).happens(ev.BackendOpened(2)).then(SendToBackend(authorize))


@pytest.mark.parametrize("policy", list(UnknownTags))
def test_who_may_charge_without_the_backend_is_a_policy(policy):
    s = Script(buffer=BufferSettings(unknown_tags=policy))
    known, unknown = ({"idTag": tag} for tag in ("KNOWN", "NEW"))
    s.charger_sends(call("a", "Authorize", known))
    s.backend_sends(result("a", {"idTagInfo": {"status": "Accepted"}}))
    s.happens(ev.BackendClosed(1, 1006), ev.BackendAway())
    s.then(
        SendToBackend(call("a", "Authorize", known)),
        SendToCharger(result("a", {"idTagInfo": {"status": "Accepted"}})),
    )
    for tag, accepted_by in (
        (known, {UnknownTags.ACCEPT_KNOWN, UnknownTags.ACCEPT_ALL}),
        (unknown, {UnknownTags.ACCEPT_ALL}),
    ):
        status = "Accepted" if policy in accepted_by else "Invalid"
        s.charger_sends(call("b", "Authorize", tag))
        s.then(SendToCharger(answered("b", {"idTagInfo": {"status": status}})))


def test_what_a_backend_said_of_a_tag_is_forgotten_after_a_day():
    s = Script(buffer=BufferSettings(tags_keep_s=86_400))
    authorize = call("a", "Authorize", {"idTag": "KNOWN"})
    s.charger_sends(authorize).backend_sends(result("a", {"idTagInfo": {"status": "Accepted"}}))
    s.happens(ev.BackendClosed(1, 1006), ev.BackendAway())
    s.effects.clear()
    s.now += 86_401
    s.charger_sends(authorize).then(SendToCharger(answered("a", {"idTagInfo": {"status": "Invalid"}})))


def test_a_start_of_long_ago_is_accepted_whoever_it_was():
    s = away(buffer=BufferSettings(unknown_tags=UnknownTags.REFUSE))
    s.now += 120
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True))
    s.then(Stores(1, start("m1")), SendToCharger(accepted("m1")))


def test_a_backend_that_says_nothing_is_answered_for_in_time_for_chargers_that_wait_five_seconds():
    s = Script(buffer=ALL)
    s.charger_sends(stop("m1")).then(SendToBackend(stop("m1")))
    s.after(3.9).then()
    s.after(0.2).then(Stores(1, stop("m1")))
    s.happens(ev.EntryStored(1, True)).then(SendToCharger(answered("m1")))
    s.charger_sends(heartbeat("m2")).then(SendToCharger(answered("m2", {"currentTime": _at(4.1)})))


def test_a_late_answer_counts_as_delivery_and_nothing_is_sent_twice():
    s = Script(buffer=ALL)
    s.charger_sends(start("m1")).after(4.1).happens(ev.EntryStored(1, True))
    s.then(SendToBackend(start("m1")), Stores(1, start("m1")), SendToCharger(accepted("m1")))
    s.backend_sends(start_result("m1", 42)).then(Drops(1))
    s.happens(ev.EntryDropped(1, True)).then()
    s.charger_sends(stop("m2", FIRST_ID)).then(SendToBackend(renamed(stop("m2", FIRST_ID), 42)))


def test_an_answer_that_comes_while_the_message_is_being_written_counts_as_delivery():
    s = Script(buffer=ALL)
    s.charger_sends(stop("m1")).after(4.1)
    s.backend_sends(result("m1")).then(SendToBackend(stop("m1")), Stores(1, stop("m1")))
    s.happens(ev.EntryStored(1, True)).then(SendToCharger(answered("m1")), Drops(1))
    s.happens(ev.EntryDropped(1, True)).then()


def test_a_start_that_we_would_refuse_waits_longer_for_the_backend():
    s = Script(buffer=BufferSettings())
    s.charger_sends(start("m1")).after(8.9).then(SendToBackend(start("m1")))
    s.backend_sends(start_result("m1")).then(SendToCharger(start_result("m1")))


def test_a_link_without_answers_is_doubted_then_replaced_and_the_message_sent_once_more():
    s = Script(buffer=ALL, answer_deadline_s=10, call_timeout_s=30)
    s.charger_sends(stop("m1")).after(4.1).happens(ev.EntryStored(1, True))
    s.effects.clear()
    s.after(6).then(DoubtBackend("no answer to StopTransaction"))
    s.after(20).then(Close(BACKEND, 1001, "no answer"))
    back(s).then(WantTurn(), SendToBackend(stop("m1")))


def test_a_message_that_comes_again_hears_the_same_answer():
    s = away()
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True))
    s.charger_returns(2)
    s.effects.clear()
    s.charger_sends(start("m9")).then(SendToCharger(accepted("m9")))


def test_a_message_that_comes_again_while_it_is_being_written_is_written_once():
    s = away()
    s.charger_sends(start("m1")).then(Stores(1, start("m1")))
    s.charger_returns(2)
    s.charger_sends(start("m9")).then()
    s.happens(ev.EntryStored(1, True)).then(SendToCharger(accepted("m9")))


def test_a_start_whose_answer_got_lost_hears_it_on_the_next_connection():
    s = Script(buffer=ALL)
    s.charger_sends(start("m1")).backend_sends(start_result("m1", 42))
    s.charger_returns(2).happens(ev.BackendOpened(2))
    s.effects.clear()
    s.charger_sends(start("m9"))
    s.then(SendToCharger(accepted("m9", 42)))


def test_the_answer_to_a_message_of_an_older_connection_goes_nowhere():
    s = away()
    s.charger_sends(stop("m1"))
    s.charger_returns(2).effects.clear()
    s.happens(ev.EntryStored(1, True)).then()


def test_a_boot_and_the_last_statuses_are_told_before_what_was_stored():
    s = away()
    boot = call("b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    status = call(
        "s2", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
    )
    s.charger_sends(boot).then(
        SendToCharger(answered("b", {"currentTime": _at(0), "interval": 60, "status": "Pending"}))
    )
    s.charger_sends(status.replace(b"Charging", b"Available").replace(b"s2", b"s1"), status)
    s.then(SendToCharger(answered("s1")), SendToCharger(answered("s2")))
    s.charger_sends(stop("m1")).happens(ev.EntryStored(1, True)).effects.clear()
    back(s).then(SendToBackend(boot))
    s.backend_sends(result("b", {"currentTime": TIME, "interval": 300, "status": "Accepted"}))
    s.then(SendToBackend(status))
    s.backend_sends(result("s2")).then(SendToBackend(stop("m1")))


def test_a_charger_that_was_accepted_before_is_accepted_when_it_boots_without_the_backend():
    s = Script(buffer=ALL)
    boot = call("b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    ahead = TIME.replace("08:00:00", "08:10:00")
    s.charger_sends(boot)
    s.backend_sends(result("b", {"currentTime": ahead, "interval": 900, "status": "Accepted"}))
    s.happens(ev.BackendClosed(1, 1006), ev.BackendAway()).effects.clear()
    said = {"currentTime": ahead.replace("Z", ".000Z"), "interval": 300, "status": "Accepted"}
    s.charger_sends(boot).then(SendToCharger(answered("b", said)))


def test_a_backend_that_does_not_accept_the_boot_gets_nothing_else():
    s = away()
    boot = call("b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    s.charger_sends(boot, stop("m1")).happens(ev.EntryStored(1, True)).effects.clear()
    back(s).then(SendToBackend(boot))
    s.backend_sends(result("b", {"currentTime": TIME, "interval": 30, "status": "Pending"})).then()
    s.charger_sends(stop("m2", 8)).happens(ev.EntryStored(2, True))
    s.then(Stores(2, stop("m2", 8)), SendToCharger(answered("m2")))
    s.after(31).then(SendToBackend(boot))
    s.backend_sends(result("b", {"currentTime": TIME, "interval": 30, "status": "Accepted"}))
    s.then(SendToBackend(stop("m1")))


def test_a_driver_whom_the_backend_refuses_afterwards_is_stopped():
    s = away()
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True)).effects.clear()
    back(s)
    s.effects.clear()
    s.backend_sends(result("m1", {"transactionId": 0, "idTagInfo": {"status": "Blocked"}}))
    stop_it = f'[2,"gateway-1","RemoteStopTransaction",{{"transactionId":{FIRST_ID}}}]'.encode()
    s.then(Drops(1), told(CHARGER, Verdict.DELIVERED, start("m1"), "late-refusal"), SendToCharger(stop_it))
    s.charger_sends(result("gateway-1", {"status": "Accepted"})).then()


def test_a_late_refusal_may_be_let_run():
    s = away(buffer=BufferSettings(unknown_tags=UnknownTags.ACCEPT_ALL, stops_late_refusals=False))
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True))
    back(s)
    s.effects.clear()
    s.backend_sends(result("m1", {"transactionId": 9, "idTagInfo": {"status": "Blocked"}}))
    s.then(Drops(1), told(CHARGER, Verdict.DELIVERED, start("m1"), "late-refusal"))


def in_transaction(backend_id=42):
    """A session in which a transaction has begun without the backend, which knows it now."""
    s = away()
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True))
    back(s).backend_sends(start_result("m1", backend_id)).happens(ev.EntryDropped(1, True))
    s.effects.clear()
    return s


def test_a_remote_stop_with_the_backends_id_stops_the_right_transaction():
    s = in_transaction()
    s.backend_sends(call("r", "RemoteStopTransaction", {"transactionId": 42}))
    named = f'[2,"r","RemoteStopTransaction",{{"transactionId":{FIRST_ID}}}]'
    s.then(SendToCharger(named.encode()))


def test_a_profile_for_the_backends_transaction_reaches_the_chargers():
    s = in_transaction()
    profile = {
        "chargingProfileId": 1,
        "transactionId": 42,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
        },
    }
    s.backend_sends(call("p", "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile}))
    sent = json.loads(s.effects[-1].data)
    assert sent[3]["csChargingProfiles"] == profile | {"transactionId": FIRST_ID}


@pytest.mark.parametrize("id_", [FIRST_ID])
def test_a_remote_stop_with_an_id_that_the_backend_cannot_know_is_refused(id_):
    s = in_transaction()
    frame = call("r", "RemoteStopTransaction", {"transactionId": id_})
    s.backend_sends(frame)
    s.then(
        told(BACKEND, Verdict.IGNORED, frame, "transaction-id-foreign"),
        SendToBackend(answered("r", {"status": "Rejected"})),
    )


def test_ids_are_exchanged_after_a_restart_too():
    s = away()
    s.charger_sends(start("m1"))
    parts = dict(s.effects[-1].parts)
    again = Script(buffer=ALL, backend_is_open=False, known=Known(parts, 1, 100, 1.0, 1))
    again.happens(ev.BackendOpened(1)).then(FetchEntries(0, 8))
    again.happens(ev.EntriesFetched((Entry(1, 1.0, "1.6", "StartTransaction", start("m1")),)))
    again.happens(ev.Turn(9)).backend_sends(start_result("m1", 42)).happens(ev.EntryDropped(1, True))
    again.then(WantTurn(), SendToBackend(start("m1")), Drops(1))
    again.charger_sends(stop("m2", FIRST_ID)).then(SendToBackend(renamed(stop("m2", FIRST_ID), 42)))


def test_what_the_backend_refuses_five_times_goes_to_quarantine_with_its_transaction():
    s = away()
    s.charger_sends(start("m1"), stop("m2", FIRST_ID), stop("m3", 8))
    s.happens(*(ev.EntryStored(number, True) for number in (1, 2, 3)))
    back(s)
    for refused, wait_s in enumerate((10, 20, 40, 80), 1):
        s.backend_sends(error("m1"))
        assert Noted("delivery-refused", "StartTransaction: InternalError: no", refused == 1) in s.effects
        assert s.session.buffer.outbox.window[0].refused == refused
        s.effects.clear()
        s.after(wait_s - 0.5).then()
        s.after(1).then(SendToBackend(start("m1")))
    s.backend_sends(error("m1")).then(told(CHARGER, Verdict.QUARANTINED, start("m1"), "refused-by-backend"))
    s.happens(ev.Kept(s.numbers[-1], True)).then(Drops(1))
    s.happens(ev.EntryDropped(1, True))
    s.then(told(CHARGER, Verdict.QUARANTINED, stop("m2", FIRST_ID), "transaction-refused"))
    s.happens(ev.Kept(s.numbers[-1], True)).then(Drops(2))
    s.happens(ev.EntryDropped(2, True)).then(SendToBackend(stop("m3", 8)))


def test_revenue_that_the_backend_refuses_is_kept_and_the_charger_hears_no_error():
    s = Script(buffer=ALL)
    s.charger_sends(stop("m1")).backend_sends(error("m1"))
    s.then(SendToBackend(stop("m1")), Stores(1, stop("m1")))
    s.happens(ev.EntryStored(1, True)).then(SendToCharger(answered("m1")))
    s.after(10.5).then(WantTurn())
    s.happens(ev.Turn(1)).then(SendToBackend(stop("m1")))


def test_an_outbox_that_is_nearly_full_leaves_messages_with_the_charger():
    s = away(buffer=BufferSettings(max_messages=5))
    for number in range(1, 5):
        s.charger_sends(stop(f"m{number}", number)).happens(ev.EntryStored(number, True))
    s.effects.clear()
    s.charger_sends(stop("m5", 5)).then(Close(CHARGER, 1013, "no room for messages"))
    assert not s.session.buffer.has_room(s.now + s.session.wall_offset_s)


def test_what_waits_for_three_days_closes_the_outbox():
    s = away(buffer=BufferSettings(max_age_s=100))
    s.charger_sends(stop("m1")).happens(ev.EntryStored(1, True)).effects.clear()
    s.now += 101
    s.charger_sends(stop("m2", 8)).then(Close(CHARGER, 1013, "no room for messages"))


def test_a_charger_that_left_has_its_messages_delivered_and_then_its_link_closed():
    s = away()
    s.charger_sends(stop("m1")).happens(ev.EntryStored(1, True)).happens(ev.ChargerClosed(1, 1006))
    s.effects.clear()
    back(s).then(WantTurn(), SendToBackend(stop("m1")))
    reset = call("r", "Reset", {"type": "Soft"})
    s.backend_sends(reset)
    s.then(SendToBackend(b'[4,"r","GenericError","the charger is not connected",{}]'))
    s.backend_sends(result("m1")).happens(ev.EntryDropped(1, True))
    s.then(Drops(1), Close(BACKEND, 1001, "charger left"))


def test_a_transaction_event_of_an_outage_says_that_it_is_offline():
    s = away(version=Version.V201)
    event = {
        "eventType": "Started",
        "timestamp": TIME,
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T1"},
    }
    s.charger_sends(call("m1", "TransactionEvent", event))
    stored = json.loads(s.effects[-1].frame)
    assert stored == [2, "m1", "TransactionEvent", event | {"offline": True}]


def test_a_backends_command_is_answered_to_nobody_when_its_link_is_gone():
    s = Script(buffer=ALL)
    reset = call("r", "Reset", {"type": "Soft"})
    s.backend_sends(reset).then(SendToCharger(reset))
    s.happens(ev.BackendClosed(1, 1006), ev.BackendOpened(2)).then()
    s.charger_sends(result("r", {"status": "Accepted"})).then()


def test_an_unknown_action_is_not_answered_for_the_backend():
    s = away()
    s.charger_sends(call("m1", "SignCertificate", {"csr": "x"}))
    s.then(SendToCharger(answered("m1", {"status": "Rejected"})))


def test_every_step_of_an_outage_is_noted():
    s = away()
    s.charger_sends(stop("m1")).happens(ev.EntryStored(1, True))
    back(s).backend_sends(result("m1")).happens(ev.EntryDropped(1, True))
    noted = [effect for effect in s.effects if isinstance(effect, Noted)]
    assert [note.name for note in noted] == [
        "entry-stored",
        "answered-locally",
        "backend-link-opened",
        "entry-delivered",
        "outbox-drained",
    ]


def test_a_kept_stop_is_not_sent_again_before_its_start_was_and_then_with_the_backends_id():
    s = away()
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True))
    s.session.buffer.book.transactions[0].refused = True
    s.happens(ev.BackendOpened(2)).effects.clear()
    s.happens(ev.RetryWanted(1, stop("m2", FIRST_ID)))
    s.then(Retried(1, False, "the backend does not know its transaction: retry the start first"))
    s.happens(ev.RetryWanted(2, start("m1")))
    sent = json.loads(s.effects[-1].data)
    s.backend_sends(start_result(sent[1], 42))
    s.effects.clear()
    s.happens(ev.RetryWanted(3, stop("m2", FIRST_ID)))
    assert json.loads(s.effects[-1].data)[3]["transactionId"] == 42


BOOT = call("b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
BOOTED = result("b", {"currentTime": TIME, "interval": 300, "status": "Accepted"})


def silent():
    """A session whose backend has left a StopTransaction unanswered, which is stored."""
    s = Script(buffer=ALL)
    s.charger_sends(stop("m1")).after(4.1).happens(ev.EntryStored(1, True))
    s.effects.clear()
    return s


def test_a_boot_that_was_answered_for_a_silent_backend_is_told_on_the_same_link():
    s = silent()
    status = call(
        "s", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    )
    s.charger_sends(BOOT, status).effects.clear()
    s.backend_sends(result("m1")).happens(ev.EntryDropped(1, True)).then(Drops(1), SendToBackend(BOOT))
    s.backend_sends(BOOTED).then(SendToBackend(status))


def test_a_boot_that_a_charger_did_not_wait_for_is_still_told_first():
    s = away()
    s.charger_sends(BOOT, stop("m1")).happens(ev.EntryStored(1, True))
    back(s)
    s.backend_sends(result("b", {"currentTime": TIME, "interval": 300, "status": "Pending"}))
    s.effects.clear()
    again = BOOT.replace(b'"b"', b'"c"')
    s.charger_sends(again).then(SendToBackend(again))
    s.happens(ev.ChargerClosed(1, 1006), ev.BackendClosed(2, 1006)).happens(ev.BackendOpened(3), ev.Turn(9))
    s.then(SendToBackend(again))


def test_what_cannot_be_read_from_the_disk_is_asked_for_again():
    s = Script(buffer=ALL, backend_is_open=False, known=Known({}, 1, 100, 1.0, 1))
    s.happens(ev.BackendOpened(1)).then(FetchEntries(0, 8))
    s.happens(ev.EntriesFetched(None)).after(0.9).then()
    s.after(0.2).then(FetchEntries(0, 8))


def test_a_message_that_comes_again_under_another_id_hears_the_same_answer():
    s = Script(buffer=ALL)
    s.charger_sends(start("m1"), start("m2")).backend_sends(start_result("m1", 42))
    s.then(
        SendToBackend(start("m1")),
        told(CHARGER, Verdict.DELIVERED, start("m2"), "duplicate"),
        SendToCharger(start_result("m1", 42)),
        SendToCharger(b'[3,"m2",%b]' % start_result("m1", 42)[10:-2].strip()),
    )


def test_a_message_that_comes_again_while_the_backend_is_silent_is_stored_once_and_before_others():
    s = Script(buffer=BufferSettings())
    s.charger_sends(start("m1")).happens(ev.BackendAway())
    s.charger_sends(start("m2")).then(
        SendToBackend(start("m1")),
        Stores(1, start("m1")),
        told(CHARGER, Verdict.DELIVERED, start("m2"), "duplicate"),
    )
    s.charger_sends(stop("m3")).then(Stores(2, stop("m3")))
    refused = {"transactionId": FIRST_ID, "idTagInfo": {"status": "Invalid"}}
    s.happens(ev.EntryStored(1, True)).then(SendToCharger(answered("m2", refused)))


def test_a_charger_that_left_unheard_hears_the_same_answer_after_a_restart():
    s = Script(buffer=ALL)
    s.charger_sends(stop("m1")).backend_sends(result("m1")).effects.clear()
    s.happens(ev.ChargerClosed(1, 1006))
    parts = {effect.part: effect.data for effect in s.effects if isinstance(effect, Remember)}
    again = Script(buffer=ALL, known=Known(parts))
    again.charger_sends(stop("m9")).then(SendToCharger(answered("m9")))


def test_an_id_of_the_backends_that_the_charger_has_for_another_transaction_is_changed_on_disk_first():
    s = in_transaction(backend_id=42)
    s.charger_sends(start("m2", 200)).backend_sends(start_result("m2", FIRST_ID))
    s.then(SendToBackend(start("m2", 200)), Stores(2, start("m2", 200)))
    s.happens(ev.EntryStored(2, True)).then(SendToCharger(accepted("m2", FIRST_ID + 1)), Drops(2))
    s.happens(ev.EntryDropped(2, True)).charger_sends(stop("m3", FIRST_ID + 1))
    s.then(SendToBackend(renamed(stop("m3", FIRST_ID + 1), FIRST_ID)))


def test_an_entry_that_is_dropped_again_takes_along_what_is_known_by_then():
    s = away()
    s.charger_sends(start("m1")).happens(ev.EntryStored(1, True))
    back(s).backend_sends(start_result("m1", 42)).happens(ev.EntryDropped(1, False))
    s.charger_sends(start("m2", 200)).effects.clear()
    s.after(1.1)
    assert b'"meter_start_wh":200.0' in dict(s.effects[0].parts)["book"]


def test_the_ids_of_all_transactions_of_a_long_outage_are_known():
    s = away()
    for number in range(1, 101):
        s.charger_sends(start(f"a{number}", number), stop(f"b{number}", FIRST_ID + number - 1))
        s.happens(ev.EntryStored(2 * number - 1, True), ev.EntryStored(2 * number, True))
    back(s, turns=1000)
    s.backend_sends(start_result("a1", 42)).effects.clear()
    s.happens(ev.EntryDropped(1, True)).then(SendToBackend(renamed(stop("b1", FIRST_ID), 42)))


def test_a_charger_is_closed_when_what_the_backend_has_not_answered_finds_no_room():
    s = Script(buffer=BufferSettings(max_messages=0, unknown_tags=UnknownTags.ACCEPT_ALL))
    s.charger_sends(stop("m1")).happens(ev.BackendAway())
    s.charger_sends(stop("m2", 8)).then(
        SendToBackend(stop("m1")),
        Close(CHARGER, 1013, "no room for messages"),
        Close(BACKEND, 1013, "charger left"),
    )


def test_what_could_not_be_written_and_is_answered_after_all_is_not_sent_twice():
    s = away()
    s.charger_sends(stop("m0", 5), stop("m1", 6)).happens(ev.EntryStored(1, True), ev.EntryStored(2, True))
    back(s).backend_sends(result("m0")).happens(ev.EntryDropped(1, True))
    s.backend_sends(result("m1")).happens(ev.EntryDropped(2, True)).effects.clear()
    s.charger_sends(stop("m2", 8)).after(4.1).then(SendToBackend(stop("m2", 8)), Stores(3, stop("m2", 8)))
    boot = call("b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    s.charger_sends(boot).effects.clear()  # the backend has to hear of it, so that its link stays
    s.happens(ev.EntryStored(3, False)).then(Close(CHARGER, 1013, "nothing can be stored"))
    s.backend_sends(result("m2")).charger_returns(2).effects.clear()
    s.charger_sends(stop("m3", 8)).then(SendToCharger(answered("m3")))


def test_billing_data_that_waited_for_its_turn_is_answered_in_time():
    s = Script(buffer=BufferSettings(), answer_deadline_s=10)
    s.charger_sends(heartbeat("h"), start("m1")).after(3)
    s.backend_sends(heartbeat_result("h")).effects.clear()
    s.after(5.9).then()
    s.after(0.2).then(Stores(1, start("m1")))


def test_what_was_noted_of_a_message_that_was_never_stored_is_not_believed_after_a_restart():
    s = away()
    s.charger_sends(stop("m1")).happens(ev.EntryStored(1, True))
    back(s).charger_sends(start("m2"))
    s.backend_sends(result("m1"))
    parts = dict(next(effect for effect in s.effects if isinstance(effect, DropEntry)).parts)
    assert b"idTagInfo" in parts["recent"]
    again = Script(buffer=ALL, known=Known(parts, 0, 0, 0.0, 0))
    again.charger_sends(start("m2")).then(SendToBackend(start("m2")))
    kept = Script(buffer=ALL, backend_is_open=False, known=Known(parts, 1, 100, 1.0, 2))
    kept.charger_sends(start("m2")).then(SendToCharger(accepted("m2")))
