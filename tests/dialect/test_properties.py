"""What holds for every frame, clean or spoilt, of every version and both directions."""

import json
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.dialect.reader import Mode, Outcome, Reading
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Message, Sender, Version
from gateway.ocpp.schema import deviations
from gateway.ocpp.values import Number
from tests.dialect import judge
from tests.dialect.checks import check_any, frames_of, read
from tests.dialect.generate import clean_frames
from tests.dialect.mutate import spoil

FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

# Findings about meaning, which generated values may well deserve; none of them changes a byte.
REMARKS = {
    FlagCode.TIME_OLD,
    FlagCode.TIME_PLAIN_ADVISED,
    FlagCode.LATE_STOP,
    FlagCode.UNIT_CLASH,
    FlagCode.UNIT_MISSING,
    FlagCode.PHASE_UNUSUAL,
    FlagCode.ERROR_WITHOUT_FAULT,
    FlagCode.VENDOR_TEXT,
    FlagCode.CONNECTOR_ZERO,
    FlagCode.DATA_STRUCTURED,
    FlagCode.CONFIG_KEY_CASE,
    FlagCode.HEARTBEAT_FLOOD,
    FlagCode.TEXT_EMPTY,
    FlagCode.RESERVATION_NONE,
    FlagCode.TIME_SKEW,
}


@FEW
@given(clean_frames())
def test_a_clean_frame_goes_on_byte_for_byte(case):
    version, sender, action, _, text = case
    reading = read(text.encode(), version, sender, action)
    assert [message.frame for message in frames_of(reading)] == [text.encode()]
    if isinstance(reading, Reading):
        assert {flag.code for flag in reading.flags} <= REMARKS


@FEW
@given(clean_frames())
def test_our_schemas_and_the_schema_files_agree_on_what_is_clean(case):
    version, _, action, is_call, text = case
    payload = json.loads(text)[-1]
    assert judge.fits(version, action, is_call, payload)
    assert deviations(version, action, is_call, payload) == []


@FEW
@given(clean_frames(), st.integers(0, 2**32))
def test_whatever_is_wrong_with_a_frame_what_goes_on_fits_and_is_at_rest(case, seed):
    version, sender, action, _, text = case
    check_any(spoil(text.encode(), Random(seed)), version, sender, action)


@FEW
@given(clean_frames(), st.integers(0, 2**32))
def test_a_payload_is_clean_for_us_exactly_when_the_schema_files_say_so(case, seed):
    version, _, action, is_call, text = case
    try:
        tree = json.loads(spoil(text.encode(), Random(seed)), parse_int=Number, parse_float=Number)
        plain = json.loads(spoil(text.encode(), Random(seed)))
    except ValueError:
        return
    if not isinstance(tree, list) or not tree or not isinstance(tree[-1], dict):
        return
    kinds = {d.kind.name for d in deviations(version, action, is_call, tree[-1])} - {
        "DATE_TIME",
        "HUGE",
        "STEP",
    }
    assert (kinds == set()) == judge.fits(version, action, is_call, plain[-1])


@FEW
@given(st.binary(max_size=200), st.sampled_from(list(Version)), st.sampled_from(list(Sender)))
def test_bytes_of_any_kind_are_read(data, version, sender):
    check_any(data, version, sender)
    check_any(b'[2,"1","Heartbeat",' + data + b"]", version, sender)


@FEW
@given(clean_frames(), st.integers(0, 2**32))
def test_observing_never_changes_a_byte(case, seed):
    version, sender, action, _, text = case
    data = spoil(text.encode(), Random(seed))
    reading = read(data, version, sender, action, Mode.OBSERVE)
    assert all(message.frame == data for message in frames_of(reading))


@FEW
@given(clean_frames(), st.integers(0, 2**32))
def test_strict_mode_lets_only_clean_messages_pass(case, seed):
    version, sender, action, _, text = case
    data = spoil(text.encode(), Random(seed))
    reading = read(data, version, sender, action, Mode.STRICT)
    if isinstance(reading, Message) or reading.outcome is not Outcome.QUARANTINED:
        assert [message.frame for message in frames_of(reading)] == [data]
