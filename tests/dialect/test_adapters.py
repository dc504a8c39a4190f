# ruff: noqa: E501 - frames
"""Adapters: what they see and may do, and that a bad one harms no more than its own message."""

import json
import re
from pathlib import Path

import pytest

from gateway.api import (
    Adapter,
    FlagCode,
    Match,
    Memory,
    Message,
    OpenTransactions,
    backend_call,
    backend_result,
    charger_call,
    charger_result,
)
from gateway.dialect.adapting import MOST_OVERRUNS, Memories, TookTooLong
from gateway.dialect.brand import Brand
from gateway.dialect.reader import Mode, Outcome
from gateway.dialect.rules.rule import Kind, Use
from tests.dialect.brands import codes, pack, read, reader, reading, rule

START = '[2,"s1","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":1,"timestamp":"2026-11-21T08:00:00Z"}]'
START_RESULT = b'[3,"s1",{"transactionId":42,"idTagInfo":{"status":"Accepted"}}]'
STOP = '[2,"x1","StopTransaction",{"transactionId":%s,"meterStop":5,"timestamp":"2026-11-21T08:00:00Z"}]'
STATUS = '[2,"m1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"%s"}]'
HEARTBEAT = '[2, "h1", "Heartbeat", {} ]'
METER = (
    '[2,"v1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-21T08:00:00Z",'
    '"sampledValue":[{"value":"1.10"}]}]}]'
)


class Acme(Adapter):
    """Loses its transaction ids."""

    match = Match(vendor="acme*")

    @backend_result("StartTransaction")
    def remember(self, result: Message, memory: Memory) -> Message:
        OpenTransactions(memory).started(result)
        return result

    @charger_call("StopTransaction", broken=True)
    def restore(self, call: Message, memory: Memory) -> Message:
        return OpenTransactions(memory).restored(call)


def test_an_adapter_remembers_and_restores():
    made = reader(adapter=Acme())
    read(made, START)
    assert (Kind.BACKEND_RESULT, "StartTransaction") in made.to_charger
    assert made.fit(START_RESULT, Kind.BACKEND_RESULT, "StartTransaction").data is START_RESULT
    frames, flags = read(made, STOP % 0)
    assert frames == [STOP % 42]
    assert [(flag.code.value, flag.path, flag.before, flag.after, flag.author) for flag in flags] == [
        ("transaction-restored", "transactionId", "0", "42", "adapters/acme")
    ]


def test_a_message_beyond_repair_can_be_mended_by_who_knows_better():
    made = reader(adapter=Acme())
    read(made, START)
    made.fit(START_RESULT, Kind.BACKEND_RESULT, "StartTransaction")
    frames, flags = read(made, (STOP % 0).replace('"transactionId":0,', ""))
    assert json.loads(frames[0])[3]["transactionId"] == 42
    assert codes(flags) == ["transaction-restored@transactionId"]
    frames, flags = read(made, (STOP % 0).replace('"transactionId":0,', ""))
    assert frames == []


def test_no_guess_is_made_between_two():
    made = reader(adapter=Acme())
    for id_, connector, transaction in (("s1", 1, 42), ("s2", 2, 43)):
        read(made, START.replace("s1", id_).replace('connectorId":1', f'connectorId":{connector}'))
        answer = START_RESULT.replace(b"s1", id_.encode()).replace(b"42", str(transaction).encode())
        made.fit(answer, Kind.BACKEND_RESULT, "StartTransaction")
    frames, flags = read(made, STOP % 0)
    assert frames == [STOP % 0]
    assert "dialect-ambiguous@transactionId" in codes(flags)


def test_memory_survives_and_is_json():
    made = reader(adapter=Acme())
    read(made, START)
    assert made.memories.is_dirty is False
    made.fit(START_RESULT, Kind.BACKEND_RESULT, "StartTransaction")
    assert made.memories.is_dirty
    stored = made.memories.stored()
    assert json.loads(stored) == {"acme": {"open_transactions": {"1": 42}}}
    assert made.memories.is_dirty is False
    again = reader(adapter=Acme(), memories=Memories(stored))
    assert read(again, STOP % 0)[0] == [STOP % 42]
    assert again.memories.stored() == b'{"acme":{"open_transactions":{}}}'


