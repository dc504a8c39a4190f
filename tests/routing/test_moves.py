"""From one leader to another, charger by charger."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp.message import Version
from gateway.routing.moves import (
    Known,
    Move,
    Progress,
    Situation,
    Stage,
    State,
    advanced,
    chosen,
    move_of,
    plan,
    refusals,
    seats,
)
from gateway.routing.routes import Facts, Seats

LABELS = {"berlin": ("BER-*",)}
QUIET = Situation(open_transactions=0, is_ready=True)
BUSY = Situation(open_transactions=1, is_ready=True)
BEFORE = Seats(("old", "spare"), ("load",))
V16, V201, V21 = Version


def facts(charger_id: str, *versions: Version) -> Facts:
    return Facts(charger_id, versions or (V16,))


def move(**settings: object) -> Move:
    return Move(**({"name": "m", "to": "new"} | settings))


def test_a_move_is_for_patterns_labels_and_a_share():
    assert chosen(move(), facts("X"), LABELS)
    assert chosen(move(chargers=("ber-*",), labels=("berlin",)), facts("BER-1"), LABELS)
    assert not chosen(move(chargers=("ham-*",)), facts("BER-1"), LABELS)
    assert not chosen(move(labels=("berlin",)), facts("HAM-1"), LABELS)
    assert not chosen(move(percent=0), facts("X"), LABELS)


def test_a_share_is_even_and_a_larger_one_holds_the_smaller():
    everyone = [facts(f"CP-{n:05}") for n in range(4000)]

    def share(percent: float) -> set[str]:
        return {known.charger_id for known in everyone if chosen(move(percent=percent), known, LABELS)}

    assert share(10) < share(50) < share(100)
    assert len(share(100)) == 4000
    assert 320 <= len(share(10)) <= 480
    half = move(percent=50)
    for known in everyone:
        assert chosen(half, known, LABELS) is chosen(half, facts(known.charger_id.lower()), LABELS)


@given(st.text(max_size=20), st.floats(0, 100), st.floats(0, 100))
def test_who_moves_at_a_percentage_moves_at_any_higher_one(charger_id, one, other):
    low, high = sorted((one, other))
    if chosen(move(percent=low), facts(charger_id), LABELS):
        assert (
            chosen(move(percent=high), facts(charger_id.upper().lower()), LABELS) or not charger_id.isascii()
        )
        assert chosen(move(percent=high), facts(charger_id), LABELS)


def test_the_first_move_that_chooses_a_charger_has_it():
    moves = [move(name="a", chargers=("X",)), move(name="b")]
    assert move_of(moves, facts("X"), LABELS).name == "a"
    assert move_of(moves, facts("Y"), LABELS).name == "b"
    assert move_of([], facts("Y"), LABELS) is None


def test_the_new_backend_listens_then_leads_then_leaves():
    assert seats(move(), BEFORE, Progress(State.SHADOWING)) == Seats(("old", "spare"), ("load", "new"))
    assert seats(move(), BEFORE, Progress(State.WAITING)) == Seats(("old", "spare"), ("load", "new"))
    assert seats(move(), BEFORE, Progress(State.MOVED, is_led=True)) == Seats(
        ("new", "old", "spare"), ("load",)
    )
    assert seats(move(), BEFORE, Progress(State.BACK)) == BEFORE
    assert seats(move(to="spare"), BEFORE, Progress(State.SHADOWING)) == BEFORE
    assert seats(move(to="load"), BEFORE, Progress(State.MOVED, is_led=True)).everyone == (
        *("load", "old", "spare"),
    )
    assert seats(move(to="old"), BEFORE, Progress(State.MOVED, is_led=True)) == BEFORE


def test_a_charger_moves_at_a_quiet_moment_and_not_before():
    moving = move(stage=Stage.MOVING, started_at=100)
    shadowing = advanced(move(), None, BUSY, 50)
    assert shadowing == Progress(State.SHADOWING, at=50)
    waiting = advanced(moving, shadowing, BUSY, 110)
    assert (waiting.state, waiting.is_led, waiting.reason) == (
        State.WAITING,
        False,
        "a transaction has been open",
    )
    for hindered in (Situation(None, True), Situation(0, False)):
        assert advanced(moving, waiting, hindered, 120).state is State.WAITING
    moved = advanced(moving, waiting, QUIET, 130)
    assert moved == Progress(State.MOVED, is_led=True, at=130)
    assert advanced(moving, moved, BUSY, 140) is moved
    assert advanced(move(stage=Stage.MOVED), moved, BUSY, 150) is moved


def test_the_way_back_waits_too():
    back = move(stage=Stage.BACK, started_at=200)
    moved = Progress(State.MOVED, is_led=True, at=130)
    waiting = advanced(back, moved, BUSY, 210)
    assert (waiting.state, waiting.is_led) == (State.WAITING, True)
    assert seats(back, BEFORE, waiting).leader == "new"
    gone = advanced(back, waiting, QUIET, 220)
    assert gone == Progress(State.BACK, at=220)
    never = advanced(back, Progress(State.WAITING, reason="a transaction has been open"), BUSY, 210)
    assert never == Progress(State.BACK, at=210)


def test_transactions_need_not_be_waited_for():
    moving = move(stage=Stage.MOVING, wait_for_transactions=False)
    assert advanced(moving, None, BUSY, 1).is_led
    assert advanced(moving, None, Situation(None, True), 1).is_led
    assert not advanced(moving, None, Situation(None, False), 1).is_led


def test_who_has_no_quiet_moment_stays_and_is_tried_again_after_a_restart():
    moving = move(stage=Stage.MOVING, started_at=100, max_wait_s=60)
    assert advanced(moving, None, BUSY, 159).state is State.WAITING
    failed = advanced(moving, None, BUSY, 160)
    assert (failed.state, failed.is_led) == (State.FAILED, False)
    assert failed.reason == "a transaction has been open for longer than 60 s"
    assert advanced(moving, failed, QUIET, 170) is failed
    assert advanced(move(stage=Stage.MOVING, started_at=200), failed, QUIET, 200).is_led


def test_going_back_to_shadow_gives_the_lead_back():
    moved = Progress(State.MOVED, is_led=True, at=1)
    assert advanced(move(stage=Stage.SHADOW), moved, BUSY, 2).is_led
    assert not advanced(move(stage=Stage.SHADOW), moved, QUIET, 2).is_led


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Stage)),
            st.sampled_from([0, 1, None]),
            st.booleans(),
            st.floats(0, 100),
        ),
        max_size=30,
    )
)
def test_the_lead_never_changes_within_a_transaction_or_to_somebody_absent(steps):
    progress, now = None, 0.0
    for stage, open_transactions, is_ready, wait in steps:
        now += wait
        situation = Situation(open_transactions, is_ready)
        was_led = progress is not None and progress.is_led
        progress = advanced(move(stage=stage, started_at=0, max_wait_s=500), progress, situation, now)
        if progress.is_led is not was_led:
            assert is_ready
            assert open_transactions == 0
        found = seats(move(), BEFORE, progress)
        assert len(set(found.everyone)) == len(found.everyone)
        assert set(found.everyone) >= set(BEFORE.everyone)
        assert (found.leader == "new") is progress.is_led


def known(charger_id: str, leader: str, versions: tuple[Version, ...], open_: int | None = 0) -> Known:
    return Known(Facts(charger_id, versions), Seats((leader,)), open_)


FLEET = [
    known("BER-1", "old", (V16,), 1),
    known("BER-2", "old", (V201, V16), None),
    known("BER-3", "new", (V201,)),
    known("HAM-1", "old", (V16,)),
]
SPEAKS = {"old": (V16,), "new": (V201,)}


def test_a_plan_says_what_would_happen():
    found = plan(move(labels=("berlin",)), FLEET, LABELS, SPEAKS)
    assert [(charger.charger_id, charger.leader) for charger in found.chargers] == [
        ("BER-1", "old"),
        ("BER-2", "old"),
    ]
    assert [(charger.is_translated, charger.loses) for charger in found.chargers] == [
        (True, True),
        (False, False),
    ]
    assert (found.already_led, found.not_chosen) == (1, 1)
    assert found.lines() == (
        '2 chargers would move to "new"; 1 are led by it already, 1 are not chosen',
        "open transactions: 1; not known for 1 chargers",
        "translated there: 1; not translated now: 1 of these",
        "",
        "charger  from",
        "BER-1    old, 1 open transactions, will be translated",
        "BER-2    old",
    )
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_a_plan_knows_that_a_route_limits_versions():
    limited = Known(Facts("X", (V201, V16)), Seats(("old",), versions=(V16,)), 0)
    (charger,) = plan(move(), [limited], LABELS, SPEAKS).chargers
    assert (charger.is_translated, charger.loses) == (True, True)


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        ({}, []),
        ({"to": "nwe"}, ['no backend is called "nwe"; did you mean new?']),
        ({"to": "qqq"}, ['no backend is called "qqq"; known: old, new']),
        ({"percent": 0}, ["percent is 0; give more than 0"]),
        ({"percent": 101}, ["percent is 101; give more than 0"]),
        ({"labels": ("hamburg",)}, ['no label is called "hamburg"; known: berlin']),
        ({"chargers": ("BER-3",)}, ['"new" leads all these chargers already']),
        ({"name": "other", "chargers": ("BER-1",)}, ['a migration is called "other" already']),
        ({"chargers": ("HAM-*",)}, ['1 of its chargers belong to migration "other"; stop that, or']),
    ],
)
def test_a_move_that_cannot_begin_is_refused_with_the_cure(settings, messages):
    others = [move(name="other", chargers=("HAM-*",))]
    wanted = {"chargers": ("BER-*",)} | settings
    found = refusals(move(**wanted), others, FLEET, LABELS, SPEAKS)
    assert len(found) == len(messages)
    assert all(text.startswith(message) for text, message in zip(found, messages, strict=True))


def test_a_move_survives_a_restart():
    kept = move(stage=Stage.MOVING, labels=("berlin",), percent=12.5)
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Move) == kept
    progress = Progress(State.WAITING, True, "x", 5.0)
    assert msgspec.json.decode(msgspec.json.encode(progress), type=Progress) == progress
