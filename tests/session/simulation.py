"""A charger, a backend and the network between them, all by chance, around a real session.

One `World` lives through one seed: both ends send CALLs, answer late, twice, wrongly or never, vanish and
come back, and everything takes time on its way, so that much arrives when its connection is long gone.
After every step the promises of the session are checked; then the world heals, and everything that is
still under way must come to an end. `python tests/session/simulation.py SEED` tells a seed's story.
"""

import heapq
import json
import random
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.dialect.reader import Reader
from gateway.ocpp.message import Sender, Version
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.session import ChargerSession, SessionSettings
from gateway.session.tally import Tally

CHARGER, BACKEND = Sender
WALL_S = 1_795_248_000.0
WILD_S = 120.0
SETTINGS = SessionSettings(
    answer_deadline_s=10.0,
    call_timeout_s=15.0,
    waiting_calls=4,
    message_cost_s=0.05,
    burst_s=2.0,
    charger_ping_s=45.0,
    backend_ping_s=45.0,
)


class Violation(AssertionError):
    """A promise of the session was broken."""


class End:
    """One peer: what it has sent on its present connection and waits for, and what it was asked."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.epoch = 0
        self.is_open = False  # as the session knows it
        self.is_there = False  # as the peer knows it
        self.is_read = True
        self.unread: deque[ev.Event] = deque()
        self.arrives_at = 0.0
        self.forget()

    def forget(self) -> None:
        """A new connection begins."""
        self.asked: list[tuple[str, bytes]] = []  # CALLs in the order in which the session got them
        self.forwarded = 0  # how many of them, from the first, were sent on or passed over
        self.waits: list[tuple[str, str, bool, float]] = []  # id, token, billing, when the session got it
        self.out: tuple[str, float] | None = None  # CALL that it has to answer, and since when


class World:
    """Everything that happens in one seed. `history` is what happened, for people."""

    def __init__(self, seed: int, kind: type[ChargerSession] = ChargerSession) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.now = 1000.0
        self.session = kind("CP1", SETTINGS, Tally(), Reader(Version.V16), WALL_S - self.now)
        self.ends = {sender: End(sender) for sender in Sender}
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = 0
        self.is_wild = True
        self.history: list[str] = []
        self.seen: list[str] = []
        self.delivered = 0
        self.last_billing: bytes | None = None

    # The story

    def live(self) -> None:
        """Live through the seed; raises Violation."""
        self.connect()
        self.at(self.now + self.random.uniform(0, 1), self.act)
        healed_at = self.now + WILD_S
        self.run_until(healed_at)
        self.is_wild = False
        self.run_until(healed_at + 100)
        self.settle()

    def settle(self) -> None:
        """What must have come true some time after the world was healed."""
        self.require(
            self.ends[CHARGER].is_open and self.ends[BACKEND].is_open, "the ends are connected again"
        )
        for end in self.ends.values():
            self.require(end.is_read, f"the {end.sender} is read")
        self.require(not self.session.to_backend and not self.session.to_charger, "nothing waits in the line")
        fresh = [self.send_call(self.ends[sender], billing) for sender in Sender for billing in (False, True)]
        self.run_until(self.now + 8)
        for end in self.ends.values():
            waiting = {token for _, token, _, _ in end.waits}
            self.require(not waiting.intersection(fresh), f"every new CALL of the {end.sender} was answered")
        self.seen.clear()
        self.run_until(self.now + 300)
        said = set(self.seen)
        self.require(said <= {"Ping", "TimePassed", "ChargerPonged", "BackendPonged"}, f"calm, not {said}")

    def run_until(self, end: float) -> None:
        while True:
            due = min(self.session.due, self.agenda[0][0] if self.agenda else float("inf"))
            if due > end:
                break
            self.now = max(self.now, due)
            if self.session.due <= self.now:
                self.tell(ev.TimePassed())
                self.require(self.session.due > self.now, "the session is told the time once")
            else:
                _, _, action = heapq.heappop(self.agenda)
                action()
            self.check_deadlines()
        self.now = end

    def at(self, when: float, action: Callable[[], None]) -> None:
        self.numbers += 1
        heapq.heappush(self.agenda, (when, self.numbers, action))

    # The peers

    def act(self) -> None:
        """Something happens by chance."""
        if not self.is_wild:
            return
        end = self.ends[self.random.choice(list(Sender))]
        roll = self.random.random()
        if roll < 0.55:
            for _ in range(self.random.choice((1, 1, 1, 2, 7))):
                self.send_call(end, self.random.random() < 0.3)
        elif roll < 0.60:
            self.send(end, b"nonsense")
        elif roll < 0.64:
            self.send(end, json.dumps([3, f"never-{self.numbers}", {"status": "Accepted"}]).encode())
        elif roll < 0.68:
            self.block(end)
        elif roll < 0.71:
            self.leave(end, 1006)
        elif roll < 0.73:
            self.late_event(end)
        self.at(self.now + self.random.expovariate(1.0), self.act)

    def send_call(self, end: End, billing: bool) -> str:
        """A CALL whose id may have been used before; returns the token that its answer will have."""
        if not end.is_there:
            return ""
        again = self.last_billing
        if end.sender is CHARGER and billing and again is not None and self.is_wild and self.chance(0.3):
            self.send(end, again)
            return ""
        token = str(self.numbers + 1)
        id_ = f"m{self.random.randrange(4)}" if self.is_wild and self.chance(0.8) else f"only-{token}"
        if end.sender is CHARGER and billing:
            payload = {
                "connectorId": 1,
                "idTag": "TAG",
                "meterStart": int(token),
                "timestamp": "2026-11-21T08:00:00Z",
            }
            frame = json.dumps([2, id_, "StartTransaction", payload], indent=1).encode()
            self.last_billing = frame
        else:
            payload = {"vendorId": "v", "data": token}
            frame = json.dumps([2, id_, "DataTransfer", payload], indent=1).encode()
        self.send(end, frame)
        return token

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def send(self, end: End, frame: bytes) -> None:
        """A peer sends; the frame arrives later, after those that it sent before."""
        make = ev.ChargerFrame if end.sender is CHARGER else ev.BackendFrame
        self.travel(end, make(end.epoch, frame))

    def travel(self, end: End, event: ev.Event) -> None:
        end.arrives_at = max(end.arrives_at, self.now + self.random.expovariate(20.0))
        if self.is_wild and self.chance(0.01):
            end.arrives_at += 5
        self.at(end.arrives_at, lambda: self.arrive(end, event))

    def arrive(self, end: End, event: Any) -> None:
        if event.epoch == end.epoch and not end.is_read and "Frame" in type(event).__name__:
            end.unread.append(event)
        else:
            self.tell(event)

    def leave(self, end: End, code: int) -> None:
        """A peer's connection goes; it and the other one come back."""
        if not end.is_there:
            return
        end.is_there = False
        make = ev.ChargerClosed if end.sender is CHARGER else ev.BackendClosed
        epoch = end.epoch
        delay = self.random.expovariate(2.0)
        self.at(self.now + delay, lambda: self.tell(make(epoch, code)))
        self.at(self.now + self.random.uniform(0, 3), self.connect)

    def connect(self) -> None:
        """Both ends come (back), when both have gone: first the backend, then the charger."""
        if any(end.is_there for end in self.ends.values()):
            return
        for end in (self.ends[BACKEND], self.ends[CHARGER]):
            end.epoch += 1
            end.is_there = end.is_open = end.is_read = True
            end.unread.clear()
            end.forget()
        self.last_billing = None
        self.tell(ev.BackendOpened(self.ends[BACKEND].epoch))
        self.tell(ev.ChargerOpened(self.ends[CHARGER].epoch, Version.V16))

    def block(self, end: End) -> None:
        """A peer does not read for a while."""
        blocked, unblocked = (
            (ev.ChargerBlocked, ev.ChargerUnblocked)
            if end.sender is CHARGER
            else (ev.BackendBlocked, ev.BackendUnblocked)
        )
        epoch = end.epoch
        self.tell(blocked(epoch))
        wait = self.random.uniform(0, 40 if self.chance(0.1) else 2)
        self.at(self.now + wait, lambda: self.tell(unblocked(epoch)))

    def late_event(self, end: End) -> None:
        """Something of an older connection arrives only now."""
        epoch = end.epoch - 1
        frame = json.dumps([2, "late", "DataTransfer", {"vendorId": "late"}]).encode()
        if end.sender is CHARGER:
            late = (ev.ChargerFrame(epoch, frame), ev.ChargerClosed(epoch, 1006), ev.ChargerBlocked(epoch))
        else:
            late = (ev.BackendFrame(epoch, frame), ev.BackendClosed(epoch, 1006), ev.BackendBlocked(epoch))
        self.tell(self.random.choice(late))

    def asked_to(self, end: End, frame: bytes) -> None:
        """A peer gets a CALL: it answers, late or twice or wrongly or not at all."""
        _, id_, action, payload = json.loads(frame)
        token = payload["meterStart"] if action == "StartTransaction" else payload.get("data", "")
        answer: list[Any] = [3, id_, {"status": "Accepted", "data": token}]
        if action == "StartTransaction":
            answer[2] = {"transactionId": token, "idTagInfo": {"status": "Accepted"}}
        roll = self.random.random() if self.is_wild else 1.0
        if roll < 0.06:
            return
        if roll < 0.12:
            answer = [4, id_, "InternalError", str(token), {}]
        delay = self.random.expovariate(5.0)
        if roll > 0.85 and self.is_wild:
            delay = self.random.uniform(3, 20)
        if not self.is_wild:
            delay = 0.1
        epoch, data = end.epoch, json.dumps(answer, indent=1).encode()
        for _ in range(2 if 0.12 < roll < 0.3 and id_.startswith("only-") else 1):
            self.at(self.now + delay, lambda: self.send(end, data) if end.epoch == epoch else None)

    # The session

    def tell(self, event: Any) -> None:
        """Give the session an event, check what it wants, and do that."""
        self.tell_of(f"{self.now - 1000:10.3f}", event)
        pending = {
            CHARGER: self.session.to_charger.out,
            BACKEND: self.session.to_backend.out,
        }
        expected = {sender: call.id if call is not None else None for sender, call in pending.items()}
        self.note(event)
        effects = self.session.handle(event, self.now)
        for effect in effects:
            self.tell_of(f"{'':12}", effect)
        for effect in effects:
            self.check(effect, event, expected)

    def tell_of(self, when: str, thing: Any) -> None:
        self.seen.append(type(thing).__name__)
        self.history.append(f"{when}  {self.seen[-1]} {_short(thing)}")

    def note(self, event: Any) -> None:
        """What the world knows before the session acts on an event."""
        name = type(event).__name__
        if not hasattr(event, "epoch"):
            return
        end = self.ends[CHARGER if name.startswith("Charger") else BACKEND]
        if event.epoch != end.epoch:
            return
        if name.endswith("Closed"):
            end.is_open = False
        elif name.endswith("Frame") and end.is_open:
            self.note_frame(end, event.data)

    def note_frame(self, end: End, data: bytes) -> None:
        try:
            frame = json.loads(data)
        except ValueError:
            return
        if frame[0] == 2:
            billing = frame[2] == "StartTransaction"
            token = str(frame[3].get("meterStart", frame[3].get("data")))
            end.asked.append((frame[1], data))
            end.waits.append((frame[1], token, billing, self.now))
        elif end.out is not None and end.out[0] == frame[1]:
            end.out = None

    def check(self, effect: Any, event: Any, expected: dict[Sender, str | None]) -> None:
        """Whether the session may want this now; and then it happens."""
        match effect:
            case ef.SendToCharger(data=data) | ef.SendToBackend(data=data):
                end = self.ends[CHARGER if isinstance(effect, ef.SendToCharger) else BACKEND]
                self.require(end.is_open, f"nothing is sent to a {end.sender} that is gone")
                frame = json.loads(data)
                if frame[0] == 2:
                    self.check_call(end, data, frame)
                    self.at(self.now + 0.01, lambda: self.asked_to(end, data))
                else:
                    self.check_answer(end, frame, event, expected)
                self.delivered += 1
            case ef.Close(to=to, code=code):
                end = self.ends[to]
                self.require(end.is_open, f"a {to} that is gone is not closed")
                end.is_open = False
                self.leave(end, code)
            case ef.StopReading(of=of):
                self.require(self.ends[of].is_open and self.ends[of].is_read, f"the {of} is held once")
                self.ends[of].is_read = False
            case ef.ReadOn(of=of):
                self.require(self.ends[of].is_open and not self.ends[of].is_read, f"the {of} was held")
                self.read_on(self.ends[of])
            case ef.Ping(to=to):
                self.require(self.ends[to].is_open, f"a {to} that is gone is not pinged")
                make = ev.ChargerPonged if to is CHARGER else ev.BackendPonged
                self.travel(self.ends[to], make(self.ends[to].epoch))
            case _:
                pass

    def read_on(self, end: End) -> None:
        end.is_read = True

        def read() -> None:
            while end.unread and end.is_read:
                self.tell(end.unread.popleft())

        self.at(self.now, read)

    def check_call(self, to: End, data: bytes, frame: list[Any]) -> None:
        """One at a time, in the order in which they came, with the bytes that came."""
        asker = self.ends[to.sender.other]
        if to.out is not None:
            patience = SETTINGS.call_timeout_s if to.sender is CHARGER else SETTINGS.answer_deadline_s / 2
            self.require(self.now >= to.out[1] + patience, f"one CALL at a time to the {to.sender}")
        to.out = (frame[1], self.now)
        for place in range(asker.forwarded, len(asker.asked)):
            id_, came = asker.asked[place]
            same = data == came
            if not same and frame[1].startswith("gateway-"):
                same = json.loads(came)[2:] == frame[2:] and _payload(came) in data and frame[1] != id_
            if same:
                asker.forwarded = place + 1
                return
        self.require(False, "a CALL goes on as it came and in its order")

    def check_answer(self, to: End, frame: list[Any], event: Any, expected: dict[Sender, str | None]) -> None:
        """An answer is for a CALL that waits for it, under its id and with its content."""
        if frame[0] == 4:
            token, refused = frame[3], not frame[3].isdigit()
        else:
            token, refused = str(frame[2].get("transactionId", frame[2].get("data"))), False
        found = [wait for wait in to.waits if wait[0] == frame[1] and (refused or wait[1] == token)]
        self.require(bool(found), f"the {to.sender} has asked for this answer")
        to.waits.remove(found[-1] if refused else found[0])
        answered_by = type(event).__name__.removesuffix("Frame").lower()
        if answered_by == to.sender.other.value and not refused:
            came = json.loads(event.data)
            on_time = came[1] == expected[to.sender.other]
            self.require(on_time, "no late answer passes")

    def check_deadlines(self) -> None:
        """Billing data is answered, or its charger closed, in time."""
        end = self.ends[CHARGER]
        if not end.is_open:
            return
        for _, token, billing, came_at in end.waits:
            late = billing and self.now > came_at + SETTINGS.answer_deadline_s + 0.001
            self.require(not late, f"billing data {token} is answered in time")

    def require(self, true: bool, what: str) -> None:
        if not true:
            raise Violation(what)


def _payload(frame: bytes) -> bytes:
    """The bytes of a CALL's payload."""
    return frame[frame.index(b"{") : frame.rindex(b"}") + 1]


def _short(thing: Any) -> str:
    fields = [getattr(thing, name) for name in thing.__struct_fields__ if name not in ("flags", "raw")]
    return " ".join(
        " ".join(field.decode().split()) if isinstance(field, bytes) else str(field) for field in fields
    )


def live(seed: int, kind: type[ChargerSession] = ChargerSession) -> World:
    """Live through one seed; a broken promise says how to see it again."""
    world = World(seed, kind)
    try:
        world.live()
    except AssertionError as error:
        raise Violation(
            f"seed {seed}, {world.now - 1000:.3f} s: not so: {error}\n"
            + "\n".join(world.history[-30:])
            + f"\nsee it all: python tests/session/simulation.py {seed}"
        ) from error
    return world


if __name__ == "__main__":
    told = World(int(sys.argv[1]))
    try:
        told.live()
    except AssertionError as problem:
        told.history.append(f"not so: {problem}")
    print("\n".join(told.history))
