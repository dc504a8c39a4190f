"""Timestamps as chargers write them, brought to RFC 3339 where only one moment can be meant."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.ocpp.flags import FlagCode
from gateway.ocpp.times import is_date_time

_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?P<dash>[-/.]?)(?P<month>\d{1,2})(?P=dash)(?P<day>\d{1,2})"
    r"(?P<sep>[Tt]| +|(?<=\d{8}))(?P<hour>\d{1,2})(?P<colon>:?)(?P<minute>\d\d)"
    r"(?:(?P=colon)(?P<second>\d\d))?"
    r"(?P<point>[.,])?(?P<fraction>(?<=[.,])\d{1,18})? *(?P<zone>[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?"
    r"(?P<java>\[[\w/+:-]*\])?",
    re.ASCII,
)
_DAY_FIRST: Final = re.compile(
    r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})[T ]+(\d{1,2}):(\d\d)(?::(\d\d))?(?:[.,]\d+)?"
    r" *([Zz]|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_EPOCH: Final = re.compile(r"\d{10}(?:\.\d{1,9})?|\d{13}", re.ASCII)

_MAX_LENGTH: Final = 64

_FIT_S: Final = 90
"""How far a wall clock may be from the time of receipt, in seconds, to tell its zone."""

_OFFSETS_MIN: Final = (
    *(hour * 60 for hour in range(-12, 15)),
    *(-570, -210, 210, 270, 330, 345, 390, 525, 570, 630, 765),
)
"""The offsets from UTC that are in use, in minutes."""


class Clock:
    """What is known of time: `now` in seconds since 1970 (0 or less: nothing), and a zone if one is set."""

    __slots__ = ("now", "zone")

    def __init__(self, now: float = 0.0, zone: tzinfo | None = None) -> None:
        self.now = now
        self.zone = zone


def repaired(text: str, clock: Clock) -> tuple[str, list[FlagCode]]:  # noqa: PLR0911
    """The timestamp as it should be, and what was wrong with it; unchanged where it cannot be told."""
    if is_date_time(text):
        return text, []
    trimmed = text.strip()
    if not trimmed:
        return text, [FlagCode.TIME_EMPTY]
    if len(trimmed) > _MAX_LENGTH:
        return text, [FlagCode.TIME_INVALID]
    if _EPOCH.fullmatch(trimmed):
        return _from_epoch(trimmed), [FlagCode.TIME_EPOCH]
    if (match := _DAY_FIRST.fullmatch(trimmed)) is not None:
        return _from_day_first(text, match, clock)
    if (match := _ISO.fullmatch(trimmed)) is not None:
        fixed, codes = _from_iso(match, clock)
        if fixed is not None:
            return fixed, codes or [FlagCode.TIME_FORMAT]
    elif "," in trimmed and (fixed := _from_http(trimmed)) is not None:
        return fixed, [FlagCode.TIME_FORMAT]
    return text, [FlagCode.TIME_INVALID]


def _from_epoch(digits: str) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(digits[:10]))
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{digits[10:].removeprefix('.')}Z" if len(digits) > 10 else f"{text}Z"


def _from_http(text: str) -> str | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment.tzinfo else None
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _from_day_first(text: str, match: re.Match[str], clock: Clock) -> tuple[str, list[FlagCode]]:
    first, second = int(match[1]), int(match[2])
    if first <= 12 and second <= 12 and first != second:
        without = [] if match[7] else [FlagCode.TIME_WITHOUT_ZONE]
        return text, [FlagCode.TIME_DAY_AMBIGUOUS, *without]
    day, month = (first, second) if second <= 12 else (second, first)
    body = f"{match[3]}-{month:02}-{day:02}T{int(match[4]):02}:{match[5]}:{match[6] or '00'}"
    zone, codes = _zone(match[7], body, clock)
    if not is_date_time(body + "Z"):
        return text, [FlagCode.TIME_INVALID]
    return body + zone, [FlagCode.TIME_DAY_FIRST, *(code for code in codes if code != FlagCode.TIME_FORMAT)]


def _from_iso(match: re.Match[str], clock: Clock) -> tuple[str | None, list[FlagCode]]:
    codes: list[FlagCode] = []
    part = match.groupdict(default="")
    if (
        (part["point"] and not part["fraction"])
        or (not part["dash"] and len(part["month"] + part["day"]) != 4)
        or (not part["sep"] and not (len(part["hour"]) == 2 and part["second"] and not part["colon"]))
    ):
        return None, codes
    if part["sep"] == "t" or part["dash"] != "-" or not part["colon"] or not part["second"]:
        codes.append(FlagCode.TIME_FORMAT)
    if part["sep"].isspace():
        codes.append(FlagCode.TIME_SPACE)
    if min(len(part["month"]), len(part["day"]), len(part["hour"])) == 1:
        codes.append(FlagCode.TIME_DIGITS)
    if part["point"] == ",":
        codes.append(FlagCode.TIME_COMMA)
    hour, days = int(part["hour"]), 0
    if hour == 24 and part["minute"] == "00" and int(part["second"] or 0) == 0:
        hour, days = 0, 1
        codes.append(FlagCode.TIME_FORMAT)
    try:
        moment = datetime(  # noqa: DTZ001
            int(part["year"]), int(part["month"]), int(part["day"]), hour,
            int(part["minute"]), min(int(part["second"] or 0), 59),
        ) + timedelta(days=days)  # fmt: skip
    except (ValueError, OverflowError):
        return None, codes
    body = moment.isoformat()[:17] + (part["second"] or "00")
    if part["fraction"]:
        body += "." + part["fraction"]
    zone, zone_codes = _zone(part["zone"], body, clock)
    if part["java"] and zone:
        zone_codes.append(FlagCode.TIME_JAVA_ZONE)
    codes += zone_codes
    if not is_date_time(body + (zone or "Z")):
        return None, codes
    return body + zone, list(dict.fromkeys(codes))


def _zone(written: str | None, body: str, clock: Clock) -> tuple[str, list[FlagCode]]:
    """The zone to write after a local time, and what was wrong with the one that was there."""
    if not written:
        return _offset_by_receipt(body, clock), [FlagCode.TIME_WITHOUT_ZONE]
    if written == "Z":
        return "Z", []
    if not written.startswith(("+", "-")):
        return "Z", [FlagCode.TIME_FORMAT]
    if len(written) == 3:
        return written + ":00", [FlagCode.TIME_SHORT_OFFSET]
    return (written, []) if ":" in written else (written[:3] + ":" + written[3:], [FlagCode.TIME_FORMAT])


def _offset_by_receipt(body: str, clock: Clock) -> str:
    """The one offset that makes a wall clock agree with the time of receipt, or the set zone's."""
    local = datetime.fromisoformat(body[:16])
    seconds = local.replace(tzinfo=UTC).timestamp() + int(body[17:19])
    fitting = (
        [m for m in _OFFSETS_MIN if abs(seconds - m * 60 - clock.now) <= _FIT_S] if clock.now > 0 else []
    )
    if len(fitting) != 1:
        offset = local.replace(tzinfo=clock.zone).utcoffset() if clock.zone else None
        if offset is None:
            return ""
        fitting = [int(offset.total_seconds()) // 60]
    minutes = fitting[0]
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
