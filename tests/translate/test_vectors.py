"""Scenarios of translation: each passes, and fails when anything it expects is changed."""

from pathlib import Path

import pytest

from tests.vectors.mutate import altered, expected
from tests.vectors.player import Failure, load, play

FILES = sorted(Path(__file__).parent.glob("*.jsonl"))
VECTORS = {vector["name"]: vector for file in FILES for vector in load(file)}


@pytest.mark.parametrize("name", VECTORS)
def test_vector(name):
    play(VECTORS[name])


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_that_expects_something_else_fails(name):
    survived = []
    for path in expected(VECTORS[name]):
        try:
            play(altered(VECTORS[name], path))
        except Failure:
            continue
        survived.append(path)
    assert survived == []
