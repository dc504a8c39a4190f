"""The sessions of one charger that has several backends: who leads, who overhears, who may command.

One session **leads**: it reads what the charger sends, and what its backend answers reaches the charger. The
others **follow**: they overhear every CALL of the charger as it was normalised, and what their backends
answer ends here. What the backends ask of the charger stands in one line (`gateway.session.commands`).

Another session can be made to lead at any time: the charger is read no further until nothing of it is open
with the one that led so far; then its connection is the other's. The charger's socket stays.
"""

from collections.abc import Iterable, Mapping, Sequence

from gateway.ocpp import frame
from gateway.ocpp.message import Message, Sender, Version
from gateway.routing.ids import Ids
from gateway.routing.routes import Seats
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.calls import Call
from gateway.session.commands import Commands
from gateway.session.effects import Close, Effect, Noted, SendToBackend, SendToCharger, is_about
from gateway.session.lead import Lead
from gateway.session.others import Ruled
from gateway.session.owners import Answerers, Heard, as_read_by, whose
from gateway.session.presence import Presence
from gateway.session.rulings import Rules, Rulings
from gateway.session.securing import Securing
from gateway.session.session import GOING_AWAY, ChargerSession
from gateway.session.shadowing import Shadowing
from gateway.session.sharing import Sharing
from gateway.session.tally import Tally

CHARGER = Sender.CHARGER

_OF_THE_CONNECTION = frozenset({"charger-connected", "charger-disconnected", "charger-paused"})

Addressed = tuple[str, Effect]
"""An effect and the backend whose session wants it; what is for the charger is the leader's."""


