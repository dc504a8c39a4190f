"""A message that goes into another version and back is the one it was, but for what was said to be lost."""

from collections import deque
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ocpp.message import Version
from gateway.ocpp.times import seconds
from gateway.translate import memory as memories
from gateway.translate.chain import Chain
from gateway.translate.charger16_backend201.translator import Charger16Backend201
from gateway.translate.charger201_backend16.translator import Charger201Backend16
from gateway.translate.memory import Memory, Place
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
from gateway.translate.tables import MEASURANDS

NOW = 1_748_772_000.0
TAG = "04A2B3C4D5E680"
PLACES = [Place(1, 1, 1), Place(2, 2, 1)]
POLICIES = Policies()


class Line:
    """Two translators back to back: what a peer says arrives at the other end in its own version."""

    def __init__(self, version: Version) -> None:
        known = memories.encoded(Memory(registration="Accepted", topology=PLACES))
        kinds = [Charger16Backend201, Charger201Backend16]
        if version is Version.V201:
            kinds.reverse()
        self.chain = Chain(*(kind(POLICIES, known, "CP") for kind in kinds))
        self.now = NOW
        self.heard: list[tuple[str, Any]] = []
        self.lost: list[Lost] = []
        self.answers: dict[str, Any] = {}
        self.ids = iter(range(1, 10_000))
        self.given = iter(range(500, 10_000))
        self.take(self.chain.backend_opened(self.now))

    def charger(self, action: str, payload: Any) -> Any:
        id_ = f"c{next(self.ids)}"
        self.take(self.chain.charger_call(ChargerCall(id_, action, payload, self.now), self.now))
        return self.answers[id_]

    def backend(self, action: str, payload: Any) -> Any:
        id_ = f"b{next(self.ids)}"
        self.take(self.chain.backend_call(BackendCall(id_, action, payload), self.now))
        return self.answers[id_]

    def take(self, orders: list[Any]) -> None:
        """Both peers answer at once."""
        waiting = deque(orders)
        while waiting:
            match waiting.popleft():
                case ToBackend(token, action, payload):
                    self.heard.append((action, payload))
                    answer = self.answer(action, payload)
                    waiting += self.chain.backend_answered(token, answer, self.now)
                case ToCharger(token, action, payload):
                    self.heard.append((action, payload))
                    answer = {"status": "Accepted"}
                    waiting += self.chain.charger_answered(token, answer, self.now)
                case AnswerCharger(id_, answer) | AnswerBackend(id_, answer):
                    self.answers[id_] = answer
                case Lost() as lost:
                    self.lost.append(lost)

    def answer(self, action: str, payload: Any) -> Any:
        info = {"status": "Accepted"}
        if action == "StartTransaction":
            return {"transactionId": next(self.given), "idTagInfo": info}
        if action == "TransactionEvent" and "idToken" in payload:
            return {"idTokenInfo": info}
        return {}

    def said(self, *actions: str) -> list[Any]:
        return [payload for action, payload in self.heard if action in actions]

    def names(self, code: str, value: str = "") -> bool:
        return any(lost.code == code and lost.value in ("", value) for lost in self.lost)


def at(minute: int) -> str:
    return f"2025-06-01T{10 + minute // 60:02}:{minute % 60:02}:00Z"


MEASURED = st.sampled_from([*sorted(MEASURANDS), "Temperature", "RPM"])
SAMPLES_16 = st.lists(
    st.fixed_dictionaries(
        {"value": st.decimals("0", "99999", places=2).map(str)},
        optional={
            "measurand": MEASURED,
            "context": st.sampled_from(["Sample.Periodic", "Transaction.Begin", "Trigger"]),
            "phase": st.sampled_from(["L1", "L2-N"]),
            "location": st.sampled_from(["Outlet", "Inlet", "EV"]),
        },
    ),
    min_size=1,
    max_size=4,
)
REASONS_16 = st.sampled_from(
    [
        None,
        "Local",
        "Remote",
        "DeAuthorized",
        "EVDisconnected",
        "EmergencyStop",
        "HardReset",
        "SoftReset",
        "PowerLoss",
        "Reboot",
        "UnlockCommand",
        "Other",
    ]
)


def meaning(value: Any) -> set[tuple[Any, ...]]:
    """A meterValue as the samples it holds, whatever is written and whatever is the default."""
    when = seconds(value["timestamp"])
    return {
        (
            when,
            Decimal(str(sample["value"])),
            sample.get("measurand", "Energy.Active.Import.Register"),
            sample.get("context", "Sample.Periodic"),
            sample.get("phase"),
            sample.get("location", "Outlet"),
        )
        for sample in value["sampledValue"]
    }


def all_of(values: list[Any]) -> set[tuple[Any, ...]]:
    return set().union(*(meaning(value) for value in values))


@settings(max_examples=150, deadline=None)
@given(
    connector=st.integers(1, 2),
    wh=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    readings=st.lists(SAMPLES_16, max_size=4),
    reason=REASONS_16,
    reservation=st.none() | st.integers(1, 9),
)
def test_a_transaction_of_1_6_by_way_of_2_0_1(connector, wh, readings, reason, reservation):
    line = Line(Version.V16)
    start = {"connectorId": connector, "idTag": TAG, "meterStart": wh[0], "timestamp": at(1)}
    if reservation is not None:
        start["reservationId"] = reservation
    id_ = line.charger("StartTransaction", start)["transactionId"]
    for minute, samples in enumerate(readings, 2):
        value = [{"timestamp": at(minute), "sampledValue": samples}]
        line.charger("MeterValues", {"connectorId": connector, "transactionId": id_, "meterValue": value})
    stop = {"transactionId": id_, "meterStop": sum(wh), "timestamp": at(30)}
    line.charger("StopTransaction", stop | ({"reason": reason} if reason else {}))

    assert line.said("StartTransaction") == [start]
    (ended,) = line.said("StopTransaction")
    assert (ended["meterStop"], ended["timestamp"], ended["transactionId"]) == (sum(wh), at(30), 500)
    if ended["reason"] != (reason or "Local"):
        assert line.names("ENUM_NARROWED", reason)
    told = [value for one in line.said("MeterValues") for value in one["meterValue"]]
    assert all(one["transactionId"] == 500 for one in line.said("MeterValues"))
    made = [{"timestamp": at(minute), "sampledValue": samples} for minute, samples in enumerate(readings, 2)]
    for gone in all_of(made) ^ all_of(told):
        assert line.names("MEASURAND_DROPPED", gone[2]), gone


