"""The gateway of a vector: a real session with its buffer, its bridge and a translator, between two peers.

What the node around a session does is done here, at once: a disk that never fails, a clock that only the
vector turns, and a turn for whoever wants one. What is odd about a message is left to the translator: a
vector speaks of that alone.
"""

import json
from typing import Any

import msgspec

from gateway.dialect.reader import Mode, Reader
from gateway.ocpp.message import Sender, Version
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.answers import UnknownTags
from gateway.session.book import Pages
from gateway.session.knowledge import Boot, BufferSettings, Known, Shared
from gateway.session.outbox import Entry
from gateway.session.session import ChargerSession, SessionSettings
from gateway.session.tags import Tags
from gateway.session.tally import Tally
from gateway.translate import memory as memories
from gateway.translate.chain import halves
from gateway.translate.charger16_backend201.common import TRIGGER_S
from gateway.translate.engine import Engine
from gateway.translate.factory import translator_for
from gateway.translate.parts import COLD, parts_of, whole
from tests.vectors.state import memory_of, moment, policies_of
from tests.vectors.words import usual

Frame = list[Any]
State = dict[str, Any]

BEGIN_S = 1000.0
ENDS = {Sender.CHARGER: "cs", Sender.BACKEND: "be"}
UNKNOWN_TAGS = {
    "cache_only": UnknownTags.ACCEPT_KNOWN,
    "accept": UnknownTags.ACCEPT_ALL,
    "reject": UnknownTags.REFUSE,
}


def settings_of(config: State) -> SessionSettings:
    """The session's share of a vector's policies."""
    deadline_s = config.get("answer_deadline_ms", 20_000) / 1000
    buffer = BufferSettings(
        hold_s=0.0,
        answer_after_s=deadline_s,
        unknown_tags=UNKNOWN_TAGS[config.get("offline_unknown_id", "cache_only")],
        stops_late_refusals=config.get("late_reject", "stop") == "stop",
        absorbs_refusals=config.get("tx_error", "absorb") == "absorb",
        retry_s=config.get("tx_retry_ms", 30_000) / 1000,
        max_refusals=config.get("tx_error_max", 10),
    )
    return SessionSettings(
        answer_deadline_s=deadline_s,
        call_timeout_s=config.get("command_deadline_ms", 30_000) / 1000,
        charger_ping_s=0.0,
        backend_ping_s=0.0,
        buffer=buffer,
    )


