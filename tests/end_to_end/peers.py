"""Real peers around a real gateway process: chargers and backends on the `ocpp` and `websockets` packages.

Every frame that a peer sends or receives is recorded as it was on the wire.
"""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote
from urllib.request import Request, urlopen

import ocpp.v16
import ocpp.v21
import ocpp.v201
from ocpp.routing import on
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

SUBPROTOCOLS = ["ocpp2.1", "ocpp2.0.1", "ocpp1.6"]
PATIENCE_S = 20
HOST_PORT = r"127\.0\.0\.1:\d+"
NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
PACKAGES: dict[str, ModuleType] = {"ocpp1.6": ocpp.v16, "ocpp2.0.1": ocpp.v201, "ocpp2.1": ocpp.v21}


def run(test: Callable[[], Coroutine[Any, Any, None]], seconds: float = 80) -> None:
    """Run an asynchronous test; hanging is failing."""

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await test()

    asyncio.run(bounded())


async def until(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """What `condition` returns (or its awaited result) as soon as it is true."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = condition()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not come true") from None


class Recorder:
    """A WebSocket connection as the `ocpp` package wants it, that remembers every frame."""

    def __init__(self, socket: ClientConnection | ServerConnection) -> None:
        self.socket = socket
        self.sent: list[str | bytes] = []
        self.received: list[str | bytes] = []

    async def send(self, frame: str) -> None:
        self.sent.append(frame)
        await self.socket.send(frame)

    async def recv(self) -> str | bytes:
        frame = await self.socket.recv()
        self.received.append(frame)
        return frame


@dataclass
class Peer:
    """One end of a conversation: `point` speaks OCPP, `wire` has the frames."""

    point: Any
    wire: Recorder
    subprotocol: str
    authorization: str = ""
    closed: bool = False

    async def call(self, action: str, **payload: Any) -> Any:
        """Send a CALL and return its answer; an error answer is raised."""
        request = getattr(PACKAGES[self.subprotocol].call, action)(**payload)
        return await self.point.call(request, suppress=False)

    async def serve(self) -> None:
        with suppress(ConnectionClosed):
            await self.point.start()
        self.closed = True


def _peer(name: str, socket: ClientConnection | ServerConnection, answers: dict[str, dict[str, Any]]) -> Peer:
    """A charge point of the `ocpp` package (it serves both ends) with a handler per entry of `answers`."""
    subprotocol = socket.subprotocol
    assert subprotocol is not None
    package = PACKAGES[subprotocol]
    handlers = {f"on_{action}": _handler(package, action, answers[action]) for action in answers}
    wire = Recorder(socket)
    point = type("Point", (package.ChargePoint,), handlers)(name, wire, response_timeout=PATIENCE_S)
    return Peer(point, wire, subprotocol)


def _handler(package: ModuleType, action: str, answer: Any) -> Any:
    def handler(self: Any, **asked: Any) -> Any:
        return getattr(package.call_result, action)(**(answer(**asked) if callable(answer) else answer))

    handler.__name__ = f"on_{action}"
    return on(action)(handler)


@asynccontextmanager
async def charger(
    url: str,
    subprotocol: str | list[str],
    answers: dict[str, dict[str, Any]] | None = None,
    authorization: str = "",
) -> AsyncIterator[Peer]:
    """A charger connected to `url` (which ends with its id)."""
    headers = {"Authorization": authorization} if authorization else {}
    offered = [subprotocol] if isinstance(subprotocol, str) else subprotocol
    async with connect(
        url, subprotocols=offered, additional_headers=headers, compression=None, proxy=None
    ) as socket:
        peer = _peer(url.rpartition("/")[2], socket, answers or {})
        serving = asyncio.ensure_future(peer.serve())
        yield peer
    await serving


class Backend:
    """A backend whose connections are kept by charger id; `answers` are by sub-protocol and action.

    An answer is a payload, or a function of what was asked that makes one.
    """

    def __init__(self, answers: dict[str, dict[str, Any]]) -> None:
        self.answers = answers
        self.port = 0
        self._server: Server | None = None
        self.peers: dict[str, list[Peer]] = {}

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/cpms"

    async def peer(self, charger_id: str, number: int = 0) -> Peer:
        """The `number`th connection of this charger, as soon as it is there."""
        await until(lambda: len(self.peers.get(charger_id, ())) > number, f"backend link of {charger_id}")
        return self.peers[charger_id][number]

    async def start(self) -> None:
        """Listen, on the port it had before."""
        self._server = await serve(
            self._serve, "127.0.0.1", self.port, subprotocols=SUBPROTOCOLS, compression=None, max_size=2**23
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Close every connection, and listen no more."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        charger_id = unquote(socket.request.path.rpartition("/")[2])
        peer = _peer(charger_id, socket, self.answers[socket.subprotocol or ""])
        peer.authorization = socket.request.headers.get("Authorization", "")
        self.peers.setdefault(charger_id, []).append(peer)
        await peer.serve()


@asynccontextmanager
async def backend(answers: dict[str, dict[str, Any]]) -> AsyncIterator[Backend]:
    """A backend on a free port."""
    here = Backend(answers)
    await here.start()
    try:
        yield here
    finally:
        await here.stop()


@dataclass
class Gateway:
    """A running gateway process."""

    url: str
    admin: str
    process: asyncio.subprocess.Process
    output: list[str] = field(default_factory=list)
    was_killed: bool = False

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.was_killed = True
        self.process.kill()
        await self.process.wait()

    async def get(self, path: str) -> str:
        """The text of a page of the admin plane."""
        return await asyncio.to_thread(_get, self.admin + path)

    async def fetch(self, path: str) -> Any:
        """The JSON that a page of the admin plane answers."""
        return json.loads(await self.get(path))

    async def post(self, path: str, content: dict[str, Any]) -> Any:
        """The JSON that the admin plane answers to this."""
        return json.loads(await asyncio.to_thread(_get, self.admin + path, json.dumps(content).encode()))

    async def is_ready(self) -> bool:
        with suppress(OSError):
            await self.get("/readyz")
            return True
        return False

    async def flags(self) -> dict[str, float]:
        """Flag code → times raised."""
        return await self._counter("flags_total", "code")

    async def refused(self) -> dict[str, float]:
        """Reason → handshakes refused."""
        return await self._counter("handshakes_refused_total", "reason")

    async def _counter(self, name: str, label: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for labels, value in re.findall(
            rf"^ocpp_gateway_{name}{{(.*)}} (\S+)$", await self.get("/metrics"), re.M
        ):
            key = re.search(rf'{label}="([^"]*)"', labels)
            assert key is not None
            found[key[1]] = found.get(key[1], 0) + float(value)
        return found

    async def chargers(self) -> list[str]:
        """Ids of the chargers that the API shows as connected."""
        answer = json.loads(await self.get("/api/v1/chargers"))
        return [row["id"] for row in (answer["chargers"] if isinstance(answer, dict) else answer)]


def _get(url: str, content: bytes | None = None) -> str:
    request = Request(url, content, {"Content-Type": "application/json"} if content else {})
    with urlopen(request, timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


TOML = """\
[listen]
address = "127.0.0.1:0"
{listen}
[admin]
address = "127.0.0.1:0"
[backend]
url = "{backend}"
reconnect_min_s = 0.1
reconnect_max_s = 0.5
{more}
[data]
directory = "{data}"
"""


@asynccontextmanager
async def gateway(
    folder: Path, backend_url: str, listen: str = "", backend: str = "", tables: str = ""
) -> AsyncIterator[Gateway]:
    """The gateway in front of `backend_url`; TOML lines for [listen], [backend] and further tables."""
    config = folder / "gateway.toml"
    text = TOML.format(listen=listen, backend=backend_url, more=backend, data=folder / "data")
    config.write_text(text + tables)
    async with command("run", str(config)) as node:
        yield node


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[Gateway]:
    """The gateway, started with these arguments.

    At the end it is stopped with SIGTERM, unless it was killed: it must end well and must have had no
    unexpected exception.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    output: list[str] = []
    reading = asyncio.ensure_future(_read(process, output))
    try:
        urls = await until(lambda: _addresses(process, output), "start of the gateway")
        running = Gateway(urls["ws"], urls["http"], process, output)
        await until(running.is_ready, "/readyz")
        yield running
        if running.was_killed:
            return
        assert process.returncode is None, f"the gateway ended on its own:\n{''.join(output)}"
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
    told = "".join(output)
    assert process.returncode == 0, f"exit status {process.returncode}:\n{told}"
    assert "Traceback" not in told, told


async def _read(process: asyncio.subprocess.Process, output: list[str]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        output.append(line.decode())


def _addresses(process: asyncio.subprocess.Process, output: list[str]) -> dict[str, str] | None:
    """`ws` and `http` URLs that the gateway says it listens on."""
    told = "".join(output)
    assert process.returncode is None, f"the gateway did not start:\n{told}"
    found = re.search(rf"listening on (ws://{HOST_PORT}).*(http://{HOST_PORT})/readyz", told, re.S)
    return {"ws": found[1], "http": found[2]} if found else None


BACKEND_PROCESS = """
import asyncio, sys
from gateway.sandbox.backend import start_backend
async def main():
    _, port = await start_backend("127.0.0.1", int(sys.argv[1]))
    print(port, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@asynccontextmanager
async def backend_process(port: int = 0) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A backend in a process of its own, to be stopped and killed; and its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BACKEND_PROCESS, str(port)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass
class Answer:
    """What a raw handshake was answered with."""

    status: int
    headers: dict[str, str]
    text: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def hang_up(self) -> None:
        self.writer.close()


PLAIN = {
    "Host": "gateway",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "ocpp1.6",
}


async def handshake(url: str, path: str, **changes: str | None) -> Answer:
    """A handshake by hand: headers of `PLAIN`, some changed or (None) left out, `_` for `-` in names."""
    host, _, port = url.removeprefix("ws://").partition(":")
    headers = PLAIN | {name.replace("_", "-"): value for name, value in changes.items()}
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"GET {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items() if value is not None),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode()
    status_line, *rest = head.strip().split("\r\n")
    answered = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    status = int(status_line.split()[1])
    text = ""
    if status != 101:
        text = (await asyncio.wait_for(reader.read(), PATIENCE_S)).decode()
        writer.close()
    return Answer(status, answered, text, reader, writer)
