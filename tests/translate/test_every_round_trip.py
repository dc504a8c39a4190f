"""Every message that is translated comes back as it was, but for what was said to be lost or is written here.

A 1.6 charger speaks by way of 2.0.1 with a 1.6 backend, and a 2.0.1 charger by way of 1.6 with a 2.0.1
backend: each message of each end, and each answer, with any payload of its schema.
"""

import re
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
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
EXAMPLES_OF: Final = {"MeterValues": 60, "TransactionEvent": 60, "StopTransaction": 60}
"""What holds readings has more that can go wrong."""

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
    "sampledValue.context": ("Transaction.Begin", "Sample.Periodic"),
    "sampledValue.measurand": ("Energy.Active.Import.Register", "Voltage", "Energy.Active.Net"),
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

WRITTEN: Final = r"""
2.0.1 | .* | call | ~ | .*(idToken|groupIdToken)\.type | the gateway keeps it: 1.6 has none
2.0.1 | .* | answer | ~ | .*groupIdToken\.type | the gateway keeps it: 1.6 has none
2.0.1 | .* | answer | - | idTokenInfo\.personalMessage | follows as a price to show
1.6 | BootNotification | call | +- | charge(Box|Point)SerialNumber | the box's for the point's

1.6 | StartTransaction | answer | ~ | transactionId | each end has its own
1.6 | StopTransaction | call | + | reason | Local is the default
1.6 | StopTransaction | call | ImmediateReset=HardReset | reason | nobody asked for a soft one
1.6 | StopTransaction | call | + | transactionData(\.at [\d.]+)? | meterStop
1.6 | StopTransaction | call | + | .*Register Transaction\.End  Outlet | meterStop
1.6 | StopTransaction | answer | + | idTagInfo | 2.0.1 wants one for a token
1.6 | MeterValues | call | + | transactionId | of the only transaction
2.0.1 | TransactionEvent | call | ~ | seqNo|triggerReason|timestamp | made of what 1.6 tells
2.0.1 | TransactionEvent | call | - | offline | False is the default
2.0.1 | TransactionEvent | call | ~ | transactionInfo\.transactionId | made of the start's content
2.0.1 | TransactionEvent | call | +-~ | transactionInfo\.chargingState | told by a status
2.0.1 | TransactionEvent | call | +~ | transactionInfo\.stoppedReason | Local is the default
2.0.1 | TransactionEvent | call | - | evse|idToken | told by the start
2.0.1 | TransactionEvent | call | + | evse\.connectorId | the first one of the EVSE
2.0.1 | TransactionEvent | call | + | meterValue(\.at [\d.]+)? | meterStart and meterStop
2.0.1 | TransactionEvent | call | + | .*Register Transaction\.(Begin|End)  Outlet | meterStart and meterStop
2.0.1 | TransactionEvent | answer | + | idTokenInfo | wanted for a token
2.0.1 | TransactionEvent | answer | - | totalCost | follows as a price to show
2.0.1 | TransactionEvent | answer | +- | updatedPersonalMessage | goes and comes as a price to show

1.6 | StatusNotification | call | + | timestamp | wanted by 2.0.1
1.6 | StatusNotification | call | ~ | status | Occupied, and the transaction's state
1.6 | StatusNotification | call | + | info|vendorErrorCode | component and code of a problem
2.0.1 | NotifyEvent | call | ~ | generatedAt|seqNo|eventData\[0\]\.eventId | of who tells it
2.0.1 | NotifyEvent | call | - | tbc | of who tells it
2.0.1 | NotifyEvent | call | + | eventData\[0\]\.(tech(Code|Info)|transactionId) | what 1.6 told of it

2.0.1 | [GS]etVariables | answer | +-~ | .*\.(attribute.*|customData) | one by one, by type
1.6 | GetConfiguration | answer | + | configurationKey\[\d\]\.value | an unknown value is ""
1.6 | GetConfiguration | answer | ~ | configurationKey\[\d\]\.readonly | as the key is: values come without

1.6 | ClearChargingProfile | call | + | chargingProfilePurpose | each in turn when none is named
1.6 | ClearChargingProfile | answer | Unknown=Accepted | status | of several answers the best
1.6 | SetChargingProfile | call | + | csChargingProfiles\.transactionId | wanted by 2.0.1
1.6 | SetChargingProfile | call | + | .*chargingSchedule\.startSchedule | wanted by 2.0.1
1.6 | RemoteStartTransaction | call | + | .*chargingSchedule\.startSchedule | wanted by 2.0.1
2.0.1 | (Set|Request).* | call | + | .*chargingSchedule\[0\]\.startSchedule | wanted by 2.0.1
1.6 | SetChargingProfile | answer | NotSupported=Rejected | status | a reason in 2.0.1
1.6 | SendLocalList | answer | NotSupported=Failed | status | a reason in 2.0.1
1.6 | GetCompositeSchedule | answer | - | chargingSchedule\.startSchedule | is scheduleStart
1.6 | GetCompositeSchedule | answer | + | scheduleStart|chargingSchedule\.duration | wanted by 2.0.1

1.6 | UnlockConnector | answer | NotSupported=UnlockFailed | status | a reason in 2.0.1
2.0.1 | UnlockConnector | answer | NotSupported=UnlockFailed | status | of an unknown connector
2.0.1 | UnlockConnector | answer | + | statusInfo | no lock there
1.6 | Reset | call | Immediate=Hard | type | as the first translator said
1.6 | (Extended)?TriggerMessage | call | +- | connectorId | one by one; 0 is the charger
1.6 | (Extended)?TriggerMessage | answer | ~ | status | of several answers the best
2.0.1 | TriggerMessage | call | +-~ | evse(\..*)? | by EVSE, or one by one
2.0.1 | TriggerMessage | call | TransactionEvent=MeterValues | requestedMessage | become events
2.0.1 | TriggerMessage | answer | ~ | status | of several answers the best
2.0.1 | ChangeAvailability | call | + | evse\.connectorId | connector by connector
2.0.1 | ChangeAvailability | call | - | evse | EVSE 0 is the charger
2.0.1 | ReserveNow | call | - | evseId | EVSE 0 is the charger
2.0.1 | UpdateFirmware | answer | ~ | status | follows as a status

2.0.1 | SignCertificate | call | + | certificateType | the charger's is the default
2.0.1 | CertificateSigned | call | + | certificateType | the charger's is the default
2.0.1 | GetInstalledCertificateIds | call | +-~ | certificateType.* | type by type
2.0.1 | GetInstalledCertificateIds | answer | +-~ | .* | the answers for all types as one
2.0.1 | DataTransfer | .* | ~ | data | a text in 1.6
"""
"""What differs though no loss was told, for it means the same, or there is no other way to say it.

Version, message, CALL or its answer; `+` what was not sent, `-` what did not come, `~` another value, or
which value for which; places, why.
"""

