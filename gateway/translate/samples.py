"""Sampled values: texts with many defaults in 1.6, numbers that say everything in 2.0.1."""

from base64 import b64encode
from decimal import Decimal
from typing import Final

from gateway.ocpp.units import DEFAULT_MEASURAND, WATT_HOURS
from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.port import Payload, Severity
from gateway.translate.tables import DEFAULT_UNITS, MEASURANDS, UNITS
from gateway.translate.values import compact, decimal, parsed, plain_text, seconds, whole

LONGEST_SIGNED: Final = 2500
LONGEST_METHOD: Final = 50
_SAME: Final = ("context", "phase", "location")


def default_unit(measurand: str) -> str | None:
    """The unit of 2.0.1 that a measurand has when none is written."""
    return next((unit for start, unit in DEFAULT_UNITS if measurand.startswith(start)), None)


def register(wh: int, context: str) -> Payload:
    """meterStart or meterStop of 1.6 as a sampled value of 2.0.1."""
    return {
        "value": wh,
        "context": context,
        "measurand": DEFAULT_MEASURAND,
        "location": "Outlet",
        "unitOfMeasure": {"unit": "Wh"},
    }


def register_wh(sample: Payload) -> int | None:
    """The energy register in whole Wh, when a sampled value of 2.0.1 is one (of all phases)."""
    if sample.get("measurand", DEFAULT_MEASURAND) != DEFAULT_MEASURAND or "phase" in sample:
        return None
    measure = sample.get("unitOfMeasure", {})
    factor = WATT_HOURS.get(measure.get("unit", "Wh"))
    if factor is None:
        return None
    scaled = Decimal(sample["value"]).scaleb(int(measure.get("multiplier", 0)))
    return whole(scaled * int(factor)) if abs(scaled.adjusted()) < 18 else None


def last_register_wh(values: list[Payload]) -> int | None:
    """The last energy register in meter values of 2.0.1 (that stand in the order of time)."""
    found = [wh for value in values for s in value["sampledValue"] if (wh := register_wh(s)) is not None]
    return found[-1] if found else None


def by_instant(values: list[Payload]) -> list[Payload]:
    """Meter values in the order of time, those of one instant as one."""
    instants: dict[float, Payload] = {}
    for value in values:
        known = instants.setdefault(
            seconds(value["timestamp"]), {"timestamp": value["timestamp"], "sampledValue": []}
        )
        known["sampledValue"] = known["sampledValue"] + value["sampledValue"]
    return [instants[moment] for moment in sorted(instants)]


# 1.6 → 2.0.1


def values_201(t: Engine, values: list[Payload], path: str) -> list[Payload]:
    """meterValue of 2.0.1 of that of 1.6; what holds no sample any more is left out."""
    made = []
    for index, value in enumerate(values):
        samples = _samples_201(t, value["sampledValue"], f"{path}[{index}].sampledValue")
        if samples:
            made.append({"timestamp": value["timestamp"], "sampledValue": samples})
    return made


def _samples_201(t: Engine, samples: list[Payload], path: str) -> list[Payload]:
    made = []
    signed = []
    for index, sample in enumerate(samples):
        place = f"{path}[{index}]"
        measurand = sample.get("measurand", DEFAULT_MEASURAND)
        if measurand not in MEASURANDS:
            t.lose(Loss.MEASURAND_DROPPED, place, measurand)
        elif sample.get("format") == "SignedData":
            signed.append((place, sample))
        elif (number := decimal(sample["value"])) is None:
            t.lose(Loss.SAMPLE_UNPARSABLE, f"{place}.value", sample["value"][:100])
        else:
            if "," in sample["value"]:
                t.lose(Loss.TOLERATED, f"{place}.value", sample["value"], str(number))
            made.append(_sample_201(sample, number))
    for place, sample in signed:
        _attach(t, made, sample, place)
    return made


def _sample_201(sample: Payload, number: Decimal) -> Payload:
    measurand = sample.get("measurand", DEFAULT_MEASURAND)
    made: Payload = {"value": number, "measurand": measurand}
    made |= {key: sample[key] for key in _SAME if key in sample}
    unit = UNITS.up(sample["unit"]) if "unit" in sample else default_unit(measurand)
    if unit is not None:
        made["unitOfMeasure"] = {"unit": unit}
    return made


