"""Messages that are gathered: none is lost, none overtakes another, and none takes others down with it."""

import asyncio
from types import SimpleNamespace

import pytest
from picows import WSMsgType
from world import close, run, text, until, world

from gateway.net import bundle as module
from gateway.net.bundle import GATHERS_FROM, Bundle
from gateway.net.link import Link, LinkLimits
from gateway.ocpp.message import Sender


class Owner:
    """Writes down what it is told, and sends every message on to `onward`."""

    def __init__(self):
        self.told = []
        self.onward = None

    def takes(self, end):
        return self.frame

    def frame(self, epoch, data, binary):
        self.told.append(data)
        if data == b"bad":
            raise RuntimeError("an error of ours")
        if data == b"close":
            self.onward.close(1000)
        elif self.onward is not None:
            self.onward.send(data)

    def link_opened(self, link):
        self.told.append("opened")

    def link_closed(self, link, code):
        self.told.append("closed")

    def link_ponged(self, link):
        self.told.append("ponged")


class Transport:
    """A socket that writes down what is sent."""

    is_close_frame_sent = is_disconnected = False
    close_handshake = None

    def __init__(self):
        self.sent = []
        self.underlying_transport = SimpleNamespace(set_write_buffer_limits=lambda _: None)

    def send(self, kind, data):
        if data == b"unsendable":
            raise OSError("broken")
        self.sent.append(data)

    def send_close(self, code, reason=b""):
        self.sent.append("close")

    def disconnect(self, graceful=True):
        self.sent.append("cut")


def said(data, kind=WSMsgType.TEXT):
    return SimpleNamespace(
        msg_type=kind, fin=True, rsv1=False, rsv2=False, rsv3=False, get_payload_as_bytes=lambda: data
    )


def links(bundle, count):
    """As many links, opened, each with an owner and a socket of its own."""
    made = []
    for epoch in range(count):
        owner, transport = Owner(), Transport()
        link = Link(owner, Sender.CHARGER, epoch, LinkLimits(bytes=1000), bundle)
        link.on_ws_connected(transport)
        owner.told.clear()
        made.append((link, owner, transport))
    return made


def in_a_loop(test):
    """Run `test(bundle)` where a loop runs, with a bundle that gathers."""

    async def inside():
        bundle = Bundle()
        bundle.look(GATHERS_FROM)
        test(bundle)
        await asyncio.sleep(0)

    run(inside)


@pytest.mark.parametrize(
    ("used", "gathers"), [(0.0, False), (GATHERS_FROM - 0.01, False), (GATHERS_FROM, True)]
)
def test_messages_are_gathered_where_there_is_much_to_do(used, gathers):
    bundle = Bundle()
    bundle.look(used)
    assert bundle.gathers is gathers


def test_with_little_to_do_a_message_goes_through_at_once():
    def test(bundle):
        bundle.look(0.0)
        ((one, owner, sent),) = links(bundle, 1)
        owner.onward = one
        one.on_ws_frame(sent, said(b"now"))
        assert owner.told == sent.sent == [b"now"]

    in_a_loop(test)


def test_what_was_gathered_is_worked_through_at_the_end_of_the_turn():
    async def test():
        bundle = Bundle()
        bundle.look(1.0)
        ((one, owner, sent),) = links(bundle, 1)
        for data in (b"a", b"b"):
            one.on_ws_frame(sent, said(data))
        assert owner.told == []
        await asyncio.sleep(0)
        assert owner.told == [b"a", b"b"]
        one.on_ws_frame(sent, said(b"c"))
        await asyncio.sleep(0)
        assert owner.told == [b"a", b"b", b"c"]

    run(test)


def test_nothing_overtakes_what_was_gathered_when_there_is_little_to_do_again():
    def test(bundle):
        ((one, owner, sent),) = links(bundle, 1)
        one.on_ws_frame(sent, said(b"a"))
        bundle.look(0.0)
        one.on_ws_frame(sent, said(b"b"))
        assert owner.told == [b"a", b"b"]

    in_a_loop(test)


def test_all_is_worked_through_before_anything_is_sent():
    def test(bundle):
        (one, told, wire), (other, also_told, other_wire) = links(bundle, 2)
        told.onward, also_told.onward = other, one
        also_told.told = wire.sent = other_wire.sent = told.told
        one.on_ws_frame(wire, said(b"1"))
        other.on_ws_frame(other_wire, said(b"2"))
        one.on_ws_frame(wire, said(b"3"))
        bundle.work()
        assert told.told == [b"1", b"2", b"3"] * 2

    in_a_loop(test)


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda link, transport: link.on_ws_disconnected(transport), "closed"),
        (lambda link, transport: link.on_ws_frame(transport, said(b"", WSMsgType.PONG)), "ponged"),
        (lambda link, transport: link.on_ws_connected(transport), "opened"),
    ],
    ids=["it closes", "it answers a ping", "it opens"],
)
def test_whatever_else_happens_waits_for_the_messages_before_it(happens, told):
    def test(bundle):
        ((one, owner, wire),) = links(bundle, 1)
        one.on_ws_frame(wire, said(b"last words"))
        happens(one, wire)
        assert owner.told == [b"last words", told]

    in_a_loop(test)


def test_a_link_is_closed_after_what_was_to_be_sent_on_it():
    def test(bundle):
        (one, told, wire), (other, also_told, other_wire) = links(bundle, 2)
        told.onward = also_told.onward = other
        for data in (b"1", b"close", b"after"):
            one.on_ws_frame(wire, said(data))
        bundle.work()
        assert other_wire.sent[:2] == [b"1", "close"]

    in_a_loop(test)


def test_an_error_ends_its_own_link_and_nothing_else():
    def test(bundle):
        (one, told, wire), (other, also_told, other_wire) = links(bundle, 2)
        told.onward, also_told.onward = one, other
        one.on_ws_frame(wire, said(b"bad"))
        one.on_ws_frame(wire, said(b"unsendable"))
        other.on_ws_frame(other_wire, said(b"good"))
        bundle.work()
        assert (wire.sent, other_wire.sent) == (["cut", "cut"], [b"good"])
        assert not bundle.is_at_work

    in_a_loop(test)


def test_messages_before_a_close_reach_the_backend_and_their_answers_the_charger(monkeypatch):
    monkeypatch.setattr(module, "GATHERS_FROM", 0.0)

    async def test():
        async with world() as (stub, here):
            wire = await here.charger()
            calls = [f'[2,"m{i}","Heartbeat",{{}}]'.encode() for i in range(20)]
            for i, call in enumerate(calls):
                wire.send(text(call))
                assert (await wire.text()).startswith(b'[3, "m%d"' % i)
            wire.send(text(b'[2,"last","Heartbeat",{}]') + close(1000))
            await wire.ended()
            await until(lambda: len(stub.received["CP1"]) == 21, "all of them")
            assert stub.received["CP1"][:20] == calls

    run(test)
