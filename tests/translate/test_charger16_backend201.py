"""A 1.6 charger behind a 2.0.1 backend, subject by subject, in whole exchanges."""

import pytest

from tests.translate.scenes import (
    ID,
    OTHER_ID,
    TOKEN,
    ended,
    register,
    sample,
    scene,
    started,
    transaction,
    updated,
)
from tests.vectors.player import play

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
HASHES = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "0a"}
PNC = "org.openchargealliance.iso15118pnc"
TWO = [{"flat": 1, "evse": 1, "connector": 1}, {"flat": 2, "evse": 2, "connector": 1}]
START = {"connectorId": 1, "idTag": "04A2B3C4D5E680", "meterStart": 1000, "timestamp": "2025-06-01T10:00:05Z"}
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}
AT = "2025-06-01T10:00:10Z"


def call(action, payload, id_="c1"):
    return "charger", [2, id_, action, payload]


def answered(payload, id_="c1"):
    return "to charger", [3, id_, payload]


def up(action, payload, id_="g1"):
    return "to backend", [2, id_, action, payload]


def ok(payload=None, id_="g1"):
    return "backend", [3, id_, payload or {}]


def wants(action, payload, id_="b1"):
    return "backend", [2, id_, action, payload]


def told(payload, id_="b1"):
    return "to backend", [3, id_, payload]


def down(action, payload, id_="g1"):
    return "to charger", [2, id_, action, payload]


def says(payload, id_="g1"):
    return "charger", [3, id_, payload]


def status(state, connector=1, at=AT, error="NoError", **members):
    return {"connectorId": connector, "errorCode": error, "status": state, "timestamp": at} | members


def connector_status(state, at=AT, evse=1, connector=1):
    return {"timestamp": at, "connectorStatus": state, "evseId": evse, "connectorId": connector}


def event(id_, component, variable, value, at=AT, **members):
    return {
        "generatedAt": "2025-06-01T10:00:00.000Z",
        "seqNo": 0,
        "eventData": [
            {
                "eventId": id_,
                "timestamp": at,
                "trigger": "Delta",
                "actualValue": value,
                "eventNotificationType": "HardWiredNotification",
                "component": component,
                "variable": {"name": variable},
            }
            | members
        ],
    }


def refused(reason):
    return {"status": "Rejected", "statusInfo": {"reasonCode": reason}}


STATUSES = {
    "connector 0 is an event of the station": scene(
        call("StatusNotification", status("Available", 0)),
        [
            answered({}),
            up("NotifyEvent", event(1, {"name": "ChargingStation"}, "AvailabilityState", "Available")),
        ],
        ok(),
        next={"event_id": 1},
    ),
    "Charging changes the transaction, not the connector": scene(
        call("StatusNotification", status("Charging")),
        [answered({}), up("TransactionEvent", updated(AT, 1, "ChargingStateChanged", "Charging"))],
        ok(),
        tx=[transaction(charging_state="EVConnected")],
        status16={"1": "Preparing"},
        status201={"1.1": "Occupied"},
    ),
    "a fault in a transaction is three messages": scene(
        call(
            "StatusNotification", status("Faulted", error="GroundFailure", vendorErrorCode="E7", info="leak")
        ),
        [answered({}), up("StatusNotification", connector_status("Faulted"))],
        ok(),
        up("TransactionEvent", updated(AT, 1, "AbnormalCondition", "SuspendedEVSE"), "g2"),
        ok(id_="g2"),
        up(
            "NotifyEvent",
            event(
                7,
                {"name": "RCD", "evse": {"id": 1, "connectorId": 1}},
                "Tripped",
                "true",
                techCode="E7",
                techInfo="ocpp16:GroundFailure;leak",
                transactionId=ID,
            ),
            "g3",
        ),
        ok(id_="g3"),
        tx=[transaction()],
        status16={"1": "Charging"},
        status201={"1.1": "Occupied"},
        next={"event_id": 7},
    ),
    "NoError clears the problem": scene(
        call("StatusNotification", status("Available")),
        [answered({}), up("StatusNotification", connector_status("Available"))],
        ok(),
        up(
            "NotifyEvent",
            event(8, {"name": "RCD", "evse": {"id": 1, "connectorId": 1}}, "Tripped", "false", cleared=True),
            "g2",
        ),
        ok(id_="g2"),
        status16={"1": "Faulted"},
        status201={"1.1": "Faulted"},
        open_errors=[
            {
                "flat": 1,
                "error_code": "GroundFailure",
                "component": "RCD",
                "variable": "Tripped",
                "event_id": 7,
            }
        ],
        next={"event_id": 8},
    ),
    "Available leaves a transaction open": scene(
        call("StatusNotification", status("Available")),
        [answered({}), up("StatusNotification", connector_status("Available"))],
        ok(),
        up("TransactionEvent", updated(AT, 1, "EVCommunicationLost", "Idle"), "g2"),
        ok(id_="g2"),
        tx=[transaction()],
        status16={"1": "Charging"},
        status201={"1.1": "Occupied"},
        losses=(("TX_OPEN_ON_AVAILABLE", "status"),),
    ),
    "a timestamp without zone is UTC": scene(
        call("StatusNotification", status("Reserved", at="2025-06-01T10:00:10")),
        [answered({}), up("StatusNotification", connector_status("Reserved"))],
        ok(),
        status16={"1": "Available"},
        losses=(("TIMESTAMP_TZ", "timestamp"),),
    ),
    "an unknown connector gets an EVSE": scene(
        call("StatusNotification", status("Available", 2)),
        [answered({}), up("StatusNotification", connector_status("Available", evse=2))],
        ok(),
        after={"topology": [{"flat": 2, "evse": 2, "connector": 1}]},
        losses=(("TOPOLOGY_EXTENDED", "connectorId"),),
    ),
}

