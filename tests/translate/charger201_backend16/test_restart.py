"""A gateway that is killed at any point goes on as if it had not been."""

import pytest

from tests.translate.charger201_backend16.peers import CARD, OTHER_CARD, TX, TX2, Peers, event, register

EVSES = ({"id": 1, "connectorId": 1}, {"id": 2, "connectorId": 1})
BEGIN, END = "Transaction.Begin", "Transaction.End"


def status(word, evse, seconds):
    return "StatusNotification", {
        "timestamp": f"2025-06-01T10:{seconds // 60:02}:{seconds % 60:02}Z",
        "connectorStatus": word,
        "evseId": evse,
        "connectorId": 1,
    }


def told(kind, seq, trigger, seconds, state=None, tx=TX, **rest):
    return "TransactionEvent", event(kind, seq, trigger, seconds, state, tx, **rest)


SESSIONS = [
    status("Available", 1, 0),
    status("Available", 2, 0),
    told(
        "Started", 0, "CablePluggedIn", 5, "EVConnected", evse=EVSES[0], meterValue=[register(10, 5, BEGIN)]
    ),
    status("Occupied", 1, 5),
    told("Started", 0, "Authorized", 8, "Idle", TX2, idToken=OTHER_CARD),
    told("Updated", 1, "Authorized", 9, "EVConnected", idToken=CARD),
    told("Updated", 2, "ChargingStateChanged", 10, "Charging", meterValue=[register(11, 10)]),
    told(
        "Updated",
        1,
        "CablePluggedIn",
        12,
        "EVConnected",
        TX2,
        evse=EVSES[1],
        meterValue=[register(500, 12, BEGIN)],
    ),
    told("Updated", 2, "ChargingStateChanged", 15, "Charging", TX2),
    told("Updated", 3, "MeterValuePeriodic", 70, meterValue=[register(60, 70)]),
    told("Updated", 3, "MeterValuePeriodic", 72, tx=TX2, meterValue=[register(560, 72)]),
    told("Updated", 4, "StopAuthorized", 80, "EVConnected", idToken=CARD),
    told("Ended", 5, "EVCommunicationLost", 85, "Idle", reason="Local", meterValue=[register(77, 85, END)]),
    status("Available", 1, 86),
    told(
        "Ended",
        4,
        "StopAuthorized",
        90,
        "EVConnected",
        TX2,
        idToken=OTHER_CARD,
        meterValue=[register(600, 90, END)],
    ),
    status("Available", 2, 99),
]

_ANSWERS = {
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "StartTransaction": {"idTagInfo": {"status": "Accepted"}},
}


class Backend:
    """A backend that gives one number to one start, however often it hears of it."""

    def __init__(self):
        self.heard = []
        self.numbers = {}

    def answer(self, action, payload):
        self.heard.append((action, payload))
        known = dict(_ANSWERS.get(action, {}))
        if action == "StartTransaction":
            key = (payload["connectorId"], payload["timestamp"])
            known["transactionId"] = self.numbers.setdefault(key, 500 + len(self.numbers))
        return known

    def distinct(self):
        return list({repr(one): one for one in self.heard}.values())


def played(kill):
    """What both hear of the sessions when `kill(n)` says whether to die before step n."""
    peers, backend, steps, answers = Peers(), Backend(), 0, []

    def die():
        peers.restart()
        peers.take(peers.translator.charger_opened(peers.now))
        peers.take(peers.translator.backend_opened(peers.now))

    for action, payload in SESSIONS:
        peers.now += 1
        call = None
        while True:
            steps += 1
            if kill(steps):
                die()
                call = None
                continue
            if call is None:
                call = peers.charger(action, payload)
            elif peers.for_backend:
                got, asked = peers.backend_gets()
                peers.backend_says(backend.answer(got, asked))
            elif peers.heard(call) is not None:
                answers.append(peers.heard(call))
                break
        while peers.for_backend:
            got, asked = peers.backend_gets()
            peers.backend_says(backend.answer(got, asked))
    return backend, answers, steps


def bills(backend):
    return [
        one for one in backend.distinct() if one[0] in ("StartTransaction", "MeterValues", "StopTransaction")
    ]


def test_a_restart_between_any_two_messages_changes_nothing():
    whole, answers, steps = played(lambda step: False)
    assert [action for action, _ in whole.heard].count("StopTransaction") == 2
    assert steps > 20
    assert played_with_restarts_between() == (whole.heard, answers)


def played_with_restarts_between():
    peers, backend, answers = Peers(), Backend(), []
    for action, payload in SESSIONS:
        peers.now += 1
        peers.restart()
        call = peers.charger(action, payload)
        while peers.for_backend:
            got, asked = peers.backend_gets()
            peers.backend_says(backend.answer(got, asked))
        answers.append(peers.heard(call))
    return backend.heard, answers


@pytest.mark.parametrize("moment", range(1, 45))
def test_killed_at_any_point_the_bill_is_the_same(moment):
    whole, answers, _ = played(lambda step: False)
    killed, answers_then, _ = played(lambda step: step == moment)
    assert bills(killed) == bills(whole)
    assert answers_then == answers


def test_a_start_that_was_out_is_repeated_to_the_letter():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSES[0], idToken=CARD)
    first = peers.backend_gets()
    peers.restart()
    peers.take(peers.translator.backend_opened(peers.now))
    assert peers.backend_gets() == first
    peers.backend_says(_ANSWERS["StartTransaction"] | {"transactionId": 511})
    assert peers.lost("POSSIBLE_DUPLICATE") == ["StartTransaction"]
    again = peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSES[0], idToken=CARD)
    assert peers.heard(again) == {"idTokenInfo": {"status": "Accepted"}}
    assert peers.is_quiet()


def test_what_comes_again_while_the_start_is_repeated_waits_for_it():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSES[0], idToken=CARD)
    peers.restart()
    peers.take(peers.translator.backend_opened(peers.now))
    again = peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSES[0], idToken=CARD)
    assert peers.heard(again) is None
    peers.starts(511)
    assert peers.heard(again) == {"idTokenInfo": {"status": "Accepted"}}
    assert peers.is_quiet()


def test_a_start_refused_while_it_is_repeated_is_stopped_when_the_charger_was_told_yes():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSES[0], idToken=CARD)
    peers.restart()
    peers.take(peers.translator.backend_opened(peers.now))
    peers.starts(511, "Blocked")
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSES[0], idToken=CARD, stored=True)
    peers.wait(1)
    assert peers.charger_gets()[0] == "RequestStopTransaction"


def test_a_grace_survives():
    peers = Peers()
    peers.event("Started", 0, "Authorized", 5, "Charging", evse=EVSES[0], idToken=CARD)
    peers.starts()
    peers.event("Updated", 1, "StopAuthorized", 60, "EVConnected")
    peers.restart()
    assert peers.translator.due == 0.0
    peers.take(peers.translator.backend_opened(peers.now))
    peers.wait(1)
    peers.shows("Finishing")
    peers.wait(60)
    assert peers.passes("StopTransaction")["timestamp"] == "2025-06-01T10:01:00Z"
