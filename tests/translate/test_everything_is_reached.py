"""Between all versions: every message is heard and told, and whatever is told fits its schema.

A message that is turned away at the door says nothing about a translator. So each one, as a CALL and as an
answer, has to come to where something is made of it, but for those that no version has a word for.
"""

import json
from collections import deque
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gateway.ocpp.actions import UNANSWERED, actions_of, words
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import deviations
from gateway.ocpp.values import dumps
from gateway.translate import memory as memories
from gateway.translate.factory import PAIRS, translator_for
from gateway.translate.memory import Job, Profile, RemoteStart, Reservation
from gateway.translate.policies import Policies
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Order,
    Refused,
    ToBackend,
    ToCharger,
)
from tests.dialect import judge
from tests.translate.payloads import TAG, TX16, payloads
from tests.translate.trips import NOW, memory, sane

V16, V201, V21 = Version
CHARGER, BACKEND = Sender
DENSITIES: Final = (0, 2, 4)

HEARD, ANSWERED, TOLD, TAKEN = "is carried on", "gets an answer", "is told", "has its answer taken"
"""A CALL of an end and its answer; a CALL for an end and its answer."""

PNC: Final = "org.openchargealliance.iso15118pnc"
COST: Final = "org.openchargealliance.costmsg"
KIND: Final[dict[str, tuple[Any, ...]]] = {
    "status": ("Accepted", "Unlocked", "Uploading"),
    "chargingProfilePurpose": ("TxDefaultProfile",),
    "chargingProfileKind": ("Absolute", "Recurring"),
    "operationMode": ("ChargingOnly",),
}

_PROFILE: Final = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}
    ],
}

SITUATIONS: Final[tuple[dict[str, Any], ...]] = (
    {
        "profiles": [Profile(1, 1, _PROFILE)],
        "reservations": [Reservation(8, 2, NOW + 60, "ABCD")],
        "remote_starts": [RemoteStart(7, TAG, NOW + 60)],
        "firmware": Job(1, "signed"),
        "log": Job(1, "log"),
    },
    {
        "transactions": [],
        "capabilities": {"pnc": "yes", "security_ext": "no", "be_security_ext": "unknown"},
        "firmware": Job(1, "unsigned"),
        "log": Job(1, "diagnostics"),
    },
)
"""What is known: in the middle of things with all extensions of 1.6, and of an idle old charger."""

CARD: Final = {"idToken": "CAFE0001", "type": "ISO14443"}
_STARTED: Final = {
    "eventType": "Started",
    "timestamp": "2025-06-01T10:00:00Z",
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "NEW-1", "chargingState": "Charging"},
    "evse": {"id": 2, "connectorId": 1},
    "idToken": CARD,
}
_CSR: Final = {"csr": "x", "certificateType": "V2GCertificate"}
_HASHES: Final = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a",
    "issuerKeyHash": "b",
    "serialNumber": "1",
    "responderURL": "https://ca.example",
}


def _inside(action: str, payload: Any, vendor: str = PNC) -> tuple[str, Any]:
    return "DataTransfer", {"vendorId": vendor, "messageId": action, "data": json.dumps(payload)}


