"""`ocpp-gateway demo`: a newcomer sees traffic, both ways and of every temper, without doing anything."""

import asyncio
import signal
import sys
from pathlib import Path

from conversations import ANSWERS
from peers import Backend, backend, command, gateway, run, until

LOOPBACK = "127.0.0.1:0"
SEEN = (
    'action="BootNotification",kind="charger_call",version="1.6"',
    'action="BootNotification",kind="charger_call",version="2.0.1"',
    'action="BootNotification",kind="backend_result",version="1.6"',
    'action="StatusNotification",kind="charger_call",version="2.0.1"',
)


def test_the_demo_shows_traffic_of_both_versions_and_flags_the_sloppy_charger(tmp_path: Path) -> None:
    async def test() -> None:
        options = ("--listen", LOOPBACK, "--admin", LOOPBACK, "--data", str(tmp_path))
        async with command("demo", *options) as node:

            async def traffic() -> bool:
                metrics = await node.get("/metrics")
                return all(labels in metrics for labels in SEEN) and bool(await node.flags())

            await until(traffic, "traffic of both versions")
            assert len(await node.chargers()) >= 4

    run(test)


def test_its_chargers_end_quietly_when_nobody_reads_any_more(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend({"ocpp1.6": ANSWERS["ocpp1.6"]}) as cpms:
            words = f"{sys.executable} -m gateway.cli demo --chargers {cpms.url}"
            process = await asyncio.create_subprocess_exec(
                *("bash", "-o", "pipefail", "-c", f"exec {words} --id CP-17 --id CP-18 | head -1"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=Path(__file__).parents[2],
            )
            out, err = await process.communicate()
            assert (out.count(b"\n"), err, process.returncode) == (1, b"", 0)

    run(test)


def _has_booted(cpms: Backend, charger_id: str) -> bool:
    return any("BootNotification" in text for p in cpms.peers.get(charger_id, []) for text in p.wire.received)


def test_its_chargers_can_be_had_alone_at_any_address(tmp_path: Path) -> None:
    async def test() -> None:
        async with backend({"ocpp1.6": ANSWERS["ocpp1.6"]}) as cpms, gateway(tmp_path, cpms.url) as node:
            words = (sys.executable, "-m", "gateway.cli", "demo", "--chargers", node.url)
            charger = await asyncio.create_subprocess_exec(
                *(*words, "--id", "CP-17", "--id", "CP-18"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
            )
            try:
                await until(lambda: all(_has_booted(cpms, id_) for id_ in ("CP-17", "CP-18")), "both boot")
                charger.send_signal(signal.SIGINT)
                told, _ = await charger.communicate()
            finally:
                if charger.returncode is None:
                    charger.kill()
            assert charger.returncode == 130
            assert b"Traceback" not in told
            assert b"CP-17 -> [2," in told and b"CP-18 is connected" in told

    run(test)
