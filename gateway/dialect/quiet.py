"""The shortcut for the message that is most of all traffic: a MeterValues with nothing to say about it.

It looks for what `meaning_16` and `hidden` look for, in one pass and without collecting anything. True
means that they would find nothing; False means no more than that they must look.
"""

from functools import lru_cache
from typing import Any, Final

from msgspec import UNSET, Struct

from gateway.dialect.history import History, Register, State, keep
from gateway.dialect.meters import trait
from gateway.ocpp import units
from gateway.ocpp.times import plain

_DAY_S: Final = 86_400.0
_AHEAD_S: Final = 300.0
_GLITCH_WH: Final = 1_000_000.0
_SENTINEL: Final = 2**63 - 1
_SUSPECT: Final = 500.0
_OPEN: Final = State.OPEN

UNEXPECTED: Final = 0
EXPECTED: Final = 1
NEW: Final = 2


class _Kind(Struct, frozen=True, gc=False):
    """An energy register or a power, and the factor to Wh or W."""

    factor: float
    is_power: bool = False


OTHER, _ODD = _Kind(0.0), _Kind(0.0)
"""What is neither, and what must be looked at closely."""

_kinds: dict[tuple[object, object, object], _Kind] = {}
_MAX_KINDS: Final = 4096

_STARTS: Final = frozenset("-0123456789")
_ENDS: Final = frozenset("0123456789")


def meter_values(history: History, p: Any, now: float) -> bool:
    """Whether a decoded 1.6 MeterValues is unremarkable; its reading is then remembered."""
    id_, connector = p.transactionId, p.connectorId
    for value in p.meterValue:
        energy = power = None
        for sample in value.sampledValue:
            text = sample.value
            kind = _kinds.get((sample.measurand, sample.unit, sample.phase)) or kind_of(sample)
            if kind is OTHER and text.isdecimal() and text.isascii():
                continue
            if kind is _ODD or sample.format == "SignedData":
                return False
            if not text or text[0] not in _STARTS or text[-1] not in _ENDS or "_" in text:
                return False
            try:
                number = float(text)
            except ValueError:
                return False
            if kind is OTHER:
                continue
            if kind.is_power:
                power = number * kind.factor
            elif sample.context != "Transaction.Begin":
                energy = number * kind.factor
        if not is_expected(history, connector, id_, value.timestamp, energy, power, now):
            return False
    return bool(p.meterValue)


def is_expected(  # noqa: PLR0911
    history: History,
    connector: int,
    id_: Any,
    stamp: str,
    energy_wh: float | None,
    power_w: float | None,
    now: float,
) -> int:
    """Whether values of this connector, transaction (UNSET: none is named) and time are to be expected, and
    the energy register follows from the last one; if so it becomes the last one. `NEW` is one that is later.

    One function, for it is called for nearly every message there is.
    """
    if connector <= 0 or now <= 0 or history.limit_a is not None or history.awaits_boot:
        return UNEXPECTED
    if id_ is UNSET:
        if history.transactions:
            return UNEXPECTED
    elif not 0 < id_ < _SENTINEL or (
        (known := history.transactions.get(id_)) is not None and known.state is not _OPEN
    ):
        return UNEXPECTED
    when = _whole_second(stamp) if len(stamp) == 20 else _moment(stamp)
    if when is None or not -_DAY_S <= when - now <= _AHEAD_S:
        return UNEXPECTED
    if energy_wh is None:
        return EXPECTED
    last = history.registers.get(connector)
    if last is None:
        keep(history.registers, connector, Register(energy_wh, when, id_))
        return EXPECTED
    before = last.moment_s
    if before is None or when <= before:
        return EXPECTED if before is not None else UNEXPECTED
    gained = energy_wh - last.energy_wh
    if not 0 <= gained <= _GLITCH_WH:
        return UNEXPECTED
    if power_w is not None and 0 < gained * _SUSPECT < power_w * (when - before) / 3600:
        return UNEXPECTED
    history.registers[connector] = Register(energy_wh, when, id_)
    return NEW


def _moment(stamp: str) -> float | None:
    """The moment of a timestamp in the commonest form, None says nothing."""
    found = plain(stamp)
    return None if found is None else found.timestamp()


_whole_second = lru_cache(maxsize=1024)(_moment)
"""The same, remembered: on a busy node many chargers write the same second."""


def kind_of(sample: Any) -> _Kind:
    """What a combination of measurand, unit and phase is to us."""
    measurand, unit, phase = key = (sample.measurand, sample.unit, sample.phase)
    kind = OTHER
    if trait(measurand, unit, phase):
        kind = _ODD
    elif phase is UNSET and (measurand is UNSET or measurand == units.DEFAULT_MEASURAND):
        kind = _Kind(units.WATT_HOURS.get("Wh" if unit is UNSET else unit, 1.0))
    elif phase is UNSET and measurand == "Power.Active.Import":
        kind = _Kind(units.WATTS.get("W" if unit is UNSET else unit, 0.0), is_power=True)
    if len(_kinds) < _MAX_KINDS:
        _kinds[key] = kind
    return kind
