"""What rule packs and adapters cost: `python -m benchmarks.rules [--quick]`.

A session takes a clean MeterValues and its answer, without sockets, with 0, 100 and 1,000 rules loaded: for a
station that no pack is for, and for one whose pack is about other actions. Then what a hit costs: a rule that
looks and changes nothing, one that changes a value, an adapter. The cases take turns, in small
steps, so that a disturbance hits all alike; every case has several sessions, for where one lies in memory
counts too. The figures are medians.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from gateway.api import Adapter, Match, Memory, Message, charger_call
from gateway.dialect.library import Library
from gateway.dialect.reader import Mode, Reader
from gateway.dialect.rules.pack import Pack, read_pack
from gateway.dialect.rules.rule import Use
from gateway.dialect.station import Station
from gateway.ocpp.message import Version
from gateway.plugins import bounded_by
from gateway.session import events as ev
from gateway.session.session import ChargerSession, SessionSettings
from gateway.session.tally import Tally

RESULTS = Path(__file__).parent / "results" / "rules.json"
BUDGET = 0.05
COUNTS = (0, 100, 1000)
RULES_PER_PACK = 10
SESSIONS = 20
WALL_S = 1_795_248_000.0

PACK = """
pack = 1
name = "brand-{number}"
summary = "Made up."
[match]
vendor = "brand {number} *"
{rules}
[[test]]
name = "clean"
kind = "charger_call"
given = '[2,"1","Heartbeat",{{}}]'
want = '[2,"1","Heartbeat",{{}}]'
flags = []
"""
RULE = """
[[rule]]
name = "rule-{number}"
why = "To be measured."
source = "none"
on = {{ charger_call = "{action}" }}
at = "{at}"
where = {{ {where} }}
do = [{{ map = "{member}", using = {{ Odd = "Even" }} }}]
"""
METER = (
    '[2,"%d","MeterValues",{"connectorId":1,"transactionId":4711,"meterValue":[{"timestamp":'
    '"2026-11-21T08:00:00Z","sampledValue":[{"value":"1234567","context":"Sample.Periodic","measurand":'
    '"Energy.Active.Import.Register","unit":"Wh"},{"value":"11040.5","measurand":"Power.Active.Import","unit":"W"},'
    '{"value":"16.0","measurand":"Current.Import","phase":"L1","unit":"A"}]}]}]'
)


def pack(number: int, action: str = "StatusNotification", at: str = "", member: str = "status") -> Pack:
    """A pack of ten rules for stations of `brand {number}`."""
    where = f'{member} = "Odd"'
    rules = "".join(
        RULE.format(number=index, action=action, at=at, where=where, member=member)
        for index in range(RULES_PER_PACK)
    )
    return read_pack(PACK.format(number=number, rules=rules), "benchmark")


class Idle(Adapter):
    """Takes every MeterValues and gives it back."""

    match = Match(vendor="idle*")

    @charger_call("MeterValues")
    def look(self, call: Message, memory: Memory) -> Message:
        return call


class Busy(Adapter):
    """Changes every MeterValues."""

    match = Match(vendor="busy*")

    @charger_call("MeterValues")
    def change(self, call: Message, memory: Memory) -> Message:
        memory["count"] = memory.get("count", 0) + 1
        return call.with_field("connectorId", 2)


def library(rules: int, *more: Pack) -> Library:
    packs = [pack(number) for number in range(rules // RULES_PER_PACK)]
    adapters = [(one, Use.REPAIR) for one in (Idle(), Busy())]
    return Library([(one, Use.REPAIR) for one in [*packs, *more]], adapters, bounded_by(0.1))


class Bench:
    """One session of a charger of this vendor."""

    def __init__(self, library: Library, vendor: str) -> None:
        reader = Reader(Version.V16)
        settings = SessionSettings(message_cost_s=0.0)
        self.session = ChargerSession("CP1", settings, Tally(), reader, WALL_S)
        brand = library.brand("CP1", Station(vendor, "Model", "1.0"))
        self.session.dialect_of = lambda _: (Mode.REPAIR, None, brand)
        self.session.recall(Station(vendor, "Model", "1.0"))
        self.session.handle(ev.BackendOpened(1), 0.0)
        self.session.handle(ev.ChargerOpened(1, Version.V16), 0.0)
        self.number = 0

    def run(self, messages: int, meter: str) -> float:
        """Seconds of processor time per CALL and its answer."""
        numbers = range(self.number, self.number + messages)
        self.number += messages
        calls = [(meter % number).encode() for number in numbers]
        answers = [b'[3,"%d",{}]' % number for number in numbers]
        session = self.session
        begin = time.process_time()
        for asked, answered in zip(calls, answers, strict=True):
            session.charger_frame(1, asked, False, 1.0)
            session.backend_frame(1, answered, False, 1.0)
        return (time.process_time() - begin) / messages


def cases() -> dict[str, Callable[[int], float]]:
    """What is measured, by name."""
    sample = {"action": "MeterValues", "at": "meterValue[].sampledValue[]", "member": "context"}
    hits = library(0, pack(900, **sample))
    found: dict[str, Callable[[int], float]] = {}

    def case(name: str, of: Library, vendor: str, meter: str = METER) -> None:
        benches = cycle([Bench(of, vendor) for _ in range(SESSIONS)])
        found[name] = lambda messages: next(benches).run(messages, meter)

    for count in COUNTS:
        loaded = library(count)
        case(f"{count} rules, none for this station", loaded, "Other")
        if count:
            case(f"{count} rules, ten for this station and other actions", loaded, "Brand 7 x")
    case("ten rules look at it, none holds", hits, "Brand 900 x")
    case("ten rules look at it, one changes it", hits, "Brand 900 x", METER.replace("Sample.Periodic", "Odd"))
    case("without that rule the same message", hits, "Other", METER.replace("Sample.Periodic", "Odd"))
    case("an adapter looks at it", hits, "Idle")
    case("an adapter changes it", hits, "Busy")
    return found


def measure(rounds: int, messages: int) -> dict[str, float]:
    """Name → median µs of processor time per CALL and its answer."""
    every = cases()
    taken: dict[str, list[float]] = {name: [] for name in every}
    for run in every.values():
        run(messages)
    gc.collect()
    gc.disable()
    names = list(every)
    for turn in range(rounds):
        Random(turn).shuffle(names)  # what ran before leaves its traces in the caches
        for name in names:
            taken[name].append(every[name](messages))
    gc.enable()
    return {name: median(times) * 1e6 for name, times in taken.items()}


def verdicts(found: dict[str, float]) -> list[str]:
    """The budget of the README, held or broken."""
    base = found["0 rules, none for this station"]
    lines = []
    for name, cost in found.items():
        if " rules, " in name and not name.startswith(("0 ", "ten")):
            more = cost / base - 1
            lines.append(
                f"{'held  ' if more < BUDGET else 'BROKEN'} {name}: {more:+.1%}; {BUDGET:.0%} is the budget"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.rules", description=__doc__)
    parser.add_argument("--rounds", type=int, default=400, help="turns of every case")
    parser.add_argument("--messages", type=int, default=200, help="messages per turn")
    parser.add_argument("--quick", action="store_true", help="a smoke run of some seconds")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rounds = 60
    found = measure(chosen.rounds, chosen.messages)
    base = found["0 rules, none for this station"]
    for name, cost in found.items():
        print(f"{cost:7.2f} µs  {cost - base:+7.2f} µs  {name}")
    print(*verdicts(found), sep="\n")
    results: dict[str, Any] = {"options": vars(chosen), "us_per_round_trip": found}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1))
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
