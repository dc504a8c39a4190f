"""Meter values: odd combinations of measurand, unit and phase, and registers that do not add up."""

from typing import Any, Final

from msgspec import UNSET

from gateway.dialect.history import Register, keep
from gateway.dialect.judge import Judge
from gateway.ocpp import units
from gateway.ocpp.flags import FlagCode

_GLITCH_WH: Final = 1_000_000.0


def after_stop(judge: Judge, sampled: list[Any], index: int) -> None:
    closing = any(sample.context == "Transaction.End" for sample in sampled)
    code = FlagCode.TIME_AFTER_STOP if closing else FlagCode.METER_AFTER_STOP
    judge.notes.add(code, f"meterValue[{index}]")


def never_issued(judge: Judge, sampled: list[Any]) -> bool:
    """Whether old readings of transaction 1 begin at nothing: what a charger repeats that lost its memory."""
    old = any(flag.code is FlagCode.TIME_OLD for flag in judge.notes.flags)
    zero = all(s.context == "Transaction.Begin" and as_float(s.value) == 0 for s in sampled)
    return old and zero and 1 not in judge.history.transactions


def as_float(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except ValueError:
        return None


_traits: dict[tuple[object, object, object], tuple[FlagCode, ...]] = {}
_MAX_TRAITS: Final = 4096


def check_samples(judge: Judge, sampled: list[Any], path: str) -> None:
    """Look at the samples of one moment."""
    for index, sample in enumerate(sampled):
        key = (sample.measurand, sample.unit, sample.phase)
        traits = _traits.get(key)
        if traits is None:
            traits = trait(*key)
            if len(_traits) < _MAX_TRAITS:
                _traits[key] = traits
        if traits and sample.format != "SignedData":
            for code in traits:
                judge.notes.add(code, f"{path}.sampledValue[{index}]")


def trait(measurand: object, unit: object, phase: object) -> tuple[FlagCode, ...]:
    """What is odd about a combination of measurand, unit and phase, whatever the value."""
    name = units.DEFAULT_MEASURAND if measurand is UNSET else str(measurand)
    found = []
    if unit is not UNSET and not units.fits(name, str(unit)):
        found.append(FlagCode.UNIT_CLASH)
    if (
        unit is UNSET
        and measurand is not UNSET
        and not name.startswith(("Energy.", "Power.Factor", "RPM", "SoC"))
    ):
        pass
    neutral = phase == "N" and name.startswith(("Current.", "Voltage", "Power."))
    if neutral or (
        isinstance(phase, str) and phase.endswith("-N") and name.startswith(("Current.", "Power."))
    ):
        found.append(FlagCode.PHASE_UNUSUAL)
    return tuple(found)


def follow_registers(
    judge: Judge, sampled: list[Any], connector: int, id_: object, when: float | None
) -> None:
    """Follow the energy register of a connector, and hold offers against the limit."""
    energy, power, imported = None, None, None
    for sample in sampled:
        measurand, unit = sample.measurand, sample.unit
        if measurand is UNSET or measurand == units.DEFAULT_MEASURAND:
            wh = units.WATT_HOURS.get("Wh" if unit is UNSET else unit)
            if wh and sample.phase is UNSET and sample.context != "Transaction.Begin":
                number = as_float(sample.value)
                energy = None if number is None else number * wh
        elif measurand == "Power.Active.Import" and sample.phase is UNSET:
            power = (as_float(sample.value) or 0.0) * units.WATTS.get("W" if unit is UNSET else unit, 0.0)
        elif measurand == "Current.Offered" and judge.history.limit_a is not None:
            imported = as_float(sample.value)
    if imported is not None and judge.history.limit_a is not None and imported > judge.history.limit_a + 1:
        judge.notes.add(FlagCode.STATIC_VALUE, "sampledValue", str(imported), str(judge.history.limit_a))
    if energy is not None and connector > 0:
        last, reading = judge.history.registers.get(connector), Register(energy, when, id_)
        if last is not None and last.moment_s and when and when <= last.moment_s:
            return  # an older one, out of a queue
        if last is not None:
            _against_last(judge, last, reading, power)
        keep(judge.history.registers, connector, reading)


def _against_last(judge: Judge, last: Register, now: Register, power: float | None) -> None:
    """Hold an energy reading against the one before it."""
    gained = now.energy_wh - last.energy_wh
    same = now.transaction is not UNSET and now.transaction == last.transaction
    elapsed = now.moment_s - last.moment_s if now.moment_s and last.moment_s else None
    shown = (f"{last.energy_wh:g}", f"{now.energy_wh:g}")
    if gained < 0:
        judge.notes.add(FlagCode.METER_GLITCH if same else FlagCode.METER_RESET, "meterValue", *shown)
    elif gained > _GLITCH_WH:
        judge.notes.add(FlagCode.METER_GLITCH, "meterValue", *shown)
    elif elapsed and power and gained > 0 and 500 < power * elapsed / 3600 / gained < 2000:
        judge.notes.add(FlagCode.UNIT_SUSPECT, "meterValue", *shown)
