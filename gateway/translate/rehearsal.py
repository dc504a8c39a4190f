"""A translator without peers: CALLs go in one by one, and what it asks is answered simply."""

from collections.abc import Iterable
from typing import Any, Final

from gateway.ocpp.actions import actions_of
from gateway.ocpp.message import MessageType, Sender, Version
from gateway.ocpp.schema import Node, schema
from gateway.ocpp.values import dumps
from gateway.translate.factory import translator_for
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Lost,
    Order,
    Payload,
    Refused,
    ToBackend,
    ToCharger,
)
from gateway.translate.values import moment_text, parsed

_START: Final = 1_767_225_600.0
_MOST_STEPS: Final = 500

Report = dict[str, Any]


class Rehearsal:
    """One charger and one backend that accepts everything; `frame` says what becomes of a CALL."""

    def __init__(self, charger: Version, backend: Version) -> None:
        translator = translator_for(charger, backend)
        assert translator is not None
        self.translator = translator
        self.now = _START
        translator.backend_opened(self.now)
        self.numbers = 0

    def frame(
        self, frame: list[Any], from_backend: bool = False, transaction_id: int | None = None
    ) -> Report:
        """What becomes of a frame: `to_backend` and `to_charger` are the frames that leave, `lost` what was
        lost.

        Frames are as JSON values. An answer leads to nothing: answers are made up here. `transaction_id` is
        the id that a charger of 1.6 uses after this StartTransaction (see `transaction_ids`); None: the
        translator's own. Errors: LookupError and TypeError when it is no frame.
        """
        kind, id_, action = frame[0], str(frame[1]), str(frame[2])
        if kind not in (MessageType.CALL, MessageType.SEND):
            return _report(frame, "an answer", "backend" if from_backend else "charger")
        known = action in actions_of(self.translator.charger_version, Sender.CHARGER)
        by_backend = from_backend or not known
        report = _report(frame, action, "backend" if by_backend else "charger")
        self.now += 1.0
        payload = parsed(dumps(frame[3]))
        if by_backend:
            orders = self.translator.backend_call(BackendCall(id_, action, payload), self.now)
        else:
            call = ChargerCall(id_, action, payload, self.now, transaction_id=transaction_id)
            orders = self.translator.charger_call(call, self.now)
        waiting = self._noted(report, orders)
        for _ in range(_MOST_STEPS):
            if waiting:
                waiting += self._noted(report, self._answered(waiting.pop(0)))
            elif self._is_answered(report) or self.translator.due == float("inf"):
                break
            else:  # it waits for something that nobody sends here
                self.now = max(self.now, self.translator.due)
                waiting += self._noted(report, self.translator.time_passed(self.now))
        return report

    def _is_answered(self, report: Report) -> bool:
        return any(frame[0] in (3, 4) for frame in report["to_" + report["sender"]])

    def _answered(self, asked: ToBackend | ToCharger) -> list[Order]:
        by_backend = isinstance(asked, ToBackend)
        version = self.translator.backend_version if by_backend else self.translator.charger_version
        node = schema(version, asked.action, False)
        answer = simplest(node, self.now) if node is not None else {}
        if asked.action == "StartTransaction":
            answer["transactionId"] = self.numbers  # each its own
        if asked.action == "TransactionEvent" and "idToken" in asked.payload:
            answer["idTokenInfo"] = {"status": "Accepted"}
        tell = self.translator.backend_answered if by_backend else self.translator.charger_answered
        return tell(asked.token, answer, self.now)

    def _noted(self, report: Report, orders: list[Order]) -> list[ToBackend | ToCharger]:
        asked: list[ToBackend | ToCharger] = []
        for order in orders:
            match order:
                case ToBackend() | ToCharger():
                    self.numbers += 1
                    end = "to_backend" if isinstance(order, ToBackend) else "to_charger"
                    report[end].append([2, f"gateway-{self.numbers}", order.action, _plain(order.payload)])
                    asked.append(order)
                case AnswerCharger(id_, answer):
                    report["to_charger"].append(_answer(id_, answer))
                case AnswerBackend(id_, answer):
                    report["to_backend"].append(_answer(id_, answer))
                case Lost(code, severity, path, value, became):
                    lost = {"code": code, "severity": severity.value, "path": path}
                    report["lost"].append(lost | {"value": value, "became": became})
        return asked


def transaction_ids(frames: Iterable[Any]) -> dict[int, int]:
    """The ids that a capture's transactions of 1.6 go by, by the place of their StartTransaction in it.

    `frames` are JSON values, in the order of the capture. The id is the captured answer's. Without one (a
    2.x backend gives none) it is the first unknown id on the connector; a StopTransaction, which names no
    connector, is taken for the end of the only transaction that has no id, or of the only one of its idTag.
    """
    asked: dict[str, int] = {}
    waiting: dict[int, tuple[Any, str]] = {}
    found: dict[int, int] = {}
    for place, frame in enumerate(frames):
        match frame:
            case [MessageType.CALL, id_, "StartTransaction", {"connectorId": connector, **rest}]:
                waiting = {at: one for at, one in waiting.items() if one[0] != connector}
                waiting[place] = connector, str(rest.get("idTag")).casefold()
                asked[str(id_)] = place
            case [MessageType.CALLRESULT, id_, {"transactionId": int(given)}] if str(id_) in asked:
                at = asked.pop(str(id_))
                found[at] = given
                waiting.pop(at, None)
            case [
                MessageType.CALL,
                _,
                "MeterValues" | "StopTransaction" as action,
                {"transactionId": int(used), **rest},
            ] if used > 0 and used not in found.values():
                fits = _without_id(waiting, action, rest)
                if len(fits) == 1:
                    found[fits[0]] = used
                    del waiting[fits[0]]
    return found


def _without_id(waiting: dict[int, tuple[Any, str]], action: str, payload: dict[Any, Any]) -> list[int]:
    """The places of the starts that a message with an unknown id may be about."""
    if action == "MeterValues":
        return [at for at, (connector, _) in waiting.items() if connector == payload.get("connectorId")]
    tag = str(payload.get("idTag")).casefold()
    of_tag = [at for at, (_, id_tag) in waiting.items() if id_tag == tag]
    return of_tag if len(waiting) > 1 else list(waiting)


def simplest(node: Node, now: float) -> Any:
    """The smallest value that fits a schema, and says yes where it can."""
    match node.type:
        case "object":
            return {key: simplest(node.properties[key], now) for key in sorted(node.required)}
        case "array":
            assert node.items is not None
            return [simplest(node.items, now) for _ in range(node.min_items)]
        case "string" if node.enum:
            return "Accepted" if "Accepted" in node.enum else node.enum[0]
        case "integer" | "number":
            return int(max(node.minimum or 0, 0)) or 300
        case _:
            return False if node.type == "boolean" else moment_text(now) if node.date_time else ""


def _report(frame: list[Any], action: str, sender: str) -> Report:
    return {
        "action": action,
        "sender": sender,
        "before": frame,
        "to_backend": [],
        "to_charger": [],
        "lost": [],
    }


def _answer(id_: str, answer: Payload | Refused) -> list[Any]:
    if isinstance(answer, Refused):
        return [4, id_, answer.code, answer.description, {}]
    return [3, id_, _plain(answer)]


def _plain(payload: Payload) -> Any:
    return _floats(parsed(dumps(payload)))


def _floats(value: Any) -> Any:
    match value:
        case dict():
            return {key: _floats(member) for key, member in value.items()}
        case list():
            return [_floats(item) for item in value]
        case str() | int() | bool() | None:
            return value
        case _:
            return float(value)
