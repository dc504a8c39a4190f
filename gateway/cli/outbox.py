"""`ocpp-gateway outbox`: what waits for the backend, by charger."""

import argparse
import json
import sys
import time
from typing import Any

from gateway.cli.lookup import Table, add_source, shown, source

COLUMNS = ("CHARGER", "BACKEND", "MESSAGES", "BYTES", "OLDEST", "STATE")
WIDEST = (64, 32, 8, 12, 12, 90)


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "outbox",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Show how many messages wait for the backends, charger by charger.",
        epilog="example: ocpp-gateway outbox --charger CP-17",
    )
    parser.add_argument("--charger", default="", metavar="ID", help="only this charger's")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_source(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    with source(arguments) as lookup:
        found = lookup.outbox()
    wanted = arguments.charger.casefold()
    found = [row for row in found if not wanted or row["charger"].casefold() == wanted]
    if arguments.json:
        for row in found:
            print(json.dumps(row, ensure_ascii=False))
        return 0
    if not found:
        print("nothing waits", file=sys.stderr)
        return 0
    print("\n".join(Table(COLUMNS, WIDEST).lines([_row(row, time.time()) for row in found])))
    chargers = len({row["charger"] for row in found})
    print(f"{sum(row['messages'] for row in found)} messages of {chargers} chargers", file=sys.stderr)
    return 0


def _row(row: dict[str, Any], now: float) -> tuple[str, ...]:
    age = span(now - row["oldest"])
    counts = str(row["messages"]), str(row["bytes"])
    state = row.get("state", "")
    if row.get("tries"):
        state += f", tried {row['tries']}×" + (f": {shown(row['error'])}" if row["error"] else "")
    return shown(row["charger"]), row["backend"], *counts, age, state


def span(seconds: float) -> str:
    """A length of time for people: `42s`, `12m`, `3h10m`, `2d4h`."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if minutes < 1:
        return f"{max(0, round(seconds))}s"
    if hours < 1:
        return f"{minutes}m"
    return f"{hours}h{minutes % 60}m" if days < 1 else f"{days}d{hours % 24}h"
