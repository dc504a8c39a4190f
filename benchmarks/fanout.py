"""What further backends of a charger cost, and whom they disturb: `python -m benchmarks.fanout [--quick]`.

First the gateway with 1, 2 and 4 backends (one leads, the others observe) beside a bare relay that copies
every frame to as many. Then gateways with one observer that is well, killed, frozen or flooding, beside two
without any. In each round all of them have their turn, so that a disturbance of the machine hits all alike.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, Popen
from typing import Any

import uvloop

from benchmarks.ledgers import Charging, Ledger
from benchmarks.load import CALL_BYTES, Crowd, start_backend, until
from benchmarks.relay import Figures, figures, middle, under_load, verdict
from benchmarks.relays import RELAY_CORE, Relay, fanning_out, free_port, picows

RESULTS = Path(__file__).parent / "results" / "fanout.json"
SIZES = (1, 2, 4)
LOADS = {"paced": 0, "saturated": 1}
GROWTH_FACTOR = 3.0
P99_GROWTH = 1.10
CASES = ("alone", "alone again", "well", "killed", "frozen", "flooding")
COMPARED = {name: "alone" if name in CASES[:3] else "well" for name in CASES}
ACT_AFTER_S = 0.2
SETTLE_S = 2.0


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.fanout", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of the costs")
    parser.add_argument("--calm-rounds", type=int, default=12, help="measurements of the disturbances (even)")
    parser.add_argument("--chargers", type=int, default=100, help="chargers of each gateway")
    parser.add_argument("--rate", type=float, default=1000, help="round trips per second of the fixed load")
    parser.add_argument("--only", choices=["cost", "calm"], help="one half of it")
    parser.add_argument("--quick", action="store_true", help="a smoke run of less than a minute")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.seconds, chosen.rounds, chosen.calm_rounds, chosen.chargers = 0.6, 2, 2, 50
    return chosen


async def charging(relay: Relay, folder: Path, backends: int, size: int) -> Crowd:
    """The relay with a crowd that has booted and is in transactions, known to all backends."""
    await relay.start(folder / f"{relay.name}.log")
    crowd = Crowd(relay.url, Charging, backends)
    await crowd.grow(size)
    for step in (Charging.boot, Charging.begin):
        for charger in crowd.chargers:
            step(charger)
        await until(lambda: not any(charger.waiting for charger in crowd.chargers), 30)
    await crowd.call_once_each()
    return crowd


# What a further backend costs


async def costs(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Relay → number of backends → its figures."""
    up: list[tuple[str, int, Relay, Crowd]] = []
    taken: dict[tuple[str, int], list[tuple[Figures, Figures]]] = {}
    try:
        for name, kind in (("ocpp-gateway", fanning_out), ("picows", picows)):
            for size in SIZES:
                urls = [f"ws://127.0.0.1:{(await start_backend(0, Ledger))[1]}" for _ in range(size)]
                relay = kind(f"{name}-{size}", folder, urls)
                up.append((name, size, relay, await charging(relay, folder, size, chosen.chargers)))
        for number in range(chosen.rounds):
            for name, size, relay, crowd in up:
                paced, full = await under_load(relay, crowd, chosen)
                taken.setdefault((name, size), []).append((paced, full))
                cost, rate = full["cpu_us_per_round_trip"], full["round_trips_per_s"]
                print(f"round {number + 1} {relay.name:15} {cost:6.1f} µs and {rate:6.0f}/s full", flush=True)
    finally:
        for _, _, relay, _ in up:
            await relay.stop()
    return {
        f"{name} {size}": {load: middle(turn[at] for turn in turns) for load, at in LOADS.items()}
        for (name, size), turns in taken.items()
    }


def cost_table(results: dict[str, Any]) -> list[str]:
    heads = [
        "backends",
        "µs/rt paced",
        "p50 ms",
        "p99 ms",
        "µs/rt full",
        "rt/s full",
        "relay core",
        "load core",
    ]
    lines = ["  ".join(f"{head:>12}" for head in ["relay", *heads])]
    for key, result in results.items():
        name, size = key.split()
        paced, full = result["paced"], result["saturated"]
        cells = [
            *(name, size, f"{paced['cpu_us_per_round_trip']:.1f}", f"{paced['p50_ms']:.2f}"),
            *(
                f"{paced['p99_ms']:.2f}",
                f"{full['cpu_us_per_round_trip']:.1f}",
                f"{full['round_trips_per_s']:.0f}",
            ),
            *(f"{full['relay_core_used']:.0%}", f"{full['load_core_used']:.0%}"),
        ]
        lines.append("  ".join(f"{cell:>12}" for cell in cells))
    return lines


def growth(results: dict[str, Any], name: str, load: str, size: int) -> float:
    """CPU µs per round trip that each further backend costs."""
    cost = [results[f"{name} {backends}"][load]["cpu_us_per_round_trip"] for backends in (1, size)]
    return float(cost[1] - cost[0]) / (size - 1)


def cost_verdicts(results: dict[str, Any]) -> list[str]:
    told = []
    for load in LOADS:
        whole = results["ocpp-gateway 1"][load]["cpu_us_per_round_trip"]
        for size in SIZES[1:]:
            own = growth(results, "ocpp-gateway", load, size)
            bare = growth(results, "picows", load, size)
            of = f"{load}, {size} backends: {own:.1f} µs for each further one"
            told.append(verdict(own <= whole, f"{of}; {whole:.1f} µs is a round trip with one"))
            aim, text = GROWTH_FACTOR * bare, f"{of}; {GROWTH_FACTOR} × the bare relay's is"
            told.append(verdict(own <= aim, f"{text} {aim:.1f} µs", is_aim=True))
    return told


