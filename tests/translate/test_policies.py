"""What a translator does where an operator chose otherwise than the specification does."""

import json
from base64 import b64decode, b64encode

import msgspec

from gateway.config import Config
from gateway.net.limits import policies
from gateway.translate.bridge21.ocsp import status_in
from gateway.translate.bridge21.translator import Charger201Backend21
from gateway.translate.policies import Policies
from gateway.translate.port import AnswerCharger, ChargerCall, ToBackend, ToCharger
from tests.translate.scenes import ID, TOKEN, ended, register, scene, started, updated
from tests.vectors.player import play

NOW = "2025-06-01T10:00:00.000Z"

# Of `openssl ocsp`, without the certificate of who signed it: serial 0A1B is good, 0C1D revoked.
GOOD = (
    "MIIBJQoBAKCCAR4wggEaBgkrBgEFBQcwAQEEggELMIIBBzCBrqEPMA0xCzAJBgNVBAMMAkNBGA8yMDI2MTEyMTE1NTExNlow"
    "ZTBjMDswCQYFKw4DAhoFAAQUcR05dnHJ+s8iQglZJZeaBpjkaxEEFHm67f2L8gBGlv6GOlvm5y7kqzm9AgIKG4AAGA8yMDI2"
    "MTEyMTE1NTExNlqgERgPMjAyNjExMjgxNTUxMTZaoSMwITAfBgkrBgEFBQcwAQIEEgQQn7YUMzFGh+xM9Q+MvzEUrTAKBggq"
    "hkjOPQQDAgNIADBFAiATWZyzNuQjR7ZDJC1lIxQFBLQWrfEofGbMqDZvyOl9EwIhAMDGrqovXVTNlZjOPct1Wgxm9x6lDN9/"
    "Am0k7Z/Z1maQ"
)
REVOKED = (
    "MIIBOwoBAKCCATQwggEwBgkrBgEFBQcwAQEEggEhMIIBHTCBxKEPMA0xCzAJBgNVBAMMAkNBGA8yMDI2MTEyMTE1NTExNlow"
    "ezB5MDswCQYFKw4DAhoFAAQUcR05dnHJ+s8iQglZJZeaBpjkaxEEFHm67f2L8gBGlv6GOlvm5y7kqzm9AgIMHaEWGA8yMDI1"
    "MDEwMTAwMDAwMFqgAwoBARgPMjAyNjExMjExNTUxMTZaoBEYDzIwMjYxMTI4MTU1MTE2WqEjMCEwHwYJKwYBBQUHMAECBBIE"
    "EJRFRl/sCiAQACB9/bOSVeAwCgYIKoZIzj0EAwIDSAAwRQIhANQyephs7nEDjqabGAA6SAYY/fqDeFsIoJQShMSyet1sAiBA"
    "lnWyDfraXKrncL9XZdIT5wFhnRQvlokgi5WFvmqv9w=="
)
UNTIL = "2026-11-28T15:51:16Z"


def charger(id_, action, payload):
    return ("charger", [2, id_, action, payload])


def heard(id_, payload):
    return ("to charger", [3, id_, payload])


def up(id_, action, payload):
    return ("to backend", [2, id_, action, payload])


def backend(id_, payload):
    return ("backend", [3, id_, payload])


def command(id_, action, payload):
    return ("backend", [2, id_, action, payload])


def told(id_, payload):
    return ("to backend", [3, id_, payload])


def down(id_, action, payload):
    return ("to charger", [2, id_, action, payload])


def says(id_, payload):
    return ("charger", [3, id_, payload])


def test_what_an_operator_writes_is_what_a_translator_decides_by():
    chosen = {"ocsp_bridge": True, "enforce_transaction_limit": True, "synthetic_cable_event": True}
    chosen["tunnel"] = "example.ocpp201"
    backend = {"name": "one", "url": "ws://127.0.0.1:1/"}
    made = policies(msgspec.convert({"backend": backend, "translation": chosen}, Config))
    assert {key: getattr(made, key) for key in chosen} == chosen
    unchosen = policies(msgspec.convert({"backend": backend}, Config))
    assert not any(getattr(unchosen, key) for key in chosen)


# ocsp_bridge


