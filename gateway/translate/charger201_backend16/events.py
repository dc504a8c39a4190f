"""TransactionEvent of 2.0.1 → StartTransaction, MeterValues, StopTransaction, StatusNotification, Authorize.

One event of a transaction at a time: while something of it is out, later ones of it wait. Its answer goes
to the charger when the backend has processed what the event became; statuses follow the answer.
"""

from collections.abc import Generator
from typing import Final

from msgspec import structs

from gateway.translate import tokens
from gateway.translate.charger201_backend16 import statuses
from gateway.translate.charger201_backend16.late import late, reopen, reopens
from gateway.translate.charger201_backend16.starts_stops import (
    answer_to_start,
    asked,
    closed,
    refuse_late,
    started,
    stopped,
)
from gateway.translate.charger201_backend16.transactions import (
    ENDED,
    STARTED,
    Event,
    begin,
    event_of,
    is_another,
    learn,
    meets_start,
    remember_answer,
    start_payload,
    tell_unsaid,
    turn_of,
    was_answered,
)
from gateway.translate.engine import BACKEND, Ask, Engine, How, Outcome, Rules, Steps, Undelivered, Wait
from gateway.translate.losses import Loss
from gateway.translate.memory import Authorisation, Transaction, remember
from gateway.translate.parts import COLD, DEVICE
from gateway.translate.port import SILENCE, Answer, ChargerCall, Payload, Refused, Severity
from gateway.translate.samples import register_wh, values_16
from gateway.translate.values import compact

RULES: Final = Rules()

LONGEST_KEPT: Final = 4000
FRESH_S: Final = 300.0
"""How long the backend's word on a token spares asking again before a transaction starts."""

_Doing = Generator[Ask | Wait, Answer, Payload | Refused]
_LOSSES: Final = (
    *(Loss.FIELD_DROPPED, Loss.OFFLINE_FLAG_LOST, Loss.DUPLICATE, Loss.TX_STATE_LOST, Loss.OUT_OF_ORDER),
    *(Loss.METER_START_UNKNOWN, Loss.METER_STOP_ESTIMATED, Loss.LATE_END, Loss.ENERGY_AFTER_STOP),
    *(Loss.ENUM_NARROWED, Loss.TOKEN_ALIASED, Loss.SYN_IDTAGINFO, Loss.BACKEND_TXID_SUSPECT),
    *(Loss.MEASURAND_DROPPED, Loss.UNIT_DROPPED, Loss.VALUE_ROUNDED, Loss.POSSIBLE_DUPLICATE),
)


@RULES.charger_call(
    "TransactionEvent",
    How.TRANSLATED,
    "StartTransaction, MeterValues, StopTransaction, StatusNotification, Authorize",
    *_LOSSES,
    touches=COLD - {DEVICE},
)
def transaction_event(t: Engine, call: ChargerCall) -> Steps:
    event = event_of(call.payload)
    name = turn_of(event.id201)
    while name in t.busy:
        turn = yield Wait(name)
        if isinstance(turn, Refused):
            return Undelivered(turn)
    tx = t.memory.transaction201(event.id201)
    if tx is not None and is_another(tx, event):
        _make_room(t, tx)
        tx = None
    if tx is not None and was_answered(tx, event.seq):
        t.lose(Loss.DUPLICATE, "TransactionEvent", str(event.seq))
        if call.stored:
            refuse_late(t, tx)
        return tx.answers.get(str(event.seq), {})
    t.busy.add(name)
    outcome = yield from _taken(t, call, event, tx)
    t.busy.discard(name)
    t.signal(name, outcome.refused if isinstance(outcome, Undelivered) else {})
    return outcome


def _make_room(t: Engine, tx: Transaction) -> None:
    """A station that counts from the beginning again uses the id of an older transaction."""
    if tx.id16 is not None and tx.is_open:
        t.lose(Loss.TX_STATE_LOST, "transactionInfo.transactionId", tx.id201)
    t.memory.transactions.remove(tx)


