"""What a hostile or broken peer may send: nothing raises, nothing takes long, nothing grows."""

import json

import pytest

from gateway.dialect.history import History, keep
from gateway.dialect.reader import Outcome, Reader, Reading
from gateway.ocpp.message import Message, Sender, Version

DATA = '[2,"1","DataTransfer",{"vendorId":"x","data":%s}]'


def read(text: str, version: Version = Version.V201) -> Message | Reading:
    return Reader(version).read(text.encode("utf-8", "surrogatepass"), Sender.CHARGER, lambda id_: None, 0.0)


def codes(reading: Message | Reading) -> list[str]:
    return [] if isinstance(reading, Message) else [flag.code.value for flag in reading.flags]


@pytest.mark.parametrize("depth", [33, 1000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_kept(depth, opening, closing):
    reading = read(DATA % (opening * depth + "1" + closing * depth))
    assert codes(reading) == ["frame-too-complex"]
    assert reading.outcome is Outcome.QUARANTINED


def test_ordinary_nesting_passes():
    assert isinstance(read(DATA % ("[" * 20 + "1" + "]" * 20)), Message)


def test_a_bomb_of_small_lists_is_kept():
    assert codes(read(DATA % ("[" + "[]," * 300_000 + "[]]"))) == ["frame-too-complex"]


@pytest.mark.parametrize("number", ["9223372036854775808", "-9223372036854775809", "1" * 5000, "1e999"])
def test_numbers_no_parser_keeps_are_kept_back(number):
    reading = read(DATA % number)
    assert isinstance(reading, Reading)
    assert reading.outcome is Outcome.QUARANTINED


def test_an_unclosed_text_of_a_megabyte_is_read_once():
    assert codes(read('[2,"1","Heartbeat",{"a":"' + "\\'" * 500_000)) == ["bad-escape", "truncated"]


def test_a_message_has_at_most_a_hundred_flags():
    extra = ",".join(f'"x{number}":1' for number in range(1000))
    reading = read('[2,"1","Heartbeat",{' + extra + "}]")
    assert len(codes(reading)) == 100
    assert reading.messages[0].frame == b'[2,"1","Heartbeat",{}]'


def test_a_key_that_stands_twice_never_passes_as_clean():
    same = '[2,"1","Authorize",{"idTag":"A1","idTag":"A1"}]'
    assert codes(read(same, Version.V16)) == ["duplicate-key"]
    assert read(same, Version.V16).messages[0].frame == b'[2,"1","Authorize",{"idTag":"A1"}]'
    other = '[2,"1","Authorize",{"idTag":"A1" ,"idTag" : "A\\u0032"}]'
    assert codes(read(other, Version.V16)) == ["duplicate-key-conflict"]
    data = '{"vendorId":"v","a":1,"a":2}'
    hidden = f'[2,"1","Authorize",{{"idToken":{{"idToken":"A","type":"Local","customData":{data}}}}}]'
    assert codes(read(hidden)) == ["duplicate-key-conflict"]


def test_broken_bytes_in_a_part_without_schema_are_noticed():
    data = b'[2,"1","Heartbeat",{"customData":{"vendorId":"v","a":"\xff"}}]'
    reading = Reader(Version.V201).read(data, Sender.CHARGER, lambda id_: None, 0.0)
    assert codes(reading) == ["bad-utf8"]
    assert "\ufffd" in json.loads(reading.messages[0].frame)[3]["customData"]["a"]


def test_memory_keeps_the_latest():
    history = History()
    for number in range(1000):
        keep(history.last_keys, ("start", number), str(number))
    assert len(history.last_keys) == 16
    assert ("start", 999) in history.last_keys


LONG = 300_000


@pytest.mark.parametrize(
    "value",
    [
        "1" * LONG + "x",
        " " + "1" * LONG + "x",
        "1" * LONG + ".",
        "1." + "1" * LONG + " ?",
        " " * LONG + "x",
        "\\u0001" * LONG + "a",
        "1e999999999",
        "-" * LONG,
        "1," * LONG,
    ],
)
@pytest.mark.parametrize("place", ["value", "unit", "timestamp", "idTag", "transactionId"])
def test_long_texts_cost_no_more_than_reading_them(value, place):
    fields = {
        "value": "1",
        "unit": "mA",
        "timestamp": "2026-03-02T10:15:30Z",
        "idTag": "A1",
        "transactionId": 1,
    }
    meter = fields | {place: value}
    sample = f'{{"value":"{meter["value"]}","measurand":"Current.Import","unit":"{meter["unit"]}"}}'
    stop = (
        f'[2,"1","StopTransaction",{{"transactionId":"{meter["transactionId"]}","meterStop":1,'
        f'"idTag":"{meter["idTag"]}","timestamp":"{meter["timestamp"]}",'
        f'"transactionData":[{{"timestamp":"{meter["timestamp"]}","sampledValue":[{sample}]}}]}}]'
    )
    reading = read(stop, Version.V16)
    assert isinstance(reading, Reading)
    assert all(len(flag.before) <= 200 and len(flag.after) <= 200 for flag in reading.flags)
    assert all(len(message.frame) <= len(stop) + 10 for message in reading.messages)
