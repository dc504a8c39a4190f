"""The shortcut for MeterValues written like one before says the same as reading them in full."""

import json
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect import reader as module
from gateway.dialect import shapes
from gateway.dialect.history import State, Transaction
from gateway.dialect.reader import Reader, Reading
from gateway.ocpp.message import Message, Sender, Version

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC).timestamp()

SAMPLES = [
    {
        "value": "5400",
        "context": "Sample.Periodic",
        "measurand": "Energy.Active.Import.Register",
        "unit": "Wh",
    },
    {"value": "5.5", "unit": "kWh"},
    {"value": "5", "context": "Transaction.Begin"},
    {"value": "7200.5", "measurand": "Power.Active.Import", "unit": "W"},
    {"value": "7.2", "measurand": "Power.Active.Import", "unit": "kW", "location": "Outlet"},
    {"value": "-3.5", "measurand": "Temperature", "unit": "Celsius"},
    {"measurand": "Current.Import", "phase": "L1", "unit": "A", "value": "16"},
    {"value": "231", "measurand": "Voltage", "phase": "L1-N", "unit": "V"},
]

PIECES = [
    b"-1",
    b"1e3",
    b"1.",
    b".5",
    b"007",
    b" 1",
    b'"',
    b"\\u0031",
    b"0",
    b"7",
    b"9" * 25,
    b"\xc3\xa9",
    b"\xff",
    b"L2",
]
PIECES += [
    b"2026-03-02T10:00:00Z",
    b"2026-02-30T10:00:00Z",
    b"2026-03-02T10:00:60Z",
    b"2031-01-01T00:00:00.5Z",
]
PIECES += [
    b"2026-03-02T09:59:00.Z",
    b"2026-03-02T10:00:00",
    b"true",
    b"{}",
    b',"value":"1"',
    b"\x00",
    b"NaN",
    b"+1",
    b"_",
]


def frame(number: int, samples: list[dict[str, str]], separators: tuple[str, str], **more: object) -> bytes:
    value = {"timestamp": "2026-03-02T09:30:00Z", "sampledValue": samples}
    call = [2, str(number), "MeterValues", {"connectorId": 1, **more, "meterValue": [value]}]
    text = json.dumps(call, separators=separators)
    return text.replace("[2, ", "[2,", 1).encode()


def reader(knows: bool, learns: bool) -> Reader:
    """One of a charger whose transaction 7 goes on and whose transaction 8 is over."""
    found = Reader(Version.V16)
    if knows:
        found.history.transactions[7] = Transaction(State.OPEN, 1)
        found.history.transactions[8] = Transaction(State.ENDED, 1)
    if not learns:
        found._patience = -1
    return found


def read_by(reader: Reader, data: bytes) -> Message | Reading:
    """A frame of the charger, as a session has it read."""
    quickly = reader.shape.read(data, reader.history, NOW) if reader.shape is not None else None
    return quickly or reader.read(data, Sender.CHARGER, lambda _: None, NOW)


def told(by: Reader, data: bytes) -> object:
    """All that a reader says of a frame, and what it remembers of it."""
    got = read_by(by, data)
    flags = [(flag.code, flag.path) for flag in got.flags] if isinstance(got, Reading) else []
    messages = got.messages if isinstance(got, Reading) else [got]
    said = [(m.type, m.id, m.action, m.frame, m.id_literal) for m in messages]
    outcome = got.outcome if isinstance(got, Reading) else None
    return outcome, flags, said, dict(by.history.registers), dict(by.history.transactions)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bool, list[bytes]]:
    """A charger whose transactions are known or not, and frames of one shape, some changed anywhere."""
    knows = draw(st.booleans())
    samples = draw(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=4))
    separators = draw(st.sampled_from([(",", ":"), (",", ": "), (", ", ": ")]))
    more = {"transactionId": 7} if knows or draw(st.booleans()) else {}
    plain = frame(1, samples, separators, **more)
    assert isinstance(read_by(reader(knows, learns=False), plain), Message)
    frames = [plain, plain]
    for _ in range(draw(st.integers(1, 6))):
        changed = bytearray(plain)
        for _ in range(draw(st.integers(0, 2))):
            at = draw(st.integers(0, len(changed)))
            changed[at : at + draw(st.sampled_from([0, 1, 1, 2, 20]))] = draw(
                st.one_of(st.sampled_from(PIECES), st.binary(max_size=2))
            )
        frames.append(bytes(changed))
    return knows, frames


