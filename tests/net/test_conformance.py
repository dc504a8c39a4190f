"""RFC 6455, clause by clause, at the charger's port: which frames end a connection, how, and which do not."""

import asyncio
import struct

import pytest
from world import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HEARTBEAT,
    PING,
    PONG,
    TEXT,
    close,
    frame,
    run,
    text,
    until,
    world,
)

pytestmark = pytest.mark.usefixtures("each_way")

LIVES = "lives"
LIMIT = 65_536

LONG = b'[2,"hb","DataTransfer",{"vendorId":"v","data":"%b"}]'
DATA = LONG % (b"x" * 40_000)
EURO = '[2,"hb","DataTransfer",{"vendorId":"€"}]'.encode()


def cut(message, *places, kind=TEXT, between=b""):
    """`message` in fragments, with `between` between them."""
    ends = [*places, len(message)]
    begins = [0, *places]
    frames = [
        frame(kind if i == 0 else CONTINUATION, message[a:b], fin=b == len(message) and i == len(places))
        for i, (a, b) in enumerate(zip(begins, ends, strict=True))
    ]
    return between.join(frames)


CASES: dict[str, tuple[bytes, object]] = {}


def case(name, data, expected):
    assert name not in CASES, name
    CASES[name] = (data, expected)


# §5.1: clients mask, always
case("5.1 unmasked text", text(HEARTBEAT, mask=None), 1002)
case("5.1 unmasked binary", frame(BINARY, b"x", mask=None), 1002)
case("5.1 unmasked ping", frame(PING, b"", mask=None), 1002)
case("5.1 unmasked pong", frame(PONG, b"", mask=None), 1002)
case("5.1 unmasked close", frame(CLOSE, b"\x03\xe8", mask=None), 1002)
case("5.1 unmasked continuation", text(b"[2", fin=False) + frame(CONTINUATION, b",", mask=None), 1002)
case("5.3 mask of zeros", text(HEARTBEAT, mask=b"\0\0\0\0"), LIVES)
case("5.3 mask of ones", text(HEARTBEAT, mask=b"\xff\xff\xff\xff"), LIVES)

# §5.2: reserved bits mean nothing without an extension
for rsv in range(1, 8):
    case(f"5.2 text with reserved bits {rsv:03b}", text(HEARTBEAT, rsv=rsv), 1002)
    case(f"5.2 binary with reserved bits {rsv:03b}", frame(BINARY, HEARTBEAT, rsv=rsv), 1002)
    case(f"5.2 fragment with reserved bits {rsv:03b}", text(b"[2", fin=False, rsv=rsv), 1002)
    case(f"5.2 ping with reserved bits {rsv:03b}", frame(PING, b"", rsv=rsv), 1002)
    case(f"5.2 pong with reserved bits {rsv:03b}", frame(PONG, b"", rsv=rsv), 1002)
    case(f"5.2 close with reserved bits {rsv:03b}", frame(CLOSE, b"\x03\xe8", rsv=rsv), 1002)
    case(
        f"5.2 continuation with reserved bits {rsv:03b}",
        text(b"[2", fin=False) + frame(CONTINUATION, b"", rsv=rsv),
        1002,
    )

# §5.2, §11.8: opcodes that nobody has
for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
    case(f"5.2 opcode {opcode}", frame(opcode, b""), 1002)
    case(f"5.2 opcode {opcode} with a payload", frame(opcode, b"abc"), 1002)
    case(f"5.2 opcode {opcode} after a good frame", text(HEARTBEAT) + frame(opcode, b"abc"), 1002)

# §5.2: lengths in their shortest form, no sign
case("5.2 length in 16 bits that needs 7", text(HEARTBEAT, form=16), 1002)
case("5.2 length in 64 bits that needs 7", text(HEARTBEAT, form=64), 1002)
case("5.2 length in 64 bits that needs 16", text(LONG % (b"x" * 500), form=64), 1002)
case("5.2 length with its highest bit", b"\x81\xff" + b"\x80" + b"\0" * 7 + b"mask", 1002)
for size in (0, 1, 124, 125, 126, 127, 128, 65_000):
    case(f"5.2 message of {size} more bytes", text(LONG % (b"x" * size)), LIVES)
case("5.2 empty text", text(b""), LIVES)
case("5.2 empty binary", frame(BINARY, b""), LIVES)
case("5.2 binary message", frame(BINARY, HEARTBEAT), LIVES)

