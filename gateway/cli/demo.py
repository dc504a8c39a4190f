"""`ocpp-gateway demo`: the gateway between a small backend and chargers of its own."""

from argparse import Namespace, RawDescriptionHelpFormatter, _SubParsersAction
from typing import TYPE_CHECKING, Any

from gateway.cli import Mistake
from gateway.cli.options import add_settings, start
from gateway.config import OPTIONS

if TYPE_CHECKING:
    from ssl import SSLContext


def add(subparsers: "_SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "demo",
        description="Run the gateway until Ctrl-C, with five chargers of different temper and a small\n"
        "backend that accepts every charger. Settings of a file hold, except where the backend is.",
        epilog="Your own charger, or a simulator, can join at ws://127.0.0.1:9000/ANY-ID.\n\n"
        "example: ocpp-gateway demo --chargers ws://127.0.0.1:9000 --id CP-17",
        formatter_class=RawDescriptionHelpFormatter,
    )
    add_settings(parser, backend=False)
    parser.add_argument(
        "--chargers",
        metavar="URL",
        help="only the chargers, at the gateway or backend of this URL; what they say is printed",
    )
    parser.add_argument(
        "--id",
        action="append",
        metavar="ID",
        help="with --chargers: one well-behaved charger with this id instead; may be given again",
    )
    parser.add_argument(
        "--ca",
        metavar="FILE",
        help="with --chargers wss://…: trust this PEM file instead of the system's authorities; a "
        "self-signed certificate is its own authority",
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    if arguments.chargers is None:
        for name in ("id", "ca"):
            if getattr(arguments, name) is not None:
                raise Mistake(f"--{name}: is for chargers alone; give --chargers URL too, or leave it out")
        return start(arguments, demo=True)

    import asyncio
    from functools import partial

    from gateway.config.values import backend_url
    from gateway.sandbox.chargers import run_chargers

    ignored = [arguments.file] if arguments.file else []
    ignored += ["--" + name.replace("_", "-") for name in OPTIONS if getattr(arguments, name, None)]
    if ignored:
        raise Mistake(f"--chargers: runs no gateway; leave out what is for one: {', '.join(ignored)}")
    try:
        url = backend_url(arguments.chargers)
    except ValueError as error:
        raise Mistake(f"--chargers: {error}") from None
    tls = _trusting(arguments.ca) if arguments.ca else True
    asyncio.run(run_chargers(url, arguments.id or (), partial(print, flush=True), tls))
    return 0


def _trusting(file: str) -> "SSLContext":
    import ssl

    try:
        return ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise Mistake(f"--ca: {file}: is no certificate; give a PEM file (BEGIN CERTIFICATE)") from None
    except OSError as error:
        raise Mistake(f"--ca: {file}: cannot be read ({error.strerror}); give a PEM file") from None
