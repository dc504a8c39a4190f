"""Chargers and backends of different versions, told alike: what a charger did and its backend made of it.

`Up`: a 1.6 charger behind a 2.0.1 backend; `Down`: a 2.0.1 charger behind a 1.6 backend. Both ends are the
`ocpp` package, which checks every payload by the schema of its version.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from conversations import ANSWERS, CHARGER_ANSWERS
from peers import Backend, Peer, until

REGISTER = "Energy.Active.Import.Register"
STATION = {"charge_point_vendor": "Vendor", "charge_point_model": "Model"}
HEARTBEAT_INTERVAL = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
SMART_CHARGING = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "Enabled"}}
VALUE = {"type": "Actual", "value": "300", "mutability": "ReadWrite"}
PLACES = [{"name": "Connector", "evse": {"id": evse, "connector_id": 1}} for evse in (1, 2)]


@dataclass
class Charged:
    """One charging session: who, where, from when to when, what the register said, why it ended."""

    connector: int
    tag: str
    started_at: str
    start_wh: float
    readings_wh: list[float] = field(default_factory=list)
    ended_at: str = ""
    stop_wh: float = 0.0
    reason: str = ""


def at(minute: int) -> str:
    return f"2026-11-20T10:{minute:02}:00Z"


def calls(peers: list[Peer]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every CALL that a backend got on these connections, in order, and what it answered (None: nothing)."""
    for peer in peers:
        answers = {frame[1]: frame for frame in map(json.loads, peer.wire.sent) if frame[0] in (3, 4)}
        for frame in map(json.loads, peer.wire.received):
            if frame[0] == 2:
                answer = answers.get(frame[1])
                assert answer is None or answer[0] == 3, f"{frame} was refused: {answer}"
                yield frame[2], frame[3], answer[2] if answer else None


class Up:
    """A 1.6 charger behind a 2.0.1 backend."""

    charger, backend = "ocpp1.6", "ocpp2.0.1"
    versions = 'versions = ["2.0.1"]'

    def __init__(self) -> None:
        self.answers = {self.backend: ANSWERS[self.backend] | {"NotifyEvent": {}}}
        self.charger_answers = CHARGER_ANSWERS[self.charger] | {
            "SetChargingProfile": {"status": "Accepted"},
            "ClearChargingProfile": {"status": "Accepted"},
        }

    async def introduce(self, charger: Peer) -> None:
        answer = await charger.call("BootNotification", **STATION)
        assert answer.status == "Accepted"
        for connector in (0, 1, 2):
            state = {"status": "Available", "error_code": "NoError", "timestamp": at(0)}
            await charger.call("StatusNotification", connector_id=connector, **state)

    async def begin(self, charger: Peer, connector: int, tag: str, wh: int, minute: int) -> Any:
        answer = await charger.call(
            "StartTransaction", connector_id=connector, id_tag=tag, meter_start=wh, timestamp=at(minute)
        )
        assert answer.id_tag_info["status"] == "Accepted"
        return connector, answer.transaction_id

    async def read(self, charger: Peer, transaction: Any, wh: int, minute: int) -> None:
        connector, id_ = transaction
        sample = {"value": str(wh), "measurand": REGISTER, "unit": "Wh", "context": "Sample.Periodic"}
        values = [{"timestamp": at(minute), "sampled_value": [sample]}]
        await charger.call("MeterValues", connector_id=connector, transaction_id=id_, meter_value=values)

    async def end(self, charger: Peer, transaction: Any, wh: int, minute: int, reason: str) -> None:
        await charger.call(
            "StopTransaction",
            transaction_id=transaction[1],
            meter_stop=wh,
            timestamp=at(minute),
            reason=reason,
        )

    def ledger(self, cpms: Backend, charger_id: str) -> list[Charged]:
        """Sessions in the order of their starts; events count once, and are numbered without gaps."""
        events: dict[str, dict[int, dict[str, Any]]] = {}
        for action, payload, _ in calls(cpms.peers[charger_id]):
            if action == "TransactionEvent":
                known = events.setdefault(payload["transactionInfo"]["transactionId"], {})
                known[payload["seqNo"]] = payload
        return [self._charged(known) for known in events.values()]

    def ids(self, cpms: Backend, charger_id: str) -> set[str]:
        """The backend's ids of transactions."""
        told = calls(cpms.peers.get(charger_id, []))
        return {
            p["transactionInfo"]["transactionId"] for action, p, _ in told if action == "TransactionEvent"
        }

    def _charged(self, known: dict[int, dict[str, Any]]) -> Charged:
        assert sorted(known) == list(known) == list(range(len(known)))
        first, *rest = known.values()
        assert first["eventType"] == "Started"
        made = Charged(
            first["evse"]["id"],
            first["idToken"]["idToken"],
            first["timestamp"],
            _wh(first, "Transaction.Begin")[0],
        )
        for event in rest:
            made.readings_wh += _wh(event, "Sample.Periodic")
            if event["eventType"] == "Ended":
                made.ended_at = event["timestamp"]
                made.stop_wh = _wh(event, "Transaction.End")[0]
                made.reason = event["transactionInfo"]["stoppedReason"]
        return made


