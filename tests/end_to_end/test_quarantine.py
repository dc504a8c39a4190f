"""Messages in quarantine are looked up, tried again, discarded and exported, by command and API."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import command, quarantined
from conversations import ANSWERS
from dialects import VALUES
from peers import Backend, Gateway, backend, charger, gateway, run, until
from websockets.asyncio.client import connect

STRICT = '[dialect]\nmode = "strict"\n'
VALUES_AS_TEXT = b'[2,"v1","MeterValues",{"connectorId":"1","meterValue":%b}]' % VALUES.encode()
REPAIRED = ["MeterValues", json.loads(VALUES_AS_TEXT.replace(b'"connectorId":"1"', b'"connectorId":1'))[3]]
HOPELESS = b'[2,"h1","MeterValues",{"meter\x80'


@asynccontextmanager
async def with_one_kept(
    folder: Path, cpms: Backend, tables: str = "", frame: bytes = VALUES_AS_TEXT
) -> AsyncIterator[tuple[Gateway, dict[str, Any]]]:
    """A gateway (of these `tables`) with a message of CP1 in quarantine that came when it was strict."""
    async with gateway(folder, cpms.url, tables=STRICT) as node:
        async with connect(
            f"{node.url}/CP1", subprotocols=["ocpp1.6"], compression=None, proxy=None
        ) as socket:
            await socket.send(frame, text=True)
            assert json.loads(await socket.recv())[0] == 4
        entry = await quarantined(node, "CP1")
    async with gateway(folder, cpms.url, tables=tables) as node:
        yield node, entry


async def state_of(node: Gateway, entry: dict[str, Any]) -> tuple[str, str]:
    """State and outcome of an entry."""
    now = (await command("quarantine", "show", entry["id"], "--json", "--admin", node.admin)).rows[0]
    return now["state"], now["outcome"]


def test_a_retry_delivers_what_the_present_mode_can_read(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, with_one_kept(tmp_path, cpms) as (node, entry):
            assert b64decode(entry["raw_base64"]) == VALUES_AS_TEXT
            async with charger(f"{node.url}/CP1", "ocpp1.6") as here:
                link = await cpms.peer("CP1", number=1)
                told = await command("quarantine", "retry", entry["id"], "--admin", node.admin)
                assert told.status == 0
                assert told.out.startswith(f"{entry['id']}: delivered")
                (frame,) = link.wire.received
                assert json.loads(frame)[2:] == REPAIRED
                assert json.loads(link.wire.sent[0])[0] == 3
                assert await state_of(node, entry) == ("delivered", "the backend took the MeterValues")
                await here.call("Heartbeat")
                assert len(here.wire.received) == 1
            again = await command("quarantine", "retry", entry["id"], "--admin", node.admin)
            assert again.status == 1
            assert "delivered already" in again.err

    run(test)


def test_a_retry_for_a_charger_that_is_not_there_goes_over_a_link_in_its_name(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, with_one_kept(tmp_path, cpms) as (node, entry):
            told = await command("quarantine", "retry", entry["id"], "--admin", node.admin)
            assert told.status == 0
            link = await cpms.peer("CP1", number=1)
            assert [json.loads(frame)[2] for frame in link.wire.received] == ["MeterValues"]
            await until(lambda: link.closed, "end of the link that nobody needs any more")

    run(test)


def test_a_retry_says_when_no_link_can_be_opened_and_works_when_the_charger_is_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, tables=STRICT) as node:
            async with connect(
                f"{node.url}/CP1",
                subprotocols=["ocpp1.6"],
                compression=None,
                proxy=None,
                additional_headers={"Authorization": "Basic Q1AxOnBhc3N3b3Jk"},
            ) as socket:
                await socket.send(HOPELESS, text=True)
                await socket.recv()
            entry = await quarantined(node, "CP1")
            told = await command("quarantine", "retry", entry["id"], "--admin", node.admin)
            assert told.status == 1
            assert "the charger is not connected" in told.out
            assert (await state_of(node, entry))[0] == "retried"
            repaired = tmp_path / "repaired.json"
            repaired.write_bytes(VALUES_AS_TEXT.replace(b'"connectorId":"1"', b'"connectorId":1'))
            async with charger(f"{node.url}/CP1", "ocpp1.6"):
                told = await command(
                    *("quarantine", "retry", entry["id"], "--repaired", repaired, "--admin", node.admin)
                )
                assert told.status == 0, told.out + told.err
                link = await cpms.peer("CP1", number=1)
                assert [json.loads(frame)[2:] for frame in link.wire.received] == [REPAIRED]

    run(test)


@pytest.mark.parametrize(
    ("frame", "tables", "outcome"),
    [
        (HOPELESS, "", "it still cannot be read as one CALL of this version"),
        (VALUES_AS_TEXT, STRICT, "it still cannot be read as one CALL of this version"),
        (VALUES_AS_TEXT, '[dialect]\nmode = "observe"\n', "the backend refused the MeterValues: "),
    ],
    ids=["hopeless", "still-strict", "refused"],
)
def test_a_retry_that_fails_says_why_and_the_message_stays(
    frame: bytes, tables: str, outcome: str, tmp_path: Path
) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            with_one_kept(tmp_path, cpms, tables, frame) as (node, entry),
            charger(f"{node.url}/CP1", "ocpp1.6"),
        ):
            await cpms.peer("CP1", number=1)
            told = await command("quarantine", "retry", entry["id"], "--json", "--admin", node.admin)
            assert told.status == 1
            (answer,) = told.rows
            assert (answer["state"], answer["delivered"]) == ("retried", False)
            assert answer["outcome"].startswith(outcome)
            assert await state_of(node, entry) == ("retried", answer["outcome"])
            assert b64decode((await quarantined(node, "CP1"))["raw_base64"]) == frame

    run(test)


def test_a_message_nobody_needs_is_discarded_and_stays_to_be_seen(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, with_one_kept(tmp_path, cpms) as (node, entry):
            admin = ("--admin", node.admin)
            told = await command("quarantine", "discard", entry["id"], "--reason", "seen by Ada", *admin)
            assert told.status == 0
            assert await state_of(node, entry) == ("discarded", "seen by Ada")
            assert (await command("quarantine", "list", "--state", "open", "--json", *admin)).rows == []
            assert (await command("quarantine", "retry", entry["id"], *admin)).status == 1
            no_such = await command("quarantine", "discard", "0123456789abcdef", *admin)
            assert no_such.status == 1
        data = ("--data", str(tmp_path / "data"))
        (kept,) = (await command("quarantine", "list", "--state", "discarded", "--json", *data)).rows
        assert kept["id"] == entry["id"]

    run(test)


def test_an_export_is_what_inspect_reads(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms:
            async with with_one_kept(tmp_path, cpms, STRICT) as (node, _):
                async with connect(
                    f"{node.url}/CP2", subprotocols=["ocpp1.6"], compression=None, proxy=None
                ) as socket:
                    await socket.send(HOPELESS, text=True)
                    await socket.recv()
                    await quarantined(node, "CP2")
                exported = await command("quarantine", "export", "--admin", node.admin)
            offline = await command("quarantine", "export", "--data", str(tmp_path / "data"))
            assert offline.out == exported.out
            reports = {
                row["id"]: row for row in (await command("inspect", "--json", "-", given=exported.out)).rows
            }
            by_charger = {row["charger"]: reports[row["id"]] for row in exported.rows}
            assert by_charger["CP1"]["outcome"] == "repaired"
            assert json.loads(by_charger["CP1"]["frames"][0])[2:] == REPAIRED
            assert [flag["code"] for flag in by_charger["CP1"]["flags"]] == ["text-as-number"]
            assert (by_charger["CP2"]["outcome"], by_charger["CP2"]["frames"]) == ("quarantined", [])

    run(test)


def test_the_api_pages_through_the_quarantine(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url, tables=STRICT) as node,
            connect(f"{node.url}/CP1", subprotocols=["ocpp1.6"], compression=None, proxy=None) as socket,
        ):
            frames = [b'[2,"a%d","Authorize",{}]' % number for number in range(3)]
            for frame in frames:
                await socket.send(frame, text=True)
                await socket.recv()

            async def page(path: str) -> dict[str, Any]:
                found = json.loads(await node.get(path))
                assert isinstance(found, dict)
                return found

            async def all_there() -> bool:
                return len((await page("/api/v1/quarantine?charger=CP1"))["entries"]) == len(frames)

            await until(all_there, "three messages")
            first = await page("/api/v1/quarantine?charger=CP1&raw=true&state=open&limit=2")
            second = await page(first["next"])
            raws = [entry["raw"].encode() for entry in first["entries"] + second["entries"]]
            assert raws == frames[::-1]
            assert second["next"] is None

    run(test)
