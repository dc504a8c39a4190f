"""Whatever two peers say, a translator answers each CALL once and says only what its versions allow."""

import json
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ocpp.actions import UNANSWERED, actions_of
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import deviations, schema
from gateway.ocpp.values import dumps
from gateway.translate import memory as memories
from gateway.translate.factory import PAIRS, translator_for
from gateway.translate.memory import Memory, Place, RemoteStart, Reservation, Transaction
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
    Translator,
)
from tests.dialect import judge
from tests.dialect.generate import objects

NOW = 1_772_446_531.0
CODES = ["NotImplemented", "NotSupported", "InternalError", "FormationViolation", "nonsense"]


def memory() -> Memory:
    """A charger in the middle of things: connectors, transactions, a remote start, a reservation."""
    places = [Place(1, 1, 1), Place(2, 2, 1), Place(3, 2, 2)]
    open_, done = (
        Transaction(
            id201=f"ABC{number}",
            id16=number,
            flat=number,
            evse=number,
            connector=1,
            state=state,
            seq_next=1,
            last_seq=0,
            charging_state="Charging",
            has_charged=True,
            id_token={"idToken": "TAG", "type": "Central"},
            id_tag="TAG",
            meter_start_wh=1,
            last_register_wh=1,
            started_at="2026-03-02T10:00:00Z",
        )
        for number, state in ((1, "active"), (2, "ended"))
    )
    return Memory(
        registration="Accepted",
        topology=places,
        transactions=[done, open_],
        capabilities={"pnc": "yes", "costmsg": "yes", "security_ext": "unknown"},
        remote_starts=[RemoteStart(7, "ABCD", NOW + 60)],
        reservations=[Reservation(8, 2, NOW + 60, "ABCD")],
        status16={"1": "Charging", "2": "Reserved"},
        status201={"1.1": "Occupied", "2.1": "Reserved"},
    )


