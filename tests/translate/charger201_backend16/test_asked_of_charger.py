"""What a 1.6 backend asks of a 2.0.1 charger."""

import json

import pytest

from gateway.translate.memory import Authorisation, Job, Place, Profile, Transaction
from gateway.translate.policies import Policies
from gateway.translate.port import NoAnswer, Refused
from tests.translate.charger201_backend16.peers import CARD, NOW, TX, TX2, Peers, active, at, register

YES = {"status": "Accepted"}
NO = {"status": "Rejected"}
EVSE = {"id": 1, "connectorId": 1}


def asks(peers, action, payload, action201, payload201, answer, told):
    """The backend asks, the charger is asked this, and what it says becomes that."""
    call = peers.backend(action, payload)
    assert peers.charger_gets() == (action201, payload201)
    peers.charger_says(answer)
    assert peers.told(call) == told
    assert not peers.for_charger


def refuses(peers, action, payload, told):
    """The backend asks, and the gateway says no without bothering the charger."""
    assert peers.told(peers.backend(action, payload)) == told
    assert peers.is_quiet()


@pytest.mark.parametrize(
    ("action", "payload", "action201", "payload201", "answer", "told"),
    [
        ("ClearCache", {}, "ClearCache", {}, NO, NO),
        ("CancelReservation", {"reservationId": 61}, "CancelReservation", {"reservationId": 61}, YES, YES),
        ("Reset", {"type": "Hard"}, "Reset", {"type": "Immediate"}, YES, YES),
        ("Reset", {"type": "Soft"}, "Reset", {"type": "OnIdle"}, {"status": "Scheduled"}, YES),
        (
            *("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
            *(
                "ChangeAvailability",
                {"operationalStatus": "Inoperative"},
                {"status": "Scheduled"},
                {"status": "Scheduled"},
            ),
        ),
        (
            *("ChangeAvailability", {"connectorId": 2, "type": "Operative"}),
            *(
                "ChangeAvailability",
                {"operationalStatus": "Operative", "evse": {"id": 2, "connectorId": 1}},
                YES,
                YES,
            ),
        ),
        (
            *("UnlockConnector", {"connectorId": 2}, "UnlockConnector", {"evseId": 2, "connectorId": 1}),
            *({"status": "OngoingAuthorizedTransaction"}, {"status": "UnlockFailed"}),
        ),
        (
            *("UnlockConnector", {"connectorId": 2}, "UnlockConnector", {"evseId": 2, "connectorId": 1}),
            *({"status": "UnknownConnector"}, {"status": "NotSupported"}),
        ),
        ("GetLocalListVersion", {}, "GetLocalListVersion", {}, {"versionNumber": 0}, {"listVersion": 0}),
        (
            *("GetCompositeSchedule", {"connectorId": 0, "duration": 60}),
            *("GetCompositeSchedule", {"evseId": 0, "duration": 60}, NO, NO),
        ),
    ],
)
def test_one_for_one(action, payload, action201, payload201, answer, told):
    asks(Peers(), action, payload, action201, payload201, answer, told)


@pytest.mark.parametrize(
    ("action", "payload", "told"),
    [
        ("ClearCache", {}, NO),
        ("Reset", {"type": "Hard"}, NO),
        ("RemoteStartTransaction", {"idTag": "A", "connectorId": 1}, NO),
        ("TriggerMessage", {"requestedMessage": "Heartbeat"}, {"status": "NotImplemented"}),
        ("UnlockConnector", {"connectorId": 1}, {"status": "NotSupported"}),
        ("SendLocalList", {"listVersion": 1, "updateType": "Full"}, {"status": "NotSupported"}),
        ("GetLocalListVersion", {}, {"listVersion": -1}),
        ("ClearChargingProfile", {"id": 1}, {"status": "Unknown"}),
        ("GetDiagnostics", {"location": "ftp://x"}, {}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "1"}, {"status": "NotSupported"}),
    ],
)
def test_a_charger_that_does_not_know_it_says_no_in_the_messages_own_words(action, payload, told):
    peers = Peers()
    call = peers.backend(action, payload)
    peers.charger_gets()
    peers.charger_says(Refused("NotImplemented"))
    assert peers.told(call) == told
    assert peers.lost("NOT_SUPPORTED") == [action]


