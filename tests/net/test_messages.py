"""Messages out of frames: fragments, limits, compression; what breaks a rule ends with the right code."""

import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.net import deflate
from gateway.net.assembly import BINARY, CONTINUATION, TEXT, Assembler, MessageLimits, Violation

LIMITS = MessageLimits(bytes=1000, fragments=4, assembly_s=30.0)


def feed(*frames, deflates=False, limits=LIMITS, seconds=0.0):
    """What an assembler makes of (opcode, fin, compressed, payload) frames, `seconds` apart."""
    assembler = Assembler(limits, deflates)
    return [assembler.add(*frame, 100.0 + i * seconds) for i, frame in enumerate(frames)]


def test_a_single_frame_is_a_message():
    assert feed((TEXT, True, False, b"a")) == [(b"a", False)]
    assert feed((BINARY, True, False, b"a")) == [(b"a", True)]
    assert feed((TEXT, True, False, b"")) == [(b"", False)]


def test_fragments_are_one_message_of_the_first_ones_kind():
    frames = [
        (TEXT, False, False, b"a"),
        (CONTINUATION, False, False, b""),
        (CONTINUATION, True, False, b"b"),
    ]
    assert feed(*frames, *frames) == [None, None, (b"ab", False)] * 2
    assert feed((BINARY, False, False, b"a"), (CONTINUATION, True, False, b"b"))[-1] == (b"ab", True)


def test_it_is_idle_only_between_messages():
    assembler = Assembler(LIMITS, False)
    assert assembler.is_idle
    assembler.add(TEXT, False, False, b"a", 0)
    assert not assembler.is_idle
    assembler.add(CONTINUATION, True, False, b"b", 0)
    assert assembler.is_idle


FRAGMENT = (TEXT, False, False, b"a")
MORE = (CONTINUATION, False, False, b"a")
BROKEN = {
    "continuation of nothing": ([(CONTINUATION, True, False, b"")], 1002),
    "continuation after the end": ([(TEXT, True, False, b"a"), MORE], 1002),
    "text inside a message": ([FRAGMENT, (TEXT, True, False, b"b")], 1002),
    "binary inside a message": ([FRAGMENT, (BINARY, False, False, b"b")], 1002),
    "compressed without agreement": ([(TEXT, True, True, b"a")], 1002),
    "compressed continuation": ([FRAGMENT, (CONTINUATION, True, True, b"b")], 1002),
    "too large at once": ([(TEXT, True, False, b"a" * 1001)], 1009),
    "too large together": ([(TEXT, False, False, b"a" * 600), (CONTINUATION, True, False, b"a" * 401)], 1009),
    "too many fragments": ([FRAGMENT, MORE, MORE, MORE, (CONTINUATION, True, False, b"")], 1008),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_a_rule_ends_with_its_code(case):
    frames, code = BROKEN[case]
    feed(*frames[:-1])
    with pytest.raises(Violation) as caught:
        feed(*frames)
    assert caught.value.code == code
    assert 0 < len(caught.value.reason) < 120


def test_the_limits_themselves_are_allowed():
    assert feed((TEXT, True, False, b"a" * 1000))[0] == (b"a" * 1000, False)
    assert feed(FRAGMENT, MORE, MORE, (CONTINUATION, True, False, b"a"))[-1] == (b"aaaa", False)
    assert feed(FRAGMENT, MORE, (CONTINUATION, True, False, b"a"), seconds=15.0)[-1] == (b"aaa", False)


def test_fragments_may_not_take_for_ever():
    with pytest.raises(Violation) as caught:
        feed(FRAGMENT, MORE, (CONTINUATION, True, False, b"a"), seconds=15.1)
    assert caught.value.code == 1008
    assert feed((TEXT, True, False, b"a"), (TEXT, True, False, b"b"), seconds=100)


# Compression


def test_a_compressed_message_may_come_in_fragments():
    packed = deflate.deflate(b"hello" * 20)
    frames = [(TEXT, False, True, packed[:5]), (CONTINUATION, True, False, packed[5:])]
    assert feed(*frames, deflates=True)[-1] == (b"hello" * 20, False)


def test_with_compression_agreed_plain_messages_stay_plain():
    assert feed((TEXT, True, False, b"plain"), deflates=True) == [(b"plain", False)]


BAD_STREAMS = {
    "no stream": (b"\xff\xff\xff\xff", 1002),
    "bad block type": (b"\x06\x00", 1002),
    "a bomb": (deflate.deflate(b"\0" * 1_000_000), 1009),
    "just over": (deflate.deflate(bytes(range(256)) * 3 + b"a" * 233), 1009),
}


@pytest.mark.parametrize("case", BAD_STREAMS)
def test_a_bad_stream_ends_with_its_code(case):
    data, code = BAD_STREAMS[case]
    with pytest.raises(Violation) as caught:
        feed((TEXT, True, True, data), deflates=True)
    assert caught.value.code == code


def test_an_empty_message_may_be_compressed():
    assert feed((TEXT, True, True, b"\0"), deflates=True) == [(b"", False)]
    assert feed((TEXT, True, True, deflate.deflate(b"")), deflates=True) == [(b"", False)]


def test_what_is_far_too_compressible_is_a_bomb_even_below_the_limit():
    bomb = deflate.deflate(b"\0" * 1_000_000)
    assert deflate.MAX_RATIO * len(bomb) < 1_000_000
    with pytest.raises(deflate.TooLarge):
        deflate.inflate(bomb, 2_000_000)
    small = b"\0" * deflate.RATIO_FROM_BYTES
    assert deflate.inflate(deflate.deflate(small), 2_000_000) == small


@given(st.binary(max_size=5000))
def test_what_was_compressed_is_itself_again(message):
    packed = deflate.deflate(message)
    assert not packed.endswith(b"\0\0\xff\xff")
    assert deflate.inflate(packed, 5000) == message


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=5), st.booleans())
def test_any_cut_of_any_message_is_put_together(message, cuts, compressed):
    data = deflate.deflate(message) if compressed else message
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(places)]
    frames = [
        (TEXT if i == 0 else CONTINUATION, i == len(parts) - 1, compressed and i == 0, part)
        for i, part in enumerate(parts)
    ]
    limits = MessageLimits(bytes=4000, fragments=8)
    assert feed(*frames, deflates=True, limits=limits)[-1] == (message, False)