_OF_CHARGER_2: Final = [("Authorize", {"idToken": CARD}), ("TransactionEvent", _STARTED)]
_OF_BACKEND_2: Final = [
    ("GetChargingProfiles", {"requestId": 1, "chargingProfile": {}}),
    ("InstallCertificate", {"certificateType": "ManufacturerRootCertificate", "certificate": "x"}),
    ("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}),
    ("UnlockConnector", {"evseId": 2, "connectorId": 1}),
]
SAID: Final[dict[tuple[Version, Sender], list[tuple[str, Any]]]] = {
    (V16, CHARGER): [
        _inside("Authorize", {"idToken": CARD}),
        _inside(
            "Get15118EVCertificate", {"iso15118SchemaVersion": "2", "action": "Install", "exiRequest": ""}
        ),
        _inside("GetCertificateStatus", {"ocspRequestData": _HASHES}),
        _inside("SignCertificate", _CSR),
    ],
    (V16, BACKEND): [
        ("GetConfiguration", {}),
        _inside("RunningCost", {"transactionId": TX16, "cost": 1}, COST),
    ],
    (V201, CHARGER): _OF_CHARGER_2,
    (V201, BACKEND): _OF_BACKEND_2,
    (V21, CHARGER): _OF_CHARGER_2,
    (V21, BACKEND): _OF_BACKEND_2,
}
"""What is seldom said by chance."""

ONLY_21: Final = {end: actions_of(V21, end) - actions_of(V201, end) for end in Sender}
ONLY_2: Final = words(
    """ClearedChargingLimit NotifyChargingLimit NotifyCustomerInformation NotifyDisplayMessages
    NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyMonitoringReport
    PublishFirmwareStatusNotification"""
)
NOT_16: Final = words(
    """ClearDisplayMessage ClearVariableMonitoring CustomerInformation GetChargingProfiles GetDisplayMessages
    GetMonitoringReport GetReport GetTransactionStatus PublishFirmware SetDisplayMessage SetMonitoringBase
    SetMonitoringLevel SetNetworkProfile SetVariableMonitoring UnpublishFirmware"""
)
REPORTS: Final = words("NotifyReport ReportChargingProfiles ReservationStatusUpdate")

Row = tuple[str, str, Sender, frozenset[str], str]

NEVER: Final[tuple[Row, ...]] = (
    # versions of charger and backend, whose message, which, why
    ("1.6", "2.0.1 2.1", CHARGER, ONLY_2, "no charger of 1.6 has it"),
    ("1.6", "2.1", CHARGER, ONLY_21[CHARGER], "no charger of 1.6 has it"),
    ("2.0.1", "2.1", CHARGER, ONLY_21[CHARGER], "no charger of 2.0.1 has it"),
    ("2.1", "2.0.1 1.6", CHARGER, ONLY_21[CHARGER], "ends here: 2.0.1 has no word for it"),
    ("2.0.1 2.1", "1.6", CHARGER, REPORTS, "ends here: told of what the gateway asked or did"),
    ("1.6", "2.0.1 2.1", BACKEND, words("GetChargingProfiles GetTransactionStatus"), "known here"),
    ("1.6", "2.0.1 2.1", BACKEND, words("SetNetworkProfile"), "stays on its link"),
    ("2.0.1", "2.1", BACKEND, words("SetNetworkProfile"), "stays on its link"),
    ("1.6 2.0.1", "2.1", BACKEND, ONLY_21[BACKEND], "refused: 2.0.1 has no word for it"),
    ("2.1", "2.0.1 1.6", BACKEND, ONLY_21[BACKEND], "no backend of 2.0.1 has it"),
    ("2.0.1 2.1", "1.6", BACKEND, NOT_16, "no backend of 1.6 has it"),
)
"""What is not carried on, or never told."""

Reached = set[tuple[Version, str, str]]


class Talk:
    """An end says one thing, and both answer kindly until nothing is asked any more."""

    def __init__(self, draw: st.DrawFn, pair: tuple[Version, Version], known: dict[str, Any]) -> None:
        self.draw = draw
        self.pair = pair
        policies = Policies(leg_certificates="forward", tunnel="tunnel.example", ocsp_bridge=True)
        snapshot = memories.encoded(memory(**known))
        if set(pair) == {V16, V21}:
            snapshot = b'{"near":%b,"far":%b}' % (snapshot, snapshot)
        translator = translator_for(*pair, policies, snapshot, "CP")
        assert translator is not None
        self.translator = translator
        self.reached: Reached = set()
        self.now = NOW
        self.said: tuple[Sender, str] | None = None

    def version(self, end: Sender) -> Version:
        return self.pair[0] if end is CHARGER else self.pair[1]

    def say(self, end: Sender, action: str, payload: Any) -> None:
        """The end says this, and time passes until there is an answer."""
        self.take(self.translator.backend_opened(self.now))
        self.said = end, action
        if end is CHARGER:
            call = ChargerCall("m", action, payload, self.now)
            self.take(self.translator.charger_call(call, self.now))
        else:
            self.take(self.translator.backend_call(BackendCall("m", action, payload), self.now))
        for _ in range(4):
            self.now += 40
            self.take(self.translator.time_passed(self.now))

    def take(self, orders: list[Order]) -> None:
        waiting = deque(orders)
        while waiting:
            match waiting.popleft():
                case ToBackend(token, action, payload):
                    answer = self.asked(BACKEND, action, payload)
                    waiting += self.translator.backend_answered(token, answer, self.now)
                case ToCharger(token, action, payload):
                    answer = self.asked(CHARGER, action, payload)
                    waiting += self.translator.charger_answered(token, answer, self.now)
                case AnswerCharger("m", answer) | AnswerBackend("m", answer) if self.said is not None:
                    end, action = self.said
                    assert not isinstance(answer, Refused), (action, answer)
                    self.judge(self.version(end), action, False, answer)
                    self.reached.add((self.version(end), action, ANSWERED))

    def asked(self, end: Sender, action: str, payload: Any) -> Any:
        """The end is asked something, and answers."""
        version = self.version(end)
        self.judge(version, action, True, payload)
        self.reached |= {(version, action, TOLD), (version, action, TAKEN)}
        if self.said is not None and self.said[0] is not end:
            self.reached.add((self.version(self.said[0]), self.said[1], HEARD))
        answer = sane(action, payload, self.draw(payloads(version, action, False, KIND)))
        if action == "DataTransfer" and payload.get("messageId") in actions_of(V201, end.other):
            inner = self.draw(payloads(V201, payload["messageId"], False, KIND))
            return {"status": "Accepted", "data": dumps(inner)}
        return answer

    def judge(self, version: Version, action: str, is_call: bool, payload: Any) -> None:
        assert deviations(version, action, is_call, payload) == [], (action, payload)
        assert judge.fits(version, action, is_call, json.loads(dumps(payload))), (action, payload)


def obligations(pair: tuple[Version, Version]) -> Reached:
    """Everything that may be heard, answered and told between these versions."""
    wanted: Reached = set()
    for end, version in zip(Sender, pair, strict=True):
        for action in actions_of(version, end) - UNANSWERED:
            wanted |= {(version, action, HEARD), (version, action, ANSWERED)}
        for action in actions_of(version, end.other) - UNANSWERED:
            wanted |= {(version, action, TOLD), (version, action, TAKEN)}
    return wanted


def never(pair: tuple[Version, Version]) -> Reached:
    """What the rows say of these versions: not carried on for the end that says it, not told to the other."""
    made: Reached = set()
    for chargers, backends, end, actions, _ in NEVER:
        if pair[0] in chargers.split() and pair[1] in backends.split():
            for version in pair:
                own = version is (pair[0] if end is CHARGER else pair[1])
                kinds = (HEARD,) if own else (TOLD, TAKEN)
                known = actions_of(version, end) - UNANSWERED
                made |= {(version, action, kind) for action in actions & known for kind in kinds}
    return made


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_message_is_heard_and_told_and_fits_its_schema(pair):
    reached: Reached = set()

    def say(end: Sender, action: str, payload: st.SearchStrategy[Any], known: dict[str, Any]) -> None:
        @settings(max_examples=1, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
        @given(st.data())
        def said(data: Any) -> None:
            talk = Talk(data.draw, pair, known)
            talk.say(end, action, data.draw(payload))
            reached.update(talk.reached)

        said()

    for end, version in zip(Sender, pair, strict=True):
        for known in SITUATIONS:
            for action in sorted(actions_of(version, end) - UNANSWERED):
                for density in DENSITIES:
                    say(end, action, payloads(version, action, True, KIND, (density,)), known)
            for action, payload in SAID[version, end]:
                say(end, action, st.just(payload), known)
    assert obligations(pair) - reached == never(pair)
