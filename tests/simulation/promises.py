"""What the gateway promises, checked whenever something happens; what breaks it raises `Violation`.

A message counts as delivered when the backend processed it. Every message that must not be lost has a
`Fate`, found by the number it carries.
"""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.session import events as ev
from gateway.session.knowledge import Known
from tests.simulation import frames
from tests.simulation.frames import Message, Transaction
from tests.simulation.wire import Link

if TYPE_CHECKING:
    from tests.simulation.charger import Charger
    from tests.simulation.node import Driver
    from tests.simulation.world import World

DEADLINE_S = 10.0
SLACK_S = 0.6
MOST_REFUSALS = 5
MOST_UNANSWERED = 10
LEAST_PATIENCE_S = 5.0


class Violation(AssertionError):
    """A promise was broken."""


class Fate(Struct):
    """What became of one message. `start` is the number of the start of its transaction, 0 for none.

    `allowed`: how often it may be processed again, since a link or the gateway broke while it was on its
    way. `last`: the frame that was last sent to the backend.
    """

    key: str
    action: str
    start: int
    processed: int = 0
    allowed: int = 0
    refusals: int = 0
    sends: int = 0
    last: bytes = b""
    is_on_disk: bool = False
    is_kept: bool = False
    is_acked: bool = False
    is_heard: bool = False
    is_discarded: bool = False

    @property
    def is_safe(self) -> bool:
        return self.processed > 0 or self.is_on_disk or self.is_kept

    @property
    def is_doubtful(self) -> bool:
        """Whether the backend has it, and whoever would send it again does not know."""
        return self.processed > 0 and (self.is_on_disk or not (self.is_heard or self.is_discarded))

    @property
    def is_settled(self) -> bool:
        return self.processed > 0 or self.is_kept or self.is_discarded


