"""Simulated chargers of different temper, so that there is traffic to look at.

Each one boots, reports its status and then charges one car after the other, with a pause of a second or so
between messages; each comes back after a broken connection.
"""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from ssl import SSLContext
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType

from gateway.net.tasks import spawn
from gateway.sandbox.refusal import cause_of, refuse

Payload = dict[str, Any]

ANSWER_TIMEOUT_S = 10
RECONNECT_MAX_S = 30.0
STEP_S = 1.0
DROP_CHANCE = 0.1
METER_STEP_WH = (20, 60)
TAGS = ("04A1B2C3", "04D4E5F6", "BLOCKED")
CALL, CALLRESULT, CALLERROR = 2, 3, 4

_ANSWERS: dict[str, Payload] = {
    "GetConfiguration": {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": "30"},
            {"key": "MeterValueSampleInterval", "readonly": False, "value": "60"},
        ]
    },
    "GetVariables": {
        "getVariableResult": [
            {
                "attributeStatus": "Accepted",
                "attributeValue": "30",
                "component": {"name": "OCPPCommCtrlr"},
                "variable": {"name": "HeartbeatInterval"},
            }
        ]
    },
    "TriggerMessage": {"status": "Accepted"},
    "RemoteStartTransaction": {"status": "Accepted"},
    "RemoteStopTransaction": {"status": "Accepted"},
    "RequestStartTransaction": {"status": "Accepted"},
    "RequestStopTransaction": {"status": "Accepted"},
    "ChangeConfiguration": {"status": "Accepted"},
    "Reset": {"status": "Accepted"},
}


