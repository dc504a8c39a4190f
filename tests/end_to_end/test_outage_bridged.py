"""Outages of the backend and of the gateway itself, between chargers and a ledger on the `ocpp` package."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ledger import LedgerBackend, ledger_backend
from peers import Gateway, gateway, run, until
from queueing import QueueingCharger, Site, broken

QUICK = """
answer_deadline_s = 2
connect_timeout_s = 2
new_links_per_s = 1000
"""
TABLES = """
[outage]
hold_s = 0.5
answer_after_s = 1
unknown_tags = "{tags}"
[limits]
handshakes_per_s_per_address = 1000
connections_per_address = 1000
"""


@asynccontextmanager
async def bridge(
    folder: Path, cpms: LedgerBackend, site: Site, tags: str = "accept-all"
) -> AsyncIterator[Gateway]:
    """The gateway in front of this backend; `site` says where it is."""
    async with gateway(folder, cpms.url, backend=QUICK, tables=TABLES.format(tags=tags)) as node:
        site.url = node.url
        yield node


@asynccontextmanager
async def living(*chargers: QueueingCharger) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(charger.live()) for charger in chargers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_said(chargers: list[QueueingCharger], cpms: LedgerBackend) -> None:
    """Wait until every charger has its answers and the ledger every message."""

    def is_so() -> bool:
        return all(charger.is_done for charger in chargers) and not any(
            broken(charger, cpms.rows(charger.id), 1_000) for charger in chargers
        )

    await until(is_so, "every message in the ledger")


async def in_the_bridge(chargers: list[QueueingCharger], visits: int = 1) -> None:
    await until(lambda: all(charger.visits >= visits for charger in chargers), "every charger is in")


@pytest.mark.parametrize("knows_again", [True, False])
def test_fifty_chargers_outlive_the_backend_and_the_gateway(tmp_path: Path, knows_again: bool) -> None:
    async def test() -> None:
        site = Site()
        protocols = ["ocpp1.6", "ocpp2.0.1", "ocpp1.6"]
        chargers = [QueueingCharger(f"CP{n}", site, protocols[n % 3]) for n in range(50)]
        async with ledger_backend(tmp_path, knows_again) as cpms, living(*chargers):
            async with bridge(tmp_path, cpms, site) as node:
                await in_the_bridge(chargers)
                live = [charger.begin() for charger in chargers]
                await until(lambda: len(cpms.rows()) >= 20, "transactions begin")
                await cpms.kill()
                in_outage = []
                for number, (charger, session) in enumerate(zip(chargers, live, strict=True)):
                    charger.value(session)
                    charger.end(session)
                    in_outage.append(charger.begin())
                    if number % 5 == 0:
                        charger.reboot()
                await until(lambda: all(c.is_done for c in chargers), "answers without the backend")
                await node.kill()
                for charger, session in zip(chargers, in_outage, strict=True):
                    charger.value(session)
            async with bridge(tmp_path, cpms, site) as node:
                last = []
                for charger, session in zip(chargers, in_outage, strict=True):
                    charger.end(session)
                    last.append(charger.begin())
                await until(lambda: all(c.is_done for c in chargers), "answers after the restart")
                await cpms.start()
                await all_said(chargers, cpms)
                await stopped_by_the_backend(cpms, chargers, last)
                for charger, session in zip(chargers, last, strict=True):
                    charger.end(session)
                await all_said(chargers, cpms)
        wrong = [line for charger in chargers for line in broken(charger, cpms.rows(charger.id), 2)]
        assert wrong == []

    run(test)


async def stopped_by_the_backend(
    cpms: LedgerBackend, chargers: list[QueueingCharger], sessions: list
) -> None:
    """Each open transaction is stopped by the id that the backend gave it."""
    for charger, session in zip(chargers, sessions, strict=True):
        if charger.is_16:
            row = [row for row in cpms.rows(charger.id) if row["transaction"]][-1]
            cpms.command(charger.id, "RemoteStopTransaction", transaction_id=row["transaction"])
        else:
            cpms.command(charger.id, "RequestStopTransaction", transaction_id=session.name)
    await until(lambda: all(charger.commands for charger in chargers), "commands at every charger")
    for charger, session in zip(chargers, sessions, strict=True):
        own = session.id if charger.is_16 else session.name
        assert [named for _, named in charger.commands] == [own]


def test_a_backend_that_falls_silent_is_answered_for_and_nothing_is_lost(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger("CP1", site), QueueingCharger("CP2", site, "ocpp2.0.1")]
        async with ledger_backend(tmp_path) as cpms, bridge(tmp_path, cpms, site), living(*chargers):
            await in_the_bridge(chargers)
            cpms.stand_still()
            sessions = [charger.begin() for charger in chargers]
            for charger, session in zip(chargers, sessions, strict=True):
                charger.value(session)
                charger.end(session)
            await until(lambda: all(charger.is_done for charger in chargers), "answers of the gateway")
            assert [charger.visits for charger in chargers] == [1, 1]  # each within the 5 s that it waits
            cpms.go_on()
            await all_said(chargers, cpms)
            wrong = [line for charger in chargers for line in broken(charger, cpms.rows(charger.id), 1)]
            assert wrong == []

    run(test)


def test_a_flapping_backend_loses_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger(f"CP{n}", site, ["ocpp1.6", "ocpp2.0.1"][n % 2]) for n in range(4)]
        async with ledger_backend(tmp_path) as cpms, bridge(tmp_path, cpms, site), living(*chargers):
            await in_the_bridge(chargers)
            for _ in range(3):
                for charger in chargers:
                    session = charger.begin()
                    charger.value(session)
                    charger.end(session)
                seen = len(cpms.rows())
                await until(lambda: len(cpms.rows()) > seen, "some of it in the ledger")  # noqa: B023
                await cpms.kill()
                await cpms.start()
            await all_said(chargers, cpms)
            assert [charger.visits for charger in chargers] == [1] * 4
            wrong = [line for charger in chargers for line in broken(charger, cpms.rows(charger.id), 3)]
            assert wrong == []

    run(test)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_charger_that_left_has_its_messages_delivered(tmp_path: Path, restarts: bool) -> None:
    async def test() -> None:
        site = Site()
        charger = QueueingCharger("CP1", site)
        async with ledger_backend(tmp_path) as cpms:
            async with bridge(tmp_path, cpms, site) as node:
                async with living(charger):
                    await in_the_bridge([charger])
                    await cpms.kill()
                    session = charger.begin()
                    charger.value(session)
                    charger.end(session)
                    await until(lambda: charger.is_done, "answers")
                if restarts:
                    await node.kill()
                else:
                    await cpms.start()
                    await all_said([charger], cpms)
            if restarts:
                async with bridge(tmp_path, cpms, site):
                    await cpms.start()
                    await all_said([charger], cpms)
        assert broken(charger, cpms.rows("CP1"), 0) == []

    run(test)


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
def test_a_driver_whom_the_backend_refuses_afterwards_is_stopped(tmp_path: Path, protocol: str) -> None:
    async def test() -> None:
        site = Site()
        charger = QueueingCharger("CP1", site, protocol, tag="LATE")
        async with ledger_backend(tmp_path) as cpms, bridge(tmp_path, cpms, site), living(charger):
            await in_the_bridge([charger])
            await cpms.kill()
            session = charger.begin()
            await until(lambda: charger.is_done, "answer")
            await cpms.start()
            await until(lambda: charger.commands, "a stop")
            own = session.id if charger.is_16 else session.name
            assert [named for _, named in charger.commands] == [own]
            charger.end(session)
            await all_said([charger], cpms)

    run(test)
