"""Looking after what time brings, for all chargers, without keeping any of them waiting.

What is due for many at once (a backend that freezes is given up by all its sessions in the same moment) would
hold up every message for as long as it takes. So it is done in slices, and messages pass in between. The
sessions that lead get half of the node's time for it if need be; those that follow get little, for nobody
waits for them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic, process_time
from typing import TYPE_CHECKING

from gateway.net.busy import Core
from gateway.net.tasks import spawn
from gateway.observe import log
from gateway.session import events as ev

if TYPE_CHECKING:
    from gateway.net.driver import Driver
    from gateway.net.fleet import Fleet

SWEEP_S = 0.25
SLICE_S = 0.0002
LOOKED_AT_ONCE = 64
LEADING_SHARE = 0.5
FOLLOWING_SHARE = 0.1


class Slices:
    """Work that is to take no more than `share` of the node's time, in slices of `SLICE_S`."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._began = monotonic()

    async def between(self) -> None:
        """A piece of the work is done: let others work if it was enough for now."""
        spent = monotonic() - self._began
        if spent >= SLICE_S:
            await asyncio.sleep(spent / self._share - spent)
            self._began = monotonic()


async def tell_each(drivers: list["Driver"], event: ev.Event, concerns: Callable[["Driver"], bool]) -> None:
    """Tell the sessions of these drivers what has happened, if it concerns them still; leaders first."""
    for follows, share in ((False, LEADING_SHARE), (True, FOLLOWING_SHARE)):
        slices = Slices(share)
        for driver in drivers:
            if driver.session.follows is follows and concerns(driver):
                driver.tell(event)
                await slices.between()


class Sweeper:
    """Tells the sessions of `fleet` that time has passed, and its other parts too."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet
        self._core = Core()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for look_after in (self._node, self._leading, self._following):
            self._tasks.append(spawn(_again_and_again(look_after), f"deadlines: {look_after.__name__}"))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _node(self) -> None:
        now = monotonic()
        self._fleet.sweep(now, self._core.used(now, process_time()))

    async def _leading(self) -> None:
        await self._tell_due(list(self._fleet.drivers.values()), LEADING_SHARE)

    async def _following(self) -> None:
        parties = self._fleet.parties.values()
        await self._tell_due([one for party in parties for one in party.following], FOLLOWING_SHARE)

    async def _tell_due(self, drivers: list["Driver"], share: float) -> None:
        slices, now = Slices(share), monotonic()
        for number, driver in enumerate(drivers):
            if driver.due <= now and self._fleet.has(driver):
                driver.tell(ev.TimePassed())
            elif number % LOOKED_AT_ONCE:
                continue
            await slices.between()


async def _again_and_again(look_after: Callable[[], Awaitable[None]]) -> None:
    """An error of ours must not be the end of all deadlines."""
    while True:
        try:
            await look_after()
        except Exception as error:
            log.event("error", "sweep-failed", error=repr(error))
        await asyncio.sleep(SWEEP_S)
