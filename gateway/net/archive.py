"""Between sessions and the store: entries, what is known of chargers, drivers' tags.

Everything here returns at once; a driver hears from the store on the event loop, later.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from secrets import token_bytes
from typing import TYPE_CHECKING

import msgspec

from gateway.net.parts import Parts
from gateway.net.tasks import spawn
from gateway.observe import log
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.knowledge import Known, Shared
from gateway.session.outbox import Entry
from gateway.session.tags import Tags
from gateway.store.place import OF_THE_CHARGER, part_of, taken_apart
from gateway.store.protocol import (
    MAX_OUTAGES,
    EntriesGone,
    Outage,
    OutboxEntry,
    OutboxUsage,
    Record,
    StatePart,
    Store,
    StoreError,
    StoreFailed,
    TagSeen,
    kept,
)

if TYPE_CHECKING:
    from gateway.net.driver import Driver

NODE = ""


class Waiting(msgspec.Struct):
    """What waits for one charger's backend, as far as the disk holds it."""

    messages: int = 0
    size: int = 0
    oldest: float = 0.0
    last: int = 0


class Archive:
    """The store as sessions use it, made by `open`.

    `key` makes digests of what must not be kept itself. `parts` is what was known of the node at the start,
    `outages` what was on record then, the newest first. `waiting` is what each charger has in its outbox, by
    its place, which is the charger's and the backend's (`gateway.store.place`). While the store takes
    nothing, `shared.can_store` is False, and messages stay with the chargers.
    """

    def __init__(
        self, store: Store, key: bytes, total_bytes: int, parts: dict[str, bytes] | None = None
    ) -> None:
        self.store = store
        self.parts = parts or {}
        self.key = key
        self.shared = Shared(Tags(key))
        self.total_bytes = total_bytes
        self.waiting: dict[str, Waiting] = {}
        self.outages: list[Outage] = []
        self.messages = self.bytes = 0
        self._parts = Parts()
        self._told: StoreFailed | None = None
        self._under_way = 0
        self._settled = asyncio.Event()
        self._closed = False

    @classmethod
    async def open(cls, store: Store, total_bytes: int) -> "Archive":
        """Read what is known of tags, and how much waits for whom. Errors: StoreError."""
        parts = await store.state(NODE)
        key = parts.get("key", b"")
        if not key:
            key = token_bytes(32)
            if (failed := await kept(store, StatePart(NODE, "key", key))) is not None:
                raise StoreError(f"{failed.reason}: {failed.detail}")
        archive = cls(store, key, total_bytes, parts)
        tags = archive.shared.tags
        for seen in await store.tags():
            accepted, until = msgspec.json.decode(seen.data, type=tuple[bool, float | None])
            tags.restore(seen.digest, seen.time, accepted, float("inf") if until is None else until)
        for usage in await store.outbox_usage():
            archive._count(usage)
        archive.outages = await store.outages(MAX_OUTAGES)
        return archive

    def _count(self, usage: OutboxUsage) -> None:
        self.waiting[usage.charger] = Waiting(usage.messages, usage.bytes, usage.oldest, usage.last)
        self.messages += usage.messages
        self.bytes += usage.bytes

    async def known(self, key: str) -> Known:
        """What is known of a charger and one of its backends, by their place. Errors: StoreError."""
        self._take_away()
        waiting = self.waiting.get(key, Waiting())
        parts = await self.store.state(key)
        charger = taken_apart(key)[0]
        if charger != key:
            of_all = await self.store.state(charger)
            parts |= {name: data for name, data in of_all.items() if name in OF_THE_CHARGER}
        parts |= self._parts.not_on_disk(key)
        return Known(parts, waiting.messages, waiting.size, waiting.oldest, waiting.last)

    def owed(self, backend: str) -> set[str]:
        """Chargers, by their keys, that have something stored for this backend."""
        places = map(taken_apart, self.waiting)
        return {charger for charger, whose in places if whose == backend}

    # What sessions want

    def store_entry(self, key: str, driver: "Driver", effect: ef.StoreEntry) -> None:
        entry = OutboxEntry(
            charger=key,
            number=effect.number,
            time=effect.came_at,
            version=effect.version.value,
            action=effect.action,
            raw=effect.frame,
        )
        self._write([entry, *_parts(key, effect.parts)], partial(self._stored, key, driver, entry))

    def drop_entry(self, key: str, driver: "Driver", effect: ef.DropEntry) -> None:
        records = [EntriesGone(key, (effect.number,)), *_parts(key, effect.parts)]
        size = len(driver.session.buffer.outbox.window[0].frame) if driver.session.buffer else 0
        self._write(records, partial(self._dropped, key, driver, effect.number, size))

    def fetch_entries(self, key: str, driver: "Driver", effect: ef.FetchEntries) -> None:
        spawn(self._fetch(key, driver, effect), "fetch stored messages")

    def keep_state(self, key: str, driver: "Driver", effect: ef.KeepState) -> None:
        self._write(
            _parts(key, effect.parts), lambda durable: driver.tell(ev.StateKept(effect.number, durable)), True
        )

    def remember(self, key: str, part: str, data: bytes) -> None:
        record = StatePart(part_of(key, part), part, data)
        if data:
            self._write([record], lambda _: None, True)
        else:
            self._parts.drop(record)

    def sweep(self) -> None:
        """Write down what was learned of tags; see whether the store takes messages."""
        fresh = self.shared.tags.take_fresh()
        if fresh:
            seen = [
                TagSeen(digest, at, msgspec.json.encode((accepted, None if until == float("inf") else until)))
                for digest, (at, accepted, until) in fresh.items()
            ]
            self._write(list(seen), lambda _: None)
        self._take_away()
        if self._parts.not_taken and self.store.failed is None:
            self._write(list(self._parts.not_taken.values()), lambda _: None, True)
        self._judge()

    async def close(self) -> None:
        """Wait for what is being written, and for what follows from it. Comes before the store's `close`;
        later writes are refused, so that nobody takes them for durable.
        """
        while self._under_way:
            self._settled.clear()
            await self._settled.wait()
        self._closed = True

    # Inside

    def _take_away(self) -> None:
        """Write down what is not needed any more, if nothing was written meanwhile."""
        if self._parts.unneeded:
            self._write([], lambda _: None)

    def _write(self, records: Sequence[Record], then: Callable[[bool], None], again: bool = False) -> None:
        """Have this written; with `again`, parts that the disk does not take are kept until it does."""
        if self._closed:
            asyncio.get_running_loop().call_soon(then, False)
            return
        parts = [one for one in records if type(one) is StatePart]
        unneeded = self._parts.going(parts)

        def done(failed: StoreFailed | None) -> None:
            self._under_way -= 1
            self._settled.set()
            self._parts.gone(parts, again and failed is not None and failed.reason != "invalid")
            self._judge()
            then(failed is None)

        self._under_way += 1
        self.store.write([*unneeded, *records], done)

    def _judge(self) -> None:
        failed = self.store.failed
        if (failed is None) != (self._told is None):
            if failed is not None:
                log.event("error", "store-takes-nothing", reason=failed.reason, detail=failed.detail)
            else:
                log.event("info", "store-takes-messages-again")
        self._told = failed
        self.shared.can_store = failed is None and self.bytes < self.total_bytes

    def _stored(self, key: str, driver: "Driver", entry: OutboxEntry, durable: bool) -> None:
        if durable:
            waiting = self.waiting.setdefault(key, Waiting(oldest=entry.time))
            waiting.messages += 1
            waiting.size += entry.record_bytes
            waiting.last = entry.number
            self.messages += 1
            self.bytes += entry.record_bytes
            self._judge()
        driver.tell(ev.EntryStored(entry.number, durable))

    def _dropped(self, key: str, driver: "Driver", number: int, size: int, durable: bool) -> None:
        if durable:
            waiting = self.waiting[key]
            waiting.messages -= 1
            waiting.size -= size
            self.messages -= 1
            self.bytes -= size
            if waiting.messages <= 0:
                del self.waiting[key]
            self._judge()
        driver.tell(ev.EntryDropped(number, durable))
        if durable and driver.session.buffer is not None and key in self.waiting:
            self.waiting[key].oldest = driver.session.buffer.outbox.oldest or self.waiting[key].oldest

    async def _fetch(self, key: str, driver: "Driver", effect: ef.FetchEntries) -> None:
        try:
            found = await self.store.outbox(key, effect.after, effect.limit)
        except StoreError as error:
            log.event("error", "outbox-unreadable", charger=driver.charger_id, reason=str(error))
            driver.tell(ev.EntriesFetched(None))
            return
        if not found:
            await self._recount(key)
        entries = [Entry(one.number, one.time, one.version, one.action, one.raw) for one in found]
        driver.tell(ev.EntriesFetched(tuple(entries)))

    async def _recount(self, key: str) -> None:
        """The disk holds less than was thought: what was damaged is in quarantine."""
        with suppress(StoreError):
            usage = next((one for one in await self.store.outbox_usage() if one.charger == key), None)
            gone = self.waiting.pop(key, Waiting())
            self.messages -= gone.messages
            self.bytes -= gone.size
            if usage is not None:
                self._count(usage)


def _parts(key: str, parts: tuple[tuple[str, bytes], ...]) -> list[Record]:
    return [StatePart(part_of(key, name), name, data) for name, data in parts]