def _attach(t: Engine, made: list[Payload], sample: Payload, place: str) -> None:
    """Put a signed value to the plain one it belongs to."""
    signature = _signature(t, sample["value"], place)
    if signature is None:
        return
    twin = next((other for other in made if _alike(other, sample) and "signedMeterValue" not in other), None)
    if twin is None:
        t.lose(Loss.SIGNED_WITHOUT_RAW, place, sample["value"][:100], "0")
        twin = _sample_201(sample, Decimal(0))
        made.append(twin)
    twin["signedMeterValue"] = signature


def _alike(made: Payload, sample: Payload) -> bool:
    return bool(
        made["measurand"] == sample.get("measurand", DEFAULT_MEASURAND)
        and made.get("context", "Sample.Periodic") == sample.get("context", "Sample.Periodic")
        and made.get("phase") == sample.get("phase")
        and made.get("location", "Outlet") == sample.get("location", "Outlet")
    )


def _signature(t: Engine, text: str, place: str) -> Payload | None:
    """signedMeterValue of the text that 1.6 carries; None when it is too long to be carried on."""
    try:
        said = parsed(text)
    except ValueError:
        said = None
    if isinstance(said, dict) and isinstance(said.get("signedMeterData"), str):
        made = {
            key: said[key] if isinstance(said.get(key), str) else ""
            for key in ("signedMeterData", "signingMethod", "encodingMethod", "publicKey")
        }
    else:
        data = b64encode(text.encode("utf-8", "replace")).decode()
        encoding = "OCMF" if text.startswith("OCMF|") else "Unknown"
        made = {"signedMeterData": data, "signingMethod": "", "encodingMethod": encoding, "publicKey": ""}
    if len(made["signedMeterData"]) > LONGEST_SIGNED or len(made["publicKey"]) > LONGEST_SIGNED:
        t.lose(Loss.VALUE_TOO_LONG, f"{place}.value", text[:100], severity=Severity.BILLING)
        return None
    return made | {key: made[key][:LONGEST_METHOD] for key in ("signingMethod", "encodingMethod")}


# 2.0.1 → 1.6


def values_16(t: Engine, values: list[Payload], path: str) -> list[Payload]:
    """meterValue of 1.6 of that of 2.0.1; what holds no sample any more is left out."""
    made = []
    for index, value in enumerate(values):
        samples = []
        for number, sample in enumerate(value["sampledValue"]):
            samples += _samples_16(t, sample, f"{path}[{index}].sampledValue[{number}]")
        if samples:
            made.append({"timestamp": value["timestamp"], "sampledValue": samples})
    return made


def _samples_16(t: Engine, sample: Payload, place: str) -> list[Payload]:
    """The plain sample, and the signed one after it."""
    measurand = sample.get("measurand", DEFAULT_MEASURAND)
    if measurand not in MEASURANDS:
        t.lose(Loss.MEASURAND_DROPPED, place, measurand)
        return []
    measure = sample.get("unitOfMeasure", {})
    number = Decimal(sample["value"]).scaleb(int(measure.get("multiplier", 0)))
    if abs(number.adjusted()) > 30:
        t.lose(Loss.SAMPLE_UNPARSABLE, f"{place}.value", plain_text(Decimal(sample["value"])))
        return []
    common = {"measurand": measurand} | {key: sample[key] for key in _SAME if key in sample}
    made = {"value": plain_text(number)} | common
    if (unit := _unit_16(t, measure.get("unit"), measurand, place)) is not None:
        made["unit"] = unit
    if "signedMeterValue" not in sample:
        return [made]
    signed = {"value": compact(sample["signedMeterValue"]), "format": "SignedData"} | common
    return [made, signed]


def _unit_16(t: Engine, unit: str | None, measurand: str, place: str) -> str | None:
    if unit is None:
        return "Wh" if measurand.startswith("Energy.Active") else None
    if unit == "Hz" and measurand == "Frequency":  # it has no other unit
        return None
    # StopTransaction's schema knows no Hertz
    known = "Celcius" if unit == "Celsius" else UNITS.down(unit) if unit != "Hz" else None
    if known is None:
        t.lose(Loss.UNIT_DROPPED, f"{place}.unitOfMeasure.unit", unit)
    return known
