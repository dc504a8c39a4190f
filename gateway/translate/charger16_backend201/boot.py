"""Registration: BootNotification, Heartbeat, and what a charger hears before the backend has accepted it."""

from typing import Final

from gateway.translate.charger16_backend201.authorisation import local_info
from gateway.translate.charger16_backend201.common import failed, tell_reason, trigger_taken
from gateway.translate.charger16_backend201.status import flush, put_off
from gateway.translate.engine import BACKEND, Ask, Engine, How, Outcome, Rules, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.port import ChargerCall, Payload, Refused
from gateway.translate.registration import registered
from gateway.translate.values import moment_text

rules = Rules()

RESET_COUNTS_S: Final = 600.0
_KEPT_HERE: Final = ("chargeBoxSerialNumber", "meterType", "meterSerialNumber")
_REVENUE: Final = ("StartTransaction", "StopTransaction", "MeterValues", "SecurityEventNotification")
_REFUSABLE: Final = ("DataTransfer", "SignCertificate")


@rules.charger_call("BootNotification", How.TRANSLATED, "BootNotification", Loss.FIELD_DROPPED)
def boot(t: Engine, call: ChargerCall) -> Steps:
    """The charger registers; the reason is what the gateway knows of it."""
    memory = t.memory
    reason = _reason(t, call.payload)
    memory.boot, memory.boot_reason = call.payload, reason
    for key in _KEPT_HERE:
        if key in call.payload and (key != _KEPT_HERE[0] or "chargePointSerialNumber" in call.payload):
            t.lose(Loss.FIELD_DROPPED, key, call.payload[key])
    answer = yield Ask(BACKEND, "BootNotification", boot_request(call.payload, reason), live=True)
    return _registered(t, answer) if isinstance(answer, dict) else failed(t, "BootNotification", answer)


def _registered(t: Engine, answer: Payload) -> Payload:
    memory = t.memory
    registered(t, answer["status"], answer["interval"])
    tell_reason(t, answer)
    if memory.registration == "Accepted":
        memory.boot_reason = ""
        memory.status201 = {}  # after a boot the backend wants to hear every connector again
        memory.pending_reset = None
        memory.held_reset = ""
        if memory.firmware is not None and memory.firmware.last in ("Installing", "Installed"):
            memory.firmware = None
        t.spawn(flush(t))
    return {key: answer[key] for key in ("status", "currentTime", "interval")}


def _reason(t: Engine, payload: Payload) -> str:
    memory = t.memory
    if memory.boot_reason and _same_charger(memory.boot, payload):
        return memory.boot_reason
    reset = memory.pending_reset
    if reset is not None and t.now - reset.accepted_at <= RESET_COUNTS_S:
        return "RemoteReset"
    if memory.firmware is not None and memory.firmware.last in ("Installing", "Installed"):
        return "FirmwareUpdate"
    return "Triggered" if trigger_taken(t, "BootNotification", None) else "PowerUp"


def _same_charger(one: Payload, other: Payload) -> bool:
    return all(one.get(key) == other.get(key) for key in ("chargePointVendor", "chargePointModel"))


def boot_request(payload: Payload, reason: str) -> Payload:
    """BootNotification of 2.0.1."""
    station = {"model": payload["chargePointModel"], "vendorName": payload["chargePointVendor"]}
    serial = payload.get("chargePointSerialNumber", payload.get("chargeBoxSerialNumber"))
    if serial is not None:
        station["serialNumber"] = serial
    if "firmwareVersion" in payload:
        station["firmwareVersion"] = payload["firmwareVersion"]
    if modem := {key: payload[key] for key in ("iccid", "imsi") if key in payload}:
        station["modem"] = modem
    return {"chargingStation": station, "reason": reason}


def ask_again(t: Engine) -> Steps:
    """The backend has not accepted the charger, which has stopped trying."""
    answer = yield Ask(
        BACKEND, "BootNotification", boot_request(t.memory.boot, _reason(t, t.memory.boot)), live=True
    )
    if isinstance(answer, dict):
        _registered(t, answer)
    return {}


@rules.charger_call("Heartbeat", How.TRANSLATED, "Heartbeat", stateless=True)
def heartbeat(t: Engine, call: ChargerCall) -> Steps:
    """The backend's clock."""
    answer = yield Ask(BACKEND, "Heartbeat", {}, live=True)
    if not isinstance(answer, dict):
        return failed(t, "Heartbeat", answer)
    return {"currentTime": answer["currentTime"]}


def shielded(t: Engine, call: ChargerCall) -> Outcome:
    """What the charger hears while the backend has not accepted it."""
    if t.policies.pre_accept == "strict":
        return Refused("SecurityError", "the backend has not accepted this charger")
    if call.action in _REVENUE:
        return Undelivered(Refused("GenericError", "the backend has not accepted this charger"))
    if call.action == "StatusNotification":
        at = call.payload.get("timestamp") or moment_text(call.received_at)
        put_off(t, call.payload | {"timestamp": at})
        return {}
    if call.action == "Authorize":
        return {"idTagInfo": local_info(t, call.payload["idTag"])}
    if call.action == "Heartbeat":
        return {"currentTime": moment_text(t.now)}
    return {"status": "Rejected"} if call.action in _REFUSABLE else {}
