"""What SQLite adds to the contract: the disk, and everything that can happen to it."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store import sqlite, sqlite_disk, sqlite_file, sqlite_rows
from gateway.store.protocol import (
    FlagQuery,
    FlagRecord,
    QuarantineEntry,
    QuarantineQuery,
    StoreError,
    Trimmed,
    kept,
)
from gateway.store.sqlite import SqliteStore


def flag(n=0, **over):
    facts = {
        "time": 1000.0 + n,
        "charger": "CP1",
        "code": "c",
        "severity": "info",
        "consequence": "delivered",
    }
    return FlagRecord(**facts | {"path": f"p{n}"} | over)


def entry(n=0, size=10):
    return QuarantineEntry(id=f"e{n}", time=1.0, charger="CP1", sender="charger", raw=b"x" * size)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def in_store(data, steps):
    """Run `steps(store)` with an open store; what they return."""

    async def run():
        store = await SqliteStore.open(data)
        try:
            return await steps(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def paths(store):
    return [found.path for found in await store.flags(FlagQuery(limit=100_000))]


def test_what_was_kept_is_there_after_a_restart(data):
    in_store(data, lambda store: kept(store, flag(1), entry(1)))

    async def look(store):
        assert await paths(store) == ["p1"]
        assert (await store.quarantine_entry("e1")).raw == b"x" * 10

    in_store(data, look)


def test_directory_and_files_are_for_their_owner_alone(data):
    async def look(store):
        await kept(store, flag())
        files = {path.name: path.stat().st_mode & 0o777 for path in data.iterdir()}
        assert files.keys() == {
            "gateway.db",
            "gateway.db-wal",
            "gateway.db-shm",
            "gateway.lock",
            "gateway.reserve",
        }
        assert set(files.values()) == {0o600}
        assert data.stat().st_mode & 0o777 == 0o700

    before = os.umask(0)
    try:
        in_store(data, look)
    finally:
        os.umask(before)


def test_a_database_that_others_can_read_is_refused_with_the_cure(data):
    in_store(data, lambda store: kept(store, flag()))
    (data / "gateway.db").chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        in_store(data, paths)


def test_two_gateways_cannot_share_a_directory(data):
    async def steps(_):
        with pytest.raises(StoreError, match="another process uses it"):
            await SqliteStore.open(data)

    in_store(data, steps)
    assert in_store(data, paths) == []


@pytest.mark.parametrize("place", ["/proc/ocpp", "/dev/null/data"])
def test_a_directory_that_cannot_be_made_is_refused_with_the_cure(place):
    with pytest.raises(StoreError, match="give a directory"):
        in_store(Path(place), paths)


def test_a_read_only_directory_is_refused_with_the_cure(data, monkeypatch):
    """Told by the error of the system call, since root may write anywhere."""
    data.mkdir()

    def refuse(path, flags, mode=0o777):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(sqlite_file.os, "open", refuse)
    with pytest.raises(StoreError, match=r"Permission denied; give a directory the gateway may write to"):
        in_store(data, paths)


def test_a_database_from_a_newer_gateway_is_left_alone(data):
    in_store(data, lambda store: kept(store, flag()))
    with closing(sqlite3.connect(data / "gateway.db")) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="newer gateway"):
        in_store(data, paths)
    assert (data / "gateway.db").exists()


def test_migrations_run_once_each_in_order(data, monkeypatch):
    in_store(data, lambda store: kept(store, flag()))
    ran = []
    monkeypatch.setattr(
        sqlite_file,
        "MIGRATIONS",
        (
            *sqlite_file.MIGRATIONS,
            lambda db: ran.append("second"),
            lambda db: ran.append(db.execute("ALTER TABLE flags ADD COLUMN third TEXT") and "third"),
        ),
    )
    assert in_store(data, paths) == ["p0"]
    assert in_store(data, paths) == ["p0"]
    assert ran == ["second", "third"]


def test_flags_from_before_it_was_told_count_as_applied(data):
    in_store(data, lambda store: kept(store, flag(applied=False)))
    with closing(sqlite3.connect(data / "gateway.db")) as db:
        db.execute("ALTER TABLE flags DROP COLUMN applied")
        db.execute("PRAGMA user_version = 3")
    (found,) = in_store(data, lambda store: store.flags(FlagQuery()))
    assert found.applied is True and found.path == "p0"


def test_a_migration_that_fails_leaves_the_file_as_it_was(data, monkeypatch):
    in_store(data, lambda store: kept(store, flag()))

    def broken(db):
        db.execute("DELETE FROM flags")
        db.execute("nonsense")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_file, "MIGRATIONS", (*sqlite_file.MIGRATIONS, broken))
        with pytest.raises(StoreError, match="nonsense"):
            in_store(data, paths)
    assert in_store(data, paths) == ["p0"]


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.store.protocol import FlagRecord
from gateway.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    first = int(sys.argv[2])

    def write(n):
        def done(failed):
            assert failed is None
            print(n, flush=True)
            write(n + 20)
        flag = FlagRecord(time=n, charger="CP", code="c", severity="i", consequence="x", path=str(n))
        store.write([flag], done)

    for n in range(first, first + 20):
        write(n)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged(data):
    acknowledged = set()
    for run in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(data), str(run * 1_000_000)], stdout=subprocess.PIPE, text=True
        )
        with child:
            for line in child.stdout:
                acknowledged.add(int(line))
                if len(acknowledged) == (run + 1) * 300:
                    child.send_signal(signal.SIGKILL)
                    break
            acknowledged.update(int(line) for line in child.stdout if line.endswith("\n"))
    assert len(acknowledged) >= 1200
    found = {int(path) for path in in_store(data, paths)}
    assert acknowledged <= found
    assert len(found) <= len(acknowledged) + 4 * 20


def test_a_write_that_cannot_be_kept_does_not_take_its_neighbours_with_it(data):
    async def steps(store):
        answers = []
        for record in (flag(1), flag(2, time=float("nan")), flag(3), flag(4, path=5.5j), flag(5)):
            store.write([record], answers.append)
        await kept(store)
        assert [failed and failed.reason for failed in answers] == [None, "invalid", None, "invalid", None]
        return await paths(store)

    assert in_store(data, steps) == ["p5", "p3", "p1"]


def test_the_records_of_one_write_stand_or_fall_together(data):
    async def steps(store):
        assert (await kept(store, flag(1), flag(2, time=float("nan")))).reason == "invalid"
        return await paths(store)

    assert in_store(data, steps) == []


FILLER = """
import asyncio, sys
from pathlib import Path
from gateway.store.protocol import QuarantineEntry
from gateway.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    loop = asyncio.get_running_loop()
    for n in range(1000):
        answer = loop.create_future()
        entry = QuarantineEntry(id=f"e{n}", time=1.0, charger="CP", sender="charger", raw=b"x" * 5000)
        store.write([entry], answer.set_result)
        failed = await answer
        if failed:
            print(n, failed.reason, flush=True)
            break
    await store.close()

