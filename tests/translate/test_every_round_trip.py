"""Every message that is translated comes back as it was, but for what was said to be lost or is written here.

A 1.6 charger speaks by way of 2.0.1 with a 1.6 backend, and a 2.0.1 charger by way of 1.6 with a 2.0.1
backend: each message of each end, and each answer, with any payload of its schema.
"""

import re
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ocpp.actions import actions_of
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.values import dumps
from gateway.translate.charger16_backend201.translator import Charger16Backend201
from gateway.translate.charger201_backend16.translator import Charger201Backend16
from gateway.translate.engine import How
from gateway.translate.memory import Job
from gateway.translate.port import Lost
from tests.translate.differences import MISSING, cut, differences, meant, plain, text_of, value_at
from tests.translate.payloads import TX, TX16, payloads
from tests.translate.trips import Trip

V16, V201 = Version.V16, Version.V201
CHARGER, BACKEND = Sender
EXAMPLES: Final = 20

RULES: Final = {
    (V16, CHARGER): Charger16Backend201.rules.charger_calls,
    (V16, BACKEND): Charger201Backend16.rules.backend_calls,
    (V201, CHARGER): Charger201Backend16.rules.charger_calls,
    (V201, BACKEND): Charger16Backend201.rules.backend_calls,
}
"""The table of messages, by the version of both ends of a trip and by who begins it."""


class Case:
    """One message in one situation: `words` are what it speaks of, `known` what both translators know."""

    def __init__(self, version: Version, sender: Sender, action: str, name: str = "", **known: Any) -> None:
        self.version, self.sender, self.action = version, sender, action
        self.words: dict[str, tuple[Any, ...]] = known.pop("words", {})
        self.known = known
        self.id = f"{version}-{sender.value}-{action}" + (f"-{name}" if name else "")
        how = RULES[version, sender][action].how
        self.is_carried = how in (How.TRANSLATED, How.TUNNELLED)


ELSEWHERE: Final = ("GetReport", "GetBaseReport")
"""Questions for everything: the answers are kept, and told in other words and pieces."""

OLD_CHARGER: Final = {"capabilities": {"security_ext": "no", "pnc": "yes", "costmsg": "yes"}}
IDLE: Final[dict[str, Any]] = {"transactions": []}
_STARTED: Final = {
    "eventType": ("Started",),
    "transactionInfo.transactionId": ("NEW-1",),
    "evse.id": (2,),
    "chargingState": ("Charging",),
    "triggerReason": ("Authorized",),
}
_GOES_ON: Final = {"transactionInfo.transactionId": (TX,), "evse.id": (1,)}

SITUATIONS: Final = [
    Case(V16, CHARGER, "SignedFirmwareStatusNotification", "job", firmware=Job(1, "signed")),
    Case(V16, CHARGER, "DiagnosticsStatusNotification", "job", log=Job(1, "diagnostics")),
    Case(V16, CHARGER, "MeterValues", "of none", words={"connectorId": (2, 0), "transactionId": (77,)}),
    Case(V16, CHARGER, "MeterValues", "of one", words={"connectorId": (1,), "transactionId": (TX16,)}),
    Case(V16, CHARGER, "StartTransaction", "idle", words={"connectorId": (1, 2)}, **IDLE),
    Case(V16, CHARGER, "StatusNotification", "idle", words={"connectorId": (1, 2)}, **IDLE),
    Case(V16, BACKEND, "GetDiagnostics", "old charger", **OLD_CHARGER),
    Case(V16, BACKEND, "Reset", "idle", **IDLE),
    Case(V16, BACKEND, "UnlockConnector", "idle", **IDLE),
    Case(V201, CHARGER, "FirmwareStatusNotification", "signed", firmware=Job(1, "signed")),
    Case(V201, CHARGER, "LogStatusNotification", "job", log=Job(1, "log")),
    Case(V201, CHARGER, "TransactionEvent", "started", words=_STARTED, **IDLE),
    Case(V201, CHARGER, "TransactionEvent", "updated", words=_GOES_ON | {"eventType": ("Updated",)}),
    Case(V201, CHARGER, "TransactionEvent", "ended", words=_GOES_ON | {"eventType": ("Ended",)}),
    Case(V201, BACKEND, "Reset", "idle", **IDLE),
    Case(V201, BACKEND, "UnlockConnector", "idle", **IDLE),
    Case(V16, BACKEND, "Reset"),
    Case(V16, BACKEND, "UnlockConnector"),
    Case(V16, CHARGER, "StatusNotification"),
    Case(V16, CHARGER, "StopTransaction"),
]
_TOLD: Final = {(case.version, case.sender, case.action) for case in SITUATIONS}
CASES: Final = SITUATIONS + [
    Case(version, sender, action)
    for version in (V16, V201)
    for sender in Sender
    for action in sorted(actions_of(version, sender))
    if (version, sender, action) not in _TOLD and action not in ELSEWHERE
]

