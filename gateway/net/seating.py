"""Which backends each charger of the fleet has, as the routes say, and what a change of that means."""

from time import monotonic
from typing import TYPE_CHECKING

from gateway.config import Config, everyone, policies_of, routes_of
from gateway.dialect.station import Station
from gateway.net.driver import Driver
from gateway.net.handshake import Offer
from gateway.net.left import left_in
from gateway.net.party import Party
from gateway.net.tasks import spawn
from gateway.observe import log
from gateway.routing.ids import Ids
from gateway.routing.moves import Move
from gateway.routing.routes import Facts, Seats
from gateway.session.knowledge import Known
from gateway.session.rulings import Rules
from gateway.session.switchboard import Switchboard
from gateway.store.place import place
from gateway.store.protocol import StoreError

if TYPE_CHECKING:
    from gateway.net.fleet import Fleet


class Seating:
    """Puts the backends of each charger of `fleet` together."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet
        self.apply(fleet.config)

    def apply(self, config: Config) -> None:
        """Take what a reload can change: routes and rules."""
        self.routes = routes_of(config)
        self._fleet.migrations.choose_anew()
        paces = {name: backend.commands_per_minute for name, backend in everyone(config).items()}
        self.rules = {name: Rules(policy, paces[name]) for name, policy in policies_of(config).items()}
        for key in list(self._fleet.drivers):
            self.look(key)

    def seats(self, facts: Facts, key: str) -> Seats:
        """The backends of one charger: those of its route, and what a migration makes of them."""
        return self._fleet.migrations.seats(facts, key, self.routes.seats(facts))

    def seats_of(self, offer: Offer) -> Seats:
        """The backends of a charger that comes, by what is known of it."""
        driver = self._fleet.drivers.get(offer.registry_key)
        station = driver.session.station if driver is not None else Station()
        return self.seats(_facts(offer, station), offer.registry_key)

    def facts(self, driver: Driver) -> Facts:
        """What routes want to know of a charger."""
        return _facts(driver.offer, driver.session.station)

    def by_route(self, driver: Driver) -> Seats:
        """The backends that a charger has when nothing is migrated."""
        return self.routes.seats(self.facts(driver))

    def _needs_party(self, names: set[str]) -> bool:
        """Whether more than one backend is concerned, or the operator has a say in what may be commanded."""
        return len(names) > 1 or any(not self.rules[name].policy.is_open for name in names)

    # A charger comes

    async def crew(self, offer: Offer) -> Driver:
        """Drivers for a charger that has none; the one that should lead. Errors: StoreError."""
        key = offer.registry_key
        known = await self._known(key, self._fleet.main.name)
        self._fleet.migrations.recall(key, known.parts.get("move", b""))
        seats = self.seats(_facts(offer, left_in(known).station), key)
        names = [*seats.everyone, *(name for name in self._owed(key) if name not in seats.everyone)]
        knowns = {name: await self._known(key, name) for name in names}
        upstreams, gate = self._fleet.upstreams, self._fleet.gate
        leader = gate.driver(offer, knowns.pop(seats.leader), upstreams[seats.leader])
        if self._needs_party(set(names)):
            self._form(leader, seats, known.parts.get("ids", b""))
            for name, of_it in knowns.items():
                self._join(leader, name, of_it)
            self._fleet.migrations.settle(leader, self._move(leader))
        return leader

    def _move(self, driver: Driver) -> Move | None:
        return self._fleet.migrations.move_of(self.facts(driver))

    async def _known(self, key: str, name: str) -> Known:
        archive = self._fleet.archive
        return await archive.known(place(key, name)) if archive is not None else Known()

    def _owed(self, key: str) -> list[str]:
        """The backends that something of this charger is stored for."""
        archive = self._fleet.archive
        waiting = archive.waiting if archive is not None else {}
        return [name for name in self._fleet.upstreams if place(key, name) in waiting]

    def _form(self, leader: Driver, seats: Seats, ids: bytes) -> Party:
        """A party of one, for a charger that is about to have more backends."""
        name = leader.upstream.name
        board = Switchboard(name, leader.session, seats, self.rules, Ids(ids), self._fleet.copies)
        party = Party(self._fleet, board, leader)
        self._fleet.parties[leader.key] = party
        return party

    def _join(self, leader: Driver, name: str, known: Known) -> Driver:
        """One more backend for a charger that has a party."""
        party = leader.party
        assert party is not None
        driver = self._fleet.gate.follower(leader, known, self._fleet.upstreams[name])
        party.add(driver)
        party.perform(party.board.join(name, driver.session, monotonic()))
        return driver

    def link_followers(self, leader: Driver) -> None:
        """The charger is there: every other backend is to have a link too."""
        party = leader.party
        for driver in party.drivers.values() if party is not None else ():
            if driver is leader or driver.backend is not None:
                continue
            driver.offer = leader.offer
            pairs = self._fleet.gate.pairs(((leader.version, ""),), driver.upstream)
            self._fleet.gate.agree(driver, leader.version, pairs[0][1])
            driver.upstream.relinker.want_now(driver)

    # A charger's backends change

    def look(self, key: str) -> None:
        """Whether a charger that is there still has the backends that the routes give it."""
        driver = self._fleet.drivers.get(key)
        if driver is None or self._fleet.archive is None:
            return
        self.reseat(driver, self.seats(self.facts(driver), key))

    def reseat(self, driver: Driver, seats: Seats) -> None:
        """These are the charger's backends from now on; its socket stays."""
        names = {*seats.everyone, driver.upstream.name}
        if driver.party is None and not self._needs_party(names):
            return
        party = driver.party or self._form(driver, seats, b"")
        party.board.rulings.apply(self.rules)
        party.perform(party.board.sit(seats, monotonic()))
        self._fleet.migrations.settle(driver, self._move(driver))
        missing = [name for name in seats.everyone if name not in party.drivers]
        if missing:
            spawn(self._add(driver, missing), "another backend for a charger")
        else:
            self.link_followers(party.leader)

    async def _add(self, driver: Driver, names: list[str]) -> None:
        for name in names:
            try:
                known = await self._known(driver.key, name)
            except StoreError as error:
                log.event("error", "store-unreadable", charger=driver.charger_id, reason=str(error))
                return
            party = driver.party
            if party is None or not self._fleet.has(driver) or name in party.drivers:
                return
            self._join(party.leader, name, known)
        if driver.party is not None and driver.party.charger is not None:
            self.link_followers(driver.party.leader)


def _facts(offer: Offer, station: Station) -> Facts:
    versions = tuple(version for version, _ in offer.versions)
    return Facts(offer.charger_id, versions, station.vendor, station.model)
