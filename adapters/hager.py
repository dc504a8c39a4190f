"""Hager Witty Park 9.0, OCPP 1.6: StopTransaction with transactionId -1 gets its id back.

It charges on after a StartTransaction.conf with ConcurrentTx, and stops with -1 (OCPP 1.6 §4.8, §4.10). The
id is put back only when a single transaction is open; a transaction that the backend refused has none, and
its stop stays an orphan. Seen in https://github.com/dallmann-consulting/OCPP.Core/issues/55.
"""

from gateway.api import Adapter, Match, Memory, Message, OpenTransactions, backend_result, charger_call


class HagerWitty(Adapter):
    """StopTransaction gets its transaction id back when only one transaction can be meant."""

    match = Match(vendor="hager*", ocpp="1.6")

    @backend_result("StartTransaction")
    def remember(self, result: Message, memory: Memory) -> Message:
        """A refused transaction is not open, even where the answer carries an id."""
        if result.payload.get("idTagInfo", {}).get("status") == "Accepted":
            OpenTransactions(memory).started(result)
        return result

    @charger_call("StopTransaction")
    def restore(self, call: Message, memory: Memory) -> Message:
        return OpenTransactions(memory).restored(call)
