"""What a rule can do at a place: a closed list of verbs, each a function whose signature is its syntax.

`{ scale = "value", by = 1000 }` is `scale` at the place `value` with the argument `by`. A verb changes
nothing where it does not apply (another type, a value it cannot read): a rule must never make things worse.
Numbers are decimal and keep being text or number, whichever they were.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal, localcontext
from typing import Any, Final

from gateway.dialect.names import IDENTIFIERS
from gateway.dialect.rules import arguments as arg
from gateway.dialect.rules.places import EACH, MISSING, Edits, Slot, copied
from gateway.ocpp.times import seconds
from gateway.ocpp.values import Number

_DECIMAL: Final = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_ROUNDING: Final = {"nearest": ROUND_HALF_UP, "down": ROUND_DOWN, "up": ROUND_UP}
_LONGEST_TIME: Final = 64

VERBS: Final[dict[str, Callable[..., None]]] = {}
"""Every verb by its name, in the order of the documentation."""


def verb(function: Callable[..., None]) -> Callable[..., None]:
    VERBS[function.__name__.rstrip("_")] = function
    return function


@verb
def set_(slot: Slot, edits: Edits, *, to: arg.Json) -> None:
    """Give the place this value, whatever was there."""
    edits.put(slot, copied(to))


@verb
def default(slot: Slot, edits: Edits, *, to: arg.Json) -> None:
    """Give the place this value where it is missing or null."""
    if slot.value is MISSING or slot.value is None:
        edits.put(slot, copied(to))


@verb
def rename(slot: Slot, edits: Edits, *, to: arg.Name) -> None:
    """Give the member another name, unless there is one of that name already."""
    if isinstance(slot.parent, dict) and slot.key in slot.parent and to not in slot.parent:
        members = [(to if key == slot.key else key, value) for key, value in slot.parent.items()]
        slot.parent.clear()
        slot.parent.update(members)
        edits.note(slot.path, str(slot.key), to)


@verb
def remove(slot: Slot, edits: Edits) -> None:
    """Take the member out."""
    edits.remove(slot)


@verb
def move(slot: Slot, edits: Edits, *, to: arg.Route) -> None:
    """Put the member at another place below the same object as the rule's place, making objects on the way.

    Nothing happens where that place is taken.
    """
    _carry(slot, edits, to, keep=False)


@verb
def copy(slot: Slot, edits: Edits, *, to: arg.Route) -> None:
    """As `move`, the member stays where it is too."""
    _carry(slot, edits, to, keep=True)


def _carry(slot: Slot, edits: Edits, to: tuple[str, ...], keep: bool) -> None:
    value = slot.value
    if value is MISSING or not isinstance(slot.parent, dict):
        return
    parent: Any = slot.parent
    made: list[tuple[dict[str, object], str]] = []
    for name in to[:-1]:
        if name not in parent:
            parent[name] = {}
            made.append((parent, name))
        parent = parent[name]
        if not isinstance(parent, dict):
            return
    if to[-1] in parent:
        for owner, name in reversed(made):
            del owner[name]
        return
    if not keep:
        edits.remove(slot)
    edits.put(Slot(parent, to[-1], (*slot.path[:-1], *to)), copied(value))


@verb
def map_(slot: Slot, edits: Edits, *, using: arg.Words) -> None:
    """Replace a text (or a number or truth value, by its JSON text) as the table says; others stay."""
    value = slot.value
    key = value if isinstance(value, str) else _word(value)
    if key is not None and key in using:
        edits.put(slot, copied(using[key]))


def _word(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.text if isinstance(value, Number) else None


@verb
def scale(slot: Slot, edits: Edits, *, by: arg.Factor) -> None:
    """Multiply a number."""
    _calculated(slot, edits, lambda number: number * by)


@verb
def add(slot: Slot, edits: Edits, *, by: arg.Decimal_) -> None:
    """Add to a number."""
    _calculated(slot, edits, lambda number: number + by)


@verb
def clamp(slot: Slot, edits: Edits, *, least: arg.MaybeDecimal = None, most: arg.MaybeDecimal = None) -> None:
    """Raise a number to `least`, lower it to `most`."""

    def within(number: Decimal) -> Decimal:
        if least is not None and number < least:
            return least
        return most if most is not None and number > most else number

    _calculated(slot, edits, within)


@verb
def round_(slot: Slot, edits: Edits, *, to: arg.Digits = 0, how: arg.Rounding = "nearest") -> None:
    """Round a number to so many decimal places, to the `nearest`, `down` (to zero) or `up`."""
    _calculated(slot, edits, lambda n: n.quantize(Decimal(1).scaleb(-to), _ROUNDING[how]))


def decimal_of(value: object) -> Decimal | None:
    """A number, or a text that is one; None for anything else."""
    text = value.text if isinstance(value, Number) else value
    return Decimal(text) if isinstance(text, str) and _DECIMAL.fullmatch(text) else None


def _calculated(slot: Slot, edits: Edits, change: Callable[[Decimal], Decimal]) -> None:
    before = decimal_of(slot.value)
    if before is None:
        return
    with localcontext() as context:
        context.prec = 60
        after = change(before)
    if after != before:
        text = _plain(after)
        edits.put(slot, Number(text) if isinstance(slot.value, Number) else text)


def _plain(number: Decimal) -> str:
    """The shortest way to write it, without an exponent."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@verb
