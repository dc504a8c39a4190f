"""What no single setting shows: settings that contradict each other, are unsafe, or have changed."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import structs

from gateway.config import seating, tls
from gateway.config.keys import keys
from gateway.config.settings import Admin, Backend, Config, Listen
from gateway.config.table import Table
from gateway.config.values import is_loopback

T = TypeVar("T", bound=Table)
Finding = tuple[str, str]  # key path, what is wrong and the cure

_EVERY_INTERFACE = {"0.0.0.0", "::"}


def contradictions(table: Table, path: str) -> Iterator[Finding]:
    """What keeps the gateway from starting although every single value of the table fits.

    `path` is where the table is: `backend`, `backends[1]`, "" for the whole file.
    """
    match table:
        case Config():
            return chain(_addresses(table), seating.contradictions(table))
        case Listen():
            return _listen(table)
        case Backend():
            return _backend(table, path)
        case Admin():
            return _admin(table)
        case _:
            return iter(())


def unsafe(config: Config) -> list[str]:
    """What an operator should know about this configuration before trusting it; printed at every start."""
    return [f"{path}: {message}" for path, message in _unsafe(config)]


def diff(old: Config, new: Config) -> tuple[list[str], list[str]]:
    """The paths of the settings that differ: those that a reload changes, and those that need a restart."""
    changed = list(_changed(old, new, ""))
    return [path for path, reload in changed if reload], [path for path, reload in changed if not reload]


def reloaded(old: T, new: T) -> T:
    """`old` with every setting that a reload may change as it is in `new`; the others wait for a restart."""
    changes: dict[str, Any] = {}
    for name, key in keys(type(old)).items():
        if key.table is not None and not key.many:
            changes[name] = reloaded(getattr(old, name), getattr(new, name))
        elif key.reload:
            changes[name] = getattr(new, name)
    return structs.replace(old, **changes)


def _addresses(config: Config) -> Iterator[Finding]:
    listen, admin = config.listen.address, config.admin.address
    is_same_host = listen.host == admin.host or bool({listen.host, admin.host} & _EVERY_INTERFACE)
    if is_same_host and listen.port == admin.port != 0:
        yield "admin.address", f"{admin} is taken by listen.address ({listen}); give one of them another port"


def _listen(listen: Listen) -> Iterator[Finding]:
    yield from _pair("listen", "tls_certificate", listen.tls_certificate, "tls_key", listen.tls_key)
    yield from _files("listen", partial(tls.for_chargers, listen))
    if not (listen.address.is_loopback or listen.tls_certificate or listen.insecure):
        yield (
            "listen.address",
            f"others can reach {listen.address} and there is no TLS; set listen.tls_certificate and "
            "listen.tls_key, or listen.insecure = true (--insecure) when something in front provides TLS",
        )
    if listen.default_version not in listen.versions:
        yield (
            "listen.default_version",
            f'"{listen.default_version}" is not among listen.versions; add it there or choose one of them',
        )


def _backend(backend: Backend, path: str) -> Iterator[Finding]:
    certificate, key = backend.client_certificate, backend.client_key
    yield from _pair(path, "client_certificate", certificate, "client_key", key)
    if backend.ca_file is not None or certificate is not None:  # else all that it needs is the system's
        yield from _files(path, partial(tls.to_backend, backend))
    if backend.username and backend.password is None:
        yield f"{path}.password", f"is missing; give it, or leave {path}.username out"
    if backend.reconnect_min_s > backend.reconnect_max_s:
        yield f"{path}.reconnect_min_s", f"is above {path}.reconnect_max_s; lower it, or raise the other"
    if backend.url.startswith("ws:"):
        for name in ("ca_file", "client_certificate", "insecure_tls"):
            if getattr(backend, name):
                yield f"{path}.{name}", f"means nothing for a ws:// {path}.url; use wss://, or leave it out"


def _admin(admin: Admin) -> Iterator[Finding]:
    if not admin.address.is_loopback and admin.token is None:
        yield (
            "admin.token",
            f"is missing while others can reach {admin.address}; set it, or listen on 127.0.0.1",
        )


def _pair(table: str, first: str, one: object, second: str, other: object) -> Iterator[Finding]:
    if bool(one) != bool(other):
        missing, there = (second, first) if one else (first, second)
        yield f"{table}.{missing}", f"is missing; give it, or leave {table}.{there} out"


def _files(table: str, context: Callable[[], object]) -> Iterator[Finding]:
    """What keeps the node from making this TLS context when it starts."""
    try:
        context()
    except tls.TlsError as error:
        yield from ((f"{table}.{name}", message) for name, message in error.faults)


def _unsafe(config: Config) -> Iterator[Finding]:
    listen, admin = config.listen, config.admin
    if not listen.address.is_loopback and listen.tls_certificate is None:
        yield (
            "listen.insecure",
            f"chargers reach {listen.address} without TLS; anyone on the way can read and change",
        )
    backends = {"backend": config.backend} | {f"backends[{i}]": b for i, b in enumerate(config.backends)}
    for path, backend in backends.items():
        yield from _unsafe_backend(path, backend)
    if not admin.address.is_loopback:
        yield (
            "admin.address",
            f"others can reach {admin.address}, which has no TLS; anyone on the way can read the token",
        )
    secrets = {f"{path}.password": backend.password for path, backend in backends.items()}
    for path, secret in (secrets | {"admin.token": admin.token}).items():
        if secret is not None and secret.plain:
            yield path, 'is written in the configuration file; use { env = "NAME" } or { file = "path" }'
    for path, backend in backends.items():
        if backend.proxy is not None and backend.proxy.plain and urlsplit(backend.proxy.reveal()).password:
            yield f"{path}.proxy", 'its password is written in the configuration file; use { env = "NAME" }'


def _unsafe_backend(path: str, backend: Backend) -> Iterator[Finding]:
    if backend.url.startswith("ws:") and not is_loopback(urlsplit(backend.url).hostname or ""):
        yield f"{path}.url", "is ws://; anyone on the way can read and change what the backend is told"
    if backend.insecure_tls:
        yield (
            f"{path}.insecure_tls",
            "the backend's certificate is not checked; anyone on the way can pretend to be it",
        )
    if backend.password is not None:
        yield (
            f"{path}.password",
            "is shown to the backend for every charger; chargers' own passwords are not checked",
        )


def _changed(old: Table, new: Table, under: str) -> Iterator[tuple[str, bool]]:
    for name, key in keys(type(old)).items():
        before: Any = getattr(old, name)
        after: Any = getattr(new, name)
        if key.table is not None and not key.many:
            yield from _changed(before, after, f"{under}{name}.")
        elif before != after:
            yield under + name, key.reload
