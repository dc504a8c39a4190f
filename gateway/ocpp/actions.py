"""Which actions each version has, who may send them, and which must never be lost.

OCPP 1.6 with the security whitepaper's additions, OCPP 2.0.1 and OCPP 2.1. A test holds the lists
against the schema files.
"""

from typing import Final

from gateway.ocpp.message import Sender, Version


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_CHARGER_16: Final = words(
    """Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification
    Heartbeat LogStatusNotification MeterValues SecurityEventNotification SignCertificate
    SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction"""
)
_BACKEND_16: Final = words(
    """CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache
    ClearChargingProfile DataTransfer DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule
    GetConfiguration GetDiagnostics GetInstalledCertificateIds GetLocalListVersion GetLog
    InstallCertificate RemoteStartTransaction RemoteStopTransaction ReserveNow Reset SendLocalList
    SetChargingProfile SignedUpdateFirmware TriggerMessage UnlockConnector UpdateFirmware"""
)
_CHARGER_201: Final = words(
    """Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification
    Get15118EVCertificate GetCertificateStatus Heartbeat LogStatusNotification MeterValues
    NotifyChargingLimit NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds
    NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyReport
    PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate
    SecurityEventNotification SignCertificate StatusNotification TransactionEvent"""
)
_BACKEND_201: Final = words(
    """CancelReservation CertificateSigned ChangeAvailability ClearCache ClearChargingProfile
    ClearDisplayMessage ClearVariableMonitoring CostUpdated CustomerInformation DataTransfer
    DeleteCertificate GetBaseReport GetChargingProfiles GetCompositeSchedule GetDisplayMessages
    GetInstalledCertificateIds GetLocalListVersion GetLog GetMonitoringReport GetReport
    GetTransactionStatus GetVariables InstallCertificate PublishFirmware RequestStartTransaction
    RequestStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SetDisplayMessage
    SetMonitoringBase SetMonitoringLevel SetNetworkProfile SetVariableMonitoring SetVariables
    TriggerMessage UnlockConnector UnpublishFirmware UpdateFirmware"""
)
_CHARGER_21: Final = _CHARGER_201 | words(
    """BatterySwap ClosePeriodicEventStream GetCertificateChainStatus NotifyDERAlarm NotifyDERStartStop
    NotifyPeriodicEventStream NotifyPriorityCharging NotifySettlement OpenPeriodicEventStream
    PullDynamicScheduleUpdate ReportDERControl VatNumberValidation"""
)
_BACKEND_21: Final = _BACKEND_201 | words(
    """AFRRSignal AdjustPeriodicEventStream ChangeTransactionTariff ClearDERControl ClearTariffs
    GetDERControl GetPeriodicEventStream GetTariffs NotifyAllowedEnergyTransfer NotifyWebPaymentStarted
    RequestBatterySwap SetDERControl SetDefaultTariff UpdateDynamicSchedule UsePriorityCharging"""
)

_SENT_BY: Final[dict[tuple[Version, Sender], frozenset[str]]] = {
    (Version.V16, Sender.CHARGER): _CHARGER_16,
    (Version.V16, Sender.BACKEND): _BACKEND_16,
    (Version.V201, Sender.CHARGER): _CHARGER_201,
    (Version.V201, Sender.BACKEND): _BACKEND_201,
    (Version.V21, Sender.CHARGER): _CHARGER_21,
    (Version.V21, Sender.BACKEND): _BACKEND_21,
}

_ALL: Final = {version: frozenset().union(*(_SENT_BY[version, who] for who in Sender)) for version in Version}

UNANSWERED: Final = frozenset({"NotifyPeriodicEventStream"})
"""Sent as SEND: no answer exists (OCPP 2.1 part 4 §4.2.5)."""

_REVENUE: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"})

NEVER_LOST: Final = _REVENUE | {"SecurityEventNotification"}


def actions(version: Version) -> frozenset[str]:
    """Every action of this version."""
    return _ALL[version]


def actions_of(version: Version, sender: Sender) -> frozenset[str]:
    """The actions this end may send as a CALL (or SEND)."""
    return _SENT_BY[version, sender]


def known_action(version: Version, action: str) -> bool:
    """Whether this version has the action, spelled like this."""
    return action in _ALL[version]


def may_send(version: Version, sender: Sender, action: str) -> bool:
    """Whether this end may send a CALL of the action."""
    return action in _SENT_BY[version, sender]


def carries_revenue(action: str) -> bool:
    """Whether a message of this action is part of a bill: the start, end or energy of a transaction."""
    return action in _REVENUE


def must_not_be_lost(action: str) -> bool:
    """Whether a charger queues this action until it is answered (OCPP 1.6 §3.7, 2.0.1 E04 and A04)."""
    return action in NEVER_LOST
