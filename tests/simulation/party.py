"""The gateway's process with several backends for every charger: real switchboards, no real world."""

from typing import TYPE_CHECKING, Any

from gateway.dialect.reader import Reader
from gateway.ocpp.message import Sender, Version
from gateway.routing.ids import Ids
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.session import ChargerSession
from gateway.session.switchboard import Switchboard
from gateway.store.place import OF_THE_CHARGER, place
from tests.simulation.node import _PERFORM, Driver, Node

if TYPE_CHECKING:
    from tests.simulation.charger import Charger
    from tests.simulation.several import SeveralWorld

CHARGER, BACKEND = Sender
_CHARGERS = (ev.ChargerFrame, ev.ChargerClosed, ev.ChargerPonged, ev.ChargerOpened)


class PartyDriver(Driver):
    """The session of one charger with one of its backends; `key` is their place."""

    party: "Party"

    def __init__(self, key: str, name: str, version: Version, session: ChargerSession) -> None:
        super().__init__(place(key, name), version, version, session)
        self.name = name

    @property
    def due(self) -> float:
        """When `TimePassed` should come next."""
        board = self.party.board
        return self.session.due if self.name != board.leader else min(self.session.due, board.due)


class Party:
    """The drivers of one charger by backend; the one that leads has its link."""

    def __init__(self, key: str, board: Switchboard) -> None:
        self.key = key
        self.board = board
        self.leading = board.leader
        self.drivers: dict[str, PartyDriver] = {}

    @property
    def leader(self) -> PartyDriver:
        return self.drivers[self.leading]

    @property
    def is_needed(self) -> bool:
        return any(driver.is_needed for driver in self.drivers.values())

    def has_left(self, driver: PartyDriver) -> bool:
        """Whether the charger has this backend no more."""
        busy = driver.session.buffer.unacked or driver.session.buffer.delivery.settling
        is_needed = driver is self.leader or driver.backend is not None or busy
        return not (is_needed or self.board.is_seated(driver.name))

    def hand_over(self) -> None:
        """Another one leads: the charger's link is its driver's now."""
        before, self.leading = self.leader, self.board.leader
        after = self.leader
        after.charger, before.charger = before.charger, None
        after.unread[CHARGER], before.unread[CHARGER] = before.unread[CHARGER], None
        if after.charger is not None:
            after.charger.driver = after


