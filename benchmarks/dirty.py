"""What malformed messages cost, and whom: `python -m benchmarks.dirty [--quick]`.

A share of the chargers send nothing but malformed messages, the others, their neighbours, nothing but
clean ones; flags and quarantined messages are stored. In each round every share has its turn with the same
chargers and the same gateway process, so that a disturbance hits all alike; the figures are medians.
"""

import argparse
import asyncio
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import uvloop

from benchmarks.load import CALL_BYTES, CALL_TAIL, RESULT, Charger, Crowd, Sample, start_backend
from benchmarks.relay import Figures, figures, middle
from benchmarks.relays import RELAY_CORE, Relay, gateway

RESULTS = Path(__file__).parent / "results" / "dirty.json"
SHARES = (0, 1, 10, 100)
BUDGET_SHARE = 10
BUDGET_LOSS = 0.10
LOADS = ("paced", "saturated")
REFUSAL = b'[4,"%b","FormationViolation","The message cannot be read",{}]'


def _changed(old: bytes, new: bytes) -> bytes:
    """What follows the id in a MeterValues CALL, with something about it changed."""
    assert old in CALL_TAIL
    return CALL_TAIL.replace(old, new)


DIRT: dict[str, tuple[bytes, bytes]] = {
    "numbers as text": (_changed(b'Id":1,"transactionId":4711', b'Id":"1","transactionId":"4711"'), RESULT),
    "text as number": (_changed(b'"value":"%07d"', b'"value":%07d'), RESULT),
    "stray commas": (_changed(b'"Wh"},', b'"Wh",},,'), RESULT),
    "single quotes": (_changed(b'"Sample.Periodic"', b"'Sample.Periodic'"), RESULT),
    "NUL after the frame": (CALL_TAIL + b"\x00\x00", RESULT),
    "an element too many": (CALL_TAIL[:-1] + b",{}]", RESULT),
    "time without zone": (_changed(b'Z","sampledValue"', b'","sampledValue"'), RESULT),
    "enums in wrong case": (_changed(b'"Wh"', b'"WH"').replace(b"Sample.P", b"sample.p"), RESULT),
    "decimal comma": (_changed(b"11040.5", b"11040,5"), RESULT),
    "object for array": (_changed(b'"meterValue":[', b'"meterValue":')[:-3] + b"}]", RESULT),
    "a field missing": (_changed(b'"connectorId":1,', b""), RESULT),
    "cut short": (CALL_TAIL[:-9], REFUSAL),
}
"""Kind of dirt → what is sent after the id, and the answer that is due. All but the last two are repaired;
of these, the first goes to the backend as it is and the other is kept."""


class AnyCharger(Charger):
    """A charger that sends clean messages or, one after the other, every kind of dirt."""

    def __init__(self, number: int, crowd: Crowd) -> None:
        super().__init__(number, crowd)
        self.is_dirty = False
        self.kinds = list(DIRT.values())
        self.turn = number

    def call(self) -> None:
        if not self.is_dirty:
            super().call()
            return
        self.turn += 1
        self.send(*self.kinds[self.turn % len(self.kinds)])


class Crowds:
    """The same chargers, split into clean and dirty ones anew for every measurement."""

    def __init__(self, url: str) -> None:
        self.clean = Crowd(url, AnyCharger)
        self.dirty = Crowd(url, AnyCharger)

    def split(self, share: int) -> None:
        """Make `share` percent of the chargers, at least one unless it is 0, dirty."""
        everybody = self.clean.chargers + self.dirty.chargers
        count = max(round(len(everybody) * share / 100), 1 if share else 0)
        self.dirty.chargers, self.clean.chargers = everybody[:count], everybody[count:]
        for crowd in (self.clean, self.dirty):
            for charger in crowd.chargers:
                assert isinstance(charger, AnyCharger)
                charger.crowd, charger.is_dirty = crowd, crowd is self.dirty

    async def turn(self, load: str, relay: Relay, chosen: argparse.Namespace) -> Figures:
        """One measurement of the present split."""
        everybody = len(self.clean.chargers) + len(self.dirty.chargers)

        async def one(crowd: Crowd) -> Sample | None:
            if not crowd.chargers:
                return None
            if load == "saturated":
                return await crowd.saturate(chosen.seconds, relay.cpu_s)
            rate = chosen.rate * len(crowd.chargers) / everybody
            return await crowd.pace(rate, chosen.seconds, relay.cpu_s)

        clean, dirty = await asyncio.gather(one(self.clean), one(self.dirty))
        for crowd in (self.clean, self.dirty):
            if crowd.wrong or crowd.lost:
                raise RuntimeError(f"{crowd.wrong} wrong answers, {crowd.lost} chargers lost")
        return together(clean, dirty, len(self.clean.chargers))


def together(clean: Sample | None, dirty: Sample | None, neighbours: int) -> Figures:
    """The figures of all chargers as one, and those of the clean ones, where there are any."""
    samples = [sample for sample in (clean, dirty) if sample is not None]
    trips = [latency for sample in samples for latency in sample.latencies_s]
    found = figures(samples[0]._replace(round_trips=len(trips), latencies_s=trips))
    found["dirty_share"] = dirty.round_trips / len(trips) if dirty is not None else 0.0
    if clean is not None:
        found |= {f"neighbours_{name}": value for name, value in figures(clean).items() if "ms" in name}
        found["per_neighbour_per_s"] = clean.round_trips / clean.seconds / neighbours
    return found


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.dirty", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements per share and kind of load")
    parser.add_argument("--chargers", type=int, default=200, help="chargers under load")
    parser.add_argument("--rate", type=float, default=2000, help="round trips per second of the fixed load")
    parser.add_argument("--quick", action="store_true", help="a smoke run of less than a minute")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.seconds, chosen.rounds = 1.0, 2
    return chosen


