"""What 2.1 says that 2.0.1 cannot, type by type, and what 2.1 wants said that 2.0.1 leaves out.

What is unknown altogether is left out by `gateway.translate.fitting`; here stands what means something else.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from gateway.ocpp.message import Version
from gateway.ocpp.schema import Node, schema
from gateway.ocpp.values import Path, path_text
from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.memory import LONGEST_ALIASES, remember
from gateway.translate.port import Payload, Severity
from gateway.translate.tokens import alias
from gateway.translate.values import compact, whole

LONGEST_TOKEN: Final = 36
LONGEST_INFO: Final = 512
LONGEST_SIGNED: Final = 2500
TOKEN_TYPES: Final = frozenset(
    ("Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization")
)
LIMIT_SOURCES: Final = ("EMS", "Other", "SO", "CSO")

GONE: Final = object()
"""Stands for a value that cannot be carried."""

TypeRule = Callable[[Engine, Any, Path], Any]

ENUMS: Final[dict[str, dict[str, str]]] = {
    "TriggerReasonEnumType": {
        "CostLimitReached": "EnergyLimitReached",
        "SoCLimitReached": "EnergyLimitReached",
        "LimitSet": "ChargingStateChanged",
        "TxResumed": "ChargingStateChanged",
        "OperationModeChanged": "ChargingRateChanged",
        "RunningCost": "MeterValuePeriodic",
        "TariffChanged": "MeterValuePeriodic",
        "TariffNotAccepted": "Deauthorized",
    },
    "ReasonEnumType": {"ReqEnergyTransferRejected": "Other"},
    "LocationEnumType": {"Upstream": "Inlet"},
    "MeasurandEnumType": {
        "Current.Import.Offered": "Current.Offered",
        "Power.Import.Offered": "Power.Offered",
        "Display.PresentSOC": "SoC",
    },
    "EnergyTransferModeEnumType": {
        **dict.fromkeys(("DC_BPT", "DC_ACDP", "DC_ACDP_BPT"), "DC"),
        **dict.fromkeys(("AC_BPT", "AC_DER", "AC_BPT_DER"), "AC_three_phase"),
    },
    "ReservationUpdateStatusEnumType": {"NoTransaction": "Expired"},
    "NotifyEVChargingNeedsStatusEnumType": {"NoChargingProfile": "Rejected"},
    "ClearMessageStatusEnumType": {"Rejected": "Unknown"},
    "DisplayMessageStatusEnumType": {"LanguageNotSupported": "Rejected"},
    "OCPPVersionEnumType": {"OCPP201": "OCPP20", "OCPP21": "OCPP20"},
}
"""Values that only 2.1 has, by the name of their type → what stands for them in 2.0.1."""


def narrowed(t: Engine, action: str, is_request: bool, payload: Payload) -> Payload:
    """A payload of 2.1 as 2.0.1 can say it."""
    if "chargingLimitSource" in payload:
        payload = _source_down(t, payload, ())
    got = _walked(t, _node(action, is_request), payload, (), DOWN, True)
    return got if isinstance(got, dict) else {}


def widened(t: Engine, action: str, is_request: bool, payload: Payload) -> Payload:
    """A payload of 2.0.1 as 2.1 wants it."""
    got = _walked(t, _node(action, is_request), payload, (), UP, False)
    return got if isinstance(got, dict) else {}


def _node(action: str, is_request: bool) -> Node:
    node = schema(Version.V21, action, is_request)
    assert node is not None
    return node


def _walked(t: Engine, node: Node, value: Any, path: Path, rules: dict[str, TypeRule], enums: bool) -> Any:
    if isinstance(value, dict):
        made = {}
        for key, member in value.items():
            sub = node.properties.get(key)
            got = member if sub is None else _walked(t, sub, member, (*path, key), rules, enums)
            if got is not GONE:
                made[key] = got
        value = made
    elif isinstance(value, list) and node.items is not None:
        items = [_walked(t, node.items, item, (*path, i), rules, enums) for i, item in enumerate(value)]
        value = [item for item in items if item is not GONE]
    elif enums and (other := ENUMS.get(node.name, {}).get(str(value))) is not None:
        t.lose(Loss.ENUM_NARROWED, path_text(path), str(value), other)
        return other
    rule = rules.get(node.name)
    return rule(t, value, path) if rule is not None else value


# 2.1 → 2.0.1


def _token_down(t: Engine, token: Payload, path: Path) -> Payload:
    kind, text, made = token["type"], token["idToken"], dict(token)
    if kind not in TOKEN_TYPES:
        is_mac = kind == "EVCCID" and len(text) == 12 and all(c in "0123456789abcdefABCDEF" for c in text)
        made["type"] = "MacAddress" if is_mac else "Central"
        remember(t.memory.token_types, text.casefold(), kind)
        t.lose(Loss.ENUM_NARROWED, path_text((*path, "type")), kind, made["type"])
    if len(text) > LONGEST_TOKEN:
        made["idToken"] = alias(token)
        remember(t.memory.aliases, made["idToken"].casefold(), token, LONGEST_ALIASES)
        t.lose(Loss.TOKEN_ALIASED, path_text(path), "", made["idToken"], Severity.WARN)
    return made


def _sample_down(t: Engine, sample: Payload, path: Path) -> Any:
    known = schema(Version.V201, "MeterValues", True)
    assert known is not None and known.properties["meterValue"].items is not None
    samples = known.properties["meterValue"].items.properties["sampledValue"].items
    assert samples is not None
    if "measurand" in sample and sample["measurand"] not in samples.properties["measurand"].enum:
        t.lose(Loss.MEASURAND_DROPPED, path_text(path), sample["measurand"])
        return GONE
    return sample


def _value_down(t: Engine, value: Payload, path: Path) -> Any:
    return value if value["sampledValue"] else GONE


def _signed_down(t: Engine, signed: Payload, path: Path) -> Any:
    if len(signed["signedMeterData"]) > LONGEST_SIGNED:
        t.lose(Loss.VALUE_TOO_LONG, path_text(path), severity=Severity.BILLING)
        return GONE
    return {"signingMethod": "", "publicKey": ""} | signed


def _cut(member: str) -> TypeRule:
    def cut(t: Engine, value: Payload, path: Path) -> Payload:
        if len(value.get(member, "")) <= LONGEST_INFO:
            return value
        t.lose(Loss.VALUE_TRUNCATED, path_text((*path, member)))
        return value | {member: value[member][:LONGEST_INFO]}

    return cut


def _content_down(t: Engine, content: Payload, path: Path) -> Any:
    if content["format"] == "QRCODE":
        t.lose(Loss.FIELD_DROPPED, path_text(path), "QRCODE")
        return GONE
    return _cut("content")(t, content, path)


def _monitor_down(t: Engine, monitor: Payload, path: Path) -> Any:
    if monitor["type"].startswith("TargetDelta"):
        t.lose(Loss.NOT_SUPPORTED, path_text(path), monitor["type"])
        return GONE
    return monitor


def _period_down(t: Engine, period: Payload, path: Path) -> Payload:
    """The lowest of the limits of the phases; what restricts power otherwise is lost with a warning."""
    phases = [period[key] for key in ("limit", "limit_L2", "limit_L3") if key in period]
    if len(phases) > 1:
        t.lose(Loss.VALUE_ROUNDED, path_text((*path, "limit")), compact(phases), compact(min(phases)))
        return period | {"limit": min(phases)}
    return period


def _whole_down(t: Engine, numbers: Payload, path: Path) -> Payload:
    return {key: whole(value) if isinstance(value, Decimal) else value for key, value in numbers.items()}


def _source_down(t: Engine, limit: Payload, path: Path) -> Payload:
    source = limit["chargingLimitSource"]
    if source in LIMIT_SOURCES:
        return limit
    t.lose(Loss.ENUM_NARROWED, path_text((*path, "chargingLimitSource")), source, "Other")
    return limit | {"chargingLimitSource": "Other"}


def _certificates_down(t: Engine, chain: Payload, path: Path) -> Any:
    if chain["certificateType"] == "OEMRootCertificate":
        t.lose(Loss.NOT_SUPPORTED, path_text((*path, "certificateType")), "OEMRootCertificate")
        return GONE
    return chain


def _profile_down(t: Engine, profile: Payload, path: Path) -> Any:
    if inexpressible(profile) is not None:
        t.lose(Loss.NOT_SUPPORTED, path_text(path), compact(profile["id"]), severity=Severity.WARN)
        return GONE
    return profile


def inexpressible(profile: Payload) -> Path | None:
    """Where a charging profile means something that 2.0.1 cannot say."""
    if profile["chargingProfileKind"] == "Dynamic":
        return ("chargingProfileKind",)
    if profile["chargingProfilePurpose"] in ("PriorityCharging", "LocalGeneration"):
        return ("chargingProfilePurpose",)
    for number, schedule in enumerate(profile["chargingSchedule"]):
        for index, period in enumerate(schedule["chargingSchedulePeriod"]):
            place = ("chargingSchedule", number, "chargingSchedulePeriod", index)
            if "limit" not in period:
                return (*place, "limit")
            if period.get("operationMode", "ChargingOnly") != "ChargingOnly":
                return (*place, "operationMode")
    return None


DOWN: Final[dict[str, TypeRule]] = {
    "IdTokenType": _token_down,
    "SampledValueType": _sample_down,
    "MeterValueType": _value_down,
    "SignedMeterValueType": _signed_down,
    "StatusInfoType": _cut("additionalInfo"),
    "MessageContentType": _content_down,
    "VariableMonitoringType": _monitor_down,
    "ChargingSchedulePeriodType": _period_down,
    "ACChargingParametersType": _whole_down,
    "DCChargingParametersType": _whole_down,
    "ChargingLimitType": _source_down,
    "CertificateHashDataChainType": _certificates_down,
    "ChargingProfileType": _profile_down,
}


# 2.0.1 → 2.1


def _token_up(t: Engine, token: Payload, path: Path) -> Payload:
    key = token["idToken"].casefold()
    if (original := t.memory.aliases.get(key)) is not None:
        return original
    known = t.memory.token_types.get(key)
    return token | {"type": known} if known is not None and known not in TOKEN_TYPES else token


def _monitor_up(t: Engine, monitor: Payload, path: Path) -> Payload:
    if "eventNotificationType" not in monitor:
        monitor = monitor | {"eventNotificationType": "CustomMonitor"}
        t.lose(Loss.SYNTHESIZED, path_text((*path, "eventNotificationType")), "", "CustomMonitor")
    return monitor


UP: Final[dict[str, TypeRule]] = {"IdTokenType": _token_up, "VariableMonitoringType": _monitor_up}
