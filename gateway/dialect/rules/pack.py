"""From the text of a rule pack to a `Pack`, or to everything that is wrong with it at once."""

import tomllib
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct

from gateway.dialect.facts import Facts, facts_of
from gateway.dialect.match import Match, MatchError, pattern_problem
from gateway.dialect.rules.arguments import bound
from gateway.dialect.rules.conditions import Condition, condition
from gateway.dialect.rules.places import EACH, Steps, steps
from gateway.dialect.rules.rule import Deed, Kind, Rule, Use
from gateway.dialect.rules.verbs import ONLY_MEMBERS, VERBS
from gateway.ocpp.actions import may_send
from gateway.ocpp.flags import FLAGS, Consequence, FlagCode, no_flag
from gateway.ocpp.message import Version

FORMAT: Final = 1
MOST_RULES: Final = 500
PACK_KEYS: Final = ("pack", "name", "summary", "match", "after", "mode", "facts", "rule", "test")
RULE_KEYS: Final = ("name", "why", "source", "on", "at", "where", "do", "flag", "mode")
TEST_KEYS: Final = ("name", "kind", "action", "ocpp", "given", "want", "flags", "once")
DEFAULT_FLAG: Final = FlagCode.RULE_APPLIED


class Test(Struct, frozen=True):
    """A frame and what the pack makes of it. `action` is that of the CALL which a result answers.

    `flags` are what this pack raises: `code@path`, or a code alone. `once` says that nothing in the message
    tells that it was corrected, so that it must not be corrected again.
    """

    name: str
    kind: Kind
    action: str
    version: Version
    given: str
    want: str
    flags: tuple[str, ...]
    once: bool


class Pack(Struct, frozen=True):
    """A rule pack. `after` are globs of the names of those it comes after where both fit a station."""

    name: str
    summary: str
    match: Match
    after: tuple[str, ...]
    use: Use
    facts: Facts
    rules: tuple[Rule, ...]
    tests: tuple[Test, ...]
    source: str


class RulePackError(Exception):
    """What is wrong with rule packs; each error names its file, the place in it, and the cure."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def read_pack(text: str, source: str) -> Pack:
    """The pack that a file's text is; `source` is the file's name. Errors: RulePackError."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulePackError([f"{source}: is not TOML: {error}; correct it there"]) from None
    reading = _Reading(source)
    pack = reading.pack(raw)
    if reading.errors or pack is None:
        raise RulePackError(reading.errors)
    return pack


def unknown(word: str, known: tuple[str, ...] | list[str]) -> str:
    """What to say about a word that is not in a closed list."""
    near = get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown key {word!r}; {hint}known keys: {', '.join(known)}"


