"""What fits its schema and still has something in it that `fields` repairs; only OCPP 1.6 has room for it."""

import re
from typing import Any, Final

from msgspec import UNSET

from gateway.dialect.judge import CLOCK_UNSET_S, moment
from gateway.ocpp.message import Message, Version

_SENTINEL: Final = 2**63 - 1
_PLAIN_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


def hidden(action: str, is_request: bool, p: Any) -> bool:  # noqa: PLR0911
    """Whether a 1.6 payload that fits its schema has something in it that `fields` repairs."""
    if not is_request:
        return _hidden_in_answer(action, p)
    match action:
        case "MeterValues":
            return p.transactionId == _SENTINEL or any(
                _odd_values(value.sampledValue) for value in p.meterValue
            )
        case "StopTransaction":
            if p.transactionId == _SENTINEL or (p.idTag is not UNSET and not p.idTag.isprintable()):
                return True
            data = p.transactionData
            return bool(data) and any(not v.sampledValue or _odd_values(v.sampledValue) for v in data)
        case "StatusNotification":
            if p.timestamp is UNSET or p.timestamp.startswith("2"):
                return False
            when = moment(p.timestamp)
            return when is not None and when < CLOCK_UNSET_S
        case "StartTransaction" | "Authorize":
            return not p.idTag.isprintable()
        case _:
            return False


def names_16_schema(version: Version, error: Message) -> bool:
    """Whether a 2.x charger complains of a field that only 1.6 has: it checks with the wrong schema."""
    if version is Version.V16:
        return False
    return "csChargingProfiles" in error.error_description or b"csChargingProfiles" in bytes(error.payload)


def _hidden_in_answer(action: str, p: Any) -> bool:
    if action == "GetCompositeSchedule":
        return p.chargingSchedule is not UNSET and not p.chargingSchedule.chargingSchedulePeriod
    if action in ("Authorize", "StartTransaction", "StopTransaction"):
        return p.idTagInfo is not UNSET and p.idTagInfo.parentIdTag == ""
    return False


def _odd_values(sampled: list[Any]) -> bool:
    """Whether a value is written in a way that only a repair makes a number."""
    for sample in sampled:
        text = sample.value
        if (
            not text.isdecimal()
            and not text.replace(".", "", 1).isdecimal()
            and sample.format != "SignedData"
        ):
            if text[:1].isspace() or text[-1:].isspace() or not text:
                return True
            if text[0] in "-0123456789" and not _PLAIN_NUMBER.fullmatch(text):
                return "," in text or text[-1].isalpha() or text[-1] in "%°"
            if text.lower() in {"nan", "inf", "infinity", "-inf", "-infinity"}:
                return True
    return False