CALL, ANSWER = "call", "answer"
_REGISTER: Final = r".*Energy\.Active\.Import\.Register Transaction\.(Begin|End)  Outlet "
_OF_TOKENS: Final = (
    (V201, ".*", CALL, r".*(idToken|groupIdToken)\.type", "kept by the gateway: 1.6 has no types"),
    (V201, ".*", ANSWER, r".*groupIdToken\.type", "kept by the gateway: 1.6 has no types"),
)

WRITTEN: Final[tuple[tuple[Version, str, str, str, str], ...]] = (
    *_OF_TOKENS,
    # A charger with one serial number has one, whatever it calls it.
    (V16, "BootNotification", CALL, "charge(Box|Point)SerialNumber", "the box's stands for the point's"),
    # Transactions
    (V16, "StartTransaction", ANSWER, "transactionId", "each end has an id of its own"),
    (V16, "StopTransaction", CALL, "reason", "Local is the default; a reset that nobody asked for is Hard"),
    (V16, "StopTransaction", CALL, "transactionData" + r"(\.at [\d.]+)?|" + _REGISTER, "holds meterStop"),
    (V16, "StopTransaction", ANSWER, "idTagInfo", "2.0.1 wants one for a token"),
    (V16, "MeterValues", CALL, "transactionId", "readings without id belong to the only transaction"),
    (V201, "TransactionEvent", CALL, "seqNo|triggerReason|offline", "made of what 1.6 tells"),
    (V201, "TransactionEvent", CALL, r"transactionInfo\.transactionId", "made of the start's content"),
    (V201, "TransactionEvent", CALL, r"transactionInfo\.chargingState", "follows in a status"),
    (V201, "TransactionEvent", CALL, r"transactionInfo\.stoppedReason", "Local is the default"),
    (V201, "TransactionEvent", CALL, "evse(.connectorId)?", "told at the start, with its first connector"),
    (V201, "TransactionEvent", CALL, "timestamp|idToken", "readings have times of their own and no token"),
    (V201, "TransactionEvent", CALL, r"meterValue(\.at [\d.]+)?|" + _REGISTER, "meterStart, meterStop"),
    (V201, "TransactionEvent", ANSWER, "idTokenInfo", "wanted for a token"),
    (V201, "TransactionEvent", ANSWER, "totalCost|updatedPersonalMessage", "follow as a price to show"),
    (V201, ".*", ANSWER, r"idTokenInfo\.personalMessage", "follows as a price to show"),
    # What a status says
    (V16, "StatusNotification", CALL, "timestamp", "wanted by 2.0.1"),
    (V16, "StatusNotification", CALL, "status", "Occupied, and the state of the transaction if there is one"),
    (V16, "StatusNotification", CALL, "info|vendorErrorCode", "name the component and what is wrong with it"),
    (V201, "NotifyEvent", CALL, r"generatedAt|seqNo|tbc|eventData\[0\]\.eventId", "of who tells it"),
    (V201, "NotifyEvent", CALL, r"eventData\[0\]\.(tech(Code|Info)|transactionId)", "what 1.6 told of it"),
    # Configuration
    (V201, "[GS]etVariables", ANSWER, r".*\.(attribute.*|customData)", "one by one, by type"),
    (V16, "GetConfiguration", ANSWER, ".*", "values by type"),
    # Charging
    (
        V16,
        "ClearChargingProfile",
        CALL,
        "chargingProfilePurpose",
        "one CALL for each purpose when none is named",
    ),
    (V16, "ClearChargingProfile", ANSWER, "status", "of several answers the best"),
    (
        V16,
        "SetChargingProfile",
        CALL,
        r"csChargingProfiles\.(chargingSchedule\.startSchedule|transactionId)",
        "wanted",
    ),
    (
        V201,
        "SetChargingProfile|RequestStart.*",
        CALL,
        r"chargingProfile\.chargingSchedule\[0\]\.startSchedule",
        "wanted",
    ),
    (V16, "RemoteStartTransaction", CALL, r"chargingProfile\.chargingSchedule\.startSchedule", "wanted"),
    (V16, "S(etChargingProfile|endLocalList)", ANSWER, "status", "NotSupported is a reason in 2.0.1"),
    (V16, "GetCompositeSchedule", ANSWER, r"chargingSchedule\.(startSchedule|duration)|scheduleStart", "one"),
    # Commands
    (V16, "UnlockConnector", ANSWER, "status", "NotSupported is a reason in 2.0.1"),
    (V16, "Reset", CALL, "type", "told as narrowed by the first translator: Immediate is Hard again"),
    (V16, "(Extended)?TriggerMessage", CALL, "connectorId", "of all connectors one by one; 0 is the charger"),
    (V16, "(Extended)?TriggerMessage", ANSWER, "status", "of several answers the best"),
    (V201, "TriggerMessage", CALL, r"evse(\..*)?", "by EVSE, or of all connectors one by one"),
    (V201, "TriggerMessage", CALL, "requestedMessage", "readings for an event: they become one"),
    (V201, "TriggerMessage", ANSWER, "status", "of several answers the best"),
    (V201, "UnlockConnector", ANSWER, "status(Info)?", "NotSupported of 1.6: no lock there"),
    (
        V201,
        "ChangeAvailability",
        CALL,
        r"evse(\.connectorId)?",
        "connector by connector; EVSE 0 is the charger",
    ),
    (V201, "ReserveNow", CALL, "evseId", "EVSE 0 is the charger"),
    (V201, "UpdateFirmware", ANSWER, "status", "follows as a status of the download"),
    # Certificates
    (V201, "SignCertificate|CertificateSigned", CALL, "certificateType", "the charger's own is the default"),
    (V201, "GetInstalledCertificateIds", CALL, "certificateType.*", "type by type"),
    (V201, "GetInstalledCertificateIds", ANSWER, ".*", "the answers for all types as one"),
    # Any JSON
    (V201, "DataTransfer", "call|answer", "data", "a text in 1.6"),
)
"""What differs though no loss was told, for it means the same, or there is no other way to say it.

Version, messages, CALL or its answer, places (patterns), why.
"""

