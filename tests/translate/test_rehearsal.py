"""Showing what becomes of a capture."""

import io
import json
import sys

import pytest

from gateway.cli import main
from gateway.ocpp.actions import UNANSWERED, actions_of
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import schema
from gateway.translate.factory import PAIRS
from gateway.translate.rehearsal import Rehearsal, simplest, transaction_ids

BOOT = '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M","meterType":"x"}]'
RESET = '[2,"9","Reset",{"type":"Immediate"}]'


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("sender", list(Sender))
def test_every_call_is_answered_once(pair, sender):
    rehearsal = Rehearsal(*pair)
    version = pair[0] if sender is Sender.CHARGER else pair[1]
    back = f"to_{sender.value}"
    for action in sorted(actions_of(version, sender) - UNANSWERED):
        node = schema(version, action, True)
        assert node is not None
        frame = [2, "id", action, simplest(node, 1_767_225_600.0)]
        report = rehearsal.frame(frame, sender is Sender.BACKEND)
        assert [heard[1] for heard in report[back] if heard[0] in (3, 4)] == ["id"], action


def told(monkeypatch, capsys, text, *options):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    status = main(["translate", *options])
    return status, *capsys.readouterr()


def test_a_capture_before_and_after_and_what_was_lost(monkeypatch, capsys):
    status, out, _ = told(monkeypatch, capsys, f"{BOOT}\n{RESET}\n", "--from", "1.6", "--to", "2.0.1")
    assert status == 0
    assert '"chargingStation": {"model": "M", "vendorName": "V"}' in out
    assert "info     FIELD_DROPPED  meterType  x" in out
    assert '"Reset", {"type": "Hard"}' in out


def test_a_capture_as_json(monkeypatch, capsys):
    _, out, _ = told(monkeypatch, capsys, BOOT, "--from", "1.6", "--to", "2.0.1", "--json")
    report = json.loads(out)
    assert report["to_backend"][0][2:] == [
        "BootNotification",
        {"chargingStation": {"model": "M", "vendorName": "V"}, "reason": "PowerUp"},
    ]
    assert [lost["code"] for lost in report["lost"]] == ["FIELD_DROPPED"]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (BOOT, ("--from", "1.6", "--to", "1.6"), "nothing to translate"),
        ("[3]", ("--from", "1.6", "--to", "2.0.1"), "frame 1: is not a frame of OCPP"),
        (
            json.dumps({"raw": BOOT, "version": "1.6"}),
            ("--from", "2.0.1", "--to", "1.6"),
            "frame 1: is of OCPP 1.6; give --from 1.6",
        ),
        ("", ("--from", "1.6", "--to", "2.0.1"), "there is no frame"),
    ],
)
def test_a_mistake_is_said(monkeypatch, capsys, text, options, said):
    status, _, error = told(monkeypatch, capsys, text, *options)
    assert status == 2
    assert said in error


STATUS = '[2,"2","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"available",}]'


def test_odd_frames_are_repaired_first_as_the_gateway_would(monkeypatch, capsys):
    text = f'{STATUS}\n[[2,"3","Heartbeat",{{}}],{BOOT}]\n[2,"4","Heart\n'
    status, out, _ = told(monkeypatch, capsys, text, "--from", "1.6", "--to", "2.0.1", "--json")
    reports = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [report["action"] for report in reports] == [
        "StatusNotification",
        "Heartbeat",
        "BootNotification",
        "",
    ]
    assert reports[0]["before"] == STATUS
    assert reports[0]["taken"][3] == {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    assert reports[0]["to_backend"][0][3]["connectorStatus"] == "Available"
    assert [flag["code"] for flag in reports[0]["flags"]] == [
        "stray-comma",
        "text-as-number",
        "enum-spelling",
    ]
    assert (reports[3]["taken"], reports[3]["to_backend"]) == (None, [])
    _, out, _ = told(monkeypatch, capsys, text, "--from", "1.6", "--to", "2.0.1")
    assert 'text-as-number  connectorId  "1" → 1' in out
    assert '  repaired [2, "2", "StatusNotification", {"connectorId": 1,' in out
    assert "3: nothing of it goes on" in out


SESSION = [
    '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    '[3,"1",{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}]',
    '[2,"3","StartTransaction",'
    '{"connectorId":1,"idTag":"TAG","meterStart":100,"timestamp":"2026-01-01T00:00:01Z"}]',
    '[3,"3",{"transactionId":4711,"idTagInfo":{"status":"Accepted"}}]',
    '[2,"4","MeterValues",{"connectorId":1,"transactionId":4711,"meterValue":'
    '[{"timestamp":"2026-01-01T00:01:01Z","sampledValue":[{"value":"200"}]}]}]',
    '[2,"5","StopTransaction",{"transactionId":4711,"meterStop":300,"timestamp":"2026-01-01T00:02:01Z"}]',
]


@pytest.mark.parametrize("backend", ["2.0.1", "2.1"])
@pytest.mark.parametrize(
    "without",
    [[], [3], [3, 4]],
    ids=["its answer is there", "in front of a 2.x backend", "and without readings"],
)
def test_a_recorded_session_is_whole_under_the_id_that_its_charger_was_given(
    monkeypatch, capsys, backend, without
):
    frames = [frame for place, frame in enumerate(SESSION) if place not in without]
    _, out, _ = told(monkeypatch, capsys, "\n".join(frames), "--from", "1.6", "--to", backend, "--json")
    reports = [json.loads(line) for line in out.splitlines()]
    events = [frame[3] for report in reports for frame in report["to_backend"] if "Event" in frame[2]]
    assert [event["eventType"] for event in events][:: len(events) - 1] == ["Started", "Ended"]
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1
    assert {lost["code"] for report in reports for lost in report["lost"]} == {"TOPOLOGY_EXTENDED"}


METER = {"meterStart": 0, "timestamp": "2026-01-01T00:00:01Z"}
STARTED = {
    "eventType": "Started",
    "timestamp": "2026-01-01T00:00:01Z",
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "t1", "chargingState": "Charging"},
    "evse": {"id": 1, "connectorId": 1},
    "idToken": {"idToken": "TAG", "type": "Central"},
}


def start(connector, tag, id_):
    return [2, id_, "StartTransaction", {"connectorId": connector, "idTag": tag}]


def stop(transaction_id, **more):
    return [2, "s", "StopTransaction", {"transactionId": transaction_id} | more]


@pytest.mark.parametrize(
    ("frames", "ids"),
    [
        ([start(1, "A", "1"), start(2, "B", "2"), stop(7, idTag="b")], {1: 7}),
        ([start(1, "A", "1"), start(2, "A", "2"), stop(7, idTag="A")], {}),
        ([start(1, "A", "1"), start(1, "B", "2"), stop(7)], {1: 7}),
        ([start(1, "A", "1"), stop(-1), stop(0)], {}),
        (
            [start(1, "A", "1"), [3, "1", {"transactionId": 5}], start(2, "B", "2"), stop(5), stop(6)],
            {0: 5, 2: 6},
        ),
        ([None, 3, [2], [2, "1", "StartTransaction", None], stop("7")], {}),
    ],
)
def test_an_id_is_given_only_to_the_one_transaction_that_it_can_mean(frames, ids):
    assert transaction_ids(frames) == ids


def test_each_transaction_of_a_2x_charger_gets_an_id_of_its_own():
    rehearsal = Rehearsal(Version.V201, Version.V16)
    lost = []
    for evse in (1, 2):
        info = STARTED["transactionInfo"] | {"transactionId": f"t{evse}"}
        payload = STARTED | {"transactionInfo": info, "evse": {"id": evse, "connectorId": 1}}
        lost += rehearsal.frame([2, str(evse), "TransactionEvent", payload])["lost"]
    assert "BACKEND_TXID_SUSPECT" not in [one["code"] for one in lost]


@pytest.mark.parametrize(
    ("charger", "backend", "kind"),
    [(Version.V16, Version.V201, str), (Version.V16, Version.V21, str), (Version.V201, Version.V16, int)],
)
def test_a_transaction_is_named_as_its_backend_reads_it(charger, backend, kind):
    rehearsal = Rehearsal(charger, backend)
    payload = STARTED if charger is Version.V201 else start(1, "A", "1")[3] | METER
    action = "TransactionEvent" if charger is Version.V201 else "StartTransaction"
    report = rehearsal.frame([2, "1", action, payload], transaction_id=4711)
    known_as = "t1" if charger is Version.V201 else 4711
    told = rehearsal.translator.name_at_backend(known_as)
    assert isinstance(told, kind)
    wire = told if kind is int else report["to_backend"][0][3]["transactionInfo"]["transactionId"]
    assert told == wire
    assert rehearsal.translator.name_at_backend("never" if kind is int else 12) is None
