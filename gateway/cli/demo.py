"""`ocpp-gateway demo`: the gateway between a small backend and chargers of its own."""

from argparse import Namespace, _SubParsersAction
from typing import Any

from gateway.cli.options import add_settings, start


def add(subparsers: "_SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "demo",
        description="Run the gateway until Ctrl-C, with five chargers of different temper and a small "
        "backend that accepts every charger. Settings of a file hold, except where the backend is.",
        epilog="Your own charger, or a simulator, can join at ws://127.0.0.1:9000/ANY-ID.",
    )
    add_settings(parser, backend=False)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    return start(arguments, demo=True)
