"""All chargers of this node: who is let in, who is connected, and what an operator can see of them."""

import asyncio
import contextlib
import resource
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic, process_time
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.config import Config
from gateway.dialect.adapting import Memories
from gateway.dialect.brand import Brand
from gateway.dialect.history import History
from gateway.dialect.library import Library
from gateway.dialect.reader import Mode, Reader
from gateway.dialect.station import Station
from gateway.net.backend import Backend, BackendAway, BackendRefused
from gateway.net.busy import MalformedShare
from gateway.net.capture import Captures
from gateway.net.driver import Driver
from gateway.net.duplicates import Duplicates, digest
from gateway.net.handshake import Offer, Refusal, registry_key
from gateway.net.limits import link_limits, session_settings
from gateway.net.link import Link
from gateway.net.tasks import spawn
from gateway.observe import log
from gateway.ocpp.flags import FLAGS, Flag
from gateway.ocpp.message import Sender
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.session import ChargerSession
from gateway.session.tally import Tally
from gateway.watch.drift import Drift

SWEEP_S = 0.25
FINISH_S = 5.0
LOOK_AGAIN_S = 0.02
RESERVED_FILES = 256
REPLACED = 1008
SERVICE_RESTART = 1012


class Keeper(Protocol):
    """Where flags and quarantined messages are kept; returns at once."""

    def keep(
        self, charger: str, session: ChargerSession, flagged: ef.Flagged, done: Callable[[bool], None] | None
    ) -> None:
        """`done(durable)` is called later, once, when it is given and the message is quarantined."""


class _Known(Struct):
    """What is known of a charger that is not connected: chargers do not boot again when they reconnect."""

    history: History
    station: Station
    memories: Memories
    drift: Drift


class Admission(Struct):
    """A charger that may come in: its driver with an open backend link, its token for the agreed version."""

    driver: Driver
    token: str


