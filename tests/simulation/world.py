"""One seed's world: chargers, a gateway with its disk, a backend, and all that goes wrong between them.

First it is wild: links break or go dead, the backend is away, silent or slow, the disk fails, the gateway
is killed, clocks jump. Promises are checked at every step. Then it heals, and everything has to arrive.
"""

import heapq
import random
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.session.answers import UnknownTags
from gateway.session.knowledge import BufferSettings
from gateway.session.session import ChargerSession, SessionSettings
from tests.simulation import backend, charger
from tests.simulation.disk import Disk
from tests.simulation.node import Node
from tests.simulation.promises import Promises, Violation

BEGIN_S = 1000.0
WALL_S = 1_795_248_000.0
HEALING_S = 120.0
AT_MOST_S = 6 * 3600.0
COMMAND_EVERY_S = 20.0


class Plant:
    """A bug to be planted into sessions; this one is none."""

    def on_session(self, session: ChargerSession) -> None:
        """A session was made."""

    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        """A session wants this."""
        return effects


class Options(Struct):
    """What a seed decides at the beginning."""

    wild_s: float
    latency_s: float
    faults_s: float
    tells_away: bool
    versions: list[Version]
    settings: SessionSettings


class World:
    """`told` is the story for people, None when nobody wants it. `flag`: what shows its seeds again."""

    flag = ""
    promises_kind: type[Promises] = Promises
    backend_kind: type[backend.Backend] = backend.Backend

    def __init__(
        self,
        seed: int,
        plant: Plant | None = None,
        session_kind: type[ChargerSession] = ChargerSession,
        tells: bool = False,
    ) -> None:
        self.seed = seed
        self.random = chance = random.Random(seed)
        self.now = BEGIN_S
        self.wall_s = WALL_S
        self.skew_s = 0.0
        self.is_wild = True
        self.told: list[str] | None = [] if tells else None
        self.plant = plant or Plant()
        self.session_kind = session_kind
        self.steps = 0
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = 0
        self._tokens = 0
        self.options = _options(chance)
        self.disk = Disk(self)
        self.promises = self.promises_kind(self)
        self.backend = self.backend_kind(self, _backend_temper(chance))
        self.node = Node(self)
        self.chargers = {
            f"CP{number}": charger.Charger(self, f"CP{number}", version, _charger_temper(chance))
            for number, version in enumerate(self.options.versions)
        }

    # The story

    def live(self) -> None:
        """Live through the seed; raises Violation."""
        self.node.start()
        for one in self.chargers.values():
            one.begin()
        self.at(self.now + 5.0, self.harm)
        self.at(self.now + COMMAND_EVERY_S, self.command)
        self.run_until(self.now + self.options.wild_s)
        self.heal()
        self.run_until(self.now + HEALING_S)
        until = self.now + AT_MOST_S
        while not self.is_calm() and self.now < until:
            self.run_until(self.now + 30.0)
        self.promises.check_all()
        for one in self.chargers.values():
            self.require(not one.queue, f"{one.key} has nothing left to say")
        self.live_on()

    def live_on(self) -> None:
        """A transaction in the healed world is simply relayed, and everything gets calm."""
        for one in self.chargers.values():
            one.start(1, "GOOD1")
        until = self.now + 1800.0
        self.run_until(self.now + 30.0)
        while not self.is_calm() and self.now < until:
            self.run_until(self.now + 30.0)
        self.promises.check_all()
        for driver in self.node.drivers.values():
            buffer = driver.session.buffer
            assert buffer is not None
            self.require(not buffer.owes, f"{driver.key} owes nothing in the end")
            self.require(driver.charger is not None, f"{driver.key} is connected in the end")

    def backend_version(self, version: Version) -> Version:
        """What the backend speaks with a charger of this version."""
        return version

    def is_calm(self) -> bool:
        if any(one.queue or one.open for one in self.chargers.values()) or not self.disk.is_idle:
            return False
        return self.promises.are_settled and not any(self.disk.entries.values())

    def run_until(self, end: float) -> None:
        agenda = self._agenda
        while agenda and agenda[0][0] <= end:
            when, _, do, arguments = heapq.heappop(agenda)
            self.now = when
            self.steps += 1
            do(*arguments)
        self.now = end

    def at(self, when: float, do: Callable[..., None], *arguments: Any) -> None:
        self._numbers += 1
        heapq.heappush(self._agenda, (when, self._numbers, do, arguments))

    def require(self, true: bool, what: str) -> None:
        if not true:
            raise Violation(what)

    def tell(self, what: str, *about: Any) -> None:
        if self.told is not None:
            self.told.append(f"{self.now - BEGIN_S:10.3f}  {what} {' '.join(_short(one) for one in about)}")

    def token(self) -> int:
        """The number of the next message that must not be lost."""
        self._tokens += 1
        return self._tokens

    def charger_clock(self) -> float:
        return self.now + self.wall_s

    def is_excused(self, since: float, key: str) -> bool:
        """Whether a message may have failed since then through the disk or a full outbox, not the gateway."""
        disk = self.disk
        driver = self.node.drivers.get(key)
        buffer = driver.session.buffer if driver is not None else None
        has_room = buffer is None or buffer.has_room(self.now + self.wall_s + self.skew_s)
        is_read = driver is None or not driver.session.charger.held
        failed = max(disk.failed_at, disk.slow_until) >= since or bool(disk.trouble)
        return failed or not has_room or not is_read

    # What goes wrong

    def harm(self) -> None:
        if not self.is_wild:
            return
        fault = self.random.choice(_FAULTS)
        self.tell("!", fault.__name__.lstrip("_"))
        fault(self)
        self.at(self.now + self.random.expovariate(1 / self.options.faults_s), self.harm)

    def command(self) -> None:
        self.backend.command()
        if self.is_wild:
            self.at(self.now + self.random.expovariate(1 / COMMAND_EVERY_S), self.command)

    def heal(self) -> None:
        """From now on everything works."""
        self.tell("the world heals")
        self.is_wild = False
        self.disk.trouble, self.disk.delay_s = "", 0.005
        self.backend.is_up = True
        self.backend.is_silent = self.backend.is_slow = False
        if not self.node.is_up:
            self.node.start()
        else:
            self.node.fuse = None

    def for_a_while(self, most_s: float, end: Callable[[], None]) -> None:
        self.at(self.now + self.random.uniform(0.5, most_s), end)

    def restart_later(self) -> None:
        def restart() -> None:
            if not self.node.is_up:
                self.node.start()

        self.at(self.now + self.random.uniform(0.5, 20), restart)

    def some_link(self) -> Any:
        links = [
            link
            for driver in self.node.drivers.values()
            for link in (driver.charger, driver.backend)
            if link is not None and link.gateway_is_open
        ]
        return self.random.choice(links) if links else None