class Promises:
    """Everything known of the messages of one world."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.require = world.require
        self.fates: dict[int, Fate] = {}
        self.lines: dict[str, deque[int]] = {}
        self.owes_boot: dict[str, bool] = {}
        self.stops: dict[str, set[int]] = {}
        self.repeats = 0

    # Chargers

    def made(self, key: str, message: Message) -> None:
        """A charger has something to say."""
        start = message.transaction.start if message.transaction is not None else 0
        self.fates[message.token] = Fate(key, message.action, start)
        self.lines.setdefault(key, deque()).append(message.token)

    def heard(self, key: str, token: int) -> None:
        """A charger got its answer, and forgets the message."""
        fate = self.fates[token]
        fate.is_heard = True
        self.require(fate.is_acked, f"{token} was answered by the gateway")

    def discarded(self, token: int) -> None:
        self.fates[token].is_discarded = True

    def attempt_burned(self, key: str, message: Message) -> None:
        """An attempt failed, and not by chance."""
        self.require(message.bad < 3, f"{key} is not brought to throw {message.token} away")

    def stop_commanded(self, charger: "Charger", named: object, found: Transaction | None) -> None:
        """A charger is told to end a transaction of its own."""
        if found is not None:
            wanted = self.stops.get(charger.key, set())
            refused = self.world.backend.account(charger.key).refused
            self.require(
                found.start in wanted or found.start in refused,
                f"{charger.key} is told to stop the right transaction, not {found.start}",
            )

    def stop_wanted(self, key: str, start: int) -> None:
        """The backend wants this transaction to end."""
        self.stops.setdefault(key, set()).add(start)

    # Between chargers and the gateway

    def read_from_charger(self, driver: "Driver", link: Link, data: bytes) -> None:
        got = frames.parsed(data)
        if got[0] != 2:
            if link.commanded is not None and link.commanded[0] == got[1]:
                link.commanded = None
            return
        _, id_, action, payload = got
        token = frames.token_of(action, payload)
        link.asked.setdefault(id_, []).append((token, action))
        if token:
            fate = self.fates[token]
            if not fate.is_on_disk:
                fate.last = b""
            patience_s = DEADLINE_S + SLACK_S + 3 * self.world.disk.delay_s
            self.world.at(self.world.now + patience_s, self._deadline, link, id_, token)

    def _deadline(self, link: Link, id_: str, token: int) -> None:
        waits = link.gateway_is_open and token not in link.answered and link.asked.get(id_)
        disk = self.world.disk
        since = self.world.now - DEADLINE_S
        if waits and max(disk.slow_until, disk.failed_at) < since and disk.delay_s < 1.0:
            self.require(False, f"{token} is answered, or its charger closed, in time")

    def sends_to_charger(self, driver: "Driver", link: Link | None, data: bytes, event: ev.Event) -> None:
        self.require(link is not None and link.gateway_is_open, "nothing is sent to a charger that is gone")
        assert link is not None
        got = frames.parsed(data)
        if got[0] == 2:
            free = link.commanded is None or self.world.now >= link.commanded[1] + 30.0
            self.require(free, "one CALL at a time to the charger")
            link.commanded = (got[1], self.world.now)
            return
        waiting = link.asked.get(got[1])
        self.require(bool(waiting), f"the charger has asked for the answer {got[1]} on this connection")
        assert waiting is not None
        token, action = waiting.pop(0)
        if token:
            fate = self.fates[token]
            link.answered.add(token)
            if got[0] == 3:
                self.require(fate.is_safe, f"{token} is durable before it is answered")
                fate.is_acked = True
            else:
                self.require(action not in frames.REVENUE, f"{token} is not answered with an error")
        elif action == "BootNotification" and got[0] == 3 and type(event) is not ev.BackendFrame:
            self.owes_boot[driver.key] = True

    def charger_gone(self, link: Link) -> None:
        link.asked.clear()

    # Between the gateway and the backend

    def sends_to_backend(self, driver: "Driver", link: Link | None, data: bytes) -> None:
        self.require(link is not None and link.gateway_is_open, "nothing is sent on a link that is gone")
        assert link is not None
        got = frames.parsed(data)
        if got[0] != 2:
            return
        _, id_, action, payload = got
        token = frames.token_of(action, payload)
        if link.out is not None:
            self._sends_again(link)
        link.out = (id_, token, self.world.now, action)
        owes = self.owes_boot.get(driver.key)
        self.require(not owes or action == "BootNotification", "the backend is told of the boot first")
        if not token:
            return
        fate = self.fates[token]
        fate.sends += 1
        self.require(self._is_same(data, fate.last), f"{token} is sent again with the same bytes")
        fate.last = data

    def _sends_again(self, link: Link) -> None:
        """A CALL is sent while another has no answer."""
        assert link.out is not None
        _, before, since = link.out[:3]
        waited = self.world.now >= since + LEAST_PATIENCE_S - 0.001
        self.require(not before and waited, "one CALL at a time to the backend")

    def _is_same(self, data: bytes, last: bytes) -> bool:
        if last and data != last and b'"gateway-' in data + last:  # its own could be that of a late answer
            return bool(frames.parsed(data)[2:] == frames.parsed(last)[2:])
        return not last or data == last

    def read_from_backend(self, driver: "Driver", link: Link, data: bytes) -> None:
        got = frames.parsed(data)
        if got[0] == 2 or link.out is None or link.out[0] != got[1]:
            return
        if link.out[3] == "BootNotification" and got[0] == 3 and got[2].get("status") == "Accepted":
            self.owes_boot[driver.key] = False
        link.out = None

    def backend_gone(self, link: Link) -> None:
        if link.out is not None and link.out[1]:
            self.fates[link.out[1]].allowed += 1
        link.out = None

    # The backend

    def refused(self, key: str, token: int) -> None:
        self.fates[token].refusals += 1

    def processed(self, key: str, token: int, action: str, payload: dict, link: Link) -> None:
        fate = self.fates[token]
        fate.processed += 1
        if fate.processed > 1:
            self.repeats += 1
            self.require(fate.processed - 1 <= fate.allowed, f"{token} is not delivered twice for nothing")
        elif not fate.is_discarded and not fate.is_kept:
            self._in_order(key, token)
        if link.driver.version is Version.V16 and "transactionId" in payload:
            given = self.world.backend.account(key).given.get(fate.start, [])
            named = payload["transactionId"]
            self.require(named in given, f"{token} names its transaction by one of {given}, not {named}")

    def _in_order(self, key: str, token: int) -> None:
        line = self.lines[key]
        while line and line[0] != token and self.fates[line[0]].is_settled:
            line.popleft()
        self.require(bool(line) and line[0] == token, f"{token} comes in its order, after {list(line)[:3]}")
        line.popleft()

    # The disk, which may hold other messages too

    def stored(self, key: str, data: bytes) -> None:
        if token := frames.token_in(data):
            self.fates[token].is_on_disk = True

    def turned_up(self, key: str, data: bytes) -> None:
        """What could not be written, as was told, is there after a restart: it may have left as it came."""
        if token := frames.token_in(data):
            self.fates[token].last = b""

    def store_failed(self, key: str, data: bytes) -> None:
        """What could not be written and was sent all the same may be sent again."""
        if token := frames.token_in(data):
            self.fates[token].allowed += self.fates[token].sends > 0

    def not_remembered(self, key: str) -> None:
        """What the backend answered could not be written down: the charger will ask again."""
        for fate in self.fates.values():
            fate.allowed += fate.key == key and fate.processed > 0 and not fate.is_heard

    def dropped(self, key: str, data: bytes) -> None:
        token = frames.token_in(data)
        if not token:
            return
        fate = self.fates[token]
        fate.is_on_disk = False
        self.require(fate.processed > 0 or fate.is_kept, f"{token} is on disk until the backend has it")

    def quarantined(self, key: str, raw: bytes) -> None:
        token = frames.token_in(raw)
        fate = self.fates[token]
        start = self.fates.get(fate.start)
        belongs = start is not None and start is not fate and start.is_kept
        enough = fate.refusals >= MOST_REFUSALS or fate.sends >= MOST_UNANSWERED
        self.require(belongs or enough, f"{token} is not put aside without need")
        fate.is_kept = True

    # Sessions

    def session_made(self, key: str, known: Known) -> None:
        """What a new session can know."""
        owed = known.parts.get("owed")
        self.owes_boot[key] = bool(owed and msgspec.json.decode(owed)["boot"])

    def gateway_died(self, drivers: Iterable["Driver"]) -> None:
        for driver in drivers:
            for link in (driver.charger, driver.backend):
                if link is not None:
                    link.asked.clear()
            if driver.backend is not None:
                driver.backend.out = None
        for fate in self.fates.values():
            if fate.sends and (fate.is_on_disk or not fate.is_heard):
                fate.allowed += 1
                fate.last = fate.last if fate.is_on_disk else b""
        for key in self.lines:
            done = [token for token, fate in self.fates.items() if fate.key == key and fate.is_doubtful]
            self.require(len(done) <= 1, f"only one message of {key} may be delivered again, not {done}")

    # The end

    @property
    def are_settled(self) -> bool:
        return all(fate.is_settled for fate in self.fates.values())

    def check_all(self) -> None:
        """Some time after the world was healed, everything has arrived."""
        for token, fate in self.fates.items():
            self.require(fate.is_settled, f"{token} ({fate.action} of {fate.key}) arrives in the end")
            self.require(fate.is_safe or not fate.is_acked, f"{token} was not lost after its answer")
        for key, entries in self.world.disk.entries.items():
            self.require(not entries, f"nothing of {key} is left on the disk: {list(entries)}")

    def counts(self) -> dict[str, int]:
        fates = self.fates.values()
        return {
            "messages": len(self.fates),
            "processed": sum(fate.processed > 0 for fate in fates),
            "repeated": self.repeats,
            "quarantined": sum(fate.is_kept for fate in fates),
            "thrown away": sum(fate.is_discarded for fate in fates),
        }
