"""The sessions of one charger that has several backends: who leads, who overhears, who may command.

One session **leads**: it reads what the charger sends, and what its backend answers reaches the charger. The
others **follow**: they overhear every CALL of the charger as it was normalised, and what their backends
answer ends here. What the backends ask of the charger stands in one line (`gateway.session.commands`).

Another session can be made to lead at any time: the charger is read no further until nothing of it is open
with the one that led so far; then its connection is the other's. The charger's socket stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from gateway.ocpp import frame
from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Message, Sender, Version
from gateway.routing.ids import NOTICES, Ids, Owner
from gateway.routing.policy import Pace, Policy, Rewritten
from gateway.routing.routes import Seats
from gateway.routing.standing import Standing
from gateway.session import answers, payloads
from gateway.session import events as ev
from gateway.session.calls import Call, Own
from gateway.session.commands import Commands
from gateway.session.effects import (
    Close,
    Effect,
    Noted,
    Ping,
    ReadOn,
    SendToBackend,
    SendToCharger,
    StopReading,
)
from gateway.session.leg import Hold
from gateway.session.others import Ruled
from gateway.session.session import GOING_AWAY, NEVER, ChargerSession
from gateway.session.shadowing import Shadowing
from gateway.session.tally import Tally

CHARGER = Sender.CHARGER
SPACE = b" \t\r\n["
LONGEST_ANSWERS = 64
STATUSES_TAKE_S = 5.0
ASKED_EVSES = (1, 2, 3, 4)
BUSY = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE", "Occupied"})
"""Statuses of a connector that may mean a transaction (OCPP 1.6 §4.9, 2.0.1 ConnectorStatusEnumType)."""

_OF_WHO_LED = Hold.HAND_OVER | Hold.LINE_FULL | Hold.OTHER_END_BLOCKED

Addressed = tuple[str, Effect]
"""An effect and the backend whose session wants it; what is for the charger is the leader's."""


class Rules(Struct, frozen=True):
    """What one backend may ask of chargers, and how often."""

    policy: Policy
    commands_per_minute: float


class Heard(Struct, gc=False):
    """A CALL of the charger, for all backends or the `only` one. `owner`: how each reads its numbers."""

    message: Message
    label: str
    only: str
    owner: Owner | None


