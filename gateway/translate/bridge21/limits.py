"""The limit that a 2.1 backend sets on a transaction, kept by the gateway for a charger that knows none.

A charger of 2.0.1 cannot be told it, so the gateway asks it to stop the transaction when its readings, its
cost or the time show that the limit is reached: after the fact, and only as finely as the charger reports.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from gateway.translate.engine import CHARGER, Ask, Engine, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import TRANSACTIONS_KEPT, Limited, remember
from gateway.translate.port import BackendCall, ChargerCall, Payload, Severity
from gateway.translate.samples import by_instant, register_wh
from gateway.translate.values import seconds

ASK_AGAIN_S: Final = 60.0
MOST_ASKED: Final = 10
_LIMITS: Final = ("maxCost", "maxEnergy", "maxSoC", "maxTime")

Noted = Callable[[Engine, ChargerCall | BackendCall, Payload], None]


def event_answered(t: Engine, call: ChargerCall | BackendCall, answer: Payload) -> None:
    """The backend has answered an event: it may have set a limit, or told the cost."""
    if not t.policies.enforce_transaction_limit or not isinstance(call, ChargerCall):
        return
    id_ = call.payload["transactionInfo"]["transactionId"].casefold()
    known = t.memory.limited.pop(id_, None) or Limited(_begun_at(call))
    if call.payload["eventType"] == "Ended":
        return
    remember(t.memory.limited, id_, known, TRANSACTIONS_KEPT)
    known.name = call.payload["transactionInfo"]["transactionId"]
    _measure(known, call.payload.get("meterValue", []))
    if "totalCost" in answer:
        known.used["maxCost"] = answer["totalCost"]
    if "transactionLimit" in answer:
        said = answer["transactionLimit"]
        known.limit = {key: said[key] for key in _LIMITS if isinstance(said.get(key), int | Decimal)}
    _look(t, known)


def cost_told(t: Engine, call: ChargerCall | BackendCall, answer: Payload) -> None:
    """The charger has heard of the running cost."""
    known = t.memory.limited.get(call.payload["transactionId"].casefold())
    if known is not None:
        known.used["maxCost"] = call.payload["totalCost"]
        _look(t, known)


def look_after_all(t: Engine) -> None:
    """Ask for the end of what has reached its limit by now."""
    for known in t.memory.limited.values():
        _look(t, known)


OF_CHARGER_201: Final[dict[str, Noted]] = {"TransactionEvent": event_answered, "CostUpdated": cost_told}
"""What is learned of exchanges between a 2.0.1 charger and a 2.1 backend."""


def _begun_at(call: ChargerCall) -> float:
    """By the gateway's clock, unless it was not told when it happened."""
    if call.payload.get("offline", False):
        return min(call.received_at, seconds(call.payload["timestamp"]))
    return call.received_at


def _measure(known: Limited, values: list[Payload]) -> None:
    for value in by_instant(values):
        for sample in value["sampledValue"]:
            if (wh := register_wh(sample)) is not None:
                known.begun_wh = wh if known.begun_wh is None else known.begun_wh
                known.used["maxEnergy"] = wh - known.begun_wh
            elif sample.get("measurand") == "SoC":
                known.used["maxSoC"] = sample["value"]


def _look(t: Engine, known: Limited) -> None:
    if not known.limit or known.is_stopping or known.asked >= MOST_ASKED or t.now < known.ask_after:
        return
    reached = [name for name, most in known.limit.items() if _used(t, known, name) >= most]
    if reached:
        known.asked += 1
        known.ask_after = t.now + ASK_AGAIN_S
        t.spawn(_stopped(t, known))
    elif "maxTime" in known.limit:
        t.wake(known.begun_at + float(known.limit["maxTime"]))


def _used(t: Engine, known: Limited, name: str) -> "int | float | Decimal":
    used = t.now - known.begun_at if name == "maxTime" else known.used.get(name)
    return used if isinstance(used, int | float | Decimal) else float("-inf")


def _stopped(t: Engine, known: Limited) -> Steps:
    answer = yield Ask(CHARGER, "RequestStopTransaction", {"transactionId": known.name})
    known.is_stopping = isinstance(answer, dict) and answer["status"] == "Accepted"
    if not known.is_stopping:
        t.lose(Loss.NOT_SUPPORTED, "transactionLimit", severity=Severity.BILLING)
        t.wake(known.ask_after)
    return {}
