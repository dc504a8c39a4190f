"""Timestamps: what RFC 3339 allows (and OCPP with it), and what a point in time is in seconds."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

_DATE_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)


def seconds(text: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 date-time with zone, None when it is not one.

    A leap second counts as the second before it.
    """
    if len(text) == 20 and (plain_moment := plain(text)) is not None:
        return (plain_moment - _EPOCH).total_seconds()
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    fraction, sign, zone_hours, zone_minutes = match.group(7, 8, 9, 10)
    zone: tzinfo = UTC
    if sign:
        if int(zone_hours) > 23 or int(zone_minutes) > 59:
            return None
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        zone = timezone(offset if sign == "+" else -offset)
    if second == 60 and minute == 59:
        second = 59
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return (moment - _EPOCH).total_seconds() + (float("0." + fraction) if fraction else 0.0)


_PLAIN: Final = ("--T::Z", "--T::.")
_from_iso = datetime.fromisoformat


def plain(text: str) -> datetime | None:
    """The moment a timestamp of the commonest form names (UTC, written with Z); None says nothing.

    A shortcut of `seconds` for the fast path: what it takes is always a date-time, what it does not take
    may still be one.
    """
    if text[4:20:3] not in _PLAIN or text[-1] != "Z" or text[-2] == ".":
        return None
    try:
        return _from_iso(text)
    except ValueError:
        return None


def is_date_time(text: str) -> bool:
    """Whether the text is a date-time with zone, to the letter of RFC 3339 §5.6 (capital T and Z)."""
    return plain(text) is not None or seconds(text) is not None


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def text(moment: float) -> str:
    """A timestamp of `moment` (seconds since 1970) to the millisecond: `2026-11-21T08:00:00.000Z`."""
    when = datetime.fromtimestamp(round(moment, 3), UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"
