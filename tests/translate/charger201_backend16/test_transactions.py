"""Whole sessions of a 2.0.1 charger, as its 1.6 backend hears them."""

import pytest

from gateway.translate.policies import Policies
from gateway.translate.port import NoAnswer, Refused
from tests.translate.charger201_backend16.peers import CARD, OTHER_CARD, TX, TX2, Peers, active, at, register

ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
YES = {"idTokenInfo": {"status": "Accepted"}}
BEGIN = "Transaction.Begin"
END = "Transaction.End"
EVSE = {"id": 1, "connectorId": 1}


def test_a_cable_before_the_card_starts_at_the_card():
    peers = Peers()
    first = peers.event(
        "Started", 0, "CablePluggedIn", 5, "EVConnected", evse=EVSE, meterValue=[register(1000, 5, BEGIN)]
    )
    assert peers.heard(first) == {}
    assert peers.shows("Preparing")["timestamp"] == at(5)
    second = peers.event("Updated", 1, "Authorized", 40, "EVConnected", idToken=CARD)
    assert peers.heard(second) is None
    assert peers.starts() == {
        "connectorId": 1,
        "idTag": CARD["idToken"],
        "meterStart": 1000,
        "timestamp": at(40),
    }
    assert peers.heard(second) == YES
    assert peers.is_quiet()


def test_a_signature_of_the_begin_goes_to_the_backend_beside_meter_start():
    peers = Peers()
    signature = {
        "signedMeterData": "T0NNRnw=",
        "signingMethod": "",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    begin = register(1000, 5, BEGIN, signedMeterValue=signature)
    call = peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD, meterValue=[begin])
    assert peers.starts(501)["meterStart"] == 1000
    (value,) = peers.passes("MeterValues")["meterValue"]
    plain, signed = value["sampledValue"]
    assert (plain["value"], plain["context"]) == ("1000", BEGIN)
    assert (signed["format"], signed["context"]) == ("SignedData", BEGIN)
    assert peers.heard(call) == YES


def test_a_card_before_the_cable_is_asked_about_and_starts_at_the_cable():
    peers = Peers()
    first = peers.event("Started", 0, "Authorized", 5, "Idle", idToken=CARD)
    assert peers.passes("Authorize", ACCEPTED) == {"idTag": CARD["idToken"]}
    assert peers.heard(first) == YES
    second = peers.event(
        "Updated", 1, "CablePluggedIn", 30, "EVConnected", evse=EVSE, meterValue=[register(2000, 30, BEGIN)]
    )
    assert peers.starts()["meterStart"] == 2000
    assert peers.heard(second) == {}
    peers.shows("Preparing")
    assert peers.is_quiet()


def test_a_card_that_was_asked_about_a_moment_ago_is_not_asked_about_again():
    peers = Peers()
    call = peers.charger("Authorize", {"idToken": CARD})
    peers.passes("Authorize", ACCEPTED)
    assert peers.heard(call) == YES
    first = peers.event("Started", 0, "Authorized", 5, "Idle", idToken=CARD)
    assert peers.heard(first) == YES
    assert peers.is_quiet()


def test_a_refused_card_starts_nothing_when_the_cable_comes():
    peers = Peers()
    first = peers.event("Started", 0, "Authorized", 5, "Idle", idToken=CARD)
    peers.passes("Authorize", {"idTagInfo": {"status": "Blocked"}})
    assert peers.heard(first) == {"idTokenInfo": {"status": "Blocked"}}
    peers.event("Updated", 1, "CablePluggedIn", 9, "EVConnected", evse=EVSE)
    peers.shows("Preparing")
    peers.event("Updated", 2, "Authorized", 12, "EVConnected", idToken=OTHER_CARD)
    assert peers.starts()["idTag"] == OTHER_CARD["idToken"]


@pytest.mark.parametrize("trigger", ["EVConnectTimeout", "StopAuthorized"])
def test_a_card_without_a_cable_costs_nothing(trigger):
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Idle", idToken=CARD, evse=EVSE)
    peers.passes("Authorize", ACCEPTED)
    end = peers.event("Ended", 1, trigger, 125, "Idle", reason="Timeout")
    assert peers.heard(end) == {}
    assert peers.is_quiet()
    assert peers.memory.transactions[0].state == "ended"