async def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Share and load → figures, and how many flags were not kept because too many came at once."""
    taken: dict[tuple[int, str], list[Figures]] = {(share, load): [] for share in SHARES for load in LOADS}
    _, backend_port = await start_backend()
    relay = gateway(folder, f"ws://127.0.0.1:{backend_port}")
    crowds = Crowds(relay.url)
    try:
        await relay.start(folder / "gateway.log")
        await crowds.clean.grow(chosen.chargers)
        await crowds.clean.call_once_each()
        for number in range(chosen.rounds):
            for (share, load), turns in taken.items():
                crowds.split(share)
                turns.append(await crowds.turn(load, relay, chosen))
            say(number + 1, {key: turns[-1] for key, turns in taken.items()})
        flags = flag_counts(folder / f"gateway-{relay.port}.toml")
    finally:
        await relay.stop()
    shares = {str(share): {load: middle(taken[share, load]) for load in LOADS} for share in SHARES}
    return {"shares": shares, "flags": flags}


def say(number: int, last: dict[tuple[int, str], Figures]) -> None:
    """One line per round, so that a long run shows how it goes."""
    costs = (f"{last[share, 'paced']['cpu_us_per_round_trip']:.1f}" for share in SHARES)
    print(f"round {number}: {' '.join(costs)} µs paced at {SHARES} % dirty", flush=True)


def flag_counts(config: Path) -> dict[str, int]:
    """Flags that the gateway raised, and those it only counted since too many waited for the disk."""
    address = tomllib.loads(config.read_text())["admin"]["address"]
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    raised = sum(float(value) for value in re.findall(r"^ocpp_gateway_flags_total\{.*\} (\S+)", text, re.M))
    only_counted = re.search(r'^ocpp_gateway_events_total\{event="flag-not-stored"\} (\S+)', text, re.M)
    return {"raised": int(raised), "not_stored": int(float(only_counted[1])) if only_counted else 0}


COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("dirty trips", "dirty_share", ".1%"),
    ("µs/rt", "cpu_us_per_round_trip", ".1f"),
    ("rt/s", "round_trips_per_s", ".0f"),
    ("gateway core", "relay_core_used", ".0%"),
    ("load core", "load_core_used", ".0%"),
    ("neighbour rt/s", "per_neighbour_per_s", ".1f"),
    ("neighbour p50 ms", "neighbours_p50_ms", ".2f"),
    ("neighbour p99 ms", "neighbours_p99_ms", ".2f"),
)


def table(shares: dict[str, Any]) -> str:
    """The results as a table, one share and load per line."""
    lines = [["dirty", "load", *(head for head, *_ in COLUMNS)]]
    for load in LOADS:
        for share, loads in shares.items():
            found = loads[load]
            cells = [format(found[key], form) if key in found else "-" for _, key, form in COLUMNS]
            lines.append([f"{share} %", load, *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)


def prices(shares: dict[str, Any]) -> dict[str, float]:
    """Load → CPU µs that a malformed message costs more than a clean one."""
    return {
        load: (every["cpu_us_per_round_trip"] - shares["0"][load]["cpu_us_per_round_trip"])
        / every["dirty_share"]
        for load, every in shares[str(SHARES[-1])].items()
    }


def verdicts(shares: dict[str, Any]) -> list[str]:
    """The budget of the README, held or broken, at each load."""
    lines = []
    for load in LOADS:
        before, after = (shares[str(share)][load]["per_neighbour_per_s"] for share in (0, BUDGET_SHARE))
        held = after >= before * (1 - BUDGET_LOSS)
        lines.append(
            f"{'held  ' if held else 'BROKEN'} {load}: with {BUDGET_SHARE} % malformed a clean neighbour has "
            f"{after / before:.0%} of its throughput; {1 - BUDGET_LOSS:.0%} is the budget"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {RELAY_CORE})
    rounds = f"{chosen.rounds} rounds of {chosen.seconds} s"
    print(f"{chosen.chargers} chargers, CALLs of {CALL_BYTES} bytes, {len(DIRT)} kinds of dirt, {rounds}")
    with tempfile.TemporaryDirectory(prefix="dirty-bench-") as folder:
        results = uvloop.run(measure(Path(folder), chosen))
    shares, flags = results["shares"], results["flags"]
    results["us_per_malformed_message"] = prices(shares)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"options": vars(chosen), **results}, indent=1))
    print(table(shares))
    for load, price in results["us_per_malformed_message"].items():
        print(f"{load}: a malformed message costs {price:.0f} µs more than a clean one")
    print(
        f"{flags['raised']} flags, {flags['not_stored']} of them only counted: too many at once for the disk"
    )
    print(*verdicts(shares), f"written to {RESULTS}", sep="\n")


if __name__ == "__main__":
    main()
