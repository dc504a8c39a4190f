"""`python -m benchmarks [NAME] [--quick]`: every benchmark there is, or one of them."""

import argparse

from benchmarks import dirty, fanout, outage, relay, rules, store, translate

BENCHMARKS = {
    "relay": relay.main,
    "outage": outage.main,
    "dirty": dirty.main,
    "fanout": fanout.main,
    "store": store.main,
    "translate": translate.main,
    "rules": rules.main,
}

parser = argparse.ArgumentParser(
    prog="benchmarks", description=__doc__, epilog="More options: python -m benchmarks.NAME --help"
)
parser.add_argument("name", nargs="?", choices=list(BENCHMARKS), help="which one (all)")
parser.add_argument("--quick", action="store_true", help="smoke runs of less than a minute each")
chosen = parser.parse_args()
for name in [chosen.name] if chosen.name else BENCHMARKS:
    print(f"== {name}")
    BENCHMARKS[name](["--quick"] if chosen.quick else [])