@pytest.mark.parametrize(
    ("action", "payload", "status"),
    [
        ("ClearCache", {}, "Rejected"),
        ("Reset", {"type": "Soft"}, "Accepted"),
        ("ClearChargingProfile", {"id": 1}, "Unknown"),
        ("UnlockConnector", {"connectorId": 1}, "UnlockFailed"),
        ("UpdateFirmware", {"location": "ftp://x", "retrieveDate": at(0)}, "Rejected"),
        ("GetDiagnostics", {"location": "ftp://x"}, "Rejected"),
        ("RemoteStartTransaction", {"idTag": "A", "connectorId": 1}, "Rejected"),
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}, "Rejected"),
        ("DataTransfer", {"vendorId": "acme"}, "Rejected"),
    ],
)
def test_the_reason_behind_an_answer_is_told_as_lost(action, payload, status):
    peers = Peers()
    peers.backend(action, payload)
    peers.charger_gets()
    peers.charger_says({"status": status, "statusInfo": {"reasonCode": "Because"}})
    assert peers.lost("STATUSINFO_DROPPED") == ["statusInfo"]


def test_other_errors_go_on_in_the_other_spelling_and_silence_is_one():
    peers = Peers()
    for answer, code in (
        (Refused("FormatViolation", "broken"), "FormationViolation"),
        (NoAnswer(), "GenericError"),
    ):
        call = peers.backend("GetLocalListVersion", {})
        peers.charger_gets()
        peers.charger_says(answer)
        assert peers.told(call).code == code


@pytest.mark.parametrize(
    ("action", "payload", "told"),
    [
        ("RemoteStopTransaction", {"transactionId": 7}, NO),
        ("RemoteStartTransaction", {"idTag": "A", "connectorId": 9}, NO),
        ("UnlockConnector", {"connectorId": 9}, {"status": "NotSupported"}),
        ("ChangeAvailability", {"connectorId": 9, "type": "Operative"}, NO),
        ("ReserveNow", {"connectorId": 9, "expiryDate": at(9), "idTag": "A", "reservationId": 1}, NO),
        ("GetCompositeSchedule", {"connectorId": 9, "duration": 60}, NO),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 9}, NO),
        ("ClearChargingProfile", {"connectorId": 9}, {"status": "Unknown"}),
        ("CertificateSigned", {"certificateChain": "x"}, NO),
        ("ChangeConfiguration", {"key": "SecurityProfile", "value": "3"}, NO),
        ("ChangeConfiguration", {"key": "OCPPCommCtrlr.NetworkConfigurationPriority", "value": "2"}, NO),
        ("ChangeConfiguration", {"key": "BlinkRepeat", "value": "2"}, {"status": "NotSupported"}),
        ("ChangeConfiguration", {"key": "Foo", "value": "2"}, {"status": "NotSupported"}),
        ("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "2"}, NO),
    ],
)
def test_what_the_gateway_refuses(action, payload, told):
    refuses(Peers(), action, payload, told)


# Remote start and stop


def test_a_remote_start_becomes_the_transaction_it_asked_for():
    peers = Peers(
        authorisations={
            CARD["idToken"].casefold(): Authorisation({"status": "Accepted", "parentIdTag": "G"}, NOW)
        }
    )
    call = peers.backend("RemoteStartTransaction", {"connectorId": 1, "idTag": CARD["idToken"]})
    action, asked = peers.charger_gets()
    number = asked.pop("remoteStartId")
    assert number >= 900_000_000
    group = {"idToken": "G", "type": "Central"}
    assert (action, asked) == (
        "RequestStartTransaction",
        {"idToken": CARD, "evseId": 1, "groupIdToken": group},
    )
    peers.charger_says(YES)
    assert peers.told(call) == YES
    peers.restart()
    peers.event("Started", 0, "RemoteStart", 5, "EVConnected", evse=EVSE, remote=number)
    assert peers.starts()["idTag"] == CARD["idToken"]
    assert peers.memory.remote_starts == []


