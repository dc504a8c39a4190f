"""Hypothesis strategies for payloads that fit their schema, and for frames around them."""

import json
from typing import Any

from hypothesis import strategies as st

from gateway.ocpp.actions import UNANSWERED, actions_of
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import Node, schema

_TEXT = st.text(alphabet='abcXYZ019 .-_äé漢🔌"\\/', max_size=12)
_WORD = st.text(alphabet="ABCDEF0123456789", min_size=4, max_size=8)
_TIMES = st.sampled_from(
    [
        "2026-03-02T10:15:30Z",
        "2026-03-02T10:15:30.250Z",
        "2026-03-02T10:15:30.123456789+01:00",
        "2016-12-31T23:59:60Z",
    ]
)
_TAGS = {"idTag", "idToken", "parentIdTag", "key", "vendorId", "chargePointVendor", "chargePointModel"}


def value_of(node: Node, name: str = "") -> st.SearchStrategy[Any]:  # noqa: PLR0911
    """Any value the schema accepts; texts that mean something to the gateway are ordinary ones."""
    match node.type:
        case "object":
            return objects(node)
        case "array":
            assert node.items is not None
            low = max(node.min_items, 1)
            high = min(node.max_items or low + 1, low + 1)
            return st.lists(value_of(node.items, name), min_size=low, max_size=high)
        case "string":
            if node.enum:
                return st.sampled_from(node.enum)
            if node.date_time:
                return _TIMES
            if name == "value" or name in _TAGS:
                return (
                    _WORD.map(lambda word: word[: node.max_length]) if name != "value" else _numbers_as_text()
                )
            return _TEXT.map(lambda text: text[: node.max_length])
        case "integer":
            low_bound = 1 if node.minimum is None else max(int(node.minimum), 0)
            return st.integers(low_bound, 9 if node.maximum is None else int(node.maximum))
        case "number":
            if node.multiple_of:
                return st.integers(0, 999).map(lambda tenths: tenths / 10)
            top = 1e6 if node.maximum is None else node.maximum
            bottom = min(top - 10, 0) if node.minimum is None else node.minimum
            return st.floats(bottom, top, allow_nan=False) | st.integers(int(bottom), int(top))
        case "boolean":
            return st.booleans()
        case _:
            return st.recursive(
                _TEXT | st.integers(-9, 9), lambda inner: st.lists(inner, max_size=2), max_leaves=3
            )


def _numbers_as_text() -> st.SearchStrategy[str]:
    return st.decimals(0, 99999, places=2).map(str)


def objects(node: Node) -> st.SearchStrategy[dict[str, Any]]:
    """An object with all required members and some of the others, in any order."""

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        names = [n for n in node.properties if n in node.required or draw(st.integers(0, 3)) == 0]
        names = draw(st.permutations(names))
        return {name: draw(value_of(node.properties[name], name)) for name in names}

    return build()


@st.composite
def clean_frames(draw: st.DrawFn) -> tuple[Version, Sender, str, bool, str]:
    """(version, sender, action, is a CALL, frame) of a clean CALL or CALLRESULT."""
    version, sender = draw(st.sampled_from(list(Version))), draw(st.sampled_from(list(Sender)))
    is_call = draw(st.booleans())
    action = draw(
        st.sampled_from(sorted(actions_of(version, sender if is_call else sender.other) - UNANSWERED))
    )
    node = schema(version, action, is_call)
    assert node is not None
    payload = draw(objects(node))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    ascii_only = draw(st.booleans())
    text = json.dumps(payload, separators=separators, ensure_ascii=ascii_only)
    head = f'[2,"m1","{action}"' if is_call else '[3,"m1"'
    return version, sender, action, is_call, f"{head},{text}]"
