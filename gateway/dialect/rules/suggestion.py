"""What deviates from the standard in a capture, and a rule pack to start from.

What the gateway repairs by itself needs no rule and is only reported. A rule is proposed for what it leaves:
words the standard does not have, identifiers with something added, times without a zone, transaction ids
that mean none. A proposed rule is a question with the blanks marked, for the author to answer.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct, field

from gateway.dialect.rules.replay import Record, Replay
from gateway.dialect.rules.rule import KIND_OF
from gateway.ocpp.flags import FLAGS, Flag, FlagCode
from gateway.ocpp.message import Sender

_INDEX: Final = re.compile(r"\[\d+\]")
MOST_RULES: Final = 40
MOST_WORDS: Final = 20

Place = tuple[str, str, str]  # kind, action, place


class Found(Struct):
    """One kind of deviation: how often it came, what stood there, and the first frame with it."""

    count: int = 0
    values: Counter[str] = field(default_factory=Counter)
    after: str = ""
    frame: str = ""
    wanted: str = ""


class Suggestion:
    """The deviations of a capture, by code and place; the station that it is of."""

    def __init__(self) -> None:
        self.frames = 0
        self.station: dict[str, str] = {}
        self.versions: set[str] = set()
        self.repaired: dict[tuple[FlagCode, Place], Found] = {}
        self.left: dict[tuple[FlagCode, Place], Found] = {}

    def take(self, record: Record, replay: Replay) -> None:
        """One more frame of the capture."""
        self.frames += 1
        self.versions.add(str(record.get("version", "1.6")))
        station = record.get("station")
        if isinstance(station, dict):
            self.station |= {str(key): str(value) for key, value in station.items() if value}
        sender, data, reading, action = replay.read(record)
        if sender is not Sender.CHARGER:
            return
        raw = data.decode("utf-8", "backslashreplace")
        self._learn(action, raw)
        message = reading.messages[0] if reading.messages else reading.original
        kind = KIND_OF.get((message.type, sender)) if message is not None else None
        wanted = reading.messages[0].frame.decode("utf-8", "replace") if reading.messages else ""
        for flag in reading.flags:
            place = (kind.value if kind is not None else "", action, _INDEX.sub("[]", flag.path))
            self._note(flag, place, raw, wanted)

    def _learn(self, action: str, raw: str) -> None:
        """Who the charger says it is."""
        if action != "BootNotification":
            return
        try:
            payload = json.loads(raw)[3]
        except (ValueError, LookupError, TypeError):
            return
        source = payload.get("chargingStation", payload) if isinstance(payload, dict) else {}
        for key, names in (
            ("vendor", ("chargePointVendor", "vendorName")),
            ("model", ("chargePointModel", "model")),
            ("firmware", ("firmwareVersion",)),
        ):
            value = next((source[name] for name in names if isinstance(source.get(name), str)), "")
            if value:
                self.station[key] = value

    def _note(self, flag: Flag, place: Place, raw: str, wanted: str) -> None:
        key, found = (flag.code, place), Found(frame=raw, wanted=wanted, after=flag.after)
        is_left = not flag.applied or (not flag.after and _rule(key, found) is not None)
        found = (self.left if is_left else self.repaired).setdefault(key, found)
        found.count += 1
        if flag.before and (flag.before in found.values or len(found.values) < MOST_WORDS):
            found.values[flag.before] += 1

    # For people

    def report(self) -> Iterator[str]:
        """Every deviation, grouped by kind, the most frequent first."""
        who = " ".join(self.station.get(key, "") for key in ("vendor", "model", "firmware")).strip()
        yield f"{self.frames} frames of {who or 'an unknown station'}"
        if not self.repaired and not self.left:
            yield "everything fits the standard"
        for title, table in (
            ("repaired, or only noted, by the gateway itself; no rule needed:", self.repaired),
            ("left as it came; a rule may help:", self.left),
        ):
            if table:
                yield title
            for (code, (kind, action, place)), found in _by_count(table):
                where = " ".join(filter(None, (kind, action, place)))
                values = ", ".join(value for value, _ in found.values.most_common(3))
                yield f"  {found.count:>5} × {code.value}  {where}  {values}".rstrip()
                yield f"          {FLAGS[code].meaning}"

    # The pack

    def pack(self) -> str:
        """A rule pack to start from, as TOML text."""
        vendor = self.station.get("vendor", "")
        name = re.sub(r"[^a-z0-9]+", "-", vendor.lower()).strip("-") or "my-brand"
        lines = [
            "# A proposal made from a capture. Answer what is marked TODO, then run: ocpp-gateway rules test",
            "",
            "pack    = 1",
            f"name    = {_toml(name)}",
            f"summary = {_toml(f'What {vendor or name} chargers get wrong.')}",
            "",
            "[match]",
            f"vendor = {_toml(_glob(vendor) or '*')}",
        ]
        if self.station.get("model"):
            lines.append(f"model  = {_toml(_glob(self.station['model']))}")
        if self.station.get("firmware"):
            lines.append(f'# firmware = "={self.station["firmware"]}"  # what this was seen with')
        lines.append(f"ocpp   = {json.dumps(sorted(self.versions) or ['1.6'])}")
        rules = [(key, found, rule) for key, found in _by_count(self.left) if (rule := _rule(key, found))]
        for number, (key, found, rule) in enumerate(rules[:MOST_RULES], 1):
            lines += ["", *_rule_lines(number, key, found, rule)]
        return "\n".join([*lines, *self._test(bool(rules))]) + "\n"

    def _test(self, has_rules: bool) -> Iterator[str]:
        """A test that holds, so that the pack loads: a frame that no rule may touch."""
        frame = '[2,"1","Heartbeat",{}]'
        yield ""
        if not has_rules:
            yield "# The gateway needs no rule for what is in this capture. Facts are worth keeping:"
            yield "[facts]"
            yield 'cannot = []\nsource = "TODO: where this is from"'
            yield ""
        yield "# TODO: one test per rule, with a frame of the capture in `given`."
        yield "[[test]]"
        yield 'name  = "a clean frame is left alone"'
        yield 'kind  = "charger_call"'
        yield f"given = '{frame}'"
        yield f"want  = '{frame}'"
        yield "flags = []"


def suggestion(records: Iterable[Record]) -> Suggestion:
    """What a capture has to say."""
    found, replay = Suggestion(), Replay(None)
    for record in records:
        found.take(record, replay)
    return found


def _by_count(table: dict[Any, Found]) -> list[tuple[Any, Found]]:
    return sorted(table.items(), key=lambda entry: (-entry[1].count, entry[0]))


def _rule(key: tuple[FlagCode, Place], found: Found) -> tuple[str, str, str] | None:  # noqa: PLR0911
    """`where`, `do` and flag of a rule for a deviation; None where no rule can help."""
    code, (kind, _, place) = key
    if not kind or not place:
        return None
    member = place.rpartition(".")[2].removesuffix("[]")
    words = [value for value, _ in found.values.most_common() if value.startswith('"')]
    match code:
        case FlagCode.ENUM_UNKNOWN | FlagCode.STATUS_AMBIGUOUS | FlagCode.ENUM_REPLACED:
            table = ", ".join(f'{word} = "TODO"' for word in words) or '"TODO" = "TODO"'
            return "", f"{{ map = {_toml(member)}, using = {{ {table} }} }}", "value-corrected"
        case FlagCode.ID_TAG_DECORATED:
            sign = ";" if any(";" in word for word in words) else "_"
            return "", f"{{ split = {_toml(member)}, at = {_toml(sign)} }}", "id-tag-corrected"
        case FlagCode.TIME_WITHOUT_ZONE:
            return "", f'{{ parse_time = {_toml(member)}, zone = "TODO/Zone" }}', "time-corrected"
        case FlagCode.TRANSACTION_ZERO | FlagCode.RESERVATION_NONE:
            value = next(iter(found.values), "0")
            return f"{{ {member} = {value} }}", f"{{ remove = {_toml(member)} }}", "field-dropped"
        case FlagCode.UNIT_CLASH | FlagCode.UNIT_SUSPECT | FlagCode.UNIT_MISSING:
            return '{ measurand = "TODO" }', '{ set = "unit", to = "TODO" }', "unit-corrected"
        case FlagCode.FIELD_UNKNOWN:
            return "", f'{{ rename = {_toml(member)}, to = "TODO" }}', "rule-applied"
        case FlagCode.VENDOR_TEXT:
            return "", f"{{ remove = {_toml(member)} }}", "field-dropped"
        case _:
            return None


def _rule_lines(
    number: int, key: tuple[FlagCode, Place], found: Found, rule: tuple[str, str, str]
) -> Iterator[str]:
    code, (kind, action, place) = key
    where, do, flag = rule
    yield f"# {found.count} × {code.value}: {FLAGS[code].meaning}"
    yield "# " + "".join(char if char.isprintable() else " " for char in found.frame[:300])
    yield "[[rule]]"
    yield f'name   = "{code.value}-{number}"'
    yield f"why    = {_toml(f'TODO: {FLAGS[code].meaning}')}"
    yield 'source = "TODO: a link, or this capture and its line"'
    yield f"on     = {{ {kind} = {_toml(action)} }}"
    if at := place.rpartition(".")[0]:
        yield f"at     = {_toml(at)}"
    if where:
        yield f"where  = {where}"
    yield f"do     = [{do}]"
    yield f"flag   = {_toml(flag)}"
    yield 'mode   = "observe"  # until you have seen in the flags that it does what you mean'


def _toml(text: str) -> str:
    return json.dumps("".join(filter(str.isprintable, text)), ensure_ascii=False)


def _glob(text: str) -> str:
    """A pattern for a name, without the signs a pattern cannot have."""
    return re.sub(r"[\\^$|{}\[\]*]+", "?", text)[:60]
