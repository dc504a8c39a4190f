"""`ocpp-gateway quarantine`: messages that were kept for a person instead of forwarded."""

import argparse
import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway.cli import Mistake
from gateway.cli.inspect import DIRECTIONS
from gateway.cli.lookup import Lookup, Table, add_source, add_verbs, client, count, declined, shown, source

PAGE = 100
COLUMNS = ("ID", "TIME", "STATE", "REVENUE", "CHARGER", "ACTION", "FLAGS", "BYTES")
WIDEST = (16, 20, 9, 7, 24, 28, 60, 8)
VERBS = {
    "list": "show what there is, the newest last",
    "show": "show one message with its bytes",
    "retry": "send messages through the running gateway once more",
    "discard": "say that nobody needs these messages",
    "export": "write messages as JSON lines that `inspect` reads",
}
STATES = ("open", "retried", "discarded", "delivered")


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "quarantine",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Look at messages that were kept instead of forwarded; try them again, or discard them.",
        epilog="example: ocpp-gateway quarantine export --charger CP-17 | ocpp-gateway inspect -",
    )
    verbs = add_verbs(parser, VERBS)
    listing, showing, retrying, discarding, exporting = (
        verbs.add_parser(name, help=summary, description=summary.capitalize() + ".")
        for name, summary in VERBS.items()
    )
    for verb in (listing, exporting):
        verb.add_argument("--state", default="", choices=STATES, help="only those that are in this state")
        verb.add_argument("--charger", default="", metavar="ID", help="only those of this charger")
    listing.add_argument("--limit", type=count, default=100, metavar="N", help="how many at most (100)")
    showing.add_argument("id", metavar="ID", help="as `quarantine list` shows it, or how it begins")
    for verb in (retrying, discarding):
        verb.add_argument(
            "ids", nargs="+", metavar="ID", help="as `quarantine list` shows them, or how they begin"
        )
    retrying.add_argument(
        "--repaired", default="", metavar="FILE", help="send this frame in place of the one message named"
    )
    discarding.add_argument("--reason", default="", metavar="TEXT", help="why; it is kept with the message")
    for verb, run in (
        (listing, run_list),
        (showing, run_show),
        (retrying, run_retry),
        (discarding, run_discard),
        (exporting, run_export),
    ):
        if verb is not exporting:
            verb.add_argument("--json", action="store_true", help="JSON, one object per line")
        add_source(verb, reads=verb not in (retrying, discarding))
        verb.set_defaults(run=run)


def run_list(arguments: argparse.Namespace) -> int:
    with source(arguments) as lookup:
        found = list(_entries(lookup, arguments, arguments.limit, with_raw=False))[::-1]
    if arguments.json:
        _print_json(found)
    elif found:
        print("\n".join(Table(COLUMNS, WIDEST).lines([_row(entry) for entry in found])))
    else:
        print("nothing is in quarantine", file=sys.stderr)
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    with source(arguments) as lookup:
        entry = lookup.quarantine_entry(arguments.id)
    if entry is None:
        raise Mistake(
            f"no message {arguments.id!r} is in quarantine, or several begin so; "
            "see: ocpp-gateway quarantine list"
        )
    if arguments.json:
        _print_json([entry])
        return 0
    raw = b64decode(entry.pop("raw_base64"))
    entry |= {"time": _time(entry["time"]), "flags": ", ".join(entry["flags"])}
    for name, value in entry.items():
        if name not in ("raw", "number"):
            print(f"{name + ':':<16} {shown(str(value))}")
    print(f"{'raw:':<16} {shown(raw.decode(errors='backslashreplace'), most=len(raw) * 6)}")
    return 0


def run_retry(arguments: argparse.Namespace) -> int:
    """0 when a backend has processed all of them now."""
    content: dict[str, Any] = {}
    if arguments.repaired:
        if len(arguments.ids) > 1:
            raise Mistake("--repaired: a frame stands for one message; name one ID")
        try:
            content["raw"] = Path(arguments.repaired).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Mistake(f"{arguments.repaired}: cannot be read as text: {error}") from None
    return _each(arguments, "retry", content, lambda answer: answer["state"] == "delivered")


def run_discard(arguments: argparse.Namespace) -> int:
    return _each(arguments, "discard", {"reason": arguments.reason}, lambda _: True)


def run_export(arguments: argparse.Namespace) -> int:
    """In the order in which they came: a look at all of them without their bytes says where pages begin."""
    with source(arguments) as lookup:
        numbers = [entry["number"] for entry in _entries(lookup, arguments, sys.maxsize, with_raw=False)]
        for end in range(len(numbers), 0, -PAGE):
            page = numbers[max(0, end - PAGE) : end]
            found = _entries(lookup, arguments, len(page), with_raw=True, before=page[0] + 1)
            for entry in reversed([one for one in found if one["number"] in page]):
                print(json.dumps(_exported(entry), ensure_ascii=False))
    return 0


def _each(arguments: argparse.Namespace, verb: str, content: dict[str, Any], succeeded: Any) -> int:
    """One after the other; a message that cannot be done does not keep the others from it."""
    status = 0
    admin = client(arguments)
    for id_ in arguments.ids:
        try:
            answer = declined(partial(admin.post, f"/quarantine/{id_}/{verb}", content))
        except Mistake as mistake:
            print(f"{id_}: {mistake}", file=sys.stderr)
            status = 1
            continue
        status = status if succeeded(answer) else 1
        if arguments.json:
            _print_json([answer])
        else:
            print(f"{id_}: {answer['state']}  {shown(str(answer.get('outcome', '')))}".rstrip())
    return status


def _entries(
    lookup: Lookup,
    arguments: argparse.Namespace,
    limit: int,
    with_raw: bool,
    before: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Newest first, page by page; `before`: those with a smaller number."""
    left = limit
    while left > 0:
        page = lookup.quarantine(
            state=arguments.state,
            charger=arguments.charger,
            before=before,
            limit=min(PAGE, left),
            with_raw=with_raw,
        )
        yield from page
        if not page:
            return
        before, left = page[-1]["number"], left - len(page)


def _exported(entry: dict[str, Any]) -> dict[str, Any]:
    """The fields of an entry under the names that `ocpp-gateway inspect` knows, and the rest as it is."""
    raw, base64 = entry.pop("raw"), entry.pop("raw_base64")
    entry |= {"raw": raw} if raw is not None else {"raw": base64, "encoding": "base64"}
    return entry | {"direction": DIRECTIONS[entry["sender"]], "received_at": _time(entry["time"])}


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        shown(entry["id"]),
        _time(entry["time"]),
        entry["state"],
        "yes" if entry["carries_revenue"] else "no",
        shown(entry["charger"]),
        shown(entry["action"]),
        shown(", ".join(entry["flags"])),
        str(entry["raw_bytes"]),
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_json(objects: list[dict[str, Any]]) -> None:
    for one in objects:
        print(json.dumps(one, ensure_ascii=False))
