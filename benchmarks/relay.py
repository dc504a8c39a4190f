"""How much the gateway costs beside bare relays: `python -m benchmarks.relay [--quick]`.

Every relay runs on one core, this process (chargers and stub backend) on another. In each round every
relay has its turn at a fixed load and at saturation, so that a disturbance hits all alike; the figures
are medians over the rounds. Then each relay is started afresh to measure connecting and memory.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import uvloop

from benchmarks.load import CALL_BYTES, Crowd, Sample, start_backend
from benchmarks.relays import RELAY_CORE, RELAYS, Relay

RESULTS = Path(__file__).parent / "results" / "relay.json"
WARM_UP = 20
IDLE = [200, 2000, 9000]
MEMORY_BUDGET_KIB = 45
BACK_BUDGET_S = 60
BUDGET_FACTORS = {"haproxy": 1.8, "aiohttp": 1.0}
Figures = dict[str, float]


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.relay", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per relay and kind of load")
    parser.add_argument("--chargers", type=int, default=200, help="chargers under load")
    parser.add_argument("--rate", type=float, default=2000, help="round trips per second of the fixed load")
    parser.add_argument("--idle", type=int, nargs="*", default=IDLE, help="sizes at which memory is read")
    parser.add_argument("--only", nargs="*", choices=list(RELAYS), help="leave the other relays out")
    parser.add_argument("--quick", action="store_true", help="a smoke run of less than a minute")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.seconds, chosen.rounds, chosen.idle = 1.0, 2, [200, 1000]
    return chosen


def available(name: str, folder: Path) -> bool:
    """Whether this relay can be run here; says why not."""
    try:
        RELAYS[name](folder, "ws://127.0.0.1:1")
    except FileNotFoundError as missing:
        print(f"{name} is left out: {missing}")
        return False
    return True


async def under_load(relay: Relay, crowd: Crowd, chosen: argparse.Namespace) -> tuple[Figures, Figures]:
    """One turn: at the fixed load, then at saturation."""
    paced = await crowd.pace(chosen.rate, chosen.seconds, relay.cpu_s)
    full = await crowd.saturate(chosen.seconds, relay.cpu_s)
    if crowd.wrong or crowd.lost:
        raise RuntimeError(f"{relay.name}: {crowd.wrong} wrong answers, {crowd.lost} chargers lost")
    return figures(paced), figures(full)


def figures(sample: Sample) -> Figures:
    trips = sample.round_trips
    if trips < 2:
        raise RuntimeError("no round trips at all")
    cuts = quantiles(sample.latencies_s, n=100)
    return {
        "round_trips_per_s": trips / sample.seconds,
        "cpu_us_per_round_trip": sample.relay_cpu_s / trips * 1e6,
        "p50_ms": cuts[49] * 1e3,
        "p99_ms": cuts[98] * 1e3,
        "relay_core_used": sample.relay_cpu_s / sample.seconds,
        "load_core_used": sample.load_cpu_s / sample.seconds,
    }


def middle(rounds: Iterable[Figures]) -> Figures:
    """The median of every figure over the rounds."""
    taken = list(rounds)
    return {key: median(one[key] for one in taken) for key in taken[0]}


async def compare_load(names: list[str], folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """All relays up at once, each with its own chargers and stub backend; they take turns."""
    up: list[tuple[Relay, Crowd]] = []
    taken: dict[str, list[tuple[Figures, Figures]]] = {name: [] for name in names}
    try:
        for name in names:
            _, backend_port = await start_backend()
            relay = RELAYS[name](folder, f"ws://127.0.0.1:{backend_port}")
            crowd = Crowd(relay.url)
            up.append((relay, crowd))
            await relay.start(folder / f"{name}.log")
            await crowd.grow(chosen.chargers)
            await crowd.call_once_each()
        for number in range(chosen.rounds):
            for relay, crowd in up:
                paced, full = await under_load(relay, crowd, chosen)
                taken[relay.name].append((paced, full))
                say(number + 1, relay.name, paced, full)
    finally:
        for relay, _ in up:
            await relay.stop()
    return {
        name: dict(zip(("paced", "saturated"), map(middle, zip(*turns, strict=True)), strict=True))
        for name, turns in taken.items()
    }


def say(number: int, name: str, paced: Figures, full: Figures) -> None:
    """One line per turn, so that a long run shows how it goes."""
    cost, full_cost = paced["cpu_us_per_round_trip"], full["cpu_us_per_round_trip"]
    rate = full["round_trips_per_s"]
    print(
        f"round {number} {name:13} {cost:6.1f} µs paced, {full_cost:6.1f} µs and {rate:6.0f}/s full",
        flush=True,
    )


async def crowding(name: str, folder: Path, sizes: list[int]) -> dict[str, Any]:
    """Memory per idle charger at each size, and connects per second up to the largest."""
    _, backend_port = await start_backend()
    relay = RELAYS[name](folder, f"ws://127.0.0.1:{backend_port}")
    crowd = Crowd(relay.url)
    kib_per_charger: dict[str, float] = {}
    spent_s = 0.0
    try:
        await relay.start(folder / f"{name}-idle.log")
        await crowd.grow(WARM_UP)
        await crowd.call_once_each()
        await crowd.leave()
        empty = relay.resident_bytes()
        for size in sorted(sizes):
            spent_s += await crowd.grow(size)
            await crowd.call_once_each()
            kib_per_charger[str(size)] = (relay.resident_bytes() - empty) / size / 1024
        back_s = await restarted(relay, crowd, folder / f"{name}-again.log")
    finally:
        await relay.stop()
    rate = max(sizes) / spent_s
    return {
        "kib_per_charger": kib_per_charger,
        "connects_per_s": rate,
        "empty_mib": empty / 2**20,
        "back_s": back_s,
    }


async def restarted(relay: Relay, crowd: Crowd, log: Path) -> float:
    """Kill the relay under all its chargers and start it anew; seconds until all are back, links too."""
    size = len(crowd.chargers)
    assert relay.process is not None
    relay.process.kill()
    relay.process.wait()
    await crowd.gone()
    start = perf_counter()
    await relay.start(log)
    await crowd.grow(size)
    return perf_counter() - start


COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("µs/rt paced", "paced", "cpu_us_per_round_trip", ".1f"),
    ("p50 ms", "paced", "p50_ms", ".2f"),
    ("p99 ms", "paced", "p99_ms", ".2f"),
    ("µs/rt full", "saturated", "cpu_us_per_round_trip", ".1f"),
    ("rt/s full", "saturated", "round_trips_per_s", ".0f"),
    ("relay core", "saturated", "relay_core_used", ".0%"),
    ("load core", "saturated", "load_core_used", ".0%"),
)


def table(results: dict[str, Any], sizes: list[int]) -> str:
    """The results as a table, one relay per line."""
    lines = [
        [
            "relay",
            *(head for head, *_ in COLUMNS),
            *(f"KiB at {size}" for size in sizes),
            "connects/s",
            "s to be back",
        ]
    ]
    for name, result in results.items():
        idle = result.get("idle")
        line = [name, *(format(result[load][key], form) for _, load, key, form in COLUMNS)]
        line += [f"{idle['kib_per_charger'][str(size)]:.1f}" if idle else "-" for size in sizes]
        line += [f"{idle[key]:.0f}" if idle else "-" for key in ("connects_per_s", "back_s")]
        lines.append(line)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def verdicts(results: dict[str, Any]) -> list[str]:
    """The budgets and aims of the README; those that could not be measured are left out."""
    own = results.get("ocpp-gateway", {})
    told = []
    for load in ("paced", "saturated") if own else ():
        cost = own[load]["cpu_us_per_round_trip"]
        for other, factor in BUDGET_FACTORS.items():
            if other in results:
                budget = factor * results[other][load]["cpu_us_per_round_trip"]
                text = f"{load}: {cost:.1f} µs; {factor} × {other} is {budget:.1f} µs"
                told.append(verdict(cost <= budget, text, is_aim=load == "paced"))
    if "idle" in own:
        worst = max(own["idle"]["kib_per_charger"].values())
        text = f"idle: {worst:.1f} KiB per charger of {MEMORY_BUDGET_KIB}"
        told.append(verdict(worst <= MEMORY_BUDGET_KIB, text))
        back_s = own["idle"]["back_s"]
        text = f"restart: all back in {back_s:.1f} s of {BACK_BUDGET_S}"
        told.append(verdict(back_s <= BACK_BUDGET_S, text))
    return told


def verdict(is_held: bool, text: str, is_aim: bool = False) -> str:
    """A budget that is held or broken, or an aim that is met or missed."""
    words = ("aim met   ", "aim missed") if is_aim else ("held      ", "BROKEN    ")
    return f"{words[not is_held]} {text}"


async def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Relay → its figures."""
    names = [name for name in chosen.only or RELAYS if available(name, folder)]
    results = await compare_load(names, folder, chosen)
    for name in names if chosen.idle else []:
        try:
            results[name]["idle"] = await crowding(name, folder, chosen.idle)
        except (OSError, RuntimeError) as error:
            print(f"{name}: no figures for idle chargers: {type(error).__name__} {error}")
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {RELAY_CORE})
    rounds = f"{chosen.rounds} rounds of {chosen.seconds} s"
    print(f"{chosen.chargers} chargers, CALLs of {CALL_BYTES} bytes, {rounds}")
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        results = uvloop.run(measure(Path(folder), chosen))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"options": vars(chosen), "relays": results}, indent=1))
    print(table(results, sorted(chosen.idle)), *verdicts(results), f"written to {RESULTS}", sep="\n")


if __name__ == "__main__":
    main()