def test_a_vehicle_in_the_bay_is_no_transaction():
    peers = Peers()
    assert peers.heard(peers.event("Started", 0, "EVDetected", 5, "Idle")) == {}
    assert peers.heard(peers.event("Ended", 1, "EVDeparted", 180, "Idle", reason="Other")) == {}
    assert peers.is_quiet()


def test_energy_that_nobody_was_authorised_for_is_said_to_be_lost():
    peers = Peers()
    peers.event(
        "Started", 0, "CablePluggedIn", 5, "EVConnected", evse=EVSE, meterValue=[register(1000, 5, BEGIN)]
    )
    peers.shows("Preparing")
    peers.event("Ended", 1, "EVCommunicationLost", 900, "Idle", meterValue=[register(1900, 900, END)])
    assert [(loss.code, loss.severity) for loss in peers.losses][-1] == ("FIELD_DROPPED", "billing")


def test_readings_with_the_start_follow_it():
    peers = Peers()
    values = [register(1000, 5, BEGIN), register(1001, 5)]
    call = peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD, meterValue=values)
    assert peers.starts()["meterStart"] == 1000
    assert peers.heard(call) is None
    assert peers.passes("MeterValues")["transactionId"] == 501
    assert peers.heard(call) == YES
    peers.shows("Charging")


def test_power_path_closed_waits_for_energy():
    peers = Peers(policies=Policies(start_point="power_path_closed"))
    call = peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD)
    peers.passes("Authorize", ACCEPTED)
    assert peers.heard(call) == YES
    peers.shows("Preparing")
    peers.event("Updated", 1, "ChargingStateChanged", 9, "Charging")
    assert peers.starts()["timestamp"] == at(9)


def test_an_offline_session_is_two_messages_with_its_own_times():
    peers = Peers()
    begun = [register(1000, 5, BEGIN)]
    peers.event(
        "Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD, offline=True, meterValue=begun
    )
    assert peers.starts()["timestamp"] == at(5)
    peers.shows("Preparing")
    end = [register(4000, 600, END)]
    peers.event(
        "Ended",
        1,
        "StopAuthorized",
        600,
        "EVConnected",
        reason="Local",
        idToken=CARD,
        offline=True,
        meterValue=end,
    )
    stop = peers.passes("StopTransaction", ACCEPTED)
    assert (stop["meterStop"], stop["timestamp"], stop["reason"]) == (4000, at(600), "Local")
    peers.shows("Finishing")
    assert peers.lost("OFFLINE_FLAG_LOST") == ["offline", "offline"]


def test_an_offline_session_does_not_make_a_free_connector_busy():
    peers = Peers()
    peers.charger(
        "StatusNotification",
        {"timestamp": at(1), "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
    )
    peers.shows("Available")
    peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD, offline=True)
    peers.starts()
    peers.event("Ended", 1, "StopAuthorized", 600, "EVConnected", reason="Local", offline=True)
    peers.passes("StopTransaction")
    assert peers.is_quiet()


# The end


def test_the_last_known_register_stands_for_one_that_was_not_told():
    peers = Peers(active(last_register_wh=5100))
    call = peers.event("Ended", 4, "EVCommunicationLost", 600, "Idle", reason="EVDisconnected")
    assert peers.passes("StopTransaction") == {
        "transactionId": 501,
        "meterStop": 5100,
        "timestamp": at(600),
        "reason": "EVDisconnected",
    }
    assert peers.heard(call) == {}
    assert peers.lost("METER_STOP_ESTIMATED") == ["meterStop"]


def test_registers_of_the_phases_are_added_up():
    peers = Peers(active())
    value = register(1, 600, END, phase="L1")
    value["sampledValue"] += [
        value["sampledValue"][0] | {"phase": phase, "value": 10.4} for phase in ("L2", "L3")
    ]
    peers.event("Ended", 4, "EVCommunicationLost", 600, "Idle", reason="EVDisconnected", meterValue=[value])
    assert peers.passes("StopTransaction")["meterStop"] == 22
    assert peers.lost("VALUE_ROUNDED") == ["meterStop"]


