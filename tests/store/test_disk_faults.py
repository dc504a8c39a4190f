"""What a store does when the disk fails it, and how it comes back by itself."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from gateway.store import reserve, sqlite, sqlite_disk, sqlite_file, sqlite_rows
from gateway.store.protocol import (
    EntriesGone,
    EntryMoved,
    EntryState,
    FlagRecord,
    OutboxEntry,
    QuarantineEntry,
    QuarantineQuery,
    StatePart,
    StoreError,
    Trimmed,
    kept,
)
from gateway.store.sqlite import SqliteStore

TRIM = Trimmed(flags_since=0, flag_rows=10**6, quarantine_rows=10**6, quarantine_bytes=10**9)


def waiting(number, charger="CP1", size=400, **over):
    facts = {"time": 1000.0, "version": "1.6", "action": "MeterValues", "raw": b"r" * size}
    return OutboxEntry(charger=charger, number=number, **facts | over)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Try again at once; and hold back little, for tests run on small disks."""
    monkeypatch.setattr(sqlite, "PROBE_S", 0.01)
    monkeypatch.setattr(sqlite_disk, "RETRY_S", 0.01)
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(reserve, "RESERVE_BYTES", 1_000_000)


def in_store(data, steps):
    """Run `steps(store, told)`; `told` fills with the names of what the store tells."""

    async def run():
        told = []
        store = await SqliteStore.open(data, lambda name, fields: told.append(name))
        try:
            return await steps(store, told)
        finally:
            await store.close()

    return asyncio.run(run())


async def numbers(store, charger="CP1"):
    return [entry.number for entry in await store.outbox(charger, limit=100_000)]


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the condition is not ours to set an event at
            await asyncio.sleep(0.005)


async def on_thread(store, work):
    """Do `work(disk)` where the store does."""
    return await store._ask(lambda: work(store._disk))


class Failing:
    """A connection whose next statements of one kind fail with an error of SQLite's; `last` how many."""

    def __init__(self, db, code, statement="COMMIT", last=1):
        self._db, self._code, self._statement, self._last = db, code, statement, last

    def __getattr__(self, name):
        return getattr(self._db, name)

    def execute(self, statement, *parameters):
        if statement.startswith(self._statement) and self._last:
            self._last -= 1
            error = sqlite3.OperationalError("as if")
            error.sqlite_errorcode, error.sqlite_errorname = self._code, f"SQLITE_{self._code}"
            raise error
        return self._db.execute(statement, *parameters)


def make_failing(disk, code, **how):
    disk._db = Failing(disk._db, code, **how)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (sqlite3.SQLITE_IOERR_FSYNC, "io"),
        (sqlite3.SQLITE_IOERR_WRITE, "io"),
        (sqlite3.SQLITE_CANTOPEN, "io"),
        (sqlite3.SQLITE_CORRUPT, "corrupt"),
        (sqlite3.SQLITE_READONLY, "read-only"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "read-only"),
    ],
)
def test_after_a_failure_that_lasts_the_file_is_opened_anew(data, code, reason):
    async def steps(store, told):
        await kept(store, waiting(1))
        first = await on_thread(store, lambda disk: disk._db)
        await on_thread(store, lambda disk: make_failing(disk, code, last=99))
        failed = await kept(store, waiting(2))
        assert failed.reason == reason and store.failed == failed
        await until(lambda: store.failed is None)
        assert await on_thread(store, lambda disk: disk._db) is not first
        with pytest.raises(sqlite3.ProgrammingError):  # closed, never used again
            await on_thread(store, lambda disk: first.execute("SELECT 1"))
        assert await kept(store, waiting(3)) is None
        assert await numbers(store) == [1, 3]

    in_store(data, steps)


def test_a_failed_sync_is_never_tried_again_on_what_was_open(data):
    """Nothing may be written to the file between the failure and opening it anew."""

    async def steps(store, told):
        await kept(store, waiting(1))
        file = data / "gateway.db"
        before = file.read_bytes(), (data / "gateway.db-wal").read_bytes()
        await on_thread(store, lambda disk: make_failing(disk, sqlite3.SQLITE_IOERR_FSYNC, last=99))
        await on_thread(store, lambda disk: disk.commit([[waiting(2)]]))
        assert (file.read_bytes(), (data / "gateway.db-wal").read_bytes()[: len(before[1])]) == before

    in_store(data, steps)


def test_opening_anew_is_tried_until_it_works_and_not_more_often_than_agreed(data, monkeypatch):
    opened, tries = sqlite_disk.sqlite_salvage.open_checked, []

    def refusing(*parameters):
        tries.append(parameters)
        if len(tries) < 4:
            raise StoreError("the disk is away")
        return opened(*parameters)

    async def steps(store, told):
        monkeypatch.setattr(sqlite_disk.sqlite_salvage, "open_checked", refusing)
        await on_thread(store, lambda disk: make_failing(disk, sqlite3.SQLITE_IOERR_FSYNC))
        await kept(store, waiting(1))
        await until(lambda: len(tries) >= 2)
        with pytest.raises(StoreError, match="cannot be read"):
            await numbers(store)
        await until(lambda: store.failed is None)
        assert len(tries) == 4
        monkeypatch.setattr(sqlite_disk, "RETRY_S", 1e9)
        await on_thread(store, lambda disk: make_failing(disk, sqlite3.SQLITE_IOERR_FSYNC))
        await kept(store, waiting(2))
        for n in range(20):
            assert (await kept(store, waiting(3 + n))).reason == "io"
        assert len(tries) == 4

    in_store(data, steps)


