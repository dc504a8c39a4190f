"""The translators between 2.1 and 2.0.1: ids, numbers and events are the same in both."""

from collections.abc import Callable
from typing import Final

from gateway.ocpp.actions import UNANSWERED, actions_of, carries_revenue
from gateway.ocpp.message import Sender, Version
from gateway.translate.bridge21 import limits
from gateway.translate.bridge21.fields import narrowed, widened
from gateway.translate.bridge21.items import OF_BACKEND_21 as OF_ITEMS
from gateway.translate.bridge21.items import Items, merged, refused, without
from gateway.translate.bridge21.limits import Noted
from gateway.translate.bridge21.ocsp import chain_status
from gateway.translate.bridge21.refusals import (
    BACKEND_ONLY,
    CHARGER_ONLY,
    OF_BACKEND_21,
    OF_BACKEND_201,
    OF_CHARGER_21,
    OF_CHARGER_201,
    Refuses,
    because,
)
from gateway.translate.engine import (
    BACKEND,
    CHARGER,
    Ask,
    BackendHandler,
    ChargerHandler,
    Engine,
    How,
    Outcome,
    Rules,
    Steps,
    Undelivered,
)
from gateway.translate.losses import Loss
from gateway.translate.policies import Policies
from gateway.translate.port import SILENCE, BackendCall, ChargerCall, Order, Payload, Refused, Severity

_SIGNING: Final = ("SignCertificate", "CertificateSigned")
_REQUESTS_KEPT: Final = 16
_HOLDS: Final = {"MeterValues": "meterValue", "ReportChargingProfiles": "chargingProfile"}
"""Messages that are nothing without what they hold."""
_IF_BRIDGED: Final = "or GetCertificateStatus per certificate (`ocsp_bridge`)"

Convert = Callable[[Engine, str, bool, Payload], Payload]


def _pass(
    action: str,
    towards: Sender,
    there: Convert,
    back: Convert,
    refuses: Refuses | None,
    items: Items | None = None,
    noted: Noted | None = None,
) -> ChargerHandler:
    """A message that both versions have, on its way to `towards`."""

    def steps(t: Engine, call: ChargerCall | BackendCall) -> Steps:
        asked = call.payload
        answers = refused(t, items, asked) if items is not None else {}
        if items is not None and answers:
            asked = without(items, asked, answers)
            if not asked[items.asked]:
                return merged(items, {}, answers)
        live = towards is BACKEND and not carries_revenue(action)
        payload = _with_request(t, action, there(t, action, True, asked))
        if payload.get(_HOLDS.get(action, ""), ...) == []:
            return {}  # each of what it held was said to be lost
        answer = yield Ask(towards, action, payload, live)
        if isinstance(answer, dict):
            if noted is not None:
                noted(t, call, answer)
            made = _answer(t, action, back, answer)
            return made if items is None else merged(items, made, answers)
        if isinstance(answer, Refused):
            return Undelivered(answer) if carries_revenue(action) else answer
        return Undelivered(SILENCE)

    def handler(t: Engine, call: ChargerCall | BackendCall) -> Outcome | Steps:
        answer = refuses(t, call.payload) if refuses is not None else None
        return answer if answer is not None else steps(t, call)

    return handler


def _answer(t: Engine, action: str, back: Convert, answer: Payload) -> Payload:
    if back is narrowed:
        if (refused := _unsayable(t, action, answer)) is not None:
            return refused
        if "transactionLimit" in answer:
            t.lose(Loss.FIELD_DROPPED, "transactionLimit", severity=Severity.BILLING)
            answer = {key: value for key, value in answer.items() if key != "transactionLimit"}
    return back(t, action, False, answer)


def _unsayable(t: Engine, action: str, answer: Payload) -> Payload | None:
    """The native negative for an answer of 2.1 that 2.0.1 cannot hold."""
    if action == "GetCompositeSchedule":
        for index, period in enumerate(answer.get("schedule", {}).get("chargingSchedulePeriod", [])):
            if "limit" not in period:
                path = f"schedule.chargingSchedulePeriod[{index}].limit"
                t.lose(Loss.NOT_SUPPORTED, path, severity=Severity.WARN)
                return because("Rejected", "InvalidSchedule")
    if action == "Get15118EVCertificate" and len(answer["exiResponse"]) > 7500:
        t.lose(Loss.VALUE_TOO_LONG, "exiResponse")
        return because("Failed", "TooLargeElement") | {"exiResponse": ""}
    if action == "GetCertificateStatus" and len(answer.get("ocspResult", "")) > 5500:
        t.lose(Loss.VALUE_TOO_LONG, "ocspResult")
        return because("Failed", "TooLargeElement")
    return None


