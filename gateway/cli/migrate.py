"""`ocpp-gateway migrate`: move chargers from one backend to another while they stay connected."""

import argparse
import json
import sys
from typing import Any

from gateway.cli.lookup import Table, add_source, add_verbs, client, declined, shown

VERBS = {
    "plan": "show what a migration would do, and do nothing",
    "start": "begin a migration, or take it further; with --shadow the new backend only listens",
    "status": "show migrations, how far their chargers are, and how the new backend's answers differ",
    "stop": "give the chargers back to the backends that led them before",
    "end": "forget a migration whose chargers the routes give to the new backend now, or have back",
}
COLUMNS = ("NAME", "TO", "STAGE", "CHARGERS", "COMPARED", "DIFFERENT")
WIDEST = (32, 32, 8, 60, 10, 10)
EXAMPLES = """\
examples:
  ocpp-gateway migrate plan spring --to new-cpms --percent 10
  ocpp-gateway migrate start spring --to new-cpms --percent 10 --shadow
  ocpp-gateway migrate start spring --to new-cpms --percent 10
  ocpp-gateway migrate status spring
  ocpp-gateway migrate stop spring
  ocpp-gateway migrate end spring
"""


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "migrate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Move chargers of the running gateway to another leading backend. No socket is closed.",
        epilog=EXAMPLES,
    )
    verbs = add_verbs(parser, VERBS)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == "status":
            verb.add_argument("name", nargs="?", default="", metavar="NAME", help="only this one, in full")
        else:
            verb.add_argument("name", metavar="NAME", help="what the migration is called")
        if name in ("plan", "start"):
            _add_choice(verb)
        if name == "start":
            verb.add_argument("--shadow", action="store_true", help="let the new backend only listen")
        verb.add_argument("--json", action="store_true", help="the answer as JSON")
        add_source(verb, reads=False)
        verb.set_defaults(run=run, verb=name)


def _add_choice(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--to", required=True, metavar="BACKEND", help="who is to lead, by name")
    verb.add_argument(
        "--charger", action="append", metavar="GLOB", help="ids that are moved (all); may be given again"
    )
    verb.add_argument(
        "--label", action="append", metavar="LABEL", help="only with this label; may be given again"
    )
    verb.add_argument(
        "--percent",
        type=float,
        default=100.0,
        metavar="N",
        help="about this share of them, by a hash of their ids: always the same ones (100)",
    )
    verb.add_argument(
        "--at-once", action="store_true", help="do not wait until a charger's transactions have ended"
    )


def run(arguments: argparse.Namespace) -> int:
    admin, verb = client(arguments), arguments.verb
    if verb == "status":
        path = f"/migrations/{arguments.name}" if arguments.name else "/migrations"
        found = declined(lambda: admin.get(path))
    else:
        content = _choice(arguments) if verb in ("plan", "start") else {}
        found = declined(lambda: admin.post(f"/migrations/{arguments.name}/{verb}", content))
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
    elif "migrations" in found:
        _print_all(found["migrations"])
    elif verb == "plan":
        if not found["chargers"]:
            print(
                f"no charger that is connected would move: {found['not_chosen']} are not chosen, "
                f"{found['already_led']} are led by {arguments.to} already; "
                "check --charger, --label and --percent, and who is connected (GET /api/v1/chargers)",
                file=sys.stderr,
            )
            return 0
        print("\n".join(shown(line) for line in found["lines"]))
    elif found.get("ended"):
        print(f"{arguments.name} is forgotten; routes alone say who leads", file=sys.stderr)
    else:
        _print_one(found)
        if verb == "start" and not found["states"]:
            print(
                "no charger that is connected is among them; those that connect later will be",
                file=sys.stderr,
            )
    return 0


def _choice(arguments: argparse.Namespace) -> dict[str, Any]:
    stage = {"stage": "shadow" if arguments.shadow else "moving"} if arguments.verb == "start" else {}
    return {
        "to": arguments.to,
        "chargers": arguments.charger or ["*"],
        "labels": arguments.label or [],
        "percent": arguments.percent,
        "wait_for_transactions": not arguments.at_once,
        **stage,
    }


def _print_all(found: list[dict[str, Any]]) -> None:
    if not found:
        print("no migration is going on", file=sys.stderr)
        return
    rows = [
        (
            *(one["name"], one["to"], one["stage"], _states(one)),
            *(str(one["compared"]), str(one["different"])),
        )
        for one in found
    ]
    print("\n".join(Table(COLUMNS, WIDEST).lines(rows)))


def _print_one(one: dict[str, Any]) -> None:
    print(f"{one['name']} to {one['to']}: {one['stage']}; {_states(one)}")
    for charger in one["waiting"]:
        print(f"  {shown(charger['charger'])} {charger['state']}: {shown(charger['reason'])}")
    if one["compared"]:
        print(f"{one['compared']} answers compared, {one['different']} differ")
        print("\n".join(shown(line) for line in one["lines"]))


def _states(one: dict[str, Any]) -> str:
    return ", ".join(f"{count} {state}" for state, count in one["states"].items()) or "no charger yet"
