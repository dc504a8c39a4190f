"""A store that forgets when the process ends: for tests, where nothing needs to survive."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from gateway.store.protocol import (
    MAX_TRIMMED,
    Done,
    EntriesGone,
    EntryMoved,
    FlagQuery,
    FlagRecord,
    Outage,
    OutboxEntry,
    OutboxUsage,
    QuarantineEntry,
    QuarantineQuery,
    Record,
    StatePart,
    StoreError,
    StoreFailed,
    TagSeen,
    Trimmed,
    Usage,
)


@dataclass
class MemoryStore:
    """`failing`, when a test sets it, is the answer to every write until it is taken back."""

    failing: StoreFailed | None = None
    _flags: list[FlagRecord] = field(default_factory=list)
    _entries: dict[str, QuarantineEntry] = field(default_factory=dict)
    _outbox: dict[str, dict[int, OutboxEntry]] = field(default_factory=dict)
    _state: dict[str, dict[str, bytes]] = field(default_factory=dict)
    _tags: dict[bytes, TagSeen] = field(default_factory=dict)
    _outages: dict[tuple[str, float], Outage] = field(default_factory=dict)
    _last: int = 0
    _closed: bool = False

    @property
    def failed(self) -> StoreFailed | None:
        return StoreFailed("closed", "the store is closed") if self._closed else self.failing

    def write(self, records: Sequence[Record], done: Done) -> None:
        failed = self.failed
        if failed is None:
            for record in records:
                self._apply(record)
        asyncio.get_running_loop().call_soon(done, failed)

    async def flags(self, query: FlagQuery) -> list[FlagRecord]:
        self._check()
        newest_first = query.after is None
        rows = [flag for flag in self._flags if _fits(flag, query)]
        return (rows[::-1] if newest_first else rows)[: query.limit]

    async def quarantine(self, query: QuarantineQuery) -> list[QuarantineEntry]:
        self._check()
        rows = [
            entry
            for entry in self._entries.values()
            if query.state in (None, entry.state)
            and query.charger in ("", entry.charger)
            and (query.before is None or entry.number < query.before)
        ]
        return rows[::-1][: query.limit]

    async def quarantine_entry(self, id: str) -> QuarantineEntry | None:
        self._check()
        found = [entry for known, entry in self._entries.items() if id and known.startswith(id)]
        return self._entries.get(id) or (found[0] if len(found) == 1 else None)

    async def usage(self) -> Usage:
        self._check()
        return Usage(len(self._flags), len(self._entries), sum(len(e.raw) for e in self._entries.values()))

    async def outbox(self, charger: str, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        self._check()
        entries = self._outbox.get(charger, {})
        return [entries[number] for number in sorted(entries) if number > after][:limit]

    async def outbox_usage(self) -> list[OutboxUsage]:
        self._check()
        return [
            OutboxUsage(
                charger,
                len(entries),
                sum(entry.record_bytes for entry in entries.values()),
                min(entry.time for entry in entries.values()),
                max(entries),
            )
            for charger, entries in sorted(self._outbox.items())
            if entries
        ]

    async def state(self, charger: str) -> dict[str, bytes]:
        self._check()
        return dict(self._state.get(charger, {}))

    async def tags(self) -> list[TagSeen]:
        self._check()
        return sorted(self._tags.values(), key=lambda tag: tag.time)

    async def outages(self, limit: int = 100) -> list[Outage]:
        self._check()
        return sorted(self._outages.values(), key=lambda outage: -outage.begin)[:limit]

    async def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    def _apply(self, record: Record) -> None:
        self._last += 1
        match record:
            case FlagRecord():
                self._flags.append(replace(record, number=self._last))
            case QuarantineEntry():
                self._entries.setdefault(record.id, replace(record, number=self._last))
            case EntryMoved() if record.id in self._entries:
                entry = self._entries[record.id]
                self._entries[record.id] = replace(entry, state=record.state, outcome=record.outcome)
            case OutboxEntry():
                self._outbox.setdefault(record.charger, {}).setdefault(record.number, record)
            case EntriesGone():
                for number in record.numbers:
                    self._outbox.get(record.charger, {}).pop(number, None)
            case StatePart():
                self._state.setdefault(record.charger, {})[record.part] = record.data
                if not record.data:
                    del self._state[record.charger][record.part]
            case TagSeen():
                self._tags[record.digest] = record
            case Outage():
                self._outages[record.backend, record.begin] = record
            case Trimmed():
                self._trim(record)
            case _:
                pass

    def _trim(self, bounds: Trimmed) -> None:
        old = [n for n, flag in enumerate(self._flags) if flag.time < bounds.flags_since]
        gone = set(old) | set(range(len(self._flags) - bounds.flag_rows))
        gone = set(sorted(gone)[:MAX_TRIMMED])
        self._flags = [flag for n, flag in enumerate(self._flags) if n not in gone]
        self._tags = {digest: tag for digest, tag in self._tags.items() if tag.time >= bounds.tags_since}
        newest = sorted(self._outages.items(), key=lambda item: -item[1].begin)
        self._outages = dict(newest[: bounds.outages])
        rows, size = len(self._entries), sum(len(e.raw) for e in self._entries.values())
        for entry in sorted(self._entries.values(), key=lambda e: (not e.state.settled, e.number)):
            if rows <= bounds.quarantine_rows and size <= bounds.quarantine_bytes:
                break
            if entry.state.settled or not entry.carries_revenue:
                del self._entries[entry.id]
                rows, size = rows - 1, size - len(entry.raw)


def _fits(flag: FlagRecord, query: FlagQuery) -> bool:
    names = ("code", "brand", "firmware", "charger", "severity")
    return (
        all(getattr(query, name) in ("", getattr(flag, name)) for name in names)
        and (query.since is None or flag.time >= query.since)
        and (query.until is None or flag.time < query.until)
        and (query.before is None or flag.number < query.before)
        and (query.after is None or flag.number > query.after)
    )