class _Reading:
    """One pack being read; errors add up."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.errors: list[str] = []

    def wrong(self, place: str, message: str) -> None:
        self.errors.append(f"{self.source}: {place}: {message}" if place else f"{self.source}: {message}")

    def pack(self, raw: dict[str, Any]) -> Pack | None:
        self._only(raw, PACK_KEYS, "")
        if raw.get("pack") != FORMAT or isinstance(raw.get("pack"), bool):
            self.wrong("pack", f"the format of this file is missing or unknown; write pack = {FORMAT}")
        name = self._name(raw.get("name"))
        match = self._match(raw.get("match"))
        facts, problems = facts_of(raw.get("facts", {}))
        for key, message in problems:
            self.wrong(key, message)
        versions = match.versions if match is not None else frozenset(Version)
        rules = self._each(raw, "rule", lambda entry, place: self._rule(entry, place, name, versions))
        tests = self._each(raw, "test", lambda entry, place: self._test(entry, place, versions))
        if not raw.get("test"):
            self.wrong("test", "there is no test; add a [[test]], for a pack without one does not load")
        if not raw.get("rule") and not raw.get("facts"):
            self.wrong("rule", "there is neither a rule nor a fact; add a [[rule]] or a [facts] table")
        self._no_twice("rule", [rule.name for rule in rules])
        summary, after = self._text(raw, "summary", ""), self._after(raw.get("after", []))
        use = self._use(raw.get("mode", "repair"), "mode")
        if self.errors or match is None:
            return None
        return Pack(name, summary, match, after, use, facts, tuple(rules), tuple(tests), self.source)

    def _name(self, value: Any) -> str:
        if (
            not isinstance(value, str)
            or not value
            or not value.replace("-", "").isalnum()
            or not value.islower()
        ):
            self.wrong(
                "name", f'{value!r} is no name; give one of small letters, digits and -, such as "acme"'
            )
            return "?"
        return value

    def _match(self, value: Any) -> Match | None:
        if not isinstance(value, dict):
            self.wrong("match", "is missing; add [match] with vendor, model, serial or charger")
            return None
        self._only(value, Match.KEYS, "match.")
        try:
            return Match(**{key: value[key] for key in Match.KEYS if key in value})
        except MatchError as error:
            for key, message in error.findings:
                self.wrong(f"match.{key}", message)
        return None

    def _after(self, value: Any) -> tuple[str, ...]:
        names = value if isinstance(value, list) else [value]
        for name in names:
            if problem := pattern_problem(name):
                self.wrong("after", problem)
        return tuple(str(name) for name in names)

    def _use(self, value: Any, place: str) -> Use:
        if value not in ("repair", "observe"):
            self.wrong(place, f"{value!r} does not fit; give repair or observe")
            return Use.REPAIR
        return Use(value)

    # Rules

    def _rule(self, raw: dict[str, Any], place: str, pack: str, versions: frozenset[Version]) -> Rule | None:
        before = len(self.errors)
        self._only(raw, RULE_KEYS, f"{place}: ")
        why, source = self._text(raw, "why", place), self._text(raw, "source", place)
        on = self._on(raw.get("on"), place, versions)
        at = self._place(raw.get("at", ""), f"{place}: at")
        where = self._where(raw.get("where", {}), place)
        deeds = self._deeds(raw.get("do"), place)
        flag = self._flag(raw.get("flag", DEFAULT_FLAG.value), place)
        observe = self._use(raw.get("mode", "repair"), f"{place}: mode") is Use.OBSERVE
        if len(self.errors) > before:
            return None
        name = str(raw["name"])
        return Rule(name, why, source, on, at, where, deeds, flag, observe, f"rules/{pack}:{name}")

    def _on(self, value: Any, place: str, versions: frozenset[Version]) -> tuple[tuple[Kind, str], ...]:
        kinds = tuple(kind.value for kind in Kind)
        if not isinstance(value, dict) or not value:
            self.wrong(
                f"{place}: on",
                f'is missing; write {{ charger_call = "MeterValues" }}; kinds: {", ".join(kinds)}',
            )
            return ()
        found = []
        for kind, actions in value.items():
            if kind not in kinds:
                self.wrong(f"{place}: on", unknown(kind, kinds))
                continue
            for action in actions if isinstance(actions, list) else [actions]:
                found.append((Kind(kind), str(action)))
                if not any(may_send(version, Kind(kind).caller, str(action)) for version in versions):
                    self.wrong(
                        f"{place}: on.{kind}", f"{action!r} is no action for it in OCPP {_listed(versions)}"
                    )
        return tuple(found)

    def _place(self, value: Any, place: str) -> Steps:
        try:
            return steps(value)
        except ValueError as error:
            self.wrong(place, str(error))
            return ()

    def _where(self, value: Any, place: str) -> tuple[Condition, ...]:
        if not isinstance(value, dict):
            self.wrong(f"{place}: where", f'{value!r} does not fit; write {{ unit = "Wh" }}')
            return ()
        found = []
        for name, given in value.items():
            if _is_todo([name, given]):
                self.wrong(f"{place}: where.{name}", "TODO stands in it; write what it should be")
                continue
            one, problems = condition(name, given)
            found += [one] if one is not None else []
            for problem in problems:
                self.wrong(f"{place}: where.{name}", problem)
        return tuple(found)

    def _deeds(self, value: Any, place: str) -> tuple[Deed, ...]:
        if not isinstance(value, list) or not value:
            self.wrong(f"{place}: do", f"is missing; give a list of verbs; known: {', '.join(VERBS)}")
            return ()
        found = (self._deed(entry, f"{place}: do[{index}]") for index, entry in enumerate(value))
        return tuple(deed for deed in found if deed is not None)

    def _deed(self, raw: Any, place: str) -> Deed | None:
        names = [name for name in raw if name in VERBS] if isinstance(raw, dict) else []
        if len(names) > 1:  # an argument has the name of a verb
            names = names[:1]
        if not names:
            given = ", ".join(raw) if isinstance(raw, dict) else repr(raw)
            self.wrong(place, f"{given}: no such verb; known: {', '.join(VERBS)}")
            return None
        if _is_todo(list(raw.items())):
            self.wrong(place, "TODO stands in it; write what it should be")
            return None
        verb = names[0]
        route = self._place(raw[verb], f"{place}: {verb}")
        if raw[verb] == "":
            self.wrong(f"{place}: {verb}", "names no place; give the name of a member")
        elif route and route[-1] == EACH and verb in ONLY_MEMBERS:
            self.wrong(f"{place}: {verb}", f"{raw[verb]!r} are items of a list; name a member of an object")
        arguments, wrong = bound(VERBS[verb], {key: raw[key] for key in raw if key != verb})
        for problem in wrong:
            self.wrong(place, problem)
        return Deed(route, VERBS[verb], arguments) if route else None

    def _flag(self, value: Any, place: str) -> FlagCode:
        try:
            code = FlagCode(value)
        except ValueError:
            self.wrong(f"{place}: flag", no_flag(value))
            return DEFAULT_FLAG
        if FLAGS[code].consequence is not Consequence.DELIVERED:
            self.wrong(f"{place}: flag", f"{value!r} says that the message is not delivered; choose another")
        return code

    # Tests

    def _test(self, raw: dict[str, Any], place: str, versions: frozenset[Version]) -> Test | None:
        before = len(self.errors)
        self._only(raw, TEST_KEYS, f"{place}: ")
        kinds = tuple(kind.value for kind in Kind)
        kind = raw.get("kind")
        if kind not in kinds:
            self.wrong(f"{place}: kind", f"{kind!r} does not fit; give one of {', '.join(kinds)}")
        elif not Kind(kind).is_request and not isinstance(raw.get("action"), str):
            self.wrong(f"{place}: action", "is missing; name the action of the CALL that it answers")
        given, want = self._text(raw, "given", place), self._text(raw, "want", place)
        flags = raw.get("flags")
        if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
            self.wrong(f"{place}: flags", 'is missing; list what the pack raises, as "code@path", or []')
        version = raw.get("ocpp", min(versions, key=list(Version).index).value if versions else "1.6")
        if version not in list(Version):
            self.wrong(f"{place}: ocpp", f"{version!r} is no OCPP version; known: {', '.join(Version)}")
        once = raw.get("once", False)
        if not isinstance(once, bool):
            self.wrong(f"{place}: once", f"{once!r} does not fit; give true or false")
        if len(self.errors) > before:
            return None
        action = raw.get("action", "")
        flags = tuple(str(flag) for flag in raw["flags"])
        return Test(str(raw["name"]), Kind(raw["kind"]), action, Version(version), given, want, flags, once)

    # Helpers

    def _each(self, raw: dict[str, Any], key: str, read: Callable[[dict[str, Any], str], Any]) -> list[Any]:
        entries = raw.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self.wrong(key, f"does not fit; write each as [[{key}]]")
            return []
        if len(entries) > MOST_RULES:
            self.wrong(key, f"there are {len(entries)}; {MOST_RULES} are the most, make two packs of it")
            return []
        found = []
        for index, entry in enumerate(entries):
            name = entry.get("name")
            if not isinstance(name, str) or not name:
                self.wrong(f"{key}[{index}]: name", "is missing; give each one a name of its own")
                continue
            found.append(read(entry, f"{key} {name!r}"))
        return [one for one in found if one is not None]

    def _only(self, raw: dict[str, Any], known: tuple[str, ...], place: str) -> None:
        for key in raw:
            if key not in known:
                self.wrong(place.rstrip(": ."), unknown(key, known))

    def _text(self, raw: dict[str, Any], key: str, place: str) -> str:
        value = raw.get(key)
        if not isinstance(value, str) or not value.strip():
            where = f"{place}: {key}" if place else key
            problem = "is missing" if value is None else f"{value!r} does not fit"
            self.wrong(where, f"{problem}; give a text")
            return ""
        return value

    def _no_twice(self, key: str, names: list[str]) -> None:
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.wrong(f"{key} {name!r}", "the name stands twice; give each one a name of its own")


def _is_todo(value: Any) -> bool:
    """Whether a blank of a proposal is still there, as a key or a value."""
    if isinstance(value, dict):
        return _is_todo([*value, *value.values()])
    if isinstance(value, list | tuple):
        return any(map(_is_todo, value))
    return isinstance(value, str) and value.partition("/")[0] == "TODO"


def _listed(versions: frozenset[Version]) -> str:
    return ", ".join(sorted(versions))
