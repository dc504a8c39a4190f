"""`ocpp-gateway demo`: the gateway in front of a small backend of its own."""

from argparse import Namespace, _SubParsersAction
from typing import Any

from gateway.cli.options import add_settings, start


def add(subparsers: "_SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "demo",
        description="Run the gateway in front of a small backend of its own that accepts every charger.",
        epilog="Then connect a charger, or a simulator, to ws://127.0.0.1:9000/ANY-ID.",
    )
    add_settings(parser, backend=False)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    return start(arguments, demo=True)
