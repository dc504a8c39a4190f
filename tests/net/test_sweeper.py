"""What is due for many chargers at once is done in slices, those that lead first, and nothing ends it."""

import asyncio
from itertools import pairwise
from types import SimpleNamespace

import pytest
from world import backend, node, run, until

from gateway.net import driver as module_of_drivers
from gateway.net import sweeper as module
from gateway.net.sweeper import Slices, Sweeper, tell_each
from gateway.net.tasks import spawn
from gateway.session import events as ev


class Driver:
    """A driver that writes down what it is told, and takes `lasts_s` of `clock` for it."""

    def __init__(self, name, log, clock, follows=False, due=0.0, lasts_s=0.001):
        self.name, self.log, self.clock, self.lasts_s = name, log, clock, lasts_s
        self.session = SimpleNamespace(follows=follows)
        self.due = due

    def tell(self, event):
        self.log.append(self.name)
        self.clock.now += self.lasts_s
        if self.name == "broken":
            raise RuntimeError("an error of ours")


class Clock:
    """A clock that only moves when work is done or somebody sleeps; `slept` are the pauses."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.slept = []
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=self.sleep, Task=asyncio.Task))

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_those_that_lead_are_told_first_and_those_that_follow_get_little_time(clock):
    log = []
    drivers = [Driver(name, log, clock, follows=name.islower()) for name in "aAbB"]
    run(lambda: tell_each(drivers, ev.BackendAway(), lambda _: True))
    assert log == ["A", "B", "a", "b"]
    assert clock.slept == pytest.approx([0.001, 0.001, 0.009, 0.009])


def test_nobody_is_told_what_is_so_no_more(clock):
    log = []
    drivers = [Driver(name, log, clock) for name in "abcd"]
    run(lambda: tell_each(drivers, ev.BackendAway(), lambda _: len(log) < 2))
    assert log == ["a", "b"]


def test_small_pieces_are_done_in_one_slice(clock):
    async def test():
        slices = Slices(0.5)
        for _ in range(12):
            clock.now += 0.0001
            await slices.between()

    run(test)
    assert clock.slept == pytest.approx([0.0002] * 6)


def fleet_of(drivers, followers=()):
    party = SimpleNamespace(following=list(followers))
    return SimpleNamespace(
        drivers={driver.name: driver for driver in drivers},
        parties={"CP1": party},
        has=lambda driver: driver.name != "gone",
        sweep=lambda now, used: None,
    )


def test_only_those_whose_time_has_come_are_told_and_only_if_they_are_still_there(clock):
    log = []
    names = {"late": 99.0, "now": 100.0, "later": 100.5, "gone": 99.0}
    drivers = [Driver(name, log, clock, due=due) for name, due in names.items()]
    run(lambda: Sweeper(fleet_of(drivers))._leading())
    assert log == ["late", "now"]


def test_messages_pass_between_the_deadlines_of_many(clock):
    log = []
    drivers = [Driver(str(number), log, clock, due=99.0) for number in range(50)]

    async def test():
        sweep = spawn(Sweeper(fleet_of(drivers))._leading(), "sweep")
        passed = []
        while not sweep.done():
            passed.append(len(log))
            await asyncio.sleep(0)
        assert max(b - a for a, b in pairwise(passed)) == 1

    run(test)
    assert len(log) == 50


def test_an_error_of_ours_is_not_the_end_of_all_deadlines(monkeypatch):
    monkeypatch.setattr(module, "SWEEP_S", 0.001)
    log, clock = [], SimpleNamespace(now=0.0)
    fleet = fleet_of([Driver("broken", log, clock)], [Driver("follower", log, clock, follows=True)])

    async def test():
        sweeper = Sweeper(fleet)
        sweeper.start()
        await until(lambda: log.count("broken") > 2 and log.count("follower") > 2, "deadlines go on")
        sweeper.stop()
        await asyncio.sleep(0)
        told = len(log)
        await asyncio.sleep(0.01)
        assert len(log) == told

    run(test)


def test_all_chargers_hear_once_that_a_backend_is_in_doubt(monkeypatch):
    told = []
    tell = module_of_drivers.Driver.tell

    def written_down(driver, event):
        if isinstance(event, ev.BackendAway):
            told.append(driver.charger_id)
        tell(driver, event)

    monkeypatch.setattr(module_of_drivers.Driver, "tell", written_down)

    async def test():
        async with backend() as stub, node(stub.url) as here:
            for number in range(8):
                await here.charger(f"/CP{number}")
            for _ in range(50):
                here.fleet.main.doubt("silence")
            await until(lambda: len(told) >= 8, "all have heard")
            await asyncio.sleep(0.05)
            assert sorted(told) == [f"CP{number}" for number in range(8)]

    run(test)
