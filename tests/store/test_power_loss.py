"""Nothing acknowledged is lost with the power, and the model that says so can see a loss."""

import pytest

from gateway.store import sqlite_file
from tests.store import power_loss


@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_survives_a_loss_of_power_and_nothing_is_there_by_half(seed, tmp_path):
    assert power_loss.losses(tmp_path, seed, commits=30, moments=12) == []


@pytest.mark.parametrize("flaw", ["NORMAL", "OFF", "names"])
def test_a_store_that_does_not_sync_is_found_out(flaw, tmp_path):
    assert power_loss.losses(tmp_path, 0, commits=20, moments=5, flaw=flaw) != []


def test_opening_syncs_the_directory(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(sqlite_file, "sync_directory", synced.append)
    sqlite_file.opened(tmp_path / "gateway.db").close()
    assert synced == [tmp_path]
