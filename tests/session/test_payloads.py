"""Putting another number into a frame, compared with taking the frame apart."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.session import payloads

NAME = "transactionId"
words = st.sampled_from([NAME, f'"{NAME}"', "a", "\\", "é", ":", f'"{NAME}":7,'])
values = st.recursive(
    st.integers() | st.booleans() | st.none() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
spaces = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])


@given(
    st.dictionaries(words, values, max_size=3),
    st.dictionaries(words, values, max_size=3),
    st.integers(-(2**31), 2**31 - 1),
    words,
    spaces,
    st.booleans(),
)
def test_the_number_is_put_where_it_belongs(before, after, old, id_, separators, is_ascii) -> None:
    payload = {**before, NAME: old, **{key: value for key, value in after.items() if key != NAME}}
    frame = json.dumps([2, id_, "MeterValues", payload], separators=separators, ensure_ascii=is_ascii)
    changed = json.loads(payloads.with_id(frame.encode(), 4711))
    assert changed == [2, id_, "MeterValues", payload | {NAME: 4711}]


def test_all_else_keeps_its_text() -> None:
    frame = b'[2, "x","MeterValues", {"a":1.50, "transactionId" : 12 ,"b":[1e3]}]'
    assert payloads.with_id(frame, 7) == frame.replace(b"12", b"7")