def test_a_remote_start_may_be_for_a_transaction_that_waits_for_its_card():
    peers = Peers()
    peers.event("Started", 0, "CablePluggedIn", 5, "EVConnected", evse=EVSE)
    peers.shows("Preparing")
    peers.backend("RemoteStartTransaction", {"connectorId": 1, "idTag": "A"})
    peers.charger_gets()
    peers.charger_says(YES | {"transactionId": TX})
    call = peers.event("Updated", 1, "RemoteStart", 9, "EVConnected")
    assert peers.starts()["idTag"] == "A"
    assert peers.heard(call) == {}


@pytest.mark.parametrize(
    ("places", "waiting", "evse"),
    [
        ([Place(1, 1, 1)], [], 1),
        ([Place(1, 1, 1), Place(2, 2, 1)], [2], 2),
        ([Place(1, 1, 1), Place(2, 2, 1)], [1, 2], None),
    ],
)
def test_a_remote_start_without_a_connector(places, waiting, evse):
    waits = [
        Transaction(f"tx{flat}", flat=flat, evse=flat, connector=1, state="pre", charging_state="EVConnected")
        for flat in waiting
    ]
    peers = Peers(*waits, topology=places, status16={})
    peers.backend("RemoteStartTransaction", {"idTag": "A"})
    assert peers.charger_gets()[1].get("evseId") == evse
    assert ("evseId" in peers.lost("SYNTHESIZED")) is (evse is not None)


@pytest.mark.parametrize("purpose", ["TxDefaultProfile", "TxProfile"])
def test_a_remote_start_takes_only_a_profile_of_its_transaction(purpose):
    peers = Peers()
    profile = profile16(5, purpose=purpose, transactionId=3)
    call = peers.backend(
        "RemoteStartTransaction", {"connectorId": 1, "idTag": "A", "chargingProfile": profile}
    )
    if purpose == "TxProfile":
        assert "transactionId" not in peers.charger_gets()[1]["chargingProfile"]
    else:
        assert peers.told(call) == NO


def test_a_remote_stop_says_whose_and_is_told_as_remote():
    peers = Peers(active())
    asks(
        peers,
        "RemoteStopTransaction",
        {"transactionId": 501},
        "RequestStopTransaction",
        {"transactionId": TX},
        YES,
        YES,
    )
    peers.event("Ended", 4, "RemoteStop", 60, "EVConnected", reason="Remote")
    assert peers.passes("StopTransaction")["reason"] == "Remote"
    peers.shows("Finishing")
    refuses(peers, "RemoteStopTransaction", {"transactionId": 501}, NO)
    assert peers.lost("UNKNOWN_TX") == ["transactionId"]


def test_a_driver_who_has_left_cannot_be_stopped_again():
    peers = Peers(active(state="deauth"))
    refuses(peers, "RemoteStopTransaction", {"transactionId": 501}, NO)


# Unlock


def _unlocks(peers):
    call = peers.backend("UnlockConnector", {"connectorId": 1})
    assert peers.charger_gets() == ("RequestStopTransaction", {"transactionId": TX})
    peers.charger_says(YES)
    return call


def test_an_unlock_ends_the_transaction_first():
    peers = Peers(active())
    call = _unlocks(peers)
    assert peers.is_quiet()
    peers.event("Ended", 4, "RemoteStop", 60, "EVConnected", reason="Remote", meterValue=[register(2000, 60)])
    assert peers.passes("StopTransaction")["reason"] == "UnlockCommand"
    assert peers.charger_gets() == ("UnlockConnector", {"evseId": 1, "connectorId": 1})
    peers.charger_says({"status": "Unlocked"})
    assert peers.told(call) == {"status": "Unlocked"}


def test_an_unlock_stops_at_once_when_the_driver_has_left():
    peers = Peers(active())
    call = _unlocks(peers)
    peers.event("Updated", 4, "RemoteStop", 60, "EVConnected")
    peers.shows("Finishing")
    peers.wait(0)
    assert peers.passes("StopTransaction")["reason"] == "UnlockCommand"
    peers.charger_gets()
    peers.charger_says({"status": "UnlockFailed"})
    assert peers.told(call) == {"status": "UnlockFailed"}


