"""What cannot pass between 2.1 and 2.0.1 at all, each refused in its own words; and messages only 2.1 has."""

from collections.abc import Callable
from typing import Final

from gateway.ocpp.values import path_text
from gateway.translate.bridge21.fields import inexpressible
from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.port import Payload, Severity
from gateway.translate.values import moment_text

UNSUPPORTED: Final = "UnsupportedRequest"
LONGEST_LINK: Final = 512
_CONNECTOR_TYPES: Final = frozenset(
    [
        "cCCS1",
        "cCCS2",
        "cG105",
        "cTesla",
        "cType1",
        "cType2",
        "s309-1P-16A",
        "s309-1P-32A",
        "s309-3P-16A",
        "s309-3P-32A",
        "sBS1361",
        "sCEE-7-7",
        "sType2",
        "sType3",
        "Other1PhMax16A",
        "Other1PhOver16A",
        "Other3Ph",
        "Pan",
        "wInductive",
        "wResonant",
        "Undetermined",
        "Unknown",
    ]
)

Refuses = Callable[[Engine, Payload], Payload | None]


def because(status: str, reason: str = UNSUPPORTED) -> Payload:
    """An answer of the gateway's own, with its reason."""
    return {"status": status, "statusInfo": {"reasonCode": reason}}


def _lost(t: Engine, path: str, answer: Payload, code: Loss = Loss.NOT_SUPPORTED) -> Payload:
    t.lose(code, path, severity=Severity.WARN)
    return answer


# Requests of a 2.1 backend that a 2.0.1 charger cannot be asked


def _reset(t: Engine, asked: Payload) -> Payload | None:
    return _lost(t, "type", because("Rejected")) if asked["type"] == "ImmediateAndResume" else None


def _trigger(t: Engine, asked: Payload) -> Payload | None:
    new = asked["requestedMessage"] in ("CustomTrigger", "SignV2G20Certificate")
    return _lost(t, "requestedMessage", {"status": "NotImplemented"}) if new else None


def _profile(t: Engine, asked: Payload) -> Payload | None:
    profile = asked.get("chargingProfile")
    member = inexpressible(profile) if profile is not None else None
    if member is None:
        return None
    return _lost(t, path_text(("chargingProfile", *member)), because("Rejected", "InvalidProfile"))


def _root(t: Engine, asked: Payload) -> Payload | None:
    if asked["certificateType"] == "OEMRootCertificate":
        return _lost(t, "certificateType", because("Rejected"))
    return _too_long(t, "certificate", asked["certificate"], 5500, because("Rejected", "TooLargeElement"))


def _log(t: Engine, asked: Payload) -> Payload | None:
    if asked["logType"] == "DataCollectorLog":
        return _lost(t, "logType", because("Rejected"))
    location = asked["log"]["remoteLocation"]
    return _too_long(t, "log.remoteLocation", location, LONGEST_LINK, because("Rejected", "InvalidURL"))


def _firmware(t: Engine, asked: Payload) -> Payload | None:
    location = asked["firmware"]["location"]
    return _too_long(t, "firmware.location", location, LONGEST_LINK, because("Rejected", "InvalidURL"))


def _published(t: Engine, asked: Payload) -> Payload | None:
    return _too_long(t, "location", asked["location"], LONGEST_LINK, because("Rejected", "InvalidURL"))


def _too_long(t: Engine, path: str, text: str, limit: int, answer: Payload) -> Payload | None:
    return _lost(t, path, answer, Loss.VALUE_TOO_LONG) if len(text) > limit else None


def _reservation(t: Engine, asked: Payload) -> Payload | None:
    known = asked.get("connectorType", "Unknown") in _CONNECTOR_TYPES
    return None if known else _lost(t, "connectorType", because("Rejected", "UnknownConnectorType"))


def _message(t: Engine, asked: Payload) -> Payload | None:
    message = asked["message"]
    if message.get("state") in ("Discharging", "Suspended"):
        return _lost(t, "message.state", {"status": "NotSupportedState"})
    if message["message"]["format"] == "QRCODE":
        return _lost(t, "message.message.format", {"status": "NotSupportedMessageFormat"})
    content, answer = message["message"]["content"], because("Rejected", "TooLargeElement")
    return _too_long(t, "message.message.content", content, LONGEST_LINK, answer)


def _network(t: Engine, asked: Payload) -> Payload | None:
    return _lost(t, "SetNetworkProfile", because("Rejected"), Loss.LEG_SCOPED)


def _v2g20(t: Engine, asked: Payload) -> Payload | None:
    new = asked.get("certificateType") == "V2G20Certificate"
    return _lost(t, "certificateType", because("Rejected")) if new else None


def _installed(t: Engine, asked: Payload) -> Payload | None:
    only_new = set(asked.get("certificateType", ())) == {"OEMRootCertificate"}
    return _lost(t, "certificateType", {"status": "NotFound"}) if only_new else None


