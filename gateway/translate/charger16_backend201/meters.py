"""MeterValues of 1.6: events of a transaction, or readings of an EVSE."""

from typing import Final

from gateway.translate.charger16_backend201.common import evse_of, only_open_on, trigger_taken
from gateway.translate.charger16_backend201.events import deliver, event, is_offline, tell_unheard
from gateway.translate.engine import Engine, How, Outcome, Rules, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.memory import Transaction, remember
from gateway.translate.port import ChargerCall, Payload, Severity
from gateway.translate.samples import by_instant, last_register_wh, values_201
from gateway.translate.values import digest

rules = Rules()

_READINGS_KEPT: Final = 32

_OF_NO_TRANSACTION: Final = ("Sample.Clock", "Interruption.Begin", "Interruption.End", "Other")


@rules.charger_call(
    "MeterValues",
    How.TRANSLATED,
    "TransactionEvent(Updated), MeterValues",
    Loss.MEASURAND_DROPPED,
    Loss.SAMPLE_UNPARSABLE,
    Loss.SIGNED_WITHOUT_RAW,
    Loss.LATE_METERVALUES,
    Loss.UNKNOWN_TX,
    Loss.SYNTHESIZED,
    Loss.TOLERATED,
    Loss.DUPLICATE,
    only_asked=True,
    touches=(),
)
def meter_values(t: Engine, call: ChargerCall) -> Outcome | Steps:
    """Readings: one event per instant of the transaction they belong to."""
    asked = call.payload
    key = digest("meter", asked)
    if key in t.memory.unsent:
        t.lose(Loss.POSSIBLE_DUPLICATE, t.memory.unsent[key][0].action)
        return _tell(t, key, [], t.memory.unsent[key][0].action)
    if key in t.memory.readings:
        t.lose(Loss.DUPLICATE, "MeterValues")
        return {}
    values = by_instant(values_201(t, asked["meterValue"], "meterValue"))
    if not values:
        return {}
    evse = evse_of(t, asked["connectorId"])
    if (wh := last_register_wh(values)) is not None:
        remember(t.memory.last_register, str(asked["connectorId"]), wh)
    tx = None if trigger_taken(t, "MeterValues", evse) else _transaction(t, asked)
    if tx is None:
        return _tell(t, key, [{"evseId": evse, "meterValue": values}], "MeterValues")
    tx.last_register_wh = wh if wh is not None else tx.last_register_wh
    return _tell(t, key, [_updated(t, call, tx, value) for value in values], "TransactionEvent")


def _transaction(t: Engine, asked: Payload) -> Transaction | None:
    """The transaction that readings belong to."""
    id16 = asked.get("transactionId")
    known = t.memory.transaction16(id16) if id16 is not None else None
    if known is not None:
        if known.is_open and known.flat != asked["connectorId"]:
            t.lose(Loss.TOLERATED, "connectorId", str(asked["connectorId"]), str(known.flat))
        if known.is_open:
            return known
        t.lose(Loss.LATE_METERVALUES, "transactionId", str(id16))
        return None
    only = only_open_on(t, asked["connectorId"]) if asked["connectorId"] > 0 else None
    if id16 is not None:
        t.lose(Loss.UNKNOWN_TX, "transactionId", str(id16))
        adopted = Severity.WARN
    else:
        adopted = Severity.INFO
        contexts = {s.get("context") for value in asked["meterValue"] for s in value["sampledValue"]}
        if contexts & set(_OF_NO_TRANSACTION):
            return None
    if only is not None:
        t.lose(Loss.SYNTHESIZED, "transactionInfo.transactionId", "", only.id201, adopted)
    return only


def _updated(t: Engine, call: ChargerCall, tx: Transaction, value: Payload) -> Payload:
    made = event(t, tx, "Updated", _trigger(value), value["timestamp"], {})
    made["meterValue"] = [value]
    if is_offline(t, call, value["timestamp"]):
        made["offline"] = True
    return made


def _trigger(value: Payload) -> str:
    samples = value["sampledValue"]
    contexts = {sample.get("context") for sample in samples}
    if "Trigger" in contexts:
        return "Trigger"
    if "Sample.Clock" in contexts:
        return "MeterValueClock"
    if any(s.get("context") == "Transaction.Begin" and "signedMeterValue" in s for s in samples):
        return "SignedDataReceived"
    return "MeterValuePeriodic"


def _tell(t: Engine, key: str, made: list[Payload], action: str) -> Steps:
    answer = yield from deliver(t, key, made, action)
    if isinstance(answer, Undelivered):
        return answer
    tell_unheard(t, answer)
    remember(t.memory.readings, key, True, _READINGS_KEPT)
    return {}
