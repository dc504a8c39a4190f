"""Outages by chance in worlds where every charger has several backends, and bugs that are seen there."""

import pytest

from tests.simulation.board_plants import BOARD_PLANTS
from tests.simulation.promises import Violation
from tests.simulation.several import SeveralWorld
from tests.simulation.world import live

SEEDS = 50
BLOCK = 10
SEEDS_PER_PLANT = 150


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_every_ledger_is_complete_and_names_its_own_numbers(first):
    counts = [live(seed, kind=SeveralWorld).promises.counts() for seed in range(first, first + BLOCK)]
    assert sum(count["processed"] for count in counts) > 100 * BLOCK
    assert sum(count.get("live moves", 0) for count in counts) > BLOCK


@pytest.mark.parametrize("plant", BOARD_PLANTS)
def test_a_broken_promise_is_seen(plant):
    for seed in range(SEEDS_PER_PLANT):
        try:
            live(seed, plant, kind=SeveralWorld)
        except Violation as problem:
            assert f"seed {seed}" in str(problem)
            return
    pytest.fail(f"{plant.__name__} lived through {SEEDS_PER_PLANT} seeds unseen")
