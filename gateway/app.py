"""Putting the node together: sockets, session cores, store and admin plane, from start to stop."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop
from picows import WSProtocolError

from gateway import __version__, plugins
from gateway.admin import server as admin
from gateway.config import (
    OPTIONS,
    Address,
    Config,
    ConfigError,
    contradictions,
    diff,
    everyone,
    reloaded,
    unsafe,
)
from gateway.config.reading import where
from gateway.dialect.library import Library
from gateway.net.archive import Archive
from gateway.net.brands import FleetBrands, summary
from gateway.net.charger_server import ChargerServer
from gateway.net.fleet import Fleet
from gateway.net.report import FleetReport
from gateway.net.tasks import cancel_all, spawn
from gateway.observe import log
from gateway.observe.keeper import Keeper
from gateway.observe.recorder import Bounds, Recorder
from gateway.ocpp.message import Sender
from gateway.sandbox import backend as sandbox_backend
from gateway.sandbox import chargers as sandbox_chargers
from gateway.session.tally import Tally
from gateway.store.protocol import QuarantineEntry, StoreError
from gateway.store.sqlite import SqliteStore

T = TypeVar("T")


class StartError(Exception):
    """The gateway cannot start; the text says why and what to do."""


def run(config: Config, demo: bool, reread: Callable[[], Config] | None = None, file: str = "") -> int:
    """Run until SIGTERM or SIGINT; the exit code.

    `demo` adds a backend and chargers to try things with. `reread` reads the configuration anew for
    SIGHUP and raises ConfigError; None when there is no file to read. `file` is that file's name.
    """
    log.configure(config.log.format, config.log.level)
    if not sys.flags.hash_randomization:
        print(
            "ocpp-gateway cannot start: unset PYTHONHASHSEED=0, it lets peers slow it down", file=sys.stderr
        )
        return 1
    if spec := os.environ.get("OCPP_GATEWAY_FAILPOINT"):
        from gateway.net import failpoints  # noqa: PLC0415 - for tests alone

        failpoints.arm(spec)
    try:
        uvloop.run(_Node(config, demo, reread, file).run())
    except StartError as error:
        print(f"ocpp-gateway cannot start: {error}", file=sys.stderr)
        return 1
    return 0


class _Node:
    """One gateway process."""

    def __init__(self, config: Config, demo: bool, reread: Callable[[], Config] | None, file: str) -> None:
        self._config = config
        self._file = file
        self._demo = demo
        self._reread = reread
        self._tally = Tally()
        self._closing = contextlib.AsyncExitStack()
        self._reloading = asyncio.Lock()

    async def run(self) -> None:
        """Start, serve until told to stop, and stop in order: chargers first, the store last."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.set_exception_handler(_unhandled)
        async with self._closing:
            await self._start()
            await stop.wait()
            log.event("info", "stopping")
        log.event("info", "stopped")

    async def _start(self) -> None:
        if self._demo:
            await self._start_sandbox_backend()
        config = self._config
        library = self._library(config)
        store = await self._open_store()
        archive = await self._open_archive(store)
        if archive is not None:
            self._closing.push_async_callback(archive.close)
        self._closing.push_async_callback(cancel_all)  # tasks use the store
        self._fleet = Fleet(config, self._tally, Keeper(self._recorder), time.time, archive)
        self._fleet.gate.library = library
        plane = await _listening(
            admin.start(
                config.admin,
                FleetReport(self._fleet),
                self._tally,
                store,
                self._retry,
                FleetBrands(self._fleet, self._reread_library),
                self._fleet.migrations,
            ),
            "admin.address",
            config.admin.address,
        )
        self._closing.push_async_callback(plane.close)
        chargers = ChargerServer(config, self._fleet, self._tally)
        port = await _listening(chargers.start(), "listen.address", config.listen.address)
        self._closing.push_async_callback(self._fleet.close)
        self._closing.callback(chargers.stop_listening)
        self._fleet.start()
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it again
        self._introduce(port, plane.port)
        if self._demo:
            spawn(
                sandbox_chargers.run_chargers(f"ws://{_with_port(config.listen.address, port)}"),
                "demo chargers",
            )

    def _library(self, config: Config) -> Library:
        try:
            return plugins.library(config, self._file)
        except plugins.PluginError as error:
            raise StartError("\n  ".join(["rule packs and adapters:", *error.errors])) from None

    async def _reread_library(self) -> Library:
        """Every pack and adapter as it is on disk now. Errors: PluginError."""
        async with self._reloading:
            try:
                library = await asyncio.to_thread(plugins.library, self._config, self._file)
            except plugins.PluginError as error:
                log.event("error", "rules-not-reloaded", reason="; ".join(error.errors))
                raise
            log.event("info", "rules-reloaded", brands=_loaded(library))
            return library

    async def _open_store(self) -> SqliteStore:
        try:
            store = await SqliteStore.open(Path(self._config.data.directory), _damaged)
        except StoreError as error:
            raise StartError(f"data.directory: {error}{_by_hand('data.directory', 'DIR')}") from None
        self._closing.push_async_callback(store.close)
        self._recorder = Recorder(store, self._tally, _bounds(self._config))
        self._closing.push_async_callback(self._recorder.close)
        spawn(self._recorder.run(), "recorder")
        return store

    async def _open_archive(self, store: SqliteStore) -> Archive | None:
        if all(backend.when_away == "close" for backend in everyone(self._config).values()):
            return None
        try:
            return await Archive.open(store, self._config.outage.total_bytes)
        except StoreError as error:
            raise StartError(f"data.directory: {error}") from None

    async def _retry(self, entry: QuarantineEntry) -> dict[str, Any]:
        if entry.sender != Sender.CHARGER.value:
            return {"delivered": False, "outcome": "only messages of chargers can be retried"}
        return await self._fleet.parking.retry(entry.charger, entry.raw, entry.backend)

    async def _start_sandbox_backend(self) -> None:
        runner, port = await sandbox_backend.start_backend("127.0.0.1", 0)
        self._closing.push_async_callback(runner.cleanup)
        backend = msgspec.structs.replace(self._config.backend, url=f"ws://127.0.0.1:{port}", name="sandbox")
        self._config = msgspec.structs.replace(self._config, backend=backend)

    def _introduce(self, port: int, admin_port: int) -> None:
        """Say what listens where, what is unsafe, and what to point a charger at."""
        config = self._config
        scheme = "wss" if config.listen.tls_certificate else "ws"
        path = config.listen.path.rstrip("/") + "/"
        chargers = f"{scheme}://{_with_port(config.listen.address, port)}{path}"
        host = _reachable(config.listen.address)
        plane = f"http://{_with_port(config.admin.address, admin_port)}"
        lines = [
            f"ocpp-gateway {__version__}",
            f"  chargers   listening on {chargers}<charger id>",
            *(
                f"  backend    {name}: {one.url.rstrip('/')}/<charger id>"
                for name, one in everyone(config).items()
            ),
            f"  admin      {plane}/metrics  {plane}/api/v1/chargers  {plane}/readyz",
            f"  data       {config.data.directory}",
            f"  process    {self._process()}",
        ]
        lines += [f"  unsafe     {finding}" for finding in unsafe(config)]
        lines.append(
            f"Point a charger at {scheme}://{_with_port(host, port)}{path} - it adds its own id - "
            f"and watch it in {plane}/api/v1/chargers"
        )
        print("\n".join(lines), flush=True)

    def _process(self) -> str:
        again = f"; kill -HUP {os.getpid()} reads {self._file} again" if self._file else ""
        return f"{os.getpid()}{again}"

    def _reload(self) -> None:
        """SIGHUP: read configuration, rule packs and adapters anew."""
        spawn(self._reload_everything(), "reload")

    async def _reload_everything(self) -> None:
        """Take what can be changed without dropping a socket, say what cannot; with a mistake, nothing."""
        async with self._reloading:
            try:
                new = self._config if self._reread is None else self._reread()
                changed, restart = diff(self._config, new)
                wanted, new = new, reloaded(self._config, new)
                _check(new, wanted, self._file)
                library = await asyncio.to_thread(plugins.library, new, self._file)
            except (ConfigError, plugins.PluginError) as error:
                log.event(
                    "error",
                    "not-reloaded",
                    reason="; ".join(error.errors) + "; nothing of the file was loaded",
                )
                return
            log.event(
                "warning" if restart else "info",
                "reloaded",
                changed=", ".join(changed) or "nothing",
                needs_restart=", ".join(restart) or "nothing",
                brands=_loaded(library),
            )
            self._config = new
            self._fleet.gate.library = library
            self._fleet.apply(new)
            self._recorder.bounds = _bounds(new)
            log.configure(new.log.format, new.log.level)


