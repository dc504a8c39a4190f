"""Certificates: the charger's own by the security extension, those of vehicles inside DataTransfer."""

from typing import Final

from gateway.translate.charger16_backend201 import pnc
from gateway.translate.charger16_backend201.common import (
    NO_ANSWER,
    NOT_THERE,
    UNSUPPORTED,
    capability,
    failed,
    not_supported,
    refusal,
    rejected,
    simple,
    tell_reason,
    with_reason,
)
from gateway.translate.engine import BACKEND, CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.port import Answer, BackendCall, ChargerCall, Payload, Refused
from gateway.translate.tables import PNC_CERTIFICATES, ROOT_CERTIFICATES

rules = Rules()

_ALL: Final = (
    *("CSMSRootCertificate", "ManufacturerRootCertificate"),
    *("V2GRootCertificate", "MORootCertificate", "V2GCertificateChain"),
)
_TRUST_KEPT: Final = 8


def _leg_scoped(t: Engine, path: str, answer: Payload) -> Payload:
    t.lose(Loss.LEG_SCOPED, path)
    return answer


def _learn(t: Engine, answer: Answer) -> bool:
    """Whether the charger has the security extension, by its answer; it is remembered."""
    if isinstance(answer, dict):
        t.memory.capabilities["security_ext"] = "yes"
    elif isinstance(answer, Refused) and answer.code in NOT_THERE:
        t.memory.capabilities["security_ext"] = "no"
        return False
    return True


@rules.charger_call("SignCertificate", How.TRANSLATED, "SignCertificate", Loss.LEG_SCOPED, stateless=True)
def sign_certificate(t: Engine, call: ChargerCall) -> Outcome | Steps:
    """The charger wants its certificate signed; whose business that is, the operator decides."""
    if t.policies.leg_certificates != "forward":
        return _leg_scoped(t, "SignCertificate", {"status": "Rejected"})
    return _sign(t, call.payload["csr"])


def _sign(t: Engine, csr: str) -> Steps:
    payload = {"csr": csr, "certificateType": "ChargingStationCertificate"}
    answer = yield Ask(BACKEND, "SignCertificate", payload, live=True)
    if not isinstance(answer, dict):
        return failed(t, "SignCertificate", answer)
    tell_reason(t, answer)
    return {"status": answer["status"]}


@rules.backend_call(
    "CertificateSigned",
    How.TRANSLATED,
    "CertificateSigned, DataTransfer",
    Loss.LEG_SCOPED,
    Loss.NOT_SUPPORTED,
)
def certificate_signed(t: Engine, call: BackendCall) -> Outcome | Steps:
    """A signed certificate, of the charger or for vehicles."""
    if call.payload.get("certificateType") == "V2GCertificate":
        return _tunnelled(t, "CertificateSigned", call.payload)
    if t.policies.leg_certificates != "forward":
        return _leg_scoped(t, "CertificateSigned", rejected(UNSUPPORTED))
    if capability(t, "security_ext") == "no":
        return not_supported(t, "CertificateSigned")
    payload = {"certificateChain": call.payload["certificateChain"]}
    return simple(t, "CertificateSigned", payload, "CertificateSigned")


@rules.backend_call(
    "InstallCertificate",
    How.TRANSLATED,
    "InstallCertificate, DataTransfer",
    Loss.LEG_SCOPED,
    Loss.NOT_SUPPORTED,
)
def install_certificate(t: Engine, call: BackendCall) -> Outcome | Steps:
    """A root certificate; the one of the backend's own link ends here."""
    kind = call.payload["certificateType"]
    if kind in PNC_CERTIFICATES:
        return _tunnelled(t, "InstallCertificate", call.payload)
    if t.policies.leg_certificates == "local" and kind == "CSMSRootCertificate":
        t.memory.upstream_trust_pending.append(call.payload["certificate"])
        del t.memory.upstream_trust_pending[:-_TRUST_KEPT]
        return _leg_scoped(t, "certificateType", {"status": "Accepted"})
    if t.policies.leg_certificates != "forward":
        return _leg_scoped(t, "certificateType", rejected(UNSUPPORTED))
    if capability(t, "security_ext") == "no":
        return not_supported(t, "certificateType")
    native = {"certificateType": ROOT_CERTIFICATES.down(kind), "certificate": call.payload["certificate"]}
    return _native(t, "InstallCertificate", native, "Rejected")