@pytest.mark.parametrize(
    ("reason", "reason16"),
    [
        *((same, same) for same in ("DeAuthorized", "EmergencyStop", "EVDisconnected", "Local", "Other")),
        *((same, same) for same in ("PowerLoss", "Reboot", "Remote")),
        ("MasterPass", "Local"),
        ("ImmediateReset", "HardReset"),
        *(
            (other, "Other")
            for other in ("EnergyLimitReached", "GroundFault", "LocalOutOfCredit", "OvercurrentFault")
        ),
        *(
            (other, "Other")
            for other in ("PowerQuality", "SOCLimitReached", "StoppedByEV", "TimeLimitReached")
        ),
        ("Timeout", "Other"),
        (None, "Local"),
    ],
)
def test_why_it_stopped(reason, reason16):
    peers = Peers(active())
    peers.event("Ended", 4, "ChargingStateChanged", 600, "EVConnected", reason=reason)
    assert peers.passes("StopTransaction")["reason"] == reason16


def test_an_unlock_at_the_charger_says_so():
    peers = Peers(active())
    peers.event("Ended", 4, "UnlockCommand", 600, "EVConnected", reason="Other")
    assert peers.passes("StopTransaction")["reason"] == "UnlockCommand"


def test_another_card_that_stops_goes_up():
    peers = Peers(active())
    call = peers.event("Ended", 4, "StopAuthorized", 600, "EVConnected", reason="Local", idToken=OTHER_CARD)
    group = {"idTagInfo": {"status": "Accepted", "parentIdTag": "GRP-01"}}
    assert peers.passes("StopTransaction", group)["idTag"] == OTHER_CARD["idToken"]
    assert peers.heard(call)["idTokenInfo"]["groupIdToken"] == {"idToken": "GRP-01", "type": "Central"}


def test_a_stop_without_word_on_its_card_is_accepted():
    peers = Peers(active())
    call = peers.event("Ended", 4, "StopAuthorized", 600, "EVConnected", reason="Local", idToken=CARD)
    peers.passes("StopTransaction")
    assert peers.heard(call) == YES
    assert peers.lost("SYN_IDTAGINFO") == ["idTokenInfo"]


# The driver has left, the vehicle stays


def _left(peers, **rest):
    call = peers.event("Updated", 4, "StopAuthorized", 60, "EVConnected", idToken=CARD, **rest)
    assert peers.heard(call) == YES
    peers.shows("Finishing")


def test_an_end_within_the_grace_is_one_stop_at_the_time_the_driver_left():
    peers = Peers(active())
    _left(peers)
    peers.wait(20)
    assert peers.is_quiet()
    peers.event(
        "Ended", 5, "EVCommunicationLost", 80, "Idle", reason="Local", meterValue=[register(4200, 80, END)]
    )
    stop = peers.passes("StopTransaction")
    assert (stop["timestamp"], stop["meterStop"], stop["idTag"]) == (at(60), 4200, CARD["idToken"])
    assert peers.is_quiet()


def test_after_the_grace_it_is_stopped_with_what_is_known():
    peers = Peers(active(last_register_wh=4000))
    _left(peers)
    peers.wait(31)
    stop = peers.passes("StopTransaction")
    assert stop == {
        "transactionId": 501,
        "meterStop": 4000,
        "timestamp": at(60),
        "reason": "Local",
        "idTag": CARD["idToken"],
    }
    assert peers.is_quiet()
    call = peers.event(
        "Ended",
        5,
        "EVCommunicationLost",
        9000,
        "Idle",
        reason="EVDisconnected",
        meterValue=[register(3999, 30), register(4321, 9000, END)],
    )
    late = peers.passes("MeterValues")
    assert "transactionId" not in late
    assert [value["timestamp"] for value in late["meterValue"]] == [at(9000)]
    assert peers.heard(call) == {}
    assert peers.lost("LATE_END") and peers.lost("ENERGY_AFTER_STOP")
    assert peers.is_quiet()


def test_a_grace_that_ends_while_readings_are_out_is_not_forgotten():
    peers = Peers(active())
    _left(peers)
    peers.event("Updated", 5, "MeterValuePeriodic", 70, meterValue=[register(4000, 70)])
    peers.wait(40)
    peers.passes("MeterValues")
    peers.wait(2)
    assert peers.passes("StopTransaction")["meterStop"] == 4000


