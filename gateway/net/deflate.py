"""permessage-deflate without context takeover (RFC 7692): no memory between messages, bounded inflation."""

import zlib

WINDOW_BITS = 12
WORTHWHILE_BYTES = 512
MAX_RATIO = 200
RATIO_FROM_BYTES = 65_536

_TAIL = b"\x00\x00\xff\xff"


class TooLarge(Exception):
    """A message inflates to more than its limit, or by more than any JSON would."""


def negotiate(offers: str) -> str | None:
    """The answer to a Sec-WebSocket-Extensions header, or None when nothing in it can be accepted.

    The first offer of permessage-deflate whose parameters are all known is taken (RFC 7692 §5, §7.1).
    """
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() == "permessage-deflate":
            answer = _accept(parameters)
            if answer is not None:
                return answer
    return None


def _accept(parameters: list[str]) -> str | None:
    answer = ["permessage-deflate", "server_no_context_takeover", "client_no_context_takeover"]
    seen = set()
    for parameter in parameters:
        name, _, value = (part.strip().strip('"') for part in parameter.partition("="))
        if name in seen:
            return None
        seen.add(name)
        if name == "server_max_window_bits":
            if not value.isdigit() or not 8 <= int(value) <= 15 or int(value) < WINDOW_BITS:
                return None
        elif name == "client_max_window_bits":
            if value and (not value.isdigit() or not 8 <= int(value) <= 15):
                return None
        elif name not in ("server_no_context_takeover", "client_no_context_takeover") or value:
            return None
    answer.append(f"server_max_window_bits={WINDOW_BITS}")
    return "; ".join(answer)


def inflate(data: bytes, limit: int) -> bytes:
    """The message that was compressed to `data`.

    Raises TooLarge when it is longer than `limit` bytes or suspiciously compressible, zlib.error when
    `data` is not a deflate stream.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    message = inflater.decompress(data + _TAIL, limit + 1)
    if len(message) > limit:
        raise TooLarge
    if len(message) > RATIO_FROM_BYTES and len(message) > MAX_RATIO * len(data):
        raise TooLarge
    return message


def deflate(message: bytes) -> bytes:
    """`message` compressed, as the payload of a frame with RSV1 set."""
    deflater = zlib.compressobj(wbits=-WINDOW_BITS)
    return (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