class World:
    """The gateway as its two peers see it; `sent` is what they have heard, by leg.

    `losses` are (code, path) of what could not be carried; `commits` counts how often what was
    learned had to be written first.
    """

    def __init__(self, vector: dict[str, Any]) -> None:
        self.state = usual(vector)
        charger, backend = vector["direction"].removeprefix("cs").split("-be")
        self.versions = (Version(charger), Version(backend))
        self.policies = policies_of(self.state)
        self.settings = settings_of(self.state.get("config", {}))
        self.now = BEGIN_S
        self.wall_offset_s = moment(self.state["clock"]) - BEGIN_S
        self.sent: list[tuple[str, Frame]] = []
        self.losses: list[tuple[str, str]] = []
        self.entries: list[Entry] = []
        self.buried: list[State] = []
        self.tags = Tags(b"key")
        self.commits = 0
        self.epochs = {"cs": 0, "be": 0}
        self.is_chain = {Version.V16, Version.V21} == set(self.versions)
        self.parts = self._parts_before()
        self.session = self._session()
        self._learn_tags()
        self._put_triggers()
        if self.state["links"]["cs"] == "up":  # its opening is known, so no translator hears of it
            self.session, bridge = self.session, self.session.bridge
            self.session.bridge = None
            self._open("cs")
            self.session.bridge = bridge
        if self.state["links"]["be"] == "up":
            self._open("be")
        else:
            self._tell(ev.BackendAway())

    def _parts_before(self) -> dict[str, bytes]:
        """What the disk holds before the vector begins."""
        memory = memories.encoded(memory_of(self.state))
        was_accepted = self.state["registration"] == "Accepted"
        parts = {
            "translate": b'{"near":%b,"far":%b}' % (memory, memory) if self.is_chain else memory,
            "boot": msgspec.json.encode(Boot(was_accepted, 300)),
        }
        if first := self.state.get("next", {}).get("tx16"):
            parts["book"] = msgspec.json.encode(Pages(next_id=first))
        return parts

    def _session(self) -> ChargerSession:
        """A session that knows what the disk holds."""
        version, there = self.versions
        size = sum(len(entry.frame) for entry in self.entries)
        oldest, last = (self.entries[0].came_at, self.entries[-1].number) if self.entries else (0.0, 0)
        session = ChargerSession(
            "CP-1",
            self.settings,
            Tally(),
            Reader(version, Mode.OBSERVE),
            self.wall_offset_s,
            Shared(self.tags),
            Known(self.parts, len(self.entries), size, oldest, last),
        )
        translator = translator_for(version, there, self.policies, whole(self.parts), "CP-1")
        assert translator is not None
        session.translate(translator, self.parts.get("under_way", b""))
        return session

    def _learn_tags(self) -> None:
        for known in self.state.get("auth_cache", []):
            info = {"status": known["status"]} | known.get("info", {})
            self.tags.learn(known["idToken"]["idToken"], info, moment(known["at"]))

    def _put_triggers(self) -> None:
        """What the charger was asked for is forgotten in a restart, so it is no part of the memory."""
        assert self.session.bridge is not None
        translator = self.session.bridge.translator
        for one in self.state["pending_triggers"]:
            assert isinstance(translator, Engine)
            until = moment(one["until"]) if one["until"] else moment(self.state["clock"]) + TRIGGER_S
            translator.triggers[one["message"], one["evse"]] = until

    def snapshot(self) -> bytes:
        """The memory that holds what a vector speaks of: of two translators the one that knows 1.6."""
        assert self.session.bridge is not None
        snapshot = self.session.bridge.translator.snapshot()
        if not self.is_chain:
            return snapshot
        near, far = halves(snapshot)
        return near if self.versions[0] is Version.V16 else far

    def kept(self) -> State:
        """What waits for the backend, and what is kept for people."""
        return {"queue": [{"action": entry.action} for entry in self.entries], "dead_letter": self.buried}

    # What peers do

    def receives(self, leg: str, frame: Frame) -> None:
        """A peer says something."""
        data = json.dumps(frame, ensure_ascii=False).encode()
        epoch = self.epochs[leg]
        self._tell(ev.ChargerFrame(epoch, data) if leg == "cs" else ev.BackendFrame(epoch, data))

    def happens(self, message: State) -> None:
        """Something that is no message."""
        if message["leg"] == "clock":
            self.advance(message["advance_ms"] / 1000)
        elif message["leg"] == "link":
            legs = ("be", "cs") if message["which"] == "both" else (message["which"],)
            for leg in legs:
                self.turn(leg, message["state"] == "up")
        else:
            self.restart()

    def turn(self, leg: str, up: bool) -> None:
        """A link drops or returns."""
        if up:
            self._open(leg)
        else:
            epoch = self.epochs[leg]
            self._tell(ev.ChargerClosed(epoch, 1006) if leg == "cs" else ev.BackendClosed(epoch, 1006))
            if leg == "be":
                self._tell(ev.BackendAway())

    def restart(self) -> None:
        """Killed: what is on disk is all there is; both links drop and return."""
        self.session = self._session()
        self._open("be")
        self._open("cs")

    def _open(self, leg: str) -> None:
        self.epochs[leg] += 1
        if leg == "be":
            self._tell(ev.BackendOpened(self.epochs[leg]))
        else:
            self._tell(ev.ChargerOpened(self.epochs[leg], self.versions[0]))

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.session.due <= end:
            self._tick()
        self.now = end

    def wait(self, seconds: float) -> bool:
        """Let time pass until something is sent; False when nothing was."""
        before, end = len(self.sent), self.now + seconds
        while len(self.sent) == before:
            if self.session.due > end:
                return False
            self._tick()
        return True

    def _tick(self) -> None:
        self.now = max(self.now, self.session.due)
        self._tell(ev.TimePassed())

    # What the session wants

    def _tell(self, event: ev.Event) -> None:
        events = [event]
        while events:
            for effect in self.session.handle(events.pop(0), self.now):
                events += self._perform(effect)
        self._compare()

    def _compare(self) -> None:
        """Of what is not written with every message the disk has what the memory has."""
        translator = self.session.bridge.translator if self.session.bridge is not None else None
        if isinstance(translator, Engine) and self.commits:
            there = parts_of(translator.memory, COLD)
            assert {name: self.parts.get(name) for name in COLD} == {name: there[name] for name in COLD}

    def _perform(self, effect: ef.Effect) -> list[ev.Event]:  # noqa: PLR0911
        match effect:
            case ef.SendToCharger(data):
                self.sent.append(("cs", json.loads(data)))
            case ef.SendToBackend(data):
                self.sent.append(("be", json.loads(data)))
            case ef.Flagged():
                self._flagged(effect)
                if effect.number:
                    self.buried.append({"action": effect.action})
                return [ev.Kept(effect.number, True)] if effect.number else []
            case ef.StoreEntry():
                version = effect.version.value
                self.entries.append(
                    Entry(effect.number, effect.came_at, version, effect.action, effect.frame)
                )
                self.parts |= effect.parts
                return [ev.EntryStored(effect.number, True)]
            case ef.DropEntry():
                self.entries = [entry for entry in self.entries if entry.number != effect.number]
                self.parts |= effect.parts
                return [ev.EntryDropped(effect.number, True)]
            case ef.FetchEntries(after, limit):
                found = [msgspec.structs.replace(e) for e in self.entries if e.number > after]
                return [ev.EntriesFetched(tuple(found[:limit]))]
            case ef.KeepState():
                self.commits += 1
                self.parts |= effect.parts
                return [ev.StateKept(effect.number, True)]
            case ef.Remember(part, data):
                self.parts[part] = data
            case ef.WantTurn():
                return [ev.Turn(1000)]
            case ef.Close(to):
                self.sent.append((ENDS[to], ["closed", effect.code, effect.reason]))
        return []

    def _flagged(self, effect: ef.Flagged) -> None:
        for flag in effect.flags:
            author, _, code = flag.author.partition("/")
            if author == "translate":
                self.losses.append((code, flag.path))
