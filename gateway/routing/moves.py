"""From one leader to another: which chargers move, when each may, and what its backends are meanwhile.

In `shadow` the new backend only listens; in `moving` it takes over charger by charger, each at a quiet
moment; `moved` keeps it so; `back` gives the chargers back the same way. No charger's socket is closed.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

from gateway.ocpp.message import Version
from gateway.routing.globs import fits_any, matcher
from gateway.routing.routes import Facts, Seats, labelled

MAX_WAIT_S: Final = 24 * 3600.0


class Stage(StrEnum):
    """How far a move is to go: listen, take over, have taken over, give back."""

    SHADOW = "shadow"
    MOVING = "moving"
    MOVED = "moved"
    BACK = "back"


class State(StrEnum):
    """How far one charger has come. What is `failed` stays so until the move is started again."""

    SHADOWING = "shadowing"
    WAITING = "waiting"
    MOVED = "moved"
    BACK = "back"
    FAILED = "failed"


class Move(Struct, frozen=True, kw_only=True):
    """One migration, as it is kept and asked for (JSON).

    It is for the chargers that fit `chargers` (patterns of ids) and one of `labels` (patterns of label
    names; empty: any), and of these for `percent`, always the same ones first. `started_at` is when this
    stage was begun or changed, in seconds since 1970. A charger that has no quiet moment within `max_wait_s`
    of that stays where it is.
    """

    name: str
    to: str
    chargers: tuple[str, ...] = ("*",)
    labels: tuple[str, ...] = ()
    percent: float = 100.0
    stage: Stage = Stage.SHADOW
    wait_for_transactions: bool = True
    started_at: float = 0.0
    max_wait_s: float = MAX_WAIT_S


class Situation(Struct, frozen=True):
    """What is known of one charger now. `open_transactions` is None where nobody knows.

    `is_ready`: the backend that is to lead has a link for it and has accepted its BootNotification.
    """

    open_transactions: int | None = None
    is_ready: bool = False


class Progress(Struct, frozen=True):
    """How far one charger has come (JSON).

    `is_led`: it is the new backend that should lead it. `at`: since when it is so, in seconds since 1970.
    """

    state: State
    is_led: bool = False
    reason: str = ""
    at: float = 0.0


def chosen(move: Move, facts: Facts, labels: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a charger is among those of the move."""
    charger_id = facts.charger_id
    return (
        matcher(move.chargers)(charger_id)
        and (not move.labels or matcher(labelled(labels, move.labels))(charger_id))
        and _share(charger_id) < move.percent
    )


def move_of(moves: Sequence[Move], facts: Facts, labels: Mapping[str, tuple[str, ...]]) -> Move | None:
    """The move that a charger belongs to: the first that chooses it."""
    return next((move for move in moves if chosen(move, facts, labels)), None)


def seats(move: Move, before: Seats, progress: Progress) -> Seats:
    """A charger's backends in the middle of a move; `before` are those its route gives it.

    While the new backend leads, those before it stand by in their order: they hear everything, so that the
    way back is the same move.
    """
    others = tuple(name for name in before.ranked if name != move.to)
    observers = tuple(name for name in before.observers if name != move.to)
    if progress.is_led:
        return structs.replace(before, ranked=(move.to, *others), observers=observers)
    if progress.state is State.BACK or move.to in before.everyone:
        return before
    return structs.replace(before, observers=(*before.observers, move.to))


def advanced(move: Move, progress: Progress | None, now_is: Situation, now: float) -> Progress:
    """How far a charger is after another look. When `is_led` changes, the lead is to be handed over now.

    `now` is in seconds since 1970. Call it when a charger's situation or the move changes, and now and then.
    """
    is_led = progress is not None and progress.is_led
    if progress is not None and progress.state is State.FAILED and progress.at >= move.started_at:
        return progress
    wants_lead = move.stage in (Stage.MOVING, Stage.MOVED)
    if move.stage is Stage.SHADOW and not is_led:
        return _kept(progress, Progress(State.SHADOWING, at=now))
    if is_led is wants_lead:
        return _kept(progress, Progress(State.MOVED if is_led else State.BACK, is_led, at=now))
    reason = _hindrance(move, now_is)
    if not reason:
        return Progress(State.MOVED if wants_lead else State.BACK, wants_lead, at=now)
    if now - move.started_at >= move.max_wait_s:
        return Progress(State.FAILED, is_led, f"{reason} for longer than {move.max_wait_s:.0f} s", now)
    return _kept(progress, Progress(State.WAITING, is_led, reason, now))


def _kept(old: Progress | None, new: Progress) -> Progress:
    """The old one where only the time is another."""
    return old if old is not None and structs.replace(new, at=old.at) == old else new


