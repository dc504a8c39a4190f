"""Chargers on the `ocpp` package that keep a queue: what was not answered is sent again, in its order."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ocpp.v16
import ocpp.v201
from ledger import NOW
from ocpp.routing import on
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PATIENCE_S = 5  # some chargers wait no longer for an answer
ACCEPTED = {"status": "Accepted"}


@dataclass
class Site:
    """Where chargers find the gateway; a restarted one may listen elsewhere."""

    url: str = "ws://127.0.0.1:1"


@dataclass
class Session:
    """A transaction as its charger knows it. `id` is None until the gateway has said it (1.6)."""

    name: str
    events: int = 0
    id: int | None = None


@dataclass
class Queued:
    """A message in a charger's queue, and the answer that it heard."""

    session: Session
    what: str  # start, value or stop
    number: int
    answer: Any = None


@dataclass
class QueueingCharger:
    """One charger. `live` connects and sends until cancelled; `begin`, `value` and `end` fill its queue."""

    id: str
    site: Site
    protocol: str = "ocpp1.6"
    tag: str = "TAG1"
    said: list[Queued] = field(default_factory=list)
    commands: list[tuple[str, Any]] = field(default_factory=list)
    visits: int = 0
    refused: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._queue: list[Queued] = []
        self._more = asyncio.Event()
        self._boots = True
        self._socket: Any = None
        self.is_16 = self.protocol == "ocpp1.6"

    # What it does

    def begin(self) -> Session:
        session = Session(f"{self.id}-{sum(q.what == 'start' for q in self.said) + 1}")
        self._say(session, "start")
        return session

    def value(self, session: Session) -> None:
        self._say(session, "value")

    def end(self, session: Session) -> None:
        self._say(session, "stop")

    def _say(self, session: Session, what: str) -> None:
        queued = Queued(session, what, session.events)
        session.events += 1
        self.said.append(queued)
        self._queue.append(queued)
        self._more.set()

    @property
    def is_done(self) -> bool:
        return not self._queue

    def reboot(self) -> None:
        """It drops its connection and boots; its queue is kept."""
        self._boots = True
        if self._socket is not None:
            self._socket.transport.abort()

    async def live(self) -> None:
        while True:
            try:
                await self._visit()
            except InvalidHandshake as error:
                status = getattr(getattr(error, "response", None), "status_code", 0)
                self.refused.append(status)
            except (OSError, ConnectionClosed, TimeoutError):
                pass
            await asyncio.sleep(0.1)

    # One connection

    async def _visit(self) -> None:
        async with connect(
            *(f"{self.site.url}/{self.id}",),
            subprotocols=[self.protocol],
            compression=None,
            proxy=None,
            ping_interval=None,
            close_timeout=0.2,
        ) as socket:
            self._socket = socket
            point = self._point(socket)
            tasks = [asyncio.ensure_future(point.start()), asyncio.ensure_future(self._talk(point))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                socket.transport.abort()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _point(self, socket: Any) -> Any:
        package = ocpp.v16 if self.is_16 else ocpp.v201
        action = "RemoteStopTransaction" if self.is_16 else "RequestStopTransaction"

        def handle(_: Any, **payload: Any) -> Any:
            self.commands.append((action, payload["transaction_id"]))
            return getattr(package.call_result, action)(**ACCEPTED)

        handle.__name__ = "on_stop"
        kind = type("Point", (package.ChargePoint,), {"on_stop": on(action)(handle)})
        return kind(self.id, socket, response_timeout=PATIENCE_S)

    async def _talk(self, point: Any) -> None:
        with suppress(ConnectionClosed, TimeoutError):
            while self._boots:
                answer = await point.call(self._boot(), suppress=False)
                self._boots = answer.status != "Accepted"
                if self._boots:
                    await asyncio.sleep(0.1)
            await point.call(self._status(), suppress=False)
            self.visits += 1
            while True:
                while self._queue:
                    await self._send_first(point)
                self._more.clear()
                await self._more.wait()

    async def _send_first(self, point: Any) -> None:
        queued = self._queue[0]
        request = self._message_16(queued) if self.is_16 else self._event_201(queued)
        queued.answer = await point.call(request, suppress=False, unique_id=f"{self.id}-{id(queued)}")
        if queued.what == "start" and self.is_16:
            queued.session.id = queued.answer.transaction_id
        self._queue.remove(queued)

    # What it says

    def _boot(self) -> Any:
        if self.is_16:
            return ocpp.v16.call.BootNotification(charge_point_model="One", charge_point_vendor="Vendor")
        station = {"model": "Two", "vendor_name": "Vendor"}
        return ocpp.v201.call.BootNotification(charging_station=station, reason="PowerUp")

    def _status(self) -> Any:
        if self.is_16:
            return ocpp.v16.call.StatusNotification(connector_id=1, error_code="NoError", status="Available")
        return ocpp.v201.call.StatusNotification(
            timestamp=NOW, connector_status="Available", evse_id=1, connector_id=1
        )

    def _message_16(self, queued: Queued) -> Any:
        call, session, reading = ocpp.v16.call, queued.session, 1000 + self.said.index(queued)
        if queued.what == "start":
            return call.StartTransaction(connector_id=1, id_tag=self.tag, meter_start=reading, timestamp=NOW)
        assert session.id is not None
        if queued.what == "stop":
            return call.StopTransaction(transaction_id=session.id, meter_stop=reading, timestamp=NOW)
        values = [{"timestamp": NOW, "sampled_value": [{"value": str(reading)}]}]
        return call.MeterValues(connector_id=1, transaction_id=session.id, meter_value=values)

    def _event_201(self, queued: Queued) -> Any:
        reading = float(1000 + self.said.index(queued))
        kind = {"start": "Started", "value": "Updated", "stop": "Ended"}[queued.what]
        token = {"id_token": self.tag, "type": "ISO14443"}
        return ocpp.v201.call.TransactionEvent(
            event_type=kind,
            timestamp=NOW,
            trigger_reason="MeterValuePeriodic",
            seq_no=queued.number,
            transaction_info={"transaction_id": queued.session.name},
            meter_value=[{"timestamp": NOW, "sampled_value": [{"value": reading}]}],
            id_token=token if queued.what == "start" else None,
        )


def reading_of(row: dict[str, Any]) -> int:
    """The meter reading in a row of the ledger, by which each message of a charger is known."""
    payload = row["payload"]
    for name in ("meter_start", "meter_stop"):
        if name in payload:
            return int(payload[name])
    return int(float(payload["meter_value"][0]["sampled_value"][0]["value"]))


def broken(charger: QueueingCharger, rows: list[dict[str, Any]], most_repeats: int) -> list[str]:
    """What is wrong with a ledger's rows of one charger, in a line each: nothing, if nothing was lost."""
    found = []
    readings = [reading_of(row) for row in rows]
    firsts = list(dict.fromkeys(readings))
    wanted = [1000 + number for number in range(len(charger.said))]
    if firsts != wanted:
        found.append(f"{charger.id}: the ledger has {firsts}, the charger said {wanted}")
    if len(readings) - len(firsts) > most_repeats:
        found.append(f"{charger.id}: {len(readings) - len(firsts)} repeats: {readings}")
    backend_ids: dict[str, set[int]] = {}
    for row in rows if charger.is_16 else ():
        session = charger.said[reading_of(row) - 1000].session.name
        if row["transaction"] is not None:
            backend_ids.setdefault(session, set()).add(row["transaction"])
        elif row["payload"]["transaction_id"] not in backend_ids.get(session, ()):
            found.append(f"{charger.id}: {row['action']} of {session} names {row['payload']}")
    return found
