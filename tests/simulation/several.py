"""Worlds in which every charger has two or three backends: one leads, one stands by, one may only listen.

Each backend has a temper of its own, and most of them count their transactions from 1, so that ids collide;
all of them number their commands alike.
"""

import random
from collections.abc import Callable
from typing import Any

from msgspec import structs

from gateway.routing.policy import Policy
from gateway.routing.routes import Seats
from gateway.session.session import ChargerSession, SessionSettings
from gateway.session.switchboard import Addressed, Rules, Switchboard
from tests.simulation import backend, charger, frames, world
from tests.simulation.backend import Backend
from tests.simulation.changes import Changes, with_guest
from tests.simulation.ledgers import Ledgers
from tests.simulation.party import PartyNode
from tests.simulation.wire import Link
from tests.simulation.world import Plant, World

LEADER, STANDBY, OBSERVER = "main", "second", "third"


class BoardPlant(Plant):
    """A bug to be planted into switchboards and their sessions; this one is none."""

    def on_board(self, board: Switchboard) -> None:
        """A switchboard was made; its other sessions join later."""

    def on_routed(self, board: Switchboard, event: Any, routed: list[Addressed]) -> list[Addressed]:
        """The sessions want this."""
        return routed


class Talker(charger.Charger):
    """A charger that echoes data, sometimes so late that nobody waits for it any more."""

    def commanded(self, link: Link, got: list) -> None:
        _, id_, action, payload = got
        if action != "DataTransfer":
            super().commanded(link, got)
            return
        roll = self.world.random.random()
        delay_s = self.world.random.uniform(20, 45) if self.world.is_wild and roll < 0.05 else roll
        answer = frames.result(id_, {"status": "Accepted", "data": payload["data"]})
        self.world.at(self.world.now + delay_s, link.send_to_gateway, answer)


class Named(Backend):
    """One of several backends; its commands are called b1, b2, … as everybody else's."""

    world: "SeveralWorld"

    def __init__(self, world: "SeveralWorld", name: str, temper: backend.Temper) -> None:
        super().__init__(world, temper)
        self.name = name
        self.asked: dict[tuple[int, str], str] = {}

    def command(self) -> None:
        if self.world.random.random() < 0.5:
            super().command()
        elif self.temper.commands and self.links and self.world.is_wild:
            self.talk(self.world.random.choice(self.links))

    def talk(self, link: Link) -> None:
        self._numbers += 1
        id_ = f"b{self._numbers}"
        self.asked[link.epoch, id_] = data = f"{self.name} {self._numbers}"
        link.send_to_gateway(frames.call(id_, "DataTransfer", {"vendorId": "V", "data": data}))

    def hears(self, link: Link, data: bytes) -> None:
        got = frames.parsed(data)
        if got[0] == 3 and got[2].get("data") is not None:
            wanted = self.asked.pop((link.epoch, got[1]), None)
            self.world.require(wanted == got[2]["data"], f"{self.name} hears {wanted}, not {got[2]['data']}")
            self.world.promises.counted["echoes"] += 1
        super().hears(link, data)


