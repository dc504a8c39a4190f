"""What it costs to make a message durable: latency, throughput, and the time to open what waits.

Each write is what a stored message makes: one outbox entry of 400 bytes and one part of the charger's state
of 1,000 bytes. Everything happens on the file system of `--directory`, with the settings of the gateway.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from gateway.store import sqlite_file, sqlite_rows, sqlite_salvage
from gateway.store.protocol import EntriesGone, OutboxEntry, Record, StatePart, kept
from gateway.store.sqlite import SqliteStore

CHARGERS = 200
RAW = b'[2,"7","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[' + b"x" * 328 + b"]}]"
BOOK = b"{" + b"b" * 998 + b"}"
WORK_S = 30e-6
"""What a saturated event loop does in one callback: about one frame."""


T = TypeVar("T")


def message(number: int) -> list[Record]:
    charger = f"charger-{number % CHARGERS}"
    entry = OutboxEntry(
        charger=charger, number=number, time=1e9 + number, version="1.6", action="MeterValues", raw=RAW
    )
    return [entry, StatePart(charger, "book", BOOK)]


class Saturation:
    """A loop that is never idle, as a node at its limit."""

    def __init__(self) -> None:
        self.running = True
        self.turns = 0
        asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        until = time.perf_counter() + WORK_S
        while time.perf_counter() < until:
            pass
        self.turns += 1
        if self.running:
            asyncio.get_running_loop().call_soon(self._work)


async def paced(store: SqliteStore, rate: int, seconds: float) -> list[float]:
    """Latencies in ms of `rate` writes a second, each at its own time."""
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    total = int(rate * seconds)
    finished = loop.create_future()

    def send(number: int, due: float) -> None:
        def done(failed: object) -> None:
            assert failed is None, failed
            latencies.append((loop.time() - due) * 1000)
            if len(latencies) == total:
                finished.set_result(None)

        store.write(message(number), done)

    begin = loop.time() + 0.05
    sent = 0
    while sent < total:
        while sent < total and begin + sent / rate <= loop.time():
            send(sent, begin + sent / rate)
            sent += 1
        await asyncio.sleep(0.0005)
    await finished
    return latencies


async def unpaced(store: SqliteStore, seconds: float, outstanding: int, first: int) -> float:
    """Durable writes a second when there are always `outstanding` waiting."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    finished = loop.create_future()
    count = waiting = 0

    def send() -> None:
        nonlocal waiting
        waiting += 1
        store.write(message(first + count + waiting), done)

    def done(failed: object) -> None:
        nonlocal count, waiting
        assert failed is None, failed
        count += 1
        waiting -= 1
        if loop.time() < until:
            send()
        elif not waiting:
            finished.set_result(None)

    begin = loop.time()
    for _ in range(outstanding):
        send()
    await finished
    return count / (loop.time() - begin)


async def drained(store: SqliteStore, count: int) -> float:
    """Entries a second that go, one write each, as after a return of the backend."""
    begin = time.perf_counter()
    writes = [kept(store, EntriesGone(f"charger-{n % CHARGERS}", (n,))) for n in range(count)]
    assert set(await asyncio.gather(*writes)) == {None}
    return count / (time.perf_counter() - begin)


def filled(directory: Path, rows: int) -> None:
    sqlite_file.make_directory(directory)
    db = sqlite_salvage.open_checked(directory, lambda name, fields: None)
    for begin in range(0, rows, 1000):
        db.execute("BEGIN")
        sqlite_rows.apply(db, [r for n in range(begin, begin + 1000) for r in message(n)])
        db.execute("COMMIT")
    db.close()


async def opening(directory: Path) -> tuple[float, float]:
    """Seconds until the store is open, and until what waits is known."""
    begin = time.perf_counter()
    store = await SqliteStore.open(directory)
    opened = time.perf_counter() - begin
    await store.outbox_usage()
    known = time.perf_counter() - begin
    await store.close()
    return opened, known


@contextmanager
def scratch(where: str | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="store-bench-", dir=where) as name:
        yield Path(name)


async def speed(where: str | None, seconds: float, rate: int) -> None:
    for busy in (False, True):
        with scratch(where) as directory:
            store = await SqliteStore.open(directory)
            load = Saturation() if busy else None
            name = "loop saturated" if busy else "loop idle"
            latencies = await paced(store, rate, seconds)
            cuts = statistics.quantiles(latencies, n=1000)
            print(
                f"{name:<15} {rate:>6}/s  p50 {cuts[499]:6.2f} ms  p99 {cuts[989]:6.2f} ms"
                f"  max {max(latencies):6.2f} ms",
                flush=True,
            )
            highest = await unpaced(store, seconds, 4000, len(latencies))
            print(f"{name:<15} highest {highest:8,.0f} durable writes/s", flush=True)
            print(f"{name:<15} drained {await drained(store, len(latencies)):8,.0f} entries/s", flush=True)
            if load:
                load.running = False
            await store.close()


def crash(directory: Path) -> None:
    """Leave the file as a killed process does: with a log that is not folded in."""
    script = f"""
import asyncio, os
from pathlib import Path
from benchmarks.store import message
from gateway.store.protocol import kept
from gateway.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path({str(directory)!r}))
    for n in range(1000):
        await kept(store, *message(10**9 + n))
        if n % 20 == 0:
            await kept(store, *(r for m in range(64) for r in message(10**8 + 64 * n + m)))
    os._exit(0)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def opened(rows: int, where: str | None) -> None:
    with scratch(where) as directory:
        filled(directory, rows)
        size = (directory / sqlite_file.NAME).stat().st_size / 1e6
        for how in ("after a stop", "after a kill"):
            if how == "after a kill":
                crash(directory)
            ready, known = run(opening(directory))
            print(
                f"open {rows:>9,} rows ({size:,.0f} MB) {how}  {ready:6.2f} s,"
                f" what waits is known after {known:6.2f} s",
                flush=True,
            )


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.store", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--directory", help="where the databases are made (the system's temporary one)")
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement")
    parser.add_argument("--rate", type=int, default=1000, help="writes a second for the latencies")
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[100_000, 1_000_000], help="outbox sizes to open"
    )
    options = parser.parse_args(arguments)
    seconds, sizes = (1.0, [10_000]) if options.quick else (options.seconds, options.rows)
    run(speed(options.directory, seconds, options.rate))
    for rows in sizes:
        opened(rows, options.directory)


if __name__ == "__main__":
    main()