def _check(config: Config, wanted: Config, file: str) -> None:
    """What a reload changes must fit what needs a restart. Errors: ConfigError.

    `wanted` is the whole file, in which everything fits.
    """
    found = [f"{path}: {message}{where(path)}" for path, message in contradictions(config)]
    new = {name: f'"{name}"' for name in everyone(wanted) if name not in everyone(config)}
    errors = [
        f"backend {name} is new: new backends take a restart"
        for name, quoted in new.items()
        if any(quoted in one for one in found)
    ]
    errors += [
        f"{one}; what it needs takes a restart"
        for one in found
        if not any(quoted in one for quoted in new.values())
    ]
    if errors:
        raise ConfigError([f"{file}: {one}" for one in errors])


def _loaded(library: Library) -> str:
    return ", ".join(f"{count} {what}" for what, count in summary(library).items())


def _damaged(name: str, fields: dict[str, object]) -> None:
    log.event("error", name, "", **fields)


def _bounds(config: Config) -> Bounds:
    flags, quarantine = config.flags, config.quarantine
    return Bounds(flags.keep_days, flags.keep_rows, quarantine.max_bytes, quarantine.max_rows)


async def _listening(start: Coroutine[Any, Any, T], key: str, address: Address) -> T:
    """What `start` returns once it listens; StartError with the key to change when it cannot."""
    try:
        return await start
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        cure = f"choose another address{_by_hand(key, 'HOST:PORT')}"
        raise StartError(f"{key}: cannot listen on {address}: {reason}; {cure}") from None


def _by_hand(key: str, value: str) -> str:
    """How a setting is given without a file."""
    name = next(option for option, path in OPTIONS.items() if path == key)
    return f" (--{name} {value}; make: {name.upper()}={value})"


def _reachable(address: Address) -> Address:
    """The address as a charger may use it: one that stands for every interface has no name to offer."""
    return Address("THIS-HOST", address.port) if address.host in ("0.0.0.0", "::") else address


def _with_port(address: Address, port: int) -> str:
    return str(Address(address.host, port))


def _unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error that nobody caught must not pass unseen, nor stop the node."""
    if isinstance(context.get("exception"), WSProtocolError):
        return  # a backend broke the WebSocket protocol: its link closed, and that is told
    log.event("error", "unhandled", message=context.get("message", ""), exception=context.get("exception"))
