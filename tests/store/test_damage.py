"""A file that is damaged: what can be read is saved, what is wrong is not passed off as data."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing, suppress

import pytest

from gateway.store import reserve, sqlite, sqlite_disk, sqlite_file, sqlite_rows, sqlite_salvage
from gateway.store.protocol import (
    FlagQuery,
    FlagRecord,
    OutboxEntry,
    QuarantineEntry,
    QuarantineQuery,
    StatePart,
    StoreError,
    TagSeen,
    kept,
)
from gateway.store.sqlite import SqliteStore

CHARGERS = 4
EACH = 60
SEEDS = 60


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(sqlite, "PROBE_S", 0.01)
    monkeypatch.setattr(sqlite_disk, "RETRY_S", 0.01)
    monkeypatch.setattr(reserve, "RESERVE_BYTES", 100_000)


def waiting(number, charger="CP0"):
    raw = f'[2,"{charger}-{number}","MeterValues",{{"v":"'.encode() + random.Random(number).randbytes(400)
    return OutboxEntry(
        charger=charger, number=number, time=1e9 + number, version="1.6", action="MeterValues", raw=raw
    )


def entry(n):
    return QuarantineEntry(
        id=f"e{n}", time=1.0, charger="CP0", sender="charger", raw=b"q" * 3000, carries_revenue=True
    )


def flag(n):
    return FlagRecord(
        time=1000.0 + n, charger="CP1", code="c", severity="info", consequence="delivered", path=f"p{n}"
    )


def messages():
    return [waiting(n, f"CP{c}") for n in range(1, EACH + 1) for c in range(CHARGERS)]


def written():
    """Every write that is made, in order."""
    return [
        *([message, StatePart(message.charger, "book", b"%d" % message.number)] for message in messages()),
        *([entry(n)] for n in range(20)),
        *([flag(n), TagSeen(b"%d" % n, 1.0, b"x" * 50)] for n in range(200)),
    ]


def opened(data, steps):
    """Run `steps(store, told)` with the store in `data`; `told` fills with names and fields."""

    async def run():
        told = []
        store = await SqliteStore.open(data, lambda name, fields: told.append((name, fields)))
        try:
            return await steps(store, told)
        finally:
            await store.close()

    return asyncio.run(run())


async def write_all(store, told):
    assert set(await asyncio.gather(*(kept(store, *records) for records in written()))) == {None}


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A directory as a stop leaves it, and one as a kill leaves it: half in the file, half in the log."""
    place = tmp_path_factory.mktemp("whole")
    stopped, killed = place / "stopped", place / "killed"

    async def half(store, told):
        records = written()
        middle = len(records) // 2
        for some in (records[:middle], records[middle:]):
            for group in range(0, len(some), 40):
                await asyncio.gather(*(kept(store, *write) for write in some[group : group + 40]))
            if some[0] is records[0]:
                await store._ask(
                    lambda: store._disk._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                )
        shutil.copytree(place / "work", killed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reserve, "RESERVE_BYTES", 100_000)
        opened(stopped, write_all)
        opened(place / "work", half)
    assert (killed / "gateway.db-wal").stat().st_size > 200_000
    return {"stopped": stopped, "killed": killed}


async def look(store, told):
    """What is there now, and what was told; no damaged byte may come out as data."""
    original = {(m.charger, m.number): m for m in messages()}
    found = []
    for charger in range(CHARGERS):
        after = 0
        while True:
            try:
                page = await store.outbox(f"CP{charger}", after, 50)
            except StoreError:
                if store.failed is None:
                    raise
                async with asyncio.timeout(20):
                    while store.failed is not None:  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
                continue
            if not page:
                break
            for message in page:
                assert message == original[message.charger, message.number]
            found += page
            after = page[-1].number
        for data in (await store.state(f"CP{charger}")).values():
            assert data.isdigit() and 1 <= int(data) <= EACH
    quarantined = await store.quarantine(QuarantineQuery(limit=1000))
    flags = await store.flags(FlagQuery(limit=1000))
    assert await kept(store, waiting(10**6, "NEW")) is None
    return {
        "messages": len(found),
        "damaged": sum(e.flags == (sqlite_rows.DAMAGED,) for e in quarantined),
        "entries": sum(e.id.startswith("e") for e in quarantined),
        "flags": len(flags),
        "told": [name for name, _ in told],
    }


