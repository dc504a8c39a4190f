"""`python -m tests.torture`: kill the gateway at every failpoint, at several hits, with several seeds.

A failing run prints what is wrong and the command that repeats it.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from time import monotonic

from gateway.net.failpoints import points
from tests.torture.run import Report, run

HITS = (1, 2, 7)


def one(job: tuple[str, int]) -> Report:
    return asyncio.run(run(*job))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.torture", description=__doc__)
    parser.add_argument("--points", nargs="*", choices=list(points()), help="which ones (all)")
    parser.add_argument("--hits", type=int, nargs="*", default=HITS, help="when they strike (1 2 7)")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each (2)")
    parser.add_argument("--action", default="kill", choices=["kill", "pause", "error"])
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="runs at the same time (a core each)"
    )
    chosen = parser.parse_args(arguments)
    jobs = [
        (f"{point}@{hit}:{chosen.action}", seed)
        for seed in range(1, chosen.seeds + 1)
        for hit in chosen.hits
        for point in chosen.points or points()
    ]
    print(f"{len(jobs)} runs, {chosen.jobs} at a time", flush=True)
    began_at = monotonic()
    reports: list[Report] = []
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for report in pool.map(one, jobs):
            reports.append(report)
            say(report, len(reports), len(jobs))
    print(*table(reports), sep="\n")
    print(f"{monotonic() - began_at:.0f} s")
    return int(any(report.faults for report in reports))


def say(report: Report, number: int, total: int) -> None:
    """A line per failing run, and now and then how far it is."""
    if report.faults:
        print(f"FAILED {report.spec} seed {report.seed}")
        print(*(f"  {fault}" for fault in report.faults[:8]), sep="\n")
        print(f"  again: python -m tests.torture.run '{report.spec}' {report.seed}", flush=True)
    if number % 20 == 0 or number == total:
        failed = "" if not report.faults else ", the last one failed"
        print(f"{number} of {total}{failed}", flush=True)


def table(reports: list[Report]) -> list[str]:
    """Per step: runs, how many struck, messages, duplicates, and faults by kind."""
    steps: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        steps[report.spec.partition("@")[0].partition("-")[2]].append(report)
    steps["ALL"] = reports
    lines = [f"{'step':20} {'runs':>5} {'died':>5} {'messages':>9} {'repeated':>9} {'failed':>7}"]
    for step, rows in steps.items():
        died = sum(report.crashes > 0 for report in rows)
        messages, repeated = (sum(getattr(r, name) for r in rows) for name in ("messages", "duplicates"))
        failed = sum(bool(report.faults) for report in rows)
        lines.append(f"{step:20} {len(rows):5} {died:5} {messages:9} {repeated:9} {failed:7}")
    kinds = Counter(
        word for report in reports for fault in report.faults for word in fault.split() if word.isupper()
    )
    return [*lines, f"faults: {dict(kinds) or 'none'}"]


if __name__ == "__main__":
    sys.exit(main())
