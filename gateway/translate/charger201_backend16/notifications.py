"""What a 2.0.1 charger reports of itself: events, firmware and log states, much that ends here."""

from typing import Any, Final

from gateway.translate import tunnel
from gateway.translate.charger201_backend16 import inventory, statuses
from gateway.translate.charger201_backend16.addresses import flat_of
from gateway.translate.charger201_backend16.remote import MOST_PROFILES
from gateway.translate.charger201_backend16.upkeep import ANY_REQUEST, named
from gateway.translate.engine import BACKEND, Ask, Engine, How, Rules, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.memory import OpenError, Profile
from gateway.translate.port import SILENCE, ChargerCall, Payload, Refused
from gateway.translate.tables import (
    DIAGNOSTICS_STATUS,
    ERROR_OF_COMPONENT,
    ERRORS,
    FIRMWARE_STATUS,
    LOG_STATUS,
    SECURITY_EVENTS_16,
    TECH_INFO_PREFIX,
)
from gateway.translate.values import compact

RULES: Final = Rules()

_STATUSES: Final = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")
_NOT_THERE: Final = ("NotImplemented", "NotSupported")


# NotifyEvent


@RULES.charger_call("NotifyEvent", How.TRANSLATED, "StatusNotification", Loss.NOT_SUPPORTED)
def notify_event(t: Engine, call: ChargerCall) -> Payload:
    inventory.once_read(t, call, _take)
    return {}


def _take(t: Engine, payload: Payload) -> None:
    for index, data in enumerate(payload["eventData"]):
        path = f"eventData[{index}]"
        if not _told(t, data, path):
            name = f"{data['component']['name']}.{data['variable']['name']}"
            t.lose(Loss.NOT_SUPPORTED, path, name)


def is_for_backend(data: Payload) -> bool:
    """Whether an event becomes a status of 1.6."""
    return data["variable"]["name"] in ("AvailabilityState", "Problem", "Tripped")


def _told(t: Engine, data: Payload, path: str) -> bool:
    flat = _flat_of(t, data["component"].get("evse"))
    if flat is None or not is_for_backend(data):
        return False
    if data["variable"]["name"] != "AvailabilityState":
        return _problem(t, flat, data, path)
    is_place = data["component"]["name"] in (("ChargingStation",) if flat == 0 else ("Connector", "EVSE"))
    if not is_place or data["actualValue"] not in _STATUSES:
        return False
    statuses.heard(t, flat, data["actualValue"], data["timestamp"])
    return True


def _flat_of(t: Engine, evse: Payload | None) -> int | None:
    return 0 if evse is None else flat_of(t, evse["id"], evse.get("connectorId"))


def _problem(t: Engine, flat: int, data: Payload, path: str) -> bool:
    """A problem of some component: the error code of its connector, until it is cleared."""
    component, variable = data["component"]["name"], data["variable"]["name"]
    value = data["actualValue"].strip().casefold()
    if value not in ("true", "false", "1", "0"):
        return False
    if value in ("true", "1") and not data.get("cleared", False):
        tech, info = data.get("techCode", ""), data.get("techInfo", "")
        code = _error_code(component, variable, info)
        if info not in ("", f"{TECH_INFO_PREFIX}{code}"):
            t.lose(Loss.FIELD_DROPPED, f"{path}.techInfo", info[:200])
        before = t.memory.open_errors.get(str(flat))
        if before is not None and before.event_id != data["eventId"] and statuses.connector(t, flat).owed:
            t.lose(Loss.STATUS_COLLAPSED, path, f"{before.component}.{before.variable}")
        t.memory.open_errors[str(flat)] = OpenError(code, component, variable, data["eventId"], tech[:50])
        statuses.changed(t, flat, data["timestamp"])
        return True
    known = t.memory.open_errors.get(str(flat))
    if known is not None and (known.component, known.variable) == (component, variable):
        del t.memory.open_errors[str(flat)]
        if (shown := statuses.status_of(t, flat)) is not None and shown[0] != "Faulted":
            statuses.changed(t, flat, data["timestamp"])
    return True


def _error_code(component: str, variable: str, tech_info: str) -> str:
    if tech_info.startswith(TECH_INFO_PREFIX):
        original = tech_info.removeprefix(TECH_INFO_PREFIX).partition(";")[0]
        if original in ERRORS:
            return original
    return ERROR_OF_COMPONENT.get((component, variable), "OtherError")


# Firmware, logs, security


@RULES.charger_call(
    "FirmwareStatusNotification",
    How.TRANSLATED,
    "FirmwareStatusNotification, SignedFirmwareStatusNotification",
    Loss.ENUM_NARROWED,
    Loss.FIELD_DROPPED,
)
def firmware_status(t: Engine, call: ChargerCall) -> Steps:
    said = call.payload["status"]
    job = t.memory.firmware
    if job is not None and job.kind == "signed":
        action, payload = "SignedFirmwareStatusNotification", named(call.payload, "status", "requestId")
        status: str | None = said
    else:
        action, status = "FirmwareStatusNotification", FIRMWARE_STATUS.down(said)
        payload = {"status": status}
        if status != said:
            t.lose(Loss.ENUM_NARROWED, "status", said, status or "")
        if "requestId" in call.payload:
            t.lose(Loss.FIELD_DROPPED, "requestId", str(call.payload["requestId"]))
    if status is None or (job is not None and job.last == status != "Idle"):
        return {}
    answer = yield Ask(BACKEND, action, payload)
    if isinstance(answer, dict) and job is not None:
        job.last = status
    return _heard(answer)


