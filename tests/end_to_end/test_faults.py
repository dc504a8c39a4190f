"""What is wrong with a frame is flagged or refused, harms no other charger, and never stops the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from conversations import ANSWERS
from peers import Backend, Gateway, Peer, backend, charger, gateway, run, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

MIB = 2**20
HEARTBEAT = '[2,"after","Heartbeat",{}]'


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[Backend, Gateway, ClientConnection]]:
    """A gateway with one faulty charger; beside it lives another one that must not notice anything."""
    async with (
        backend(ANSWERS) as cpms,
        gateway(folder, cpms.url) as node,
        charger(f"{node.url}/GOOD", "ocpp1.6") as good,
        connect(
            f"{node.url}/BAD", subprotocols=["ocpp1.6"], compression=None, proxy=None, max_size=None
        ) as bad,
    ):
        yield cpms, node, bad
        await assert_undisturbed(good)


async def assert_undisturbed(good: Peer) -> None:
    await good.call("Heartbeat")
    assert not good.closed


async def answer_of(socket: ClientConnection, message_id: str) -> list[object]:
    """The answer with this id; others before it are passed over."""
    async with asyncio.timeout(10):
        while True:
            frame = json.loads(await socket.recv())
            if frame[1] == message_id:
                assert isinstance(frame, list)
                return frame


UNREADABLE = {
    "modem": b"AT+CSQ",
    "not-an-array": b'{"hello":"world"}',
    "a-call-cut-short": b'[2,"cut","MeterValues",{"connectorId":1,"meterVal',
    "unknown-type": b'[9,"nine","Heartbeat",{}]',
    "deeply-nested": b'[2,"deep","DataTransfer",{"vendorId":"v","data":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}]",
    "null-bytes": b"\x00\x00\x00",
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE)
def test_a_frame_of_which_nothing_can_be_made_is_flagged_and_the_connection_lives_on(
    raw: bytes, tmp_path: Path
) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (cpms, node, bad):
            await bad.send(raw, text=True)
            await until(node.flags, "a flag")
            await bad.send(HEARTBEAT)
            assert (await answer_of(bad, "after"))[0] == 3
            link = await cpms.peer("BAD")
            assert link.wire.received == [HEARTBEAT]

    run(test)


ANSWERED = {
    "schema-broken": b'[2,"odd","StatusNotification",{"connectorId":"one","errorCode":"NoError"}]',
    "unknown-action": b'[2,"odd","FlyToTheMoon",{"when":"now"}]',
    "invalid-utf8": b'[2,"odd","DataTransfer",{"vendorId":"caf\xe9"}]',
    "payload-null": b'[2,"odd","Heartbeat",null]',
}


@pytest.mark.parametrize("raw", ANSWERED.values(), ids=ANSWERED)
def test_a_wrong_call_is_flagged_and_answered(raw: bytes, tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (_, node, bad):
            await bad.send(raw, text=True)
            assert (await answer_of(bad, "odd"))[0] in (3, 4)
            await until(node.flags, "a flag")
            await bad.send(HEARTBEAT)
            assert (await answer_of(bad, "after"))[0] == 3

    run(test)


def test_a_binary_frame_with_ocpp_in_it_is_taken_as_text_and_flagged(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (cpms, node, bad):
            await bad.send(HEARTBEAT.encode())
            assert (await answer_of(bad, "after"))[0] == 3
            assert (await cpms.peer("BAD")).wire.received == [HEARTBEAT]
            assert "binary-frame" in await node.flags()

    run(test)


def test_a_message_in_fragments_arrives_whole(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (cpms, _, bad):
            await bad.send([HEARTBEAT[:7], HEARTBEAT[7:15], HEARTBEAT[15:]])
            assert (await answer_of(bad, "after"))[0] == 3
            assert (await cpms.peer("BAD")).wire.received == [HEARTBEAT]

    run(test)


def data_transfer(size: int) -> str:
    """A CALL of exactly `size` bytes."""
    head, tail = '[2,"big","DataTransfer",{"vendorId":"v","data":"', '"}]'
    return head + "x" * (size - len(head) - len(tail)) + tail


def test_a_message_of_one_mebibyte_passes(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (cpms, _, bad):
            call = data_transfer(MIB)
            await bad.send(call)
            assert (await answer_of(bad, "big"))[0] == 3
            assert (await cpms.peer("BAD")).wire.received == [call]

    run(test)


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_larger_message_is_refused_with_1009(fragmented: bool, tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (cpms, _, bad):
            call = data_transfer(MIB + 1)
            with pytest.raises(ConnectionClosed):
                await bad.send([call[:MIB], call[MIB:]] if fragmented else call)
                await bad.recv()
            await bad.wait_closed()
            assert bad.close_code == 1009
            link = await cpms.peer("BAD")
            await until(lambda: link.closed, "close of the backend link")
            assert link.wire.received == []

    run(test)


def test_calls_sent_at_once_reach_the_backend_one_at_a_time_and_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (cpms, _, bad):
            calls = [f'[2,"n{number}","Heartbeat",{{}}]' for number in range(20)]
            for call in calls:
                await bad.send(call)
            answers = [json.loads(await bad.recv())[1] for _ in calls]
            assert answers == [f"n{number}" for number in range(20)]
            assert (await cpms.peer("BAD")).wire.received == calls

    run(test)


def test_an_answer_to_nothing_is_not_forwarded(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as (cpms, node, bad):
            await bad.send('[3,"never-asked",{}]')
            await until(node.flags, "a flag")
            await bad.send(HEARTBEAT)
            await answer_of(bad, "after")
            assert (await cpms.peer("BAD")).wire.received == [HEARTBEAT]

    run(test)