class Switchboard:
    """The `sessions` of one charger by the name of their backend; `leader` is the one whose answers count.

    It begins with the leader's own `session`; the others `join`. `rules` are every backend's. `copies` counts
    what followers overhear. `shadowing` compares the answers of those named in it with the leader's.
    """

    def __init__(
        self,
        leader: str,
        session: ChargerSession,
        seats: Seats,
        rules: Mapping[str, Rules],
        ids: Ids,
        copies: Tally,
    ) -> None:
        self.sessions: dict[str, ChargerSession] = {}
        self.leader = leader
        self.rules = rules
        self.copies = copies
        self.commands = Commands(self, ids)
        self.shadowing = Shadowing()
        self.standing = Standing((), leader, 0.0, 0.0)
        self._paces: dict[str, Pace] = {}
        self._policies: dict[str, Policy] = {}
        self._completed: dict[tuple[str, str], Rewritten] = {}
        self._heard: list[Heard] = []
        self._gave: list[tuple[ChargerSession, str, int]] = []
        self._answerers: dict[str, str] = {}
        self._boot = b""
        self._statuses: dict[str, bytes] = {}
        self._wanted = leader
        self.waits_for_transactions = False
        self._open: dict[object, None] = {}  # transactions that are going on, by the charger's ids
        self._knows_transactions = False
        self._busy: set[str] = set()  # connectors that somebody charges at, by their last status
        self._asked_at = NEVER  # when the charger was asked for its connectors' statuses
        self._add(leader, session)
        self.commands.adopt(leader, session.to_charger.out)
        self.sit(seats, 0.0)

    @property
    def version(self) -> Version:
        """What the charger speaks."""
        return self.sessions[self.leader].version

    @property
    def due(self) -> float:
        """When `TimePassed` should come next, besides the sessions' own times."""
        asked = NEVER if self._knows_transactions else self._asked_at + STATUSES_TAKE_S
        return min(self.standing.due, self.commands.due, asked)

    # Who sits here

    def _add(self, name: str, session: ChargerSession) -> None:
        self.sessions[name] = session
        session.others = self
        session.follows = name != self.leader
        if session.follows:
            session.tally = self.copies
        self._paces[name] = Pace(self.rules[name].commands_per_minute)
        self._policies[name] = self.rules[name].policy.of(session.charger_id)

    def sit(self, seats: Seats, now: float) -> list[Addressed]:
        """These are the charger's backends; nobody changes places before the next look, and who leads stays.

        One that is not among them is told nothing more; its session stays while it owes anything.
        """
        for name, session in self.sessions.items():
            self._policies[name] = self.rules[name].policy.of(session.charger_id)
        self.standing.ranked = seats.ranked
        self.standing.takeover_after_s = seats.takeover_after_s
        self.standing.give_back_after_s = seats.give_back_after_s
        self._seated = frozenset(seats.everyone)
        return self._let_go(now)

    def _let_go(self, now: float) -> list[Addressed]:
        """The charger is gone for backends that it has no more."""
        routed: list[Addressed] = []
        for name, session in self._all_others():
            if name not in self._seated and session.charger.is_open:
                closed = ev.ChargerClosed(session.charger.epoch, GOING_AWAY)
                routed += self.route(name, session.handle(closed, now), now)
        return routed

    def join(self, name: str, session: ChargerSession, now: float) -> list[Addressed]:
        """One more backend: it is told who the charger is, and of no transaction that began before."""
        self._add(name, session)
        leader, buffer = self.sessions[self.leader], session.buffer
        assert buffer is not None and leader.buffer is not None
        told = [*self._tell_book(self.leader, name, now), *self._tell_book(name, self.leader, now)]
        if not leader.charger.is_open or not self.is_seated(name):
            return told
        buffer.owed.boot = buffer.owed.boot or (self._boot or _boot_of(leader)).decode()
        for key, status in self._statuses.items():
            buffer.owed.add_status(key, status.decode())
        opened = session.handle(ev.ChargerOpened(leader.charger.epoch, leader.version), now)
        return [*told, *self.route(name, opened, now), *self._ask_statuses(now)]

    def _ask_statuses(self, now: float) -> list[Addressed]:
        """What a new backend, and we, do not know of the charger's connectors, it is asked to say again."""
        if self.open_transactions is not None or self._asked_at != NEVER:
            return []
        self._asked_at = now
        wanted: list[dict[str, Any]] = [{"requestedMessage": "StatusNotification"}]
        if self.version is not Version.V16:
            wanted = [wanted[0] | {"evse": {"id": evse, "connectorId": 1}} for evse in ASKED_EVSES]
        routed: list[Addressed] = []
        for payload in wanted:
            effects = self.sessions[self.leader].command("TriggerMessage", payload, now)
            routed += self.route(self.leader, effects, now)
        return [*routed, *self.commands.pump(now)]

    def _tell_book(self, by: str, to: str, now: float) -> list[Addressed]:
        """One backend's session learns the ids of another's transactions."""
        mine, theirs = self.sessions[to].buffer, self.sessions[by].buffer
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
        return self.addressed(to, effects)

    def is_seated(self, name: str) -> bool:
        """Whether this backend is told what the charger says."""
        return name in self._seated

    def leave(self, name: str) -> ChargerSession:
        """A backend that follows, or is retired, is gone."""
        assert name != self.leader
        del self._paces[name], self._policies[name]
        return self.sessions.pop(name)

    def _followers(self) -> list[tuple[str, ChargerSession]]:
        return [
            (name, session)
            for name, session in self.sessions.items()
            if name != self.leader and name in self._seated
        ]

    # Events

    def charger_frame(self, epoch: int, data: bytes, binary: bool, now: float) -> list[Addressed]:
        """A message of the charger: an answer goes to who asked, anything else is read by who leads."""
        leader = self.sessions[self.leader]
        is_answer = data.lstrip(SPACE)[:1] in (b"3", b"4")
        if (
            is_answer
            and leader.charger.is_current(epoch)
            and (stray := self.commands.stray(data)) is not None
        ):
            leader.charger.heard_at = now
            leader.charger.received += 1
            return self.addressed(self.leader, leader.stray_answer(stray, self.commands.was_late(stray.id)))
        asked = self.commands.answer(data) if is_answer else None
        if asked is None:
            routed = self.route(self.leader, leader.charger_frame(epoch, data, binary, now), now)
            return self._after(routed, now)
        command, data = asked
        if command.name == self.leader:
            effects = leader.charger_frame(epoch, data, binary, now)
        elif leader.charger.is_current(epoch):
            leader.charger.heard_at = now
            leader.charger.received += 1
            effects = self.sessions[command.name].charger_answers(data, binary, now)
        else:
            return []
        routed = [*self.route(command.name, effects, now), *self.commands.answered(command, data, now)]
        return self._after(routed, now)

    def backend_frame(self, name: str, epoch: int, data: bytes, binary: bool, now: float) -> list[Addressed]:
        """A message of one of the backends."""
        effects = self.sessions[name].backend_frame(epoch, data, binary, now)
        return self._after(self.route(name, effects, now), now)

    def handle(self, name: str, event: ev.Event, now: float) -> list[Addressed]:
        """Anything else that happens to the session of `name`; to the leader's, also to the charger."""
        routed = self.route(name, self.sessions[name].handle(event, now), now)
        if name == self.leader:
            match event:
                case ev.ChargerOpened():
                    self._answerers.clear()
                    self.commands.charger_opened(now)
                    routed += self._tell_followers(event, now)
                case ev.ChargerClosed():
                    routed += self._tell_followers(event, now)
        if now >= self._asked_at + STATUSES_TAKE_S:
            self._knows_transactions |= bool(self._statuses)
            self._asked_at = NEVER
        self._look(now)
        return self._after(routed, now)

    def _tell_followers(self, event: ev.ChargerOpened | ev.ChargerClosed, now: float) -> list[Addressed]:
        routed: list[Addressed] = []
        for name, session in self._followers() if isinstance(event, ev.ChargerOpened) else self._all_others():
            routed += self.route(name, session.handle(event, now), now)
        return routed

    def _all_others(self) -> list[tuple[str, ChargerSession]]:
        return [(name, session) for name, session in self.sessions.items() if name != self.leader]

    # Effects

    def addressed(self, name: str, effects: Iterable[Effect]) -> list[Addressed]:
        return [(name, effect) for effect in effects]

    def route(self, name: str, effects: Iterable[Effect], now: float) -> list[Addressed]:
        """What a session wants, without what only the one that leads may do to the charger."""
        leads = name == self.leader
        routed: list[Addressed] = []
        for effect in effects:
            if type(effect) is SendToCharger:
                if effect.data.lstrip(SPACE)[:1] == b"2":
                    self.commands.add(name, effect.data)
                elif leads or self._answers(name, effect.data):
                    routed.append((self.leader, effect))
            elif type(effect) is SendToBackend and self._completed:
                routed.append((name, self._complete(name, effect)))
            elif leads or not _is_about_the_charger(effect) or self._closes(name, effect):
                routed.append((name, effect))
        return routed

    def _complete(self, name: str, effect: SendToBackend) -> SendToBackend:
        """The charger's answer to a CALL of which a rule has let only a part through."""
        message = frame.split(effect.data)
        rewritten = self._completed.pop((name, message.id), None) if message is not None else None
        answer = payloads.of_result(effect.data) if rewritten is not None else None
        if message is None or rewritten is None or answer is None:
            return effect
        return SendToBackend(frame.result(message.id, msgspec.json.encode(rewritten.completed(answer))))

    def _closes(self, name: str, effect: Effect) -> bool:
        """Whether this backend alone could have answered the charger, and cannot."""
        return type(effect) is Close and name in self._answerers.values()

    def _answers(self, name: str, data: bytes) -> bool:
        """Whether this answer is to a CALL that was for this backend alone."""
        if not self._answerers:
            return False
        message = frame.split(data)
        if message is None or self._answerers.get(message.id) != name:
            return False
        del self._answerers[message.id]
        return True

    def _after(self, routed: list[Addressed], now: float) -> list[Addressed]:
        """What an event means for the others: copies, ids, the charger's next CALL, another leader."""
        while self._heard or self._gave:
            heard, self._heard = self._heard, []
            for one in heard:
                for name, session in self._followers():
                    if one.only in ("", name):
                        routed += self._overhear(name, session, one, now)
            gave, self._gave = self._gave, []
            for by, key, id_ in gave:
                for name, session in self.sessions.items():
                    if session is not by and session.buffer is not None:
                        told = session.buffer.copies.given(key, id_, self._name_of(by), now)
                        routed += self.route(name, told, now)
        routed += self.commands.pump(now)
        if self._wanted != self.leader:
            routed += self._hand_over(now)
        elif self.sessions[self.leader].charger.held & Hold.HAND_OVER:
            routed += self.addressed(self.leader, self.sessions[self.leader].read_on(Hold.HAND_OVER))
        return routed

    def _overhear(self, name: str, session: ChargerSession, one: Heard, now: float) -> list[Addressed]:
        effects = session.overhear(_as_read_by(name, one.message, one.owner), one.label, now)
        routed = self.route(name, effects, now)
        if one.only and any(type(effect) is Noted and effect.name == "copy-lost" for effect in effects):
            del self._answerers[one.message.id]
            leader = self.sessions[self.leader]
            routed += self.addressed(self.leader, leader.answer_locally(one.message, one.label, now))
        return routed

    # What the sessions tell (Others)

    def heard(self, message: Message, label: str) -> Message | None:
        if message.action == "BootNotification":
            self._boot = message.frame
            self._knows_transactions = True
        elif message.action == "StatusNotification":
            self._note_status(message)
        elif message.action == "TransactionEvent":
            self._track_event(message)
        self._answerers.pop(message.id, None)
        owner, only = self._whose(message)
        self._heard.append(Heard(message, label, only, owner))
        if not only or only == self.leader:
            return _as_read_by(self.leader, message, owner)
        self._answerers[message.id] = only
        if len(self._answerers) > LONGEST_ANSWERS:
            del self._answerers[next(iter(self._answerers))]
        return None

    def _note_status(self, message: Message) -> None:
        payload = payloads.of_call(message.frame)
        if payload is not None and len(self._statuses) < LONGEST_ANSWERS:
            key = answers.status_key(payload)
            self._statuses[key] = message.frame
            self._busy.discard(key)
            if payload.get("status", payload.get("connectorStatus")) in BUSY:
                self._busy.add(key)

    def _track_event(self, message: Message) -> None:
        """Whether the transaction of this TransactionEvent is going on."""
        payload = payloads.of_call(message.frame) or {}
        id_ = payloads.transaction_of(message.action, payload)
        self._track(id_, payload.get("eventType") == "Ended")

    def _track(self, id_: object, is_over: bool) -> None:
        self._knows_transactions = True
        if is_over:
            self._open.pop(id_, None)
        elif id_ is not None:
            self._open[id_] = None
            if len(self._open) > LONGEST_ANSWERS:
                del self._open[next(iter(self._open))]

    @property
    def open_transactions(self) -> int | None:
        """How many transactions the charger is in; None when nothing heard so far says so."""
        buffer = self.sessions[self.leader].buffer
        booked = buffer.book.transactions if buffer is not None and self.version is Version.V16 else ()
        going_on = {one.charger_id for one in booked if one.is_open and isinstance(one.charger_id, int)}
        found = max(len(going_on.union(self._open)), len(self._busy))
        is_16 = self.version is Version.V16
        knows = self._knows_transactions or (is_16 and buffer is not None and (booked or buffer.saw_boot))
        return found if found or knows else None

    def _whose(self, message: Message) -> tuple[Owner | None, str]:
        """How each backend reads the numbers in a CALL of the charger; the only one it is for, if any."""
        action = message.action
        owner = None
        if action in NOTICES and len(self.commands.ids):
            payload = payloads.of_call(message.frame)
            owner = self.commands.ids.from_charger(action, payload) if payload is not None else None
            if owner is not None and owner.backend is not None:
                return (owner, owner.backend) if self.is_seated(owner.backend) else (None, "")
        if self.version is Version.V16 and action in ("StopTransaction", "MeterValues"):
            return owner, self._of_another_book(message)
        return owner, ""

    def _of_another_book(self, message: Message) -> str:
        """The only backend that knows the transaction of this CALL, when the leader's does not (OCPP 1.6)."""
        buffer = self.sessions[self.leader].buffer
        assert buffer is not None
        id_ = (payloads.of_call(message.frame) or {}).get("transactionId")
        self._track(id_, message.action == "StopTransaction")
        mine = buffer.book.by_charger_id(id_)
        if id_ is None or (mine is not None and not mine.is_elsewhere):
            return ""
        for name, session in self._followers():
            known = session.buffer.book.by_charger_id(id_) if session.buffer is not None else None
            if known is not None and known.key:
                return "" if known.given_by == self.leader else name
        return ""

    def judge(self, session: ChargerSession, message: Message, version: Version, now: float) -> Ruled | None:
        name = self._name_of(session)
        policy, payload = self._policies[name], bytes(message.payload) or raw_payload(message)
        verdict = policy.judge(message.action, payload, version, name == self.leader)
        if verdict is None and self._paces[name].allows(now):
            return None
        verdict = verdict or policy.refuse_pace(message.action, payload, version)
        flag = Flag(verdict.flag, after=verdict.reason)
        id_ = message.id_literal or message.id
        if isinstance(verdict, Rewritten):
            changed = frame.call(message.id, message.action, verdict.payload)
            if verdict.withheld:
                self._completed[name, message.id] = verdict
            return Ruled(flag, structs.replace(message, payload=verdict.payload, frame=changed))
        if verdict.payload is not None:
            return Ruled(flag, None, frame.result(id_, verdict.payload))
        return Ruled(flag, None, frame.error(id_, verdict.error_code, verdict.reason))

    def is_taken(self, id_: int, key: str = "") -> bool:
        books = [session.buffer.book for session in self.sessions.values() if session.buffer is not None]
        return any(known.key != key for book in books if (known := book.by_charger_id(id_)) is not None)

    def must_answer(self, session: ChargerSession, id_: str) -> bool:
        return not session.follows or self._answerers.get(id_) == self._name_of(session)

    def gave(self, session: ChargerSession, key: str, id_: int) -> None:
        self._gave.append((session, key, id_))

    def answered(self, session: ChargerSession, call: Call, data: bytes) -> None:
        if call.action == "BootNotification" and not session.follows:
            self.commands.boot_until = 0.0
        if self.shadowing.compared:
            self.shadowing.answered(self._name_of(session), self.leader, call, data)

    def _name_of(self, session: ChargerSession) -> str:
        return next(name for name, known in self.sessions.items() if known is session)

    # Who leads

    def favour(self, name: str, now: float) -> list[Addressed]:
        """This backend need not show first that it stays, for a person wants it to lead."""
        self.standing.trust(name)
        self._look(now)
        return self._after([], now)

    def _look(self, now: float) -> None:
        self._wanted = self.standing.look(self.is_ready, now)

    def is_ready(self, name: str) -> bool:
        """Whether a backend could lead: it answers, has accepted the charger, and knows what it missed."""
        session = self.sessions.get(name)
        buffer = session.buffer if session is not None else None
        return buffer is not None and buffer.is_usable and (name == self.leader or not buffer.outbox.is_busy)

    def _hand_over(self, now: float) -> list[Addressed]:
        """Let the wanted one lead, as soon as nothing of the charger is open with the one that does."""
        before, session = self.sessions[self.leader], self.sessions.get(self._wanted)
        if session is None or not self.is_ready(self._wanted):
            self._wanted = self.leader
            return self.addressed(self.leader, before.read_on(Hold.HAND_OVER))
        if self._is_too_early():
            return []
        asked_elsewhere = self._ask_elsewhere(before, session, now) if not self.is_ready(self.leader) else []
        if not (before.is_quiet and session.is_quiet):
            held = before.hold_charger(Hold.HAND_OVER)
            return [*asked_elsewhere, *self.addressed(self.leader, held)]
        return [*asked_elsewhere, *self.lead(self._wanted, now)]

    def lead(self, name: str, now: float) -> list[Addressed]:
        """This backend leads from now on."""
        if name == self.leader:
            return []
        before, session = self.sessions[self.leader], self.sessions[name]
        old, self.leader = self.leader, name
        session.lead(before, now)
        self.standing.leader = self._wanted = name
        effects = [Noted("lead-moved", f"{old} to {name}"), *session.read_on(_OF_WHO_LED)]
        return [*self.addressed(name, effects), *self._let_go(now)]

    def _is_too_early(self) -> bool:
        """Whether the lead stays while a transaction is going on; not when its backend is away."""
        waits = self.waits_for_transactions and self.is_ready(self.leader)
        return waits and bool(self.open_transactions)

    def _ask_elsewhere(self, before: ChargerSession, session: ChargerSession, now: float) -> list[Addressed]:
        """What the one that led leaves unanswered and the charger need not wait for is asked again."""
        call = before.to_backend.out
        message = frame.split(call.frame) if call is not None and call.own is None else None
        if call is None or call.billing or message is None:
            return []
        call.own = Own.ABANDONED
        self._answerers[message.id] = self._wanted
        return self.route(self._wanted, session.overhear(message, call.label, now), now)


