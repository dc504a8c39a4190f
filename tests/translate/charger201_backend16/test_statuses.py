"""One status of 1.6 for what 2.0.1 says of connector and transaction."""

import pytest

from gateway.translate.memory import OpenError, Place
from gateway.translate.port import NoAnswer, Refused
from tests.translate.charger201_backend16.peers import CARD, NOW, Peers, active, at, register

EVSE = {"id": 1, "connectorId": 1}


def status(peers, word, seconds=10, evse=1, connector=1, stored=False):
    payload = {"timestamp": at(seconds), "connectorStatus": word, "evseId": evse, "connectorId": connector}
    call = peers.charger("StatusNotification", payload, stored)
    assert peers.heard(call) == {}


def notify(peers, component, variable, value, seconds=11, evse=EVSE, **rest):
    data = {
        "eventId": 1,
        "timestamp": at(seconds),
        "trigger": "Delta",
        "actualValue": value,
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": component} | ({"evse": evse} if evse else {}),
        "variable": {"name": variable},
    }
    call = peers.charger("NotifyEvent", {"generatedAt": at(0), "seqNo": 0, "eventData": [data | rest]})
    assert peers.heard(call) == {}


@pytest.mark.parametrize(
    ("word", "shown", "code"),
    [
        ("Available", "Available", "NoError"),
        ("Occupied", "Preparing", "NoError"),
        ("Reserved", "Reserved", "NoError"),
        ("Unavailable", "Unavailable", "NoError"),
        ("Faulted", "Faulted", "OtherError"),
    ],
)
def test_a_connector_without_a_transaction(word, shown, code):
    peers = Peers()
    status(peers, word, 10, evse=2)
    assert peers.shows(shown, 2, code)["timestamp"] == at(10)
    status(peers, word, 20, evse=2)
    assert peers.is_quiet()


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("Charging", "Charging"),
        ("SuspendedEV", "SuspendedEV"),
        ("SuspendedEVSE", "SuspendedEVSE"),
        ("EVConnected", "SuspendedEV"),
        ("Idle", "SuspendedEV"),
    ],
)
def test_a_connector_whose_transaction_has_charged(state, shown):
    peers = Peers(active(), status16={"1": "Preparing"})
    peers.event("Updated", 4, "ChargingStateChanged", 10, state)
    told = peers.shows(shown)
    assert told.get("info") == ("EV side disconnected" if state == "Idle" else None)


def test_unplugged_at_the_vehicle_and_plugged_in_again():
    peers = Peers(active())
    peers.event("Updated", 4, "EVCommunicationLost", 10, "Idle")
    peers.shows("SuspendedEV")
    peers.event("Updated", 5, "ChargingStateChanged", 20, "Charging")
    assert "info" not in peers.shows("Charging")


def test_a_connected_vehicle_that_never_charged_is_preparing():
    peers = Peers(active(has_charged=False, charging_state="EVConnected"), status16={"1": "Available"})
    status(peers, "Occupied")
    peers.shows("Preparing")


def test_a_free_connector_waits_for_the_end_of_its_transaction():
    peers = Peers(active())
    status(peers, "Available", 10)
    assert peers.is_quiet()
    peers.event("Ended", 4, "EVCommunicationLost", 9, "Idle", reason="EVDisconnected")
    peers.passes("StopTransaction")
    assert peers.shows("Available")["timestamp"] == at(10)
    assert peers.is_quiet()


def test_but_not_for_long():
    peers = Peers(active())
    status(peers, "Available", 10)
    peers.wait(4)
    assert peers.is_quiet()
    peers.wait(2)
    peers.shows("Available")
    assert peers.lost("TX_OPEN_ON_AVAILABLE")


def test_a_vehicle_that_stays_is_finishing_until_it_leaves():
    peers = Peers(active())
    peers.event("Ended", 4, "StopAuthorized", 9, "EVConnected", reason="Local")
    peers.passes("StopTransaction")
    peers.shows("Finishing")
    status(peers, "Occupied", 12)
    assert peers.is_quiet()
    status(peers, "Available", 15)
    peers.shows("Available")
    status(peers, "Occupied", 20)
    peers.shows("Preparing")


def test_a_fault_wins_and_the_transaction_comes_back():
    peers = Peers(active())
    status(peers, "Faulted", 10)
    peers.shows("Faulted", 1, "OtherError")
    peers.event("Updated", 4, "ChargingStateChanged", 11, "SuspendedEVSE")
    assert peers.is_quiet()
    status(peers, "Occupied", 12)
    peers.shows("SuspendedEVSE")


def test_numbers_are_given_once_and_new_connectors_come_last():
    peers = Peers(topology=[Place(1, 1, 1), Place(2, 1, 2), Place(3, 2, 1)])
    status(peers, "Available", evse=2)
    peers.shows("Available", 3)
    status(peers, "Available", evse=1, connector=3)
    peers.shows("Available", 4)
    assert peers.lost("TOPOLOGY_EXTENDED")
    peers.restart()
    status(peers, "Occupied", evse=1, connector=3)
    peers.shows("Preparing", 4)


