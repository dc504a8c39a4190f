from datetime import timedelta, timezone

import pytest

from gateway.dialect.times import Clock, repaired
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.times import seconds

NOON = seconds("2026-07-19T12:00:00Z")


@pytest.mark.parametrize(
    ("before", "after", "codes"),
    [
        ("2026-3-2T9:05:00Z", "2026-03-02T09:05:00Z", ["time-digits"]),
        ("2026-03-02 11:00:00Z", "2026-03-02T11:00:00Z", ["time-space"]),
        ("2026-03-02T11:00:00+02", "2026-03-02T11:00:00+02:00", ["time-short-offset"]),
        ("2026-03-02T11:00:00,25Z", "2026-03-02T11:00:00.25Z", ["time-comma"]),
        ("2026-03-02T11:00Z", "2026-03-02T11:00:00Z", ["time-format"]),
        ("20260302T110000Z", "2026-03-02T11:00:00Z", ["time-format"]),
        ("2026-12-31T24:00:00Z", "2027-01-01T00:00:00Z", ["time-format"]),
        ("Mon, 02 Mar 2026 11:00:00 GMT", "2026-03-02T11:00:00Z", ["time-format"]),
        ("2026-03-18T08:38:34.465Z[GMT]", "2026-03-18T08:38:34.465Z", ["time-java-zone"]),
        ("1772449200", "2026-03-02T11:00:00Z", ["time-epoch"]),
        ("1772449200123", "2026-03-02T11:00:00.123Z", ["time-epoch"]),
        ("20/11/2026 10:15:00Z", "2026-11-20T10:15:00Z", ["time-day-first"]),
        ("11/20/2026 10:15:00Z", "2026-11-20T10:15:00Z", ["time-day-first"]),
    ],
)
def test_one_reading_is_taken(before, after, codes):
    assert repaired(before, Clock()) == (after, codes)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("03/04/2026 10:15:00Z", ["time-day-ambiguous"]),
        ("2026-02-30T11:00:00Z", ["time-invalid"]),
        ("2026-03-02T11:00:00", ["time-without-zone"]),
        ("17724492", ["time-invalid"]),
        ("yesterday", ["time-invalid"]),
        ("", ["time-empty"]),
    ],
)
def test_what_cannot_be_told_stays(text, codes):
    assert repaired(text, Clock()) == (text, codes)


@pytest.mark.parametrize(
    ("local", "zone"),
    [("12:00:20", "+00:00"), ("14:00:20", "+02:00"), ("17:44:50", "+05:45"), ("02:30:00", "-09:30")],
)
def test_the_time_of_receipt_tells_the_zone(local, zone):
    assert repaired(f"2026-07-19T{local}", Clock(NOON))[0] == f"2026-07-19T{local}{zone}"


@pytest.mark.parametrize("local", ["12:05:00", "07:43:00", "12:15:00"])
def test_a_queued_time_tells_no_zone(local):
    assert repaired(f"2026-07-19T{local}", Clock(NOON)) == (
        f"2026-07-19T{local}",
        [FlagCode.TIME_WITHOUT_ZONE],
    )


def test_a_zone_that_is_set_counts_where_the_receipt_tells_none():
    clock = Clock(NOON, timezone(timedelta(hours=3)))
    assert repaired("2026-07-18T07:43:00", clock)[0] == "2026-07-18T07:43:00+03:00"
    assert repaired("2026-07-19T14:00:20", clock)[0] == "2026-07-19T14:00:20+02:00"
