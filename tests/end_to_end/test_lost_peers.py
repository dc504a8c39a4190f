"""Backends that hang or die, chargers that vanish, and two chargers with one id."""

import asyncio
import base64
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from conversations import ANSWERS
from peers import NOW, Gateway, backend, backend_process, charger, gateway, handshake, run, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

IMPATIENT = """
when_away = "close"
answer_deadline_s = 0.5
connect_timeout_s = 0.5
ping_interval_s = 0.5
pong_timeout_s = 0.5
"""
START = f'[2,"s1","StartTransaction",{{"connectorId":1,"idTag":"A","meterStart":1,"timestamp":"{NOW}"}}]'
HEARTBEAT = '[2,"h1","Heartbeat",{}]'


async def assert_refused_for_now(node: Gateway) -> None:
    """The next charger is told to come back later."""

    async def is_refused() -> bool:
        answer = await handshake(node.url, "/CP1")
        answer.hang_up()
        if answer.status != 503:
            return False
        assert int(answer.headers["retry-after"]) >= 1
        assert len(answer.text.strip().splitlines()) == 1
        return True

    await until(is_refused, "503 with Retry-After")


async def assert_served_again(node: Gateway) -> None:
    """A charger that keeps trying gets through to the backend again."""

    async def is_answered() -> bool:
        try:
            async with connect(f"{node.url}/CP1", subprotocols=["ocpp1.6"], proxy=None) as socket:
                await socket.send(HEARTBEAT)
                return '"h1"' in str(await asyncio.wait_for(socket.recv(), 2))
        except (OSError, ConnectionClosed, TimeoutError):
            return False
        except Exception as error:  # websockets raises InvalidStatus for a refused handshake
            assert "rejected" in str(error), error
            return False

    await until(is_answered, "service")


def test_a_hanging_backend_closes_the_charger_and_serves_it_again_when_it_wakes_up(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            backend_process() as (process, port),
            gateway(tmp_path, f"ws://127.0.0.1:{port}", backend=IMPATIENT) as node,
            connect(f"{node.url}/CP1", subprotocols=["ocpp1.6"], proxy=None) as socket,
        ):
            await socket.send(HEARTBEAT)
            await socket.recv()
            process.send_signal(signal.SIGSTOP)
            await socket.send(START)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1013
            await assert_refused_for_now(node)
            process.send_signal(signal.SIGCONT)
            await assert_served_again(node)

    run(test)


def test_a_killed_backend_closes_the_charger_and_serves_it_again_when_it_is_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend_process() as (process, port):
            url = f"ws://127.0.0.1:{port}"
            async with gateway(tmp_path, url, backend=IMPATIENT) as node:
                async with connect(f"{node.url}/CP1", subprotocols=["ocpp1.6"], proxy=None) as socket:
                    await socket.send(HEARTBEAT)
                    await socket.recv()
                    process.kill()
                    with pytest.raises(ConnectionClosed):
                        await socket.recv()
                await assert_refused_for_now(node)
                async with backend_process(port):
                    await assert_served_again(node)

    run(test)


SHORT_PINGS = "ping_interval_s = 0.3\npong_timeout_s = 0.3"


def test_a_charger_that_vanished_without_a_word_is_noticed(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, listen=SHORT_PINGS) as node:
            vanished = await handshake(node.url, "/CP1")  # answers no ping
            link = await cpms.peer("CP1")
            async with charger(f"{node.url}/CP2", "ocpp1.6") as other:
                await until(lambda: link.closed, "close of the backend link")
                await other.call("Heartbeat")
            vanished.hang_up()

    run(test)


def test_a_silent_charger_that_answers_pings_stays(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, listen=SHORT_PINGS) as node:
            dead = await handshake(node.url, "/DEAD")
            dead_link = await cpms.peer("DEAD")
            async with charger(f"{node.url}/CP1", "ocpp1.6") as silent:
                await until(lambda: dead_link.closed, "close of the link of the dead one")
                await silent.call("Heartbeat")
                assert len(cpms.peers["CP1"]) == 1
            dead.hang_up()

    run(test)


