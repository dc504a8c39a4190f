"""Who is let in beside whom, what one address may do, and what the ends of a charger do to each other."""

import asyncio
import inspect
import re
import resource
from pathlib import Path

import picows
import pytest
from world import (
    CLOSE,
    PING,
    PONG,
    Wire,
    backend,
    close,
    frame,
    knock,
    node,
    request,
    run,
    shake,
    text,
    until,
    world,
)

from gateway.net import charger_server, fleet
from gateway.net.handshake import Refusal
from gateway.net.tasks import spawn

PROBE = {"duplicate_probe_s": 0.3}
SAME = "Basic Q1AxOnNlY3JldA=="


def alive(wire: Wire) -> list[bytes]:
    """Answer pings and closes from now on; the texts that come meanwhile."""
    texts: list[bytes] = []

    async def answer() -> None:
        try:
            while True:
                got = await wire.next()
                if got.opcode == PING:
                    wire.send(frame(PONG, got.payload))
                elif got.opcode == CLOSE:
                    wire.send(close(1000))
                else:
                    texts.append(got.payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    spawn(answer(), "charger that is alive")
    return texts


@pytest.mark.parametrize("first", ["charger", "backend"])
def test_the_log_says_which_end_left_first(first, monkeypatch):
    lines = []
    monkeypatch.setattr(fleet.log, "event", lambda level, name, **fields: lines.append((level, name, fields)))

    async def test():
        async with world() as (stub, here):
            wire = await here.charger()
            if first == "charger":
                wire.hang_up()
            else:
                (await stub.link("CP1")).transport.abort()
            await here.gone("CP1")

    run(test)
    seen = [(name, fields) for level, name, fields in lines if level == "info"]
    assert ("charger-connected", {"charger": "CP1", "version": "1.6", "address": "127.0.0.1"}) in seen
    names = [name for name, _ in seen if name != "charger-connected"]
    assert names == ["backend-link-closed"] * (first == "backend") + ["charger-disconnected"]
    assert seen[-1][1] == {"charger": "CP1", "code": "1006"}


def test_a_charger_is_back_though_its_old_connection_looks_open():  # T09, T11
    async def test():
        async with world(listen=PROBE) as (_, here):
            old = await here.charger()
            new = await here.charger()
            assert new.status == 101
            end = await old.closed()
            assert (end.code, end.reason) == (1008, "replaced by a newer connection")
            assert b"hb" in await new.heartbeat()
            assert here.tally.events["charger-replaced"] == 1

    run(test)


def test_a_living_connection_without_credentials_stays():  # T10
    async def test():
        async with world(listen=PROBE) as (_, here):
            old = await here.charger()
            texts = alive(old)
            for authorization in (None, SAME):
                new = await here.charger(Authorization=authorization)
                assert (new.status, new.headers["retry-after"]) == (409, "60")
            old.send(text(b'[2,"still","Heartbeat",{}]'))
            await until(lambda: texts, "the old connection works on")
            assert here.tally.refused["duplicate"] == 2

    run(test)


def test_a_living_connection_stays_when_the_newcomer_has_another_password():
    async def test():
        async with world(listen=PROBE) as (_, here):
            alive(await here.charger(Authorization=SAME))
            for other in (None, "Basic Q1AxOm90aGVy"):
                assert (await here.charger(Authorization=other)).status == 409

    run(test)


def test_the_newest_of_equal_credentials_wins_until_they_fight():  # T09
    async def test():
        async with world(listen=PROBE) as (_, here):
            for _ in range(4):
                new = await here.charger(Authorization=SAME)
                assert new.status == 101
                alive(new)
            last = await here.charger(Authorization=SAME)
            assert (last.status, last.headers["retry-after"]) == (409, "60")
            assert here.tally.events["duplicate-fight"] == 1
            assert here.tally.events["charger-replaced"] == 3

    run(test)


def test_two_newcomers_at_once_ask_the_old_one_only_once():
    async def test():
        async with world(listen=PROBE) as (_, here):
            old = await here.charger()
            first, second = await asyncio.gather(here.charger(), here.charger())
            assert sorted([first.status, second.status]) == [101, 409]
            pings = 0
            while (got := await old.next()).opcode != CLOSE:
                pings += got.opcode == PING
            assert pings == 1

    run(test)


def test_a_second_spelling_of_an_id_is_the_same_charger():  # T14
    async def test():
        async with world(listen=PROBE) as (_, here):
            old = await here.charger("/CP1")
            new = await here.charger("/cp1")
            assert new.status == 101
            assert (await old.closed()).code == 1008
            assert list(here.fleet.drivers) == ["cp1"]

    run(test)


def test_the_late_close_of_an_old_socket_does_not_hurt_the_new_one():  # T12
    async def test():
        async with world(listen=PROBE) as (stub, here):
            old = await here.charger()
            new = await here.charger()
            old.hang_up()
            await stub.link("CP1", 1)
            assert b"hb" in await new.heartbeat()
            assert here.driver("CP1") is not None

    run(test)


def test_an_answer_to_the_old_connection_is_not_heard_on_the_new_one():  # T13
    async def test():
        async with backend(mute=True) as stub, node(stub.url, listen=PROBE) as here:
            old = await here.charger()
            old.send(text(b'[2,"m1","Heartbeat",{}]'))
            await until(lambda: stub.received.get("CP1"), "the CALL is at the backend")
            new = await here.charger()
            link = await stub.link("CP1", 1)
            await link.send('[3,"m1",{"currentTime":"2026-11-21T08:00:00Z"}]')
            await link.send('[2,"b1","ClearCache",{}]')
            assert await new.text() == b'[2,"b1","ClearCache",{}]'
            assert "answer-unknown" in here.flags()

    run(test)


# Both ends of one charger


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3001, 4999])
def test_a_close_of_one_end_reaches_the_other_with_its_code(code):
    async def test():
        async with world() as (stub, here):
            wire = await here.charger("/A")
            wire.send(close(code))
            link = await stub.link("A")
            await asyncio.wait_for(link.wait_closed(), 10)
            assert link.close_code == code
            wire = await here.charger("/B")
            await (await stub.link("B")).close(code)
            assert (await wire.closed()).code == code

    run(test)


