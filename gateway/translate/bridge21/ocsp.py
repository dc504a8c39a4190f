"""GetCertificateChainStatus of 2.1 by way of GetCertificateStatus of 2.0.1, one for each certificate.

2.0.1 answers with the responder's own words: an OCSPResponse (RFC 6960) in DER and base64. What it says of
the certificate is read here; its signature is the backend's to check, which fetched it.
"""

from base64 import b64decode
from typing import Final

from gateway.ocpp import times
from gateway.translate.bridge21.refusals import LONGEST_LINK, failed_chain
from gateway.translate.engine import BACKEND, Ask, Engine, Outcome, Steps
from gateway.translate.losses import Loss
from gateway.translate.port import ChargerCall, Payload, Severity
from gateway.translate.values import moment_text

SEQUENCE: Final = 0x30
INTEGER: Final = 0x02
TIME: Final = 0x18
FIRST: Final = 0xA0
"""The tag of an explicit [0]: the response's bytes, its version, a single response's nextUpdate."""

_SUCCESSFUL: Final = (0x0A, b"\0")
_STATUSES: Final = {0x80: "Good", 0xA1: "Revoked", 0x82: "Unknown"}

Element = tuple[int, bytes]


def chain_status(t: Engine, call: ChargerCall) -> Outcome | Steps:
    """The status of the certificates of a chain."""
    if t.policies.ocsp_bridge:
        return _asked_one_by_one(t, call.payload)
    t.lose(Loss.NOT_SUPPORTED, call.action)
    return failed_chain(t, call.payload)


def _asked_one_by_one(t: Engine, asked: Payload) -> Steps:
    statuses = failed_chain(t, asked)["certificateStatus"]
    for index, (one, status) in enumerate(zip(asked["certificateStatusRequests"], statuses, strict=True)):
        url = next((url for url in one["urls"] if len(url) <= LONGEST_LINK), None)
        if one["source"] != "OCSP" or url is None:
            t.lose(Loss.NOT_SUPPORTED, f"certificateStatusRequests[{index}]", severity=Severity.WARN)
            continue
        hashes = {key: value for key, value in one["certificateHashData"].items() if key != "customData"}
        answer = yield Ask(
            BACKEND, "GetCertificateStatus", {"ocspRequestData": hashes | {"responderURL": url}}, live=True
        )
        if isinstance(answer, dict) and answer["status"] == "Accepted":
            found = status_in(answer.get("ocspResult", ""), hashes["serialNumber"])
            if found is None:
                t.lose(Loss.PAYLOAD_INVALID, "ocspResult")
            else:
                status["status"] = found[0]
                status["nextUpdate"] = found[1] or moment_text(t.now)
    return {"certificateStatus": statuses}


def status_in(text: str, serial: str) -> tuple[str, str] | None:
    """What an OCSP response says of a certificate (`serial` in hexadecimal), and until when ("": not said).

    None when it is none, or is about other certificates.
    """
    try:
        wanted = int(serial, 16)
        for response in _single_responses(b64decode(text)):
            (_, certificate), (status, _), _, *more = _elements(response)
            number = _first(_elements(certificate), INTEGER)
            if int.from_bytes(number, "big") == wanted:
                is_limited = any(tag == FIRST for tag, _ in more)
                return _STATUSES[status], _time(_first(more, FIRST)) if is_limited else ""
    except (ValueError, KeyError):
        return None
    return None


def _single_responses(data: bytes) -> list[bytes]:
    """The bodies of the SingleResponses of an OCSPResponse."""
    ((_, response),) = _elements(data)
    state, (tag, wrapped) = _elements(response)
    if state != _SUCCESSFUL or tag != FIRST:
        raise ValueError("the responder has no answer")
    ((_, response_bytes),) = _elements(wrapped)
    _, (_, basic) = _elements(response_bytes)
    ((_, signed),) = _elements(basic)
    (_, to_be_signed), *_ = _elements(signed)
    return [body for _, body in _elements(_first(_elements(to_be_signed), SEQUENCE))]


def _first(elements: list[Element], wanted: int) -> bytes:
    for tag, body in elements:
        if tag == wanted:
            return body
    raise ValueError("something is missing")


def _time(wrapped: bytes) -> str:
    ((tag, body),) = _elements(wrapped)
    text = body.decode("ascii")
    made = f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}"
    if tag != TIME or not times.is_date_time(made):
        raise ValueError("no time")
    return made


def _elements(data: bytes) -> list[Element]:
    """The DER elements that follow one another, as tag and body."""
    made, at = [], 0
    while at < len(data):
        if len(data) < at + 2:
            raise ValueError("cut off")
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("cut off")
        made.append((tag, data[at : at + length]))
        at += length
    return made
