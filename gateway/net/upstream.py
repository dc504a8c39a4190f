"""One backend as the node uses it: its links, when lost ones are dialled again, its pace, its outages."""

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from gateway import config as settings
from gateway.net.archive import Archive
from gateway.net.backend import Backend
from gateway.net.limits import session_settings
from gateway.net.link import Link
from gateway.net.pacer import Pacer
from gateway.net.relinker import STABLE_S, Relinker
from gateway.net.sweeper import tell_each
from gateway.net.tasks import spawn
from gateway.net.unasked import Unasked
from gateway.observe import log
from gateway.observe.outages import Outages, left_open
from gateway.session import events as ev

if TYPE_CHECKING:
    from gateway.net.driver import Driver
    from gateway.net.fleet import Fleet

DOUBTS = 5
DOUBT_S = 30.0


class Upstream:
    """A backend of `fleet`, by the name that its configuration gives it."""

    def __init__(self, fleet: "Fleet", config: settings.Backend) -> None:
        self.config = config
        self.name = config.name
        self.links = Backend(config)
        self.links.on_change = self._changed
        self.relinker = Relinker(fleet, self)
        self.outages = Outages(fleet.archive.store if fleet.archive else None, config.name, fleet.clock)
        outage = fleet.config.outage
        later = asyncio.get_running_loop().call_later
        self.pacer = Pacer(outage.messages_per_s, outage.chargers_at_once, later)
        self.unasked = Unasked(later, self._floods)
        self._fleet = fleet
        self._doubts: deque[float] = deque(maxlen=DOUBTS)
        self.apply(config)

    def apply(self, config: settings.Backend) -> None:
        """Take what a reload can change."""
        fleet, outage = self._fleet, self._fleet.config.outage
        self.config = config
        self.pacer.per_s, self.pacer.at_once = outage.messages_per_s, outage.chargers_at_once
        buffers = fleet.archive is not None and config.when_away == "buffer"
        self.session_settings = session_settings(fleet.config, config, buffers)

    def drivers(self) -> list["Driver"]:
        """The drivers of all its chargers."""
        return [driver for driver in self._fleet.everyone() if driver.upstream is self]

    async def look(self) -> None:
        """After a start: see whether it is there, which is the end of an outage that was left open."""
        await self.links.check()
        if not self.links.is_away:
            self.outages.end()

    def link_closed(self, driver: "Driver", link: Link, code: int) -> None:
        """Whether this link was of any use; the session has not heard of its end yet."""
        refusals = self.links.refusals
        if driver.session.backend.received:
            refusals.clear()
        elif not link.is_ended_here and monotonic() - driver.linked_at < STABLE_S:
            refusals.add(f"it closes links before it has said anything (code {code})")

    def _is_heard(self) -> bool:
        return any(driver.backend and driver.session.backend.received for driver in self.drivers())

    def doubt(self, reason: str) -> None:
        """A session hears nothing. Without a buffer the first doubt counts; with one, several at a time."""
        if self.links.is_away:
            return  # all have heard of it
        now = monotonic()
        self._doubts.append(now)
        lately = sum(1 for at in self._doubts if now - at < DOUBT_S)
        if (
            self.session_settings.buffer is None
            or lately >= DOUBTS
            or lately >= sum(driver.backend is not None for driver in self.drivers())
        ):
            self._doubts.clear()
            self.links.doubt(reason)
            self._tell_away([driver for driver in self.drivers() if driver.backend is not None])

    def _changed(self, is_away: bool, reason: str) -> None:
        if not is_away:
            self.outages.end()
        elif self.session_settings.buffer is not None:
            self.outages.begin(reason)
            self._tell_away([driver for driver in self.drivers() if driver.backend is None])

    def _tell_away(self, drivers: list["Driver"]) -> None:
        def concerns(driver: "Driver") -> bool:
            return self.links.state != "up" and self._fleet.has(driver)

        spawn(tell_each(drivers, ev.BackendAway(), concerns), f"the backend {self.name} is away")

    def _floods(self) -> None:
        log.event("warning", "backend-flooding", backend=self.name)

    def sweep(self, now: float) -> None:
        self.links.sweep(now)
        self.links.refusals.sweep(now, self._is_heard)
        self.relinker.sweep(now)
        self.outages.sweep(now)


def resume_outages(upstreams: dict[str, Upstream], archive: Archive, now: float) -> None:
    """Go on with the records that an earlier run left open."""
    buffered = [name for name, one in upstreams.items() if one.session_settings.buffer is not None]
    for name, record in left_open(archive.store, archive.outages, buffered, now).items():
        upstreams[name].outages.resume(record, archive.owed(name))
