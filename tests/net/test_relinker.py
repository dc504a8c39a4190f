"""A backend that may not be there is tried with a few links; one that is there gets the rest."""

import asyncio
from types import SimpleNamespace

from world import run

from gateway.net import relinker as module
from gateway.net.backend import BackendAway
from gateway.net.relinker import DIALS_AT_ONCE, TRIED_AT_ONCE, Relinker
from gateway.ocpp.message import Version

MANY = 100


class Links:
    """A backend's links: those who dial wait until it is told what becomes of them."""

    is_away = False

    def __init__(self):
        self.dialling = []

    async def connect(self, offer, link):
        outcome = asyncio.get_running_loop().create_future()
        self.dialling.append(outcome)
        if not await outcome:
            raise BackendAway("nobody there", 1.0)

    async def all_end(self, well):
        ended, self.dialling = self.dialling, []
        for outcome in ended:
            outcome.set_result(well)
        for _ in range(5):
            await asyncio.sleep(0)
        return len(ended)


class Driver(SimpleNamespace):
    __hash__ = object.__hash__


def driver(number):
    buffer = SimpleNamespace(owes=False, settings=SimpleNamespace(delivers_for_absent=False))
    return Driver(
        key=f"cp{number}",
        session=SimpleNamespace(buffer=buffer),
        is_arriving=False,
        serves_charger=True,
        is_wanted=False,
        backend=None,
        version=Version.V16,
        backend_version=Version.V16,
        offer=SimpleNamespace(versions=()),
        linked_at=0.0,
        redial_s=0.0,
        redial_at=0.0,
        tell=lambda event: None,
    )


def relinker(links):
    fleet = SimpleNamespace(is_closing=False, has=lambda driver: True, backend_link=lambda driver: None)
    config = SimpleNamespace(reconnect_min_s=1.0, reconnect_max_s=1.0)
    return Relinker(fleet, SimpleNamespace(links=links, config=config, name="backend"))


async def sweep(one, at):
    one.sweep(at)
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_backend_that_may_not_be_there_is_tried_with_a_few_links(monkeypatch):
    monkeypatch.setattr(module.structs, "replace", lambda offer, **changes: offer)
    monkeypatch.setattr(module, "monotonic", lambda: 0.0)

    async def test():
        links = Links()
        one = relinker(links)
        for number in range(MANY):
            one.want(driver(number))
        for at in (10.0, 11.0):
            await sweep(one, at)
            assert len(links.dialling) == TRIED_AT_ONCE
        await links.all_end(well=False)
        await sweep(one, 12.0)
        assert await links.all_end(well=True) == TRIED_AT_ONCE
        await sweep(one, 13.0)
        assert await links.all_end(well=True) == DIALS_AT_ONCE
        one.want(driver(MANY))  # a link is lost again
        await sweep(one, 14.0)
        assert len(links.dialling) == TRIED_AT_ONCE
        await links.all_end(well=True)

    run(test)
