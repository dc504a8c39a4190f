"""Boot, heartbeat, authorisation, readings outside of transactions, and what ends at the gateway."""

import pytest

from gateway.translate.memory import Authorisation, Inventory, Job, Place
from gateway.translate.policies import Policies
from gateway.translate.port import NoAnswer, Refused
from tests.translate.charger201_backend16.peers import CARD, NOW, TX2, Peers, active, at, register

STATION = {
    "vendorName": "Very Long Vendor Name GmbH",
    "model": "HPC-150",
    "serialNumber": "SN-9",
    "firmwareVersion": "3.0",
    "modem": {"iccid": "8949020000", "imsi": "26201"},
}
ACCEPTED = {"status": "Accepted", "currentTime": at(0), "interval": 300}


def boots(peers, answer=ACCEPTED, **station):
    call = peers.charger("BootNotification", {"reason": "PowerUp", "chargingStation": STATION | station})
    payload = peers.passes("BootNotification", answer)
    assert peers.heard(call) == answer
    return payload


def test_a_boot_is_cut_to_what_1_6_holds():
    peers = Peers(registration="Unknown")
    assert boots(peers) == {
        "chargePointVendor": "Very Long Vendor Nam",
        "chargePointModel": "HPC-150",
        "chargePointSerialNumber": "SN-9",
        "firmwareVersion": "3.0",
        "iccid": "8949020000",
        "imsi": "26201",
    }
    peers.shows("Available", 0)
    assert peers.is_quiet()
    assert peers.lost("VALUE_TRUNCATED") == ["chargingStation.vendorName"]
    assert peers.lost("FIELD_DROPPED") == ["reason"]
    assert peers.lost("SYNTHESIZED") == ["StatusNotification(0)"]


def report(number, seq, *pairs, tbc=False, **rest):
    data = [
        {
            "component": {"name": "Connector", "evse": {"id": evse, "connectorId": connector}},
            "variable": {"name": "ConnectorType"},
            "variableAttribute": [{"value": "cType2", "mutability": "ReadOnly"}],
        }
        for evse, connector in pairs
    ]
    page = {"requestId": number, "generatedAt": at(1), "seqNo": seq, "reportData": data} | rest
    return page | ({"tbc": True} if tbc else {})


def test_at_first_contact_the_inventory_numbers_the_connectors():
    peers = Peers(registration="Unknown", topology=[])
    boots(peers)
    action, asked = peers.charger_gets()
    assert (action, asked["reportBase"]) == ("GetBaseReport", "FullInventory")
    assert asked["requestId"] >= 900_000_000
    status = {"timestamp": at(2), "connectorStatus": "Available", "evseId": 2, "connectorId": 1}
    assert peers.heard(peers.charger("StatusNotification", status)) == {}
    peers.charger_says({"status": "Accepted"})
    peers.charger("NotifyReport", report(asked["requestId"], 0, (2, 1), tbc=True))
    assert peers.is_quiet()
    peers.charger("NotifyReport", report(asked["requestId"], 1, (1, 2), (1, 1)))
    assert peers.memory.topology == [Place(1, 1, 1), Place(2, 1, 2), Place(3, 2, 1)]
    assert {peers.passes("StatusNotification")["connectorId"] for _ in range(2)} == {0, 3}
    assert peers.is_quiet()
    boots(peers)
    peers.shows("Available", 0)
    assert peers.is_quiet()


def test_a_report_that_never_comes_is_not_waited_for():
    peers = Peers(registration="Unknown", topology=[])
    boots(peers)
    peers.charger_gets()
    peers.charger_says({"status": "Accepted"})
    peers.wait(61)
    peers.shows("Available", 0)


@pytest.mark.parametrize("answer", [{"status": "Rejected"}, Refused("NotSupported"), NoAnswer()])
def test_a_charger_without_reports_is_known_by_its_statuses(answer):
    peers = Peers(registration="Unknown", topology=[])
    boots(peers)
    peers.charger_gets()
    peers.charger_says(answer)
    peers.shows("Available", 0)
    status = {"timestamp": at(2), "connectorStatus": "Available", "evseId": 2, "connectorId": 1}
    peers.charger("StatusNotification", status)
    peers.shows("Available", 1)


