"""Bugs to be planted into sessions: each breaks one promise, and the simulation has to see it."""

from types import MethodType
from typing import Any

from msgspec import structs

from gateway.ocpp import frame
from gateway.ocpp.actions import NEVER_LOST
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.bridge import Bridge
from gateway.session.calls import Own
from gateway.session.session import ChargerSession
from gateway.translate.memory import Memory
from tests.simulation.world import Plant


class AnswersBeforeItIsDurable(Plant):
    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        early = []
        for effect in effects:
            if isinstance(effect, ef.StoreEntry) and session.charger.is_open:
                unacked = session.buffer.unacked[effect.number]
                early += session.buffer.hear(unacked.call, unacked.answer)
            early.append(effect)
        return early


class AnswersWhatCouldNotBeStored(Plant):
    def on_session(self, session: ChargerSession) -> None:
        stored = session.buffer.stored
        session.buffer.stored = lambda event, now: stored(ev.EntryStored(event.number, True), now)


class KnowsMessagesByTheirIdAlone(Plant):
    """Also after a reboot, when a charger counts its ids anew."""

    def on_session(self, session: ChargerSession) -> None:
        buffer, answers = session.buffer, {}
        hear, repeated = buffer.hear, buffer.repeated

        def heard(call: Any, answer: Any) -> list[Any]:
            if call.action in NEVER_LOST:
                answers[call.action, call.id] = answer
            return hear(call, answer)

        def again(call: Any, payload: Any) -> Any:
            found = answers.get((call.action, call.id))
            return repeated(call, payload) if found is None else hear(call, found)

        buffer.hear, buffer.repeated = heard, again


class PutsTheRefusedAtTheEnd(Plant):
    def on_session(self, session: ChargerSession) -> None:
        delivery = session.buffer.delivery
        settle = delivery._settle

        def settled(call: Any, entry: Any, message: Any, now: float) -> Any:
            effects = settle(call, entry, message, now)
            if not delivery.settling:
                session.buffer.outbox.window.rotate(-1)
            return effects

        delivery._settle = settled


class AnswersOnAnyConnection(Plant):
    def on_session(self, session: ChargerSession) -> None:
        hear = session.buffer.hear

        def heard(call: Any, answer: Any) -> list[Any]:
            call.epoch = session.charger.epoch
            return hear(call, answer)

        session.buffer.hear = heard


class DropsWhatItSends(Plant):
    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        out = session.to_backend.out
        sends = any(isinstance(effect, ef.SendToBackend) for effect in effects)
        if sends and out is not None and out.own is Own.ENTRY:
            return [*effects, ef.DropEntry(out.entry, ())]
        return effects


class DoesNotWaitForTheDisk(Plant):
    """The next stored message leaves while the one before is still on the disk."""

    def on_session(self, session: ChargerSession) -> None:
        delivery = session.buffer.delivery
        delivered = delivery.delivered

        def at_once(call: Any, entry: Any, message: Any, now: float) -> list[Any]:
            effects = delivered(call, entry, message, now)
            if delivery.settling == entry.number and session.buffer.outbox.window:
                effects += delivery.dropped(ev.EntryDropped(entry.number, True), now)
            return effects

        delivery.delivered = at_once


class KeepsTransactionsInMemory(Plant):
    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        return [
            structs.replace(effect, parts=tuple(part for part in effect.parts if part[0] != "book"))
            if isinstance(effect, ef.StoreEntry | ef.DropEntry)
            else effect
            for effect in effects
        ]


class SendsItsOwnTransactionIds(Plant):
    def on_session(self, session: ChargerSession) -> None:
        session.buffer.lessons.with_backend_id = lambda payload, data: data


class ForgetsAnswersInARestart(Plant):
    def on_session(self, session: ChargerSession) -> None:
        session.buffer.book._counters.recent.clear()
        session.buffer.book.transactions.clear()


class RetriesUnderANewId(Plant):
    def on_session(self, session: ChargerSession) -> None:
        delivery = session.buffer.delivery
        send = delivery._send

        def anew(
            action: str, data: bytes, own: Own, now: float, entry: int = 0, about: str = ""
        ) -> list[Any]:
            message = frame.split(data)
            if own is Own.ENTRY and message is not None:
                data = frame.renamed(message, f"retry-{now}")
            return send(action, data, own, now, entry, about)

        delivery._send = anew


class IgnoresLateAnswers(Plant):
    def on_session(self, session: ChargerSession) -> None:
        patience = session.buffer.patience
        store_out = patience.store_out

        def stored(now: float) -> list[Any]:
            effects = store_out(now)
            out = session.to_backend.out
            if out is not None and out.own is Own.ENTRY:
                out.own = Own.STATUS
            return effects

        patience.store_out = stored


