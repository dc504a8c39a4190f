"""A message on its way into another version and back: two translators, and a peer at each end."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from gateway.ocpp.message import Sender, Version
from gateway.translate import memory as memories
from gateway.translate.chain import Chain
from gateway.translate.charger16_backend201.translator import Charger16Backend201
from gateway.translate.charger201_backend16.translator import Charger201Backend16
from gateway.translate.engine import Engine
from gateway.translate.memory import Memory, Place, Transaction
from gateway.translate.policies import Policies
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Lost,
    ToBackend,
    ToCharger,
)
from tests.translate.payloads import TAG, TX, TX16

NOW: Final = 1_748_772_000.0  # 2025-06-01T10:00:00Z
POLICIES: Final = Policies(
    leg_certificates="forward", leg_credentials="forward", status_dedupe=False, orphan_stop="deadletter"
)
_EXTENSIONS: Final = ("security_ext", "pnc", "costmsg", "be_security_ext", "be_pnc")

Answering = Callable[[str], Any]
"""An answer to this action, of any content."""


def sane(action: str, asked: Any, answer: Any) -> Any:  # noqa: PLR0911
    """The answer of a peer that speaks of what it was asked, and has something to say where it says yes."""
    is_yes = answer.get("status") == "Accepted"
    match action:
        case "GetCompositeSchedule" if "connectorId" in asked:
            said = answer.get("chargingSchedule", {}).get("chargingSchedulePeriod")
            answer = answer | {"connectorId": asked["connectorId"]}
            return answer if is_yes and said else {"status": "Rejected"}
        case "GetCompositeSchedule" if is_yes and "schedule" in answer:
            return answer | {"schedule": answer["schedule"] | {"evseId": asked["evseId"]}}
        case "GetCompositeSchedule":
            return {"status": "Rejected"}
        case "GetInstalledCertificateIds":
            hashes = next((name for name in answer if name.startswith("certificateHashData")), "")
            if not is_yes or not hashes:
                return {"status": "NotFound"}
            if isinstance(asked.get("certificateType"), list):
                of_one = {"certificateType": asked["certificateType"][0]}
                return answer | {hashes: [one | of_one for one in answer[hashes]]}
        case "GetVariables" | "SetVariables":
            name = f"{action[0].lower()}{action[1:-1]}"
            return {
                f"{name}Result": [
                    {key: one[key] for key in ("component", "variable")}
                    | {
                        key: value
                        for key, value in answer[f"{name}Result"][0].items()
                        if key not in ("component", "variable", "attributeType")
                    }
                    for one in asked[f"{name}Data"]
                ]
            }
        case "GetConfiguration" if asked.get("key"):
            entry = answer.get("configurationKey", [{"readonly": False}])[0]
            return {"configurationKey": [entry | {"key": key} for key in asked["key"]]}
    return answer


def memory(**known: Any) -> Memory:
    """Both translators know the same transaction, by the same two names."""
    running = Transaction(
        TX,
        id16=TX16,
        flat=1,
        evse=1,
        connector=1,
        seq_next=1,
        last_seq=0,
        charging_state="Charging",
        has_charged=True,
        id_token={"idToken": TAG, "type": "ISO14443"},
        id_tag=TAG,
        meter_start_wh=0,
        last_register_wh=0,
        started_at="2025-06-01T09:00:00Z",
        begun_at="2025-06-01T09:00:00Z",
    )
    fields: dict[str, Any] = {
        "registration": "Accepted",
        "topology": [Place(1, 1, 1), Place(2, 2, 1)],
        "transactions": [running],
        "capabilities": dict.fromkeys(_EXTENSIONS, "yes"),
        "configuration": {
            key.casefold(): {"key": key, "value": "true"} for key in ("ReserveConnectorZeroSupported",)
        },
    }
    return Memory(**fields | known)


class Hop:
    """A translator whose losses are kept."""

    def __init__(self, kind: type[Engine], known: Memory) -> None:
        self.translator = kind(POLICIES, memories.encoded(known), "CP")
        self.lost: list[Lost] = []
        self.declared: set[str] = set()
        """The losses that the table names for what it has heard."""

    def __getattr__(self, name: str) -> Any:
        got = getattr(self.translator, name)
        return self._noting(got) if callable(got) else got

    def _noting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            rules = self.translator.rules
            match arguments:
                case [ChargerCall(action=action), _]:
                    self.declared.update(rules.charger_calls[action].losses)
                case [BackendCall(action=action), _]:
                    self.declared.update(rules.backend_calls[action].losses)
            orders = method(*arguments)
            self.lost += [order for order in orders or () if isinstance(order, Lost)]
            return orders

        return noted


class Trip:
    """What an end says, by way of the other version to the other end, which answers by `answering`."""

    def __init__(self, version: Version, answering: Answering, **known: Any) -> None:
        kinds = [Charger16Backend201, Charger201Backend16]
        if version is Version.V201:
            kinds.reverse()
        self.near, self.far = (Hop(kind, memory(**known)) for kind in kinds)
        self.chain = Chain(self.near, self.far)
        self.version = version
        self.answering = answering
        self.now = NOW
        self.heard: list[tuple[str, Any, Any]] = []
        """(action, payload, answer) of what the other end was asked."""
        self.result: Any = None
        self.asked_by = Sender.CHARGER
        self.lost_before: tuple[int, int] | None = None
        self._take(self.chain.backend_opened(self.now))
        self.near.lost.clear()
        self.far.lost.clear()
        self.heard.clear()

    def say(self, sender: Sender, action: str, payload: Any) -> Any:
        """The end says this; its answer."""
        self.asked_by, self.result, self.action = sender, None, action
        if sender is Sender.CHARGER:
            self._take(self.chain.charger_call(ChargerCall("m", action, payload, self.now), self.now))
        else:
            self._take(self.chain.backend_call(BackendCall("m", action, payload), self.now))
        for _ in range(20):
            if self.result is not None and self.chain.due > self.now + 1:
                break
            self.now = max(self.now + 1, min(self.chain.due, self.now + 60))
            self._take(self.chain.time_passed(self.now))
        return self.result

    def lost(self, is_call: bool) -> tuple[list[Lost], list[Lost]]:
        """What the first and the second translator lost of what was said, or of its answer."""
        heard = [action for action, *_ in self.heard if action == self.action]
        if len(heard) > 1:  # what was said became several, whose answers came between
            return (self.near.lost, self.far.lost)[
                :: 1 if (self.asked_by is Sender.CHARGER) is is_call else -1
            ]
        near, far = self.lost_before or (len(self.near.lost), len(self.far.lost))
        parts = (
            (self.near.lost[:near], self.far.lost[:far])
            if is_call
            else (self.near.lost[near:], self.far.lost[far:])
        )
        return parts if (self.asked_by is Sender.CHARGER) is is_call else parts[::-1]

    def _take(self, orders: list[Any]) -> None:
        waiting = deque(orders)
        while waiting:
            match waiting.popleft():
                case ToBackend(token, action, payload):
                    answer = self._answer(action, payload, Sender.BACKEND)
                    waiting += self.chain.backend_answered(token, answer, self.now)
                case ToCharger(token, action, payload):
                    answer = self._answer(action, payload, Sender.CHARGER)
                    waiting += self.chain.charger_answered(token, answer, self.now)
                case AnswerCharger("m", answer) | AnswerBackend("m", answer):
                    self.result = answer

    def _answer(self, action: str, payload: Any, end: Sender) -> Any:
        answer = sane(action, payload, self.answering(action))
        self.heard.append((action, payload, answer))
        if end is not self.asked_by and action == getattr(self, "action", "") and self.lost_before is None:
            self.lost_before = (len(self.near.lost), len(self.far.lost))
        return answer