def test_a_reader_that_meets_damage_has_the_file_opened_anew(data):
    async def steps(store, told):
        await kept(store, waiting(1))
        await on_thread(store, lambda disk: make_failing(disk, sqlite3.SQLITE_CORRUPT, statement="SELECT"))
        with pytest.raises(StoreError, match="cannot be read"):
            await numbers(store)
        await until(lambda: store.failed is not None)
        await until(lambda: store.failed is None)
        assert await numbers(store) == [1]

    in_store(data, steps)


HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_that_holds_the_file_is_waited_for_then_told_and_the_loop_goes_on(data):
    async def steps(store, told):
        await kept(store, waiting(1))
        with subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-c", HOLDER, data / "gateway.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            await asyncio.to_thread(holder.stdout.readline)
            turns = 0
            writing = asyncio.ensure_future(kept(store, *(waiting(n) for n in range(2, 300))))
            while not writing.done():
                turns += 1
                await asyncio.sleep(0)
            assert writing.result().reason == "busy" and store.failed.reason == "busy"
            assert turns > 100
            holder.stdin.close()
        await until(lambda: store.failed is None)
        assert await kept(store, waiting(300)) is None
        assert await numbers(store) == [1, 300]

    in_store(data, steps)


def test_while_a_failure_lasts_all_that_waits_hears_of_it_together(data, monkeypatch):
    monkeypatch.setattr(sqlite, "GROUP_ROWS", 2)
    tries = []

    async def steps(store, told):
        with closing(sqlite3.connect(data / "gateway.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert (await kept(store, waiting(1))).reason == "busy"
            commit = store._disk.commit
            store._disk.commit = lambda writes: tries.append(len(writes)) or commit(writes)
            answers = await asyncio.gather(*(kept(store, waiting(n)) for n in range(40)))
            assert {answer.reason for answer in answers} == {"busy"}
            other.execute("ROLLBACK")

    in_store(data, steps)
    assert len(tries) <= 2 and sum(tries) == 40


def test_a_file_held_at_the_start_is_told_with_the_cure(data):
    in_store(data, lambda store, told: kept(store, waiting(1)))
    with closing(sqlite3.connect(data / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="database is locked; another program holds it: end that"):
            in_store(data, numbers)


async def limit_pages(store, more):
    """Let the file grow by `more` pages only, as a full disk would; the reserve cannot be had back either."""

    def limit(disk):
        (pages,) = disk._db.execute("PRAGMA page_count").fetchone()
        disk._db.execute(f"PRAGMA max_page_count = {pages + more}")

    await on_thread(store, limit)


@pytest.fixture
def room(monkeypatch):
    """How much the disk has free, as a list of one number."""
    free = [10**12]
    monkeypatch.setattr(reserve, "_free_bytes", lambda path: free[0])
    return free


async def fill(store, room):
    """Write until the disk is full; the numbers that were kept."""
    room[0] = 0
    await limit_pages(store, 20)
    answers = [await kept(store, waiting(n, size=3000)) for n in range(1, 60)]
    assert answers[-1].reason == "full" and store.failed.reason == "full"
    return [n for n, answer in enumerate(answers, 1) if answer is None]


def test_a_full_disk_is_told_and_is_over_when_there_is_room_again(data, room):
    async def steps(store, told):
        stored = await fill(store, room)
        assert 10 < len(stored) < 59 and await numbers(store) == stored
        assert not (data / "gateway.reserve").exists()
        await limit_pages(store, 10_000)
        room[0] = 1_999_999  # room for the reserve, but hardly more
        assert (await kept(store, waiting(99))).reason == "full"
        room[0] = 2_000_000
        await until(lambda: store.failed is None)
        assert (data / "gateway.reserve").stat().st_size == reserve.RESERVE_BYTES
        assert await kept(store, waiting(100, size=3000)) is None

    in_store(data, steps)


def test_a_store_that_is_asked_all_the_time_comes_back_too(data, room, monkeypatch):
    monkeypatch.setattr(sqlite, "PROBE_S", 0.2)

    async def steps(store, told):
        await fill(store, room)
        await limit_pages(store, 10_000)
        room[0] = 2_000_000
        async with asyncio.timeout(10):
            while store.failed is not None:
                await store.state("CP1")

    in_store(data, steps)


def test_on_a_full_disk_what_takes_away_or_replaces_is_still_carried_out(data, room):
    async def steps(store, told):
        stored = await fill(store, room)
        entry = QuarantineEntry(id="q", time=1.0, charger="CP1", sender="charger", raw=b"x")
        flag = FlagRecord(time=1.0, charger="CP1", code="c", severity="info", consequence="delivered")
        for refused in ([waiting(99)], [flag], [entry], [StatePart("CP1", "book", b"1"), waiting(99)]):
            assert (await kept(store, *refused)).reason == "full"
        for done in (
            [EntriesGone("CP1", (stored[0],)), StatePart("CP1", "book", b"2")],
            [EntriesGone("CP1", (stored[1],)), entry],
            [EntryMoved("q", EntryState.DISCARDED, "")],
            [StatePart("CP1", "station", b"3")],
            [TRIM],
        ):
            assert await kept(store, *done) is None
        assert store.failed.reason == "full"
        assert await numbers(store) == stored[2:]
        assert await store.state("CP1") == {"book": b"2", "station": b"3"}
        assert (await store.quarantine(QuarantineQuery()))[0].state is EntryState.DISCARDED
        for n in stored[2:]:
            assert await kept(store, EntriesGone("CP1", (n,))) is None
        assert await store.outbox_usage() == []

    in_store(data, steps)


def test_a_write_that_fills_the_disk_does_not_take_a_delivery_of_its_group_with_it(data, room):
    async def steps(store, told):
        await kept(store, waiting(1))
        room[0] = 0
        await limit_pages(store, 4)
        answers = []
        store.write([waiting(2, size=100_000)], answers.append)
        store.write([EntriesGone("CP1", (1,))], answers.append)
        await until(lambda: len(answers) == 2)
        assert answers[0].reason == "full" and answers[1] is None
        assert await numbers(store) == []

    in_store(data, steps)


def test_a_start_on_a_full_disk_refuses_messages_but_empties_what_waits(data, room):
    in_store(data, lambda store, told: kept(store, waiting(1)))
    (data / "gateway.reserve").unlink()
    room[0] = 0

    async def steps(store, told):
        assert store.failed.reason == "full"
        assert (await kept(store, waiting(2))).reason == "full"
        assert await kept(store, EntriesGone("CP1", (1,))) is None
        room[0] = 10**12
        await until(lambda: store.failed is None)

    in_store(data, steps)


def test_what_was_emptied_goes_back_to_the_disk_while_it_is_full(data, room):
    async def steps(store, told):
        await kept(store, *(waiting(n, size=3000) for n in range(500)))
        room[0] = 0
        size = (data / "gateway.db").stat().st_size
        await on_thread(store, lambda disk: make_failing(disk, sqlite3.SQLITE_FULL))
        assert (await kept(store, waiting(999))).reason == "full"
        assert await kept(store, EntriesGone("CP1", tuple(range(500)))) is None
        await until(lambda: (data / "gateway.db").stat().st_size < max(size, 1_000_000) / 4)
        await until(lambda: (data / "gateway.db-wal").stat().st_size < 100_000)

    in_store(data, steps)


def test_a_disk_that_hangs_is_told_after_a_while_and_until_it_answers(data, monkeypatch):
    monkeypatch.setattr(sqlite, "STALLED_S", -1.0)

    async def steps(store, told):
        assert store.failed is None
        writing = asyncio.ensure_future(kept(store, waiting(1)))
        await asyncio.sleep(0)
        assert store.failed.reason == "slow"
        assert await writing is None
        assert store.failed is None

    in_store(data, steps)


def test_a_file_that_is_taken_away_is_missed_aloud(data):
    async def steps(store, told):
        await kept(store, waiting(1))
        await numbers(store)
        for suffix in ("", "-wal", "-shm"):
            (data / f"gateway.db{suffix}").unlink()
        assert (await kept(store, waiting(2))).reason == "io"
        await until(lambda: store.failed is None)
        assert told == ["store-file-missing"]
        assert await kept(store, waiting(3)) is None
        return await numbers(store)

    assert in_store(data, steps) == [1, 3]


def test_a_write_that_cannot_be_kept_says_nothing_about_the_store(data):
    async def steps(store, told):
        assert (await kept(store, waiting(1, time="nonsense"))).reason == "invalid"
        assert store.failed is None

    in_store(data, steps)


def test_what_waits_is_summed_up_from_the_index_alone(data):
    async def steps(store, told):
        query = (
            "EXPLAIN QUERY PLAN SELECT charger, count(*), sum(raw_bytes), min(time), max(number)"
            " FROM outbox GROUP BY charger"
        )
        return await on_thread(store, lambda disk: [row[3] for row in disk._db.execute(query)])

    assert in_store(data, steps) == ["SCAN outbox USING COVERING INDEX outbox_usage"]


def test_what_is_delivered_is_found_by_its_index(data):
    async def steps(store, told):
        plans = []

        class Explaining:
            def execute(self, statement, parameters):
                plans.extend(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

        def explain(disk):
            nonlocal db
            db = disk._db
            sqlite_rows.apply(Explaining(), [EntriesGone("CP1", (1, 2)), StatePart("CP1", "book", b"")])

        db = None
        await on_thread(store, explain)
        return plans

    plans = in_store(data, steps)
    assert "SEARCH outbox USING COVERING INDEX outbox_by_charger (charger=? AND number=?)" in plans
    assert not [plan for plan in plans if plan.startswith(("SCAN outbox", "SCAN state"))]
