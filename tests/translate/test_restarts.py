"""A gateway killed at any moment of a charging session tells the backend the same, once and in order."""

import pytest

from tests.translate.scenes import scene, transaction
from tests.vectors.world import World

TAG = "04A2B3C4D5E680"


def at(minute):
    return f"2025-06-01T10:{minute:02}:00Z"


def reading(wh, minute):
    return {"timestamp": at(minute), "sampledValue": [{"value": str(wh)}]}


def status(state, minute):
    return {"connectorId": 1, "errorCode": "NoError", "status": state, "timestamp": at(minute)}


SESSION = [
    ("StatusNotification", status("Preparing", 1)),
    ("StartTransaction", {"connectorId": 1, "idTag": TAG, "meterStart": 0, "timestamp": at(2)}),
    ("StatusNotification", status("Charging", 3)),
    (
        "MeterValues",
        {"connectorId": 1, "transactionId": 1001, "meterValue": [reading(100, 5), reading(200, 6)]},
    ),
    ("StatusNotification", status("SuspendedEV", 7)),
    ("StopTransaction", {"transactionId": 1001, "meterStop": 300, "timestamp": at(9)}),
    ("StatusNotification", status("Available", 10)),
]


class Ledger:
    """A backend that answers everything, and a gateway that is killed when it has said so much."""

    def __init__(self, kill_after: int) -> None:
        self.world = World(scene(next={"tx16": 1001}, status16={"1": "Available"}))
        self.kill_after = kill_after
        self.read = 0
        self.events = []

    def run(self) -> None:
        for number, (action, payload) in enumerate(SESSION):
            self.ask(f"c{number}", action, payload)
        self.world.advance(1.0)
        self.settle()

    def ask(self, id_: str, action: str, payload: dict) -> None:
        """The charger repeats itself until it is answered."""
        for attempt in range(3):
            self.world.receives("cs", [2, f"{id_}-{attempt}", action, payload])
            self.settle()
            if any(leg == "cs" and frame[1] == f"{id_}-{attempt}" for leg, frame in self.world.sent):
                return
        raise AssertionError(f"{action} was not answered")

    def settle(self) -> None:
        while self.read < len(self.world.sent):
            leg, frame = self.world.sent[self.read]
            self.read += 1
            if self.read == self.kill_after:
                self.world.restart()
            elif leg == "be" and frame[0] == 2:
                answer = {"idTokenInfo": {"status": "Accepted"}} if "idToken" in frame[3] else {}
                if frame[2] == "TransactionEvent":
                    self.events.append(frame[3])
                self.world.receives("be", [3, frame[1], answer])


def told(events):
    """What a backend makes of events: each once, by its number."""
    by_number = {event["seqNo"]: {k: v for k, v in event.items() if k != "offline"} for event in events}
    return [by_number[number] for number in sorted(by_number)]


UNDISTURBED = Ledger(0)
UNDISTURBED.run()


def test_the_session_is_told_as_it_was():
    events = UNDISTURBED.events
    assert [event["seqNo"] for event in events] == [0, 1, 2, 3, 4, 5]
    assert [event["eventType"] for event in events] == ["Started", *["Updated"] * 4, "Ended"]


@pytest.mark.parametrize("kill_after", range(1, len(UNDISTURBED.world.sent) + 1))
def test_killed_at_any_point_it_is_told_the_same(kill_after):
    ledger = Ledger(kill_after)
    ledger.run()
    assert told(ledger.events) == told(UNDISTURBED.events)
    numbers = [event["seqNo"] for event in ledger.events]
    assert numbers == sorted(numbers)


def test_a_reading_is_written_down_once():
    world = World(scene(tx=[transaction()]))
    translator = world.translator
    payload = {"connectorId": 1, "transactionId": 1001, "meterValue": [reading(1100, 5)]}
    world.receives("cs", [2, "c1", "MeterValues", payload])
    assert translator.changed
    translator.changed = False
    world.receives("be", [3, world.sent[-1][1][1], {}])
    assert not translator.changed
    world.receives("cs", [2, "c2", "Heartbeat", {}])
    world.receives("be", [3, world.sent[-1][1][1], {"currentTime": at(6)}])
    assert not translator.changed