STATUSES |= {
    "after a boot every connector is told again": scene(
        call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}),
        up("BootNotification", {"chargingStation": {"vendorName": "V", "model": "M"}, "reason": "PowerUp"}),
        ok({"status": "Accepted", "currentTime": AT, "interval": 60}),
        answered({"status": "Accepted", "currentTime": AT, "interval": 60}),
        call("StatusNotification", status("Available"), "c2"),
        [answered({}, "c2"), up("StatusNotification", connector_status("Available"), "g2")],
        ok(id_="g2"),
        status16={"1": "Available"},
        status201={"1.1": "Available"},
    ),
    "a state that came before the backend accepted the charger": scene(
        call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
        answered({}),
        call("Authorize", {"idTag": "MEMBER-1"}, "c2"),
        answered({"idTagInfo": {"status": "Invalid"}}, "c2"),
        wants("RequestStopTransaction", {"transactionId": ID}),
        told(refused("CSNotAccepted")),
        registration="Pending",
        tx=[transaction()],
    ),
    "a charger that has told of no connector": scene(
        wants("UnlockConnector", {"evseId": 2, "connectorId": 1}),
        down("UnlockConnector", {"connectorId": 2}),
        says({"status": "Unlocked"}),
        told({"status": "Unlocked"}),
        topology=[],
    ),
}

