"""`ocpp-gateway outages`: when the backend was away, and what was stored meanwhile."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from gateway.cli.lookup import Table, add_source, count, shown, source
from gateway.cli.outbox import span

COLUMNS = ("BEGIN", "LASTED", "BACKEND", "CHARGERS", "MESSAGES", "ENERGY kWh", "REASON")
WIDEST = (20, 12, 24, 8, 10, 12, 60)


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "outages",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Show when the backend was away, the newest last; energy is what chargers reported "
        "meanwhile.",
        epilog="example: ocpp-gateway outages --limit 5",
    )
    parser.add_argument("--limit", type=count, default=20, metavar="N", help="how many at most (20)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_source(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    with source(arguments) as lookup:
        found = lookup.outages(arguments.limit)[::-1]
    if arguments.json:
        for row in found:
            print(json.dumps(row, ensure_ascii=False))
    elif not found:
        print("the backend was never away", file=sys.stderr)
    else:
        print("\n".join(Table(COLUMNS, WIDEST).lines([_row(row, time.time()) for row in found])))
    return 0


def _row(row: dict[str, Any], now: float) -> tuple[str, ...]:
    lasted = span((row["end"] or now) - row["begin"]) + ("" if row["end"] else " so far")
    return (
        datetime.fromtimestamp(row["begin"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        lasted,
        shown(row["backend"]),
        str(row["chargers"]),
        str(row["messages"]),
        f"{row['energy_wh'] / 1000:.3f}",
        shown(row["reason"]),
    )
