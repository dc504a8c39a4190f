"""The transactions of a charger that are open, as an adapter remembers them. OCPP 1.6 §4.8, §4.10."""

from typing import Any

from gateway.dialect.adapter import AdapterMessage, Memory
from gateway.ocpp.flags import FlagCode

MOST_OPEN = 16


class OpenTransactions:
    """Transaction ids by connector, kept in an adapter's memory under one name."""

    def __init__(self, memory: Memory) -> None:
        self._ids: dict[str, int] = memory.setdefault("open_transactions", {})

    def started(self, answer: AdapterMessage) -> None:
        """The answer to a StartTransaction has come: its transaction is open, if it got an id."""
        transaction_id: Any = answer.payload.get("transactionId")
        connector = str(answer.request.get("connectorId", ""))
        if connector and isinstance(transaction_id, int) and transaction_id > 0:
            self._ids[connector] = transaction_id
            while len(self._ids) > MOST_OPEN:
                del self._ids[next(iter(self._ids))]

    def stopped(self, transaction_id: int) -> None:
        """A transaction has ended."""
        for connector in [connector for connector, id_ in self._ids.items() if id_ == transaction_id]:
            del self._ids[connector]

    def restored(self, call: AdapterMessage) -> AdapterMessage:
        """A StopTransaction that lost its id (0, negative or missing), with that of the only open one.

        StopTransaction does not name its connector, and a wrong guess would bill the wrong driver: with
        several open transactions, or none, it stays as it is.
        """
        transaction_id: Any = call.payload.get("transactionId", 0)
        if isinstance(transaction_id, int) and transaction_id > 0:
            self.stopped(transaction_id)
            return call
        if len(self._ids) != 1:
            return call.flagged(FlagCode.DIALECT_AMBIGUOUS, "transactionId") if self._ids else call
        _, only = self._ids.popitem()
        return call.with_field("transactionId", only, FlagCode.TRANSACTION_RESTORED)
