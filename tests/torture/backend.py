"""A backend with a ledger that goes away, falls silent and comes back, on the same port each time."""

import asyncio
import json
from contextlib import suppress
from random import Random
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.torture.log import BackendLog, Processed, token_of

NOW = "2026-11-21T08:00:00Z"
ANSWERS: dict[str, dict[str, Any]] = {
    "BootNotification": {"currentTime": NOW, "interval": 300, "status": "Accepted"},
    "Heartbeat": {"currentTime": NOW},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "StopTransaction": {"idTagInfo": {"status": "Accepted"}},
}


class Ledger:
    """Takes what chargers send and writes it down before it answers.

    `knows_again`: a start that comes again gets the id it had before; else each one gets a new id.
    `is_mute`: it reads and processes, and says nothing. `loses`: how likely it drops a link instead of saying
    that it has processed a message.
    """

    def __init__(self, random: Random, port: int) -> None:
        self.log = BackendLog()
        self.port = port
        self.knows_again = random.random() < 0.5
        self.loses = random.choice((0.0, 0.05))
        self.is_mute = False
        self.links: dict[str, ServerConnection] = {}
        self.heard: dict[str, dict[str, Any]] = {}  # id of a command → its answer
        self._random = random
        self._ids = 0
        self._given: dict[str, dict[str, Any]] = {}
        self._server: Server | None = None

    async def come(self) -> None:
        self._server = await serve(
            *(self._serve, "127.0.0.1", self.port),
            subprotocols=["ocpp1.6", "ocpp2.0.1"],
            compression=None,
            ping_interval=None,
        )

    async def go(self) -> None:
        """Away at once, in the middle of everything."""
        server, self._server = self._server, None
        if server is not None:
            server.close(close_connections=False)
            for socket in list(server.connections):
                socket.transport.abort()
            await asyncio.sleep(0.01)  # it listens no more; to wait for its last handshakes would take long

    async def command(self, charger: str, id_: str, action: str, payload: dict[str, Any]) -> None:
        await self.links[charger].send(json.dumps([2, id_, action, payload]))

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        charger = socket.request.path.rpartition("/")[2]
        self.links[charger] = socket
        try:
            async for message in socket:
                data = message.encode() if isinstance(message, str) else message
                await self._take(charger, socket, data)
        except ConnectionClosed:
            pass
        finally:
            self.log.links_lost[charger] += 1
            if self.links.get(charger) is socket:
                del self.links[charger]

    async def _take(self, charger: str, socket: ServerConnection, data: bytes) -> None:
        kind, id_, *rest = json.loads(data)
        if kind != 2:
            self.heard[id_] = rest[0] if kind == 3 else {"error": rest}
            return
        action, token = rest[0], token_of(data)
        if action == "FirmwareStatusNotification":
            await socket.send(json.dumps([4, id_, "NotImplemented", "", {}]))
            return
        answer = self._answer(action, f"{charger} {token}")
        taken = Processed(token, action, id_, data, answer)
        if token:
            self.log.processed.setdefault(charger, []).append(taken)
        await asyncio.sleep(self._random.uniform(0.0, 0.01))
        if self.is_mute:
            return
        if token and self._random.random() < self.loses:
            socket.transport.abort()
        with suppress(ConnectionClosed):
            await socket.send(json.dumps([3, id_, answer]))
            taken.is_answered = True

    def _answer(self, action: str, key: str) -> dict[str, Any]:
        if action != "StartTransaction":
            return ANSWERS.get(action, {})
        if not (self.knows_again and key in self._given):
            self._ids += 1
            self._given[key] = {"transactionId": self._ids, "idTagInfo": {"status": "Accepted"}}
        return self._given[key]
