"""What the archive writes, and when."""

import asyncio

from gateway.net.archive import Archive
from gateway.store.memory import MemoryStore


class Counted(MemoryStore):
    """How many records each write had."""

    def __init__(self):
        super().__init__()
        self.writes = []

    def write(self, records, done):
        self.writes.append(len(records))
        super().write(records, done)


def test_what_is_not_needed_goes_with_the_next_write_or_the_next_sweep():
    asyncio.run(_goes_later())


async def _goes_later():
    store = Counted()
    archive = await Archive.open(store, 1000)
    store.writes.clear()
    archive.remember("CP1", "under_way", b"x")
    archive.remember("CP1", "under_way", b"")
    archive.remember("CP2", "under_way", b"")
    assert store.writes == [1]
    archive.remember("CP1", "under_way", b"y")
    assert store.writes == [1, 3]
    assert (await archive.known("CP1")).parts["under_way"] == b"y"
    archive.remember("CP1", "under_way", b"")
    archive.sweep()
    archive.sweep()
    assert store.writes == [1, 3, 1]


def test_nobody_reads_what_is_not_needed_any_more():
    asyncio.run(_is_not_read())


async def _is_not_read():
    archive = await Archive.open(MemoryStore(), 1000)
    archive.remember("CP1", "under_way", b"x")
    archive.remember("CP1", "under_way", b"")
    assert "under_way" not in (await archive.known("CP1")).parts
