"""What the schemas do not say: other names of fields and words, and which texts may be cut."""

from typing import Final

from gateway.ocpp.message import Version

OLD_FIELDS: Final = {
    ("BootNotification", "heartbeatInterval"): "interval",
    ("SetChargingProfile", "chargingProfile"): "csChargingProfiles",
    ("RemoteStartTransaction", "csChargingProfiles"): "chargingProfile",
    ("SetChargingProfile", "csChargingProfiles"): "chargingProfile",
    ("TransactionEvent", "transactionData"): "transactionInfo",
    ("TransactionEvent", "id"): "transactionId",
}
"""(action, a field of another version) → the field of this one; used only where the schema has the latter."""

OTHER_FIELDS: Final = {("StopTransaction", "disconnectReason"): "reason"}
"""(action, a name no version has) → the field that is meant."""

OLD_WORDS: Final = {"evdetected": "EVConnected"}
"""A word of OCPP 2.0, squeezed → that of 2.0.1."""

OCCUPIED: Final = frozenset({"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})
"""Connector statuses of 1.6 that 2.x calls Occupied."""

STATUSES_16: Final = OCCUPIED | {"Available", "Reserved", "Unavailable", "Faulted"}

CATCH_ALL: Final = {
    (Version.V16, "StopTransaction", "reason"): "Other",
    (Version.V16, "StatusNotification", "errorCode"): "OtherError",
    (Version.V201, "BootNotification", "reason"): "Unknown",
    (Version.V21, "BootNotification", "reason"): "Unknown",
    (Version.V201, "TransactionEvent", "stoppedReason"): "Other",
    (Version.V21, "TransactionEvent", "stoppedReason"): "Other",
}
"""Where the standard has a word for what it has no word for."""

DESCRIPTIVE: Final = frozenset(
    """chargePointVendor chargePointModel chargePointSerialNumber chargeBoxSerialNumber firmwareVersion
    iccid imsi meterType meterSerialNumber info vendorErrorCode vendorName model serialNumber
    additionalInfo techInfo reasonCode""".split()  # noqa: SIM905
)
"""Texts that only describe: they may be cut at the schema's limit."""

IDENTIFIERS: Final = frozenset(
    """idTag parentIdTag idToken transactionId key messageId vendorId chargingProfileId remoteStartId
    groupIdToken""".split()  # noqa: SIM905
)

TAGS: Final = frozenset({"idTag", "parentIdTag", "idToken"})

REPORTED: Final = frozenset(
    """transactionData idTag value chargingSchedule meterValue sampledValue info vendorErrorCode vendorId
    iccid imsi meterType meterSerialNumber firmwareVersion chargePointSerialNumber chargeBoxSerialNumber
    transactionId timestamp reservationId scheduleStart
    modem serialNumber statusInfo chargingState numberOfPhasesUsed cableMaxCurrent signedMeterValue
    unitOfMeasure techInfo techCode cause unknownKey""".split()  # noqa: SIM905
)
"""Optional fields of a charger's reports: left out, they mean "not known"."""

CONFIG_KEYS: Final = {
    key.lower(): key
    for key in """AllowOfflineTxForUnknownId AuthorizationCacheEnabled AuthorizeRemoteTxRequests BlinkRepeat
    ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation ConnectorPhaseRotationMaxLength
    GetConfigurationMaxKeys HeartbeatInterval LightIntensity LocalAuthorizeOffline LocalPreAuthorize
    MaxEnergyOnInvalidId MeterValuesAlignedData MeterValuesAlignedDataMaxLength MeterValuesSampledData
    MeterValuesSampledDataMaxLength MeterValueSampleInterval MinimumStatusDuration NumberOfConnectors
    ResetRetries StopTransactionOnEVSideDisconnect StopTransactionOnInvalidId StopTxnAlignedData
    StopTxnAlignedDataMaxLength StopTxnSampledData StopTxnSampledDataMaxLength SupportedFeatureProfiles
    SupportedFeatureProfilesMaxLength TransactionMessageAttempts TransactionMessageRetryInterval
    UnlockConnectorOnEVSideDisconnect WebSocketPingInterval LocalAuthListEnabled LocalAuthListMaxLength
    SendLocalListMaxLength ReserveConnectorZeroSupported ChargeProfileMaxStackLevel
    ChargingScheduleAllowedChargingRateUnit ChargingScheduleMaxPeriods ConnectorSwitch3to1PhaseSupported
    MaxChargingProfilesInstalled AuthorizationKey CpoName SecurityProfile
    CertificateSignedMaxChainSize CertificateStoreMaxLength AdditionalRootCertificateCheck""".split()  # noqa: SIM905
}
"""The standard configuration keys of OCPP 1.6 §9 and the security whitepaper, by their lower case."""

SECRET_WORDS: Final = (
    "password",
    "passwd",
    "secret",
    "cardpin",
    "authorizationkey",
    "authentication",
    "pincode",
)


def squeezed(text: str) -> str:
    """A word without case, blanks, hyphens and underscores."""
    return text.casefold().translate(_DROPPED)


_DROPPED: Final = str.maketrans("", "", " \t\r\n-_")
_LONG_WORD: Final = 8


def meant(text: str, words: tuple[str, ...]) -> str | None:
    """The one word of a closed list that a misspelt one can only be, else None."""
    plain = squeezed(text)
    if not plain:
        return None
    same = [word for word in words if squeezed(word) == plain]
    if not same and len(plain) >= _LONG_WORD - 1:
        same = [word for word in words if len(word) >= _LONG_WORD and _one_edit(plain, squeezed(word))]
    return same[0] if len(same) == 1 else None


def _one_edit(one: str, other: str) -> bool:
    """Whether one letter added, dropped, changed, or two neighbours swapped make the words equal."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, target = one[start:], other[start:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return rest[1:] == target[1:] or rest[1:] == target or rest == target[1:] or swapped == target