COMPLETE = {"messages": CHARGERS * EACH, "damaged": 0, "entries": 20, "flags": 200, "told": []}


@pytest.mark.parametrize("kind", ["stopped", "killed"])
def test_what_is_whole_is_read_whole(whole, tmp_path, kind):
    assert opened(damaged_copy(whole, kind, tmp_path, 0), look) == COMPLETE


def damaged_copy(whole, kind, tmp_path, seed):
    data = tmp_path / f"{kind}-{seed}"
    shutil.copytree(whole[kind], data)
    return data


def flip(path, seed, count=1, length=1):
    """Change `count` runs of `length` bytes anywhere in a file."""
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(count):
        at = chance.randrange(len(content) - length)
        content[at : at + length] = bytes(b ^ chance.randrange(1, 256) for b in content[at : at + length])
    path.write_bytes(content)


def test_wherever_a_byte_of_the_file_changes_nothing_wrong_is_handed_out_and_little_is_lost(whole, tmp_path):
    for seed in range(SEEDS):
        data = damaged_copy(whole, "stopped", tmp_path, seed)
        flip(data / "gateway.db", seed)
        found = opened(data, look)
        at_least = COMPLETE["messages"] - 20
        assert found["messages"] + found["damaged"] >= at_least, (seed, found)
        if found["messages"] < COMPLETE["messages"]:
            assert found["told"], (seed, found)


