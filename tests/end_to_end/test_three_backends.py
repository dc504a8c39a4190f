"""Two backends of the `ocpp` package in different versions and one on our own, at two chargers at once.

The leader speaks 1.6 and the observer 2.0.1, so that each charger is translated for one of them. The third
one uses the numbers and message ids of the others.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import ocpp.v16
import ocpp.v201
from conversations import ANSWERS, CHARGER_ANSWERS
from hostile import Hostile, commands_all, hostile
from ledgers import Charged, Down, Up, at, heard
from peers import Backend, Gateway, Peer, backend, charger, gateway, run, until

TABLES = """
[[backends]]
name = "second"
url = "{second}"
versions = ["2.0.1"]
commands = "all"
[[backends]]
name = "third"
url = "{third}"
commands = "all"
[[routes]]
leader = "main"
observers = ["second", "third"]
"""
SAME = "the-same-id"


def leader_answers() -> dict[str, dict[str, Any]]:
    ids = count(1)

    def started(**_: Any) -> dict[str, Any]:
        return {"transaction_id": next(ids), "id_tag_info": {"status": "Accepted"}}

    return {"ocpp1.6": ANSWERS["ocpp1.6"] | {"StartTransaction": started}}


@asynccontextmanager
async def three(folder: Path, third: Any) -> AsyncIterator[tuple[Gateway, Backend, Backend, Hostile]]:
    """The gateway in front of a leader of 1.6, an observer of 2.0.1, and another that does as it likes."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(backend(leader_answers()))
        answers = {"ocpp2.0.1": ANSWERS["ocpp2.0.1"] | {"NotifyEvent": {}}}
        second = await stack.enter_async_context(backend(answers))
        bad = await stack.enter_async_context(hostile(third))
        tables = TABLES.format(second=second.url, third=bad.url)
        node = await stack.enter_async_context(
            gateway(folder, first.url, backend='versions = ["1.6"]', tables=tables)
        )
        yield node, first, second, bad


def test_each_ledger_is_a_whole_session_with_ids_of_its_own(tmp_path: Path) -> None:
    async def test() -> None:
        up, down = Up(), Down()
        async with (
            three(tmp_path, commands_all) as (node, first, second, bad),
            charger(f"{node.url}/CP16", "ocpp1.6", up.charger_answers) as one,
            charger(f"{node.url}/CP201", "ocpp2.0.1", down.charger_answers) as two,
        ):
            for plan, peer, id_ in ((up, one, "CP16"), (down, two, "CP201")):
                await plan.introduce(peer)
                await second.peer(id_)
                await until(lambda id_=id_: id_ in bad.heard, "the third knows it")
                for number, wh in enumerate((1000, 5000)):
                    transaction = await plan.begin(peer, 1, "TAG1", wh, 10 * number + 1)
                    await plan.read(peer, transaction, wh + 100, 10 * number + 2)
                    await plan.end(peer, transaction, wh + 200, 10 * number + 3, "Local")
            for cpms, ledger in ((first, down), (second, up)):
                for id_ in ("CP16", "CP201"):
                    await until(lambda: ledgers_agree(cpms, ledger, id_), f"ledger of {id_}")  # noqa: B023
            for peer in (one, two):
                assert not heard(peer, "Reset") and not heard(peer, "UpdateFirmware")
                assert not heard(peer, "RemoteStopTransaction")
                await peer.wire.socket.close()

    run(test)


def ledgers_agree(cpms: Backend, ledger: Any, id_: str) -> bool:
    """Whether the backend has both sessions of this charger, whole."""
    try:
        return ledger.ledger(cpms, id_) == [
            Charged(1, "TAG1", at(first), wh, [wh + 100.0], at(first + 2), wh + 200.0, "Local")
            for first, wh in ((1, 1000.0), (11, 5000.0))
        ]
    except (KeyError, AssertionError, ValueError):
        return False  # not all of it is there