def test_a_stop_that_fails_is_tried_again_and_not_for_ever():
    peers = Peers(active())
    _left(peers)
    for _ in range(10):
        peers.wait(1000)
        assert peers.backend_gets()[0] == "StopTransaction"
        peers.backend_says(Refused("InternalError"))
    peers.wait(100_000)
    assert peers.is_quiet()
    assert peers.losses[-1].severity == "billing"


def test_the_same_card_again_goes_on_with_the_transaction():
    peers = Peers(active())
    _left(peers)
    call = peers.event("Updated", 5, "Authorized", 70, "Charging", idToken=CARD)
    assert peers.heard(call) == YES
    peers.shows("Charging")
    peers.wait(1000)
    assert peers.is_quiet()


def test_a_refused_card_stays_refused_when_it_is_shown_again():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD)
    peers.starts(502, "Blocked")
    again = peers.event("Updated", 1, "Authorized", 9, "EVConnected", idToken=CARD)
    assert peers.heard(again) == {"idTokenInfo": {"status": "Blocked"}}


def test_another_card_after_the_driver_left_is_another_transaction():
    peers = Peers(active())
    _left(peers)
    call = peers.event(
        "Updated", 5, "Authorized", 70, "Charging", idToken=OTHER_CARD, meterValue=[register(4000, 70)]
    )
    peers.passes("MeterValues")
    assert peers.passes("StopTransaction")["transactionId"] == 501
    start = peers.starts(502)
    assert (start["idTag"], start["timestamp"], start["meterStart"]) == (OTHER_CARD["idToken"], at(70), 4000)
    assert peers.heard(call) == YES
    peers.shows("Charging")


def test_a_card_after_the_stop_is_another_transaction():
    peers = Peers(active())
    _left(peers)
    peers.wait(31)
    peers.passes("StopTransaction")
    call = peers.event("Updated", 5, "Authorized", 700, "EVConnected", idToken=OTHER_CARD)
    assert peers.starts(502)["idTag"] == OTHER_CARD["idToken"]
    assert peers.heard(call) == YES
    peers.shows("Preparing")
    peers.event("Ended", 6, "EVCommunicationLost", 900, "Idle", reason="EVDisconnected")
    assert peers.passes("StopTransaction")["transactionId"] == 502


# Refusals


def test_a_refused_start_is_heard_and_stopped():
    peers = Peers()
    call = peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD)
    peers.starts(502, "Blocked")
    assert peers.heard(call) == {"idTokenInfo": {"status": "Blocked"}}
    peers.shows("Preparing")
    peers.event("Ended", 1, "Deauthorized", 9, "EVConnected", reason="DeAuthorized")
    stop = peers.passes("StopTransaction")
    assert (stop["transactionId"], stop["reason"]) == (502, "DeAuthorized")


def test_a_refusal_after_the_charger_was_told_yes_stops_the_transaction():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD, stored=True)
    peers.starts(502, "Blocked")
    peers.wait(1)
    assert peers.charger_gets() == ("RequestStopTransaction", {"transactionId": TX})
    peers.charger_says({"status": "Accepted"})
    peers.shows("Charging")
    peers.event("Ended", 1, "RemoteStop", 9, "EVConnected", reason="Remote")
    assert peers.passes("StopTransaction")["reason"] == "DeAuthorized"


def test_a_session_that_is_over_by_then_is_not_stopped():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD, stored=True)
    peers.starts(502, "Blocked")
    peers.event("Ended", 1, "StopAuthorized", 9, "EVConnected", reason="Local", stored=True)
    peers.passes("StopTransaction")
    peers.wait(1)
    assert not peers.for_charger


def test_a_charger_that_would_not_stop_is_told_of():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD, stored=True)
    peers.starts(502, "Blocked")
    peers.wait(1)
    peers.charger_gets()
    peers.charger_says({"status": "Rejected"})
    assert peers.lost("LATE_REJECT_NOT_ENFORCED")


# Repetition, order, what is unknown


def test_a_repeated_event_hears_the_answer_it_had():
    peers = Peers()
    first = peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD)
    peers.starts()
    peers.shows("Preparing")
    again = peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD)
    assert peers.heard(again) == peers.heard(first) == YES
    assert peers.is_quiet()
    assert peers.lost("DUPLICATE") == ["TransactionEvent"]


