"""One charger, several backends, on real sockets: who leads, who takes over, what each ledger says."""

import json
import signal
from asyncio import ensure_future
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from commands import command
from ledger import LedgerBackend, ledger_backend
from peers import Gateway, gateway, run, until
from queueing import QueueingCharger, Session, Site, broken, reading_of
from test_outage_bridged import QUICK, TABLES, in_the_bridge, living

BACKEND = """
[[backends]]
name = "{name}"
url = "{url}"
reconnect_min_s = 0.1
reconnect_max_s = 0.5
{more}
"""
ROUTE = """
[[routes]]
leader = "main"
standby = [{standby}]
observers = [{observers}]
takeover_after_s = 0.5
give_back_after_s = {give_back_after_s}
"""


@asynccontextmanager
async def ledgers(
    folder: Path, *names: str, planted: dict[str, Any] | None = None
) -> AsyncIterator[dict[str, LedgerBackend]]:
    """Backends by name, each with a ledger of its own, which count their transactions from 1.

    `planted` are answers that all but `main` give differently.
    """
    async with AsyncExitStack() as stack:
        found = {}
        for name in names:
            (folder / name).mkdir()
            other = planted if name != "main" else None
            found[name] = await stack.enter_async_context(ledger_backend(folder / name, planted=other))
        yield found


@asynccontextmanager
async def between(
    folder: Path,
    cpms: dict[str, LedgerBackend],
    site: Site,
    standby: str = "",
    observers: str = "",
    more: str = "",
    give_back_after_s: float = 0.5,
) -> AsyncIterator[Gateway]:
    """The gateway in front of `main` and the others."""
    others = [
        BACKEND.format(name=name, url=one.url, more=QUICK + more)
        for name, one in cpms.items()
        if name != "main"
    ]
    route = ROUTE.format(
        standby=_quoted(standby), observers=_quoted(observers), give_back_after_s=give_back_after_s
    )
    tables = TABLES.format(tags="accept-all") + "".join(others) + route
    async with gateway(folder, cpms["main"].url, backend=QUICK, tables=tables) as node:
        site.url = node.url
        yield node


def _quoted(names: str) -> str:
    return ", ".join(f'"{name}"' for name in names.split())


def wrong(chargers: list[QueueingCharger], cpms: dict[str, LedgerBackend], repeats: int = 1) -> list[str]:
    return [
        f"{name}: {line}"
        for name, one in cpms.items()
        for charger in chargers
        for line in broken(charger, one.rows(charger.id), repeats)
    ]


async def everybody_knows(chargers: list[QueueingCharger], cpms: dict[str, LedgerBackend]) -> None:
    await until(lambda: all(charger.is_done for charger in chargers), "answers")
    try:
        await until(lambda: not wrong(chargers, cpms, 1_000), "every message in every ledger")
    except AssertionError:
        assert wrong(chargers, cpms, 1_000) == []


def begin_all(chargers: list[QueueingCharger]) -> list[Session]:
    return [charger.begin() for charger in chargers]


def end_all(chargers: list[QueueingCharger], sessions: list[Session]) -> None:
    for charger, session in zip(chargers, sessions, strict=True):
        charger.value(session)
        charger.end(session)


def test_a_standby_takes_over_and_gives_back_and_no_ledger_lacks_anything(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger(f"CP{n}", site, ["ocpp1.6", "ocpp2.0.1"][n % 2]) for n in range(10)]
        async with (
            ledgers(tmp_path, "main", "second") as cpms,
            between(tmp_path, cpms, site, standby="second") as node,
            living(*chargers),
        ):
            await in_the_bridge(chargers)
            one = begin_all(chargers)
            await everybody_knows(chargers, cpms)
            await cpms["main"].kill()
            end_all(chargers, one)
            two = begin_all(chargers)
            await everybody_knows(chargers, {"second": cpms["second"]})
            await until(lambda: "lead-moved" in "".join(node.output), "the standby leads")
            three_of = begin_all(chargers)
            await everybody_knows(chargers, {"second": cpms["second"]})
            await cpms["main"].start()
            end_all(chargers, two)
            await everybody_knows(chargers, cpms)
            await until(lambda: "".join(node.output).count("after=main") == 10, "main leads again")
            end_all(chargers, three_of)
            await everybody_knows(chargers, cpms)
            assert wrong(chargers, cpms) == []
            assert [charger.visits for charger in chargers] == [1] * 10

    run(test)


