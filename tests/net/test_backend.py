"""The backend as the node sees it: pacing, away and back, its refusals, TLS, proxies and passwords."""

import asyncio
import socket
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager

import pytest
from world import Stub, backend, knock, node, request, run, text, until, world

from gateway.config import Backend as BackendConfig
from gateway.config.values import Secret
from gateway.net import backend as module
from gateway.net.backend import REDIAL_AFTER_S, Backend, BackendAway


def server_tls(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# Pacing


class Clock:
    """A clock that is only moved by those who sleep."""

    def __init__(self, monkeypatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(module.asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_new_links_are_begun_at_the_configured_pace(monkeypatch):
    clock = Clock(monkeypatch)
    paced = Backend(BackendConfig(url="ws://x/", new_links_per_s=10.0))

    async def test():
        begun = []
        for i in range(4):
            await paced._turn(f"cp{i}")
            begun.append(clock.now)
        assert begun == pytest.approx([100.0, 100.1, 100.2, 100.3])

    asyncio.run(test())


def test_a_charger_that_would_wait_too_long_is_refused_instead(monkeypatch):
    clock = Clock(monkeypatch)
    paced = Backend(BackendConfig(url="ws://x/", new_links_per_s=1.0, connect_timeout_s=2.0))

    async def no_time_passes(_):
        pass

    monkeypatch.setattr(module.asyncio, "sleep", no_time_passes)

    async def test():
        for i in range(3):
            await paced._turn(f"cp{i}")
        with pytest.raises(BackendAway) as caught:
            await paced._turn("cp4")
        assert caught.value.retry_after_s == pytest.approx(3.0)
        clock.now += 3
        await paced._turn("cp4")

    asyncio.run(test())


def test_an_id_is_not_dialled_again_right_after_its_link_closed(monkeypatch):
    clock = Clock(monkeypatch)
    paced = Backend(BackendConfig(url="ws://x/", new_links_per_s=1e6))

    async def test():
        paced.closed("cp1")
        await paced._turn("cp2")
        assert clock.now == 100.0
        await paced._turn("cp1")
        assert clock.now == pytest.approx(100.0 + REDIAL_AFTER_S)
        paced.closed("cp1")
        paced.sweep(clock.now + 2 * REDIAL_AFTER_S)
        assert not paced._closed_at

    asyncio.run(test())


def test_probes_wait_longer_and_longer_up_to_the_limit(monkeypatch):
    clock = Clock(monkeypatch)
    probed: list[float] = []
    widest: list[float] = []

    async def answers(*_):
        probed.append(clock.now)
        return "it refuses connections" if len(probed) < 8 else None

    def uniform(low, high):
        widest.append(high)
        return high

    monkeypatch.setattr(module, "answers", answers)
    monkeypatch.setattr(module.random, "uniform", uniform)
    away = Backend(BackendConfig(url="ws://x/", reconnect_min_s=1, reconnect_max_s=8))

    async def test():
        away.doubt("silent")
        assert (away.state, away.is_away, away.reason) == ("away", True, "silent")
        away.doubt("again")
        assert away.reason == "silent"
        await away._probe
        assert widest == [1, 2, 4, 8, 8, 8, 8]
        assert probed == [100, 101, 103, 107, 115, 123, 131, 139]
        assert (away.state, away.is_away) == ("up", False)

    asyncio.run(test())


# Away and back


def test_a_backend_that_is_away_refuses_chargers_until_it_is_back():
    async def test():
        port = free_port()
        async with node(f"ws://127.0.0.1:{port}/cpms") as here:
            wire = await here.charger()
            assert (wire.status, wire.body) == (
                503,
                "the backend does not answer at present; try again later\n",
            )
            assert int(wire.headers["retry-after"]) >= 1
            assert here.fleet.main.links.state == "away"
            assert here.fleet.main.links.reason == "it refuses connections"
            assert here.tally.refused["backend-away"] == 1
            async with backend(port=port) as stub:
                await until(lambda: here.fleet.main.links.state == "up", "the backend is back")
                assert (await here.charger()).status == 101
                assert "Sec-WebSocket-Key" not in stub.requests[0].headers  # a probe is no charger

    run(test)


def test_a_silent_backend_is_doubted_and_probed():
    async def test():
        async with backend(mute=True) as stub, node(stub.url, answer_deadline_s=0.2) as here:
            wire = await here.charger()
            wire.send(text_of_start())
            end = await wire.closed()
            assert (end.code, end.reason) == (1013, "the backend does not answer")
            await until(lambda: here.fleet.main.links.state == "up", "it answered the probe")
            assert here.tally.events["backend-silent"] == 1

    run(test)


def text_of_start() -> bytes:
    payload = '{"connectorId":1,"idTag":"T","meterStart":1,"timestamp":"2026-11-21T08:00:00Z"}'
    return text(f'[2,"m1","StartTransaction",{payload}]'.encode())


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, 401), (403, 403), (404, 404), (400, 502), (429, 502)],
)
def test_a_refusal_by_the_backend_is_passed_on(status, told):
    async def test():
        async with backend(status=status) as stub, node(stub.url) as here:
            wire = await here.charger()
            assert wire.status == told
            assert wire.body.startswith(f"the backend refused this charger with HTTP {status}: ")
            assert here.fleet.main.links.state == "up"
            assert not here.fleet.drivers

    run(test)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_backend_in_trouble_is_away(status):
    async def test():
        async with backend(status=status) as stub, node(stub.url) as here:
            wire = await here.charger()
            assert wire.status == 503
            await until(lambda: here.fleet.main.links.state == "up", "its HTTP server answers")

    run(test)


