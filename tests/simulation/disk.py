"""The disk under the gateway, as its store promises it to be, with everything that may happen to it.

Writes take effect in order, in groups, each of which is there as a whole or not at all; only then is it
said. What was not committed is gone after a kill; the group that was being committed may be there although
nobody heard so; and a group whose failure was told may turn up after a restart, unless others came later.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.session.knowledge import Known
from gateway.session.outbox import Entry
from gateway.store.protocol import StatePart

if TYPE_CHECKING:
    from tests.simulation.world import World

GROUP = 64


class Put(Struct):
    """An entry of a charger's outbox."""

    key: str
    entry: Entry


class Gone(Struct):
    """An entry that is done with."""

    key: str
    number: int


class Quarantined(Struct):
    """A message kept for a person."""

    key: str
    raw: bytes


Record = Put | Gone | StatePart | Quarantined


class Write(Struct):
    records: list[Record]
    done: Callable[[bool], None]


class Read(Struct):
    look: Callable[[bool], None]


class Disk:
    """`entries` by charger and number, `parts` by charger and name: what would be found after a power cut.

    `trouble` is "" or `full`, `read-only`, `io`; `delay_s` is how long a commit takes now.
    """

    def __init__(self, world: "World") -> None:
        self.world = world
        self.entries: dict[str, dict[int, Entry]] = {}
        self.parts: dict[str, dict[str, bytes]] = {}
        self.trouble = ""
        self.delay_s = 0.005
        self.failed_at = float("-inf")
        self.slow_until = float("-inf")
        self.drags_until = float("-inf")  # so slow that nobody waits for a copy
        self._queue: deque[Write | Read] = deque()
        self._group: list[Write | Read] = []
        self._ghost: list[Write] = []
        self._life = 0

    def write(self, records: list[Record], done: Callable[[bool], None]) -> None:
        self._queue.append(Write(records, done))
        self._begin()

    def read(self, look: Callable[[bool], None]) -> None:
        """`look(True)` is called when the disk holds all that was to be written before; False: unreadable."""
        self._queue.append(Read(look))
        self._begin()

    @property
    def is_idle(self) -> bool:
        return not self._queue and not self._group

    def known(self, key: str) -> Known:
        """What a session is told of its charger."""
        entries = list(self.entries.get(key, {}).values())
        size = sum(len(entry.frame) for entry in entries)
        oldest = entries[0].came_at if entries else 0.0
        last = entries[-1].number if entries else 0
        return Known(dict(self.parts.get(key, {})), len(entries), size, oldest, last)

    def fetch(self, key: str, after: int, limit: int) -> tuple[Entry, ...]:
        entries = self.entries.get(key, {}).values()
        found = [entry for entry in entries if entry.number > after][:limit]
        return tuple(Entry(e.number, e.came_at, e.version, e.action, e.frame) for e in found)

    def die(self) -> None:
        """The process or the power goes."""
        chance = self.world.random
        self._life += 1
        if self._ghost and chance.random() < 0.5:
            for write in self._ghost:
                self._turns_up(write)
        if self._group and not self.trouble and chance.random() < 0.5:
            self._apply_all(self._group)
        self._group, self._ghost = [], []
        self._queue.clear()

    # Inside

    def _begin(self) -> None:
        if self._group or not self._queue:
            return
        self._group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
        delay_s = self.delay_s * (0.5 + self.world.random.random())
        if delay_s > 0.2:
            self.drags_until = max(self.drags_until, self.world.now + delay_s)
        if delay_s > 1.0:
            self.slow_until = max(self.slow_until, self.world.now + delay_s)
        self.world.at(self.world.now + delay_s, self._commit, self._life)

    def _commit(self, life: int) -> None:
        if life != self._life:
            return
        group, self._group = self._group, []
        for item in group:
            if isinstance(item, Read):
                item.look(self.trouble != "io")
                if life != self._life:
                    return
                continue
            fails = self._fails(item)
            if fails:
                self.failed_at = self.world.now
                self._ghost = [item]
            else:
                self._ghost = []
                self._apply(item)
            self.world.at(self.world.now + 0.001, self._tell, life, item.done, not fails)
        self._begin()

    def _tell(self, life: int, done: Callable[[bool], None], durable: bool) -> None:
        if life == self._life:
            done(durable)

    def _fails(self, write: Write) -> bool:
        if self.trouble == "full":
            return any(isinstance(record, Put | Quarantined) for record in write.records)
        if self.trouble == "io":
            return self.world.random.random() < 0.5
        return self.trouble == "read-only"

    def _apply_all(self, group: Any) -> None:
        for item in group:
            if isinstance(item, Write):
                self._apply(item)

    def _turns_up(self, write: Write) -> None:
        self._apply(write)
        for record in write.records:
            if isinstance(record, Put):
                self.world.promises.turned_up(record.key, record.entry.frame)

    def _apply(self, write: Write) -> None:
        promises = self.world.promises
        for record in sorted(write.records, key=lambda record: isinstance(record, Gone)):
            match record:
                case Put(key=key, entry=entry):
                    self.entries.setdefault(key, {}).setdefault(entry.number, entry)
                    promises.stored(key, entry.frame)
                case StatePart(charger=key, part=name, data=data):
                    self.parts.setdefault(key, {})[name] = data
                case Quarantined(key=key, raw=raw):
                    promises.quarantined(key, raw)
                case Gone(key=key, number=number):
                    entry = self.entries.get(key, {}).pop(number, None)
                    if entry is not None:
                        promises.dropped(key, entry.frame)
