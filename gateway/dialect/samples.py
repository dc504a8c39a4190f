"""Sampled values: what the schema does not see in them, and units and phases out of place."""

import re
from typing import TYPE_CHECKING, Final

from gateway.dialect import names
from gateway.ocpp import units
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.schema import Node
from gateway.ocpp.values import Number, Path

if TYPE_CHECKING:
    from gateway.dialect.fields import Fields

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_CONVERTIBLE: Final = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_COMMA: Final = re.compile(r"-?\d+,(\d+)", re.ASCII)
_WITH_UNIT: Final = re.compile(r"(-?\d+(?:[.,]\d+)?)\s*([A-Za-z%°]+)", re.ASCII)
_NOT_NUMBERS: Final = frozenset({"nan", "inf", "infinity", "-inf", "-infinity", "+inf"})
_THOUSANDS: Final = 3

_UNITS_2X: Final = frozenset(
    (
        "A",
        "V",
        "W",
        "kW",
        "Wh",
        "kWh",
        "var",
        "kvar",
        "varh",
        "kvarh",
        "VA",
        "kVA",
        "Hertz",
        "Celsius",
        "Percent",
    )
)
_GROUPED: Final = re.compile(r"-?\d{1,3}(?:(?:,\d{3})+\.\d+|(?:\.\d{3})+,\d+|(?:,\d{3}){2,})", re.ASCII)

# Every unit that OCPP 1.6 has: StopTransaction's schema lacks one of them.
_UNITS_16: Final = frozenset({"Hertz", "Celsius", "Celcius"})


def restyled(fields: "Fields", node: Node, value: dict[str, object], path: Path) -> dict[str, object]:
    """A sample with its value, unit, measurand and phase where they belong; signed ones are not touched."""
    done = dict(value)
    if done.get("format") == "SignedData":
        return done
    if "unitOfMeasure" in node.properties:
        if isinstance(done.get("value"), str):
            _value_2x(fields, done, path)
        _phase(fields, node, done, path)
        return done
    if isinstance(done.get("value"), str):
        _value(fields, node, done, path)
    _phase(fields, node, done, path)
    _unit(fields, node, done, path)
    return done


def _value(fields: "Fields", node: Node, done: dict[str, object], path: Path) -> None:
    """The text of a value: blanks, a decimal comma, a unit behind it."""
    raw = str(done["value"])
    place = (*path, "value")
    text = raw.strip()
    if text == "":
        raise fields.wrong(FlagCode.SAMPLE_EMPTY, place, raw)
    if text.lower() in _NOT_NUMBERS:
        raise fields.wrong(FlagCode.NOT_A_NUMBER, place, raw)
    if (match := _WITH_UNIT.fullmatch(text)) is not None and (
        unit := _known_unit(node, match[2])
    ) is not None:
        if done.get("unit", unit) not in (unit, match[2], "", None):
            raise fields.wrong(FlagCode.UNIT_IN_VALUE, place, raw)
        fields.notes.at(FlagCode.UNIT_IN_VALUE, place, raw, match[1])
        done["value"] = text = raw = match[1]
        if not done.get("unit"):
            _put(node, done, "unit", unit)
    if (match := _COMMA.fullmatch(text)) is not None:
        point = text if len(match[1]) == _THOUSANDS else text.replace(",", ".")
        fields.notes.at(FlagCode.DECIMAL_COMMA, place, raw, point)
        if len(match[1]) != _THOUSANDS:
            done["value"] = point
    elif _GROUPED.fullmatch(text):
        fields.notes.at(FlagCode.DECIMAL_COMMA, place, raw, text)
    elif text != raw and _NUMBER.fullmatch(text):
        fields.notes.at(FlagCode.VALUE_PADDED, place, raw, text)
        done["value"] = text


