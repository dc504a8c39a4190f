"""What the archive writes, and when."""

import asyncio
from itertools import zip_longest

from world import until

from gateway.net import archive as module
from gateway.net.archive import Archive
from gateway.session.effects import KeepState
from gateway.session.events import StateKept
from gateway.store.memory import MemoryStore
from gateway.store.protocol import StoreFailed


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


class Failing(MemoryStore):
    """Takes nothing for `reason` while there is one."""

    reason = ""

    @property
    def failed(self):
        return StoreFailed(self.reason, "") if self.reason in ("full", "io") else None

    def write(self, records, done):
        failed = StoreFailed(self.reason, "") if self.reason else None
        if failed is None:
            super().write(records, done)
        else:
            asyncio.get_running_loop().call_soon(done, failed)


def test_what_a_failing_disk_did_not_take_is_written_when_it_works_again():
    asyncio.run(_is_written_again())


async def _is_written_again():
    store = Failing()
    archive = await Archive.open(store, 1000)
    driver = Driver(archive)
    archive.remember("CP1", "old", b"1")
    await asyncio.sleep(0)
    store.reason = "io"
    archive.remember("CP1", "old", b"2")
    archive.remember("CP1", "gone", b"1")
    archive.remember("CP1", "gone", b"")
    archive.remember("CP1", "past", b"1")
    archive.keep_state("CP1", driver, KeepState(7, (("kept", b"1"), ("newer", b"1"))))
    await until(lambda: driver.told, "the driver hears of it")
    archive.remember("CP1", "past", b"")
    assert (await archive.known("CP1")).parts == {"old": b"2", "kept": b"1", "newer": b"1"}
    archive.sweep()
    assert await store.state("CP1") == {"old": b"1"}
    store.reason = ""
    archive.remember("CP1", "newer", b"2")
    archive.sweep()
    await asyncio.sleep(0.01)
    assert await store.state("CP1") == {"old": b"2", "kept": b"1", "newer": b"2"}


def test_what_is_older_than_what_the_disk_has_is_not_written_again():
    asyncio.run(_is_not_written_again())


async def _is_not_written_again():
    memory = MemoryStore()
    archive = await Archive.open(memory, 1000)
    archive.store = store = Slow()
    archive.remember("CP1", "book", b"1")
    archive.remember("CP1", "book", b"2")
    archive.remember("CP1", "moves", b"1")
    archive.remember("CP1", "moves", b"")
    store.go_on(StoreFailed("io", ""), None, StoreFailed("io", ""))
    await asyncio.sleep(0.01)
    archive.sweep()
    store.go_on()
    assert await store.state("CP1") == {"book": b"2"}


def test_what_no_disk_would_take_is_not_tried_again():
    asyncio.run(_is_not_tried_again())


async def _is_not_tried_again():
    store = Failing()
    archive = await Archive.open(store, 1000)
    store.reason = "invalid"
    archive.remember("CP1", "book", b"1")
    await asyncio.sleep(0.01)
    store.reason = ""
    archive.sweep()
    assert await store.state("CP1") == {}


class Slow(MemoryStore):
    """Writes are done when the test says so, but for those that are to fail."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def write(self, records, done):
        self.waiting.append((records, done))

    def go_on(self, *failures):
        waiting, self.waiting = self.waiting, []
        for (records, done), failed in zip_longest(waiting, failures):
            if failed is None:
                super().write(records, done)
            else:
                done(failed)


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
