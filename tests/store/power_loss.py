"""A model of losing power: what may be on the disk then, and whether what was acknowledged is in it.

The store's own statements run over files that record every write, sync, truncation and removal. For many
moments the files are rebuilt as a disk may hold them that lost its power just then: what was synced is there;
of what was not, each part is there or not, in any order, torn at 512 or 4,096 bytes. Then the store's own
opening has to find, without a complaint, exactly what was acknowledged, or that and all of the commit
that was under way.

`python -m tests.store.power_loss --seeds 100` looks longer than the tests do.
"""

import argparse
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from gateway.store import sqlite_file, sqlite_rows, sqlite_salvage
from gateway.store.protocol import (
    EntriesGone,
    EntryMoved,
    EntryState,
    FlagRecord,
    Outage,
    OutboxEntry,
    QuarantineEntry,
    Record,
    StatePart,
    TagSeen,
    Trimmed,
)

VARIANTS = 20
TABLES = ("flags", "quarantine", "outbox", "state", "tags", "outages")

Step = tuple[str, str, int, bytes]
"""What happened: `write`, `sync`, `truncate`, `delete`, `names` (the directory is synced) or `acknowledged`;
which file; where; the bytes.
"""


class Recording(apsw.VFS):
    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        super().__init__("recording", "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self.steps, name, flags)

    def xDelete(self, name: str, sync_directory: bool) -> None:
        self.steps.append(("delete", Path(name).name, 0, b""))
        super().xDelete(name, sync_directory)


class _File(apsw.VFSFile):
    def __init__(self, steps: list[Step], name: Any, flags: list[int]) -> None:
        self.steps = steps
        self.name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "temporary").name
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self.steps.append(("write", self.name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self.steps.append(("truncate", self.name, size, b""))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self.steps.append(("sync", self.name, 0, b""))


def records(chance: random.Random, number: int) -> list[Record]:
    """What one commit carries: messages, deliveries, and now and then everything else."""
    charger = f"CP{chance.randrange(3)}"
    found: list[Record] = []
    for part in range(chance.choice((1, 1, 3, 12))):
        raw = chance.randbytes(chance.choice((50, 400, 9000)))
        numbered = number * 100 + part
        found.append(
            OutboxEntry(
                charger=charger,
                number=numbered,
                time=float(number),
                version="1.6",
                action="MeterValues",
                raw=raw,
            )
        )
        found.append(StatePart(charger, "book", chance.randbytes(300)))
    if chance.random() < 0.5:
        gone = tuple(n * 100 + p for n in range(max(0, number - 6), number) for p in range(12))
        found.append(EntriesGone(charger, gone))
    if chance.random() < 0.2:
        entry = QuarantineEntry(
            id=f"e{number}", time=1.0, charger=charger, sender="charger", raw=chance.randbytes(2000)
        )
        flag = FlagRecord(time=1.0, charger=charger, code="c", severity="info", consequence="delivered")
        moved = EntryMoved(f"e{number - chance.randrange(5)}", EntryState.DISCARDED, "")
        outage = Outage(backend="b", begin=float(number // 9), chargers=number)
        found += [entry, flag, moved, outage, TagSeen(b"%d" % (number % 5), 1.0, b"x")]
    if chance.random() < 0.1:
        found.append(Trimmed(flags_since=0.0, flag_rows=3, quarantine_rows=1, quarantine_bytes=10**9))
    return found


def run(directory: Path, seed: int, commits: int, flaw: str = "") -> tuple[list[Step], list[dict[str, Any]]]:
    """Every step of a run, and what the database held after each commit (first: before any).

    `flaw` is a value of `PRAGMA synchronous` that is too weak, or `names`: the directory is not synced.
    """
    chance = random.Random(seed)
    steps: list[Step] = []
    vfs = Recording(steps)
    path = directory / sqlite_file.NAME
    db = apsw.Connection(str(path), vfs="recording")
    db.execute(
        "PRAGMA locking_mode = EXCLUSIVE"
    )  # shared memory cannot be recorded; nothing else uses the file
    sqlite_file._set_up(db)
    sqlite_file._migrate(db, path)
    if flaw != "names":
        steps.append(("names", "", 0, b""))  # sync_directory, as the store's opening does
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if flaw in ("NORMAL", "OFF"):
        db.execute(f"PRAGMA synchronous = {flaw}")
    steps.append(("acknowledged", "", 0, b""))
    held = [content(db)]
    for number in range(1, commits + 1):
        db.execute("BEGIN IMMEDIATE")
        sqlite_rows.apply(db, records(chance, number))
        db.execute("COMMIT")
        steps.append(("acknowledged", "", number, b""))
        held.append(content(db))
        if chance.random() < 0.15:
            db.execute(f"PRAGMA wal_checkpoint({chance.choice(('PASSIVE', 'TRUNCATE'))})")
        if chance.random() < 0.1:
            db.execute("PRAGMA incremental_vacuum(5)")
    db.close()
    del vfs
    return steps, held


def content(db: Any) -> dict[str, Any]:
    return {
        table: sorted((tuple(row) for row in db.execute(f"SELECT * FROM {table}")), key=repr)
        for table in TABLES
    }


class Disk:
    """What was synced, and the steps since, per file."""

    def __init__(self) -> None:
        self.synced: dict[str, bytearray] = {}
        self.since: dict[str, list[Step]] = {}

    def take(self, step: Step) -> None:
        kind, name, *_ = step
        if kind == "sync":
            for done in self.since.pop(name, []):
                _do(self.synced, done)
        elif kind == "names":
            for deleted in [n for n, since in self.since.items() if any(s[0] == "delete" for s in since)]:
                self.take(("sync", deleted, 0, b""))
        elif kind != "acknowledged":
            self.since.setdefault(name, []).append(step)

    def after_loss(self, chance: random.Random, variant: int) -> dict[str, bytearray]:
        """Variant 0 has everything (a kill), 1 nothing unsynced; others are torn, dropped and reordered."""
        files = {name: bytearray(held) for name, held in self.synced.items()}
        for steps in self.since.values():
            if variant == 1:
                continue
            parts = [part for step in steps for part in _torn(step, (512, 4096)[variant % 2])]
            if variant > 1:
                share = chance.choice((0.1, 0.5, 0.9))
                parts = [part for part in parts if chance.random() < share]
                if variant % 3 == 0:
                    chance.shuffle(parts)
            for part in parts:
                _do(files, part)
        return files


def _torn(step: Step, size: int) -> Iterator[Step]:
    kind, name, at, data = step
    if kind != "write":
        yield step
        return
    begin = 0
    while begin < len(data):
        end = min(len(data), (at + begin) // size * size + size - at)
        yield kind, name, at + begin, data[begin:end]
        begin = end


def _do(files: dict[str, bytearray], step: Step) -> None:
    kind, name, at, data = step
    if kind == "delete":
        files.pop(name, None)
        return
    held = files.setdefault(name, bytearray())
    if kind == "truncate":
        del held[at:]
        held.extend(bytes(at - len(held)))
    else:
        held.extend(bytes(max(0, at - len(held))))
        held[at : at + len(data)] = data


def opened(files: dict[str, bytearray], directory: Path) -> tuple[dict[str, Any], list[str]]:
    """What the store finds in such files, and what it complains of."""
    complaints: list[str] = []
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, held in files.items():
        (directory / name).touch(0o600)
        (directory / name).write_bytes(held)
    with closing(sqlite_salvage.open_checked(directory, lambda name, fields: complaints.append(name))) as db:
        db.execute("PRAGMA synchronous = OFF")
        return content(db), complaints


def losses(directory: Path, seed: int, commits: int, moments: int, flaw: str = "") -> list[str]:
    """Everything that is wrong after a loss of power in one of `moments`, each in `VARIANTS` ways."""
    steps, held = run(directory, seed, commits, flaw)
    chance = random.Random(seed)
    begin = next(n for n, step in enumerate(steps) if step[0] == "acknowledged")
    acknowledgements = [n for n, step in enumerate(steps) if step[0] == "acknowledged"][1:]
    chosen = chance.sample(acknowledgements, min(moments // 2, len(acknowledgements)))
    chosen += chance.sample(range(begin, len(steps)), min(moments - len(chosen), len(steps) - begin))
    wrong, disk, acknowledged = [], Disk(), 0
    for number, step in enumerate(steps):
        disk.take(step)
        acknowledged = step[2] if step[0] == "acknowledged" else acknowledged
        if number not in chosen:
            continue
        for variant in range(VARIANTS):
            where = f"seed {seed}, step {number}, variant {variant}, acknowledged {acknowledged}"
            try:
                found, complaints = opened(disk.after_loss(chance, variant), directory / "after")
            except Exception as error:
                wrong.append(f"{where}: {error!r}")
                continue
            if complaints or found not in held[acknowledged : acknowledged + 2]:
                wrong.append(f"{where}: {complaints or 'not what was acknowledged'}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        with tempfile.TemporaryDirectory() as directory:
            wrong = losses(Path(directory), seed, commits=60, moments=60)
        print(f"seed {seed}: {len(wrong)} wrong", *wrong[:5], sep="\n  ", flush=True)
        if wrong:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