def test_connectors_are_not_counted_for_ever():
    peers = Peers()
    for evse in range(1, 400):
        status(peers, "Available", evse=evse)
    assert len(peers.memory.topology) == 200
    assert peers.lost("PAYLOAD_INVALID")


# Events


def test_an_event_may_tell_the_status():
    peers = Peers()
    notify(peers, "Connector", "AvailabilityState", "Occupied")
    peers.shows("Preparing")
    notify(peers, "ChargingStation", "AvailabilityState", "Unavailable", evse=None)
    peers.shows("Unavailable", 0)
    notify(peers, "Connector", "AvailabilityState", "Dancing")
    notify(peers, "AcmeCtrlr", "Mood", "good")
    assert peers.is_quiet()
    assert peers.lost("NOT_SUPPORTED") == ["eventData[0]", "eventData[0]"]


def test_a_problem_gives_a_fault_its_name():
    peers = Peers()
    status(peers, "Faulted", 10)
    peers.shows("Faulted", 1, "OtherError")
    notify(peers, "RCD", "Tripped", "true", techCode="E12")
    told = peers.shows("Faulted", 1, "GroundFailure")
    assert (told["vendorErrorCode"], told["info"]) == ("E12", "RCD.Tripped")
    notify(peers, "RCD", "Tripped", "false", cleared=True)
    assert peers.is_quiet()
    status(peers, "Available", 300)
    peers.shows("Available")


@pytest.mark.parametrize(
    ("component", "variable", "tech_info", "code"),
    [
        ("ConnectorPlugRetentionLock", "Problem", "", "ConnectorLockFailure"),
        ("OverCurrentProtection", "Tripped", "", "OverCurrentFailure"),
        ("ElectricalFeed", "Problem", "", "OverVoltage"),
        ("ElectricalFeed", "Problem", "ocpp16:UnderVoltage;acme;low", "UnderVoltage"),
        ("AcmeThing", "Problem", "ocpp16:Nonsense", "OtherError"),
    ],
)
def test_the_code_of_a_problem(component, variable, tech_info, code):
    peers = Peers(status16={"1": "Available"}, status201={"1.1": "Available"})
    notify(peers, component, variable, "true", techInfo=tech_info)
    peers.shows("Available", 1, code)


def test_a_cleared_problem_is_told_when_there_is_no_fault():
    errors = {"1": OpenError("WeakSignal", "DataLink", "Problem", 1)}
    peers = Peers(status201={"1.1": "Available"}, open_errors=errors)
    notify(peers, "RCD", "Tripped", "false")
    assert peers.is_quiet()
    notify(peers, "DataLink", "Problem", "false")
    peers.shows("Available")


# Away


def test_after_an_outage_only_the_last_status_is_told():
    peers = Peers()
    peers.take(peers.translator.backend_closed(peers.now))
    peers.take(peers.translator.backend_opened(peers.now))
    for seconds, word in ((10, "Occupied"), (20, "Available"), (30, "Reserved")):
        status(peers, word, seconds, stored=True)
    assert peers.is_quiet()
    peers.wait(1)
    assert peers.shows("Reserved")["timestamp"] == at(30)
    assert peers.is_quiet()
    assert peers.lost("STATUS_COLLAPSED")


def test_statuses_follow_the_messages_that_were_kept():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSE, idToken=CARD, stored=True)
    peers.wait(1)
    assert [order.action for order in peers.for_backend] == ["StartTransaction"]
    peers.starts()
    peers.wait(1)
    peers.shows("Charging")


def test_a_status_is_not_forgotten_while_readings_that_were_kept_are_out():
    peers = Peers(active())
    status(peers, "Faulted", 10, stored=True)
    peers.event("Updated", 4, "MeterValuePeriodic", 11, stored=True, meterValue=[register(4000, 11)])
    peers.wait(5)
    peers.passes("MeterValues")
    peers.wait(2)
    peers.shows("Faulted", 1, "OtherError")


def test_a_status_without_an_answer_is_told_again():
    peers = Peers()
    status(peers, "Available", 10)
    peers.backend_gets()
    peers.backend_says(NoAnswer())
    peers.take(peers.translator.backend_closed(peers.now))
    peers.take(peers.translator.backend_opened(peers.now))
    peers.wait(1)
    assert peers.shows("Available")["timestamp"] == at(10)
    assert peers.is_quiet()


def test_a_status_that_changes_while_it_is_told_is_told_afterwards():
    peers = Peers()
    status(peers, "Available", 10)
    status(peers, "Occupied", 11)
    status(peers, "Reserved", 12)
    assert len(peers.for_backend) == 1
    peers.shows("Available")
    peers.shows("Reserved")
    assert peers.is_quiet()


def test_a_backend_that_does_not_like_a_status_has_heard_it():
    peers = Peers()
    status(peers, "Available", 10)
    peers.backend_gets()
    peers.backend_says(Refused("InternalError"))
    peers.wait(1000)
    assert peers.is_quiet()
    assert peers.now > NOW