def hashes(serial):
    return {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": serial}


def wanted(serial, source="OCSP", url="http://ocsp.example"):
    return {"certificateHashData": hashes(serial), "source": source, "urls": [url]}


def found(serial, status, until=NOW, source="OCSP"):
    made = {"certificateHashData": hashes(serial), "source": source}
    return made | {"status": status, "nextUpdate": until}


def asked(serial):
    return {"ocspRequestData": hashes(serial) | {"responderURL": "http://ocsp.example"}}


def test_the_certificates_of_a_chain_are_asked_for_one_by_one():
    requests = [wanted("0A1B"), wanted("C1D"), wanted("1", "CRL"), wanted("2", url="http://" + "x" * 600)]
    statuses = [
        found("0A1B", "Good", UNTIL),
        found("C1D", "Revoked", UNTIL),
        found("1", "Failed", source="CRL"),
        found("2", "Failed"),
    ]
    play(
        scene(
            charger("c1", "GetCertificateChainStatus", {"certificateStatusRequests": requests}),
            up("g1", "GetCertificateStatus", asked("0A1B")),
            backend("g1", {"status": "Accepted", "ocspResult": GOOD}),
            up("g2", "GetCertificateStatus", asked("C1D")),
            backend("g2", {"status": "Accepted", "ocspResult": REVOKED}),
            heard("c1", {"certificateStatus": statuses}),
            direction="cs2.1-be2.0.1",
            config={"ocsp_bridge": True},
            losses=(("NOT_SUPPORTED", "certificateStatusRequests[3]"),),
        )
    )


def test_a_certificate_of_which_nothing_is_heard_is_failed():
    requests = [wanted("0A1B"), wanted("0A1B"), wanted("0A1B")]
    play(
        scene(
            charger("c1", "GetCertificateChainStatus", {"certificateStatusRequests": requests}),
            up("g1", "GetCertificateStatus", asked("0A1B")),
            backend("g1", {"status": "Failed"}),
            up("g2", "GetCertificateStatus", asked("0A1B")),
            ("backend", [4, "g2", "NotImplemented", "", {}]),
            up("g3", "GetCertificateStatus", asked("0A1B")),
            backend("g3", {"status": "Accepted", "ocspResult": REVOKED}),
            heard("c1", {"certificateStatus": [found("0A1B", "Failed")] * 3}),
            direction="cs2.1-be2.0.1",
            config={"ocsp_bridge": True},
            losses=(("PAYLOAD_INVALID", "ocspResult"),),
        )
    )


def test_what_is_no_ocsp_response_says_nothing():
    whole = b64decode(GOOD)
    assert status_in(GOOD, "a1b") == ("Good", UNTIL)
    assert status_in(GOOD, "no serial") is None
    for length in range(len(whole)):
        assert status_in(b64encode(whole[:length]).decode(), "0A1B") is None
        status_in(b64encode(whole[:length] + b"\xff" + whole[length + 1 :]).decode(), "0A1B")


# enforce_transaction_limit


def energy(at, wh):
    return [{"timestamp": at, "sampledValue": [register(wh, "Sample.Periodic")]}]


def at(minute):
    return f"2025-06-01T10:{minute:02}:00Z"


LIMITED = {"direction": "cs2.0.1-be2.1", "config": {"enforce_transaction_limit": True}}
LOST = (("FIELD_DROPPED", "transactionLimit"),)


def test_a_transaction_that_reaches_its_limit_is_stopped():
    play(
        scene(
            charger("c1", "TransactionEvent", started(at(0), 5000)),
            up("g1", "TransactionEvent", started(at(0), 5000)),
            backend("g1", {"transactionLimit": {"maxEnergy": 1000, "maxCost": 9.5}}),
            heard("c1", {}),
            charger(
                "c2",
                "TransactionEvent",
                updated(at(1), 1, "MeterValuePeriodic", meterValue=energy(at(1), 5999)),
            ),
            up(
                "g2",
                "TransactionEvent",
                updated(at(1), 1, "MeterValuePeriodic", meterValue=energy(at(1), 5999)),
            ),
            backend("g2", {}),
            heard("c2", {}),
            charger(
                "c3",
                "TransactionEvent",
                updated(at(2), 2, "MeterValuePeriodic", meterValue=energy(at(2), 6000)),
            ),
            up(
                "g3",
                "TransactionEvent",
                updated(at(2), 2, "MeterValuePeriodic", meterValue=energy(at(2), 6000)),
            ),
            backend("g3", {}),
            [heard("c3", {}), down("g4", "RequestStopTransaction", {"transactionId": ID})],
            says("g4", {"status": "Accepted"}),
            charger(
                "c4",
                "TransactionEvent",
                updated(at(3), 3, "MeterValuePeriodic", meterValue=energy(at(3), 6100)),
            ),
            up(
                "g5",
                "TransactionEvent",
                updated(at(3), 3, "MeterValuePeriodic", meterValue=energy(at(3), 6100)),
            ),
            backend("g5", {}),
            heard("c4", {}),
            losses=LOST,
            **LIMITED,
        )
    )


def test_a_limit_is_only_lost_unless_the_operator_says_so():
    play(
        scene(
            charger("c1", "TransactionEvent", started(at(0), 5000)),
            up("g1", "TransactionEvent", started(at(0), 5000)),
            backend("g1", {"transactionLimit": {"maxEnergy": 0}}),
            heard("c1", {}),
            losses=LOST,
            direction="cs2.0.1-be2.1",
        )
    )


def test_what_a_transaction_costs_is_a_limit_too():
    play(
        scene(
            charger("c1", "TransactionEvent", started(at(0), 5000)),
            up("g1", "TransactionEvent", started(at(0), 5000)),
            backend("g1", {"transactionLimit": {"maxCost": 9.5}, "totalCost": 1}),
            heard("c1", {"totalCost": 1}),
            command("b1", "CostUpdated", {"totalCost": 9.6, "transactionId": ID}),
            down("g2", "CostUpdated", {"totalCost": 9.6, "transactionId": ID}),
            says("g2", {}),
            [told("b1", {}), down("g3", "RequestStopTransaction", {"transactionId": ID})],
            losses=LOST,
            **LIMITED,
        )
    )


class Engine21:
    """A 2.0.1 charger behind a 2.1 backend that sets a limit of a minute."""

    def __init__(self, snapshot=b""):
        self.engine = Charger201Backend21(Policies(enforce_transaction_limit=True), snapshot, "CP-1")

    def event(self, payload, now, answer):
        orders = self.engine.charger_call(ChargerCall("1", "TransactionEvent", payload, now), now)
        (token,) = [order.token for order in orders if isinstance(order, ToBackend)]
        made = self.engine.backend_answered(token, answer, now)
        assert any(isinstance(order, AnswerCharger) for order in made)
        return stops(made)


def stops(orders):
    return [order for order in orders if isinstance(order, ToCharger)]


def test_time_is_up_without_a_word_of_the_charger_even_after_a_restart():
    first = Engine21()
    first.event(started(at(0), 0), 1000.0, {"transactionLimit": {"maxTime": 60}})
    assert first.engine.changed
    assert first.engine.due == 1060.0
    later = Engine21(first.engine.snapshot()).engine
    assert stops(later.time_passed(1059.0)) == []
    assert later.due == 1060.0
    (stop,) = stops(later.time_passed(1060.0))
    assert (stop.action, stop.payload) == ("RequestStopTransaction", {"transactionId": ID})
    later.charger_answered(stop.token, {"status": "Rejected"}, 1061.0)
    assert later.due == 1120.0
    (stop,) = stops(later.time_passed(1120.0))
    later.charger_answered(stop.token, {"status": "Accepted"}, 1121.0)
    assert stops(later.time_passed(2000.0)) == []


def test_a_transaction_that_has_ended_is_not_stopped():
    it = Engine21()
    it.event(started(at(0), 0), 1000.0, {"transactionLimit": {"maxTime": 60}})
    ended = updated(at(0), 1, "EVCommunicationLost") | {"eventType": "Ended"}
    it.event(ended, 1010.0, {})
    assert stops(it.engine.time_passed(1060.0)) == []
    assert it.engine.memory.limited == {}


# tunnel

VENDOR = "example.ocpp201"


def tunnelled(action, payload):
    return {"vendorId": VENDOR, "messageId": action, "data": json.dumps(payload)}


def test_a_charger_that_takes_commands_of_201_as_text_gets_them():
    level, display = {"severity": 3}, {"requestId": 7}
    play(
        scene(
            command("b1", "SetMonitoringLevel", level),
            down("g1", "DataTransfer", tunnelled("SetMonitoringLevel", level)),
            says("g1", {"status": "Accepted", "data": '{"status": "Accepted"}'}),
            told("b1", {"status": "Accepted"}),
            command("b2", "GetDisplayMessages", display),
            down("g2", "DataTransfer", tunnelled("GetDisplayMessages", display)),
            says("g2", {"status": "Accepted", "data": '{"status": "Perhaps"}'}),
            told("b2", {"status": "Unknown"}),
            command("b3", "ClearVariableMonitoring", {"id": [4]}),
            down("g3", "DataTransfer", tunnelled("ClearVariableMonitoring", {"id": [4]})),
            says("g3", {"status": "UnknownMessageId"}),
            told("b3", {"clearMonitoringResult": [{"id": 4, "status": "NotFound"}]}),
            config={"tunnel": VENDOR},
            losses=(
                ("PAYLOAD_INVALID", "data"),
                ("NOT_SUPPORTED", "GetDisplayMessages"),
                ("NOT_SUPPORTED", "ClearVariableMonitoring"),
            ),
        )
    )


def test_a_charger_that_does_not_know_the_vendor_is_asked_once():
    refused = {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}}
    play(
        scene(
            command("b1", "SetMonitoringLevel", {"severity": 3}),
            down("g1", "DataTransfer", tunnelled("SetMonitoringLevel", {"severity": 3})),
            says("g1", {"status": "UnknownVendorId"}),
            told("b1", refused),
            command("b2", "SetMonitoringLevel", {"severity": 3}),
            told("b2", refused),
            config={"tunnel": VENDOR},
            after={"capabilities": {f"tunnel {VENDOR}": "no"}},
        )
    )