def _native(t: Engine, action: str, payload: Payload, negative: str) -> Steps:
    answer = yield Ask(CHARGER, action, payload)
    _learn(t, answer)
    return {"status": answer["status"]} if isinstance(answer, dict) else refusal(t, action, answer, negative)


def _tunnelled(t: Engine, action: str, payload: Payload) -> Outcome | Steps:
    return (
        not_supported(t, "certificateType") if capability(t, "pnc") == "no" else _through(t, action, payload)
    )


def _through(t: Engine, action: str, payload: Payload) -> Steps:
    answer = yield from pnc.ask(t, action, payload)
    return not_supported(t, "certificateType") if answer is None else with_reason(answer)


@rules.backend_call("DeleteCertificate", How.TRANSLATED, "DeleteCertificate, DataTransfer", Loss.LEG_SCOPED)
def delete_certificate(t: Engine, call: BackendCall) -> Steps:
    """A certificate by its hashes: first among the charger's own, then among those for vehicles."""
    status: Outcome = {"status": "NotFound"}
    if t.policies.leg_certificates != "forward":
        t.lose(Loss.LEG_SCOPED, "certificateHashData")
    elif capability(t, "security_ext") != "no":
        answer = yield Ask(CHARGER, "DeleteCertificate", call.payload)
        if isinstance(answer, dict):
            status = {"status": answer["status"]}
        elif _learn(t, answer):
            return answer if isinstance(answer, Refused) else NO_ANSWER
    if status == {"status": "NotFound"} and capability(t, "pnc") == "yes":
        inner = yield from pnc.ask(t, "DeleteCertificate", call.payload)
        status = status if inner is None else with_reason(inner)
    return status


def _of_kind(t: Engine, kind: str, hashes: list[Payload]) -> list[Payload]:
    """What the charger has of one type, as 2.0.1 lists it."""
    if not hashes:
        t.lose(Loss.PEER_INCOMPLETE, "certificateHashData", kind)
    return [{"certificateType": kind, "certificateHashData": data} for data in hashes]


@rules.backend_call(
    "GetInstalledCertificateIds",
    How.TRANSLATED,
    "GetInstalledCertificateIds per type, DataTransfer",
    Loss.LEG_SCOPED,
    Loss.NOT_SUPPORTED,
)
def installed_certificates(t: Engine, call: BackendCall) -> Steps:
    """What is installed: one question per type of 1.6, one for all that travel inside DataTransfer."""
    kinds = call.payload.get("certificateType", list(_ALL))
    found: list[Payload] = []
    for kind in kinds:
        if kind in PNC_CERTIFICATES:
            continue
        if kind == "CSMSRootCertificate" and t.policies.leg_certificates != "forward":
            t.lose(Loss.LEG_SCOPED, "certificateType", kind)
        elif capability(t, "security_ext") != "no":
            native = {"certificateType": ROOT_CERTIFICATES.down(kind)}
            answer = yield Ask(CHARGER, "GetInstalledCertificateIds", native)
            _learn(t, answer)
            if isinstance(answer, dict) and answer["status"] == "Accepted":
                found += _of_kind(t, kind, answer.get("certificateHashData", []))
    tunnelled = [kind for kind in kinds if kind in PNC_CERTIFICATES]
    if tunnelled and capability(t, "pnc") != "no":
        inner = yield from pnc.ask(t, "GetInstalledCertificateIds", {"certificateType": tunnelled})
        found += inner.get("certificateHashDataChain", []) if inner else []
    if not found:
        return {"status": "NotFound"}
    return {"status": "Accepted", "certificateHashDataChain": found}
