"""What an author of rules does, as the READMEs say, with a running gateway that is never stopped for it."""

import json
import os
import signal
from asyncio import ensure_future, to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from commands import Told, command
from conversations import ANSWERS
from peers import Backend, Gateway, backend, gateway, run, until
from websockets.asyncio.client import ClientConnection, connect

TIME = "2026-11-21T08:00:00Z"
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Street 11", "firmwareVersion": "3.2"}
OCCUPIED = {"connectorId": 1, "errorCode": "NoError", "status": "Occupied"}
PREPARING = OCCUPIED | {"status": "Preparing"}
ADAPTER = """
from gateway.api import Adapter, Match, OpenTransactions, backend_result, charger_call


class Acme(Adapter):
    match = Match(vendor="acme*")

    @backend_result("StartTransaction")
    def remember(self, result, memory):
        OpenTransactions(memory).started(result)
        return result

    @charger_call("StopTransaction")
    def restore(self, call, memory):
        return OpenTransactions(memory).restored(call)

    @charger_call("Heartbeat")
    def fails(self, call, memory):
        while memory.setdefault("fails", True):
            pass
"""


@asynccontextmanager
async def socket_of(node: Gateway, id_: str = "CP1") -> AsyncIterator[ClientConnection]:
    """A charger's socket."""
    url = f"{node.url}/{id_}"
    async with connect(url, subprotocols=["ocpp1.6"], compression=None, proxy=None) as socket:
        yield socket


async def say(socket: ClientConnection, id_: str, action: str, payload: dict[str, Any]) -> int:
    """The type of the answer to a CALL: 3, or 4 where the backend does not take it."""
    await socket.send(json.dumps([2, id_, action, payload]))
    answer = json.loads(await socket.recv())
    assert answer[1] == id_, answer
    return int(answer[0])


