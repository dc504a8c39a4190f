"""A 2.0.1 charger and a 1.6 backend, with the translator between them and nothing else."""

import json
from collections import deque
from typing import Any

from gateway.ocpp.values import dumps
from gateway.translate import memory as memories
from gateway.translate.charger201_backend16.translator import Charger201Backend16
from gateway.translate.memory import Memory, Place, Transaction
from gateway.translate.policies import Policies
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Lost,
    NoAnswer,
    Order,
    Refused,
    ToBackend,
    ToCharger,
)

Payload = dict[str, Any]

NOW = 1_748_772_000.0  # 2025-06-01T10:00:00Z
TX = "6f1d2c3b-4a59-4e87-9b0a-1c2d3e4f5a6b"
TX2 = "0b9e7d6c-5f4a-4b3c-8d2e-1f0a9b8c7d6e"
CARD = {"idToken": "04A2B3C4D5E680", "type": "ISO14443"}
OTHER_CARD = {"idToken": "04FFEE11223344", "type": "ISO14443"}


def at(seconds: float) -> str:
    """So long after the peers have met."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"2025-06-01T{10 + hours:02}:{minutes:02}:{rest:02}Z"


def register(wh: float, seconds: float, context: str = "Sample.Periodic", **sample: Any) -> Payload:
    """A meter value with the energy register."""
    return {
        "timestamp": at(seconds),
        "sampledValue": [
            {
                "value": wh,
                "context": context,
                "measurand": "Energy.Active.Import.Register",
                "unitOfMeasure": {"unit": "Wh"},
            }
            | sample
        ],
    }


def event(
    kind: str,
    seq: int,
    trigger: str,
    seconds: float,
    state: str | None = None,
    tx: str = TX,
    reason: str | None = None,
    **rest: Any,
) -> Payload:
    """A TransactionEvent."""
    info = {"transactionId": tx}
    if state is not None:
        info["chargingState"] = state
    if reason is not None:
        info["stoppedReason"] = reason
    if "remote" in rest:
        info["remoteStartId"] = rest.pop("remote")
    return {
        "eventType": kind,
        "timestamp": at(seconds),
        "triggerReason": trigger,
        "seqNo": seq,
        "transactionInfo": info,
    } | rest


def active(tx: str = TX, id16: int = 501, flat: int = 1, **rest: Any) -> Transaction:
    """A transaction that charges."""
    known: Payload = {
        "id16": id16,
        "flat": flat,
        "evse": flat,
        "connector": 1,
        "state": "active",
        "charging_state": "Charging",
        "has_charged": True,
        "last_seq": 3,
        "id_token": CARD,
        "id_tag": CARD["idToken"],
        "meter_start_wh": 1000,
        "last_register_wh": 1000,
    }
    return Transaction(tx, **known | rest)


class Peers:
    """What both ends say and hear. By default two EVSEs, accepted by the backend."""

    def __init__(self, *transactions: Transaction, policies: Policies | None = None, **known: Any) -> None:
        fields: Payload = {
            "registration": "Accepted",
            "topology": [Place(1, 1, 1), Place(2, 2, 1)],
            "transactions": list(transactions),
            "status16": {str(tx.flat): "Charging" for tx in transactions},
        }
        self.policies = policies or Policies()
        self.now = NOW
        self.stored = memories.encoded(Memory(**fields | known))
        self.numbers = 0
        self.restart()

    @property
    def memory(self) -> Memory:
        return self.translator.memory

    def restart(self) -> None:
        """Begin anew with what was stored; nobody hears what was under way."""
        self.translator = Charger201Backend16(self.policies, self.stored)
        self.for_backend: deque[ToBackend] = deque()
        self.for_charger: deque[ToCharger] = deque()
        self.charger_heard: dict[str, AnswerCharger] = {}
        self.backend_heard: dict[str, AnswerBackend] = {}
        self.losses: list[Lost] = []
        self.asked_backend: ToBackend | None = None
        self.asked_charger: ToCharger | None = None
        self.take(self.translator.backend_opened(self.now))

    def take(self, orders: list[Order]) -> None:
        if self.translator.changed:
            self.stored = self.translator.snapshot()
            self.translator.changed = False
        for order in orders:
            match order:
                case ToBackend():
                    self.for_backend.append(order)
                case ToCharger():
                    self.for_charger.append(order)
                case AnswerCharger(id=id_):
                    assert id_ not in self.charger_heard, "answered twice"
                    self.charger_heard[id_] = order
                case AnswerBackend(id=id_):
                    assert id_ not in self.backend_heard, "answered twice"
                    self.backend_heard[id_] = order
                case Lost():
                    self.losses.append(order)

    # What they say

    def charger(self, action: str, payload: Payload, stored: bool = False) -> str:
        self.numbers += 1
        id_ = f"c{self.numbers}"
        self.take(self.translator.charger_call(ChargerCall(id_, action, payload, self.now, stored), self.now))
        return id_

    def event(self, *arguments: Any, stored: bool = False, **rest: Any) -> str:
        return self.charger("TransactionEvent", event(*arguments, **rest), stored)

    def backend(self, action: str, payload: Payload) -> str:
        self.numbers += 1
        id_ = f"b{self.numbers}"
        self.take(self.translator.backend_call(BackendCall(id_, action, payload), self.now))
        return id_

    def backend_says(self, answer: Payload | Refused | NoAnswer) -> None:
        assert self.asked_backend is not None
        token, self.asked_backend = self.asked_backend.token, None
        self.take(self.translator.backend_answered(token, answer, self.now))

    def charger_says(self, answer: Payload | Refused | NoAnswer) -> None:
        assert self.asked_charger is not None
        token, self.asked_charger = self.asked_charger.token, None
        self.take(self.translator.charger_answered(token, answer, self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass; whatever is due comes."""
        end = self.now + seconds
        for _ in range(100):
            if self.translator.due > end:
                break
            self.now = max(self.now, self.translator.due)
            self.take(self.translator.time_passed(self.now))
        self.now = end

    # What they hear

    def backend_gets(self) -> tuple[str, Payload]:
        """The next CALL for the backend."""
        self.asked_backend = self.for_backend.popleft()
        return self.asked_backend.action, plain(self.asked_backend.payload)

    def charger_gets(self) -> tuple[str, Payload]:
        """The next CALL for the charger."""
        self.asked_charger = self.for_charger.popleft()
        return self.asked_charger.action, plain(self.asked_charger.payload)

    def passes(self, action: str, answer: Payload | None = None) -> Payload:
        """The backend gets this CALL and answers it."""
        got, payload = self.backend_gets()
        assert got == action, payload
        self.backend_says(answer or {})
        return payload

    def heard(self, id_: str) -> Any:
        """The answer that the charger has, None while it has none."""
        order = self.charger_heard.get(id_)
        return plain(order.answer) if order is not None else None

    def told(self, id_: str) -> Any:
        """The answer that the backend has, None while it has none."""
        order = self.backend_heard.get(id_)
        return plain(order.answer) if order is not None else None

    def lost(self, code: str) -> list[str]:
        """The places of the losses with this code."""
        return [loss.path for loss in self.losses if loss.code == code]

    def is_quiet(self) -> bool:
        """Whether nobody has been asked anything more."""
        return not self.for_backend and not self.for_charger

    def starts(self, id16: int = 501, status: str = "Accepted") -> Payload:
        """StartTransaction comes and is answered."""
        return self.passes("StartTransaction", {"idTagInfo": {"status": status}, "transactionId": id16})

    def shows(self, status: str, flat: int = 1, code: str = "NoError") -> Payload:
        """A status comes to the backend."""
        payload = self.passes("StatusNotification")
        assert (payload["connectorId"], payload["status"], payload["errorCode"]) == (flat, status, code)
        return payload


def plain(value: Any) -> Any:
    """JSON as tests write it."""
    return value if isinstance(value, Refused | NoAnswer) else json.loads(dumps(value))
