"""A charger port with its fleet, a backend that answers everything, and sockets that say anything."""

import asyncio
import json
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import uvloop
from msgspec import structs
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from gateway.config import Backend as BackendConfig
from gateway.config import Config, Limits, Listen
from gateway.config.values import Address
from gateway.net.charger_server import ChargerServer
from gateway.net.driver import Driver
from gateway.net.fleet import Fleet
from gateway.net.tasks import cancel_all
from gateway.session.effects import Flagged
from gateway.session.session import ChargerSession
from gateway.session.tally import Tally

PATIENCE_S = 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PLAIN = {
    "Host": "gateway",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "ocpp1.6",
}
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
ANSWERS = {"Heartbeat": {"currentTime": "2026-11-21T08:00:00Z"}, "DataTransfer": {"status": "Accepted"}}
HEARTBEAT = b'[2,"hb","Heartbeat",{}]'


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous test on the loop that the gateway uses; hanging is failing."""

    async def bounded() -> None:
        try:
            async with asyncio.timeout(3 * PATIENCE_S):
                await test()
        finally:
            hang_up()
            await cancel_all()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


async def until(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` returns as soon as it is true."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := condition()):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            return found
    except TimeoutError:
        raise AssertionError(f"not so in time: {what}") from None


# Frames


def frame(
    opcode: int,
    payload: bytes = b"",
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    form: int = 0,
) -> bytes:
    """A frame as a client sends it; `rsv`: the reserved bits, `form`: 16 or 64 for a longer length."""
    size = len(payload)
    bit = 128 if mask is not None else 0
    if form == 64 or (not form and size > 65535):
        length = bytes([bit | 127]) + struct.pack("!Q", size)
    elif form == 16 or (not form and size > 125):
        length = bytes([bit | 126]) + struct.pack("!H", size)
    else:
        length = bytes([bit | size])
    if mask:
        repeated = mask * (size // 4 + 1)
        payload = bytes(a ^ b for a, b in zip(payload, repeated, strict=False))
    return bytes([(128 if fin else 0) | rsv << 4 | opcode]) + length + (mask or b"") + payload


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def text(payload: bytes, **how: Any) -> bytes:
    return frame(TEXT, payload, **how)


@dataclass
class Frame:
    """A frame from the gateway."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int:
        """The close code; 1005 when there is none."""
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else 1005

    @property
    def reason(self) -> str:
        return self.payload[2:].decode()


# The charger's end


@dataclass
class Wire:
    """A socket to the gateway after its handshake was answered with `status`."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    body: str = ""

    def send(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.writer.write(chunk)

    async def next(self) -> Frame:
        """The next frame; IncompleteReadError when the connection is gone."""
        first, second = await self._exactly(2)
        assert not second & 128, "a server must not mask (RFC 6455 §5.1)"
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", await self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._exactly(8))
        return Frame(first & 15, await self._exactly(size), bool(first & 128), first >> 4 & 7)

    async def _exactly(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), PATIENCE_S)

    async def text(self) -> bytes:
        """The next text message, pings and pongs passed over."""
        while (got := await self.next()).opcode in (PING, PONG):
            pass
        assert got.opcode == TEXT, got
        return got.payload

    async def closed(self) -> Frame:
        """The close frame, whatever comes before it; 1006 when there is none."""
        try:
            while (got := await self.next()).opcode != CLOSE:
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return Frame(CLOSE, struct.pack("!H", 1006))
        return got

    async def ended(self) -> None:
        """Wait until the gateway has closed the TCP connection."""
        try:
            while await asyncio.wait_for(self.reader.read(65536), PATIENCE_S):
                pass
        except ConnectionError:
            pass

    async def heartbeat(self, id_: str = "hb") -> bytes:
        """Send a Heartbeat; its answer."""
        self.send(text(f'[2,"{id_}","Heartbeat",{{}}]'.encode()))
        return await self.text()

    def hang_up(self) -> None:
        cut_off(self.writer)


def request(path: str = "/CP1", **changes: str | None) -> bytes:
    """A handshake: headers of `PLAIN`, some changed or (None) left out, `_` for `-` in names."""
    headers = PLAIN | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


async def shake(port: int, raw: bytes, tls: ssl.SSLContext | None = None) -> Wire:
    """Send a handshake as it is and read its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    _writers.append(writer)
    writer.write(raw)
    return await answered(reader, writer)


_writers: list[asyncio.StreamWriter] = []


def cut_off(writer: asyncio.StreamWriter) -> None:
    """Drop a connection without a word."""
    writer.close()
    writer.transport.abort()


def hang_up() -> None:
    """End every socket that a test has left open."""
    while _writers:
        cut_off(_writers.pop())


