"""The energy register in readings of 2.0.1: what meterStart and meterStop of 1.6 are made of."""

from decimal import Decimal
from typing import Final, NamedTuple

from gateway.ocpp.units import DEFAULT_MEASURAND, WATT_HOURS
from gateway.translate.port import Payload
from gateway.translate.values import seconds

_PHASES: Final = ("L1", "L2", "L3")
_MOST_DIGITS: Final = 15


class Register(NamedTuple):
    """The register at one instant, in Wh."""

    wh: Decimal
    at: float
    context: str


def registers(values: list[Payload]) -> list[Register]:
    """The register of each instant and context, in the order of time.

    The one of all phases at the outlet comes first, then of all phases elsewhere, then the sum of the phases.
    """
    found = []
    for value in values:
        at = seconds(value["timestamp"])
        by_context: dict[str, list[Payload]] = {}
        for sample in value["sampledValue"]:
            if sample.get("measurand", DEFAULT_MEASURAND) == DEFAULT_MEASURAND and _wh(sample) is not None:
                by_context.setdefault(sample.get("context", "Sample.Periodic"), []).append(sample)
        for context, samples in by_context.items():
            if (wh := _of_instant(samples)) is not None:
                found.append(Register(wh, at, context))
    return sorted(found, key=lambda register: register.at)


def _of_instant(samples: list[Payload]) -> Decimal | None:
    whole = [sample for sample in samples if "phase" not in sample]
    whole.sort(key=lambda sample: sample.get("location", "Outlet") != "Outlet")
    if whole:
        return _wh(whole[0])
    phases = {sample["phase"]: _wh(sample) for sample in samples if sample["phase"] in _PHASES}
    return sum((wh for wh in phases.values() if wh is not None), Decimal(0)) if phases else None


def _wh(sample: Payload) -> Decimal | None:
    measure = sample.get("unitOfMeasure", {})
    factor = WATT_HOURS.get(measure.get("unit", "Wh"))
    multiplier = measure.get("multiplier", 0)
    if factor is None or abs(multiplier) > _MOST_DIGITS:
        return None
    wh = Decimal(sample["value"]).scaleb(multiplier) * int(factor)
    return wh if abs(wh) < 10**_MOST_DIGITS else None
