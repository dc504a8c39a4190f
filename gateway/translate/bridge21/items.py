"""Commands of many items, of which a 2.0.1 charger may be asked some only: each item has its own answer."""

from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.port import Payload, Severity

_LONGEST_VALUE: Final = 1000
_NAMED: Final = ("component", "variable")


class Items(NamedTuple):
    """`asked` and `answered`: the members of request and answer that hold the items, in one order.

    `refusal` is the answer to an item that the charger cannot be asked; its path is told for the loss.
    """

    asked: str
    answered: str
    refusal: Callable[[Engine, Payload, str], Payload | None]


def refused(t: Engine, items: Items, payload: Payload) -> dict[int, Payload]:
    """The answers to items that go no further, by their place."""
    answers = {}
    for index, item in enumerate(payload[items.asked]):
        answer = items.refusal(t, item, f"{items.asked}[{index}]")
        if answer is not None:
            answers[index] = answer
    return answers


def without(items: Items, payload: Payload, answers: dict[int, Payload]) -> Payload:
    """The request without the items that have an answer."""
    asked = payload[items.asked]
    return payload | {items.asked: [item for index, item in enumerate(asked) if index not in answers]}


def merged(items: Items, answer: Payload, answers: dict[int, Payload]) -> Payload:
    """The charger's answer with ours where they belong."""
    all_of_them = list(answer.get(items.answered, []))
    for index in sorted(answers):
        all_of_them.insert(index, answers[index])
    return answer | {items.answered: all_of_them}


def _variable(t: Engine, item: Payload, path: str) -> Payload | None:
    if len(item["attributeValue"]) <= _LONGEST_VALUE:
        return None
    t.lose(Loss.VALUE_TOO_LONG, f"{path}.attributeValue")
    said = {key: item[key] for key in (*_NAMED, "attributeType") if key in item}
    return said | {"attributeStatus": "Rejected", "attributeStatusInfo": {"reasonCode": "TooLargeElement"}}


def _monitor(t: Engine, item: Payload, path: str) -> Payload | None:
    if "periodicEventStream" not in item and not item["type"].startswith("TargetDelta"):
        return None
    t.lose(Loss.NOT_SUPPORTED, path, item["type"], severity=Severity.WARN)
    said = {key: item[key] for key in (*_NAMED, "id", "type", "severity") if key in item}
    return said | {"status": "UnsupportedMonitorType"}


OF_BACKEND_21: Final = {
    "SetVariables": Items("setVariableData", "setVariableResult", _variable),
    "SetVariableMonitoring": Items("setMonitoringData", "setMonitoringResult", _monitor),
}
"""What a 2.1 backend may ask that a 2.0.1 charger cannot hear."""
