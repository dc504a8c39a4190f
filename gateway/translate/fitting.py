"""Making a payload fit its schema by leaving out what does not: the guarantee of what leaves a translator.

A member that may be absent is left out, a list loses the item, and where neither may be, the payload cannot
go on. A sample with one wrong member goes as a whole: without its unit or measurand it would say something
else.
"""

from typing import Any, Final

from gateway.ocpp import errors
from gateway.ocpp.fits import fits
from gateway.ocpp.message import Version
from gateway.ocpp.schema import Deviation, Kind, Node, differences, schema
from gateway.ocpp.values import Path, path_text
from gateway.translate.losses import Loss, lost
from gateway.translate.port import Lost, Payload, Refused
from gateway.translate.values import compact, taken_in, zoned

_BAD: Final = object()


def fitted(
    version: Version, action: str, is_request: bool, payload: Payload
) -> tuple[Payload | None, list[Lost]]:
    """The payload as its schema allows it, None when it cannot be made to fit; and what was lost by it."""
    node = schema(version, action, is_request)
    if node is None:
        return None, [lost(Loss.PAYLOAD_INVALID, action)]
    if fits(version, action, is_request, payload):
        return payload, []
    losses: list[Lost] = []
    got = _fitted(node, payload, (), losses)
    if got is _BAD:
        return None, losses or [lost(Loss.PAYLOAD_INVALID, action)]
    return got, losses


def _fitted(node: Node, value: Any, path: Path, losses: list[Lost]) -> Any:
    if node.type == "object" and isinstance(value, dict):
        return _object(node, value, path, losses)
    if node.type == "array" and isinstance(value, list):
        return _array(node, value, path, losses)
    deviation = next(differences(node, value, path), None)
    if deviation is None:
        return value
    if deviation.kind is Kind.DATE_TIME and (time := zoned(value)) is not None:
        losses.append(lost(Loss.TIMESTAMP_TZ, path_text(path), compact(value), time))
        return time
    losses.append(_loss(deviation, value))
    return _BAD


def _object(node: Node, value: Payload, path: Path, losses: list[Lost]) -> Any:
    kept = {}
    for key, member in value.items():
        sub = node.properties.get(key)
        place = (*path, key)
        if sub is None:
            if node.open:
                kept[key] = member
            else:
                losses.append(lost(Loss.FIELD_DROPPED, path_text(place), compact(member)))
            continue
        got = _fitted(sub, member, place, losses)
        if got is not _BAD:
            kept[key] = got
        elif key in node.required or "sampledValue" in path[-2:]:
            return _BAD
    if missing := [key for key in node.required if key not in kept]:
        losses.append(lost(Loss.PAYLOAD_INVALID, path_text((*path, min(missing)))))
        return _BAD
    return kept


def _array(node: Node, value: list[Any], path: Path, losses: list[Lost]) -> Any:
    assert node.items is not None
    kept = [
        got
        for i, item in enumerate(value)
        if (got := _fitted(node.items, item, (*path, i), losses)) is not _BAD
    ]
    if node.max_items is not None and len(kept) > node.max_items:
        losses.append(lost(Loss.FIELD_DROPPED, path_text((*path, node.max_items))))
        kept = kept[: node.max_items]
    if len(kept) < node.min_items:
        losses.append(lost(Loss.PAYLOAD_INVALID, path_text(path)))
        return _BAD
    return kept


def _loss(deviation: Deviation, value: Any) -> Lost:
    code = Loss.VALUE_TOO_LONG if deviation.kind is Kind.TOO_LONG else Loss.PAYLOAD_INVALID
    return lost(code, path_text(deviation.path), compact(value)[:100])


# What comes in and goes out


def asked_in(version: Version, action: str, payload: Payload) -> tuple[Payload | Refused, list[Lost]]:
    """A request as handlers take it: whole, or refused."""
    got, losses = fitted(version, action, True, taken_in(payload))
    if got is not None:
        return got, losses
    code = errors.code(version, errors.Wrong.PROPERTY)
    return Refused(code, "the payload does not fit its schema"), losses


def answered_in(version: Version, action: str, payload: Payload) -> tuple[Payload | Refused, list[Lost]]:
    """An answer as handlers take it: what does not fit is as good as an error."""
    got, losses = fitted(version, action, False, taken_in(payload))
    if got is not None:
        return got, losses
    return Refused("GenericError", "the answer does not fit its schema"), losses


def going_out(
    version: Version, action: str, result: Payload | Refused
) -> tuple[Payload | Refused, list[Lost]]:
    """What a handler answers, as its schema allows it; an error in the spelling of its version."""
    if isinstance(result, Refused):
        code = errors.respelled(version, result.code) or "GenericError"
        return Refused(code, result.description), []
    got, losses = fitted(version, action, False, result)
    if got is not None:
        return got, losses
    return Refused("InternalError", "the answer cannot be said in this version"), losses
