"""`ocpp-gateway check`: is this configuration right, and is it safe?"""

from argparse import Namespace, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.cli import Mistake
from gateway.cli.options import read
from gateway.config import Backend, Config, ConfigError, Route, everyone, unsafe


def add(subparsers: "_SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "check",
        description="Read a configuration file and report every mistake in it, or what it amounts to and "
        "what is unsafe about it. The exit status is 0 when the gateway would start with it, provided that "
        "its ports are free, else 2.",
    )
    parser.add_argument("file", metavar="gateway.toml", help="the configuration file")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    config, brands = _checked(arguments)
    print(f"{arguments.file}: OK")
    for line in _summary(config):
        print("  " + line)
    print("  brands    " + brands)
    for line in _routes(config):
        print("  " + line)
    warnings = unsafe(config)
    if warnings:
        print("unsafe:")
        for warning in warnings:
            print("  " + warning)
    return 0


def _checked(arguments: Namespace) -> tuple[Config, str]:
    """The configuration, and how many packs and adapters it has. Errors: Mistake with all that is wrong."""
    from gateway import plugins
    from gateway.store.protocol import StoreError
    from gateway.store.sqlite_file import try_directory

    errors: list[str] = []
    config = None
    try:
        config = read(arguments)
    except ConfigError as error:
        errors += error.errors
        config = error.rest
    if config is None:
        raise Mistake("\n".join(errors))
    try:
        try_directory(Path(config.data.directory))
    except StoreError as error:
        errors.append(f"{arguments.file}: data.directory: {error}")
    try:
        found = plugins.library(config, arguments.file)
    except plugins.PluginError as error:
        errors += error.errors
    if errors:
        raise Mistake("\n".join(errors))
    return config, f"{len(found.packs)} rule packs, {len(found.adapters)} adapters"


def _backend(config: Config, backend: Backend) -> Iterator[str]:
    """One backend, and who is translated for it: chargers that speak no version of it."""
    yield f"backend   {backend.name}: {backend.url}/<charger id>"
    foreign = [version for version in config.listen.versions if version not in backend.versions]
    if foreign:
        theirs = ", ".join(backend.versions)
        only = " or ".join(foreign)
        yield f"          speaks OCPP {theirs}; chargers that speak only OCPP {only} are translated"


def _routes(config: Config) -> Iterator[str]:
    """The routes as a table; nothing when there is only one backend."""
    if not config.backends and not config.routes:
        return
    rows = [("routes", "leader", "standby", "observers")]
    rows += [
        (_who(route), route.leader, ", ".join(route.standby) or "-", ", ".join(route.observers) or "-")
        for route in config.routes
    ]
    rows.append(("other chargers" if config.routes else "every charger", config.backend.name, "-", "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
    versions = {name: backend.versions for name, backend in everyone(config).items()}
    for index, route in enumerate(config.routes):
        if route.versions and set(route.versions).isdisjoint(versions[route.leader]):
            yield f"routes[{index}]: {route.leader} speaks none of its versions; its chargers are translated"


def _who(route: Route) -> str:
    """The chargers that a route is for."""
    parts = {
        "": route.chargers,
        "label ": route.labels,
        "vendor ": route.vendors,
        "model ": route.models,
        "OCPP ": route.versions,
    }
    return "; ".join(kind + ", ".join(which) for kind, which in parts.items() if which) or "every charger"


def _summary(config: Config) -> Iterator[str]:
    listen = config.listen
    tls = "with TLS" if listen.tls_certificate else "without TLS"
    yield f"chargers  {listen.address}{listen.path} {tls}; OCPP {', '.join(listen.versions)}"
    for backend in everyone(config).values():
        yield from _backend(config, backend)
    yield f"admin     {config.admin.address} {'with' if config.admin.token else 'without'} a token"
    yield f"data      {config.data.directory}"
    yield f"dialect   {config.dialect.mode.value}; exceptions: {len(config.dialect.charger)}"