def _value_2x(fields: "Fields", done: dict[str, object], path: Path) -> None:
    """The text of a value where 2.x has a number: nothing, no number, or a unit behind it."""
    raw = str(done["value"])
    place, text = (*path, "value"), raw.strip()
    if text == "":
        raise fields.wrong(FlagCode.SAMPLE_EMPTY, place, raw)
    if text.lower() in _NOT_NUMBERS:
        raise fields.wrong(FlagCode.NOT_A_NUMBER, place, raw)
    match = _WITH_UNIT.fullmatch(text)
    if match is None or match[2] not in _UNITS_2X:
        return
    measure = done.get("unitOfMeasure", {})
    if not isinstance(measure, dict) or measure.get("unit", match[2]) != match[2]:
        raise fields.wrong(FlagCode.UNIT_IN_VALUE, place, raw)
    fields.notes.at(FlagCode.UNIT_IN_VALUE, place, raw, match[1])
    done["value"] = match[1]
    done["unitOfMeasure"] = measure | {"unit": match[2]}


def _known_unit(node: Node, text: str) -> str | None:
    words = node.properties["unit"].enum
    if text in words or text in units.CONVERSIONS:
        return text
    alias = units.named(text)
    return alias if alias in words else names.meant(text, words)


def _unit(fields: "Fields", node: Node, done: dict[str, object], path: Path) -> None:
    """A unit by another name, or one of another size."""
    unit, words, place = done.get("unit"), node.properties["unit"].enum, (*path, "unit")
    if not isinstance(unit, str) or unit in words or not unit.strip():
        return
    if unit in units.CONVERSIONS:
        _convert(fields, done, unit, path)
    elif names.meant(unit, words) is None and (alias := units.named(unit)) is not None:
        fields.notes.at(FlagCode.UNIT_ALIAS, place, unit, alias)
        done["unit"] = alias
    unit = done["unit"]
    if unit not in words and unit in _UNITS_16:
        raise fields.wrong(FlagCode.SCHEMA_GAP, place, unit)


def _convert(fields: "Fields", done: dict[str, object], unit: str, path: Path) -> None:
    """A value in a unit OCPP does not have, in the one it has."""
    target, exponent = units.CONVERSIONS[unit]
    raw = done.get("value")
    text = raw.text if isinstance(raw, Number) else raw.strip() if isinstance(raw, str) else ""
    if not _CONVERTIBLE.fullmatch(text):
        return
    done["value"], done["unit"] = units.shifted(text, exponent), target
    fields.notes.at(FlagCode.UNIT_CONVERTED, path, f"{text} {unit}", f"{done['value']} {target}")


def _phase(fields: "Fields", node: Node, done: dict[str, object], path: Path) -> None:
    """A measurand with the phase glued to it, taken apart."""
    measurand, place = done.get("measurand"), (*path, "measurand")
    words, phases = node.properties["measurand"].enum, node.properties["phase"].enum
    if not isinstance(measurand, str) or measurand in words:
        return
    stem, _, phase = measurand.replace("_", ".").rpartition(".")
    if stem not in words or phase not in phases:
        return
    fields.notes.at(FlagCode.MEASURAND_WITH_PHASE, place, measurand, stem)
    if done.get("phase") not in (None, "", phase):
        raise fields.wrong(FlagCode.MEASURAND_WITH_PHASE, (*path, "phase"), done["phase"])
    if not done.get("phase"):
        done.pop("phase", None)
        done["measurand"] = stem
        members = list(done.items())
        at = list(done).index("measurand") + 1
        members.insert(at, ("phase", phase))
        done.clear()
        done.update(members)
    done["measurand"] = stem


def with_unit_of_measure(
    fields: "Fields", node: Node, value: dict[str, object], path: Path
) -> dict[str, object]:
    """A 2.x sample with the 1.6 style unit that stood beside the value where it belongs."""
    unit = value.get("unit")
    if "unitOfMeasure" not in node.properties or not isinstance(unit, str) or "unitOfMeasure" in value:
        return value
    fields.notes.at(FlagCode.SAMPLE_STYLE, (*path, "unit"), unit)
    return {
        ("unitOfMeasure" if key == "unit" else key): ({"unit": item} if key == "unit" else item)
        for key, item in value.items()
    }


def _put(node: Node, done: dict[str, object], name: str, value: object) -> None:
    from gateway.dialect.fields import insert  # noqa: PLC0415

    done.pop(name, None)
    insert(node, done, name, value)
