"""Conversations with a session: what happens to it, what it then wants, and a clock that only tests turn."""

import json
from difflib import unified_diff
from typing import Any

from msgspec import Struct

from gateway.dialect.reader import Mode, Reader
from gateway.ocpp.message import Sender, Version
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.knowledge import Known, Shared
from gateway.session.session import ChargerSession, SessionSettings
from gateway.session.tags import Tags
from gateway.session.tally import Tally

CHARGER, BACKEND = Sender
WALL_S = 1_795_248_000.0  # 2026-11-21T08:00:00Z
TIME = "2026-11-21T08:00:00Z"
BEGIN_S = 1000.0
MOST_TICKS = 10_000


class Told(Struct, frozen=True):
    """What `Flagged` says, without the places inside the message; codes in alphabetical order."""

    sender: Sender
    verdict: ef.Verdict
    raw: bytes
    codes: tuple[str, ...]


def told(sender: Sender, verdict: ef.Verdict, raw: bytes, *codes: str) -> Told:
    """The expectation that a message is flagged with exactly these codes."""
    return Told(sender, verdict, raw, tuple(sorted(codes)))


class Script:
    """A session with both legs open (epoch 1), whose `settings` are those of `SessionSettings`.

    Pings are off unless they are asked for, so that a test about something else need not mention them.
    With `buffer=BufferSettings(…)` the session outlives its backend, whose link `backend_is_open` says.
    """

    def __init__(
        self,
        version: Version = Version.V16,
        mode: Mode = Mode.REPAIR,
        is_open: bool = True,
        backend_is_open: bool = True,
        known: Known | None = None,
        **settings: Any,
    ) -> None:
        self.now = BEGIN_S
        self.tally = Tally()
        quiet = {"charger_ping_s": 0.0, "backend_ping_s": 0.0}
        self.session = ChargerSession(
            "CP1",
            SessionSettings(**(quiet | settings)),
            self.tally,
            Reader(version, mode),
            WALL_S - BEGIN_S,
            Shared(Tags(b"key")),
            known,
        )
        self.effects: list[Any] = []
        self.numbers: list[int] = []
        if is_open:
            if backend_is_open:
                self.happens(ev.BackendOpened(1))
            self.happens(ev.ChargerOpened(1, version))
            self.then()

    def happens(self, *events: ev.Event) -> "Script":
        """The session takes events, at the present; what it wants adds up until `then`."""
        for event in events:
            self._take(self.session.handle(event, self.now))
        return self

    def charger_sends(self, *frames: bytes) -> "Script":
        return self.happens(*(ev.ChargerFrame(self.session.charger.epoch, frame) for frame in frames))

    def charger_returns(self, epoch: int) -> "Script":
        """The charger vanishes and connects again."""
        self.happens(ev.ChargerClosed(epoch - 1, 1006))
        self.session.reader.history.reconnected()
        return self.happens(ev.ChargerOpened(epoch, self.session.version))

    def backend_sends(self, *frames: bytes) -> "Script":
        return self.happens(*(ev.BackendFrame(self.session.backend.epoch, frame) for frame in frames))

    def after(self, seconds: float) -> "Script":
        """Time passes; the session is told whenever its `due` has come."""
        end = self.now + seconds
        for _ in range(MOST_TICKS):
            if self.session.due > end:
                self.now = end
                return self
            self.now = max(self.now, self.session.due)
            self.happens(ev.TimePassed())
        raise AssertionError(f"the session wants to be told the time for ever: due {self.session.due}")

    def then(self, *expected: Any) -> "Script":
        """What has been wanted since the last `then`, exactly and in order.

        `Noted` effects count only if at least one is expected; a `Told` stands for a `Flagged`, a `Stores`
        for a `StoreEntry`, a `Drops` for a `DropEntry`. `Remember` does not count.
        """
        notes = any(isinstance(effect, ef.Noted) for effect in expected)
        unsaid = ef.Remember if notes else (ef.Noted, ef.Remember)
        wanted = [_plain(effect) for effect in self.effects if not isinstance(effect, unsaid)]
        self.effects = []
        if wanted != list(expected):
            raise AssertionError("\n" + difference(expected, wanted))
        return self

    def noted(self) -> list[str]:
        """The names of what was noted since the last `then`, which stays to be asked for."""
        return [effect.name for effect in self.effects if isinstance(effect, ef.Noted)]

    def _take(self, effects: list[ef.Effect]) -> None:
        self.effects += effects
        self.numbers += [e.number for e in effects if isinstance(e, ef.Flagged) and e.number]