def test_an_unlock_does_not_wait_for_ever():
    peers = Peers(active())
    call = _unlocks(peers)
    peers.wait(31)
    assert peers.told(call) == {"status": "UnlockFailed"}
    peers.event("Ended", 4, "StopAuthorized", 60, "EVConnected", reason="Local")
    assert peers.passes("StopTransaction")["reason"] == "Local"


def test_an_unlock_fails_with_its_first_step():
    peers = Peers(active())
    call = peers.backend("UnlockConnector", {"connectorId": 1})
    peers.charger_gets()
    peers.charger_says(NO)
    assert peers.told(call) == {"status": "UnlockFailed"}
    assert peers.is_quiet()


# Reset


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_a_reset_in_a_transaction(kind, reason):
    peers = Peers(active())
    asks(peers, "Reset", {"type": kind}, "Reset", {"type": "Immediate"}, YES, YES)
    peers.restart()
    peers.event("Ended", 4, "ResetCommand", 60, "EVConnected", reason="ImmediateReset")
    assert peers.passes("StopTransaction")["reason"] == reason


# Reservations


def test_a_reservation_is_used_up_by_its_transaction():
    peers = Peers(status16={"1": "Reserved"}, status201={"1.1": "Reserved"})
    payload = {
        "connectorId": 0,
        "expiryDate": at(3600),
        "idTag": "A",
        "parentIdTag": "G",
        "reservationId": 61,
    }
    payload201 = {
        "id": 61,
        "expiryDateTime": at(3600),
        "idToken": {"idToken": "A", "type": "Central"},
        "groupIdToken": {"idToken": "G", "type": "Central"},
    }
    asks(peers, "ReserveNow", payload, "ReserveNow", payload201, YES, YES)
    assert [one.id for one in peers.memory.reservations] == [61]
    token = {"idToken": "A", "type": "Central"}
    peers.event("Started", 0, "Authorized", 5, "EVConnected", evse=EVSE, idToken=token, reservationId=61)
    assert peers.starts()["reservationId"] == 61
    assert peers.memory.reservations == []
    peers.shows("Preparing")


# Profiles


def profile16(number, stack=2, purpose="TxDefaultProfile", kind="Relative", **rest):
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}]}
    return {
        "chargingProfileId": number,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    } | rest


def installed(number, evse=1, stack=2, purpose="TxDefaultProfile"):
    profile = {
        "id": number,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {"id": 4, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
        ],
    }
    return Profile(number, evse, profile)


def sets(peers, connector, profile):
    return peers.backend("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": profile})


def test_a_profile_of_the_same_level_is_cleared_first():
    peers = Peers(profiles=[installed(20), installed(22, 2), installed(23, 1, 3)])
    call = sets(peers, 1, profile16(21))
    assert peers.charger_gets() == ("ClearChargingProfile", {"chargingProfileId": 20})
    peers.charger_says({"status": "Unknown"})
    action, asked = peers.charger_gets()
    assert (action, asked["evseId"], asked["chargingProfile"]["id"]) == ("SetChargingProfile", 1, 21)
    assert asked["chargingProfile"]["chargingSchedule"][0]["id"] == 21
    peers.charger_says(YES)
    assert peers.told(call) == YES
    assert [one.id for one in peers.memory.profiles] == [22, 23, 21]


def test_a_profile_that_is_refused_leaves_the_old_one():
    peers = Peers(profiles=[installed(20)])
    call = sets(peers, 1, profile16(21))
    peers.charger_gets()
    peers.charger_says(YES)
    peers.charger_gets()
    peers.charger_says(NO)
    assert peers.charger_gets()[1]["chargingProfile"]["id"] == 20
    peers.charger_says(YES)
    assert peers.told(call) == NO
    assert [one.id for one in peers.memory.profiles] == [20]
    assert peers.lost("PARTIAL")