def _wh(event: dict[str, Any], context: str) -> list[float]:
    samples = [sample for value in event.get("meterValue", []) for sample in value["sampledValue"]]
    return [sample["value"] for sample in samples if sample.get("context") == context]


class Down:
    """A 2.0.1 charger behind a 1.6 backend."""

    charger, backend = "ocpp2.0.1", "ocpp1.6"
    versions = 'versions = ["1.6"]'

    def __init__(self) -> None:
        ids = count(501)

        def started(**_: Any) -> dict[str, Any]:
            return {"transaction_id": next(ids), "id_tag_info": {"status": "Accepted"}}

        self.answers = {self.backend: ANSWERS[self.backend] | {"StartTransaction": started}}
        self.charger_answers = CHARGER_ANSWERS[self.charger] | {
            "GetBaseReport": {"status": "Accepted"},
            "GetVariables": {
                "get_variable_result": [
                    HEARTBEAT_INTERVAL | {"attribute_status": "Accepted", "attribute_value": "300"}
                ]
            },
            "SetVariables": {"set_variable_result": [HEARTBEAT_INTERVAL | {"attribute_status": "Accepted"}]},
            "SetChargingProfile": {"status": "Accepted"},
            "ClearChargingProfile": {"status": "Accepted"},
        }
        self._numbers = count(1)
        self._seq: dict[str, Iterator[int]] = {}

    async def introduce(self, charger: Peer) -> None:
        station = {"vendor_name": "Vendor", "model": "Model"}
        answer = await charger.call("BootNotification", charging_station=station, reason="PowerUp")
        assert answer.status == "Accepted"
        asked = await until(lambda: heard(charger, "GetBaseReport"), "the question for the inventory")
        places = [
            {
                "component": place,
                "variable": {"name": "Available"},
                "variable_attribute": [VALUE | {"value": "true"}],
            }
            for place in PLACES
        ]
        places.append(SMART_CHARGING | {"variable_attribute": [VALUE | {"value": "true"}]})
        report = [*places, HEARTBEAT_INTERVAL | {"variable_attribute": [VALUE]}]
        await charger.call(
            "NotifyReport", request_id=asked[0]["requestId"], generated_at=at(0), seq_no=0, report_data=report
        )

    async def begin(self, charger: Peer, connector: int, tag: str, wh: int, minute: int, **more: Any) -> Any:
        id_ = f"tx-{next(self._numbers)}"
        self._seq[id_] = count()
        token = {"id_token": {"id_token": tag, "type": "ISO14443"}}
        answer = await self._event(
            charger,
            (connector, id_),
            "Started",
            "Authorized",
            minute,
            {"chargingState": "Charging"} | more,
            wh,
            "Transaction.Begin",
            **token,
        )
        assert answer.id_token_info["status"] == "Accepted"
        return connector, id_

    async def read(self, charger: Peer, transaction: Any, wh: int, minute: int) -> None:
        await self._event(
            charger, transaction, "Updated", "MeterValuePeriodic", minute, {}, wh, "Sample.Periodic"
        )

    async def end(self, charger: Peer, transaction: Any, wh: int, minute: int, reason: str) -> None:
        info = {"chargingState": "EVConnected", "stoppedReason": reason}
        await self._event(
            charger, transaction, "Ended", "StopAuthorized", minute, info, wh, "Transaction.End"
        )

    async def _event(
        self,
        charger: Peer,
        transaction: Any,
        kind: str,
        trigger: str,
        minute: int,
        info: dict[str, Any],
        wh: int,
        context: str,
        **more: Any,
    ) -> Any:
        connector, id_ = transaction
        sample = {"value": wh, "measurand": REGISTER, "context": context, "unit_of_measure": {"unit": "Wh"}}
        return await charger.call(
            "TransactionEvent",
            event_type=kind,
            timestamp=at(minute),
            trigger_reason=trigger,
            seq_no=next(self._seq[id_]),
            transaction_info={"transaction_id": id_} | info,
            evse={"id": connector, "connector_id": 1},
            meter_value=[{"timestamp": at(minute), "sampled_value": [sample]}],
            **more,
        )

    def ledger(self, cpms: Backend, charger_id: str) -> list[Charged]:
        """Sessions by the backend's own ids, in the order of their starts."""
        sessions: dict[int, Charged] = {}
        for action, payload, answer in calls(cpms.peers[charger_id]):
            match action:
                case "StartTransaction" if answer is not None:
                    sessions[answer["transactionId"]] = Charged(
                        payload["connectorId"], payload["idTag"], payload["timestamp"], payload["meterStart"]
                    )
                case "MeterValues":
                    values = [
                        float(s["value"]) for value in payload["meterValue"] for s in value["sampledValue"]
                    ]
                    sessions[payload["transactionId"]].readings_wh += values
                case "StopTransaction":
                    ended = sessions[payload["transactionId"]]
                    ended.ended_at, ended.stop_wh = payload["timestamp"], payload["meterStop"]
                    ended.reason = payload.get("reason", "Local")
        return list(sessions.values())


def heard(peer: Peer, action: str) -> list[dict[str, Any]]:
    """The payloads of this action's CALLs that a peer got on this connection."""
    return [frame[3] for frame in map(json.loads, peer.wire.received) if frame[0] == 2 and frame[2] == action]
