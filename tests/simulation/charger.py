"""Chargers as they are: a queue of their own, one CALL out, little patience, and reboots."""

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.ocpp.times import text
from tests.simulation import frames
from tests.simulation.frames import Message, Transaction
from tests.simulation.wire import Link

if TYPE_CHECKING:
    from tests.simulation.world import World

TAGS = ("GOOD1", "GOOD2", "BAD1", "NEW1")
MAX_OPEN_S = 90.0
NORMAL = 1000


class Temper(Struct):
    """What kind of charger it is. `timeout_s`: for an answer; `step_s`: between attempts, growing.

    `new_ids`: a retry has a new message id; `gives_up`: a message is thrown away after three bad attempts,
    and its transaction with it; `restarts_ids`: after a reboot it counts its ids from 1.
    """

    timeout_s: float
    step_s: float
    new_ids: bool
    gives_up: bool
    restarts_ids: bool
    pace_s: float


class Quick(Struct):
    """A message that is of use now or never."""

    action: str
    payload: dict
    then: Any = None


class Charger:
    """One charger. Its queue outlives a reboot and a lost connection."""

    def __init__(self, world: "World", key: str, version: Version, temper: Temper) -> None:
        self.world = world
        self.key = key
        self.version = version
        self.temper = temper
        self.link: Link | None = None
        self.queue: deque[Message] = deque()
        self.quick: deque[Quick] = deque()
        self.out: tuple[str, Message | Quick, float] | None = None
        self.open: dict[int, Transaction] = {}
        self.count = 0
        self.transactions = 0
        self.is_booted = False
        self.boot_again_at = 0.0
        self.connects_at = 0.0
        self.answered = 0

    # Its life

    def begin(self) -> None:
        self.connect_later(self.world.random.random() * 2)
        self.world.at(self.world.now + self.world.random.random() * 5, self.act)
        self.world.at(self.world.now + 60.0, self.beat)

    def act(self) -> None:
        """Something happens at the charger, by chance."""
        chance = self.world.random
        wild = self.world.is_wild
        if wild:
            connector = chance.randint(1, 2)
            known = self.open.get(connector)
            roll = chance.random()
            if roll < 0.02 and chance.random() < 0.3:
                self.reboot()
            elif roll < 0.08:
                self.security()
            elif known is None:
                self.arrive(connector)
            elif roll < 0.75:
                self.add("Updated", known)
            else:
                self.end(known)
        else:
            for known in list(self.open.values()):
                self.end(known)
        pace_s = self.temper.pace_s if wild else 2.0
        self.world.at(self.world.now + chance.expovariate(1 / pace_s), self.act)
        self.pump()

    def beat(self) -> None:
        if self.link is not None and self.is_booted:
            self.quick.append(Quick("Heartbeat", {}))
            self.pump()
        self.world.at(self.world.now + 60.0, self.beat)

    def arrive(self, connector: int) -> None:
        """A driver holds a card to it."""
        tag = self.world.random.choice(TAGS)
        if self.link is None or not self.is_booted or self.world.random.random() < 0.3:
            self.start(connector, tag)
            return

        def then(payload: dict | None) -> None:
            info = (payload or {}).get("idTagInfo", (payload or {}).get("idTokenInfo", {}))
            if payload is None or info.get("status") == "Accepted":
                self.start(connector, tag)

        self.quick.append(Quick("Authorize", frames.authorize(self.version, tag), then))

    def start(self, connector: int, tag: str) -> None:
        if connector in self.open:
            return
        self.transactions += 1
        known = Transaction(self.key, connector, tag)
        if self.version is not Version.V16:
            known.id_ = f"{self.key}-T{self.transactions}"
        self.open[connector] = known
        self.add("Started", known)
        self.tell_status(connector, True)

    def end(self, known: Transaction) -> None:
        if known.is_open:
            known.is_open = False
            self.open.pop(known.connector, None)
            self.add("Ended", known)
            self.tell_status(known.connector, False)

    def add(self, stage: str, known: Transaction) -> None:
        """Put a message of a transaction into the queue."""
        if known.is_silent:
            return
        action = frames.ACTIONS[self.version][stage]
        message = Message(self.world.token(), action, stage, known, self.time(), known.sequence)
        known.sequence += 1
        if stage == "Started":
            known.start = message.token
        self.enqueue(message)

    def security(self) -> None:
        self.enqueue(Message(self.world.token(), "SecurityEventNotification", "", None, self.time()))

    def enqueue(self, message: Message) -> None:
        self.world.promises.made(self.key, message)
        self.queue.append(message)
        self.pump()

    def tell_status(self, connector: int, charging: bool) -> None:
        if self.link is not None:
            payload = frames.status(self.version, connector, charging, self.time())
            self.quick.append(Quick("StatusNotification", payload))
            self.pump()

    def time(self) -> str:
        return text(self.world.charger_clock())

    def reboot(self) -> None:
        """The power goes; what was charging has ended."""
        self.world.tell("reboots", self.key)
        self.is_booted = False
        self.quick.clear()
        if self.temper.restarts_ids:
            self.count = 0
            for message in self.queue:
                message.id_ = ""
        if self.link is not None:
            link = self.link
            link.is_marred = True
            link.cut()
            self.lost(link, 1006)
            link.peer_is_open = False
        for known in list(self.open.values()):
            self.end(known)

    # Its connection

    def connect_later(self, delay_s: float) -> None:
        self.connects_at = self.world.now + delay_s
        self.world.at(self.connects_at, self.connect)

    def connect(self) -> None:
        if self.link is None and self.world.now >= self.connects_at:
            self.connects_at = self.world.now + 30.0
            self.world.at(self.connects_at, self.connect)
            self.world.node.handshake(self)

    def refused(self, after_s: float) -> None:
        """The gateway answers 503."""
        self.connect_later(after_s)

    def connected(self, link: Link) -> None:
        self.link = link
        self.boot_again_at = 0.0
        self.pump()

    def lost(self, link: Link, code: int) -> None:
        if link is not self.link:
            return
        self.link = None
        self.quick.clear()
        if self.out is not None:
            self.failed(link.is_marred)
        self.connect_later(self.world.random.uniform(0.2, 5.0))

    # What it says

    def pump(self) -> None:
        """Send what is next, if nothing is out."""
        now = self.world.now
        if self.link is None or not self.link.peer_is_open or self.out is not None:
            return
        if not self.is_booted:
            if now >= self.boot_again_at:
                self.ask(Quick("BootNotification", frames.boot(self.version)))
            return
        if self.quick:
            self.ask(self.quick.popleft())
            return
        while self.queue and (known := self.queue[0].transaction) is not None and known.is_silent:
            self.world.promises.discarded(self.queue.popleft().token)
        if self.queue and now >= self.queue[0].again_at:
            self.ask(self.queue[0])

    def ask(self, what: Message | Quick) -> None:
        if isinstance(what, Message):
            if not what.id_ or self.temper.new_ids:
                what.id_ = self.new_id()
            what.sends += 1
            id_, payload = what.id_, what.payload()
        else:
            id_, payload = self.new_id(), what.payload
        self.out = (id_, what, self.world.now)
        assert self.link is not None
        self.world.at(self.world.now + self.temper.timeout_s, self.timed_out, self.out, self.link)
        self.link.send_to_gateway(frames.call(id_, what.action, payload))

    def new_id(self) -> str:
        self.count += 1
        return f"{self.count}"

    def timed_out(self, out: Any, link: Link) -> None:
        if self.out is out and self.link is link:
            self.world.tell("times out", self.key, out[1].action)
            self.failed(link.is_marred)
            self.pump()

    def failed(self, by_chance: bool) -> None:
        """A bad attempt: a message that bills comes again, a few times."""
        assert self.out is not None
        _, what, since = self.out
        self.out = None
        if isinstance(what, Quick):
            if what.action == "BootNotification":
                self.boot_again_at = self.world.now + 5.0
                self.world.at(self.boot_again_at, self.pump)
            if what.then is not None:
                what.then(None)
            return
        bills = what.action in frames.REVENUE
        if not by_chance and bills and not self.world.is_excused(since, self.key):
            what.bad += 1
            self.world.promises.attempt_burned(self.key, what)
        if (self.temper.gives_up or not bills) and what.sends >= 3:
            self.throw_away(what)
        what.again_at = self.world.now + self.temper.step_s * min(what.sends, 5)
        self.world.at(what.again_at, self.pump)

    def throw_away(self, what: Message) -> None:
        """As real ones do: a start takes its transaction along."""
        self.world.tell("throws away", self.key, what.token)
        self.queue.popleft()
        self.world.promises.discarded(what.token)
        if what.transaction is not None and what.stage == "Started":
            what.transaction.is_silent = True
            what.transaction.is_open = False
            self.open.pop(what.transaction.connector, None)

    # What it hears

    def hears(self, link: Link, data: bytes) -> None:
        if link is not self.link:
            return
        got = frames.parsed(data)
        if got[0] == 2:
            self.commanded(link, got)
        elif self.out is not None and self.out[0] == got[1]:
            _, what, _ = self.out
            if got[0] == 4:
                self.failed(False)
            else:
                self.out = None
                self.heard(what, got[2])
        self.pump()

    def heard(self, what: Message | Quick, payload: dict) -> None:
        if isinstance(what, Quick):
            if what.action == "BootNotification":
                self.is_booted = payload["status"] == "Accepted"
                self.boot_again_at = self.world.now + payload["interval"]
                self.world.at(self.boot_again_at, self.pump)
            if what.then is not None:
                what.then(payload)
            return
        self.answered += 1
        assert self.queue[0] is what
        self.queue.popleft()
        self.world.promises.heard(self.key, what.token)
        known = what.transaction
        if known is None:
            return
        if what.action == "StartTransaction":
            known.id_ = payload["transactionId"]
        info = payload.get("idTagInfo", payload.get("idTokenInfo"))
        if what.stage == "Started" and info is not None and info["status"] != "Accepted":
            self.end(known)

    def commanded(self, link: Link, got: list) -> None:
        """The backend, or the gateway, wants something."""
        _, id_, action, payload = got
        named = frames.stop_named(action, payload)
        answer = frames.error(id_, "NotImplemented")
        if named is not None:
            found = next((known for known in self.open.values() if known.id_ == named), None)
            self.world.promises.stop_commanded(self, named, found)
            status = "Accepted" if found is not None else "Rejected"
            if found is not None:
                self.end(found)
            answer = frames.result(id_, {"status": status})
        self.world.at(self.world.now + 0.05, link.send_to_gateway, answer)