def test_a_profile_without_its_transaction_is_for_the_one_that_runs():
    peers = Peers(active())
    sets(peers, 1, profile16(30, purpose="TxProfile", kind="Absolute"))
    asked = peers.charger_gets()[1]["chargingProfile"]
    assert asked["transactionId"] == TX
    assert asked["chargingSchedule"][0]["startSchedule"] == "2025-06-01T10:00:00.000Z"


@pytest.mark.parametrize(
    ("connector", "profile"),
    [
        (2, profile16(1, purpose="TxProfile")),
        (0, profile16(1, purpose="TxProfile")),
        (2, profile16(1, purpose="TxProfile", transactionId=501)),
        (1, profile16(1, purpose="TxProfile", transactionId=9)),
        (0, profile16(1, purpose="ChargePointMaxProfile")),
        (9, profile16(1)),
        (1, profile16(1, chargingSchedule={"chargingRateUnit": "A", "chargingSchedulePeriod": []})),
    ],
)
def test_profiles_that_cannot_be_said(connector, profile):
    peers = Peers(active())
    assert peers.told(sets(peers, connector, profile)) == NO
    assert peers.is_quiet()


def test_a_charger_without_smart_charging_is_not_asked():
    peers = Peers(capabilities={"smart_charging": "no"})
    assert peers.told(sets(peers, 1, profile16(1))) == {"status": "NotSupported"}


def test_clearing_everything_is_clearing_every_purpose():
    peers = Peers(profiles=[installed(20), installed(22, 2)])
    call = peers.backend("ClearChargingProfile", {})
    purposes = []
    for answer in ("Unknown", "Accepted", "Unknown"):
        purposes.append(peers.charger_gets()[1]["chargingProfileCriteria"]["chargingProfilePurpose"])
        peers.charger_says({"status": answer})
    assert purposes == ["ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"]
    assert peers.told(call) == YES
    assert peers.memory.profiles == []


def test_clearing_one_connector_is_one_question():
    peers = Peers(profiles=[installed(20), installed(22, 2)])
    asks(
        peers,
        "ClearChargingProfile",
        {"connectorId": 2, "stackLevel": 2},
        "ClearChargingProfile",
        {"chargingProfileCriteria": {"evseId": 2, "stackLevel": 2}},
        YES,
        YES,
    )
    assert [one.id for one in peers.memory.profiles] == [20]


def test_a_composite_schedule_is_flat_and_never_higher():
    peers = Peers()
    period = {"startPeriod": 0, "limit": 15.99, "numberPhases": 3, "phaseToUse": 1}
    schedule = {
        "evseId": 1,
        "duration": 60,
        "scheduleStart": at(0),
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [period],
    }
    asks(
        peers,
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"},
        "GetCompositeSchedule",
        {"evseId": 1, "duration": 60, "chargingRateUnit": "A"},
        YES | {"schedule": schedule},
        YES
        | {
            "connectorId": 1,
            "scheduleStart": at(0),
            "chargingSchedule": {
                "duration": 60,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 15.9, "numberPhases": 3}],
            },
        },
    )
    assert peers.lost("VALUE_ROUNDED") == ["schedule.chargingSchedulePeriod[0].limit"]
    assert peers.lost("FIELD_DROPPED") == ["schedule.chargingSchedulePeriod[0].phaseToUse"]


# Lists


def test_a_local_list_has_types_and_deletions():
    peers = Peers(token_types={"card-7": "Local"})
    entries = [
        {"idTag": CARD["idToken"], "idTagInfo": {"status": "Accepted", "parentIdTag": "G"}},
        {"idTag": "CARD-7"},
    ]
    listed = [
        {
            "idToken": CARD,
            "idTokenInfo": {"status": "Accepted", "groupIdToken": {"idToken": "G", "type": "Central"}},
        },
        {"idToken": {"idToken": "CARD-7", "type": "Local"}},
    ]
    payload = {"listVersion": 4, "updateType": "Differential", "localAuthorizationList": entries}
    payload201 = {"versionNumber": 4, "updateType": "Differential", "localAuthorizationList": listed}
    asks(peers, "SendLocalList", payload, "SendLocalList", payload201, YES, YES)
    assert peers.memory.local_list.version == 4
    payload = payload | {"updateType": "Full", "listVersion": 5}
    payload201 = {"versionNumber": 5, "updateType": "Full", "localAuthorizationList": listed[:1]}
    asks(
        peers,
        "SendLocalList",
        payload,
        "SendLocalList",
        payload201,
        {"status": "Failed"},
        {"status": "Failed"},
    )
    assert peers.lost("FIELD_DROPPED") == ["localAuthorizationList[1]"]
    assert peers.memory.local_list.version == 4


