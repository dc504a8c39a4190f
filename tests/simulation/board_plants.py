"""Bugs to be planted into switchboards: each breaks one promise, and the simulation has to see it."""

from typing import Any

from gateway.ocpp.message import Sender
from gateway.session import effects as ef
from gateway.session.commands import Command, Commands
from gateway.session.session import ChargerSession
from gateway.session.switchboard import Addressed, Switchboard
from tests.simulation.several import BoardPlant


class TellsNobodyTheChargersNumber(BoardPlant):
    """Followers do not learn by which number the charger knows a transaction."""

    def on_board(self, board: Switchboard) -> None:
        board.gave = lambda session, key, id_: None


class GivesTheirNumbersToTheCharger(BoardPlant):
    """A number that another transaction has already is given all the same."""

    def on_session(self, session: ChargerSession) -> None:
        session.buffer.starts.clashes = lambda taken, key, id_: False


class SendsTheChargersNumbers(BoardPlant):
    def on_session(self, session: ChargerSession) -> None:
        session.buffer.lessons.exchange_id = lambda call: None


class ForwardsAnswersOfFollowers(BoardPlant):
    def on_board(self, board: Switchboard) -> None:
        board.answerers.take = lambda name, data: True
        board.answerers.names = _NeverEmpty()


class _NeverEmpty(dict[str, str]):
    def __bool__(self) -> bool:
        return True


class CommandsAllAtOnce(BoardPlant):
    """A CALL goes to the charger although another is out."""

    def on_board(self, board: Switchboard) -> None:
        board.commands.__class__ = _Impatient


class _Impatient(Commands):
    _frees_at = 0.0

    def _is_open(self, command: Command) -> bool:
        return command is not self.out and super()._is_open(command)


class TakesLateAnswersForOthers(BoardPlant):
    def on_board(self, board: Switchboard) -> None:
        board.commands.stray = lambda data: None


class LosesWhatWaitsWhenTheChargerLeaves(BoardPlant):
    def on_session(self, session: ChargerSession) -> None:
        session.buffer.patience.store_open = lambda now: []


class StoresPastWhatWaits(BoardPlant):
    def on_session(self, session: ChargerSession) -> None:
        session.buffer.patience.store_waiting = lambda now: []


class ClosesTheChargerForAFollower(BoardPlant):
    """What a follower cannot store costs the charger its connection, and it has done nothing wrong."""

    def on_routed(self, board: Switchboard, event: Any, routed: list[Addressed]) -> list[Addressed]:
        closes = [
            (name, ef.Close(Sender.CHARGER, 1013, "no room"))
            for name, effect in routed
            if type(effect) is ef.Noted and effect.name == "copy-lost"
        ]
        return [*routed, *closes]


class AnswersBeforeCopiesAreWritten(BoardPlant):
    def on_board(self, board: Switchboard) -> None:
        board.securing.answer = lambda effect, now: [(board.leader, effect)]


class TrustsBackendsToHaveHeardOfStarts(BoardPlant):
    """A backend may not have said yet by which number it knows a transaction."""

    def on_session(self, session: ChargerSession) -> None:
        session.buffer.copies.store_start = lambda now: []


class WritesTheChargersNumberLast(BoardPlant):
    """The leader's page is on disk, and those of the others are not."""

    def on_routed(self, board: Switchboard, event: Any, routed: list[Addressed]) -> list[Addressed]:
        return sorted(routed, key=lambda one: type(one[1]) is ef.Remember)


BOARD_PLANTS = BoardPlant.__subclasses__()