def test_a_recording_goes_on_when_another_backend_leads(tmp_path: Path) -> None:
    async def test() -> None:
        site, file = Site(), tmp_path / "cp.jsonl"
        charger = QueueingCharger("CP1", site)
        async with (
            ledgers(tmp_path, "main", "second") as cpms,
            between(tmp_path, cpms, site, standby="second") as node,
            living(charger),
        ):
            await in_the_bridge([charger])
            recorded = ("--seconds", "5", "--output", str(file), "--admin", node.admin)
            recording = ensure_future(command("capture", "CP1", *recorded))

            async def one_is_recorded() -> bool:
                end_all([charger], begin_all([charger]))
                return file.exists() and file.stat().st_size > 0

            await until(one_is_recorded, "a recording")
            await cpms["main"].kill()
            await until(lambda: led_by(node, "second"), "second leads")
            await until(lambda: charger.is_done, "answers")
            end_all([charger], begin_all([charger]))
            await until(lambda: charger.is_done, "answers")
            assert (await recording).status == 0
        records = [json.loads(line) for line in file.read_text().splitlines()]
        assert f'"meterStop":{1000 + len(charger.said) - 1}' in records[-2]["raw"]
        assert [one["direction"] for one in records[-2:]] == ["charger_to_backend", "backend_to_charger"]

    run(test)


def test_a_stop_from_any_backend_stops_the_right_transaction(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger(f"CP{n}", site) for n in range(4)]
        async with (
            ledgers(tmp_path, "main", "second") as cpms,
            between(tmp_path, cpms, site, observers="second", more='commands = "all"'),
            living(*chargers),
        ):
            await in_the_bridge(chargers)
            await cpms["main"].kill()
            first = begin_all(chargers)
            await everybody_knows(chargers, {"second": cpms["second"]})
            end_all(chargers, first)
            await cpms["main"].start()
            await everybody_knows(chargers, cpms)
            begin_all(chargers)
            await everybody_knows(chargers, cpms)
            for name in cpms:
                for charger in chargers:
                    row = [row for row in cpms[name].rows(charger.id) if row["transaction"]][-1]
                    cpms[name].command(charger.id, "RemoteStopTransaction", transaction_id=row["transaction"])
                await until(lambda: all(charger.commands for charger in chargers), f"commands of {name}")
                for charger in chargers:
                    assert charger.commands.pop()[1] == charger.said[-1].session.id

    run(test)


def test_a_transaction_that_has_ended_stays_so_when_the_charger_or_the_gateway_comes_back(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger(f"CP{n}", site) for n in range(4)]
        async with ledgers(tmp_path, "main", "second") as cpms, living(*chargers):
            async with between(tmp_path, cpms, site, observers="second") as node:
                await in_the_bridge(chargers)
                end_all(chargers, begin_all(chargers))
                await everybody_knows(chargers, cpms)
                for charger in chargers:
                    charger.reboot()
                await until(lambda: all(charger.visits == 2 for charger in chargers), "all are back")
                assert await open_at(node, chargers) == []
                end_all(chargers, begin_all(chargers))
                await everybody_knows(chargers, cpms)
            async with between(tmp_path, cpms, site, observers="second") as node:
                await until(lambda: all(charger.visits == 3 for charger in chargers), "all are back")
                assert await open_at(node, chargers) == []

    run(test)


async def open_at(node: Gateway, chargers: list[QueueingCharger]) -> list[str]:
    """The transactions that the gateway takes for open, of any charger at any backend."""
    found = []
    for charger in chargers:
        shown = json.loads(await node.get(f"/api/v1/chargers/{charger.id}"))
        found += [
            f"{charger.id} at {one['name']}: {known['charger_id']}"
            for one in shown["backends"]
            for known in one["transactions"]
            if known["ended_at"] is None
        ]
    return found


