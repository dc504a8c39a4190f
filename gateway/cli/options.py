"""The options that several commands share, and what is made of them."""

import argparse
from functools import partial

from gateway.cli import Mistake
from gateway.config import OPTIONS, Config, ConfigError, from_arguments


def add_settings(parser: argparse.ArgumentParser, backend: bool) -> None:
    """The configuration file, and an option for each setting that is often given by hand."""
    parser.add_argument(
        "file", nargs="?", metavar="gateway.toml", help="configuration file; options override it"
    )
    if backend:
        parser.add_argument(
            "--backend", metavar="URL", help="ws:// or wss:// URL; the charger's id is put at its end"
        )
    parser.add_argument("--listen", metavar="HOST:PORT", help="where chargers connect (127.0.0.1:9000)")
    parser.add_argument("--admin", metavar="HOST:PORT", help="metrics, health and API (127.0.0.1:9080)")
    parser.add_argument("--data", metavar="DIR", help="directory for flags and quarantine (data)")
    parser.add_argument(
        "--insecure", action="store_true", help="allow chargers from other machines without TLS"
    )
    parser.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error (info)")
    parser.add_argument("--log-format", metavar="FORMAT", help="readable or json (readable)")


def read(arguments: argparse.Namespace, demo: bool = False) -> Config:
    """The configuration that the arguments amount to; ConfigError with everything that is wrong with it."""
    return from_arguments(
        arguments.file, {name: getattr(arguments, name, None) for name in OPTIONS}, demo=demo
    )


def configuration(arguments: argparse.Namespace, demo: bool = False) -> Config:
    """As `read`, what is wrong told as a mistake of the user."""
    try:
        return read(arguments, demo)
    except ConfigError as error:
        raise Mistake(str(error)) from None


def start(arguments: argparse.Namespace, demo: bool) -> int:
    """Run the gateway until it is told to stop; the exit status. SIGHUP reads the file, if any, again."""
    config = configuration(arguments, demo)
    reread = partial(read, arguments, demo) if arguments.file else None

    from gateway import app  # after the checks: it is most of the start-up time

    return app.run(config, demo, reread, arguments.file or "")
