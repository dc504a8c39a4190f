"""One connection beyond its frames: who does not answer a close, does not read, or must not be read."""

from types import SimpleNamespace

import pytest
from world import backend, node, run, text, until, world

from gateway.net import link as module
from gateway.net.bundle import Bundle
from gateway.net.link import Link, LinkLimits
from gateway.ocpp.message import Sender

pytestmark = pytest.mark.usefixtures("each_way")


def test_a_charger_that_does_not_answer_a_close_is_cut_off(monkeypatch):
    monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 0.05)

    async def test():
        async with world() as (stub, here):
            wire = await here.charger()
            await (await stub.link("CP1")).close(1001)
            await wire.ended()
            await here.gone("CP1")

    run(test)


def test_a_charger_that_must_wait_is_not_read_until_it_may_go_on():
    async def test():
        async with backend(mute=True) as stub, node(stub.url, limits={"waiting_calls": 1}) as here:
            wire = await here.charger()
            for i in range(3):
                wire.send(text(f'[2,"m{i}","Heartbeat",{{}}]'.encode()))
            reading = here.driver("CP1").charger.transport.underlying_transport.is_reading
            await until(lambda: not reading(), "it waits")
            answer = '[3,"m%d",{"currentTime":"2026-11-21T08:00:00Z"}]'
            for i in range(3):
                await until(lambda i=i: len(stub.received["CP1"]) == i + 1, f"CALL {i}")
                await stub.links["CP1"][0].send(answer % i)
            for i in range(3):
                assert await wire.text() == (answer % i).encode()
            assert reading()

    run(test)


@pytest.mark.parametrize(("waiting", "congested"), [(0, False), (10, False), (11, True)])
def test_a_connection_is_congested_above_its_limit(waiting, congested):
    owner = SimpleNamespace(takes=lambda end: None)
    link = Link(owner, Sender.CHARGER, 1, LinkLimits(bytes=1000, write_buffer_bytes=10), Bundle())
    assert not link.is_congested()
    below = SimpleNamespace(get_write_buffer_size=lambda: waiting)
    link.transport = SimpleNamespace(is_disconnected=False, underlying_transport=below)
    assert link.is_congested() is congested
    link.transport.is_disconnected = True
    assert not link.is_congested()
