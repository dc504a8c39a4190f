"""Messages out of WebSocket frames: fragments put together, compressed ones inflated, all within limits.

picows hands over frames as they come and has checked opcodes, masks, lengths and control frames; what
spans several frames is checked here (RFC 6455 §5.4, RFC 7692 §6).
"""

import zlib

from msgspec import Struct

from gateway.net import deflate

CONTINUATION, TEXT, BINARY = 0, 1, 2

PROTOCOL_ERROR = 1002
POLICY_VIOLATION = 1008
MESSAGE_TOO_BIG = 1009


class Violation(Exception):
    """The peer broke the WebSocket protocol or a limit: the connection ends with `code` and `reason`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class MessageLimits(Struct, frozen=True):
    """Bounds of one message: bytes (after inflation), fragments, and seconds from the first to the last."""

    bytes: int
    fragments: int = 128
    assembly_s: float = 30.0


class Assembler:
    """The message that is just coming in, in parts."""

    __slots__ = ("_binary", "_compressed", "_count", "_deadline", "_parts", "_size", "deflates", "limits")

    def __init__(self, limits: MessageLimits, deflates: bool) -> None:
        self.limits = limits
        self.deflates = deflates
        self._parts: list[bytes] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no fragment waits for its continuation."""
        return self._parts is None

    def add(
        self, opcode: int, fin: bool, compressed: bool, payload: bytes, now: float
    ) -> tuple[bytes, bool] | None:
        """Take one data frame; the message and whether it was binary once it is whole. Raises Violation."""
        self._accept(opcode, compressed, now)
        assert self._parts is not None
        self._parts.append(payload)
        self._count += 1
        self._size += len(payload)
        if self._size > self.limits.bytes:
            raise Violation(MESSAGE_TOO_BIG, f"message over {self.limits.bytes} bytes")
        if self._count > self.limits.fragments:
            raise Violation(POLICY_VIOLATION, f"more than {self.limits.fragments} fragments")
        if now > self._deadline:
            raise Violation(POLICY_VIOLATION, f"fragments took over {self.limits.assembly_s:g} s")
        if not fin:
            return None
        whole, self._parts = b"".join(self._parts), None
        return (self._inflated(whole) if self._compressed else whole), self._binary

    def _accept(self, opcode: int, compressed: bool, now: float) -> None:
        if opcode == CONTINUATION:
            if self._parts is None:
                raise Violation(PROTOCOL_ERROR, "continuation of nothing")
            if compressed:
                raise Violation(PROTOCOL_ERROR, "RSV1 on a continuation")
            return
        if self._parts is not None:
            raise Violation(PROTOCOL_ERROR, "a new message before the last one ended")
        if compressed and not self.deflates:
            raise Violation(PROTOCOL_ERROR, "RSV1 without permessage-deflate")
        self._parts, self._count, self._size = [], 0, 0
        self._binary, self._compressed = opcode == BINARY, compressed
        self._deadline = now + self.limits.assembly_s

    def _inflated(self, data: bytes) -> bytes:
        try:
            return deflate.inflate(data, self.limits.bytes)
        except deflate.TooLarge:
            raise Violation(MESSAGE_TOO_BIG, "message inflates beyond its limit") from None
        except zlib.error:
            raise Violation(PROTOCOL_ERROR, "compressed data is broken") from None