def test_a_charger_that_vanishes_takes_its_link_along():
    async def test():
        async with world() as (stub, here):
            wire = await here.charger()
            link = await stub.link("CP1")
            wire.hang_up()
            await asyncio.wait_for(link.wait_closed(), 10)
            await here.gone("CP1")

    run(test)


def test_the_backend_is_told_which_link_has_closed_so_that_it_is_not_dialled_at_once(monkeypatch):
    async def test():
        async with world() as (_, here):
            closed = []
            monkeypatch.setattr(here.fleet.main.links, "closed", closed.append)
            (await here.charger("/CP1")).hang_up()
            await here.gone("CP1")
            assert closed == ["cp1"]

    run(test)


def test_a_backend_that_vanishes_takes_the_charger_along():
    async def test():
        async with world() as (stub, here):
            wire = await here.charger()
            (await stub.link("CP1")).transport.abort()
            await wire.ended()
            await here.gone("CP1")

    run(test)


def test_a_stopping_fleet_says_so_to_everybody_and_lets_nobody_in():
    async def test():
        async with world() as (_, here):
            wires = [await here.charger(f"/CP{i}") for i in range(3)]
            for wire in wires[1:]:
                alive(wire)
            closing = asyncio.ensure_future(here.fleet.close())
            end = await wires[0].closed()
            wires[0].send(close(1012))
            assert (end.code, end.reason) == (1012, "the gateway restarts")
            late = await here.charger("/LATE")
            assert (late.status, late.body) == (503, "the gateway is stopping\n")
            await closing
            assert not here.fleet.drivers

    run(test)


def test_an_error_of_ours_ends_one_charger_only_and_keeps_its_message(monkeypatch):
    async def test():
        async with world() as (_, here):
            good, bad = await here.charger("/GOOD"), await here.charger("/BAD")
            session = here.driver("BAD").session
            monkeypatch.setattr(
                type(session.reader), "read", _broken_for(session.reader, type(session.reader).read)
            )
            bad.send(text(b'[2,"m1","Heartbeat",{}]'))
            assert (await bad.closed()).code == 1011
            assert [(f.raw, f.verdict.value) for f in here.flagged] == [
                (b'[2,"m1","Heartbeat",{}]', "quarantined")
            ]
            assert b"hb" in await good.heartbeat()

    run(test)


