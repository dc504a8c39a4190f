"""Drivers whom the gateway accepted for an absent backend, which then refuses them."""

from typing import TYPE_CHECKING, Any

from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Sender, Version
from gateway.session.book import Transaction
from gateway.session.effects import Effect, Noted, Verdict
from gateway.session.outbox import Entry
from gateway.session.payloads import Payload

if TYPE_CHECKING:
    from gateway.session.buffer import Buffer


def refused(
    buffer: "Buffer", entry: Entry, transaction: Transaction | None, request: Payload, info: Any, now: float
) -> list[Effect]:
    """What follows when the backend answers a stored message with this idTagInfo or idTokenInfo.

    The charger is told to stop, as it would stop by itself had it heard the backend (OCPP 1.6 §4.8
    StopTransactionOnInvalidId, 2.0.1 StopTxOnInvalidId).
    """
    status = info.get("status") if isinstance(info, dict) else None
    if transaction is None or status in (None, "Accepted", "ConcurrentTx") or not transaction.is_open:
        return []
    heard = transaction.answer.get("idTagInfo", {"status": "Accepted"})
    if heard.get("status") != "Accepted" or request.get("eventType") == "Ended":
        return []
    flag = Flag(FlagCode.LATE_REFUSAL, before='"Accepted"', after=f'"{status}"')
    told = buffer.session.flagged(
        Sender.CHARGER, "call", entry.action, entry.frame, [flag], Verdict.DELIVERED
    )
    transaction.stop_wanted = buffer.settings.stops_late_refusals and not buffer.session.follows
    return [Noted("late-refusal", entry.action), told, *_stop(buffer, transaction, now)]


def stops(buffer: "Buffer", now: float) -> list[Effect]:
    """Tell a charger that is back to stop what the backend has refused meanwhile."""
    return [effect for known in buffer.book.transactions for effect in _stop(buffer, known, now)]


def _stop(buffer: "Buffer", transaction: Transaction, now: float) -> list[Effect]:
    session = buffer.session
    if not (transaction.is_open and transaction.stop_wanted and session.charger.is_open):
        return []
    id_ = transaction.charger_id
    if session.version is Version.V16:
        return session.command("RemoteStopTransaction", {"transactionId": id_}, now)
    return session.command("RequestStopTransaction", {"transactionId": str(id_)}, now)
