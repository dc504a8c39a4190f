"""Payloads brought to their schema, field by field, wherever the schema leaves one reading.

`Fields` walks a payload beside its schema and builds the repaired one in the order of the input. What
has no certain reading is a flag: a fatal one keeps the message, unless the place may be left out.
"""

import re
from typing import Final

from gateway.dialect import names, samples
from gateway.dialect.lenient import Broken
from gateway.dialect.notes import Notes
from gateway.dialect.times import Clock, repaired
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import Node, is_tenth, schema
from gateway.ocpp.times import seconds
from gateway.ocpp.values import Number, Path, dumps

_INTEGER: Final = re.compile(r"\s*(-?(?:0|[1-9]\d{0,18}))(?:\.0+)?\s*", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
_EDGE_CONTROLS: Final = re.compile(r"[\x01-\x1f]+$")
_CLOCK_UNSET: Final = 946_684_800.0  # the year 2000
_NO_TRANSACTION: Final = frozenset({str(2**63 - 1), str(2**64 - 1)})


class Left(Exception):
    """This place cannot be kept. It is left out by the nearest thing around it that may be absent."""


class Fields:
    """The repair of one payload."""

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

    def repair(self, payload: dict[str, object]) -> dict[str, object] | None:
        """The payload as the schema wants it, None with a fatal flag where that cannot be had."""
        node = schema(self.version, self.action, self.is_request)
        assert node is not None
        try:
            return self.record(node, payload, ())
        except Left:
            return None

    def value(self, node: Node, value: object, path: Path) -> object:  # noqa: PLR0911
        """The value for one place."""
        if isinstance(value, Broken):
            self.notes.at(_fatal_of(value), path)
            raise Left
        match node.type:
            case "object":
                if isinstance(value, dict):
                    return self.record(node, value, path)
                raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, value)
            case "array":
                return self.array(node, value, path)
            case "string":
                return self.text(node, value, path)
            case "integer":
                return self.integer(node, value, path)
            case "number":
                return self.number(node, value, path)
            case "boolean":
                return self.boolean(value, path)
            case _:
                self.free(value, path)
                return value

    def wrong(self, code: FlagCode, path: Path, value: object) -> Left:
        """Flag a place that cannot be kept."""
        self.notes.at(code, path, value)
        return Left()

    def free(self, value: object, path: Path) -> None:
        """Data without a schema must at least be JSON."""
        if isinstance(value, Broken):
            raise self.wrong(_fatal_of(value), path, value.text)
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for child in children:
            self.free(child, path)

    # objects

    def record(self, node: Node, value: dict[str, object], path: Path) -> dict[str, object]:
        """An object with the right names, nothing the schema does not have, and all it wants."""
        if not self.is_request and not path:
            value = self.without_dummies(node, value)
        is_sample = path[-2:-1] == ("sampledValue",)
        if is_sample:
            value = samples.with_unit_of_measure(self, node, value, path)
        named = self.named(node, value, path)
        if is_sample:
            named = samples.restyled(self, node, named, path)
        done: dict[str, object] = {}
        for name, member in named.items():
            self.member(node, name, member, (*path, name), done)
        for name in node.properties:
            if name in node.required and name not in done:
                self.absent(node, name, path, done)
        if self.replaced_error_code and "vendorErrorCode" in node.properties:
            if not done.get("vendorErrorCode"):
                done.pop("vendorErrorCode", None)
                insert(node, done, "vendorErrorCode", self.replaced_error_code[:50])
            self.replaced_error_code = ""
        return done

    def member(self, node: Node, name: str, member: object, path: Path, done: dict[str, object]) -> None:
        """Put one member where it belongs, or leave it out where that is allowed."""
        sub = node.properties.get(name)
        if sub is None:
            self.free(member, path)
            done[name] = member
            return
        required = name in node.required
        if isinstance(member, Broken) and member.code is FlagCode.MISSING_VALUE:
            return
        if member is None and sub.type:
            self.notes.at(FlagCode.NULL_REQUIRED if required else FlagCode.NULL_OPTIONAL, path, None)
            if required:
                if sub.date_time:
                    self.notes.at(FlagCode.TIME_MISSING, path)
                raise Left
            return
        if not required and self.left_out(sub, name, member, path):
            return
        if self.action == "StopTransaction" and self.means_none(name, member):
            raise self.wrong(FlagCode.TRANSACTION_SENTINEL, path, member)
        before = len(self.notes.flags)
        try:
            done[name] = self.value(sub, member, path)
        except Left:
            if required or not (self.reported and name in names.REPORTED):
                raise
            self.notes.set_aside(before, path)

    def left_out(self, node: Node, name: str, member: object, path: Path) -> bool:
        """Whether an optional member says nothing: '' for a fixed word or time, 2^63-1 for no transaction."""
        if member == "" and node.enum:
            self.notes.at(FlagCode.EMPTY_OPTIONAL, path, "")
        elif member == "" and node.date_time:
            self.notes.at(FlagCode.TIME_EMPTY, path, "")
        elif member == "" and name == "parentIdTag":
            self.notes.at(FlagCode.EMPTY_OPTIONAL, path, "")
        elif self.means_none(name, member):
            self.notes.at(FlagCode.TRANSACTION_SENTINEL, path, member)
        elif self.action == "StatusNotification" and node.date_time and self.unset(member):
            self.notes.at(FlagCode.TIME_EPOCH_ZERO, path, member)
        else:
            return False
        return True

    def means_none(self, name: str, member: object) -> bool:
        """Whether a transaction id is the largest integer there is, which stands for none."""
        return name == "transactionId" and isinstance(member, Number) and member.text in _NO_TRANSACTION

    def unset(self, value: object) -> bool:
        """Whether a timestamp is from before the year 2000: a clock that was never set."""
        moment = seconds(repaired(value, self.clock)[0]) if isinstance(value, str) else None
        return moment is not None and moment < _CLOCK_UNSET

    def absent(self, node: Node, name: str, path: Path, done: dict[str, object]) -> None:
        """A required field is not there: fill in the one that follows from the others, or give up."""
        place = (*path, name)
        if name == "errorCode" and self.action == "StatusNotification" and done.get("status") != "Faulted":
            self.notes.at(FlagCode.ERROR_CODE_ASSUMED, place, after="NoError")
            insert(node, done, name, "NoError")
            return
        if node.properties[name].date_time:
            self.notes.at(FlagCode.TIME_MISSING, place)
        self.notes.at(FlagCode.FIELD_MISSING, place)
        raise Left

    def without_dummies(self, node: Node, value: dict[str, object]) -> dict[str, object]:
        """An answer without what it should not carry: an echo of the request, dummies beside Rejected."""
        if not node.properties.keys() - {"customData"} and value.keys() - {"customData"}:
            self.notes.add(FlagCode.RESULT_EXTRA, after="{}")
            return {}
        if value.get("status") == "Rejected" and "status" in node.properties:
            optional = [
                k for k in value if k in node.properties and k not in node.required and k != "statusInfo"
            ]
            dummies = [
                k for k in optional if value[k] is not None and not self.fine(node.properties[k], value[k])
            ]
            if dummies:
                self.notes.add(FlagCode.RESULT_DUMMIES, before=dumps(dummies))
                return {key: member for key, member in value.items() if key not in optional}
        return value

    def fine(self, node: Node, value: object) -> bool:
        """Whether a value needs no repair."""
        trial = Fields(self.version, self.action, self.is_request, Sender.BACKEND, self.clock, Notes())
        try:
            trial.value(node, value, ())
        except Left:
            return False
        return not trial.notes.flags

    def named(self, node: Node, value: dict[str, object], path: Path) -> dict[str, object]:
        """The members under the names of the schema; those it has no name for are dropped."""
        found: dict[str, object] = {}
        taken = {key for key in value if key in node.properties}
        for key, member in value.items():
            if key in node.properties or node.open:
                found[key] = member
                continue
            name, code = self.name_for(node, key, member)
            if name is None or name in taken:
                from_backend = not self.is_request and not self.reported
                code = FlagCode.ANSWER_FIELD_UNKNOWN if from_backend else FlagCode.FIELD_UNKNOWN
                self.notes.at(code, (*path, key), _shown(member))
                continue
            taken.add(name)
            self.notes.at(code, (*path, key), key, name)
            found[name] = member
        return found

    def name_for(self, node: Node, key: str, member: object) -> tuple[str | None, FlagCode]:
        """The schema's name for an unknown key: misspelt, plural or singular, or of another version."""
        plain = names.squeezed(key)
        forms = {plain, plain + "s", plain.removesuffix("s")}
        same = [name for name in node.properties if names.squeezed(name) in forms]
        if len(same) == 1:
            return same[0], FlagCode.FIELD_SPELLING
        code = FlagCode.FIELD_OLD_NAME
        old = names.OLD_FIELDS.get((self.action, key))
        if old is None:
            code, old = FlagCode.FIELD_SPELLING, names.OTHER_FIELDS.get((self.action, key))
        if old is None or old not in node.properties:
            return None, code
        legal = node.properties[old].enum
        return (None, code) if legal and member not in legal else (old, code)

    # arrays

    def array(self, node: Node, value: object, path: Path) -> list[object]:
        """A list; a single value is wrapped, samples that cannot be read are left out."""
        assert node.items is not None
        given: list[object]
        if isinstance(value, list):
            given = value
        else:
            if not isinstance(value, dict if node.items.type == "object" else str):
                raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, value)
            self.notes.at(FlagCode.NOT_A_LIST, path)
            given = [value]
        is_samples = path[-1:] in (("sampledValue",), ("meterValue",), ("transactionData",))
        done: list[object] = []
        for index, item in enumerate(given):
            before = len(self.notes.flags)
            try:
                fixed = self.value(node.items, item, (*path, index))
            except Left:
                if not is_samples or self.notes.lacks_time(before):
                    raise
                if path[-1] == "sampledValue":
                    self.notes.set_aside(before, (*path, index), FlagCode.SAMPLE_SET_ASIDE)
                continue
            if isinstance(fixed, dict) and fixed.get("sampledValue") == []:
                self.notes.at(FlagCode.EMPTY_ARRAY, (*path, index, "sampledValue"), [])
                continue
            done.append(fixed)
        self.counted(node, given, done, path)
        return done

    def counted(self, node: Node, value: list[object], done: list[object], path: Path) -> None:
        """Check how many items are left."""
        wanted = 1 if value or path[-1:] == ("chargingSchedulePeriod",) else 0
        if len(done) < max(node.min_items, wanted):
            if not value:
                self.notes.at(FlagCode.EMPTY_ARRAY, path, [])
            raise Left
        if node.max_items is not None and len(done) > node.max_items:
            raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, len(done))

    # leaves

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
        if isinstance(value, dict) and len(value) == 1 and name in names.TAGS:
            inner = next(iter(value.values()))
            if isinstance(inner, str):
                self.notes.at(FlagCode.NESTED_VALUE, path, value, inner)
                return inner
        raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, _shown(value))

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
            if (stripped := _EDGE_CONTROLS.sub("", value)) != value:
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
                self.replaced_error_code = value
            return catch_all
        if self.action == "StatusNotification" and value == "Occupied":
            raise self.wrong(FlagCode.STATUS_AMBIGUOUS, path, value)
        raise self.wrong(FlagCode.ENUM_UNKNOWN, path, value)

    def reading(self, node: Node, name: str, value: str) -> tuple[str | None, FlagCode]:
        """What a word that is not in the list can only mean."""
        if (word := names.meant(value, node.enum)) is not None:
            return word, FlagCode.UNIT_SPELLING if name == "unit" else FlagCode.ENUM_SPELLING
        if names.OLD_WORDS.get(value) in node.enum:
            return names.OLD_WORDS[value], FlagCode.FIELD_OLD_NAME
        if "Occupied" in node.enum:
            status = names.meant(value, tuple(sorted(names.STATUSES_16)))
            if status in names.OCCUPIED:
                return "Occupied", FlagCode.STATUS_TRANSLATED
        return None, FlagCode.ENUM_UNKNOWN

    def integer(self, node: Node, value: object, path: Path) -> Number:
        """A whole number."""
        if isinstance(value, str) and (match := _INTEGER.fullmatch(value)) is not None:
            self.notes.at(FlagCode.TEXT_AS_NUMBER, path, value, Number(match[1]))
            value = Number(match[1])
        if not isinstance(value, Number):
            raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, _shown(value))
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
            raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, _shown(value))
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
        raise self.wrong(FlagCode.SCHEMA_VIOLATION, path, _shown(value))


def insert(node: Node, done: dict[str, object], name: str, value: object) -> None:
    """Put a new member where the schema has it among the others."""
    order = list(node.properties)
    later = set(order[order.index(name) + 1 :])
    members = list(done.items())
    at = next((i for i, (key, _) in enumerate(members) if key in later), len(members))
    members.insert(at, (name, value))
    done.clear()
    done.update(members)


def _fatal_of(broken: Broken) -> FlagCode:
    return FlagCode.FIELD_MISSING if broken.code is FlagCode.MISSING_VALUE else broken.code


def _shown(value: object) -> object:
    """A value for a flag; what is too large or no value shows as a word."""
    if isinstance(value, Broken):
        return value.text
    if isinstance(value, dict):
        return "object"
    return "list" if isinstance(value, list) else value
