"""The shortcut for a MeterValues that is written like one before it: only what differs is looked at.

A charger writes the same text over and over, with other numbers in it. A `Shape` is the text of a clean and
unremarkable one with gaps for its id, its numbers and its time, each no wider than what every reading of
it takes. What fits a shape to the letter is therefore clean too, and its structure is known without
decoding; what its numbers mean is for `quiet` to judge, as it is for any other.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET, Struct

from gateway.dialect import quiet
from gateway.dialect.history import History
from gateway.ocpp.message import Message, MessageType

_MAX_SHAPES: Final = 256
_LONGEST_BYTES: Final = 4096

_CALL: Final = MessageType.CALL

_KEYS: Final = re.compile(rb'"(connectorId|transactionId|timestamp|value)": ?"?([^",}]*)')
_ID: Final = rb"(?P<id>[ !#-\[\]-~]{1,36}+)"
_NUMBER: Final = rb"-?[0-9]{1,12}+(?:\.[0-9]{1,9}+)?"
_GAPS: Final = {
    b"connectorId": rb"(?P<connector>[1-9][0-9]{0,3})",
    b"transactionId": rb"(?P<transaction>[1-9][0-9]{0,17})",
    b"timestamp": rb"(?P<timestamp>[0-9T:.-]{19,29}+Z)",
}
_NAMES: Final = ("id", "connector", "transaction", "timestamp", "energy", "power")


class Shape(Struct, frozen=True, gc=False):
    """The text with its gaps, which of them is which, and what energy and power have to be multiplied by."""

    match: Callable[[bytes], re.Match[bytes] | None]
    gaps: tuple[int, ...]
    to_watt_hours: float
    to_watts: float

    def read(self, data: bytes, history: History, now: float) -> Message | None:
        """The frame as a message, if it fits and there is nothing to say about it; else None."""
        found = self.match(data)
        if found is None:
            return None
        id_, connector, about, stamp, energy, power = found.group(*self.gaps)
        verdict = quiet.is_expected(
            history,
            int(connector),
            int(about) if about else UNSET,
            stamp.decode(),
            float(energy) * self.to_watt_hours if energy else None,
            float(power) * self.to_watts if power else None,
            now,
        )
        if verdict:
            is_new = verdict == quiet.NEW
            return Message(_CALL, id_.decode(), "MeterValues", b"", data, is_new=is_new, shape=found)
        return None


_shapes: Final[dict[bytes, Shape]] = {}
"""By pattern, for all chargers: the first `_MAX_SHAPES` that come, for nobody may fill the memory."""


def shape_of(data: bytes, payload: Any) -> Shape | None:
    """The shape of a clean and unremarkable frame, given with its decoded payload; None if it has none."""
    values = payload.meterValue
    if len(data) > _LONGEST_BYTES or b"\\" in data or data[:4] != b'[2,"' or len(values) != 1:
        return None
    meters = _meters(values[0].sampledValue)
    pattern = _pattern(data, [name for name, _ in meters])
    if pattern is None or pattern in _shapes or len(_shapes) >= _MAX_SHAPES:
        return _shapes.get(pattern or b"")
    factors = dict(meters)
    compiled = re.compile(pattern)
    gaps = tuple(compiled.groupindex[name] for name in _NAMES)
    shape = Shape(compiled.fullmatch, gaps, factors.get(b"energy", 0.0), factors.get(b"power", 0.0))
    return _shapes.setdefault(pattern, shape) if compiled.fullmatch(data) else None


def _meters(samples: list[Any]) -> list[tuple[bytes, float]]:
    """Per sample the name of its gap, b"" for one that is only a number; and the factor to Wh or W.

    The last energy register and the last power are those that count (`quiet.meter_values`).
    """
    found: list[tuple[bytes, float]] = []
    for sample in reversed(samples):
        kind, name = quiet.kind_of(sample), b""
        if kind.is_power:
            name = b"power"
        elif kind is not quiet.OTHER and sample.context != "Transaction.Begin":
            name = b"energy"
        taken = any(name == other for other, _ in found)
        found.append((b"" if taken else name, kind.factor))
    return found[::-1]


def _pattern(data: bytes, values: list[bytes]) -> bytes | None:
    """The frame with gaps; `values` are the names for those of the samples, in order."""
    end_of_id = data.index(b'"', 4)
    parts, at, names = [b'\\[2,"', _ID], end_of_id, [*reversed(values)]
    missing = {b"transaction", b"energy", b"power"} - {*values}
    for place in _KEYS.finditer(data, end_of_id):
        gap = _GAPS.get(place[1])
        if gap is None:
            name = names.pop() if names else b""
            gap = b"(?P<%b>%b)" % (name, _NUMBER) if name else _NUMBER
        elif place[1] == b"transactionId":
            missing.discard(b"transaction")
        parts += [re.escape(data[at : place.start(2)]), gap]
        at = place.end(2)
    parts += [re.escape(data[at:]), *(b"(?P<%b>)" % name for name in sorted(missing))]
    return b"".join(parts) if not names else None
