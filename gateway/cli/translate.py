"""`ocpp-gateway translate`: what becomes of a capture when its backend speaks another version."""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gateway.cli import Mistake
from gateway.cli.inspect import DIRECTIONS
from gateway.cli.lookup import changed

if TYPE_CHECKING:
    from gateway.dialect.rules.replay import Replay

VERSIONS = ("1.6", "2.0.1", "2.1")
BY_CHARGER, BY_BACKEND = DIRECTIONS.values()


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
    from gateway.dialect.rules.replay import Replay, data_of
    from gateway.ocpp.message import Version
    from gateway.translate.rehearsal import Rehearsal, transaction_ids

    charger, backend = Version(arguments.charger), Version(arguments.backend)
    if charger is backend:
        raise Mistake(f"both speak {charger}: there is nothing to translate")
    captured = [record or {} for record in records(read(arguments.file))]
    _check_versions(captured, charger, backend)
    rehearsal, replay = Rehearsal(charger, backend), Replay(None)
    versions = {BY_CHARGER: charger.value, BY_BACKEND: backend.value}
    taken = [
        (number, record, frame, flags)
        for number, record in enumerate(captured, 1)
        for frame, flags in _taken(record, replay, versions)
    ]
    ids = transaction_ids(frame for _, _, frame, _ in taken)
    for place, (number, record, frame, flags) in enumerate(taken):
        report: dict[str, Any] = {"action": "", "sender": "", "to_backend": [], "to_charger": [], "lost": []}
        try:
            if frame is not None:
                report = rehearsal.frame(frame, record.get("direction") == BY_BACKEND, ids.get(place))
        except (ValueError, TypeError, LookupError):
            raise Mistake(f"frame {number}: is not a frame of OCPP; see what it is with: inspect") from None
        before = data_of(record).decode(errors="backslashreplace")
        report |= {"before": before, "taken": frame, "flags": flags}
        print(json.dumps(report, ensure_ascii=False) if arguments.json else "\n".join(_lines(number, report)))
    return 0


def _check_versions(captured: list[dict[str, Any]], charger: str, backend: str) -> None:
    """Errors: Mistake for a frame of a version that its sender does not have here."""
    for number, record in enumerate(captured, 1):
        version = record.get("version", charger)
        by_backend = record.get("direction") == BY_BACKEND
        if version != charger and not (by_backend and version == backend):
            cure = f"give --from {version}" if not by_backend else "give that with --from or --to"
            raise Mistake(f"frame {number}: is of OCPP {version}; {cure}, or another capture")


def _taken(
    record: dict[str, Any], replay: "Replay", versions: dict[str, str]
) -> list[tuple[Any, list[dict[str, Any]]]]:
    """The frames that the gateway takes a record for, as JSON values, the first with what was wrong.

    None where nothing goes on. A CALL is read and repaired in the version of its direction; one without goes
    by who may send it. Of an answer only the transaction id counts: it stays as it came.
    """
    from gateway.dialect.inspect import told

    frame = _frame(record.get("raw", ""))
    if isinstance(frame, list) and frame and frame[0] in (3, 4, 5):
        return [(frame, [])]
    given = record.get("direction")
    readings = []
    for direction in [given] if given in versions else versions:
        readings.append(replay.read(record | {"direction": direction, "version": versions[direction]})[2])
        if readings[-1].messages:
            break
    reading = readings[-1] if readings[-1].messages else readings[0]
    taken = reading.whatever
    frames = [_frame(message.frame) for message in taken] or [None]
    flags = [told(flag) for flag in reading.flags]
    return [(frame, [] if number else flags) for number, frame in enumerate(frames)]


def _frame(text: str | bytes) -> Any:
    """The frame as JSON value; None when it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _lines(number: int, report: dict[str, Any]) -> Iterator[str]:
    from gateway.cli.inspect import safe

    if report["taken"] is None:
        yield f"{number}: nothing of it goes on"
    else:
        yield f"{number}: {safe(report['action'])} from the {report['sender']}"
    yield f"  before   {safe(report['before'])}"
    if report["taken"] not in (None, _frame(report["before"])):
        yield f"  repaired {safe(json.dumps(report['taken'], ensure_ascii=False))}"
    for end in ("backend", "charger"):
        for frame in report[f"to_{end}"]:
            yield f"  {end:<8} {safe(json.dumps(frame, ensure_ascii=False))}"
    for flag in report["flags"]:
        noted = (flag["code"], flag["path"], changed(flag))
        yield f"  {flag['severity']:<8} " + "  ".join(safe(part) for part in noted if part)
    for loss in report["lost"]:
        told = (loss["code"], loss["path"], loss["value"][:60], loss["became"] and f"→ {loss['became'][:60]}")
        yield f"  {loss['severity']:<8} " + "  ".join(safe(part) for part in told if part)
