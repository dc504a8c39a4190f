"""What becomes of the messages of a 2.0.1 charger behind a 1.6 backend, and back: one conversation each."""

import json

import pytest

from gateway.translate.tokens import alias
from tests.translate.scenes import ID, TOKEN, scene
from tests.vectors.player import play

TAG = TOKEN["idToken"]
AT = "2025-06-01T10:00:05Z"
LATER = "2025-06-01T10:30:00Z"
IN_TX = {
    "id16": 501,
    "id201": ID,
    "flat": 1,
    "evse": 1,
    "connector": 1,
    "state": "active",
    "charging_state": "Charging",
    "status16": "Charging",
    "id_token": TOKEN,
    "id_tag": TAG,
    "meter_start_wh": 1000,
    "last_register_wh": 1000,
    "started_at": "2025-06-01T09:00:00Z",
    "has_charged": True,
    "authorized": True,
    "last_seq": 3,
}
BEFORE = IN_TX | {
    "id16": None,
    "state": "pre",
    "charging_state": "EVConnected",
    "status16": "Preparing",
    "id_token": None,
    "id_tag": None,
    "has_charged": False,
    "authorized": False,
    "last_seq": 0,
}
CHARGING = {"tx": [IN_TX], "status16": {"1": "Charging"}, "status201": {"1.1": "Occupied"}}
CONNECTED = {"tx": [BEFORE], "status16": {"1": "Preparing"}, "status201": {"1.1": "Occupied"}}


def down(*turns, **state):
    return scene(*turns, direction="cs2.0.1-be1.6", **state)


def charger(id_, action, payload):
    return ("charger", [2, id_, action, payload])


def backend(id_, action, payload):
    return ("backend", [2, id_, action, payload])


def event(kind, seq, at=AT, trigger="MeterValuePeriodic", state="", **members):
    info = {"transactionId": ID} | ({"chargingState": state} if state else {}) | members.pop("info", {})
    made = {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": trigger,
        "seqNo": seq,
        "transactionInfo": info,
    }
    return made | members


def wh(value, at=AT, **members):
    return {"timestamp": at, "sampledValue": [{"value": value} | members]}


def wh16(value, at=AT, **members):
    sample = {"value": str(value), "measurand": "Energy.Active.Import.Register", "unit": "Wh"} | members
    return {"timestamp": at, "sampledValue": [sample]}


def status16(status, at=AT, flat=1, **members):
    return {"connectorId": flat, "errorCode": "NoError", "status": status, "timestamp": at} | members


def end(
    id_="c1", seq=4, at=LATER, trigger="EVCommunicationLost", reason="EVDisconnected", state="Idle", **more
):
    info = {"stoppedReason": reason} if reason else {}
    return charger(id_, "TransactionEvent", event("Ended", seq, at, trigger, state, info=info, **more))


def stop(reason, meter=1000, at=LATER, **members):
    return {"transactionId": 501, "meterStop": meter, "timestamp": at, "reason": reason} | members


def set_variables(*items):
    return {
        "setVariableData": [
            {"component": {"name": c}, "variable": {"name": v}, "attributeValue": x} for c, v, x in items
        ]
    }


def variables_set(*items):
    return {
        "setVariableResult": [
            {"attributeStatus": s, "component": {"name": c}, "variable": {"name": v}} for c, v, s in items
        ]
    }


PNC = "org.openchargealliance.iso15118pnc"
LONG_TOKEN = {"idToken": "X" * 36, "type": "Central"}
CONTRACT = {
    "idToken": {"idToken": "DEABCC12345678", "type": "eMAID"},
    "iso15118CertificateHashData": [
        {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "a",
            "issuerKeyHash": "b",
            "serialNumber": "0a",
            "responderURL": "http://x",
        }
    ],
}


def tunnelled(action, payload):
    return {"vendorId": PNC, "messageId": action, "data": json.dumps(payload)}


FINISHED = [("to backend", [2, "g9", "StatusNotification", status16("Finishing", LATER)])]