def _broken_for(reader, read):
    def broken(self, *arguments):
        if self is reader:
            raise ZeroDivisionError
        return read(self, *arguments)

    return broken


def test_the_log_says_which_flags_are_of_what_went_on_as_it_came(monkeypatch):
    told = []
    monkeypatch.setattr(
        fleet.log, "event", lambda level, name, **fields: told.append(fields) if "flags" in fields else None
    )

    async def test():
        async with world() as (_, here):
            charger = await here.charger("/CP1")
            payload = b'{"connectorId":"1","errorCode":"NoError","status":"Occupied",}'
            charger.send(text(b'[2,"m1","StatusNotification",%b]' % payload))
            await until(lambda: told, "a flagged message")

    run(test)
    assert told[0]["verdict"] == "delivered"
    assert told[0]["flags"] == "stray-comma, text-as-number@connectorId, status-ambiguous@status"
    assert told[0]["as_it_came"] == "text-as-number@connectorId, status-ambiguous@status"


# Limits


def test_an_address_has_so_many_connections():
    async def test():
        async with world(limits={"connections_per_address": 2}) as (_, here):
            first = await here.charger("/A")
            assert (await here.charger("/B")).status == 101
            third = await here.charger("/C")
            assert (third.status, third.headers["retry-after"]) == (503, "30")
            assert "limits.connections_per_address" in third.body
            first.hang_up()
            await here.gone("A")
            assert (await here.charger("/C")).status == 101

    run(test)


def test_an_address_begins_so_many_handshakes_a_second():
    async def test():
        async with world(limits={"handshakes_per_s_per_address": 10.0}) as (_, here):
            server = here.server
            for _ in range(20):
                server.check_address("1.1.1.1", 100.0)
            with pytest.raises(Refusal) as caught:
                server.check_address("1.1.1.1", 100.0)
            assert (caught.value.status, caught.value.reason) == (503, "overload")
            server.check_address("2.2.2.2", 100.0)
            server.check_address("1.1.1.1", 100.2)

    run(test)


def test_the_node_has_so_many_chargers_and_so_many_handshakes_under_way():
    async def test():
        async with world(limits={"chargers": 1, "pending_handshakes": 1}) as (_, here):
            assert (await here.charger("/A")).status == 101
            assert "limits.chargers" in (await here.charger("/B")).body
            for _ in range(2):
                await knock(here.port)
            await until(lambda: here.server.pending.total() == 2, "two are under way")
            assert "limits.pending_handshakes" in (await here.charger("/C")).body

    run(test)


def test_a_charger_is_refused_before_file_descriptors_run_out(monkeypatch):
    async def test():
        async with world() as (_, here):
            monkeypatch.setattr(resource, "getrlimit", lambda _: (255, 255))
            assert "file descriptors" in (await here.charger()).body

    run(test)


def test_a_slow_handshake_is_ended():
    async def test():
        async with world(limits={"handshake_s": 0.1}) as (_, here):
            wire = await shake(here.port, b"GET /CP1 HTTP/1.1\r\n")
            assert (wire.status, wire.body) == (408, "the handshake took too long\n")

    run(test)


SMUGGLED = {
    "frames before the answer": (request() + frame(9), 400),
    "two requests": (request() + request("/CP2"), 400),
    "bare line feeds": (b"GET /CP1 HTTP/1.1\nHost: x\n\n", 400),
    "a body": (request(Content_Length="3") + b"abc", 400),
    "an endless head": (b"GET /CP1 HTTP/1.1\r\nX: " + b"y" * 20_000, 431),
    "a web page": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
    "a browser": (request(Cookie="a=b"), 403),
}


@pytest.mark.parametrize("case", SMUGGLED)
def test_a_refused_handshake_is_answered_in_words_and_closed(case):
    raw, status = SMUGGLED[case]

    async def test():
        async with world() as (stub, here):
            wire = await shake(here.port, raw)
            assert wire.status == status
            assert wire.headers["connection"] == "close"
            assert wire.headers["content-length"] == str(len(wire.body.encode()))
            assert wire.body.endswith("\n") and wire.body.strip()
            assert not stub.links
            assert sum(here.tally.refused.values()) == 1
            await until(lambda: not here.server.pending.total(), "nothing is under way")

    run(test)