class PartyNode(Node):
    """`parties` by charger; `drivers` by the place of a charger and a backend."""

    world: "SeveralWorld"

    def __init__(self, world: "SeveralWorld") -> None:
        super().__init__(world)
        self.parties: dict[str, Party] = {}
        self.away: dict[str, float] = {}

    def start(self) -> None:
        self.is_up = True
        self.shared.can_store = True
        self.world.tell("gateway starts")
        for charger in self.world.chargers.values():
            if any(self.world.disk.entries.get(place(charger.key, name)) for name in self.world.backends):
                self._load(charger.key, charger.version, lambda driver: None)

    def kill(self, power: bool) -> None:
        self.parties.clear()
        super().kill(power)

    # Chargers come

    def _admit(self, charger: "Charger") -> None:
        party = self.parties.get(charger.key)
        if charger.link is not None:
            return
        if party is None:
            self._load(charger.key, charger.version, lambda driver: self._let_in(charger, driver))
        elif party.leader.charger is not None:
            dead = party.leader.charger.is_dead
            self.later(0.2 if dead else 0.05, self._replace, charger, party.leader)
        else:
            self._let_in(charger, party.leader)

    def _new_driver(self, key: str, version: Version) -> Driver:
        """The whole party, and the driver that leads."""
        if key in self.parties:
            return self.parties[key].leader
        world = self.world
        seats = world.seats(key)
        reader = Reader(version)
        owed = [name for name in world.backends if world.disk.entries.get(place(key, name))]
        names = dict.fromkeys((*seats.everyone, *owed))
        sessions = {name: self._session(key, name, reader) for name in names}
        leader = sessions.pop(seats.leader)
        board = Switchboard(seats.leader, leader, seats, world.rules, Ids(b""), self.tally.beside())
        world.plant.on_board(board)
        party = self.parties[key] = Party(key, board)
        world.changes.settle(party)
        self._add(party, seats.leader, version, leader)
        for name, session in sessions.items():
            driver = self._add(party, name, version, session)
            self._perform(party, driver, ev.TimePassed(), board.join(name, session, world.now))
        return party.leader

    # Its backends change

    def reseat(self, party: Party) -> None:
        """These are the charger's backends from now on."""
        world = self.world
        seats = world.seats(party.key)
        world.promises.seated(party.key, seats.everyone)
        if not self._perform(party, party.leader, ev.TimePassed(), party.board.sit(seats, world.now)):
            return
        world.changes.settle(party)
        for name in seats.everyone:
            if name not in party.drivers:
                self._join_later(party, name)

    def _join_later(self, party: Party, name: str) -> None:
        """What is known is read first."""

        def look(readable: bool) -> None:
            is_wanted = name not in party.drivers and party.board.is_seated(name)
            if self.parties.get(party.key) is not party or not is_wanted:
                return
            if not readable:
                self.later(2.0, self._join_later, party, name)
                return
            reader = party.leader.session.reader
            session = self._session(party.key, name, reader)
            session.version = party.leader.session.version
            driver = self._add(party, name, party.leader.version, session)
            self.world.promises.joined(party.key, name)
            joined = party.board.join(name, session, self.world.now)
            self._perform(party, driver, ev.TimePassed(), joined)

        self.world.disk.read(look)

    def favour(self, party: Party, name: str) -> None:
        if self.parties.get(party.key) is party:
            moved = party.board.lead.favour(name, self.world.now)
            self._perform(party, party.leader, ev.TimePassed(), moved)

    def _leave(self, driver: PartyDriver) -> None:
        """The charger has this backend no more, and it is owed nothing."""
        party = driver.party
        party.board.leave(driver.name)
        del party.drivers[driver.name]
        del self.drivers[driver.key]

    def _session(self, key: str, name: str, reader: Reader) -> ChargerSession:
        world = self.world
        at = place(key, name)
        of_all = {n: data for n, data in self.known(key).parts.items() if n in OF_THE_CHARGER}
        known = self.known(at)
        known.parts |= of_all
        world.promises.session_made(at, known)
        settings, offset_s = world.settings_of(name), world.wall_s + world.skew_s
        session = world.session_kind(key, settings, self.tally, reader, offset_s, self.shared, known)
        session.version = reader.version
        world.plant.on_session(session)
        return session

    def _add(self, party: Party, name: str, version: Version, session: ChargerSession) -> PartyDriver:
        driver = PartyDriver(party.key, name, version, session)
        driver.party = party
        party.drivers[name] = self.drivers[driver.key] = driver
        self._arm(driver)
        self._look(driver)
        return driver

    def _replace(self, charger: "Charger", driver: Any) -> None:
        party = driver.party
        if self.parties.get(party.key) is party and party.leader.charger is not None:
            super()._replace(charger, party.leader)

    def _let_in(self, charger: "Charger", driver: Any) -> None:
        """The first backend that is there leads; with none, the one that should."""
        party: Party = driver.party
        if self.parties.get(party.key) is not party or charger.link is not None or party.leader.charger:
            return
        names = [name for name in party.board.lead.standing.ranked if name in party.drivers]
        ranked = [party.drivers[name] for name in names] or [party.leader]
        first = next((one for one in ranked if one.backend is not None or self._dial_now(one)), None)
        leader = first or ranked[0]
        self._perform(party, leader, ev.TimePassed(), party.board.lead.take(leader.name, self.world.now))
        if first is None:
            self.tell(leader, ev.BackendAway())
        if self.parties.get(party.key) is party:
            super()._let_in(charger, party.leader)
            for one in list(party.drivers.values()):
                self._look(one)

    # Links to the backends

    def _serves(self, driver: PartyDriver) -> bool:
        party = driver.party
        return party.leader.charger is not None and party.board.is_seated(driver.name)

    def _look(self, driver: Any) -> None:
        buffer = driver.session.buffer
        party: Party = driver.party
        if driver.is_dialling or driver.backend is not None:
            return
        if self._serves(driver) or buffer.owes:
            driver.is_dialling = True
            self.later(0.1 + driver.redial_s * self.world.random.random(), self._dial, driver)
        elif party.has_left(driver):
            self._leave(driver)
        elif not party.is_needed:
            self.later(self.world.random.uniform(10, 100), self._forget, driver)

    def _forget(self, driver: Any) -> None:
        party: Party = driver.party
        if self.parties.get(party.key) is party and not party.is_needed:
            self.world.tell("session is let go", party.key)
            self.world.promises.let_go(party.key)
            del self.parties[party.key]
            for one in party.drivers.values():
                del self.drivers[one.key]

    def _dial(self, driver: Any) -> None:
        driver.is_dialling = False
        if self.drivers.get(driver.key) is not driver or driver.backend is not None:
            return
        if not (self._serves(driver) or driver.session.buffer.owes):
            self._look(driver)
        elif not self._dial_now(driver):
            driver.redial_s = min(8.0, driver.redial_s * 2)
            if self.world.options.tells_away:
                self.tell(driver, ev.BackendAway())
            else:
                self._look(driver)

    def _dial_now(self, driver: PartyDriver) -> bool:
        """Open a link, if the backend takes it."""
        backend = self.world.backends[driver.name]
        if not backend.accepts() or self.world.now < self.away.get(driver.name, 0.0):
            return False
        driver.redial_s = 0.5
        link = driver.backend = self._new_link(backend, driver)
        backend.connected(link)
        self.tell(driver, ev.BackendOpened(link.epoch))
        return driver.backend is not None

    # What happens

    def tell(self, driver: Any, event: ev.Event) -> None:
        if self.drivers.get(driver.key) is not driver:
            return
        world, party = self.world, driver.party
        if isinstance(event, _CHARGERS):
            driver = party.leader
        self.event = event
        if world.told is not None:
            world.tell("  " + type(event).__name__, driver.key.replace("\x1f", "/"), event)
        board, now = party.board, world.now
        match event:
            case ev.ChargerFrame():
                routed = board.charger_frame(event.epoch, event.data, event.binary, now)
            case ev.BackendFrame():
                routed = board.backend_frame(driver.name, event.epoch, event.data, event.binary, now)
            case _:
                routed = board.handle(driver.name, event, now)
        if not self._perform(party, driver, event, routed):
            return
        if type(event) is ev.TimePassed:
            spins = driver.due <= world.now and not routed
            driver.idle_ticks = driver.idle_ticks + 1 if spins else 0
            world.require(driver.idle_ticks < 20, "a session does not ask for the time over and over")

    def _perform(self, party: Party, driver: PartyDriver, event: ev.Event, routed: Any) -> bool:
        """Do what the sessions want; False when the process was killed meanwhile."""
        world = self.world
        if party.board.leader != party.leading:
            world.tell("lead moves", party.key, party.leading, party.board.leader)
            world.promises.lead_moved(party)
            party.hand_over()
        for name, effect in world.plant.on_routed(party.board, event, routed):
            if world.told is not None:
                world.tell("      " + type(effect).__name__, name, effect)
            if self.fuse is not None:
                self.fuse -= 1
                if self.fuse < 0:
                    self.kill(self.power_goes)
                    world.restart_later()
                    return False
            world.promises.by = name
            perform = _DO.get(type(effect))
            if perform is not None:
                perform(self, party.leader if _is_for_charger(effect) else party.drivers[name], effect)
        for one in list(party.drivers.values()):
            self._arm(one)
            self._look(one)
        return True

    def _arm(self, driver: Any) -> None:
        """As for one session, with the switchboard's own time."""
        due, driver.session.due = driver.session.due, driver.due
        super()._arm(driver)
        driver.session.due = due

    def _sweep(self, driver: Any, at: float) -> None:
        if driver.timer_at != at:
            return
        driver.timer_at = float("inf")
        if driver.due <= self.world.now:
            self.tell(driver, ev.TimePassed())
        elif self.drivers.get(driver.key) is driver:
            self._arm(driver)

    # What sessions want

    def _noted(self, driver: Any, effect: ef.Noted) -> None:
        super()._noted(driver, effect)
        self.world.promises.noted(driver, effect, self.event)

    def _doubt_backend(self, driver: Any, effect: ef.DoubtBackend) -> None:
        self.away[driver.name] = self.world.now + self.world.random.uniform(0.5, 3)
        if self.world.options.tells_away:
            for known in list(self.drivers.values()):
                if known.name == driver.name:
                    self.later(0.0, self.tell, known, ev.BackendAway())


_DO: dict[type, Any] = _PERFORM | {
    ef.Noted: PartyNode._noted,
    ef.DoubtBackend: PartyNode._doubt_backend,
}


def _is_for_charger(effect: ef.Effect) -> bool:
    match effect:
        case ef.SendToCharger() | ef.Ping(to=Sender.CHARGER) | ef.Close(to=Sender.CHARGER):
            return True
        case ef.StopReading(of=Sender.CHARGER) | ef.ReadOn(of=Sender.CHARGER):
            return True
    return False