# §5.4: fragments
case("5.4 in two", cut(DATA, 20_000), LIVES)
case("5.4 in three", cut(DATA, 1, 39_999), LIVES)
case("5.4 empty first", cut(HEARTBEAT, 0), LIVES)
case("5.4 empty last", cut(HEARTBEAT, len(HEARTBEAT)), LIVES)
case("5.4 all empty", text(b"", fin=False) + frame(CONTINUATION, b"", fin=False) + frame(CONTINUATION), LIVES)
case("5.4 binary in two", cut(HEARTBEAT, 3, kind=BINARY), LIVES)
case("5.4 every byte its own", cut(HEARTBEAT, *range(1, len(HEARTBEAT))), LIVES)
case("5.4 inside a character", cut(EURO, EURO.index("€".encode()) + 1), LIVES)
case("5.4 pings between", cut(HEARTBEAT, 5, 9, between=frame(PING, b"p")), LIVES)
case("5.4 pongs between", cut(HEARTBEAT, 5, 9, between=frame(PONG, b"p")), LIVES)
case("5.4 close between", cut(HEARTBEAT, 5, between=close(1000)), 1000)
case("5.4 two messages in fragments", cut(HEARTBEAT, 5) + cut(b'[3,"x",{}]', 5), LIVES)
case("5.4 continuation of nothing", frame(CONTINUATION, b"x"), 1002)
case("5.4 open continuation of nothing", frame(CONTINUATION, b"x", fin=False), 1002)
case("5.4 continuation after a whole message", text(HEARTBEAT) + frame(CONTINUATION, b"x"), 1002)
case("5.4 continuation after the last", cut(HEARTBEAT, 5) + frame(CONTINUATION, b"x"), 1002)
case("5.4 text inside a message", text(b"[2", fin=False) + text(b"x"), 1002)
case("5.4 open text inside a message", text(b"[2", fin=False) + text(b"x", fin=False), 1002)
case("5.4 binary inside a message", text(b"[2", fin=False) + frame(BINARY, b"x"), 1002)
case("5.4 text inside a binary message", frame(BINARY, b"[2", fin=False) + text(b"x"), 1002)
case("5.4 128 fragments", cut(b" " * 105 + HEARTBEAT, *range(1, 128)), LIVES)
case("5.4 129 fragments", cut(b" " * 106 + HEARTBEAT, *range(1, 129)), 1008)

# §5.5: control frames are short and whole
for name, opcode in (("ping", PING), ("pong", PONG), ("close", CLOSE)):
    case(f"5.5 fragmented {name}", frame(opcode, b"", fin=False), 1002)
    case(f"5.5 {name} of 126 bytes", frame(opcode, b"\x03\xe8" + b"x" * 124), 1002)
    case(f"5.5 {name} of 70000 bytes", frame(opcode, b"\x03\xe8" + b"x" * 70_000), 1002)
    case(f"5.5 {name} in 16-bit form", frame(opcode, b"\x03\xe8", form=16), 1002)
    case(f"5.5 {name} in 64-bit form", frame(opcode, b"\x03\xe8", form=64), 1002)
case("5.5 ping of 125 bytes", frame(PING, b"x" * 125), LIVES)
case("5.5 pong of 125 bytes", frame(PONG, b"x" * 125), LIVES)
case("5.5 empty ping", frame(PING), LIVES)
case("5.5.3 unasked pong", frame(PONG, b"unasked"), LIVES)
case("5.5.2 ping of any bytes", frame(PING, bytes(range(100, 225))), LIVES)
case("5.5 twenty pings", frame(PING, b"x") * 20, LIVES)
case("5.5 flood of pings", frame(PING, b"x") * 40, 1008)

# §5.5.1, §7.4: close codes and reasons
case("5.5.1 close without a code", frame(CLOSE), 1000)
case("5.5.1 close with half a code", frame(CLOSE, b"\x03"), 1002)
for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
    case(f"7.4 close {code}", close(code), code)
for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
    case(f"7.4 close {code}", close(code), 1002)
case("5.5.1 close with a reason", close(1000, b"bye"), 1000)
case("5.5.1 close with the longest reason", close(1000, b"x" * 123), 1000)
case("5.5.1 reason in UTF-8", close(1001, "tschüß".encode()), 1001)
case("8.1 reason with broken UTF-8", close(1000, b"\xff\xfe"), 1007)
case("8.1 reason with half a character", close(1000, b"\xe2\x82"), 1007)
case("5.5.1 text after close", close(1000) + text(HEARTBEAT), 1000)
case("5.5.1 ping after close", close(1000) + frame(PING), 1000)
case("5.5.1 two closes", close(1000) + close(1001), 1002)

# §8.1: text that is not UTF-8 is kept and flagged, for chargers cannot help it
for name, broken in {
    "Latin-1": '[2,"hb","DataTransfer",{"vendorId":"é"}]'.encode("latin-1"),
    "a lone continuation byte": b'[2,"hb","DataTransfer",{"vendorId":"\x80"}]',
    "an overlong slash": b'[2,"hb","DataTransfer",{"vendorId":"\xc0\xaf"}]',
    "a surrogate": b'[2,"hb","DataTransfer",{"vendorId":"\xed\xa0\x80"}]',
    "above Unicode": b'[2,"hb","DataTransfer",{"vendorId":"\xf4\x90\x80\x80"}]',
    "half a character": b'[2,"hb","DataTransfer",{"vendorId":"\xe2\x82"}]',
    "only rubbish": bytes(range(128, 256)),
}.items():
    case(f"8.1 text with {name}", text(broken), LIVES)
    case(f"8.1 fragmented text with {name}", cut(broken, 10), LIVES)
case("8.1 text with a NUL", text(b"\0"), LIVES)
case("8.1 text outside the BMP", text('[2,"hb","DataTransfer",{"vendorId":"😀"}]'.encode()), LIVES)

