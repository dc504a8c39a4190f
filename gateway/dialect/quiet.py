"""The shortcut for the message that is most of all traffic: a MeterValues with nothing to say about it.

It looks for what `meaning_16` and `hidden` look for, in one pass and without collecting anything. True
means that they would find nothing; False means no more than that they must look.
"""

from typing import Any, Final

from msgspec import UNSET

from gateway.dialect.history import History, Register, State, keep
from gateway.dialect.meters import trait
from gateway.ocpp import units
from gateway.ocpp.times import plain

_DAY_S: Final = 86_400.0
_AHEAD_S: Final = 300.0
_GLITCH_WH: Final = 1_000_000.0
_SENTINEL: Final = 2**63 - 1
_SUSPECT: Final = 500.0

_OTHER, _ENERGY, _POWER, _ODD = range(4)

_kinds: dict[tuple[object, object, object], tuple[int, float]] = {}
_MAX_KINDS: Final = 4096

_STARTS: Final = frozenset("-0123456789")
_ENDS: Final = frozenset("0123456789")


def meter_values(history: History, p: Any, now: float) -> bool:  # noqa: PLR0911, PLR0912
    """Whether a decoded 1.6 MeterValues is unremarkable; its reading is then remembered."""
    id_, connector = p.transactionId, p.connectorId
    if connector <= 0 or now <= 0 or history.limit_a is not None or history.awaits_boot:
        return False
    if id_ is UNSET:
        if history.transactions:
            return False
    elif not 0 < id_ < _SENTINEL or (
        (known := history.transactions.get(id_)) is not None and known.state is not State.OPEN
    ):
        return False
    for value in p.meterValue:
        moment = plain(value.timestamp)
        if moment is None:
            return False
        when = moment.timestamp()
        if not -_DAY_S <= when - now <= _AHEAD_S:
            return False
        energy = power = None
        for sample in value.sampledValue:
            text = sample.value
            if not text or text[0] not in _STARTS or text[-1] not in _ENDS or sample.format == "SignedData":
                return False
            try:
                number = float(text)
            except ValueError:
                return False
            kind, factor = _kinds.get((sample.measurand, sample.unit, sample.phase)) or _kind(sample)
            if kind == _ODD:
                return False
            if kind == _ENERGY and sample.context != "Transaction.Begin":
                energy = number * factor
            elif kind == _POWER:
                power = number * factor
        if energy is not None and not _follows(history, connector, Register(energy, when, id_), power):
            return False
    return True


def _follows(history: History, connector: int, reading: Register, power: float | None) -> bool:
    """Whether a reading follows from the last one; if so it becomes the last one."""
    last = history.registers.get(connector)
    if last is None:
        keep(history.registers, connector, reading)
        return True
    gained, before, after = reading.energy_wh - last.energy_wh, last.moment_s, reading.moment_s
    if before is not None and after is not None and after <= before:
        return True
    if not 0 <= gained <= _GLITCH_WH or before is None or after is None:
        return False
    if power is not None and 0 < gained * _SUSPECT < power * (after - before) / 3600:
        return False
    history.registers[connector] = reading
    return True


def _kind(sample: Any) -> tuple[int, float]:
    """What a combination of measurand, unit and phase is to us, and the factor to Wh or W."""
    measurand, unit, phase = key = (sample.measurand, sample.unit, sample.phase)
    kind = (_OTHER, 1.0)
    if trait(measurand, unit, phase):
        kind = (_ODD, 1.0)
    elif phase is UNSET and (measurand is UNSET or measurand == units.DEFAULT_MEASURAND):
        kind = (_ENERGY, units.WATT_HOURS.get("Wh" if unit is UNSET else unit, 1.0))
    elif phase is UNSET and measurand == "Power.Active.Import":
        kind = (_POWER, units.WATTS.get("W" if unit is UNSET else unit, 0.0))
    if len(_kinds) < _MAX_KINDS:
        _kinds[key] = kind
    return kind
