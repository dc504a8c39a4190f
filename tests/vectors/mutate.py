"""Changes to what a vector expects: each one must make it fail."""

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The places of all values that hold no others."""
    if isinstance(value, dict) and value:
        for key, member in value.items():
            yield from leaves(member, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def expected(vector: dict[str, Any]) -> Iterator[Path]:
    """Every leaf that a vector expects: of frames (not the details of an error, not ids of the gateway's own
    choice), of losses their code and path, of the state afterwards.
    """
    for index, out in enumerate(vector["out"]):
        for path in leaves(out["frame"]):
            of_details = out["frame"][0] == 4 and path[0] == 4
            chosen = path == (1,) and out["frame"][1].startswith("g")
            if not of_details and not chosen:
                yield ("out", index, "frame", *path)
    for index, loss in enumerate(vector.get("loss", [])):
        yield from (("loss", index, name) for name in ("code", "path") if name in loss)
    yield from leaves(vector.get("state_after", {}), ("state_after",)) if vector.get("state_after") else ()


def altered(vector: dict[str, Any], path: Path) -> dict[str, Any]:
    """The vector with another value at this place."""
    made = copy.deepcopy(vector)
    place = made
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]
    place[path[-1]] = _other(place[path[-1]])  # type: ignore[index]
    return made


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case None:
            return "x"
        case _:
            return "x"