TRANSACTIONS = {
    "a repeated start hears the same": scene(
        call("StartTransaction", START),
        up("TransactionEvent", started("2025-06-01T10:00:05Z", 1000)),
        ok({"idTokenInfo": {"status": "Accepted"}}),
        answered(ACCEPTED | {"transactionId": 1001}),
        call("StartTransaction", START, "c2"),
        answered(ACCEPTED | {"transactionId": 1001}, "c2"),
        next={"tx16": 1001, "tx201": [ID]},
        losses=(("DUPLICATE", "StartTransaction"),),
    ),
    "a repeated start of an open transaction": scene(
        call("StartTransaction", START | {"timestamp": "2025-06-01T09:00:00Z"}),
        answered(ACCEPTED | {"transactionId": 1001}),
        tx=[transaction()],
        losses=(("DUPLICATE", "StartTransaction"),),
    ),
    "a start the charger kept is offline": scene(
        call("StartTransaction", START | {"timestamp": "2025-06-01T09:00:05Z"}),
        up(
            "TransactionEvent",
            started("2025-06-01T09:00:05Z", 1000, info={"chargingState": "Charging"}, offline=True),
        ),
        ok({"idTokenInfo": {"status": "Accepted"}}),
        answered(ACCEPTED | {"transactionId": 1001}),
        status16={"1": "Charging"},
        charger_session_started="2025-06-01T09:55:00Z",
        next={"tx16": 1001, "tx201": [ID]},
    ),
    "an answer that comes too late is only remembered": scene(
        call("StartTransaction", START),
        up("TransactionEvent", started("2025-06-01T10:00:05Z", 1000)),
        {"leg": "clock", "advance_ms": 20000},
        answered(ACCEPTED | {"transactionId": 1001}),
        ok({"idTokenInfo": {"status": "Accepted"}}),
        config={"offline_unknown_id": "accept"},
        next={"tx16": 1001, "tx201": [ID]},
    ),
    "an outage's session is replayed in order": scene(
        call("StartTransaction", START),
        answered(ACCEPTED | {"transactionId": 1001}),
        call("StatusNotification", status("Charging"), "c2"),
        answered({}, "c2"),
        call(
            "StopTransaction",
            {"transactionId": 1001, "meterStop": 1500, "timestamp": "2025-06-01T10:30:00Z"},
            "c3",
        ),
        answered({}, "c3"),
        call("StatusNotification", status("Available", at="2025-06-01T10:31:00Z"), "c4"),
        answered({}, "c4"),
        {"leg": "link", "which": "be", "state": "up"},
        up("TransactionEvent", started("2025-06-01T10:00:05Z", 1000, offline=True)),
        ok({"idTokenInfo": {"status": "Accepted"}}),
        up("TransactionEvent", updated(AT, 1, "ChargingStateChanged", "Charging", offline=True), "g2"),
        ok(id_="g2"),
        up(
            "TransactionEvent",
            ended("2025-06-01T10:30:00Z", 2, 1500, "StopAuthorized", "Local", offline=True),
            "g3",
        ),
        ok(id_="g3"),
        up("StatusNotification", connector_status("Available", "2025-06-01T10:31:00Z"), "g4"),
        ok(id_="g4"),
        links={"cs": "up", "be": "down"},
        status16={"1": "Preparing"},
        status201={"1.1": "Occupied"},
        config={"offline_unknown_id": "accept"},
        next={"tx16": 1001, "tx201": [ID]},
    ),
    "a restart repeats the event that was out": scene(
        call("StartTransaction", START),
        up("TransactionEvent", started("2025-06-01T10:00:05Z", 1000)),
        {"leg": "gateway", "event": "kill-and-restart"},
        up("TransactionEvent", started("2025-06-01T10:00:05Z", 1000), "g2"),
        ok({"idTokenInfo": {"status": "Accepted"}}, "g2"),
        call("StartTransaction", START, "c2"),
        answered(ACCEPTED | {"transactionId": 1001}, "c2"),
        next={"tx16": 1001, "tx201": [ID]},
        losses=(("POSSIBLE_DUPLICATE", "TransactionEvent"),),
    ),
    "an error of the backend is absorbed and the event sent again": scene(
        call("StartTransaction", START),
        up("TransactionEvent", started("2025-06-01T10:00:05Z", 1000)),
        ("backend", [4, "g1", "InternalError", "db", {}]),
        answered(ACCEPTED | {"transactionId": 1001}),
        {"leg": "clock", "advance_ms": 30000},
        up("TransactionEvent", started("2025-06-01T10:00:05Z", 1000), "g2"),
        ok({"idTokenInfo": {"status": "Accepted"}}, "g2"),
        config={"offline_unknown_id": "accept", "tx_error": "absorb", "tx_retry_ms": 30000},
        next={"tx16": 1001, "tx201": [ID]},
        losses=(("BACKEND_ERROR", "TransactionEvent"),),
    ),
    "a remote start by alias, bound to its transaction": scene(
        wants(
            "RequestStartTransaction",
            {
                "remoteStartId": 77,
                "evseId": 1,
                "idToken": {"idToken": "d3b07384-d9a0-4f5c-9b1e-1234567890ab", "type": "Central"},
            },
        ),
        down("RemoteStartTransaction", {"connectorId": 1, "idTag": "GWOWHEH3FJU4Y57LZ7T6"}),
        says({"status": "Accepted"}),
        told({"status": "Accepted"}),
        call("StartTransaction", START | {"idTag": "GWOWHEH3FJU4Y57LZ7T6"}),
        up(
            "TransactionEvent",
            started(
                "2025-06-01T10:00:05Z",
                1000,
                "RemoteStart",
                info={"remoteStartId": 77},
                idToken={"idToken": "d3b07384-d9a0-4f5c-9b1e-1234567890ab", "type": "Central"},
            ),
            "g2",
        ),
        ok({"idTokenInfo": {"status": "Accepted"}}, "g2"),
        answered(ACCEPTED | {"transactionId": 1001}),
        next={"tx16": 1001, "tx201": [ID]},
        losses=(("TOKEN_ALIASED", "idToken"),),
    ),
    "the cable is pulled": scene(
        call(
            "StopTransaction",
            {"transactionId": 1001, "meterStop": 2000, "timestamp": AT, "reason": "EVDisconnected"},
        ),
        up("TransactionEvent", ended(AT, 1, 2000, "EVCommunicationLost", "EVDisconnected", "Idle")),
        ok(),
        answered({}),
        call(
            "StopTransaction",
            {"transactionId": 1001, "meterStop": 2000, "timestamp": AT, "reason": "EVDisconnected"},
            "c2",
        ),
        answered({}, "c2"),
        tx=[transaction()],
        losses=(("DUPLICATE", "StopTransaction"),),
    ),
    "a soft reset is an immediate one": scene(
        call(
            "StopTransaction",
            {"transactionId": 1001, "meterStop": 2000, "timestamp": AT, "reason": "SoftReset"},
        ),
        up("TransactionEvent", ended(AT, 1, 2000, "ResetCommand", "ImmediateReset")),
        ok(),
        answered({}),
        tx=[transaction()],
        losses=(("ENUM_NARROWED", "reason"),),
    ),
    "a stop of nothing goes nowhere": scene(
        call("StopTransaction", {"transactionId": 4711, "meterStop": 2000, "timestamp": AT}),
        answered({}),
        losses=(("ORPHAN_STOP", "transactionId"),),
    ),
    "a stop of nothing gets a start, if the operator wants": scene(
        call("StopTransaction", {"transactionId": 4711, "meterStop": 2000, "timestamp": AT}),
        up(
            "TransactionEvent",
            {
                "eventType": "Started",
                "timestamp": AT,
                "triggerReason": "Authorized",
                "seqNo": 0,
                "transactionInfo": {"transactionId": ID, "chargingState": "EVConnected"},
                "evse": {"id": 1, "connectorId": 1},
                "meterValue": [{"timestamp": AT, "sampledValue": [register(2000, "Transaction.Begin")]}],
                "offline": True,
            },
        ),
        ok(),
        up("TransactionEvent", ended(AT, 1, 2000, "StopAuthorized", "Local"), "g2"),
        ok(id_="g2"),
        answered({}),
        call("StopTransaction", {"transactionId": 4711, "meterStop": 2000, "timestamp": AT}, "c2"),
        answered({}, "c2"),
        config={"orphan_stop": "synthesise"},
        next={"tx201": [ID]},
        losses=(("SYNTHESIZED", "transactionId"), ("DUPLICATE", "StopTransaction")),
    ),
    "an error in 2.0.1's spelling": scene(
        call("Authorize", {"idTag": "MEMBER-1"}),
        up("Authorize", {"idToken": {"idToken": "MEMBER-1", "type": "Central"}}),
        ("backend", [4, "g1", "OccurrenceConstraintViolation", "no", {}]),
        ("to charger", [4, "c1", "OccurenceConstraintViolation", "no", {}]),
    ),
}

