"""DataTransfer: any JSON in 2.x, text in 1.6; and the prices that the OCA's note for 1.6 puts into it."""

from decimal import Decimal
from typing import Any, Final

from gateway.translate.charger201_backend16 import plug_and_charge
from gateway.translate.engine import BACKEND, CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import remember
from gateway.translate.port import SILENCE, BackendCall, ChargerCall, Payload, Refused
from gateway.translate.values import compact, parsed

RULES: Final = Rules()

PRICES: Final = "org.openchargealliance.costmsg"
_SAME: Final = ("vendorId", "messageId")
_COST: Final = ("cost", "transactionId")
_LONGEST_PRICE: Final = 512


@RULES.charger_call("DataTransfer", How.TRANSLATED, "DataTransfer", Loss.STATUSINFO_DROPPED, stateless=True)
def from_charger(t: Engine, call: ChargerCall) -> Steps:
    payload = call.payload
    made: Payload = {key: payload[key] for key in _SAME if key in payload}
    is_text = isinstance(payload.get("data", ""), str)
    if "data" in payload:
        made["data"] = payload["data"] if is_text else compact(payload["data"])
    answer = yield Ask(BACKEND, "DataTransfer", made, live=True)
    if isinstance(answer, dict):
        return answer | {"data": _parsed(answer["data"])} if "data" in answer and not is_text else answer
    return answer if isinstance(answer, Refused) else SILENCE


def _parsed(text: str) -> Any:
    try:
        return parsed(text)
    except ValueError:
        return text


@RULES.backend_call(
    "DataTransfer",
    How.TRANSLATED,
    "DataTransfer, CostUpdated, and what Plug & Charge puts into it",
    Loss.SYNTHESIZED,
    Loss.FIELD_DROPPED,
    Loss.STATUSINFO_DROPPED,
)
def from_backend(t: Engine, call: BackendCall) -> Steps:
    vendor = call.payload["vendorId"]
    if vendor == plug_and_charge.VENDOR:
        return (yield from plug_and_charge.for_charger(t, call))
    if vendor == PRICES and t.memory.capabilities.get("costmsg") != "no":
        return (yield from _prices(t, call))
    answer = yield Ask(CHARGER, "DataTransfer", call.payload)
    if not isinstance(answer, dict):
        return (
            answer if isinstance(answer, Refused) else Refused("GenericError", "the charger did not answer")
        )
    made = {"status": answer["status"]}
    if "data" in answer:
        made["data"] = answer["data"] if isinstance(answer["data"], str) else compact(answer["data"])
    if "statusInfo" in answer:
        t.lose(Loss.STATUSINFO_DROPPED, "statusInfo", compact(answer["statusInfo"]))
    return made


def _prices(t: Engine, call: BackendCall) -> Steps:
    try:
        said = parsed(call.payload.get("data", ""))
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return {"status": "Rejected"}
    match call.payload.get("messageId"):
        case "RunningCost" | "FinalCost":
            return (yield from _cost(t, said))
        case "SetUserPrice":
            return _user_price(t, said)
        case _:
            return {"status": "UnknownMessageId"}


def _cost(t: Engine, said: Payload) -> Steps:
    tx = t.memory.transaction16(said["transactionId"]) if isinstance(said.get("transactionId"), int) else None
    cost = said.get("cost")
    if tx is None or isinstance(cost, bool) or not isinstance(cost, int | Decimal):
        return {"status": "Rejected"}
    for name, value in said.items():
        if name not in _COST:
            t.lose(Loss.FIELD_DROPPED, f"data.{name}", compact(value)[:100])
    if "chargingPrice" in said and "nextPeriod" not in said:  # it says so that this price stays
        t.lose(Loss.FIELD_DROPPED, "data.nextPeriod", "null")
    answer = yield Ask(CHARGER, "CostUpdated", {"totalCost": cost, "transactionId": tx.id201})
    if isinstance(answer, dict):
        return {"status": "Accepted"}
    return {"status": "Rejected"} if isinstance(answer, Refused) else Refused("GenericError", "no answer")


def _user_price(t: Engine, said: Payload) -> Outcome:
    """Keep the price of a driver for the next answer to an event of his transaction."""
    token, text = said.get("idToken"), said.get("priceText")
    if not isinstance(token, str) or not isinstance(text, str):
        return {"status": "Rejected"}
    for name in said:
        if name not in ("idToken", "priceText"):
            t.lose(Loss.FIELD_DROPPED, f"data.{name}", compact(said[name])[:100])
    remember(t.memory.prices, token.casefold(), {"format": "UTF8", "content": text[:_LONGEST_PRICE]})
    return {"status": "Accepted"}
