"""`ocpp-gateway capture`: record one charger's frames from the running gateway."""

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from gateway.cli import Mistake
from gateway.cli.lookup import add_admin, client, connected, count, declined


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "capture",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Record the frames of one charger and its backend, as they came, to JSON lines.\n"
        "It ends after so many frames or seconds, or with Ctrl-C. The charger may connect later.",
        epilog="example: ocpp-gateway capture CP-17 --seconds 600 --mask --output cp-17.jsonl",
    )
    parser.add_argument("charger", metavar="CHARGER", help="the charger's id")
    parser.add_argument("--frames", type=count, default=1000, metavar="N", help="frames at most (1000)")
    parser.add_argument("--seconds", type=count, default=3600, metavar="N", help="seconds at most (3600)")
    parser.add_argument("--mask", action="store_true", help="hide drivers' identifiers and secrets")
    parser.add_argument("--output", metavar="FILE", help="where to write; standard output unless given")
    add_admin(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.output is None:
        return _record(arguments, sys.stdout)
    path = Path(arguments.output)
    try:
        with path.open("x", encoding="utf-8") as file:
            try:
                return _record(arguments, file)
            finally:
                if not file.tell():  # nothing was recorded: the next try finds the place free
                    path.unlink()
    except FileExistsError:
        raise Mistake(f"{path}: is there already; give another file, or move it away") from None
    except OSError as error:
        raise Mistake(f"{path}: cannot be written ({error.strerror}); give another file") from None


def _record(arguments: argparse.Namespace, file: IO[str]) -> int:
    frames = 0
    admin = client(arguments)
    if connected(admin, arguments.charger) is None:
        print(
            f"{arguments.charger} is not connected; waiting for it, {arguments.seconds} s at most "
            "(Ctrl-C ends it)",
            file=sys.stderr,
        )
    query = {"frames": arguments.frames, "seconds": arguments.seconds, "mask": int(arguments.mask)}

    def record() -> None:
        nonlocal frames
        for line in admin.lines(f"/chargers/{arguments.charger}/capture", **query):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            frames += 1

    with suppress(KeyboardInterrupt):
        declined(record)
    print(f"{frames} frames of {arguments.charger}", file=sys.stderr)
    return 0