def cast(slot: Slot, edits: Edits, *, to: arg.Type) -> None:
    """Write the value as `text`, `number`, `integer` or `boolean`, where that loses nothing."""
    value = slot.value
    number = decimal_of(value)
    if to == "text" and (isinstance(value, Number | bool)):
        edits.put(slot, _word(value))
    elif to == "number" and isinstance(value, str) and number is not None:
        edits.put(slot, Number(_json_number(value)))
    elif to == "integer" and number is not None and number == number.to_integral_value():
        edits.put(slot, Number(_plain(number.to_integral_value())))
    elif to == "boolean" and not isinstance(value, bool):
        word = (value if isinstance(value, str) else _word(value) or "").lower()
        if word in ("true", "1", "false", "0"):
            edits.put(slot, word in ("true", "1"))


def _json_number(text: str) -> str:
    """A decimal text as JSON wants it: no leading zeros."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, fraction = digits.partition(".")
    return sign + (whole.lstrip("0") or "0") + point + fraction


@verb
def parse_time(slot: Slot, edits: Edits, *, form: arg.TimeForm = "", zone: arg.Zone = UTC) -> None:
    """Read a time written in another form, or without a zone, and write it as RFC 3339 in UTC.

    `form` is as in strptime (none: ISO 8601 without a zone). An hour that exists twice or not at all in the
    zone (when clocks change) is left as it is.
    """
    text = slot.value
    if not isinstance(text, str) or len(text) > _LONGEST_TIME or seconds(text) is not None:
        return
    try:
        found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        return
    if found.tzinfo is None:
        both = [found.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
        if both[0].utcoffset() != both[1].utcoffset():
            return
        found = both[0]
    edits.put(slot, _rfc3339(found))


@verb
def shift_time(slot: Slot, edits: Edits, *, by_s: arg.Decimal_) -> None:
    """Move a time by so many seconds."""
    text = slot.value
    found = _moment(text)
    if found is not None:
        edits.put(slot, _rfc3339(found + timedelta(seconds=float(by_s))))


@verb
def format_time(slot: Slot, edits: Edits, *, form: arg.TimeForm, zone: arg.Zone = UTC) -> None:
    """Write a time (RFC 3339) in another form, as in strftime: `%Y-%m-%dT%H:%MZ` has no seconds."""
    found = _moment(slot.value)
    if found is not None:
        edits.put(slot, found.astimezone(zone).strftime(form))


def _moment(text: object) -> datetime | None:
    since = seconds(text) if isinstance(text, str) and len(text) <= _LONGEST_TIME else None
    if since is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=since)


def _rfc3339(moment: datetime) -> str:
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    if utc.microsecond % 1000:
        return utc.isoformat(timespec="microseconds") + "Z"
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds") + "Z"


@verb
def letter_case(slot: Slot, edits: Edits, *, to: arg.Case) -> None:
    """Write a text in `lower` or `upper` case."""
    if isinstance(slot.value, str):
        edits.put(slot, slot.value.lower() if to == "lower" else slot.value.upper())


@verb
def wrap(slot: Slot, edits: Edits) -> None:
    """Make a list of one out of a value that is no list."""
    if slot.value is not MISSING and not isinstance(slot.value, list):
        edits.put(slot, [slot.value])


@verb
def unwrap(slot: Slot, edits: Edits) -> None:
    """Take the only item out of a list of one."""
    if isinstance(slot.value, list) and len(slot.value) == 1:
        edits.put(slot, slot.value[0])


@verb
def split(slot: Slot, edits: Edits, *, at: arg.Text, keep: arg.Side = "first", rest: arg.Name = "") -> None:
    """Keep the part of a text before (`first`) or after (`last`) a separator.

    The other part becomes the member `rest` where one is named and not taken yet. A text without the
    separator, or with nothing on the kept side, stays.
    """
    if not isinstance(slot.value, str) or at not in slot.value:
        return
    first, _, last = slot.value.partition(at) if keep == "first" else slot.value.rpartition(at)
    kept, other = (first, last) if keep == "first" else (last, first)
    if not kept:
        return
    edits.put(slot, kept)
    if rest and isinstance(slot.parent, dict) and rest not in slot.parent:
        edits.put(Slot(slot.parent, rest, (*slot.path[:-1], rest)), other)


@verb
def truncate(slot: Slot, edits: Edits, *, to: arg.Length) -> None:
    """Cut a text that only describes at so many characters; identifiers are never cut."""
    if isinstance(slot.value, str) and slot.key not in IDENTIFIERS:
        edits.put(slot, slot.value[:to])


def reaches_items(route: tuple[str | int, ...]) -> bool:
    """Whether a verb's place names the items of a list, which cannot be renamed, moved or left out."""
    return route[-1] == EACH


ONLY_MEMBERS: Final = frozenset({"rename", "remove", "move", "copy", "default"})
