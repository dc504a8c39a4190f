"""The arguments of verbs: each type says what fits and makes what the verb uses of what the pack says.

A verb's signature names these types, so that a new verb needs no other syntax.
"""

import inspect
from collections.abc import Callable
from datetime import tzinfo
from decimal import Decimal
from typing import Annotated, Any, Final, get_args
from zoneinfo import ZoneInfo

from gateway.dialect.rules.places import EACH, steps
from gateway.ocpp.values import Number

LARGEST: Final = Decimal(10) ** 15


class Reads:
    """How an argument is read; `read` raises ValueError with what fits."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read


def json_value(value: Any) -> Any:
    """A value of the pack as the engine holds JSON: numbers as their text."""
    match value:
        case bool() | str():
            return value
        case int():
            return Number(str(value))
        case float():
            return Number(format(_finite(value), "f"))
        case list():
            return [json_value(item) for item in value]
        case dict():
            return {str(key): json_value(member) for key, member in value.items()}
        case _:
            raise ValueError(f"{value} is no JSON value; write a date as a text")


def _finite(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")
    number = Decimal(str(value))
    if not abs(number) <= LARGEST:
        raise ValueError(f"{value} is not a number up to {LARGEST:f}")
    return number


def _factor(value: Any) -> Decimal:
    number = _finite(value)
    if not number:
        raise ValueError("0 would make every number 0; give another factor")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > 200:
        raise ValueError(f"{value!r} does not fit; give a text of 1 to 200 characters")
    return value


def _name(value: Any) -> str:
    route = steps(value)
    if len(route) != 1:
        raise ValueError(f"{value!r} is not a name; give the name of one member, without . and []")
    return str(route[0])


def _route(value: Any) -> tuple[str, ...]:
    route = steps(value)
    if not route or EACH in route:
        raise ValueError(f"{value!r} is no place of one value; give names with . between them, without []")
    return tuple(str(step) for step in route)


def _words(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise ValueError('give a table such as { Occupied = "Preparing" }')
    return {str(key): json_value(member) for key, member in value.items()}


def _between(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{value!r} does not fit; give a whole number from {least} to {most}")
        return value

    return read


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} does not fit; give one of {', '.join(choices)}")
        return str(value)

    return read


def _zone(value: Any) -> tzinfo:
    try:
        return ZoneInfo(_text(value))
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{value!r} is no IANA time zone; give one such as Europe/Berlin") from None


def _time_form(value: Any) -> str:
    form = _text(value)
    if len(form) > 60 or "%" not in form:
        raise ValueError(f"{form!r} is no time form; give one as in strptime, such as %d/%m/%Y %H:%M")
    return form


Json = Annotated[Any, Reads(json_value)]
Decimal_ = Annotated[Decimal, Reads(_finite)]
MaybeDecimal = Annotated[Decimal | None, Reads(_finite)]
Factor = Annotated[Decimal, Reads(_factor)]
Text = Annotated[str, Reads(_text)]
Name = Annotated[str, Reads(_name)]
Route = Annotated[tuple[str, ...], Reads(_route)]
Words = Annotated[dict[str, Any], Reads(_words)]
Digits = Annotated[int, Reads(_between(0, 9))]
Length = Annotated[int, Reads(_between(1, 10_000))]
Rounding = Annotated[str, Reads(_one_of("nearest", "down", "up"))]
Type = Annotated[str, Reads(_one_of("text", "number", "integer", "boolean"))]
Case = Annotated[str, Reads(_one_of("lower", "upper"))]
Side = Annotated[str, Reads(_one_of("first", "last"))]
Zone = Annotated[tzinfo, Reads(_zone)]
TimeForm = Annotated[str, Reads(_time_form)]


def bound(function: Callable[..., None], given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The arguments a verb is called with, and everything that is wrong with those that were given."""
    known = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    verb = function.__name__.rstrip("_")
    listed = f"known: {', '.join(known)}" if known else "it takes none"
    wrong = [f"{verb}: unknown argument {name!r}; {listed}" for name in given if name not in known]
    read: dict[str, Any] = {}
    for name, parameter in known.items():
        if name not in given:
            if parameter.default is parameter.empty:
                wrong.append(f"{verb}: the argument {name!r} is missing")
            continue
        reads = next(item for item in get_args(parameter.annotation) if isinstance(item, Reads))
        try:
            read[name] = reads.read(given[name])
        except ValueError as error:
            wrong.append(f"{verb}: {name}: {error}")
    return read, wrong
