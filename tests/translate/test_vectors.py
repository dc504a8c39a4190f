"""Scenarios of translation: each passes, and fails when anything it expects is changed."""

from pathlib import Path

import pytest

from tests.vectors.mutate import altered, expected
from tests.vectors.player import Failure, load, play
from tests.vectors.world import awaiting

VECTORS = {vector["name"]: vector for vector in load(Path(__file__).with_name("vectors.jsonl"))}
ALONE = {name: vector for name, vector in VECTORS.items() if not awaiting(vector)}


@pytest.mark.parametrize("name", VECTORS)
def test_vector(name):
    play(VECTORS[name])


@pytest.mark.parametrize("name", ALONE)
def test_a_vector_that_expects_something_else_fails(name):
    survived = []
    for path in expected(ALONE[name]):
        try:
            play(altered(ALONE[name], path))
        except Failure:
            continue
        survived.append(path)
    assert survived == []
