"""Configuration keys of 1.6 and the variables of 2.0.1 they stand for.

Keys: OCPP 1.6 §9, its errata, the security whitepaper, and the OCA's notes on Plug & Charge, signed meter
values and pricing. Variables: OCPP 2.0.1 part 2 appendix 3. Where 2.0.1 has no variable, `variable` is "".
"""

from typing import Final

from msgspec import Struct

from gateway.translate.port import Payload

LEGACY: Final = "OCPP16LegacyCtrlr"
"""The component in which keys of 1.6 without counterpart appear to a 2.x backend."""


class Key(Struct, frozen=True):
    """One key of 1.6 and its place in 2.0.1.

    `access`: `R`, `RW` or `W`. `type`: `bool`, `int`, `string`, `time`, `csl` (a comma list), `measurands`,
    `rates` (Current and Power for A and W), `phases` (one entry per connector). `is_limit`: the value is
    the variable's maxLimit, not its value. `per_evse`: the variable is one of each EVSE. `also` are further
    variables that a write of the key sets too. `leg_scoped`: it belongs to one link. `derived`: made from
    other knowledge, not asked for.
    """

    key: str
    access: str
    type: str
    component: str = ""
    variable: str = ""
    instance: str = ""
    unit: str = ""
    data_type: str = "string"
    is_limit: bool = False
    per_evse: bool = False
    also: tuple[tuple[str, str, str], ...] = ()
    leg_scoped: bool = False
    derived: bool = False


_DATA_TYPES: Final = {
    "bool": "boolean",
    "int": "integer",
    "string": "string",
    "time": "dateTime",
    "csl": "MemberList",
    "measurands": "MemberList",
    "rates": "MemberList",
    "phases": "OptionList",
}


def split_name(name: str) -> tuple[str, str, str]:
    """`Component.Variable[instance]` taken apart; the instance is "" without one."""
    component, _, rest = name.partition(".")
    variable, _, instance = rest.partition("[")
    return component, variable, instance.removesuffix("]")


def _key(
    key: str,
    access: str,
    type_: str,
    name: str = "",
    *,
    unit: str = "",
    limit: bool = False,
    per_evse: bool = False,
    also: tuple[str, ...] = (),
    leg: bool = False,
    derived: bool = False,
) -> Key:
    component, variable, instance = split_name(name)
    return Key(
        key,
        access,
        type_,
        component,
        variable,
        instance,
        unit,
        _DATA_TYPES[type_],
        limit,
        per_evse,
        tuple(split_name(other) for other in also),
        leg,
        derived,
    )


