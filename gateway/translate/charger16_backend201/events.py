"""TransactionEvents on their way up: numbered without gaps, sent again as they were until acknowledged."""

from collections.abc import Generator
from typing import Final

from gateway.translate.engine import BACKEND, Ask, Engine, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.memory import Event, Transaction
from gateway.translate.parts import NOTHING
from gateway.translate.port import SILENCE, Answer, ChargerCall, Payload, Refused
from gateway.translate.values import compact, seconds

OWN: Final = "own "
"""How keys of events begin that no message of the charger waits for."""

_UNKNOWN_SKEW_S: Final = 60.0
_UNSENT_KEPT: Final = 500
_ANSWERED: Final = ("totalCost", "chargingPriority", "idTokenInfo", "updatedPersonalMessage")
_LONGEST_VALUE: Final = 200

Delivery = Generator[Ask, Answer, Payload | Undelivered]


def numbered(tx: Transaction, payload: Payload) -> Payload:
    """The event with the transaction's next number."""
    payload["seqNo"] = tx.seq_next
    tx.seq_next += 1
    return payload


def event(t: Engine, tx: Transaction, kind: str, trigger: str, timestamp: str, info: Payload) -> Payload:
    """The members that every event has; `info` are further ones of transactionInfo."""
    made: Payload = {"eventType": kind, "timestamp": timestamp, "triggerReason": trigger}
    made["transactionInfo"] = {"transactionId": tx.id201} | info
    return numbered(tx, made)


def is_offline(t: Engine, call: ChargerCall, timestamp: str) -> bool:
    """Whether it happened while the backend, or the charger, was not connected."""
    if call.stored and not call.came_in_time:
        return True
    skews = sorted(t.memory.clock_skews)
    skew = skews[len(skews) // 2] if skews else 0.0
    tolerance = 0.0 if skews else _UNKNOWN_SKEW_S
    return seconds(timestamp) + skew < t.memory.charger_session_started - tolerance


def deliver(t: Engine, key: str, made: list[Payload], action: str = "TransactionEvent") -> Delivery:
    """Send the events of one message of the charger, those that are not acknowledged yet.

    What was made for an earlier delivery of the same message is sent again as it was. Events of our own that
    come before them in their transaction leave before them. The outcome is the last answer, or that the
    backend has not processed them all.
    """
    events = t.memory.unsent.setdefault(key, [Event(action, payload) for payload in made])
    if len(t.memory.unsent) > _UNSENT_KEPT:  # of messages that will never be delivered
        del t.memory.unsent[next(iter(t.memory.unsent))]
    answer: Answer = {}
    for waiting in events:
        if waiting.acknowledged:
            continue
        send_own(t, waiting)
        answer = yield Ask(BACKEND, waiting.action, waiting.payload)
        if not isinstance(answer, dict):
            return undelivered(t, waiting.action, answer)
        waiting.acknowledged = True
        if waiting is not events[-1]:
            tell_unheard(t, answer)
    t.memory.unsent.pop(key, None)
    send_own(t)
    assert isinstance(answer, dict)
    return answer


def tell_unheard(t: Engine, answer: Payload) -> None:
    """What the backend answers to an event whose answer the charger cannot hear."""
    for key in _ANSWERED:
        if key in answer:
            t.lose(Loss.FIELD_DROPPED, key, compact(answer[key])[:_LONGEST_VALUE])


def undelivered(t: Engine, action: str, answer: Answer) -> Undelivered:
    """The backend refused a message, or did not answer."""
    if isinstance(answer, Refused):
        t.lose(Loss.BACKEND_ERROR, action, answer.code)
        return Undelivered(answer)
    return Undelivered(SILENCE)


def tell_own(t: Engine, tx: Transaction, payload: Payload) -> None:
    """Send an event that no message of the charger waits for, when all before it has been acknowledged."""
    own = Event("TransactionEvent", payload)
    key = f"{OWN}{tx.id201} {payload['seqNo']}"
    t.memory.unsent[key] = [own]
    if not _is_behind(t, own):
        t.spawn(_own(t, key), now=True, only_asked=True, touches=NOTHING)


def send_own(t: Engine, before: Event | None = None) -> None:
    """Send what got no answer: all that nothing older waits before, or what comes before an event.

    What is older than that event and waits still was delivered, and that was forgotten in a restart, or will
    never be.
    """
    for key, events in list(t.memory.unsent.items()):
        if not key.startswith(OWN) or events[0].acknowledged:
            continue
        if _is_older(events[0], before) if before is not None else not _is_behind(t, events[0]):
            t.spawn(_own(t, key), now=True, only_asked=True, touches=NOTHING)


def _own(t: Engine, key: str) -> Steps:
    waiting = t.memory.unsent[key][0]
    waiting.acknowledged = True  # on its way: nobody else sends it
    answer = yield Ask(BACKEND, waiting.action, waiting.payload)
    if isinstance(answer, dict | Refused):
        t.memory.unsent.pop(key, None)
        if isinstance(answer, Refused):
            t.lose(Loss.BACKEND_ERROR, waiting.action, answer.code)
        else:
            tell_unheard(t, answer)
    else:
        waiting.acknowledged = False
    return {}


def _is_older(one: Event, other: Event) -> bool:
    """Whether an event comes before another one of the same transaction."""
    if other.action != "TransactionEvent" or one.action != "TransactionEvent":
        return False
    mine, other_one = one.payload, other.payload
    same = mine["transactionInfo"]["transactionId"] == other_one["transactionInfo"]["transactionId"]
    return same and bool(mine["seqNo"] < other_one["seqNo"])


def _is_behind(t: Engine, own: Event) -> bool:
    """Whether an older event of the transaction is not acknowledged, nor an own one on its way."""
    return any(
        not other.acknowledged and _is_older(other, own)
        for events in t.memory.unsent.values()
        for other in events
    )


def revive(t: Engine) -> None:
    """After a restart nothing is on its way any more."""
    for key, events in t.memory.unsent.items():
        if key.startswith(OWN):
            events[0].acknowledged = False


def waiting_for(t: Engine, tx: Transaction | None) -> bool:
    """Whether events (of this transaction) are not acknowledged yet."""
    return any(
        tx is None or e.payload.get("transactionInfo", {}).get("transactionId") == tx.id201
        for events in t.memory.unsent.values()
        for e in events
    )