def test_other_firmware_is_looked_at_anew():
    peers = Peers(inventory=Inventory(firmware="2.9", read_at=NOW))
    boots(peers)
    assert peers.charger_gets()[0] == "GetBaseReport"


def test_after_a_boot_the_backend_hears_every_status_again():
    peers = Peers(status16={"1": "Available"}, status201={"1.1": "Available"})
    boots(peers)
    peers.shows("Available", 0)
    status = {"timestamp": at(2), "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    peers.charger("StatusNotification", status)
    peers.shows("Available", 1)


# Before the backend accepts


def test_while_pending_the_gateway_answers_for_the_backend():
    peers = Peers(authorisations={"known": Authorisation({"status": "Blocked"}, NOW - 60)})
    boots(peers, {"status": "Pending", "currentTime": at(0), "interval": 60})
    status = {"timestamp": at(2), "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    assert peers.heard(peers.charger("StatusNotification", status)) == {}
    assert "currentTime" in peers.heard(peers.charger("Heartbeat", {}))
    for token, word in (("known", "Blocked"), ("unknown", "Invalid")):
        call = peers.charger("Authorize", {"idToken": {"idToken": token, "type": "Central"}})
        assert peers.heard(call) == {"idTokenInfo": {"status": word}}
    call = peers.charger("MeterValues", {"evseId": 1, "meterValue": [register(1, 1)]})
    assert peers.charger_heard[call].delivered is False
    told = peers.backend("RemoteStartTransaction", {"idTag": "A"})
    assert peers.told(told) == {"status": "Rejected"}
    assert peers.is_quiet()
    boots(peers)
    assert {peers.backend_gets()[1]["connectorId"] for _ in range(2)} == {0, 1}


def test_a_strict_gateway_refuses_while_pending():
    peers = Peers(registration="Pending", policies=Policies(pre_accept="strict"))
    call = peers.charger("Heartbeat", {})
    assert peers.heard(call).code == "SecurityError"


# Heartbeat, Authorize, MeterValues


def test_a_heartbeat_has_the_backends_time_or_ours():
    peers = Peers()
    call = peers.charger("Heartbeat", {})
    peers.passes("Heartbeat", {"currentTime": at(7)})
    assert peers.heard(call) == {"currentTime": at(7)}
    call = peers.charger("Heartbeat", {})
    peers.backend_gets()
    peers.backend_says(NoAnswer())
    assert peers.heard(call) == {"currentTime": "2025-06-01T10:00:00.000Z"}


def test_a_card_is_asked_about():
    peers = Peers()
    call = peers.charger("Authorize", {"idToken": CARD | {"customData": {"vendorId": "x"}}})
    info = {"status": "ConcurrentTx", "parentIdTag": "GRP-01", "expiryDate": at(9)}
    assert peers.passes("Authorize", {"idTagInfo": info}) == {"idTag": CARD["idToken"]}
    assert peers.heard(call)["idTokenInfo"] == {
        "status": "ConcurrentTx",
        "groupIdToken": {"idToken": "GRP-01", "type": "Central"},
        "cacheExpiryDateTime": at(9),
    }
    assert set(peers.lost("FIELD_DROPPED")) == {"idToken.type", "idToken.customData"}


@pytest.mark.parametrize(("evse", "flat", "id16"), [(1, 1, 501), (2, 2, 502), (0, 0, None)])
def test_readings_belong_to_the_transaction_of_their_evse(evse, flat, id16):
    peers = Peers(active(), active(TX2, 502, 2))
    call = peers.charger("MeterValues", {"evseId": evse, "meterValue": [register(5, 1)]})
    payload = peers.passes("MeterValues")
    assert (payload["connectorId"], payload.get("transactionId")) == (flat, id16)
    assert peers.heard(call) == {}


def test_readings_that_the_backend_does_not_take_are_not_delivered():
    peers = Peers()
    call = peers.charger("MeterValues", {"evseId": 1, "meterValue": [register(5, 1)]})
    peers.backend_gets()
    peers.backend_says(Refused("InternalError"))
    assert peers.charger_heard[call].delivered is False


# Notifications


@pytest.mark.parametrize(
    ("action", "payload", "answer"),
    [
        ("NotifyMonitoringReport", {"requestId": 1, "seqNo": 0, "generatedAt": at(0)}, {}),
        (
            "NotifyEVChargingNeeds",
            {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "DC"}},
            {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}},
        ),
        ("ReservationStatusUpdate", {"reservationId": 1, "reservationUpdateStatus": "Expired"}, {}),
        ("NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "EMS"}}, {}),
    ],
)
def test_what_ends_at_the_gateway(action, payload, answer):
    peers = Peers()
    assert peers.heard(peers.charger(action, payload)) == answer
    assert peers.is_quiet()
    assert [loss.path for loss in peers.losses] == [action]


def test_security_events_have_their_old_names():
    peers = Peers()
    call = peers.charger("SecurityEventNotification", {"type": "InvalidCsmsCertificate", "timestamp": at(0)})
    assert peers.passes("SecurityEventNotification")["type"] == "InvalidCentralSystemCertificate"
    assert peers.heard(call) == {}


def test_a_backend_without_the_extension_is_asked_once():
    peers = Peers()
    for _ in range(2):
        call = peers.charger("SecurityEventNotification", {"type": "Acme", "timestamp": at(0)})
        if peers.for_backend:
            peers.backend_gets()
            peers.backend_says(Refused("NotImplemented"))
        assert peers.heard(call) == {}
    assert peers.lost("NOT_SUPPORTED") == ["SecurityEventNotification"] * 2


def test_states_of_a_download_narrow_and_are_not_repeated():
    peers = Peers(firmware=Job(802, "unsigned"))
    told = []
    for word in (
        "DownloadScheduled",
        "Downloading",
        "DownloadPaused",
        "Downloaded",
        "SignatureVerified",
        "Installing",
    ):
        call = peers.charger("FirmwareStatusNotification", {"status": word, "requestId": 802})
        if peers.for_backend:
            told.append(peers.passes("FirmwareStatusNotification")["status"])
        assert peers.heard(call) == {}
    assert told == ["Downloading", "Downloaded", "Installing"]


def test_states_of_a_signed_download_do_not():
    peers = Peers(firmware=Job(802, "signed"))
    peers.charger("FirmwareStatusNotification", {"status": "SignatureVerified", "requestId": 802})
    assert peers.passes("SignedFirmwareStatusNotification") == {
        "status": "SignatureVerified",
        "requestId": 802,
    }


@pytest.mark.parametrize(
    ("kind", "word", "action", "payload"),
    [
        ("diagnostics", "UploadFailure", "DiagnosticsStatusNotification", {"status": "UploadFailed"}),
        ("diagnostics", "BadMessage", "DiagnosticsStatusNotification", {"status": "UploadFailed"}),
        ("log", "AcceptedCanceled", "LogStatusNotification", {"status": "UploadFailure", "requestId": 7}),
        ("log", "Uploading", "LogStatusNotification", {"status": "Uploading", "requestId": 7}),
    ],
)
def test_states_of_an_upload(kind, word, action, payload):
    peers = Peers(log=Job(7, kind))
    call = peers.charger("LogStatusNotification", {"status": word, "requestId": 7})
    assert peers.passes(action) == payload
    assert peers.heard(call) == {}
    other = peers.charger("LogStatusNotification", {"status": word, "requestId": 8})
    if kind == "log":  # a number that the backend gave itself
        assert peers.passes(action) == payload | {"requestId": 8}
    assert peers.heard(other) == {}
    assert peers.is_quiet()


def test_what_an_outage_keeps():
    translator = Peers().translator
    kept = ("StatusNotification", "FirmwareStatusNotification", "LogStatusNotification")
    assert all(translator.stores(action, {}) for action in kept)
    assert not any(
        translator.stores(action, {})
        for action in ("BootNotification", "Heartbeat", "Authorize", "NotifyChargingLimit")
    )
    for variable, keeps in (("AvailabilityState", True), ("Temperature", False)):
        assert translator.stores("NotifyEvent", {"eventData": [{"variable": {"name": variable}}]}) is keeps
