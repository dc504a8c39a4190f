"""StartTransaction and StopTransaction of 1.6: sent with what is known, and what their answers mean."""

from collections.abc import Generator
from typing import Final

from gateway.translate import tokens
from gateway.translate.charger201_backend16 import statuses
from gateway.translate.charger201_backend16.transactions import Event, meter_stop, remember_answer, turn_of
from gateway.translate.engine import BACKEND, CHARGER, Ask, Engine, Steps, Wait
from gateway.translate.losses import Loss
from gateway.translate.memory import Authorisation, Transaction, remember
from gateway.translate.port import SILENCE, Answer, NoAnswer, Payload, Refused, Severity
from gateway.translate.samples import values_16
from gateway.translate.tables import STOP_REASONS

Asking = Generator[Ask | Wait, Answer, Payload | Refused]
"""Steps that end with the answer of 1.6, or with why there is none."""

GIVE_UP_AFTER: Final = 10
RESETS_WITHIN_S: Final = 600.0
_FIRST_RETRY_S: Final = 30.0
_LONGEST_RETRY_S: Final = 900.0

_REASON_OF_TRIGGER: Final = {"RemoteStop": "Remote", "Deauthorized": "DeAuthorized"}


def started(t: Engine, tx: Transaction, is_stored: bool) -> Asking:
    """Send the StartTransaction of a transaction that has none confirmed; bind the id that comes back."""
    assert tx.start is not None
    if tx.start_sent:
        t.lose(Loss.POSSIBLE_DUPLICATE, "StartTransaction", severity=Severity.BILLING)
    tx.start_sent = True
    answer = yield from asked(t, "StartTransaction", tx.start)
    if isinstance(answer, Refused):
        tx.start_sent = answer is SILENCE
        return answer
    status = answer["idTagInfo"]["status"]
    id16 = answer["transactionId"]
    is_taken = any(other.id16 == id16 for other in t.memory.open_on() if other is not tx)
    tx.suspect = is_taken or (id16 <= 0 and status != "Accepted")
    if tx.suspect:
        t.lose(Loss.BACKEND_TXID_SUSPECT, "transactionId", str(id16))
    tx.id16, tx.state, tx.start, tx.start_sent = id16, "active", None, False
    tx.authorized, tx.stop_sent = status == "Accepted", False
    t.memory.reservations = [one for one in t.memory.reservations if one.id != tx.reservation_id]
    if tx.id_tag is not None:
        remember(t.memory.authorisations, tx.id_tag.casefold(), Authorisation(answer["idTagInfo"], t.now))
    if is_stored:
        refuse_late(t, tx)
    return answer


def refuse_late(t: Engine, tx: Transaction, stops: bool = True) -> None:
    """The charger was told yes before the backend was asked: what the backend refused is to be stopped."""
    if tx.authorized or tx.late_reject or tx.state != "active" or t.policies.late_reject != "stop":
        return
    t.lose(Loss.LATE_REJECT, "idTagInfo.status", tx.id201)
    tx.late_reject, tx.stop_wanted = True, stops
    t.wake(t.now)


def stopped(t: Engine, tx: Transaction, event: Event | None) -> Asking:
    """Send StopTransaction: by the Ended event, or without it when the grace is over."""
    end = tx.auth_end or {}
    at = end["at"] if end else event.at if event is not None else tx.started_at
    payload: Payload = {
        "transactionId": tx.id16,
        "meterStop": meter_stop(t, tx, event),
        "timestamp": at,
        "reason": stop_reason(t, tx, event),
    }
    tag = end.get("idTag")
    if event is not None and event.token is not None:
        tag = tokens.told_tag(t, event.token)
    if tag is not None:
        payload["idTag"] = tag
    if event is not None and (data := values_16(t, event.values, "meterValue")):
        payload["transactionData"] = data
    if tx.stop_sent:
        t.lose(Loss.POSSIBLE_DUPLICATE, "StopTransaction", severity=Severity.BILLING)
    tx.stop_sent = True
    answer = yield from asked(t, "StopTransaction", payload)
    if isinstance(answer, Refused):
        tx.stop_sent = answer is SILENCE
        return answer
    if tag is not None and "idTagInfo" in answer:
        remember(t.memory.authorisations, tag.casefold(), Authorisation(answer["idTagInfo"], t.now))
    closed(t, tx)
    tx.stop_wh, tx.stopped_at = payload["meterStop"], at
    t.signal(f"stopped {tx.id201}", {})
    return answer


def closed(t: Engine, tx: Transaction) -> None:
    """The transaction is over in 1.6, and what belonged to it alone is gone."""
    tx.state, tx.ended_at, tx.grace_until, tx.stop_wanted = "ended", t.now, 0.0, False
    tx.unlocking = False
    t.memory.profiles = [p for p in t.memory.profiles if p.profile.get("transactionId") != tx.id201]