def test_a_torn_page_loses_hardly_more_than_what_was_on_it(whole, tmp_path):
    for seed in range(SEEDS // 2):
        data = damaged_copy(whole, "stopped", tmp_path, seed)
        flip(data / "gateway.db", seed, length=2048)
        found = opened(data, look)
        assert found["messages"] + found["damaged"] >= COMPLETE["messages"] - 40, (seed, found)
        if found["messages"] < COMPLETE["messages"]:
            assert found["told"], (seed, found)


def test_wherever_a_byte_of_the_log_changes_all_that_follows_is_still_there(whole, tmp_path):
    for seed in range(SEEDS):
        data = damaged_copy(whole, "killed", tmp_path, seed)
        flip(data / "gateway.db-wal", seed)
        found = opened(data, look)
        assert found["messages"] + found["damaged"] >= COMPLETE["messages"] - 20, (seed, found)
        if found["messages"] < COMPLETE["messages"]:
            assert found["told"], (seed, found)


def test_a_file_cut_short_keeps_what_is_left(whole, tmp_path):
    size = (whole["stopped"] / "gateway.db").stat().st_size
    left = []
    for seed, share in enumerate((0.0, 0.3, 0.6, 0.9)):
        data = damaged_copy(whole, "stopped", tmp_path, seed)
        with (data / "gateway.db").open("r+b") as file:
            file.truncate(int(size * share))
        found = opened(data, look)
        assert "store-was-corrupt" in found["told"] or "store-file-missing" in found["told"]
        left.append(found["messages"] + found["entries"] + found["flags"])
    assert left == sorted(left) and len(set(left)) == 4, left


def test_a_log_cut_short_loses_the_end_only(whole, tmp_path):
    for seed in range(10):
        data = damaged_copy(whole, "killed", tmp_path, seed)
        log = data / "gateway.db-wal"
        with log.open("r+b") as file:
            file.truncate(random.Random(seed).randrange(log.stat().st_size))
        found = opened(data, look)
        assert found["messages"] >= COMPLETE["messages"] // 2, (seed, found)


def test_a_log_that_was_taken_away_is_missed_aloud(whole, tmp_path):
    data = damaged_copy(whole, "killed", tmp_path, 0)
    (data / "gateway.db-wal").unlink()
    found = opened(data, look)
    assert found["told"] == ["store-log-missing"]
    assert found["messages"] >= COMPLETE["messages"] // 2


def test_a_file_that_was_taken_away_while_its_log_stayed_is_missed_aloud(whole, tmp_path):
    data = damaged_copy(whole, "killed", tmp_path, 0)
    (data / "gateway.db").unlink()
    found = opened(data, look)
    assert found["told"] == ["store-file-missing"]
    assert [path.name for path in data.glob("*.broken-*-wal")] != []


def test_the_broken_file_is_kept_as_it_was_and_the_saving_told_with_counts(whole, tmp_path):
    data = damaged_copy(whole, "stopped", tmp_path, 0)
    path = data / "gateway.db"
    content = bytearray(path.read_bytes())
    content[:100] = b"\xff" * 100
    path.write_bytes(content)

    async def steps(store, told):
        [(name, fields)] = told
        assert name == "store-was-corrupt"
        assert fields["outbox"] == "240 saved, 0 damaged, 0 lost"
        assert fields["quarantine"] == "20 saved, 0 damaged, 0 lost"
        [aside] = data.glob("gateway.db.broken-*")
        assert str(aside) == fields["kept_as"] and aside.read_bytes() == bytes(content)
        return await look(store, [])

    assert opened(data, steps) == COMPLETE
    assert not (data / "salvage").exists()
    assert {p.stat().st_mode & 0o777 for p in data.iterdir()} == {0o600}


def test_text_in_place_of_a_database_is_kept_and_told(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "gateway.db").touch(0o600)
    (data / "gateway.db").write_text("not a database, but long enough to look like one" * 100)
    found = opened(data, look)
    assert found["told"] == ["store-was-corrupt"] and found["messages"] == 0


class Stopped(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("point", ["copyfile", "rename", "move_aside", "rmtree"])
def test_an_end_in_the_middle_of_saving_loses_nothing(whole, tmp_path, monkeypatch, point):
    for hit in range(4):
        data = damaged_copy(whole, "stopped", tmp_path, f"{point}-{hit}")
        with (data / "gateway.db").open("r+b") as file:
            file.write(b"\xff" * 100)
        owner = {
            "copyfile": sqlite_salvage.shutil,
            "rename": sqlite_salvage.Path,
            "move_aside": sqlite_file,
            "rmtree": sqlite_salvage.shutil,
        }[point]
        original = getattr(owner, point)
        left = [hit]

        def ending(*parameters, original=original, left=left, **options):
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            return original(*parameters, **options)

        with monkeypatch.context() as patch:
            patch.setattr(owner, point, ending)
            with suppress(Stopped):
                sqlite_salvage.open_checked(data, lambda name, fields: None).close()
        assert opened(data, look) | {"told": []} == COMPLETE


def test_a_message_whose_bytes_changed_goes_to_quarantine_and_is_told(whole, tmp_path):
    data = damaged_copy(whole, "stopped", tmp_path, 0)
    with closing(sqlite3.connect(data / "gateway.db")) as db:
        db.execute(
            "UPDATE outbox SET raw = CAST(raw || 'x' AS BLOB) WHERE charger = 'CP1' AND number IN (3, 4)"
        )
        db.execute("UPDATE outbox SET time = time + 1 WHERE charger = 'CP2' AND number = 60")
        db.execute("UPDATE state SET data = x'39' WHERE charger = 'CP3'")
        db.commit()

    async def steps(store, told):
        assert [m.number for m in await store.outbox("CP1", 0, 4)] == [1, 2, 5, 6]
        assert [m.number for m in await store.outbox("CP2", 58)] == [59]
        assert await store.state("CP3") == {}
        assert {u.charger: u.messages for u in await store.outbox_usage()} == {
            "CP0": 60, "CP1": 58, "CP2": 59, "CP3": 60,
        }  # fmt: skip
        damaged = [e for e in await store.quarantine(QuarantineQuery(charger="CP1"))]
        assert [e.raw for e in damaged] == [waiting(n, "CP1").raw + b"x" for n in (4, 3)]
        assert {(e.flags, e.carries_revenue, e.action) for e in damaged} == {
            ((sqlite_rows.DAMAGED,), True, "MeterValues")
        }
        assert [name for name, _ in told] == ["store-rows-damaged"] * 3

    opened(data, steps)
