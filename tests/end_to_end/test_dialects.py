"""Chargers with the worst dialects finish their sessions at a backend that takes nothing but the standard."""

import json
import re
from pathlib import Path

from commands import command
from conversations import ANSWERS
from dialects import STORY, VISITS
from ocpp.messages import Call, CallResult, _validate_payload
from peers import Backend, Gateway, Recorder, backend, gateway, run, until
from websockets.asyncio.client import connect


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
