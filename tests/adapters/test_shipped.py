"""The adapters that come with the gateway, each with what it changes and what it leaves alone."""

from pathlib import Path

import pytest

from gateway.dialect.adapter import Adapter
from gateway.dialect.rehearsal import Rehearsal
from gateway.plugins import SHIPPED_ADAPTERS, adapters_in

FILES = sorted(path for path in SHIPPED_ADAPTERS.glob("*.py") if not path.name.startswith("_"))
AT = "2026-01-01T00:00:00Z"


def adapter(name: str) -> Adapter:
    errors: list[str] = []
    (found,) = adapters_in(SHIPPED_ADAPTERS / f"{name}.py", errors)
    assert errors == []
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_adapter_loads_says_what_it_does_and_is_documented(path: Path):
    errors: list[str] = []
    found = list(adapters_in(path, errors))
    assert errors == [] and found
    readme = (SHIPPED_ADAPTERS / "README.md").read_text("utf-8")
    for one in found:
        assert type(one).__doc__
        assert f"`{one.name}`" in readme
    assert "http" in path.read_text("utf-8")


@pytest.mark.parametrize("name", ["go_e", "hager"])
@pytest.mark.parametrize(
    ("opened", "sent", "wanted"),
    [([42], 42, 42), ([42], -1, 42), ([42], 0, 42), ([42, 43], -1, -1), ([], -1, -1), ([0], -1, -1)],
)
def test_a_stop_gets_its_transaction_back_when_only_one_is_open(name, opened, sent, wanted):
    charger = Rehearsal(adapter(name))
    for connector, transaction in enumerate(opened, 1):
        start = {"connectorId": connector, "idTag": "A", "meterStart": 0, "timestamp": AT}
        charger.calls("StartTransaction", start)
        charger.hears({"transactionId": transaction, "idTagInfo": {"status": "Accepted"}})
    stop = {"transactionId": sent, "meterStop": 9, "timestamp": AT}
    assert charger.calls("StopTransaction", stop)["transactionId"] == wanted


def test_a_transaction_that_was_refused_is_not_open():
    charger = Rehearsal(adapter("hager"))
    charger.calls("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": AT})
    charger.hears({"transactionId": 42, "idTagInfo": {"status": "ConcurrentTx"}})
    stop = {"transactionId": -1, "meterStop": 9, "timestamp": AT}
    assert charger.calls("StopTransaction", stop)["transactionId"] == -1


@pytest.mark.parametrize(
    ("keys", "reached", "flag"),
    [
        (["MeterValuesSampledData"], {"unknownKey": ["MeterValuesSampledData"]}, "command-answered"),
        (["HeartbeatInterval", "metervaluessampleddata"], {"key": ["HeartbeatInterval"]}, "adapter-applied"),
        (["HeartbeatInterval"], {"key": ["HeartbeatInterval"]}, None),
    ],
)
def test_a_terra_is_not_asked_what_makes_it_reboot(keys, reached, flag):
    charger = Rehearsal(adapter("abb"))
    assert charger.is_asked("GetConfiguration", {"key": keys}) == reached
    assert {found.code.value for found in charger.flags} == ({flag} if flag else set())


def profile(limits: list[float]) -> dict:
    periods = [{"startPeriod": 60 * index, "limit": limit} for index, limit in enumerate(limits)]
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": periods},
        },
    }


def test_a_long_profile_is_cut_to_ten_periods_and_never_allows_more():
    charger = Rehearsal(adapter("delta"))
    limits = [16.0] * 9 + [32.0, 10.0, 6.5, 20.0]
    sent = charger.is_asked("SetChargingProfile", profile(limits))
    periods = sent["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    assert [period["limit"] for period in periods] == [16.0] * 9 + [6.5]
    assert periods[-1]["startPeriod"] == 540
    assert {flag.code.value for flag in charger.flags} == {"command-adapted"}
    assert charger.is_asked("SetChargingProfile", profile(limits[:10])) == profile(limits[:10])