async def asks_as_well(here: Hostile, socket: Any, charger: str) -> None:
    """A backend that takes part, and asks the same as the others under the same ids."""
    while True:
        message = await here.hear(socket, charger)
        if message[0] != 2:
            continue
        boot = {"status": "Accepted", "currentTime": "2026-11-21T10:00:00Z", "interval": 300}
        await socket.send(json.dumps([3, message[1], boot if message[2] == "BootNotification" else {}]))
        if message[2] == "StatusNotification" and message[3]["connectorId"] == 2:
            for action, payload in ASKED:
                await socket.send(json.dumps([2, f"{SAME}-{action}", action, payload]))


PROFILE = {
    "chargingProfileId": 7,
    "stackLevel": 3,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
    },
}
RESERVED = {"connectorId": 1, "expiryDate": at(50), "idTag": "TAG2", "reservationId": 5}
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("GetConfiguration", {"key": ["Third"]}),
    ("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": PROFILE}),
    ("ReserveNow", RESERVED),
]


def test_the_same_ids_and_numbers_of_several_backends_never_cross(tmp_path: Path) -> None:
    def configured(key: Any = None, **_: Any) -> dict[str, Any]:
        names = key or []
        return {"configuration_key": [{"key": k, "readonly": True, "value": f"of {k}"} for k in names]}

    async def test() -> None:
        up = Up()
        answers = CHARGER_ANSWERS["ocpp1.6"] | {
            "GetConfiguration": configured,
            "SetChargingProfile": {"status": "Accepted"},
            "ReserveNow": {"status": "Accepted"},
        }
        async with (
            three(tmp_path, asks_as_well) as (node, first, second, bad),
            charger(f"{node.url}/CP1", "ocpp1.6", answers) as peer,
        ):
            await up.introduce(peer)
            main, other = await first.peer("CP1"), await second.peer("CP1")
            found = await asyncio.gather(
                *(_asked(main, number) for number in range(3)),
                _variable(other, f"{SAME}-GetConfiguration"),
            )
            assert found[0].configuration_key[0]["value"] == "of First"
            assert found[3].get_variable_result[0]["attribute_value"] == "of HeartbeatInterval"
            third = await until(lambda: len(bad.answers("CP1")) == 3 and bad.answers("CP1"), "answers")
            assert third[f"{SAME}-GetConfiguration"][2]["configurationKey"][0]["value"] == "of Third"
            profiles = [
                call["csChargingProfiles"]["chargingProfileId"] for call in heard(peer, "SetChargingProfile")
            ]
            reservations = [call["reservationId"] for call in heard(peer, "ReserveNow")]
            assert len(set(profiles)) == len(profiles) == 2 and 7 in profiles
            assert len(set(reservations)) == len(reservations) == 2 and 5 in reservations
            await peer.wire.socket.close()

    run(test)


async def _asked(main: Peer, number: int) -> Any:
    """The leader's own question, under the id that the third one uses."""
    request: Any = [
        ocpp.v16.call.GetConfiguration(key=["First"]),
        ocpp.v16.call.SetChargingProfile(
            connector_id=1,
            cs_charging_profiles={
                "charging_profile_id": 7,
                "stack_level": 1,
                "charging_profile_purpose": "TxDefaultProfile",
                "charging_profile_kind": "Absolute",
                "charging_schedule": {
                    "charging_rate_unit": "A",
                    "charging_schedule_period": [{"start_period": 0, "limit": 16.0}],
                },
            },
        ),
        ocpp.v16.call.ReserveNow(connector_id=1, expiry_date=at(50), id_tag="TAG1", reservation_id=5),
    ][number]
    action = type(request).__name__
    return await main.point.call(request, suppress=False, unique_id=f"{SAME}-{action}")


async def _variable(other: Peer, id_: str) -> Any:
    variable = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    request = ocpp.v201.call.GetVariables(get_variable_data=[variable])
    return await other.point.call(request, suppress=False, unique_id=id_)
