"""Observe, repair and strict; the answers to what goes no further; the bytes of what does."""

import json

import pytest

from gateway.dialect.reader import Mode, Outcome, Reader, Reading
from gateway.ocpp.message import Message, Sender, Version

SPOILT = b'[2,"1","Authorize",{"idTag":12345678}]'
STOP = '[2,"1","StopTransaction",{"transactionId":%s,"meterStop":5400,"timestamp":"2026-03-02T11:00:00Z"}]'
METER = (
    '[2,"1","MeterValues",{"connectorId":%s,"meterValue":'
    '[{"timestamp":"2026-03-02T10:15:30Z","sampledValue":[%s]}]}]'
)


def read(
    data: bytes | str,
    version: Version = Version.V16,
    mode: Mode = Mode.REPAIR,
    sender: Sender = Sender.CHARGER,
):
    raw = data.encode() if isinstance(data, str) else data
    return Reader(version, mode).read(raw, sender, lambda id_: None, 0.0)


def test_repair_changes_what_has_one_reading():
    reading = read(SPOILT)
    assert reading.outcome is Outcome.REPAIRED
    assert reading.messages[0].frame == b'[2,"1","Authorize",{"idTag":"12345678"}]'
    assert [(f.code, f.path, f.before, f.after) for f in reading.flags] == [
        ("identifier-as-number", "idTag", "12345678", '"12345678"')
    ]


def test_observe_flags_the_same_and_changes_nothing():
    reading = read(SPOILT, mode=Mode.OBSERVE)
    assert [flag.code for flag in reading.flags] == ["identifier-as-number"]
    assert [message.frame for message in reading.messages] == [SPOILT]


def test_observe_passes_on_what_repair_would_keep():
    data = STOP % "null"
    assert read(data).outcome is Outcome.QUARANTINED
    reading = read(data, mode=Mode.OBSERVE)
    assert [message.frame for message in reading.messages] == [data.encode()]


def test_strict_refuses_with_the_code_of_the_standard():
    reading = read(SPOILT, mode=Mode.STRICT)
    assert (reading.outcome, reading.messages) == (Outcome.QUARANTINED, [])
    assert json.loads(reading.reply)[:3] == [4, "1", "TypeConstraintViolation"]
    assert reading.original.frame == SPOILT


def test_strict_passes_what_the_schema_accepts_even_if_it_is_doubtful():
    data = '[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-03-02T10:15:30Z",' \
        '"sampledValue":[{"value":" 0.0"}]}]}]'  # fmt: skip
    assert isinstance(read(data, mode=Mode.STRICT), Message)
    assert read(data).messages[0].frame == data.replace(" 0.0", "0.0").encode()


@pytest.mark.parametrize(
    ("data", "version", "reply"),
    [
        (STOP % "null", Version.V16, [3, "1", {}]),
        ('[2,"1","BootNotification",null]', Version.V16, [4, "1", "OccurenceConstraintViolation"]),
        ('[2,"1","BootNotification",null]', Version.V21, [4, "1", "OccurrenceConstraintViolation"]),
        ('[2,"1","Nonsense",{}]', Version.V16, [4, "1", "NotImplemented"]),
        ('[2,"1","Reset",{"type":"Soft"}]', Version.V16, [4, "1", "NotSupported"]),
        ('[2,17,"Nonsense",{}]', Version.V16, [4, 17, "NotImplemented"]),
        ('[2,"1","Heartbeat",{', Version.V16, [4, "1", "FormationViolation"]),
        ('[2,"1","Heartbeat",{', Version.V201, [4, "1", "FormatViolation"]),
        ("[}", Version.V201, [4, "-1", "RpcFrameworkError"]),
        ("[]", Version.V201, [4, "-1", "RpcFrameworkError"]),
    ],
)
def test_who_sent_what_goes_no_further_hears_so(data, version, reply):
    reading = read(data, version)
    assert reading.messages == []
    assert json.loads(reading.reply)[: len(reply)] == reply


@pytest.mark.parametrize("data", ["[}", "ping", "", "[]", '[3,"1",{"x":1}', '[4,"",""]'])
def test_without_an_id_1_6_hears_nothing(data):
    assert read(data).reply is None


def test_an_empty_set_of_samples_is_confirmed_and_dropped():
    data = METER % (1, "")
    reading = read(data)
    assert (reading.outcome, reading.messages, reading.reply) == (Outcome.IGNORED, [], b'[3,"1",{}]')