class SeveralWorld(World):
    """`backends` by name, the one that should lead first."""

    flag = " --several"
    promises_kind = Ledgers
    promises: Ledgers
    node: PartyNode

    def __init__(
        self,
        seed: int,
        plant: Plant | None = None,
        session_kind: type[ChargerSession] = ChargerSession,
        tells: bool = False,
    ) -> None:
        super().__init__(seed, plant or BoardPlant(), session_kind, tells)
        chance = self.random
        names = [LEADER, STANDBY, OBSERVER][: chance.choice((2, 2, 3))]
        self.backends = {name: Named(self, name, _temper(chance)) for name in names}
        self.has_observer = OBSERVER in names and chance.random() < 0.7
        self.takeover_after_s = chance.choice((0.0, 5.0, 30.0))
        self.give_back_after_s = chance.choice((0.0, 10.0, 60.0))
        self.ranked = [name for name in names if not (self.has_observer and name == OBSERVER)]
        self.changes = Changes(self)
        if OBSERVER not in names and self.changes.random.random() < 0.6:
            self.changes.guest = OBSERVER
            self.backends[OBSERVER] = Named(self, OBSERVER, _temper(self.changes.random))
            self.has_observer = self.changes.observes
        self.rules = {name: Rules(Policy(name, "all"), 100_000.0) for name in self.backends}
        self.node = PartyNode(self)
        self.chargers = {
            key: Talker(self, key, one.version, structs.replace(one.temper))
            for key, one in self.chargers.items()
        }

    def by_route(self) -> Seats:
        """The backends that every charger has when nothing is migrated."""
        has_observer = self.has_observer and not self.changes.guest
        observers = (OBSERVER,) if has_observer else ()
        seats = Seats(tuple(self.ranked), observers, self.takeover_after_s, self.give_back_after_s)
        if not self.changes.is_here:
            return seats
        return with_guest(seats, self.changes.guest, self.changes.observes)

    def seats(self, key: str) -> Seats:
        return self.changes.seats(key, self.by_route())

    def is_durable(self, name: str) -> bool:
        return not (self.has_observer and name == OBSERVER)

    def settings_of(self, name: str) -> SessionSettings:
        settings = self.options.settings
        assert settings.buffer is not None
        buffer = structs.replace(settings.buffer, stores=self.is_durable(name))
        return structs.replace(settings, buffer=buffer, backend_name=name)

    # The story

    def live(self) -> None:
        self.changes.begin()
        super().live()

    def live_on(self) -> None:
        """A transaction in the healed world goes to every backend, and everything gets calm."""
        for one in self.chargers.values():
            one.start(1, "GOOD1")
        until = self.now + 1800.0
        self.run_until(self.now + 30.0)
        while not self.is_calm() and self.now < until:
            self.run_until(self.now + 30.0)
        self.run_until(self.now + 120.0)
        self.promises.check_all()
        for driver in self.node.drivers.values():
            self.require(not driver.session.buffer.owes, f"{driver.key!r} owes nothing in the end")
        for party in self.node.parties.values():
            self.require(party.leader.charger is not None, f"{party.key} is connected in the end")
            has_lead = party.leading == party.board.lead.standing.ranked[0]
            self.require(has_lead or self.changes.waits(party.key), f"{party.leading} gives back")
        self.changes.check()

    def is_excused(self, since: float, key: str) -> bool:
        disk = self.disk
        party = self.node.parties.get(key)
        sessions = [driver.session for driver in party.drivers.values()] if party is not None else []
        has_room = all(one.buffer.has_room(self.now + self.wall_s + self.skew_s) for one in sessions)
        is_read = party is None or not party.leader.session.charger.held
        failed = max(disk.failed_at, disk.slow_until) >= since or bool(disk.trouble)
        return failed or not has_room or not is_read or not self.node.is_up

    def harm(self) -> None:
        if not self.is_wild:
            return
        fault = self.random.choice(_FAULTS)
        self.tell("!", fault.__name__.lstrip("_"))
        fault(self)
        self.at(self.now + self.random.expovariate(1 / self.options.faults_s), self.harm)

    def command(self) -> None:
        for one in self.backends.values():
            one.command()
        if self.is_wild:
            self.at(self.now + self.random.expovariate(2 / world.COMMAND_EVERY_S), self.command)

    def heal(self) -> None:
        for one in self.backends.values():
            one.is_up = True
            one.is_silent = one.is_slow = False
        super().heal()

    def some_backend(self) -> Named:
        return self.random.choice(list(self.backends.values()))


def _outage(world: SeveralWorld) -> None:
    one = world.some_backend()
    one.go_down()
    world.for_a_while(world.random.choice((3, 30, 120, 600)), _later(one, "is_up", True))


def _flapping(world: SeveralWorld) -> None:
    one = world.some_backend()
    for number in range(world.random.randint(2, 6)):
        world.at(world.now + number * 4, _blink, world, one)


def _blink(world: SeveralWorld, one: Named) -> None:
    if world.is_wild:
        one.go_down()
        world.for_a_while(3, _later(one, "is_up", True))


def _silence(world: SeveralWorld) -> None:
    one = world.some_backend()
    one.is_silent = True
    world.for_a_while(90, _later(one, "is_silent", False))


def _slowness(world: SeveralWorld) -> None:
    one = world.some_backend()
    one.is_slow = True
    world.for_a_while(90, _later(one, "is_slow", False))


def _later(one: Named, name: str, value: bool) -> Callable[[], None]:
    return lambda: setattr(one, name, value)


def _crossing(world: SeveralWorld) -> None:
    """Every backend asks the same charger something at once, under the same message id."""
    numbers = max(one._numbers for one in world.backends.values())
    key = world.random.choice(list(world.chargers))
    for one in world.backends.values():
        one._numbers = numbers
        for link in one.links:
            if link.driver.party.key == key and world.random.random() < 0.9:
                one.talk(link)
                break


_FAULTS: tuple[Callable[[Any], None], ...] = (
    world._cut,
    world._cut,
    world._freeze,
    _outage,
    _outage,
    _outage,
    _flapping,
    _silence,
    _silence,
    _slowness,
    world._kill,
    world._kill,
    world._bad_disk,
    world._slow_disk,
    world._reboot,
    world._clock_jump,
    _crossing,
    _crossing,
)


def _temper(chance: random.Random) -> backend.Temper:
    temper = world._backend_temper(chance)
    return structs.replace(temper, ids=chance.choice(("count", "count", "count", "random", "same")))
