"""Commands that are one CALL in both versions."""

from typing import Final

from gateway.translate.charger201_backend16.addresses import evse_of
from gateway.translate.charger201_backend16.statuses import STARTED
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import PendingReset
from gateway.translate.port import Answer, BackendCall, Payload, Refused
from gateway.translate.values import compact

RULES: Final = Rules()

MOST_ROOTS: Final = 20

REJECTED: Final = {"status": "Rejected"}
_CHAINS: Final = "certificateHashDataChain"
_NOT_THERE: Final = ("NotImplemented", "NotSupported")


def said(t: Engine, answer: Payload, *names: str) -> Payload:
    """Those members of an answer that 1.6 has; the reason behind a status has no place there."""
    for name in answer:
        if name not in ("status", "customData", *names):
            code = Loss.STATUSINFO_DROPPED if name == "statusInfo" else Loss.FIELD_DROPPED
            t.lose(code, name, compact(answer[name])[:200])
    return {name: answer[name] for name in ("status", *names) if name in answer}


def refusal(t: Engine, call: BackendCall, answer: Answer, negative: Payload | None = None) -> Outcome:
    """The answer to the backend when the charger gave none: the message's own no, where it has one."""
    if isinstance(answer, Refused) and negative is not None and answer.code in _NOT_THERE:
        t.lose(Loss.NOT_SUPPORTED, call.action, answer.code)
        return dict(negative)
    if isinstance(answer, Refused):
        return answer
    return Refused("GenericError", "the charger did not answer")


@RULES.backend_call("ClearCache", How.TRANSLATED, "ClearCache", Loss.STATUSINFO_DROPPED, stateless=True)
def clear_cache(t: Engine, call: BackendCall) -> Steps:
    answer = yield Ask(CHARGER, "ClearCache", {})
    return said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, REJECTED)


@RULES.backend_call("ChangeAvailability", How.TRANSLATED, "ChangeAvailability", stateless=True)
def change_availability(t: Engine, call: BackendCall) -> Steps:
    payload: Payload = {"operationalStatus": call.payload["type"]}
    if call.payload["connectorId"] != 0:
        evse = evse_of(t, call.payload["connectorId"])
        if evse is None:
            return REJECTED
        payload["evse"] = evse
    answer = yield Ask(CHARGER, "ChangeAvailability", payload)
    return said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, REJECTED)


@RULES.backend_call("Reset", How.TRANSLATED, "Reset", Loss.ENUM_NARROWED)
def reset(t: Engine, call: BackendCall) -> Steps:
    """Soft ends transactions in 1.6, where OnIdle would wait for them."""
    kind = call.payload["type"]
    is_busy = any(tx.state in STARTED for tx in t.memory.open_on())
    how = "OnIdle" if kind == "Soft" and not is_busy else "Immediate"
    if kind == "Soft" and is_busy:
        t.lose(Loss.ENUM_NARROWED, "type", kind, how)
    answer = yield Ask(CHARGER, "Reset", {"type": how})
    if not isinstance(answer, dict):
        return refusal(t, call, answer, REJECTED)
    made = said(t, answer)
    if answer["status"] == "Rejected":
        return made
    t.memory.pending_reset = PendingReset(kind, t.now)
    if answer["status"] == "Scheduled":
        t.lose(Loss.ENUM_NARROWED, "status", "Scheduled", "Accepted")
    return {"status": "Accepted"}


# Certificates (security extension)


def _is_ours(t: Engine, value: str, path: str = "certificateType") -> bool:
    """Whether the charger's certificates are no matter of the backend's."""
    if t.policies.leg_certificates == "forward":
        return False
    t.lose(Loss.LEG_SCOPED, path, value)
    return True


@RULES.backend_call("CertificateSigned", How.TRANSLATED, "CertificateSigned", Loss.LEG_SCOPED)
def certificate_signed(t: Engine, call: BackendCall) -> Steps:
    if _is_ours(t, "ChargingStationCertificate"):
        return REJECTED
    payload = call.payload | {"certificateType": "ChargingStationCertificate"}
    answer = yield Ask(CHARGER, "CertificateSigned", payload)
    return said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, REJECTED)


@RULES.backend_call("InstallCertificate", How.TRANSLATED, "InstallCertificate", Loss.LEG_SCOPED)
def install_certificate(t: Engine, call: BackendCall) -> Steps:
    kind = call.payload["certificateType"]
    if _is_ours(t, kind):
        if kind != "CentralSystemRootCertificate" or t.policies.leg_certificates == "reject":
            return REJECTED
        t.memory.upstream_trust_pending = [*t.memory.upstream_trust_pending, call.payload["certificate"]][
            -MOST_ROOTS:
        ]
        return {"status": "Accepted"}
    payload = call.payload | {"certificateType": _KIND_201[kind]}
    answer = yield Ask(CHARGER, "InstallCertificate", payload)
    return said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, REJECTED)


_KIND_201: Final = {
    "CentralSystemRootCertificate": "CSMSRootCertificate",
    "ManufacturerRootCertificate": "ManufacturerRootCertificate",
}


@RULES.backend_call("DeleteCertificate", How.TRANSLATED, "DeleteCertificate", Loss.LEG_SCOPED)
def delete_certificate(t: Engine, call: BackendCall) -> Steps:
    if _is_ours(t, compact(call.payload["certificateHashData"])[:200], "certificateHashData"):
        return {"status": "NotFound"}
    answer = yield Ask(CHARGER, "DeleteCertificate", call.payload)
    return said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, {"status": "Failed"})


@RULES.backend_call(
    "GetInstalledCertificateIds", How.TRANSLATED, "GetInstalledCertificateIds", Loss.FIELD_DROPPED
)
def installed_certificates(t: Engine, call: BackendCall) -> Steps:
    kind = call.payload["certificateType"]
    if _is_ours(t, kind):
        return {"status": "NotFound"}
    answer = yield Ask(CHARGER, "GetInstalledCertificateIds", {"certificateType": [_KIND_201[kind]]})
    if not isinstance(answer, dict):
        return refusal(t, call, answer, {"status": "NotFound"})
    made = said(t, answer, _CHAINS)
    hashes = _hashes(t, made.pop(_CHAINS, []), _KIND_201[kind])
    return made | ({"certificateHashData": hashes} if hashes else {})


def _hashes(t: Engine, chains: list[Payload], kind: str) -> list[Payload]:
    """The certificates of this type; 1.6 has no place for what is signed by them, nor for another type."""
    made = []
    for index, chain in enumerate(chains):
        place = f"{_CHAINS}[{index}]"
        if chain["certificateType"] != kind:
            t.lose(Loss.FIELD_DROPPED, place, compact(chain)[:200])
            continue
        if "childCertificateHashData" in chain:
            children = compact(chain["childCertificateHashData"])
            t.lose(Loss.FIELD_DROPPED, f"{place}.childCertificateHashData", children[:200])
        made.append(chain["certificateHashData"])
    return made