def now() -> str:
    """The time as a well-made charger writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Charger:
    """A well-behaved OCPP 1.6 charger; `charge` is what it does over and over once it is connected."""

    subprotocol = "ocpp1.6"

    def __init__(self, charger_id: str) -> None:
        self.charger_id = charger_id
        self.told: Callable[[str], None] = lambda _: None
        self.meter_wh = random.randrange(1_000_000)
        self.running: int | None = None
        self._connection: ClientWebSocketResponse | None = None
        self._answers: dict[str, asyncio.Future[Payload]] = {}

    async def run(self, url: str, tls: SSLContext | bool = True) -> None:
        """Connect and live, again and again, until cancelled; waits double, with jitter.

        What keeps it from connecting is told once, until it is something else or over.
        """
        wait_s, cause = 1.0, ""
        async with ClientSession(raise_for_status=refuse) as session:
            while True:
                try:
                    async with session.ws_connect(
                        f"{url.rstrip('/')}/{self.charger_id}", protocols=(self.subprotocol,), ssl=tls
                    ) as connection:
                        wait_s, cause = 1.0, ""
                        self.told("is connected")
                        await self._live(connection)
                        self.told("has lost its connection")
                except (ClientError, OSError) as error:
                    before, cause = cause, cause_of(error)
                    if cause != before:
                        self.told(f"cannot connect, and tries again: {cause}")
                    wait_s = min(2 * wait_s, RECONNECT_MAX_S)
                await asyncio.sleep(random.uniform(0.5, 1) * wait_s)

    async def _live(self, connection: ClientWebSocketResponse) -> None:
        """Act while reading, until the connection is over."""
        self._connection = connection
        acting = spawn(self._act(), self.charger_id)
        try:
            async for message in connection:
                if message.type is WSMsgType.TEXT:
                    self.told(f"<- {message.data}")
                    await self._take(message.data)
        finally:
            acting.cancel()

    async def _act(self) -> None:
        try:
            await self.boot()
            while True:
                await self.charge()
        except OSError:
            await self.connection.close()

    @property
    def connection(self) -> ClientWebSocketResponse:
        assert self._connection is not None
        return self._connection

    async def _take(self, text: str) -> None:
        """Answer the backend's CALL, or hand its answer to the waiting `call`; a CALLERROR counts as `{}`."""
        kind, message_id, content, *more = orjson.loads(text)
        if kind == CALL:
            await self._reply(message_id, content)
            if more == [{"requestedMessage": "Heartbeat"}]:
                await self._send(self.write([CALL, str(uuid4()), "Heartbeat", {}]))
        elif waiting := self._answers.pop(message_id, None):
            waiting.set_result(content if kind == CALLRESULT else {})

    async def _reply(self, message_id: str, action: str) -> None:
        answer = _ANSWERS.get(action)
        if answer is None:
            frame = [CALLERROR, message_id, "NotImplemented", f"no {action} here", {}]
        else:
            frame = [CALLRESULT, message_id, answer]
        await self._send(orjson.dumps(frame).decode())

    async def _send(self, text: str) -> None:
        self.told(f"-> {text}")
        await self.connection.send_str(text)

    def write(self, frame: list[Any]) -> str:
        """The frame as this charger's firmware writes it."""
        return orjson.dumps(frame).decode()

    async def call(self, action: str, payload: Payload) -> Payload:
        """Send a CALL and wait for its answer; `{}` when there is none in time."""
        message_id = str(uuid4())
        answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._answers[message_id] = answer
        await self._send(self.write([CALL, message_id, action, payload]))
        await asyncio.wait([answer], timeout=ANSWER_TIMEOUT_S)
        self._answers.pop(message_id, None)
        return answer.result() if answer.done() else {}

    async def status(self, status: str) -> None:
        payload = {"connectorId": 1, "errorCode": "NoError", "status": status, "timestamp": now()}
        await self.call("StatusNotification", payload)

    async def boot(self) -> None:
        await self.call("BootNotification", {"chargePointVendor": "Sandbox", "chargePointModel": "One"})
        await self.status("Available")

    async def meter_values(self, transaction_id: int) -> None:
        """Sample the energy register and the power of the running transaction."""
        self.meter_wh += random.randrange(*METER_STEP_WH)
        samples = [
            {"value": str(self.meter_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": "11040.0", "measurand": "Power.Active.Import", "unit": "W"},
        ]
        value = {"timestamp": now(), "sampledValue": samples}
        await self.call(
            "MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]}
        )

    async def charge(self) -> None:
        """One car: heartbeat, authorize, a transaction with meter values, and a rest."""
        await self.call("Heartbeat", {})
        tag = random.choice(TAGS)
        allowed = (await self.call("Authorize", {"idTag": tag})).get("idTagInfo", {}).get("status")
        await asyncio.sleep(STEP_S)
        if allowed == "Accepted":
            await self.transaction(tag)
        await asyncio.sleep(random.uniform(1, 3) * STEP_S)

    async def transaction(self, tag: str) -> None:
        await self.status("Preparing")
        start = {"connectorId": 1, "idTag": tag, "meterStart": self.meter_wh, "timestamp": now()}
        self.running = (await self.call("StartTransaction", start)).get("transactionId")
        if self.running is None:
            return
        await self.status("Charging")
        for _ in range(5):
            await asyncio.sleep(STEP_S)
            await self.meter_values(self.running)
        await self.stop("EVDisconnected")
        await self.status("Available")

    async def stop(self, reason: str) -> None:
        stop = {
            "transactionId": self.running,
            "meterStop": self.meter_wh,
            "timestamp": now(),
            "reason": reason,
        }
        await self.call("StopTransaction", stop)
        self.running = None


class Station(Charger):
    """A well-behaved OCPP 2.0.1 charging station."""

    subprotocol = "ocpp2.0.1"

    async def status(self, status: str) -> None:
        payload = {"timestamp": now(), "connectorStatus": status, "evseId": 1, "connectorId": 1}
        await self.call("StatusNotification", payload)

    async def boot(self) -> None:
        station = {"vendorName": "Sandbox", "model": "Two"}
        await self.call("BootNotification", {"reason": "PowerUp", "chargingStation": station})
        await self.status("Available")

    async def charge(self) -> None:
        token = {"idToken": random.choice(TAGS), "type": "ISO14443"}
        await self.call("Heartbeat", {})
        info = (await self.call("Authorize", {"idToken": token})).get("idTokenInfo", {})
        await asyncio.sleep(STEP_S)
        if info.get("status") == "Accepted":
            await self._session(token)
        await asyncio.sleep(random.uniform(1, 3) * STEP_S)

    async def _session(self, token: Payload) -> None:
        transaction_id = str(uuid4())
        await self.status("Occupied")
        await self._event("Started", "Authorized", transaction_id, 0, idToken=token)
        for number in range(1, 6):
            await asyncio.sleep(STEP_S)
            self.meter_wh += random.randrange(*METER_STEP_WH)
            await self._event("Updated", "MeterValuePeriodic", transaction_id, number)
        await self._event("Ended", "EVDeparted", transaction_id, 6)
        await self.status("Available")

    async def _event(self, kind: str, trigger: str, transaction_id: str, number: int, **more: Any) -> None:
        sample = {"value": self.meter_wh, "measurand": "Energy.Active.Import.Register"}
        event = {
            "eventType": kind,
            "timestamp": now(),
            "triggerReason": trigger,
            "seqNo": number,
            "transactionInfo": {"transactionId": transaction_id},
            "evse": {"id": 1, "connectorId": 1},
            "meterValue": [{"timestamp": now(), "sampledValue": [sample]}],
        }
        await self.call("TransactionEvent", event | more)


FAULTS: tuple[Callable[[str], str], ...] = (
    lambda text: text.replace('"connectorId":1', '"connectorId":"1"'),
    lambda text: text.replace("}]}]", "},]}]") if "}]}]" in text else text[:-2] + ",}]",
    lambda text: text.replace('Z"', '"'),
    lambda text: text.replace('"Available"', '"available"').replace('"Charging"', '"CHARGING"'),
)


class Sloppy(Charger):
    """Writes its frames wrong in one way after the other."""

    def __init__(self, charger_id: str) -> None:
        super().__init__(charger_id)
        self._frames = count()

    def write(self, frame: list[Any]) -> str:
        return FAULTS[next(self._frames) % len(FAULTS)](super().write(frame))


class Hasty(Charger):
    """Sends several CALLs without waiting for the answers."""

    async def charge(self) -> None:
        calls = (self.call("Heartbeat", {}), self.status("Available"), self.meter_values(0))
        await asyncio.gather(*calls)
        await super().charge()


class Flighty(Charger):
    """Loses its connection without a word in mid-transaction, and stops that when it is back."""

    async def boot(self) -> None:
        await super().boot()
        if self.running is not None:
            await self.stop("PowerLoss")

    async def meter_values(self, transaction_id: int) -> None:
        await super().meter_values(transaction_id)
        if random.random() < DROP_CHANCE:
            line = self.connection.get_extra_info("socket")
            with socket.socket(fileno=os.dup(line.fileno())) as copy:  # loops differ in what they let one do
                copy.shutdown(socket.SHUT_RDWR)


async def run_chargers(
    url: str,
    ids: Sequence[str] = (),
    told: Callable[[str, str], None] = lambda *_: None,
    tls: SSLContext | bool = True,
) -> None:
    """Let one charger of every temper live at the gateway or backend at `url`, until cancelled; or
    well-behaved ones with these ids. `told` hears each one's id and what it says, hears and does; what it
    raises ends them all. `tls`: whom to trust, where not those that the system does.
    """
    everyone = (
        Charger("SANDBOX-GOOD"),
        Station("SANDBOX-201"),
        Sloppy("SANDBOX-SLOPPY"),
        Hasty("SANDBOX-HASTY"),
        Flighty("SANDBOX-FLIGHTY"),
    )
    chargers = [Charger(id_) for id_ in ids] or everyone
    for charger in chargers:
        charger.told = partial(told, charger.charger_id)
    await asyncio.gather(*(charger.run(url, tls) for charger in chargers))