def test_where_a_charger_is_sent_is_not_tunnelled():
    profile = {
        "configurationSlot": 1,
        "connectionData": {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": "wss://elsewhere",
            "messageTimeout": 30,
            "securityProfile": 2,
            "ocppInterface": "Wired0",
        },
    }
    refused = {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}}
    play(
        scene(
            command("b1", "SetNetworkProfile", profile),
            told("b1", refused),
            config={"tunnel": VENDOR},
        )
    )


def test_a_backend_that_takes_reports_of_201_as_text_gets_them():
    limit = {"chargingLimitSource": "EMS", "evseId": 1}
    schedule = {
        "timeBase": at(0),
        "evseId": 1,
        "chargingSchedule": {
            "id": 1,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
        },
    }
    play(
        scene(
            charger("c1", "ClearedChargingLimit", limit),
            up("g1", "DataTransfer", tunnelled("ClearedChargingLimit", limit)),
            backend("g1", {"status": "Accepted", "data": "{}"}),
            heard("c1", {}),
            charger("c2", "NotifyEVChargingSchedule", schedule),
            up("g2", "DataTransfer", tunnelled("NotifyEVChargingSchedule", schedule)),
            backend("g2", {"status": "Accepted", "data": '{"status": "Rejected"}'}),
            heard("c2", {"status": "Rejected"}),
            charger("c3", "ClearedChargingLimit", limit),
            up("g3", "DataTransfer", tunnelled("ClearedChargingLimit", limit)),
            backend("g3", {"status": "UnknownVendorId"}),
            heard("c3", {}),
            charger("c4", "NotifyEVChargingSchedule", schedule),
            heard("c4", {"status": "Accepted"}),
            direction="cs2.0.1-be1.6",
            config={"tunnel": VENDOR},
            losses=(("NOT_SUPPORTED", "NotifyEVChargingSchedule"),),
        )
    )