OF_BACKEND_21: Final[dict[str, Refuses]] = {
    "CertificateSigned": _v2g20,
    "GetInstalledCertificateIds": _installed,
    "GetLog": _log,
    "InstallCertificate": _root,
    "PublishFirmware": _published,
    "RequestStartTransaction": _profile,
    "ReserveNow": _reservation,
    "Reset": _reset,
    "SetChargingProfile": _profile,
    "SetDisplayMessage": _message,
    "SetNetworkProfile": _network,
    "TriggerMessage": _trigger,
    "UpdateFirmware": _firmware,
}


# Requests of a 2.1 charger that a 2.0.1 backend cannot be asked


def _ev_certificate(t: Engine, asked: Payload) -> Payload | None:
    answer = because("Failed", "TooLargeElement") | {"exiResponse": ""}
    return _too_long(t, "exiRequest", asked["exiRequest"], 5600, answer)


def _ocsp(t: Engine, asked: Payload) -> Payload | None:
    url = asked["ocspRequestData"]["responderURL"]
    return _too_long(
        t, "ocspRequestData.responderURL", url, LONGEST_LINK, because("Failed", "TooLargeElement")
    )


def _needs(t: Engine, asked: Payload) -> Payload | None:
    wireless = asked["chargingNeeds"]["requestedEnergyTransfer"] == "WPT"
    return _lost(t, "chargingNeeds.requestedEnergyTransfer", because("Rejected")) if wireless else None


def _schedule(t: Engine, asked: Payload) -> Payload | None:
    periods = asked["chargingSchedule"]["chargingSchedulePeriod"]
    if all("limit" in period for period in periods):
        return None
    return _lost(t, "chargingSchedule.chargingSchedulePeriod", because("Rejected", "InvalidSchedule"))


OF_CHARGER_21: Final[dict[str, Refuses]] = {
    "Get15118EVCertificate": _ev_certificate,
    "GetCertificateStatus": _ocsp,
    "NotifyEVChargingNeeds": _needs,
    "NotifyEVChargingSchedule": _schedule,
    "SignCertificate": _v2g20,
}


# Requests of 2.0.1 that 2.1 does not allow


def _no_evse(t: Engine, asked: Payload) -> Payload | None:
    return _lost(t, "evseId", because("Rejected", "UnknownEvse")) if asked.get("evseId", 1) < 1 else None


OF_BACKEND_201: Final[dict[str, Refuses]] = {"RequestStartTransaction": _no_evse}
OF_CHARGER_201: Final[dict[str, Refuses]] = {
    "NotifyEVChargingNeeds": _no_evse,
    "NotifyEVChargingSchedule": _no_evse,
}


# Messages that only 2.1 has


def _plainly(answer: Payload) -> Callable[[Engine, Payload], Payload]:
    return lambda t, asked: answer


def _clear_tariffs(t: Engine, asked: Payload) -> Payload:
    ids = asked.get("tariffIds")
    results = [{"tariffId": id_, "status": "NoTariff"} for id_ in ids] if ids else [{"status": "NoTariff"}]
    return {"clearTariffsResult": results}


def failed_chain(t: Engine, asked: Payload) -> Payload:
    """Of no certificate of a chain the status is known."""
    statuses = [
        {
            "certificateHashData": one["certificateHashData"],
            "source": one["source"],
            "status": "Failed",
            "nextUpdate": moment_text(t.now),
        }
        for one in asked["certificateStatusRequests"]
    ]
    return {"certificateStatus": statuses}


def _vat_number(t: Engine, asked: Payload) -> Payload:
    return because("Rejected") | {key: asked[key] for key in ("vatNumber", "evseId") if key in asked}


BACKEND_ONLY: Final[dict[str, Callable[[Engine, Payload], Payload]]] = {
    **dict.fromkeys(
        [
            "AFRRSignal",
            "AdjustPeriodicEventStream",
            "ChangeTransactionTariff",
            "NotifyAllowedEnergyTransfer",
            "RequestBatterySwap",
            "SetDefaultTariff",
            "UpdateDynamicSchedule",
            "UsePriorityCharging",
        ],
        _plainly(because("Rejected")),
    ),
    **dict.fromkeys(("ClearDERControl", "GetDERControl", "SetDERControl"), _plainly(because("NotSupported"))),
    "GetTariffs": _plainly(because("NoTariff")),
    "ClearTariffs": _clear_tariffs,
    "GetPeriodicEventStream": _plainly({}),
    "NotifyWebPaymentStarted": _plainly({}),
}
"""Commands of a 2.1 backend → the answer for a 2.0.1 charger."""

CHARGER_ONLY: Final[dict[str, Callable[[Engine, Payload], Payload]]] = {
    **dict.fromkeys(
        [
            "BatterySwap",
            "ClosePeriodicEventStream",
            "NotifyDERAlarm",
            "NotifyDERStartStop",
            "NotifyPriorityCharging",
            "NotifySettlement",
            "ReportDERControl",
        ],
        _plainly({}),
    ),
    "OpenPeriodicEventStream": _plainly(because("Rejected")),
    "PullDynamicScheduleUpdate": _plainly(because("Rejected")),
    "VatNumberValidation": _vat_number,
}
"""Messages of a 2.1 charger → the answer in place of a 2.0.1 backend."""
