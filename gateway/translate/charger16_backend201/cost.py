"""Prices on the charger's display: the OCA's messages inside DataTransfer of 1.6."""

from typing import Final

from gateway.translate.charger16_backend201.common import capability, configured, is_true
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import Transaction
from gateway.translate.port import BackendCall, Payload
from gateway.translate.values import compact, moment_text, plain_text

rules = Rules()

VENDOR: Final = "org.openchargealliance.costmsg"
_PLAIN: Final = ("ASCII", "UTF8")


def shows_costs(t: Engine) -> bool:
    """Whether the charger shows prices."""
    known = capability(t, "costmsg")
    return known == "yes" or (known == "unknown" and is_true(configured(t, "CustomDisplayCostAndPrice")))


def show_price(t: Engine, tag: str, info: Payload, path: str) -> Payload:
    """The idTokenInfo without the message that was sent to the display, if there is one."""
    if "personalMessage" not in info or not shows_costs(t):
        return info
    price = {"idToken": tag, "priceText": _text_of(t, info["personalMessage"], f"{path}.personalMessage")}
    t.spawn(_show(t, "SetUserPrice", price))
    return {key: value for key, value in info.items() if key != "personalMessage"}


def _text_of(t: Engine, message: Payload, path: str) -> str:
    """The text of a message: in which language and format it is, 1.6 cannot tell."""
    for key in ("format", "language"):
        if key in message and message[key] not in _PLAIN:
            t.lose(Loss.FIELD_DROPPED, f"{path}.{key}", message[key])
    text: str = message["content"]
    return text


def show_final_cost(t: Engine, tx: Transaction, answer: Payload) -> None:
    """The total of an ended transaction, once the charger has heard that it has ended."""
    for key in ("chargingPriority", "updatedPersonalMessage", "totalCost"):
        if key in answer and (key == "chargingPriority" or "totalCost" not in answer or not shows_costs(t)):
            t.lose(Loss.FIELD_DROPPED, key, compact(answer[key]))
    if "totalCost" not in answer or not shows_costs(t):
        return
    cost: Payload = {"transactionId": tx.id16, "cost": answer["totalCost"]}
    if "updatedPersonalMessage" in answer:
        cost["priceText"] = _text_of(t, answer["updatedPersonalMessage"], "updatedPersonalMessage")
    t.spawn(_show(t, "FinalCost", cost))


@rules.backend_call("CostUpdated", How.TUNNELLED, "DataTransfer RunningCost", Loss.NOT_SUPPORTED)
def cost_updated(t: Engine, call: BackendCall) -> Outcome | Steps:
    """The running cost of a transaction."""
    tx = t.memory.transaction201(call.payload["transactionId"])
    if tx is None or not shows_costs(t):
        t.lose(Loss.NOT_SUPPORTED, "CostUpdated", plain_text(call.payload["totalCost"]))
        return {}
    return _show(
        t,
        "RunningCost",
        {
            "transactionId": tx.id16,
            "timestamp": moment_text(t.now),
            "meterValue": tx.last_register_wh or tx.meter_start_wh or 0,
            "cost": call.payload["totalCost"],
            "state": "Charging" if tx.charging_state == "Charging" else "Idle",
        },
    )


def _show(t: Engine, message: str, data: Payload) -> Steps:
    payload = {"vendorId": VENDOR, "messageId": message, "data": compact(data)}
    answer = yield Ask(CHARGER, "DataTransfer", payload)
    if isinstance(answer, dict) and answer["status"] == "UnknownVendorId":
        t.memory.capabilities["costmsg"] = "no"
        t.lose(Loss.NOT_SUPPORTED, message)
    return {}
