"""The command `ocpp-gateway`: one module per subcommand, imported only when it is asked for.

A command module has `add(subparsers)`, which adds its parser and sets `run` to a function from the parsed
arguments to the exit status. What a user did wrong is raised as `Mistake`: its text goes to standard error
and the exit status is 2.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from gateway import __version__

COMMANDS = {
    "run": "connect chargers to a backend",
    "demo": "try the gateway with a small backend and chargers of its own",
    "check": "say what is wrong with a configuration file, or what is unsafe about it",
    "inspect": "show what the gateway makes of a pasted frame or of a file of frames",
    "translate": "show what becomes of a capture behind a backend of another version",
    "flags": "look up what was wrong with messages",
    "outbox": "see what waits for a backend that is away",
    "backends": "see which backends there are, and whose chargers they have",
    "migrate": "move chargers to another backend while they stay connected",
    "outages": "see when the backend was away, and what was stored meanwhile",
    "quarantine": "look at messages that were kept instead of forwarded",
    "capture": "record one charger's frames from the running gateway",
    "suggest": "read a capture and propose a rule pack",
    "rules": "look at rule packs and adapters, test them, have them reloaded",
    "adapter": "begin a rule pack and an adapter for a brand",
}

EXAMPLES = """\
examples:
  ocpp-gateway demo
  ocpp-gateway run --backend wss://backend.example/ocpp
  ocpp-gateway check gateway.toml && ocpp-gateway run gateway.toml
  ocpp-gateway COMMAND --help
"""

USER_ERROR = 2
INTERRUPTED = 130


class Mistake(Exception):
    """What the user can put right; the message says how."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        parsed = _parser(arguments).parse_args(arguments)
        status: int = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser, complete for the one command that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="ocpp-gateway",
        description="A tolerant OCPP gateway between chargers and backends.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ocpp-gateway {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name == wanted:
            import_module(f"gateway.cli.{name}").add(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser
