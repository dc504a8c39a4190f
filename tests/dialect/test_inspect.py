"""Facts in words and frames that came before, as `inspect` takes them."""

import base64
import json

import pytest

from gateway.dialect.inspect import inspect

METER = '[2,"m","MeterValues",{"connectorId":1%s,"meterValue":[{"timestamp":"2026-03-02T10:15:30Z",' \
    '"sampledValue":[{"value":"%s"}]}]}]'  # fmt: skip
AVAILABLE = '[2,"s","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]'
EVENT = (
    '[2,"e","TransactionEvent",{"eventType":"Updated","timestamp":"2026-03-02T10:15:30Z",'
    '"triggerReason":"MeterValuePeriodic","seqNo":7,"transactionInfo":{"transactionId":"tx-1"}}]'
)


def codes(raw: str, *given: str, **more: object) -> list[str]:
    return [flag["code"] for flag in inspect({"raw": raw, "given": list(given)} | more)["flags"]]


@pytest.mark.parametrize(
    ("raw", "given", "expected"),
    [
        (
            METER % (',"transactionId":3', 1),
            "transaction 3 was stopped before the reconnect",
            ["stale-transaction"],
        ),
        (METER % ("", 1), "transaction 3 is still open on connector 1", ["meter-without-transaction"]),
        (METER % ("", 1), "transaction 3 is open on connector 2", []),
        (METER % ("", 1), "the last register reading was 18.25 kWh", ["meter-reset"]),
        (METER % ("", "16777216000"), "last register value on this connector: 18250 Wh", ["meter-glitch"]),
        (AVAILABLE, "transaction 3 is running on connector 1", ["available-before-stop"]),
        (AVAILABLE, "no BootNotification on this connection", ["before-boot"]),
        (AVAILABLE, "it rained", []),
    ],
)
def test_a_fact_in_words_counts(raw, given, expected):
    assert codes(raw, given) == expected


def test_a_sequence_number_counts():
    assert codes(EVENT, "last seqNo of tx-1 was 4", version="2.0.1") == ["sequence-gap"]
    assert codes(EVENT, "last seqNo of tx-1 was 6", version="2.0.1") == []


def test_frames_before_are_read_in_order():
    start = '{"connectorId":1,"idTag":"A1","meterStart":1,"timestamp":"2026-03-02T10:00:00Z"}'
    call = f'[2,"t","StartTransaction",{start}]'
    answer = '[3,"t",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]'
    assert codes(AVAILABLE, call, answer) == ["available-before-stop"]
    assert codes(call, call) == ["id-reused"]
    assert codes(call.replace('"t"', '"u"'), call) == ["duplicate"]
    assert codes('[3,"t",{"status":"Accepted"}]') == ["answer-unknown"]


def test_a_frame_before_may_stand_there_as_json_or_as_a_record():
    call = '[2,"s","Reset",{"type":"Soft"}]'
    answer = '[3,"s",{"status":"Accepted"}]'
    record = {"raw": call, "direction": "backend_to_charger"}
    for before in (call, json.loads(call), record, f"(backend to charger) {call}"):
        assert inspect({"raw": answer, "given": [before]})["outcome"] == "clean"
    assert inspect({"raw": answer, "given": [None, 5, {"a": 1}]})["outcome"] == "ignored"


@pytest.mark.parametrize("written", ["2.0.1", "ocpp2.0.1", "OCPP2.0.1"])
def test_a_version_may_be_written_as_the_sub_protocol(written):
    assert inspect({"raw": EVENT, "version": written})["outcome"] == "clean"
    assert inspect({"raw": EVENT, "session": {"negotiated": written}})["outcome"] == "clean"
    assert inspect({"raw": EVENT, "version": written, "session": {"negotiated": "?"}})["outcome"] == "clean"


def test_a_second_connection_is_told():
    for more in ({"session": {"open_sockets": 2}}, {"given": ["its old connection is still open"]}):
        assert codes(AVAILABLE, **more) == ["connection-duplicate"]
    assert codes(AVAILABLE, session={"open_sockets": 1, "socket": "new"}) == []


def test_a_send_is_no_call_in_1_6_though_its_action_was_met_as_one():
    heartbeat = '[2,"h","Heartbeat",{}]'
    assert codes('[6,"n","Heartbeat",{}]', heartbeat) == ["message-type-newer"]


def test_a_record_may_hold_any_bytes():
    raw = base64.b64encode(b'[2,"1","Heartbeat",{}]\x00\x00').decode()
    report = inspect({"id": 5, "raw": raw, "encoding": "base64", "ws_opcode": 2})
    assert (report["id"], report["outcome"], report["frames"]) == (5, "repaired", ['[2,"1","Heartbeat",{}]'])
    assert [flag["code"] for flag in report["flags"]] == ["binary-frame", "nul-after-frame"]
    json.dumps(report)


@pytest.mark.parametrize(
    "record", [{}, {"raw": 1}, {"raw": "%%", "encoding": "base64"}, {"raw": "", "version": "9"}]
)
def test_what_is_no_record_is_refused(record):
    with pytest.raises(ValueError):
        inspect(record)


@pytest.mark.parametrize("action", ["Rset", "reset"])
def test_an_action_that_does_not_exist_is_refused_with_the_one_that_may_be_meant(action):
    with pytest.raises(ValueError, match=rf"'{action}' is no action of OCPP 1\.6; did you mean Reset\?"):
        inspect({"raw": '[3,"1",{}]', "action": action})