def _as_read_by(name: str, message: Message, owner: Owner | None) -> Message:
    """A CALL of the charger with the numbers that this backend knows."""
    payload = owner.payload_for(name) if owner is not None else None
    if payload is None:
        return message
    data = frame.call(message.id, message.action, msgspec.json.encode(payload))
    return structs.replace(message, payload=b"", frame=data)


def raw_payload(message: Message) -> bytes:
    """The JSON text of a CALL's payload."""
    found = frame.split(message.frame)
    return b"{}" if found is None else bytes(found.payload)


def _boot_of(session: ChargerSession) -> bytes:
    """A BootNotification made of what is known of the station, for a backend that has never heard one."""
    station = session.station
    if session.version is Version.V16:
        payload = {
            "chargePointVendor": station.vendor[:20] or "unknown",
            "chargePointModel": station.model[:20] or "unknown",
        }
        named = {"firmwareVersion": station.firmware, "chargePointSerialNumber": station.serial[:25]}
        payload |= {name: value for name, value in named.items() if value}
    else:
        known = {
            "vendorName": station.vendor or "unknown",
            "model": station.model[:20] or "unknown",
            "firmwareVersion": station.firmware,
            "serialNumber": station.serial[:25],
        }
        inside = {name: value for name, value in known.items() if value}
        payload = {"reason": "Unknown", "chargingStation": inside}  # type: ignore[dict-item]
    return frame.call("gateway-boot", "BootNotification", msgspec.json.encode(payload))


def _is_about_the_charger(effect: Effect) -> bool:
    """Whether an effect is about the charger's connection, which is not this session's to decide on."""
    match effect:
        case Ping(to=Sender.CHARGER) | Close(to=Sender.CHARGER):
            return True
        case StopReading(of=Sender.CHARGER) | ReadOn(of=Sender.CHARGER):
            return True
        case Noted(name="charger-connected" | "charger-disconnected" | "charger-paused"):
            return True
    return False
