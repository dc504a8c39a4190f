"""Who is let in: a charger's handshake, its link to the backend, and what is known of it from before."""

import hashlib
import resource
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs

from gateway.dialect.brand import Brand
from gateway.dialect.library import Library
from gateway.dialect.reader import Mode, Reader
from gateway.dialect.station import Station
from gateway.net.backend import BackendAway, BackendRefused
from gateway.net.capture import Captures
from gateway.net.driver import Driver
from gateway.net.duplicates import digest
from gateway.net.handshake import Offer, Refusal
from gateway.net.left import Left, dialect_of, left_by, left_in
from gateway.net.limits import policies
from gateway.observe import log
from gateway.ocpp.message import Sender, Version
from gateway.session import events as ev
from gateway.session.knowledge import Known
from gateway.session.session import ChargerSession
from gateway.store.protocol import StoreError
from gateway.translate.factory import translator_for
from gateway.translate.parts import whole

if TYPE_CHECKING:
    from gateway.net.fleet import Fleet
    from gateway.net.upstream import Upstream

RESERVED_FILES = 256
SERVICE_RESTART = 1012
GOING_AWAY = 1001


class LinkFacts(Struct):
    """What the gateway remembers of a charger that the backend let in: enough to let it in by itself.

    `credential` is a keyed digest of its Authorization header, "" when it showed none.
    """

    charger_id: str
    credential: str
    version: Version
    token: str


class Admission(Struct):
    """A charger that may come in: its driver, its token for the agreed version.

    `has_link` is False when the backend is away and the gateway answers for it.
    """

    driver: Driver
    token: str
    has_link: bool = True


