"""What is told of an outage: one record through a kill and a stop of the gateway, a line for each charger."""

from functools import partial
from pathlib import Path
from typing import Any

from ledger import ledger_backend
from peers import Gateway, run, until
from queueing import QueueingCharger, Site
from test_outage_bridged import all_said, bridge, in_the_bridge, living


async def outages(node: Gateway) -> list[dict[str, Any]]:
    """Newest first."""
    found: list[dict[str, Any]] = (await node.fetch("/api/v1/outages"))["outages"]
    return found


async def written(node: Gateway, messages: int) -> dict[str, Any]:
    """The only record, once it has so many messages."""

    async def is_there() -> bool:
        return [one["messages"] for one in await outages(node)] == [messages]

    await until(is_there, f"a record of {messages} messages")
    return (await outages(node))[0]


def test_one_outage_is_one_record_however_often_the_gateway_starts(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        charger = QueueingCharger("CP1", site)
        async with ledger_backend(tmp_path) as cpms, living(charger):
            async with bridge(tmp_path, cpms, site) as node:
                await in_the_bridge([charger])
                await cpms.kill()
                await until(lambda: outages(node), "an outage")
                session = charger.begin()
                await until(lambda: charger.is_done, "an answer without the backend")
                first = await written(node, 1)
                await node.kill()
            async with bridge(tmp_path, cpms, site) as node:
                charger.end(session)
                await until(lambda: charger.is_done, "an answer after the kill")
                assert (await written(node, 2))["begin"] == first["begin"]
            await cpms.start()
            async with bridge(tmp_path, cpms, site) as node:

                async def is_over() -> bool:
                    return all(one["end"] is not None for one in await outages(node))

                await until(is_over, "the outage is over")
                over = await written(node, 2)
                assert (over["begin"], over["chargers"]) == (first["begin"], 1)
                told = "".join(node.output)
                assert "outage-goes-on" in told
                assert "messages=2" in told

    run(test)


def test_it_is_told_once_for_each_charger_and_outage_that_the_gateway_answers(tmp_path: Path) -> None:
    async def test() -> None:
        site = Site()
        charger = QueueingCharger("CP1", site)
        async with ledger_backend(tmp_path) as cpms, bridge(tmp_path, cpms, site) as node, living(charger):
            await in_the_bridge([charger])
            for number in (1, 2):
                await cpms.kill()
                await until(partial(are, node, number, number - 1), "an outage")
                session = charger.begin()
                charger.value(session)
                await until(lambda: charger.is_done, "answers without the backend")
                await cpms.start()
                await until(partial(are, node, number, number), "the end of the outage")
                charger.end(session)
                await all_said([charger], cpms)
                told = [line for line in node.output if "answering-for-backend" in line]
                assert len(told) == number
                assert "CP1" in told[-1] and "backend=main" in told[-1]

    async def are(node: Gateway, known: int, over: int) -> bool:
        found = await outages(node)
        return (len(found), sum(one["end"] is not None for one in found)) == (known, over)

    run(test)
