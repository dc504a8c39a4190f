"""Hundreds of outages by chance: nothing is lost or out of order, and it would be seen if it were."""

import subprocess
import sys

import pytest

from tests.simulation.plants import PLANTS, TRANSLATION_PLANTS, AnswersBeforeItIsDurable
from tests.simulation.promises import Violation
from tests.simulation.translated import TranslatedWorld
from tests.simulation.world import World, live

SEEDS = 200
TRANSLATED_SEEDS = 100
BLOCK = 20
SEEDS_PER_PLANT = 50


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_everything_arrives_once_and_in_order(first):
    counts = [live(seed).promises.counts() for seed in range(first, first + BLOCK)]
    assert sum(count["processed"] for count in counts) > 50 * BLOCK
    assert all(count["repeated"] < count["processed"] for count in counts)


@pytest.mark.parametrize("first", range(0, TRANSLATED_SEEDS, BLOCK))
def test_behind_a_backend_of_another_version_everything_arrives_too(first):
    counts = [live(seed, kind=TranslatedWorld).promises.counts() for seed in range(first, first + BLOCK)]
    assert sum(count["processed"] for count in counts) > 50 * BLOCK
    assert all(count["repeated"] < count["processed"] for count in counts)


@pytest.mark.parametrize(
    ("plant", "kind"),
    [*((plant, World) for plant in PLANTS), *((plant, TranslatedWorld) for plant in TRANSLATION_PLANTS)],
)
def test_a_broken_promise_is_seen(plant, kind):
    for seed in range(SEEDS_PER_PLANT):
        try:
            live(seed, plant, kind=kind)
        except Violation as problem:
            assert f"seed {seed}" in str(problem)
            return
    pytest.fail(f"{plant.__name__} lived through {SEEDS_PER_PLANT} seeds unseen")


def test_a_failure_tells_how_to_see_it_again():
    with pytest.raises(Violation, match=r"seed \d+, .*\n(?s:.*)python -m tests.simulation \d+$"):
        for seed in range(SEEDS_PER_PLANT):
            live(seed, AnswersBeforeItIsDurable)


def test_a_seed_is_always_the_same_story():
    stories = []
    for seed in (7, 7, 8):
        world = World(seed, tells=True)
        world.live()
        stories.append(world.told)
    assert stories[0] == stories[1] != stories[2]


def test_a_story_is_told_on_the_command_line():
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "7"], capture_output=True, text=True, check=True
    )
    assert "gateway starts" in told.stdout and "SendToBackend" in told.stdout
