import pytest

from gateway.ocpp.times import is_date_time, plain, seconds


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T10:15:30Z",
        "2026-03-02T10:15:30.123456789Z",
        "2026-03-02T10:15:30+05:45",
        "2026-03-02T10:15:30-00:00",
        "2016-12-31T23:59:60Z",
        "2024-02-29T00:00:00Z",
    ],
)
def test_what_rfc_3339_allows(text):
    assert is_date_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02 10:15:30Z",
        "2026-03-02t10:15:30Z",
        "2026-03-02T10:15:30z",
        "2026-03-02T10:15:30",
        "2026-03-02T10:15Z",
        "2026-03-02T10:15:30+0200",
        "2026-03-02T10:15:30+02",
        "2026-03-02T10:15:30,5Z",
        "2026-03-02T10:15:30.Z",
        "2026-02-30T10:15:30Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T10:15:30+25:00",
        "２０２６-03-02T10:15:30Z",
        "",
    ],
)
def test_what_it_does_not_allow(text):
    assert not is_date_time(text)
    assert plain(text) is None


def test_seconds_since_1970():
    assert seconds("1970-01-01T00:00:01.5Z") == 1.5
    assert seconds("1970-01-01T02:00:00+02:00") == 0.0
    assert seconds("2016-12-31T23:59:60Z") == seconds("2016-12-31T23:59:59Z")
    assert seconds("soon") is None


def test_the_shortcut_agrees_with_the_long_way():
    moment = plain("2026-03-02T10:15:30.250Z")
    assert moment is not None
    assert moment.timestamp() == seconds("2026-03-02T10:15:30.250Z")