class Gate:
    """Lets chargers of `fleet` in. `library` is what is known of brands, `captures` who is recorded."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet
        self.library = Library()
        self.captures = Captures()
        self._left: dict[str, Left] = {}
        self.arriving: set[str] = set()
        self._links: dict[str, LinkFacts] = {}
        self._memories: dict[str, tuple[bytes, bytes]] = {}

    async def admit(self, offer: Offer, address: str) -> Admission:
        """A driver for the charger, with a link to the backend if that is there. Raises Refusal."""
        key = offer.registry_key
        if key in self.arriving:
            raise Refusal(409, "duplicate", "a charger with this id is just connecting", 5)
        self._check_room()
        self.arriving.add(key)
        try:
            driver = self._fleet.drivers.get(key) or await self._new_driver(offer)
            self._arrives(driver, offer, address)
            try:
                admission = await self._linked(driver, offer)
            except BaseException as error:
                self.abandon(driver)
                raise _refusal(error) from None
            self._fleet.seating.link_followers(admission.driver)
            return admission
        finally:
            self.arriving.discard(key)

    def _arrives(self, driver: Driver, offer: Offer, address: str) -> None:
        self._fleet.drivers[driver.key] = driver
        self._fleet.addresses[address] += 1
        driver.is_arriving = True
        driver.offer, driver.address = offer, address
        driver.credential = digest(offer.authorization)
        driver.session.reader.history.reconnected()

    def abandon(self, driver: Driver) -> None:
        """The charger's attempt to connect came to nothing."""
        fleet = self._fleet
        driver.is_arriving = False
        fleet.left(driver)
        buffer = driver.session.buffer
        if driver.backend is None:
            fleet.link_lost(driver, Sender.BACKEND)
        elif buffer is None or not buffer.owes:
            driver.backend.close(GOING_AWAY, "charger left")

    async def _linked(self, driver: Driver, offer: Offer) -> Admission:
        """A link to the first backend that may lead and is there; to none for a charger that is known."""
        party = driver.party
        candidates = [driver]
        if party is not None:
            candidates = party.ranked
        away: BackendAway | None = None
        for candidate in candidates:
            try:
                return await self._linked_to(candidate, offer)
            except BackendAway as error:
                away = away or error
        assert away is not None
        spoken = self.spoken(offer, candidates[0].upstream)
        entry = self._without_backend(candidates[0], offer, spoken)
        if entry is None:
            raise away
        driver = self._leading(candidates[0])
        version, there, token = entry
        self.agree(driver, version, there)
        driver.tell(ev.BackendAway())
        self._fleet.relink(driver)
        return self._admitted(driver, token, has_link=False)

    async def _linked_to(self, driver: Driver, offer: Offer) -> Admission:
        """A link to this backend, which then leads. Raises BackendAway and what it refuses."""
        fleet, links = self._fleet, driver.upstream.links
        spoken = self.spoken(offer, driver.upstream)
        if driver.session.backend.is_open and driver.version in dict(offer.versions):
            return self._admitted(self._leading(driver), dict(offer.versions)[driver.version])
        if driver.backend is not None:
            driver.backend.close(GOING_AWAY, "the charger connects anew")
            links.closed(driver.key)
        self.agree(driver, *spoken[0][:2])  # what comes as soon as the link opens is to be understood
        asked = structs.replace(offer, versions=tuple((there, token) for _, there, token in spoken))
        there, token = await links.connect(asked, fleet.backend_link(driver))
        if fleet.is_closing and driver.backend is not None:
            driver.backend.close(SERVICE_RESTART, "the gateway restarts")
            raise Refusal(503, "overload", "the gateway is stopping", 10)
        self.agree(driver, next(here for here, other, _ in spoken if other is there), there)
        driver = self._leading(driver)
        self._note(driver, offer, token)
        return self._admitted(driver, token)

    def _leading(self, driver: Driver) -> Driver:
        """This backend leads when the charger comes in."""
        if driver.party is not None:
            driver.party.lead(driver.upstream.name)
        return driver

    def spoken(self, offer: Offer, upstream: "Upstream") -> list[tuple[Version, Version, str]]:
        """What the charger and the backend may speak, and the charger's token for it, the best first."""
        seats = self._fleet.seating.seats_of(offer)
        return self.pairs(
            [pair for pair in offer.versions if not seats.versions or pair[0] in seats.versions], upstream
        )

    def pairs(
        self, offered: Sequence[tuple[Version, str]], upstream: "Upstream"
    ) -> list[tuple[Version, Version, str]]:
        """Versions that both speak; only where there is none, the first pair that can be translated."""
        theirs = upstream.config.versions
        shared = [(version, version, token) for version, token in offered if version in theirs]
        if shared:
            return shared
        pairs = [
            (version, there, token)
            for version, token in offered
            for there in sorted(theirs, key=lambda there: _distance(version, there))
        ]
        return pairs[:1]

    def agree(self, driver: Driver, version: Version, there: Version) -> None:
        """The charger speaks `version` and the backend `there`."""
        session = driver.session
        if driver.version is not version or driver.backend_version is not there:
            session.version = version
            session.reader.speak(version)
        driver.version, driver.backend_version = version, there
        translator = session.bridge.translator if session.bridge is not None else None
        known = (translator.charger_version, translator.backend_version) if translator else (there, there)
        if known == (version, there):
            return
        memory, under_way = self._memories.pop(driver.place, (b"", b""))
        made = translator_for(version, there, policies(self._fleet.config), memory, driver.charger_id)
        session.translate(made, under_way)

    def _admitted(self, driver: Driver, token: str, has_link: bool = True) -> Admission:
        driver.connected_at = self._fleet.clock()
        return Admission(driver, token, has_link)

    # Without the backend

    def _credential(self, offer: Offer) -> str:
        """A digest that only this node can make, for it is kept on disk."""
        assert self._fleet.archive is not None
        if not offer.authorization:
            return ""
        key = self._fleet.archive.key
        return hashlib.blake2b(offer.authorization.encode(), key=key, digest_size=16).hexdigest()

    def _note(self, driver: Driver, offer: Offer, token: str) -> None:
        """The backend let this charger in: remember how it came."""
        archive = self._fleet.archive
        if archive is None:
            return
        facts = LinkFacts(offer.charger_id, self._credential(offer), driver.version, token)
        if self._links.get(driver.key) != facts:
            self._links[driver.key] = facts
            archive.remember(driver.key, "link", msgspec.json.encode(facts))

    def _without_backend(
        self, driver: Driver, offer: Offer, spoken: list[tuple[Version, Version, str]]
    ) -> tuple[Version, Version, str] | None:
        """What to speak with a charger while its backend is away; None when it is not let in.

        It must have been let in by the backend before, with the same credentials, unless
        `outage.unknown_chargers` says otherwise; and there must be room for its messages.
        """
        fleet, buffer, facts = self._fleet, driver.session.buffer, self._links.get(driver.key)
        if fleet.archive is None or buffer is None or not buffer.has_room(fleet.clock()):
            return None
        if facts is None:
            return spoken[0] if fleet.config.outage.unknown_chargers == "accept" else None
        if facts.credential != self._credential(offer):
            raise Refusal(401, "backend-away", "the backend is away, and these credentials are not known", 60)
        return next((known for known in spoken if known[0] is facts.version), spoken[0])

    # Drivers

    async def _new_driver(self, offer: Offer) -> Driver:
        try:
            return await self._fleet.seating.crew(offer)
        except StoreError as error:
            log.event("error", "store-unreadable", charger=offer.charger_id, reason=str(error))
            raise Refusal(503, "overload", "the gateway cannot read its store at present", 30) from None

    def driver(self, offer: Offer, known: Known, upstream: "Upstream") -> Driver:
        """A driver for a charger of which this is known, and the backend that leads."""
        key = offer.registry_key
        left = self._left.pop(key, None) or left_in(known)
        facts = facts_in(known)
        if facts is not None:
            self._links[key] = facts
        reader = Reader(offer.versions[0][0], history=left.history, memories=left.memories)
        session = self._session(offer, known, upstream, reader)
        session.drift = left.drift
        session.dialect_of = partial(self._dialect_of, offer.charger_id)
        session.recall(left.station)
        driver = self._driver(offer, session, known, upstream)
        self.captures.attach(key, driver)
        return driver

    def follower(self, leader: Driver, known: Known, upstream: "Upstream") -> Driver:
        """A driver for another backend of a charger that has one."""
        session = self._session(leader.offer, known, upstream, leader.session.reader)
        session.dialect_of = leader.session.dialect_of
        session.station = leader.session.station
        session.version = leader.session.version
        driver = self._driver(leader.offer, session, known, upstream)
        driver.version = leader.version
        driver.backend_version = driver.version
        return driver

    def _session(self, offer: Offer, known: Known, upstream: "Upstream", reader: Reader) -> ChargerSession:
        fleet = self._fleet
        shared = fleet.archive.shared if fleet.archive is not None else None
        offset_s = fleet.clock() - monotonic()
        settings = upstream.session_settings
        return ChargerSession(offer.charger_id, settings, fleet.tally, reader, offset_s, shared, known)

    def _driver(self, offer: Offer, session: ChargerSession, known: Known, upstream: "Upstream") -> Driver:
        driver = Driver(offer, session, self._fleet, upstream)
        self._memories[driver.place] = (whole(known.parts), known.parts.get("under_way", b""))
        return driver

    def _dialect_of(self, charger_id: str, station: Station) -> tuple[Mode, ZoneInfo | None, Brand | None]:
        return dialect_of(self._fleet.config.dialect, self.library, charger_id, station)

    def remember(self, driver: Driver) -> None:
        """Keep what is known of a charger that left; those that left longest ago make room."""
        self._left[driver.key] = left_by(driver.session)
        self._links.pop(driver.key, None)
        for one in driver.party.drivers.values() if driver.party is not None else (driver,):
            self._memories.pop(one.place, None)
        if len(self._left) > self._fleet.config.limits.chargers:
            del self._left[next(iter(self._left))]

    def _check_room(self) -> None:
        fleet = self._fleet
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if len(fleet.drivers) >= fleet.config.limits.chargers:
            raise Refusal(503, "overload", "limits.chargers is reached", 60)
        if 2 * len(fleet.drivers) + RESERVED_FILES > files:
            raise Refusal(503, "overload", "too few file descriptors: raise the limit of open files", 60)
        if fleet.is_closing:
            raise Refusal(503, "overload", "the gateway is stopping", 10)


def _distance(version: Version, there: Version) -> int:
    """How far apart two versions are, the older ones first where that is the same."""
    order = list(Version)
    return abs(order.index(version) - order.index(there))


def facts_in(known: Known) -> LinkFacts | None:
    data = known.parts.get("link")
    return msgspec.json.decode(data, type=LinkFacts) if data else None


def _refusal(error: BaseException) -> BaseException:
    """The answer to a charger whose backend link could not be had."""
    match error:
        case BackendAway():
            line = "the backend does not answer at present; try again later"
            return Refusal(503, "backend-away", line, max(1, round(error.retry_after_s)))
        case BackendRefused():
            status = error.status if error.status in (401, 403, 404) else 502
            line = f"the backend refused this charger with HTTP {error.status}: {error.hint}"
            return Refusal(status, "backend-refused", line)
        case _:
            return error
