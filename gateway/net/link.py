"""One WebSocket connection, of either end, as picows calls it and as the driver uses it."""

import asyncio
from collections.abc import Callable
from functools import partial
from socket import SO_RCVBUF, SOL_SOCKET
from time import monotonic
from typing import Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from gateway.net import deflate
from gateway.net.assembly import BINARY, POLICY_VIOLATION, TEXT, Assembler, MessageLimits, Violation
from gateway.net.bundle import Bundle
from gateway.observe import log
from gateway.ocpp.message import Sender

HIGH_WATER_BYTES = 256 * 1024
CLOSE_TIMEOUT_S = 2.0
VANISHED = 1006
READ_BUFFER_BYTES = 2048
NARROW_BYTES = 8192

_TEXT, _CLOSE = WSMsgType.TEXT, WSMsgType.CLOSE


class LinkLimits(MessageLimits, frozen=True):
    """Bounds of one connection; see `[limits]` in the configuration."""

    pings_per_s: float = 10.0
    write_buffer_bytes: int = 1_048_576


Receiver = Callable[[int, bytes, bool], None]
"""Takes the number of the connection, a message, and whether it came as binary."""


class LinkOwner(Protocol):
    """Who is told what happens on a link."""

    def link_opened(self, link: "Link") -> None: ...

    def takes(self, end: Sender) -> Receiver:
        """What the messages of this end are given to."""

    def link_ponged(self, link: "Link") -> None: ...

    def link_blocked(self, link: "Link", blocked: bool) -> None: ...

    def link_closed(self, link: "Link", code: int) -> None: ...


