"""`ocpp-gateway inspect`: what the gateway makes of frames, without running it."""

import argparse
import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.cli import Mistake
from gateway.cli.lookup import changed

DIRECTIONS = {"charger": "charger_to_backend", "backend": "backend_to_charger"}


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "inspect",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Show what the gateway makes of frames: what came, what goes on, and every flag.\n\n"
        "The input is one frame (over several lines if need be), one frame per line, or JSON lines: one\n"
        'object per frame with "raw", and if known "id", "version", "direction" (charger_to_backend or\n'
        'backend_to_charger), "action", "given" (frames before it) and "encoding" ("base64").',
        epilog="""example: echo '[2,"1","Heartbeat",{},]' | ocpp-gateway inspect""",
    )
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="where the frames are; - is standard input"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line per frame instead of text")
    parser.add_argument(
        "--version", choices=("1.6", "2.0.1", "2.1"), default="1.6", help="OCPP version (1.6)"
    )
    parser.add_argument(
        "--from", dest="sender", choices=tuple(DIRECTIONS), default="charger", help="who sent it (charger)"
    )
    parser.add_argument("--action", help="action of the CALL that an answer answers")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from gateway.dialect.inspect import inspect

    defaults = {"version": arguments.version, "direction": DIRECTIONS[arguments.sender]}
    if arguments.action:
        defaults["action"] = arguments.action
    status = 0
    for number, record in enumerate(records(read(arguments.file)), 1):
        complete = {"id": str(number)} | defaults | (record or {})
        try:
            if record is None:
                raise ValueError('is not a JSON object with the frame in "raw"')
            report = inspect(complete)
        except ValueError as error:
            print(f"frame {number}: {error}", file=sys.stderr)
            status = 2
            continue
        print(
            json.dumps(report, ensure_ascii=False) if arguments.json else "\n".join(_lines(complete, report))
        )
    return status


def records(data: bytes) -> Iterator[dict[str, Any] | None]:
    """The frames in `data`, each an object with at least `raw`; None for a line of JSON lines that is none.

    Errors: Mistake when it is empty.
    """
    lines = [line for line in data.splitlines() if line.strip()]
    if not lines:
        raise Mistake("there is no frame; give a file, or paste one and end with Ctrl-D")
    found = [_record(line) for line in lines]
    if any(found):
        yield from found
    elif all(line.lstrip().startswith(b"[") for line in lines):
        yield from map(_raw, lines)
    else:
        yield _raw(data.strip(b"\r\n"))


def read(name: str) -> bytes:
    if name == "-":
        if sys.stdin.isatty():
            print("paste a frame and end with Ctrl-D", file=sys.stderr)
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        hint = "; a frame itself goes to standard input" if name.lstrip().startswith(("[", "{")) else ""
        raise Mistake(f"{name}: cannot be read: {error.strerror}{hint}") from None


def _record(line: bytes) -> dict[str, Any] | None:
    """The object on a line of JSON lines; None when it is something else."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("raw"), str) else None


def _raw(frame: bytes) -> dict[str, Any]:
    try:
        return {"raw": frame.decode()}
    except UnicodeDecodeError:
        return {"raw": base64.b64encode(frame).decode(), "encoding": "base64"}


def _lines(record: dict[str, Any], report: dict[str, Any]) -> Iterator[str]:
    """The report for people; what a peer wrote cannot steer the terminal."""
    yield f"{safe(report['id'])}: {report['outcome']}"
    yield f"  before   {safe(_readable(record))}"
    for frame in report["frames"]:
        yield f"  after    {safe(frame)}"
    if not report["frames"]:
        yield "  after    no certain repair" if report["outcome"] == "quarantined" else "  after    nothing"
    for flag in report["flags"]:
        told = (flag["code"], safe(flag["path"]), safe(changed(flag)))
        yield f"  {flag['severity']:<8} " + "  ".join(filter(None, told))
    if "action" not in record and any(flag["code"] == "answer-unknown" for flag in report["flags"]):
        yield "  hint     to judge an answer, say what it answers: --action ACTION"


def _readable(record: dict[str, Any]) -> str:
    """The frame as it came; bytes that are no text as `\\xff`."""
    if record.get("encoding") != "base64":
        return str(record["raw"])
    return base64.b64decode(record["raw"]).decode(errors="backslashreplace")


def safe(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text)
    )