def _hindrance(move: Move, now_is: Situation) -> str:
    """Why the lead cannot be handed over now; "" when it can."""
    if not now_is.is_ready:
        return "the backend that is to lead has not been there"
    if move.wait_for_transactions and now_is.open_transactions is None:
        return "it has not been known whether a transaction is open"
    if move.wait_for_transactions and now_is.open_transactions:
        return "a transaction has been open"
    return ""


def _share(charger_id: str) -> float:
    """A number from 0 to below 100 that is always the same for an id, and evenly spread."""
    digest = hashlib.sha256(charger_id.lower().encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6]) * 100 / 2**48


class Known(Struct, frozen=True):
    """A charger as a dry run knows it. `seats` are those its route gives it."""

    facts: Facts
    seats: Seats
    open_transactions: int | None = None


class Planned(Struct, frozen=True):
    """What would happen to one charger: it leaves `leader`.

    `is_translated`: no version of its is one of the new backend's. `loses`: that is so there, and not now.
    """

    charger_id: str
    leader: str
    open_transactions: int | None
    is_translated: bool
    loses: bool


class Plan(Struct, frozen=True):
    """What a move would do (JSON): each charger that would move, and how many would not."""

    move: Move
    chargers: tuple[Planned, ...]
    already_led: int
    not_chosen: int

    def lines(self) -> tuple[str, ...]:
        """The plan for people: the sums first."""
        unknown = sum(charger.open_transactions is None for charger in self.chargers)
        transactions = sum(charger.open_transactions or 0 for charger in self.chargers)
        width = max([len("charger"), *(len(charger.charger_id) for charger in self.chargers)])
        return (
            f'{len(self.chargers)} chargers would move to "{self.move.to}"; {self.already_led} are led by it '
            f"already, {self.not_chosen} are not chosen",
            f"open transactions: {transactions}; not known for {unknown} chargers",
            f"translated there: {sum(charger.is_translated for charger in self.chargers)}; "
            f"not translated now: {sum(charger.loses for charger in self.chargers)} of these",
            "",
            f"{'charger'.ljust(width)}  from",
            *(_line(charger, width) for charger in self.chargers),
        )


def _line(charger: Planned, width: int) -> str:
    notes = [charger.leader]
    if charger.open_transactions:
        notes.append(f"{charger.open_transactions} open transactions")
    if charger.loses:
        notes.append("will be translated")
    return f"{charger.charger_id.ljust(width)}  {', '.join(notes)}"


def plan(
    move: Move,
    known: Collection[Known],
    labels: Mapping[str, tuple[str, ...]],
    backends: Mapping[str, tuple[Version, ...]],
) -> Plan:
    """What a move would do to all chargers that are known. `backends` gives the versions each speaks."""
    mine = [charger for charger in known if chosen(move, charger.facts, labels)]
    moving = [charger for charger in mine if charger.seats.leader != move.to]
    return Plan(
        move=move,
        chargers=tuple(_planned(charger, move.to, backends) for charger in moving),
        already_led=len(mine) - len(moving),
        not_chosen=len(known) - len(mine),
    )


def _planned(charger: Known, to: str, backends: Mapping[str, tuple[Version, ...]]) -> Planned:
    offered = set(charger.facts.versions) & set(charger.seats.versions or charger.facts.versions)
    is_translated = offered.isdisjoint(backends.get(to, ()))
    return Planned(
        charger_id=charger.facts.charger_id,
        leader=charger.seats.leader,
        open_transactions=charger.open_transactions,
        is_translated=is_translated,
        loses=is_translated and not offered.isdisjoint(backends.get(charger.seats.leader, ())),
    )


def refusals(
    move: Move,
    others: Sequence[Move],
    known: Collection[Known],
    labels: Mapping[str, tuple[str, ...]],
    backends: Collection[str],
) -> list[str]:
    """Why a move cannot begin, each with the cure; `others` are all other moves that are kept."""
    found = []
    if move.to not in backends:
        near = get_close_matches(move.to, backends, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(backends)}"
        found.append(f'no backend is called "{move.to}"; {hint}')
    if not 0 < move.percent <= 100:
        found.append(f"percent is {move.percent:g}; give more than 0 and at most 100")
    for glob in move.labels:
        if not fits_any(labels, (glob,)):
            found.append(f'no label is called "{glob}"; known: {", ".join(labels) or "none"}')
    if any(other.name == move.name for other in others):
        found.append(f'a migration is called "{move.name}" already; give another name, or stop that one')
    mine = [charger for charger in known if chosen(move, charger.facts, labels)]
    if mine and all(charger.seats.leader == move.to for charger in mine):
        found.append(f'"{move.to}" leads all these chargers already; choose another backend or others')
    for other in others:
        shared = sum(chosen(other, charger.facts, labels) for charger in mine)
        if shared and other.name != move.name:
            found.append(
                f'{shared} of its chargers belong to migration "{other.name}"; stop that, or leave them out'
            )
    return found
