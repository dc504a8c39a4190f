"""Pairs of enumeration values of 1.6 and 2.0.1, each written once and used in both directions.

A `Pairs` knows what each value of one version is in the other; `narrows` says whether something is lost by
it. Section numbers are those of OCPP 1.6 §7 and OCPP 2.0.1 part 2 §3.
"""

from typing import Final, NamedTuple

from msgspec import Struct


class Pairs(Struct, frozen=True):
    """Values of 1.6 and their counterparts in 2.0.1.

    `same` are spelled alike in both. `renamed` maps 1.6 → 2.0.1 one to one. `to_201` and `to_16` hold the
    values that only one version has, and what stands for them in the other: more than one value becomes the
    same.
    """

    same: frozenset[str]
    renamed: dict[str, str] = {}
    to_201: dict[str, str] = {}
    to_16: dict[str, str] = {}

    def up(self, value16: str) -> str | None:
        """The value in 2.0.1, None when there is none."""
        if value16 in self.same:
            return value16
        return self.renamed.get(value16) or self.to_201.get(value16)

    def down(self, value201: str) -> str | None:
        """The value in 1.6, None when there is none."""
        if value201 in self.same:
            return value201
        back = next((old for old, new in self.renamed.items() if new == value201), None)
        return back or self.to_16.get(value201)

    def narrows(self, value: str) -> bool:
        """Whether the other version cannot say exactly this."""
        return value in self.to_201 or value in self.to_16


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AUTHORISATION: Final = Pairs(
    _words("Accepted Blocked ConcurrentTx Expired Invalid"),
    to_16={
        **dict.fromkeys(("NoCredit", "NotAllowedTypeEVSE", "NotAtThisLocation", "NotAtThisTime"), "Blocked"),
        "Unknown": "Invalid",
    },
)

CONNECTOR_STATUS: Final = Pairs(
    _words("Available Reserved Unavailable Faulted"),
    to_201=dict.fromkeys(("Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"), "Occupied"),
)
"""Occupied has no fixed counterpart in 1.6: it is a matter of the transaction."""


class Stop(NamedTuple):
    """What a stop reason of 1.6 says in a TransactionEvent."""

    trigger: str
    reason: str
    charging_state: str = "EVConnected"


STOPS: Final = {
    "": Stop("StopAuthorized", "Local"),
    "Local": Stop("StopAuthorized", "Local"),
    "Remote": Stop("RemoteStop", "Remote"),
    "DeAuthorized": Stop("Deauthorized", "DeAuthorized"),
    "EVDisconnected": Stop("EVCommunicationLost", "EVDisconnected", "Idle"),
    "EmergencyStop": Stop("AbnormalCondition", "EmergencyStop"),
    "HardReset": Stop("ResetCommand", "ImmediateReset"),
    "SoftReset": Stop("ResetCommand", "ImmediateReset"),
    "PowerLoss": Stop("AbnormalCondition", "PowerLoss"),
    "Reboot": Stop("AbnormalCondition", "Reboot"),
    "UnlockCommand": Stop("UnlockCommand", "Other"),
    "Other": Stop("ChargingStateChanged", "Other"),
}
"""1.6 StopTransaction.reason ("" when absent) → triggerReason, stoppedReason, chargingState."""

LATE_STOP: Final = Stop("Deauthorized", "DeAuthorized")
"""A Remote stop that the gateway asked for, because the backend refused the transaction late."""

STOP_REASONS: Final = Pairs(
    _words("DeAuthorized EmergencyStop EVDisconnected Local Other PowerLoss Reboot Remote"),
    to_201={"HardReset": "ImmediateReset", "SoftReset": "ImmediateReset", "UnlockCommand": "Other"},
    to_16={
        "MasterPass": "Local",
        "ImmediateReset": "HardReset",
        **dict.fromkeys(
            (
                *(
                    "EnergyLimitReached",
                    "GroundFault",
                    "LocalOutOfCredit",
                    "OvercurrentFault",
                    "PowerQuality",
                ),
                *("SOCLimitReached", "StoppedByEV", "TimeLimitReached", "Timeout"),
            ),
            "Other",
        ),
    },
)


