"""Structured logs: one event per line, safe to read in a terminal and to parse, without secrets, bounded.

Whatever a peer sends, a line stays one line: control characters and characters that change the direction of
text are escaped, fields are cut at `MAX_FIELD_BYTES`, secrets are replaced by `***`, and each (charger,
event) gets `PER_CHARGER_PER_S` lines a second, each event `PER_EVENT_PER_S`; what was left out is told in
one `lines-left-out` line per charger and event.
"""

import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from gateway.observe.redact import HIDDEN, is_secret, redacted

MAX_FIELD_BYTES = 2048
PER_CHARGER_PER_S = 10
PER_EVENT_PER_S = 200
MAX_KEYS = 10_000

_log = logging.getLogger("gateway")

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def configure(format: str, level: str, stream: TextIO | None = None) -> None:
    """Send every log of this process to `stream` (standard error), as `json` or `readable` lines.

    May be called again, to change the level. Errors: ValueError for another level or format.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Lines(_FORMATS[format] if format in _FORMATS else _unknown_format(format)))
    handler.addFilter(_limiter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _log.setLevel(level.upper())
    for noisy in ("picows", "uvloop", "asyncio", "aiohttp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.raiseExceptions = False


def event(level: str, name: str, charger: str = "", **fields: object) -> None:
    """Say that `name` happened (to `charger`); `level` is `debug`, `info`, `warning` or `error`.

    A field `exception` with an exception shows its traceback. Nothing is formatted when the level is off or
    the line is one too many.
    """
    number = _LEVELS[level]
    if not _log.isEnabledFor(number) or not _limiter.admits(charger, name):
        return
    _log.log(number, name, extra={"gateway_event": (charger, fields)})


def clean(text: str) -> str:
    """`text` on one line, without secrets, at most `MAX_FIELD_BYTES` long in UTF-8."""
    shown = _UNSAFE.sub(_escaped, redacted(text, 2 * MAX_FIELD_BYTES))
    if len(shown) * 4 <= MAX_FIELD_BYTES or len(encoded := shown.encode()) <= MAX_FIELD_BYTES:
        return shown
    return encoded[: MAX_FIELD_BYTES - 3].decode(errors="ignore") + "…"


class Limiter(logging.Filter):
    """At most so many lines a second; counts what it holds back and tells it when the second is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._since = clock()
        self._seen: dict[tuple[str, str], int] = {}
        self._of_event: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Lines of other libraries go by the name of their logger; our own were counted before."""
        return hasattr(record, "gateway_event") or self.admits("", record.name)

    def admits(self, charger: str, name: str) -> bool:
        """Count one line, and say whether it may be written."""
        if self._clock() - self._since >= 1:
            self._tell_what_was_left_out()
        key = (charger, name)
        if key not in self._seen and len(self._seen) >= MAX_KEYS:
            key = ("", name)
        count = self._seen[key] = self._seen.get(key, 0) + 1
        if count > PER_CHARGER_PER_S:
            return False
        total = self._of_event[name] = self._of_event.get(name, 0) + 1
        return total <= PER_EVENT_PER_S

    def _tell_what_was_left_out(self) -> None:
        seen, of_event = self._seen, self._of_event
        self._seen, self._of_event, self._since = {}, {}, self._clock()
        for (charger, name), count in seen.items():
            if count > PER_CHARGER_PER_S:
                _left_out(charger, name, count - PER_CHARGER_PER_S)
        for name, total in of_event.items():
            if total > PER_EVENT_PER_S:
                _left_out("", name, total - PER_EVENT_PER_S)


class Lines(logging.Formatter):
    """Renders a record as one line."""

    def __init__(self, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        return self._render(_facts(record))


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """What a line says, every value safe to write: time, level, event, charger if any, then the fields."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    facts: dict[str, Any] = {"time": moment.replace("+00:00", "Z"), "level": record.levelname.lower()}
    charger, fields = getattr(record, "gateway_event", ("", {}))
    if hasattr(record, "gateway_event"):
        facts["event"] = record.msg
    else:
        facts |= {"event": "library", "logger": record.name, "message": clean(record.getMessage())}
    if charger:
        facts["charger"] = clean(charger)
    for name, value in fields.items():
        facts[name if name not in facts else f"{name}_"] = _shown(name, value)
    if record.exc_info and record.exc_info[1]:
        facts["exception"] = _shown("exception", record.exc_info[1])
    return facts


def _shown(name: str, value: object) -> object:
    """`value` as it may be written: numbers as they are, everything else as clean text."""
    if is_secret(name):
        return HIDDEN
    match value:
        case None | bool() | float():
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case BaseException():
            return clean(_tail(value))
        case bytes():
            return clean(value[: 4 * MAX_FIELD_BYTES].decode(errors="backslashreplace"))
        case _:
            return clean(str(value))


def _tail(error: BaseException) -> str:
    """The end of a traceback, where it says what happened."""
    text = logging.Formatter().formatException((type(error), error, error.__traceback__))
    return text if len(text) <= MAX_FIELD_BYTES - 100 else "…" + text[100 - MAX_FIELD_BYTES :]


def _as_json(facts: dict[str, Any]) -> str:
    return orjson.dumps(facts).decode()


def _as_text(facts: dict[str, Any]) -> str:
    """`12:00:00.000 warning call-timeout CP1 action=Heartbeat waited_s=30`; texts with spaces are quoted."""
    rest = dict(facts)
    head = f"{rest.pop('time')} {rest.pop('level'):<7} {rest.pop('event')}"
    return " ".join([head, *(f"{name}={_word(value)}" for name, value in rest.items())])


def _word(value: object) -> str:
    text = str(value)
    return text if text and not re.search(r'[\s"=]', text) else orjson.dumps(text).decode()


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return _SHORT.get(character) or f"\\u{ord(character):04x}"


def _left_out(charger: str, name: str, count: int) -> None:
    _log.warning("lines-left-out", extra={"gateway_event": (charger, {"of": name, "count": count})})


def _unknown_format(name: str) -> Callable[[dict[str, Any]], str]:
    raise ValueError(f"log format {name!r} is not known; use readable or json")


_FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {"json": _as_json, "readable": _as_text}
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_limiter = Limiter()
