"""What was promised is done, whenever the gateway is killed or the backend's link is lost amid it.

Each exchange is played without disturbance, then once for every message that leaves the gateway: there the
gateway dies or the backend's link drops, before that message was heard or after. Whoever asked is gone then,
and asks no more.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.translate.scenes import ID, TOKEN, scene, transaction
from tests.vectors.world import World

Payload = dict[str, Any]
Heard = list[tuple[str, Payload]]

TWO = [{"flat": 1, "evse": 1, "connector": 1}, {"flat": 2, "evse": 1, "connector": 2}]
KEYS = {"HeartbeatInterval": "60", "MeterValueSampleInterval": "30", "ConnectionTimeOut": "120"}


def key(name: str) -> Payload:
    return {"key": name, "readonly": False, "value": KEYS[name]}


def variable(component: str, name: str, value: str) -> Payload:
    return {"component": {"name": component}, "variable": {"name": name}, "attributeValue": value}


def schedule() -> Payload:
    return {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}


def profile_16(id_: int) -> Payload:
    return {
        "chargingProfileId": id_,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Daily",
        "chargingSchedule": schedule() | {"startSchedule": "2025-06-01T00:00:00Z"},
    }


def profile_201(id_: int, evse: int) -> Payload:
    made = {
        "id": id_,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule() | {"id": 1}],
    }
    return {"id": id_, "evse": evse, "profile": made}


class Exchange:
    """What is said: `script` by either end, `answers` to what the gateway asks; `holds` of what both heard.

    `boots`: the charger that is told to reset says nothing, and boots.
    """

    def __init__(
        self,
        script: list[tuple[str, Any]],
        answers: dict[str, Payload],
        holds: Callable[[Heard, Heard], bool],
        direction: str = "cs1.6-be2.0.1",
        boots: bool = False,
        **state: Any,
    ) -> None:
        self.script = script
        self.answers = answers
        self.holds = holds
        self.boots = boots
        self.state = {"direction": direction, "topology": TWO} | state


def actions(heard: Heard, *wanted: str) -> list[Payload]:
    return [payload for action, payload in heard if action in wanted]


def distinct(payloads: list[Payload]) -> list[Payload]:
    """Each once, of those that came again."""
    return [one for index, one in enumerate(payloads) if one not in payloads[:index]]


def pages_are_whole(_: Heard, backend: Heard) -> bool:
    pages = distinct(actions(backend, "NotifyReport"))
    return [p["seqNo"] for p in pages] == list(range(len(pages))) and [
        p.get("tbc", False) for p in pages
    ] == [True] * (len(pages) - 1) + [False]


REPORT = Exchange(
    [("backend", ["GetBaseReport", {"requestId": 7, "reportBase": "ConfigurationInventory"}])],
    {"GetConfiguration": {"configurationKey": [key(name) for name in KEYS]}},
    pages_are_whole,
    config={"report_page_items": 1},
)
PROFILES = Exchange(
    [("backend", ["GetChargingProfiles", {"requestId": 8, "chargingProfile": {}}])],
    {},
    lambda _, backend: (
        [
            (one["evseId"], one.get("tbc", False))
            for one in distinct(actions(backend, "ReportChargingProfiles"))
        ]
        == [(1, True), (2, False)]
    ),
    profiles=[profile_201(1, 1), profile_201(2, 2)],
)
AVAILABILITY = Exchange(
    [("backend", ["ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 1}}])],
    {"ChangeAvailability": {"status": "Accepted"}},
    lambda charger, _: {one["connectorId"] for one in actions(charger, "ChangeAvailability")} == {1, 2},
)
VARIABLES = Exchange(
    [
        (
            "backend",
            [
                "SetVariables",
                {
                    "setVariableData": [
                        variable("OCPPCommCtrlr", "HeartbeatInterval", "61"),
                        variable("SampledDataCtrlr", "TxUpdatedInterval", "31"),
                        variable("TxCtrlr", "EVConnectionTimeOut", "121"),
                    ]
                },
            ],
        )
    ],
    {"ChangeConfiguration": {"status": "Accepted"}},
    lambda charger, _: (
        {one["value"] for one in actions(charger, "ChangeConfiguration")} == {"61", "31", "121"}
    ),
)
STOP = {"transactionId": 1001, "meterStop": 2000, "timestamp": "2025-06-01T10:01:00Z"}
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
HELD_SCRIPT = [
    ("backend", ["Reset", {"type": "OnIdle"}]),
    ("charger", ["StopTransaction", STOP]),
    ("clock", 70.0),
]
HELD_RESET = Exchange(
    HELD_SCRIPT,
    {"Reset": {"status": "Accepted"}},
    lambda charger, _: actions(charger, "Reset")[:1] == [{"type": "Soft"}],
    tx=[transaction()],
)
HELD_RESET_BOOTS = Exchange(
    HELD_SCRIPT,
    {"Reset": {"status": "Accepted"}},
    lambda charger, _: actions(charger, "Reset") == [{"type": "Soft"}],
    boots=True,
    tx=[transaction()],
)
LOG = {"remoteLocation": "ftp://x/y"}
CANCELLED_LOG = Exchange(
    [
        ("backend", ["GetLog", {"logType": "DiagnosticsLog", "requestId": 12, "log": LOG}]),
        ("charger", ["DiagnosticsStatusNotification", {"status": "Uploaded"}]),
    ],
    {"GetDiagnostics": {"fileName": "log.txt"}},
    lambda _, backend: {"status": "Uploaded", "requestId": 12} in actions(backend, "LogStatusNotification"),
    capabilities={"security_ext": "no"},
    log={"request_id": 11, "kind": "diagnostics", "last": "Uploading"},
)
FIRMWARE = Exchange(
    [
        (
            "backend",
            [
                "UpdateFirmware",
                {
                    "requestId": 5,
                    "firmware": {"location": "ftp://x/y", "retrieveDateTime": "2025-06-01T10:00:00Z"},
                },
            ],
        ),
        ("charger", ["FirmwareStatusNotification", {"status": "Downloading"}]),
    ],
    {"UpdateFirmware": {}},
    lambda _, backend: (
        {"status": "Downloading", "requestId": 5} in actions(backend, "FirmwareStatusNotification")
    ),
)
RESERVATION = {"id": 3, "flat": 1, "expiry": "2025-06-01T10:00:30Z", "id_token": TOKEN}
EXPIRED = Exchange(
    [("clock", 40.0)],
    {},
    lambda _, backend: (
        distinct(actions(backend, "ReservationStatusUpdate"))
        == [{"reservationId": 3, "reservationUpdateStatus": "Expired"}]
    ),
    reservations=[RESERVATION],
)
CANCELLED = Exchange(
    [("backend", ["CancelReservation", {"reservationId": 3}]), ("clock", 40.0)],
    {"CancelReservation": {"status": "Accepted"}},
    lambda charger, backend: (
        actions(charger, "CancelReservation")[:1] == [{"reservationId": 3}]
        and not actions(backend, "ReservationStatusUpdate")
    ),
    reservations=[RESERVATION],
)
FAULT = Exchange(
    [
        (
            "charger",
            [
                "StatusNotification",
                {
                    "connectorId": 1,
                    "errorCode": "GroundFailure",
                    "status": "Faulted",
                    "timestamp": "2025-06-01T10:00:01Z",
                },
            ],
        )
    ],
    {},
    lambda _, backend: (
        [one["connectorStatus"] for one in distinct(actions(backend, "StatusNotification"))] == ["Faulted"]
        and len(distinct(actions(backend, "NotifyEvent"))) == 1
    ),
)
DOWN = "cs2.0.1-be1.6"
REPLACED = Exchange(
    [("backend", ["SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile_16(9)}])],
    {"ClearChargingProfile": {"status": "Accepted"}, "SetChargingProfile": {"status": "Accepted"}},
    lambda charger, _: (
        [next(iter(one)) for one in distinct(actions(charger, "ClearChargingProfile", "SetChargingProfile"))]
        == ["chargingProfileId", "evseId"]
    ),
    direction=DOWN,
    profiles=[profile_201(1, 1)],
)
CLEARED = Exchange(
    [("backend", ["ClearChargingProfile", {}])],
    {"ClearChargingProfile": {"status": "Accepted"}},
    lambda charger, _: len(distinct(actions(charger, "ClearChargingProfile"))) == 3,
    direction=DOWN,
)
REFUSED_FIRMWARE = Exchange(
    [("backend", ["UpdateFirmware", {"location": "x" * 600, "retrieveDate": "2025-06-01T10:00:00Z"}])],
    {},
    lambda _, backend: (
        distinct(actions(backend, "FirmwareStatusNotification")) == [{"status": "DownloadFailed"}]
    ),
    direction=DOWN,
)
UPLOADED = Exchange(
    [
        ("backend", ["GetDiagnostics", {"location": "ftp://x/y"}]),
        ("charger", ["LogStatusNotification", {"status": "Uploaded", "requestId": 900_000_001}]),
    ],
    {"GetLog": {"status": "Accepted", "filename": "f"}},
    lambda _, backend: {"status": "Uploaded"} in actions(backend, "DiagnosticsStatusNotification"),
    direction=DOWN,
)

LATE_REFUSAL = Exchange(
    [("clock", 10.0)],
    {"RequestStopTransaction": {"status": "Accepted"}},
    lambda charger, _: distinct(actions(charger, "RequestStopTransaction")) == [{"transactionId": ID}],
    direction=DOWN,
    tx=[transaction(authorized=False, late_reject=True, stop_wanted=True)],
)


def reported(evse: int) -> Payload:
    component = {"name": "Connector", "evse": {"id": evse, "connectorId": 1}}
    attribute = [{"type": "Actual", "value": "true"}]
    return {"component": component, "variable": {"name": "Available"}, "variableAttribute": attribute}


INTRODUCED = Exchange(
    [
        (
            "charger",
            ["BootNotification", {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}],
        ),
        (
            "charger",
            [
                "StatusNotification",
                {
                    "timestamp": "2025-06-01T10:00:01Z",
                    "connectorStatus": "Faulted",
                    "evseId": 2,
                    "connectorId": 1,
                },
            ],
        ),
        ("report", None),
        ("clock", 70.0),
    ],
    {
        "GetBaseReport": {"status": "Accepted"},
        "BootNotification": {
            "status": "Accepted",
            "currentTime": "2025-06-01T10:00:01Z",
            "interval": 300,
        },
    },
    lambda _, backend: (
        {(one["connectorId"], one["status"]) for one in actions(backend, "StatusNotification")}
        >= {(0, "Available"), (2, "Faulted")}
    ),
    direction=DOWN,
    topology=[],
)

EXCHANGES = {name: value for name, value in globals().items() if isinstance(value, Exchange)}
_BOOTED: Payload = {"status": "Accepted", "currentTime": "2025-06-01T10:02:00Z", "interval": 300}


class Play:
    """Both ends of one exchange; at the message number `at` that leaves the gateway something is lost."""

    def __init__(self, exchange: Exchange, at: int = 0, lost: str = "", is_heard: bool = True) -> None:
        self.exchange = exchange
        self.at, self.lost, self.is_heard = at, lost, is_heard
        direction = exchange.state["direction"]
        state = {name: value for name, value in exchange.state.items() if name != "direction"}
        self.world = World(scene(direction=direction, **state))
        self.charger: Heard = []
        self.backend: Heard = []
        self.read = 0
        self.answered: set[str] = set()
        self.reports: list[Payload] = []
        self.tells_reports = False

    def run(self) -> "Play":
        for number, (who, said) in enumerate(self.exchange.script):
            match who:
                case "clock":
                    self._wait(said)
                case "backend":
                    self.world.receives("be", [2, f"b{number}", *said])
                case "charger":
                    self._ask(f"c{number}", *said)
                case _:
                    self.tells_reports = True
            self._settle()
        self._wait(100.0)
        return self

    def _wait(self, seconds: float) -> None:
        self._settle()
        for _ in range(int(seconds / 5.0)):
            self._report()
            self.world.advance(5.0)
            self._settle()

    def _ask(self, id_: str, action: str, payload: Payload) -> None:
        """The charger repeats itself until it is answered."""
        for attempt in range(3):
            self.world.receives("cs", [2, f"{id_}-{attempt}", action, payload])
            self._settle()
            if f"{id_}-{attempt}" in self.answered:
                return
        raise AssertionError(f"{action} was not answered")

    def _report(self) -> None:
        """The charger tells its device model to whoever asked for it, in its own time."""
        while self.tells_reports and self.reports:
            payload = self.reports.pop(0)
            made = {"requestId": payload["requestId"], "generatedAt": "2025-06-01T10:00:02Z", "seqNo": 0}
            self._ask("report", "NotifyReport", made | {"reportData": [reported(1), reported(2)]})

    def _settle(self) -> None:
        while self.read < len(self.world.sent):
            leg, frame = self.world.sent[self.read]
            self.read += 1
            is_lost = self.read == self.at
            if not is_lost or self.is_heard:
                self._hears(leg, frame, is_lost)
            if is_lost and self.lost == "gateway":
                self.world.restart()
            elif is_lost:
                self.world.turn("be", False)
                self.world.turn("be", True)

    def _hears(self, leg: str, frame: list[Any], is_lost: bool) -> None:
        heard = self.charger if leg == "cs" else self.backend
        if frame[0] == 3 and leg == "cs" and not is_lost:
            self.answered.add(frame[1])
        if frame[0] != 2:
            return
        heard.append((frame[2], frame[3]))
        if frame[2] == "GetBaseReport" and leg == "cs":
            self.reports.append(frame[3])
        if frame[2] == "Reset" and self.exchange.boots:
            self.world.turn("cs", False)
            self.world.turn("be", False)
            self.world.turn("be", True)
            self.world.turn("cs", True)
            if is_lost and self.lost == "gateway":
                self.world.restart()
            self.world.advance(1.0)
            self._ask("boot", "BootNotification", BOOT)
        elif not is_lost:
            answer = _BOOTED if frame[2] == "BootNotification" else self.exchange.answers.get(frame[2], {})
            self.world.receives(leg, [3, frame[1], answer])


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_comes_to_its_end(name):
    play = Play(EXCHANGES[name]).run()
    assert EXCHANGES[name].holds(play.charger, play.backend), (play.charger, play.backend)
    assert_nothing_is_left(play)


def assert_nothing_is_left(play: Play) -> None:
    assert play.world.session.bridge is not None
    translator = play.world.session.bridge.translator
    memory = translator.memory
    assert (memory.owed, memory.reports, memory.begun, memory.held_reset) == ([], [], [], "")
    assert not translator.busy


@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize("lost", ["gateway", "link"])
@pytest.mark.parametrize("name", EXCHANGES)
def test_what_is_lost_amid_an_exchange_does_not_end_it(name, lost, is_heard):
    exchange = EXCHANGES[name]
    whole = Play(exchange).run()
    for at in range(1, len(whole.world.sent) + 1):
        play = Play(exchange, at, lost, is_heard).run()
        assert exchange.holds(play.charger, play.backend), (at, play.world.sent)
        assert_nothing_is_left(play)
        again = len(play.backend) - len(distinct_of(play.backend))
        assert again <= 1, (at, play.backend)


def distinct_of(heard: Heard) -> list[tuple[str, Payload]]:
    return [one for index, one in enumerate(heard) if one not in heard[:index]]