class Charging(NamedTuple):
    """What a status of 1.6 means for the transaction that is open on the connector."""

    state: str
    trigger: str = "ChargingStateChanged"


CHARGING_STATES: Final = {
    "Preparing": Charging("EVConnected"),
    "Charging": Charging("Charging"),
    "SuspendedEV": Charging("SuspendedEV"),
    "SuspendedEVSE": Charging("SuspendedEVSE"),
    "Finishing": Charging("EVConnected"),
    "Available": Charging("Idle", "EVCommunicationLost"),
    "Faulted": Charging("SuspendedEVSE", "AbnormalCondition"),
}
"""1.6 status → chargingState; Reserved and Unavailable change nothing."""

EV_SIDE_DISCONNECTED: Final = "EV side disconnected"
"""The info text of StatusNotification (1.6) that tells a SuspendedEV without a vehicle."""

STATUS_OF_CHARGING_STATE: Final = {
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
}
"""2.0.1 chargingState → 1.6 status, where one is enough; EVConnected and Idle depend on the transaction."""

ERRORS: Final = {
    "ConnectorLockFailure": ("ConnectorPlugRetentionLock", "Problem"),
    "EVCommunicationError": ("CPPWMController", "Problem"),
    "GroundFailure": ("RCD", "Tripped"),
    "HighTemperature": ("TemperatureSensor", "Problem"),
    "InternalError": ("Controller", "Problem"),
    "ResetFailure": ("Controller", "Problem"),
    "LocalListConflict": ("LocalAuthListCtrlr", "Problem"),
    "OtherError": ("Connector", "Problem"),
    "OverCurrentFailure": ("OverCurrentProtection", "Tripped"),
    "OverVoltage": ("ElectricalFeed", "Problem"),
    "UnderVoltage": ("ElectricalFeed", "Problem"),
    "PowerMeterFailure": ("FiscalMetering", "Problem"),
    "PowerSwitchFailure": ("PowerContactor", "Problem"),
    "ReaderFailure": ("TokenReader", "Problem"),
    "WeakSignal": ("DataLink", "Problem"),
}
"""1.6 errorCode → component and variable."""

ERROR_OF_COMPONENT: Final = {pair: code for code, pair in reversed(ERRORS.items())}
"""The inverse; where several codes share a component, the first of the table."""

TECH_INFO_PREFIX: Final = "ocpp16:"
"""techInfo of an event made of a StatusNotification: the prefix, the error code, vendor and info."""

MEASURANDS: Final = _words(
    """Energy.Active.Export.Register Energy.Active.Import.Register Energy.Reactive.Export.Register
    Energy.Reactive.Import.Register Energy.Active.Export.Interval Energy.Active.Import.Interval
    Energy.Reactive.Export.Interval Energy.Reactive.Import.Interval Power.Active.Export Power.Active.Import
    Power.Offered Power.Reactive.Export Power.Reactive.Import Power.Factor Current.Import Current.Export
    Current.Offered Voltage Frequency SoC"""
)
"""The measurands that both versions have."""

CONTEXTS: Final = _words(
    """Interruption.Begin Interruption.End Other Sample.Clock Sample.Periodic Transaction.Begin
    Transaction.End Trigger"""
)
PHASES: Final = _words("L1 L2 L3 N L1-N L2-N L3-N L1-L2 L2-L3 L3-L1")
LOCATIONS: Final = _words("Body Cable EV Inlet Outlet")

UNITS: Final = Pairs(
    _words("Wh kWh varh kvarh W kW VA kVA var kvar A V K Fahrenheit Percent"),
    renamed={"Celsius": "Celsius", "Hertz": "Hz"},
    to_201={"Celcius": "Celsius"},
)