def _cut(world: World) -> None:
    link = world.some_link()
    if link is not None:
        link.cut()


def _freeze(world: World) -> None:
    link = world.some_link()
    if link is not None:
        link.freeze()


def _outage(world: World) -> None:
    world.backend.go_down()

    def up() -> None:
        world.backend.is_up = True

    world.for_a_while(world.random.choice((3, 30, 120)), up)


def _flapping(world: World) -> None:
    for number in range(world.random.randint(2, 6)):
        world.at(world.now + number * 4, _blink, world)


def _blink(world: World) -> None:
    if world.is_wild:
        world.backend.go_down()

        def up() -> None:
            world.backend.is_up = True

        world.for_a_while(3, up)


def _silence(world: World) -> None:
    world.backend.is_silent = True

    def speaks() -> None:
        world.backend.is_silent = False

    world.for_a_while(90, speaks)


def _slowness(world: World) -> None:
    world.backend.is_slow = True

    def hurries() -> None:
        world.backend.is_slow = False

    world.for_a_while(90, hurries)


def _kill(world: World) -> None:
    node = world.node
    if node.is_up and not world.backend.clashes:
        node.power_goes = world.random.random() < 0.4
        node.fuse = world.random.randint(0, 40)


def _bad_disk(world: World) -> None:
    world.disk.trouble = world.random.choice(("full", "read-only", "io"))

    def works() -> None:
        world.disk.trouble = ""

    world.for_a_while(30, works)


