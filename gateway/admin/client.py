"""Asking a running gateway, from the command line."""

import json
import os
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

TOKEN_VARIABLE = "OCPP_GATEWAY_ADMIN_TOKEN"
ADDRESS_VARIABLE = "OCPP_GATEWAY_ADMIN"
TIMEOUT_S = 30
NOT_OURS = (400, 404, 405, 421, 426)
"""What others answer to a path of ours, in words of their own."""


class Unreachable(Exception):
    """No gateway answers at that address."""


class Declined(Exception):
    """The gateway answered, but not with what was asked for; the text says why."""


class AdminClient:
    """The API of one gateway; the token comes from the environment, so that no process list shows it."""

    def __init__(self, url: str) -> None:
        """`url`: where the admin plane listens, as a URL or `host:port`."""
        complete = url if "://" in url else f"http://{url}"
        if urlsplit(complete).scheme not in ("http", "https"):
            raise Declined(f"{url}: give an http:// or https:// URL, or host:port")
        try:
            urlsplit(complete).port  # noqa: B018 - it is read when it is asked for
        except ValueError:
            raise Declined(f"{url}: its port is none; give one up to 65535") from None
        self.url = complete.rstrip("/")
        self._token = os.environ.get(TOKEN_VARIABLE, "")
        self._opener = build_opener(ProxyHandler({}))

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """The JSON object at `/api/v1` + `path`; what is None or empty is not asked for."""
        asked = {name: value for name, value in query.items() if value not in (None, "")}
        return self._ask(Request(f"{self.url}/api/v1{quote(path)}?{urlencode(asked)}"))

    def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        return self._ask(Request(f"{self.url}/api/v1{quote(path)}", data, headers))

    def lines(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """The JSON objects that the API sends one by one at a path, as they come."""
        asked = {name: value for name, value in query.items() if value not in (None, "")}
        request = Request(f"{self.url}/api/v1{quote(path)}?{urlencode(asked)}")
        self._show_token(request)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                for line in answer:
                    if line.strip():
                        yield json.loads(line)
        except HTTPError as error:
            with error:
                raise Declined(self._reason(error)) from None
        except (URLError, OSError, HTTPException) as error:
            raise Unreachable(f"{self.url}: {getattr(error, 'reason', error)}") from None
        except ValueError:
            raise Declined(self._not_ours()) from None

    def _show_token(self, request: Request) -> None:
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")

    def _ask(self, request: Request) -> dict[str, Any]:
        self._show_token(request)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                content = json.load(answer)
        except HTTPError as error:
            with error:
                raise Declined(self._reason(error)) from None
        except (URLError, OSError, HTTPException) as error:
            raise Unreachable(f"{self.url}: {getattr(error, 'reason', error)}") from None
        except ValueError:
            raise Declined(self._not_ours()) from None
        if not isinstance(content, dict):
            raise Declined(self._not_ours())
        return content

    def _not_ours(self) -> str:
        return (
            f"{self.url}: this is not the admin address of a gateway; "
            f"name that with --admin (or {ADDRESS_VARIABLE})"
        )

    def _reason(self, error: HTTPError) -> str:
        try:
            text = str(json.load(error)["error"])
        except (ValueError, KeyError, TypeError):
            is_ours = error.code not in NOT_OURS
            return f"{error.url}: {error.code} {error.reason}" if is_ours else self._not_ours()
        return f"{text} (set {TOKEN_VARIABLE})" if error.code == 401 else text
