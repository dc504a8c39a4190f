"""What every look at a message's meaning needs: the flags it raises, times and drivers' identifiers."""

import re
from collections.abc import Callable
from typing import Any, Final

from gateway.dialect.history import History, keep
from gateway.dialect.notes import Notes
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.times import plain, seconds

DAY_S: Final = 86_400.0
_QUARTER_S: Final = 900.0
QUARTER_SLACK_S: Final = 60.0
_MAX_SKEW_S: Final = 14 * 3600.0
_AHEAD_S: Final = 300.0
_LONG_AGO_S: Final = 1_735_689_600.0  # 2025-01-01: old by any clock
CLOCK_UNSET_S: Final = 946_684_800.0  # 2000-01-01

_PLACEHOLDER: Final = re.compile(r"#.*|.*free.?(?:charg|vend).*|A0-00-00-00|0{8,}", re.IGNORECASE)
_DECORATED: Final = re.compile(r"[0-9A-F]{6,20}_.+|.*;.*", re.IGNORECASE)
_PLAIN_TAG: Final = re.compile(r"[\w.:@#;=+*-]*", re.ASCII)


class Judge:
    """The meaning of one message. `now` is in seconds since 1970; 0 or less when it is not known."""

    __slots__ = ("history", "id", "now", "notes", "sender", "version")

    def __init__(self, history: History, version: Version) -> None:
        self.history = history
        self.version = version
        self.now = 0.0
        self.sender = Sender.CHARGER
        self.notes = Notes()
        self.id = ""


Look = Callable[[Judge, Any], None]


def moment(text: object) -> float | None:
    """Seconds since 1970 of a timestamp, None for one that cannot be read or is absent."""
    if not isinstance(text, str):
        return None
    quick = plain(text)
    return quick.timestamp() if quick is not None else seconds(text)


def check_time(judge: Judge, text: object, path: str, live: bool = False) -> float | None:
    """Look at one timestamp; `live` ones are of this moment, others may have been queued."""
    when = moment(text)
    if when is None:
        return None
    if when < CLOCK_UNSET_S:
        judge.notes.add(FlagCode.TIME_EPOCH_ZERO, path, f'"{text}"')
        return when
    if judge.now <= 0:
        if when < _LONG_AGO_S:
            judge.notes.add(FlagCode.TIME_OLD, path, f'"{text}"')
        return when
    ahead = when - judge.now
    if ahead < -DAY_S:
        judge.notes.add(FlagCode.TIME_OLD, path, f'"{text}"')
    elif ahead > _AHEAD_S or (live and -_MAX_SKEW_S < ahead < -_AHEAD_S and _near_quarter(ahead)):
        judge.notes.add(FlagCode.TIME_SKEW, path, f'"{text}"')
    return when


def _near_quarter(difference: float) -> bool:
    return abs(difference - round(difference / _QUARTER_S) * _QUARTER_S) <= QUARTER_SLACK_S


def check_tag(judge: Judge, tag: str, path: str) -> None:
    """Look at an identifier of a driver."""
    if tag == "":
        judge.notes.add(FlagCode.ID_TAG_EMPTY, path, '""')
    elif _PLACEHOLDER.fullmatch(tag) or tag in judge.history.serials:
        judge.notes.add(FlagCode.ID_TAG_PLACEHOLDER, path)
    elif _DECORATED.fullmatch(tag):
        judge.notes.add(FlagCode.ID_TAG_DECORATED, path)
    elif not _PLAIN_TAG.fullmatch(tag):
        judge.notes.add(FlagCode.ID_TAG_UNUSUAL, path)


def repeated(judge: Judge, *key: object) -> bool:
    """Whether the same start or stop came before under another message id."""
    before = judge.history.last_keys.get(key)
    keep(judge.history.last_keys, key, judge.id)
    if before is not None and before != judge.id:
        judge.notes.add(FlagCode.DUPLICATE)
        return True
    return False
