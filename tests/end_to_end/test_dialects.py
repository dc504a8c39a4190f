"""Chargers with the worst dialects finish their sessions at a backend that takes nothing but the standard."""

import json
import re
import sqlite3
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import command, quarantined, stored_flags
from conversations import ANSWERS
from dialects import STATUS, STORY, VALUES, VISITS
from ocpp.messages import Call, CallResult, _validate_payload
from peers import NOW, Backend, Gateway, Recorder, backend, charger, gateway, run, until
from websockets.asyncio.client import connect

from gateway.store import sqlite_file


def version_of(name: str) -> str:
    return "ocpp2.0.1" if "201" in name else "ocpp1.6"


def id_of(frame: bytes) -> str:
    """The message id of a CALL as the charger wrote it, in JSON's spelling."""
    found = re.match(rb"""[^,]*,\s*("[^"]*"|'[^']*'|\d+)""", frame)
    assert found is not None
    return found[1].decode().replace("'", '"')


async def go_through(node: Gateway, name: str) -> list[str]:
    """The whole visit of one charger, each CALL after the answer to the one before; the answers."""
    async with connect(
        f"{node.url}/{name}", subprotocols=[version_of(name)], compression=None, proxy=None
    ) as socket:
        wire = Recorder(socket)
        for frame in VISITS[name]:
            await socket.send(frame, text=True)
            await wire.recv()
        return [str(frame) for frame in wire.received]


def assert_answered(name: str, answers: list[str], actions: list[str]) -> None:
    """Every CALL has its own valid CALLRESULT, under the id as the charger spells it."""
    for sent, answer, action in zip(VISITS[name], answers, actions, strict=True):
        assert answer.startswith(f"[3,{id_of(sent)},"), (name, answer)
        result = CallResult(*json.loads(answer)[1:], action=action)
        _validate_payload(result, version_of(name).removeprefix("ocpp"))


async def assert_nothing_wrong_at_the_backend(cpms: Backend, name: str) -> list[str]:
    """Every frame is the CALL of a known action that fits its schema, and was answered. The actions."""
    link = await cpms.peer(name)
    actions = []
    for frame in link.wire.received:
        type_, id_, action, payload = json.loads(frame)
        assert type_ == 2
        _validate_payload(Call(id_, action, payload), version_of(name).removeprefix("ocpp"))
        actions.append(action)
    await until(lambda: len(link.wire.sent) == len(actions), "the answer to the last CALL")
    assert all(str(frame).startswith("[3,") for frame in link.wire.sent), (name, link.wire.sent)
    return actions


async def told(*source: str) -> dict[str, set[tuple[str, str, str, str]]]:
    """What `ocpp-gateway flags` says of every charger: code, path, before, after."""
    stories: dict[str, set[tuple[str, str, str, str]]] = {}
    for row in (await command("flags", "--json", "--limit", "1000", *source)).rows:
        line = (row["code"], row["path"], row["before"], row["after"])
        stories.setdefault(row["charger"], set()).add(line)
    return stories


