"""While the backend has not accepted the charger: what it hears instead, and what is kept for later."""

from typing import Final

from gateway.translate import tokens
from gateway.translate.engine import Engine, Outcome, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.port import ChargerCall, Payload, Refused, Severity
from gateway.translate.values import moment_text

FRESH_S: Final = 86_400.0

_REFUSED: Final = Refused("SecurityError", "the backend has not accepted this charger yet")
_LATER: Final = (
    *("TransactionEvent", "MeterValues", "SecurityEventNotification", "FirmwareStatusNotification"),
    "LogStatusNotification",
)
_NEGATIVE: Final[dict[str, Payload]] = {
    "DataTransfer": {"status": "Rejected"},
    "SignCertificate": {"status": "Rejected"},
    "GetCertificateStatus": {"status": "Failed"},
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
}


def answered_here(t: Engine, call: ChargerCall) -> Outcome | None:
    """The answer to a CALL that would need the backend; None for one that does not."""
    if call.action == "BootNotification":
        return None
    if t.policies.pre_accept == "strict":
        return _REFUSED
    if call.action in _LATER:
        return Undelivered(_REFUSED)
    if call.action == "Heartbeat":
        return {"currentTime": moment_text(t.now)}
    if call.action == "Authorize":
        return {"idTokenInfo": _word_on(t, call.payload["idToken"])}
    return _NEGATIVE.get(call.action)


def _word_on(t: Engine, token: Payload) -> Payload:
    """What is said of a token while nobody can be asked."""
    known = t.memory.authorisations.get(tokens.tag_of(t, token, "idToken", Severity.WARN).casefold())
    t.lose(Loss.SYN_IDTAGINFO, "idTokenInfo")
    if known is not None and t.now - known.at < FRESH_S:
        return tokens.id_token_info(t, known.info)
    return {"status": "Accepted" if t.policies.offline_unknown_id == "accept" else "Invalid"}
