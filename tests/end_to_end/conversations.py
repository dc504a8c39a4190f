"""What a charger and a backend say to each other in one visit, in each version.

`ANSWERS` are the backend's, `CHARGER_ANSWERS` the charger's, by action; `CALLS` and `COMMANDS` are what each
end asks, in order. Names are those of the `ocpp` package.
"""

from typing import Any

from peers import NOW

Table = dict[str, dict[str, Any]]
Script = list[tuple[str, dict[str, Any]]]

BOOT = {"current_time": NOW, "interval": 300, "status": "Accepted"}
ACCEPTED = {"status": "Accepted"}
ENERGY = {"value": "1234.50", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
VALUES_16 = [{"timestamp": NOW, "sampled_value": [ENERGY, {"value": "16.0", "phase": "L1"}]}]
TOKEN = {"id_token": "04A1B2C3D4E5F6", "type": "ISO14443"}
STATION = {"model": "Two", "vendor_name": "Vendor", "firmware_version": "1.2.3"}
VALUES_2X = [{"timestamp": NOW, "sampled_value": [{"value": 1234.5, "context": "Sample.Periodic"}]}]
VARIABLE = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}

ANSWERS: dict[str, Table] = {
    "ocpp1.6": {
        "BootNotification": BOOT,
        "Heartbeat": {"current_time": NOW},
        "StatusNotification": {},
        "Authorize": {"id_tag_info": {"status": "Accepted"}},
        "StartTransaction": {"transaction_id": 4711, "id_tag_info": {"status": "Accepted"}},
        "MeterValues": {},
        "StopTransaction": {"id_tag_info": {"status": "Accepted"}},
        "DataTransfer": {"status": "Accepted", "data": "ü€ 漢"},
    },
    "ocpp2.0.1": {
        "BootNotification": BOOT,
        "Heartbeat": {"current_time": NOW},
        "StatusNotification": {},
        "Authorize": {"id_token_info": {"status": "Accepted"}},
        "TransactionEvent": {"id_token_info": {"status": "Accepted"}},
        "MeterValues": {},
        "DataTransfer": {"status": "Accepted", "data": {"nested": [1, 2.50, None]}},
    },
}
ANSWERS["ocpp2.1"] = ANSWERS["ocpp2.0.1"]

CHARGER_ANSWERS: dict[str, Table] = {
    "ocpp1.6": {
        "RemoteStartTransaction": ACCEPTED,
        "RemoteStopTransaction": ACCEPTED,
        "GetConfiguration": {
            "configuration_key": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
            "unknown_key": ["NoSuchKey"],
        },
        "ChangeConfiguration": {"status": "RebootRequired"},
        "Reset": ACCEPTED,
        "TriggerMessage": ACCEPTED,
        "DataTransfer": {"status": "UnknownVendorId"},
    },
    "ocpp2.0.1": {
        "RequestStartTransaction": {"status": "Accepted", "transaction_id": "tx-1"},
        "RequestStopTransaction": ACCEPTED,
        "GetVariables": {
            "get_variable_result": [{"attribute_status": "Accepted", "attribute_value": "300", **VARIABLE}]
        },
        "SetVariables": {"set_variable_result": [{"attribute_status": "Accepted", **VARIABLE}]},
        "Reset": ACCEPTED,
        "TriggerMessage": ACCEPTED,
        "DataTransfer": {"status": "UnknownVendorId"},
    },
}
CHARGER_ANSWERS["ocpp2.1"] = CHARGER_ANSWERS["ocpp2.0.1"]


def _event(kind: str, trigger: str, number: int, **more: Any) -> tuple[str, dict[str, Any]]:
    payload = {
        "event_type": kind,
        "timestamp": NOW,
        "trigger_reason": trigger,
        "seq_no": number,
        "transaction_info": {"transaction_id": "tx-1"},
        "evse": {"id": 1, "connector_id": 1},
    }
    return "TransactionEvent", payload | more


_STATUS_2X = {"timestamp": NOW, "evse_id": 1, "connector_id": 1}
CALLS: dict[str, Script] = {
    "ocpp1.6": [
        ("BootNotification", {"charge_point_model": "One", "charge_point_vendor": "Vendor"}),
        ("Heartbeat", {}),
        ("StatusNotification", {"connector_id": 1, "error_code": "NoError", "status": "Preparing"}),
        ("Authorize", {"id_tag": "04A1B2C3"}),
        (
            "StartTransaction",
            {"connector_id": 1, "id_tag": "04A1B2C3", "meter_start": 1000, "timestamp": NOW},
        ),
        ("MeterValues", {"connector_id": 1, "transaction_id": 4711, "meter_value": VALUES_16}),
        (
            "StopTransaction",
            {"transaction_id": 4711, "meter_stop": 1234, "timestamp": NOW, "transaction_data": VALUES_16},
        ),
        ("DataTransfer", {"vendor_id": "Vendor", "message_id": "hello", "data": "ü€ 漢"}),
    ],
    "ocpp2.0.1": [
        ("BootNotification", {"charging_station": STATION, "reason": "PowerUp"}),
        ("Heartbeat", {}),
        ("StatusNotification", {"connector_status": "Occupied", **_STATUS_2X}),
        ("Authorize", {"id_token": TOKEN}),
        _event("Started", "Authorized", 0, id_token=TOKEN, meter_value=VALUES_2X),
        _event("Updated", "MeterValuePeriodic", 1, meter_value=VALUES_2X),
        _event("Ended", "EVDeparted", 2, meter_value=VALUES_2X),
        ("MeterValues", {"evse_id": 1, "meter_value": VALUES_2X}),
        ("DataTransfer", {"vendor_id": "Vendor", "data": {"nested": [1, 2.50]}}),
    ],
}
CALLS["ocpp2.1"] = CALLS["ocpp2.0.1"]

COMMANDS: dict[str, Script] = {
    "ocpp1.6": [
        ("RemoteStartTransaction", {"id_tag": "04A1B2C3", "connector_id": 1}),
        ("RemoteStopTransaction", {"transaction_id": 4711}),
        ("GetConfiguration", {"key": ["HeartbeatInterval", "NoSuchKey"]}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
        ("Reset", {"type": "Soft"}),
        ("TriggerMessage", {"requested_message": "Heartbeat"}),
        ("DataTransfer", {"vendor_id": "Vendor", "data": "x"}),
    ],
    "ocpp2.0.1": [
        ("RequestStartTransaction", {"id_token": TOKEN, "remote_start_id": 1, "evse_id": 1}),
        ("RequestStopTransaction", {"transaction_id": "tx-1"}),
        ("GetVariables", {"get_variable_data": [VARIABLE]}),
        ("SetVariables", {"set_variable_data": [{"attribute_value": "60", **VARIABLE}]}),
        ("Reset", {"type": "Immediate"}),
        ("TriggerMessage", {"requested_message": "Heartbeat"}),
        ("DataTransfer", {"vendor_id": "Vendor", "data": {"a": 1}}),
    ],
}
COMMANDS["ocpp2.1"] = COMMANDS["ocpp2.0.1"]