QUICK_PROBE = "duplicate_probe_s = 0.5"


def basic(charger_id: str) -> str:
    return "Basic " + base64.b64encode(f"{charger_id}:a-long-enough-password".encode()).decode()


def test_a_second_connection_of_a_living_charger_without_credentials_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url, listen=QUICK_PROBE) as node,
            charger(f"{node.url}/CP1", "ocpp1.6") as first,
        ):
            await first.call("Heartbeat")
            second = await handshake(node.url, "/CP1")
            assert second.status == 409
            assert len(second.text.strip().splitlines()) == 1
            await first.call("Heartbeat")
            assert len(cpms.peers["CP1"]) == 1

    run(test)


def test_the_case_of_an_id_makes_no_second_charger(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url, listen=QUICK_PROBE) as node,
            charger(f"{node.url}/CP1", "ocpp1.6") as first,
        ):
            await first.call("Heartbeat")
            assert (await handshake(node.url, "/cp1")).status == 409

    run(test)


def test_a_charger_whose_old_connection_is_dead_gets_in(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, listen=QUICK_PROBE) as node:
            dead = await handshake(node.url, "/CP1")
            first_link = await cpms.peer("CP1")
            async with charger(f"{node.url}/CP1", "ocpp1.6") as back:
                await back.call("Heartbeat")
                await until(lambda: first_link.closed, "close of the old link")
                second_link = await cpms.peer("CP1", 1)
                dead.hang_up()  # the late end of the old socket must not touch the new session
                await back.call("Heartbeat")
                assert len(second_link.wire.received) == 2

    run(test)


def test_with_credentials_the_newest_connection_wins(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url, listen=QUICK_PROBE) as node,
            charger(f"{node.url}/CP1", "ocpp1.6", authorization=basic("CP1")) as first,
        ):
            await first.call("Heartbeat")
            async with charger(f"{node.url}/CP1", "ocpp1.6", authorization=basic("CP1")) as second:
                await second.call("Heartbeat")
                await until(lambda: first.closed, "close of the first connection")
                link = await cpms.peer("CP1", 1)
                assert second.wire.sent == link.wire.received

    run(test)


def test_two_chargers_that_fight_for_an_id_are_stopped_from_swapping(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, listen=QUICK_PROBE) as node:
            refused = 0
            async with asyncio.TaskGroup() as group:
                leave = asyncio.Event()

                async def stay() -> None:
                    nonlocal refused
                    try:
                        async with charger(f"{node.url}/CP1", "ocpp1.6", authorization=basic("CP1")) as peer:
                            await peer.call("Heartbeat")
                            arrived.set()
                            await leave.wait()
                    except Exception as error:  # websockets raises InvalidStatus for a refused handshake
                        assert "rejected" in str(error), error
                        refused += 1
                        arrived.set()

                for _ in range(6):
                    arrived = asyncio.Event()
                    group.create_task(stay())
                    await arrived.wait()
                leave.set()
            assert refused >= 2
            assert len(cpms.peers["CP1"]) <= 4

    run(test)


def test_an_answer_for_the_old_connection_does_not_reach_the_new_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, listen=QUICK_PROBE) as node:
            old = await handshake(node.url, "/CP1", Authorization=basic("CP1"))
            old_link = await cpms.peer("CP1")
            async with charger(f"{node.url}/CP1", "ocpp1.6", authorization=basic("CP1")) as new:
                await cpms.peer("CP1", 1)
                with suppress(ConnectionClosed):
                    await old_link.wire.send('[3,"late",{}]')
                await new.call("Heartbeat")
                assert [frame for frame in new.wire.received if '"late"' in str(frame)] == []
            old.hang_up()

    run(test)