async def ask(socket: ClientConnection, id_: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The answer to a CALL."""
    await socket.send(json.dumps([2, id_, action, payload]))
    answer = json.loads(await socket.recv())
    assert answer[:2] == [3, id_], answer
    return dict(answer[2])


async def received(cpms: Backend, id_: str = "CP1", number: int = 0) -> list[list[Any]]:
    """The CALLs that the backend has got on a link."""
    peer = await cpms.peer(id_, number)
    return [json.loads(frame)[2:] for frame in peer.wire.received]


def tables(folder: Path, **directories: str) -> str:
    lines = [f'{name} = ["{folder / path}"]' for name, path in directories.items()]
    return "\n".join(["[dialect]", *lines, ""])


RULE = "[[rule]]\nwhere  = { connectorId = 1 }"
MISTAKES = {
    "a typo in a key": ("where  = ", "wehre  = ", "unknown key 'wehre'; did you mean 'where'?"),
    "a wrong type": ("pack    = 1", 'pack    = "one"', "write pack = 1"),
    "a wrong argument": (
        'using = { Occupied = "Preparing" }',
        "using = 3",
        "map: using: give a table such as",
    ),
    "a catastrophic pattern": (
        '"acme*"',
        '"(a+)+$"',
        "match.vendor: '(a+)+$' looks like a regular expression",
    ),
    "a failing test": ('"Preparing" }', '"Charging" }', "test 'Occupied becomes Preparing': it makes"),
}


async def refused(node: Gateway, file: Path, part: str) -> Told:
    told = await command("rules", "reload", "--admin", node.admin)
    assert told.status == 2
    assert str(file) in told.err and part in told.err, told.err
    return told


def test_a_pack_is_written_tested_and_live_without_a_restart(tmp_path: Path) -> None:
    async def test() -> None:
        rules = tmp_path / "rules"
        rules.mkdir()
        async with (
            backend(ANSWERS) as cpms,
            gateway(tmp_path, cpms.url, tables=tables(tmp_path, rules_directories="rules")) as node,
            socket_of(node) as socket,
        ):
            await ask(socket, "b", "BootNotification", BOOT)
            assert await say(socket, "1", "StatusNotification", OCCUPIED) == 4
            assert (await received(cpms))[-1] == ["StatusNotification", OCCUPIED]

            scaffold = await command("adapter", "new", "Acme", "--directory", str(tmp_path))
            assert scaffold.status == 0, scaffold.err
            file = rules / "acme.toml"
            assert (await command("rules", "test", str(file))).status == 0
            told = await command("rules", "reload", "--admin", node.admin)
            assert (told.status, told.out.split(":")[0]) == (0, "reloaded"), told.err
            await ask(socket, "2", "StatusNotification", OCCUPIED)
            assert (await received(cpms))[-1] == ["StatusNotification", PREPARING]
            assert (await node.flags())["status-mapped"] == 1
            detail = json.loads(await node.get("/api/v1/chargers/CP1"))
            assert detail["dialect"] == ["rules/acme"]

            good = file.read_text()
            for old, new, part in MISTAKES.values():
                wrong = (
                    good.replace("[[rule]]", "[[rule]]\nwhere  = { connectorId = 1 }")
                    if "where" in old
                    else good
                )
                file.write_text(wrong.replace(old, new, 1))
                await refused(node, file, part)
                checked = await command("rules", "test", str(file))
                assert checked.status == 2 and part in checked.err + checked.out
            file.write_text(good)
            other = rules / "other.toml"
            other.write_text(good.replace('"acme"', '"other"'))
            told = await refused(node, other, 'write after = ["acme"] here')
            assert str(file) in told.err
            await ask(socket, "3", "StatusNotification", OCCUPIED)
            assert (await received(cpms))[-1] == ["StatusNotification", PREPARING]

            other.unlink()
            file.write_text(good.replace("pack    = 1", 'pack    = 1\nmode    = "observe"'))
            os.kill(node.process.pid, signal.SIGHUP)
            await until(lambda: any(" reloaded " in line for line in node.output), "reload by SIGHUP")
            assert await say(socket, "4", "StatusNotification", OCCUPIED) == 4
            assert (await received(cpms))[-1] == ["StatusNotification", OCCUPIED]
            assert (await node.flags())["dialect-observed"] == 1
            listed = json.loads(await node.get("/api/v1/rules"))
            assert [pack["mode"] for pack in listed["packs"] if pack["name"] == "acme"] == ["observe"]
            assert [pack["chargers"] for pack in listed["packs"] if pack["name"] == "acme"] == [1]

    run(test)


def test_from_a_capture_to_a_proposal_to_what_it_would_change(tmp_path: Path) -> None:
    async def test() -> None:
        capture, pack = tmp_path / "cp1.jsonl", tmp_path / "acme.toml"
        async with backend(ANSWERS) as cpms, gateway(tmp_path, cpms.url) as node:
            recording = ensure_future(
                command(
                    *("capture", "CP1", "--frames", "8", "--mask"),
                    *("--output", str(capture), "--admin", node.admin),
                )
            )

            async def one_is_recorded() -> bool:
                async with socket_of(node) as socket:
                    await ask(socket, "b", "BootNotification", BOOT)
                return await to_thread(lambda: capture.exists() and capture.stat().st_size > 0)

            await until(one_is_recorded, "a capture")
            async with socket_of(node) as socket:
                for number in range(4):
                    await ask(socket, f"a{number}", "Authorize", {"idTag": "04A1B2C3"})
                    await say(socket, f"s{number}", "StatusNotification", OCCUPIED)
            told = await recording
            assert told.status == 0 and "8 frames of CP1" in told.err, told.err
        records = [json.loads(line) for line in capture.read_text().splitlines()]
        assert {record["direction"] for record in records} == {"charger_to_backend", "backend_to_charger"}
        assert "04A1B2C3" not in capture.read_text()
        assert records[-1]["station"] == {"vendor": "Acme", "model": "Street 11", "firmware": "3.2"}

        told = await command("suggest", str(capture), "--output", str(pack))
        assert told.status == 0 and "status-ambiguous" in told.out, told.out
        assert (await command("suggest", str(capture), "--output", str(pack))).status == 2
        proposal = pack.read_text()
        assert 'vendor = "Acme"' in proposal and '"Occupied" = "TODO"' in proposal
        pack.write_text(proposal.replace('"Occupied" = "TODO"', '"Occupied" = "Preparing"'))
        assert (await command("rules", "test", str(pack))).status == 0
        told = await command("rules", "try", str(pack), "--capture", str(capture), "--json")
        assert told.rows and all(row["after"] != row["before"] for row in told.rows)
        assert {flag["before"] for row in told.rows for flag in row["flags"]} == {'"Occupied"'}
        told = await command("rules", "try", str(pack), "--capture", str(capture))
        assert "would change or be flagged by acme" in told.out

    run(test)


def test_after_a_restart_in_mid_session_the_dialect_applies_to_the_first_frame(tmp_path: Path) -> None:
    async def test() -> None:
        folder = tmp_path / "adapters"
        folder.mkdir()
        (folder / "acme.py").write_text(ADAPTER)
        settings = tables(tmp_path, adapter_directories="adapters") + "[limits]\nadapter_cpu_s = 0.05\n"
        start = {"connectorId": 1, "idTag": "04A1B2C3", "meterStart": 1, "timestamp": TIME}
        stop = {"transactionId": 0, "meterStop": 9, "timestamp": TIME}
        async with backend(ANSWERS) as cpms:
            async with gateway(tmp_path, cpms.url, tables=settings) as node, socket_of(node) as socket:
                await ask(socket, "b", "BootNotification", BOOT)
                started = await ask(socket, "s", "StartTransaction", start)
                assert started["transactionId"] > 0
                assert "currentTime" in await ask(socket, "h", "Heartbeat", {})
                assert (await node.flags())["adapter-failed"] == 1
            async with gateway(tmp_path, cpms.url, tables=settings) as node, socket_of(node) as socket:
                detail = json.loads(await node.get("/api/v1/chargers/CP1"))
                assert (detail["vendor"], detail["dialect"]) == ("Acme", ["adapters/acme"])
                await ask(socket, "x", "StopTransaction", stop)
                restored = stop | {"transactionId": started["transactionId"]}
                assert ["StopTransaction", restored] in await received(cpms, number=1)
                assert (await node.flags())["transaction-restored"] == 1

    run(test)


def test_mistakes_in_packs_and_adapters_keep_the_gateway_from_starting(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "rules").mkdir()
        (tmp_path / "adapters").mkdir()
        (tmp_path / "rules" / "bad.toml").write_text("pack = 2\n")
        (tmp_path / "adapters" / "bad.py").write_text("import socket\n")
        (tmp_path / "adapters" / "worse.py").write_text("def f(:\n")
        config = tmp_path / "gateway.toml"
        config.write_text(
            '[backend]\nurl = "ws://127.0.0.1:9"\n[listen]\naddress = "127.0.0.1:0"\n[admin]\n'
            'address = "127.0.0.1:0"\n[data]\ndirectory = "'
            + str(tmp_path / "data")
            + '"\n'
            + tables(tmp_path, rules_directories="rules", adapter_directories="adapters")
        )
        for words, status in ((("run", str(config)), 1), (("check", str(config)), 2)):
            told = await command(*words)
            assert told.status == status, told
            for part in (
                f"{tmp_path}/rules/bad.toml: pack: ",
                f"{tmp_path}/rules/bad.toml: match: is missing",
                f"{tmp_path}/adapters/bad.py:1: import socket: adapters have no I/O, clock or chance",
                f"{tmp_path}/adapters/worse.py: is not Python",
            ):
                assert part in told.err, told.err

    run(test)
