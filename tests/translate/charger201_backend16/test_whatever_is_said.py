"""What holds whatever both ends say: payloads fit their schema, every CALL has one answer, nothing raises."""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ocpp.actions import actions_of
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import Node, deviations, schema
from gateway.translate.charger201_backend16.translator import Charger201Backend16
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    Lost,
    NoAnswer,
    Order,
    Refused,
    ToBackend,
    ToCharger,
)
from tests.translate.charger201_backend16.peers import Peers, active

MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
SEEDS = st.integers(0, 2**32)

_CHARGER = sorted(actions_of(Version.V201, Sender.CHARGER))
_BACKEND = sorted(actions_of(Version.V16, Sender.BACKEND))
_TIMES = ["2025-06-01T10:15:30Z", "2025-06-01T09:15:30.123456789+01:00", "2016-12-31T23:59:60Z"]
_LETTERS = 'abcXYZ019 .-_äé漢"\\/:%'
_IDS = {
    "seqNo": [0, 1, 2, 3, 4, 5],
    "evseId": [0, 1, 2, 3],
    "connectorId": [0, 1, 2, 3, -1],
    "requestId": [900_000_001, 900_000_002, 1],
    "remoteStartId": [900_000_001, 900_000_002],
    "reservationId": [1, 2],
    "chargingProfileId": [1, 2, 3],
    "multiplier": [0, 3, -3, 40, -(10**6)],
    "id": [0, 1, 2, 3],
}
_WORDS = {
    "key": [
        "HeartbeatInterval",
        "AuthorizationKey",
        "EVSE/1.AllowReset",
        "ConnectorPhaseRotation",
        "DefaultPrice",
    ],
    "data": ["{}", "x", '{"transactionId":501,"cost":1e3}', '{"idToken":"A","priceText":"b"}', "[" * 2000],
    "vendorId": ["acme", "org.openchargealliance.costmsg", "org.openchargealliance.iso15118pnc"],
    "messageId": ["RunningCost", "SetUserPrice", "CertificateSigned", "x"],
    "actualValue": ["true", "false", "Occupied", "Available", ""],
}