def stop_reason(t: Engine, tx: Transaction, event: Event | None) -> str:
    """Why the transaction ended, as 1.6 says it."""
    trigger = (tx.auth_end or {}).get("trigger", "")
    if tx.unlocking or (event is not None and event.trigger == "UnlockCommand"):
        return "UnlockCommand"
    reason = event.reason if event is not None else ""
    if not reason:
        reason = _REASON_OF_TRIGGER.get(trigger, "Local")
    if reason == "Remote" and tx.late_reject:
        return "DeAuthorized"
    if reason == "ImmediateReset" and _resets_softly(t):
        return "SoftReset"
    made = STOP_REASONS.down(reason) or "Other"
    if made != reason:
        t.lose(Loss.ENUM_NARROWED, "transactionInfo.stoppedReason", reason, made)
    return made


def _resets_softly(t: Engine) -> bool:
    reset = t.memory.pending_reset
    return reset is not None and reset.type16 == "Soft" and t.now - reset.accepted_at < RESETS_WITHIN_S


def asked(t: Engine, action: str, payload: Payload) -> Asking:
    """Ask the backend something that has to do with money; a failure is said."""
    answer = yield Ask(BACKEND, action, payload)
    if isinstance(answer, dict):
        return answer
    if isinstance(answer, Refused):
        t.lose(Loss.BACKEND_ERROR, action, answer.code)
        return answer
    return SILENCE


def end_grace(t: Engine, tx: Transaction) -> Steps:
    """Stop a transaction whose authorisation ended and whose Ended did not come in time."""
    name = turn_of(tx.id201)
    t.busy.add(name)
    answer = yield from stopped(t, tx, None)
    t.busy.discard(name)
    t.signal(name, {})
    if not isinstance(answer, Refused):
        tx.stopped_early = True
        statuses.ended(t, tx.flat, tx.stopped_at)
        return {}
    tx.attempts += 1
    if tx.attempts >= GIVE_UP_AFTER:
        t.lose(Loss.BACKEND_ERROR, "StopTransaction", tx.id201, severity=Severity.BILLING)
        tx.grace_until = 0.0
    else:
        tx.grace_until = t.now + min(_FIRST_RETRY_S * 2 ** (tx.attempts - 1), _LONGEST_RETRY_S)
        t.wake(tx.grace_until)
    return {}


def repeat_start(t: Engine, tx: Transaction) -> Steps:
    """After a restart: a StartTransaction was out whose answer nobody heard."""
    name = turn_of(tx.id201)
    t.busy.add(name)
    answer = yield from started(t, tx, is_stored=False)
    t.busy.discard(name)
    if not isinstance(answer, Refused) and tx.start_is_all:
        remember_answer(tx, tx.start_seq, answer_to_start(t, tx, answer, tx.start_has_token))
    t.signal(name, answer if isinstance(answer, Refused) else {})
    return {}


def answer_to_start(t: Engine, tx: Transaction, answer: Payload, has_token: bool) -> Payload:
    """What the charger hears of StartTransaction's answer: asked for, or a refusal."""
    if has_token or not tx.authorized:
        return {"idTokenInfo": tokens.id_token_info(t, answer["idTagInfo"])}
    return {}


def stop_refused(t: Engine, tx: Transaction) -> Steps:
    """The backend refused a transaction that the charger had been told to accept: stop it."""
    t.busy.add(_stop_of(tx))
    answer = yield Ask(CHARGER, "RequestStopTransaction", {"transactionId": tx.id201})
    t.busy.discard(_stop_of(tx))
    if isinstance(answer, NoAnswer) and not t.backend_is_there:
        return {}
    tx.stop_wanted = False
    if not isinstance(answer, dict) or answer["status"] != "Accepted":
        t.lose(Loss.LATE_REJECT_NOT_ENFORCED, "status", tx.id201)
    return {}


def _stop_of(tx: Transaction) -> str:
    return f"stop {tx.id201}"


def times_passed(t: Engine) -> None:
    """Look at every open transaction for what has become due."""
    if not statuses.listens(t):
        return
    for tx in t.memory.open_on():
        is_in_grace = tx.state == "deauth" and tx.grace_until > 0.0
        if is_in_grace and tx.grace_until > t.now:
            t.wake(tx.grace_until)
        elif not tx.stop_wanted and not is_in_grace:
            continue
        elif t.delivering or turn_of(tx.id201) in t.busy:
            t.wake(t.now + statuses.SOON_S)
        elif tx.stop_wanted:
            if _stop_of(tx) not in t.busy:
                t.spawn(stop_refused(t, tx))
        else:
            t.spawn(end_grace(t, tx))


def backend_returned(t: Engine) -> None:
    """The backend is there again: what was out is repeated, and what ended meanwhile gets its grace anew."""
    for tx in t.memory.open_on():
        if tx.state == "deauth" and tx.grace_until:
            tx.grace_until = max(tx.grace_until, t.now + t.policies.stop_grace_s)
        if tx.state == "wait_id" and tx.start_sent and turn_of(tx.id201) not in t.busy:
            t.spawn(repeat_start(t, tx))