asyncio.run(main())
"""


def test_when_the_system_refuses_to_write_it_is_told_and_nothing_acknowledged_is_lost(data):
    """A limit on the size of files, set for a child: the write fails below SQLite."""
    done = subprocess.run(
        [sys.executable, "-c", FILLER, str(data)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )
    number, reason = done.stdout.split()
    assert reason in ("full", "io")

    async def look(store):
        return {e.id for e in await store.quarantine(QuarantineQuery(limit=1000))}

    assert {f"e{n}" for n in range(int(number))} <= in_store(data, look)


def test_a_callback_that_fails_does_not_keep_others_from_hearing(data):
    async def steps(store):
        unhandled = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        store.write([flag(1)], lambda _: 1 / 0)
        assert await kept(store, flag(2)) is None
        assert isinstance(unhandled[0]["exception"], ZeroDivisionError)

    in_store(data, steps)


def hold_up(store):
    """Keep the writer's thread from working until the returned event is set."""
    go = threading.Event()
    store._ask_later = asyncio.ensure_future(store._ask(go.wait))
    return go


def test_write_returns_at_once_while_the_disk_hangs_and_what_waits_is_bounded(data, monkeypatch):
    monkeypatch.setattr(sqlite, "MAX_WAITING_ROWS", 100)

    async def steps(store):
        go = hold_up(store)
        await asyncio.sleep(0)
        answers = []
        for n in range(150):
            store.write([flag(n)], answers.append)
        await asyncio.sleep(0)
        assert [failed.reason for failed in answers] == ["overloaded"] * 50
        go.set()
        found = await paths(store)
        assert answers[50:] == [None] * 100
        assert await kept(store, flag(999)) is None
        return found

    assert len(in_store(data, steps)) == 100