class Stores(Struct, frozen=True):
    """What `StoreEntry` says, without the state that goes with it."""

    number: int
    frame: bytes


class Drops(Struct, frozen=True):
    """What `DropEntry` says, without the state that goes with it."""

    number: int


def _plain(effect: Any) -> Any:
    if isinstance(effect, ef.StoreEntry):
        return Stores(effect.number, effect.frame)
    if isinstance(effect, ef.DropEntry):
        return Drops(effect.number)
    if not isinstance(effect, ef.Flagged):
        return effect
    codes = sorted(flag.code.value for flag in effect.flags)
    return Told(effect.sender, effect.verdict, effect.raw, tuple(codes))


def difference(expected: Any, wanted: Any) -> str:
    """Both lists of effects side by side, one effect per line."""
    before, after = ([f"{effect!r}" for effect in effects] for effects in (expected, wanted))
    return "\n".join(unified_diff(before, after, "expected", "wanted by the session", lineterm="", n=100))


# Frames


def call(id_: str, action: str, payload: Any = None) -> bytes:
    """A CALL with blanks where no gateway would put them, so that a frame written anew is seen."""
    return f'[2, "{id_}",  "{action}", {json.dumps(payload or {})} ]'.encode()


def result(id_: str, payload: Any = None) -> bytes:
    return f'[3,  "{id_}", {json.dumps(payload or {})} ]'.encode()


def error(id_: str, code: str = "InternalError", description: str = "no") -> bytes:
    return f'[4,  "{id_}", "{code}", "{description}", {{}} ]'.encode()


def heartbeat(id_: str) -> bytes:
    return call(id_, "Heartbeat")


def heartbeat_result(id_: str) -> bytes:
    return result(id_, {"currentTime": TIME})


def start(id_: str, meter: int = 100) -> bytes:
    return call(
        id_, "StartTransaction", {"connectorId": 1, "idTag": "TAG1", "meterStart": meter, "timestamp": TIME}
    )


def start_result(id_: str, transaction: int = 7) -> bytes:
    return result(id_, {"transactionId": transaction, "idTagInfo": {"status": "Accepted"}})


def security(id_: str, text: str = "StartupOfTheDevice") -> bytes:
    """Data that must not be lost, in every version, and whose frames the dialect has nothing to say about."""
    return call(id_, "SecurityEventNotification", {"type": text, "timestamp": TIME})


def stop_without_transaction(id_: str) -> bytes:
    """Billing data that cannot be repaired: nobody can say which transaction stops."""
    return call(id_, "StopTransaction", {"meterStop": 5000, "timestamp": TIME})


def clear_cache(id_: str) -> bytes:
    return call(id_, "ClearCache")


def clear_cache_result(id_: str) -> bytes:
    return result(id_, {"status": "Accepted"})


# Outages


def stop(id_: str, transaction: int = 7, meter: int = 900) -> bytes:
    return call(id_, "StopTransaction", {"transactionId": transaction, "meterStop": meter, "timestamp": TIME})


def meter_values(id_: str, transaction: int = 7, energy: int = 500, time: str = TIME) -> bytes:
    sample = {"value": str(energy), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
    values = [{"timestamp": time, "sampledValue": [sample]}]
    return call(id_, "MeterValues", {"connectorId": 1, "transactionId": transaction, "meterValue": values})


def answered(id_: str, payload: Any = None) -> bytes:
    """An answer as the gateway writes it."""
    return f'[3,"{id_}",{json.dumps(payload or {}, separators=(",", ":"))}]'.encode()


STREAM = call(
    "s1",
    "NotifyPeriodicEventStream",
    {"id": 1, "pending": 0, "basetime": TIME, "data": [{"t": 0.5, "v": "1.10"}]},
).replace(b"[2", b"[6")