PLANTED = {
    "BootNotification": {"interval": 60},
    "StartTransaction": {"id_tag_info": {"status": "Blocked"}},
}


def test_chargers_move_to_another_leader_while_they_charge(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger(f"CP{n}", site) for n in range(200)]
        async with (
            ledgers(tmp_path, "main", "second", planted=PLANTED) as cpms,
            gateway_of_two(tmp_path, cpms, site) as node,
            living(*chargers),
        ):
            await in_the_bridge(chargers)
            live = begin_all(chargers)
            await everybody_knows(chargers, {"main": cpms["main"]})
            shadow = {"to": "second", "stage": "shadow"}
            plan = await node.post("/api/v1/migrations/spring/plan", {"to": "second"})
            assert len(plan["chargers"]) == 200 and plan["already_led"] == 0
            await node.post("/api/v1/migrations/spring/start", shadow)
            for charger in chargers:
                charger.reboot()
            await until(lambda: all(charger.visits == 2 for charger in chargers), "all have booted again")
            end_all(chargers, live)
            await everybody_knows(chargers, {"main": cpms["main"]})
            live = begin_all(chargers)
            await everybody_knows(chargers, {"main": cpms["main"]})
            status = await node.post("/api/v1/migrations/spring/start", shadow | {"stage": "moving"})
            await until(lambda: waiting(node, 200), "all wait for their transactions")
            for charger, session in zip(chargers, live, strict=True):
                charger.value(session)
            end_all(chargers, live)
            await until(lambda: moved(node, 200), "all are moved")
            last = begin_all(chargers)
            end_all(chargers, last)
            await until(lambda: all(charger.is_done for charger in chargers), "answers")
            await until(lambda: all(knows(cpms["second"], charger, last) for charger in chargers), "the last")
            status = await node.fetch("/api/v1/migrations/spring")
        assert wrong(chargers, {"main": cpms["main"]}) == []
        assert all(charger.visits == 2 for charger in chargers)
        places = {action: set(tally["places"]) for action, tally in status["report"].items()}
        assert places["BootNotification"] == {"interval"}
        assert places["StartTransaction"] == {"idTagInfo.status"}
        assert not any(
            tally["different"] for action, tally in status["report"].items() if action not in PLANTED
        )

    run(test, 150)


def knows(cpms: LedgerBackend, charger: QueueingCharger, sessions: list[Session]) -> bool:
    """Whether the ledger has everything of these transactions of a charger."""
    said = {1000 + number for number, queued in enumerate(charger.said) if queued.session in sessions}
    return said <= {reading_of(row) for row in cpms.rows(charger.id)}


async def waiting(node: Gateway, count: int) -> bool:
    return bool((await node.fetch("/api/v1/migrations/spring"))["states"].get("waiting") == count)


async def moved(node: Gateway, count: int) -> bool:
    return bool((await node.fetch("/api/v1/migrations/spring"))["states"].get("moved") == count)


@asynccontextmanager
async def gateway_of_two(folder: Path, cpms: dict[str, LedgerBackend], site: Site) -> AsyncIterator[Gateway]:
    """The gateway in front of `main`, which alone is in use; `second` is only configured."""
    tables = TABLES.format(tags="accept-all")
    tables += BACKEND.format(name="second", url=cpms["second"].url, more=QUICK)
    async with gateway(folder, cpms["main"].url, backend=QUICK, tables=tables) as node:
        site.url = node.url
        yield node


