"""Putting the node together: sockets, session cores, store and admin plane, from start to stop."""

import asyncio
import signal
import sys
import time

import uvloop

from gateway import __version__
from gateway.admin import server as admin
from gateway.config import Address, Config, ConfigError, diff, load, unsafe
from gateway.net.charger_server import ChargerServer
from gateway.net.fleet import Fleet
from gateway.net.tasks import cancel_all, spawn
from gateway.observe import log
from gateway.observe.recorder import Recorder
from gateway.session.tally import Tally
from gateway.store.protocol import StoreError
from gateway.store.sqlite import SqliteStore

STARTED, CANNOT_START = 0, 1


class StartError(Exception):
    """The gateway cannot start; the text says why and what to do."""


def run(config: Config, demo: bool) -> int:
    """Run until SIGTERM or SIGINT; the exit code. `demo` adds a backend and chargers to try things with."""
    log.configure(config.log.format, config.log.level)
    try:
        uvloop.run(_Node(config, demo).run())
    except (StartError, StoreError) as error:
        print(f"ocpp-gateway cannot start: {error}", file=sys.stderr)
        return CANNOT_START
    return STARTED


class _Node:
    """One gateway process."""

    def __init__(self, config: Config, demo: bool) -> None:
        self._config = config
        self._demo = demo
        self._tally = Tally()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.set_exception_handler(_unhandled)
        if self._demo:
            await self._start_sandbox_backend()
        store = await SqliteStore.open(self._config.directory)
        recorder = Recorder(store, self._config)
        self._fleet = Fleet(self._config, self._tally, recorder, time.time)
        chargers = ChargerServer(self._config, self._fleet, self._tally)
        port = await _listening(chargers.start(), "listen.address", self._config.listen.address)
        plane = await _listening(
            admin.start(self._config.admin, self._fleet, self._tally, store, self._fleet.retry),
            "admin.address",
            self._config.admin.address,
        )
        self._fleet.start()
        self._introduce(port, plane.port)
        if self._demo:
            self._start_sandbox_chargers(port)
        await self._stop.wait()
        log.event("info", "stopping")
        chargers.stop_listening()
        await self._fleet.close()
        await plane.close()
        await cancel_all()
        await recorder.close()
        await store.close()

    def _introduce(self, port: int, admin_port: int) -> None:
        """Say what listens where, what is unsafe, and what to point a charger at."""
        config = self._config
        scheme = "wss" if config.listen.tls_certificate else "ws"
        chargers = f"{scheme}://{_with_port(config.listen.address, port)}{config.listen.path.rstrip('/')}/"
        plane = f"http://{_with_port(config.admin.address, admin_port)}"
        lines = [
            f"ocpp-gateway {__version__}",
            f"  chargers   listening on {chargers}<charger id>",
            f"  backend    {config.backend.name}: {config.backend.url.rstrip('/')}/<charger id>",
            f"  admin      {plane}/metrics  {plane}/api/v1/chargers  {plane}/readyz",
            f"  data       {config.data.directory}",
        ]
        lines += [f"  unsafe     {finding}" for finding in unsafe(config)]
        lines.append(f"Point a charger at {chargers} - it adds its own id - and watch it in {plane}/api/v1/chargers")
        print("\n".join(lines), flush=True)

    def _reload(self) -> None:
        """SIGHUP: take what can be changed without dropping a socket, say what cannot."""
        if self._config.source is None:
            log.event("warning", "not-reloaded", reason="the gateway was started without a configuration file")
            return
        try:
            new = load(self._config.source)
        except ConfigError as error:
            log.event("error", "not-reloaded", reason=str(error))
            return
        changed, restart = diff(self._config, new)
        log.event("info", "reloaded", changed=", ".join(changed) or "nothing", needs_restart=", ".join(restart))
        self._config = new
        self._fleet.apply(new)
        log.configure(new.log.format, new.log.level)