def test_the_backend_chooses_the_version_and_the_charger_hears_its_own_token():
    async def test():
        async with world() as (stub, here):
            wire = await here.charger(Sec_WebSocket_Protocol="ocpp2.0.1, OCPP1.6")
            assert wire.headers["sec-websocket-protocol"] == "ocpp2.0.1"
            assert (await stub.link("CP1")).subprotocol == "ocpp2.0.1"
            wire = await here.charger("/CP2", Sec_WebSocket_Protocol="OCPP1.6")
            assert wire.headers["sec-websocket-protocol"] == "OCPP1.6"
            assert (await stub.link("CP2")).subprotocol == "ocpp1.6"

    run(test)


def test_the_id_is_one_segment_at_the_end_of_the_backends_url():
    async def test():
        async with world() as (stub, here):
            assert (await here.charger("/RDAM%20123%23x")).status == 101
            assert stub.requests[-1].path == "/cpms/RDAM%20123%23x"

    run(test)


# Passwords


def authorization(stub: Stub) -> str | None:
    return stub.requests[-1].headers.get("Authorization")


def test_the_chargers_own_password_is_passed_on():
    async def test():
        async with world() as (stub, here):
            await here.charger("/A", Authorization="Basic QTpwdw==")
            assert authorization(stub) == "Basic QTpwdw=="
            await here.charger("/B")
            assert authorization(stub) is None

    run(test)


@pytest.mark.parametrize(("user", "sent"), [("", "CP1"), ("gateway", "gateway")])
def test_a_configured_password_takes_its_place(user, sent):
    async def test():
        async with backend() as stub, node(stub.url, username=user, password=Secret("sécret")) as here:
            await here.charger(Authorization="Basic QTpwdw==")
            assert authorization(stub) == "Basic " + b64encode(f"{sent}:sécret".encode()).decode()

    run(test)


def test_an_error_of_ours_in_a_handshake_lets_the_charger_go_at_once(monkeypatch):
    async def test():
        async with world() as (_, here):

            async def broken(*_):
                raise ZeroDivisionError

            monkeypatch.setattr(here.fleet, "admit", broken)
            _, writer = await knock(here.port)
            writer.write(request())
            await until(lambda: writer.transport.is_closing() or not here.server.pending, "it is let go")

    run(test)


@pytest.mark.parametrize("odd", ["Basic \xe9", "Basic \xff\xfe", "Bearer x y"])
def test_an_odd_authorization_does_not_hang(odd):
    async def test():
        async with world() as (_, here):
            assert (await here.charger(Authorization=odd)).status == 101
            assert (await here.charger("/CP2")).status == 101

    run(test)


# TLS


def test_a_backend_that_nobody_vouches_for_is_refused(certificate):
    async def test():
        async with backend(tls=server_tls(certificate)) as stub, node(stub.url) as here:
            assert (await here.charger()).status == 503
            assert "certificate is not trusted" in here.fleet.main.links.reason
            assert not stub.links

    run(test)


@pytest.mark.parametrize("how", ["ca_file", "insecure_tls"])
def test_a_backend_is_reached_by_tls_when_it_is_trusted(certificate, how):
    settings = {"ca_file": certificate[0]} if how == "ca_file" else {"insecure_tls": True}

    async def test():
        async with backend(tls=server_tls(certificate)) as stub, node(stub.url, **settings) as here:
            wire = await here.charger()
            assert wire.status == 101
            assert b"hb" in await wire.heartbeat()

    run(test)


def test_a_certificate_for_another_name_is_refused(certificate):
    async def test():
        async with (
            backend(tls=server_tls(certificate)) as stub,
            node(f"wss://localhost:{stub.port}/", ca_file=certificate[0]) as here,
        ):
            assert (await here.charger()).status == 503
            assert "certificate is not trusted" in here.fleet.main.links.reason

    run(test)


# Proxies


class Tunnel:
    """A proxy that opens one kind of tunnel; `asked` is where to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def http(self, reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        assert method == b"CONNECT"
        host, _, port = target.decode().rpartition(":")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await self._join(reader, writer, host, int(port))

    async def socks5(self, reader, writer) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\x05\x00")
        _, command, _, kind = await reader.readexactly(4)
        assert command == 1
        if kind == 1:
            host = socket.inet_ntoa(await reader.readexactly(4))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        writer.write(b"\x05\x00\x00\x01" + b"\0" * 6)
        await self._join(reader, writer, host, port)

    async def _join(self, reader, writer, host: str, port: int) -> None:
        self.asked.append(f"{host}:{port}")
        there, onward = await asyncio.open_connection(host, port)
        await asyncio.gather(_pump(reader, onward), _pump(there, writer))


async def _pump(reader, writer) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tunnel(kind: str):
    here = Tunnel()
    server = await asyncio.start_server(getattr(here, kind), "127.0.0.1", 0)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_backend_is_reached_through_a_proxy(kind):
    async def test():
        async with (
            backend() as stub,
            tunnel(kind) as proxy,
            node(stub.url, proxy=Secret(f"{kind}://127.0.0.1:{proxy.port}")) as here,
        ):
            wire = await here.charger()
            assert wire.status == 101
            assert b"hb" in await wire.heartbeat()
            assert set(proxy.asked) == {f"127.0.0.1:{stub.port}"}

    run(test)


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_proxy_that_is_not_there_is_a_backend_that_is_away(kind):
    async def test():
        nowhere = Secret(f"{kind}://127.0.0.1:{free_port()}")
        async with backend() as stub, node(stub.url, proxy=nowhere) as here:
            assert (await here.charger()).status == 503
            assert here.fleet.main.links.is_away

    run(test)
