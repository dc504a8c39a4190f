"""How long the charger waits for a backend that says nothing, and what is done when that is over."""

from typing import TYPE_CHECKING

from msgspec import structs

from gateway.ocpp.flags import Flag, FlagCode
from gateway.session import payloads
from gateway.session.answers import STORED
from gateway.session.calls import Call, Own
from gateway.session.effects import DoubtBackend, Effect, Noted

if TYPE_CHECKING:
    from gateway.session.buffer import Buffer

NEVER = float("inf")
MAX_UNANSWERED = 10
DISK_LEAVES = 0.9  # of the answer's deadline; what is left is for writing the message down


class Patience:
    """Looks after the deadlines of `buffer`."""

    def __init__(self, buffer: "Buffer") -> None:
        self.buffer = buffer

    @property
    def due(self) -> float:
        """When to look again."""
        session = self.buffer.session
        times = [NEVER]
        is_held = not (session.backend.is_open or self.buffer.is_away or self.buffer.copies.awaits_link)
        if is_held and session.to_backend.waiting:
            times.append(self.buffer.away_since + self.buffer.settings.hold_s)
        if session.backend.is_open and not self.buffer.delivery.settling and session.to_backend.out is None:
            if self.buffer.owed.boot:
                times.append(self.buffer.delivery.boot_again_at)
            if self.buffer.delivery.fetch_again_at:
                times.append(self.buffer.delivery.fetch_again_at)
            if self.buffer.outbox.window and self.buffer.outbox.window[0].retry_at:
                times.append(self.buffer.outbox.window[0].retry_at)
        return min([*times, self.buffer.delivery.drop_again_at, self._patience_ends()])

    def _patience_ends(self) -> float:
        """When billing data that the backend leaves unanswered is answered by us."""
        ends = NEVER
        for call in self.buffer.session.to_backend:
            if call.own is None and not call.retry and call.action in STORED:
                ends = min(ends, self.ends(call))
        return ends

    def ends(self, call: Call) -> float:
        """When this CALL is answered by us: some time after it was sent, but never past its deadline."""
        session = self.buffer.session
        if self.buffer.copies.awaits_link:
            return call.came_at + session.settings.answer_deadline_s
        since = call.sent_at if call is session.to_backend.out else call.came_at
        deadline_s = DISK_LEAVES * session.settings.answer_deadline_s
        return min(since + self._patience(call), call.came_at + deadline_s)

    def _patience(self, call: Call) -> float:
        if not call.patience_s:
            payload = payloads.of_call(call.frame)
            local = self.buffer.local(call.action, payload, call.came_at) if payload is not None else None
            is_harmless = local is None or local.harmless
            deadline_s = self.buffer.session.settings.answer_deadline_s
            call.patience_s = (
                min(self.buffer.settings.answer_after_s, deadline_s) if is_harmless else deadline_s
            )
        return call.patience_s

    def expire(self, now: float) -> list[Effect]:
        """What time has come for: answers that the backend does not give, links that are no use."""
        session = self.buffer.session
        effects: list[Effect] = []
        if now >= self.buffer.delivery.drop_again_at:
            effects.append(self.buffer.delivery.drop_again())
        if not session.backend.is_open:
            hold_s = NEVER if self.buffer.copies.awaits_link else self.buffer.settings.hold_s
            is_over = now >= min(self.buffer.away_since + hold_s, self._patience_ends())
            return [*effects, *self.absorb(now)] if is_over else effects
        if now >= self.buffer.delivery.fetch_again_at:
            self.buffer.delivery.fetch_again_at = 0.0
        if self.buffer.outbox.window and now >= self.buffer.outbox.window[0].retry_at:
            self.buffer.outbox.window[0].retry_at = 0.0
        out = session.to_backend.out
        if now >= self._patience_ends():
            effects += self._answer_for_silent(out, now)
        if out is not None and out.own is not None and now >= self.gives_up_at(out):
            effects += self.give_up_link(out, now)
        return [*effects, *session.go_on(now)]

    def _answer_for_silent(self, out: Call | None, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if out is not None and now >= self.ends(out):
            effects = self.store_out(now)
        return [*effects, *self.fall_silent(now)]

    def store_out(self, now: float) -> list[Effect]:
        """Store what the backend has and leaves unanswered; its answer, if one comes, counts as delivery."""
        out = self.buffer.session.to_backend.out
        if out is None or out.own is not None or out.retry or out.action not in STORED:
            return []
        payload = payloads.of_call(out.as_came or out.frame)
        if payload is None:
            return []
        number = self.buffer.book.next_number
        effects = self.buffer.store(structs.replace(out), payload, now, was_sent=True)
        if number in self.buffer.unacked:
            out.own, out.entry = Own.ENTRY, number
        elif self.buffer.session.follows:
            out.own = Own.MISSED
        return effects

    # What waits

    def backend_away(self, now: float) -> list[Effect]:
        """Nobody need wait any more."""
        if self.buffer.session.backend.is_open:
            return self.fall_silent(now) if self.buffer.session.to_backend.out is not None else []
        self.buffer.is_away = True
        return self.absorb(now)

    def fall_silent(self, now: float) -> list[Effect]:
        if self.buffer.is_silent:
            return []
        self.buffer.is_silent = True
        self.buffer.look()
        return self.absorb(now)

    def absorb(self, now: float) -> list[Effect]:
        """What waits in the line is looked at again: much of it needs no backend."""
        calls = self.buffer.session.to_backend
        line, calls.line = calls.line, None
        effects: list[Effect] = []
        for call in line or ():
            if _is_of_charger(call) and self.buffer.copies.loses(call):
                effects.append(Noted("copy-lost", call.label))
                continue
            taken = self.buffer.take(call, now) if _is_of_charger(call) else None
            if taken is None:
                calls.wait(call)
            else:
                effects += taken
        return [*effects, *self.buffer.session.line_shrank()]

    def store_open(self, now: float) -> list[Effect]:
        """What the backend has not answered yet is stored, before anything that came later."""
        return [*self.store_out(now), *self.store_waiting(now)]

    def store_waiting(self, now: float) -> list[Effect]:
        """What waits in the line and must be kept goes to the disk."""
        calls = self.buffer.session.to_backend
        line, calls.line = calls.line, None
        effects: list[Effect] = []
        for call in line or ():
            payload = payloads.of_call(call.frame) if _is_of_charger(call) else None
            if payload is None or not self.buffer.keeps(call.action, payload):
                calls.wait(call)
                continue
            again = self.buffer.repeated(call, payload) if call.action in STORED else None
            effects += self.buffer.store(call, payload, now) if again is None else again
        return effects

    # A link that is no use

    def gives_up_at(self, out: Call) -> float:
        """When a CALL of ours that is out has had its time: first the backend is doubted, then the link."""
        session = self.buffer.session
        if session.bridge is not None and session.bridge.orders.wait_for_disk:
            return NEVER  # the backend may have answered: it is our disk that is slow
        settings = session.settings
        return out.sent_at + (settings.call_timeout_s if out.is_doubted else settings.answer_deadline_s)

    def give_up_link(self, out: Call, now: float) -> list[Effect]:
        """The backend answers nothing on this link: a new one may do better."""
        settings = self.buffer.session.settings
        effects: list[Effect] = []
        if not out.is_doubted:
            out.is_doubted = True
            effects = [DoubtBackend(f"no answer to {out.action}"), *self.fall_silent(now)]
        if now < out.sent_at + settings.call_timeout_s:
            return effects
        if (
            out.own is Own.ENTRY
            and self.buffer.outbox.window
            and self.buffer.outbox.window[0].number == out.entry
        ):
            entry = self.buffer.outbox.window[0]
            entry.unanswered += 1
            if entry.unanswered >= MAX_UNANSWERED:
                flag = Flag(FlagCode.REFUSED_BY_BACKEND, after="no answer")
                effects += self.buffer.delivery.bury(entry, flag, now)
        return [
            Noted("backend-silent", out.action),
            *effects,
            *self.buffer.session.close_backend("no answer", now),
        ]


def _is_of_charger(call: Call) -> bool:
    """Whether a CALL is what the charger says, and not sent again or in its name."""
    return call.own in (None, Own.MADE) and not call.retry