# The second translator speaks of the version between: its names for what the ends name otherwise.

NAMES: Final[dict[Version, tuple[tuple[str, str], ...]]] = {
    V16: (
        (r"^idToken\b", "idTag"),
        (r"^idTokenInfo\b", "idTagInfo"),
        (r"^schedule\b", "chargingSchedule"),
        (r"^chargingProfile\.chargingSchedule\[0\]", "chargingProfile.chargingSchedule"),
        (r"^chargingProfile\b", "csChargingProfiles"),
        (r"^eventData\[\d+\]\.techInfo$", "info"),
        (r"^info$", "vendorId"),
    ),
    V201: (
        (r"^idTag\b", "idToken"),
        (r"^idTagInfo\b", "idTokenInfo"),
        (r"^chargingSchedule$", "schedule"),
        (r"^(csChargingProfiles|chargingProfile)\.chargingSchedule\b", "chargingProfile.chargingSchedule[0]"),
        (r"^csChargingProfiles\b", "chargingProfile"),
        (r"^idTokenInfo\.parentIdTag", "idTokenInfo.groupIdToken"),
    ),
}


def named(version: Version, lost: Lost) -> list[Lost]:
    """The record of a loss under all the names that its place has."""
    made = [lost]
    for old, new in NAMES[version]:
        if (path := re.sub(old, new, made[-1].path)) != made[-1].path:
            made.append(Lost(lost.code, lost.severity, path, lost.value))
    return made


