"""Ways to spoil a frame, chosen by a random number generator so that a seed repeats them."""

import json
from random import Random
from typing import Any

_JUNK = [
    b"\x00",
    b",",
    b"]",
    b"}",
    b'"',
    b"'",
    b"\\",
    b"\xff",
    b"NaN",
    b"[",
    b"{",
    b"007",
    b"\xed\xa0\x80",
    b":",
    b"\n",
]
_VALUES: list[Any] = [
    None,
    "",
    " ",
    0,
    -1,
    1.5,
    2**63,
    True,
    [],
    {},
    "x",
    "1",
    "20,5",
    [[]],
    {"a": None},
    "2026-3-2",
]


def spoil(data: bytes, random: Random) -> bytes:
    """The frame with one to three things wrong with it."""
    for _ in range(random.randint(1, 3)):
        data = _spoil_value(data, random) if random.random() < 0.5 else _spoil_bytes(data, random)
    return data


def _spoil_bytes(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    match random.randrange(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + random.choice(_JUNK) + data[at:]
        case 2:
            return data[:at] + data[at + 1 :]
        case _:
            return data + data[at:]


def _spoil_value(data: bytes, random: Random) -> bytes:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places: list[tuple[Any, Any]] = []
    _collect(tree, places)
    if not places:
        return data
    parent, key = random.choice(places)
    match random.randrange(4):
        case 0 if isinstance(parent, dict):
            parent[random.choice([str(key).upper(), str(key) + "s", "extra"])] = parent.pop(key)
        case 1:
            del parent[key]
        case 2 if isinstance(parent[key], str):
            parent[key] = random.choice(
                [parent[key].lower(), parent[key] + " ", parent[key][:-1], parent[key] * 9]
            )
        case _:
            parent[key] = random.choice(_VALUES)
    return json.dumps(tree, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _collect(tree: Any, places: list[tuple[Any, Any]]) -> None:
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        places.append((tree, key))
        _collect(tree[key], places)