def test_every_dialect_completes_its_session_and_the_flags_tell_the_story(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            for name in VISITS:
                answers = await go_through(node, name)
                actions = await assert_nothing_wrong_at_the_backend(cpms, name)
                assert_answered(name, answers, actions)

            async def all_told() -> bool:
                return await told("--admin", node.admin) == STORY

            await until(all_told, "the whole story")
        assert await told("--data", str(tmp_path / "data")) == STORY

    run(test)


HEARTBEAT = b'[2,"after","Heartbeat",{}]'
AUTHORIZE_WITHOUT_TAG = b'[2,"auth","Authorize",{}]'
VALUES_WITHOUT_CONNECTOR = b'[2, "values", "MeterValues", {"meterValue": %b}]' % VALUES.encode()
NOISE = b"[\xff\xfe\x17 +CMTI: \x80 MeterValues"


@asynccontextmanager
async def raw_charger(node: Gateway, name: str, version: str = "ocpp1.6") -> AsyncIterator[Recorder]:
    """A charger that sends whatever it likes."""
    async with connect(f"{node.url}/{name}", subprotocols=[version], compression=None, proxy=None) as socket:
        yield Recorder(socket)


async def ask(wire: Recorder, frame: bytes) -> list[Any]:
    """The answer to a frame."""
    await wire.socket.send(frame, text=True)
    answer = json.loads(await wire.recv())
    assert isinstance(answer, list)
    return answer


@contextmanager
def busy_disk(data: Path) -> Iterator[None]:
    """While it lasts, the gateway cannot write to its store; it waits."""
    with closing(sqlite3.connect(data / sqlite_file.NAME, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


def test_billing_data_that_the_backend_refuses_is_on_disk_before_the_charger_hears_so(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            async with raw_charger(node, "CP1") as wire:
                with busy_disk(tmp_path / "data"):
                    await wire.socket.send(VALUES_WITHOUT_CONNECTOR, text=True)
                    assert (await ask(wire, HEARTBEAT))[1] == "after"
                assert json.loads(await wire.recv()) == [3, "values", {}]
                await node.kill()
            link = await cpms.peer("CP1")
            assert link.wire.received == [VALUES_WITHOUT_CONNECTOR.decode(), HEARTBEAT.decode()]
            assert str(link.wire.sent[0]).startswith('[4,"values",')

        data = ("--json", "--data", str(tmp_path / "data"))
        (listed,) = (await command("quarantine", "list", *data)).rows
        (entry,) = (await command("quarantine", "show", listed["id"], *data)).rows
        assert b64decode(entry["raw_base64"]) == VALUES_WITHOUT_CONNECTOR
        assert (entry["charger"], entry["action"], entry["state"]) == ("CP1", "MeterValues", "open")
        assert entry["carries_revenue"]
        assert entry["flags"] == ["refused-by-backend"]

    run(test)


def test_any_other_call_that_the_backend_refuses_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            async with raw_charger(node, "CP1") as wire:
                answer = await ask(wire, AUTHORIZE_WITHOUT_TAG)
                link = await cpms.peer("CP1")
                assert link.wire.received == [AUTHORIZE_WITHOUT_TAG.decode()]
                assert answer == json.loads(link.wire.sent[0])
                assert answer[:2] == [4, "auth"]
            (flag,) = await stored_flags(node, "CP1", 1)
            assert (flag["code"], flag["path"], flag["action"]) == ("field-missing", "idTag", "Authorize")

    run(test)


def test_noise_is_kept_as_it_came_and_a_neighbour_notices_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url) as node,
            charger(f"{node.url}/NEIGHBOUR", "ocpp1.6") as neighbour,
        ):
            async with raw_charger(node, "NOISY") as wire:
                await wire.socket.send(NOISE, text=True)
                await neighbour.call("Heartbeat")
                assert await ask(wire, HEARTBEAT) == [3, "after", {"currentTime": NOW}]
                entry = await quarantined(node, "NOISY")
                assert b64decode(entry["raw_base64"]) == NOISE
                assert entry["carries_revenue"]
            assert not neighbour.closed
            assert set(await told("--admin", node.admin)) == {"NOISY"}

    run(test)


MODES = """\
[dialect]
mode = "strict"
[[dialect.charger]]
ids = ["watched-*"]
mode = "observe"
[[dialect.charger]]
ids = ["repaired-*"]
mode = "repair"
timezone = "Europe/Berlin"
"""
TEXT_FOR_NUMBER = b'[2,"m1","StatusNotification",' + STATUS.replace("1", '"1"', 1).encode() + b"]"


def test_a_charger_has_the_mode_that_the_configuration_gives_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url, tables=MODES) as node:
            async with raw_charger(node, "repaired-1") as wire:
                assert await ask(wire, TEXT_FOR_NUMBER) == [3, "m1", {}]
            async with raw_charger(node, "watched-1") as wire:
                answer = await ask(wire, TEXT_FOR_NUMBER)
                link = await cpms.peer("watched-1")
                assert link.wire.received == [TEXT_FOR_NUMBER.decode()]
                assert answer == json.loads(link.wire.sent[0])
                assert answer[0] == 4
            async with raw_charger(node, "CP1") as wire:
                assert (await ask(wire, TEXT_FOR_NUMBER))[:3] == [4, "m1", "TypeConstraintViolation"]
                assert (await cpms.peer("CP1")).wire.received == []
                entry = await quarantined(node, "CP1")
                assert b64decode(entry["raw_base64"]) == TEXT_FOR_NUMBER
            told_of = {
                name: {line[:2] for line in lines}
                for name, lines in (await told("--admin", node.admin)).items()
            }
            text_as_number = {("text-as-number", "connectorId")}
            assert told_of == {
                "repaired-1": text_as_number,
                "watched-1": text_as_number,
                "CP1": {("schema-violation", "connectorId")},
            }

    run(test)


@pytest.mark.parametrize(
    ("version", "frame", "code"),
    [
        ("ocpp1.6", b'[2,"m1","Authorize",{}]', "OccurenceConstraintViolation"),
        ("ocpp2.0.1", b'[2,"m1","Authorize",{}]', "OccurenceConstraintViolation"),
        ("ocpp2.1", b'[2,"m1","Authorize",{}]', "OccurrenceConstraintViolation"),
        ("ocpp1.6", b'[2,"m1","Authorize",{,}]', "FormationViolation"),
        ("ocpp2.0.1", b'[2,"m1","Authorize",{,}]', "FormatViolation"),
        ("ocpp2.1", b'[2,"m1","FlyToTheMoon",{}]', "NotImplemented"),
    ],
)
def test_strict_refuses_with_the_error_code_of_the_version(
    version: str, frame: bytes, code: str, tmp_path: Path
) -> None:
    async def test() -> None:
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url, tables='[dialect]\nmode = "strict"\n') as node,
            raw_charger(node, "CP1", version) as wire,
        ):
            assert (await ask(wire, frame))[:3] == [4, "m1", code]
            assert (await cpms.peer("CP1")).wire.received == []

    run(test)
