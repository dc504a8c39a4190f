from importlib.metadata import distribution
from pathlib import Path

import pytest

from gateway.ocpp.actions import (
    UNANSWERED,
    actions,
    actions_of,
    carries_revenue,
    known_action,
    must_not_be_lost,
)
from gateway.ocpp.message import Sender, Version

FOLDERS = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}


@pytest.mark.parametrize("version", Version)
def test_the_action_tables_name_exactly_the_actions_that_have_schemas(version):
    folder = Path(str(distribution("ocpp").locate_file(f"ocpp/{FOLDERS[version]}/schemas")))
    named = {
        path.stem.removesuffix("Request") for path in folder.glob("*.json") if "Response" not in path.stem
    }
    assert actions(version) == named


@pytest.mark.parametrize("version", Version)
def test_only_data_transfer_may_come_from_both_sides(version):
    assert actions_of(version, Sender.CHARGER) & actions_of(version, Sender.BACKEND) == {"DataTransfer"}


def test_revenue_is_in_starts_stops_and_meter_values():
    everything = actions(Version.V16) | actions(Version.V21)
    assert {a for a in everything if carries_revenue(a)} == {
        "StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent",
    }  # fmt: skip
    assert {a for a in everything if must_not_be_lost(a) and not carries_revenue(a)} == {
        "SecurityEventNotification"
    }


def test_an_action_belongs_to_its_version():
    assert known_action(Version.V16, "StartTransaction")
    assert not known_action(Version.V201, "StartTransaction")
    assert not known_action(Version.V16, "startTransaction")
    assert actions(Version.V21) >= UNANSWERED
