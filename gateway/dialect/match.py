"""Which stations a rule pack or an adapter is for: globs, firmware ranges, versions.

Patterns are globs (`*` any text, `?` one character, any case), matched by going over both texts once or
twice; there are no regular expressions, so no pattern can take long. Two matches can be asked whether one
station may fit both.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from msgspec import Struct

from gateway.dialect.station import Station
from gateway.ocpp.message import Version

MOST_STARS: Final = 4
LONGEST_PATTERN: Final = 100
_REGULAR: Final = re.compile(r"[\\^$|{}]|(?<![\d*])\.[*+]|\)[*+?]|\[[^\]]*\]")
_CLAUSE: Final = re.compile(r"(>=|<=|>|<|=|!=)\s*(\S+)")
_TOKEN: Final = re.compile(r"\d+|[a-z]+", re.ASCII)
_EARLY: Final = frozenset({"alpha", "beta", "dev", "pre", "rc"})

Finding = tuple[str, str]  # key, what is wrong and the cure


class MatchError(ValueError):
    """What is wrong with a match: every finding with the key it is about."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(f"{key}: {text}" for key, text in findings))
        self.findings = findings


def fits(pattern: str, text: str) -> bool:
    """Whether a lower-case text fits a lower-case glob. Each part between stars is looked for once."""
    if "?" in pattern:
        return _fits_slowly(pattern, text)
    first, *parts = pattern.split("*")
    if not parts:
        return pattern == text
    last = parts.pop()
    if len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in parts:
        at = text.find(part, at, end) + len(part)
        if at < len(part):
            return False
    return True


def _fits_slowly(pattern: str, text: str) -> bool:
    """The same with `?`: both texts are gone over, back to the last star at most."""
    at = place = 0
    star = back = -1
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, back = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at += 1
            place += 1
        elif star >= 0:
            back += 1
            at, place = star + 1, back
        else:
            return False
    return pattern[at:].strip("*") == ""


def meet(one: str, other: str) -> bool:
    """Whether some text fits both globs."""
    reached = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if i == len(one) and j == len(other):
            return True
        steps = []
        a, b = one[i : i + 1], other[j : j + 1]
        if a == "*":
            steps += [(i + 1, j), (i, j + 1)] if b else [(i + 1, j)]
        if b == "*":
            steps += [(i, j + 1), (i + 1, j)] if a else [(i, j + 1)]
        if a and b and "*" not in (a, b) and (a == b or "?" in (a, b)):
            steps.append((i + 1, j + 1))
        for step in steps:
            if step not in reached:
                reached.add(step)
                waiting.append(step)
    return False


def pattern_problem(pattern: object) -> str:
    """Why a pattern is refused, with the cure; "" when it is not."""
    if not isinstance(pattern, str):
        return f'{pattern!r} is not a pattern; give a text such as "acme*"'
    if len(pattern) > LONGEST_PATTERN:
        return f"the pattern has {len(pattern)} characters; {LONGEST_PATTERN} are the most"
    if _REGULAR.search(pattern):
        return f"{pattern!r} looks like a regular expression; patterns know only * (any text) and ?"
    if pattern.count("*") > MOST_STARS:
        return f"{pattern!r} has {pattern.count('*')} stars; {MOST_STARS} are the most, give a list instead"
    return ""


