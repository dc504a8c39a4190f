"""One charger, a leader that bills, and an observer that is hostile: nobody else is to notice it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hostile as deeds
import pytest
from hostile import DANGEROUS, Hostile, hostile
from ledger import LedgerBackend, ledger_backend
from peers import Gateway, gateway, run, until
from queueing import QueueingCharger, Site, broken
from test_outage_bridged import QUICK, TABLES, in_the_bridge, living

TWO = """
[[backends]]
name = "bad"
url = "{url}"
commands = "{commands}"
reconnect_min_s = 0.1
reconnect_max_s = 0.2
{quick}
[[routes]]
leader = "main"
observers = ["bad"]
"""
ROUNDS = 3


@dataclass
class Listening(QueueingCharger):
    """A charger that remembers every CALL it heard."""

    heard: list[Any] = field(default_factory=list)

    def _point(self, socket: Any) -> Any:
        point = super()._point(socket)
        route = point.route_message

        async def record(raw: str) -> None:
            message = json.loads(raw)
            if message[0] == 2:
                self.heard.append(message)
            await route(raw)

        point.route_message = record
        return point


Check = Callable[[list[Listening], Hostile, Gateway], Awaitable[None]]


async def besieged(folder: Path, deed: Any, check: Check, commands: str = "leading") -> None:
    """Whole transactions of two chargers while the observer does its deed; then `check`."""
    site = Site()
    chargers = [Listening("CP1", site), Listening("CP2", site, "ocpp2.0.1")]
    async with ledger_backend(folder) as cpms, hostile(deed) as bad:
        tables = TABLES.format(tags="accept-all")
        tables += TWO.format(url=bad.url, commands=commands, quick=QUICK)
        async with gateway(folder, cpms.url, backend=QUICK, tables=tables) as node, living(*chargers):
            site.url = node.url
            await in_the_bridge(list(chargers))
            await until(lambda: len(bad.links) == 2, "the observer has both chargers")
            for _ in range(ROUNDS):
                sessions = [charger.begin() for charger in chargers]
                for charger, session in zip(chargers, sessions, strict=True):
                    charger.value(session)
                    charger.end(session)
                await until(lambda: all(charger.is_done for charger in chargers), "answers")
            await check(chargers, bad, node)
        undisturbed(chargers, cpms)


def undisturbed(chargers: list[Listening], cpms: LedgerBackend) -> None:
    for charger in chargers:
        assert broken(charger, cpms.rows(charger.id), 0) == []
        assert charger.visits == 1
        starts = [queued.answer for queued in charger.said if queued.what == "start"]
        assert [row["transaction"] for row in cpms.rows(charger.id) if row["transaction"]] == (
            [answer.transaction_id for answer in starts] if charger.is_16 else []
        )
        assert not {"Reset", "UpdateFirmware", "Reboot"} & {message[2] for message in charger.heard}
        assert charger.commands == []


async def refused_in_the_right_shape(chargers: list[Listening], bad: Hostile, node: Gateway) -> None:
    def all_refused() -> bool:
        return all(
            any(id_.startswith(action) for id_ in bad.answers(charger.id))
            for charger in chargers
            for action, _ in DANGEROUS[charger.protocol]
        )

    await until(all_refused, "an answer to every kind of command")
    for charger in chargers:
        for id_, answer in bad.answers(charger.id).items():
            if id_.startswith(("Reboot", "UpdateFirmware")) and answer[0] == 4:
                assert answer[0] == 4 and answer[2] in ("NotImplemented", "NotSupported", "SecurityError")
            else:
                assert answer[0] == 3 and answer[2]["status"] == "Rejected", answer
    assert (await node.flags())["command-denied"] >= 5


async def flooding_is_told(chargers: list[Listening], bad: Hostile, node: Gateway) -> None:
    flags = await until(lambda: _flags(node, "not-ocpp"), "flags")
    assert flags
    await until(lambda: "backend-flooding backend=bad" in "".join(node.output), "the warning")
    assert all(answer[0] in (3, 4) for charger in chargers for answer in bad.answers(charger.id).values())


async def rubbish_is_flagged(chargers: list[Listening], bad: Hostile, node: Gateway) -> None:
    assert await until(lambda: _flags(node, "frame-unreadable", "binary-frame", "answer-unknown"), "flags")


async def answers_are_flagged(chargers: list[Listening], bad: Hostile, node: Gateway) -> None:
    assert await until(lambda: _flags(node, "answer-unknown"), "flags")


async def it_is_dialled_again(chargers: list[Listening], bad: Hostile, node: Gateway) -> None:
    await until(lambda: all(links >= 3 for links in bad.links.values()), "links")


async def it_has_one_link(chargers: list[Listening], bad: Hostile, node: Gateway) -> None:
    assert bad.links == {"CP1": 1, "CP2": 1}


async def nothing(chargers: list[Listening], bad: Hostile, node: Gateway) -> None:
    """The ledger says it all."""


async def _flags(node: Gateway, *wanted: str) -> dict[str, float]:
    found = await node.flags()
    return found if all(found.get(code) for code in wanted) else {}


@pytest.mark.parametrize(
    ("deed", "check", "commands"),
    [
        (deeds.floods, flooding_is_told, "leading"),
        (deeds.floods, flooding_is_told, "all"),
        (deeds.talks_rubbish, rubbish_is_flagged, "all"),
        (deeds.sends_too_much, it_is_dialled_again, "all"),
        (deeds.never_answers, nothing, "all"),
        (deeds.never_reads, it_has_one_link, "all"),
        (deeds.answers_wrongly, answers_are_flagged, "all"),
        (deeds.leaves_at_once, it_is_dialled_again, "all"),
        (deeds.commands_all, refused_in_the_right_shape, "leading"),
        (deeds.commands_all, refused_in_the_right_shape, "all"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_an_observer_disturbs_nobody(tmp_path: Path, deed: Any, check: Check, commands: str) -> None:
    run(lambda: besieged(tmp_path, deed, check, commands))