def test_a_station_that_counts_from_one_again_begins_another_transaction():
    peers = Peers()
    for seconds in (5, 900):
        peers.event("Started", 0, "Authorized", seconds, "EVConnected", "1", evse=EVSE, idToken=CARD)
        assert peers.starts(500 + seconds)["timestamp"] == at(seconds)
        peers.shows("Preparing")
        peers.event("Ended", 1, "StopAuthorized", seconds + 60, "EVConnected", "1", reason="Local")
        assert peers.passes("StopTransaction")["transactionId"] == 500 + seconds
        peers.shows("Finishing")
    assert peers.lost("DUPLICATE") == []


def test_an_event_after_the_end_still_brings_its_readings():
    peers = Peers(active(state="ended", last_seq=5))
    call = peers.event("Updated", 4, "MeterValuePeriodic", 60, meterValue=[register(2000, 60)])
    assert "transactionId" not in peers.passes("MeterValues")
    assert peers.heard(call) == {}
    assert peers.lost("OUT_OF_ORDER") == ["seqNo"]


@pytest.mark.parametrize("kind", ["Updated", "Ended"])
def test_an_event_of_an_unknown_transaction_is_acknowledged_and_told_of(kind):
    peers = Peers()
    call = peers.event(kind, 9, "StopAuthorized", 60, "EVConnected", idToken=CARD, evse=EVSE)
    assert peers.heard(call) == YES
    assert peers.is_quiet()
    (lost,) = [loss for loss in peers.losses if loss.code == "TX_STATE_LOST"]
    assert lost.severity == "billing"
    assert '"seqNo":9' in lost.value and CARD["idToken"] not in lost.value
    assert peers.memory.transactions == []


def test_an_unknown_transaction_may_begin_in_the_middle():
    peers = Peers()
    peers.event("Updated", 3, "Authorized", 60, "EVConnected", idToken=CARD, evse=EVSE)
    assert peers.starts()["timestamp"] == at(60)


def test_events_wait_for_what_is_out_of_their_transaction_only():
    peers = Peers(active(TX2, 502, 2))
    first = peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD)
    second = peers.event("Updated", 1, "MeterValuePeriodic", 6, meterValue=[register(1001, 6)])
    other = peers.event("Updated", 4, "MeterValuePeriodic", 6, tx=TX2, meterValue=[register(1002, 6)])
    assert [order.action for order in peers.for_backend] == ["StartTransaction", "MeterValues"]
    peers.starts()
    assert peers.heard(first) == YES
    assert peers.passes("MeterValues")["transactionId"] == 502
    assert peers.heard(other) == {}
    peers.shows("Charging")
    assert peers.passes("MeterValues")["transactionId"] == 501
    assert peers.heard(second) == {}


def test_what_waits_for_a_start_that_failed_fails_with_it():
    peers = Peers()
    first = peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD)
    second = peers.event("Updated", 1, "MeterValuePeriodic", 6, meterValue=[register(1001, 6)])
    peers.backend_gets()
    peers.backend_says(Refused("InternalError", "db"))
    for call in (first, second):
        assert peers.charger_heard[call].delivered is False
    assert peers.lost("BACKEND_ERROR") == ["StartTransaction"]
    again = peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD, stored=True)
    peers.starts()
    assert peers.heard(again) == YES
    peers.event("Updated", 1, "MeterValuePeriodic", 6, meterValue=[register(1001, 6)], stored=True)
    assert peers.passes("MeterValues")["transactionId"] == 501


def test_a_start_without_an_answer_goes_out_again_as_it_was():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD)
    first = peers.backend_gets()
    peers.backend_says(NoAnswer())
    peers.event("Updated", 1, "MeterValuePeriodic", 60, meterValue=[register(1001, 60)])
    assert peers.backend_gets() == first
    assert peers.lost("POSSIBLE_DUPLICATE") == ["StartTransaction"]


