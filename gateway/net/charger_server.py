"""The charger side's listening socket: the HTTP handshake, then over to picows.

A connection begins with `Handshake`, which reads the HTTP head itself: it sees the peer's address, is
tolerant where picows is strict, may take its time (the backend's link is opened before the charger is
answered), and answers in words. On a TLS port it looks at the first bytes, then has the loop agree on TLS. An
accepted connection is handed to a picows protocol object, which is given a plain handshake to read and does
everything from then on.
"""

import asyncio
import ssl
from collections import Counter
from http import HTTPStatus
from time import monotonic
from typing import Any, cast

from picows import (
    WSAutoPingStrategy,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # missing in its stub file

from gateway.config import Config
from gateway.config.tls import for_chargers
from gateway.net import handshake
from gateway.net.backend import quiet
from gateway.net.fleet import Fleet
from gateway.net.gate import Admission
from gateway.net.handshake import Offer, Refusal
from gateway.net.link import READ_BUFFER_BYTES, Link
from gateway.net.tasks import spawn
from gateway.observe import log
from gateway.session.tally import Tally

BACKLOG = 4096
MAX_ADDRESSES = 10_000
BURST_S = 2.0
TLS_HANDSHAKE = b"\x16"  # the first byte of a ClientHello (RFC 8446 §5.1)


class ChargerServer:
    """Listens for chargers and hands them to the fleet."""

    def __init__(self, config: Config, fleet: Fleet, tally: Tally) -> None:
        self.fleet = fleet
        self.tally = tally
        self.pending: Counter[str] = Counter()
        self._earliest_next: dict[str, float] = {}
        self._server: asyncio.Server | None = None
        self.tls = for_chargers(config.listen)

    @property
    def config(self) -> Config:
        """The present configuration: a reload changes it."""
        return self.fleet.config

    async def start(self) -> int:
        """Listen; the port. Raises OSError when the address is taken or not ours."""
        address = self.config.listen.address
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Handshake(self), address.host, address.port, backlog=BACKLOG
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop_listening(self) -> None:
        """Take no new connections; those that are there stay."""
        if self._server is not None:
            self._server.close()

    def check_address(self, address: str, now: float) -> None:
        """Whether this address may have one more connection, begun now. Raises Refusal."""
        limits = self.config.limits
        if self.pending.total() > limits.pending_handshakes:
            raise Refusal(503, "overload", "limits.pending_handshakes is reached", 5)
        if self.pending[address] + self.fleet.addresses[address] > limits.connections_per_address:
            raise Refusal(503, "overload", "limits.connections_per_address is reached", 30)
        earliest = max(self._earliest_next.get(address, 0.0), now) + 1.0 / limits.handshakes_per_s_per_address
        if earliest - now > BURST_S:
            raise Refusal(503, "overload", "limits.handshakes_per_s_per_address is reached", 2)
        if len(self._earliest_next) > MAX_ADDRESSES:
            self._earliest_next = {key: at for key, at in self._earliest_next.items() if at > now}
        self._earliest_next[address] = earliest

    def refused(self, refusal: Refusal, address: str) -> None:
        """Count and log a handshake that was not accepted."""
        self.tally.refused[refusal.reason] += 1
        log.event(
            "warning",
            "handshake-refused",
            charger=refusal.charger_id,
            address=address,
            status=refusal.status,
            reason=refusal.reason,
            line=refusal.line,
        )


class Handshake(asyncio.Protocol):
    """One connection until it is accepted or refused.

    `_context` is there until TLS is asked for, `_is_securing` from then until it stands.
    """

    def __init__(self, server: ChargerServer) -> None:
        self._server = server
        self._head = b""
        self._context = server.tls
        self._is_securing = False
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._address = str((transport.get_extra_info("peername") or ("unknown",))[0])
        self._server.pending[self._address] += 1
        self._await_request()

    def _await_request(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._server.config.limits.handshake_s, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over()
        if self._task is not None:
            self._task.cancel()

    def _over(self) -> None:
        """The handshake has come to its end, one way or another."""
        self._server.pending -= Counter({self._address: 1})
        if self._deadline is not None:
            self._deadline.cancel()

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            self._refuse(Refusal(400, "bad-request", "data before the handshake was answered"))
            return
        self._head += data
        if self._is_securing:
            return  # `_secure` goes on with it
        is_tls = self._head[:1] == TLS_HANDSHAKE
        if self._context is not None and is_tls:
            self._ask_for_tls(self._context)
        elif self._context is not None:
            self._refuse(Refusal(400, "tls", "plain ws:// came to a port that speaks TLS; use wss://"))
        elif is_tls:
            self._refuse(Refusal(400, "bad-request", "TLS came to a port that speaks plain ws://"))
        else:
            self._read_head()

    def _ask_for_tls(self, context: ssl.SSLContext) -> None:
        """Begin TLS with what has come already; the loop knows no way to look at it before."""
        assert self._transport is not None and self._deadline is not None
        self._transport.pause_reading()
        self._deadline.cancel()
        hello, self._head = self._head, b""
        self._context, self._is_securing = None, True
        spawn(self._secure(self._transport, context), "TLS handshake")
        loop = asyncio.get_running_loop()
        # start_tls takes a turn of the loop to be ready; nothing is read before the turn after
        loop.call_soon(loop.call_soon, _feed, self._transport, hello)

    async def _secure(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        patience_s = self._server.config.limits.handshake_s
        try:
            self._transport = await asyncio.get_running_loop().start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=patience_s
            )
        except OSError as error:
            self._server.refused(handshake.without_tls(error), self._address)
            return
        self._is_securing = False
        self._await_request()
        if self._head:
            self.data_received(b"")

    def _read_head(self) -> None:
        """Go on with the handshake if its request is there."""
        head, end, rest = self._head.partition(b"\r\n\r\n")
        try:
            if len(head) > handshake.MAX_HEAD_BYTES:
                raise Refusal(431, "bad-request", "the request head is too long")
            if not end:
                if b"\n" in head.replace(b"\r\n", b""):
                    raise Refusal(400, "bad-request", "bare line feed in the request")
                return
            if rest:
                raise Refusal(400, "bad-request", "data before the handshake was answered")
            self._server.check_address(self._address, monotonic())
            offer = handshake.judge(handshake.read_head(head), self._server.config.listen)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        self._task = spawn(self._admit(offer), "handshake")

    async def _admit(self, offer: Offer) -> None:
        assert self._transport is not None
        fleet = self._server.fleet
        try:
            admission = await fleet.admit(offer, self._address)
        except Refusal as refusal:
            refusal.charger_id = offer.charger_id
            self._refuse(refusal)
            return
        except Exception:
            self._transport.abort()  # an error of ours: the charger may come again at once
            raise
        if admission.has_link and admission.driver.backend is None:
            fleet.gate.abandon(admission.driver)
            self._refuse(Refusal(503, "backend-away", "the backend closed the link at once", 1))
        elif self._transport.is_closing():
            fleet.gate.abandon(admission.driver)
        else:
            self._hand_over(offer, admission)

    def _hand_over(self, offer: Offer, admission: Admission) -> None:
        """Answer 101 and let picows have the connection."""
        transport, server = self._transport, self._server
        assert transport is not None
        self._over()
        compresses = admission.driver.version in server.config.listen.compression
        extension = offer.extension if compresses else ""
        link = server.fleet.charger_link(admission.driver, bool(extension))
        protocol = _protocol(link, admission.token, extension)
        transport.set_protocol(protocol)
        server.fleet.handshake_flags(offer)
        protocol.connection_made(transport)
        request = _PLAIN_REQUEST % offer.key.encode()
        protocol.get_buffer(-1)[: len(request)] = request
        protocol.buffer_updated(len(request))

    def _too_late(self) -> None:
        self._refuse(Refusal(408, "timeout", "the handshake took too long"))

    def _refuse(self, refusal: Refusal) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._server.refused(refusal, self._address)
        transport.write(_answer(refusal))
        transport.close()


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    """Give a transport's protocol what was read before it was its protocol."""
    if not transport.is_closing():
        protocol = cast(Any, transport.get_protocol())
        protocol.get_buffer(len(data))[: len(data)] = data
        protocol.buffer_updated(len(data))


_PLAIN_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)


def _protocol(link: Link, token: str, extension: str) -> WSProtocol:
    """What picows' own server would make for a connection; the order of arguments is that of picows 2.3."""
    headers = {"Sec-WebSocket-Protocol": token} if token else {}
    if extension:
        headers["Sec-WebSocket-Extensions"] = extension

    def respond(_: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(headers), link)

    return WSProtocol(
        None,  # host and port: a server has none
        None,  # path
        False,  # is_client_side
        respond,
        quiet,
        True,  # disconnect_on_exception
        None,  # websocket_handshake_timeout: the handshake is over
        False,  # enable_auto_ping: the session decides
        1,
        1,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,  # enable_auto_pong: pings are limited
        link.limits.bytes,
        None,  # extra_headers
        READ_BUFFER_BYTES,
    )


def _answer(refusal: Refusal) -> bytes:
    body = refusal.line.encode() + b"\n"
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if refusal.retry_after_s:
        lines.append(f"Retry-After: {refusal.retry_after_s}")
    if refusal.status == HTTPStatus.UPGRADE_REQUIRED:
        lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