# synthetic_cable_event

CABLE = {
    "config": {"synthetic_cable_event": True},
    "status16": {"1": "Available"},
    "status201": {"1.1": "Available"},
    "next": {"tx16": 1001, "tx201": [ID]},
}
PLUGGED = {
    "eventType": "Started",
    "timestamp": at(0),
    "triggerReason": "CablePluggedIn",
    "seqNo": 0,
    "transactionInfo": {"transactionId": ID, "chargingState": "EVConnected"},
    "evse": {"id": 1, "connectorId": 1},
}
START = {"connectorId": 1, "idTag": TOKEN["idToken"], "meterStart": 1000, "timestamp": at(1)}


def status(id_, value, when):
    told_as = {"connectorId": 1, "status": value, "errorCode": "NoError", "timestamp": when}
    return charger(id_, "StatusNotification", told_as)


def connector(id_, value, when):
    told_as = {"evseId": 1, "connectorId": 1, "connectorStatus": value, "timestamp": when}
    return up(id_, "StatusNotification", told_as)


def plugged_in():
    return [
        status("c1", "Preparing", at(0)),
        [heard("c1", {}), connector("g1", "Occupied", at(0))],
        backend("g1", {}),
        up("g2", "TransactionEvent", PLUGGED),
        backend("g2", {}),
    ]


