"""The leaves of a payload: texts, words out of closed lists, times, numbers and truth values."""

import re
from typing import Final

from gateway.dialect import names
from gateway.dialect.lenient import Broken
from gateway.dialect.notes import Notes
from gateway.dialect.times import Clock, repaired
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import Node, is_tenth
from gateway.ocpp.values import Number, Path, dumps

_INTEGER: Final = re.compile(r"\s*(-?\d{1,19})(?:\.0+)?\s*", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
_CONTROLS: Final = "".join(map(chr, range(1, 32)))


class Left(Exception):
    """This place cannot be kept. It is left out by the nearest thing around it that may be absent."""


class Leaves:
    """The repair of single values. What cannot be kept raises `Left`, with a flag."""

    def __init__(
        self, version: Version, action: str, is_request: bool, sender: Sender, clock: Clock, notes: Notes
    ) -> None:
        self.version = version
        self.action = action
        self.is_request = is_request
        self.reported = sender is Sender.CHARGER
        self.clock = clock
        self.notes = notes
        self.replaced_error_code = ""

    def wrong(self, code: FlagCode, path: Path, value: object) -> Left:
        """Flag a place that cannot be kept."""
        self.notes.at(code, path, value)
        return Left()

    def free(self, value: object, path: Path) -> None:
        """Data without a schema must at least be JSON."""
        if isinstance(value, Broken):
            raise self.wrong(fatal_of(value), path, value.text)
        if isinstance(value, Number) and not value.fits:
            raise self.wrong(FlagCode.FRAME_TOO_COMPLEX, path, value)
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for child in children:
            self.free(child, path)

    def text(self, node: Node, value: object, path: Path) -> str:
        """A text: a timestamp, a fixed word or free."""
        name = str(path[-1]) if path and isinstance(path[-1], str) else ""
        if node.date_time:
            return self.time(value, path)
        if not isinstance(value, str):
            value = self.as_text(name, value, path)
        if node.enum:
            return self.word(node, name, value, path)
        value = self.cleaned(name, value, path)
        if node.max_length is not None and len(value) > node.max_length:
            return self.cut(name, value, node.max_length, path)
        return value

    def as_text(self, name: str, value: object, path: Path) -> str:
        """The text of what is not one."""
        if isinstance(value, Number):
            tag = name in names.IDENTIFIERS
            self.notes.at(
                FlagCode.IDENTIFIER_AS_NUMBER if tag else FlagCode.NUMBER_AS_TEXT, path, value, value.text
            )
            return value.text
        if isinstance(value, bool):
            self.notes.at(FlagCode.TEXT_AS_BOOLEAN, path, value, str(value).lower())
            return str(value).lower()
        if isinstance(value, dict | list) and self.action == "DataTransfer" and name == "data":
            self.free(value, path)
            self.notes.at(FlagCode.DATA_STRUCTURED, path)
            return dumps(value)
        if isinstance(value, dict) and name in names.TAGS:
            inner = value.get("idToken") if len(value) != 1 else next(iter(value.values()))
            if isinstance(inner, str):
                self.notes.at(FlagCode.NESTED_VALUE, path, value, inner)
                return inner
        raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, shown(value))

    def cleaned(self, name: str, value: str, path: Path) -> str:
        """A free text without NUL padding; in an identifier, bytes that cannot belong to it are fatal."""
        if "\x00" in value:
            stripped = value.rstrip("\x00")
            if "\x00" in stripped:
                self.notes.at(FlagCode.NUL_INSIDE, path, value)
                if name in names.IDENTIFIERS:
                    self.notes.at(FlagCode.ID_TAG_CORRUPT, path, value)
                raise Left
            self.notes.at(FlagCode.NUL_PADDING, path, value, stripped)
            value = stripped
        if name in names.IDENTIFIERS:
            if self.notes.replaced and "\ufffd" in value:
                raise self.wrong(FlagCode.ID_TAG_CORRUPT, path, value)
            if (stripped := value.rstrip(_CONTROLS)) != value:
                self.notes.at(FlagCode.CONTROL_BYTES_STRIPPED, path, value, stripped)
                self.notes.drop(FlagCode.CONTROL_CHARACTER)
                value = stripped
        return value

    def cut(self, name: str, value: str, limit: int, path: Path) -> str:
        """A text that is too long: descriptions are cut, identifiers never."""
        if name in names.DESCRIPTIVE:
            self.notes.at(FlagCode.TEXT_TOO_LONG, path, value, value[:limit])
            return value[:limit]
        if name in names.IDENTIFIERS:
            raise self.wrong(FlagCode.IDENTIFIER_TOO_LONG, path, value)
        raise self.wrong(FlagCode.TEXT_TOO_LONG, path, value)

    def time(self, value: object, path: Path) -> str:
        """A timestamp; one that cannot be read goes on as it is, flagged."""
        text = value.text if isinstance(value, Number) else value
        if not isinstance(text, str):
            raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, value)
        fixed, codes = repaired(text, self.clock)
        if isinstance(value, Number) and FlagCode.TIME_EPOCH not in codes:
            raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, value)
        for code in codes:
            self.notes.at(code, path, value, fixed)
        return fixed

    def word(self, node: Node, name: str, value: str, path: Path) -> str:
        """A word out of a closed list."""
        if value in node.enum:
            return value
        if value.strip() == "":
            raise self.wrong(
                FlagCode.REQUIRED_EMPTY if self.is_request else FlagCode.ENUM_UNKNOWN, path, value
            )
        found, code = self.reading(node, name, value)
        if found is not None:
            self.notes.at(code, path, value, found)
            return found
        catch_all = names.CATCH_ALL.get((self.version, self.action, name))
        if catch_all in node.enum and catch_all is not None:
            self.notes.at(FlagCode.ENUM_REPLACED, path, value, catch_all)
            if name == "errorCode":
                self.replaced_error_code = "".join(filter(str.isprintable, value))
            return catch_all
        if self.action == "StatusNotification" and names.squeezed(value) == "occupied":
            raise self.wrong(FlagCode.STATUS_AMBIGUOUS, path, value)
        raise self.wrong(FlagCode.ENUM_UNKNOWN, path, value)

    def reading(self, node: Node, name: str, value: str) -> tuple[str | None, FlagCode]:
        """What a word that is not in the list can only mean."""
        if (word := names.meant(value, node.enum)) is not None:
            return word, FlagCode.UNIT_SPELLING if name == "unit" else FlagCode.ENUM_SPELLING
        if (old := names.OLD_WORDS.get(names.squeezed(value))) is not None and old in node.enum:
            return old, FlagCode.FIELD_OLD_NAME
        if "Occupied" in node.enum:
            status = names.meant(value, tuple(sorted(names.STATUSES_16)))
            if status in names.OCCUPIED:
                return "Occupied", FlagCode.STATUS_TRANSLATED
        return None, FlagCode.ENUM_UNKNOWN

    def integer(self, node: Node, value: object, path: Path) -> Number:
        """A whole number."""
        if isinstance(value, str) and (match := _INTEGER.fullmatch(value)) is not None:
            whole = Number(str(int(match[1])))
            self.notes.at(FlagCode.TEXT_AS_NUMBER, path, value, whole)
            value = whole
        if not isinstance(value, Number):
            raise self.wrong(_not_number(value), path, shown(value))
        if not value.fits:
            raise self.wrong(FlagCode.FRAME_TOO_COMPLEX, path, value)
        if not value.is_whole:
            number = float(value.text)
            if number != int(number) or abs(number) >= 2**53:
                raise self.wrong(FlagCode.INTEGER_WITH_FRACTION, path, value)
            whole = Number(str(int(number)))
            self.notes.at(FlagCode.INTEGER_AS_FLOAT, path, value, whole)
            value = whole
        return self.bounded(node, value, path)

    def number(self, node: Node, value: object, path: Path) -> Number:
        """A number with or without fraction."""
        if isinstance(value, str):
            text = value.strip()
            comma = text.count(",") == 1 and "." not in text and len(text) - text.index(",") != 4
            if comma and _DECIMAL.fullmatch(text.replace(",", ".")):
                self.notes.at(FlagCode.DECIMAL_COMMA, path, value, Number(text.replace(",", ".")))
                value = Number(text.replace(",", "."))
            elif _DECIMAL.fullmatch(text):
                self.notes.at(FlagCode.TEXT_AS_NUMBER, path, value, Number(text))
                value = Number(text)
        if not isinstance(value, Number):
            raise self.wrong(_not_number(value), path, shown(value))
        if not value.fits:
            raise self.wrong(FlagCode.FRAME_TOO_COMPLEX, path, value)
        return self.bounded(node, value, path)

    def bounded(self, node: Node, value: Number, path: Path) -> Number:
        """A number within the schema's bounds."""
        number = float(value.text)
        low = node.minimum is None or number >= node.minimum
        high = node.maximum is None or number <= node.maximum
        if not low or not high or (node.multiple_of and not is_tenth(number)):
            raise self.wrong(FlagCode.NUMBER_OUT_OF_RANGE, path, value)
        return value

    def boolean(self, value: object, path: Path) -> bool:
        """A truth value."""
        if isinstance(value, bool):
            return value
        if isinstance(value, Number) and value.text in {"0", "1"}:
            self.notes.at(FlagCode.BOOLEAN_AS_NUMBER, path, value, value.text == "1")
            return value.text == "1"
        if isinstance(value, str) and (word := value.strip().lower()) in _BOOLEANS:
            self.notes.at(FlagCode.BOOLEAN_AS_TEXT, path, value, _BOOLEANS[word])
            return _BOOLEANS[word]
        raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, shown(value))


def _not_number(value: object) -> FlagCode:
    """What is wrong with a value that should be a number and cannot be read as one that fits."""
    if not isinstance(value, str):
        return FlagCode.SCHEMA_VIOLATION
    if not value.strip():
        return FlagCode.REQUIRED_EMPTY
    return FlagCode.INTEGER_WITH_FRACTION if _DECIMAL.fullmatch(value.strip()) else FlagCode.TEXT_NOT_NUMBER


def fatal_of(broken: Broken) -> FlagCode:
    return FlagCode.FIELD_MISSING if broken.code is FlagCode.MISSING_VALUE else broken.code


def shown(value: object) -> object:
    """A value for a flag; what is too large or no value shows as a word."""
    if isinstance(value, Broken):
        return value.text
    if isinstance(value, dict):
        return "object"
    return "list" if isinstance(value, list) else value