def test_an_empty_local_list_is_none():
    peers = Peers()
    payload = {"listVersion": 4, "updateType": "Full", "localAuthorizationList": []}
    asks(
        peers, "SendLocalList", payload, "SendLocalList", {"versionNumber": 4, "updateType": "Full"}, YES, YES
    )


# Logs, firmware, triggers


def test_diagnostics_are_a_log():
    peers = Peers()
    call = peers.backend(
        "GetDiagnostics",
        {"location": "ftp://x/d", "startTime": at(0), "stopTime": at(9), "retries": 2, "retryInterval": 30},
    )
    action, asked = peers.charger_gets()
    number = asked.pop("requestId")
    assert (action, asked) == (
        "GetLog",
        {
            "logType": "DiagnosticsLog",
            "log": {"remoteLocation": "ftp://x/d", "oldestTimestamp": at(0), "latestTimestamp": at(9)},
            "retries": 2,
            "retryInterval": 30,
        },
    )
    peers.charger_says({"status": "AcceptedCanceled", "filename": "log.zip"})
    assert peers.told(call) == {"fileName": "log.zip"}
    assert peers.memory.log == Job(number, "diagnostics")
    call = peers.backend("GetDiagnostics", {"location": "ftp://x/d"})
    peers.charger_gets()
    peers.charger_says({"status": "Rejected", "statusInfo": {"reasonCode": "Busy"}})
    assert peers.told(call) == {}
    assert peers.lost("STATUSINFO_DROPPED") == ["statusInfo"]


def test_a_url_is_never_cut():
    peers = Peers()
    long = "ftp://" + "x" * 600
    refuses(peers, "GetDiagnostics", {"location": long}, {})
    assert peers.told(peers.backend("UpdateFirmware", {"location": long, "retrieveDate": at(0)})) == {}
    assert peers.passes("FirmwareStatusNotification") == {"status": "DownloadFailed"}


def test_refused_firmware_is_told_by_a_status():
    peers = Peers()
    call = peers.backend("UpdateFirmware", {"location": "ftp://x", "retrieveDate": at(0), "retries": 1})
    action, asked = peers.charger_gets()
    assert (action, asked["firmware"]) == (
        "UpdateFirmware",
        {"location": "ftp://x", "retrieveDateTime": at(0)},
    )
    peers.charger_says({"status": "Rejected"})
    assert peers.told(call) == {}
    assert peers.passes("FirmwareStatusNotification") == {"status": "DownloadFailed"}


def test_a_log_of_the_security_extension_keeps_its_number():
    peers = Peers()
    payload = {"logType": "SecurityLog", "requestId": 91, "log": {"remoteLocation": "ftp://x"}}
    answer = YES | {"filename": "s.log"}
    asks(peers, "GetLog", payload, "GetLog", payload, answer, answer)
    peers.charger("LogStatusNotification", {"status": "AcceptedCanceled", "requestId": 91})
    assert peers.passes("LogStatusNotification") == {"status": "UploadFailure", "requestId": 91}


def test_a_trigger_for_all_statuses_is_one_for_each_connector():
    peers = Peers(
        status16={"1": "Available", "2": "Available"}, status201={"1.1": "Available", "2.1": "Available"}
    )
    call = peers.backend("TriggerMessage", {"requestedMessage": "StatusNotification"})
    for evse, answer in ((1, "Rejected"), (2, "Accepted")):
        asked = {"requestedMessage": "StatusNotification", "evse": {"id": evse, "connectorId": 1}}
        assert peers.charger_gets() == ("TriggerMessage", asked)
        peers.charger_says({"status": answer})
    assert peers.told(call) == YES
    peers.shows("Available", 0)
    for evse in (1, 2):
        status = {"timestamp": at(5), "connectorStatus": "Available", "evseId": evse, "connectorId": 1}
        peers.charger("StatusNotification", status)
    peers.shows("Available", 2)
    assert peers.is_quiet()


