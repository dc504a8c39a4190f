"""What every store promises; each test runs against each implementation."""

import asyncio
from functools import wraps

import pytest

from gateway.store.protocol import (
    EntryMoved,
    EntryState,
    FlagQuery,
    FlagRecord,
    QuarantineEntry,
    QuarantineQuery,
    StoreError,
    Trimmed,
    Usage,
    kept,
)


def on_each_store(test):
    @wraps(test)
    def run(opened):
        async def steps():
            store = await opened()
            try:
                await test(store)
            finally:
                await store.close()

        asyncio.run(steps())

    del run.__wrapped__
    run.__annotations__ = {}
    return run


def flag(n=0, **over):
    facts = {"time": 1000.0 + n, "charger": "CP1", "code": "schema-violation", "severity": "warning"}
    return FlagRecord(**facts | {"consequence": "delivered", "path": f"p{n}"} | over)


def entry(n=0, **over):
    facts = {
        "id": f"e{n}",
        "time": 1000.0 + n,
        "charger": "CP1",
        "sender": "charger",
        "raw": b"\xff\x00{" + b"x" * 7,
    }
    return QuarantineEntry(**facts | over)


def bounds(**over):
    return Trimmed(
        **{"flags_since": 0.0, "flag_rows": 10**6, "quarantine_rows": 10**6, "quarantine_bytes": 10**9} | over
    )


async def paths(store, **query):
    return [found.path for found in await store.flags(FlagQuery(**query))]


async def ids(store, **query):
    return [found.id for found in await store.quarantine(QuarantineQuery(**query))]


@on_each_store
async def test_a_flag_comes_back_as_it_was_with_a_number(store):
    written = flag(
        brand="Acmé", firmware="1\x00.2", version="1.6", kind="charger_call", action="MeterValues",
        before='"1,5"', after='"1.5"', author="rules:acme/comma", raw_ref="e9",
    )  # fmt: skip
    assert await kept(store, written) is None
    [found] = await store.flags(FlagQuery())
    assert found.number > 0
    assert found == FlagRecord(
        **{n: getattr(written, n) for n in written.__struct_fields__} | {"number": found.number}
    )


@on_each_store
async def test_an_entry_comes_back_with_its_very_bytes(store):
    raw = bytes(range(256)) * 300
    written = entry(raw=raw, flags=("frame-unreadable", "binary-frame"), carries_revenue=True, action="x")
    assert await kept(store, written) is None
    found = await store.quarantine_entry("e0")
    assert (found.raw, found.flags, found.carries_revenue, found.state) == (raw, written.flags, True, "open")
    assert await store.quarantine_entry("e1") is None


@on_each_store
async def test_done_comes_later_once_and_in_order(store):
    order = []
    for n in range(500):
        store.write([flag(n)], lambda failed, n=n: order.append((n, failed)))
        assert order == [] or order[-1][0] < n
    assert await kept(store, flag(500)) is None
    assert order == [(n, None) for n in range(500)]
    assert await paths(store, limit=1000) == [f"p{n}" for n in reversed(range(501))]


@on_each_store
async def test_done_is_never_called_from_within_write(store):
    order = []
    store.write([flag()], lambda _: order.append("done"))
    order.append("written")
    await kept(store)
    assert order == ["written", "done"]


@on_each_store
async def test_a_read_sees_what_was_written_before_it(store):
    store.write([flag(1), entry(1)], lambda _: None)
    reading = store.flags(FlagQuery())
    assert [found.path for found in await reading] == ["p1"]
    store.write([EntryMoved("e1", EntryState.DISCARDED, "junk")], lambda _: None)
    found = await store.quarantine_entry("e1")
    assert (found.state, found.outcome) == (EntryState.DISCARDED, "junk")


@on_each_store
async def test_flags_are_found_by_what_is_asked_for(store):
    await kept(
        store,
        flag(0, charger="A", code="x", brand="b", firmware="f", severity="info"),
        flag(1, charger="B"),
        flag(2, charger="A"),
        flag(3, charger="' OR 1=1 --"),
    )
    assert await paths(store) == ["p3", "p2", "p1", "p0"]
    assert await paths(store, charger="A") == ["p2", "p0"]
    for wanted in ({"code": "x"}, {"brand": "b"}, {"firmware": "f"}, {"severity": "info"}):
        assert await paths(store, **wanted) == ["p0"]
        assert await paths(store, charger="B", **wanted) == []
    assert await paths(store, charger="' OR 1=1 --") == ["p3"]
    assert await paths(store, since=1001.0, until=1003.0) == ["p2", "p1"]