def _taken(
    t: Engine, call: ChargerCall, event: Event, known: Transaction | None
) -> Generator[Ask | Wait, Answer, Outcome]:
    tell_unsaid(t, call.payload)
    if call.stored and event.token is not None:
        t.lose(Loss.SYN_IDTAGINFO, "idTokenInfo")
    tx = known or begin(t, event)
    if reopens(tx, event):
        reopen(tx)
    was_open = tx.is_open
    if was_open:
        learn(t, tx, event)
    if known is None and not _may_begin(t, tx, event):
        t.memory.transactions.remove(tx)
        content = {name: value for name, value in call.payload.items() if name != "idToken"}
        t.lose(Loss.TX_STATE_LOST, "transactionInfo.transactionId", compact(content)[:LONGEST_KEPT])
        return accepted_if_asked(t, event)
    answer = yield from (_done(t, call, event, tx) if was_open else late(t, event, tx))
    if isinstance(answer, Refused):
        return Undelivered(answer)
    if call.id == t.heard_here and event.token is not None:
        t.lose(Loss.SYN_IDTAGINFO, "idTokenInfo")
        refuse_late(t, tx, stops=False)  # the session does, which gave the answer
    if not call.stored:
        answer |= _price(t, tx)
    remember_answer(tx, event.seq, answer)
    if was_open and tx.flat:
        _show(t, tx, event)
    return answer


def _may_begin(t: Engine, tx: Transaction, event: Event) -> bool:
    """Whether a transaction may begin with this event: one in the middle must hold all that a start needs."""
    if event.kind == STARTED:
        return True
    return event.kind != ENDED and not event.ends_authorisation and meets_start(t, tx)


def _done(t: Engine, call: ChargerCall, event: Event, tx: Transaction) -> _Doing:
    if tx.state == "pre" and event.kind == ENDED:
        return _came_to_nothing(t, event, tx)
    if tx.state == "pre" and not meets_start(t, tx):
        return (yield from _before_start(t, call, event, tx))
    if tx.state == "pre" or (tx.state == "wait_id" and tx.start_seq == event.seq):
        return (yield from _start(t, call, event, tx))
    if tx.state == "wait_id" and isinstance(refused := (yield from started(t, tx, call.stored)), Refused):
        return refused
    if event.kind == ENDED:
        return (yield from _end(t, event, tx))
    return (yield from _during(t, call, event, tx))


def _before_start(t: Engine, call: ChargerCall, event: Event, tx: Transaction) -> _Doing:
    """An event of a transaction that 1.6 does not know of yet: at most its token is asked about."""
    if any(_says_more(value) for value in event.values):
        t.lose(Loss.FIELD_DROPPED, "meterValue", compact(event.values)[:200])
    if event.token is None:
        return {}
    if event.ends_authorisation or call.stored:
        return accepted_if_asked(t, event)
    assert tx.id_tag is not None
    known = t.memory.authorisations.get(tx.id_tag.casefold())
    if known is None or t.now - known.at >= FRESH_S:
        answer = yield from _authorised(t, tx.id_tag)
        if isinstance(answer, Refused):
            return answer
        known = Authorisation(answer["idTagInfo"], t.now)
    tx.authorized = known.info["status"] == "Accepted"
    if not tx.authorized:
        tx.id_token, tx.id_tag = None, None
    return _told_of(t, known)


def _told_of(t: Engine, known: Authorisation) -> Payload:
    """What the charger hears of a token that the backend has spoken of."""
    return {"idTokenInfo": tokens.id_token_info(t, known.info)}


def _authorised(t: Engine, id_tag: str) -> _Doing:
    answer = yield Ask(BACKEND, "Authorize", {"idTag": id_tag}, live=True)
    if isinstance(answer, dict):
        remember(t.memory.authorisations, id_tag.casefold(), Authorisation(answer["idTagInfo"], t.now))
        return answer
    if isinstance(answer, Refused):
        t.lose(Loss.BACKEND_ERROR, "Authorize", answer.code)
        return answer
    return SILENCE


def _start(t: Engine, call: ChargerCall, event: Event, tx: Transaction) -> _Doing:
    """The event that completes what StartTransaction needs."""
    says_more = any(_says_more(value) for value in event.values)
    if tx.state == "pre":
        tx.start = start_payload(t, tx, event)
        tx.state, tx.start_seq = "wait_id", event.seq
        tx.start_is_all, tx.start_has_token = not says_more, event.token is not None
    answer = yield from started(t, tx, call.stored)
    if isinstance(answer, Refused):
        return answer
    heard = answer_to_start(t, tx, answer, event.token is not None)
    if says_more and isinstance(refused := (yield from _readings(t, event, tx)), Refused):
        return refused
    return heard


def _says_more(value: Payload) -> bool:
    """Whether a reading holds more than meterStart says: another value, or a signature."""
    return any(
        sample.get("context") != "Transaction.Begin"
        or "signedMeterValue" in sample
        or register_wh(sample) is None
        for sample in value["sampledValue"]
    )


def _readings(t: Engine, event: Event, tx: Transaction) -> _Doing:
    """The event's readings as MeterValues of its transaction, when any are left that 1.6 can say."""
    values = values_16(t, event.values, "meterValue")
    if not values:
        return {}
    payload = {"connectorId": tx.flat, "transactionId": tx.id16, "meterValue": values}
    return (yield from asked(t, "MeterValues", payload))


