"""A small OCPP backend for 1.6, 2.0.1 and 2.1: answers chargers from tables and sends a command now and then.

It accepts every charger, authorizes every tag except `BLOCKED` and keeps nothing. It is no model of a good
backend: only one that lets a newcomer see messages in both directions.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count, cycle
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web

Payload = dict[str, Any]
Answer = Callable[[Payload], Payload]

SUBPROTOCOLS = ("ocpp2.1", "ocpp2.0.1", "ocpp1.6")
BOOT_INTERVAL_S = 30
COMMAND_PAUSE_S = (8.0, 20.0)
BLOCKED = "BLOCKED"
HEARTBEAT = "HeartbeatInterval"
CALL, CALLRESULT, CALLERROR = 2, 3, 4

_transaction_ids = count(1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _boot(_: Payload) -> Payload:
    return {"status": "Accepted", "currentTime": _now(), "interval": BOOT_INTERVAL_S}


def _heartbeat(_: Payload) -> Payload:
    return {"currentTime": _now()}


def _accepted(_: Payload) -> Payload:
    return {"status": "Accepted"}


def _nothing(_: Payload) -> Payload:
    return {}


def _tag_info(tag: object) -> Payload:
    return {"status": "Blocked" if tag == BLOCKED else "Accepted"}


def _authorize_16(payload: Payload) -> Payload:
    return {"idTagInfo": _tag_info(payload.get("idTag"))}


def _start_16(payload: Payload) -> Payload:
    return {"transactionId": next(_transaction_ids), **_authorize_16(payload)}


def _stop_16(payload: Payload) -> Payload:
    return _authorize_16(payload) if "idTag" in payload else {}


def _authorize_2x(payload: Payload) -> Payload:
    token = payload.get("idToken")
    return {"idTokenInfo": _tag_info(token.get("idToken") if isinstance(token, dict) else None)}


def _transaction_event(payload: Payload) -> Payload:
    return _authorize_2x(payload) if "idToken" in payload else {}


_ANSWERS_ALL: dict[str, Answer] = {
    "BootNotification": _boot,
    "Heartbeat": _heartbeat,
    "DataTransfer": _accepted,
    "SignCertificate": _accepted,
    "StatusNotification": _nothing,
    "MeterValues": _nothing,
    "FirmwareStatusNotification": _nothing,
    "LogStatusNotification": _nothing,
    "SecurityEventNotification": _nothing,
}
_ANSWERS_16: dict[str, Answer] = _ANSWERS_ALL | {
    "Authorize": _authorize_16,
    "StartTransaction": _start_16,
    "StopTransaction": _stop_16,
    "DiagnosticsStatusNotification": _nothing,
    "SignedFirmwareStatusNotification": _nothing,
}
_ANSWERS_2X: dict[str, Answer] = _ANSWERS_ALL | {
    "Authorize": _authorize_2x,
    "TransactionEvent": _transaction_event,
    "NotifyEvent": _nothing,
    "NotifyReport": _nothing,
    "NotifyMonitoringReport": _nothing,
    "NotifyChargingLimit": _nothing,
    "ClearedChargingLimit": _nothing,
    "ReportChargingProfiles": _nothing,
    "ReservationStatusUpdate": _nothing,
}

_COMMANDS_16: tuple[tuple[str, Payload], ...] = (
    ("GetConfiguration", {"key": [HEARTBEAT, "MeterValueSampleInterval"]}),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    ("RemoteStartTransaction", {"idTag": "REMOTE", "connectorId": 1}),
)
_COMMANDS_2X: tuple[tuple[str, Payload], ...] = (
    (
        "GetVariables",
        {"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": HEARTBEAT}}]},
    ),
    ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
    (
        "RequestStartTransaction",
        {"idToken": {"idToken": "REMOTE", "type": "Central"}, "remoteStartId": 1, "evseId": 1},
    ),
)


def reply(text: str, subprotocol: str | None) -> list[Any] | None:
    """The answer to one frame of a charger; None for answers to our commands and for what is no CALL."""
    try:
        frame = orjson.loads(text)
    except ValueError:
        return None
    match frame:
        case [2, message_id, str(action), dict(payload)]:
            table = _ANSWERS_16 if subprotocol == "ocpp1.6" else _ANSWERS_2X
            if action in table:
                return [CALLRESULT, message_id, table[action](payload)]
            return [CALLERROR, message_id, "NotImplemented", f"the sandbox has no answer to {action}", {}]
        case _:
            return None


async def _command(socket: web.WebSocketResponse) -> None:
    """Send the commands of the charger's version round and round, with pauses, until cancelled."""
    for action, payload in cycle(_COMMANDS_16 if socket.ws_protocol == "ocpp1.6" else _COMMANDS_2X):
        await asyncio.sleep(random.uniform(*COMMAND_PAUSE_S))
        await socket.send_str(orjson.dumps([CALL, str(uuid4()), action, payload]).decode())


async def _charger(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=SUBPROTOCOLS)
    try:
        await socket.prepare(request)
        async with asyncio.TaskGroup() as group:
            commands = group.create_task(_command(socket))
            async for message in socket:
                if message.type is web.WSMsgType.TEXT and (answer := reply(message.data, socket.ws_protocol)):
                    await socket.send_str(orjson.dumps(answer).decode())
            commands.cancel()
    except* ConnectionError:
        pass  # gone while we wrote to it (or shook hands): the charger comes back on its own
    return socket


async def start_backend(host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen for chargers on any path; the runner to clean up in the end, and the port (0: a free one)."""
    app = web.Application()
    app.router.add_get("/{path:.*}", _charger)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, int(runner.addresses[0][1])
