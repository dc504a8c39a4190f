"""One run: a gateway that dies at a failpoint, chargers that go on charging, a backend that comes and goes.

`python -m tests.torture.run NAME@HIT:ACTION SEED` runs one and tells what happened.
"""

import asyncio
import os
import re
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from gateway.net.failpoints import VARIABLE
from tests.torture.backend import Ledger
from tests.torture.charger import Charger
from tests.torture.log import duplicates, faults

CHARGERS = 4
HEAL_S = 30.0
TOML = """\
[listen]
address = "127.0.0.1:{port}"
duplicate_probe_s = 0.2
[admin]
address = "127.0.0.1:{admin}"
[backend]
url = "ws://127.0.0.1:{backend}/cpms"
reconnect_min_s = 0.1
reconnect_max_s = 0.2
answer_deadline_s = 1.0
[outage]
hold_s = 0.2
answer_after_s = 0.3
unknown_tags = "accept-all"
[limits]
messages_per_s = 10000
message_burst = 10000
[data]
directory = "{data}"
"""


@dataclass
class Report:
    """What came of one run."""

    spec: str
    seed: int
    fired: bool = False
    crashes: int = 0
    messages: int = 0
    duplicates: int = 0
    faults: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    seconds: float = 0.0
    output: str = ""


class Node:
    """The gateway process: armed until it has died of it, and started again whenever it ends."""

    def __init__(self, folder: Path, spec: str, config: Path) -> None:
        self.crashes = 0
        self.is_armed = bool(spec)
        self._spec = spec
        self._config = config
        self._output = folder / "gateway.log"
        self._process: Process | None = None

    async def live(self) -> None:
        """Run it for ever."""
        while True:
            environment = os.environ | ({VARIABLE: self._spec} if self.is_armed else {})
            with self._output.open("ab") as out:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "gateway.cli", "run", str(self._config)),
                    env=environment,
                    stdin=DEVNULL,
                    stdout=out,
                    stderr=out,
                )
            status = await self._process.wait()
            if status not in (0, -signal.SIGTERM):
                self.crashes += 1
                self.is_armed = False

    def restart(self) -> None:
        """Stop it as an operator would; `live` starts it again."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def output(self) -> str:
        return self._output.read_text("utf-8", "replace")


async def run(spec: str, seed: int) -> Report:
    """Live through one run and judge it by the logs of chargers and backend alone."""
    random = Random(f"{spec} {seed}")
    report = Report(spec, seed)
    began_at = monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = Path(name)
        port, admin, backend_port = free_ports(3)
        config = folder / "gateway.toml"
        config.write_text(TOML.format(port=port, admin=admin, backend=backend_port, data=folder / "data"))
        ledger = Ledger(random, backend_port)
        chargers = [Charger(number, f"ws://127.0.0.1:{port}", random) for number in range(CHARGERS)]
        node = Node(folder, spec, config)
        living = [asyncio.ensure_future(one.live()) for one in (node, *chargers)]
        try:
            await ledger.come()
            await until(lambda: all(charger.has_been_in for charger in chargers), "every charger is in")
            report.faults += await story(random, ledger, chargers, node)
        except TimeoutError as error:
            report.faults.append(f"STUCK {error}: {told(chargers, ledger)}")
        finally:
            for task in living:
                task.cancel()
            await asyncio.gather(*living, return_exceptions=True)
            await node.kill()
            await ledger.go()
        report.output = node.output
    report.crashes = node.crashes
    report.fired = "failpoint " in report.output or node.crashes > 0
    report.reached = set(re.findall(r"^failpoint (\S+)$", report.output, re.M))
    report.messages = sum(len(charger.log.sent) for charger in chargers)
    report.duplicates = duplicates(ledger.log)
    report.faults += faults([charger.log for charger in chargers], ledger.log, node.crashes)
    if "Traceback" in report.output and ":error" not in spec:
        report.faults.append("TRACEBACK in the gateway's log")
    report.seconds = monotonic() - began_at
    return report


async def story(random: Random, ledger: Ledger, chargers: list[Charger], node: Node) -> list[str]:
    """Two outages, one of them silent at first; reboots, an absent charger, a restart; then all is well."""
    working = asyncio.gather(*(charger.work(5) for charger in chargers))
    await asyncio.sleep(random.uniform(0.1, 0.25))
    ledger.is_mute = True
    await asyncio.sleep(random.choice((0.05, 0.5)))
    await ledger.go()
    await asyncio.sleep(random.uniform(0.1, 0.3))
    random.choice(chargers).reboot()
    absent = random.choice(chargers)
    absent.is_here.clear()
    absent.drop()
    await asyncio.sleep(random.uniform(0.1, 0.3))
    ledger.is_mute = False
    await ledger.come()
    await asyncio.sleep(random.uniform(0.1, 0.4))
    await ledger.go()
    node.restart()
    absent.is_here.set()
    await asyncio.sleep(random.uniform(0.3, 0.6))
    random.choice(chargers).drop()
    ledger.loses = 0.0
    await ledger.come()
    await working
    open_ones = {charger.id: charger.begin() for charger in chargers}
    await until(lambda: is_settled(chargers, ledger), "everything is answered and delivered")
    found = await remote_stops(ledger, chargers, open_ones)
    for charger in chargers:
        charger.end(open_ones[charger.id])
    await until(lambda: is_settled(chargers, ledger), "the last stops are delivered")
    await come_and_go(ledger, chargers[0])
    return found


async def come_and_go(ledger: Ledger, charger: Charger) -> None:
    """In calm times a charger leaves, and its link with it; it is back, and its link is cut and made anew."""
    charger.is_here.clear()
    charger.drop()
    await until(lambda: charger.id not in ledger.links, "close of a link that nobody needs")
    charger.is_here.set()
    await until(lambda: charger.id in ledger.links, "link of a charger that is back")
    old = ledger.links[charger.id]
    old.transport.abort()
    await until(lambda: ledger.links.get(charger.id) not in (None, old), "a new link")


async def remote_stops(ledger: Ledger, chargers: list[Charger], open_ones: dict[str, str]) -> list[str]:
    """The backend stops each open transaction by the id it knows; what the charger hears must be its own."""
    found = []
    for charger in chargers:
        if not charger.is_16:
            continue
        starts = [one for one in ledger.log.processed[charger.id] if one.action == "StartTransaction"]
        id_ = starts[-1].answer["transactionId"]
        await until(lambda: charger.id in ledger.links, f"link of {charger.id}")  # noqa: B023
        await ledger.command(charger.id, "stop-1", "RemoteStopTransaction", {"transactionId": id_})
        await until(charger.stop_wanted.is_set, f"RemoteStopTransaction at {charger.id}")
        own = charger.transaction_id(open_ones[charger.id])
        if charger.log.commands != [("RemoteStopTransaction", {"transactionId": own})]:
            found.append(f"{charger.id}: STOP heard {charger.log.commands}, its own id is {own}")
    return found


def is_settled(chargers: list[Charger], ledger: Ledger) -> bool:
    return all(
        charger.is_done
        and {sent.token for sent in charger.log.sent}
        <= {one.token for one in ledger.log.processed.get(charger.id, ()) if one.is_answered}
        for charger in chargers
    )


def told(chargers: list[Charger], ledger: Ledger) -> str:
    """Which messages are still not through."""
    missing = {
        charger.id: [
            f"{sent.token}{'' if sent.answers else ' unanswered'}"
            for sent in charger.log.sent
            if not sent.answers
            or sent.token not in {one.token for one in ledger.log.processed.get(charger.id, ())}
        ][:6]
        for charger in chargers
    }
    return str({id_: tokens for id_, tokens in missing.items() if tokens})


async def until(condition: Any, what: str) -> None:
    try:
        async with asyncio.timeout(HEAL_S):
            while not condition():  # noqa: ASYNC110 - looked at from outside
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(what) from None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        outcome = asyncio.run(run(sys.argv[1], int(sys.argv[2])))
        print(outcome.output)
        print(*outcome.faults, sep="\n")
        print(
            f"{len(outcome.faults)} faults; died {outcome.crashes} times; {outcome.messages} messages, "
            f"{outcome.duplicates} duplicates; {outcome.seconds:.1f} s"
        )
        sys.exit(bool(outcome.faults))
