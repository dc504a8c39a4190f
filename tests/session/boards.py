"""Conversations with a switchboard: one charger, several backends, a disk that works at once."""

from typing import Any

from gateway.dialect.reader import Reader
from gateway.ocpp.message import Sender, Version
from gateway.routing.ids import Ids
from gateway.routing.policy import Policy
from gateway.routing.routes import Seats
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.knowledge import BufferSettings, Shared
from gateway.session.rulings import Rules
from gateway.session.session import ChargerSession, SessionSettings
from gateway.session.switchboard import Switchboard
from gateway.session.tags import Tags
from gateway.session.tally import Tally
from tests.session.script import BEGIN_S, WALL_S, difference

MAIN, SECOND = "main", "second"
MOST_TICKS = 10_000


def to(name: str, data: bytes) -> tuple[str, bytes]:
    """What is sent to a backend, or to `charger`."""
    return name, data


def stores(name: str, action: str) -> tuple[str, str]:
    """What is written down for a backend."""
    return f"disk of {name}", action


class Board:
    """The backends of one charger in their order; `observers` follow and nothing is stored for them.

    All links are open at first, and the charger has booted. With `keeps=False` the disk says nothing.
    """

    def __init__(
        self,
        *names: str,
        observers: tuple[str, ...] = (),
        takeover_after_s: float = 5.0,
        give_back_after_s: float = 10.0,
        keeps: bool = True,
        version: Version = Version.V16,
        **settings: Any,
    ) -> None:
        self.now = BEGIN_S
        self.keeps = keeps
        self.version = version
        self.told: list[tuple[str, Any]] = []
        self.notes: list[str] = []
        self._settings, self._reader, self._shared = settings, Reader(version), Shared(Tags(b"key"))
        everyone = (*names, *observers)
        self.rules = {name: Rules(Policy(name, "all"), 100_000.0) for name in (*everyone, "late")}
        seats = Seats(names, observers, takeover_after_s, give_back_after_s)
        sessions = {name: self.session(name, name not in observers) for name in everyone}
        self.board = Switchboard(names[0], sessions[names[0]], seats, self.rules, Ids(b""), Tally())
        for name in everyone[1:]:
            self._take(self.board.join(name, sessions[name], self.now))
        for number, name in enumerate(everyone):
            self.happens(name, ev.BackendOpened(10 + number))
        self.happens(self.board.leader, ev.ChargerOpened(1, version))
        self.board.commands.boot_until = 0.0
        self.told.clear()
        self.notes.clear()

    def session(self, name: str, stores: bool = True) -> ChargerSession:
        quiet: dict[str, Any] = {"charger_ping_s": 0.0, "backend_ping_s": 0.0}
        buffer = BufferSettings(stores=stores, hold_s=0.0)
        settings = SessionSettings(**(quiet | {"buffer": buffer, "backend_name": name} | self._settings))
        session = ChargerSession("CP1", settings, Tally(), self._reader, WALL_S - BEGIN_S, self._shared)
        session.version = self.version
        return session

    def happens(self, name: str, *events: ev.Event) -> "Board":
        for event in events:
            self._take(self.board.handle(name, event, self.now))
        return self

    def charger_sends(self, *frames: bytes) -> "Board":
        for data in frames:
            epoch = self.board.sessions[self.board.leader].charger.epoch
            self._take(self.board.charger_frame(epoch, data, False, self.now))
        return self

    def backend_sends(self, name: str, *frames: bytes) -> "Board":
        for data in frames:
            epoch = self.board.sessions[name].backend.epoch
            self._take(self.board.backend_frame(name, epoch, data, False, self.now))
        return self

    def backend_goes(self, *names: str) -> "Board":
        """Its link closes, and no other can be had."""
        for name in names:
            epoch = self.board.sessions[name].backend.epoch
            self.happens(name, ev.BackendClosed(epoch, 1006), ev.BackendAway())
        return self

    def backend_comes(self, name: str) -> "Board":
        return self.happens(name, ev.BackendOpened(self.board.sessions[name].backend.epoch + 10))

    def charger_returns(self, epoch: int) -> "Board":
        self.happens(self.board.leader, ev.ChargerClosed(epoch - 1, 1006))
        return self.happens(self.board.leader, ev.ChargerOpened(epoch, self.version))

    def joins(self, name: str) -> "Board":
        session = self.session(name)
        self.board.sit(Seats((*self.board.lead.standing.ranked, name)), self.now)
        self._take(self.board.join(name, session, self.now))
        return self.happens(name, ev.BackendOpened(90))

    def after(self, seconds: float) -> "Board":
        """Time passes; each session is told whenever it is due, and the leader's when the board is."""
        end = self.now + seconds
        for _ in range(MOST_TICKS):
            due = {name: session.due for name, session in self.board.sessions.items()}
            due[self.board.leader] = min(due[self.board.leader], self.board.due)
            name = min(due, key=lambda one: due[one])
            if due[name] > end:
                self.now = end
                return self
            self.now = max(self.now, due[name])
            self.happens(name, ev.TimePassed())
        raise AssertionError(f"somebody wants to be told the time for ever: {due}")

    def then(self, *expected: tuple[str, Any]) -> "Board":
        """What was sent, stored, closed or held since the last `then`, exactly and in order."""
        told, self.told, self.notes = self.told, [], []
        if told != list(expected):
            raise AssertionError("\n" + difference(expected, told))
        return self

    def noted(self) -> list[str]:
        return self.notes

    def disk_stalls(self) -> "Board":
        """From now on it says nothing by itself."""
        self.keeps = False
        return self

    def disk_works(self, *answers: tuple[str, ev.Event]) -> "Board":
        for name, event in answers:
            self.happens(name, event)
        return self

    def _take(self, routed: list[Any]) -> None:
        kept: list[tuple[str, ev.Event]] = []
        for name, effect in routed:
            match effect:
                case ef.SendToCharger(data):
                    self.told.append(("charger", data))
                case ef.SendToBackend(data):
                    self.told.append((name, data))
                case ef.StoreEntry(number, action):
                    self.told.append(stores(name, action))
                    kept.append((name, ev.EntryStored(number, True)))
                case ef.DropEntry(number):
                    kept.append((name, ev.EntryDropped(number, True)))
                case ef.KeepState(number):
                    kept.append((name, ev.StateKept(number, True)))
                case ef.WantTurn():
                    kept.append((name, ev.Turn(100)))
                case ef.Close(to=Sender.CHARGER, code=code):
                    self.told.append(("closes", code))
                case ef.StopReading(end) | ef.ReadOn(end):
                    who = "reads" if end is Sender.CHARGER else f"reads {name}"
                    self.told.append((who, type(effect) is ef.ReadOn))
                case ef.Noted(noted):
                    self.notes.append(noted)
        self.waits = kept
        if self.keeps:
            for name, event in kept:
                self.happens(name, event)