_CORE: Final = (
    _key("AllowOfflineTxForUnknownId", "RW", "bool", "AuthCtrlr.OfflineTxForUnknownIdEnabled"),
    _key("AuthorizationCacheEnabled", "RW", "bool", "AuthCacheCtrlr.Enabled"),
    _key("AuthorizeRemoteTxRequests", "RW", "bool", "AuthCtrlr.AuthorizeRemoteStart"),
    _key("BlinkRepeat", "RW", "int"),
    _key(
        "ClockAlignedDataInterval",
        "RW",
        "int",
        "AlignedDataCtrlr.Interval",
        unit="s",
        also=("AlignedDataCtrlr.TxEndedInterval",),
    ),
    _key("ConnectionTimeOut", "RW", "int", "TxCtrlr.EVConnectionTimeOut", unit="s"),
    _key("ConnectorPhaseRotation", "RW", "phases", "EVSE.PhaseRotation", per_evse=True),
    _key("ConnectorPhaseRotationMaxLength", "R", "int", derived=True),
    _key("GetConfigurationMaxKeys", "R", "int", "DeviceDataCtrlr.ItemsPerMessage[GetVariables]"),
    _key("HeartbeatInterval", "RW", "int", "OCPPCommCtrlr.HeartbeatInterval", unit="s"),
    _key("LightIntensity", "RW", "int"),
    _key("LocalAuthorizeOffline", "RW", "bool", "AuthCtrlr.LocalAuthorizeOffline"),
    _key("LocalPreAuthorize", "RW", "bool", "AuthCtrlr.LocalPreAuthorize"),
    _key("MaxEnergyOnInvalidId", "RW", "int", "TxCtrlr.MaxEnergyOnInvalidId", unit="Wh"),
    _key("MeterValuesAlignedData", "RW", "measurands", "AlignedDataCtrlr.Measurands"),
    _key("MeterValuesAlignedDataMaxLength", "R", "int", derived=True),
    _key("MeterValuesSampledData", "RW", "measurands", "SampledDataCtrlr.TxUpdatedMeasurands"),
    _key("MeterValuesSampledDataMaxLength", "R", "int", derived=True),
    _key(
        "MeterValueSampleInterval",
        "RW",
        "int",
        "SampledDataCtrlr.TxUpdatedInterval",
        unit="s",
        also=("SampledDataCtrlr.TxEndedInterval",),
    ),
    _key("MinimumStatusDuration", "RW", "int", "ChargingStation.MinimumStatusDuration", unit="s"),
    _key("NumberOfConnectors", "R", "int", derived=True),
    _key("ResetRetries", "RW", "int", "OCPPCommCtrlr.ResetRetries"),
    _key("StopTransactionOnEVSideDisconnect", "RW", "bool", "TxCtrlr.StopTxOnEVSideDisconnect"),
    _key("StopTransactionOnInvalidId", "RW", "bool", "TxCtrlr.StopTxOnInvalidId"),
    _key("StopTxnAlignedData", "RW", "measurands", "AlignedDataCtrlr.TxEndedMeasurands"),
    _key("StopTxnAlignedDataMaxLength", "R", "int", derived=True),
    _key("StopTxnSampledData", "RW", "measurands", "SampledDataCtrlr.TxEndedMeasurands"),
    _key("StopTxnSampledDataMaxLength", "R", "int", derived=True),
    _key("SupportedFeatureProfiles", "R", "csl", derived=True),
    _key("SupportedFeatureProfilesMaxLength", "R", "int", derived=True),
    _key("TransactionMessageAttempts", "RW", "int", "OCPPCommCtrlr.MessageAttempts[TransactionEvent]"),
    _key(
        "TransactionMessageRetryInterval",
        "RW",
        "int",
        "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]",
        unit="s",
    ),
    _key("UnlockConnectorOnEVSideDisconnect", "RW", "bool", "OCPPCommCtrlr.UnlockOnEVSideDisconnect"),
    _key("WebSocketPingInterval", "RW", "int", "OCPPCommCtrlr.WebSocketPingInterval", unit="s"),
    _key("MessageTimeout", "R", "int", "OCPPCommCtrlr.MessageTimeout[Default]", unit="s"),
    _key("StopTransactionMaxMeterValues", "R", "int"),
    _key("SupportedFileTransferProtocols", "R", "csl", "OCPPCommCtrlr.FileTransferProtocols"),
)

_PROFILES: Final = (
    _key("LocalAuthListEnabled", "RW", "bool", "LocalAuthListCtrlr.Enabled"),
    _key("LocalAuthListMaxLength", "R", "int", "LocalAuthListCtrlr.Entries", limit=True),
    _key("SendLocalListMaxLength", "R", "int", "LocalAuthListCtrlr.ItemsPerMessage"),
    _key("ReserveConnectorZeroSupported", "R", "bool", "ReservationCtrlr.NonEvseSpecific"),
    _key("ChargeProfileMaxStackLevel", "R", "int", "SmartChargingCtrlr.ProfileStackLevel"),
    _key("ChargingScheduleAllowedChargingRateUnit", "R", "rates", "SmartChargingCtrlr.RateUnit"),
    _key("ChargingScheduleMaxPeriods", "R", "int", "SmartChargingCtrlr.PeriodsPerSchedule"),
    _key("ConnectorSwitch3to1PhaseSupported", "R", "bool", "SmartChargingCtrlr.Phases3to1"),
    _key(
        "MaxChargingProfilesInstalled", "R", "int", "SmartChargingCtrlr.Entries[ChargingProfiles]", limit=True
    ),
)

_SECURITY: Final = (
    _key("AdditionalRootCertificateCheck", "R", "bool", "SecurityCtrlr.AdditionalRootCertificateCheck"),
    _key("AuthorizationKey", "W", "string", "SecurityCtrlr.BasicAuthPassword", leg=True),
    _key("CertificateSignedMaxChainSize", "R", "int", "SecurityCtrlr.MaxCertificateChainSize"),
    _key("CertificateStoreMaxLength", "R", "int", "SecurityCtrlr.CertificateEntries", limit=True),
    _key("CpoName", "RW", "string", "SecurityCtrlr.OrganizationName"),
    _key("SecurityProfile", "RW", "int", "SecurityCtrlr.SecurityProfile", leg=True),
)

