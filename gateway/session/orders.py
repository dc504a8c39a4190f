"""What a translator wants, done: after what it learned is on disk, and in the order it said.

With what was learned goes the charger's message with revenue that is under way (`UnderWay`), so that it is
not forgotten in a crash between the backend's leg and the charger's.
"""

from collections import deque
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from gateway.ocpp import actions, frame
from gateway.ocpp.message import Message, Sender
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.calls import KIND
from gateway.session.effects import Effect, KeepState, Noted, Remember, SendToBackend, StoreEntry, Verdict
from gateway.session.wire import Wire
from gateway.session.wording import flag_of, frame_of, split, text_of
from gateway.translate.losses import Loss
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    Lost,
    NoAnswer,
    Order,
    ToBackend,
    ToCharger,
)

if TYPE_CHECKING:
    from gateway.session.bridge import Bridge

CHARGER, BACKEND = Sender
TRY_AGAIN_LATER = 1013

FOR_A_PERSON = frozenset({Loss.ORPHAN_STOP, Loss.TX_STATE_LOST, Loss.CONFLICT})
"""Losses after which a message with revenue is in quarantine before it is answered: it goes nowhere else."""


class UnderWay(Struct):
    """A CALL of the charger with revenue that has no answer yet; `came_at` is in seconds since 1970."""

    version: str
    id: str
    frame: str
    came_at: float


class Held(Struct, gc=False):
    """Orders that may have to wait for the disk; `source` is the message they follow from, if any.

    `action` is the source's, or that of the CALL it answers. `charger_id` is the id of the charger's CALL,
    for the first CALL that is made of it. `epoch` is the backend's link they are for. `wrote` is what is
    written of `under_way` with them.
    """

    orders: list[Order]
    source: Message | None = None
    action: str = ""
    sender: Sender = CHARGER
    charger_id: str = ""
    epoch: int = 0
    number: int = 0
    is_kept: bool = False
    wrote: bytes | None = None