METERS = {
    "several instants are several events in order": scene(
        call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 1001,
                "meterValue": [
                    {"timestamp": "2025-06-01T10:10:00Z", "sampledValue": [{"value": "1300"}]},
                    {"timestamp": "2025-06-01T10:05:00Z", "sampledValue": [{"value": "1200"}]},
                    {
                        "timestamp": "2025-06-01T10:10:00Z",
                        "sampledValue": [{"value": "16,5", "measurand": "Current.Import", "phase": "L1"}],
                    },
                ],
            },
        ),
        up(
            "TransactionEvent",
            updated(
                "2025-06-01T10:05:00Z",
                1,
                "MeterValuePeriodic",
                meterValue=[{"timestamp": "2025-06-01T10:05:00Z", "sampledValue": [sample(1200)]}],
            ),
        ),
        ok(),
        up(
            "TransactionEvent",
            updated(
                "2025-06-01T10:10:00Z",
                2,
                "MeterValuePeriodic",
                meterValue=[
                    {
                        "timestamp": "2025-06-01T10:10:00Z",
                        "sampledValue": [
                            sample(1300),
                            sample(16.5, measurand="Current.Import", phase="L1", unitOfMeasure={"unit": "A"}),
                        ],
                    }
                ],
            ),
            "g2",
        ),
        ok(id_="g2"),
        answered({}),
        tx=[transaction()],
        after={"tx": [{"last_register_wh": 1300, "seq_next": 3}]},
    ),
    "units are written out": scene(
        call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 1001,
                "meterValue": [
                    {
                        "timestamp": AT,
                        "sampledValue": [
                            {"value": "1.2", "unit": "kWh", "context": "Sample.Clock"},
                            {"value": "50", "measurand": "Frequency", "unit": "Hertz"},
                            {"value": "0.98", "measurand": "Power.Factor"},
                            {"value": "20", "measurand": "Temperature", "unit": "Celcius"},
                            {"value": "80", "measurand": "SoC", "location": "EV"},
                        ],
                    }
                ],
            },
        ),
        up(
            "TransactionEvent",
            updated(
                AT,
                1,
                "MeterValueClock",
                meterValue=[
                    {
                        "timestamp": AT,
                        "sampledValue": [
                            sample(1.2, context="Sample.Clock", unitOfMeasure={"unit": "kWh"}),
                            sample(50, measurand="Frequency", unitOfMeasure={"unit": "Hz"}),
                            {"value": 0.98, "measurand": "Power.Factor"},
                            sample(80, measurand="SoC", location="EV", unitOfMeasure={"unit": "Percent"}),
                        ],
                    }
                ],
            ),
        ),
        ok(),
        answered({}),
        tx=[transaction()],
        losses=(("MEASURAND_DROPPED", "meterValue[0].sampledValue[3]"),),
    ),
    "a signature goes with its plain value": scene(
        call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 1001,
                "meterValue": [
                    {
                        "timestamp": AT,
                        "sampledValue": [
                            {"value": "1200", "context": "Transaction.Begin"},
                            {
                                "value": '{"signedMeterData":"AA==","signingMethod":"m",'
                                '"encodingMethod":"OCMF","publicKey":"k"}',
                                "context": "Transaction.Begin",
                                "format": "SignedData",
                            },
                        ],
                    }
                ],
            },
        ),
        up(
            "TransactionEvent",
            updated(
                AT,
                1,
                "SignedDataReceived",
                meterValue=[
                    {
                        "timestamp": AT,
                        "sampledValue": [
                            sample(
                                1200,
                                context="Transaction.Begin",
                                signedMeterValue={
                                    "signedMeterData": "AA==",
                                    "signingMethod": "m",
                                    "encodingMethod": "OCMF",
                                    "publicKey": "k",
                                },
                            )
                        ],
                    }
                ],
            ),
        ),
        ok(),
        answered({}),
        tx=[transaction()],
    ),
    "readings that were asked for are not the transaction's": scene(
        wants("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}}),
        down("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}),
        says({"status": "Accepted"}),
        told({"status": "Accepted"}),
        call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 1001,
                "meterValue": [{"timestamp": AT, "sampledValue": [{"value": "1"}]}],
            },
        ),
        up(
            "MeterValues", {"evseId": 1, "meterValue": [{"timestamp": AT, "sampledValue": [sample(1)]}]}, "g2"
        ),
        ok(id_="g2"),
        answered({}),
        tx=[transaction()],
    ),
}

