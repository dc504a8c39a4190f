"""What the gateway answers a backend's CALL in the charger's place: no, or done.

The words come from the response schemas, so that every version's answer is one the backend can read.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.ocpp.message import Version
from gateway.ocpp.schema import Node, deviations, schema

NO: Final = ("Rejected", "Failed", "UnlockFailed")
YES: Final = ("Accepted", "Unlocked", "Unpublished")

REASON_CODE: Final = "NotPermitted"
"""The `reasonCode` of an answer that says no, where the version has one."""

_STATUS: Final = ("status", "attributeStatus")
_ITEMS: Final = {
    "SetVariables": ("setVariableData", "setVariableResult", ""),
    "GetVariables": ("getVariableData", "getVariableResult", ""),
    "SetVariableMonitoring": ("setMonitoringData", "setMonitoringResult", ""),
    "ClearVariableMonitoring": ("id", "clearMonitoringResult", "id"),
    "ClearTariffs": ("tariffIds", "clearTariffsResult", "tariffId"),
}
"""Actions that are answered item by item: the list in the CALL and in the answer, and the field that names an
item which is no object."""


def refusal(
    version: Version, action: str, request: dict[str, Any], status: str = "", reason: str = ""
) -> bytes | None:
    """The answer that says no, with this status where the action has it; None when it cannot say so."""
    payload = _answer(version, action, request, (status, *NO))
    return (
        None if payload is None else _checked(version, action, _explained(version, action, payload, reason))
    )


def done(version: Version, action: str, request: dict[str, Any], status: str = "") -> bytes | None:
    """The answer as if it were done; None when such an answer would have to carry data."""
    payload = _answer(version, action, request, (status, *YES))
    return _checked(version, action, {} if payload is None else payload)


def result(version: Version, item: Any, status: str, *, is_done: bool) -> dict[str, Any]:
    """The result of one item of a SetVariables, which is no right one when the item is not."""
    node = schema(version, "SetVariables", False)
    assert node is not None
    results = node.properties["setVariableResult"].items
    assert results is not None
    return _result(results, item, "", (status, *(YES if is_done else NO)))


def statuses(version: Version, action: str) -> tuple[str, ...]:
    """Every status that an answer to the action can have, of the whole or of its items."""
    node = schema(version, action, False)
    return () if node is None else tuple(word for found in _status_nodes(node) for word in found.enum)


def _status_nodes(node: Node) -> Iterator[Node]:
    for name, sub in node.properties.items():
        if name in _STATUS:
            yield sub
        elif sub.items is not None and name in {items for _, items, _ in _ITEMS.values()}:
            yield from _status_nodes(sub.items)


def _checked(version: Version, action: str, payload: dict[str, Any]) -> bytes | None:
    if schema(version, action, False) is None or deviations(version, action, False, payload):
        return None
    return msgspec.json.encode(payload)


def _answer(
    version: Version, action: str, request: dict[str, Any], words: tuple[str, ...]
) -> dict[str, Any] | None:
    """An answer with the first of the words that it can have; None when there is no such."""
    node = schema(version, action, False)
    if node is None:
        return None
    if action in _ITEMS:
        return _results(node, action, request, words)
    word = _word(node.properties["status"], words) if "status" in node.required else None
    return None if word is None else {"status": word}


def _explained(version: Version, action: str, payload: dict[str, Any], reason: str) -> dict[str, Any]:
    node = schema(version, action, False)
    if not reason or node is None or "status" not in payload or "statusInfo" not in node.properties:
        return payload
    return payload | {"statusInfo": {"reasonCode": REASON_CODE, "additionalInfo": reason[:512]}}


def _results(node: Node, action: str, request: dict[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
    asked, answered, name = _ITEMS[action]
    items = node.properties[answered].items
    assert items is not None
    given = request.get(asked)
    results = [_result(items, item, name, words) for item in (given if isinstance(given, list) else [{}])]
    return {answered: results}


def _result(node: Node, item: Any, name: str, words: tuple[str, ...]) -> dict[str, Any]:
    """The answer to one item: what names it, and the status."""
    fields = item if isinstance(item, dict) else {name: item}
    kept = {key: fields[key] for key in node.properties if key in fields and key not in _STATUS}
    kept.pop("attributeValue", None)
    kept.pop("customData", None)
    for key in _STATUS:
        if key in node.properties:
            kept[key] = _word(node.properties[key], words)
    return kept


def _word(node: Node, words: tuple[str, ...]) -> str | None:
    return next((word for word in words if word in node.enum), None)
