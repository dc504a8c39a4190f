"""`ocpp-gateway demo`: a newcomer sees traffic, both ways and of every temper, without doing anything."""

from pathlib import Path

from peers import command, run, until

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