@RULES.charger_call(
    "LogStatusNotification",
    How.TRANSLATED,
    "DiagnosticsStatusNotification, LogStatusNotification",
    Loss.ENUM_NARROWED,
    Loss.LOCAL_STATE,
    Loss.FIELD_DROPPED,
)
def log_status(t: Engine, call: ChargerCall) -> Steps:
    said, number = call.payload["status"], call.payload.get("requestId")
    job = t.memory.log
    native = t.memory.capabilities.get("be_security_ext") == "yes" if job is None else job.kind == "log"
    is_other = number is not None and job is not None and job.request_id not in (ANY_REQUEST, number)
    if is_other and not native:  # a number of the gateway's own says nothing to the backend
        t.lose(Loss.LOCAL_STATE, "requestId", str(number))
        return {}
    pairs = LOG_STATUS if native else DIAGNOSTICS_STATUS
    status = pairs.down(said) or "Idle"
    if status != said and pairs.narrows(said):
        t.lose(Loss.ENUM_NARROWED, "status", said, status)
    if native:
        payload = named(call.payload, "requestId") | {"status": status}
        answer = yield Ask(BACKEND, "LogStatusNotification", payload)
    else:
        if number is not None:
            t.lose(Loss.FIELD_DROPPED, "requestId", str(number))
        answer = yield Ask(BACKEND, "DiagnosticsStatusNotification", {"status": status})
    return _heard(answer)


@RULES.charger_call(
    "SecurityEventNotification", How.TRANSLATED, "SecurityEventNotification", Loss.NOT_SUPPORTED
)
def security_event(t: Engine, call: ChargerCall) -> Steps:
    """Renamed for a backend with the security extension; for one without it ends here."""
    kind = call.payload["type"]
    if t.memory.capabilities.get("be_security_ext") == "no":
        t.lose(Loss.NOT_SUPPORTED, "SecurityEventNotification", kind)
        return {}
    payload = named(call.payload, "timestamp", "techInfo") | {"type": SECURITY_EVENTS_16.get(kind, kind)}
    answer = yield Ask(BACKEND, "SecurityEventNotification", payload)
    if isinstance(answer, Refused) and answer.code in _NOT_THERE:
        t.memory.capabilities["be_security_ext"] = "no"
        t.lose(Loss.NOT_SUPPORTED, "SecurityEventNotification", kind)
        return {}
    return _heard(answer)


def _heard(answer: Any) -> Payload | Undelivered:
    """The answer to a notification that the backend should have."""
    if isinstance(answer, dict):
        return {}
    return Undelivered(answer if isinstance(answer, Refused) else SILENCE)


# What ends here


def _ends_here(action: str, answer: Payload) -> None:
    @RULES.charger_call(
        action, How.ANSWERED, "or DataTransfer (`tunnel`)", Loss.NOT_SUPPORTED, stateless=True
    )
    def absorbed(t: Engine, call: ChargerCall) -> Steps:
        told = yield from tunnel.through(t, BACKEND, action, call.payload)
        if told is not None:
            return told
        is_personal = action == "NotifyCustomerInformation"
        t.lose(Loss.NOT_SUPPORTED, action, "" if is_personal else compact(call.payload)[:200])
        return dict(answer)


for _action in (
    *("ClearedChargingLimit", "NotifyChargingLimit", "NotifyCustomerInformation", "NotifyDisplayMessages"),
    *("NotifyMonitoringReport", "PublishFirmwareStatusNotification"),
):
    _ends_here(_action, {})
_ends_here(
    "NotifyEVChargingNeeds", {"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedRequest"}}
)
_ends_here("NotifyEVChargingSchedule", {"status": "Accepted"})


@RULES.charger_call("ReservationStatusUpdate", How.ANSWERED, "", Loss.LOCAL_STATE)
def reservation_status(t: Engine, call: ChargerCall) -> Payload:
    number = call.payload["reservationId"]
    t.memory.reservations = [one for one in t.memory.reservations if one.id != number]
    t.lose(Loss.LOCAL_STATE, "ReservationStatusUpdate", str(number))
    return {}


@RULES.charger_call("ReportChargingProfiles", How.ANSWERED, "", Loss.LOCAL_STATE)
def report_profiles(t: Engine, call: ChargerCall) -> Payload:
    evse, source = call.payload["evseId"], call.payload["chargingLimitSource"]
    ids = {profile["id"] for profile in call.payload["chargingProfile"]}
    kept = [one for one in t.memory.profiles if one.id not in ids]
    made = [Profile(profile["id"], evse, profile, source) for profile in call.payload["chargingProfile"]]
    t.memory.profiles = (kept + made)[-MOST_PROFILES:]
    t.lose(Loss.LOCAL_STATE, "ReportChargingProfiles", str(sorted(ids)))
    return {}
