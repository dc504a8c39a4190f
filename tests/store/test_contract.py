"""What every store promises; each test runs against each implementation."""

import asyncio
from functools import wraps

import pytest

from gateway.store.protocol import (
    EntriesGone,
    EntryMoved,
    EntryState,
    FlagQuery,
    FlagRecord,
    Outage,
    OutboxEntry,
    OutboxUsage,
    QuarantineEntry,
    QuarantineQuery,
    StatePart,
    StoreError,
    TagSeen,
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
        applied=False,
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
async def test_an_entry_is_found_by_the_beginning_of_its_id_where_no_other_begins_so(store):
    await kept(store, *(entry(n) for n in (1, 20, 21, 3, 30)))
    for id_, number in (("e1", "e1"), ("e20", "e20"), ("e3", "e3"), ("e2", None), ("", None), ("%", None)):
        found = await store.quarantine_entry(id_)
        assert (found.id if found else None) == number
    await kept(store, entry(100, id="xyz"))
    assert (await store.quarantine_entry("x")).id == "xyz"


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


def waiting(number, charger="CP1", **over):
    facts = {"time": 1000.0 + number, "version": "1.6", "action": "MeterValues", "raw": b"[2]" * number}
    return OutboxEntry(charger=charger, number=number, **facts | over)


@on_each_store
async def test_a_chargers_outbox_comes_back_in_its_order_page_by_page(store):
    await kept(store, waiting(2), waiting(1), waiting(3), waiting(1, "CP2"))
    assert await store.outbox("CP1", limit=2) == [waiting(1), waiting(2)]
    assert await store.outbox("CP1", after=2) == [waiting(3)]
    assert await store.outbox("CP9") == []


@on_each_store
async def test_an_entry_that_is_there_stays_as_it_is(store):
    await kept(store, waiting(1))
    assert await kept(store, waiting(1, raw=b"other", time=5.0)) is None
    assert await store.outbox("CP1") == [waiting(1)]


@on_each_store
async def test_what_is_delivered_is_gone_and_what_is_learned_with_it_is_kept_in_one_commit(store):
    await kept(store, waiting(1), waiting(2), waiting(3))
    await kept(store, EntriesGone("CP1", (1, 3, 9)), StatePart("CP1", "book", b"{}"))
    assert await store.outbox("CP1") == [waiting(2)]
    assert await store.state("CP1") == {"book": b"{}"}


@on_each_store
async def test_what_waits_is_summed_up_by_charger(store):
    await kept(store, waiting(4), waiting(2), waiting(7, "CP2"), waiting(1, "CP3"))
    await kept(store, EntriesGone("CP3", (1,)))
    assert await store.outbox_usage() == [
        OutboxUsage("CP1", 2, 18, 1002.0, 4),
        OutboxUsage("CP2", 1, 21, 1007.0, 7),
    ]


@on_each_store
async def test_a_part_is_replaced_as_a_whole_and_removed_when_empty(store):
    await kept(store, StatePart("CP1", "book", b"1"), StatePart("CP1", "book", b"2"))
    await kept(store, StatePart("CP1", "station", b"s"), StatePart("", "key", b"k"))
    assert await store.state("CP1") == {"book": b"2", "station": b"s"}
    await kept(store, StatePart("CP1", "book", b""))
    assert await store.state("CP1") == {"station": b"s"}
    assert await store.state("") == {"key": b"k"}


@on_each_store
async def test_the_last_word_about_a_tag_counts_and_old_words_are_trimmed(store):
    await kept(store, TagSeen(b"a", 1.0, b"1"), TagSeen(b"b", 2.0, b"1"), TagSeen(b"a", 3.0, b"2"))
    assert await store.tags() == [TagSeen(b"b", 2.0, b"1"), TagSeen(b"a", 3.0, b"2")]
    await kept(store, bounds(tags_since=2.5))
    assert await store.tags() == [TagSeen(b"a", 3.0, b"2")]


@on_each_store
async def test_an_outage_is_written_again_as_it_grows_and_the_oldest_go_first(store):
    first = Outage(backend="b", begin=1.0)
    await kept(store, first, Outage(backend="b", begin=5.0, end=9.0, chargers=2, messages=3, energy_wh=1.5))
    ended = Outage(backend="b", begin=1.0, end=2.0, reason="it refuses connections", messages=4)
    await kept(store, ended)
    assert [outage.begin for outage in await store.outages()] == [5.0, 1.0]
    assert (await store.outages())[1] == ended
    await kept(store, bounds(outages=1))
    assert [outage.begin for outage in await store.outages()] == [5.0]


@on_each_store
async def test_a_store_says_whether_it_takes_messages(store):
    assert store.failed is None
    await kept(store, waiting(1))
    assert store.failed is None
    await store.close()
    assert store.failed.reason == "closed"
