"""The gateway's process: real sessions, and around them the world instead of sockets, clock and store."""

from collections import deque
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from gateway.dialect.reader import Reader
from gateway.net.parts import Parts
from gateway.ocpp.message import Sender, Version
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.knowledge import Known, Shared
from gateway.session.outbox import Entry
from gateway.session.session import ChargerSession
from gateway.session.tags import Tags
from gateway.session.tally import Tally
from gateway.store.place import part_of
from gateway.store.protocol import StatePart
from gateway.translate.factory import translator_for
from gateway.translate.parts import whole
from tests.simulation.disk import Gone, Put, Quarantined
from tests.simulation.wire import Link

if TYPE_CHECKING:
    from tests.simulation.charger import Charger
    from tests.simulation.world import World

CHARGER, BACKEND = Sender
SWEEPS_PER_S = 4
PROBE_S = 2.0
SWEEP_S = 0.25
VANISHED = 1006
NEVER = float("inf")


class Driver:
    """One charger's session and its links."""

    def __init__(self, key: str, version: Version, there: Version, session: ChargerSession) -> None:
        self.key = key
        self.version = version
        self.backend_version = there
        self.session = session
        self.charger: Link | None = None
        self.backend: Link | None = None
        self.is_dialling = False
        self.redial_s = 0.5
        self.timer_at = NEVER
        self.idle_ticks = 0
        self.unread: dict[Sender, deque[tuple[Link, bytes]] | None] = {CHARGER: None, BACKEND: None}

    @property
    def is_needed(self) -> bool:
        """Whether it has to live on though nobody is connected."""
        buffer = self.session.buffer
        assert buffer is not None
        busy = self.charger or self.backend or self.is_dialling
        return bool(busy or buffer.owes or buffer.unacked or buffer.delivery.settling)


