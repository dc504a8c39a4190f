"""`ocpp-gateway suggest`: what deviates from the standard in a capture, and a rule pack to start from."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli import Mistake
from gateway.cli.lookup import shown


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "suggest",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Read a capture, report every deviation from the standard, and propose a rule pack for\n"
        "what the gateway does not repair by itself.",
        epilog="example: ocpp-gateway suggest cp-17.jsonl --output my-rules/acme.toml",
    )
    parser.add_argument(
        "file", metavar="FILE", help="JSON lines, as `capture` writes them; - is standard input"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where to write the pack; after the report unless given"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from gateway.cli.rules import read_capture
    from gateway.dialect.rules.suggestion import suggestion

    found = suggestion(read_capture(arguments.file))
    print("\n".join(shown(line, 300) for line in found.report()))
    if arguments.output is None:
        print("\n" + found.pack())
        return 0
    path = Path(arguments.output)
    if path.exists():
        raise Mistake(f"{path}: is there already; give another file, or move it away")
    try:
        path.write_text(found.pack(), "utf-8")
    except OSError as error:
        raise Mistake(f"{path}: cannot be written ({error.strerror}); give another file") from None
    print(f"\nwritten to {path}; next: ocpp-gateway rules test {path}")
    return 0