def test_what_waits_is_bounded_in_bytes_too(data, monkeypatch):
    monkeypatch.setattr(sqlite, "MAX_WAITING_BYTES", 10_000)

    async def steps(store):
        go = hold_up(store)
        await asyncio.sleep(0)
        answers = []
        for n in range(3):
            store.write([entry(n, 6000)], answers.append)
        await asyncio.sleep(0)
        assert [failed.reason for failed in answers] == ["overloaded"] * 2
        go.set()

    in_store(data, steps)


def test_what_waits_shares_commits(data, monkeypatch):
    monkeypatch.setattr(sqlite, "GROUP_ROWS", 64)
    commits = []
    apply = sqlite_rows.apply

    def counted(db, records):
        commits.append(len(records))
        apply(db, records)

    monkeypatch.setattr(sqlite_rows, "apply", counted)

    async def steps(store):
        go = hold_up(store)
        await asyncio.sleep(0)
        for n in range(640):
            store.write([flag(n)], lambda _: None)
        go.set()
        await kept(store)

    in_store(data, steps)
    assert max(commits) == sqlite.GROUP_ROWS and sum(commits) == 640


def test_the_log_is_folded_into_the_file_as_it_grows(data, monkeypatch):
    monkeypatch.setattr(sqlite_disk, "CHECKPOINT_BYTES", 50_000)

    async def steps(store):
        for n in range(100):
            await kept(store, entry(n, 5000))
        return (data / "gateway.db-wal").stat().st_size

    assert in_store(data, steps) < 700_000


def test_what_was_trimmed_gives_its_room_back(data):
    async def steps(store):
        await kept(store, *(entry(n, 5000) for n in range(200)))
        before = await store._ask(lambda: store._disk._db.execute("PRAGMA page_count").fetchone()[0])
        await kept(store, Trimmed(flags_since=0, flag_rows=1, quarantine_rows=0, quarantine_bytes=0))
        await store.usage()
        after = await store._ask(lambda: store._disk._db.execute("PRAGMA page_count").fetchone()[0])
        assert after < before / 4

    in_store(data, steps)


def test_one_trim_removes_a_bounded_number_of_flags(data, monkeypatch):
    monkeypatch.setattr(sqlite_rows, "MAX_TRIMMED", 10)

    async def steps(store):
        await kept(store, *(flag(n) for n in range(100)))
        await kept(store, Trimmed(flags_since=0, flag_rows=5, quarantine_rows=0, quarantine_bytes=0))
        return await paths(store)

    assert in_store(data, steps) == [f"p{n}" for n in range(99, 9, -1)]


def test_a_question_that_takes_too_long_is_given_up(data, monkeypatch):
    monkeypatch.setattr(sqlite_disk, "READ_S", -1)

    async def steps(store):
        await kept(store, *(flag(n) for n in range(5000)))
        with pytest.raises(StoreError, match="takes too long"):
            await store.flags(FlagQuery(firmware="none"))
        monkeypatch.setattr(sqlite_disk, "READ_S", 60)
        assert await store.flags(FlagQuery(firmware="none")) == []
        assert await kept(store, flag()) is None

    in_store(data, steps)


def test_looking_up_from_outside_while_the_gateway_runs_and_afterwards(data):
    def look():
        with closing(sqlite_file.open_read_only(data)) as db:
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute("DELETE FROM flags")
            return [found.path for found in sqlite_rows.flags(db, FlagQuery())]

    async def steps(store):
        await kept(store, flag(1))
        assert look() == ["p1"]

    in_store(data, steps)
    assert look() == ["p1"]


def test_looking_up_where_nothing_is_says_so(data):
    with pytest.raises(StoreError, match="has a gateway run"):
        sqlite_file.open_read_only(data)