COMMANDS = {
    "a fixed cable": scene(
        wants("UnlockConnector", {"evseId": 1, "connectorId": 1}),
        down("UnlockConnector", {"connectorId": 1}),
        says({"status": "NotSupported"}),
        told({"status": "UnlockFailed", "statusInfo": {"reasonCode": "FixedCable"}}),
    ),
    "a reset on idle waits for the last transaction": scene(
        wants("Reset", {"type": "OnIdle"}),
        told({"status": "Scheduled"}),
        call("StopTransaction", {"transactionId": 1001, "meterStop": 2000, "timestamp": AT}),
        up("TransactionEvent", ended(AT, 1, 2000, "StopAuthorized", "Local")),
        ok(),
        answered({}),
        down("Reset", {"type": "Soft"}, "g2"),
        says({"status": "Accepted"}, "g2"),
        tx=[transaction()],
        after={"pending_reset": {"type16": "Soft"}, "held_reset": None},
    ),
    "the worst of two connectors": scene(
        wants("ChangeAvailability", {"operationalStatus": "Operative", "evse": {"id": 1}}),
        down("ChangeAvailability", {"connectorId": 1, "type": "Operative"}),
        says({"status": "Accepted"}),
        down("ChangeAvailability", {"connectorId": 2, "type": "Operative"}, "g2"),
        says({"status": "Scheduled"}, "g2"),
        told({"status": "Scheduled"}),
        topology=[{"flat": 1, "evse": 1, "connector": 1}, {"flat": 2, "evse": 1, "connector": 2}],
    ),
    "no diagnostics": scene(
        wants(
            "GetLog",
            {"logType": "DiagnosticsLog", "requestId": 3, "log": {"remoteLocation": "ftp://example.com/"}},
        ),
        down("GetDiagnostics", {"location": "ftp://example.com/"}),
        says({}),
        told(refused("NotFound")),
        capabilities={"security_ext": "no"},
    ),
    "no security log": scene(
        wants(
            "GetLog",
            {"logType": "SecurityLog", "requestId": 3, "log": {"remoteLocation": "ftp://example.com/"}},
        ),
        told(refused("UnsupportedRequest")),
        capabilities={"security_ext": "no"},
        losses=(("NOT_SUPPORTED", "logType"),),
    ),
    "no local list": scene(
        wants("SendLocalList", {"versionNumber": 2, "updateType": "Full"}),
        down("SendLocalList", {"listVersion": 2, "updateType": "Full"}),
        says({"status": "NotSupported"}),
        told({"status": "Failed", "statusInfo": {"reasonCode": "UnsupportedRequest"}}),
        wants("GetLocalListVersion", {}, "b2"),
        down("GetLocalListVersion", {}, "g2"),
        says({"listVersion": -1}, "g2"),
        told({"versionNumber": 0}, "b2"),
    ),
    "limits are cut": scene(
        wants(
            "SetChargingProfile",
            {
                "evseId": 0,
                "chargingProfile": {
                    "id": 7,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "ChargingStationMaxProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": [
                        {
                            "id": 1,
                            "startSchedule": "2025-06-01T00:00:00Z",
                            "chargingRateUnit": "A",
                            "chargingSchedulePeriod": [
                                {"startPeriod": 0, "limit": 15.97, "numberPhases": 1, "phaseToUse": 2}
                            ],
                        }
                    ],
                },
            },
        ),
        down(
            "SetChargingProfile",
            {
                "connectorId": 0,
                "csChargingProfiles": {
                    "chargingProfileId": 7,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "ChargePointMaxProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": {
                        "startSchedule": "2025-06-01T00:00:00Z",
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 15.9, "numberPhases": 1}],
                    },
                },
            },
        ),
        says({"status": "Accepted"}),
        told({"status": "Accepted"}),
        after={"profiles": [{"id": 7, "evse": 0}]},
        losses=(
            ("VALUE_ROUNDED", "chargingProfile.chargingSchedule[0].chargingSchedulePeriod[0].limit"),
            ("FIELD_DROPPED", "chargingProfile.chargingSchedule[0].chargingSchedulePeriod[0].phaseToUse"),
        ),
    ),
    "a profile for a transaction nobody knows": scene(
        wants(
            "SetChargingProfile",
            {
                "evseId": 1,
                "chargingProfile": {
                    "id": 7,
                    "stackLevel": 0,
                    "chargingProfilePurpose": "TxProfile",
                    "chargingProfileKind": "Relative",
                    "transactionId": OTHER_ID,
                    "chargingSchedule": [
                        {
                            "id": 1,
                            "chargingRateUnit": "A",
                            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
                        }
                    ],
                },
            },
        ),
        told(refused("TxNotFound")),
        tx=[transaction()],
        losses=(("UNKNOWN_TX", "chargingProfile.transactionId"),),
    ),
    "a reservation of an EVSE": scene(
        wants(
            "ReserveNow",
            {
                "id": 61,
                "expiryDateTime": "2025-06-01T11:00:00Z",
                "evseId": 2,
                "idToken": TOKEN,
                "groupIdToken": {"idToken": "GRP", "type": "Central"},
            },
        ),
        down(
            "ReserveNow",
            {
                "connectorId": 2,
                "expiryDate": "2025-06-01T11:00:00Z",
                "idTag": "04A2B3C4D5E680",
                "parentIdTag": "GRP",
                "reservationId": 61,
            },
        ),
        says({"status": "Occupied"}),
        told({"status": "Occupied"}),
        topology=TWO,
        after={"reservations": []},
    ),
    "a reservation by connector type": scene(
        wants(
            "ReserveNow",
            {
                "id": 61,
                "expiryDateTime": "2025-06-01T11:00:00Z",
                "connectorType": "cType2",
                "idToken": TOKEN,
            },
        ),
        told(refused("UnsupportedParam")),
        losses=(("NOT_SUPPORTED", "connectorType"),),
    ),
    "a reset that is immediate": scene(
        wants("Reset", {"type": "Immediate"}),
        down("Reset", {"type": "Hard"}),
        says({"status": "Accepted"}),
        told({"status": "Accepted"}),
    ),
    "data that is no text": scene(
        wants("DataTransfer", {"vendorId": "V", "messageId": "m", "data": {"a": [1, "x"]}}),
        down("DataTransfer", {"vendorId": "V", "messageId": "m", "data": '{"a":[1,"x"]}'}),
        says({"status": "Accepted", "data": '{"b":2}'}),
        told({"status": "Accepted", "data": {"b": 2}}),
    ),
    "monitors are refused one by one": scene(
        wants(
            "SetVariableMonitoring",
            {
                "setMonitoringData": [
                    {
                        "value": 5,
                        "type": "UpperThreshold",
                        "severity": 4,
                        "component": {"name": "EVSE"},
                        "variable": {"name": "Power"},
                    }
                ]
            },
        ),
        told(
            {
                "setMonitoringResult": [
                    {
                        "status": "UnsupportedMonitorType",
                        "type": "UpperThreshold",
                        "severity": 4,
                        "component": {"name": "EVSE"},
                        "variable": {"name": "Power"},
                    }
                ]
            }
        ),
    ),
    "what is known of a transaction": scene(
        wants("GetTransactionStatus", {"transactionId": ID}),
        told({"ongoingIndicator": True, "messagesInQueue": False}),
        wants("GetTransactionStatus", {}, "b2"),
        told({"messagesInQueue": False}, "b2"),
        tx=[transaction()],
    ),
    "an interval that 1.6 does not have": scene(
        wants(
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "component": {"name": "SampledDataCtrlr"},
                        "variable": {"name": "TxUpdatedInterval"},
                        "attributeValue": "60",
                    },
                    {
                        "component": {"name": "SampledDataCtrlr"},
                        "variable": {"name": "TxEndedInterval"},
                        "attributeValue": "60",
                    },
                ]
            },
        ),
        down("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "60"}),
        says({"status": "Accepted"}),
        told(
            {
                "setVariableResult": [
                    {
                        "attributeStatus": "Accepted",
                        "component": {"name": "SampledDataCtrlr"},
                        "variable": {"name": "TxUpdatedInterval"},
                    },
                    {
                        "attributeStatus": "UnknownVariable",
                        "component": {"name": "SampledDataCtrlr"},
                        "variable": {"name": "TxEndedInterval"},
                    },
                ]
            }
        ),
    ),
    "features are variables": scene(
        wants(
            "GetVariables",
            {
                "getVariableData": [
                    {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "Available"}},
                    {"component": {"name": "ReservationCtrlr"}, "variable": {"name": "Available"}},
                ]
            },
        ),
        down("GetConfiguration", {"key": ["SupportedFeatureProfiles"]}),
        says(
            {
                "configurationKey": [
                    {"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core, SmartCharging"}
                ]
            }
        ),
        told(
            {
                "getVariableResult": [
                    {
                        "attributeStatus": "Accepted",
                        "component": {"name": "SmartChargingCtrlr"},
                        "variable": {"name": "Available"},
                        "attributeValue": "true",
                    },
                    {
                        "attributeStatus": "Accepted",
                        "component": {"name": "ReservationCtrlr"},
                        "variable": {"name": "Available"},
                        "attributeValue": "false",
                    },
                ]
            }
        ),
    ),
}

