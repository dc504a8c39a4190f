"""Chargers behind a backend of another version, over real sockets, through outages and restarts."""

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from conversations import ANSWERS, CHARGER_ANSWERS
from ledgers import HEARTBEAT_INTERVAL, Charged, Down, Up, at, heard
from peers import Gateway, Peer, backend, charger, gateway, run, until

Side = Up | Down
BOTH = pytest.mark.parametrize("make", [Up, Down])

KNOWN = '[outage]\nunknown_tags = "accept-all"\nhold_s = 0.2\n'
FIRST = Charged(1, "04A1B2C3D4E5F6", at(1), 1000, [1500.0], at(30), 2000, "Local")
SECOND = Charged(2, "04A1B2C3D4E5F7", at(2), 7000, [7300.0], at(40), 9000, "EVDisconnected")


def connected(side: Side, node: Gateway, id_: str = "CP1") -> AbstractAsyncContextManager[Peer]:
    return charger(f"{node.url}/{id_}", side.charger, side.charger_answers)


async def all_told(side: Side, cpms: Any, expected: list[Charged]) -> None:
    """The backend's ledger is soon what the chargers did, and stays it."""
    await until(
        lambda: "CP1" in cpms.peers and side.ledger(cpms, "CP1") == expected,
        f"the ledger {expected}",
    )


async def ids_are_shown(side: Up, node: Gateway, cpms: Any, count: int) -> bool:
    """Whether an operator sees the ids under which the backend knows so many transactions."""
    shown = json.loads(await node.get("/api/v1/chargers/CP1"))
    ids = side.ids(cpms, "CP1")
    return len(ids) == count and all(
        {one["backend_id"] for one in place["transactions"]} == ids for place in (shown, shown["backends"][0])
    )


@BOTH
def test_two_connectors_charge_at_once(tmp_path: Path, make: type[Side]) -> None:
    side = make()

    async def test() -> None:
        async with (
            backend(side.answers) as cpms,
            gateway(tmp_path, cpms.url, backend=side.versions) as node,
            connected(side, node) as peer,
        ):
            await side.introduce(peer)
            one = await side.begin(peer, 1, FIRST.tag, 1000, 1)
            two = await side.begin(peer, 2, SECOND.tag, 7000, 2)
            assert one != two
            if isinstance(side, Up):  # a charger of 2.x gives the ids; only what was stored is noted
                await until(lambda: ids_are_shown(side, node, cpms, 2), "the backend's ids are shown")
            await side.read(peer, two, 7300, 10)
            await side.read(peer, one, 1500, 11)
            await side.end(peer, one, 2000, 30, "Local")
            await side.end(peer, two, 9000, 40, "EVDisconnected")
            await all_told(side, cpms, [FIRST, SECOND])
            assert cpms.peers["CP1"][0].subprotocol == side.backend

    run(test)


@BOTH
def test_a_charger_reconnects_in_a_transaction(tmp_path: Path, make: type[Side]) -> None:
    side = make()

    async def test() -> None:
        async with backend(side.answers) as cpms, gateway(tmp_path, cpms.url, backend=side.versions) as node:
            async with connected(side, node) as peer:
                await side.introduce(peer)
                transaction = await side.begin(peer, 1, FIRST.tag, 1000, 1)
            async with connected(side, node) as peer:
                await side.read(peer, transaction, 1500, 10)
                await side.end(peer, transaction, 2000, 30, "Local")
            await all_told(side, cpms, [FIRST])

    run(test)


@BOTH
def test_the_gateway_is_killed_in_a_transaction(tmp_path: Path, make: type[Side]) -> None:
    side = make()

    async def test() -> None:
        async with backend(side.answers) as cpms:
            async with (
                gateway(tmp_path, cpms.url, backend=side.versions) as node,
                connected(side, node) as peer,
            ):
                await side.introduce(peer)
                transaction = await side.begin(peer, 1, FIRST.tag, 1000, 1)
                await node.kill()
            async with (
                gateway(tmp_path, cpms.url, backend=side.versions) as node,
                connected(side, node) as peer,
            ):
                await side.read(peer, transaction, 1500, 10)
                await side.end(peer, transaction, 2000, 30, "Local")
                await all_told(side, cpms, [FIRST])

    run(test)


@BOTH
def test_the_backend_is_away_in_a_transaction(tmp_path: Path, make: type[Side]) -> None:
    side = make()

    async def test() -> None:
        async with (
            backend(side.answers) as cpms,
            gateway(tmp_path, cpms.url, backend=side.versions, tables=KNOWN) as node,
            connected(side, node) as peer,
        ):
            await side.introduce(peer)
            one = await side.begin(peer, 1, FIRST.tag, 1000, 1)
            await cpms.stop()
            two = await side.begin(peer, 2, SECOND.tag, 7000, 2)
            await side.read(peer, two, 7300, 10)
            await side.read(peer, one, 1500, 11)
            await side.end(peer, one, 2000, 30, "Local")
            await cpms.start()
            await all_told(side, cpms, [FIRST, Charged(2, SECOND.tag, at(2), 7000, [7300.0])])
            await side.end(peer, two, 9000, 40, "EVDisconnected")
            await all_told(side, cpms, [FIRST, SECOND])

    run(test)


