"""Commands of 2.0.1 that 1.6 knows nothing of: each is refused in its own words."""

from typing import Final

from gateway.translate.charger16_backend201.common import UNSUPPORTED, rejected
from gateway.translate.charger16_backend201.events import waiting_for
from gateway.translate.engine import BackendHandler, Engine, How, Outcome, Rules
from gateway.translate.losses import Loss
from gateway.translate.port import BackendCall, Payload, Severity

rules = Rules()

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


def _refuses(action: str, answer: Payload) -> BackendHandler:
    def refuse(t: Engine, call: BackendCall) -> Outcome:
        t.lose(Loss.NOT_SUPPORTED, action)
        return answer

    return refuse


for _action, _answer in _ANSWERS.items():
    rules.backend_call(_action, How.REFUSED, "", Loss.NOT_SUPPORTED, stateless=True)(
        _refuses(_action, _answer)
    )


@rules.backend_call("SetNetworkProfile", How.REFUSED, "", Loss.LEG_SCOPED, stateless=True)
def set_network_profile(t: Engine, call: BackendCall) -> Outcome:
    """Sending the charger to another backend is the operator's decision, not this backend's."""
    t.lose(Loss.LEG_SCOPED, "SetNetworkProfile", severity=Severity.WARN)
    return rejected(UNSUPPORTED)


@rules.backend_call("SetVariableMonitoring", How.REFUSED, "", Loss.NOT_SUPPORTED, stateless=True)
def set_variable_monitoring(t: Engine, call: BackendCall) -> Outcome:
    """No monitors in 1.6: each one is refused."""
    t.lose(Loss.NOT_SUPPORTED, "SetVariableMonitoring")
    kept = ("id", "type", "severity", "component", "variable")
    results = [
        {key: item[key] for key in kept if key in item} | {"status": "UnsupportedMonitorType"}
        for item in call.payload["setMonitoringData"]
    ]
    return {"setMonitoringResult": results}


@rules.backend_call("ClearVariableMonitoring", How.REFUSED, "", Loss.NOT_SUPPORTED, stateless=True)
def clear_variable_monitoring(t: Engine, call: BackendCall) -> Outcome:
    """No monitors in 1.6: none is found."""
    t.lose(Loss.NOT_SUPPORTED, "ClearVariableMonitoring")
    return {"clearMonitoringResult": [{"id": id_, "status": "NotFound"} for id_ in call.payload["id"]]}


@rules.backend_call("GetTransactionStatus", How.ANSWERED, "", Loss.LOCAL_STATE, stateless=True)
def transaction_status(t: Engine, call: BackendCall) -> Outcome:
    """Whether a transaction is under way, and whether messages of it wait for delivery."""
    t.lose(Loss.LOCAL_STATE, "GetTransactionStatus")
    if "transactionId" not in call.payload:
        return {"messagesInQueue": waiting_for(t, None)}
    tx = t.memory.transaction201(call.payload["transactionId"])
    waits = tx is not None and waiting_for(t, tx)
    return {"ongoingIndicator": tx is not None and tx.is_open, "messagesInQueue": waits}
