"""The drivers of one charger with several backends."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.net.party import Party


def driver(name: str) -> Any:
    return SimpleNamespace(upstream=SimpleNamespace(name=name))


@pytest.mark.parametrize(
    ("ranked", "found"),
    [
        (("main", "second"), ["main", "second"]),
        (("late", "second", "main"), ["second", "main"]),
        (("late",), ["main"]),
    ],
)
def test_a_backend_that_a_reload_has_added_is_not_dialled_before_it_is_here(ranked, found):
    board: Any = SimpleNamespace(leader="main", lead=SimpleNamespace(standing=SimpleNamespace(ranked=ranked)))
    party = Party(SimpleNamespace(), board, driver("main"))  # type: ignore[arg-type]
    party.add(driver("second"))
    assert [one.upstream.name for one in party.ranked] == found
