"""`python -m tests.simulation SEED` tells a seed's story; `--seeds N` lives through many and counts."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.promises import Violation
from tests.simulation.several import SeveralWorld
from tests.simulation.translated import TranslatedWorld
from tests.simulation.world import BEGIN_S, World, live

BLOCK = 50


def story(seed: int, kind: type[World]) -> int:
    """Print everything that happens in one seed."""
    world = kind(seed, tells=True)
    try:
        world.live()
    except Violation as problem:
        world.tell("not so:", str(problem))
        return 1
    finally:
        print("\n".join(world.told or []))
        print(world.promises.counts())
    return 0


def block(first: int, last: int, kind: type[World]) -> tuple[Counter[str], list[str]]:
    """Live through some seeds: what was counted, what was broken."""
    counts: Counter[str] = Counter()
    broken = []
    for seed in range(first, last):
        try:
            world = live(seed, kind=kind)
        except Violation as problem:
            broken.append(str(problem))
            continue
        counts.update(world.promises.counts())
        counts.update({"seeds": 1, "steps": world.steps, "seconds": round(world.now - BEGIN_S)})
    return counts, broken


def many(first: int, seeds: int, jobs: int, most: int, kind: type[World]) -> int:
    """Live through many seeds; a table, and the first lines of what was broken."""
    begin = time.monotonic()
    total: Counter[str] = Counter()
    broken: list[str] = []
    ends = [min(start + BLOCK, first + seeds) for start in range(first, first + seeds, BLOCK)]
    with ProcessPoolExecutor(jobs) as pool:
        for counts, problems in pool.map(partial(block, kind=kind), range(first, first + seeds, BLOCK), ends):
            total += counts
            broken += problems
            lived = total["seeds"] + len(broken)
            print(
                f"\r{lived:,} of {seeds:,} seeds, {len(broken)} broken", end="", file=sys.stderr, flush=True
            )
    print(file=sys.stderr)
    for problem in broken[:most]:
        print(problem, end="\n\n")
    took_s = time.monotonic() - begin
    for name, count in total.items():
        print(f"{name:>14} {count:>14,}")
    print(f"{'hours':>14} {total['seconds'] / 3600:>14,.0f} simulated in {took_s:,.0f} s on {jobs} processes")
    print(f"{'broken':>14} {len(broken):>14,}")
    for problem in broken:
        print(problem.splitlines()[0][:140])
    return 1 if broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=0, help="the seed, or the first of --seeds")
    parser.add_argument("--seeds", type=int, default=0, help="how many")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--stories", type=int, default=1, help="how many broken seeds to tell of")
    parser.add_argument("--translated", action="store_true", help="a backend of another version")
    parser.add_argument("--several", action="store_true", help="several backends for every charger")
    options = parser.parse_args()
    kind = SeveralWorld if options.several else TranslatedWorld if options.translated else World
    if options.seeds:
        return many(options.seed, options.seeds, options.jobs, options.stories, kind)
    return story(options.seed, kind)


if __name__ == "__main__":
    sys.exit(main())
