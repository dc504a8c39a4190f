"""go-e Charger V4, OCPP 1.6: StopTransaction with transactionId -1 gets its id back.

After a remote start it sends StopTransaction with -1 instead of the id from StartTransaction.conf (OCPP 1.6
§4.8, §4.10). The id is put back only when a single transaction is open, for StopTransaction does not name its
connector. Seen in https://github.com/goecharger/go-eCharger-API-v2/issues/106.
"""

from gateway.api import Adapter, Match, Memory, Message, OpenTransactions, backend_result, charger_call


class GoE(Adapter):
    """StopTransaction gets its transaction id back when only one transaction can be meant."""

    match = Match(vendor=("go-e*", "goe*"), ocpp="1.6")

    @backend_result("StartTransaction")
    def remember(self, result: Message, memory: Memory) -> Message:
        OpenTransactions(memory).started(result)
        return result

    @charger_call("StopTransaction")
    def restore(self, call: Message, memory: Memory) -> Message:
        return OpenTransactions(memory).restored(call)