class Switchboard:
    """The `sessions` of one charger by the name of their backend; `leader` is the one whose answers count.

    It begins with the leader's own `session`; the `others` join, and `followers` are those of them that are
    told what the charger says. `rules` are every backend's. `copies` counts what followers overhear. The
    answers of those that are `compared` are held against the leader's.
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
        self.copies = copies
        self.commands = Commands(self, ids)
        self.compared: frozenset[str] = frozenset()
        self.shadowing = Shadowing(self)
        self.presence = Presence(self)
        self.rulings = Rulings(self, rules)
        self.lead = Lead(self)
        self.securing = Securing(self)
        self._seated: frozenset[str] = frozenset()
        self.followers: list[tuple[str, ChargerSession]] = []
        self.others: list[tuple[str, ChargerSession]] = []
        self.sharing = Sharing(self)
        self.answerers = Answerers()
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
        return min(self.lead.standing.due, self.commands.due, self.presence.due, self.securing.due)

    # Who sits here

    def _add(self, name: str, session: ChargerSession) -> None:
        self.sessions[name] = session
        session.others = self
        session.follows = name != self.leader
        if session.follows:
            session.count_in(self.copies)
        self._find_others()

    def sit(self, seats: Seats, now: float) -> list[Addressed]:
        """These are the charger's backends; nobody changes places before the next look, and who leads stays.

        One that is not among them is told nothing more; its session stays while it owes anything.
        """
        self.lead.sit(seats)
        self._seated = frozenset(seats.everyone)
        self._find_others()
        routed = self.let_go(now)
        for name, session in self.followers:
            if not session.charger.is_open:  # it had to go, and is back before all it was owed was delivered
                routed += self._welcome(name, session, now)
        return routed

    def let_go(self, now: float) -> list[Addressed]:
        """The charger is gone for backends that it has no more."""
        routed: list[Addressed] = []
        for name, session in self.others:
            if name not in self._seated and session.charger.is_open:
                closed = ev.ChargerClosed(session.charger.epoch, GOING_AWAY)
                routed += self.route(name, session.handle(closed, now), now)
        return routed

    def join(self, name: str, session: ChargerSession, now: float) -> list[Addressed]:
        """One more backend: it is told who the charger is, and of no transaction that began before."""
        self._add(name, session)
        told = [*self.sharing.book(self.leader, name, now), *self.sharing.book(name, self.leader, now)]
        return [*told, *self._welcome(name, session, now)] if self.is_seated(name) else told

    def _welcome(self, name: str, session: ChargerSession, now: float) -> list[Addressed]:
        """The charger, if it is there, is there for this backend too."""
        leader, buffer = self.sessions[self.leader], session.buffer
        if not leader.charger.is_open or buffer is None:
            return []
        buffer.owed.boot = buffer.owed.boot or self.presence.boot().decode()
        for key, status in self.presence.statuses.items():
            buffer.owed.add_status(key, status.decode())
        opened = session.handle(ev.ChargerOpened(leader.charger.epoch, leader.version), now)
        return [*self.route(name, opened, now), *self.presence.ask(now)]

    def is_seated(self, name: str) -> bool:
        """Whether this backend is told what the charger says."""
        return name in self._seated

    def leave(self, name: str) -> None:
        """A backend that follows, or is retired, is gone."""
        assert name != self.leader
        self.rulings.leave(name)
        del self.sessions[name]
        self._find_others()

    def led_by(self, name: str) -> None:
        """From now on the answers of this backend are those that count."""
        self.leader = name
        self._find_others()

    def _find_others(self) -> None:
        self.others = [one for one in self.sessions.items() if one[0] != self.leader]
        self.followers = [one for one in self.others if one[0] in self._seated]

    # Events

    def charger_frame(self, epoch: int, data: bytes, binary: bool, now: float) -> list[Addressed]:
        """A message of the charger: an answer goes to who asked, anything else is read by who leads."""
        leader = self.sessions[self.leader]
        if data[1:2] == b"2":
            effects = leader.charger_frame(epoch, data, binary, now)
            if len(effects) == 1 and type(effects[0]) is SendToBackend:
                return self.after([(self.leader, effects[0])], now)  # it just goes on, as nearly always
            return self.after(self.route(self.leader, effects, now), now)
        is_answer = frame.digit(data) in (b"3", b"4") and leader.charger.is_current(epoch)
        if is_answer and (stray := self.commands.stray(data)) is not None:
            effects = leader.stray_answer(stray, self.commands.was_late(stray.id))
            return self.after(self.route(self.leader, [*effects, *leader.counts(now)], now), now)
        asked = self.commands.answer(data) if is_answer else None
        if asked is None:
            routed = self.route(self.leader, leader.charger_frame(epoch, data, binary, now), now)
            return self.after(routed, now)
        command, data = asked
        if command.name == self.leader:
            routed = self.route(self.leader, leader.charger_frame(epoch, data, binary, now), now)
        else:
            effects = self.sessions[command.name].charger_answers(data, binary, now)
            routed = self.route(command.name, effects, now)
            routed += self.route(self.leader, leader.counts(now), now)
        return self.after([*routed, *self.commands.answered(command, data, now)], now)

    def backend_frame(self, name: str, epoch: int, data: bytes, binary: bool, now: float) -> list[Addressed]:
        """A message of one of the backends."""
        effects = self.sessions[name].backend_frame(epoch, data, binary, now)
        if len(effects) == 1 and not self.answerers.names:  # an answer to what all heard: nearly always
            effect = effects[0]
            if type(effect) is SendToCharger and effect.data[1:2] == b"3":
                if name != self.leader and not self.lead.holds:
                    return []  # nobody waits for it
                if name == self.leader and self._is_at_rest:
                    return self.securing.answer(effect, now)
        return self.after(self.route(name, effects, now), now)

    @property
    def _is_at_rest(self) -> bool:
        """Whether nothing is left to be done for the others, for the charger, or for who is to lead.

        `commands.is_busy` and `lead.is_settled` are spelt out here: it is asked twice for each message.
        """
        commands, lead, sharing = self.commands, self.lead, self.sharing
        return (
            not (sharing.heard or sharing.gave or commands.line or self.securing.held or lead.holds)
            and commands.out is None
            and lead.wanted == self.leader
        )

    def handle(self, name: str, event: ev.Event, now: float) -> list[Addressed]:
        """Anything else that happens to the session of `name`; to the leader's, also to the charger."""
        routed = self.route(name, self.sessions[name].handle(event, now), now)
        if name == self.leader:
            match event:
                case ev.ChargerOpened():
                    self.answerers.clear()
                    self.commands.charger_opened(now)
                    routed += self._tell_followers(event, now)
                case ev.ChargerClosed():
                    routed += self._tell_followers(event, now)
        self.presence.look(now)
        self.lead.look(now)
        return self.after(routed, now)

    def _tell_followers(self, event: ev.ChargerOpened | ev.ChargerClosed, now: float) -> list[Addressed]:
        routed: list[Addressed] = []
        for name, session in self.followers if isinstance(event, ev.ChargerOpened) else self.others:
            routed += self.route(name, session.handle(event, now), now)
        return routed

    # Effects

    def addressed(self, name: str, effects: Iterable[Effect]) -> list[Addressed]:
        return [(name, effect) for effect in effects]

    def route(self, name: str, effects: Sequence[Effect], now: float) -> list[Addressed]:
        """What a session wants, without what only the one that leads may do to the charger."""
        leads = name == self.leader
        routed: list[Addressed] = []
        for effect in effects:
            if type(effect) is SendToCharger:
                if effect.data[1:2] != b"3" and frame.digit(effect.data) == b"2":
                    self.commands.add(name, effect.data)
                elif leads or self.answerers.take(name, effect.data):
                    routed += self.sharing.copies(now) if self.sharing.heard else []
                    routed += self.securing.answer(effect, now)
            elif type(effect) is SendToBackend and self.rulings.unfinished:
                routed.append((name, self.rulings.complete(name, effect)))
            elif leads or not _is_about_the_charger(effect) or self._closes(name, effect):
                routed.append((name, effect))
        return routed

    def _closes(self, name: str, effect: Effect) -> bool:
        """Whether this backend alone could have answered the charger, and cannot."""
        return type(effect) is Close and name in self.answerers

    def after(self, routed: list[Addressed], now: float) -> list[Addressed]:
        """What an event means for the others: copies, ids, the charger's next CALL, another leader."""
        sharing = self.sharing
        while sharing.heard or sharing.gave:
            told = sharing.copies(now)
            if sharing.gave:
                routed = [*told, *sharing.ids(now), *routed]
            else:
                routed += told
        if self._is_at_rest:
            return routed
        if self.securing.held:
            routed += self.securing.look(now)
        if self.commands.is_busy and not any(_closes_charger(effect) for _, effect in routed):
            routed += self.commands.pump(now)
        return routed if self.lead.is_settled else [*routed, *self.lead.hand_over(now)]

    # What the sessions tell (Others)

    def heard(self, message: Message, label: str) -> Message | None:
        if self.answerers.names:
            self.answerers.forget(message.id)
        elif message.shape is not None:  # a reading (OCPP 1.6), most of which are for all, at a glance
            id_at, buffer = payloads.id_in(message), self.sessions[self.leader].buffer
            assert buffer is not None
            known = buffer.book.by_charger_id(id_at[0]) if id_at is not None else None
            if id_at is None or (known is not None and known.key and id_at[0] in self.presence.open):
                self.sharing.heard.append(Heard(message, label, id_at=id_at, is_reading=True))
                return message
        if message.shape is None:
            self.presence.heard(message)
        heard = whose(self, message, label)
        self.sharing.heard.append(heard)
        if heard.answerer in ("", self.leader):
            return as_read_by(self.leader, message, heard.owner) if heard.owner is not None else message
        self.answerers.add(message.id, heard.answerer)
        return None

    def judge(self, session: ChargerSession, message: Message, version: Version, now: float) -> Ruled | None:
        return self.rulings.judge(session, message, version, now)

    def is_taken(self, id_: int, key: str = "") -> bool:
        books = [session.buffer.book for session in self.sessions.values() if session.buffer is not None]
        return any(known.key != key for book in books if (known := book.by_charger_id(id_)) is not None)

    def must_answer(self, session: ChargerSession, id_: str) -> bool:
        return not session.follows or self.answerers.of(id_) == self.name_of(session)

    def gave(self, session: ChargerSession, key: str, id_: int) -> None:
        self.sharing.gave.append((session, key, id_))

    def answered(self, session: ChargerSession, call: Call, data: bytes) -> None:
        if call.action == "BootNotification" and not session.follows:
            self.commands.boot_until = 0.0
        if self.compared:
            self.shadowing.answered(self.name_of(session), call, data)

    def name_of(self, session: ChargerSession) -> str:
        return next(name for name, known in self.sessions.items() if known is session)


def _closes_charger(effect: Effect) -> bool:
    return type(effect) is Close and effect.to is CHARGER


def _is_about_the_charger(effect: Effect) -> bool:
    """Whether an effect is about the charger's connection, which is not this session's to decide on."""
    return is_about(CHARGER, effect) or (type(effect) is Noted and effect.name in _OF_THE_CONNECTION)
