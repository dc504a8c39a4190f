"""The charger hears no answer to revenue data while its gateway alone has the copies for other backends.

It forgets what was answered. So what a follower's session still has at hand then is written down, and the
answer waits for the disk: a moment at most, for no charger is to wait long for a follower's disk. A copy that
its backend was sent goes to the disk only where it is the start of a transaction, without which nothing that
follows could be told; for all others that would be a write for every message of a backend slower than the
leader's.
"""

from typing import TYPE_CHECKING

from msgspec import Struct

from gateway.session.effects import SendToCharger

if TYPE_CHECKING:
    from gateway.session.switchboard import Addressed, Switchboard

HELD_S = 1.0
NEVER = float("inf")


class Held(Struct, gc=False):
    """An answer that the charger on connection `epoch` is to hear; `rest` is its text from the id on."""

    leader: str
    effect: SendToCharger
    rest: bytes
    epoch: int
    until: float


class Securing:
    """Holds back answers to the charger of `board`: those in `held`."""

    def __init__(self, board: "Switchboard") -> None:
        self.board = board
        self.held: list[Held] = []

    @property
    def due(self) -> float:
        """When to look again at the latest."""
        return self.held[0].until if self.held else NEVER

    def answer(self, effect: SendToCharger, now: float) -> list["Addressed"]:
        """What becomes of an answer to the charger."""
        leader, sessions = self.board.leader, self.board.sessions
        for _, session in self.board.others:
            if session.to_backend.line or (session.buffer is not None and session.buffer.unacked):
                break
        else:
            return [(leader, effect)]
        rest = effect.data.partition(b",")[2].lstrip()
        told: list[Addressed] = []
        for name in self._endangered(rest):
            buffer = sessions[name].buffer
            assert buffer is not None
            told += self.board.route(name, buffer.patience.store_open(now), now)
        if not self._endangered(rest):
            return [*told, (leader, effect)]
        self.held.append(Held(leader, effect, rest, sessions[leader].charger.epoch, now + HELD_S))
        return told

    def _endangered(self, rest: bytes) -> list[str]:
        """The backends whose copies of the CALL with this answer would be gone with the process."""
        return [
            name
            for name, session in self.board.sessions.items()
            if session.follows and session.buffer is not None and session.buffer.copies.has_at_hand(rest)
        ]

    def look(self, now: float) -> list["Addressed"]:
        """The answers that need not wait any more."""
        held, self.held = self.held, []
        charger = self.board.sessions[self.board.leader].charger
        free: list[Addressed] = []
        for one in held:
            if now < one.until and self._endangered(one.rest):
                self.held.append(one)
            elif charger.is_current(one.epoch):
                free.append((one.leader, one.effect))
        return free