@BOTH
def test_killed_and_away_at_once(tmp_path: Path, make: type[Side]) -> None:
    """The whole transaction is told while the backend is away, and the gateway dies before it is back."""
    side = make()

    async def test() -> None:
        async with backend(side.answers) as cpms:
            async with (
                gateway(tmp_path, cpms.url, backend=side.versions, tables=KNOWN) as node,
                connected(side, node) as peer,
            ):
                await side.introduce(peer)
                await cpms.stop()
                transaction = await side.begin(peer, 1, FIRST.tag, 1000, 1)
                await side.read(peer, transaction, 1500, 10)
                await side.end(peer, transaction, 2000, 30, "Local")
                await node.kill()
            await cpms.start()
            async with gateway(tmp_path, cpms.url, backend=side.versions, tables=KNOWN):
                await all_told(side, cpms, [FIRST])

    run(test)


def test_remote_start_and_stop_from_a_2x_backend(tmp_path: Path) -> None:
    side = Up()

    async def test() -> None:
        async with (
            backend(side.answers) as cpms,
            gateway(tmp_path, cpms.url, backend=side.versions) as node,
            connected(side, node) as peer,
        ):
            await side.introduce(peer)
            there = await cpms.peer("CP1")
            token = {"id_token": FIRST.tag, "type": "ISO14443"}
            answer = await there.call("RequestStartTransaction", id_token=token, remote_start_id=7, evse_id=1)
            assert answer.status == "Accepted"
            assert heard(peer, "RemoteStartTransaction") == [{"connectorId": 1, "idTag": FIRST.tag}]
            transaction = await side.begin(peer, 1, FIRST.tag, 1000, 1)
            (started,) = heard(there, "TransactionEvent")
            assert started["triggerReason"] == "RemoteStart"
            info = started["transactionInfo"]
            assert info["remoteStartId"] == 7
            stopped = await there.call("RequestStopTransaction", transaction_id=info["transactionId"])
            assert stopped.status == "Accepted"
            assert heard(peer, "RemoteStopTransaction") == [{"transactionId": transaction[1]}]
            await side.end(peer, transaction, 2000, 30, "Remote")
            await all_told(side, cpms, [Charged(1, FIRST.tag, at(1), 1000, [], at(30), 2000, "Remote")])

    run(test)


def test_remote_start_and_stop_from_a_1_6_backend(tmp_path: Path) -> None:
    side = Down()

    async def test() -> None:
        async with (
            backend(side.answers) as cpms,
            gateway(tmp_path, cpms.url, backend=side.versions) as node,
            connected(side, node) as peer,
        ):
            await side.introduce(peer)
            there = await cpms.peer("CP1")
            answer = await there.call("RemoteStartTransaction", id_tag=FIRST.tag, connector_id=1)
            assert answer.status == "Accepted"
            (asked,) = heard(peer, "RequestStartTransaction")
            assert (asked["evseId"], asked["idToken"]["idToken"]) == (1, FIRST.tag)
            transaction = await side.begin(peer, 1, FIRST.tag, 1000, 1, remoteStartId=asked["remoteStartId"])
            answer = await there.call("RemoteStopTransaction", transaction_id=501)
            assert answer.status == "Accepted"
            assert heard(peer, "RequestStopTransaction") == [{"transactionId": transaction[1]}]
            await side.end(peer, transaction, 2000, 30, "Remote")
            await all_told(side, cpms, [Charged(1, FIRST.tag, at(1), 1000, [], at(30), 2000, "Remote")])

    run(test)


PROFILE = {
    "stack_level": 0,
    "charging_profile_purpose": "TxDefaultProfile",
    "charging_profile_kind": "Absolute",
}
SCHEDULE = {
    "start_schedule": at(0),
    "charging_rate_unit": "A",
    "charging_schedule_period": [{"start_period": 0, "limit": 16.0}],
}