@settings(max_examples=150, deadline=None)
@given(
    wh=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    readings=st.lists(
        st.lists(
            st.fixed_dictionaries(
                {"value": st.integers(0, 10**6)},
                optional={
                    "measurand": st.sampled_from([*sorted(MEASURANDS), "Energy.Active.Net"]),
                    "phase": st.sampled_from(["L1", "L2-N"]),
                },
            ),
            min_size=1,
            max_size=3,
        ),
        max_size=4,
    ),
    reason=st.sampled_from(
        ["Local", "Remote", "DeAuthorized", "EVDisconnected", "GroundFault", "MasterPass", "Other"]
    ),
)
def test_a_transaction_of_2_0_1_by_way_of_1_6(wh, readings, reason):
    line = Line(Version.V201)
    token = {"idToken": TAG, "type": "ISO14443"}

    def event(kind: str, number: int, minute: int, trigger: str, **more: Any) -> None:
        info = {"transactionId": "T-1", "chargingState": "Charging"} | more.pop("info", {})
        line.charger(
            "TransactionEvent",
            {
                "eventType": kind,
                "timestamp": at(minute),
                "triggerReason": trigger,
                "seqNo": number,
                "transactionInfo": info,
            }
            | more,
        )

    def register(value: int, minute: int, context: str) -> list[Any]:
        sample = {"value": value, "context": context, "measurand": "Energy.Active.Import.Register"}
        return [{"timestamp": at(minute), "sampledValue": [sample]}]

    evse = {"id": 2, "connectorId": 1}
    begun = register(wh[0], 1, "Transaction.Begin")
    event("Started", 0, 1, "Authorized", evse=evse, idToken=token, meterValue=begun)
    for number, samples in enumerate(readings, 1):
        value = [{"timestamp": at(number + 1), "sampledValue": samples}]
        event("Updated", number, number + 1, "MeterValuePeriodic", meterValue=value)
    final = register(sum(wh), 30, "Transaction.End")
    event("Ended", 9, 30, "StopAuthorized", info={"stoppedReason": reason}, meterValue=final)

    events = line.said("TransactionEvent")
    assert [one["seqNo"] for one in events] == list(range(len(events)))
    assert len({one["transactionInfo"]["transactionId"] for one in events}) == 1
    first, last = events[0], events[-1]
    assert (first["timestamp"], first["idToken"], first["evse"]) == (at(1), token, evse)
    assert first["meterValue"][0]["sampledValue"][0]["value"] == wh[0]
    assert (last["eventType"], last["timestamp"]) == ("Ended", at(30))
    assert last["meterValue"][-1]["sampledValue"][-1]["value"] == sum(wh)
    if last["transactionInfo"]["stoppedReason"] != reason:
        assert line.names("ENUM_NARROWED", reason)
    told = [value for one in events[1:-1] for value in one.get("meterValue", [])]
    made = [{"timestamp": at(n + 1), "sampledValue": samples} for n, samples in enumerate(readings, 1)]
    for gone in all_of(made) ^ all_of(told):
        assert line.names("MEASURAND_DROPPED", gone[2]), gone


COMMANDS = st.one_of(
    st.fixed_dictionaries(
        {"connectorId": st.integers(0, 2), "type": st.sampled_from(["Operative", "Inoperative"])}
    ).map(lambda payload: ("ChangeAvailability", payload)),
    st.just(("ClearCache", {})),
    st.just(("GetLocalListVersion", {})),
    st.integers(1, 99).map(lambda number: ("CancelReservation", {"reservationId": number})),
    st.sampled_from([1, 2]).map(lambda number: ("UnlockConnector", {"connectorId": number})),
    st.sampled_from(["Hard", "Soft"]).map(lambda kind: ("Reset", {"type": kind})),
    st.fixed_dictionaries(
        {"connectorId": st.integers(1, 2), "idTag": st.sampled_from([TAG, "MEMBER-1"])}
    ).map(lambda payload: ("RemoteStartTransaction", payload)),
    st.builds(
        lambda connector, number: (
            "ReserveNow",
            {"connectorId": connector, "expiryDate": at(59), "idTag": TAG, "reservationId": number},
        ),
        st.integers(1, 2),
        st.integers(1, 99),
    ),
    st.builds(
        lambda connector, number, limit: (
            "SetChargingProfile",
            {
                "connectorId": connector,
                "csChargingProfiles": {
                    "chargingProfileId": number,
                    "stackLevel": 1,
                    "chargingProfilePurpose": "TxDefaultProfile",
                    "chargingProfileKind": "Relative",
                    "chargingSchedule": {
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
                    },
                },
            },
        ),
        st.integers(0, 2),
        st.integers(1, 99),
        st.integers(0, 320).map(lambda tenths: Decimal(tenths) / 10),
    ),
)


@settings(max_examples=200, deadline=None)
@given(COMMANDS)
def test_a_command_of_1_6_by_way_of_2_0_1(command):
    line = Line(Version.V16)
    line.backend(*command)
    assert line.heard == [command]