# §10.4: limits
case("10.4 the largest message", text(b" " * (LIMIT - len(HEARTBEAT)) + HEARTBEAT), LIVES)
case("10.4 too large a message", text(b" " * (LIMIT + 1)), 1009)
case("10.4 too large a binary message", frame(BINARY, b" " * (LIMIT + 1)), 1009)
case("10.4 too large in fragments", cut(b" " * (LIMIT + 1), 30_000), 1009)
case("10.4 a length that is announced only", b"\x81\xff" + struct.pack("!Q", 2**40) + b"mask", 1009)
case("10.4 a length of almost 2^63", b"\x81\xff" + struct.pack("!Q", 2**63 - 1) + b"mask", 1009)

# what is no WebSocket at all
case("HTTP instead of frames", b"GET / HTTP/1.1\r\n\r\n", 1002)
case("TLS instead of frames", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 1002)
case("zeros instead of frames", b"\0" * 64, 1002)


@pytest.mark.parametrize("name", CASES)
def test_a_frame_ends_the_connection_or_does_not(name):
    data, expected = CASES[name]

    async def test():
        async with world(limits={"charger_message_bytes": LIMIT}) as (stub, node):
            other = await node.charger("/OTHER")
            wire = await node.charger("/CP1")
            wire.send(data)
            if expected is LIVES:
                wire.send(text(b'[2,"alive","Heartbeat",{}]'))
                while b"alive" not in await wire.text():
                    pass
            else:
                end = await wire.closed()
                assert end.code == expected
                end.reason.encode()  # it is UTF-8
                wire.send(close(expected))
                await wire.ended()
                await node.gone("CP1")
                link = await stub.link("CP1")
                await asyncio.wait_for(link.wait_closed(), 5)
            assert b"hb" in await other.heartbeat()

    run(test)


def test_there_are_enough_cases():
    assert len(CASES) >= 150


def test_a_ping_is_answered_with_its_own_payload():
    async def test():
        async with world() as (_, node):
            wire = await node.charger()
            wire.send(frame(PING, b"one"), frame(PING, b"two"))
            assert [(f.opcode, f.payload) for f in [await wire.next(), await wire.next()]] == [
                (PONG, b"one"),
                (PONG, b"two"),
            ]

    run(test)


@pytest.mark.parametrize("step", [1, 3, 7])
def test_frames_may_come_in_any_pieces(step):
    async def test():
        async with world() as (stub, node):
            wire = await node.charger()
            data = text(HEARTBEAT) + cut(EURO, 11, between=frame(PING)) + text(HEARTBEAT)
            for i in range(0, len(data), step):
                wire.send(data[i : i + step])
                await asyncio.sleep(0)
            await until(lambda: len(stub.received.get("CP1", [])) == 3, "three messages")
            assert stub.received["CP1"][::2] == [HEARTBEAT, HEARTBEAT]

    run(test)


def test_after_a_broken_frame_nothing_more_is_relayed():
    async def test():
        async with world() as (stub, node):
            wire = await node.charger()
            assert b"hb" in await wire.heartbeat()
            wire.send(frame(15) + text(b'[2,"after","Heartbeat",{}]'))
            assert (await wire.closed()).code == 1002
            await node.gone("CP1")
            await until(lambda: stub.links["CP1"][0].close_code, "the link is closed")
            assert stub.received["CP1"] == [HEARTBEAT]

    run(test)


def test_what_comes_after_a_close_that_was_wrong_is_not_relayed():
    async def test():
        async with world() as (stub, node):
            wire = await node.charger()
            assert b"hb" in await wire.heartbeat()
            wire.send(close(999))
            assert (await wire.closed()).code == 1002
            wire.send(text(b'[2,"after","Heartbeat",{}]'), close(1002))
            await node.gone("CP1")
            await until(lambda: stub.links["CP1"][0].close_code, "the link is closed")
            assert stub.received["CP1"] == [HEARTBEAT]

    run(test)


@pytest.mark.parametrize(
    ("ending", "code"), [(frame(CLOSE), "1005"), (close(3001), "3001"), (frame(15), "1002"), (b"", "1006")]
)
def test_the_session_is_told_how_the_charger_ended(ending, code, monkeypatch):
    async def test():
        async with world() as (_, node):
            noted = []
            monkeypatch.setattr(node.fleet, "noted", lambda driver, it: noted.append((it.name, it.detail)))
            wire = await node.charger()
            wire.send(ending)
            if ending:
                await wire.closed()
            wire.hang_up()
            await node.gone("CP1")
            assert ("charger-disconnected", code) in noted

    run(test)


def test_frames_leave_whole_unmasked_and_as_text():
    async def test():
        async with world() as (stub, node):
            wire = await node.charger()
            link = await stub.link("CP1")
            large = '[2,"b1","DataTransfer",{"vendorId":"%s"}]' % ("v" * 200)
            await link.send(large)
            got = await wire.next()
            assert (got.opcode, got.fin, got.rsv, got.payload) == (TEXT, True, 0, large.encode())

    run(test)
