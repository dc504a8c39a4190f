"""What an outage costs, and what being ready for one costs: `python -m benchmarks.outage [--quick]`.

Chargers send MeterValues, each with another reading, while the backend is away: every answer they get says
that a message is on disk. Then the backend is back and takes what was stored. A gateway with a full outbox
is started. At last the clean path, with the backend there, is compared with an older version of the gateway.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, time
from typing import Any

import uvloop

from benchmarks.load import CALL_BYTES, CALL_TAIL, RESULT, Charger, Crowd, StubBackend, start_backend, until
from benchmarks.relay import Figures, figures, middle, under_load
from benchmarks.relays import RELAY_CORE, Relay, gateway
from gateway.store.protocol import OutboxEntry, StatePart, kept
from gateway.store.sqlite import SqliteStore

RESULTS = Path(__file__).parent / "results" / "outage.json"
BEFORE = "8599a1c"
PACED_P99_MS = 25.0
DURABLE_PER_S = 2000.0
RESTART_S = 3.0
CLEAN_RATIO = 1.1
STORED_CHARGERS = 1000
UNLIMITED = """
[outage]
messages_per_s = 1000000
chargers_at_once = 100000
messages_per_charger = 1000000
"""


class Meter(Charger):
    """A charger whose messages are counted, together with those of the others."""

    sent = 0

    def call(self) -> None:
        Meter.sent += 1
        self.send(CALL_TAIL, RESULT)


class Outpost:
    """A gateway with its chargers and a backend that can go and come."""

    def __init__(self, folder: Path, tables: str = "") -> None:
        self._folder = folder
        self._tables = tables
        self._server: asyncio.Server | None = None
        self.port = 0
        self.relay: Relay
        self.crowd: Crowd

    async def start(self, chargers: int) -> None:
        self._server, self.port = await start_backend()
        self.relay = gateway(self._folder, f"ws://127.0.0.1:{self.port}")
        config = self._folder / f"gateway-{self.relay.port}.toml"
        quick = config.read_text().replace("[backend]", "[backend]\nreconnect_max_s = 1")
        config.write_text(quick + self._tables)
        self.crowd = Crowd(self.relay.url, Meter)
        await self.relay.start(self._folder / f"gateway-{self.relay.port}.log")
        await self.crowd.grow(chargers)
        await self.crowd.call_once_each()

    async def backend_goes(self) -> None:
        """Without a word; the gateway has noticed when every charger is answered again."""
        assert self._server is not None
        self._server.close()
        for transport in list(StubBackend.open):
            transport.disconnect(graceful=False)
        await until(lambda: StubBackend.links == 0, 10)
        await self.crowd.call_once_each()

    async def drain(self, waiting: int) -> float:
        """Messages a second at which a backend that is back gets what was stored, first to last."""
        StubBackend.taken = 0
        self._server, _ = await start_backend(self.port)
        await until(lambda: StubBackend.taken > 0, 60)
        began_at = perf_counter()
        await until(lambda: StubBackend.taken >= waiting, 300)
        return (waiting - 1) / (perf_counter() - began_at)

    def check(self) -> None:
        if self.crowd.wrong or self.crowd.lost:
            raise RuntimeError(f"{self.crowd.wrong} wrong answers, {self.crowd.lost} chargers lost")

    async def stop(self) -> None:
        await self.relay.stop()
        if self._server is not None:
            self._server.close()


async def acknowledging(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Latency at the fixed load and throughput at saturation, without the backend; then the drain."""
    post = Outpost(folder, UNLIMITED)
    await post.start(chosen.chargers)
    try:
        await post.backend_goes()
        read = Meter.sent - chosen.chargers  # those before the backend went were delivered at once
        paced = await post.crowd.pace(chosen.rate, chosen.seconds, post.relay.cpu_s)
        full = await post.crowd.saturate(chosen.seconds, post.relay.cpu_s)
        post.check()
        drained = await post.drain(Meter.sent - read)
    finally:
        await post.stop()
    return {"paced": figures(paced), "saturated": figures(full), "drain_unlimited_per_s": drained}


async def draining(folder: Path, chosen: argparse.Namespace) -> float:
    """Messages a second at the default pace."""
    post = Outpost(folder)
    await post.start(chosen.chargers)
    try:
        await post.backend_goes()
        for _ in range(chosen.backlog):
            await post.crowd.call_once_each()
        post.check()
        return await post.drain((chosen.backlog + 1) * chosen.chargers)
    finally:
        await post.stop()


async def restart(folder: Path, stored: int) -> float:
    """Seconds from the start of a gateway with so many stored messages to the first accepted charger."""
    relay = gateway(folder, "ws://127.0.0.1:1")
    await fill(folder / f"data-{relay.port}", stored)
    began_at = perf_counter()
    try:
        await relay.start(folder / "restart.log")
        crowd = Crowd(relay.url)
        async with asyncio.timeout(60):
            while not crowd.chargers:
                try:
                    await crowd.grow(1, patience_s=0.01)
                except (OSError, TimeoutError):
                    await asyncio.sleep(0.005)
        return perf_counter() - began_at
    finally:
        await relay.stop()