class Orders:
    """Carries out what the translator of `bridge` wants.

    `asked` is what the charger was asked, by message id; `literals` are ids of the backend's CALLs that are
    no JSON strings; `under_way` is the part of the store with that name.
    """

    def __init__(self, bridge: "Bridge", under_way: bytes) -> None:
        self.bridge = bridge
        self.wire = Wire()
        self.asked: dict[str, ToCharger] = {}
        self.literals: dict[str, bytes] = {}
        self.under_way = msgspec.json.decode(under_way, type=UnderWay) if under_way else None
        self.is_carrying = False
        self.buried: dict[int, Held] = {}
        self._held: deque[Held] = deque()
        self._numbers = 0
        self._told_under_way = self._kept_under_way = under_way
        self._told: dict[str, bytes] = {}

    @property
    def wait_for_disk(self) -> bool:
        """Whether something has to be written before it is said."""
        return bool(self._held)

    def follow(self, held: Held, now: float) -> list[Effect]:
        """Carry orders out, after what is to be remembered is on disk."""
        translator = self.bridge.translator
        held.epoch = self.bridge.session.backend.epoch
        if any(self._is_over(order) for order in held.orders):
            self.under_way = None
        effects: list[Effect] = []
        if self._told_under_way and self.under_way is None and not translator.changed:
            self._told_under_way = b""  # if that fails it is written with what comes next
            effects = [Remember("under_way", b"")]
        if translator.changed:
            translator.changed = False
            if parts := self._parts(held):
                self._numbers += 1
                held.number = self._numbers
                self._held.append(held)
                return [*effects, KeepState(self._numbers, parts)]
        if self._held:
            held.number = self._held[-1].number
            self._held.append(held)
            return effects
        return [*effects, *self._carry_out(held, now)]

    def _is_over(self, order: Order) -> bool:
        """Whether what is under way has its answer; while the link is gone, what was left behind has not."""
        if self.under_way is None or not isinstance(order, AnswerCharger):
            return False
        if id_of(order) != self.under_way.id:
            return False
        return not self.bridge.is_first or self.bridge.session.backend.is_open

    def _parts(self, held: Held) -> tuple[tuple[str, bytes], ...]:
        made = self.bridge.translator.parts(not self._told)
        parts = tuple((name, data) for name, data in made.items() if self._told.get(name) != data)
        self._told |= made
        under_way = msgspec.json.encode(self.under_way) if self.under_way is not None else b""
        if under_way == self._kept_under_way:
            return parts
        self._told_under_way = held.wrote = under_way
        return (*parts, ("under_way", under_way))

    def stored(self, effect: StoreEntry) -> StoreEntry:
        """What is under way is written into the outbox: from there it will go again, and from nowhere else.

        Should that fail it is only forgotten: the charger has no answer, and will send it again.
        """
        if self.under_way is None or not _is_same(self.under_way.frame.encode(), effect.frame):
            return effect
        self.under_way = None
        self._told_under_way = b""
        self.bridge.is_stored()
        return structs.replace(effect, parts=(*effect.parts, ("under_way", b"")))

    def state_kept(self, event: ev.StateKept, now: float) -> list[Effect]:
        """What was learned is on disk, or cannot be written."""
        if not event.durable:
            return self._give_up(now)
        effects: list[Effect] = []
        while self._held and self._held[0].number <= event.number:
            held = self._held.popleft()
            self._kept_under_way = self._kept_under_way if held.wrote is None else held.wrote
            effects += self._carry_out(held, now)
        return effects

    def message_kept(self, event: ev.Kept, now: float) -> list[Effect]:
        """A message is in quarantine, or cannot be kept there."""
        held = self.buried.pop(event.number)
        if not event.durable:
            self._held.appendleft(held)
            return self._give_up(now)
        held.is_kept = True
        return self._carry_out(held, now)

    def _give_up(self, now: float) -> list[Effect]:
        """Nothing can be stored, so nothing may be said: both ends go, and hear nothing more."""
        session = self.bridge.session
        held, self._held = self._held, deque()
        self._told = {}  # nobody knows what the disk has of it
        closed = session.close_both("outbox-failed", TRY_AGAIN_LATER, "nothing can be stored", now)
        effects = [*self.bridge.carried(closed, now), *self.bridge.link_lost(now)]
        for order in [order for one in held for order in one.orders]:
            if isinstance(order, ToBackend | ToCharger):
                effects += self.no_answer(order, now)
        return effects

    def no_answer(self, order: ToBackend | ToCharger, now: float) -> list[Effect]:
        """The translator hears that there is no answer to what it asked."""
        translator = self.bridge.translator
        tell = translator.backend_answered if isinstance(order, ToBackend) else translator.charger_answered
        return self.follow(Held(tell(order.token, NoAnswer(), self.bridge.wall(now))), now)

    # At once

    def _carry_out(self, held: Held, now: float) -> list[Effect]:
        """Do what the orders say, all of it before the charger's next CALL."""
        if self.is_carrying:
            return self._carry(held, now)
        self.is_carrying = True
        try:
            effects = self._carry(held, now)
        finally:
            self.is_carrying = False
        return [*effects, *self.bridge.go_on(now)]

    def _carry(self, held: Held, now: float) -> list[Effect]:
        effects: list[Effect] = []
        lost = [order for order in held.orders if isinstance(order, Lost)]
        if lost and not held.is_kept:
            told, waits = self.tell_losses(lost, held)
            effects.append(told)
            if waits:
                return effects
        backend = self.bridge.session.backend
        for order in held.orders:
            is_current = backend.is_current(held.epoch)
            match order:
                case ToBackend() | ToCharger() if not is_current:
                    effects += self.no_answer(order, now)
                case ToBackend():
                    effects += self._to_backend(order, held, now)
                case ToCharger():
                    effects += self._to_charger(order, now)
                case AnswerBackend() if is_current:
                    id_ = self.literals.pop(order.id, order.id)
                    effects.append(SendToBackend(frame_of(id_, order.answer)))
                case AnswerCharger() if is_current:
                    effects += self.bridge.answer(order, now)
        return effects

    def tell_losses(self, lost: list[Lost], held: Held) -> tuple[Effect, bool]:
        """The flags of a message; whether the rest has to wait until it is in quarantine."""
        session, source, action = self.bridge.session, held.source, held.action
        version = session.version if held.sender is CHARGER else self.bridge.reader.version
        label = action if actions.known_action(version, action) else "unknown" if action else "none"
        flags = [flag_of(loss) for loss in lost]
        for loss in lost:
            session.tally.losses[loss.code, label] += 1
        kind, raw = (KIND[source.type], source.frame) if source is not None else ("", b"")
        buries = source is not None and held.sender is CHARGER
        if not buries or not any(loss.code in FOR_A_PERSON for loss in lost):
            return session.flagged(held.sender, kind, action, raw, flags, Verdict.DELIVERED), False
        number, told = session.flagged_with_number(action, raw, flags, kind)
        self.buried[number] = held
        return told, True

    def _to_backend(self, order: ToBackend, held: Held, now: float) -> list[Effect]:
        wanted_id, held.charger_id = held.charger_id, ""
        effects: list[Effect] = []
        for given_up in self.wire.add(order, text_of(order.payload), wanted_id):
            effects += [Noted("backend-line-full", given_up.action), *self.no_answer(given_up, now)]
        return [*effects, *self.next(now)]

    def next(self, now: float) -> list[Effect]:
        """Send the backend the CALL whose turn it is."""
        session = self.bridge.session
        call = self.wire.next(now) if session.backend.is_open else None
        if call is None:
            return []
        out = session.to_backend.out
        if out is not None and (call.id == out.id or not call.order.live):
            out.sent_at = now  # only now has the backend heard of it
        return [SendToBackend(call.frame)]

    def _to_charger(self, order: ToCharger, now: float) -> list[Effect]:
        id_ = f"gateway-c{order.token}"
        self.asked[id_] = order
        return self.bridge.into_session(frame.call(id_, order.action, text_of(order.payload)), now)


def id_of(order: AnswerCharger) -> str:
    """The id of the charger's CALL that an answer is for (see `Bridge.asking`)."""
    return order.id.partition(" ")[2]


def _is_same(one: bytes, other: bytes) -> bool:
    """Whether two frames of the charger hold the same CALL, whatever their ids."""
    first, second = split(one), split(other)
    if first is None or second is None or first.action != second.action:
        return False
    said, again = payloads.of_call(one) or {}, payloads.of_call(other) or {}
    return payloads.natural_key(first.action, said) == payloads.natural_key(second.action, again)