def compared(case: Case, trip: Trip, part: str, sent: Any, got: Any) -> list[Any]:
    """What is neither the same, nor was told, nor is written above."""
    first, second = trip.lost(part == CALL)
    lost = [*first, *(one for loss in second for one in named(case.version, loss))]
    expected = meant(case.version, cut(plain(sent), lost))
    allowed = [
        places
        for version, action, of, places, _ in WRITTEN
        if version is case.version and re.fullmatch(of, part) and re.fullmatch(action, case.action)
    ]
    return [
        one
        for one in differences(expected, meant(case.version, plain(got)))
        if not any(re.fullmatch(places, one[0]) for places in allowed)
    ]


def untold(trip: Trip, sent: Any, part: str) -> list[Lost]:
    """Losses of what stands in the message that do not say what it was."""
    sent = plain(sent)
    return [
        loss
        for loss in trip.lost(part == CALL)[0]
        if (was := value_at(sent, loss.path)) is not MISSING
        and not (loss.value and any(loss.value in said for said in (text_of(was), dumps(was))))
        and not SECRET.search(loss.path)
    ]


SECRET: Final = re.compile(r"[iI]dToken|idTag|localAuthorizationList")


QUIET: Final = ("TransactionEvent", "StatusNotification", "NotifyEvent")
"""What may bring no news to a 1.6 backend, or none yet."""

ANY_MESSAGE: Final = ("FIELD_DROPPED", "PAYLOAD_INVALID", "LOCAL_STATE", "BACKEND_ERROR", "TOPOLOGY_EXTENDED")
"""Losses that the table names for all messages at once."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_comes_back_is_what_was_sent(case):
    arrived = []

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def holds(data: Any) -> None:
        sent = data.draw(payloads(case.version, case.action, True, case.words))
        answers = lambda action: data.draw(payloads(case.version, action, False))  # noqa: E731
        trip = Trip(case.version, answers, **case.known)
        result = trip.say(case.sender, case.action, sent)
        there = [(payload, answer) for action, payload, answer in trip.heard if action == case.action]
        arrived.append(bool(there))
        assert there or trip.heard or trip.near.lost or trip.far.lost or case.action in QUIET
        if there:
            asked = joined(sent, [payload for payload, _ in there])
            assert compared(case, trip, CALL, sent, asked) == []
            assert untold(trip, sent, CALL) == []
            answered = joined(there[-1][1], [answer for _, answer in there])
            assert compared(case, trip, ANSWER, answered, result) == []
            assert len(trip.heard) > 1 or untold(trip, answered, ANSWER) == []
        assert undeclared(case, trip) == set()

    holds()
    assert any(arrived) == case.is_carried


def undeclared(case: Case, trip: Trip) -> set[str]:
    """Losses that the table of messages does not name for this one."""
    first = trip.near if case.sender is CHARGER else trip.far
    declared = RULES[case.version, case.sender][case.action].losses
    return {loss.code for loss in first.lost} - {*declared, *ANY_MESSAGE}


def joined(said: Any, payloads: list[Any]) -> Any:
    """What a message became, as one: readings of several instants, and several variables, come one by one."""
    same = [one for one in payloads if one.get("eventType") == said.get("eventType")]
    lists = [name for name in _ONE_BY_ONE if any(name in one for one in payloads)]
    return (same or payloads)[-1] | {
        name: [x for one in payloads for x in one.get(name, [])] for name in lists
    }


_ONE_BY_ONE: Final = ("meterValue", "setVariableData", "setVariableResult")
