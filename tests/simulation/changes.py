"""What operators change while chargers run: backends come and go by a reload, and the lead is migrated."""

import random
from typing import TYPE_CHECKING

from msgspec import structs

from gateway.routing import moves
from gateway.routing.moves import Move, Progress, Situation, Stage, State
from gateway.routing.routes import Seats

if TYPE_CHECKING:
    from tests.simulation.party import Party
    from tests.simulation.several import SeveralWorld

LOOK_S = 1.0


class Changes:
    """The changes of one world, by a chance of its own: `guest` is a backend that is there for a while.

    `is_here`: it is now. `observes`: it may not lead by the routes. `move` is the migration so far.
    """

    def __init__(self, world: "SeveralWorld") -> None:
        self.world = world
        self.random = random.Random(f"changes of {world.seed}")
        self.guest = ""
        self.is_here = False
        self.observes = self.random.random() < 0.6
        self.move: Move | None = None
        self.progress: dict[str, Progress] = {}

    def begin(self) -> None:
        """Decide what is to happen."""
        world, chance, wild_s = self.world, self.random, self.world.options.wild_s
        if self.guest:
            comes = chance.uniform(10, wild_s / 2)
            world.at(world.now + comes, self._reload, True)
            if chance.random() < 0.5:
                world.at(world.now + chance.uniform(comes, wild_s), self._reload, False)
        if chance.random() < 0.5:
            to = chance.choice([name for name in world.backends if name != world.ranked[0]])
            times = sorted(chance.uniform(10, wild_s) for _ in range(3))
            stages = (Stage.SHADOW, Stage.MOVING, Stage.BACK)
            for at, stage in list(zip(times, stages, strict=True))[: chance.choice((2, 3))]:
                world.at(world.now + at, self._migrate, to, stage, chance.random() < 0.5)

    def seats(self, key: str, before: Seats) -> Seats:
        """What the migration makes of the seats that the routes give."""
        if self.move is None:
            return before
        return moves.seats(self.move, before, self.progress.get(key) or Progress(State.SHADOWING))

    def _reload(self, is_here: bool) -> None:
        self.world.tell("reload", self.guest, "comes" if is_here else "goes")
        self.is_here = is_here
        self._reseat_all()

    def _reseat_all(self) -> None:
        for key in self.world.chargers:
            self.world.promises.seated(key, self.world.seats(key).everyone)
        for party in list(self.world.node.parties.values()):
            if self.world.node.parties.get(party.key) is party:  # the gateway may have died of the one before
                self.world.node.reseat(party)

    def _migrate(self, to: str, stage: Stage, waits: bool) -> None:
        world = self.world
        world.tell("migration", to, stage.value)
        is_new = self.move is None
        self.move = Move(name="m", to=to, stage=stage, wait_for_transactions=waits, started_at=self._wall())
        self._reseat_all()
        if is_new:
            self._look()

    def _wall(self) -> float:
        return self.world.now + self.world.wall_s

    def _look(self) -> None:
        """See how far each charger is, as a node does every second."""
        for party in list(self.world.node.parties.values()):
            if self.world.node.parties.get(party.key) is party:
                self._advance(party)
        self.world.at(self.world.now + LOOK_S, self._look)

    def _advance(self, party: "Party") -> None:
        world, move, before = self.world, self.move, self.progress.get(party.key)
        assert move is not None
        to = world.by_route().leader if move.stage is Stage.BACK else move.to
        is_ready = party.board.lead.is_ready(to, world.now)
        now_is = Situation(party.board.presence.open_transactions, is_ready)
        progress = moves.advanced(move, before, now_is, self._wall())
        if progress is before:
            return
        self.progress[party.key] = progress
        world.tell("migration of", party.key, progress.state.value, progress.reason)
        world.node.reseat(party)
        if before is not None and before.is_led != progress.is_led:
            world.promises.counted["migrated"] += 1
            world.node.favour(party, to)

    def settle(self, party: "Party") -> None:
        party.board.lead.waits_for_transactions = self.move is not None and self.move.wait_for_transactions

    def check(self) -> None:
        """In the healed world every charger has come to where it was to come."""
        move = self.move
        for key, progress in self.progress.items():
            wanted = move is not None and move.stage is Stage.MOVING
            has_come = progress.is_led is wanted or self.waits(key)
            self.world.require(has_come, f"{key} is migrated: {progress.state.value}")

    def waits(self, key: str) -> bool:
        """Whether a charger stays since it seems to charge: its stop may have been thrown away."""
        board = self.world.node.parties[key].board
        return board.lead.waits_for_transactions and bool(board.presence.open_transactions)


def with_guest(seats: Seats, guest: str, observes: bool) -> Seats:
    """The seats that the routes give while a guest is there."""
    if observes:
        return structs.replace(seats, observers=(*seats.observers, guest))
    return structs.replace(seats, ranked=(*seats.ranked, guest))