def test_a_numeric_id_is_text_inside_and_a_number_in_the_answer():
    message = read('[2,41811,"Heartbeat",{}]').messages[0]
    assert (message.id, message.id_literal, message.frame) == (
        "41811",
        b"41811",
        b'[2,"41811","Heartbeat",{}]',
    )


def test_numbers_keep_their_text_when_something_else_is_repaired():
    data = '[2,"1","DataTransfer",{"vendorId":null,"data":{"a":1.10,"b":-0.0,"c":1E5}}]'
    reading = read(data.replace("null", '"x"').replace("}}]", "},}]"), Version.V201)
    assert reading.messages[0].frame == data.replace("null", '"x"').encode()


def test_signed_values_are_never_touched():
    sample = '{"value":" 1,5 kWh ","format":"SignedData","unit":"kWh"}'
    reading = read(METER % ('"1"', sample))
    assert [flag.code for flag in reading.flags] == ["text-as-number"]
    assert reading.messages[0].frame == (METER % (1, sample)).encode()


def test_a_broken_optional_field_of_a_backend_is_not_dropped_in_silence():
    data = '[2,"1","RemoteStartTransaction",{"idTag":"A1","connectorId":"one"}]'
    assert read(data, sender=Sender.BACKEND).outcome is Outcome.QUARANTINED


def test_an_answer_nobody_waits_for_is_for_the_session_to_judge():
    message = read('[3,"9",{"status":"Accepted"}]')
    assert isinstance(message, Message)
    assert message.action == ""


@pytest.mark.parametrize("sender", Sender)
@pytest.mark.parametrize(
    ("mode", "goes_on"), [(Mode.REPAIR, True), (Mode.OBSERVE, True), (Mode.STRICT, False)]
)
def test_an_answer_to_a_call_that_the_standard_does_not_have_goes_on_as_it_came(mode, goes_on, sender):
    answer = b'[3,"9",{"status":"Accepted"}]'
    reading = Reader(Version.V16, Mode(mode)).read(answer, sender, {"9": "Foo"}.get, 0.0)
    assert [message.frame for message in reading.messages] == [answer] * goes_on


def test_an_answer_without_id_is_matched_to_the_only_call_that_waits():
    reader = Reader(Version.V16)
    reading = reader.read(
        b'[3,"",{"fileName":"a.zip"}]', Sender.CHARGER, {"c9": "GetDiagnostics"}.get, 0.0, lambda: ["c9"]
    )
    assert isinstance(reading, Reading)
    assert reading.messages[0].frame == b'[3,"c9",{"fileName":"a.zip"}]'


def test_a_frame_after_a_frame_goes_on_by_itself():
    reading = read('[2,"1","Heartbeat",{}][2,"2","Heartbeat",{}]')
    assert [message.id for message in reading.messages] == ["1", "2"]


STATUS = '[2,"1","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"%s"}]'


def applied(reading):
    return {flag.code.value: flag.applied for flag in reading.flags}


def test_a_message_that_goes_on_as_it_came_has_no_repair_of_a_field():
    reading = read(STATUS % "Occupied")
    assert reading.original.frame == (STATUS % "Occupied").encode()
    assert applied(reading) == {"text-as-number": False, "status-ambiguous": False}
    assert applied(read(STATUS % "available")) == {"text-as-number": True, "enum-spelling": True}


def test_a_frame_that_could_not_be_read_as_it_came_goes_on_with_what_made_it_a_frame():
    reading = read((STATUS % "Occupied").replace("}]", ",}]"))
    assert reading.original.frame == (STATUS % "Occupied").encode()
    assert applied(reading) == {"stray-comma": True, "text-as-number": False, "status-ambiguous": False}


@pytest.mark.parametrize("status", ["available", "Occupied"])
def test_observe_applies_nothing(status):
    reading = read((STATUS % status).replace("}]", ",}]"), mode=Mode.OBSERVE)
    assert set(applied(reading).values()) == {False}


def test_what_stays_unread_is_not_said_to_be_repaired():
    assert set(applied(read("[2,'1',\"Heartbeat\",{")).values()) == {False}


def test_a_frame_that_nobody_can_repair_is_not_lost_beside_one_that_goes_on():
    stop = STOP % '"x"'
    reading = read('[2,"2","Heartbeat",{}]' + stop)
    assert [message.id for message in reading.messages] == ["2"]
    (kept,) = reading.rest
    assert (kept.outcome, kept.original.action) == (Outcome.QUARANTINED, "StopTransaction")
    assert json.loads(kept.original.frame) == json.loads(stop)
    assert not {flag.code for flag in kept.flags} & {flag.code for flag in reading.flags}
