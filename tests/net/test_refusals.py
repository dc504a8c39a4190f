"""A backend that is there but lets no link work is told so, once, and so is its recovery."""

from typing import Any

import pytest
from world import Node, backend, node, run, until

from gateway.net import refusals as module
from gateway.net.refusals import LOOK_S, SEVERAL, Refusals
from gateway.net.report import FleetReport


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the log says of backends that refuse."""
    lines: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(module.log, "event", lambda level, name, *of, **fields: lines.append((name, fields)))
    return lines


def names(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in told if name in ("backend-refusing", "backend-up", "backend-away")]


def shown(here: Node) -> tuple[str, str]:
    (row,) = FleetReport(here.fleet).backends()
    return row["state"], row["reason"]


@pytest.mark.parametrize("code", [1011, 1000, 3001])
def test_a_backend_that_closes_each_link_at_once_is_refusing_until_it_answers(
    code: int, told: list[tuple[str, dict[str, Any]]]
) -> None:
    async def test() -> None:
        async with backend(closing=code) as stub, node(stub.url) as here:
            for _ in range(SEVERAL):
                await (await here.charger()).ended()
                await here.gone("CP1")
            await until(lambda: shown(here)[0] == "refusing", "it is seen")
            assert shown(here)[1] == f"it closes links before it has said anything (code {code})"
            assert FleetReport(here.fleet).backend_states() == {"main": "refusing"}
            ready, line = FleetReport(here.fleet).ready()
            assert ready
            assert f"code {code}" in line
            await (await here.charger()).ended()
            assert names(told) == ["backend-refusing"]
            stub.closing = 0
            await (await here.charger()).heartbeat()
            await until(lambda: shown(here) == ("up", ""), "it is up")
            assert names(told) == ["backend-refusing", "backend-up"]

    run(test)


def test_a_bad_request_is_told_with_the_version_that_was_asked_for(
    told: list[tuple[str, dict[str, Any]]],
) -> None:
    async def test() -> None:
        async with backend(status=400) as stub, node(stub.url) as here:
            assert (await here.charger()).status == 502
            await until(lambda: shown(here)[0] == "refusing", "it is seen")
            assert shown(here)[1] == (
                "it refuses links with HTTP 400: does it speak OCPP 1.6? set `versions`"
            )

    run(test)


def test_chargers_that_leave_say_nothing_of_the_backend(told: list[tuple[str, dict[str, Any]]]) -> None:
    async def test() -> None:
        async with backend() as stub, node(stub.url) as here:
            for number in range(2 * SEVERAL):
                wire = await here.charger(f"/CP{number}")
                assert wire.status == 101
                wire.hang_up()
                await here.gone(f"CP{number}")
            here.fleet.main.links.refusals.sweep(float("inf"), lambda: False)
            assert shown(here) == ("up", "")

    run(test)


def test_one_charger_that_is_refused_says_nothing_while_another_is_served(
    told: list[tuple[str, dict[str, Any]]],
) -> None:
    async def test() -> None:
        async with backend() as stub, node(stub.url) as here:
            wire = await here.charger("/GOOD")
            await wire.heartbeat()
            stub.status = 404
            for _ in range(2 * SEVERAL):
                assert (await here.charger("/BAD")).status == 404
            here.fleet.main.sweep(float("inf"))
            assert shown(here) == ("up", "")
            assert names(told) == []

    run(test)


def test_links_that_end_together_are_looked_at_a_moment_later(
    told: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[tuple[bool, str]] = []
    refusals = Refusals("main", lambda is_away, reason: changes.append((is_away, reason)))
    monkeypatch.setattr(module, "monotonic", lambda: 100.0)
    for _ in range(SEVERAL):
        refusals.add("code 1006")
    refusals.sweep(100.0 + LOOK_S / 2, lambda: False)
    assert not refusals.reason
    refusals.sweep(100.0 + LOOK_S, lambda: False)
    refusals.clear()
    refusals.clear()
    assert changes == [(True, "code 1006"), (False, "")]
    for _ in range(SEVERAL):
        refusals.add("code 1006")
    refusals.forget()
    refusals.sweep(200.0, lambda: False)
    assert names(told) == ["backend-refusing", "backend-up"]
