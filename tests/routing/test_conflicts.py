"""Backends that set the same thing of a charger to different values."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.conflicts import ACTIONS, MOST_THINGS, TOLD_AGAIN_AFTER_S, WITHIN_S, Conflicts

DONE = {"status": "Accepted"}
HOUR_S = 3600.0


def key(value: str, name: str = "MeterValueSampleInterval") -> dict:
    return {"key": name, "value": value}


def profile(limit: float, level: int = 1, number: int = 1, evse: int = 1, **more: object) -> dict:
    schedule = {
        "id": number,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "evseId": evse,
        "chargingProfile": {
            "id": number,
            "stackLevel": level,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": [schedule],
        }
        | more,
    }


def test_two_values_for_one_key_are_told_with_both_authors():
    conflicts = Conflicts()
    assert conflicts.heard("a", "ChangeConfiguration", key("60"), DONE, 0) == ()
    (found,) = conflicts.heard("b", "ChangeConfiguration", key("10", "metervaluesampleinterval"), DONE, 9)
    assert str(found) == 'configuration key metervaluesampleinterval: "a" set "60", "b" set "10"'
    assert (found.first, found.second) == ("a", "b")


def test_equal_values_and_ones_own_changes_are_no_conflict():
    conflicts = Conflicts()
    for backend, value in (("a", "60"), ("a", "30"), ("b", "30"), ("a", "30")):
        assert conflicts.heard(backend, "ChangeConfiguration", key(value), DONE, 0) == ()
    (found,) = conflicts.heard("b", "ChangeConfiguration", key("20"), DONE, 0)
    assert (found.first, found.first_value) == ("a", '"30"')


@pytest.mark.parametrize("answer", [None, {}, {"status": "Rejected"}, {"status": "NotSupported"}])
def test_what_the_charger_did_not_take_is_no_conflict(answer):
    conflicts = Conflicts()
    conflicts.heard("a", "ChangeConfiguration", key("60"), DONE, 0)
    assert conflicts.heard("b", "ChangeConfiguration", key("10"), answer, 0) == ()
    assert conflicts.heard("a", "ChangeConfiguration", key("5"), {"status": "RebootRequired"}, 0) == ()


def test_a_wish_is_forgotten_after_a_day():
    conflicts = Conflicts()
    conflicts.heard("a", "ChangeConfiguration", key("60"), DONE, 0)
    assert conflicts.heard("b", "ChangeConfiguration", key("10"), DONE, WITHIN_S + 1) == ()


def test_a_long_fight_is_told_once_an_hour():
    conflicts = Conflicts()
    told = [
        conflicts.heard("ab"[turn % 2], "ChangeConfiguration", key(str(turn)), DONE, turn * 60.0)
        for turn in range(180)
    ]
    assert 3 <= sum(map(len, told)) <= 180 * 60 / TOLD_AGAIN_AFTER_S + 1


def test_variables_are_looked_at_one_by_one():
    def variables(*values: str, kind: str = "Actual", evse: int = 1) -> dict:
        return {
            "setVariableData": [
                {
                    "attributeType": kind,
                    "attributeValue": value,
                    "component": {"name": "EVSE", "evse": {"id": evse}},
                    "variable": {"name": f"V{index}", "instance": "x"},
                }
                for index, value in enumerate(values)
            ]
        }

    def results(*statuses: str) -> dict:
        return {"setVariableResult": [{"attributeStatus": status} for status in statuses]}

    conflicts = Conflicts()
    conflicts.heard("a", "SetVariables", variables("1", "2", "3"), results(*["Accepted"] * 3), 0)
    answer = results("Accepted", "Rejected", "RebootRequired")
    (found,) = conflicts.heard("b", "SetVariables", variables("1", "8", "9"), answer, 0)
    assert found.what == "variable EVSE(1).V2[x]"
    for other in ({"kind": "Target"}, {"evse": 2}):
        assert conflicts.heard("b", "SetVariables", variables("7", **other), results("Accepted"), 0) == ()


def test_secrets_are_not_shown():
    conflicts = Conflicts()
    conflicts.heard("a", "ChangeConfiguration", key("hidden1", "AuthorizationKey"), DONE, 0)
    (found,) = conflicts.heard("b", "ChangeConfiguration", key("hidden2", "AuthorizationKey"), DONE, 0)
    assert "hidden" not in str(found)


def test_profiles_fight_for_one_place_whatever_their_numbers():
    conflicts = Conflicts()
    conflicts.heard("a", "SetChargingProfile", profile(16), DONE, 0)
    assert conflicts.heard("b", "SetChargingProfile", profile(16.0, number=7), DONE, 0) == ()
    for elsewhere in ({"level": 2}, {"evse": 2}, {"chargingProfilePurpose": "TxProfile"}):
        assert conflicts.heard("b", "SetChargingProfile", profile(8, **elsewhere), DONE, 0) == ()
    (found,) = conflicts.heard("b", "SetChargingProfile", profile(8, number=7), DONE, 0)
    assert found.what == "TxDefaultProfile with stackLevel 1 on EVSE 1"
    assert (found.first_value, found.second_value) == ("16 A from 0 s", "8 A from 0 s")


def test_profiles_of_1_6_are_read_too():
    conflicts = Conflicts()
    old = {
        "connectorId": 2,
        "csChargingProfiles": {
            "chargingProfileId": 3,
            "stackLevel": 0,
            "chargingProfilePurpose": "ChargePointMaxProfile",
            "chargingSchedule": {
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000}],
            },
        },
    }
    new = copy.deepcopy(old)
    new["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] = 7000
    conflicts.heard("a", "SetChargingProfile", old, DONE, 0)
    (found,) = conflicts.heard("b", "SetChargingProfile", new, DONE, 0)
    assert found.what == "ChargePointMaxProfile with stackLevel 0 on connector 2"


@pytest.mark.parametrize(
    ("clear", "ends"),
    [
        ({}, True),
        ({"chargingProfileId": 1}, True),
        ({"id": 1}, True),
        ({"chargingProfileId": 2}, False),
        ({"chargingProfileCriteria": {"evseId": 1, "stackLevel": 1}}, True),
        ({"chargingProfileCriteria": {"evseId": 2}}, False),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, True),
        ({"chargingProfilePurpose": "TxProfile", "stackLevel": 1}, False),
    ],
)
def test_a_profile_that_was_cleared_is_nobodys(clear, ends):
    conflicts = Conflicts()
    conflicts.heard("a", "SetChargingProfile", profile(16), DONE, 0)
    conflicts.heard("b", "ClearChargingProfile", clear, {"status": "Unknown"}, 0)
    conflicts.heard("b", "ClearChargingProfile", clear, DONE, 0)
    assert (conflicts.heard("b", "SetChargingProfile", profile(8), DONE, 0) == ()) is ends


def test_two_local_lists_overwrite_each_other():
    conflicts = Conflicts()
    one = {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [{"idTag": "hidden"}]}
    conflicts.heard("a", "SendLocalList", one, DONE, 0)
    assert conflicts.heard("b", "SendLocalList", one, DONE, 0) == ()
    (found,) = conflicts.heard("b", "SendLocalList", one | {"listVersion": 4}, DONE, 0)
    assert found.second_value == "version 4 (Full, 1 entries)"
    assert "hidden" not in str(found)


def test_no_more_is_kept_than_fits():
    conflicts = Conflicts()
    for number in range(3 * MOST_THINGS):
        conflicts.heard("a", "ChangeConfiguration", key("1", f"K{number}"), DONE, 0)
    assert len(conflicts) == MOST_THINGS
    assert conflicts.heard("b", "ChangeConfiguration", key("2", f"K{3 * MOST_THINGS - 1}"), DONE, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
NAMES = [
    "setVariableData",
    "setVariableResult",
    "component",
    "variable",
    "chargingProfile",
    "csChargingProfiles",
    "evseId",
    "key",
    "value",
    "chargingSchedule",
    "chargingSchedulePeriod",
    "attributeStatus",
    "localAuthorizationList",
    "chargingProfileCriteria",
]


def objects(inner):
    return st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)


INNER = objects(JSON)
OBJECT = objects(objects(INNER | st.lists(INNER, max_size=2) | JSON) | st.lists(INNER, max_size=2) | JSON)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(sorted(ACTIONS)), OBJECT, OBJECT), max_size=6)
)
def test_no_payload_breaks_it(steps):
    conflicts = Conflicts()
    for backend, action, payload, answer in steps:
        conflicts.heard(backend, action, payload, answer | DONE, 0)
