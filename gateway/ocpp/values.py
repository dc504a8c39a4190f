"""JSON values whose numbers keep the text they were written with (`1.10` stays `1.10`)."""

from decimal import Decimal
from json.encoder import encode_basestring

import msgspec
from msgspec import Struct

Path = tuple[str | int, ...]


class Number(Struct, frozen=True, gc=False):
    """A JSON number as its literal text."""

    text: str

    @property
    def is_whole(self) -> bool:
        """Whether it is written without fraction and exponent."""
        return self.text.lstrip("-").isdigit()

    @property
    def fits(self) -> bool:
        """Whether every common parser keeps it: an integer within 64 bits, or a finite number."""
        if self.is_whole:
            return len(self.text) <= 20 and -(2**63) <= int(self.text) < 2**63
        return abs(float(self.text)) < float("inf")


def number_text(value: object) -> str | None:
    """The literal text of a number in any of its forms, None for what is not a number."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)


def path_text(path: Path) -> str:
    """`meterValue[0].sampledValue[1].value`, as flags name a place."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def dumps(value: object) -> str:
    """Compact JSON text of a value, members in their order, numbers as they were written."""
    try:
        text = _encode(value)
    except UnicodeEncodeError:  # of a lone surrogate
        return _spelled(value)
    return text.decode() if not any(map(text.__contains__, _UNSURE)) else _spelled(value)


_encode = msgspec.json.Encoder(decimal_format="number").encode
_UNSURE = (b"E+", b"E-", b'"text":')
"""What may be a Decimal with an exponent or a `Number`, which the encoder spells otherwise."""


def _spelled(value: object) -> str:
    match value:
        case str():
            return quote(value)
        case Number():
            return value.text
        case dict():
            return (
                "{" + ",".join([quote(key) + ":" + _spelled(member) for key, member in value.items()]) + "}"
            )
        case list():
            return "[" + ",".join([_spelled(member) for member in value]) + "]"
        case Decimal():
            return format(value, "f")
        case _:
            return msgspec.json.encode(value).decode()


def quote(text: str) -> str:
    """A JSON string. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    quoted = encode_basestring(text)
    if quoted.isascii():
        return quoted
    return quoted.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
