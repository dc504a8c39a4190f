"""Comparing what a backend that follows answers with what the leader does."""

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.ocpp import frame
from gateway.ocpp.message import MessageType
from gateway.routing.shadow import Difference, compare
from gateway.session import payloads
from gateway.session.calls import Call

if TYPE_CHECKING:
    from gateway.session.switchboard import Switchboard

MOST_OPEN = 64


class Compared(Struct, frozen=True, gc=False):
    """The answer of backend `name` to a CALL of this action, and how it differs from the leader's."""

    name: str
    action: str
    differences: tuple[Difference, ...]


class Shadowing:
    """Compares the answers of those that are `compared` by `board`; `found`: what came of it, until taken."""

    def __init__(self, board: "Switchboard") -> None:
        self.board = board
        self.found: list[Compared] = []
        self._open: dict[tuple[str, bytes], bytes] = {}

    def answered(self, name: str, call: Call, data: bytes) -> None:
        """Backend `name` answered a CALL of the charger."""
        leader, compared = self.board.leader, self.board.compared
        if name != leader and name not in compared:
            return
        id_ = call.answer_id or frame.quoted(call.id)
        others = compared if name == leader else (leader,)
        for other in others:
            theirs = self._open.pop((other, id_), None)
            if theirs is None:
                continue
            shadow = other if name == leader else name
            pair = (data, theirs) if name == leader else (theirs, data)
            differences = compare(call.action, _answer(pair[0]), _answer(pair[1]))
            self.found.append(Compared(shadow, call.action, differences))
        self._open[name, id_] = data
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]


def _answer(data: bytes) -> dict[str, Any] | str:
    """What an answer says: the payload of a CALLRESULT, the code of a CALLERROR."""
    message = frame.split(data)
    if message is None or message.type is not MessageType.CALLRESULT:
        return message.error_code if message is not None else "unreadable"
    return payloads.of_result(data) or {}
