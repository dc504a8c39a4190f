"""Values on their way through a translator: numbers exact, times as text, messages by their content.

Inside a translator a JSON number is an `int` or a `Decimal`, never a float.
"""

from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.ocpp import times
from gateway.ocpp.values import Number, dumps

_MOST_DIGITS: Final = 30
_TENTH: Final = Decimal("0.1")


def taken_in(value: Any) -> Any:
    """A JSON value as translators work with it; a number beyond all bounds stays `Number`."""
    match value:
        case dict():
            return {key: taken_in(member) for key, member in value.items()}
        case list():
            return [taken_in(member) for member in value]
        case Number():
            return _exact(value)
        case float():
            return _exact(Number(repr(value)))
        case _:
            return value


def _exact(number: Number) -> "int | Decimal | Number":
    if not number.fits:
        return number
    if number.is_whole:
        return int(number.text)
    exact = Decimal(number.text)
    return exact if exact.adjusted() >= -_MOST_DIGITS else 0


_json: Final = msgspec.json.Decoder(float_hook=lambda text: _exact(Number(text)))


def parsed(text: str) -> Any:
    """The value of a JSON text; ValueError when it is none."""
    try:
        return _json.decode(text)
    except (msgspec.DecodeError, InvalidOperation, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def compact(value: Any) -> str:
    """A value as compact JSON text."""
    return dumps(value)


def decimal(text: str) -> Decimal | None:
    """The number a text holds, blanks and a decimal comma forgiven; None when it holds none."""
    plain = text.strip()
    if "," in plain and "." not in plain:
        plain = plain.replace(",", ".", 1)
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return None
    return (
        number if number.is_finite() and abs(number.adjusted()) <= _MOST_DIGITS and "_" not in plain else None
    )


def plain_text(number: "int | Decimal") -> str:
    """A number as plain decimal text, without exponent and trailing zeros."""
    if isinstance(number, int):
        return str(number)
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def tenths(number: "int | Decimal") -> "int | Decimal":
    """The number cut to one digit after the point; never more than it was."""
    if isinstance(number, int):
        return number
    return number.quantize(_TENTH, ROUND_FLOOR)


def whole(number: "int | Decimal") -> int:
    """The nearest whole number, halves up."""
    return int(Decimal(number).quantize(Decimal(1), ROUND_HALF_UP))


def moment_text(now: float) -> str:
    """A point in time as the gateway writes it: UTC with milliseconds."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def zoned(text: str) -> str | None:
    """The text as a timestamp with zone: a missing one is UTC. None when it is no timestamp."""
    if times.is_date_time(text):
        return text
    return text + "Z" if times.is_date_time(text + "Z") else None


def seconds(text: str) -> float:
    """Seconds since 1970 of a timestamp that fits its schema."""
    return times.seconds(text) or 0.0


def digest(*parts: object) -> str:
    """A short name of a content: equal for equal parts."""
    return sha256(dumps(list(parts)).encode()).hexdigest()[:32]


def uuid_of(*parts: object) -> str:
    """A UUID (version 5 in form) that depends on nothing but the parts."""
    raw = digest(*parts)
    variant = "89ab"[int(raw[16], 16) % 4]
    return f"{raw[:8]}-{raw[8:12]}-5{raw[13:16]}-{variant}{raw[17:20]}-{raw[20:32]}"


def without_blanks(text: str) -> str:
    """A comma list without blanks around its entries."""
    return ",".join(part.strip() for part in text.split(","))
