"""`ocpp-gateway backends`: which backends there are, how they are, and whose chargers they have."""

import argparse
import json
import time
from typing import TYPE_CHECKING, Any

from gateway.cli import Mistake
from gateway.cli.lookup import Running, Table, add_source, client, connected, declined, shown
from gateway.cli.outbox import span

if TYPE_CHECKING:
    from gateway.admin.client import AdminClient

COLUMNS = ("BACKEND", "STATE", "VERSIONS", "LEADS", "FOLLOWS", "LINKS", "WAITING", "OLDEST")
WIDEST = (32, 110, 15, 8, 8, 8, 10, 12)
OF_CHARGER = ("BACKEND", "ROLE", "VERSION", "LINK", "WAITING", "TRANSACTIONS")
WIDEST_OF_CHARGER = (32, 8, 8, 8, 10, 60)


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "backends",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Show every backend of the running gateway, or those of one charger.",
        epilog="example: ocpp-gateway backends --charger CP-17",
    )
    parser.add_argument("--charger", default="", metavar="ID", help="this charger's backends")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_source(parser, reads=False)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    admin = client(arguments)
    if arguments.charger:
        rows = _charger(admin, arguments.charger)["backends"]
        table = Table(OF_CHARGER, WIDEST_OF_CHARGER).lines([_of_charger(row) for row in rows])
    else:
        rows = declined(lambda: admin.get("/backends"))["backends"]
        table = Table(COLUMNS, WIDEST).lines([_row(row, time.time()) for row in rows])
    print(
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) if arguments.json else "\n".join(table)
    )
    return 0


def _charger(admin: "AdminClient", id_: str) -> dict[str, Any]:
    """What is known of a charger. Errors: Mistake, with what waits for one that is not connected."""
    found = connected(admin, id_)
    if found is None:
        rows = [row for row in Running(admin).outbox() if row["charger"].casefold() == id_.casefold()]
        waits = "".join(f"; messages that wait for {row['backend']}: {row['messages']}" for row in rows)
        raise Mistake(f"{id_} is not connected{waits or ', and nothing waits for it'}")
    return found


def _row(row: dict[str, Any], now: float) -> tuple[str, ...]:
    state = row["state"] + (f": {shown(row['reason'])}" if row["reason"] else "")
    if row["next_try"]:
        state += f"; next try in {span(max(0.0, row['next_try'] - now))}"
    oldest = span(now - row["oldest"]) if row["oldest"] else ""
    counts = (str(row[name]) for name in ("leads", "follows", "links", "messages"))
    return row["name"], state, " ".join(row["versions"]), *counts, oldest


def _of_charger(row: dict[str, Any]) -> tuple[str, ...]:
    """Open transactions as the charger's id and, where it is another one, the backend's."""
    ids = [
        str(one["charger_id"]) if one["backend_id"] in (None, one["charger_id"]) else _pair(one)
        for one in row["transactions"]
        if one["ended_at"] is None
    ]
    known = shown(", ".join(ids))
    return row["name"], row["role"], row["version"], row["link"], str(row["stored_messages"]), known


def _pair(one: dict[str, Any]) -> str:
    return f"{one['charger_id']} (its {one['backend_id']})"
