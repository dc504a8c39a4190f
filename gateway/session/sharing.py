"""What the backends of a charger are told of each other's messages and transactions."""

from typing import TYPE_CHECKING

from gateway.session.effects import Effect, Noted
from gateway.session.owners import Heard, as_read_by
from gateway.session.session import ChargerSession

if TYPE_CHECKING:
    from gateway.session.switchboard import Addressed, Switchboard


class Sharing:
    """What the sessions of `board` still have to be told.

    `heard`: what the charger said; `gave`: whose session has let the charger know the transaction with this
    natural key by this id.
    """

    def __init__(self, board: "Switchboard") -> None:
        self.board = board
        self.heard: list[Heard] = []
        self.gave: list[tuple[ChargerSession, str, int]] = []

    def copies(self, now: float) -> list["Addressed"]:
        """The followers overhear what the charger said."""
        board = self.board
        heard, self.heard = self.heard, []
        routed: list[Addressed] = []
        for one in heard:
            followers = board.followers
            if last := one.answerer:  # it may answer at once: the others have their copies first
                followers = sorted(followers, key=lambda other: other[0] == last)
            for name, session in followers:
                if one.is_reading:
                    reading = session.overhear_reading(one.message, one.id_at, now)
                    if reading is not None:
                        routed.append((name, reading))
                        continue
                if one.is_for(name):
                    routed += self._overhear(name, session, one, now)
        return routed

    def _overhear(self, name: str, session: ChargerSession, one: Heard, now: float) -> list["Addressed"]:
        message = as_read_by(name, one.message, one.owner)
        effects = session.overhear(message, one.label, now)
        board = self.board
        routed = board.route(name, effects, now)
        is_lost = any(type(effect) is Noted and effect.name == "copy-lost" for effect in effects)
        if is_lost and name == one.answerer:
            board.answerers.forget(one.message.id)
            leader = board.sessions[board.leader]
            routed += board.addressed(board.leader, leader.answer_locally(one.message, one.label, now))
        return routed

    def ids(self, now: float) -> list["Addressed"]:
        """The charger is about to hear these ids: what the others note of them goes to the disk first."""
        gave, self.gave = self.gave, []
        routed: list[Addressed] = []
        for by, key, id_ in gave:
            for name, session in self.board.sessions.items():
                if session is not by and (buffer := session.buffer) is not None:
                    noted = buffer.copies.given(key, id_, self.board.name_of(by), now)
                    routed += self.board.route(name, [*noted, *buffer.copies.store_start(now)], now)
        return routed

    def book(self, by: str, to: str, now: float) -> list["Addressed"]:
        """One backend's session learns the ids of another's transactions."""
        mine, theirs = self.board.sessions[to].buffer, self.board.sessions[by].buffer
        assert mine is not None and theirs is not None
        effects: list[Effect] = []
        for known in theirs.book.transactions:
            if not isinstance(known.charger_id, int):
                continue
            same = mine.book.by_key(known.key) if known.key else None
            if same is not None and same.charger_id == same.key:
                effects += mine.copies.given(known.key, known.charger_id, known.given_by or by, now)
            elif same is None and known.is_open:
                mine.copies.is_elsewhere(known.charger_id, now)
        return self.board.addressed(to, effects)
