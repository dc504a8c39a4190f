"""Comparing what two backends answer the same charger."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.shadow import (
    MOST_ACTIONS,
    MOST_CHARGERS,
    MOST_PAIRS,
    MOST_PLACES,
    Difference,
    Report,
    compare,
)

BOOT = {"status": "Accepted", "currentTime": "2026-11-21T08:00:00Z", "interval": 300}
START = {"transactionId": 7, "idTagInfo": {"status": "Accepted", "expiryDate": "2027-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("action", "leader", "shadow"),
    [
        ("BootNotification", BOOT, BOOT | {"currentTime": "2026-11-21T09:00:59.5+01:00"}),
        ("BootNotification", BOOT, BOOT | {"interval": 300.0, "customData": {"vendorId": "x"}}),
        ("StartTransaction", START, START | {"transactionId": 8}),
        ("StopTransaction", {}, {"idTagInfo": {"status": "Accepted"}}),
        ("TransactionEvent", {"idTokenInfo": {"status": "Accepted"}}, {}),
        ("Authorize", {"idTokenInfo": {"status": "Accepted", "chargingPriority": 0}}, None),
        ("Heartbeat", None, None),
        ("Heartbeat", "InternalError", "InternalError"),
    ],
)
def test_what_right_backends_differ_in_is_no_difference(action, leader, shadow):
    if action == "Authorize":
        shadow = {"idTokenInfo": {"status": "Accepted"}}
    assert compare(action, leader, shadow) == ()
    assert compare(action, shadow, leader) == ()


@pytest.mark.parametrize(
    ("action", "leader", "shadow", "difference"),
    [
        ("BootNotification", BOOT, BOOT | {"interval": 60}, ("interval", "300", "60")),
        ("BootNotification", BOOT, BOOT | {"status": "Pending"}, ("status", "Accepted", "Pending")),
        (
            "Heartbeat",
            {"currentTime": "2026-11-21T08:00:00Z"},
            {"currentTime": "2026-11-21T08:01:01Z"},
            ("currentTime", "2026-11-21T08:00:00Z", "2026-11-21T08:01:01Z"),
        ),
        (
            "StartTransaction",
            START,
            {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
            ("idTagInfo.expiryDate", "2027-01-01T00:00:00Z", "nothing"),
        ),
        (
            "StopTransaction",
            {},
            {"idTagInfo": {"status": "Blocked"}},
            ("idTagInfo.status", "Accepted", "Blocked"),
        ),
        (
            "Authorize",
            {"idTagInfo": {"status": "Accepted", "parentIdTag": "secret1"}},
            {"idTagInfo": {"status": "Accepted", "parentIdTag": "secret2"}},
            ("idTagInfo.parentIdTag", "(hidden)", "(hidden)"),
        ),
        ("TransactionEvent", {"totalCost": 1.5}, {"totalCost": 1.25}, ("totalCost", "1.5", "1.25")),
        ("Authorize", {"a": [1]}, {"a": [1, 2]}, ("a", "[1]", "[1,2]")),
        ("Authorize", {"a": [{"b": 1}, {"b": 1}]}, {"a": [{"b": 1}, {"b": 2}]}, ("a.b", "1", "2")),
        ("Authorize", {"a": True}, {"a": 1}, ("a", "true", "1")),
        ("Authorize", {}, None, ("", "an answer", "no answer")),
        ("Authorize", "NotSupported", {}, ("", "CALLERROR NotSupported", "an answer")),
        (
            "Authorize",
            "NotSupported",
            "InternalError",
            ("", "CALLERROR NotSupported", "CALLERROR InternalError"),
        ),
    ],
)
def test_what_a_charger_acts_on_is_a_difference(action, leader, shadow, difference):
    assert compare(action, leader, shadow) == (Difference(*difference),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
ANSWERS = st.none() | st.text(max_size=5) | st.dictionaries(st.text(max_size=5), JSON, max_size=4)


@given(ANSWERS, ANSWERS)
def test_comparing_is_the_same_from_both_sides(one, other):
    there = {(found.path, found.leader, found.shadow) for found in compare("Authorize", one, other)}
    back = {(found.path, found.shadow, found.leader) for found in compare("Authorize", other, one)}
    assert there == back
    assert compare("Authorize", one, one) == ()


def test_a_report_names_each_difference_and_its_chargers():
    report = Report()
    for charger in ("A", "B", "C"):
        report.add(charger, "Heartbeat", ())
        report.add(charger, "BootNotification", compare("BootNotification", BOOT, BOOT | {"interval": 60}))
    report.add("A", "Authorize", (Difference("idTagInfo.status", "Accepted", "Invalid"),))
    assert (report.compared, report.different) == (7, 4)
    assert list(report.lines()) == [
        "action            compared  different",
        "BootNotification         3          3",
        "  interval: leader 300, shadow 60; 3×; A, B, C",
        "Authorize                1          1",
        "  idTagInfo.status: leader Accepted, shadow Invalid; 1×; A",
        "Heartbeat                3          0",
    ]
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_report_never_grows_large():
    report = Report()
    for n in range(500):
        report.add(f"C{n}", f"Action{n}", ())
        report.add(f"C{n}", "Same", tuple(Difference(f"p{n}.{k}", "1", "2") for k in range(3)))
        report.add(f"C{n}", "Cost", (Difference("totalCost", str(n), "0"),))
        report.add(f"C{n}", "Boot", (Difference("interval", "1", "2"),))
    assert len(report.actions) <= MOST_ACTIONS + 1
    assert len(report.actions["Same"].places) <= MOST_PLACES + 1
    assert len(report.actions["Cost"].places["totalCost"].pairs) == MOST_PAIRS
    assert report.actions["Cost"].places["totalCost"].times == 500
    assert len(report.actions["Boot"].places["interval"].pairs[0].chargers) == MOST_CHARGERS
    assert report.compared == 2000
    text = "\n".join(report.lines())
    assert "totalCost: other values; 490×" in text
    assert ", …" in text