DEFAULT_UNITS: Final = (
    ("Energy.Active", "Wh"),
    ("Energy.Reactive", "varh"),
    ("Power.Active", "W"),
    ("Power.Offered", "W"),
    ("Power.Reactive", "var"),
    ("Power.Factor", None),
    ("Current", "A"),
    ("Voltage", "V"),
    ("Frequency", "Hz"),
    ("SoC", "Percent"),
)
"""How a measurand begins → the unit of 2.0.1 it has when none is written."""

PROFILE_PURPOSES: Final = Pairs(
    _words("TxDefaultProfile TxProfile"), renamed={"ChargePointMaxProfile": "ChargingStationMaxProfile"}
)

FIRMWARE_STATUS: Final = Pairs(
    _words("Downloaded DownloadFailed Downloading Idle InstallationFailed Installing Installed"),
    to_16={
        "DownloadPaused": "Downloading",
        "SignatureVerified": "Downloaded",
        "InstallScheduled": "Downloaded",
        "InstallRebooting": "Installing",
        "InvalidSignature": "InstallationFailed",
        "InstallVerificationFailed": "InstallationFailed",
    },
)
"""FirmwareStatusNotification of 1.6; DownloadScheduled has no counterpart and is not told."""

LOG_STATUS: Final = Pairs(
    _words("BadMessage Idle NotSupportedOperation PermissionDenied Uploaded UploadFailure Uploading"),
    to_16={"AcceptedCanceled": "UploadFailure"},
)
"""LogStatusNotification of 1.6's security extension."""

DIAGNOSTICS_STATUS: Final = Pairs(
    _words("Idle Uploaded Uploading"),
    renamed={"UploadFailed": "UploadFailure"},
    to_16=dict.fromkeys(
        ("BadMessage", "NotSupportedOperation", "PermissionDenied", "AcceptedCanceled"), "UploadFailed"
    ),
)

ROOT_CERTIFICATES: Final = Pairs(
    _words("ManufacturerRootCertificate"), renamed={"CentralSystemRootCertificate": "CSMSRootCertificate"}
)
PNC_CERTIFICATES: Final = _words("V2GRootCertificate MORootCertificate V2GCertificateChain")
"""Certificates that 1.6 knows only inside Plug & Charge messages."""

TRIGGERS: Final = Pairs(
    _words("BootNotification FirmwareStatusNotification Heartbeat MeterValues StatusNotification"),
    to_16={"TransactionEvent": "MeterValues"},
)
"""TriggerMessage of 1.6."""

EXTENDED_TRIGGERS: Final = Pairs(
    _words(
        """BootNotification FirmwareStatusNotification Heartbeat LogStatusNotification MeterValues
        StatusNotification"""
    ),
    renamed={"SignChargePointCertificate": "SignChargingStationCertificate"},
)
"""ExtendedTriggerMessage of 1.6's security extension."""

SECURITY_EVENTS: Final = {
    "FailedToAuthenticateAtCentralSystem": "FailedToAuthenticateAtCsms",
    "CentralSystemFailedToAuthenticate": "CsmsFailedToAuthenticate",
    "InvalidCentralSystemCertificate": "InvalidCsmsCertificate",
    "InvalidChargePointCertificate": "InvalidChargingStationCertificate",
}
"""The four security events that 2.0.1 renamed; all others are alike."""

SECURITY_EVENTS_16: Final = {new: old for old, new in SECURITY_EVENTS.items()}

CONFIGURATION_STATUS: Final = Pairs(
    _words("Accepted RebootRequired Rejected"),
    renamed={"NotSupported": "UnknownVariable"},
    to_16={"UnknownComponent": "NotSupported", "NotSupportedAttributeType": "NotSupported"},
)
"""ChangeConfiguration.status ↔ SetVariables' attributeStatus."""
