"""What the archive writes, and when."""

import asyncio

from world import until

from gateway.net import archive as module
from gateway.net.archive import Archive
from gateway.session.effects import KeepState
from gateway.session.events import StateKept
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


class Slow(MemoryStore):
    """Writes are done when the test says so."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def write(self, records, done):
        self.waiting.append(lambda: MemoryStore.write(self, records, done))

    def go_on(self):
        waiting, self.waiting = self.waiting, []
        for write in waiting:
            write()


class Driver:
    """Keeps one thing more as soon as one is kept."""

    def __init__(self, archive):
        self.archive = archive
        self.told = []

    def tell(self, event):
        self.told.append(event)
        if event.number == 1:
            self.archive.keep_state("CP1", self, KeepState(2, (("state", b"y"),)))


def test_a_stop_waits_for_what_is_being_written_and_is_no_error(monkeypatch):
    told = []
    monkeypatch.setattr(module.log, "event", lambda *of, **fields: told.append(of))
    asyncio.run(_stops_in_order())
    assert not told


async def _stops_in_order():
    memory = MemoryStore()
    archive = await Archive.open(memory, 1000)
    archive.store = store = Slow()
    driver = Driver(archive)
    archive.keep_state("CP1", driver, KeepState(1, (("state", b"x"),)))
    closing = asyncio.ensure_future(archive.close())
    for number in (1, 2):  # what follows from the first is written too
        await until(lambda: store.waiting, "something is written")
        assert not closing.done()
        store.go_on()
        await until(lambda: len(driver.told) == number, "the driver hears of it")  # noqa: B023
    await closing
    await store.close()
    assert driver.told == [StateKept(1, True), StateKept(2, True)]

    archive.keep_state("CP1", driver, KeepState(3, (("state", b"z"),)))
    await until(lambda: len(driver.told) == 3, "the driver hears of it")
    assert driver.told[2] == StateKept(3, False)
    assert not store.waiting
