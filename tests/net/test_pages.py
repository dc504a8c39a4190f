"""Large pages: asked for where memory is nearly full, and nothing in it changes."""

from pathlib import Path

from gateway.net.pages import LARGE, collapse


def large_kib() -> int:
    """Memory of this process in large pages."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(rollup.partition("AnonHugePages:")[2].split()[0])


def test_what_fills_memory_comes_into_large_pages_and_stays_what_it_is() -> None:
    kept = [f"charger {number}".encode() for number in range(400_000)]
    before = large_kib()
    assert collapse() >= 8
    assert large_kib() - before >= 8 * LARGE // 1024 // 2
    assert kept == [f"charger {number}".encode() for number in range(400_000)]
