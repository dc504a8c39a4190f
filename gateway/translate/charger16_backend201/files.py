"""Firmware and log files, and the charger's word on how it gets on with them."""

from typing import Final

from gateway.translate.charger16_backend201.common import (
    NO_ANSWER,
    NOT_UNDERSTOOD,
    UNSUPPORTED,
    capability,
    not_supported,
    refusal,
    rejected,
)
from gateway.translate.charger16_backend201.events import undelivered
from gateway.translate.engine import BACKEND, CHARGER, Ask, Engine, How, Outcome, Rules, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.memory import Job
from gateway.translate.port import (
    SILENCE,
    Answer,
    BackendCall,
    ChargerCall,
    NoAnswer,
    Payload,
    Refused,
    Severity,
)
from gateway.translate.tables import DIAGNOSTICS_STATUS, SECURITY_EVENTS

rules = Rules()

_LOG_DONE: Final = ("Uploaded", "UploadFailed")
_SIGNED: Final = ("signingCertificate", "signature")


# Logs


@rules.backend_call("GetLog", How.TRANSLATED, "GetLog, GetDiagnostics", Loss.NOT_SUPPORTED)
def get_log(t: Engine, call: BackendCall) -> Outcome | Steps:
    """A log is wanted; a charger without the security extension can send its diagnostics."""
    if capability(t, "security_ext") == "no" and call.payload["logType"] != "DiagnosticsLog":
        return not_supported(t, "logType")
    return _get_log(t, call.payload)


def _get_log(t: Engine, asked: Payload) -> Steps:
    before, t.memory.log = t.memory.log, Job(asked["requestId"], "signed")
    if capability(t, "security_ext") != "no":
        answer = yield Ask(CHARGER, "GetLog", asked)
        if not isinstance(answer, Refused) or answer.code not in NOT_UNDERSTOOD:
            return _log_started(t, before, answer)
        t.memory.capabilities["security_ext"] = "no"
        if asked["logType"] != "DiagnosticsLog":
            t.memory.log = before
            return not_supported(t, "logType")
    t.memory.log.kind = "diagnostics"
    return (yield from _get_diagnostics(t, asked, before))


def _may_run(t: Engine, answer: Answer) -> bool:
    """Whether the answer was lost with a link: what is told next is taken to be of this request."""
    return isinstance(answer, NoAnswer) and not t.backend_is_there


def _log_started(t: Engine, before: Job | None, answer: Answer) -> Outcome:
    if isinstance(answer, dict):
        t.memory.capabilities["security_ext"] = "yes"
        if answer["status"] == "Rejected":
            t.memory.log = before
        return {key: answer[key] for key in ("status", "filename") if key in answer}
    t.memory.log = t.memory.log if _may_run(t, answer) else before
    return answer if isinstance(answer, Refused) else NO_ANSWER


def _get_diagnostics(t: Engine, asked: Payload, before: Job | None) -> Steps:
    log = asked["log"]
    payload = {"location": log["remoteLocation"]} | {
        key: asked[key] for key in ("retries", "retryInterval") if key in asked
    }
    for new, old in (("oldestTimestamp", "startTime"), ("latestTimestamp", "stopTime")):
        if new in log:
            payload[old] = log[new]
    answer = yield Ask(CHARGER, "GetDiagnostics", payload)
    if isinstance(answer, dict) and "fileName" in answer:
        status = "Accepted"
        if before is not None and before.last == "Uploading":
            status = "AcceptedCanceled"
            told = {"status": "AcceptedCanceled", "requestId": before.request_id}
            t.tell_backend("LogStatusNotification", told)
        return {"status": status, "filename": answer["fileName"]}
    t.memory.log = t.memory.log if _may_run(t, answer) else before
    return rejected("NotFound") if isinstance(answer, dict) else refusal(t, "GetLog", answer)


@rules.charger_call("DiagnosticsStatusNotification", How.TRANSLATED, "LogStatusNotification")
def diagnostics_status(t: Engine, call: ChargerCall) -> Steps:
    """How the upload goes, under the request it is for."""
    status = call.payload["status"]
    payload: Payload = {"status": DIAGNOSTICS_STATUS.up(status)}
    job = t.memory.log
    if job is not None:
        payload["requestId"] = job.request_id
        job.last = status
    outcome = yield from _noted(t, "LogStatusNotification", payload)
    if status in _LOG_DONE and outcome == {} and t.memory.log is job:
        t.memory.log = None
    return outcome