def _slow_disk(world: World) -> None:
    world.disk.delay_s = world.random.choice((0.1, 1.0, 8.0))

    def works() -> None:
        world.disk.delay_s = 0.005

    world.for_a_while(30, works)


def _reboot(world: World) -> None:
    world.random.choice(list(world.chargers.values())).reboot()


def _clock_jump(world: World) -> None:
    world.skew_s = world.random.choice((0.0, 3600.0, -3600.0, 86_400.0, -5.0))
    for driver in world.node.drivers.values():
        driver.session.wall_offset_s = world.wall_s + world.skew_s


_FAULTS = (
    _cut,
    _cut,
    _cut,
    _freeze,
    _outage,
    _outage,
    _flapping,
    _silence,
    _slowness,
    _kill,
    _kill,
    _bad_disk,
    _slow_disk,
    _reboot,
    _clock_jump,
)


def _options(chance: random.Random) -> Options:
    policy = chance.choice((UnknownTags.ACCEPT_ALL, UnknownTags.ACCEPT_ALL, *UnknownTags))
    buffer = BufferSettings(
        hold_s=chance.choice((0.0, 3.0)),
        unknown_tags=policy,
        stops_late_refusals=chance.random() < 0.7,
        delivers_for_absent=chance.random() < 0.8,
        max_messages=chance.choice((10_000, 10_000, 10_000, 40)),
    )
    versions = [chance.choice((Version.V16, Version.V16, Version.V201)) for _ in range(chance.randint(1, 3))]
    return Options(
        wild_s=chance.choice((300.0, 600.0, 900.0)),
        latency_s=chance.choice((0.02, 0.2, 1.0)),
        faults_s=chance.choice((8.0, 20.0, 40.0)),
        tells_away=chance.random() < 0.7,
        versions=versions,
        settings=SessionSettings(buffer=buffer),
    )


def _backend_temper(chance: random.Random) -> backend.Temper:
    def sometimes(share: float) -> float:
        return share if chance.random() < 0.4 else 0.0

    return backend.Temper(
        ids=chance.choice(("count", "clash", "random", "same")),
        quick_s=chance.choice((0.05, 0.3, 2.0)),
        slow_share=sometimes(0.05),
        silent_share=sometimes(0.03),
        refusing=sometimes(0.05),
        poison=sometimes(0.02),
        zero=chance.random() < 0.5,
        pending=chance.choice((0, 0, 1, 2)),
        commands=chance.random() < 0.6,
    )


def _charger_temper(chance: random.Random) -> charger.Temper:
    return charger.Temper(
        timeout_s=chance.choice((5.0, 10.0, 30.0, 60.0)),
        step_s=chance.choice((5.0, 30.0)),
        new_ids=chance.random() < 0.5,
        gives_up=chance.random() < 0.3,
        restarts_ids=chance.random() < 0.7,
        pace_s=chance.choice((4.0, 10.0)),
    )


def _short(thing: Any) -> str:
    if isinstance(thing, str | int | float):
        return str(thing)
    fields = [getattr(thing, name) for name in thing.__struct_fields__ if name not in ("flags", "parts")]
    return " ".join(
        field.decode("utf-8", "replace") if isinstance(field, bytes) else str(field) for field in fields
    )


def live(
    seed: int,
    plant: Callable[[], Plant] | None = None,
    session_kind: type[ChargerSession] = ChargerSession,
    kind: type[World] = World,
) -> World:
    """Live through one seed; a broken promise says how to see it again."""
    world = kind(seed, plant() if plant is not None else None, session_kind)
    try:
        world.live()
    except Exception as problem:
        again = kind(seed, plant() if plant is not None else None, session_kind, tells=True)
        try:
            again.live()
        except Exception as error:
            again.tell("not so:" if isinstance(error, Violation) else "failed:", repr(error))
        told = "\n".join((again.told or [])[-40:])
        raise Violation(
            f"seed {seed}, {world.now - BEGIN_S:.3f} s: not so: {problem!r}\n{told}\n"
            f"see it all: python -m tests.simulation {seed}{kind.flag}"
        ) from problem
    return world
