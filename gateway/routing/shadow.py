"""Would another backend have answered the charger as its leader did? Compared before it leads.

Answers are compared in the charger's version. What a charger acts on counts: statuses, intervals,
authorisations, costs, limits. What two right backends differ in does not: ids, clocks within a minute,
signatures and customData.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.ocpp import times
from gateway.ocpp.values import Path, number_text, path_text

Answer = dict[str, Any] | str | None
"""The payload of a CALLRESULT, the errorCode of a CALLERROR, or None when no answer came."""

CLOCK_SLACK_S: Final = 60.0

MOST_ACTIONS: Final = 100
MOST_PLACES: Final = 50
MOST_PAIRS: Final = 10
MOST_CHARGERS: Final = 20
_MOST_SHOWN: Final = 80

_NOT_COMPARED: Final = frozenset({"transactionId", "customData", "statusInfo", "exiResponse", "ocspResult"})
_NOT_SHOWN: Final = frozenset({"parentIdTag", "idToken", "additionalIdToken", "data"})
"""Fields whose values may say who a driver is."""

_MEANS_ACCEPTED: Final = {"StopTransaction": "idTagInfo", "TransactionEvent": "idTokenInfo"}
"""Answers in which a missing authorisation says the same as one that is accepted."""

_DEFAULTS: Final[dict[str, Any]] = {"chargingPriority": 0}
"""Fields that mean this when they are missing (OCPP 2.0.1 part 2, IdTokenInfoType)."""


class Difference(Struct, frozen=True):
    """One place where two answers differ, and what each says there, as a text for people.

    List positions in `path` are left out. The path is "" when the answers differ in being there at all.
    """

    path: str
    leader: str
    shadow: str


def compare(action: str, leader: Answer, shadow: Answer) -> tuple[Difference, ...]:
    """Where the answers to a charger's CALL of this action differ; empty when they say the same."""
    if not isinstance(leader, dict) or not isinstance(shadow, dict):
        texts = _kind(leader), _kind(shadow)
        return () if texts[0] == texts[1] else (Difference("", *texts),)
    return tuple(_differences(_complete(action, leader), _complete(action, shadow), ()))


def _kind(answer: Answer) -> str:
    if answer is None:
        return "no answer"
    return f"CALLERROR {answer[:_MOST_SHOWN]}" if isinstance(answer, str) else "an answer"


def _complete(action: str, answer: dict[str, Any]) -> dict[str, Any]:
    field = _MEANS_ACCEPTED.get(action)
    return answer if field is None or field in answer else answer | {field: {"status": "Accepted"}}


def _differences(leader: Any, shadow: Any, path: Path) -> Iterator[Difference]:
    if isinstance(leader, dict) and isinstance(shadow, dict):
        for name in dict.fromkeys((*leader, *shadow)):
            if name not in _NOT_COMPARED:
                yield from _differences(_member(leader, name), _member(shadow, name), (*path, name))
    elif isinstance(leader, list) and isinstance(shadow, list) and len(leader) == len(shadow):
        for one, other in zip(leader, shadow, strict=True):
            yield from _differences(one, other, path)
    elif not _same(leader, shadow):
        yield Difference(path_text(path), _text(leader, path), _text(shadow, path))


def _member(answer: dict[str, Any], name: str) -> Any:
    return answer.get(name, _DEFAULTS.get(name))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other or _close(one, other)
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _close(one: str, other: str) -> bool:
    """Whether both are times, not more than a minute apart."""
    here, there = times.seconds(one), times.seconds(other)
    return here is not None and there is not None and abs(here - there) <= CLOCK_SLACK_S


def _text(value: Any, path: Path) -> str:
    if value is None:
        return "nothing"
    if not _NOT_SHOWN.isdisjoint(path):
        return "(hidden)"
    if isinstance(value, str):
        return value[:_MOST_SHOWN]
    return number_text(value) or msgspec.json.encode(value).decode()[:_MOST_SHOWN]


class Pair(Struct):
    """How often the two said these two things at one place, and some of the chargers they said it to."""

    leader: str
    shadow: str
    times: int = 0
    chargers: list[str] = []


class Place(Struct):
    """A place where answers differed: how often, and the first pairs of values; others are only counted."""

    path: str
    times: int = 0
    pairs: list[Pair] = []


class Tally(Struct):
    """How many answers to an action were compared, how many differed, and where."""

    compared: int = 0
    different: int = 0
    places: dict[str, Place] = {}


class Report(Struct):
    """What comparing showed so far. It is JSON as msgspec writes and reads it, and never large."""

    actions: dict[str, Tally] = {}

    def add(self, charger_id: str, action: str, differences: tuple[Difference, ...]) -> None:
        """Count one comparison."""
        if action not in self.actions and len(self.actions) >= MOST_ACTIONS:
            action = "other"
        tally = self.actions.setdefault(action, Tally())
        tally.compared += 1
        tally.different += bool(differences)
        for difference in differences:
            _count(tally, charger_id, difference)

    @property
    def compared(self) -> int:
        """Answers compared in all."""
        return sum(tally.compared for tally in self.actions.values())

    @property
    def different(self) -> int:
        """Answers that differed in all."""
        return sum(tally.different for tally in self.actions.values())

    def lines(self) -> Iterator[str]:
        """The report as a table for people, actions with differences first."""
        ranked = sorted(self.actions.items(), key=lambda entry: (-entry[1].different, entry[0]))
        width = max([len("action"), *map(len, self.actions)])
        yield f"{'action'.ljust(width)}  compared  different"
        for action, tally in ranked:
            yield f"{action.ljust(width)}  {tally.compared:8}  {tally.different:9}"
            for place in sorted(tally.places.values(), key=lambda place: -place.times):
                for pair in place.pairs:
                    yield "  " + _line(place.path, pair)
                if rest := place.times - sum(pair.times for pair in place.pairs):
                    yield f"  {place.path or 'answer'}: other values; {rest}×"


def _line(path: str, pair: Pair) -> str:
    more = ", …" if len(pair.chargers) == MOST_CHARGERS else ""
    return (
        f"{path or 'answer'}: leader {pair.leader}, shadow {pair.shadow}; {pair.times}×; "
        f"{', '.join(pair.chargers)}{more}"
    )


def _count(tally: Tally, charger_id: str, difference: Difference) -> None:
    path = difference.path
    if path not in tally.places and len(tally.places) >= MOST_PLACES:
        path = "elsewhere"
    place = tally.places.setdefault(path, Place(path))
    place.times += 1
    said = difference.leader, difference.shadow
    pair = next((pair for pair in place.pairs if (pair.leader, pair.shadow) == said), None)
    if pair is None:
        if len(place.pairs) >= MOST_PAIRS:
            return
        pair = Pair(*said)
        place.pairs.append(pair)
    pair.times += 1
    if charger_id not in pair.chargers and len(pair.chargers) < MOST_CHARGERS:
        pair.chargers.append(charger_id)