SCENES = {
    "a heartbeat": down(
        charger("c1", "Heartbeat", {}),
        ("to backend", [2, "g1", "Heartbeat", {}]),
        ("backend", [3, "g1", {"currentTime": "2025-06-01T10:00:01Z"}]),
        ("to charger", [3, "c1", {"currentTime": "2025-06-01T10:00:01Z"}]),
    ),
    "an occupied connector without a transaction": down(
        charger(
            "c1",
            "StatusNotification",
            {"timestamp": AT, "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1},
        ),
        [
            ("to charger", [3, "c1", {}]),
            ("to backend", [2, "g1", "StatusNotification", status16("Preparing")]),
        ],
        ("backend", [3, "g1", {}]),
        status16={"1": "Available"},
    ),
    "no cable in time": down(
        end(seq=1, trigger="EVConnectTimeout", reason="Timeout", state="Idle"),
        ("to charger", [3, "c1", {}]),
        tx=[
            BEFORE
            | {
                "charging_state": "Idle",
                "id_token": TOKEN,
                "id_tag": TAG,
                "flat": 0,
                "evse": 0,
                "connector": 0,
            }
        ],
        status16={"1": "Available"},
        status201={"1.1": "Available"},
        after={"tx": [{"id201": ID, "state": "ended", "id16": None}]},
    ),
    "an end without register": down(
        end(),
        ("to backend", [2, "g1", "StopTransaction", stop("EVDisconnected", 1500)]),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        *FINISHED,
        ("backend", [3, "g9", {}]),
        losses=(("METER_STOP_ESTIMATED", "meterStop"),),
        **(CHARGING | {"tx": [IN_TX | {"last_register_wh": 1500}]}),
    ),
    "an end that does not come in time": down(
        charger(
            "c1",
            "TransactionEvent",
            event(
                "Updated",
                4,
                "2025-06-01T10:00:05Z",
                "StopAuthorized",
                "EVConnected",
                idToken=TOKEN,
                meterValue=[wh(1500)],
            ),
        ),
        (
            "to backend",
            [2, "g1", "MeterValues", {"connectorId": 1, "transactionId": 501, "meterValue": [wh16(1500)]}],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
        ("to backend", [2, "g2", "StatusNotification", status16("Finishing")]),
        ("backend", [3, "g2", {}]),
        {"leg": "clock", "advance_ms": 30000},
        ("to backend", [2, "g3", "StopTransaction", stop("Local", 1500, AT, idTag=TAG)]),
        ("backend", [3, "g3", {"idTagInfo": {"status": "Accepted"}}]),
        losses=(("SYN_IDTAGINFO", "idTokenInfo"),),
        **CHARGING,
        after={"tx": [{"id201": ID, "state": "ended"}]},
    ),
    "an end within the grace": down(
        charger(
            "c1", "TransactionEvent", event("Updated", 4, AT, "StopAuthorized", "EVConnected", idToken=TOKEN)
        ),
        [
            ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
            ("to backend", [2, "g1", "StatusNotification", status16("Finishing")]),
        ],
        ("backend", [3, "g1", {}]),
        {"leg": "clock", "advance_ms": 5000},
        end(
            "c2",
            5,
            "2025-06-01T10:00:10Z",
            meterValue=[wh(1600, "2025-06-01T10:00:10Z", context="Transaction.End")],
        ),
        (
            "to backend",
            [
                2,
                "g2",
                "StopTransaction",
                stop(
                    "EVDisconnected",
                    1600,
                    AT,
                    idTag=TAG,
                    transactionData=[wh16(1600, "2025-06-01T10:00:10Z", context="Transaction.End")],
                ),
            ],
        ),
        ("backend", [3, "g2", {"idTagInfo": {"status": "Accepted"}}]),
        ("to charger", [3, "c2", {}]),
        **CHARGING,
    ),
    "a start that the backend refuses": down(
        charger(
            "c1", "TransactionEvent", event("Updated", 1, AT, "Authorized", "EVConnected", idToken=TOKEN)
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "StartTransaction",
                {"connectorId": 1, "idTag": TAG, "meterStart": 1000, "timestamp": AT},
            ],
        ),
        ("backend", [3, "g1", {"idTagInfo": {"status": "Blocked"}, "transactionId": 501}]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Blocked"}}]),
        end(
            "c2",
            2,
            LATER,
            "Deauthorized",
            "DeAuthorized",
            "EVConnected",
            meterValue=[wh(1000, LATER, context="Transaction.End")],
        ),
        (
            "to backend",
            [
                2,
                "g2",
                "StopTransaction",
                stop("DeAuthorized", transactionData=[wh16(1000, LATER, context="Transaction.End")]),
            ],
        ),
        ("backend", [3, "g2", {}]),
        ("to charger", [3, "c2", {}]),
        *FINISHED,
        ("backend", [3, "g9", {}]),
        **CONNECTED,
    ),
    "an event that comes after the end": down(
        charger(
            "c1",
            "TransactionEvent",
            event("Updated", 3, "2025-06-01T09:50:00Z", meterValue=[wh(1400, "2025-06-01T09:50:00Z")]),
        ),
        (
            "to backend",
            [2, "g1", "MeterValues", {"connectorId": 1, "meterValue": [wh16(1400, "2025-06-01T09:50:00Z")]}],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        losses=(("OUT_OF_ORDER", "seqNo"),),
        tx=[
            IN_TX | {"state": "ended", "last_seq": 4, "charging_state": "Idle", "received": [[0, 2], [4, 4]]}
        ],
        status16={"1": "Available"},
    ),
    "the end of a transaction nobody knows": down(
        end(idToken=TOKEN, meterValue=[wh(5000, LATER, context="Transaction.End")]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
        losses=(("TX_STATE_LOST", "transactionInfo.transactionId"),),
        status16={"1": "Available"},
    ),
    "a session that happened offline": down(
        charger(
            "c1",
            "TransactionEvent",
            event(
                "Started",
                0,
                "2025-06-01T07:00:00Z",
                "Authorized",
                "Charging",
                offline=True,
                idToken=TOKEN,
                evse={"id": 1, "connectorId": 1},
                meterValue=[wh(500, "2025-06-01T07:00:00Z", context="Transaction.Begin")],
            ),
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "StartTransaction",
                {"connectorId": 1, "idTag": TAG, "meterStart": 500, "timestamp": "2025-06-01T07:00:00Z"},
            ],
        ),
        ("backend", [3, "g1", {"idTagInfo": {"status": "Accepted"}, "transactionId": 501}]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
        ("to backend", [2, "g2", "StatusNotification", status16("Charging", "2025-06-01T07:00:00Z")]),
        ("backend", [3, "g2", {}]),
        end(
            "c2",
            1,
            "2025-06-01T08:00:00Z",
            "StopAuthorized",
            "Local",
            "EVConnected",
            offline=True,
            idToken=TOKEN,
            meterValue=[wh(9500, "2025-06-01T08:00:00Z", context="Transaction.End")],
        ),
        (
            "to backend",
            [
                2,
                "g3",
                "StopTransaction",
                stop(
                    "Local",
                    9500,
                    "2025-06-01T08:00:00Z",
                    idTag=TAG,
                    transactionData=[wh16(9500, "2025-06-01T08:00:00Z", context="Transaction.End")],
                ),
            ],
        ),
        ("backend", [3, "g3", {"idTagInfo": {"status": "Accepted"}}]),
        ("to charger", [3, "c2", {"idTokenInfo": {"status": "Accepted"}}]),
        ("to backend", [2, "g4", "StatusNotification", status16("Finishing", "2025-06-01T08:00:00Z")]),
        ("backend", [3, "g4", {}]),
        losses=(("OFFLINE_FLAG_LOST", "offline"),),
        status16={"1": "Available"},
    ),
    "a remote start of a transaction that is there": down(
        backend("b1", "RemoteStartTransaction", {"connectorId": 1, "idTag": TAG}),
        (
            "to charger",
            [2, "g1", "RequestStartTransaction", {"remoteStartId": 9001, "idToken": TOKEN, "evseId": 1}],
        ),
        ("charger", [3, "g1", {"status": "Accepted", "transactionId": ID}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        charger(
            "c1",
            "TransactionEvent",
            event(
                "Updated", 1, AT, "RemoteStart", "EVConnected", idToken=TOKEN, info={"remoteStartId": 9001}
            ),
        ),
        (
            "to backend",
            [
                2,
                "g2",
                "StartTransaction",
                {"connectorId": 1, "idTag": TAG, "meterStart": 1000, "timestamp": AT},
            ],
        ),
        ("backend", [3, "g2", {"idTagInfo": {"status": "Accepted"}, "transactionId": 501}]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
        next={"remote_start_id": 9001},
        **CONNECTED,
    ),
    "a remote stop of nothing": down(
        backend("b1", "RemoteStopTransaction", {"transactionId": 999}),
        ("to backend", [3, "b1", {"status": "Rejected"}]),
        losses=(("UNKNOWN_TX", "transactionId"),),
    ),
    "a soft reset without a transaction": down(
        backend("b1", "Reset", {"type": "Soft"}),
        ("to charger", [2, "g1", "Reset", {"type": "OnIdle"}]),
        ("charger", [3, "g1", {"status": "Scheduled"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
    ),
    "one key for two variables": down(
        backend("b1", "ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "60"}),
        (
            "to charger",
            [
                2,
                "g1",
                "SetVariables",
                set_variables(
                    ("SampledDataCtrlr", "TxUpdatedInterval", "60"),
                    ("SampledDataCtrlr", "TxEndedInterval", "60"),
                ),
            ],
        ),
        (
            "charger",
            [
                3,
                "g1",
                variables_set(
                    ("SampledDataCtrlr", "TxUpdatedInterval", "Accepted"),
                    ("SampledDataCtrlr", "TxEndedInterval", "RebootRequired"),
                ),
            ],
        ),
        ("to backend", [3, "b1", {"status": "RebootRequired"}]),
    ),
    "a key nobody knows": down(
        backend("b1", "ChangeConfiguration", {"key": "BlinkRepeat", "value": "3"}),
        ("to backend", [3, "b1", {"status": "NotSupported"}]),
        backend("b2", "ChangeConfiguration", {"key": "AcmeMagic", "value": "3"}),
        ("to backend", [3, "b2", {"status": "NotSupported"}]),
    ),
    "the password of the backend's own link": down(
        backend(
            "b1",
            "ChangeConfiguration",
            {"key": "AuthorizationKey", "value": "6162636465666768696a6b6c6d6e6f70"},
        ),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        losses=(("LEG_SCOPED", "AuthorizationKey"),),
    ),
    "diagnostics": down(
        backend(
            "b1",
            "GetDiagnostics",
            {"location": "ftp://x/y", "retries": 2, "retryInterval": 30, "startTime": AT, "stopTime": LATER},
        ),
        (
            "to charger",
            [
                2,
                "g1",
                "GetLog",
                {
                    "logType": "DiagnosticsLog",
                    "requestId": 801,
                    "retries": 2,
                    "retryInterval": 30,
                    "log": {"remoteLocation": "ftp://x/y", "oldestTimestamp": AT, "latestTimestamp": LATER},
                },
            ],
        ),
        ("charger", [3, "g1", {"status": "Accepted", "filename": "d.zip"}]),
        ("to backend", [3, "b1", {"fileName": "d.zip"}]),
        charger("c1", "LogStatusNotification", {"status": "Uploading", "requestId": 801}),
        ("to backend", [2, "g2", "DiagnosticsStatusNotification", {"status": "Uploading"}]),
        ("backend", [3, "g2", {}]),
        ("to charger", [3, "c1", {}]),
        charger("c2", "LogStatusNotification", {"status": "Uploaded", "requestId": 7}),
        ("to charger", [3, "c2", {}]),
        charger("c3", "LogStatusNotification", {"status": "PermissionDenied", "requestId": 801}),
        ("to backend", [2, "g3", "DiagnosticsStatusNotification", {"status": "UploadFailed"}]),
        ("backend", [3, "g3", {}]),
        ("to charger", [3, "c3", {}]),
        losses=(("ENUM_NARROWED", "status"),),
        next={"request_id": 801},
        capabilities={"be_security_ext": "no"},
    ),
    "a firmware update that is refused": down(
        backend("b1", "UpdateFirmware", {"location": "https://x/fw", "retrieveDate": LATER}),
        (
            "to charger",
            [
                2,
                "g1",
                "UpdateFirmware",
                {"requestId": 802, "firmware": {"location": "https://x/fw", "retrieveDateTime": LATER}},
            ],
        ),
        ("charger", [3, "g1", {"status": "Rejected"}]),
        ("to backend", [3, "b1", {}]),
        ("to backend", [2, "g2", "FirmwareStatusNotification", {"status": "DownloadFailed"}]),
        ("backend", [3, "g2", {}]),
        next={"request_id": 802},
    ),
    "a composite schedule": down(
        backend("b1", "GetCompositeSchedule", {"connectorId": 1, "duration": 3600, "chargingRateUnit": "A"}),
        (
            "to charger",
            [2, "g1", "GetCompositeSchedule", {"evseId": 1, "duration": 3600, "chargingRateUnit": "A"}],
        ),
        (
            "charger",
            [
                3,
                "g1",
                {
                    "status": "Accepted",
                    "schedule": {
                        "evseId": 1,
                        "duration": 3600,
                        "scheduleStart": AT,
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [
                            {"startPeriod": 0, "limit": 16.27, "numberPhases": 1, "phaseToUse": 2},
                        ],
                    },
                },
            ],
        ),
        (
            "to backend",
            [
                3,
                "b1",
                {
                    "status": "Accepted",
                    "connectorId": 1,
                    "scheduleStart": AT,
                    "chargingSchedule": {
                        "duration": 3600,
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.2, "numberPhases": 1}],
                    },
                },
            ],
        ),
        losses=(
            ("VALUE_ROUNDED", "schedule.chargingSchedulePeriod[0].limit"),
            ("FIELD_DROPPED", "schedule.chargingSchedulePeriod[0].phaseToUse"),
        ),
    ),
    "a profile without transaction or start": down(
        backend(
            "b1",
            "SetChargingProfile",
            {
                "connectorId": 1,
                "csChargingProfiles": {
                    "chargingProfileId": 7,
                    "stackLevel": 1,
                    "chargingProfilePurpose": "TxProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": {
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
                    },
                },
            },
        ),
        (
            "to charger",
            [
                2,
                "g1",
                "SetChargingProfile",
                {
                    "evseId": 1,
                    "chargingProfile": {
                        "id": 7,
                        "stackLevel": 1,
                        "chargingProfilePurpose": "TxProfile",
                        "transactionId": ID,
                        "chargingProfileKind": "Absolute",
                        "chargingSchedule": [
                            {
                                "id": 7,
                                "startSchedule": "2025-06-01T10:00:00.000Z",
                                "chargingRateUnit": "A",
                                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
                            }
                        ],
                    },
                },
            ],
        ),
        ("charger", [3, "g1", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        losses=(("SYNTHESIZED", "chargingProfile.chargingSchedule[0].startSchedule"),),
        **CHARGING,
    ),
    "a reservation cancelled": down(
        backend("b1", "CancelReservation", {"reservationId": 12}),
        ("to charger", [2, "g1", "CancelReservation", {"reservationId": 12}]),
        ("charger", [3, "g1", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
    ),
    "every connector's status": down(
        backend("b1", "TriggerMessage", {"requestedMessage": "StatusNotification"}),
        (
            "to charger",
            [
                2,
                "g1",
                "TriggerMessage",
                {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 1}},
            ],
        ),
        ("charger", [3, "g1", {"status": "Accepted"}]),
        (
            "to charger",
            [
                2,
                "g2",
                "TriggerMessage",
                {"requestedMessage": "StatusNotification", "evse": {"id": 2, "connectorId": 1}},
            ],
        ),
        ("charger", [3, "g2", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        ("to backend", [2, "g3", "StatusNotification", status16("Available", "2025-06-01T10:00:00.000Z", 0)]),
        ("backend", [3, "g3", {}]),
        charger(
            "c1",
            "StatusNotification",
            {"timestamp": AT, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        ),
        [
            ("to charger", [3, "c1", {}]),
            ("to backend", [2, "g4", "StatusNotification", status16("Available")]),
        ],
        ("backend", [3, "g4", {}]),
        topology=[{"flat": 1, "evse": 1, "connector": 1}, {"flat": 2, "evse": 2, "connector": 1}],
        status16={"0": "Available", "1": "Available", "2": "Available"},
        status201={"1.1": "Available", "2.1": "Available"},
    ),
    "readings of a transaction, asked for": down(
        backend("b1", "TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}),
        ("to charger", [2, "g1", "TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}}]),
        ("charger", [3, "g1", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        charger("c1", "MeterValues", {"evseId": 1, "meterValue": [wh(1500, context="Trigger")]}),
        (
            "to backend",
            [
                2,
                "g2",
                "MeterValues",
                {"connectorId": 1, "transactionId": 501, "meterValue": [wh16(1500, context="Trigger")]},
            ],
        ),
        ("backend", [3, "g2", {}]),
        ("to charger", [3, "c1", {}]),
        losses=(("SYNTHESIZED", "transactionId"),),
        **CHARGING,
    ),
    "the needs of a vehicle": down(
        charger(
            "c1",
            "NotifyEVChargingNeeds",
            {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase"}},
        ),
        (
            "to charger",
            [3, "c1", {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}}],
        ),
        losses=(("NOT_SUPPORTED", "NotifyEVChargingNeeds"),),
    ),
    "a security event for an old backend": down(
        charger("c1", "SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": AT}),
        ("to charger", [3, "c1", {}]),
        losses=(("NOT_SUPPORTED", "SecurityEventNotification"),),
        capabilities={"be_security_ext": "no"},
    ),
    "measurands that 1.6 does not know": down(
        charger(
            "c1",
            "TransactionEvent",
            event(
                "Updated",
                4,
                meterValue=[
                    {"timestamp": AT, "sampledValue": [{"value": 1, "measurand": "Energy.Apparent.Import"}]},
                    {
                        "timestamp": LATER,
                        "sampledValue": [
                            {"value": 2, "measurand": "Energy.Active.Net"},
                            {"value": 230, "measurand": "Voltage"},
                        ],
                    },
                ],
            ),
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "MeterValues",
                {
                    "connectorId": 1,
                    "transactionId": 501,
                    "meterValue": [
                        {"timestamp": LATER, "sampledValue": [{"value": "230", "measurand": "Voltage"}]}
                    ],
                },
            ],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        charger(
            "c2",
            "TransactionEvent",
            event(
                "Updated",
                5,
                meterValue=[
                    {"timestamp": AT, "sampledValue": [{"value": 1, "measurand": "Energy.Active.Net"}]}
                ],
            ),
        ),
        ("to charger", [3, "c2", {}]),
        losses=(("MEASURAND_DROPPED", "meterValue[0].sampledValue[0]"),),
        **CHARGING,
    ),
    "Available before the end": down(
        charger(
            "c1",
            "StatusNotification",
            {"timestamp": LATER, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        ),
        ("to charger", [3, "c1", {}]),
        end("c2", meterValue=[wh(2000, LATER, context="Transaction.End")]),
        (
            "to backend",
            [
                2,
                "g1",
                "StopTransaction",
                stop("EVDisconnected", 2000, transactionData=[wh16(2000, LATER, context="Transaction.End")]),
            ],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c2", {}]),
        ("to backend", [2, "g2", "StatusNotification", status16("Available", LATER)]),
        ("backend", [3, "g2", {}]),
        **CHARGING,
    ),
    "an extended trigger": down(
        backend("b1", "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}),
        ("to charger", [2, "g1", "TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}]),
        ("charger", [3, "g1", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        backend("b2", "ExtendedTriggerMessage", {"requestedMessage": "LogStatusNotification"}),
        ("to charger", [2, "g2", "TriggerMessage", {"requestedMessage": "LogStatusNotification"}]),
        ("charger", [3, "g2", {"status": "NotImplemented"}]),
        ("to backend", [3, "b2", {"status": "NotImplemented"}]),
    ),
    "the main meter": down(
        charger("c1", "MeterValues", {"evseId": 0, "meterValue": [wh(99000, context="Sample.Clock")]}),
        (
            "to backend",
            [2, "g1", "MeterValues", {"connectorId": 0, "meterValue": [wh16(99000, context="Sample.Clock")]}],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        **CHARGING,
    ),
    "a vehicle unplugged amid a transaction": down(
        charger("c1", "TransactionEvent", event("Updated", 4, AT, "EVCommunicationLost", "Idle")),
        [
            ("to charger", [3, "c1", {}]),
            (
                "to backend",
                [2, "g1", "StatusNotification", status16("SuspendedEV", info="EV side disconnected")],
            ),
        ],
        ("backend", [3, "g1", {}]),
        charger("c2", "TransactionEvent", event("Updated", 5, LATER, "ChargingStateChanged", "Charging")),
        [
            ("to charger", [3, "c2", {}]),
            ("to backend", [2, "g2", "StatusNotification", status16("Charging", LATER)]),
        ],
        ("backend", [3, "g2", {}]),
        **CHARGING,
    ),
    "a log in its own words": down(
        backend(
            "b1", "GetLog", {"logType": "SecurityLog", "requestId": 5, "log": {"remoteLocation": "ftp://x/y"}}
        ),
        (
            "to charger",
            [
                2,
                "g1",
                "GetLog",
                {"logType": "SecurityLog", "requestId": 5, "log": {"remoteLocation": "ftp://x/y"}},
            ],
        ),
        (
            "charger",
            [3, "g1", {"status": "AcceptedCanceled", "filename": "s.log", "statusInfo": {"reasonCode": "X"}}],
        ),
        ("to backend", [3, "b1", {"status": "AcceptedCanceled", "filename": "s.log"}]),
        charger("c1", "LogStatusNotification", {"status": "AcceptedCanceled", "requestId": 4}),
        ("to backend", [2, "g2", "LogStatusNotification", {"status": "UploadFailure", "requestId": 4}]),
        ("backend", [3, "g2", {}]),
        ("to charger", [3, "c1", {}]),
        losses=(("ENUM_NARROWED", "status"), ("STATUSINFO_DROPPED", "statusInfo")),
        capabilities={"be_security_ext": "yes"},
    ),
    "an answer without a word on the token": down(
        end(
            idToken=TOKEN,
            trigger="StopAuthorized",
            reason="Local",
            state="EVConnected",
            meterValue=[wh(2000, LATER, context="Transaction.End")],
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "StopTransaction",
                stop(
                    "Local", 2000, idTag=TAG, transactionData=[wh16(2000, LATER, context="Transaction.End")]
                ),
            ],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
        *FINISHED,
        ("backend", [3, "g9", {}]),
        losses=(("SYN_IDTAGINFO", "idTokenInfo"),),
        **CHARGING,
    ),
    "the only EVSE that waits": down(
        backend("b1", "RemoteStartTransaction", {"idTag": TAG}),
        (
            "to charger",
            [2, "g1", "RequestStartTransaction", {"remoteStartId": 9001, "idToken": TOKEN, "evseId": 2}],
        ),
        ("charger", [3, "g1", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        topology=[{"flat": 1, "evse": 1, "connector": 1}, {"flat": 2, "evse": 2, "connector": 1}],
        status16={"1": "Available", "2": "Preparing"},
        status201={"1.1": "Available", "2.1": "Occupied"},
        next={"remote_start_id": 9001},
    ),
    "a cache cleared": down(
        backend("b1", "ClearCache", {}),
        ("to charger", [2, "g1", "ClearCache", {}]),
        ("charger", [3, "g1", {"status": "Rejected", "statusInfo": {"reasonCode": "NotEnabled"}}]),
        ("to backend", [3, "b1", {"status": "Rejected"}]),
        losses=(("STATUSINFO_DROPPED", "statusInfo"),),
    ),
    "a token of 36 characters": down(
        charger("c1", "Authorize", {"idToken": {"idToken": LONG_TOKEN["idToken"], "type": "Central"}}),
        ("to backend", [2, "g1", "Authorize", {"idTag": alias(LONG_TOKEN)}]),
        ("backend", [3, "g1", {"idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET"}}]),
        (
            "to charger",
            [
                3,
                "c1",
                {
                    "idTokenInfo": {
                        "status": "Accepted",
                        "groupIdToken": {"idToken": "FLEET", "type": "Central"},
                    }
                },
            ],
        ),
        losses=(("TOKEN_ALIASED", "idToken"),),
    ),
    "a contract, asked about inside": down(
        charger("c1", "Authorize", CONTRACT),
        ("to backend", [2, "g1", "DataTransfer", tunnelled("Authorize", CONTRACT)]),
        (
            "backend",
            [
                3,
                "g1",
                {
                    "status": "Accepted",
                    "data": '{"idTokenInfo":{"status":"Accepted"},"certificateStatus":"Accepted"}',
                },
            ],
        ),
        (
            "to charger",
            [3, "c1", {"idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"}],
        ),
        capabilities={"be_pnc": "yes"},
    ),
    "a certificate of the vehicle's side, there and back": down(
        charger("c1", "SignCertificate", {"csr": "CSR", "certificateType": "V2GCertificate"}),
        (
            "to backend",
            [
                2,
                "g1",
                "DataTransfer",
                tunnelled("SignCertificate", {"csr": "CSR", "certificateType": "V2GCertificate"}),
            ],
        ),
        ("backend", [3, "g1", {"status": "Accepted", "data": '{"status":"Accepted"}'}]),
        ("to charger", [3, "c1", {"status": "Accepted"}]),
        backend(
            "b1",
            "DataTransfer",
            tunnelled(
                "CertificateSigned", {"certificateChain": "CHAIN", "certificateType": "V2GCertificate"}
            ),
        ),
        (
            "to charger",
            [
                2,
                "g2",
                "CertificateSigned",
                {"certificateChain": "CHAIN", "certificateType": "V2GCertificate"},
            ],
        ),
        ("charger", [3, "g2", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted", "data": '{"status":"Accepted"}'}]),
        capabilities={"be_pnc": "yes"},
    ),
    "a charger that is not known yet": down(
        charger(
            "c1",
            "BootNotification",
            {
                "reason": "PowerUp",
                "chargingStation": {"model": "M", "vendorName": "V", "firmwareVersion": "1"},
            },
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "BootNotification",
                {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1"},
            ],
        ),
        ("backend", [3, "g1", {"status": "Accepted", "currentTime": AT, "interval": 300}]),
        ("to charger", [3, "c1", {"status": "Accepted", "currentTime": AT, "interval": 300}]),
        ("to charger", [2, "g2", "GetBaseReport", {"requestId": 900, "reportBase": "FullInventory"}]),
        ("charger", [3, "g2", {"status": "Accepted"}]),
        charger(
            "c2",
            "NotifyReport",
            {
                "requestId": 900,
                "generatedAt": AT,
                "seqNo": 0,
                "reportData": [
                    {
                        "component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
                        "variable": {"name": "Available"},
                        "variableAttribute": [{"value": "true"}],
                    },
                    {
                        "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
                        "variable": {"name": "Available"},
                        "variableAttribute": [{"value": "true"}],
                    },
                ],
            },
        ),
        ("to charger", [3, "c2", {}]),
        (
            "to backend",
            [2, "g3", "StatusNotification", status16("Available", "2025-06-01T10:00:00.000Z", 0)],
        ),
        ("backend", [3, "g3", {}]),
        charger(
            "c3",
            "StatusNotification",
            {"timestamp": AT, "connectorStatus": "Available", "evseId": 2, "connectorId": 1},
        ),
        [
            ("to charger", [3, "c3", {}]),
            ("to backend", [2, "g4", "StatusNotification", status16("Available", AT, 2)]),
        ],
        ("backend", [3, "g4", {}]),
        topology=[],
        registration="Unknown",
        next={"request_id": 900},
    ),
}

REASONS = {
    "EnergyLimitReached": "Other",
    "GroundFault": "Other",
    "LocalOutOfCredit": "Other",
    "OvercurrentFault": "Other",
    "PowerQuality": "Other",
    "SOCLimitReached": "Other",
    "StoppedByEV": "Other",
    "TimeLimitReached": "Other",
    "Timeout": "Other",
    "MasterPass": "Local",
    "ImmediateReset": "HardReset",
    "": "Local",
}


@pytest.mark.parametrize("name", SCENES)
def test_conversation(name):
    play(SCENES[name])


@pytest.mark.parametrize(("reason", "told"), REASONS.items())
def test_a_reason_that_1_6_does_not_know(reason, told):
    conversation = down(
        end(reason=reason, meterValue=[wh(2000, LATER, context="Transaction.End")]),
        (
            "to backend",
            [
                2,
                "g1",
                "StopTransaction",
                stop(told, 2000, transactionData=[wh16(2000, LATER, context="Transaction.End")]),
            ],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        *FINISHED,
        ("backend", [3, "g9", {}]),
        losses=(("ENUM_NARROWED", "transactionInfo.stoppedReason"),) if reason else (),
        **CHARGING,
    )
    play(conversation)
