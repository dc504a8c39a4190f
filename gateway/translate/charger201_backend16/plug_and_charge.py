"""Plug & Charge: native in 2.0.1, JSON text inside DataTransfer in 1.6.

The Open Charge Alliance's note "Using ISO 15118 Plug & Charge with OCPP 1.6".
"""

from collections.abc import Generator
from typing import Final

from gateway.ocpp.message import Version
from gateway.translate.engine import BACKEND, CHARGER, Ask, Engine, How, Rules, Steps, Wait
from gateway.translate.fitting import fitted
from gateway.translate.losses import Loss
from gateway.translate.port import SILENCE, Answer, BackendCall, ChargerCall, Payload, Refused, Severity
from gateway.translate.values import compact, parsed

RULES: Final = Rules()

VENDOR: Final = "org.openchargealliance.iso15118pnc"
_FOR_CHARGERS: Final = (
    *("CertificateSigned", "DeleteCertificate", "GetInstalledCertificateIds", "InstallCertificate"),
    "TriggerMessage",
)
_CONTRACT: Final = ("iso15118CertificateHashData", "certificate")
_UNSUPPORTED: Final = {"reasonCode": "UnsupportedRequest"}

Tunnelling = Generator[Ask | Wait, Answer, Payload | None]


def has_contract(payload: Payload) -> bool:
    """Whether an Authorize shows a contract certificate."""
    return any(name in payload for name in _CONTRACT)


def refuse_contract(t: Engine, payload: Payload) -> Payload:
    """The backend cannot check a contract: passing its number as an idTag would skip the check."""
    path = next(name for name in _CONTRACT if name in payload)
    t.lose(Loss.NOT_SUPPORTED, path, severity=Severity.ERROR)
    return {"idTokenInfo": {"status": "Invalid"}, "certificateStatus": "CertChainError"}


def tunnel(t: Engine, action: str, payload: Payload) -> Tunnelling:
    """Ask the backend by DataTransfer; None when it does not understand or has no valid answer."""
    if t.memory.capabilities.get("be_pnc") == "no":
        return None
    asked = {"vendorId": VENDOR, "messageId": action, "data": compact(payload)}
    answer = yield Ask(BACKEND, "DataTransfer", asked, live=True)
    if not isinstance(answer, dict):
        return None
    if answer["status"] == "UnknownVendorId":
        t.memory.capabilities["be_pnc"] = "no"
    if answer["status"] != "Accepted":
        return None
    t.memory.capabilities["be_pnc"] = "yes"
    return _valid(t, action, False, answer.get("data", ""))


def _valid(t: Engine, action: str, is_request: bool, text: str) -> Payload | None:
    """The payload of 2.0.1 that a text holds, None when it is none."""
    try:
        said = parsed(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        t.lose(Loss.PAYLOAD_INVALID, "data", text[:100])
        return None
    payload, losses = fitted(Version.V201, action, is_request, said)
    for loss in losses:
        t.lose(Loss(loss.code), f"data.{loss.path}", loss.value, loss.became, loss.severity)
    return payload


@RULES.charger_call("GetCertificateStatus", How.TUNNELLED, "DataTransfer", Loss.NOT_SUPPORTED)
def get_certificate_status(t: Engine, call: ChargerCall) -> Steps:
    answer = yield from tunnel(t, call.action, call.payload)
    return answer or _unsupported(t, call, {"status": "Failed", "statusInfo": _UNSUPPORTED})


@RULES.charger_call("Get15118EVCertificate", How.TUNNELLED, "DataTransfer", Loss.NOT_SUPPORTED)
def get_15118_ev_certificate(t: Engine, call: ChargerCall) -> Steps:
    answer = yield from tunnel(t, call.action, call.payload)
    return answer or _unsupported(
        t, call, {"status": "Failed", "exiResponse": "", "statusInfo": _UNSUPPORTED}
    )


@RULES.charger_call(
    "SignCertificate", How.TRANSLATED, "SignCertificate, DataTransfer", Loss.NOT_SUPPORTED, Loss.LEG_SCOPED
)
def sign_certificate(t: Engine, call: ChargerCall) -> Steps:
    """A vehicle's certificate goes by the tunnel, the charger's own natively if the backend owns it."""
    refused = {"status": "Rejected", "statusInfo": _UNSUPPORTED}
    if call.payload.get("certificateType") == "V2GCertificate":
        answer = yield from tunnel(t, call.action, call.payload)
        return answer or _unsupported(t, call, refused)
    if t.policies.leg_certificates != "forward":
        t.lose(Loss.LEG_SCOPED, "csr")
        return refused
    if t.memory.capabilities.get("be_security_ext") == "no":
        return _unsupported(t, call, refused)
    said = yield Ask(BACKEND, "SignCertificate", {"csr": call.payload["csr"]}, live=True)
    return said if isinstance(said, dict | Refused) else SILENCE


def _unsupported(t: Engine, call: ChargerCall, answer: Payload) -> Payload:
    t.lose(Loss.NOT_SUPPORTED, call.action, severity=Severity.WARN)
    return answer


def for_charger(t: Engine, call: BackendCall) -> Steps:
    """A DataTransfer of the backend that holds a message of 2.0.1."""
    action = call.payload.get("messageId", "")
    if action not in _FOR_CHARGERS:
        return {"status": "UnknownMessageId"}
    inner = _valid(t, action, True, call.payload.get("data", ""))
    if inner is None:
        return {"status": "Rejected"}
    t.memory.capabilities["be_pnc"] = "yes"
    if action == "CertificateSigned" and "certificateType" not in inner:
        inner["certificateType"] = "V2GCertificate"  # for the charger's own one there is a message of 1.6
        t.lose(Loss.SYNTHESIZED, "data.certificateType", "", "V2GCertificate")
    answer = yield Ask(CHARGER, action, inner)
    if isinstance(answer, dict):
        return {"status": "Accepted", "data": compact(answer)}
    if isinstance(answer, Refused):
        return {"status": "Rejected"}
    return Refused("GenericError", "the charger did not answer")