class WritesOldKnowledge(Plant):
    """What goes with an entry that is dropped was put together earlier."""

    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        delivery = session.buffer.delivery
        written = []
        for effect in effects:
            if isinstance(effect, ef.DropEntry):
                older, delivery.older = getattr(delivery, "older", effect.parts), effect.parts
                written.append(structs.replace(effect, parts=older))
            else:
                written.append(effect)
        return written


class PassesErrorsOn(Plant):
    def on_session(self, session: ChargerSession) -> None:
        session.buffer.delivery.absorbs = lambda call: False


class ForgetsWhatWasOut(Plant):
    """The message that was out when the backend's link broke is neither stored nor answered."""

    def on_session(self, session: ChargerSession) -> None:
        session.buffer._lost = lambda out, now: []


class OvertakesWhatIsStored(Plant):
    def on_session(self, session: ChargerSession) -> None:
        buffer, take = session.buffer, session.buffer.take
        buffer.take = lambda call, now: None if buffer.is_usable else take(call, now)


class CountsFromOneAgain(Plant):
    def on_session(self, session: ChargerSession) -> None:
        session.buffer.book._counters.next_number = 1


class ForgetsTheBoot(Plant):
    def on_session(self, session: ChargerSession) -> None:
        buffer, opened = session.buffer, session.buffer.backend_opened

        def forgets(now: float) -> None:
            buffer.owed.boot = ""
            opened(now)

        buffer.backend_opened = forgets


class RepeatsInTheCleanPath(Plant):
    """A message that comes again under another id, after its answer was lost, is sent again."""

    def on_session(self, session: ChargerSession) -> None:
        session.buffer.repeated = MethodType(lambda buffer, call, payload: None, session.buffer)


class CommandsTheWrongTransaction(Plant):
    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        known = session.buffer.book.transactions
        return [
            ef.SendToCharger(payloads.with_member(effect.data, ("transactionId",), known[-1].charger_id))
            if isinstance(effect, ef.SendToCharger) and b"StopTransaction" in effect.data and known
            else effect
            for effect in effects
        ]


class LosesTheLastOfItsLine(Plant):
    """An answer for a message on its way to the disk is given to nobody."""

    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        if type(event) is ev.EntryStored and event.number % 5 == 0:
            return [effect for effect in effects if not isinstance(effect, ef.SendToCharger)]
        return effects


class TranslationPlant(Plant):
    """A bug of what stands between two versions."""

    def on_session(self, session: ChargerSession) -> None:
        if session.bridge is not None:
            self.on_bridge(session.bridge)

    def on_bridge(self, bridge: Bridge) -> None:
        """A session with a backend of another version was made."""


class ForgetsNumbersInARestart(TranslationPlant):
    def on_bridge(self, bridge: Bridge) -> None:
        for transaction in bridge.translator.memory.transactions:
            transaction.seq_next = min(1, transaction.seq_next)


class ForgetsTransactionsInARestart(TranslationPlant):
    def on_bridge(self, bridge: Bridge) -> None:
        bridge.translator.memory.transactions.clear()


class MeansTheWrongTransaction(TranslationPlant):
    """Of two connectors in use, a message is taken for one of the younger transaction."""

    def on_bridge(self, bridge: Bridge) -> None:
        memory = bridge.translator.memory
        bridge.translator.memory = Confused(*(getattr(memory, name) for name in memory.__struct_fields__))


class Confused(Memory):
    def transaction16(self, id16: int) -> Any:
        return next(reversed(self.transactions), None)

    def transaction201(self, id201: str) -> Any:
        return next(reversed(self.transactions), None)


class SaysWithoutKeeping(TranslationPlant):
    """What the translator learned with a message goes to the disk with a later one."""

    def on_bridge(self, bridge: Bridge) -> None:
        orders, follow = bridge.orders, bridge.orders.follow

        def at_once(held: Any, now: float) -> list[Any]:
            effects = [effect for effect in follow(held, now) if type(effect) is not ef.KeepState]
            return [*effects, *orders.state_kept(ev.StateKept(held.number, True), now)]

        orders.follow = at_once


class LosesItsOwnEvents(TranslationPlant):
    """A charging state that was on its way when the link broke is not told again."""

    def on_effects(self, session: ChargerSession, event: Any, effects: list[Any]) -> list[Any]:
        if session.bridge is not None and type(event) is ev.BackendClosed:
            unsent = session.bridge.translator.memory.unsent
            for key in [key for key in unsent if key.startswith("own ")]:
                del unsent[key]
        return effects


TRANSLATION_PLANTS = TranslationPlant.__subclasses__()
PLANTS = [
    plant
    for plant in Plant.__subclasses__()
    if plant.__module__ == __name__ and plant is not TranslationPlant
]