CERTIFICATES = {
    "a CSR that was asked for": scene(
        wants("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}),
        down("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}),
        says({"status": "Accepted"}),
        told({"status": "Accepted"}),
        call("SignCertificate", {"csr": "CSR"}),
        up("SignCertificate", {"csr": "CSR", "certificateType": "ChargingStationCertificate"}, "g2"),
        ok({"status": "Accepted"}, "g2"),
        answered({"status": "Accepted"}),
        config={"leg_certificates": "forward"},
        capabilities={"security_ext": "yes"},
    ),
    "no Plug & Charge": scene(
        wants("InstallCertificate", {"certificateType": "MORootCertificate", "certificate": PEM}),
        down(
            "DataTransfer",
            {
                "vendorId": PNC,
                "messageId": "InstallCertificate",
                "data": '{"certificateType":"MORootCertificate","certificate":"-----BEGIN CERTIFICATE-----\\n'
                'MIIB\\n-----END CERTIFICATE-----"}',
            },
        ),
        says({"status": "UnknownVendorId"}),
        told(refused("UnsupportedRequest")),
        after={"capabilities": {"pnc": "no"}},
    ),
    "one question becomes two": scene(
        wants(
            "GetInstalledCertificateIds",
            {"certificateType": ["ManufacturerRootCertificate", "V2GRootCertificate"]},
        ),
        down("GetInstalledCertificateIds", {"certificateType": "ManufacturerRootCertificate"}),
        says({"status": "Accepted", "certificateHashData": [HASHES]}),
        down(
            "DataTransfer",
            {
                "vendorId": PNC,
                "messageId": "GetInstalledCertificateIds",
                "data": '{"certificateType":["V2GRootCertificate"]}',
            },
            "g2",
        ),
        says({"status": "Accepted", "data": '{"status":"NotFound"}'}, "g2"),
        told(
            {
                "status": "Accepted",
                "certificateHashDataChain": [
                    {"certificateType": "ManufacturerRootCertificate", "certificateHashData": HASHES}
                ],
            }
        ),
        capabilities={"security_ext": "yes", "pnc": "yes"},
    ),
    "the charger's own, when they are the backend's business": scene(
        wants("CertificateSigned", {"certificateChain": PEM}),
        down("CertificateSigned", {"certificateChain": PEM}),
        says({"status": "Accepted"}),
        told({"status": "Accepted"}),
        wants("DeleteCertificate", {"certificateHashData": HASHES}, "b2"),
        down("DeleteCertificate", {"certificateHashData": HASHES}, "g2"),
        says({"status": "Failed"}, "g2"),
        told({"status": "Failed"}, "b2"),
        wants(
            "InstallCertificate", {"certificateType": "ManufacturerRootCertificate", "certificate": PEM}, "b3"
        ),
        down(
            "InstallCertificate", {"certificateType": "ManufacturerRootCertificate", "certificate": PEM}, "g3"
        ),
        says({"status": "Accepted"}, "g3"),
        told({"status": "Accepted"}, "b3"),
        config={"leg_certificates": "forward"},
        capabilities={"security_ext": "yes"},
    ),
    "what is not JSON inside": scene(
        call("DataTransfer", {"vendorId": PNC, "messageId": "Authorize", "data": "nope"}),
        answered({"status": "Rejected"}),
        call("DataTransfer", {"vendorId": PNC, "messageId": "Nope", "data": "{}"}, "c2"),
        answered({"status": "UnknownMessageId"}, "c2"),
        losses=(("PAYLOAD_INVALID", "data"),),
    ),
}

ALL = {**STATUSES, **TRANSACTIONS, **METERS, **COMMANDS, **CERTIFICATES}


@pytest.mark.parametrize("name", ALL)
def test_exchange(name):
    play(ALL[name])