# Whom an observer disturbs


class Observer:
    """A backend in a process of its own, on the same port whenever it is started."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> None:
        if self.process is None:
            self.process = Popen(
                [sys.executable, "-m", "benchmarks.ledgers", str(self.port)], stdin=DEVNULL, stdout=DEVNULL
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


class Case:
    """A gateway whose observer does what `name` says."""

    def __init__(self, name: str, folder: Path, leader: str) -> None:
        self.name = name
        self.observer = None if name.startswith("alone") else Observer()
        urls = [leader, self.observer.url] if self.observer else [leader]
        self.relay = fanning_out(name.replace(" ", "-"), folder, urls)
        self.crowd: Crowd
        self.is_acting = False

    async def start(self, folder: Path, size: int) -> None:
        if self.observer:
            self.observer.start()
            await asyncio.sleep(1)
        self.crowd = await charging(self.relay, folder, 1, size)

    def act(self) -> None:
        """Begin to be a nuisance, unless it is one already."""
        if self.observer is None or self.is_acting:
            return
        self.is_acting = True
        match self.name:
            case "killed":
                self.observer.stop()
            case "frozen":
                self.observer.tell(signal.SIGSTOP)
            case "flooding":
                self.observer.tell(signal.SIGUSR1)

    async def rest(self, for_long: bool) -> None:
        """The flood ends with the turn; who is dead or frozen stays so for two turns.

        The others are not to be measured while this one picks itself up again.
        """
        if self.observer is None or not self.is_acting or not (for_long or self.name == "flooding"):
            return
        self.is_acting = False
        match self.name:
            case "killed":
                self.observer.start()
            case "frozen":
                self.observer.tell(signal.SIGCONT)
            case "flooding":
                self.observer.tell(signal.SIGUSR1)
        await asyncio.sleep(SETTLE_S)

    async def turn(self, chosen: argparse.Namespace, for_long: bool) -> Figures:
        acting = asyncio.get_running_loop().call_later(ACT_AFTER_S, self.act)
        sample = await self.crowd.pace(chosen.rate, chosen.seconds, self.relay.cpu_s)
        acting.cancel()
        await self.rest(for_long)
        if self.crowd.wrong or self.crowd.lost:
            raise RuntimeError(
                f"{self.name}: {self.crowd.wrong} wrong answers, {self.crowd.lost} chargers lost"
            )
        return figures(sample)

    async def stop(self) -> None:
        if self.observer:
            self.observer.stop()
        await self.relay.stop()


async def calm(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Case → its figures, and its p99 compared with that of `COMPARED` in the same round."""
    cases: list[Case] = []
    rounds: list[dict[str, Figures]] = []
    try:
        for name in CASES:
            _, port = await start_backend(0, Ledger)
            cases.append(Case(name, folder, f"ws://127.0.0.1:{port}"))
            await cases[-1].start(folder, chosen.chargers)
        for number in range(chosen.calm_rounds):
            turns = cases[number % len(cases) :] + cases[: number % len(cases)]
            rounds.append({case.name: await case.turn(chosen, number % 2 == 1) for case in turns})
            told = ", ".join(f"{name} {rounds[-1][name]['p99_ms']:.2f}" for name in CASES)
            print(f"round {number + 1} p99 ms: {told}", flush=True)
    finally:
        for case in cases:
            await case.stop()
    return {
        name: middle(one[name] for one in rounds)
        | {"p99_ratio": median(one[name]["p99_ms"] / one[COMPARED[name]]["p99_ms"] for one in rounds)}
        for name in CASES
    }


def calm_table(results: dict[str, Any]) -> list[str]:
    heads = ["observer", "µs/rt", "p50 ms", "p99 ms", "p99 ×", "that of", "gateway core"]
    lines = ["  ".join(f"{head:>12}" for head in heads)]
    for name, one in results.items():
        cells = [name, f"{one['cpu_us_per_round_trip']:.1f}", f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}"]
        cells += [f"{one['p99_ratio']:.2f}", COMPARED[name], f"{one['relay_core_used']:.0%}"]
        lines.append("  ".join(f"{cell:>12}" for cell in cells))
    return lines


def calm_verdicts(results: dict[str, Any]) -> list[str]:
    noise = max(1.0, results["alone again"]["p99_ratio"])
    budget = P99_GROWTH * noise
    return [
        verdict(
            results[name]["p99_ratio"] <= budget,
            f"{name}: p99 × {results[name]['p99_ratio']:.2f} of that with a well one; the budget is "
            f"{P99_GROWTH} × {noise:.2f}, what two gateways without an observer differ by",
        )
        for name in CASES[3:]
    ]


async def measure(folder: Path, chosen: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    results: dict[str, Any] = {}
    told: list[str] = []
    verdicts: list[str] = []
    if chosen.only != "calm":
        results["cost"] = await costs(folder, chosen)
        told += cost_table(results["cost"])
        verdicts += cost_verdicts(results["cost"])
    if chosen.only != "cost":
        results["calm"] = await calm(folder, chosen)
        told += calm_table(results["calm"])
        verdicts += calm_verdicts(results["calm"])
    return results, told + verdicts


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {RELAY_CORE})
    print(f"{chosen.chargers} chargers, CALLs of {CALL_BYTES} bytes, {chosen.rate:.0f} a second when paced")
    with tempfile.TemporaryDirectory(prefix="fanout-bench-") as folder:
        results, told = uvloop.run(measure(Path(folder), chosen))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"options": vars(chosen), **results}, indent=1))
    print(*told, f"written to {RESULTS}", sep="\n")


if __name__ == "__main__":
    main()
