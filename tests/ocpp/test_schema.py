import msgspec
import pytest

from gateway.ocpp.actions import UNANSWERED, actions
from gateway.ocpp.errors import Wrong
from gateway.ocpp.message import Version
from gateway.ocpp.schema import Kind, decoder, deviations, wrong_of


@pytest.mark.parametrize("version", Version)
def test_every_schema_compiles(version):
    for action in actions(version):
        assert decoder(version, action, True) is not None
        assert (decoder(version, action, False) is None) == (action in UNANSWERED)


@pytest.mark.parametrize("action", ["Nothing", "", "../v16/schemas/Reset", "Reset\0", "ResetResponse.json"])
def test_there_is_no_schema_for_what_is_no_action(action):
    assert decoder(Version.V201, action, True) is None


def test_every_difference_is_named_with_its_place():
    payload = {
        "connectorId": "1",
        "extra": 1,
        "meterValue": [
            {"sampledValue": [{"value": "1", "unit": "Wh "}]},
            {"timestamp": "soon", "sampledValue": []},
        ],
    }
    found = {(d.path, d.kind) for d in deviations(Version.V16, "MeterValues", True, payload)}
    assert found == {
        (("connectorId",), Kind.TYPE),
        (("extra",), Kind.UNKNOWN),
        (("meterValue", 0, "sampledValue", 0, "unit"), Kind.ENUM),
        (("meterValue", 0, "timestamp"), Kind.MISSING),
        (("meterValue", 1, "timestamp"), Kind.DATE_TIME),
        (("meterValue", 1, "sampledValue"), Kind.TOO_FEW),
    }


def test_a_difference_has_its_error():
    found = deviations(Version.V16, "Authorize", True, {"idTag": "x" * 21})
    assert [(d.kind, wrong_of(d)) for d in found] == [(Kind.TOO_LONG, Wrong.PROPERTY)]
    found = deviations(Version.V16, "Authorize", True, {})
    assert [wrong_of(d) for d in found] == [Wrong.OCCURRENCE]


def test_bounds_written_as_floats_hold_for_integers():
    decode = decoder(Version.V201, "StatusNotification", True).decode
    payload = '{"timestamp":"2026-03-02T10:15:30Z","connectorStatus":"Available","evseId":%s,"connectorId":1}'
    assert decode(payload % "0").evseId == 0
    with pytest.raises(msgspec.ValidationError):
        decode(payload % "1.0")


def test_a_limit_has_one_digit_after_the_point():
    def kinds(limit: float) -> list[Kind]:
        period = {"startPeriod": 0, "limit": limit}
        schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": schedule,
        }
        payload = {"connectorId": 1, "csChargingProfiles": profile}
        return [d.kind for d in deviations(Version.V16, "SetChargingProfile", True, payload)]

    assert kinds(16.1) == []
    assert kinds(16.15) == [Kind.STEP]
