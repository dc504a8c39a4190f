"""`ocpp-gateway flags`: what was wrong with messages, newest last."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from gateway.cli import Mistake
from gateway.cli.lookup import Lookup, Table, add_source, changed, count, shown, source

FOLLOW_S = 1.0
PAGE = 1000
FILTERS = ("code", "brand", "firmware", "charger", "severity")
SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
COLUMNS = ("TIME", "SEVERITY", "CHARGER", "CODE", "ACTION", "PATH", "BEFORE → AFTER")
WIDEST = (20, 8, 24, 42, 28, 44, 60)


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "flags",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Show what was wrong with messages, the newest last.",
        epilog="example: ocpp-gateway flags --charger CP-17 --since 2h --severity error",
    )
    parser.add_argument(
        "--code", type=_code, default="", help="such as schema-violation; all are in docs/flags.md"
    )
    parser.add_argument("--brand", default="", help="the charger's vendor as it names itself")
    parser.add_argument("--firmware", default="", help="the charger's firmware version")
    parser.add_argument("--charger", default="", metavar="ID", help="the charger's id")
    parser.add_argument(
        "--severity", default="", choices=("info", "warning", "error"), help="only flags this grave"
    )
    parser.add_argument("--since", default="", metavar="TIME", help="2h, 30m, 7d, or 2026-11-21T07:00:00Z")
    parser.add_argument(
        "--until", default="", metavar="TIME", help="only flags before that; given as for --since"
    )
    parser.add_argument("--limit", type=count, default=100, metavar="N", help="how many at most (100)")
    parser.add_argument("--follow", action="store_true", help="go on showing new ones until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_source(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    now = time.time()
    query: dict[str, Any] = {name: getattr(arguments, name) for name in FILTERS}
    query |= {"since": moment(arguments.since, now), "until": moment(arguments.until, now)}
    with source(arguments) as lookup:
        found = newest(lookup, query, arguments.limit)
        table = None if arguments.json else Table(COLUMNS, WIDEST)
        show(found, table)
        if not found and not arguments.json:
            print("no flags", file=sys.stderr)
        if arguments.follow:
            after = found[-1]["number"] if found else 0
            for more in follow(lookup, query, after, time.sleep):
                show(more, table)
                sys.stdout.flush()
    return 0


def _code(text: str) -> str:
    from gateway.ocpp.flags import FlagCode, no_flag

    if text and text not in list(FlagCode):
        raise argparse.ArgumentTypeError(no_flag(text))
    return text


def newest(lookup: Lookup, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """The newest `limit` flags, oldest first."""
    found: list[dict[str, Any]] = []
    before = None
    while len(found) < limit:
        page = lookup.flags(**query, before=before, limit=min(PAGE, limit - len(found)))
        found += page
        if not page:
            break
        before = page[-1]["number"]
    return found[::-1]


def follow(
    lookup: Lookup, query: dict[str, Any], after: int, pause: Callable[[float], None]
) -> Iterator[list[dict[str, Any]]]:
    """What comes in after the flag of that number, as it comes."""
    while True:
        page = lookup.flags(**query, after=after, limit=PAGE)
        if page:
            after = page[-1]["number"]
            yield page
        if len(page) < PAGE:
            pause(FOLLOW_S)


def show(flags: list[dict[str, Any]], table: Table | None) -> None:
    """As further rows of the table, or without one as JSON."""
    if table is None:
        for flag in flags:
            print(json.dumps(flag, ensure_ascii=False))
    elif flags:
        print("\n".join(table.lines([_row(flag) for flag in flags])))


def moment(text: str, now: float) -> float | None:
    """Seconds since 1970: from a span before `now` (`2h`), or a time; None for "". Errors: Mistake."""
    from gateway.admin.answers import seconds_since_1970

    if not text:
        return None
    span = SPAN.fullmatch(text)
    try:
        return now - float(span[1]) * UNITS[span[2]] if span else seconds_since_1970(text)
    except ValueError:
        raise Mistake(
            f"{text}: give a span such as 30m, 2h or 7d, or a time such as 2026-11-21T07:00:00Z"
        ) from None


def _row(flag: dict[str, Any]) -> tuple[str, ...]:
    from gateway.ocpp.flags import labelled

    return (
        datetime.fromtimestamp(flag["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        *(shown(flag[name]) for name in ("severity", "charger")),
        shown(labelled(flag["code"], flag["author"])),
        *(shown(flag[name]) for name in ("action", "path")),
        shown(changed(flag)),
    )