@pytest.mark.parametrize(
    ("action", "wanted", "wanted201"),
    [
        ("TriggerMessage", "DiagnosticsStatusNotification", "LogStatusNotification"),
        ("TriggerMessage", "BootNotification", "BootNotification"),
        ("ExtendedTriggerMessage", "LogStatusNotification", "LogStatusNotification"),
        ("ExtendedTriggerMessage", "SignChargePointCertificate", "SignChargingStationCertificate"),
    ],
)
def test_triggers(action, wanted, wanted201):
    asks(
        Peers(),
        action,
        {"requestedMessage": wanted},
        "TriggerMessage",
        {"requestedMessage": wanted201},
        YES,
        YES,
    )


def test_a_trigger_for_readings_names_the_evse():
    asked = {"requestedMessage": "MeterValues", "evse": {"id": 2}}
    asks(
        Peers(),
        "TriggerMessage",
        {"requestedMessage": "MeterValues", "connectorId": 2},
        "TriggerMessage",
        asked,
        YES,
        YES,
    )


# Certificates, Plug & Charge, prices, DataTransfer

CHAIN = "-----BEGIN CERTIFICATE-----"
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "0a"}
OCSP = HASH | {"responderURL": "http://ocsp.example.com"}
PNC = "org.openchargealliance.iso15118pnc"
PRICES = "org.openchargealliance.costmsg"


def test_certificates_go_on_when_the_backend_owns_them():
    peers = Peers(policies=Policies(leg_certificates="forward"))
    asks(
        peers,
        "InstallCertificate",
        {"certificateType": "CentralSystemRootCertificate", "certificate": CHAIN},
        "InstallCertificate",
        {"certificateType": "CSMSRootCertificate", "certificate": CHAIN},
        YES,
        YES,
    )
    chain = {
        "certificateType": "CSMSRootCertificate",
        "certificateHashData": HASH,
        "childCertificateHashData": [HASH],
    }
    asks(
        peers,
        "GetInstalledCertificateIds",
        {"certificateType": "CentralSystemRootCertificate"},
        "GetInstalledCertificateIds",
        {"certificateType": ["CSMSRootCertificate"]},
        YES | {"certificateHashDataChain": [chain]},
        YES | {"certificateHashData": [HASH]},
    )
    assert peers.lost("FIELD_DROPPED") == ["certificateHashDataChain[0].childCertificateHashData"]


def test_a_root_of_the_backends_link_stays_with_the_gateway():
    peers = Peers()
    payload = {"certificateType": "CentralSystemRootCertificate", "certificate": CHAIN}
    refuses(peers, "InstallCertificate", payload, YES)
    assert peers.memory.upstream_trust_pending == [CHAIN]
    call = peers.charger("SignCertificate", {"csr": "x"})
    assert peers.heard(call)["status"] == "Rejected"


def test_a_contract_is_checked_through_the_tunnel():
    peers = Peers()
    payload = {
        "idToken": {"idToken": "DEABCC00000001X", "type": "eMAID"},
        "iso15118CertificateHashData": [OCSP],
    }
    call = peers.charger("Authorize", payload)
    action, asked = peers.backend_gets()
    assert (action, asked["vendorId"], asked["messageId"]) == ("DataTransfer", PNC, "Authorize")
    assert json.loads(asked["data"]) == payload
    answer = {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"}
    peers.backend_says(YES | {"data": json.dumps(answer)})
    assert peers.heard(call) == answer
    assert peers.memory.capabilities["be_pnc"] == "yes"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "UnknownVendorId"},
        {"status": "Rejected"},
        YES | {"data": "no JSON"},
        YES | {"data": "{}"},
        Refused("X"),
    ],
)
def test_a_contract_that_cannot_be_checked_is_refused(answer):
    peers = Peers()
    payload = {
        "idToken": {"idToken": "DEABCC00000001X", "type": "eMAID"},
        "iso15118CertificateHashData": [OCSP],
    }
    call = peers.charger("Authorize", payload)
    peers.backend_gets()
    peers.backend_says(answer)
    assert peers.heard(call) == {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "CertChainError"}
    assert (peers.memory.capabilities.get("be_pnc") == "no") is (answer == {"status": "UnknownVendorId"})


