"""Local lists, logs, firmware, and triggers."""

from typing import Final

from gateway.translate import tokens
from gateway.translate.charger201_backend16 import statuses
from gateway.translate.charger201_backend16.addresses import evse_of
from gateway.translate.charger201_backend16.commands import REJECTED, refusal, said
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.jobs import owe
from gateway.translate.losses import Loss
from gateway.translate.memory import Job, LocalList
from gateway.translate.port import BackendCall, NoAnswer, Payload
from gateway.translate.tables import EXTENDED_TRIGGERS
from gateway.translate.values import moment_text

RULES: Final = Rules()

LONGEST_URL: Final = 512
ASKED_WITHIN_S: Final = 30.0
ANY_REQUEST: Final = 0
"""The number of a log job that only a trigger has made known."""


def named(payload: Payload, *names: str) -> Payload:
    """These members of a payload, where it has them."""
    return {name: payload[name] for name in names if name in payload}


# Local lists


@RULES.backend_call("GetLocalListVersion", How.TRANSLATED, "GetLocalListVersion")
def get_local_list_version(t: Engine, call: BackendCall) -> Steps:
    if t.memory.capabilities.get("local_list") == "no":
        return {"listVersion": -1}
    answer = yield Ask(CHARGER, "GetLocalListVersion", {})
    if not isinstance(answer, dict):
        return refusal(t, call, answer, {"listVersion": -1})
    return {"listVersion": answer["versionNumber"]}


@RULES.backend_call(
    "SendLocalList", How.TRANSLATED, "SendLocalList", Loss.FIELD_DROPPED, Loss.STATUSINFO_DROPPED
)
def send_local_list(t: Engine, call: BackendCall) -> Steps:
    if t.memory.capabilities.get("local_list") == "no":
        return {"status": "NotSupported"}
    payload = call.payload
    is_full = payload["updateType"] == "Full"
    entries = []
    for index, entry in enumerate(payload.get("localAuthorizationList", [])):
        if is_full and "idTagInfo" not in entry:
            t.lose(Loss.FIELD_DROPPED, f"localAuthorizationList[{index}]")
            continue
        made: Payload = {"idToken": tokens.token_of(t.memory, entry["idTag"], t.policies.mac_tokens)}
        if "idTagInfo" in entry:
            made["idTokenInfo"] = tokens.id_token_info(t, entry["idTagInfo"])
        entries.append(made)
    request = {"versionNumber": payload["listVersion"], "updateType": payload["updateType"]}
    answer = yield Ask(
        CHARGER, "SendLocalList", request | ({"localAuthorizationList": entries} if entries else {})
    )
    if not isinstance(answer, dict):
        return refusal(t, call, answer, {"status": "NotSupported"})
    if answer["status"] == "Accepted":
        t.memory.local_list = LocalList(payload["listVersion"], is_full and not entries)
    elif answer["status"] == "VersionMismatch":
        _holds(t, payload["listVersion"])
    return said(t, answer)


def _holds(t: Engine, version: int) -> None:
    """An update is refused so when the charger has a list of its version or of a later one."""
    known = t.memory.local_list
    if known is None or known.version < version:
        t.memory.local_list = LocalList(version)


# Logs and firmware


def _request_id(t: Engine) -> int:
    number = t.memory.counters.request
    t.memory.counters.request += 1
    t.lose(Loss.SYNTHESIZED, "requestId", "", str(number))
    return number


@RULES.backend_call(
    "GetDiagnostics",
    How.TRANSLATED,
    "GetLog",
    Loss.SYNTHESIZED,
    Loss.VALUE_TOO_LONG,
    Loss.STATUSINFO_DROPPED,
)
def get_diagnostics(t: Engine, call: BackendCall) -> Steps:
    payload = call.payload
    if len(payload["location"]) > LONGEST_URL:
        t.lose(Loss.VALUE_TOO_LONG, "location", payload["location"][:100])
        return {}
    log = {"remoteLocation": payload["location"]}
    for name, name201 in (("startTime", "oldestTimestamp"), ("stopTime", "latestTimestamp")):
        if name in payload:
            log[name201] = payload[name]
    number = _request_id(t)
    request = {"logType": "DiagnosticsLog", "requestId": number, "log": log}
    answer = yield Ask(CHARGER, "GetLog", request | named(payload, "retries", "retryInterval"))
    if not isinstance(answer, dict):
        return refusal(t, call, answer, {})
    if said(t, answer, "filename")["status"] == "Rejected":
        return {}
    t.memory.log = Job(number, "diagnostics")
    return {"fileName": answer["filename"]} if "filename" in answer else {}


@RULES.backend_call("GetLog", How.TRANSLATED, "GetLog", Loss.STATUSINFO_DROPPED)
def get_log(t: Engine, call: BackendCall) -> Steps:
    t.memory.capabilities["be_security_ext"] = "yes"
    answer = yield Ask(CHARGER, "GetLog", call.payload)
    if not isinstance(answer, dict):
        return refusal(t, call, answer, REJECTED)
    if answer["status"] != "Rejected":
        t.memory.log = Job(call.payload["requestId"], "log")
    return said(t, answer, "filename")