def _during(t: Engine, call: ChargerCall, event: Event, tx: Transaction) -> _Doing:
    """An Updated event of a transaction that 1.6 knows."""
    if event.values and isinstance(refused := (yield from _readings(t, event, tx)), Refused):
        return refused
    if event.ends_authorisation:
        _deauthorise(t, event, tx)
        return accepted_if_asked(t, event)
    if event.token is None:
        return {}
    return (yield from _token_shown(t, call, event, tx))


def _token_shown(t: Engine, call: ChargerCall, event: Event, tx: Transaction) -> _Doing:
    """A token while the transaction runs: the driver's own, the next driver's, or somebody's."""
    assert event.token is not None
    tag = tokens.told_tag(t, event.token)
    if tokens.same_tag(tag, tx.id_tag):
        if tx.state == "deauth":
            tx.state, tx.auth_end, tx.grace_until = "active", None, 0.0
        known = t.memory.authorisations.get(tag.casefold())
        return accepted_if_asked(t, event) if known is None else _told_of(t, known)
    if tx.state == "deauth" and event.trigger == "Authorized":
        return (yield from _next_driver(t, call, event, tx))
    answer = yield from _authorised(t, tag)
    if isinstance(answer, Refused):
        return answer
    return {"idTokenInfo": tokens.id_token_info(t, answer["idTagInfo"])}


def _next_driver(t: Engine, call: ChargerCall, event: Event, tx: Transaction) -> _Doing:
    """The first driver has left, the vehicle stayed: another token begins another transaction of 1.6."""
    answer = yield from stopped(t, tx, None)
    if isinstance(answer, Refused):
        return answer
    reopen(tx)
    learn(t, tx, event)
    return (yield from _done(t, call, structs.replace(event, values=[]), tx))


def _deauthorise(t: Engine, event: Event, tx: Transaction) -> None:
    """The driver is done; the transaction of 1.6 ends by Ended, or without it after a while."""
    if tx.state != "active":
        return
    tx.state = "deauth"
    tx.auth_end = {"at": event.at, "trigger": event.trigger}
    if event.token is not None:
        tx.auth_end["idTag"] = tokens.told_tag(t, event.token)
    tx.grace_until = t.now if tx.unlocking else t.now + t.policies.stop_grace_s
    t.wake(tx.grace_until)


def _came_to_nothing(t: Engine, event: Event, tx: Transaction) -> Payload:
    """The end of a transaction that never had all that StartTransaction needs."""
    begun_at, last = tx.meter_start_wh, tx.last_register_wh
    has_flowed = begun_at is not None and last is not None and last > begun_at
    if event.values:
        severity = Severity.BILLING if has_flowed else Severity.INFO
        t.lose(Loss.FIELD_DROPPED, "meterValue", compact(event.values)[:200], severity=severity)
    closed(t, tx)
    return accepted_if_asked(t, event)


def _end(t: Engine, event: Event, tx: Transaction) -> _Doing:
    answer = yield from stopped(t, tx, event)
    if isinstance(answer, Refused):
        return answer
    if event.token is None:
        if "idTagInfo" in answer:
            t.lose(Loss.FIELD_DROPPED, "idTagInfo", answer["idTagInfo"]["status"])
        return {}
    if "idTagInfo" not in answer:
        return accepted_if_asked(t, event)
    return {"idTokenInfo": tokens.id_token_info(t, answer["idTagInfo"])}


def accepted_if_asked(t: Engine, event: Event) -> Payload:
    """The answer when nobody can be asked about the event's token, or nobody need be."""
    if event.token is None:
        return {}
    t.lose(Loss.SYN_IDTAGINFO, "idTokenInfo", "", "Accepted")
    return {"idTokenInfo": {"status": "Accepted"}}


def _show(t: Engine, tx: Transaction, event: Event) -> None:
    """Let the connector's status follow what the event did."""
    if event.kind == ENDED:
        if tx.id16 is not None:
            statuses.ended(t, tx.flat, event.at)
        return
    if not event.offline and tx.is_open and event.state not in ("", "Idle"):
        statuses.occupied(t, tx.flat)
    if event.state or event.ends_authorisation or event.evse:
        statuses.changed(t, tx.flat, event.at)


def _price(t: Engine, tx: Transaction) -> Payload:
    """The price text that waits for this transaction's driver."""
    price = t.memory.prices.pop(tx.id_tag.casefold(), None) if tx.id_tag is not None else None
    return {} if price is None else {"updatedPersonalMessage": price}
