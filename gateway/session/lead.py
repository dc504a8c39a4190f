"""Which of a charger's backends leads, and how the lead changes."""

from typing import TYPE_CHECKING

from gateway.ocpp import frame
from gateway.routing.routes import Seats
from gateway.routing.standing import Standing
from gateway.session.calls import Own
from gateway.session.effects import Noted
from gateway.session.leg import Hold

if TYPE_CHECKING:
    from gateway.session.session import ChargerSession
    from gateway.session.switchboard import Addressed, Switchboard

_OF_WHO_LED = Hold.HAND_OVER | Hold.LINE_FULL


class Lead:
    """The lead among the backends of `board`. `wanted` is the one that should have it."""

    def __init__(self, board: "Switchboard") -> None:
        self.board = board
        self.standing = Standing((), board.leader, 0.0, 0.0)
        self.wanted = board.leader
        self.waits_for_transactions = False
        self.holds = False  # the charger is read no further

    def sit(self, seats: Seats) -> None:
        """Who may lead from now on."""
        self.standing.ranked = seats.ranked
        self.standing.takeover_after_s = seats.takeover_after_s
        self.standing.give_back_after_s = seats.give_back_after_s

    def favour(self, name: str, now: float) -> list["Addressed"]:
        """This backend need not show first that it stays, for a person wants it to lead."""
        self.standing.trust(name)
        self.look(now)
        return self.board.after([], now)

    def look(self, now: float) -> None:
        self.wanted = self.standing.look(lambda name: self.is_ready(name, now), now)

    def is_ready(self, name: str, now: float) -> bool:
        """Whether a backend could lead: it answers, has accepted the charger, and knows what it missed."""
        session = self.board.sessions.get(name)
        buffer = session.buffer if session is not None else None
        return (
            buffer is not None
            and buffer.is_usable
            and (name == self.board.leader or buffer.copies.keeps_up(now))
        )

    @property
    def is_settled(self) -> bool:
        """Whether who leads is who should, and the charger is not kept waiting for that."""
        return self.wanted == self.board.leader and not self.holds

    def hand_over(self, now: float) -> list["Addressed"]:
        """Let the wanted one lead, as soon as nothing of the charger is open with the one that does."""
        before, session = self.board.sessions[self.board.leader], self.board.sessions.get(self.wanted)
        if before is session:
            return self.goes_on()
        if session is not None and session.charger.is_open and not before.charger.is_open:
            return []  # the charger is just being closed, and the others are yet to be told
        if session is None or not self.is_ready(self.wanted, now):
            self.wanted = self.board.leader
            return self.goes_on()
        if self._is_too_early(now) or (session.buffer is not None and session.buffer.outbox.is_busy):
            return self.goes_on()
        asked_elsewhere = (
            self._ask_elsewhere(before, session, now) if not self.is_ready(self.board.leader, now) else []
        )
        if not (before.is_quiet and session.is_quiet):
            held, self.holds = before.hold_charger(Hold.HAND_OVER), True
            return [*asked_elsewhere, *self.board.addressed(self.board.leader, held)]
        return [*asked_elsewhere, *self.take(self.wanted, now)]

    def goes_on(self) -> list["Addressed"]:
        """Nobody else is to lead now: the charger, if it was read no further, is read again."""
        if not self.holds:
            return []
        self.holds = False
        leader = self.board.leader
        return self.board.addressed(leader, self.board.sessions[leader].read_on(Hold.HAND_OVER))

    def take(self, name: str, now: float) -> list["Addressed"]:
        """This backend leads from now on."""
        if name == self.board.leader:
            return []
        before, session = self.board.sessions[self.board.leader], self.board.sessions[name]
        old = self.board.leader
        self.board.led_by(name)
        session.lead(before, now)
        self.standing.leader = self.wanted = name
        self.holds = False
        noted = Noted("lead-moved", f"{old} to {name}")
        effects = [noted, *session.read_on(_OF_WHO_LED), *session.mind_blocked()]
        left = self.board.route(old, before.mind_blocked(), now)
        return [*self.board.addressed(name, effects), *left, *self.board.let_go(now)]

    def _is_too_early(self, now: float) -> bool:
        """Whether the lead stays while a transaction is going on; not when its backend is away."""
        waits = self.waits_for_transactions and self.is_ready(self.board.leader, now)
        return waits and bool(self.board.presence.open_transactions)

    def _ask_elsewhere(
        self, before: "ChargerSession", session: "ChargerSession", now: float
    ) -> list["Addressed"]:
        """What the one that led leaves unanswered and the charger need not wait for is asked again."""
        call = before.to_backend.out
        message = frame.split(call.frame) if call is not None and call.own is None else None
        if call is None or call.billing or message is None:
            return []
        call.own = Own.ABANDONED
        if call.action == "BootNotification" and before.buffer is not None:
            call.own, before.buffer.owed.boot = Own.BOOT, call.frame.decode()  # ours to tell from now on
        self.board.answerers.add(message.id, self.wanted)
        return self.board.route(self.wanted, session.overhear(message, call.label, now), now)