def authorised(trigger, **info):
    state = {"transactionId": ID, "chargingState": "EVConnected"}
    made = started(at(1), 1000, trigger, seqNo=1, eventType="Updated", info=state | info)
    del made["evse"]
    return made


def test_a_transaction_begins_with_the_cable():
    play(
        scene(
            *plugged_in(),
            charger("c2", "StartTransaction", START),
            up("g3", "TransactionEvent", authorised("Authorized")),
            backend("g3", {"idTokenInfo": {"status": "Accepted"}}),
            heard("c2", {"transactionId": 1001, "idTagInfo": {"status": "Accepted"}}),
            charger(
                "c3",
                "StopTransaction",
                {"transactionId": 1001, "meterStop": 2000, "timestamp": at(5), "reason": "EVDisconnected"},
            ),
            up(
                "g4",
                "TransactionEvent",
                ended(at(5), 2, 2000, "EVCommunicationLost", "EVDisconnected", "Idle"),
            ),
            backend("g4", {}),
            heard("c3", {}),
            status("c4", "Available", at(6)),
            [heard("c4", {}), connector("g5", "Available", at(6))],
            backend("g5", {}),
            **CABLE,
        )
    )


def test_a_cable_that_nobody_starts_with_ends_its_transaction():
    over = {
        "eventType": "Ended",
        "timestamp": at(3),
        "triggerReason": "EVCommunicationLost",
        "seqNo": 1,
        "transactionInfo": {"transactionId": ID, "chargingState": "Idle", "stoppedReason": "EVDisconnected"},
    }
    play(
        scene(
            *plugged_in(),
            command("b1", "GetTransactionStatus", {"transactionId": ID}),
            told("b1", {"ongoingIndicator": True, "messagesInQueue": False}),
            status("c2", "Preparing", at(2)),
            heard("c2", {}),
            status("c3", "Available", at(3)),
            [heard("c3", {}), connector("g3", "Available", at(3))],
            backend("g3", {}),
            up("g4", "TransactionEvent", over),
            backend("g4", {}),
            **CABLE,
        )
    )


def test_a_remote_start_takes_up_the_transaction_of_the_cable():
    play(
        scene(
            *plugged_in(),
            command("b1", "RequestStartTransaction", {"remoteStartId": 7, "evseId": 1, "idToken": TOKEN}),
            down("g3", "RemoteStartTransaction", {"idTag": TOKEN["idToken"], "connectorId": 1}),
            says("g3", {"status": "Accepted"}),
            told("b1", {"status": "Accepted", "transactionId": ID}),
            charger("c2", "StartTransaction", START),
            up("g4", "TransactionEvent", authorised("RemoteStart", remoteStartId=7)),
            backend("g4", {"idTokenInfo": {"status": "Accepted"}}),
            heard("c2", {"transactionId": 1001, "idTagInfo": {"status": "Accepted"}}),
            **CABLE,
        )
    )


def test_a_connector_that_is_preparing_has_no_transaction_otherwise():
    play(
        scene(
            status("c1", "Preparing", at(0)),
            [heard("c1", {}), connector("g1", "Occupied", at(0))],
            backend("g1", {}),
            **(CABLE | {"config": {}}),
        )
    )