@cache
def _version_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A firmware version so that older ones compare as less: numbers as numbers, `3` like `3.0`."""
    tokens = _TOKEN.findall(text.lower()[:50])
    while tokens and not tokens[0].isdigit():
        tokens.pop(0)
    while tokens and tokens[-1].isdigit() and int(tokens[-1]) == 0:
        tokens.pop()
    key = [(2, int(t), "") if t.isdigit() else (0 if t in _EARLY else 1, 0, t) for t in tokens]
    return (*key, (0, 1, ""))


class Clause(Struct, frozen=True):
    """One condition on a firmware: an operator and a version, or `like` and a glob."""

    sign: str
    version: str

    def holds(self, firmware: str) -> bool:
        if self.sign == "like":
            return fits(self.version, firmware.lower())
        mine, bound = _version_key(firmware), _version_key(self.version)
        return {
            ">=": mine >= bound,
            "<=": mine <= bound,
            ">": mine > bound,
            "<": mine < bound,
            "=": mine == bound,
            "!=": mine != bound,
        }[self.sign]


class Match:
    """Which stations: every part that is given must fit; a list fits when one of its patterns does.

    `vendor`, `model`, `serial` and `charger` (the charger's id) are globs, `firmware` is a range such as
    `>=3.0, <3.4` or a glob, `ocpp` are versions. Errors: MatchError with everything that is wrong.
    """

    KEYS: Final = ("vendor", "model", "serial", "charger", "firmware", "ocpp")

    def __init__(
        self,
        vendor: object = None,
        model: object = None,
        serial: object = None,
        charger: object = None,
        firmware: object = None,
        ocpp: object = None,
    ) -> None:
        findings: list[Finding] = []
        given = {"vendor": vendor, "model": model, "serial": serial, "charger": charger}
        self.globs = {key: _patterns(key, value, findings) for key, value in given.items()}
        self.firmware = _clauses(firmware, findings)
        self.versions = _versions(ocpp, findings)
        if not findings and not any(self.globs.values()):
            findings.append(("vendor", 'is missing; give vendor, model, serial or charger ("*" for all)'))
        if findings:
            raise MatchError(findings)

    def matches(self, charger_id: str, station: Station) -> bool:
        """Whether it is for this station; an unknown firmware is in no range."""
        texts = {
            "vendor": station.vendor,
            "model": station.model,
            "serial": station.serial,
            "charger": charger_id,
        }
        return all(
            any(fits(glob, texts[key].lower()) for glob in globs)
            for key, globs in self.globs.items()
            if globs
        ) and (not self.firmware or bool(station.firmware and self._holds(station.firmware)))

    def _holds(self, firmware: str) -> bool:
        return all(clause.holds(firmware) for clause in self.firmware)

    def overlaps(self, other: "Match") -> bool:
        """Whether one station may fit both. In doubt, yes."""
        for key, globs in self.globs.items():
            theirs = other.globs[key]
            if globs and theirs and not any(meet(a, b) for a in globs for b in theirs):
                return False
        return bool(self.versions & other.versions) and _together(self.firmware + other.firmware)

    def __str__(self) -> str:
        parts = [
            f"{key} {' or '.join(glob or _EMPTY for glob in globs)}"
            for key, globs in self.globs.items()
            if globs
        ]
        if self.firmware:
            clauses = (c.version if c.sign == "like" else c.sign + c.version for c in self.firmware)
            parts.append("firmware " + ", ".join(clauses))
        if len(self.versions) < len(Version):
            parts.append("OCPP " + ", ".join(sorted(self.versions)))
        return "; ".join(parts)


_EMPTY: Final = '""'


def _together(clauses: Sequence[Clause]) -> bool:
    """Whether some firmware fits all of them, as far as bounds tell."""
    bounded = [clause for clause in clauses if clause.sign not in ("like", "!=")]
    points = {clause.version for clause in bounded}
    return (
        not bounded
        or any(
            all(clause.holds(point + suffix) for clause in bounded)
            for point in points
            for suffix in ("", ".0.1")
        )
        or all(clause.sign in ("<", "<=") for clause in bounded)
    )


def _patterns(key: str, value: object, findings: list[Finding]) -> tuple[str, ...]:
    if value is None:
        return ()
    globs = list(value) if isinstance(value, list | tuple) else [value]
    problems = [problem for glob in globs if (problem := pattern_problem(glob))]
    if not globs:
        problems = ["the list is empty; leave the key out, or give a pattern"]
    findings += [(key, problem) for problem in problems]
    return () if problems else tuple(str(glob).lower() for glob in globs)


def _clauses(value: object, findings: list[Finding]) -> tuple[Clause, ...]:
    if value is None:
        return ()
    found = []
    for part in str(value).split(",") if isinstance(value, str) else [""]:
        text = part.strip()
        match = _CLAUSE.fullmatch(text)
        if match is not None and _TOKEN.search(match[2].lower()):
            found.append(Clause(match[1], match[2]))
        elif text and text[0] not in "<>=!" and not pattern_problem(text):
            found.append(Clause("like", text.lower()))
        else:
            findings.append(("firmware", f'{text or value!r} is no range; write ">=3.0, <3.4" or "3.2*"'))
    return tuple(found)


def _versions(value: object, findings: list[Finding]) -> frozenset[Version]:
    if value is None:
        return frozenset(Version)
    known = {version.value: version for version in Version}
    given: Iterable[object] = value if isinstance(value, list | tuple) else [value]
    wrong = [item for item in given if not isinstance(item, str) or item not in known]
    if wrong:
        findings.append(("ocpp", f"{wrong[0]!r} is no OCPP version; known: {', '.join(known)}"))
    return frozenset(known[item] for item in given if isinstance(item, str) and item in known)