ROWS: Final = [[cell.strip() for cell in re.split(r" +\| +", row)] for row in WRITTEN.split("\n") if row]


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
    return [
        one
        for one in differences(expected, meant(case.version, plain(got)))
        if not any(is_written(row, case, part, *one) for row in ROWS)
    ]


def is_written(row: list[str], case: Case, part: str, place: str, sent: Any, got: Any) -> bool:
    """Whether a row of the table explains a difference."""
    version, action, of, kind, places, _ = row
    mine = "+" if sent is MISSING else "-" if got is MISSING else "~"
    return (
        version == case.version
        and all(map(re.fullmatch, (action, of, places), (case.action, part, place.rstrip())))
        and (mine in kind or (mine == "~" and kind == f"{text_of(sent)}={text_of(got)}"))
    )


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

ANY_MESSAGE: Final = (
    *("FIELD_DROPPED", "PAYLOAD_INVALID", "STATUSINFO_DROPPED"),
    *("LOCAL_STATE", "BACKEND_ERROR", "TOPOLOGY_EXTENDED"),
)
"""Losses that the table names for all messages at once."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_comes_back_is_what_was_sent(case):
    arrived = []

    @settings(
        max_examples=EXAMPLES_OF.get(case.action, EXAMPLES),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
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
        assert misjudged(trip) == []
        assert undeclared(trip) == set()

    holds()
    assert any(arrived) == case.is_carried


def undeclared(trip: Trip) -> set[str]:
    """Losses that the table of messages does not name for what was heard."""
    hops = (trip.near, trip.far)
    return {loss.code for hop in hops for loss in hop.lost if loss.code not in hop.declared} - {*ANY_MESSAGE}


def misjudged(trip: Trip) -> list[Lost]:
    """Losses by which a value became one that it should not have."""
    return [
        loss
        for loss in trip.near.lost + trip.far.lost
        if (loss.code == "ENUM_NARROWED" and loss.became and (loss.value, loss.became) not in NARROWED)
        or (loss.code == "VALUE_ROUNDED" and Decimal(loss.became) != rounded(loss.path, Decimal(loss.value)))
    ]


def rounded(path: str, value: Decimal) -> Decimal:
    """A limit is never raised; the energy register is told in the nearest whole Wh."""
    if path.startswith("meterSt"):
        return value.quantize(Decimal(1), ROUND_HALF_UP)
    return value.quantize(Decimal("0.1"), ROUND_FLOOR)


NARROWED: Final = {
    (one, became)
    for ones, became in (
        ("NoCredit NotAllowedTypeEVSE NotAtThisLocation NotAtThisTime", "Blocked"),
        ("Unknown", "Invalid"),
        ("HardReset SoftReset", "ImmediateReset"),
        ("ImmediateReset", "HardReset"),
        ("UnlockCommand EnergyLimitReached GroundFault LocalOutOfCredit OvercurrentFault", "Other"),
        ("PowerQuality SOCLimitReached StoppedByEV TimeLimitReached Timeout", "Other"),
        ("MasterPass", "Local"),
        ("Soft", "Immediate"),
        ("Scheduled", "Accepted"),
        ("OngoingAuthorizedTransaction", "UnlockFailed"),
        ("UnknownConnector UnknownComponent NotSupportedAttributeType", "NotSupported"),
        ("DownloadPaused", "Downloading"),
        ("SignatureVerified InstallScheduled", "Downloaded"),
        ("InstallRebooting", "Installing"),
        ("InvalidSignature InstallVerificationFailed", "InstallationFailed"),
        ("BadMessage NotSupportedOperation PermissionDenied AcceptedCanceled", "UploadFailed"),
        ("AcceptedCanceled", "UploadFailure"),
    )
    for one in ones.split()
}
"""Values that the other version has no word for, and the one that stands for them."""


def joined(said: Any, payloads: list[Any]) -> Any:
    """What a message became, as one: readings of several instants, and several variables, come one by one."""
    same = [one for one in payloads if one.get("eventType") == said.get("eventType")]
    lists = [name for name in _ONE_BY_ONE if any(name in one for one in payloads)]
    return (same or payloads)[-1] | {
        name: [x for one in payloads for x in one.get(name, [])] for name in lists
    }


_ONE_BY_ONE: Final = ("meterValue", "setVariableData", "setVariableResult")
