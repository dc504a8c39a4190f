"""Readings that others overhear: most go, or are lost, without being weighed; what must be weighed is."""

import pytest
from msgspec import structs

from gateway.session.buffer import Buffer
from gateway.session.knowledge import BufferSettings
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
    numbers = {SECOND: 1, MAIN: 7}
    names = [name for name in numbers if name in board.board.sessions]
    board.charger_sends(start("s"))
    for name in names:
        board.backend_sends(name, start_result("s", numbers[name]))
    for id_ in (f"r{number}" for number in range(9)):
        board.charger_sends(meter_values(id_, 7))
        for name in names:
            board.backend_sends(name, answered(id_))
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


def waiting(board: Board) -> Board:
    """Two readings, of which the second backend has answered neither."""
    for id_ in "12":
        board.charger_sends(meter_values(id_, 7)).backend_sends(MAIN, answered(id_))
    board.told.clear()
    board.notes.clear()
    return board


def test_those_that_wait_are_lost_when_their_backend_falls_silent(monkeypatch):
    board = waiting(charging(Board(MAIN, observers=(SECOND,))))
    monkeypatch.setattr(Buffer, "take", None)
    board.after(10.0)
    assert board.noted().count("copy-lost") == 2
    board.backend_sends(SECOND, answered("1")).then()


def test_those_that_wait_are_lost_when_their_backend_has_gone():
    board = waiting(charging(Board(MAIN, observers=(SECOND,)))).backend_goes(SECOND)
    assert board.noted().count("copy-lost") == 2


def test_those_that_wait_for_one_that_leads_are_kept_whatever_is_kept_for_others():
    board = charging(Board(MAIN))
    leader = board.board.sessions[MAIN]
    leader.settings = structs.replace(leader.settings, buffer=BufferSettings(stores=False, hold_s=0.0))
    leader.buffer.settings = leader.settings.buffer
    board.charger_sends(meter_values("1", 7), meter_values("2", 7)).told.clear()
    board.after(10.0)
    assert board.told.count(stores(MAIN, "MeterValues")) == 2


# Readings that are known by their shape: written like those before, to the letter


def compact(id_: str, transaction: int) -> bytes:
    return meter_values(id_, transaction).replace(b" ", b"")


def written_alike(board: Board, transaction: int, *names: str) -> Board:
    """So many that the reader knows how this charger writes them."""
    for id_ in (f"w{number}" for number in range(5)):
        board.charger_sends(compact(id_, transaction))
        for name in names:
            board.backend_sends(name, answered(id_))
    reader = board.board.sessions[MAIN].reader
    assert reader.shape is not None
    board.told.clear()
    return board


def test_one_that_names_a_transaction_says_that_it_goes_on():
    board = written_alike(charging(Board(MAIN, SECOND)), 7, SECOND, MAIN)
    board.board.presence.open.clear()
    board.charger_sends(compact("1", 7)).then(to(MAIN, compact("1", 7)), to(SECOND, compact("1", 1)))
    assert 7 in board.board.presence.open


def test_one_that_names_no_transaction_says_nothing_of_any():
    values = compact("w", 7).replace(b'"transactionId":7,', b"")
    board = Board(MAIN, SECOND)
    for number in range(5):
        board.charger_sends(values.replace(b'"w"', b'"%d"' % number).replace(b"619", b"%d" % (600 + number)))
        for name in (SECOND, MAIN):
            board.backend_sends(name, answered(f"{number}"))
    assert board.board.sessions[MAIN].reader.shape is not None
    assert board.board.presence.open_transactions is None


def test_one_of_a_transaction_that_another_backend_knows_alone_goes_to_that_alone():
    board = written_alike(charging(Board(MAIN, SECOND)), 7, SECOND, MAIN)
    main = board.board.sessions[MAIN].buffer
    main.copies.misses(main.book.by_charger_id(7).key, board.now)
    board.board.sessions[SECOND].buffer.book.by_charger_id(7).given_by = SECOND
    board.charger_sends(compact("1", 7)).backend_sends(SECOND, answered("1"))
    board.then(to(SECOND, compact("1", 1)), to("charger", answered("1")))
