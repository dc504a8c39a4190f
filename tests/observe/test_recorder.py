import asyncio
import logging

import pytest

from gateway.observe import recorder as module
from gateway.observe.recorder import Bounds, Recorder
from gateway.session.tally import Tally
from gateway.store.memory import MemoryStore
from gateway.store.protocol import (
    EntryMoved,
    EntryState,
    FlagQuery,
    FlagRecord,
    QuarantineEntry,
    QuarantineQuery,
    StoreFailed,
    kept,
)

FULL = StoreFailed("full", "no room")


def flag(n=0, **over):
    facts = {"time": 1000.0, "charger": "CP1", "code": "c", "severity": "info", "consequence": "delivered"}
    return FlagRecord(**facts | {"path": f"p{n}"} | over)


def entry(n=0, raw=b"x" * 10, **over):
    return QuarantineEntry(id=f"e{n}", time=1.0, charger="CP1", sender="charger", raw=raw, **over)


@pytest.fixture(autouse=True)
def quiet():
    """What is logged here is expected."""
    logging.getLogger("gateway").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("gateway").setLevel(logging.NOTSET)


def recording(steps, **bounds):
    """Run `steps(recorder, store, tally)`."""

    async def run():
        store, tally = MemoryStore(), Tally()
        await steps(Recorder(store, tally, Bounds(**bounds), clock=lambda: 1000.0), store, tally)

    asyncio.run(run())


async def paths(store):
    return [found.path for found in await store.flags(FlagQuery(limit=100_000))]


async def ids(store):
    return [found.id for found in await store.quarantine(QuarantineQuery(limit=100_000))]


async def until(condition):
    while not condition():  # noqa: ASYNC110 - the condition is not ours to set an event at
        await asyncio.sleep(0)


def test_flags_reach_the_store_together_and_not_one_by_one(monkeypatch):
    async def steps(recorder, store, tally):
        for n in range(100):
            recorder.flagged(flag(n))
        assert await paths(store) == [], "nothing is written while a message is handled"
        recorder.flush()
        assert len(await paths(store)) == 100

    recording(steps)


def test_flags_reach_the_store_by_themselves_after_a_moment(monkeypatch):
    monkeypatch.setattr(module, "FLUSH_S", 0.0)

    async def steps(recorder, store, tally):
        recorder.flagged(flag())
        await until(lambda: store._flags)

    recording(steps)


def test_many_flags_are_written_without_waiting():
    async def steps(recorder, store, tally):
        for n in range(module.FLUSH_ROWS):
            recorder.flagged(flag(n))
        assert len(await paths(store)) == module.FLUSH_ROWS

    recording(steps)


class Hanging(MemoryStore):
    """A store that takes everything and answers nothing, as behind a disk that hangs."""

    def write(self, records, done):
        self.asked = [*getattr(self, "asked", []), (records, done)]


