"""Handshakes as chargers really send them: odd ones are accepted and flagged, hopeless ones explained."""

import asyncio
from pathlib import Path

import pytest
from conversations import ANSWERS
from peers import Answer, Backend, Gateway, backend, gateway, handshake, run, until

ODD: dict[str, tuple[str, dict[str, str | None]]] = {
    "keep-alive": ("/CP1", {"Connection": "keep-alive, Upgrade"}),
    "no-upgrade-in-connection": ("/CP1", {"Connection": "keep-alive"}),
    "upgrade-in-capitals": ("/CP1", {"Upgrade": "WebSocket"}),
    "no-version": ("/CP1", {"Sec_WebSocket_Version": None}),
    "no-subprotocol": ("/CP1", {"Sec_WebSocket_Protocol": None}),
    "ocpp1.6j": ("/CP1", {"Sec_WebSocket_Protocol": "ocpp1.6j"}),
    "OCPP1.6": ("/CP1", {"Sec_WebSocket_Protocol": "OCPP1.6"}),
    "double-slash": ("//CP1", {}),
    "trailing-slash": ("/CP1/", {}),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_handshake_is_accepted_and_flagged(name: str, tmp_path: Path) -> None:
    path, changes = ODD[name]

    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            answer = await handshake(node.url, path, **changes)
            assert answer.status == 101, answer.text
            offered = changes.get("Sec_WebSocket_Protocol", "ocpp1.6")
            assert answer.headers.get("sec-websocket-protocol") == offered
            assert (await cpms.peer("CP1")).subprotocol == "ocpp1.6"
            await until(node.flags, "a flag")
            answer.hang_up()

    run(test)


def test_the_plain_handshake_raises_no_flag(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            answer = await handshake(node.url, "/CP1")
            assert answer.status == 101
            assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert await node.flags() == {}
            answer.hang_up()

    run(test)


HOPELESS: dict[str, tuple[str, dict[str, str | None], int]] = {
    "unknown-path": ("/elsewhere/CP-1", {}, 404),
    "no-id": ("/ocpp/", {}, 404),
    "id-not-allowed": ("/ocpp/OTHER", {}, 404),
    "no-common-subprotocol": ("/ocpp/CP-1", {"Sec_WebSocket_Protocol": "ocpp0.9, soap"}, 400),
    "websocket-version-8": ("/ocpp/CP-1", {"Sec_WebSocket_Version": "8"}, 426),
    "no-key": ("/ocpp/CP-1", {"Sec_WebSocket_Key": None}, 400),
    "a-browser-without-upgrade": (
        "/ocpp/CP-1",
        {"Upgrade": None, "Connection": "close", "Sec_WebSocket_Key": None},
        426,
    ),
    "a-body": ("/ocpp/CP-1", {"Content_Length": "5"}, 400),
    "control-characters-in-the-id": ("/ocpp/CP-%0d%0aX-Evil:1", {}, 400),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_a_hopeless_handshake_is_told_why_in_one_line(name: str, tmp_path: Path) -> None:
    path, changes, status = HOPELESS[name]

    async def test() -> None:
        listen = 'path = "/ocpp"\ncharger_ids = ["CP-*"]'
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, listen=listen) as node:
            answer = await handshake(node.url, path, **changes)
            assert answer.status == status
            assert_one_line(answer)
            assert sum((await node.refused()).values()) == 1
            assert await is_served(node, cpms, "/ocpp/CP-1")

    run(test)


def assert_one_line(answer: Answer) -> None:
    assert 10 < len(answer.text.strip()) < 200
    assert len(answer.text.strip().splitlines()) == 1


async def is_served(node: Gateway, cpms: Backend, path: str) -> bool:
    """Whether a plain charger gets through to the backend."""
    answer = await handshake(node.url, path)
    if answer.status == 101:
        await cpms.peer(path.rpartition("/")[2])
    answer.hang_up()
    return answer.status == 101


def test_what_is_no_http_at_all_is_closed_and_counted(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            host, _, port = node.url.removeprefix("ws://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
            await asyncio.wait_for(reader.read(), 10)
            writer.close()
            await until(node.refused, "a refusal")
            assert await is_served(node, cpms, "/CP1")

    run(test)