async def fill(data: Path, stored: int) -> None:
    """An outbox of so many messages, of chargers that the backend has let in before."""
    store = await SqliteStore.open(data)
    for charger in range(STORED_CHARGERS):
        key = f"cp{charger:05d}"
        facts = {"charger_id": key.upper(), "credential": "", "version": "1.6", "token": "ocpp1.6"}
        records = [
            OutboxEntry(
                charger=key,
                number=number,
                time=time(),
                version="1.6",
                action="MeterValues",
                raw=b'[2,"%020d' % number + CALL_TAIL % number,
            )
            for number in range(1, stored // STORED_CHARGERS + 1)
        ]
        failed = await kept(store, StatePart(key, "link", json.dumps(facts).encode()), *records)
        if failed is not None:
            raise RuntimeError(failed.detail)
    await store.close()


def check_out(version: str, folder: Path) -> Path | None:
    """The files of an older version; None where git does not have it."""
    older = folder / "before"
    made = git("worktree", "add", "--detach", str(older), version)
    if made.returncode != 0:
        print(f"the clean path is not compared: {made.stderr.decode().strip()}")
        return None
    return older


def git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *arguments], capture_output=True, check=False)


def without_versions(config: Path) -> None:
    """Leave out a key that an older version would refuse."""
    config.write_text(re.sub(r"^versions = .*\n", "", config.read_text(), flags=re.MULTILINE))


async def clean_path(older: Path, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """The relay benchmark's figures for this version and for the older one, in turns."""
    taken: dict[str, list[tuple[Figures, Figures]]] = {"now": [], "before": []}
    up: list[tuple[str, Relay, Crowd]] = []
    try:
        for name in taken:
            _, port = await start_backend()
            relay = gateway(folder, f"ws://127.0.0.1:{port}")
            if name == "before":
                without_versions(Path(relay.command[-1]))
                relay.command[:0] = ["env", "-C", str(older)]
            crowd = Crowd(relay.url)
            up.append((name, relay, crowd))
            await relay.start(folder / f"{name}.log")
            await crowd.grow(chosen.chargers)
            await crowd.call_once_each()
        for _ in range(chosen.rounds):
            for name, relay, crowd in up:
                taken[name].append(await under_load(relay, crowd, chosen))
    finally:
        for _, relay, _ in up:
            await relay.stop()
    return {
        name: dict(zip(("paced", "saturated"), map(middle, zip(*turns, strict=True)), strict=True))
        for name, turns in taken.items()
    }


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each version on the clean path")
    parser.add_argument("--chargers", type=int, default=200, help="chargers under load")
    parser.add_argument("--rate", type=float, default=1000, help="messages per second of the fixed load")
    parser.add_argument("--backlog", type=int, default=15, help="messages per charger to drain at the pace")
    parser.add_argument("--stored", type=int, default=100_000, help="messages in the outbox at the restart")
    parser.add_argument("--before", default=BEFORE, help="the version that the clean path is compared with")
    parser.add_argument("--quick", action="store_true", help="a smoke run of less than a minute")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.seconds, chosen.rounds, chosen.backlog, chosen.stored = 1.0, 1, 5, 10_000
    return chosen


async def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = await acknowledging(folder, chosen)
    found["drain_default_per_s"] = await draining(folder, chosen)
    found["restart_s"] = await restart(folder, chosen.stored)
    older = check_out(chosen.before, folder)
    found["clean"] = await clean_path(older, folder, chosen) if older else None
    git("worktree", "remove", "--force", str(older))
    return found


def report(found: dict[str, Any], chosen: argparse.Namespace) -> list[str]:
    """The figures, a line each."""
    paced, full = found["paced"], found["saturated"]
    lines = [
        f"backend away, {paced['round_trips_per_s']:.0f} messages/s: answered in {paced['p50_ms']:.2f} ms "
        f"(p50), {paced['p99_ms']:.2f} ms (p99), {paced['cpu_us_per_round_trip']:.0f} µs of CPU each",
        f"backend away, saturated: {full['round_trips_per_s']:.0f} messages/s on disk, "
        f"{full['cpu_us_per_round_trip']:.0f} µs of CPU each",
        f"drain: {found['drain_default_per_s']:.0f} messages/s at the default pace, "
        f"{found['drain_unlimited_per_s']:.0f} without one",
        f"restart with {chosen.stored} stored messages: first charger after {found['restart_s']:.2f} s",
    ]
    for load in ("paced", "saturated") if found["clean"] else ():
        now, before = (found["clean"][name][load]["cpu_us_per_round_trip"] for name in ("now", "before"))
        lines.append(
            f"clean path, {load}: {now:.1f} µs, {before:.1f} µs in {chosen.before}: ×{now / before:.2f}"
        )
    return lines


def verdicts(found: dict[str, Any]) -> list[str]:
    """The budgets of the README, held or broken."""
    p99, durable = found["paced"]["p99_ms"], found["saturated"]["round_trips_per_s"]
    checks = [
        (p99 <= PACED_P99_MS, f"answers: p99 {p99:.1f} ms of {PACED_P99_MS:.0f}"),
        (durable >= DURABLE_PER_S, f"on disk: {durable:.0f} messages/s; {DURABLE_PER_S:.0f} is the budget"),
        (found["restart_s"] <= RESTART_S, f"restart: {found['restart_s']:.2f} s of {RESTART_S:.0f}"),
    ]
    for load in ("paced", "saturated") if found["clean"] else ():
        now, before = (found["clean"][name][load]["cpu_us_per_round_trip"] for name in ("now", "before"))
        checks.append(
            (now / before <= CLEAN_RATIO, f"clean path, {load}: ×{now / before:.2f} of {CLEAN_RATIO}")
        )
    return [f"{'held  ' if held else 'BROKEN'} {text}" for held, text in checks]


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {RELAY_CORE})
    print(f"{chosen.chargers} chargers, CALLs of {CALL_BYTES} bytes, measurements of {chosen.seconds} s")
    with tempfile.TemporaryDirectory(prefix="outage-bench-") as folder:
        found = uvloop.run(measure(Path(folder), chosen))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"options": vars(chosen), **found}, indent=1))
    print(*report(found, chosen), *verdicts(found), f"written to {RESULTS}", sep="\n")


if __name__ == "__main__":
    main()