class Node:
    """`fuse` is how many effects are still performed before the process is killed, None: it is not."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.drivers: dict[str, Driver] = {}
        self.is_up = False
        self.fuse: int | None = None
        self.power_goes = False
        self.tally = Tally()
        self.tags = Tags(b"key")
        self.shared = Shared(self.tags)
        self.away_until = 0.0
        self.event: Any = None
        self._epochs = 0
        self._life = 0
        self._probes = False
        self.parts = Parts()

    # Its life

    def start(self) -> None:
        self.is_up = True
        self.shared.can_store = True
        self.world.tell("gateway starts")
        for key, entries in self.world.disk.entries.items():
            if entries:
                charger = self.world.chargers[key]
                self._load(key, charger.version, lambda driver: None)

    def kill(self, power: bool) -> None:
        """Everything that is not on the disk is gone."""
        self.world.tell("power cut" if power else "gateway is killed")
        self._life += 1
        self.is_up = False
        self.fuse = None
        self._probes = False
        self.parts = Parts()
        drivers, self.drivers = self.drivers, {}
        self.world.disk.die()
        self.world.promises.gateway_died(drivers.values())
        for driver in drivers.values():
            for link in (driver.charger, driver.backend):
                if link is not None and link.gateway_is_open:
                    link.gateway_died(power)

    def later(self, delay_s: float, do: Callable[..., None], *arguments: Any) -> None:
        """Do it, if the process still lives by then."""
        self.world.at(self.world.now + delay_s, self._if_alive, self._life, do, arguments)

    def _if_alive(self, life: int, do: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if life == self._life:
            do(*arguments)

    # Chargers come

    def handshake(self, charger: "Charger") -> None:
        if self.is_up:
            self.later(0.05, self._admit, charger)

    def _admit(self, charger: "Charger") -> None:
        driver = self.drivers.get(charger.key)
        if charger.link is not None:
            return
        if driver is None:
            self._load(charger.key, charger.version, lambda driver: self._let_in(charger, driver))
        elif driver.charger is not None:
            self.later(0.2 if driver.charger.is_dead else 0.05, self._replace, charger, driver)
        else:
            self._let_in(charger, driver)

    def _load(self, key: str, version: Version, then: Callable[[Driver], None]) -> None:
        life = self._life

        def look(readable: bool) -> None:
            if life != self._life:
                return
            if not readable:
                charger = self.world.chargers[key]
                self.later(2.0, self._load, key, version, then)
                charger.refused(5.0)
            else:
                then(self.drivers.get(key) or self._new_driver(key, version))

        self._take_away()
        self.world.disk.read(look)

    def known(self, at: str) -> Known:
        """What a session of this place is told."""
        known = self.world.disk.known(at)
        known.parts |= self.parts.not_on_disk(at)
        return known

    def _new_driver(self, key: str, version: Version) -> Driver:
        world = self.world
        known = self.known(key)
        world.promises.session_made(key, known)
        session = world.session_kind(
            key,
            world.options.settings,
            self.tally,
            Reader(version),
            world.wall_s + world.skew_s,
            self.shared,
            known,
        )
        there = world.backend_version(version)
        memory, under_way = whole(known.parts), known.parts.get("under_way", b"")
        translator = translator_for(version, there, snapshot=memory, station=key)
        if translator is not None:
            session.translate(translator, under_way)
        world.plant.on_session(session)
        driver = self.drivers[key] = Driver(key, version, there, session)
        self._arm(driver)
        self._look(driver)
        return driver

    def _replace(self, charger: "Charger", driver: Driver) -> None:
        """The same charger is here again: the old connection gave no sign of life."""
        old = driver.charger
        if old is not None and self.drivers.get(driver.key) is driver and charger.link is None:
            if self.world.random.random() < 0.5:
                old.close_by_gateway(1008)
            else:
                old.gateway_is_open = False
            self.world.promises.charger_gone(old)
            driver.charger = None
            driver.unread[CHARGER] = None
            if not old.gateway_is_open and self.world.random.random() < 0.7:
                self.tell(driver, ev.ChargerClosed(old.epoch, VANISHED))
        if self.drivers.get(driver.key) is driver:
            self._let_in(charger, driver)

    def _let_in(self, charger: "Charger", driver: Driver) -> None:
        buffer = driver.session.buffer
        assert buffer is not None
        if charger.link is not None or driver.charger is not None:
            return
        wall = self.world.now + driver.session.wall_offset_s
        if driver.backend is None and not buffer.has_room(wall):
            self.world.tell("503", charger.key)
            charger.refused(self.world.random.uniform(5, 15))
            return
        link = self._new_link(charger, driver)
        driver.charger = link
        driver.session.reader.history.reconnected()
        self.tell(driver, ev.ChargerOpened(link.epoch, driver.version))
        if link.gateway_is_open:
            charger.connected(link)

    def _new_link(self, peer: Any, driver: Driver) -> Link:
        self._epochs += 1
        link = Link(self.world, self._epochs, peer, driver)
        link.gateway_is_open = link.peer_is_open = True
        return link

    # The backend's links

    def _look(self, driver: Driver) -> None:
        """Dial for a driver that needs a link; let go one that nobody needs."""
        buffer = driver.session.buffer
        assert buffer is not None
        if driver.is_dialling or driver.backend is not None:
            return
        if driver.charger is not None or buffer.owes:
            driver.is_dialling = True
            self.later(0.1 + driver.redial_s * self.world.random.random(), self._dial, driver)
        elif not driver.is_needed and not self.world.backend.clashes:
            self.later(self.world.random.uniform(10, 100), self._forget, driver)

    def _forget(self, driver: Driver) -> None:
        if not driver.is_needed and self.drivers.get(driver.key) is driver:
            self.world.tell("session is let go", driver.key)
            del self.drivers[driver.key]

    def _dial(self, driver: Driver) -> None:
        driver.is_dialling = False
        buffer = driver.session.buffer
        assert buffer is not None
        if driver.charger is None and not buffer.owes:
            self._look(driver)
            return
        backend = self.world.backend
        if backend.accepts() and self.world.now >= self.away_until:
            driver.redial_s = 0.5
            link = driver.backend = self._new_link(backend, driver)
            backend.connected(link)
            self.tell(driver, ev.BackendOpened(link.epoch))
            return
        driver.redial_s = min(8.0, driver.redial_s * 2)
        if self.world.options.tells_away:
            self.tell(driver, ev.BackendAway())
        else:
            self._look(driver)

    # What happens

    def frame(self, link: Link, data: bytes) -> None:
        driver = link.driver
        end = CHARGER if link is driver.charger else BACKEND
        unread = driver.unread[end]
        if unread is not None:
            unread.append((link, data))
        else:
            self._read(driver, link, end, data)

    def _read(self, driver: Driver, link: Link, end: Sender, data: bytes) -> None:
        if not link.gateway_is_open:
            return
        if end is CHARGER:
            self.world.promises.read_from_charger(driver, link, data)
            self.tell(driver, ev.ChargerFrame(link.epoch, data))
        else:
            self.world.promises.read_from_backend(driver, link, data)
            self.tell(driver, ev.BackendFrame(link.epoch, data))

    def ponged(self, link: Link) -> None:
        driver = link.driver
        make = ev.ChargerPonged if link is driver.charger else ev.BackendPonged
        self.tell(driver, make(link.epoch))

    def link_closed(self, link: Link, code: int) -> None:
        """A link is gone, by whoever's doing; the session hears of it in a moment."""
        driver = link.driver
        if link is driver.charger:
            driver.charger = None
            driver.unread[CHARGER] = None
            self.world.promises.charger_gone(link)
            self.later(0.0, self.tell, driver, ev.ChargerClosed(link.epoch, code))
        elif link is driver.backend:
            driver.backend = None
            driver.unread[BACKEND] = None
            self.world.promises.backend_gone(link)
            link.peer.lost(link, code)
            self.later(0.0, self.tell, driver, ev.BackendClosed(link.epoch, code))

    def tell(self, driver: Driver, event: ev.Event) -> None:
        """Give a session an event, and do what it wants."""
        if self.drivers.get(driver.key) is not driver:
            return
        world = self.world
        self.event = event
        if world.told is not None:
            world.tell("  " + type(event).__name__, driver.key, event)
        effects = driver.session.handle(event, world.now)
        for effect in world.plant.on_effects(driver.session, event, effects):
            if world.told is not None:
                world.tell("      " + type(effect).__name__, driver.key, effect)
            if self.fuse is not None:
                self.fuse -= 1
                if self.fuse < 0:
                    self.kill(self.power_goes)
                    world.restart_later()
                    return
            perform = _PERFORM.get(type(effect))
            if perform is not None:
                perform(self, driver, effect)
        if type(event) is ev.TimePassed:
            spins = driver.session.due <= world.now and not effects
            driver.idle_ticks = driver.idle_ticks + 1 if spins else 0
            world.require(driver.idle_ticks < 20, "a session does not ask for the time over and over")
        self._arm(driver)
        self._look(driver)

    def _arm(self, driver: Driver) -> None:
        """Tell the time when the session wants it, on the next sweep."""
        due = driver.session.due
        if due == NEVER:
            return
        at = ceil(max(due, self.world.now) * SWEEPS_PER_S) / SWEEPS_PER_S
        if at == self.world.now:
            at += 1 / SWEEPS_PER_S
        if at < driver.timer_at:
            driver.timer_at = at
            self.world.at(at, self._sweep, driver, at)

    def _sweep(self, driver: Driver, at: float) -> None:
        if driver.timer_at != at:
            return
        driver.timer_at = NEVER
        if driver.session.due <= self.world.now:
            self.tell(driver, ev.TimePassed())
        elif self.drivers.get(driver.key) is driver:
            self._arm(driver)

    # What sessions want

    def _send_to_charger(self, driver: Driver, effect: ef.SendToCharger) -> None:
        link = driver.charger
        self.world.promises.sends_to_charger(driver, link, effect.data, self.event)
        if link is not None:
            link.send_to_peer(effect.data)

    def _send_to_backend(self, driver: Driver, effect: ef.SendToBackend) -> None:
        link = driver.backend
        self.world.promises.sends_to_backend(driver, link, effect.data)
        if link is not None:
            link.send_to_peer(effect.data)

    def _ping(self, driver: Driver, effect: ef.Ping) -> None:
        link = driver.charger if effect.to is CHARGER else driver.backend
        if link is not None:
            link.ping()

    def _close(self, driver: Driver, effect: ef.Close) -> None:
        link = driver.charger if effect.to is CHARGER else driver.backend
        if link is not None:
            link.close_by_gateway(effect.code)

    def _stop_reading(self, driver: Driver, effect: ef.StopReading) -> None:
        driver.unread[effect.of] = deque()

    def _read_on(self, driver: Driver, effect: ef.ReadOn) -> None:
        unread, driver.unread[effect.of] = driver.unread[effect.of], None
        for link, data in unread or ():
            self.later(0.0, self.frame, link, data)

    def _store_entry(self, driver: Driver, effect: ef.StoreEntry) -> None:
        entry = Entry(effect.number, effect.came_at, effect.version.value, effect.action, effect.frame)
        parts = [StatePart(driver.key, name, data) for name, data in effect.parts]

        def done(durable: bool) -> None:
            if not durable:
                self.world.promises.store_failed(driver.key, entry.frame)
            self.tell(driver, ev.EntryStored(effect.number, durable))

        self._write([Put(driver.key, entry), *parts], done)

    def _drop_entry(self, driver: Driver, effect: ef.DropEntry) -> None:
        parts = [StatePart(driver.key, name, data) for name, data in effect.parts]
        self._write(
            [Gone(driver.key, effect.number), *parts],
            lambda durable: self.tell(driver, ev.EntryDropped(effect.number, durable)),
        )

    def _fetch_entries(self, driver: Driver, effect: ef.FetchEntries) -> None:
        disk = self.world.disk

        def look(readable: bool) -> None:
            found = disk.fetch(driver.key, effect.after, effect.limit) if readable else None
            self.later(0.001, self.tell, driver, ev.EntriesFetched(found))

        disk.read(look)

    def _remember(self, driver: Driver, effect: ef.Remember) -> None:
        part = StatePart(part_of(driver.key, effect.part), effect.part, effect.data)
        if not effect.data:
            self.parts.drop(part)
            self.later(SWEEP_S, self._take_away)
            return

        def done(durable: bool) -> None:
            if not durable:
                self.world.promises.not_remembered(driver.key)

        self._write([part], done, True)

    def _keep_state(self, driver: Driver, effect: ef.KeepState) -> None:
        parts = [StatePart(driver.key, name, data) for name, data in effect.parts]

        def done(durable: bool) -> None:
            if not durable:
                self.world.promises.not_remembered(driver.key)
            self.tell(driver, ev.StateKept(effect.number, durable))

        self._write(parts, done, True)

    def _flagged(self, driver: Driver, effect: ef.Flagged) -> None:
        if effect.verdict is not ef.Verdict.QUARANTINED:
            return

        def done(durable: bool) -> None:
            if effect.number:
                self.tell(driver, ev.Kept(effect.number, durable))

        self._write([Quarantined(driver.key, effect.raw)], done)

    def _noted(self, driver: Driver, effect: ef.Noted) -> None:
        if effect.name == "outbox-full":
            self.world.promises.not_remembered(driver.key)

    def _want_turn(self, driver: Driver, _: ef.WantTurn) -> None:
        chance = self.world.random
        self.later(chance.random() * 0.2, self.tell, driver, ev.Turn(chance.randint(1, 8)))

    def _doubt_backend(self, driver: Driver, effect: ef.DoubtBackend) -> None:
        self.away_until = self.world.now + self.world.random.uniform(0.5, 3)
        if self.world.options.tells_away:
            for known in list(self.drivers.values()):
                self.later(0.0, self.tell, known, ev.BackendAway())

    def _take_away(self) -> None:
        if self.parts.unneeded:
            self._write([], lambda _: None)

    def _write_again(self) -> None:
        if self.parts.not_taken and self.shared.can_store:
            self._write(list(self.parts.not_taken.values()), lambda _: None, True)

    def _write(self, records: list[Any], done: Callable[[bool], None], again: bool = False) -> None:
        parts = [one for one in records if type(one) is StatePart]
        unneeded = self.parts.going(parts)

        def then(durable: bool) -> None:
            self.shared.can_store = durable
            self.parts.gone(parts, again and not durable)
            if self.parts.not_taken and durable:
                self.later(SWEEP_S, self._write_again)
            if not durable and not self._probes:
                self._probes = True
                self.later(PROBE_S, self._probe)
            done(durable)

        self.world.disk.write([*unneeded, *records], then)

    def _probe(self) -> None:
        self._probes = False
        if not self.shared.can_store:
            self._write([StatePart("", "probe", b"")], lambda durable: None)


_PERFORM: dict[type, Callable[[Node, Driver, Any], None]] = {
    ef.SendToCharger: Node._send_to_charger,
    ef.SendToBackend: Node._send_to_backend,
    ef.Ping: Node._ping,
    ef.Close: Node._close,
    ef.StopReading: Node._stop_reading,
    ef.ReadOn: Node._read_on,
    ef.StoreEntry: Node._store_entry,
    ef.DropEntry: Node._drop_entry,
    ef.FetchEntries: Node._fetch_entries,
    ef.Remember: Node._remember,
    ef.KeepState: Node._keep_state,
    ef.Flagged: Node._flagged,
    ef.WantTurn: Node._want_turn,
    ef.Noted: Node._noted,
    ef.DoubtBackend: Node._doubt_backend,
}
