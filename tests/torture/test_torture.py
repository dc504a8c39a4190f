"""A short form of `make torture`, and proof that its judge sees what is wrong."""

import asyncio
import json
import subprocess
import sys

import pytest

from gateway.net.failpoints import arm, points
from tests.torture.log import BackendLog, ChargerLog, Processed, Sent, faults
from tests.torture.run import run

SHORT = [
    "after-stored@2:kill",
    "after-transaction@7:kill",
    "before-send-to-charger@7:kill",
    "before-drop-entry@2:kill",
    "after-park@1:kill",
    "before-apply@7:error",
    "before-transaction@7:pause",
]


def test_nothing_is_lost_at_some_of_the_failpoints():
    async def some():
        return await asyncio.gather(*(run(spec, 1) for spec in SHORT))

    for report in asyncio.run(some()):
        assert report.faults == [], f"python -m tests.torture.run '{report.spec}' {report.seed}"


def test_every_failpoint_is_reached():
    async def some():
        return await asyncio.gather(*(run("*@1:say", seed) for seed in (1, 2, 3)))

    reports = asyncio.run(some())
    assert [report.faults for report in reports] == [[]] * 3
    assert set().union(*(report.reached for report in reports)) == set(points())


def test_the_list_of_failpoints_is_printed():
    told = subprocess.run(
        [sys.executable, "-m", "gateway.net.failpoints"], capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in told.stdout.splitlines()] == list(points())
    assert len(points()) >= 30


@pytest.mark.parametrize(
    "spec", ["", "nowhere@1:kill", "after-stored:kill", "after-stored@0:kill", "after-stored@1:explode"]
)
def test_a_failpoint_that_does_not_exist_is_refused(spec):
    with pytest.raises(ValueError, match="OCPP_GATEWAY_FAILPOINT"):
        arm(spec)


# The judge


def frame(token, action="MeterValues", id_="m", **payload):
    return json.dumps([2, id_, action, {"idTag": token, **payload}]).encode()


def said(*tokens, action="MeterValues", answer=None):
    return ChargerLog("CP0", sent=[Sent(token, action, "s", answers=[answer or {}]) for token in tokens])


def took(*messages):
    return BackendLog({"CP0": [Processed(t, a, i, frame(t, a, i, **p), r) for t, a, i, p, r in messages]})


def value(token, id_="m", **payload):
    return token, "TransactionEvent", id_, payload, {}


def judge(charger, backend, crashes=0):
    return [fault.split()[1] for fault in faults([charger], backend, crashes)]


def test_a_faultless_history_has_no_faults():
    assert judge(said("token-1", "token-2"), took(value("token-1"), value("token-2"))) == []


def test_a_message_that_was_answered_and_never_delivered_is_seen():
    assert judge(said("token-1", "token-2"), took(value("token-1"))) == ["LOST"]


def test_a_wrong_order_is_seen():
    assert judge(said("token-1", "token-2"), took(value("token-2"), value("token-1"))) == ["ORDER"]


def test_a_repetition_without_a_failure_is_seen():
    twice = took(value("token-1"), value("token-1"))
    assert judge(said("token-1"), twice) == ["REPEATS"]
    assert judge(said("token-1"), twice, crashes=1) == []


def test_a_repetition_that_is_not_the_same_is_seen():
    assert judge(said("token-1"), took(value("token-1"), value("token-1", "n")), 1) == ["REPEAT"]
    assert judge(said("token-1"), took(value("token-1"), value("token-1", reading=2)), 1) == ["REPEAT"]


def test_a_message_with_the_id_of_another_transaction_is_seen():
    start = ("token-1", "StartTransaction", "m", {}, {"transactionId": 7})
    stop = ("token-2", "StopTransaction", "m", {"transactionId": 8}, {})
    charger = said("token-1", action="StartTransaction", answer={"transactionId": 5})
    charger.sent.append(Sent("token-2", "StopTransaction", "s", answers=[{}]))
    assert judge(charger, took(start, stop)) == ["ID"]


def test_an_id_that_is_given_to_two_transactions_is_seen():
    charger = said("token-1", action="StartTransaction", answer={"transactionId": 5})
    charger.sent.append(Sent("token-2", "StartTransaction", "t", answers=[{"transactionId": 5}]))
    starts = [(token, "StartTransaction", "m", {}, {"transactionId": 1}) for token in ("token-1", "token-2")]
    assert judge(charger, took(*starts)) == ["ID"]