@RULES.backend_call(
    "UpdateFirmware",
    How.TRANSLATED,
    "UpdateFirmware",
    Loss.SYNTHESIZED,
    Loss.VALUE_TOO_LONG,
    Loss.ENUM_NARROWED,
    Loss.STATUSINFO_DROPPED,
)
def update_firmware(t: Engine, call: BackendCall) -> Steps:
    """1.6 answers with nothing: a refusal can only be told by a status afterwards."""
    payload = call.payload
    if len(payload["location"]) > LONGEST_URL:
        t.lose(Loss.VALUE_TOO_LONG, "location", payload["location"][:100])
        return _download_failed(t)
    number = _request_id(t)
    firmware = {"location": payload["location"], "retrieveDateTime": payload["retrieveDate"]}
    request = {"requestId": number, "firmware": firmware} | named(payload, "retries", "retryInterval")
    answer = yield Ask(CHARGER, "UpdateFirmware", request)
    if isinstance(answer, NoAnswer) and not t.backend_is_there:
        return {}  # the charger may well have begun
    if not isinstance(answer, dict) or said(t, answer)["status"] not in ("Accepted", "AcceptedCanceled"):
        return _download_failed(t)
    if answer["status"] == "AcceptedCanceled":
        t.lose(Loss.ENUM_NARROWED, "status", answer["status"])
    t.memory.firmware = Job(number, "unsigned")
    return {}


def _download_failed(t: Engine) -> Outcome:
    t.lose(Loss.SYNTHESIZED, "FirmwareStatusNotification", "", "DownloadFailed")
    owe(t, "FirmwareStatusNotification", {"status": "DownloadFailed"})
    return {}


@RULES.backend_call("SignedUpdateFirmware", How.TRANSLATED, "UpdateFirmware", Loss.STATUSINFO_DROPPED)
def signed_update_firmware(t: Engine, call: BackendCall) -> Steps:
    t.memory.capabilities["be_security_ext"] = "yes"
    t.memory.firmware = Job(call.payload["requestId"], "signed")
    answer = yield Ask(CHARGER, "UpdateFirmware", call.payload)
    return said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, REJECTED)


# Triggers


@RULES.backend_call(
    "TriggerMessage", How.TRANSLATED, "TriggerMessage", Loss.STATUSINFO_DROPPED, Loss.SYNTHESIZED
)
def trigger_message(t: Engine, call: BackendCall) -> Steps:
    wanted = call.payload["requestedMessage"]
    if wanted == "DiagnosticsStatusNotification":
        wanted = "LogStatusNotification"
        t.memory.log = t.memory.log or Job(ANY_REQUEST, "diagnostics")
    return (yield from _triggered(t, call, wanted))


@RULES.backend_call(
    "ExtendedTriggerMessage", How.TRANSLATED, "TriggerMessage", Loss.STATUSINFO_DROPPED, Loss.SYNTHESIZED
)
def extended_trigger_message(t: Engine, call: BackendCall) -> Steps:
    t.memory.capabilities["be_security_ext"] = "yes"
    wanted = EXTENDED_TRIGGERS.up(call.payload["requestedMessage"]) or "Heartbeat"
    return (yield from _triggered(t, call, wanted))


def _triggered(t: Engine, call: BackendCall, wanted: str) -> Steps:
    flat = call.payload.get("connectorId")
    if wanted == "StatusNotification":
        return (yield from _statuses(t, call, flat))
    request: Payload = {"requestedMessage": wanted}
    if flat:
        evse = evse_of(t, flat)
        if evse is None:
            return REJECTED
        request["evse"] = {"id": evse["id"]}
    answer = yield Ask(CHARGER, "TriggerMessage", request)
    if not isinstance(answer, dict):
        return refusal(t, call, answer, {"status": "NotImplemented"})
    if wanted == "FirmwareStatusNotification" and t.memory.firmware is not None:
        t.memory.firmware.last = ""
    return said(t, answer)


def _statuses(t: Engine, call: BackendCall, flat: int | None) -> Steps:
    """The status of one connector, or of all and of the charger itself, which only the gateway can tell."""
    flats = [place.flat for place in t.memory.topology] if flat is None else [flat] if flat else []
    heard = ["Accepted"] if not flat else []
    for one in flats:
        evse = evse_of(t, one)
        if evse is None:
            return REJECTED
        request = {"requestedMessage": "StatusNotification", "evse": evse}
        statuses.connector(t, one).asked_until = t.now + ASKED_WITHIN_S
        answer = yield Ask(CHARGER, "TriggerMessage", request)
        if not isinstance(answer, dict) or answer["status"] != "Accepted":
            statuses.connector(t, one).asked_until = 0.0
        if isinstance(answer, dict):
            heard.append(said(t, answer)["status"])
        elif flat:
            return refusal(t, call, answer, {"status": "NotImplemented"})
    if not flat:
        statuses.connector(t, 0).asked_until = t.now + ASKED_WITHIN_S
        statuses.changed(t, 0, moment_text(t.now))
        t.lose(Loss.SYNTHESIZED, "StatusNotification(0)")
    return {"status": min(heard or ["Rejected"], key=_ORDER.index)}


_ORDER: Final = ("Accepted", "Rejected", "NotImplemented")
