"""A charger that keeps what was not answered and sends it again, as real ones do, and writes it all down."""

import asyncio
import json
from contextlib import suppress
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.torture.log import ChargerLog, Sent

NOW = "2026-11-21T08:00:00Z"
ANSWER_S = 8.0
KNOCK_AGAIN_S = 0.05


class Charger:
    """One charger. `work` puts transactions into its queue; `live` sends them until it is cancelled.

    `is_here` says whether it connects at all.
    """

    def __init__(self, number: int, url: str, random: Random) -> None:
        self.is_16 = number % 2 == 0
        self.id = f"CP{number}"
        self.log = ChargerLog(self.id, renews_ids=number % 4 >= 2)
        self.url = f"{url}/{self.id}"
        self.is_here = asyncio.Event()
        self.is_here.set()
        self.has_been_in = False
        self._random = random
        self._queue: list[Sent] = []
        self._more = asyncio.Event()
        self._ids = 0
        self._sessions = 0
        self._transaction_ids: dict[str, int] = {}
        self._boots = True
        self._socket: ClientConnection | None = None
        self._waits: dict[str, asyncio.Future[list[Any]]] = {}
        self.stop_wanted = asyncio.Event()

    # What it does

    async def work(self, transactions: int) -> None:
        """Transactions, one after the other, with pauses."""
        for _ in range(transactions):
            session = self.begin()
            for number in range(2):
                await asyncio.sleep(self._random.uniform(0.0, 0.08))
                self._event("MeterValues", session, number + 1)
            self.end(session)
            await asyncio.sleep(self._random.uniform(0.0, 0.05))

    def begin(self) -> str:
        """A transaction begins; its name."""
        self._sessions += 1
        session = f"{self.id}-{self._sessions}"
        self._event("StartTransaction", session, 0)
        return session

    def end(self, session: str) -> None:
        self._event("StopTransaction", session, 3)

    def _event(self, action: str, session: str, number: int) -> None:
        token = f"token-{session.removeprefix('CP')}-{number}"
        sent = Sent(token, action if self.is_16 else "TransactionEvent", session)
        self.log.sent.append(sent)
        self._queue.append(sent)
        self._more.set()

    @property
    def is_done(self) -> bool:
        return not self._queue

    def reboot(self) -> None:
        """It loses its connection and boots; its queue is kept."""
        self._boots = True
        self.drop()

    def drop(self) -> None:
        if self._socket is not None:
            self._socket.transport.abort()

    def transaction_id(self, session: str) -> int:
        """What this charger knows a transaction by."""
        return self._transaction_ids[session]

    async def live(self) -> None:
        while True:
            await self.is_here.wait()
            with suppress(OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                await self._visit()
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * KNOCK_AGAIN_S)

    # One connection

    async def _visit(self) -> None:
        protocol = "ocpp1.6" if self.is_16 else "ocpp2.0.1"
        async with connect(
            *(self.url,),
            subprotocols=[protocol],
            compression=None,
            proxy=None,
            ping_interval=None,
            close_timeout=0.1,
        ) as socket:
            self._socket, self._waits = socket, {}
            listening = asyncio.ensure_future(self._listen(socket))
            talking = asyncio.ensure_future(self._talk(socket))
            try:
                await asyncio.wait({listening, talking}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (listening, talking):
                    task.cancel()
                await asyncio.gather(listening, talking, return_exceptions=True)
                socket.transport.abort()

    async def _listen(self, socket: ClientConnection) -> None:
        async for message in socket:
            kind, id_, *rest = json.loads(message)
            if kind == 2:
                self.log.commands.append((rest[0], rest[1]))
                self.stop_wanted.set()
                await socket.send(json.dumps([3, id_, {"status": "Accepted"}]))
            elif (waiting := self._waits.pop(id_, None)) is not None and not waiting.done():
                waiting.set_result([kind, *rest])
            else:
                self.log.odd.append(f"ANSWER nobody asked for: {message!r}")

    async def _talk(self, socket: ClientConnection) -> None:
        while self._boots:
            answer = await self._ask(socket, self._call("BootNotification", self._station()))
            self._boots = answer[0] != 3 or answer[1]["status"] != "Accepted"
            if self._boots:
                await asyncio.sleep(KNOCK_AGAIN_S)
        self.has_been_in = True
        await self._ask(socket, self._call("StatusNotification", self._status()))
        await self._ask(socket, self._call("FirmwareStatusNotification", {"status": "Installed"}))
        while True:
            while self._queue:
                await self._send_first(socket)
            self._more.clear()
            await self._more.wait()

    async def _send_first(self, socket: ClientConnection) -> None:
        sent = self._queue[0]
        if not sent.frames or self.log.renews_ids:
            sent.frames.append(self._frame_of(sent))
        kind, *rest = await self._ask(socket, sent.frames[-1])
        if kind != 3:
            sent.errors.append(str(rest))
        else:
            sent.answers.append(rest[0])
            if sent.action == "StartTransaction":
                self._transaction_ids[sent.session] = rest[0]["transactionId"]
        self._queue.pop(0)

    async def _ask(self, socket: ClientConnection, frame: bytes) -> list[Any]:
        waiting: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waits[json.loads(frame)[1]] = waiting
        await socket.send(frame.decode())
        async with asyncio.timeout(ANSWER_S):
            return await waiting

    # What it says

    def _call(self, action: str, payload: dict[str, Any]) -> bytes:
        self._ids += 1
        return json.dumps([2, f"{self.id}-{self._ids}", action, payload]).encode()

    def _frame_of(self, sent: Sent) -> bytes:
        reading = 1000 + self.log.sent.index(sent)
        if sent.action == "TransactionEvent":
            number = int(sent.token.rpartition("-")[2])
            payload: dict[str, Any] = {
                "eventType": {0: "Started", 3: "Ended"}.get(number, "Updated"),
                "timestamp": NOW,
                "triggerReason": "MeterValuePeriodic",
                "seqNo": number,
                "transactionInfo": {"transactionId": sent.session},
                "customData": {"vendorId": sent.token},
            }
        elif sent.action == "StartTransaction":
            payload = {"connectorId": 1, "idTag": sent.token, "meterStart": reading, "timestamp": NOW}
        else:
            payload = {"transactionId": self._transaction_ids[sent.session]}
            if sent.action == "StopTransaction":
                payload |= {"idTag": sent.token, "meterStop": reading, "timestamp": NOW}
            else:
                values = [{"value": str(reading)}, {"value": sent.token, "format": "SignedData"}]
                payload |= {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": values}]}
        return self._call(sent.action, payload)

    def _station(self) -> dict[str, Any]:
        if self.is_16:
            return {"chargePointVendor": "Vendor", "chargePointModel": "One"}
        return {"reason": "PowerUp", "chargingStation": {"model": "Two", "vendorName": "Vendor"}}

    def _status(self) -> dict[str, Any]:
        if self.is_16:
            return {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        return {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
