"""The backend as the node sees it: whether it answers, how fast links may be opened, and opening them."""

import asyncio
import logging
import random
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from picows import WSError, WSHandshakeError, ws_connect
from python_socks.async_.asyncio import Proxy

from gateway import config as settings
from gateway.config.tls import to_backend
from gateway.net.explain import explain
from gateway.net.handshake import Offer, url_segment
from gateway.net.link import READ_BUFFER_BYTES, Link
from gateway.net.refusals import SEVERAL, Refusals
from gateway.net.tasks import spawn
from gateway.observe import log
from gateway.ocpp.message import Version

REDIAL_AFTER_S = 0.1  # some backends lose a charger whose link comes back sooner

quiet = logging.LoggerAdapter(
    logging.getLogger("picows"), {}
)  # an adapter: picows makes no child per connection
logging.getLogger("picows").setLevel(logging.CRITICAL)


class BackendAway(Exception):
    """No link can be had at present; `retry_after_s` says when to try again."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class BackendRefused(Exception):
    """The backend answered this charger's handshake with an HTTP error: 401 password, 404 unknown id, …

    `hint` is what may be wrong.
    """

    def __init__(self, status: int, versions: Sequence[Version]) -> None:
        super().__init__(status)
        self.status = status
        spoken = " or ".join(version.value for version in versions)
        self.hint = _LIKELY.get(status, "its log may say why").format(spoken=spoken)


_LIKELY = {
    400: "does it speak OCPP {spoken}? set `versions`",
    401: "a wrong or missing password",
    403: "the charger may not connect",
    404: "it does not know the id, or backend.url has a wrong path",
}


class Backend:
    """One backend: `up`, or `away` with a probe going on until it answers again.

    It is `refusing` when it is there but its links come to nothing (`refusals`), which for those who wait for
    it is much the same: `on_change(is_away, reason)` is told of all. `probe_at`: when the next probe begins.
    """

    def __init__(self, config: settings.Backend) -> None:
        self.config = config
        self.reason = ""
        self._tls = to_backend(config)
        self._next_link_at = 0.0
        self._closed_at: dict[str, float] = {}
        self._probe: asyncio.Task[None] | None = None
        self.probe_at = 0.0
        self.on_change: Callable[[bool, str], None] = lambda is_away, reason: None
        self.refusals = Refusals(config.name, self._is_of_no_use)

    @property
    def is_away(self) -> bool:
        return self._probe is not None

    @property
    def state(self) -> str:
        return "away" if self.is_away else "refusing" if self.refusals.reason else "up"

    @property
    def trouble(self) -> str:
        """Why it is not `up`; "" when it is."""
        return self.reason if self.is_away else self.refusals.reason

    def retry_after_s(self) -> float:
        """When a charger that is refused now should come again."""
        now = monotonic()
        return max(1.0, self.probe_at - now + 1.0) if self.is_away else 1.0

    async def connect(self, offer: Offer, link: Link) -> tuple[Version, str]:
        """Open a link for the charger; the version agreed, and the charger's token for it.

        Raises BackendAway or BackendRefused.
        """
        if self.is_away:
            raise BackendAway(self.reason, self.retry_after_s())
        await self._turn(offer.registry_key)
        try:
            async with asyncio.timeout(self.config.connect_timeout_s):
                transport, _ = await ws_connect(
                    lambda: link, self._url(offer), **self._options(offer, link.limits.bytes)
                )
        except WSHandshakeError as error:
            raise self._judge(error, offer) from None
        except (OSError, WSError, TimeoutError, ssl.SSLError) as error:
            raise self._gone(explain(error)) from None
        if transport.is_disconnected:
            raise BackendAway("the link closed at once", 1.0)
        return self._agreed(transport.response.headers.get("Sec-WebSocket-Protocol", ""), offer)

    def closed(self, registry_key: str) -> None:
        """A charger's link has closed."""
        self._closed_at[registry_key] = monotonic()

    async def check(self) -> None:
        """Ask once whether it answers, so that a wrong URL is seen before the first charger comes."""
        if (problem := await answers(self.config, self._tls)) is not None:
            self._gone(problem)

    def doubt(self, reason: str) -> None:
        """Somebody's messages are not answered: refuse everybody until a probe is."""
        self._gone(reason)

    def _is_of_no_use(self, is_so: bool, reason: str) -> None:
        self.on_change(is_so, reason)

    def sweep(self, now: float) -> None:
        """Forget closes that no longer matter."""
        if self._closed_at:
            self._closed_at = {key: at for key, at in self._closed_at.items() if now - at < REDIAL_AFTER_S}

    async def _turn(self, registry_key: str) -> None:
        """Wait until a new link may be begun: paced for all, not right after the last one of the same id."""
        now = monotonic()
        at = max(now, self._next_link_at)
        if at - now > self.config.connect_timeout_s:
            raise BackendAway("too many chargers connect at once", at - now)
        self._next_link_at = at + 1.0 / self.config.new_links_per_s
        at = max(at, self._closed_at.get(registry_key, 0.0) + REDIAL_AFTER_S)
        if at > now:
            await asyncio.sleep(at - now)

    def _url(self, offer: Offer) -> str:
        base = urlsplit(self.config.url)
        path = f"{base.path.rstrip('/')}/{url_segment(offer.charger_id)}"
        return base._replace(path=path).geturl()

    def _options(self, offer: Offer, max_bytes: int) -> dict[str, Any]:
        names = ", ".join(version.subprotocol for version, _ in offer.versions)
        headers = {"Sec-WebSocket-Protocol": names}
        if authorization := self._authorization(offer):
            headers["Authorization"] = authorization
        return {
            "ssl_context": self._tls,
            "extra_headers": headers,
            "websocket_handshake_timeout": self.config.connect_timeout_s,
            "logger_name": quiet,
            "enable_auto_pong": False,
            "max_frame_size": max_bytes,
            "max_redirects": 0,
            "proxy": self.config.proxy.reveal() if self.config.proxy else None,
            "read_buffer_init_size": READ_BUFFER_BYTES,
            "use_aiofastnet": False,
        }

    def _authorization(self, offer: Offer) -> str:
        if self.config.password is None:
            return offer.authorization
        user = self.config.username or offer.charger_id
        return "Basic " + b64encode(f"{user}:{self.config.password.reveal()}".encode()).decode()

    def _agreed(self, named: str, offer: Offer) -> tuple[Version, str]:
        """The version the backend took; one that names none is taken to speak the charger's first."""
        for version, token in offer.versions:
            if named == version.subprotocol:
                return version, token
        log.event("warning", "backend-subprotocol-missing", charger=offer.charger_id, named=named)
        return offer.versions[0]

    def _judge(self, error: WSHandshakeError, offer: Offer) -> Exception:
        status = int(error.response.status) if error.response is not None else 0
        if 400 <= status < 500:
            refused = BackendRefused(status, [version for version, _ in offer.versions])
            # a bad request is about the backend's version rather than about one charger
            weight = SEVERAL if status == 400 else 1
            self.refusals.add(f"it refuses links with HTTP {status}: {refused.hint}", weight)
            return refused
        return self._gone(f"it answers HTTP {status}" if status else "it does not speak WebSocket")

    def _gone(self, reason: str) -> BackendAway:
        if self._probe is None:
            self.reason = reason
            self.refusals.forget()
            log.event("warning", "backend-away", backend=self.config.name, reason=reason)
            self._probe = spawn(self._probing(), f"probe {self.config.name}")
            self.on_change(True, reason)
        return BackendAway(reason, self.retry_after_s())

    async def _probing(self) -> None:
        """Ask until it answers, with exponential backoff and full jitter."""
        wait = self.config.reconnect_min_s
        while (problem := await answers(self.config, self._tls)) is not None:
            self.reason = problem
            delay = random.uniform(REDIAL_AFTER_S, wait)
            self.probe_at = monotonic() + delay
            await asyncio.sleep(delay)
            wait = min(2 * wait, self.config.reconnect_max_s)
        self._probe = None
        log.event("info", "backend-up", backend=self.config.name)
        self.on_change(False, "")


async def answers(config: settings.Backend, tls: ssl.SSLContext | None) -> str | None:
    """None when the backend's HTTP server answers anything at all, else what is wrong.

    A plain GET, not an upgrade: a backend must not see a charger that does not exist.
    """
    url = urlsplit(config.url)
    port = url.port or (443 if tls else 80)
    assert url.hostname is not None
    try:
        async with asyncio.timeout(config.connect_timeout_s):
            sock = None
            if config.proxy is not None:
                sock = await Proxy.from_url(config.proxy.reveal()).connect(url.hostname, port)
            to: dict[str, Any] = {"sock": sock} if sock else {"host": url.hostname, "port": port}
            name = url.hostname if tls else None
            reader, writer = await asyncio.open_connection(**to, ssl=tls, server_hostname=name)
            try:
                request = f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode())
                await reader.read(1)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return explain(error)
    except Exception as error:  # python-socks has errors of its own
        return f"proxy: {error}"
    return None
