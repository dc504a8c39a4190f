"""Payloads brought to their schema, field by field, wherever the schema leaves one reading.

`Fields` walks a payload beside its schema and builds the repaired one in the order of the input. What
has no certain reading is a flag: a fatal one keeps the message, unless the place may be left out.
"""

from typing import Final

from gateway.dialect import names, samples
from gateway.dialect.leaves import Leaves, Left, fatal_of, shown
from gateway.dialect.lenient import Broken
from gateway.dialect.notes import Notes
from gateway.dialect.times import repaired
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Sender
from gateway.ocpp.schema import Node, schema
from gateway.ocpp.times import seconds
from gateway.ocpp.values import Number, Path, dumps

_CLOCK_UNSET: Final = 946_684_800.0  # the year 2000
_DUMMIES: Final = ("", "0", Number("0"))
_NEVER_EMPTY: Final = frozenset({"integer", "number", "boolean"})
_NO_TRANSACTION: Final = frozenset({str(2**63 - 1), str(2**64 - 1)})


class Fields(Leaves):
    """The repair of one payload."""

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
            self.notes.at(fatal_of(value), path)
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
        if self.action == "StatusNotification" and not path:
            named = self.without_empty_error_code(named)
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

    def without_empty_error_code(self, named: dict[str, object]) -> dict[str, object]:
        """A status without its empty error code: `absent` knows which one is meant, unless it is Faulted."""
        status = named.get("status")
        faulted = not isinstance(status, str) or names.squeezed(status) == "faulted"
        if faulted or named.get("errorCode", "NoError") not in (None, ""):
            return named
        return {key: member for key, member in named.items() if key != "errorCode"}

    def left_out(self, node: Node, name: str, member: object, path: Path) -> bool:
        """Whether an optional member says nothing: '' for anything but text, 2^63-1 for no transaction."""
        if member == "" and (node.enum or node.type in _NEVER_EMPTY):
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
        text = member.text if isinstance(member, Number) else member
        if name != "transactionId" or not isinstance(text, str):
            return False
        whole, _, fraction = text.strip().partition(".")
        return whole.lstrip("0") in _NO_TRANSACTION and not fraction.strip("0")

    def unset(self, value: object) -> bool:
        """Whether a timestamp is from before the year 2000: a clock that was never set."""
        if value == "0" or (isinstance(value, Number) and value.text == "0"):
            return True
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
            unknown = [k for k in value if not self.has_name(node, k, value[k])]
            dummies = [
                k for k in optional if value[k] is not None and not self.fine(node.properties[k], value[k])
            ] + [k for k in unknown if value[k] in _DUMMIES]
            if dummies:
                self.notes.add(FlagCode.RESULT_DUMMIES, before=dumps(dummies))
                return {key: member for key, member in value.items() if key not in optional + unknown}
        return value

    def has_name(self, node: Node, key: str, member: object) -> bool:
        """Whether the schema has a name for a key, perhaps another one."""
        return key in node.properties or node.open or self.name_for(node, key, member)[0] is not None

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
                self.notes.at(code, (*path, key), shown(member))
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


def insert(node: Node, done: dict[str, object], name: str, value: object) -> None:
    """Put a new member where the schema has it among the others."""
    order = list(node.properties)
    later = set(order[order.index(name) + 1 :])
    members = list(done.items())
    at = next((i for i, (key, _) in enumerate(members) if key in later), len(members))
    members.insert(at, (name, value))
    done.clear()
    done.update(members)
