"""Events of a transaction that is over in 1.6: their readings still go up, without it."""

from collections.abc import Generator

from gateway.translate.charger201_backend16.starts_stops import asked
from gateway.translate.charger201_backend16.transactions import ENDED, Event, newer_than
from gateway.translate.engine import Ask, Engine, Wait
from gateway.translate.losses import Loss
from gateway.translate.memory import Transaction
from gateway.translate.port import Answer, Payload, Refused
from gateway.translate.samples import values_16
from gateway.translate.values import compact


def reopens(tx: Transaction, event: Event) -> bool:
    """Whether a token is shown to a vehicle that stayed after its transaction was stopped in 1.6."""
    return (
        tx.stopped_early and event.kind != ENDED and event.trigger == "Authorized" and event.token is not None
    )


def reopen(tx: Transaction) -> None:
    """Let another transaction of 1.6 begin within the same one of 2.0.1."""
    tx.state, tx.id16, tx.id_token, tx.id_tag, tx.auth_end = "pre", None, None, None, None
    tx.stopped_early, tx.late_reject, tx.unlocking, tx.suspect = False, False, False, False
    tx.meter_start_wh, tx.reservation_id, tx.remote_start_id = None, None, None
    tx.has_charged, tx.attempts, tx.stop_wh, tx.start_seq = False, 0, None, -1


def late(t: Engine, event: Event, tx: Transaction) -> Generator[Ask | Wait, Answer, Payload | Refused]:
    """What becomes of an event after StopTransaction, or after a transaction that came to nothing."""
    values = event.values
    if not tx.stopped_early:
        t.lose(Loss.OUT_OF_ORDER, "seqNo", str(event.seq))
    elif event.kind == ENDED:
        t.lose(Loss.LATE_END, "TransactionEvent", tx.id201)
        values = newer_than(values, tx.stopped_at)
    else:
        t.lose(Loss.LATE_METERVALUES, "transactionId", tx.id201)
    most = max((register.wh for register in event.registers), default=None)
    if tx.stop_wh is not None and most is not None and most > tx.stop_wh:
        t.lose(Loss.ENERGY_AFTER_STOP, "meterStop", str(most), str(tx.stop_wh))
    if len(values) < len(event.values) or (values and tx.id16 is None):
        t.lose(Loss.FIELD_DROPPED, "meterValue", compact(event.values)[:500])
    if tx.id16 is not None and (left := values_16(t, values, "meterValue")):
        answer = yield from asked(t, "MeterValues", {"connectorId": tx.flat, "meterValue": left})
        if isinstance(answer, Refused):
            return answer
    if event.kind == ENDED:
        tx.stopped_early = False
    if event.token is None:
        return {}
    t.lose(Loss.SYN_IDTAGINFO, "idTokenInfo", "", "Accepted")
    return {"idTokenInfo": {"status": "Accepted"}}
