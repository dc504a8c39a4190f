"""What the sandbox's chargers tell when they cannot connect, and how they end."""

import asyncio
import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.sandbox import chargers
from gateway.sandbox.chargers import run_chargers

WHY = "unknown path /CP-1: the URL must begin with /ocpp/"


class Enough(Exception):
    """Whoever listened has seen what was wanted."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No pause before a charger tries again."""
    monkeypatch.setattr(chargers.random, "uniform", lambda *_: 0)


@asynccontextmanager
async def server(answer, tls=None):
    app = web.Application()
    app.router.add_get("/{id}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def told_until(done, answer, tls=None, trusted=True):
    """What CP-1 told at a server that answers so, up to the line that is `done`."""
    lines = []

    def hear(_, line):
        lines.append(line)
        if done(line):
            raise Enough

    async def run():
        async with asyncio.timeout(20), server(answer, tls) as url:
            with pytest.raises(Enough):
                await run_chargers(url, ["CP-1"], hear, trusted)

    asyncio.run(run())
    return lines


async def welcome(request):
    socket = web.WebSocketResponse(protocols=("ocpp1.6",))
    await socket.prepare(request)
    await socket.close()
    return socket


def test_why_a_handshake_was_refused_is_told_once_until_it_works():
    tries = []

    async def answer(request):
        tries.append(request)
        if len(tries) == 4:
            return await welcome(request)
        return web.Response(status=404, text=WHY + "\nmore\n")

    lines = told_until(lambda line: "cannot" in line and len(tries) > 4, answer)
    cannot = f"cannot connect, and tries again: 404 {WHY}"
    assert [line for line in lines if line[:2] not in ("->", "<-")] == [
        cannot,
        "is connected",
        "has lost its connection",
        cannot,
    ]


def test_a_refusal_without_a_line_is_told_in_short():
    async def answer(_):
        return web.Response(status=403, text="<html>", content_type="text/html")

    assert told_until(lambda _: True, answer) == ["cannot connect, and tries again: 403 Forbidden"]


def test_a_certificate_of_ones_own_is_refused_unless_it_is_named(tmp_path):
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    (line,) = told_until(lambda _: True, welcome, tls)
    assert line.startswith("cannot connect, and tries again: its certificate is not trusted: self")
    assert line.endswith("; --ca FILE names whom to trust")
    trusted = ssl.create_default_context(cafile=cert)
    assert told_until(lambda _: True, welcome, tls, trusted) == ["is connected"]
