"""All chargers of this node: who is let in, who is connected, and what an operator can see of them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Protocol

from gateway.config import Config, everyone
from gateway.net.archive import Archive
from gateway.net.bundle import Bundle
from gateway.net.busy import MalformedShare
from gateway.net.driver import Driver
from gateway.net.duplicates import Duplicates
from gateway.net.gate import Admission, Gate
from gateway.net.handshake import Offer
from gateway.net.limits import link_limits
from gateway.net.link import Link
from gateway.net.migrations import Migrations
from gateway.net.parking import Parking
from gateway.net.party import Party
from gateway.net.seating import Seating
from gateway.net.sweeper import Sweeper
from gateway.net.tasks import spawn
from gateway.net.upstream import Upstream, resume_outages
from gateway.observe import log
from gateway.ocpp.flags import Flag, gravest
from gateway.ocpp.message import Sender
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.session import ChargerSession
from gateway.session.tally import Tally

FINISH_S = 5.0
LOOK_AGAIN_S = 0.02
REPLACED = 1008
SERVICE_RESTART = 1012


class Keeper(Protocol):
    """Where flags and quarantined messages are kept; returns at once."""

    def keep(
        self, charger: str, session: ChargerSession, flagged: ef.Flagged, done: Callable[[bool], None] | None
    ) -> None:
        """`done(durable)` is called later, once, when it is given and the message is quarantined."""


class Fleet:
    """The chargers of one node, by their registry key.

    A charger is in `drivers` from the moment its handshake is accepted for dialling until both of its
    links are gone, so no second connection can slip in between; with an `archive` it stays there until
    what it has left behind is delivered. One with several backends also has a party in `parties`; its driver
    in `drivers` is then that of the backend that leads. `upstreams` are the backends by name, `main` is the
    one that leads where no route says otherwise.
    """

    def __init__(
        self,
        config: Config,
        tally: Tally,
        keeper: Keeper,
        clock: Callable[[], float],
        archive: Archive | None = None,
    ) -> None:
        self.config = config
        self.tally = tally
        self.archive = archive
        self.clock = clock  # seconds since 1970
        self.upstreams = {name: Upstream(self, backend) for name, backend in everyone(config).items()}
        self.main = self.upstreams[config.backend.name]
        self.parties: dict[str, Party] = {}
        self.drivers: dict[str, Driver] = {}
        self.addresses: Counter[str] = Counter()
        self.is_closing = False
        self.gate = Gate(self)
        self.parking = Parking(self)
        self._keeper = keeper
        self._epochs = 0
        self._duplicates = Duplicates(self)
        self.copies = tally.beside()
        self.migrations = Migrations(self)
        self.seating = Seating(self)
        self._malformed = MalformedShare(config.limits.malformed_per_s)
        self._bundle = Bundle()
        self._ended: dict[str, asyncio.Event] = {}
        self._sweeper = Sweeper(self)
        self.apply(config)
        if archive is not None:
            resume_outages(self.upstreams, archive, clock())

    def apply(self, config: Config) -> None:
        """Take what a reload can change; sockets stay open."""
        self.config = config
        self._malformed.per_s = config.limits.malformed_per_s
        self.charger_limits = link_limits(config.limits, config.limits.charger_message_bytes)
        self.backend_limits = link_limits(config.limits, config.limits.backend_message_bytes)
        for name, backend in everyone(config).items():
            self.upstreams[name].apply(backend)
        if self.archive is not None:
            self.archive.total_bytes = config.outage.total_bytes
        for driver in self.everyone():
            session, settings = driver.session, driver.upstream.session_settings
            session.settings = settings
            if session.buffer is not None and settings.buffer is not None:
                session.buffer.settings = settings.buffer
            if not session.follows:
                session.recall(session.station)
        self.seating.apply(config)

    def everyone(self) -> list[Driver]:
        """Every driver, also those of backends that do not lead."""
        drivers = [driver for driver in self.drivers.values() if driver.party is None]
        return drivers + [driver for party in self.parties.values() for driver in party.drivers.values()]

    def has(self, driver: Driver) -> bool:
        """Whether the driver is one of this fleet's."""
        if driver.party is None:
            return self.drivers.get(driver.key) is driver
        return driver.party.drivers.get(driver.upstream.name) is driver

    # Letting chargers in

    async def admit(self, offer: Offer, address: str) -> Admission:
        """Make room for a charger and open its link to the backend. Raises Refusal."""
        driver = self.drivers.get(offer.registry_key)
        if driver is not None and not driver.is_parked:
            await self._duplicates.settle(offer, address, driver)
        return await self.gate.admit(offer, address)

    def charger_link(self, driver: Driver, deflates: bool) -> Link:
        """A link for a charger that was admitted."""
        driver.is_arriving = False
        return Link(driver, Sender.CHARGER, self._epoch(), self.charger_limits, self._bundle, deflates)

    def backend_link(self, driver: Driver) -> Link:
        """A link to the backend, still to be opened."""
        return Link(driver, Sender.BACKEND, self._epoch(), self.backend_limits, self._bundle)

    def relink(self, driver: Driver) -> None:
        """The driver wants a link to the backend as soon as one can be had."""
        driver.upstream.relinker.want(driver)

    def _epoch(self) -> int:
        self._epochs += 1
        return self._epochs

    async def end(self, key: str, driver: Driver) -> None:
        """Close a charger's connection and wait until it is gone."""
        gone = self._ended.setdefault(key, asyncio.Event())
        if driver.charger is not None:
            driver.charger.close(REPLACED, "replaced by a newer connection")
        await gone.wait()

    # What drivers tell (World)

    def noted(self, driver: Driver, noted: ef.Noted) -> None:
        self.tally.events[noted.name] += 1
        if noted.name == "answered-locally":
            self.tally.answered[noted.detail, driver.session.version.value] += 1
            if driver.begins_to_stand_in():
                name = driver.upstream.name
                log.event("info", "answering-for-backend", charger=driver.charger_id, backend=name)
        fields = {_DETAILS.get(noted.name, "detail"): noted.detail} if noted.detail else {}
        if noted.name == "charger-connected":
            fields["address"] = driver.address
        level = "warning" if noted.is_news else _LEVELS.get(noted.name, "debug")
        if noted.name == "backend-link-closed" and driver.charger is not None:
            level = "info"  # it is why the charger's connection closes next
        log.event(level, noted.name, charger=driver.charger_id, **fields)

    def flagged(self, driver: Driver, flagged: ef.Flagged) -> None:
        worst = gravest(flagged.flags)
        untouched = ", ".join(flag.label for flag in flagged.flags if not flag.applied)
        log.event(
            "debug" if worst == "info" else "warning",
            "message-flagged",
            charger=driver.charger_id,
            sender=flagged.sender.value,
            action=flagged.action,
            flags=", ".join(flag.label for flag in flagged.flags),
            verdict=flagged.verdict.value,
            **({"as_it_came": untouched} if untouched else {}),
        )
        if flagged.sender is Sender.CHARGER and (wait_s := self._malformed.wait_after_one(monotonic())):
            driver.tell(ev.RestWanted(wait_s))
        done = partial(_kept, driver, flagged.number) if flagged.number else None
        self._keeper.keep(driver.charger_id, driver.session, flagged, done)

    def retried(self, driver: Driver, retried: ef.Retried) -> None:
        self.parking.retried(retried)

    def doubt_backend(self, driver: Driver, reason: str) -> None:
        driver.upstream.doubt(reason)

    def store_entry(self, driver: Driver, effect: ef.StoreEntry) -> None:
        assert self.archive is not None
        driver.upstream.outages.stored(driver.key, effect.energy_wh)
        self.archive.store_entry(driver.place, driver, effect)

    def drop_entry(self, driver: Driver, effect: ef.DropEntry) -> None:
        assert self.archive is not None
        if effect.latency_s:
            driver.upstream.pacer.delivered(effect.latency_s)
        self.archive.drop_entry(driver.place, driver, effect)

    def fetch_entries(self, driver: Driver, effect: ef.FetchEntries) -> None:
        assert self.archive is not None
        self.archive.fetch_entries(driver.place, driver, effect)

    def keep_state(self, driver: Driver, effect: ef.KeepState) -> None:
        if self.archive is not None:
            self.archive.keep_state(driver.place, driver, effect)
        else:
            asyncio.get_running_loop().call_soon(driver.tell, ev.StateKept(effect.number, True))

    def remember(self, driver: Driver, effect: ef.Remember) -> None:
        if self.archive is not None:
            self.archive.remember(driver.place, effect.part, effect.data)
        if effect.part == "station":
            asyncio.get_running_loop().call_soon(self.seating.look, driver.key)

    def want_turn(self, driver: Driver) -> None:
        driver.upstream.pacer.want(driver, monotonic())

    def link_lost(self, driver: Driver, end: Sender) -> None:
        if end is Sender.BACKEND:
            driver.upstream.links.closed(driver.key)
        else:
            self.left(driver)
        if not self.has(driver):
            return
        if driver.backend is None and driver.upstream.relinker.needs(driver):
            driver.upstream.relinker.want(driver)
        elif driver.party is not None and driver.party.has_left(driver):
            driver.party.drop(driver)
        elif driver.backend is None and driver.charger is None and not driver.is_arriving:
            self.remove(driver)

    def left(self, driver: Driver) -> None:
        """A charger's connection, or its attempt at one, is over."""
        self.addresses -= Counter({driver.address: 1})
        if self.archive is not None:
            self._tell_ended(driver.key)

    def remove(self, driver: Driver) -> None:
        """Nothing is left of a charger but what is known of it; unless another of its backends is owed."""
        if driver.party is not None and not driver.party.is_idle:
            return
        driver = driver.party.leader if driver.party is not None else driver
        self.parties.pop(driver.key, None)
        if self.drivers.get(driver.key) is driver:
            del self.drivers[driver.key]
            self.migrations.forget(driver)
            self.gate.remember(driver)
            self._tell_ended(driver.key)

    def _tell_ended(self, key: str) -> None:
        if (event := self._ended.pop(key, None)) is not None:
            event.set()

    # Time

    def start(self) -> None:
        """Begin to look after deadlines, and see whether the backend answers."""
        self._sweeper.start()
        for upstream in self.upstreams.values():
            spawn(upstream.look(), f"first look at the backend {upstream.name}")
        if self.archive is not None and self.config.outage.deliver_for_absent:
            spawn(self.parking.fill(), "chargers with something to deliver")

    def sweep(self, now: float, used: float) -> None:
        """Look after what is no single charger's; `used` is the share of its core that the node uses."""
        for upstream in self.upstreams.values():
            upstream.sweep(now)
        self.migrations.sweep(now)
        self._malformed.look(used)
        self._bundle.look(used)
        self._duplicates.sweep(now)
        if self.archive is not None:
            self.archive.sweep()

    async def close(self, within_s: float = 20.0) -> None:
        """Let every charger go: CALLs under way may be answered, then sockets close, spread out in time."""
        self.is_closing = True
        for _ in range(round(FINISH_S / LOOK_AGAIN_S)):
            if not any(driver.session.to_backend.out for driver in self.everyone()):
                break
            await asyncio.sleep(LOOK_AGAIN_S)
        drivers = self.everyone()
        pause = min(within_s / max(len(drivers), 1), 0.005)
        for driver in drivers:
            for link in (driver.charger, driver.backend):
                if link is not None:
                    link.close(SERVICE_RESTART, "the gateway restarts")
            await asyncio.sleep(pause)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while any(driver.charger or driver.backend for driver in drivers):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_AGAIN_S)
        for upstream in self.upstreams.values():
            upstream.outages.close()
        self._sweeper.stop()
        if self.archive is not None:
            self.archive.sweep()

    def handshake_flags(self, offer: Offer) -> None:
        """Count and log what was odd about an accepted handshake."""
        for flag in offer.flags:
            self.count_flag(flag)
        if offer.flags:
            names = ", ".join(flag.code.value for flag in offer.flags)
            log.event("info", "handshake-flagged", charger=offer.charger_id, flags=names)

    def count_flag(self, flag: Flag) -> None:
        """Count what was wrong with a connection, not with a message."""
        self.tally.flags[flag.code.value, flag.severity.value, "", ""] += 1


_DETAILS = {"charger-connected": "version", "charger-disconnected": "code", "backend-link-closed": "code"}
_LEVELS = {
    "charger-connected": "info",
    "charger-disconnected": "info",
    "backend-silent": "warning",
    "backend-slow-reader": "warning",
    "call-timed-out": "info",
    "dialect-drift": "warning",
    "charger-flooding": "warning",
    "charger-paused": "info",
    "charger-silent": "info",
    "charger-slow-reader": "warning",
    "session-failed": "error",
    "backend-call-refused": "warning",
    "backend-line-full": "warning",
    "answer-repeated": "info",
    "id-renamed": "info",
}


def _kept(driver: Driver, number: int, durable: bool) -> None:
    driver.tell(ev.Kept(number, durable))