def _with_request(t: Engine, action: str, payload: Payload) -> Payload:
    """2.1 names a certificate's request and its answer by one number; 2.0.1 does not, so it is kept here."""
    if action not in _SIGNING:
        return payload
    requests, kind = t.memory.certificate_requests, payload.get("certificateType")
    if action == "SignCertificate" and "requestId" in payload:
        requests.append({"certificateType": kind, "requestId": payload["requestId"]})
        del requests[:-_REQUESTS_KEPT]
        return {key: value for key, value in payload.items() if key != "requestId"}
    known = next((one for one in requests if one.get("certificateType") == kind), None)
    if action == "CertificateSigned" and known is not None and t.charger_version is Version.V21:
        requests.remove(known)
        return payload | {"requestId": known["requestId"]}
    return payload


def _local(action: str, answer: Callable[[Engine, Payload], Payload]) -> BackendHandler:
    def handler(t: Engine, call: ChargerCall | BackendCall) -> Outcome:
        t.lose(Loss.NOT_SUPPORTED, action)
        return answer(t, call.payload)

    return handler


def _rules(wide: Sender) -> Rules:
    """The rules when `wide` is the end that speaks 2.1."""
    rules = Rules()
    charger_refuses, backend_refuses = (
        (OF_CHARGER_21, OF_BACKEND_201) if wide is CHARGER else (OF_CHARGER_201, OF_BACKEND_21)
    )
    up, down = (narrowed, widened) if wide is CHARGER else (widened, narrowed)
    noted = limits.OF_CHARGER_201 if wide is BACKEND else {}
    for action in sorted(actions_of(Version.V201, CHARGER)):
        handler = _pass(action, BACKEND, up, down, charger_refuses.get(action), noted=noted.get(action))
        rules.charger_call(action, How.TRANSLATED, action, Loss.FIELD_DROPPED, Loss.ENUM_NARROWED)(handler)
    for action in sorted(actions_of(Version.V201, BACKEND)):
        items = OF_ITEMS.get(action) if wide is BACKEND else None
        passes = _pass(action, CHARGER, down, up, backend_refuses.get(action), items, noted.get(action))
        how = How.REFUSED if action == "SetNetworkProfile" and wide is BACKEND else How.TRANSLATED
        rules.backend_call(action, how, action, Loss.FIELD_DROPPED, Loss.ENUM_NARROWED)(passes)  # type: ignore[arg-type]
    for action, answer in (CHARGER_ONLY if wide is CHARGER else BACKEND_ONLY).items():
        add = rules.charger_call if wide is CHARGER else rules.backend_call
        add(action, How.REFUSED, "", Loss.NOT_SUPPORTED, stateless=True)(_local(action, answer))  # type: ignore[arg-type]
    if wide is CHARGER:
        rules.charger_call(
            "GetCertificateChainStatus", How.REFUSED, _IF_BRIDGED, Loss.NOT_SUPPORTED, stateless=True
        )(chain_status)
    return rules


class Engine21(Engine):
    """An engine one of whose ends speaks 2.1, the other 2.0.1."""

    def name_at_backend(self, id_: int | str) -> int | str | None:
        """A transaction has one name in both."""
        return id_


class Charger21Backend201(Engine21):
    """A 2.1 charger behind a 2.0.1 backend."""

    charger_version = Version.V21
    backend_version = Version.V201
    rules = _rules(CHARGER)

    def charger_call(self, call: ChargerCall, now: float) -> list[Order]:
        """The charger asks; what it sends without wanting an answer ends here, without one."""
        if call.action not in UNANSWERED:
            return super().charger_call(call, now)
        self.lose(Loss.FRAME_DROPPED, call.action)
        return self._done()


class Charger201Backend21(Engine21):
    """A 2.0.1 charger behind a 2.1 backend."""

    charger_version = Version.V201
    backend_version = Version.V21
    rules = _rules(BACKEND)

    def __init__(self, policies: Policies, snapshot: bytes = b"", station: str = "") -> None:
        super().__init__(policies, snapshot, station)
        if self.memory.limited:
            self.due = 0.0

    def when_time_passed(self) -> None:
        """A transaction may have reached the end of its time."""
        limits.look_after_all(self)
