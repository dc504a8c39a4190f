"""Numbers that two backends use at one charger."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ocpp.actions import actions_of
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import Node, schema
from gateway.routing import ids as module
from gateway.routing.ids import COMMANDS, FIRST_REPLACEMENT, MOST_PER_BACKEND, NOTICES, Ids

SECOND = FIRST_REPLACEMENT + 5


def reserve(ids: Ids, backend: str, number: int) -> int:
    payload = {"reservationId": number, "idTag": "T", "connectorId": 1}
    return (ids.to_charger(backend, "ReserveNow", payload) or payload)["reservationId"]


def test_a_number_is_replaced_only_when_another_backend_has_it():
    ids = Ids()
    assert reserve(ids, "a", 5) == 5
    assert reserve(ids, "a", 5) == 5
    assert reserve(ids, "b", 5) == SECOND
    assert reserve(ids, "c", 5) == SECOND + 1
    assert reserve(ids, "b", 6) == 6
    assert reserve(ids, "b", 5) == SECOND
    assert reserve(ids, "a", SECOND) not in (5, SECOND, SECOND + 1)


def test_a_number_of_one_kind_is_free_for_the_others():
    ids = Ids()
    assert ids.to_charger("a", "GetReport", {"requestId": 5}) is None
    assert ids.to_charger("b", "GetLog", {"requestId": 5}) is None
    assert ids.to_charger("b", "GetBaseReport", {"requestId": 5}) == {"requestId": SECOND}


def test_nobody_cancels_what_is_another_backends():
    ids = Ids()
    reserve(ids, "a", 5)
    cancelled = ids.to_charger("b", "CancelReservation", {"reservationId": 5})
    assert cancelled["reservationId"] not in (5, None)
    assert ids.to_charger("a", "CancelReservation", {"reservationId": 5}) is None
    reserve(ids, "b", 5)
    assert ids.to_charger("b", "CancelReservation", {"reservationId": 5}) == {"reservationId": SECOND}
    assert ids.to_charger("b", "CancelReservation", {"reservationId": 77}) is None


def test_a_transaction_is_for_all_without_the_numbers_of_others():
    ids = Ids()
    reserve(ids, "a", 5)
    reserve(ids, "b", 5)
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "reservationId": SECOND}
    owner = ids.from_charger("StartTransaction", start)
    assert owner.backend is None
    assert owner.payload_for("b") == start | {"reservationId": 5}
    without = {key: value for key, value in start.items() if key != "reservationId"}
    assert owner.payload_for("a") == owner.payload_for("stranger") == without
    assert start["reservationId"] == SECOND
    assert ids.from_charger("StartTransaction", start | {"reservationId": 99}) is None
    assert ids.from_charger("StartTransaction", without) is None


def test_an_event_can_carry_numbers_of_two_backends():
    ids = Ids()
    ids.to_charger("a", "ReserveNow", {"id": 1})
    ids.to_charger("b", "RequestStartTransaction", {"remoteStartId": 1})
    event = {"reservationId": 1, "transactionInfo": {"transactionId": "x", "remoteStartId": 1}}
    owner = ids.from_charger("TransactionEvent", event)
    assert owner.payload_for("a") == {"reservationId": 1, "transactionInfo": {"transactionId": "x"}}
    assert owner.payload_for("b") == {"transactionInfo": {"transactionId": "x", "remoteStartId": 1}}
    assert owner.payload_for("c") == {"transactionInfo": {"transactionId": "x"}}


def test_an_answer_to_a_request_is_for_its_author_alone():
    ids = Ids()
    ids.to_charger("a", "GetReport", {"requestId": 5})
    ids.to_charger("b", "GetReport", {"requestId": 5})
    owner = ids.from_charger("NotifyReport", {"requestId": SECOND, "seqNo": 0})
    assert owner.backend == "b"
    assert owner.payload_for("b") == {"requestId": 5, "seqNo": 0}
    assert owner.payload_for("a") is None
    assert ids.from_charger("NotifyReport", {"requestId": 5}).payload_for("a") == {"requestId": 5}
    assert ids.from_charger("NotifyReport", {"requestId": 6}) is None
    assert ids.from_charger("LogStatusNotification", {"status": "Idle"}) is None


def test_firmware_concerns_everybody():
    ids = Ids()
    ids.to_charger("a", "UpdateFirmware", {"requestId": 5})
    owner = ids.from_charger("FirmwareStatusNotification", {"status": "Installing", "requestId": 5})
    assert owner.payload_for("a") == {"status": "Installing", "requestId": 5}
    assert owner.payload_for("b") == {"status": "Installing"}


def test_a_required_number_of_another_backend_is_one_that_the_reader_does_not_use():
    ids = Ids()
    ids.to_charger("a", "RequestBatterySwap", {"requestId": 5})
    ids.to_charger("b", "RequestBatterySwap", {"requestId": 5})
    owner = ids.from_charger("BatterySwap", {"requestId": 5})
    assert owner.payload_for("a") == {"requestId": 5}
    assert owner.payload_for("b")["requestId"] not in (5, SECOND)
    assert owner.payload_for("c") == {"requestId": 5}


def test_a_report_of_profiles_shows_each_number_once():
    ids = Ids()
    for backend in ("a", "b"):
        ids.to_charger(backend, "SetChargingProfile", {"evseId": 1, "chargingProfile": {"id": 5}})
    asked = ids.to_charger(
        "b", "GetChargingProfiles", {"requestId": 1, "chargingProfile": {"chargingProfileId": [5, 6]}}
    )
    assert asked["chargingProfile"]["chargingProfileId"] == [SECOND, 6]
    report = {"requestId": 1, "chargingProfile": [{"id": 5}, {"id": SECOND}, {"id": 8}]}
    read = ids.from_charger("ReportChargingProfiles", report).payload_for("b")
    numbers = [profile["id"] for profile in read["chargingProfile"]]
    assert numbers[1:] == [5, 8]
    assert numbers[0] not in (5, 6, 8)
    cleared = {"chargingProfileId": numbers[0]}
    assert (ids.to_charger("b", "ClearChargingProfile", cleared) or cleared)["chargingProfileId"] != 5


def test_numbers_survive_a_restart():
    ids = Ids()
    before = ids.revision
    reserve(ids, "a", 5)
    reserve(ids, "b", 5)
    assert ids.revision == before + 2
    reserve(ids, "b", 5)
    assert ids.revision == before + 2
    again = Ids(ids.snapshot())
    assert len(again) == 2
    assert reserve(again, "b", 5) == SECOND
    assert reserve(again, "c", 5) not in (5, SECOND)
    with pytest.raises(msgspec.DecodeError):
        Ids(b"{}")


def test_a_backend_that_makes_up_numbers_without_end_harms_only_itself():
    ids = Ids()
    reserve(ids, "a", 5)
    reserve(ids, "b", 5)
    for number in range(10 * MOST_PER_BACKEND):
        reserve(ids, "b", number)
    assert len(ids) <= 2 * MOST_PER_BACKEND
    assert reserve(ids, "a", 5) == 5
    assert ids.from_charger("ReservationStatusUpdate", {"reservationId": 5}).backend == "a"


def test_the_oldest_unused_number_is_the_one_forgotten():
    ids = Ids()
    reserve(ids, "a", 1)
    reserve(ids, "a", 2)
    for number in range(100, 99 + MOST_PER_BACKEND):
        reserve(ids, "a", 1)
        reserve(ids, "a", number)
    assert ids.from_charger("ReservationStatusUpdate", {"reservationId": 1}) is not None
    assert ids.from_charger("ReservationStatusUpdate", {"reservationId": 2}) is None


@pytest.mark.parametrize("payload", [{}, {"requestId": "5"}, {"requestId": True}, {"requestId": 5.0}])
def test_what_is_no_number_is_left_alone(payload):
    ids = Ids()
    ids.to_charger("a", "GetReport", {"requestId": 5})
    assert ids.to_charger("b", "GetReport", payload) is None
    assert ids.from_charger("NotifyReport", payload) is None


def has(node: Node, path: tuple[str, ...]) -> bool:
    while node.items is not None:
        node = node.items
    return (
        node.type == "integer"
        if not path
        else path[0] in node.properties and has(node.properties[path[0]], path[1:])
    )


def test_every_place_is_one_of_the_schemas():
    for sender, table in ((Sender.BACKEND, module._TO_CHARGER), (Sender.CHARGER, module._FROM_CHARGER)):
        for action, places in table.items():
            requests = [schema(v, action, True) for v in Version if action in actions_of(v, sender)]
            assert requests
            for place in places:
                assert any(has(request, place.path) for request in requests), (action, place)
    for action in module._FOR_ALL - module._REQUIRED:
        for place in module._FROM_CHARGER[action]:
            for version in Version:
                request = schema(version, action, True)
                if request is not None and place.path[0] in request.properties:
                    owner = request if len(place.path) == 1 else request.properties[place.path[0]]
                    assert place.path[-1] not in owner.required


def test_every_request_id_of_the_schemas_has_its_place():
    made_by_charger = {"SignCertificate", "CertificateSigned"}
    for version, sender in itertools.product(Version, Sender):
        table = COMMANDS if sender is Sender.BACKEND else NOTICES
        for action in actions_of(version, sender):
            request = schema(version, action, True)
            names = {"requestId", "reservationId", "remoteStartId"} & request.properties.keys()
            assert not names or action in table | made_by_charger, action


class World:
    """What is true: who uses which number at the charger."""

    def __init__(self) -> None:
        self.ids = Ids()
        self.at_charger: dict[int, tuple[str, int]] = {}


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.integers(0, 4) | st.integers(FIRST_REPLACEMENT, FIRST_REPLACEMENT + 6),
            st.sampled_from(["use", "cancel", "restart"]),
        ),
        max_size=60,
    )
)
def test_whatever_backends_do_each_keeps_its_own(steps):
    world = World()
    for backend, number, what in steps:
        payload = {"reservationId": number}
        if what == "restart":
            world.ids = Ids(world.ids.snapshot())
        elif what == "cancel":
            sent = (world.ids.to_charger(backend, "CancelReservation", payload) or payload)["reservationId"]
            assert world.at_charger.get(sent, (backend, number)) == (backend, number)
        else:
            sent = reserve(world.ids, backend, number)
            assert world.at_charger.setdefault(sent, (backend, number)) == (backend, number)
            assert 0 <= sent < 2**31
    for at_charger, (backend, number) in world.at_charger.items():
        owner = world.ids.from_charger("ReservationStatusUpdate", {"reservationId": at_charger})
        assert owner.backend == backend
        assert owner.payload_for(backend) == {"reservationId": number}
        event = world.ids.from_charger("TransactionEvent", {"reservationId": at_charger})
        for other in "abc":
            assert event.payload_for(other) == ({"reservationId": number} if other == backend else {})


def test_a_null_where_a_number_belongs_is_left_alone():
    ids = Ids()
    ids.to_charger("a", "GetReport", {"requestId": 5})
    assert ids.to_charger("b", "GetReport", {"requestId": None}) is None
