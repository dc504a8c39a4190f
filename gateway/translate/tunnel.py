"""Messages of 2.0.1 as text inside DataTransfer, for a 1.6 peer that an operator knows to understand them.

A peer that does not know the vendorId is not asked again: each question costs a round trip.
"""

from collections.abc import Callable, Generator
from typing import Final

from gateway.ocpp.message import Sender, Version
from gateway.translate.engine import Ask, Engine
from gateway.translate.fitting import fitted
from gateway.translate.losses import Loss
from gateway.translate.port import Answer, Payload
from gateway.translate.values import compact, parsed

_HARMLESS: Final = (Loss.FIELD_DROPPED, Loss.TIMESTAMP_TZ)


def through(t: Engine, end: Sender, action: str, payload: Payload) -> Generator[Ask, Answer, Payload | None]:
    """The peer's own answer to a message of 2.0.1; None when there is no tunnel, or nothing fit came out."""
    vendor = t.policies.tunnel
    capability = f"tunnel {vendor}"
    if not vendor or t.memory.capabilities.get(capability) == "no":
        return None
    data = {"vendorId": vendor, "messageId": action, "data": compact(payload)}
    answer = yield Ask(end, "DataTransfer", data, live=True)
    if not isinstance(answer, dict):
        return None
    if answer["status"] == "UnknownVendorId":
        t.memory.capabilities[capability] = "no"
        t.changed = True
    return inside(t, action, False, answer.get("data")) if answer["status"] == "Accepted" else None


def inside(
    t: Engine,
    action: str,
    is_request: bool,
    text: object,
    tolerated: Callable[[Engine, Payload], Payload] | None = None,
) -> Payload | None:
    """The payload of 2.0.1 inside a text, None when it is none; `tolerated` repairs it first.

    A member with a value that 2.0.1 does not allow means something nobody can know: a request is then none.
    """
    try:
        payload = parsed(text) if isinstance(text, str) else None
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        t.lose(Loss.PAYLOAD_INVALID, "data")
        return None
    whole = payload if tolerated is None else tolerated(t, payload)
    got, losses = fitted(Version.V201, action, is_request, whole)
    if got is None or losses:
        t.lose(Loss.PAYLOAD_INVALID, "data")
    is_wrong = any(loss.code not in _HARMLESS for loss in losses)
    return None if is_request and is_wrong else got
