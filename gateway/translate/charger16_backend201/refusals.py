"""Commands of 2.0.1 that 1.6 knows nothing of: each is refused in its own words."""

from collections.abc import Callable
from typing import Final

from gateway.translate import tunnel
from gateway.translate.charger16_backend201.cable import by_id
from gateway.translate.charger16_backend201.common import UNSUPPORTED, rejected
from gateway.translate.charger16_backend201.events import waiting_for
from gateway.translate.engine import CHARGER, Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.port import BackendCall, Payload, Severity

rules = Rules()

IF_TUNNELLED: Final = "or DataTransfer (`tunnel`)"

_ANSWERS: Final[dict[str, Payload]] = {
    "SetMonitoringBase": {"status": "NotSupported"},
    "GetMonitoringReport": {"status": "NotSupported"},
    "SetMonitoringLevel": rejected(UNSUPPORTED),
    "SetDisplayMessage": rejected(UNSUPPORTED),
    "CustomerInformation": rejected(UNSUPPORTED),
    "PublishFirmware": rejected(UNSUPPORTED),
    "GetDisplayMessages": {"status": "Unknown"},
    "ClearDisplayMessage": {"status": "Unknown"},
    "UnpublishFirmware": {"status": "NoFirmware"},
}


def _refused(action: str, refusal: Callable[[Payload], Payload]) -> None:
    """A command that is refused, unless the charger is known to take it inside a DataTransfer."""

    @rules.backend_call(action, How.REFUSED, IF_TUNNELLED, Loss.NOT_SUPPORTED, stateless=True)
    def refuse(t: Engine, call: BackendCall) -> Steps:
        answer = yield from tunnel.through(t, CHARGER, action, call.payload)
        if answer is not None:
            return answer
        t.lose(Loss.NOT_SUPPORTED, action)
        return refusal(call.payload)


def _always(answer: Payload) -> Callable[[Payload], Payload]:
    return lambda asked: answer


def _no_monitor(asked: Payload) -> Payload:
    """No monitors in 1.6: each one is refused."""
    kept = ("id", "type", "severity", "component", "variable")
    results = [
        {key: item[key] for key in kept if key in item} | {"status": "UnsupportedMonitorType"}
        for item in asked["setMonitoringData"]
    ]
    return {"setMonitoringResult": results}


def _none_to_clear(asked: Payload) -> Payload:
    """No monitors in 1.6: none is found."""
    return {"clearMonitoringResult": [{"id": id_, "status": "NotFound"} for id_ in asked["id"]]}


for _action, _answer in _ANSWERS.items():
    _refused(_action, _always(_answer))
_refused("SetVariableMonitoring", _no_monitor)
_refused("ClearVariableMonitoring", _none_to_clear)


@rules.backend_call("SetNetworkProfile", How.REFUSED, "", Loss.LEG_SCOPED, stateless=True)
def set_network_profile(t: Engine, call: BackendCall) -> Outcome:
    """Sending the charger to another backend is the operator's decision, not this backend's."""
    t.lose(Loss.LEG_SCOPED, "SetNetworkProfile", severity=Severity.WARN)
    return rejected(UNSUPPORTED)


@rules.backend_call("GetTransactionStatus", How.ANSWERED, "", Loss.LOCAL_STATE, stateless=True)
def transaction_status(t: Engine, call: BackendCall) -> Outcome:
    """Whether a transaction is under way, and whether messages of it wait for delivery."""
    t.lose(Loss.LOCAL_STATE, "GetTransactionStatus")
    if "transactionId" not in call.payload:
        return {"messagesInQueue": waiting_for(t, None)}
    id201 = call.payload["transactionId"]
    tx = t.memory.transaction201(id201) or by_id(t, id201)
    waits = tx is not None and waiting_for(t, tx)
    return {"ongoingIndicator": tx is not None and tx.is_open, "messagesInQueue": waits}