class Link(WSListener):
    """A connection to `end`, number `epoch` of its charger's connections to that end.

    The owner hears of it from `link_opened` to exactly one `link_closed`, with the peer's close code,
    our own if we closed first, or 1006 when the connection just went. `is_ended_here`: we close it.

    `received` takes the whole messages that come; `put` is what writes one to the socket.
    """

    __slots__ = (
        "_assembler",
        "_bundle",
        "_close_code",
        "_loop",
        "_ping_allowance",
        "_pinged_at",
        "deflates",
        "end",
        "epoch",
        "is_ended_here",
        "limits",
        "owner",
        "put",
        "received",
        "transport",
    )

    def __init__(
        self,
        owner: LinkOwner,
        end: Sender,
        epoch: int,
        limits: LinkLimits,
        bundle: Bundle,
        deflates: bool = False,
    ) -> None:
        self.end = end
        self.epoch = epoch
        self.limits = limits
        self.deflates = deflates
        self.transport: WSTransport | None = None
        self.put: Callable[[bytes], None] = _drop
        self._bundle = bundle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._assembler: Assembler | None = None
        self._close_code = 0
        self.is_ended_here = False
        self._ping_allowance = 2 * limits.pings_per_s
        self._pinged_at = 0.0
        self.belong_to(owner)

    # What picows calls

    def belong_to(self, owner: LinkOwner) -> None:
        """From now on `owner` hears what happens here."""
        self.owner = owner
        self.received = owner.takes(self.end)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._loop = asyncio.get_running_loop()
        transport.underlying_transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        self.put = self._put_deflated if self.deflates else partial(transport.send, _TEXT)
        self._bundle.work()
        self.owner.link_opened(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        type_ = frame.msg_type
        if transport.is_close_frame_sent and type_ is not _CLOSE:
            return  # picows reads on for a moment after it has closed for a broken frame
        is_plain = type_ is _TEXT and frame.fin and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        if is_plain and self._assembler is None:
            bundle = self._bundle
            if bundle.gathers:
                if not bundle.incoming:
                    bundle.begin()
                bundle.incoming.append((self, frame.get_payload_as_bytes()))
            else:
                self.received(self.epoch, frame.get_payload_as_bytes(), False)
        else:
            self._bundle.work()
            self._other_frame(transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._bundle.work()
        self.owner.link_closed(self, self._close_code or _code_sent(transport) or VANISHED)

    def pause_writing(self) -> None:
        self.owner.link_blocked(self, True)

    def resume_writing(self) -> None:
        self.owner.link_blocked(self, False)

    def _other_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        try:
            if frame.rsv2 or frame.rsv3 or (frame.rsv1 and frame.msg_type.value > BINARY):
                raise Violation(1002, "reserved bits without an extension")
            match frame.msg_type:
                case WSMsgType.PING:
                    self._answer_ping(transport, frame.get_payload_as_bytes())
                case WSMsgType.PONG:
                    self.owner.link_ponged(self)
                case WSMsgType.CLOSE:
                    self._answer_close(transport, frame)
                case _:
                    self._assemble(frame)
        except Violation as violation:
            self.close(violation.code, violation.reason)

    def _assemble(self, frame: WSFrame) -> None:
        assert self._loop is not None
        if self._close_code:
            return
        assembler = self._assembler or Assembler(self.limits, self.deflates)
        whole = assembler.add(
            frame.msg_type.value,
            bool(frame.fin),
            bool(frame.rsv1),
            frame.get_payload_as_bytes(),
            monotonic(),
        )
        self._assembler = None if assembler.is_idle else assembler
        if whole is not None:
            self.received(self.epoch, *whole)

    def _answer_ping(self, transport: WSTransport, payload: bytes) -> None:
        assert self._loop is not None
        now, rate = monotonic(), self.limits.pings_per_s
        self._ping_allowance = min(2 * rate, self._ping_allowance + (now - self._pinged_at) * rate) - 1
        self._pinged_at = now
        if self._ping_allowance < 0:
            raise Violation(POLICY_VIOLATION, "too many pings")
        transport.send_pong(payload)

    def _answer_close(self, transport: WSTransport, frame: WSFrame) -> None:
        if not self._close_code:
            received: int = frame.get_close_code().value
            if _sendable(received).value != received and frame.payload_size:
                raise Violation(1002, "a close code that must not be sent")
            self._close_code = received or 1005
            transport.send_close(_sendable(received))
        transport.disconnect()

    # What the driver calls

    def send(self, data: bytes) -> None:
        """Send one text message. A connection that is not open drops it, as the peer would."""
        if self._bundle.is_at_work:
            self._bundle.outgoing.append((self, data))
        else:
            self.put(data)

    def _put_deflated(self, data: bytes) -> None:
        assert self.transport is not None
        if len(data) >= deflate.WORTHWHILE_BYTES:
            self.transport.send(_TEXT, deflate.deflate(data), rsv1=True)
        else:
            self.transport.send(_TEXT, data)

    def is_congested(self) -> bool:
        """Whether more waits to be written than the limit allows."""
        transport = self.transport
        if transport is None or transport.is_disconnected:
            return False
        waiting: int = transport.underlying_transport.get_write_buffer_size()
        return waiting > self.limits.write_buffer_bytes

    def ping(self) -> None:
        if self.transport is not None:
            self.transport.send_ping()

    def close(self, code: int, reason: str = "") -> None:
        """Close with a close frame; 1006 closes without one. A peer that does not answer is cut off."""
        self._bundle.flush()
        transport = self.transport
        if transport is None or transport.is_disconnected:
            return
        if code == VANISHED:
            self.is_ended_here = True
            self._close_code = self._close_code or VANISHED
            transport.disconnect(False)
            return
        if self._close_code:
            return
        assert self._loop is not None
        self._close_code = code
        self.is_ended_here = True
        transport.send_close(_sendable(code), reason.encode()[:120])
        self._loop.call_later(CLOSE_TIMEOUT_S, transport.disconnect, False)

    def failed(self, error: Exception) -> None:
        """An error of ours in what this link was to do: it ends, as it does when picows is told of one."""
        log.event("error", "link-failed", end=self.end.value, error=repr(error))
        if self.transport is not None:
            self.transport.disconnect()

    def stop_reading(self) -> None:
        self._flow(lambda transport: transport.pause_reading())

    def narrow(self) -> None:
        """From now on keep little of what the peer sends before it is read: the rest waits with the peer."""
        if self.transport is not None:
            socket = self.transport.underlying_transport.get_extra_info("socket")
            socket.setsockopt(SOL_SOCKET, SO_RCVBUF, NARROW_BYTES)

    def read_on(self) -> None:
        self._flow(lambda transport: transport.resume_reading())

    def _flow(self, change: Callable[[asyncio.ReadTransport], None]) -> None:
        transport = self.transport
        if transport is not None and not transport.underlying_transport.is_closing():
            change(transport.underlying_transport)


_STANDARD_CODES = {code.value for code in WSCloseCode} - {0, VANISHED}


def _drop(data: bytes) -> None:
    """Nobody is there to hear it."""


def _sendable(code: int) -> WSCloseCode:
    """The close code as picows takes it: codes that must not be sent become 1000 (RFC 6455 §7.4)."""
    return WSCloseCode(code if code in _STANDARD_CODES or 3000 <= code < 5000 else 1000)


def _code_sent(transport: WSTransport) -> int:
    """The code of the close frame that picows itself sent, for a frame that breaks RFC 6455."""
    handshake = transport.close_handshake
    return handshake.sent.code.value if handshake is not None and handshake.sent is not None else 0


assert _TEXT.value == TEXT and WSMsgType.BINARY.value == BINARY