def test_a_2x_backend_configures_a_1_6_charger(tmp_path: Path) -> None:
    side = Up()

    async def test() -> None:
        async with (
            backend(side.answers) as cpms,
            gateway(tmp_path, cpms.url, backend=side.versions) as node,
            connected(side, node) as peer,
        ):
            await side.introduce(peer)
            there = await cpms.peer("CP1")
            got = await there.call("GetVariables", get_variable_data=[HEARTBEAT_INTERVAL])
            assert got.get_variable_result[0]["attribute_value"] == "300"
            wanted = HEARTBEAT_INTERVAL | {"attribute_value": "600"}
            done = await there.call("SetVariables", set_variable_data=[wanted])
            assert done.set_variable_result[0]["attribute_status"] == "RebootRequired"
            assert heard(peer, "ChangeConfiguration") == [{"key": "HeartbeatInterval", "value": "600"}]
            profile = PROFILE | {"id": 9, "charging_schedule": [SCHEDULE | {"id": 1}]}
            put = await there.call("SetChargingProfile", evse_id=1, charging_profile=profile)
            assert put.status == "Accepted"
            (heard_profile,) = heard(peer, "SetChargingProfile")
            assert heard_profile["connectorId"] == 1
            assert heard_profile["csChargingProfiles"]["chargingProfileId"] == 9
            cleared = await there.call("ClearChargingProfile", charging_profile_id=9)
            assert cleared.status == "Accepted"
            assert heard(peer, "ClearChargingProfile") == [{"id": 9}]

    run(test)


def test_a_1_6_backend_configures_a_2x_charger(tmp_path: Path) -> None:
    side = Down()

    async def test() -> None:
        async with (
            backend(side.answers) as cpms,
            gateway(tmp_path, cpms.url, backend=side.versions) as node,
            connected(side, node) as peer,
        ):
            await side.introduce(peer)
            there = await cpms.peer("CP1")
            got = await there.call("GetConfiguration", key=["HeartbeatInterval"])
            assert got.configuration_key == [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]
            done = await there.call("ChangeConfiguration", key="HeartbeatInterval", value="600")
            assert done.status == "Accepted"
            (written,) = heard(peer, "SetVariables")
            assert written["setVariableData"][0]["attributeValue"] == "600"
            profile = PROFILE | {"charging_profile_id": 9, "charging_schedule": SCHEDULE}
            put = await there.call("SetChargingProfile", connector_id=1, cs_charging_profiles=profile)
            assert put.status == "Accepted"
            (heard_profile,) = heard(peer, "SetChargingProfile")
            assert (heard_profile["evseId"], heard_profile["chargingProfile"]["id"]) == (1, 9)
            cleared = await there.call("ClearChargingProfile", id=9)
            assert cleared.status == "Accepted"
            assert heard(peer, "ClearChargingProfile")[-1] == {"chargingProfileId": 9}

    run(test)


def test_who_shares_a_version_with_the_backend_is_not_translated(tmp_path: Path) -> None:
    """A 2.0.1 charger passes byte for byte, with what only its version has; a 1.6 one is translated."""

    async def test() -> None:
        up, there = Up(), "ocpp2.0.1"
        native = CHARGER_ANSWERS[there] | {"GetMonitoringReport": {"status": "Accepted"}}
        async with (
            backend(up.answers) as cpms,
            gateway(tmp_path, cpms.url, backend=up.versions) as node,
            charger(f"{node.url}/NATIVE", there, native) as peer,
            connected(up, node) as old,
        ):
            frame = '[2,  "n1", "Heartbeat", { } ]'
            await peer.wire.send(frame)
            await until(lambda: any('"n1"' in str(got) for got in peer.wire.received), "the answer")
            link = await cpms.peer("NATIVE")
            assert link.wire.received == [frame]
            assert peer.wire.received == link.wire.sent
            answer = await link.call("GetMonitoringReport", request_id=1)
            assert answer.status == "Accepted"
            await up.introduce(old)
            transaction = await up.begin(old, 1, FIRST.tag, 1000, 1)
            await up.read(old, transaction, 1500, 10)
            await up.end(old, transaction, 2000, 30, "Local")
            await all_told(up, cpms, [FIRST])
            shown = json.loads(await node.get("/api/v1/chargers/CP1"))
            assert (shown["version"], shown["backend_version"]) == ("1.6", "2.0.1")
            shown = json.loads(await node.get("/api/v1/chargers/NATIVE"))
            assert (shown["version"], shown["backend_version"]) == ("2.0.1", "2.0.1")

    run(test)


@pytest.mark.parametrize(("spoken", "chosen"), [("1.6", "ocpp1.6"), ("2.0.1", "ocpp2.0.1")])
def test_a_charger_that_offers_several_versions_gets_the_one_that_needs_no_translation(
    tmp_path: Path, spoken: str, chosen: str
) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url, backend=f'versions = ["{spoken}"]') as node,
            charger(f"{node.url}/CP1", ["ocpp2.0.1", "ocpp1.6"]) as peer,
        ):
            assert peer.subprotocol == chosen
            assert (await cpms.peer("CP1")).subprotocol == chosen

    run(test)
