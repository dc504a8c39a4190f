"""The relays that are compared: how each is started, and how its process is watched."""

import asyncio
import json
import os
import shutil
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen

RELAY_CORE = 0
PATH = "/bench"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CPUCLOCK_SCHED = 2

GATEWAY_TOML = """\
[listen]
address = "127.0.0.1:{port}"
ping_interval_s = 600

[admin]
address = "127.0.0.1:{admin_port}"

[backend]
url = "{backend}{path}"
versions = {versions}
ping_interval_s = 600
new_links_per_s = 100000

[data]
directory = "{data}"

[limits]
messages_per_s = 1000000
message_burst = 1000000
connections_per_address = 100000
handshakes_per_s_per_address = 100000
"""

HAPROXY_CFG = """\
global
    nbthread 1
    maxconn 9800
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend chargers
    bind 127.0.0.1:{port} backlog 4096
    default_backend backend
backend backend
    server one {address}
"""

OCPP_BROKER_YAML = """\
broker: {{host: 127.0.0.1, port: {port}}}
organizations:
  - name: bench
    connect_to_backend: true
    ocpp_subprotocol: ocpp1.6
    backends:
      - {{id: one, url: "{backend}{path}", leader: true}}
"""


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Relay:
    """One running relay process on `RELAY_CORE`; chargers connect to `url` + "/" + id."""

    name: str
    command: list[str]
    port: int
    path: str = PATH
    process: Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{self.path}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self, log: Path, patience_s: float = 20) -> None:
        """Start it and wait until it accepts connections."""
        self._spawn(log)
        async with asyncio.timeout(patience_s):
            while not await self._accepts():
                self._check_alive(log)
                await asyncio.sleep(0.05)

    def _spawn(self, log: Path) -> None:
        with log.open("wb") as out:
            self.process = Popen(self.command, stdin=DEVNULL, stdout=out, stderr=out)
        os.sched_setaffinity(self.process.pid, {RELAY_CORE})

    def _check_alive(self, log: Path) -> None:
        if self.process is not None and self.process.poll() is not None:
            ending = log.read_text()[-800:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {ending}")

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after ten seconds."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        for _ in range(200):
            if self.process.poll() is not None:
                return
            await asyncio.sleep(0.05)
        self.process.kill()
        self.process.wait()

    def cpu_s(self) -> float:
        """CPU seconds of all its threads so far, user and system, from the kernel's clock of that process."""
        return time.clock_gettime((~self.pid << 3) | _CPUCLOCK_SCHED)

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE


def gateway(folder: Path, backend: str) -> Relay:
    return _gateway("ocpp-gateway", folder, backend, '["1.6"]')


def translating(folder: Path, backend: str) -> Relay:
    """The gateway with a backend that does not speak the chargers' version."""
    return _gateway("translating", folder, backend, '["2.0.1"]')


OBSERVER_TOML = """
[[backends]]
name = "{name}"
url = "{url}{path}"
ping_interval_s = 600
new_links_per_s = 100000
commands = "all"
"""
ROUTE_TOML = """
[[routes]]
leader = "main"
observers = {names}
"""


def fanning_out(name: str, folder: Path, backends: list[str]) -> Relay:
    """The gateway with several backends: the first leads, the others observe."""
    leader, *others = backends
    names = [f"observer-{number}" for number, _ in enumerate(others)]
    tables = [
        OBSERVER_TOML.format(name=name, url=url, path=PATH) for name, url in zip(names, others, strict=True)
    ]
    tables += [ROUTE_TOML.format(names=json.dumps(names))] if names else []
    return _gateway(name, folder, leader, '["1.6"]', "".join(tables))


def picows(name: str, folder: Path, backends: list[str]) -> Relay:
    """A relay that copies every frame to several backends."""
    port = free_port()
    return Relay(name, [sys.executable, "-m", "benchmarks.bare_picows", str(port), *backends], port)


def _gateway(name: str, folder: Path, backend: str, versions: str, tables: str = "") -> Relay:
    port = free_port()
    config = folder / f"gateway-{port}.toml"
    data = folder / f"data-{port}"
    text = GATEWAY_TOML.format(
        port=port, admin_port=free_port(), backend=backend, path=PATH, data=data, versions=versions
    )
    config.write_text(text + tables)
    return Relay(name, [sys.executable, "-m", "gateway.cli", "run", str(config)], port, path="")


def aiohttp(folder: Path, backend: str) -> Relay:
    port = free_port()
    return Relay("aiohttp", [sys.executable, "-m", "benchmarks.bare_aiohttp", str(port), backend], port)


def websockets(folder: Path, backend: str) -> Relay:
    port = free_port()
    return Relay("websockets", [sys.executable, "-m", "benchmarks.bare_websockets", str(port), backend], port)


def haproxy(folder: Path, backend: str) -> Relay:
    port = free_port()
    config = folder / f"haproxy-{port}.cfg"
    config.write_text(HAPROXY_CFG.format(port=port, address=backend.removeprefix("ws://")))
    program = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        raise FileNotFoundError("haproxy is not installed")
    return Relay("haproxy", [program, "-db", "-f", str(config)], port)


def ocpp_broker(folder: Path, backend: str) -> Relay:
    python = os.environ.get("OCPP_BROKER_PYTHON")
    if not python:
        raise FileNotFoundError("OCPP_BROKER_PYTHON does not name the python of a venv with ocpp-broker")
    port = free_port()
    config = folder / f"broker-{port}.yaml"
    config.write_text(OCPP_BROKER_YAML.format(port=port, backend=backend, path=PATH))
    return Relay("ocpp-broker", [python, "-m", "ocpp_broker.server", "-c", str(config)], port)


RELAYS = {
    "ocpp-gateway": gateway,
    "translating": translating,
    "haproxy": haproxy,
    "aiohttp": aiohttp,
    "websockets": websockets,
    "ocpp-broker": ocpp_broker,
}