def test_a_handshake_may_come_byte_by_byte():
    async def test():
        async with world() as (_, here):
            reader, writer = await knock(here.port)
            for i in range(len(request())):
                writer.write(request()[i : i + 1])
                await asyncio.sleep(0)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert b" 101 " in head and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head

    run(test)


def test_an_odd_handshake_is_counted():
    async def test():
        async with world() as (_, here):
            wire = await here.charger("//CP1", Connection="keep-alive, Upgrade", Sec_WebSocket_Protocol=None)
            assert wire.status == 101
            assert "sec-websocket-protocol" not in wire.headers
            assert here.flags() == {"path-slashes", "handshake-connection-header", "subprotocol-missing"}

    run(test)


def test_a_compressed_conversation_is_agreed_and_read():
    from gateway.net import deflate

    async def test():
        async with world() as (stub, here):
            wire = await here.charger(
                Sec_WebSocket_Protocol="ocpp2.0.1", Sec_WebSocket_Extensions="permessage-deflate"
            )
            assert wire.headers["sec-websocket-extensions"].startswith("permessage-deflate")
            wire.send(text(deflate.deflate(b'[2,"hb","Heartbeat",{}]'), rsv=4))
            assert b'"hb"' in await wire.text()
            await (await stub.link("CP1")).send('[2,"b","DataTransfer",{"vendorId":"%s"}]' % ("v" * 250) * 1)
            long = '[2,"c","DataTransfer",{"vendorId":"v","data":"%s"}]' % ("x" * 2000)
            wire.send(text(b'[3,"b",{"status":"Accepted"}]'))
            await (await stub.link("CP1")).send(long)
            assert b"vvv" in await wire.text()
            got = await wire.next()
            assert got.rsv == 4
            assert deflate.inflate(got.payload, 10_000) == long.encode()

    run(test)


# What we rely on in picows


def test_picows_takes_its_arguments_in_the_order_that_we_give_them():
    """`_protocol` builds the object that picows' own server would; the compiled class hides its signature."""
    source = (Path(picows.__file__).parent / "picows.pyx").read_text()
    constructor = source[source.index("cdef class WSProtocol(WSProtocolBase") :]
    arguments = re.search(r"def __init__\(self,(.*?)\):", constructor, re.S)
    assert arguments is not None
    assert [word.split()[-1] for word in arguments[1].split(",")] == [
        *("host_port", "ws_path", "is_client_side", "ws_listener_factory", "logger"),
        *("disconnect_on_exception", "websocket_handshake_timeout", "enable_auto_ping"),
        *("auto_ping_idle_timeout", "auto_ping_reply_timeout", "auto_ping_strategy", "enable_auto_pong"),
        *("max_frame_size", "extra_headers", "read_buffer_init_size"),
    ]
    given = inspect.getsource(charger_server._protocol)
    assert len(re.findall(r"^        \S.*,", given[given.index("return WSProtocol(") :], re.M)) == 15


def test_picows_reads_the_plain_request_that_it_is_handed():
    """It must take the hand-over in one piece, answer at once and leave nothing of it in its buffer."""

    async def test():
        async with world() as (_, here):
            wire = await here.charger()
            assert wire.status == 101
            assert wire.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert wire.headers["sec-websocket-protocol"] == "ocpp1.6"
            assert b"hb" in await wire.heartbeat()
            link = here.driver("CP1").charger
            assert link.transport.underlying_transport.get_protocol().listener is link

    run(test)


def test_a_backend_that_is_not_there_is_seen_before_the_first_charger_comes():
    async def test():
        async with node("ws://127.0.0.1:1") as here:
            await until(lambda: here.fleet.main.links.is_away, "the backend being away")
            assert here.fleet.main.links.reason == "it refuses connections"

    run(test)


def test_tls_on_a_plain_port_is_told_so_at_once():
    async def test():
        async with world() as (_, here):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(b"\x16\x03\x01\x00\xf8")
            assert b"TLS came to a port that speaks plain ws://" in await reader.read()
            writer.close()

    run(test)
