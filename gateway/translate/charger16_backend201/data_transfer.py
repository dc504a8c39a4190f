"""DataTransfer: any JSON in 2.0.1, a text in 1.6."""

from gateway.translate.charger16_backend201 import pnc
from gateway.translate.charger16_backend201.common import failed, refusal, tell_reason
from gateway.translate.engine import BACKEND, CHARGER, Ask, Engine, How, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.port import BackendCall, ChargerCall, Payload
from gateway.translate.values import compact, parsed

rules = Rules()


@rules.charger_call(
    "DataTransfer",
    How.TRANSLATED,
    "DataTransfer; Plug & Charge as what it is",
    Loss.TOLERATED,
    Loss.PAYLOAD_INVALID,
)
def from_charger(t: Engine, call: ChargerCall) -> Steps:
    """A maker's own message; Plug & Charge becomes the messages of 2.0.1 it holds."""
    if call.payload["vendorId"] in pnc.VENDORS:
        return pnc.handle(t, call.payload)
    return _to_backend(t, call.payload)


def _to_backend(t: Engine, payload: Payload) -> Steps:
    answer = yield Ask(BACKEND, "DataTransfer", payload, live=True)
    if not isinstance(answer, dict):
        return failed(t, "DataTransfer", answer)
    tell_reason(t, answer)
    made: Payload = {"status": answer["status"]}
    if "data" in answer:
        made["data"] = as_text(answer["data"])
    return made


@rules.backend_call("DataTransfer", How.TRANSLATED, "DataTransfer", stateless=True)
def from_backend(t: Engine, call: BackendCall) -> Steps:
    """A maker's own message for the charger."""
    payload = call.payload
    was_text = isinstance(payload.get("data", ""), str)
    if "data" in payload:
        payload = payload | {"data": as_text(payload["data"])}
    answer = yield Ask(CHARGER, "DataTransfer", payload)
    if not isinstance(answer, dict):
        return refusal(t, "DataTransfer", answer)
    made: Payload = {"status": answer["status"]}
    if "data" in answer:
        made["data"] = answer["data"] if was_text else _as_value(answer["data"])
    return made


def as_text(data: object) -> str:
    """The data as a text: one stays what it is, anything else is written as JSON."""
    return data if isinstance(data, str) else compact(data)


def _as_value(text: str) -> object:
    try:
        return parsed(text)
    except ValueError:
        return text
