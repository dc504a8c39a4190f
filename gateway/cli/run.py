"""`ocpp-gateway run`: the gateway itself."""

from argparse import Namespace, _SubParsersAction
from typing import Any

from gateway.cli import Mistake
from gateway.cli.options import add_settings, start


def add(subparsers: "_SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "run",
        description="Connect chargers to a backend until SIGTERM or Ctrl-C. SIGHUP reads the file again.",
        epilog="example: ocpp-gateway run --backend wss://backend.example/ocpp --listen 127.0.0.1:9000",
    )
    add_settings(parser, backend=True)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    if arguments.file is None and arguments.backend is None:
        raise Mistake(
            "give a configuration file or --backend URL; to try things without one: ocpp-gateway demo"
        )
    return start(arguments, demo=False)
