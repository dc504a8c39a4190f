"""The record of an outage: what it counts, and that it outlives the node."""

import asyncio
from typing import Any

import pytest

from gateway.observe import outages as module
from gateway.observe.outages import WRITE_S, Outages, left_open
from gateway.store.memory import MemoryStore
from gateway.store.protocol import Outage


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def run_with(test: Any) -> None:
    asyncio.run(test(MemoryStore(), Clock()))


async def resumed(store: MemoryStore, clock: Clock, chargers: set[str]) -> Outages:
    """The records of the backend `main` after another start."""
    found = left_open(store, await store.outages(), ["main"], clock())
    outages = Outages(store, "main", clock)
    if "main" in found:
        outages.resume(found["main"], chargers)
    return outages


@pytest.mark.parametrize("is_killed", [True, False])
def test_an_outage_goes_on_after_a_restart_and_ends_when_the_backend_is_back(
    is_killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(module.log, "event", lambda level, name, **fields: told.append((name, fields)))

    async def test(store: MemoryStore, clock: Clock) -> None:
        outages = Outages(store, "main", clock)
        outages.begin("it refuses connections")
        for charger in ("CP1", "CP1", "CP2"):
            outages.stored(charger, 100.0)
        if is_killed:
            outages.sweep(WRITE_S)
        else:
            outages.close()
        clock.now += 50.0
        outages = await resumed(store, clock, {"CP1", "CP2"})
        outages.begin("it is still away")
        outages.stored("CP2", 100.0)
        outages.stored("CP3", 100.0)
        clock.now += 10.0
        outages.end()
        (record,) = await store.outages()
        assert record == Outage(
            backend="main",
            begin=1000.0,
            end=1060.0,
            reason="it refuses connections",
            chargers=3,
            messages=5,
            energy_wh=500.0,
        )
        assert await resumed(store, clock, set())
        assert [name for name, _ in told] == ["outage-goes-on", "outage-over"]
        assert told[1][1] == {
            "backend": "main", "seconds": 60.0, "chargers": 3, "messages": 5, "energy_wh": 500,
        }  # fmt: skip

    run_with(test)


def test_a_stop_does_not_end_an_outage() -> None:
    async def test(store: MemoryStore, clock: Clock) -> None:
        outages = Outages(store, "main", clock)
        outages.begin("away")
        outages.stored("CP1", 1.0)
        outages.close()
        (record,) = await store.outages()
        assert (record.end, record.messages) == (0.0, 1)

    run_with(test)


def test_records_that_nobody_can_go_on_with_end() -> None:
    async def test(store: MemoryStore, clock: Clock) -> None:
        kept = [
            Outage(backend="main", begin=100.0),
            Outage(backend="gone", begin=150.0),
            Outage(backend="main", begin=200.0, end=300.0),
            Outage(backend="main", begin=400.0),
        ]
        store.write(kept, lambda failed: None)
        found = left_open(store, await store.outages(), ["main", "other"], clock())
        assert found == {"main": kept[3]}
        assert [one.end for one in (await store.outages())[::-1]] == [200.0, 1000.0, 300.0, 0.0]

    run_with(test)
