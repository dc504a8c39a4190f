"""From the settings to what decides over several backends, and what is wrong with them taken together."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from msgspec import structs

from gateway.config.routing import Command, Route
from gateway.config.settings import Backend, Config
from gateway.routing import routes as routing
from gateway.routing.faults import faults
from gateway.routing.globs import fits_any
from gateway.routing.policy import CommandRule, Policy

Finding = tuple[str, str]  # key path, what is wrong and the cure


def everyone(config: Config) -> dict[str, Backend]:
    """Every backend by its name, `[backend]` first."""
    return {backend.name: backend for backend in (config.backend, *config.backends)}


def routes_of(config: Config) -> routing.Routes:
    """The routes of the file."""
    return routing.Routes(
        [routing.Route(**structs.asdict(route)) for route in config.routes],
        {label.name: label.chargers for label in config.labels},
        config.backend.name,
    )


def policies_of(config: Config) -> dict[str, Policy]:
    """What each backend may tell chargers, by its name."""
    rules = [_rule(command) for command in config.commands]
    return {name: Policy(name, backend.commands, rules) for name, backend in everyone(config).items()}


def contradictions(config: Config) -> Iterator[Finding]:
    """What is wrong with backends, labels, routes and commands taken together."""
    yield from _twins("backends", [backend.name for backend in (config.backend, *config.backends)], 1)
    yield from _twins("labels", [label.name for label in config.labels], 0)
    for index, route in enumerate(config.routes):
        yield from _route(config, f"routes[{index}]", route)
    yield from _unreached(config)
    if config.commands and config.backend.when_away == "close":
        yield (
            "commands",
            'have no effect where backend.when_away is "close"; set it to "buffer", or leave them out',
        )
    for index, command in enumerate(config.commands):
        yield from _command(everyone(config), f"commands[{index}]", command)


def _twins(table: str, names: list[str], ahead: int) -> Iterator[Finding]:
    """Names that are taken; the first `ahead` of them stand outside the table."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f"{table}[{index - ahead}].name", f'"{name}" is taken; give each its own'


def _route(config: Config, path: str, route: Route) -> Iterator[Finding]:
    backends = everyone(config)
    seats = {"leader": (route.leader,), "standby": route.standby, "observers": route.observers}
    for key, names in seats.items():
        for name in names:
            if name not in backends:
                yield f"{path}.{key}", f'no backend is called "{name}"; {_hint(name, backends)}'
    for name in sorted({name for name in _named(route) if _named(route).count(name) > 1}):
        yield path, f'backend "{name}" has several roles; leave it in one of leader, standby and observers'
    labels = [label.name for label in config.labels]
    for glob in route.labels:
        if not fits_any(labels, (glob,)):
            yield f"{path}.labels", f'no label is called "{glob}"; {_hint(glob, labels)}'
    if route.versions and not set(route.versions) & set(config.listen.versions):
        yield f"{path}.versions", "none of them is among listen.versions; add one there, or leave them out"
    if route.standby or route.observers:
        yield from _closing({config.backend.name: config.backend} | backends, path, route)


def _command(backends: Collection[str], path: str, command: Command) -> Iterator[Finding]:
    for glob in command.backends:
        if not fits_any(backends, (glob,)):
            yield f"{path}.backends", f'no backend is called "{glob}"; {_hint(glob, backends)}'
    for key, message in faults(_rule(command)):
        yield f"{path}.{key}", message


def _rule(command: Command) -> CommandRule:
    return CommandRule(**structs.asdict(command))


def _closing(backends: dict[str, Backend], path: str, route: Route) -> Iterator[Finding]:
    """Who would close a charger that other backends go on with."""
    for name in _named(route):
        backend = backends.get(name)
        if backend is not None and backend.when_away == "close":
            yield (
                path,
                f'"{name}" closes chargers when it goes, which would take them from the others too; set its '
                'when_away = "buffer", or give these chargers one backend',
            )


def _unreached(config: Config) -> Iterator[Finding]:
    """Routes behind one that fits every charger."""
    for index, route in enumerate(config.routes[:-1]):
        if not (route.chargers or route.labels or route.vendors or route.models or route.versions):
            yield (
                f"routes[{index + 1}]",
                f"is never reached, since routes[{index}] is for every charger; change their order",
            )
            return


def _named(route: Route) -> list[str]:
    return [route.leader, *route.standby, *route.observers]


def _hint(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