def test_when_the_disk_hangs_flags_are_sampled_then_counted_and_memory_is_bounded():
    async def steps(recorder, store, tally):
        store = Hanging()
        recorder._store = store
        for n in range(30_000):
            recorder.flagged(flag(n, charger=f"CP{n % 10}", code=f"c{n % 3}"))
        recorder.flush()
        written = [record for records, _ in store.asked for record in records]
        assert module.MAX_FLAGS // 2 <= len(written) <= module.MAX_FLAGS
        assert tally.events["flag-not-stored"] == 30_000 - len(written)
        late = {(record.charger, record.code) for record in written[module.MAX_FLAGS // 2 :]}
        assert len(late) == 30, "one of each charger and code"

    recording(steps)


def test_flags_that_the_store_does_not_take_are_counted():
    async def steps(recorder, store, tally):
        store.failing = FULL
        recorder.flagged(flag())
        await recorder.close()
        assert tally.events == {"flag-not-stored": 1, "store-failed": 1}

    recording(steps)


def test_a_quarantined_message_is_answered_for_when_it_is_durable():
    async def steps(recorder, store, tally):
        answers = []
        assert recorder.quarantined(entry(), answers.append)
        assert answers == []
        await until(lambda: answers)
        assert answers == [None] and await ids(store) == ["e0"]

    recording(steps)


def test_a_quarantined_message_that_cannot_be_stored_is_given_back_once():
    async def steps(recorder, store, tally):
        store.failing = FULL
        answers = []
        assert recorder.quarantined(entry(), answers.append)
        await until(lambda: answers)
        assert answers == [FULL]
        store.failing = None
        await recorder.close()
        assert await ids(store) == []

    recording(steps)


def test_a_quarantined_message_nobody_waits_for_is_tried_until_it_is_stored(monkeypatch):
    monkeypatch.setattr(module, "FLUSH_S", 0.0)

    async def steps(recorder, store, tally):
        store.failing = FULL
        assert recorder.quarantined(entry())
        await until(lambda: tally.events["store-failed"] >= 3)
        store.failing = None
        await until(lambda: store._entries)
        assert await ids(store) == ["e0"]

    recording(steps)


def test_one_message_that_cannot_be_kept_is_told_and_not_tried_for_ever(monkeypatch):
    monkeypatch.setattr(module, "FLUSH_S", 0.0)

    async def steps(recorder, store, tally):
        store.failing = StoreFailed("invalid", "odd")
        assert recorder.quarantined(entry())
        await until(lambda: tally.events["quarantine-lost"])
        assert recorder._held_entries == recorder._held_bytes == 0

    recording(steps)


@pytest.mark.parametrize(("limit", "value"), [("MAX_ENTRIES", 3), ("MAX_ENTRY_BYTES", 30)])
def test_quarantine_pushes_back_when_the_disk_hangs_and_recovers(monkeypatch, limit, value):
    monkeypatch.setattr(module, limit, value)

    async def steps(recorder, store, tally):
        assert [recorder.quarantined(entry(n)) for n in range(5)] == [True] * 3 + [False] * 2
        assert tally.events["quarantine-refused"] == 2
        recorder.flush()
        await until(lambda: recorder._held_entries == 0)
        assert recorder.quarantined(entry(9))
        await recorder.close()
        assert await ids(store) == ["e9", "e2", "e1", "e0"]

    recording(steps)


def test_one_message_larger_than_what_may_wait_is_taken_when_nothing_waits(monkeypatch):
    monkeypatch.setattr(module, "MAX_ENTRY_BYTES", 5)
    recording(lambda recorder, store, tally: took(recorder))


async def took(recorder):
    assert recorder.quarantined(entry())
    assert not recorder.quarantined(entry(1))
    await recorder.close()


def test_a_quarantine_full_of_revenue_pushes_back_until_a_person_has_acted():
    async def steps(recorder, store, tally):
        for n in range(10):
            assert recorder.quarantined(entry(n, carries_revenue=True))
        recorder.flush()
        await until(lambda: recorder._held_entries == 0)
        assert recorder._trim_wanted.is_set()
        await recorder.trim()
        assert len(await ids(store)) == 10
        assert not recorder.quarantined(entry(99))
        await kept(store, EntryMoved("e0", EntryState.DISCARDED, ""))
        await recorder.trim()
        assert recorder.quarantined(entry(99))

    recording(steps, max_rows=10)


def test_a_quarantine_full_of_junk_makes_room_by_itself():
    async def steps(recorder, store, tally):
        for n in range(20):
            assert recorder.quarantined(entry(n))
        recorder.flush()
        await until(lambda: recorder._held_entries == 0)
        await recorder.trim()
        assert await ids(store) == [f"e{n}" for n in range(19, 0, -1)]
        assert recorder.quarantined(entry(99))

    recording(steps, max_bytes=200)


def test_run_trims_by_age_at_the_start_and_when_much_came_in(monkeypatch):
    monkeypatch.setattr(module, "TRIM_FLAGS", 10)

    async def steps(recorder, store, tally):
        await kept(store, flag(0, time=1000.0 - 2 * 86_400), flag(1))
        running = asyncio.ensure_future(recorder.run())
        await until(lambda: len(store._flags) == 1)
        for n in range(2, 20):
            recorder.flagged(flag(n))
        recorder.flush()
        await until(lambda: len(store._flags) == 5)
        running.cancel()
        assert await paths(store) == ["p19", "p18", "p17", "p16", "p15"]

    recording(steps, keep_days=1, keep_rows=5)


def test_secrets_are_not_kept():
    async def steps(recorder, store, tally):
        change = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"c4nary"}]'
        recorder.flagged(flag(before=change, after="ws://u:c4nary@h"))
        recorder.quarantined(entry(raw=change.encode() + b"\xff"))
        await recorder.close()
        [found] = await store.flags(FlagQuery())
        assert "c4nary" not in found.before + found.after
        assert (await store.quarantine_entry("e0")).raw == change.replace("c4nary", "***").encode() + b"\xff"

    recording(steps)


def test_messages_with_revenue_are_kept_to_the_byte():
    async def steps(recorder, store, tally):
        raw = b'{"idTag":"AuthorizationKey","value":"1"}'
        recorder.quarantined(entry(raw=raw, carries_revenue=True))
        await recorder.close()
        assert (await store.quarantine_entry("e0")).raw == raw

    recording(steps)


def test_long_texts_are_cut():
    async def steps(recorder, store, tally):
        recorder.flagged(flag(before="x" * 10**6))
        await recorder.close()
        [found] = await store.flags(FlagQuery())
        assert len(found.before) == module.MAX_TEXT

    recording(steps)
