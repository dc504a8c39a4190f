"""Large pages for what stays in memory.

A frame touches dozens of small objects, and what is kept of thousands of chargers lies on thousands of pages:
the processor spends a good part of its time on finding them, in a virtual machine twice. Linux moves memory
that is there into pages of 2 MiB when it is asked to (madvise(2), MADV_COLLAPSE, since 6.1). Only what is
nearly full is moved, so that the process takes no more memory than before. Elsewhere nothing happens.
"""

import asyncio
import ctypes
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

LARGE = 2 * 1024 * 1024
PAGE = 4096
NEARLY_FULL = 0.9
LOOK_S = 1.0
GROWTH = 1.05
RESTS_BYTES = 1024 * 1024

_COLLAPSE = 25
_PRESENT = 1 << 63
_OURS = Path("/proc/self")


async def keep_large() -> None:
    """Look now and then whether the process has grown and is at rest; then ask for large pages."""
    if not (_OURS / "pagemap").exists() or os.sysconf("SC_PAGE_SIZE") != PAGE:
        return
    before = done = 0
    while True:
        await asyncio.sleep(LOOK_S)
        size = _resident()
        if size > GROWTH * done and size - before < RESTS_BYTES:
            await asyncio.to_thread(collapse)
            done = size
        before = size


def collapse() -> int:
    """Ask for large pages where memory is nearly full; how many there are. 0 where Linux does not do it."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return sum(madvise(start, LARGE, _COLLAPSE) == 0 for start in list(_nearly_full()))


def _nearly_full() -> Iterator[int]:
    """Where in the process's own memory large pages would be nearly full."""
    with (_OURS / "pagemap").open("rb", buffering=0) as pages:
        for start, end in _anonymous():
            for large in range(-(-start // LARGE) * LARGE, end - LARGE + 1, LARGE):
                pages.seek(large // PAGE * 8)
                found = array("Q", pages.read(LARGE // PAGE * 8))
                if sum(entry >= _PRESENT for entry in found) >= NEARLY_FULL * len(found):
                    yield large


def _anonymous() -> Iterator[tuple[int, int]]:
    """The areas of memory that can be written to and are no file's."""
    for line in (_OURS / "maps").read_text().splitlines():
        place, rights, _, _, inode, *name = line.split(maxsplit=5)
        if rights.startswith("rw") and inode == "0" and name in ([], ["[heap]"]):
            start, end = place.split("-")
            yield int(start, 16), int(end, 16)


def _resident() -> int:
    """Bytes of memory that the process has."""
    return int((_OURS / "statm").read_text().split()[1]) * PAGE
