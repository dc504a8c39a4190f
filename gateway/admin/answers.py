"""How the API answers and reads what it is asked."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson
from aiohttp import web

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100


class Refused(Exception):
    """A request that gets an error answer: HTTP status, one line for a person, further headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


def as_json(content: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


def error(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """`{"error": text}`."""
    answer = as_json({"error": text}, status)
    answer.headers.update(headers or {})
    return answer


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number from 0 on in the URL's query, or None when it is not there."""
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refused(400, f"{name}: give a whole number")
    return int(text)


def limit(query: Mapping[str, str]) -> int:
    """How many rows one answer may have."""
    asked = number(query, "limit")
    if asked == 0:
        raise Refused(400, "limit: give a whole number from 1")
    return DEFAULT_LIMIT if asked is None else min(asked, MAX_LIMIT)


def yes(query: Mapping[str, str], name: str) -> bool:
    """Whether the URL's query asks for `name`: with anything but nothing, `0` and `false`."""
    return query.get(name, "") not in ("", "0", "false")


def one_of(query: Mapping[str, str], name: str, words: type[StrEnum]) -> str:
    """One of these words in the URL's query, or "" when it is not there."""
    text = query.get(name, "")
    if text and text not in list(words):
        raise Refused(400, f"{name}: one of {', '.join(words)}")
    return text


def next_page(request: web.Request, name: str, value: str | int) -> str:
    """Path and query of the page that follows: those of this one, with another `name`."""
    return str(request.rel_url.update_query({name: value}))


def moment(query: Mapping[str, str], name: str) -> float | None:
    """A time in the URL's query as seconds since 1970, or None."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        return seconds_since_1970(text)
    except ValueError:
        raise Refused(
            400, f"{name}: give seconds since 1970 or a time such as 2026-11-21T07:00:00Z"
        ) from None


def seconds_since_1970(text: str) -> float:
    """From a number, or from ISO 8601 (without an offset: UTC). Errors: ValueError."""
    try:
        found = float(text)
    except ValueError:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if not abs(found) < 1e12:
        raise ValueError(text)
    return found


def known_only(query: Mapping[str, str], *names: str) -> None:
    """Refuse a query with another name in it: a misspelt filter must not look like an answer."""
    for name in query:
        if name not in names:
            raise Refused(400, f"{name}: no such parameter; there are {', '.join(names) or 'none'}")


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object that a POST carries; the content type must say so (a form of another site cannot)."""
    if request.content_type != "application/json":
        raise Refused(415, "send Content-Type: application/json")
    try:
        content = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(content, dict):
        raise Refused(400, "the body must be a JSON object")
    return content