class Talk:
    """Payloads that fit their schema, with numbers and names that meet each other."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def payload(self, version: Version, action: str, is_request: bool) -> dict[str, Any]:
        node = schema(version, action, is_request)
        assert node is not None
        made = self.value(node)
        assert deviations(version, action, is_request, made) == []
        return made

    def value(self, node: Node, name: str = "") -> Any:  # noqa: PLR0911
        random = self.random
        match node.type:
            case "object":
                chance = random.random()
                return {
                    key: self.value(sub, key)
                    for key, sub in node.properties.items()
                    if key in node.required or random.random() < chance
                }
            case "array":
                assert node.items is not None
                most = min(node.max_items or 3, 3)
                return [
                    self.value(node.items, name) for _ in range(random.randint(node.min_items, max(most, 1)))
                ]
            case "string":
                return self.text(node, name)
            case "integer":
                low = -9 if node.minimum is None else int(node.minimum)
                high = 99 if node.maximum is None else int(node.maximum)
                known = [n for n in [*_IDS.get(name, []), *_TX16.get(name, [])] if low <= n <= high]
                return random.choice(known or [random.randint(low, high)])
            case "number":
                whole = random.randint(int(node.minimum or 0), int(node.maximum or 10**6))
                return whole if random.random() < 0.3 else whole + random.randint(0, 9) / 10
            case "boolean":
                return random.random() < 0.5
            case _:
                return random.choice(["{}", {"x": [1, 2.5]}, 7, None, True])

    def text(self, node: Node, name: str) -> str:
        random = self.random
        if node.enum:
            return random.choice(node.enum)
        if node.date_time:
            return random.choice(_TIMES)
        if name == "transactionId":
            return random.choice(["tx-1", "tx-2", "tx-3"])
        length = random.choice([1, 5, 20, node.max_length or 700])
        text = "".join(random.choices(_LETTERS, k=min(length, node.max_length or length)))
        if name in ("idToken", "idTag", "parentIdTag"):
            return random.choice(["A", "04A2B3C4D5E680", "a" * 36, text])[: node.max_length]
        return random.choice([*_WORDS.get(name, []), text])[: node.max_length]

    def answer(self, version: Version, action: str) -> Any:
        if self.random.random() < 0.25:
            return self.random.choice([Refused("InternalError"), Refused("NotImplemented"), NoAnswer()])
        return self.payload(version, action, False)


_TX16 = {"transactionId": [501, 502, 0]}


class Judged(Peers):
    """Peers that look at everything the translator says."""

    def take(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case ToBackend(action=action, payload=payload):
                    assert deviations(Version.V16, action, True, payload) == [], (action, payload)
                case ToCharger(action=action, payload=payload):
                    assert deviations(Version.V201, action, True, payload) == [], (action, payload)
                case AnswerCharger(id=id_, answer=answer) if not isinstance(answer, Refused):
                    assert deviations(Version.V201, self.calls[id_], False, answer) == [], (
                        self.calls[id_],
                        answer,
                    )
                case AnswerBackend(id=id_, answer=answer) if not isinstance(answer, Refused):
                    assert deviations(Version.V16, self.calls[id_], False, answer) == [], (
                        self.calls[id_],
                        answer,
                    )
                case Lost(value=value, became=became):
                    assert isinstance(value, str) and isinstance(became, str)
        super().take(orders)

    def restart(self) -> None:
        self.calls: dict[str, str] = {}
        super().restart()

    def says(self, end: str, action: str, payload: dict[str, Any], stored: bool) -> None:
        self.calls[f"{end[0]}{self.numbers + 1}"] = action
        if end == "charger":
            self.charger(action, payload, stored)
        else:
            self.backend(action, payload)

    def answer_one(self, talk: Talk) -> bool:
        """Somebody answers what was asked: as the schema says, with an error, or not at all."""
        if self.for_backend:
            action, _ = self.backend_gets()
            self.backend_says(talk.answer(Version.V16, action))
        elif self.for_charger:
            action, _ = self.charger_gets()
            self.charger_says(talk.answer(Version.V201, action))
        else:
            return False
        return True


_STEPS = ("charger", "charger", "tx", "tx", "tx", "backend", "answer", "answer", "answer", "wait")


@MANY
@given(SEEDS)
def test_whatever_is_said(seed):
    talk = Talk(seed)
    peers = Judged(active("tx-1"), status16={})
    for _ in range(30):
        step = talk.random.choice(_STEPS)
        if step in ("charger", "tx"):
            action = "TransactionEvent" if step == "tx" else talk.random.choice(_CHARGER)
            peers.says(
                "charger", action, talk.payload(Version.V201, action, True), talk.random.random() < 0.3
            )
        elif step == "backend":
            action = talk.random.choice(_BACKEND)
            peers.says("backend", action, talk.payload(Version.V16, action, True), False)
        elif step == "answer":
            peers.answer_one(talk)
        else:
            peers.wait(talk.random.choice([1, 31, 1000]))
    settle(peers, talk)
    again = Charger201Backend16(peers.policies, peers.translator.snapshot())
    assert again.snapshot() == peers.translator.snapshot()


def settle(peers: Judged, talk: Talk) -> None:
    """Everybody answers until nothing is asked any more: then every CALL has its answer."""
    for _ in range(100):
        while peers.answer_one(talk):
            pass
        peers.wait(100)
    assert peers.calls.keys() == peers.charger_heard.keys() | peers.backend_heard.keys()


@pytest.mark.parametrize("action", _CHARGER)
@settings(MANY, max_examples=40)
@given(SEEDS)
def test_every_message_of_the_charger(action, seed):
    talk = Talk(seed)
    peers = Judged(active("tx-1"))
    peers.says("charger", action, talk.payload(Version.V201, action, True), False)
    settle(peers, talk)


@pytest.mark.parametrize("action", _BACKEND)
@settings(MANY, max_examples=40)
@given(SEEDS)
def test_every_message_of_the_backend(action, seed):
    talk = Talk(seed)
    peers = Judged(active("tx-1"))
    peers.says("backend", action, talk.payload(Version.V16, action, True), False)
    settle(peers, talk)


def test_every_message_has_a_rule():
    rules = Charger201Backend16.rules
    assert rules.charger_calls.keys() == set(_CHARGER)
    assert rules.backend_calls.keys() == set(_BACKEND)