@on_each_store
async def test_pages_join_without_gap_or_overlap(store):
    await kept(store, *(flag(n) for n in range(5)), *(entry(n) for n in range(5)))
    first = await store.flags(FlagQuery(limit=2))
    rest = await store.flags(FlagQuery(limit=10, before=first[-1].number))
    assert [f.path for f in first + rest] == ["p4", "p3", "p2", "p1", "p0"]
    newer = await store.flags(FlagQuery(after=first[-1].number, limit=1))
    assert [f.path for f in newer] == ["p4"]
    oldest_first = await store.flags(FlagQuery(after=0, limit=3))
    assert [f.path for f in oldest_first] == ["p0", "p1", "p2"]
    head = await store.quarantine(QuarantineQuery(limit=3))
    tail = await store.quarantine(QuarantineQuery(before=head[-1].number))
    assert [e.id for e in head + tail] == ["e4", "e3", "e2", "e1", "e0"]


@on_each_store
async def test_entries_are_found_by_state_and_charger(store):
    await kept(
        store, entry(0, charger="A"), entry(1, charger="B"), EntryMoved("e1", EntryState.RETRIED, "no")
    )
    assert await ids(store, state=EntryState.RETRIED) == ["e1"]
    assert await ids(store, charger="A") == ["e0"]
    assert await ids(store, state=EntryState.OPEN, charger="B") == []


@on_each_store
async def test_an_entry_written_twice_is_there_once_as_it_was_first(store):
    await kept(store, entry(0), EntryMoved("e0", EntryState.RETRIED, "no"))
    assert await kept(store, entry(0, raw=b"other"), flag(1)) is None
    found = await store.quarantine_entry("e0")
    assert (found.raw, found.state) == (entry(0).raw, EntryState.RETRIED)
    assert (await store.usage()).quarantine_rows == 1
    assert await paths(store) == ["p1"]


@on_each_store
async def test_moving_an_entry_that_is_not_there_changes_nothing(store):
    assert await kept(store, EntryMoved("nobody", EntryState.DISCARDED, "")) is None
    assert await ids(store) == []


@on_each_store
async def test_old_flags_go_by_age_and_the_oldest_by_count(store):
    await kept(store, *(flag(n) for n in range(10)))
    await kept(store, bounds(flags_since=1003.0))
    assert await paths(store) == [f"p{n}" for n in range(9, 2, -1)]
    await kept(store, bounds(flag_rows=2))
    assert await paths(store) == ["p9", "p8"]


@on_each_store
async def test_quarantine_goes_settled_first_then_oldest_without_revenue_but_never_revenue(store):
    await kept(
        store,
        entry(0, carries_revenue=True),
        entry(1),
        entry(2, carries_revenue=True),
        entry(3),
        entry(4, carries_revenue=True),
        EntryMoved("e4", EntryState.DELIVERED, "accepted"),
    )
    for rows, left in ((4, ["e3", "e2", "e1", "e0"]), (3, ["e3", "e2", "e0"]), (0, ["e2", "e0"])):
        await kept(store, bounds(quarantine_rows=rows))
        assert await ids(store) == left
    await kept(store, EntryMoved("e2", EntryState.RETRIED, "no"), bounds(quarantine_rows=0))
    assert await ids(store) == ["e2", "e0"]


@on_each_store
async def test_quarantine_is_bounded_in_bytes_too(store):
    await kept(store, *(entry(n) for n in range(5)))
    assert await store.usage() == Usage(0, 5, 50)
    await kept(store, bounds(quarantine_bytes=29))
    assert await ids(store) == ["e4", "e3"]
    assert await store.usage() == Usage(0, 2, 20)


@on_each_store
async def test_half_a_character_is_kept_as_an_escape(store):
    """Some chargers cut UTF-16 in the middle; Python then holds a lone surrogate."""
    assert await kept(store, flag(brand="a\ud800b"), flag(1)) is None
    assert len(await store.flags(FlagQuery())) == 2


@on_each_store
async def test_a_closed_store_says_so(store):
    await kept(store, flag())
    await store.close()
    failed = await kept(store, flag())
    assert failed.reason == "closed"
    with pytest.raises(StoreError):
        await store.flags(FlagQuery())


@on_each_store
async def test_closing_finishes_what_was_asked_for(store):
    answers = []
    for n in range(200):
        store.write([flag(n)], answers.append)
    await store.close()
    await asyncio.sleep(0)
    assert answers == [None] * 200
