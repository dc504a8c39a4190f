"""Readings that others overhear: most go, or are lost, without being weighed; what must be weighed is."""

import pytest

from gateway.session.session import ChargerSession
from tests.session.boards import MAIN, SECOND, Board, stores, to
from tests.session.script import answered, start, start_result
from tests.session.script import meter_values as same_values


@pytest.fixture
def weighed(monkeypatch):
    """The readings that took the long way."""
    found: list[bytes] = []
    overhear = ChargerSession.overhear

    def listened(session, message, label, now):
        found.append(message.frame)
        return overhear(session, message, label, now)

    monkeypatch.setattr(ChargerSession, "overhear", listened)
    return found


def meter_values(id_: str, transaction: int) -> bytes:
    """A reading of its own."""
    return same_values(id_, transaction, 500 + ord(id_[-1]))


def charging(board: Board) -> Board:
    """A transaction that the main backend calls 7 and the second one 1; nothing has been weighed since."""
    board.charger_sends(start("s")).backend_sends(SECOND, start_result("s", 1))
    board.backend_sends(MAIN, start_result("s", 7))
    for number in range(9):
        board.charger_sends(meter_values(f"r{number}", 7))
        board.backend_sends(MAIN, answered(f"r{number}")).backend_sends(SECOND, answered(f"r{number}"))
    board.told.clear()
    return board


def counted(board: Board) -> int:
    """Messages that the second backend was to hear."""
    return sum(count.n for count in board.board.sessions[SECOND].tally.messages.values())


def test_a_backend_that_is_well_hears_them_at_once(weighed):
    board = charging(Board(MAIN, observers=(SECOND,)))
    weighed.clear()
    board.charger_sends(meter_values("1", 7)).then(
        to(MAIN, meter_values("1", 7)), to(SECOND, meter_values("1", 1))
    )
    assert weighed == []


@pytest.mark.parametrize("trouble", ["away", "silent"])
def test_they_are_lost_at_once_to_one_for_which_nothing_is_kept(weighed, trouble):
    board = charging(Board(MAIN, observers=(SECOND,)))
    if trouble == "away":
        board.backend_goes(SECOND)
    else:
        board.charger_sends(meter_values("0", 7)).backend_sends(MAIN, answered("0")).after(10.0)
    board.told.clear()
    board.notes.clear()
    weighed.clear()
    before = counted(board)
    board.charger_sends(meter_values("1", 7))
    assert (board.noted(), weighed) == (["copy-lost"], [])
    board.then(to(MAIN, meter_values("1", 7)))
    assert counted(board) == before + 1


def test_they_are_kept_for_one_that_is_to_hear_all(weighed):
    board = charging(Board(MAIN, SECOND)).backend_goes(SECOND)
    weighed.clear()
    board.charger_sends(meter_values("1", 7))
    board.then(to(MAIN, meter_values("1", 7)), stores(SECOND, "MeterValues"))
    assert weighed == [meter_values("1", 7)]


def test_one_that_has_found_its_voice_hears_the_next(weighed):
    board = charging(Board(MAIN, observers=(SECOND,)))
    board.charger_sends(meter_values("0", 7)).backend_sends(MAIN, answered("0")).after(10.0)
    board.backend_sends(SECOND, answered("0")).told.clear()
    board.charger_sends(meter_values("1", 7))
    board.then(to(MAIN, meter_values("1", 7)), to(SECOND, meter_values("1", 1)))


def test_they_wait_for_the_answer_to_the_one_before(weighed):
    board = charging(Board(MAIN, observers=(SECOND,))).charger_sends(meter_values("1", 7))
    board.backend_sends(MAIN, answered("1")).told.clear()
    board.charger_sends(meter_values("2", 7)).then(to(MAIN, meter_values("2", 7)))
    board.backend_sends(SECOND, answered("1"))
    assert [name for name, _ in board.told] == [SECOND]