def test_an_id_that_another_transaction_has_is_used_for_its_stop_only():
    peers = Peers(active(TX2, 501, 2))
    peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=CARD)
    peers.starts(501)
    assert peers.lost("BACKEND_TXID_SUSPECT") == ["transactionId"]
    peers.shows("Preparing")
    stop = peers.backend("RemoteStopTransaction", {"transactionId": 501})
    assert peers.charger_gets() == ("RequestStopTransaction", {"transactionId": TX2})
    peers.charger_says({"status": "Accepted"})
    assert peers.told(stop) == {"status": "Accepted"}
    peers.event("Ended", 1, "StopAuthorized", 9, "EVConnected")
    assert peers.passes("StopTransaction")["transactionId"] == 501


def test_two_evses_at_once_keep_their_own():
    peers = Peers()
    one = peers.event(
        "Started",
        0,
        "Authorized",
        5,
        "EVConnected",
        evse=EVSE,
        idToken=CARD,
        meterValue=[register(10, 5, BEGIN)],
    )
    two = peers.event(
        "Started",
        0,
        "Authorized",
        5,
        "EVConnected",
        TX2,
        evse={"id": 2, "connectorId": 1},
        idToken=OTHER_CARD,
        meterValue=[register(20, 5, BEGIN)],
    )
    assert peers.starts(600)["connectorId"] == 1
    assert peers.starts(601)["meterStart"] == 20
    assert peers.heard(one) == peers.heard(two) == YES
    peers.shows("Preparing", 1)
    peers.shows("Preparing", 2)
    peers.event("Ended", 1, "StopAuthorized", 900, "EVConnected", TX2, meterValue=[register(520, 900, END)])
    peers.event("Ended", 1, "StopAuthorized", 901, "EVConnected", meterValue=[register(710, 901, END)])
    stops = [peers.passes("StopTransaction") for _ in range(2)]
    assert [(stop["transactionId"], stop["meterStop"]) for stop in stops] == [(601, 520), (600, 710)]


def test_a_long_token_goes_by_its_alias():
    peers = Peers()
    long = {"idToken": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "type": "Central"}
    peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=long)
    tag = peers.starts()["idTag"]
    assert tag.startswith("GW") and len(tag) == 20
    assert peers.lost("TOKEN_ALIASED") == ["idToken"]
    peers.shows("Preparing")
    peers.event("Ended", 1, "StopAuthorized", 9, "EVConnected", reason="Local")
    peers.passes("StopTransaction")
    peers.backend("RemoteStartTransaction", {"connectorId": 1, "idTag": tag.lower()})
    peers.shows("Finishing")
    assert peers.charger_gets()[1]["idToken"] == long


def test_readings_that_1_6_cannot_say_are_answered_and_not_sent():
    peers = Peers(active())
    value = register(1, 60, measurand="Energy.Apparent.Import")
    call = peers.event("Updated", 4, "MeterValuePeriodic", 60, meterValue=[value])
    assert peers.heard(call) == {}
    assert peers.is_quiet()
    assert peers.lost("MEASURAND_DROPPED") == ["meterValue[0].sampledValue[0]"]


def test_the_energy_is_the_same_on_both_sides():
    peers = Peers()
    wh = 1000
    peers.event(
        "Started",
        0,
        "Authorized",
        0,
        "Charging",
        evse=EVSE,
        idToken=CARD,
        meterValue=[register(wh, 0, BEGIN)],
    )
    start = peers.starts()["meterStart"]
    peers.shows("Charging")
    for seq in range(1, 20):
        wh += 37
        peers.event("Updated", seq, "MeterValuePeriodic", seq * 60, meterValue=[register(wh, seq * 60)])
        value = peers.passes("MeterValues")["meterValue"][0]
        assert (value["timestamp"], value["sampledValue"][0]["value"]) == (at(seq * 60), str(wh))
    peers.event("Ended", 20, "StopAuthorized", 1200, "EVConnected", meterValue=[register(wh + 5, 1200, END)])
    assert peers.passes("StopTransaction")["meterStop"] - start == 19 * 37 + 5


def test_what_nobody_reads_any_more_is_forgotten():
    peers = Peers()
    for number in range(300):
        tx = f"tx-{number}"
        peers.event("Started", 0, "EVDetected", number, "Idle", tx)
        peers.event("Ended", 1, "EVDeparted", number, "Idle", tx)
    assert len(peers.memory.transactions) <= 66
    for number in range(300):
        peers.event("Started", 0, "EVDetected", number, "Idle", f"open-{number}")
    assert len(peers.memory.transactions) <= 160
