"""Moving chargers from one leading backend to another while they stay connected.

What is to happen is decided by `gateway.routing.moves`; here it is kept, looked at every second, and carried
out by giving chargers other seats. How far a charger has come is kept with the charger, so that a restart
changes nothing.
"""

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, structs

from gateway.config import everyone
from gateway.net.archive import NODE
from gateway.observe import log
from gateway.routing import moves as routing
from gateway.routing.moves import Known, Move, Plan, Progress, Situation, Stage, State
from gateway.routing.routes import Facts, Seats
from gateway.routing.shadow import Report
from gateway.session.shadowing import Compared

if TYPE_CHECKING:
    from gateway.net.driver import Driver
    from gateway.net.fleet import Fleet

LOOK_S = 1.0
WRITE_S = 10.0
MOST_MOVES = 16
MOST_SHOWN = 20


class Refused(Exception):
    """A move cannot begin or end; each of `reasons` names the cure."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Unknown(Refused, LookupError):
    """There is no move of that name."""


class Kept(Struct):
    """One move as it is kept: what was asked for, and what comparing answers has shown."""

    move: Move
    report: Report


class Of(Struct):
    """How far a charger has come in the move of this name."""

    name: str
    progress: Progress


class Migrations:
    """The moves of `fleet`, by name."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet
        self._of: dict[str, Of] = {}
        self._chosen: dict[str, str] = {}  # charger's id → name of its move, "" for none
        self._looked_at = self._written_at = 0.0
        self._is_changed = False
        archive = fleet.archive
        data = archive.parts.get("moves", b"") if archive is not None else b""
        self.moves = msgspec.json.decode(data, type=dict[str, Kept]) if data else {}

    # What a charger's move means for its seats

    def recall(self, key: str, data: bytes) -> None:
        """What is known of a charger that was not here."""
        if data:
            self._of[key] = msgspec.json.decode(data, type=Of)

    def forget(self, driver: "Driver") -> None:
        """The charger has left."""
        self._of.pop(driver.key, None)
        self._chosen.pop(driver.charger_id, None)

    def choose_anew(self) -> None:
        """Moves or labels have changed, and with them which charger belongs to which move."""
        self._chosen.clear()

    def move_of(self, facts: Facts) -> Move | None:
        """The move that a charger belongs to."""
        if not self.moves:
            return None
        name = self._chosen.get(facts.charger_id)
        if name is None:
            found = routing.move_of([kept.move for kept in self.moves.values()], facts, self._labels)
            name = self._chosen[facts.charger_id] = found.name if found is not None else ""
        return self.moves[name].move if name else None

    def seats(self, facts: Facts, key: str, before: Seats) -> Seats:
        """The charger's backends; `before` are those that its route gives it."""
        move = self.move_of(facts)
        if move is None:
            return before
        return routing.seats(move, before, self._progress(key, move) or Progress(State.SHADOWING))

    def _progress(self, key: str, move: Move) -> Progress | None:
        known = self._of.get(key)
        return known.progress if known is not None and known.name == move.name else None

    @property
    def _labels(self) -> dict[str, tuple[str, ...]]:
        return {label.name: label.chargers for label in self._fleet.config.labels}

    def settle(self, driver: "Driver", move: Move | None) -> None:
        """Tell a charger's switchboard what the move wants of it."""
        board = driver.party.board if driver.party is not None else None
        if board is None:
            return
        progress = self._progress(driver.key, move) if move is not None else None
        is_led = progress is not None and progress.is_led
        board.compared = frozenset() if move is None or is_led else frozenset({move.to})
        board.lead.waits_for_transactions = move is not None and move.wait_for_transactions

    # Time

    def sweep(self, now: float) -> None:
        """See how far each charger is."""
        if not self.moves or now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        for driver in list(self._fleet.drivers.values()):
            if (move := self.move_of(self._fleet.seating.facts(driver))) is not None:
                self._advance(driver, move)
        if self._is_changed and now - self._written_at > WRITE_S:
            self._written_at = now
            self._keep()

    def _advance(self, driver: "Driver", move: Move) -> None:
        before = self._progress(driver.key, move)
        progress = routing.advanced(move, before, self._situation(driver, move), self._fleet.clock())
        if progress is before:
            return
        self._of[driver.key] = known = Of(move.name, progress)
        if self._fleet.archive is not None:
            self._fleet.archive.remember(driver.key, "move", msgspec.json.encode(known))
        if before is None or progress.state is not before.state:
            log.event(
                "warning" if progress.state is State.FAILED else "info",
                "charger-migration",
                charger=driver.charger_id,
                move=move.name,
                state=progress.state.value,
                reason=progress.reason,
            )
        self._fleet.seating.look(driver.key)
        was_led = before is not None and before.is_led
        if progress.is_led is not was_led and driver.party is not None:
            driver.party.favour(self._to_lead(driver, move))

    def _to_lead(self, driver: "Driver", move: Move) -> str:
        """The backend that the move wants to lead this charger."""
        if move.stage is Stage.BACK:
            return self._fleet.seating.by_route(driver).leader
        return move.to

    def _situation(self, driver: "Driver", move: Move) -> Situation:
        if driver.party is None:
            return Situation()
        board = driver.party.board
        return Situation(
            board.presence.open_transactions, board.lead.is_ready(self._to_lead(driver, move), monotonic())
        )

    def compared(self, charger_id: str, found: list[Compared]) -> None:
        """Backends that are tried out have answered, and so has the one that leads."""
        for one in found:
            for kept in self.moves.values():
                if kept.move.to == one.name:
                    kept.report.add(charger_id, one.action, one.differences)
                    self._is_changed = True
                    break

    def _keep(self) -> None:
        self._is_changed = False
        if self._fleet.archive is not None:
            self._fleet.archive.remember(NODE, "moves", msgspec.json.encode(self.moves))

    # What an operator wants

    @property
    def names(self) -> list[str]:
        return list(self.moves)

    def plan(self, move: Move) -> Plan:
        """What a move would do; nothing is done. Errors: Refused."""
        self._check(move)
        versions = {name: backend.versions for name, backend in everyone(self._fleet.config).items()}
        return routing.plan(move, self._known(), self._labels, versions)

    def _known(self) -> list[Known]:
        seating, found = self._fleet.seating, []
        for driver in self._fleet.drivers.values():
            board = driver.party.board if driver.party is not None else None
            count = board.presence.open_transactions if board is not None else None
            found.append(Known(seating.facts(driver), seating.by_route(driver), count))
        return found

    def _check(self, move: Move) -> None:
        fleet = self._fleet
        if fleet.archive is None:
            raise Refused(['backend.when_away is "close"; several backends at once need "buffer"'])
        others = [kept.move for name, kept in self.moves.items() if name != move.name]
        reasons = routing.refusals(move, others, self._known(), self._labels, fleet.upstreams)
        if move.name not in self.moves and len(self.moves) >= MOST_MOVES:
            reasons.append(f"{MOST_MOVES} migrations are going on; end one of them first")
        if reasons:
            raise Refused(reasons)

    def start(self, move: Move) -> dict[str, Any]:
        """Begin a move, or take it further. Errors: Refused."""
        self._check(move)
        kept = self.moves.get(move.name)
        if kept is not None and kept.move.to != move.to:
            raise Refused(
                [f'migration "{move.name}" goes to "{kept.move.to}"; stop it, or give another name']
            )
        move = structs.replace(move, started_at=self._fleet.clock())
        self.moves[move.name] = Kept(move, kept.report if kept is not None else Report())
        return self._changed(move)

    def stop(self, name: str) -> dict[str, Any]:
        """Give the chargers back to the backend that led them before. Errors: Refused, Unknown."""
        move = self._one(name).move
        move = structs.replace(move, stage=Stage.BACK, started_at=self._fleet.clock())
        self.moves[name].move = move
        return self._changed(move)

    def end(self, name: str) -> dict[str, Any]:
        """Forget a move: from now on the routes alone say who leads. Errors: Refused, Unknown."""
        move = self._one(name).move
        led = [
            driver.charger_id
            for driver in self._fleet.drivers.values()
            if (known := self._of.get(driver.key)) is not None
            and known.name == name
            and known.progress.is_led
            and self._fleet.seating.by_route(driver).leader != move.to
        ]
        if led:
            raise Refused(
                [
                    f'{len(led)} chargers such as {led[0]} are led by "{move.to}" by this migration alone; '
                    "change their [[routes]] first, or stop the migration"
                ]
            )
        del self.moves[name]
        self._of = {key: known for key, known in self._of.items() if known.name != name}
        return self._changed(move)

    def _changed(self, move: Move) -> dict[str, Any]:
        log.event("info", "migration", move=move.name, to=move.to, stage=move.stage.value)
        self._keep()
        self.choose_anew()
        self._looked_at = 0.0
        for key in list(self._fleet.drivers):
            self._fleet.seating.look(key)
        self.sweep(monotonic())
        return self.described(move.name) if move.name in self.moves else {"name": move.name, "ended": True}

    def _one(self, name: str) -> Kept:
        if name not in self.moves:
            raise Unknown([f'no migration is called "{name}"; known: {", ".join(self.moves) or "none"}'])
        return self.moves[name]

    def counts(self) -> dict[tuple[str, str], int]:
        """Name of a move and a state → chargers."""
        return dict(Counter((known.name, known.progress.state.value) for known in self._of.values()))

    def described(self, name: str) -> dict[str, Any]:
        """A move, how far its chargers are, and what comparing answers has shown. Errors: Unknown."""
        kept = self._one(name)
        mine = {key: known.progress for key, known in self._of.items() if known.name == name}
        waiting = [
            {"charger": driver.charger_id, "state": one.state.value, "reason": reason}
            for key, one in mine.items()
            if (driver := self._fleet.drivers.get(key)) is not None
            and (reason := one.reason or _led_elsewhere(driver, one, kept.move.to))
        ]
        return {
            **structs.asdict(kept.move),
            "states": dict(Counter(one.state.value for one in mine.values())),
            "waiting": waiting[:MOST_SHOWN],
            "compared": kept.report.compared,
            "different": kept.report.different,
            "report": msgspec.to_builtins(kept.report.actions),
            "lines": list(kept.report.lines()),
        }


def _led_elsewhere(driver: "Driver", progress: Progress, to: str) -> str:
    """What there is to say of a charger that was moved and is led by another backend all the same."""
    leader = driver.upstream.name
    return f'"{leader}" leads it at present' if progress.is_led and leader != to else ""
