"""What is known of backends' commands: which only read, which can harm a charger, which cannot wait."""

from typing import Any, Final

from gateway.ocpp.actions import actions_of, words
from gateway.ocpp.message import Sender, Version
from gateway.routing.globs import matcher

ALL: Final = frozenset().union(*(actions_of(version, Sender.BACKEND) for version in Version))
"""Every command of every version."""

READS: Final = words(
    """GetBaseReport GetChargingProfiles GetCompositeSchedule GetConfiguration GetDERControl
    GetDisplayMessages GetInstalledCertificateIds GetLocalListVersion GetMonitoringReport
    GetPeriodicEventStream GetReport GetTariffs GetTransactionStatus GetVariables"""
)
"""What asks and changes nothing. Logs and customers' data leave the charger for a third place: not here."""

TRIGGERS: Final = words("TriggerMessage ExtendedTriggerMessage")
TRIGGERED_BY_READERS: Final = words(
    """BootNotification DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat
    LogStatusNotification MeterValues PublishFirmwareStatusNotification StatusNotification
    TransactionEvent"""
)
"""What a backend that only reads may have the charger send; not a request for a certificate."""

ASKS: Final = READS | TRIGGERS | words("CustomerInformation GetDiagnostics GetLog")
"""What cannot be absorbed, since the backend would wait for what it asked for."""

DANGEROUS: Final = words(
    """CertificateSigned DeleteCertificate InstallCertificate PublishFirmware Reset SetNetworkProfile
    SignedUpdateFirmware UnpublishFirmware UpdateFirmware"""
)
"""What can take a charger away from its leader."""

SETS_KEYS: Final = words("ChangeConfiguration SetVariables")
DANGEROUS_KEYS: Final = (
    *("*authorizationkey*", "*basicauth*", "*password*", "*securityprofile*", "*certificate*", "*identity*"),
    *("*url*", "*uri*", "*endpoint*", "*hostname*", "*server*", "*centralsystem*", "*csms*", "*backend*"),
    *(
        "*chargepointid*",
        "*chargeboxid*",
        "*websocket*",
        "*network*",
        "*apn*",
        "*wifi*",
        "*ssid*",
        "*simpin*",
    ),
    *("*proxy*", "*vpn*", "*ipaddress*", "*gateway*", "*dns*", "*ftp*", "*tls*", "*retrybackoff*"),
    *("securityctrlr.*", "ocppcommctrlr.*", "networkconfiguration.*"),
)
"""Configuration keys, and `Component.Variable` in 2.x, of the connection and its security."""

is_dangerous_key: Final = matcher(DANGEROUS_KEYS)

_RANKS: Final = (
    "RequestStopTransaction RemoteStopTransaction UnlockConnector",
    """AFRRSignal ClearChargingProfile ClearDERControl NotifyAllowedEnergyTransfer SetChargingProfile
    SetDERControl UpdateDynamicSchedule UsePriorityCharging""",
    """CancelReservation CertificateSigned CostUpdated NotifyWebPaymentStarted RemoteStartTransaction
    RequestBatterySwap RequestStartTransaction ReserveNow""",
)
USUAL: Final = len(_RANKS)

PRIORITY: Final[dict[str, int]] = {
    **dict.fromkeys(ASKS, USUAL + 1),
    **{action: rank for rank, actions in enumerate(_RANKS) for action in words(actions)},
}
"""Rank in the line towards the charger, lowest first: what ends charging or frees a cable, limits, what a
driver waits for, everything else (`USUAL`; not listed), reads and reports."""


def priority_of(action: str) -> int:
    """The rank of a command in the line towards the charger, lowest first."""
    return PRIORITY.get(action, USUAL)


_DETAIL: Final = {**dict.fromkeys(TRIGGERS, "requestedMessage"), "DataTransfer": "messageId"}


def is_dangerous(action: str, detail: str) -> bool:
    """Whether a command can take a charger away from its leader; one that OCPP does not have may.

    So can a message that a DataTransfer holds, as those of Plug & Charge in 1.6, and a key that is not named.
    """
    if action in SETS_KEYS:
        return not detail or is_dangerous_key(detail)
    return action in DANGEROUS or action not in ALL or (action == "DataTransfer" and detail in DANGEROUS)


def detail_of(action: str, payload: dict[str, Any]) -> str:
    """The key that is set, the message that is triggered or that a DataTransfer holds; "" without one."""
    found = payload.get(_DETAIL.get(action, "key"))
    return found.strip() if isinstance(found, str) else ""


def variable_of(item: Any) -> str:
    """`Component.Variable` of an item of SetVariables, "" when it names none."""
    match item:
        case {"component": {"name": str(component)}, "variable": {"name": str(variable)}}:
            return f"{component.strip()}.{variable.strip()}"
        case _:
            return ""