async def knock(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the gateway on which nothing has been said yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _writers.append(writer)
    return reader, writer


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Wire:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    status, *lines = head.decode().strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    wire = Wire(reader, writer, int(status.split()[1]), headers)
    if wire.status != 101:
        wire.body = (await asyncio.wait_for(reader.read(), PATIENCE_S)).decode()
        writer.close()
    return wire


# The backend's end


@dataclass
class Stub:
    """A backend: its links by charger id, what came on each, and how it behaves.

    It answers every CALL (see `ANSWERS`) unless it is `mute`, and every handshake with the HTTP `status`
    when there is one. With a `closing` code it closes each link as soon as it is there.
    """

    port: int = 0
    status: int = 0
    mute: bool = False
    closing: int = 0
    requests: list[Request] = field(default_factory=list)
    opened_at: list[float] = field(default_factory=list)
    links: dict[str, list[ServerConnection]] = field(default_factory=dict)
    received: dict[str, list[bytes]] = field(default_factory=dict)
    scheme: str = "ws"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/cpms"

    def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if self.status:
            return connection.respond(self.status, "no\n")
        if "Sec-WebSocket-Key" not in request.headers:
            return connection.respond(200, "here\n")
        return None

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        id_ = unquote(socket.request.path.rpartition("/")[2])
        self.opened_at.append(time.monotonic())
        self.links.setdefault(id_, []).append(socket)
        received = self.received.setdefault(id_, [])
        if self.closing:
            await socket.close(self.closing)
        try:
            async for message in socket:
                raw = message if isinstance(message, bytes) else message.encode()
                received.append(raw)
                await self._answer(socket, raw)
        except ConnectionClosed:
            pass

    async def _answer(self, socket: ServerConnection, raw: bytes) -> None:
        got = json.loads(raw)
        if got[0] == 2 and not self.mute:
            await socket.send(json.dumps([3, got[1], ANSWERS.get(got[2], {})]))

    async def link(self, id_: str, number: int = 0) -> ServerConnection:
        """The `number`th link of a charger, as soon as it is there."""
        return (
            await until(lambda: self.links.get(id_, [])[number : number + 1], f"link of {id_}")
            and (self.links[id_][number])
        )


@asynccontextmanager
async def backend(port: int = 0, tls: ssl.SSLContext | None = None, **behaviour: Any) -> AsyncIterator[Stub]:
    """A backend on a port of 127.0.0.1."""
    stub = Stub(**behaviour, scheme="wss" if tls else "ws")
    names = ["ocpp2.1", "ocpp2.0.1", "ocpp1.6"]
    async with serve(
        *(stub.serve, "127.0.0.1", port),
        subprotocols=names,
        process_request=stub.judge,
        compression=None,
        max_size=2**24,
        ssl=tls,
    ) as server:
        stub.port = next(iter(server.sockets)).getsockname()[1]
        yield stub


# The gateway between them


@dataclass
class Node:
    """A charger port and its fleet, in this very loop."""

    port: int
    fleet: Fleet
    server: ChargerServer
    tally: Tally
    flagged: list[Flagged] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    async def charger(self, path: str = "/CP1", **changes: str | None) -> Wire:
        """A charger whose handshake was answered."""
        return await shake(self.port, request(path, **changes), self.tls)

    def driver(self, id_: str) -> Driver | None:
        return self.fleet.drivers.get(id_.lower())

    async def gone(self, id_: str) -> None:
        await until(lambda: self.driver(id_) is None, f"{id_} is gone")

    def flags(self) -> set[str]:
        return {code for code, *_ in self.tally.flags}


class Sink:
    """Keeps what was flagged, in memory, as if it were durable."""

    def __init__(self) -> None:
        self.kept: list[Flagged] = []

    def keep(
        self, charger: str, session: ChargerSession, flagged: Flagged, done: Callable[[bool], None] | None
    ) -> None:
        self.kept.append(flagged)
        if done is not None:
            asyncio.get_running_loop().call_soon(done, True)


@asynccontextmanager
async def node(
    backend_url: str,
    listen: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    **backend: Any,
) -> AsyncIterator[Node]:
    """A node in front of a backend; settings by table. Rates are wide unless a test narrows them."""
    wide = {"handshakes_per_s_per_address": 10_000.0, "messages_per_s": 10_000.0, "message_burst": 10_000}
    config = Config(
        backend=BackendConfig(
            **(
                {
                    "url": backend_url,
                    "new_links_per_s": 10_000.0,
                    "reconnect_min_s": 0.1,
                    "reconnect_max_s": 0.4,
                    "when_away": "close",
                }
                | backend
            )
        ),
        listen=structs.replace(Listen(address=Address("127.0.0.1", 0)), **(listen or {})),
        limits=structs.replace(Limits(), **(wide | (limits or {}))),
    )
    tally, sink = Tally(), Sink()
    fleet = Fleet(config, tally, sink, time.time)
    server = ChargerServer(config, fleet, tally)
    port = await server.start()
    fleet.start()
    here = Node(port, fleet, server, tally, sink.kept)
    try:
        yield here
    finally:
        hang_up()
        server.stop_listening()
        await until(lambda: not fleet.drivers, "every charger has gone")
        await fleet.close(2.0)


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[tuple[Stub, Node]]:
    """A backend and a node in front of it."""
    async with backend() as stub, node(stub.url, **settings) as here:
        yield stub, here
