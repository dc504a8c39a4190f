"""`ocpp-gateway capture`: record one charger's frames from the running gateway."""

import argparse
import json
import sys
from pathlib import Path
from typing import IO, Any

from gateway.cli import Mistake
from gateway.cli.lookup import ADMIN, client


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
    parser.add_argument(
        "--admin",
        metavar="URL",
        help=f"admin address of the running gateway ({ADMIN}); its token is taken from the environment "
        "variable OCPP_GATEWAY_ADMIN_TOKEN",
    )
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
    from gateway.admin.client import Declined, Unreachable

    count = 0
    query = {"frames": arguments.frames, "seconds": arguments.seconds, "mask": int(arguments.mask)}
    try:
        for line in client(arguments).lines(f"/chargers/{arguments.charger}/capture", **query):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            count += 1
    except Declined as error:
        raise Mistake(str(error)) from None
    except Unreachable as error:
        raise Mistake(f"no gateway answers at {error}") from None
    except KeyboardInterrupt:
        pass
    print(f"{count} frames of {arguments.charger}", file=sys.stderr)
    return 0