def test_a_vehicles_certificate_goes_round():
    peers = Peers(capabilities={"be_pnc": "yes"})
    call = peers.charger("SignCertificate", {"csr": "x", "certificateType": "V2GCertificate"})
    assert peers.backend_gets()[1]["messageId"] == "SignCertificate"
    peers.backend_says(YES | {"data": '{"status":"Accepted"}'})
    assert peers.heard(call) == YES
    inner = {"certificateChain": CHAIN, "certificateType": "V2GCertificate"}
    call = peers.backend(
        "DataTransfer", {"vendorId": PNC, "messageId": "CertificateSigned", "data": json.dumps(inner)}
    )
    assert peers.charger_gets() == ("CertificateSigned", inner)
    peers.charger_says(YES)
    assert json.loads(peers.told(call)["data"]) == YES


@pytest.mark.parametrize(
    ("message", "data", "told"),
    [
        ("Reset", "{}", "UnknownMessageId"),
        ("CertificateSigned", "{", "Rejected"),
        ("CertificateSigned", "{}", "Rejected"),
    ],
)
def test_what_the_tunnel_does_not_take(message, data, told):
    peers = Peers()
    refuses(peers, "DataTransfer", {"vendorId": PNC, "messageId": message, "data": data}, {"status": told})


def test_a_running_cost_is_shown():
    peers = Peers(active())
    data = json.dumps({"transactionId": 501, "cost": 3.31, "state": "Charging"})
    asks(
        peers,
        "DataTransfer",
        {"vendorId": PRICES, "messageId": "RunningCost", "data": data},
        "CostUpdated",
        {"totalCost": 3.31, "transactionId": TX},
        {},
        YES,
    )
    assert peers.lost("FIELD_DROPPED") == ["data.state"]


def test_a_price_waits_for_its_driver():
    peers = Peers(active(), active(TX2, 502, 2, id_tag="OTHER"))
    data = json.dumps({"idToken": CARD["idToken"].lower(), "priceText": "0.40/kWh"})
    refuses(peers, "DataTransfer", {"vendorId": PRICES, "messageId": "SetUserPrice", "data": data}, YES)
    assert peers.heard(peers.event("Updated", 4, "ChargingRateChanged", 5, tx=TX2)) == {}
    price = {"updatedPersonalMessage": {"format": "UTF8", "content": "0.40/kWh"}}
    assert peers.heard(peers.event("Updated", 4, "ChargingRateChanged", 5)) == price
    assert peers.heard(peers.event("Updated", 5, "ChargingRateChanged", 6)) == {}


@pytest.mark.parametrize(
    ("sent", "text", "back", "heard"),
    [
        ({"x": [1, 2]}, '{"x":[1,2]}', "not json", "not json"),
        ({"x": 1.10}, '{"x":1.1}', '{"y":2}', {"y": 2}),
        ("plain", "plain", '{"y":2}', '{"y":2}'),
    ],
)
def test_data_of_a_vendor(sent, text, back, heard):
    peers = Peers()
    call = peers.charger("DataTransfer", {"vendorId": "com.acme", "data": sent})
    assert peers.passes("DataTransfer", YES | {"data": back}) == {"vendorId": "com.acme", "data": text}
    assert peers.heard(call) == YES | {"data": heard}


def test_a_charger_may_answer_a_vendor_with_anything():
    asks(
        Peers(),
        "DataTransfer",
        {"vendorId": "com.acme", "data": "{}"},
        "DataTransfer",
        {"vendorId": "com.acme", "data": "{}"},
        YES | {"data": {"x": 1}},
        YES | {"data": '{"x":1}'},
    )