class Both(Adapter):
    match = Match(vendor="*")

    @charger_call("StatusNotification")
    def prepare(self, call: Message, memory: Memory) -> list[Message] | Message:
        if call.payload["status"] == "Finishing":
            memory["held"] = call.payload
            return call.withheld()
        preparing = call.new("StatusNotification", call.payload | {"status": "Preparing"})
        return [preparing, call] if call.payload["status"] == "Charging" else call

    @charger_call("StopTransaction")
    def release(self, call: Message, memory: Memory) -> list[Message] | Message:
        held = memory.pop("held", None)
        return [call, call.new("StatusNotification", held)] if held else call


def test_messages_are_added_withheld_and_released():
    made = reader(adapter=Both())
    got = reading(made, STATUS % "Charging")
    assert [message.frame.decode() for message in got.messages] == [
        (STATUS % "Preparing").replace('"m1"', '"m1-gw1"'),
        STATUS % "Charging",
    ]
    assert [message.is_made for message in got.messages] == [True, False]
    assert codes(got.flags) == ["message-synthesised"]
    got = reading(made, STATUS % "Finishing")
    assert (got.outcome, got.messages, got.reply) == (Outcome.IGNORED, [], b'[3,"m1",{}]')
    assert codes(got.flags) == ["message-withheld"]
    frames, _ = read(made, STOP % 7)
    assert frames == [STOP % 7, (STATUS % "Finishing").replace('"m1"', '"x1-gw1"')]
    assert read(made, STOP % 8)[0] == [STOP % 8]


def test_an_observed_adapter_learns_but_changes_nothing():
    made = reader(adapter=Both(), use=Use.OBSERVE)
    frames, flags = read(made, STATUS % "Charging")
    assert frames == [STATUS % "Charging"]
    assert [(flag.code.value, flag.after, flag.applied) for flag in flags] == [
        ("dialect-observed", '"add StatusNotification"', False)
    ]
    assert codes(read(made, STATUS % "Finishing")[1]) == ["dialect-observed"]
    made = reader(adapter=Both(), mode=Mode.OBSERVE)
    frames, flags = read(made, STATUS % "Finishing")
    assert frames == [STATUS % "Finishing"]
    assert flags
    assert not any(flag.applied for flag in flags)


def one(body, action="Heartbeat", mark=charger_call):
    """An adapter with one method."""

    class One(Adapter):
        match = Match(vendor="*")

        @mark(action)
        def method(self, message, memory):
            return body(message, memory)

    return One()


def endless(nested=None):
    nested = []
    nested.append(nested)
    return nested


def forever(message, memory):
    return forever(message, memory)


def greedy(message, memory):
    memory["x"] = "x" * 100_000
    return message


def odd_memory(message, memory):
    memory[1] = {2}
    return message


def raising(message, memory):
    memory["half"] = "done"
    raise KeyError("connectorId")


