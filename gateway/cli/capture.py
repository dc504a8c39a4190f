"""`ocpp-gateway capture`: record one charger's frames from the running gateway."""

import argparse
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from gateway.cli import Mistake
from gateway.cli.lookup import add_admin, client, declined


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "capture",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Record the frames of one charger and its backend, as they came, to JSON lines.\n"
        "It ends after so many frames or seconds, or with Ctrl-C. The charger may connect later.",
        epilog="example: ocpp-gateway capture CP-17 --seconds 600 --mask --output cp-17.jsonl",
    )
    parser.add_argument("charger", metavar="CHARGER", help="the charger's id")
    parser.add_argument("--frames", type=int, default=1000, metavar="N", help="frames at most (1000)")
    parser.add_argument("--seconds", type=int, default=3600, metavar="N", help="seconds at most (3600)")
    parser.add_argument("--mask", action="store_true", help="hide drivers' identifiers and secrets")
    parser.add_argument("--output", metavar="FILE", help="where to write; standard output unless given")
    add_admin(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.frames < 1 or arguments.seconds < 1:
        raise Mistake("--frames and --seconds: give whole numbers from 1")
    if arguments.output is None:
        return _record(arguments, sys.stdout)
    try:
        with Path(arguments.output).open("w", encoding="utf-8") as file:
            return _record(arguments, file)
    except OSError as error:
        raise Mistake(
            f"{arguments.output}: cannot be written ({error.strerror}); give another file"
        ) from None


def _record(arguments: argparse.Namespace, file: IO[str]) -> int:
    count = 0
    query = {"frames": arguments.frames, "seconds": arguments.seconds, "mask": int(arguments.mask)}

    def record() -> None:
        nonlocal count
        for line in client(arguments).lines(f"/chargers/{arguments.charger}/capture", **query):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            count += 1

    with suppress(KeyboardInterrupt):
        declined(record)
    print(f"{count} frames of {arguments.charger}", file=sys.stderr)
    return 0
