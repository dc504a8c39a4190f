"""What is found clean at a glance is what has no deviation."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ocpp.fits import fits
from gateway.ocpp.message import Version
from gateway.ocpp.schema import deviations
from gateway.ocpp.values import Number, _spelled, dumps

AT = "2026-01-01T10:00:00Z"
PAYLOADS = {
    ("StatusNotification", Version.V16): {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": "Charging",
        "timestamp": AT,
    },
    ("MeterValues", Version.V16): {
        "connectorId": 1,
        "meterValue": [{"timestamp": AT, "sampledValue": [{"value": "1", "unit": "Wh"}]}],
    },
    ("MeterValues", Version.V201): {
        "evseId": 1,
        "meterValue": [
            {"timestamp": AT, "sampledValue": [{"value": Decimal("1.5"), "customData": {"vendorId": "x"}}]}
        ],
    },
    ("SetChargingProfile", Version.V16): {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Recurring",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": Decimal("16.1")}],
            },
        },
    },
}
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.builds(Number, st.sampled_from(["1", "-1", "1.10", "1e400", "1" * 40])),
    st.text(max_size=30),
    st.sampled_from([AT, "Charging", "", "2026-01-01T10:00:00", "2026-13-01T10:00:00Z", "Wh", "x" * 600]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield from places(member, (*path, key))


def changed(value, path, other):
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], other)
    return copy


@pytest.mark.parametrize(("action", "version"), PAYLOADS)
def test_a_payload_fits_when_it_has_no_deviation(action, version):
    whole = PAYLOADS[action, version]
    assert fits(version, action, True, whole)

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from(list(places(whole))), VALUES, st.booleans())
    def agrees(path, other, extra):
        payload = changed(whole, path, other)
        if extra and isinstance(payload, dict):
            payload = payload | {"extra": 1}
        assert fits(version, action, True, payload) == (deviations(version, action, True, payload) == [])

    agrees()


@settings(max_examples=500, deadline=None)
@given(VALUES)
def test_the_text_of_a_value_is_spelled_one_way(value):
    assert dumps(value) == _spelled(value)