_NOTES: Final = (
    _key("ISO15118PnCEnabled", "RW", "bool", "ISO15118Ctrlr.PnCEnabled"),
    _key(
        "ISO15118CertificateManagementEnabled",
        "RW",
        "bool",
        "ISO15118Ctrlr.V2GCertificateInstallationEnabled",
        also=("ISO15118Ctrlr.ContractCertificateInstallationEnabled",),
    ),
    _key("CentralContractValidationAllowed", "RW", "bool", "ISO15118Ctrlr.CentralContractValidationAllowed"),
    _key("ContractValidationOffline", "RW", "bool", "ISO15118Ctrlr.ContractValidationOffline"),
    _key("CertSigningWaitMinimum", "RW", "int", "SecurityCtrlr.CertSigningWaitMinimum", unit="s"),
    _key("CertSigningRepeatTimes", "RW", "int", "SecurityCtrlr.CertSigningRepeatTimes"),
    _key("SampledDataSignReadings", "RW", "bool", "SampledDataCtrlr.SignReadings"),
    _key("AlignedDataSignReadings", "RW", "bool", "AlignedDataCtrlr.SignReadings"),
    _key("SampledDataSignStartedReadings", "RW", "bool", "SampledDataCtrlr.SignStartedReadings"),
    _key("SampledDataSignUpdatedReadings", "RW", "bool", "SampledDataCtrlr.SignUpdatedReadings"),
    _key("AlignedDataSignUpdatedReadings", "RW", "bool", "AlignedDataCtrlr.SignUpdatedReadings"),
    _key("StartTxnSampledData", "RW", "measurands", "SampledDataCtrlr.TxStartedMeasurands"),
    _key("PublicKeyWithSignedMeterValue", "RW", "string", "OCPPCommCtrlr.PublicKeyWithSignedMeterValue"),
    _key("MeterPublicKey", "R", "string", "FiscalMetering.PublicKey", per_evse=True),
    _key(
        "CustomDisplayCostAndPrice",
        "RW",
        "bool",
        "TariffCostCtrlr.Enabled[Tariff]",
        also=("TariffCostCtrlr.Enabled[Cost]",),
    ),
    _key("DefaultPrice", "RW", "string", "TariffCostCtrlr.TariffFallbackMessage"),
    _key("NumberOfDecimalsForCostValues", "RW", "int"),
    _key("CustomIdleFeeAfterStop", "RW", "bool"),
    _key("CustomMultiLanguageMessages", "RW", "bool"),
    _key("SupportedLanguages", "R", "csl"),
    _key("Language", "RW", "string", "DisplayMessageCtrlr.Language"),
    _key("TimeOffset", "RW", "string", "ClockCtrlr.TimeOffset"),
    _key("NextTimeOffsetTransitionDateTime", "RW", "time", "ClockCtrlr.NextTimeOffsetTransitionDateTime"),
    _key("TimeOffsetNextTransition", "RW", "string", "ClockCtrlr.TimeOffset[NextTransition]"),
)

KEYS: Final = (*_CORE, *_PROFILES, *_SECURITY, *_NOTES)
"""Every key that has a meaning in 1.6, in the order in which they are reported."""

KEY_NAMED: Final = {key.key.casefold(): key for key in KEYS}
"""By the key in lower case, for chargers differ in their spelling."""

KEY_OF_VARIABLE: Final = {
    (key.component, key.variable, key.instance): key for key in reversed(KEYS) if key.variable
}
"""By component, variable and instance as 2.0.1 spells them."""


def is_write_only(asked: Payload) -> bool:
    """Whether an element of SetVariables holds a secret."""
    component, variable = asked["component"]["name"], asked["variable"]
    if component == LEGACY:
        known = KEY_NAMED.get(variable["name"].casefold())
    else:
        known = KEY_OF_VARIABLE.get((component, variable["name"], variable.get("instance", "")))
    return known is not None and known.access == "W"


COMPONENTS: Final = frozenset(key.component for key in KEYS if key.component) | {LEGACY}

RATES: Final = {"Current": "A", "Power": "W"}
"""ChargingScheduleAllowedChargingRateUnit (1.6) → RateUnit (2.0.1)."""
