"""`ocpp-gateway check`: is this configuration right, and is it safe?"""

from argparse import Namespace, _SubParsersAction
from collections.abc import Iterator
from typing import Any

from gateway.cli import Mistake
from gateway.cli.options import configuration
from gateway.config import Config, unsafe


def add(subparsers: "_SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "check",
        description="Read a configuration file and report every mistake in it, or what it amounts to and "
        "what is unsafe about it. The exit status is 0 when the gateway would start with it, else 2.",
    )
    parser.add_argument("file", metavar="gateway.toml", help="the configuration file")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    config = configuration(arguments)
    brands = _brands(config)
    print(f"{arguments.file}: OK")
    for line in _summary(config):
        print("  " + line)
    print("  brands    " + brands)
    warnings = unsafe(config)
    if warnings:
        print("unsafe:")
        for warning in warnings:
            print("  " + warning)
    return 0


def _brands(config: Config) -> str:
    """How many packs and adapters there are. Errors: Mistake with everything that is wrong with them."""
    from gateway import plugins

    try:
        found = plugins.library(config)
    except plugins.PluginError as error:
        raise Mistake(str(error)) from None
    return f"{len(found.packs)} rule packs, {len(found.adapters)} adapters"


def _translated(config: Config) -> Iterator[str]:
    """Who is translated: chargers that speak no version of the backend."""
    theirs = ", ".join(config.backend.versions)
    foreign = [version for version in config.listen.versions if version not in config.backend.versions]
    if foreign:
        yield f"translated chargers that speak only OCPP {' or '.join(foreign)}; the backend: OCPP {theirs}"


def _summary(config: Config) -> Iterator[str]:
    listen, backend = config.listen, config.backend
    tls = "with TLS" if listen.tls_certificate else "without TLS"
    yield f"chargers  {listen.address}{listen.path} {tls}; OCPP {', '.join(listen.versions)}"
    yield f"backend   {backend.name}: {backend.url}/<charger id>"
    yield from _translated(config)
    yield f"admin     {config.admin.address} {'with' if config.admin.token else 'without'} a token"
    yield f"data      {config.data.directory}"
    yield f"dialect   {config.dialect.mode.value}; exceptions: {len(config.dialect.charger)}"
