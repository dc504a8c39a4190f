"""`where`: what must be so at an object before a rule touches it. No expressions, only comparisons."""

from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from gateway.dialect.match import fits, pattern_problem
from gateway.dialect.rules.arguments import json_value
from gateway.dialect.rules.places import MISSING, Steps, slots, steps
from gateway.dialect.rules.verbs import decimal_of
from gateway.ocpp.values import Number

TESTS: Final = ("is", "not", "like", "below", "above", "present", "or_absent")
"""The words of a condition that is a table."""


class Condition(Struct, frozen=True):
    """What one place below an object must be.

    `any_of` and `none_of` are values, `like` a glob in lower case, `below` and `above` bounds of a number,
    `present` whether it must (not) be there; with `or_absent` a missing place is right too.
    """

    place: Steps
    any_of: tuple[Any, ...] = ()
    none_of: tuple[Any, ...] = ()
    like: str = ""
    below: Decimal | None = None
    above: Decimal | None = None
    present: bool | None = None
    or_absent: bool = False

    def holds(self, node: dict[str, object]) -> bool:
        """Whether it is so; where the place has several values, for one of them."""
        if len(self.place) == 1:
            return self._fits(node.get(str(self.place[0]), MISSING))
        values = [slot.value for slot in slots(node, self.place, ())] or [MISSING]
        return any(map(self._fits, values))

    def _fits(self, value: object) -> bool:  # noqa: PLR0911
        if value is MISSING:
            return self.or_absent or self.present is False
        if self.present is not None and not self.present:
            return False
        if self.any_of and not any(_same(value, wanted) for wanted in self.any_of):
            return False
        if any(_same(value, refused) for refused in self.none_of):
            return False
        if self.like and not (
            isinstance(value, str) and len(value) <= 1000 and fits(self.like, value.lower())
        ):
            return False
        if self.below is None and self.above is None:
            return True
        number = decimal_of(value)
        return (
            number is not None
            and (self.below is None or number < self.below)
            and (self.above is None or number > self.above)
        )


def _same(value: object, wanted: object) -> bool:
    """Equality as an author means it: a number equals its text, however it is written."""
    if isinstance(wanted, Number) or isinstance(value, Number):
        one, other = decimal_of(value), decimal_of(wanted)
        return one is not None and one == other
    return type(value) is type(wanted) and value == wanted


def condition(name: str, given: object) -> tuple[Condition | None, list[str]]:
    """One entry of `where`, or everything that is wrong with it."""
    try:
        place = steps(name)
        if not place:
            raise ValueError("an empty place; name a member")
        if not isinstance(given, dict):
            values = given if isinstance(given, list) else [given]
            return Condition(place, any_of=tuple(json_value(value) for value in values)), []
    except ValueError as error:
        return None, [str(error)]
    wrong = [f"unknown word {word!r}; known: {', '.join(TESTS)}" for word in given if word not in TESTS]
    read: dict[str, Any] = {}
    for word in TESTS:
        if word in given:
            try:
                read |= _word(word, given[word])
            except ValueError as error:
                wrong.append(f"{word}: {error}")
    if not given:
        wrong.append(f"is empty; give one of {', '.join(TESTS)}")
    return (None, wrong) if wrong else (Condition(place, **read), [])


def _word(word: str, value: Any) -> dict[str, Any]:
    match word:
        case "is" | "not":
            values = value if isinstance(value, list) else [value]
            return {"any_of" if word == "is" else "none_of": tuple(json_value(item) for item in values)}
        case "like":
            if problem := pattern_problem(value):
                raise ValueError(problem)
            return {"like": value.lower()}
        case "below" | "above":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{value!r} is not a number")
            return {word: Decimal(str(value))}
        case _:
            if not isinstance(value, bool):
                raise ValueError(f"{value!r} does not fit; give true or false")
            return {word: value}