@given(st.binary(max_size=300))
def test_any_bytes_are_inflated_or_refused(data):
    with suppress(deflate.TooLarge, zlib.error):
        assert len(deflate.inflate(data, 1000)) <= 1000


@given(st.binary(min_size=1, max_size=2000))
def test_a_peer_with_the_agreed_window_can_read_us(message):
    inflater = zlib.decompressobj(-deflate.WINDOW_BITS)
    assert inflater.decompress(deflate.deflate(message) + b"\0\0\xff\xff") == message


ANSWER = (
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12"
)
OFFERS = {
    "permessage-deflate": True,
    "Permessage-Deflate": True,
    "permessage-deflate; client_max_window_bits": True,
    "permessage-deflate; client_max_window_bits=8": True,
    'permessage-deflate; client_max_window_bits="15"': True,
    "permessage-deflate; server_max_window_bits=12": True,
    "permessage-deflate;server_max_window_bits=15;client_max_window_bits=15": True,
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover": True,
    "x-webkit-deflate-frame, permessage-deflate": True,
    "permessage-deflate; nonsense, permessage-deflate": True,
    "permessage-deflate; server_max_window_bits=8, permessage-deflate": True,
    "": False,
    "x-webkit-deflate-frame": False,
    "permessage-deflate; nonsense": False,
    "permessage-deflate; server_max_window_bits=11": False,
    "permessage-deflate; server_max_window_bits=16": False,
    "permessage-deflate; server_max_window_bits": False,
    "permessage-deflate; client_max_window_bits=7": False,
    "permessage-deflate; client_max_window_bits=x": False,
    "permessage-deflate; server_no_context_takeover=1": False,
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover": False,
    "permessage-deflate; =": False,
    ";;,,": False,
}


@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_is_taken_when_all_of_it_is_understood(offer):
    assert deflate.negotiate(offer) == (ANSWER if OFFERS[offer] else None)