class Fleet:
    """The chargers of one node, by their registry key.

    A charger is in `drivers` from the moment its handshake is accepted for dialling until both of its
    links are gone, so no second connection can slip in between.
    """

    def __init__(self, config: Config, tally: Tally, keeper: Keeper, clock: Callable[[], float]) -> None:
        self.config = config
        self.tally = tally
        self.library = Library()
        self.captures = Captures()
        self.backend = Backend(config.backend)
        self.drivers: dict[str, Driver] = {}
        self.addresses: Counter[str] = Counter()
        self.is_closing = False
        self._keeper = keeper
        self._clock = clock  # seconds since 1970
        self._known: dict[str, _Known] = {}
        self._epochs = 0
        self._numbers = 0
        self._retries: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._duplicates = Duplicates(self)
        self._malformed = MalformedShare(config.limits.malformed_per_s)
        self._ended: dict[str, asyncio.Event] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self.apply(config)

    def apply(self, config: Config) -> None:
        """Take what a reload can change; sockets stay open."""
        self.config = config
        self._malformed.per_s = config.limits.malformed_per_s
        self.charger_limits = link_limits(config.limits, config.limits.charger_message_bytes)
        self.backend_limits = link_limits(config.limits, config.limits.backend_message_bytes)
        self.session_settings = session_settings(config)
        for driver in self.drivers.values():
            driver.session.settings = self.session_settings
            driver.session.recall(driver.session.station)

    def adopt(self, library: Library) -> None:
        """From now on this is what is known of brands, for connected chargers too."""
        self.library = library
        for driver in self.drivers.values():
            driver.session.recall(driver.session.station)

    # Letting chargers in

    async def admit(self, offer: Offer, address: str) -> Admission:
        """Make room for a charger and open its link to the backend. Raises Refusal."""
        key = offer.registry_key
        if key in self.drivers:
            await self._duplicates.settle(offer, address, self.drivers[key])
        self._check_room()
        driver = self._new_driver(offer, address)
        self.drivers[key] = driver
        self.addresses[address] += 1
        try:
            link = Link(driver, Sender.BACKEND, self._epoch(), self.backend_limits)
            driver.version, token = await self.backend.connect(offer, link)
        except BaseException as error:
            self.ended(driver)
            raise _refusal(error) from None
        if self.is_closing and driver.backend is not None:
            driver.backend.close(SERVICE_RESTART, "the gateway restarts")
            raise Refusal(503, "overload", "the gateway is stopping", 10)
        driver.connected_at = self._clock()
        return Admission(driver, token)

    def charger_link(self, driver: Driver, deflates: bool) -> Link:
        """A link for a charger that was admitted."""
        return Link(driver, Sender.CHARGER, self._epoch(), self.charger_limits, deflates)

    def _epoch(self) -> int:
        self._epochs += 1
        return self._epochs

    def _new_driver(self, offer: Offer, address: str) -> Driver:
        known = self._known.pop(offer.registry_key, None) or _Known(History(), Station(), Memories(), Drift())
        known.history.reconnected()
        wall_offset_s = self._clock() - monotonic()
        session = ChargerSession(
            offer.charger_id,
            self.session_settings,
            self.tally,
            Reader(offer.versions[0][0], history=known.history, memories=known.memories),
            wall_offset_s,
        )
        session.drift = known.drift
        session.dialect_of = partial(self._dialect_of, offer.charger_id)
        session.recall(known.station)
        driver = Driver(offer.charger_id, address, digest(offer.authorization), session, self)
        self.captures.attach(offer.registry_key, driver)
        return driver

    def _dialect_of(self, charger_id: str, station: Station) -> tuple[Mode, ZoneInfo | None, Brand | None]:
        dialect = self.config.dialect
        mode, zone = dialect.of(charger_id, station.vendor)
        brand = self.library.brand(charger_id, station, *dialect.chosen(charger_id, station.vendor))
        return mode, ZoneInfo(zone) if zone else None, brand

    def _check_room(self) -> None:
        limits = self.config.limits
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if len(self.drivers) >= limits.chargers:
            raise Refusal(503, "overload", "limits.chargers is reached", 60)
        if 2 * len(self.drivers) + RESERVED_FILES > files:
            raise Refusal(503, "overload", "too few file descriptors: raise the limit of open files", 60)
        if self.is_closing:
            raise Refusal(503, "overload", "the gateway is stopping", 10)

    async def end(self, key: str, driver: Driver) -> None:
        """Close a charger's links and wait until they are gone."""
        gone = self._ended.setdefault(key, asyncio.Event())
        if driver.charger is not None:
            driver.charger.close(REPLACED, "replaced by a newer connection")
        await gone.wait()

    # What drivers tell (World)

    def noted(self, driver: Driver, noted: ef.Noted) -> None:
        self.tally.events[noted.name] += 1
        fields = {_DETAILS.get(noted.name, "detail"): noted.detail} if noted.detail else {}
        if noted.name == "charger-connected":
            fields["address"] = driver.address
        level = _LEVELS.get(noted.name, "debug")
        if noted.name == "backend-link-closed" and driver.charger is not None:
            level = "info"  # it is why the charger's connection closes next
        log.event(level, noted.name, charger=driver.charger_id, **fields)

    def flagged(self, driver: Driver, flagged: ef.Flagged) -> None:
        worst = max((FLAGS[flag.code].severity for flag in flagged.flags), key=_SEVERITY_ORDER.index)
        log.event(
            "debug" if worst == "info" else "warning",
            "message-flagged",
            charger=driver.charger_id,
            sender=flagged.sender.value,
            action=flagged.action,
            flags=", ".join(
                flag.code.value + (f"@{flag.path}" if flag.path else "") for flag in flagged.flags
            ),
            verdict=flagged.verdict.value,
        )
        if flagged.sender is Sender.CHARGER and (wait_s := self._malformed.wait_after_one(monotonic())):
            driver.tell(ev.RestWanted(wait_s))
        done = partial(_kept, driver, flagged.number) if flagged.number else None
        self._keeper.keep(driver.charger_id, driver.session, flagged, done)

    def retried(self, driver: Driver, retried: ef.Retried) -> None:
        waiting = self._retries.pop(retried.number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result({"delivered": retried.delivered, "outcome": retried.outcome})

    async def retry(self, charger_id: str, raw: bytes) -> dict[str, Any]:
        """Send a kept message of a charger to its backend; `delivered` and, for people, `outcome`."""
        driver = self.drivers.get(registry_key(charger_id))
        if driver is None:
            return {"delivered": False, "outcome": "the charger is not connected; retry when it is"}
        self._numbers += 1
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._retries[self._numbers] = waiting
        driver.tell(ev.RetryWanted(self._numbers, raw))
        return await waiting

    def doubt_backend(self, driver: Driver, reason: str) -> None:
        self.backend.doubt(reason)

    def ended(self, driver: Driver) -> None:
        key = registry_key(driver.charger_id)
        if self.drivers.get(key) is not driver:
            return
        self.backend.closed(key)
        del self.drivers[key]
        self._remember(key, driver.session)
        self.addresses -= Counter({driver.address: 1})
        if (event := self._ended.pop(key, None)) is not None:
            event.set()

    def _remember(self, key: str, session: ChargerSession) -> None:
        """Keep what is known of a charger that left; those that left longest ago make room."""
        reader = session.reader
        self._known[key] = _Known(reader.history, session.station, reader.memories, session.drift)
        if len(self._known) > self.config.limits.chargers:
            del self._known[next(iter(self._known))]

    # Time

    def start(self) -> None:
        """Begin to look after deadlines, and see whether the backend answers."""
        self._sweep()
        spawn(self.backend.check(), "first look at the backend")

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = monotonic()
        for driver in [driver for driver in self.drivers.values() if driver.session.due <= now]:
            driver.tell(ev.TimePassed())
        self.backend.sweep(now)
        self._malformed.look(now, process_time())
        self._duplicates.sweep(now)
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)

    async def close(self, within_s: float = 20.0) -> None:
        """Let every charger go: CALLs under way may be answered, then sockets close, spread out in time."""
        self.is_closing = True
        for _ in range(round(FINISH_S / LOOK_AGAIN_S)):
            if not any(driver.session.to_backend.out for driver in self.drivers.values()):
                break
            await asyncio.sleep(LOOK_AGAIN_S)
        drivers = list(self.drivers.values())
        pause = min(within_s / max(len(drivers), 1), 0.005)
        for driver in drivers:
            link = driver.charger or driver.backend
            if link is not None:
                link.close(SERVICE_RESTART, "the gateway restarts")
                await asyncio.sleep(pause)
        gone = [self._ended.setdefault(key, asyncio.Event()).wait() for key in self.drivers]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*gone)
        if self._sweeper is not None:
            self._sweeper.cancel()

    def handshake_flags(self, offer: Offer) -> None:
        """Count and log what was odd about an accepted handshake."""
        for flag in offer.flags:
            self.count_flag(flag)
        if offer.flags:
            names = ", ".join(flag.code.value for flag in offer.flags)
            log.event("info", "handshake-flagged", charger=offer.charger_id, flags=names)

    def count_flag(self, flag: Flag) -> None:
        """Count what was wrong with a connection, not with a message."""
        self.tally.flags[flag.code.value, FLAGS[flag.code].severity.value, "", ""] += 1


_SEVERITY_ORDER = ["info", "warning", "error"]
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
    "answer-repeated": "info",
    "id-renamed": "info",
}


_LIKELY = {
    400: "perhaps it does not speak the charger's OCPP version",
    401: "a wrong or missing password",
    403: "the charger may not connect",
    404: "it does not know the id, or backend.url has a wrong path",
}


def _kept(driver: Driver, number: int, durable: bool) -> None:
    driver.tell(ev.Kept(number, durable))


def _refusal(error: BaseException) -> BaseException:
    """The answer to a charger whose backend link could not be had."""
    match error:
        case BackendAway():
            line = "the backend does not answer at present; try again later"
            return Refusal(503, "backend-away", line, max(1, round(error.retry_after_s)))
        case BackendRefused():
            status = error.status if error.status in (401, 403, 404) else 502
            hint = _LIKELY.get(error.status, "its log may say why")
            line = f"the backend refused this charger with HTTP {error.status}: {hint}"
            return Refusal(status, "backend-refused", line)
        case _:
            return error
