"""Who may ask, and what every answer carries."""

import hmac
import time
from collections.abc import Callable
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.admin.answers import Refused, error
from gateway.observe import log

OPEN_PATHS = ("/healthz", "/readyz")
GUESSES_PER_MINUTE = 5
MAX_SOURCES = 10_000

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; frame-ancestors 'none'",
}


class Guard:
    """Checks the bearer token, and slows down who guesses it.

    Without a token (`None`) everybody who can reach the port may ask. A source is an IPv4 address or an
    IPv6 /64; after `GUESSES_PER_MINUTE` wrong tokens in a minute it is refused even with the right one.
    A request without any token is no guess.
    """

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = None if token is None else token.encode()
        self._clock = clock
        self._wrong: dict[str, list[float]] = {}

    def may(self, request: web.Request) -> bool:
        """Whether this request shows the token; Refused (429) when its source has guessed too often."""
        if self._token is None:
            return True
        source = _source(request.remote or "")
        recent = [at for at in self._wrong.get(source, ()) if at > self._clock() - 60]
        if len(recent) >= GUESSES_PER_MINUTE:
            wait = str(int(recent[0] + 60 - self._clock()) + 1)
            raise Refused(429, "too many wrong tokens; wait a minute", {"Retry-After": wait})
        given = request.headers.get("Authorization", "")
        scheme, _, shown = given.partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token):
            return True
        if given:
            self._remember(source, recent)
        return False

    def _remember(self, source: str, recent: list[float]) -> None:
        self._wrong.pop(source, None)
        if len(self._wrong) >= MAX_SOURCES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[source] = [*recent, self._clock()]
        log.event("warning", "admin-token-wrong", source=source)


def middlewares(guard: Guard, only_local_names: bool) -> list[Middleware]:
    """Outermost first: headers and errors, then the Host header, then the token."""

    @web.middleware
    async def dress(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await _answered(request, handler)
        answer.headers.update(HEADERS)
        return answer

    @web.middleware
    async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        if only_local_names and not _is_local(request.host):
            raise Refused(421, "this port answers to localhost only; set admin.token to use another name")
        return await handler(request)

    @web.middleware
    async def check_token(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS and not guard.may(request):
            raise Refused(401, "send Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return [dress, check_host, check_token]


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer, or one line of JSON that says what is wrong; our own faults go to the log."""
    try:
        return await handler(request)
    except Refused as refused:
        return error(refused.status, refused.text, refused.headers)
    except web.HTTPException as refused:
        kept = {name: refused.headers[name] for name in ("Allow",) if name in refused.headers}
        return error(refused.status, (refused.reason or "refused").lower(), kept)
    except Exception as fault:
        log.event("error", "admin-fault", path=request.path, exception=fault)
        return error(500, "internal error; the log says more")


def _source(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return address if ip.version == 4 else ip.exploded[:19]


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine. That of a site whose name was made to point here does not."""
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