def test_a_reload_gives_chargers_another_backend_and_other_rules(tmp_path: Path) -> None:
    async def test() -> None:
        site, charger = Site(), None
        async with (
            ledgers(tmp_path, "main", "second") as cpms,
            gateway_of_two(tmp_path, cpms, site) as node,
        ):
            charger = QueueingCharger("CP1", site)
            async with living(charger):
                await in_the_bridge([charger])
                first = charger.begin()
                await everybody_knows([charger], {"main": cpms["main"]})
                rule = '[[commands]]\nbackends = ["main"]\nactions = ["RemoteStop*"]\ndo = "deny"\n'
                config = tmp_path / "gateway.toml"
                route = ROUTE.format(standby="", observers='"second"', give_back_after_s=0.5)
                config.write_text(config.read_text().replace("[[backends]]", rule + route + "[[backends]]"))
                node.process.send_signal(signal.SIGHUP)
                await until(lambda: " reloaded " in "".join(node.output), "the reload")
                row = cpms["main"].rows("CP1")[-1]
                cpms["main"].command("CP1", "RemoteStopTransaction", transaction_id=row["transaction"])
                await until(lambda: denied(node), "the refusal")
                charger.end(first)
                second = charger.begin()
                charger.value(second)
                charger.end(second)
                await everybody_knows([charger], {"main": cpms["main"]})
                said = [1000 + n for n, one in enumerate(charger.said) if one.session is second]
                await until(
                    lambda: [reading_of(row) for row in cpms["second"].rows("CP1")] == said,
                    "the transactions that began since",
                )
                assert charger.commands == [] and charger.visits == 1

    run(test)


async def denied(node: Gateway) -> bool:
    return (await node.flags()).get("command-denied") == 1


def test_a_migration_outlives_the_gateway_and_can_be_taken_back_and_ended(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger(f"CP{n}", site) for n in range(3)]
        move = {"to": "second", "stage": "moving"}
        async with ledgers(tmp_path, "main", "second") as cpms, living(*chargers):
            async with gateway_of_two(tmp_path, cpms, site) as node:
                await in_the_bridge(chargers)
                await node.post("/api/v1/migrations/spring/start", move)
                await until(lambda: moved(node, 3), "all are moved")
            async with gateway_of_two(tmp_path, cpms, site) as node:
                await in_the_bridge(chargers, 2)
                assert await leaders(node) == ["second"] * 3
                with pytest.raises(HTTPError) as refused:
                    await node.post("/api/v1/migrations/spring/end", {})
                assert refused.value.code == 422
                refused.value.close()
                live = begin_all(chargers)
                end_all(chargers, live)
                await everybody_knows(chargers, cpms)
                await node.post("/api/v1/migrations/spring/stop", {})
                await until(lambda: led_by(node, "main"), "main leads again")
                await node.post("/api/v1/migrations/spring/end", {})
                live = begin_all(chargers)
                end_all(chargers, live)
                await everybody_knows(chargers, {"main": cpms["main"]})
                assert all(charger.visits == 2 for charger in chargers)
                assert len(cpms["second"].rows()) == 9

    run(test)


def test_a_charger_that_can_be_moved_at_once_is(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        chargers = [QueueingCharger(f"CP{n}", site) for n in range(3)]
        async with (
            ledgers(tmp_path, "main", "second") as cpms,
            between(tmp_path, cpms, site, observers="second", give_back_after_s=600.0) as node,
            living(*chargers),
        ):
            await in_the_bridge(chargers)
            end_all(chargers, begin_all(chargers))
            await everybody_knows(chargers, cpms)
            await node.post("/api/v1/migrations/spring/start", {"to": "second", "stage": "moving"})
            await until(lambda: led_by(node, "second"), "second leads")
            assert (await node.fetch("/api/v1/migrations/spring"))["waiting"] == []
            await cpms["second"].kill()
            await until(lambda: led_by(node, "main"), "main stands in")
            (first, *_) = (await node.fetch("/api/v1/migrations/spring"))["waiting"]
            assert (first["state"], first["reason"]) == ("moved", '"main" leads it at present')

    run(test)


async def leaders(node: Gateway) -> list[str]:
    return [row["leader"] for row in (await node.fetch("/api/v1/chargers"))["chargers"]]


async def led_by(node: Gateway, name: str) -> bool:
    return set(await leaders(node)) == {name}
