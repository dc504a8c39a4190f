"""Plug & Charge over 1.6: messages of 2.0.1 inside DataTransfer (an application note of the OCA)."""

from collections.abc import Generator
from typing import Final

from gateway.translate.engine import BACKEND, CHARGER, Ask, Engine, Steps
from gateway.translate.losses import Loss
from gateway.translate.port import Answer, Payload
from gateway.translate.tunnel import inside
from gateway.translate.values import compact

VENDOR: Final = "org.openchargealliance.iso15118pnc"
OLD_VENDOR: Final = "iso15118"
VENDORS: Final = (VENDOR, OLD_VENDOR)

_OF_CHARGER: Final = ("Authorize", "Get15118EVCertificate", "GetCertificateStatus", "SignCertificate")
_OLD_NAME: Final = "15118CertificateHashData"
_NAME: Final = "iso15118CertificateHashData"


def ask(t: Engine, action: str, payload: Payload) -> Generator[Ask, Answer, Payload | None]:
    """Ask the charger; what its answer holds, or None when it has no Plug & Charge or refused."""
    tunnelled = {"vendorId": VENDOR, "messageId": action, "data": compact(payload)}
    answer = yield Ask(CHARGER, "DataTransfer", tunnelled)
    if not isinstance(answer, dict):
        return None
    if answer["status"] == "UnknownVendorId":
        t.memory.capabilities["pnc"] = "no"
    if answer["status"] != "Accepted":
        return None
    t.memory.capabilities["pnc"] = "yes"
    return inside(t, action, False, answer.get("data"))


def _tolerated(t: Engine, payload: Payload) -> Payload:
    """Two older ways to say the same."""
    payload = dict(payload)
    if _OLD_NAME in payload:
        payload[_NAME] = payload.pop(_OLD_NAME)
        t.lose(Loss.TOLERATED, _OLD_NAME)
    if isinstance(payload.get("idToken"), str):
        payload["idToken"] = {"idToken": payload["idToken"], "type": "eMAID"}
        t.lose(Loss.TOLERATED, "idToken")
    return payload


def handle(t: Engine, asked: Payload) -> Steps:
    """A request of the charger inside DataTransfer goes to the backend as what it is."""
    action = asked.get("messageId", "")
    if action not in _OF_CHARGER:
        return {"status": "UnknownMessageId"}
    payload = inside(t, action, True, asked.get("data"), _tolerated)
    if payload is None:
        return {"status": "Rejected"}
    t.memory.capabilities["pnc"] = "yes"
    answer = yield Ask(BACKEND, action, payload, live=True)
    if not isinstance(answer, dict):
        return {"status": "Rejected"}
    return {"status": "Accepted", "data": compact(answer)}