NONSENSE = {
    "nothing": (lambda m, _: None, "did not return a message"),
    "a number": (lambda m, _: 7, "did not return a message"),
    "an empty list": (lambda m, _: [], "return the message once"),
    "twice": (lambda m, _: [m, m], "return the message once"),
    "another action": (lambda m, _: setattr(m, "action", "Authorize") or m, "changed the kind, action or id"),
    "no object": (lambda m, _: setattr(m, "payload", []) or m, "a payload is no dict"),
    "not JSON": (lambda m, _: m.with_field("x", {1, 2}), "is not JSON"),
    "not a number": (lambda m, _: m.with_field("x", float("nan")), "is not JSON"),
    "without end": (lambda m, _: setattr(m, "payload", {"x": endless()}) or m, "too deeply or too large"),
    "not the standard": (lambda m, _: m.with_field("x", 1), "would not fit the schema"),
    "made-up billing": (
        lambda m, _: [m, m.new("MeterValues", {})],
        "carries what somebody is billed for",
    ),
    "a made-up message that does not fit": (
        lambda m, _: [m, m.new("StatusNotification", {})],
        "would not fit the schema",
    ),
    "a made-up action": (lambda m, _: [m, m.new("Reset", {})], "a charger cannot send 'Reset'"),
    "a flood": (lambda m, _: [m, *[m.new("Heartbeat", {})] * 9], "9 new messages"),
    "an answer for the charger": (lambda m, _: m.answered({}), "only a backend_call can be answered"),
    "an exception": (raising, "KeyError: 'connectorId'"),
    "a large memory": (greedy, "65536 are the most"),
    "a memory that is not JSON": (odd_memory, "a key is not a text"),
    "recursion": (forever, "RecursionError"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_flagged_and_the_message_goes_on_as_it_was(name):
    body, reason = NONSENSE[name]
    made = reader(adapter=one(body))
    frames, flags = read(made, HEARTBEAT)
    assert frames == [HEARTBEAT]
    assert [flag.code.value for flag in flags] == ["adapter-failed"]
    assert reason in flags[0].before
    assert flags[0].author == "adapters/one"
    assert re.fullmatch(r"adapters/one test_adapters\.py:\d+", flags[0].path)
    assert made.memories.stored() == b""
    assert read(made, STATUS % "Available")[1] == []


@pytest.mark.parametrize("action", ["StartTransaction", "Authorize", "BootNotification"])
def test_what_only_the_backend_can_answer_cannot_be_withheld(action):
    frames = {
        "StartTransaction": START,
        "Authorize": '[2,"a","Authorize",{"idTag":"A"}]',
        "BootNotification": '[2,"b","BootNotification",{"chargePointVendor":"A","chargePointModel":"B"}]',
    }
    found, flags = read(reader(adapter=one(lambda m, _: m.withheld(), action)), frames[action])
    assert found == [frames[action]]
    assert "cannot be withheld" in flags[0].before


def test_a_withheld_heartbeat_is_answered_with_the_time():
    got = reading(reader(adapter=one(lambda m, _: m.withheld())), HEARTBEAT)
    assert got.reply == b'[3,"h1",{"currentTime":"2026-11-21T08:00:00Z"}]'


def test_an_adapter_that_takes_too_long_is_given_up_after_three_times():
    def slow(message, memory):
        raise TookTooLong

    made = reader(adapter=one(slow))
    for _ in range(MOST_OVERRUNS):
        frames, flags = read(made, HEARTBEAT)
        assert (frames, [flag.code.value for flag in flags]) == ([HEARTBEAT], ["adapter-failed"])
    assert read(made, HEARTBEAT) == ([HEARTBEAT], [])


def test_a_failed_adapter_is_told_with_the_line_that_raised():
    _, flags = read(reader(adapter=one(raising)), HEARTBEAT)
    source = Path(__file__).read_text().splitlines()
    assert source[int(flags[0].path.rpartition(":")[2]) - 1].strip() == 'raise KeyError("connectorId")'
    assert flags[0].label == f"adapter-failed@{flags[0].path}"


def test_an_endless_loop_over_a_large_message_is_interrupted():
    from gateway.plugins import bounded_by

    def loops(message, memory):
        while True:
            try:
                for value in message.payload["meterValue"]:
                    sorted(value)
            except Exception:
                pass

    made = reader()
    made.follow(Mode.REPAIR, None, Brand((), ((one(loops, "MeterValues"), Use.REPAIR),), bounded_by(0.02)))
    value = '{"timestamp":"2026-11-21T08:00:00Z","sampledValue":[{"value":"1"}]}'
    frame = METER[: METER.index("[{")] + "[" + ",".join([value] * 5000) + "]}]"
    frames, flags = read(made, frame)
    assert frames == [frame]
    assert flags[0].code.value == "adapter-failed"
    assert "took too long" in flags[0].before


def test_numbers_that_an_adapter_does_not_touch_keep_their_text():
    frame = (
        '[2,"m1","SecurityEventNotification",{"type":"A","timestamp":"2026-11-21T08:00:00Z","techInfo":"x"}]'
    )
    made = reader(adapter=one(lambda m, _: m.with_field("type", "B"), "SecurityEventNotification"))
    frames, flags = read(made, frame)
    assert frames == [frame.replace('"A"', '"B"')]
    assert codes(flags) == ["adapter-applied@type"]
    schedule = '[2,"1","SetChargingProfile",{"limit":16.10,"big":12345678901234567890,"e":1e3,"z":-0}]'
    made = reader(
        adapter=one(
            lambda m, _: m.with_field("x", m.payload["limit"] * 0), "SetChargingProfile", backend_call
        )
    )
    fitted = made.fit(schedule.encode(), Kind.BACKEND_CALL, "SetChargingProfile")
    assert fitted.data.decode() == schedule.replace("-0}", '-0,"x":0.0}')


def test_a_signed_value_cannot_be_changed_by_an_adapter():
    frame = METER.replace('"1.10"', '"OCMF","format":"SignedData"')
    body = lambda m, _: m.with_field("meterValue[0].sampledValue[0].value", "x")  # noqa: E731
    frames, flags = read(reader(adapter=one(body, "MeterValues")), frame)
    assert frames == [frame]
    assert (
        "changed a signed meter value" in flags[-1].before
        or "changed a signed meter value" in flags[0].before
    )


def test_a_command_can_be_answered_in_the_charger_s_place():
    made = reader(
        adapter=one(lambda m, _: m.answered({"configurationKey": []}), "GetConfiguration", backend_call)
    )
    fitted = made.fit(b'[2,"7","GetConfiguration",{"key":["X"]}]', Kind.BACKEND_CALL, "GetConfiguration")
    assert fitted.answer == b'[3,"7",{"configurationKey":[]}]'
    assert codes(fitted.flags) == ["command-answered"]
    made = reader(adapter=one(lambda m, _: m.answered({"nonsense": 1}), "GetConfiguration", backend_call))
    fitted = made.fit(b'[2,"7","GetConfiguration",{"key":["X"]}]', Kind.BACKEND_CALL, "GetConfiguration")
    assert (fitted.answer, [flag.code.value for flag in fitted.flags]) == (None, ["adapter-failed"])


def test_an_answer_of_the_charger_carries_its_request():
    seen = []
    body = lambda m, _: seen.append(m.request) or m  # noqa: E731
    made = reader(adapter=one(body, "GetConfiguration", charger_result))
    assert (Kind.BACKEND_CALL, "GetConfiguration") in made.to_charger
    made.fit(b'[2,"7","GetConfiguration",{"key":["X"]}]', Kind.BACKEND_CALL, "GetConfiguration")
    read(made, '[3,"7",{"unknownKey":["X"]}]', "GetConfiguration")
    read(made, '[3,"8",{"unknownKey":["X"]}]', "GetConfiguration")
    assert seen == [{"key": ["X"]}, {}]


def test_packs_come_before_adapters_and_adapters_see_repaired_messages():
    seen = []
    body = lambda m, _: seen.append(m.payload) or m  # noqa: E731
    rules = pack(
        rule(
            'on = { charger_call = "StatusNotification" }\ndo = [{ map = "status", using = { Busy = "Charging" } }]'
        )
    )
    made = reader(rules, adapter=one(body, "StatusNotification"))
    _, flags = read(made, (STATUS % "Busy").replace('"connectorId":1', '"connectorId":"1"'))
    assert seen == [{"connectorId": 1, "errorCode": "NoError", "status": "Charging"}]
    assert codes(flags) == ["rule-applied@status", "text-as-number@connectorId"]


def test_a_message_is_judged_as_it_goes_on():
    made = reader(adapter=Acme())
    read(made, START)
    made.read(START_RESULT, made_sender(), lambda _: "StartTransaction", 1_795_248_000.0)
    made.fit(START_RESULT, Kind.BACKEND_RESULT, "StartTransaction")
    assert codes(read(made, STOP % 0)[1]) == ["transaction-restored@transactionId"]


def made_sender():
    from gateway.ocpp.message import Sender

    return Sender.BACKEND


def test_flags_an_adapter_gives_are_harmless_ones():
    frames, flags = read(
        reader(adapter=one(lambda m, _: m.flagged(FlagCode.TRUNCATED).flagged(FlagCode.VENDOR_TEXT, "x"))),
        HEARTBEAT,
    )
    assert frames == [HEARTBEAT]
    assert codes(flags) == ["vendor-text@x"] or "vendor-text@x" in codes(flags)
