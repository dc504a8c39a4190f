"""The drivers of one charger with several backends."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.net.bundle import Bundle
from gateway.net.driver import Driver
from gateway.net.link import Link, LinkLimits
from gateway.net.party import Party
from gateway.ocpp.message import Sender, Version


def driver(name: str) -> Any:
    return SimpleNamespace(upstream=SimpleNamespace(name=name), rewire=lambda: None)


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


def test_what_came_about_before_a_link_is_open_applies_to_it():
    offer: Any = SimpleNamespace(registry_key="cp1", charger_id="CP1")
    session: Any = SimpleNamespace(
        version=Version.V16, handle=lambda *_: [], charger_frame=lambda *told: said.append(told[1]) or []
    )
    one = Driver(offer, session, SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
    link = Link(one, Sender.CHARGER, 1, LinkLimits(bytes=1000), Bundle())
    said: list[bytes] = []
    recorded: list[bytes] = []
    one.tap = lambda end, data, now: recorded.append(data)
    one.link_opened(link)
    link.received(1, b"x", False)
    assert (said, recorded) == ([b"x"], [b"x"])
