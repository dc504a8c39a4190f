"""The write-ahead log as bytes: whether a part of it that was synced is damaged, and making it readable.

SQLite reads the log up to the first frame whose sum is wrong and drops the rest without a word, for that is
what a commit looks like that the power cut short. But each commit is synced before the next begins: where a
second commit follows behind the wrong sum, the first had been promised. Then the sums are made right, so that
SQLite reads all of it, and the checks of the database and of each row say what is damaged.

Format: "WAL Format" in SQLite's file format document, §4.
"""

import struct
import sys
from array import array
from itertools import pairwise
from pathlib import Path
from statistics import median_low

from msgspec import Struct

from gateway.store import sqlite_file
from gateway.store.sqlite_file import PAGE_BYTES, Told

HEAD = struct.Struct(">8I")
FRAME = struct.Struct(">6I")
FRAME_BYTES = FRAME.size + PAGE_BYTES
MAGIC = 0x377F0682  # with the last bit: sums over big-endian words
VERSION = 3007000

Sum = tuple[int, int]


class _Found(Struct):
    """`valid` frames are as SQLite takes them, `frames` belong to the log, `commits` end between."""

    valid: int
    frames: int
    commits: int
    salts: tuple[int, int]


def mend(path: Path, told: Told) -> None:
    """Make the log of the database at `path` readable again if what was synced in it is damaged; tell it.

    The log as it was is kept beside it.
    """
    log = Path(f"{path}-wal")
    if not log.exists():
        if Path(f"{path}-shm").exists():
            told("store-log-missing", {"file": str(log)})
        return
    content = bytearray(log.read_bytes())
    found = _inspect(bytes(content))
    if found is None or found.commits < 2:
        return
    aside = sqlite_file.aside(log)
    aside.touch(0o600)
    aside.write_bytes(content)
    _sum_up(content, found)
    log.write_bytes(content)
    told(
        "store-log-damaged",
        {
            "kept_as": str(aside),
            "frames": found.frames,
            "sound": found.valid,
            "commits_behind": found.commits,
        },
    )


def fold(path: Path, copy: Path) -> None:
    """Write what the log of the database at `path` commits into `copy`, page by page, whatever is in them."""
    log = Path(f"{path}-wal")
    content = log.read_bytes() if log.exists() else b""
    found = _inspect(content)
    if found is None:
        return
    heads = [FRAME.unpack_from(content, HEAD.size + n * FRAME_BYTES) for n in range(found.valid)]
    committed = max((n + 1 for n, head in enumerate(heads) if head[1]), default=0)
    with copy.open("r+b") as file:
        for number, (page, size, *_) in enumerate(heads[:committed]):
            at = HEAD.size + number * FRAME_BYTES + FRAME.size
            file.seek((page - 1) * PAGE_BYTES)
            file.write(content[at : at + PAGE_BYTES])
            if size:
                file.truncate(size * PAGE_BYTES)


def _inspect(content: bytes) -> _Found | None:
    """What there is; None when it is no log or has no frame."""
    frames = [
        FRAME.unpack_from(content, at) for at in range(HEAD.size, len(content) - FRAME_BYTES + 1, FRAME_BYTES)
    ]
    if not frames:
        return None
    magic, version, page_size, _, salt1, salt2, *sum_ = HEAD.unpack_from(content)
    sound_head = (
        magic & ~1 == MAGIC
        and (version, page_size) == (VERSION, PAGE_BYTES)
        and _sum(content[:24], magic & 1) == tuple(sum_)
    )
    salts = (salt1, salt2) if sound_head else _common(frames)
    same = [number for number, frame in enumerate(frames) if frame[2:4] == salts]
    valid = _valid(content, frames, magic & 1, salts, (sum_[0], sum_[1])) if sound_head else 0
    last = _connected(same, valid)
    commits = sum(1 for number in range(valid, last) if frames[number][1] and frames[number][2:4] == salts)
    return _Found(valid, last, commits, salts)


def _connected(same: list[int], valid: int) -> int:
    """How many frames there are up to the last of this log; one whose head is damaged may stand between."""
    last = valid
    for before, number in pairwise([valid - 1, *(n for n in same if n >= valid)]):
        if number - before > 2:
            break
        last = number + 1
    return last


def _valid(content: bytes, frames: list[tuple[int, ...]], big: int, salts: Sum, sum_: Sum) -> int:
    for number, frame in enumerate(frames):
        at = HEAD.size + number * FRAME_BYTES
        sum_ = _sum(content[at : at + 8] + content[at + FRAME.size : at + FRAME_BYTES], big, sum_)
        if frame[2:4] != salts or sum_ != frame[4:6] or not frame[0]:
            return number
    return len(frames)


def _common(frames: list[tuple[int, ...]]) -> Sum:
    """The salts of most frames, counted from the first; only asked for when the head is damaged."""
    heads = [(frame[2], frame[3]) for frame in frames[:3]]
    return max(heads, key=heads.count)


def _sum_up(content: bytearray, found: _Found) -> None:
    """Write the head and the sums anew; a frame that names an impossible page goes."""
    _drop_impossible(content, found)
    big = int(sys.byteorder == "big")
    HEAD.pack_into(content, 0, MAGIC | big, VERSION, PAGE_BYTES, 0, *found.salts, 0, 0)
    sum_ = _sum(content[:24], big)
    HEAD.pack_into(content, 0, MAGIC | big, VERSION, PAGE_BYTES, 0, *found.salts, *sum_)
    for number in range(found.frames):
        at = HEAD.size + number * FRAME_BYTES
        page, commits, *_ = FRAME.unpack_from(content, at)
        sum_ = _sum(content[at : at + 8] + content[at + FRAME.size : at + FRAME_BYTES], big, sum_)
        FRAME.pack_into(content, at, page, commits, *found.salts, *sum_)


def _drop_impossible(content: bytearray, found: _Found) -> None:
    """A commit adds at most as many pages as it has frames, which bounds what a frame may name."""
    heads = [FRAME.unpack_from(content, HEAD.size + n * FRAME_BYTES) for n in range(found.frames)]
    most = median_low(head[1] for head in heads if head[1]) + found.frames
    for number in reversed(range(found.valid, found.frames)):
        at = HEAD.size + number * FRAME_BYTES
        page, size, *_ = heads[number]
        if not 0 < page <= most:
            del content[at : at + FRAME_BYTES]
            found.frames -= 1
        elif size > most:
            FRAME.pack_into(content, at, page, 0, *found.salts, 0, 0)


def _sum(data: bytes | bytearray, big: int, begin: Sum = (0, 0)) -> Sum:
    """SQLite's sum over pairs of words."""
    words = array("I", bytes(data))
    if bool(big) != (sys.byteorder == "big"):
        words.byteswap()
    first, second = begin
    pairs = iter(words)
    for word, next_word in zip(pairs, pairs, strict=True):
        first = (first + word + second) & 0xFFFFFFFF
        second = (second + next_word + first) & 0xFFFFFFFF
    return first, second
