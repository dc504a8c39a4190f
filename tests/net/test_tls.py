"""Chargers that come by TLS, and those with whom it fails: every failure says why, whatever kind it is."""

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager, suppress

import pytest
from world import request, run, shake, until, world


@asynccontextmanager
async def tls_world(certificate, monkeypatch, **limits):
    """A node with a TLS port, and what it logs as refused: the reasons and lines."""
    told = []

    def event(level, name, charger="", **fields):
        if name == "handshake-refused":
            told.append((fields["reason"], fields["line"]))

    monkeypatch.setattr("gateway.observe.log.event", event)
    listen = {"tls_certificate": certificate[0], "tls_key": certificate[1]}
    async with world(listen=listen, limits=limits) as (_, here):
        yield here, told
        await until(lambda: not here.server.pending, "no handshake being under way")


def trusting(certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[0])


async def hello(port: int, context: ssl.SSLContext):
    """A connection on which a ClientHello was sent, and its TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    return tls, incoming, outgoing, reader, writer


def test_chargers_reach_the_gateway_by_tls(certificate, monkeypatch):
    async def test():
        async with tls_world(certificate, monkeypatch) as (here, told):
            here.tls = trusting(certificate)
            wire = await here.charger()
            assert wire.status == 101
            assert b"hb" in await wire.heartbeat()
            assert told == []

    run(test)


@pytest.mark.parametrize("piece", [1, 100])
def test_a_hello_may_come_in_pieces_and_the_request_with_the_end_of_tls(certificate, monkeypatch, piece):
    async def test():
        async with tls_world(certificate, monkeypatch) as (here, told):
            tls, incoming, outgoing, reader, writer = await hello(here.port, trusting(certificate))
            first = outgoing.read()
            writer.write(first[:piece])
            await asyncio.sleep(0)
            writer.write(first[piece:])
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    incoming.write(await reader.read(65_536))
            tls.write(request("/CP1"))
            writer.write(outgoing.read())  # the end of the handshake and the request in one
            answer = b""
            while b"101" not in answer:
                incoming.write(await reader.read(65_536))
                with suppress(ssl.SSLWantReadError):
                    answer += tls.read(65_536)
            writer.close()
            assert told == []

    run(test)


def test_plain_text_on_a_tls_port_is_told_so_to_the_charger_too(certificate, monkeypatch):
    async def test():
        async with tls_world(certificate, monkeypatch) as (here, told):
            wire = await shake(here.port, request("/CP1"))
            line = "plain ws:// came to a port that speaks TLS; use wss://"
            assert (wire.status, wire.body.strip()) == (400, line)
            assert told == [("tls", line)]
            assert here.tally.refused == {"tls": 1}

    run(test)


def distrusting(_) -> ssl.SSLContext:
    return ssl.create_default_context()


def distrusting_12(_) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def old(certificate) -> ssl.SSLContext:
    context = trusting(certificate)
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize(
    ("client", "line"),
    [
        (
            distrusting,
            "the charger does not accept listen.tls_certificate: unknown ca; install its authority",
        ),
        (
            distrusting_12,
            "the charger does not accept listen.tls_certificate: unknown ca; install its authority",
        ),
        (old, "TLS fails: unsupported protocol; the charger needs TLS 1.2 or later"),
    ],
)
def test_tls_that_fails_is_logged_and_counted(certificate, monkeypatch, client, line):
    async def test():
        async with tls_world(certificate, monkeypatch) as (here, told):
            context = client(certificate)

            def call() -> None:
                with (
                    socket.create_connection(("127.0.0.1", here.port), 5) as plain,
                    pytest.raises(ssl.SSLError),
                ):
                    context.wrap_socket(plain, server_hostname="127.0.0.1")

            await asyncio.to_thread(call)
            await until(lambda: told, "a line")
            assert [(reason, said[: len(line)]) for reason, said in told] == [("tls", line)]
            assert here.tally.refused == {"tls": 1}

    run(test)


def test_a_charger_that_ends_tls_in_silence_is_logged_and_a_mere_look_at_the_port_is_not(
    certificate, monkeypatch
):
    async def test():
        async with tls_world(certificate, monkeypatch) as (here, told):
            for reset in (False, True):
                look = socket.create_connection(("127.0.0.1", here.port))
                if reset:
                    look.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await until(lambda: here.server.pending, "it is seen")
                look.close()
                await until(lambda: not here.server.pending, "it is gone")
            assert told == []
            _, _, outgoing, reader, writer = await hello(here.port, trusting(certificate))
            writer.write(outgoing.read())
            await reader.read(1)
            writer.transport.abort()
            await until(lambda: told, "a line")
            assert told[0][0] == "tls" and "without a word" in told[0][1]

    run(test)


@pytest.mark.parametrize("begins", [b"", b"\x16\x03\x01"])
def test_tls_that_takes_too_long_is_ended_and_counted(certificate, monkeypatch, begins):
    async def test():
        async with tls_world(certificate, monkeypatch, handshake_s=0.1) as (here, told):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(begins)
            await reader.read()
            await until(lambda: told, "a line")
            assert [reason for reason, _ in told] == ["timeout"]
            assert here.tally.refused == {"timeout": 1}
            writer.close()

    run(test)
