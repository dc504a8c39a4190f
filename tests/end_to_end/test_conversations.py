"""The `ocpp` package at both ends: everything is answered, and no byte of a frame is changed."""

from pathlib import Path

import pytest
from conversations import ANSWERS, CALLS, CHARGER_ANSWERS, COMMANDS
from peers import Peer, backend, charger, gateway, run, until

VERSIONS = list(CALLS)


async def visit(here: Peer, there: Peer) -> None:
    """Charger and backend say all they have to say, one after the other."""
    for end, script in ((here, CALLS), (there, COMMANDS)):
        for action, payload in script[end.subprotocol]:
            answer = await end.call(action, **payload)
            assert type(answer).__name__ == action


def assert_same_bytes(here: Peer, there: Peer) -> None:
    expected = len(CALLS[here.subprotocol]) + len(COMMANDS[here.subprotocol])
    assert len(here.wire.sent) == len(there.wire.sent) == expected
    assert here.wire.sent == there.wire.received
    assert there.wire.sent == here.wire.received


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_visit_is_answered_both_ways_and_no_byte_is_changed(version: str, tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            async with charger(f"{node.url}/CP1", version, CHARGER_ANSWERS[version]) as here:
                there = await cpms.peer("CP1")
                assert there.subprotocol == version
                await visit(here, there)
                assert_same_bytes(here, there)
            assert await node.flags() == {}

    run(test)


def test_three_versions_at_once_do_not_mix(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url) as node,
            charger(f"{node.url}/A", "ocpp1.6", CHARGER_ANSWERS["ocpp1.6"]) as one,
            charger(f"{node.url}/B", "ocpp2.0.1", CHARGER_ANSWERS["ocpp2.0.1"]) as two,
            charger(f"{node.url}/C", "ocpp2.1", CHARGER_ANSWERS["ocpp2.1"]) as three,
        ):
            pairs = [(one, "A"), (two, "B"), (three, "C")]
            links = [await cpms.peer(name) for _, name in pairs]
            for step in range(min(len(script) for script in CALLS.values())):
                for here, _ in pairs:
                    action, payload = CALLS[here.subprotocol][step]
                    await here.call(action, **payload)
            for (here, _), there in zip(pairs, links, strict=True):
                assert here.wire.sent == there.wire.received
                assert there.wire.sent == here.wire.received

    run(test)


def test_a_charger_shows_up_in_the_api_and_leaves_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            async with charger(f"{node.url}/CP1", "ocpp1.6") as here:
                there = await cpms.peer("CP1")
                await here.call("Heartbeat")
                assert await node.chargers() == ["CP1"]
                metrics = await node.get("/metrics")
                assert 'action="Heartbeat"' in metrics
            await until(lambda: there.closed, "close of the backend link")

    run(test)


def test_the_charger_id_and_credentials_reach_the_backend(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            basic = "Basic UkRBTSAxMjM6c2VjcmV0LXNlY3JldA=="
            async with charger(f"{node.url}/RDAM%20123", "ocpp2.0.1", authorization=basic) as here:
                there = await cpms.peer("RDAM 123")
                await here.call("Heartbeat")
                assert there.authorization == basic

    run(test)