@settings(max_examples=400, deadline=None)
@given(conversations())
def test_a_shape_lets_nothing_pass_that_reading_in_full_would_not(conversation):
    knows, frames = conversation
    quickly, fully = reader(knows, learns=True), reader(knows, learns=False)
    for data in frames:
        assert told(quickly, data) == told(fully, data)
    assert fully.shape is None


GAPS = [b'"1"', b'Id":1,', b'Id":7', b"2026-03-02T09:30:00Z", b"5400", b"7200.5", b"16"]


@pytest.mark.parametrize("gap", GAPS)
def test_a_gap_takes_nothing_that_reading_in_full_would_not(gap):
    quickly, fully = reader(True, learns=True), reader(True, learns=False)
    plain = frame(1, [SAMPLES[0], SAMPLES[3], SAMPLES[6]], (",", ":"), transactionId=7)
    start = plain.index(gap) + (gap[:4] == b'Id":') * 4 + (gap[:1] == b'"')
    end = plain.index(gap) + len(gap) - (gap[-1:] in b',"')
    for cut in (slice(start, start), slice(end, end), slice(start, end)):
        for piece in [*PIECES, b"", b"\n", b"\\n"]:
            data = plain[: cut.start] + piece + plain[cut.stop :]
            assert told(quickly, plain) == told(fully, plain)
            assert told(quickly, data) == told(fully, data), data
    assert quickly.shape is not None


@pytest.mark.parametrize("seed", range(20))
def test_numbers_are_judged_the_same_with_and_without_a_shape(seed):
    random = Random(seed)
    quickly, fully = reader(True, learns=True), reader(True, learns=False)
    plain = frame(1, [SAMPLES[0], SAMPLES[3], SAMPLES[6]], (",", ":"), transactionId=7)
    energy = 5400
    for number in range(60):
        energy += random.choice([0, 0, 10, 500, -3, 2_000_000])
        data = plain.replace(b"5400", b"%d" % energy).replace(b"09:30:00", b"09:%02d:00" % number)
        if random.random() < 0.3:
            data = data.replace(b'Id":7', b'Id":%d' % random.choice([0, 8, 9, 2**63 - 1]))
        assert told(quickly, data) == told(fully, data), data
    assert quickly.shape is not None


def test_the_second_of_its_kind_is_learned_and_the_third_is_not_decoded(monkeypatch):
    charger = reader(False, learns=True)
    for number in (1, 2):
        read_by(charger, frame(number, SAMPLES[:1], (",", ":")))
    monkeypatch.setattr(Reader, "_in_one_go", None)
    monkeypatch.setattr(module, "split", None)
    data = frame(3, SAMPLES[:1], (",", ":")).replace(b"5400", b"5401.25")
    got = read_by(charger, data)
    assert isinstance(got, Message)
    assert (got.id, got.action, got.frame) == ("3", "MeterValues", data)
    assert charger.history.registers[1].energy_wh == 5400  # of the same moment: the first one counts


def test_a_new_connection_and_a_change_of_version_begin_without_a_shape():
    charger = reader(False, learns=True)
    for number in (1, 2):
        read_by(charger, frame(number, SAMPLES[:1], (",", ":")))
    assert charger.shape is not None
    charger.speak(Version.V201)
    assert charger.shape is None


def test_shapes_are_shared_and_bounded(monkeypatch):
    monkeypatch.setattr(shapes, "_shapes", {})
    monkeypatch.setattr(shapes, "_MAX_SHAPES", 3)

    def shape(number: int) -> shapes.Shape | None:
        charger = reader(False, learns=True)
        for _ in (1, 2):
            samples = [SAMPLES[0]] * number
            read_by(charger, frame(1, samples, (",", ":")))
        return charger.shape

    first = shape(1)
    assert first is not None
    assert [shape(number) is not None for number in (2, 3, 4, 5)] == [True, True, False, False]
    assert shape(1) is first


def test_a_charger_that_writes_in_many_ways_is_looked_at_less_and_less_often(monkeypatch):
    looked = []
    monkeypatch.setattr(module, "shape_of", lambda data, payload: looked.append(data))
    charger = reader(False, learns=True)
    for number in range(1000):
        samples = SAMPLES[:1] * (1 + number % 5)
        read_by(charger, frame(number, samples, (",", ":")))
    assert len(looked) == 8  # the 2nd, 6th, 14th, ... 510th