class Talk:
    """A translator whose peers answer at random; what it says is judged."""

    def __init__(self, draw: st.DrawFn, pair: tuple[Version, Version], policies: Policies) -> None:
        self.draw = draw
        self.pair = pair
        snapshot = memories.encoded(memory())
        if set(pair) == {Version.V16, Version.V21}:
            snapshot = b'{"near":%b,"far":%b}' % (snapshot, snapshot)
        translator = translator_for(*pair, policies, snapshot, "CP")
        assert translator is not None
        self.translator: Translator = translator
        self.now = NOW
        self.asked: list[ToBackend | ToCharger] = []
        self.calls: dict[str, str] = {}
        self.answers: Counter[str] = Counter()
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def open(self) -> None:
        self.heard(self.translator.charger_opened(self.now))
        self.heard(self.translator.backend_opened(self.now))
        self.heard(self.translator.resumed(self.now))

    def lose_backend(self) -> None:
        """Its link is lost and returns: nothing that was out has an answer."""
        self.heard(self.translator.backend_closed(self.now))
        gone, self.asked = self.asked, []
        for asked in gone:
            by_backend = isinstance(asked, ToBackend)
            tell = self.translator.backend_answered if by_backend else self.translator.charger_answered
            self.heard(tell(asked.token, NoAnswer(), self.now))
        self.open()

    def version(self, end: Sender) -> Version:
        return self.pair[0] if end is Sender.CHARGER else self.pair[1]

    def payload(self, version: Version, action: str, is_call: bool) -> Any:
        node = schema(version, action, is_call)
        assert node is not None
        return self.draw(objects(node))

    def call(self, end: Sender, number: int) -> None:
        version = self.version(end)
        action = self.draw(st.sampled_from(sorted(actions_of(version, end) - UNANSWERED)))
        payload, id_ = self.payload(version, action, True), f"{end.value}{number}"
        self.calls[id_] = action
        if end is Sender.BACKEND:
            self.heard(self.translator.backend_call(BackendCall(id_, action, payload), self.now))
            return
        stored = self.draw(st.booleans())
        call = ChargerCall(id_, action, payload, self.now, stored)
        self.heard(self.translator.charger_call(call, self.now))

    def answer(self) -> None:
        """One of the CALLs that are out gets an answer, of whatever kind."""
        asked = self.asked.pop(self.draw(st.integers(0, len(self.asked) - 1)))
        end = Sender.BACKEND if isinstance(asked, ToBackend) else Sender.CHARGER
        kind = self.draw(st.integers(0, 5))
        answer: Any = NoAnswer()
        if kind == 1:
            answer = Refused(self.draw(st.sampled_from(CODES)), "no")
        elif kind > 1:
            answer = self.payload(self.version(end), asked.action, False)
        tell = self.translator.backend_answered if end is Sender.BACKEND else self.translator.charger_answered
        self.heard(tell(asked.token, answer, self.now))

    def heard(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case ToBackend():
                    self.judge(self.pair[1], order.action, True, order.payload)
                    self.asked.append(order)
                    if order.action == "TransactionEvent" and self.pair[0] is Version.V16:
                        self.events[order.payload["transactionInfo"]["transactionId"]].append(order.payload)
                case ToCharger():
                    self.judge(self.pair[0], order.action, True, order.payload)
                    self.asked.append(order)
                case AnswerCharger() | AnswerBackend():
                    self.answers[order.id] += 1
                    version = self.pair[0] if isinstance(order, AnswerCharger) else self.pair[1]
                    if isinstance(order.answer, Refused):
                        assert order.answer.code not in ("", "nonsense")
                    else:
                        self.judge(version, self.calls[order.id], False, order.answer)
                case Lost():
                    assert order.code

    def judge(self, version: Version, action: str, is_call: bool, payload: Any) -> None:
        assert deviations(version, action, is_call, payload) == [], (action, payload)
        plain = json.loads(dumps(payload))
        assert judge.fits(version, action, is_call, plain), (action, plain)


def talk(pair: tuple[Version, Version]) -> st.SearchStrategy[Talk]:
    @st.composite
    def build(draw: st.DrawFn) -> Talk:
        certificates = draw(st.sampled_from(["local", "forward"]))
        said = Talk(draw, pair, Policies(leg_certificates=certificates, report_page_items=5))
        said.open()
        for number in range(draw(st.integers(1, 5))):
            said.call(draw(st.sampled_from(list(Sender))), number)
            while said.asked and draw(st.booleans()):
                said.answer()
            if draw(st.integers(0, 7)) == 0:
                said.lose_backend()
            if draw(st.integers(0, 4)) == 0:
                said.now += draw(st.sampled_from([1.0, 40.0, 900.0]))
                said.heard(said.translator.time_passed(said.now))
        for _ in range(200):
            if said.asked:
                said.answer()
            elif set(said.calls) - set(said.answers):
                said.now += 60.0
                said.heard(said.translator.time_passed(said.now))
            else:
                break
        return said

    return build()


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_call_gets_one_answer_and_everything_said_is_allowed(pair):
    @settings(max_examples=150, deadline=None)
    @given(talk(pair))
    def holds(said: Talk) -> None:
        assert said.answers == Counter(dict.fromkeys(said.calls, 1))
        snapshot = said.translator.snapshot()
        again = translator_for(*pair, Policies(), snapshot, "CP")
        assert again is not None
        assert again.snapshot() == snapshot

    holds()


def test_events_of_a_transaction_are_numbered_without_gaps_and_end_with_its_end():
    @settings(max_examples=100, deadline=None)
    @given(talk((Version.V16, Version.V201)))
    def holds(said: Talk) -> None:
        for id_, events in said.events.items():
            numbers = [event["seqNo"] for event in events]
            assert set(numbers) == set(range(min(numbers), max(numbers) + 1))
            assert min(numbers) == (1 if id_.startswith("ABC") else 0)
            kinds = {event["seqNo"]: event["eventType"] for event in events}
            assert all(kind != "Ended" for number, kind in kinds.items() if number < max(numbers))
            assert len({json.dumps(event, sort_keys=True, default=str) for event in events}) == len(kinds)

    holds()
