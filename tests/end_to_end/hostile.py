"""Backends that do what they should not: what each kind does on every link, and what it heard there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from peers import SUBPROTOCOLS
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

OVERSIZED = 5_000_000
JUNK: tuple[str | bytes, ...] = (
    "this is no JSON",
    "[" * 5_000,
    '[2,"x"]',
    '[2,"x","GetConfiguration",[]]',
    '[3,"never-asked",{"status":"Accepted"}]',
    '[4,"never-asked","InternalError","",{}]',
    '[9,"x",{}]',
    '{"a":1}',
    "",
    b"\x00\xff\xfe",
    b'[2,"binary","Reset",{"type":"Hard"}]',
)
DANGEROUS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "ocpp1.6": [
        ("Reset", {"type": "Hard"}),
        ("RemoteStopTransaction", {"transactionId": 1}),
        ("UpdateFirmware", {"location": "http://e.example/f", "retrieveDate": "2026-01-01T00:00:00Z"}),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "0123456789abcdef"}),
        ("Reboot", {}),
    ],
    "ocpp2.0.1": [
        ("Reset", {"type": "Immediate"}),
        (
            "UpdateFirmware",
            {
                "requestId": 1,
                "firmware": {"location": "http://e.example/f", "retrieveDateTime": "2026-01-01T00:00:00Z"},
            },
        ),
        ("Reboot", {}),
    ],
}


@dataclass
class Hostile:
    """A backend on a free port that does `deed` on every link; `heard` is all that it got, by charger."""

    deed: Callable[["Hostile", ServerConnection, str], Coroutine[Any, Any, None]]
    port: int = 0
    heard: dict[str, list[Any]] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    tasks: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/cpms"

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        charger = socket.request.path.rpartition("/")[2]
        self.links[charger] = self.links.get(charger, 0) + 1
        task = asyncio.ensure_future(self.deed(self, socket, charger))
        self.tasks.add(task)
        await asyncio.wait([task])
        self.tasks.discard(task)
        if not task.cancelled() and not isinstance(task.exception(), ConnectionClosed):
            task.result()
        socket.transport.abort()

    async def hear(self, socket: ServerConnection, charger: str) -> list[Any]:
        """The next message of the charger."""
        message: list[Any] = json.loads(await socket.recv())
        self.heard.setdefault(charger, []).append(message)
        return message

    def answers(self, charger: str) -> dict[str, list[Any]]:
        """The answers to its CALLs by their ids."""
        return {message[1]: message for message in self.heard.get(charger, []) if message[0] in (3, 4)}


async def _hear_all(here: Hostile, socket: ServerConnection, charger: str) -> None:
    while True:
        await here.hear(socket, charger)


async def floods(here: Hostile, socket: ServerConnection, charger: str) -> None:
    hearing = asyncio.ensure_future(_hear_all(here, socket, charger))
    try:
        for number in count():
            await socket.send(json.dumps([2, f"flood-{number}", "GetConfiguration", {}]))
            await socket.send(json.dumps([2, f"reset-{number}", "Reset", {"type": "Hard"}]))
            await socket.send(f"junk {number}")
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)


async def talks_rubbish(here: Hostile, socket: ServerConnection, charger: str) -> None:
    while True:
        await here.hear(socket, charger)
        for junk in JUNK:
            await socket.send(junk)
        await socket.send(b"[2,\xff\xfe]", text=True)


async def sends_too_much(here: Hostile, socket: ServerConnection, charger: str) -> None:
    await here.hear(socket, charger)
    await socket.send('[2,"big","DataTransfer",{"vendorId":"' + "x" * OVERSIZED + '"}]')
    await _hear_all(here, socket, charger)


async def never_answers(here: Hostile, socket: ServerConnection, charger: str) -> None:
    await _hear_all(here, socket, charger)


async def never_reads(here: Hostile, socket: ServerConnection, charger: str) -> None:
    socket.transport.pause_reading()
    await asyncio.Event().wait()


async def answers_wrongly(here: Hostile, socket: ServerConnection, charger: str) -> None:
    """Under ids that were never asked, twice, and with what does not fit."""
    while True:
        message = await here.hear(socket, charger)
        started = {"transactionId": 1, "idTagInfo": {"status": "Blocked"}}
        for id_ in (f"{message[1]}-not", "1", message[1]):
            await socket.send(json.dumps([3, id_, started]))
        await socket.send(json.dumps([4, message[1], "InternalError", "no", {}]))


async def leaves_at_once(here: Hostile, socket: ServerConnection, charger: str) -> None:
    socket.transport.abort()


async def commands_all(here: Hostile, socket: ServerConnection, charger: str) -> None:
    """It takes part like any backend, with ids of its own, and commands what it may not."""
    numbers = count()
    while True:
        message = await here.hear(socket, charger)
        if message[0] != 2:
            continue
        answer: dict[str, Any] = {}
        if message[2] == "StartTransaction":
            answer = {"transactionId": 77_000 + next(numbers), "idTagInfo": {"status": "Accepted"}}
        elif message[2] == "BootNotification":
            answer = {"status": "Accepted", "currentTime": "2026-11-21T10:00:00Z", "interval": 300}
        await socket.send(json.dumps([3, message[1], answer]))
        for action, payload in DANGEROUS[socket.subprotocol or ""]:
            await socket.send(json.dumps([2, f"{action}-{next(numbers)}", action, payload]))


@asynccontextmanager
async def hostile(deed: Any) -> AsyncIterator[Hostile]:
    here = Hostile(deed)
    server = await serve(
        here.serve, "127.0.0.1", 0, subprotocols=SUBPROTOCOLS, compression=None, close_timeout=0.1
    )
    here.port = next(iter(server.sockets)).getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        for task in here.tasks:
            task.cancel()
        await server.wait_closed()
