"""What a backend that follows says unasked: its share of the time, turns, and that nothing of it is lost."""

from collections.abc import Callable
from functools import partial

import pytest

from gateway.net import unasked
from gateway.net.unasked import (
    BURST_S,
    CALM_S,
    FLOOD_MESSAGES,
    FLOOD_S,
    ROUND_S,
    SHARE,
    TOLD_EVERY_S,
    Unasked,
)

COST_S = 0.001


class Link:
    """What `Unasked` needs of one."""

    def __init__(self) -> None:
        self.is_read = True

    def stop_reading(self) -> None:
        self.is_read = False

    def narrow(self) -> None:
        """Nothing is sent here."""

    def read_on(self) -> None:
        self.is_read = True


class Desk:
    """A backend's share with a clock of its own; each message takes `COST_S`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.told = 0
        self.done: list[tuple[Link, int]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr(unasked, "monotonic", lambda: self.now)
        self.share = Unasked(lambda after_s, task: self.later.append((self.now + after_s, task)), self._tell)

    def _tell(self) -> None:
        self.told += 1

    def take(self, link: Link, number: int) -> None:
        self.now += COST_S
        self.done.append((link, number))

    def say(self, link: Link, number: int) -> None:
        """The backend says something unasked on this link."""
        if self.share.held or self.now < self.share.over_until:
            self.share.hold(link, partial(self.take, link, number))  # type: ignore[arg-type]
            return
        began = self.now
        self.take(link, number)
        self.share.spent(began)

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.later and self.later[0][0] <= until:
            at, task = self.later.pop(0)
            self.now = max(self.now, at)
            task()
        self.now = until


def test_a_flood_gets_its_share_and_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, links = Desk(monkeypatch), [Link() for _ in range(3)]
    for number in range(100):
        for link in links:
            desk.say(link, number)
    assert len(desk.done) <= 1 + BURST_S / COST_S
    assert not any(link.is_read for link in links)
    before = len(desk.done)
    desk.run(2.0)
    allowed = 2.0 * SHARE / COST_S
    assert 0.5 * allowed <= len(desk.done) - before <= allowed + 1
    desk.run(300 * COST_S / SHARE + 100 * ROUND_S)
    assert all(link.is_read for link in links)
    assert not desk.share.held
    for link in links:
        assert [number for of, number in desk.done if of is link] == list(range(100))


def test_links_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, loud, quiet = Desk(monkeypatch), Link(), Link()
    for number in range(1000):
        desk.say(loud, number)
    desk.say(quiet, 0)
    desk.run(10 * COST_S / SHARE)
    assert (quiet, 0) in desk.done
    assert quiet.is_read
    assert not loud.is_read


def test_what_is_within_the_share_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, link = Desk(monkeypatch), Link()
    for number in range(200):
        desk.say(link, number)
        desk.run(2 * COST_S / SHARE)
    assert len(desk.done) == 200
    assert desk.told == 0


def test_a_flood_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, link = Desk(monkeypatch), Link()
    for _ in range(5):
        for number in range(2 * FLOOD_MESSAGES):
            desk.say(link, number)
        desk.run(2 * FLOOD_S)
    assert desk.told == 1
    desk.run(TOLD_EVERY_S)
    for number in range(2 * FLOOD_MESSAGES):
        desk.say(link, number)
    desk.run(2 * FLOOD_S)
    assert desk.told == 2


def test_a_slow_command_for_each_charger_that_comes_is_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, links = Desk(monkeypatch), [Link() for _ in range(6)]
    for number in range(3):
        for link in links:
            desk.now += 0.1 * (number == 0)  # the first of its kind on a slow machine
            desk.share.spent(desk.now - 0.1 * (number == 0))
            desk.say(link, number)
    assert desk.share.held
    desk.run(60.0)
    assert not desk.share.held
    assert desk.told == 0


def test_commands_now_and_then_add_up_to_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, link = Desk(monkeypatch), Link()
    for _ in range(FLOOD_MESSAGES):
        for number in range(5):
            desk.say(link, number)
        desk.run(CALM_S + 1.0)
    assert desk.told == 0