@rules.charger_call("LogStatusNotification", How.TRANSLATED, "LogStatusNotification")
def log_status(t: Engine, call: ChargerCall) -> Steps:
    """How the upload goes, in the security extension's words: the same as in 2.0.1."""
    if t.memory.log is not None:
        t.memory.log.last = call.payload["status"]
    return _noted(t, "LogStatusNotification", call.payload)


# Firmware


@rules.backend_call(
    "UpdateFirmware",
    How.TRANSLATED,
    "UpdateFirmware, SignedUpdateFirmware",
    Loss.FIELD_DROPPED,
    Loss.NOT_SUPPORTED,
)
def update_firmware(t: Engine, call: BackendCall) -> Outcome | Steps:
    """New firmware; what is signed is never made unsigned."""
    firmware = call.payload["firmware"]
    signed = [key for key in _SIGNED if key in firmware]
    if signed and (len(signed) < len(_SIGNED) or capability(t, "security_ext") == "no"):
        reason = UNSUPPORTED if len(signed) == len(_SIGNED) else "UnsupportedParam"
        return not_supported(t, f"firmware.{signed[-1]}", reason, severity=Severity.ERROR)
    return _signed_update(t, call.payload) if signed else _update(t, call.payload)


def _update(t: Engine, asked: Payload) -> Steps:
    firmware = asked["firmware"]
    payload = {"location": firmware["location"], "retrieveDate": firmware["retrieveDateTime"]}
    payload |= {key: asked[key] for key in ("retries", "retryInterval") if key in asked}
    if "installDateTime" in firmware:
        t.lose(
            Loss.FIELD_DROPPED,
            "firmware.installDateTime",
            firmware["installDateTime"],
            severity=Severity.WARN,
        )
    before, t.memory.firmware = t.memory.firmware, Job(asked["requestId"], "unsigned")
    answer = yield Ask(CHARGER, "UpdateFirmware", payload)
    if isinstance(answer, dict):
        return {"status": "Accepted"}
    t.memory.firmware = t.memory.firmware if _may_run(t, answer) else before
    return refusal(t, "UpdateFirmware", answer)


def _signed_update(t: Engine, asked: Payload) -> Steps:
    before, t.memory.firmware = t.memory.firmware, Job(asked["requestId"], "signed")
    answer = yield Ask(CHARGER, "SignedUpdateFirmware", asked)
    if isinstance(answer, dict) and answer["status"] in ("Accepted", "AcceptedCanceled"):
        t.memory.capabilities["security_ext"] = "yes"
        return {"status": answer["status"]}
    t.memory.firmware = t.memory.firmware if _may_run(t, answer) else before
    if isinstance(answer, dict):
        return {"status": answer["status"]}
    if isinstance(answer, Refused) and answer.code in NOT_UNDERSTOOD:
        t.memory.capabilities["security_ext"] = "no"
        return not_supported(t, "firmware.signature", severity=Severity.ERROR)
    return refusal(t, "UpdateFirmware", answer)


@rules.charger_call("FirmwareStatusNotification", How.TRANSLATED, "FirmwareStatusNotification")
def firmware_status(t: Engine, call: ChargerCall) -> Steps:
    """How the update goes, under the request it is for."""
    payload = {"status": call.payload["status"]}
    if t.memory.firmware is not None:
        payload["requestId"] = t.memory.firmware.request_id
        t.memory.firmware.last = call.payload["status"]
    return _noted(t, "FirmwareStatusNotification", payload)


@rules.charger_call("SignedFirmwareStatusNotification", How.TRANSLATED, "FirmwareStatusNotification")
def signed_firmware_status(t: Engine, call: ChargerCall) -> Steps:
    """How the signed update goes: the same as in 2.0.1."""
    if t.memory.firmware is not None:
        t.memory.firmware.last = call.payload["status"]
    return _noted(t, "FirmwareStatusNotification", call.payload)


# Security events


@rules.charger_call("SecurityEventNotification", How.TRANSLATED, "SecurityEventNotification", stateless=True)
def security_event(t: Engine, call: ChargerCall) -> Steps:
    """A security event; four have other names."""
    payload = call.payload | {"type": SECURITY_EVENTS.get(call.payload["type"], call.payload["type"])}
    answer = yield Ask(BACKEND, "SecurityEventNotification", payload)
    return {} if isinstance(answer, dict) else undelivered(t, "SecurityEventNotification", answer)


def _noted(t: Engine, action: str, payload: Payload) -> Steps:
    """A notification: whatever the backend thinks of it, the charger has done its part."""
    answer = yield Ask(BACKEND, action, payload)
    if isinstance(answer, Refused):
        t.lose(Loss.BACKEND_ERROR, action, answer.code)
    elif not isinstance(answer, dict):
        return Undelivered(SILENCE)
    return {}
