"""Running a pack's own tests, as the gateway would meet their frames."""

from collections.abc import Iterator

from msgspec import Struct, structs

from gateway.dialect.brand import Brand
from gateway.dialect.lenient import NotJsonError, parse
from gateway.dialect.notes import Notes
from gateway.dialect.reader import Reader
from gateway.dialect.reading import Mode, Reading
from gateway.dialect.rules.pack import Pack, Test
from gateway.dialect.rules.rule import Use
from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Sender


class Outcome(Struct, frozen=True):
    """What one test came to; `problem` is "" when it holds."""

    name: str
    problem: str


def tried(pack: Pack) -> list[Outcome]:
    """The pack's tests, run as in repair mode and with this pack alone."""
    brand = Brand(((_effective(pack), Use.REPAIR),))
    return [Outcome(test.name, "; ".join(_problems(test, brand, pack.name))) for test in pack.tests]


def _effective(pack: Pack) -> Pack:
    """The pack with every rule in repair mode: a test shows what a rule would do."""
    rules = tuple(structs.replace(rule, observe=False) for rule in pack.rules)
    return structs.replace(pack, rules=rules)


def problems_of(pack: Pack) -> list[str]:
    """What is wrong with a pack by its own tests: file, test and cure."""
    return [
        f"{pack.source}: test {outcome.name!r}: {outcome.problem}; correct the rule or the test"
        for outcome in tried(pack)
        if outcome.problem
    ]


def _problems(test: Test, brand: Brand, name: str) -> Iterator[str]:
    if _tree(test.want) is None:
        yield "want is not JSON"
        return
    found, flags = normalised(brand, test, test.given)
    if _tree(found) != _tree(test.want):
        yield f"it makes {found or 'nothing'} of it"
    raised = [flag for flag in flags if flag.author.startswith(f"rules/{name}:")]
    yield from _unexpected(raised, test.flags)
    if test.once or _tree(found) != _tree(test.want):
        return
    again, _ = normalised(brand, test, found)
    if _tree(again) != _tree(found):
        yield (
            f"applied twice it makes {again} of it; make `where` tell what was corrected already (or correct "
            "the label instead of the value), or say once = true in the test"
        )


def _unexpected(raised: list[Flag], expected: tuple[str, ...]) -> Iterator[str]:
    """What was raised and not expected, or expected and not raised; a code alone fits at every place."""
    full = [f"{flag.code.value}@{flag.path}" for flag in raised]
    for text in expected:
        if not any(text in (flag, flag.partition("@")[0]) for flag in full):
            yield f"the flag {text} was not raised; raised: {', '.join(full) or 'none'}"
    for flag in full:
        if flag not in expected and flag.partition("@")[0] not in expected:
            yield f"the flag {flag} was raised and is not in the list"


def normalised(brand: Brand, test: Test, given: str) -> tuple[str, list[Flag]]:
    """The frame that goes on, "" for none, and every flag."""
    reader = Reader(test.version)
    reader.follow(Mode.REPAIR, None, brand)
    data = given.strip().encode()
    if test.kind.sender is Sender.CHARGER:
        got = reader.read(data, Sender.CHARGER, lambda _: test.action or None, 0.0)
        if not isinstance(got, Reading):
            return got.frame.decode(), []
        frames = [message.frame.decode() for message in got.messages]
        if not frames and got.original is not None:
            frames = [got.original.frame.decode("utf-8", "replace")]
        return frames[0] if frames else "", got.flags
    action = test.action or _action(given)
    if (test.kind, action) not in reader.to_charger:
        return given, []
    fitted = reader.fit(data, test.kind, action)
    return fitted.data.decode(), fitted.flags


def _action(frame: str) -> str:
    """The action of a CALL."""
    try:
        value = parse(frame, Notes()).values[0]
    except NotJsonError:
        return ""
    return value[2] if isinstance(value, list) and len(value) == 4 and isinstance(value[2], str) else ""


def _tree(frame: str) -> object:
    """A frame so that two of them can be compared, numbers as they are written; None: it is not JSON."""
    try:
        return parse(frame.strip(), Notes()).values[0] if frame.strip() else ""
    except NotJsonError:
        return None
