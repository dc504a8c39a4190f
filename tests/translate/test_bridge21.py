"""What becomes of messages between 2.1 and 2.0.1: one conversation each."""

import pytest

from gateway.translate.tokens import alias
from tests.translate.scenes import ID, TOKEN, scene
from tests.vectors.player import play

LONG = "X" * 200
ALIAS = alias({"idToken": LONG, "type": "Central"})
DYNAMIC = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Dynamic",
    "chargingSchedule": [
        {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}]}
    ],
}
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": "0a"}
ABSOLUTE = DYNAMIC | {
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [DYNAMIC["chargingSchedule"][0] | {"startSchedule": "2025-06-01T10:00:00Z"}],
}


def monitor(kind, **more):
    where = {"component": {"name": "A"}, "variable": {"name": "B"}}
    return {"value": 1.0, "type": kind, "severity": 5} | where | more


def variable(name, value):
    return {"component": {"name": "A"}, "variable": {"name": name}, "attributeValue": value}


SCENES = {
    "a kind of token that 2.0.1 does not have": scene(
        ("charger", [2, "c1", "Authorize", {"idToken": {"idToken": "PAY-1", "type": "DirectPayment"}}]),
        ("to backend", [2, "g1", "Authorize", {"idToken": {"idToken": "PAY-1", "type": "Central"}}]),
        ("backend", [3, "g1", {"idTokenInfo": {"status": "Accepted"}}]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
        (
            "backend",
            [
                2,
                "b1",
                "RequestStartTransaction",
                {"remoteStartId": 1, "evseId": 1, "idToken": {"idToken": "PAY-1", "type": "Central"}},
            ],
        ),
        (
            "to charger",
            [
                2,
                "g2",
                "RequestStartTransaction",
                {"remoteStartId": 1, "evseId": 1, "idToken": {"idToken": "PAY-1", "type": "DirectPayment"}},
            ],
        ),
        ("charger", [3, "g2", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        direction="cs2.1-be2.0.1",
        losses=(("ENUM_NARROWED", "idToken.type"),),
    ),
    "a token of 200 characters": scene(
        ("charger", [2, "c1", "Authorize", {"idToken": {"idToken": LONG, "type": "Central"}}]),
        ("to backend", [2, "g1", "Authorize", {"idToken": {"idToken": ALIAS, "type": "Central"}}]),
        ("backend", [3, "g1", {"idTokenInfo": {"status": "Accepted"}}]),
        ("to charger", [3, "c1", {"idTokenInfo": {"status": "Accepted"}}]),
        (
            "backend",
            [
                2,
                "b1",
                "RequestStartTransaction",
                {"remoteStartId": 1, "evseId": 1, "idToken": {"idToken": ALIAS, "type": "Central"}},
            ],
        ),
        (
            "to charger",
            [
                2,
                "g2",
                "RequestStartTransaction",
                {"remoteStartId": 1, "evseId": 1, "idToken": {"idToken": LONG, "type": "Central"}},
            ],
        ),
        ("charger", [3, "g2", {"status": "Accepted"}]),
        ("to backend", [3, "b1", {"status": "Accepted"}]),
        direction="cs2.1-be2.0.1",
        losses=(("TOKEN_ALIASED", "idToken"),),
    ),
    "monitors of a kind that 2.0.1 does not have": scene(
        (
            "charger",
            [
                2,
                "c1",
                "NotifyMonitoringReport",
                {
                    "requestId": 1,
                    "seqNo": 0,
                    "generatedAt": "2025-06-01T10:00:00Z",
                    "monitor": [
                        {
                            "component": {"name": "A"},
                            "variable": {"name": "B"},
                            "variableMonitoring": [
                                {
                                    "id": 1,
                                    "transaction": False,
                                    "value": 1.0,
                                    "type": "UpperThreshold",
                                    "severity": 5,
                                    "eventNotificationType": "CustomMonitor",
                                },
                                {
                                    "id": 2,
                                    "transaction": False,
                                    "value": 1.0,
                                    "type": "TargetDelta",
                                    "severity": 5,
                                    "eventNotificationType": "CustomMonitor",
                                },
                            ],
                        }
                    ],
                },
            ],
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "NotifyMonitoringReport",
                {
                    "requestId": 1,
                    "seqNo": 0,
                    "generatedAt": "2025-06-01T10:00:00Z",
                    "monitor": [
                        {
                            "component": {"name": "A"},
                            "variable": {"name": "B"},
                            "variableMonitoring": [
                                {
                                    "id": 1,
                                    "transaction": False,
                                    "value": 1.0,
                                    "type": "UpperThreshold",
                                    "severity": 5,
                                }
                            ],
                        }
                    ],
                },
            ],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        direction="cs2.1-be2.0.1",
        losses=(("FIELD_DROPPED", "monitor[0].variableMonitoring[0].eventNotificationType"),),
    ),
    "commands that 2.0.1 does not have": scene(
        ("backend", [2, "b1", "SetChargingProfile", {"evseId": 1, "chargingProfile": DYNAMIC}]),
        ("to backend", [3, "b1", {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}}]),
        ("backend", [2, "b2", "Reset", {"type": "ImmediateAndResume"}]),
        ("to backend", [3, "b2", {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}}]),
        ("backend", [2, "b3", "GetTariffs", {"evseId": 1}]),
        ("to backend", [3, "b3", {"status": "NoTariff", "statusInfo": {"reasonCode": "UnsupportedRequest"}}]),
        (
            "backend",
            [2, "b4", "SetDERControl", {"isDefault": True, "controlId": "x", "controlType": "EnterService"}],
        ),
        (
            "to backend",
            [3, "b4", {"status": "NotSupported", "statusInfo": {"reasonCode": "UnsupportedRequest"}}],
        ),
        ("backend", [2, "b5", "ClearTariffs", {}]),
        ("to backend", [3, "b5", {"clearTariffsResult": [{"status": "NoTariff"}]}]),
        direction="cs2.0.1-be2.1",
    ),
    "a message without answer": scene(
        (
            "charger",
            [
                2,
                "c1",
                "OpenPeriodicEventStream",
                {
                    "constantStreamData": {
                        "id": 1,
                        "variableMonitoringId": 1,
                        "params": {"interval": 1, "values": 1},
                    }
                },
            ],
        ),
        ("to charger", [3, "c1", {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}}]),
        (
            "charger",
            [
                6,
                "c2",
                "NotifyPeriodicEventStream",
                {"id": 1, "pending": 0, "basetime": "2025-06-01T10:00:00Z", "data": [{"t": 0, "v": "1"}]},
            ],
        ),
        direction="cs2.1-be2.0.1",
        losses=(("FRAME_DROPPED", "NotifyPeriodicEventStream"),),
    ),
    "the status of a certificate chain": scene(
        (
            "charger",
            [
                2,
                "c1",
                "GetCertificateChainStatus",
                {
                    "certificateStatusRequests": [
                        {"certificateHashData": HASH, "source": "OCSP", "urls": ["http://x"]}
                    ]
                },
            ],
        ),
        (
            "to charger",
            [
                3,
                "c1",
                {
                    "certificateStatus": [
                        {
                            "certificateHashData": HASH,
                            "source": "OCSP",
                            "status": "Failed",
                            "nextUpdate": "2025-06-01T10:00:00.000Z",
                        }
                    ]
                },
            ],
        ),
        direction="cs2.1-be2.0.1",
        losses=(("NOT_SUPPORTED", "GetCertificateChainStatus"),),
    ),
    "an EVSE that 2.1 does not have": scene(
        (
            "backend",
            [2, "b1", "RequestStartTransaction", {"remoteStartId": 1, "evseId": 0, "idToken": TOKEN}],
        ),
        ("to backend", [3, "b1", {"status": "Rejected", "statusInfo": {"reasonCode": "UnknownEvse"}}]),
        direction="cs2.1-be2.0.1",
    ),
    "a limit of a transaction": scene(
        (
            "charger",
            [
                2,
                "c1",
                "TransactionEvent",
                {
                    "eventType": "Updated",
                    "timestamp": "2025-06-01T10:00:05Z",
                    "triggerReason": "MeterValuePeriodic",
                    "seqNo": 1,
                    "transactionInfo": {"transactionId": ID},
                },
            ],
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "TransactionEvent",
                {
                    "eventType": "Updated",
                    "timestamp": "2025-06-01T10:00:05Z",
                    "triggerReason": "MeterValuePeriodic",
                    "seqNo": 1,
                    "transactionInfo": {"transactionId": ID},
                },
            ],
        ),
        ("backend", [3, "g1", {"totalCost": 1.5, "transactionLimit": {"maxEnergy": 5000}}]),
        ("to charger", [3, "c1", {"totalCost": 1.5}]),
        direction="cs2.0.1-be2.1",
        losses=(("FIELD_DROPPED", "transactionLimit"),),
    ),
    "monitors, some of which can be set": scene(
        (
            "backend",
            [
                2,
                "b1",
                "SetVariableMonitoring",
                {
                    "setMonitoringData": [
                        monitor("TargetDelta"),
                        monitor("UpperThreshold"),
                        monitor("Periodic", periodicEventStream={"interval": 1, "values": 1}),
                    ]
                },
            ],
        ),
        (
            "to charger",
            [2, "g1", "SetVariableMonitoring", {"setMonitoringData": [monitor("UpperThreshold")]}],
        ),
        (
            "charger",
            [
                3,
                "g1",
                {
                    "setMonitoringResult": [
                        {
                            "id": 7,
                            "status": "Accepted",
                            "type": "UpperThreshold",
                            "severity": 5,
                            "component": {"name": "A"},
                            "variable": {"name": "B"},
                        }
                    ]
                },
            ],
        ),
        (
            "to backend",
            [
                3,
                "b1",
                {
                    "setMonitoringResult": [
                        {
                            "status": "UnsupportedMonitorType",
                            "type": "TargetDelta",
                            "severity": 5,
                            "component": {"name": "A"},
                            "variable": {"name": "B"},
                        },
                        {
                            "id": 7,
                            "status": "Accepted",
                            "type": "UpperThreshold",
                            "severity": 5,
                            "component": {"name": "A"},
                            "variable": {"name": "B"},
                        },
                        {
                            "status": "UnsupportedMonitorType",
                            "type": "Periodic",
                            "severity": 5,
                            "component": {"name": "A"},
                            "variable": {"name": "B"},
                        },
                    ]
                },
            ],
        ),
        direction="cs2.0.1-be2.1",
    ),
    "values, some of which are too LONG": scene(
        (
            "backend",
            [2, "b1", "SetVariables", {"setVariableData": [variable("X", "y" * 1001), variable("Y", "1")]}],
        ),
        ("to charger", [2, "g1", "SetVariables", {"setVariableData": [variable("Y", "1")]}]),
        (
            "charger",
            [
                3,
                "g1",
                {
                    "setVariableResult": [
                        {"attributeStatus": "Accepted", "component": {"name": "A"}, "variable": {"name": "Y"}}
                    ]
                },
            ],
        ),
        (
            "to backend",
            [
                3,
                "b1",
                {
                    "setVariableResult": [
                        {
                            "attributeStatus": "Rejected",
                            "attributeStatusInfo": {"reasonCode": "TooLargeElement"},
                            "component": {"name": "A"},
                            "variable": {"name": "X"},
                        },
                        {
                            "attributeStatus": "Accepted",
                            "component": {"name": "A"},
                            "variable": {"name": "Y"},
                        },
                    ]
                },
            ],
        ),
        direction="cs2.0.1-be2.1",
    ),
    "certificates that 2.0.1 does not have": scene(
        ("backend", [2, "b1", "GetInstalledCertificateIds", {"certificateType": ["OEMRootCertificate"]}]),
        ("to backend", [3, "b1", {"status": "NotFound"}]),
        direction="cs2.0.1-be2.1",
    ),
    "who limits, in a report": scene(
        (
            "charger",
            [
                2,
                "c1",
                "ReportChargingProfiles",
                {"requestId": 1, "chargingLimitSource": "DSO", "evseId": 1, "chargingProfile": [ABSOLUTE]},
            ],
        ),
        (
            "to backend",
            [
                2,
                "g1",
                "ReportChargingProfiles",
                {"requestId": 1, "chargingLimitSource": "Other", "evseId": 1, "chargingProfile": [ABSOLUTE]},
            ],
        ),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        direction="cs2.1-be2.0.1",
        losses=(("ENUM_NARROWED", "chargingLimitSource"),),
    ),
    "who limits, no more": scene(
        ("charger", [2, "c1", "ClearedChargingLimit", {"chargingLimitSource": "DSO", "evseId": 1}]),
        ("to backend", [2, "g1", "ClearedChargingLimit", {"chargingLimitSource": "Other", "evseId": 1}]),
        ("backend", [3, "g1", {}]),
        ("to charger", [3, "c1", {}]),
        direction="cs2.1-be2.0.1",
        losses=(("ENUM_NARROWED", "chargingLimitSource"),),
    ),
    "readings of which 2.0.1 knows none": scene(
        (
            "charger",
            [
                2,
                "c1",
                "MeterValues",
                {
                    "evseId": 1,
                    "meterValue": [
                        {
                            "timestamp": "2025-06-01T10:00:00Z",
                            "sampledValue": [{"value": 3, "measurand": "EnergyRequest.Target"}],
                        }
                    ],
                },
            ],
        ),
        ("to charger", [3, "c1", {}]),
        direction="cs2.1-be2.0.1",
        losses=(("MEASURAND_DROPPED", "meterValue[0].sampledValue[0]"),),
    ),
    "profiles of which 2.0.1 can say none": scene(
        (
            "charger",
            [
                2,
                "c1",
                "ReportChargingProfiles",
                {
                    "requestId": 1,
                    "chargingLimitSource": "CSO",
                    "evseId": 1,
                    "chargingProfile": [ABSOLUTE | {"chargingProfileKind": "Dynamic"}],
                },
            ],
        ),
        ("to charger", [3, "c1", {}]),
        direction="cs2.1-be2.0.1",
        losses=(("NOT_SUPPORTED", "chargingProfile[0]"),),
    ),
    "a vehicle's schedule without limits": scene(
        (
            "charger",
            [
                2,
                "c1",
                "NotifyEVChargingSchedule",
                {
                    "timeBase": "2025-06-01T10:00:00Z",
                    "evseId": 1,
                    "chargingSchedule": {
                        "id": 1,
                        "chargingRateUnit": "W",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "setpoint": 5}],
                    },
                },
            ],
        ),
        ("to charger", [3, "c1", {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidSchedule"}}]),
        direction="cs2.1-be2.0.1",
        losses=(("NOT_SUPPORTED", "chargingSchedule.chargingSchedulePeriod"),),
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_conversation(name):
    play(SCENES[name])
