"""`ocpp-gateway translate`: what becomes of a capture when its backend speaks another version."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from gateway.cli import Mistake

VERSIONS = ("1.6", "2.0.1", "2.1")


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "translate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Show a capture as the other end would see it: every frame before and after, and what\n"
        'was lost. The input is one frame per line, or JSON lines with the frame in "raw" and its\n'
        '"direction" (charger_to_backend or backend_to_charger). Of the captured answers only the\n'
        "transaction ids count; what the translation asks is answered as accepted.",
        epilog="example: ocpp-gateway translate capture.txt --from 1.6 --to 2.0.1",
    )
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="where the frames are; - is standard input"
    )
    parser.add_argument(
        "--from", dest="charger", choices=VERSIONS, required=True, help="the charger's version"
    )
    parser.add_argument("--to", dest="backend", choices=VERSIONS, required=True, help="the backend's version")
    parser.add_argument("--json", action="store_true", help="one JSON line per frame instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from gateway.cli.inspect import read, records
    from gateway.ocpp.message import Version
    from gateway.translate.rehearsal import Rehearsal, transaction_ids

    charger, backend = Version(arguments.charger), Version(arguments.backend)
    if charger is backend:
        raise Mistake(f"both speak {charger}: there is nothing to translate")
    rehearsal = Rehearsal(charger, backend)
    captured = [record or {} for record in records(read(arguments.file))]
    frames = [_frame(record) for record in captured]
    ids = transaction_ids(frames)
    for place, (record, frame) in enumerate(zip(captured, frames, strict=True)):
        number = place + 1
        try:
            by_backend = record.get("direction") == "backend_to_charger"
            report = rehearsal.frame(frame, by_backend, ids.get(place))
        except (ValueError, TypeError, LookupError):
            raise Mistake(f"frame {number}: is not a frame of OCPP; repair it first: inspect") from None
        print(json.dumps(report, ensure_ascii=False) if arguments.json else "\n".join(_lines(number, report)))
    return 0


def _frame(record: dict[str, Any]) -> Any:
    """The frame as JSON value; None when it is not JSON."""
    try:
        return json.loads(record.get("raw", ""))
    except ValueError:
        return None


def _lines(number: int, report: dict[str, Any]) -> Iterator[str]:
    from gateway.cli.inspect import safe

    yield f"{number}: {safe(report['action'])} from the {report['sender']}"
    yield f"  before   {safe(json.dumps(report['before'], ensure_ascii=False))}"
    for end in ("backend", "charger"):
        for frame in report[f"to_{end}"]:
            yield f"  {end:<8} {safe(json.dumps(frame, ensure_ascii=False))}"
    for loss in report["lost"]:
        told = (loss["code"], loss["path"], loss["value"][:60], loss["became"] and f"→ {loss['became'][:60]}")
        yield f"  {loss['severity']:<8} " + "  ".join(safe(part) for part in told if part)
