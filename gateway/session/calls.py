"""The CALLs on their way to one peer: one is out, the others wait their turn.

OCPP-J 1.6 §4.1.1 and OCPP 2.0.1 part 4 §4.1.1 allow one unanswered CALL per direction. Some chargers
send several at once all the same, and some backends answer the second with an error, losing a
StopTransaction; so a line forms here.
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum

from msgspec import Struct

from gateway.ocpp import frame
from gateway.ocpp.message import MessageType, Sender
from gateway.session.effects import SendToBackend, SendToCharger
from gateway.session.leg import Leg

REMEMBERED_IDS = 32

KIND = {
    MessageType.CALL: "call",
    MessageType.CALLRESULT: "result",
    MessageType.CALLERROR: "error",
    MessageType.CALLRESULTERROR: "error",
    MessageType.SEND: "call",
}
KINDS = {sender: {type_: f"{sender.value}_{kind}" for type_, kind in KIND.items()} for sender in Sender}

SEND_TO: dict[Sender, type[SendToCharger] | type[SendToBackend]] = {
    Sender.CHARGER: SendToCharger,
    Sender.BACKEND: SendToBackend,
}


class Own(Enum):
    """Whose CALL it is when it is not just relayed; its answer ends here, or does more than go back.

    `BOOT`, `STATUS` and `ENTRY` are sent to the backend in a charger's name, `MADE` is one that an adapter
    added to what the charger says; `ABANDONED` is one whose charger left, `MISSED` one that a backend which
    follows leaves unanswered and nothing is kept of. `COMMAND` is sent to the charger by us; `ORPHANED` is
    a backend's whose link is gone.
    """

    BOOT = "boot"
    STATUS = "status"
    ENTRY = "entry"
    ABANDONED = "abandoned"
    MISSED = "missed"
    MADE = "made"
    COMMAND = "command"
    ORPHANED = "orphaned"


class Call(Struct, gc=False):
    """One CALL under way.

    `label` is the action, or `unknown` if the version has no such action (it may be counted by).
    `id` is the id it has (or will have) at the peer it goes to; `answer_id` is the id its sender must
    hear, as JSON text, or None when the answer can go back as it is. `came_at` and `sent_at` are the
    session's clock; `sent_at` is right from when it is sent. `billing` says whether it carries revenue.
    `doubt` is there when it could not be repaired and goes on as it came; `retry` is the number of the
    `RetryWanted` that sent it, whose answer is for nobody but the one who wanted it, else 0. `answer` is
    what the charger heard of a billing CALL. `own` is there when it is not just relayed; `entry` is then its
    number in the outbox, `about` what else it is about. `epoch` is the charger's connection it came on.
    """

    id: str
    action: str
    label: str
    frame: bytes
    came_at: float
    billing: bool
    answer_id: bytes | None = None
    sent_at: float = 0.0
    doubt: "Doubt | None" = None
    retry: int = 0
    answer: bytes = b""
    own: Own | None = None
    entry: int = 0
    about: str = ""
    epoch: int = 0
    as_came: bytes = b""
    patience_s: float = 0.0
    is_doubted: bool = False

    def answer_to(self, again: "Call", by_payload: bool) -> bytes:
        """The answer to this CALL when `again` is a repetition of it, else b"".

        It is one when every byte is the same; with `by_payload` also when only the id is another one.
        """
        came = self.as_came or self.frame
        if again.frame == came:
            return self.answer
        action = b'"%b"' % self.action.encode()
        if (
            not by_payload
            or again.action != self.action
            or again.frame.partition(action)[2] != came.partition(action)[2]
        ):
            return b""
        answer = frame.split(self.answer)
        return b"" if answer is None else frame.renamed(answer, again.answer_id or again.id)


class Doubt(Struct, gc=False):
    """A CALL goes on as it came; `confirmation` is what its sender may hear if the peer refuses it."""

    confirmation: bytes | None


class Calls:
    """The CALLs towards one peer, over `leg`. At most one is `out`; the others stand in `line` as they came.

    `late` are the ids of those that expired, whose answers may still come. Both are None until needed.
    `kinds` names what comes from that peer, by message type, and `asks` its CALLs; `send` is the effect that
    sends it something.
    """

    __slots__ = ("_renamed", "asks", "kinds", "late", "leg", "line", "out", "send")

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.kinds = KINDS[leg.end]
        self.asks = self.kinds[MessageType.CALL]
        self.send = SEND_TO[leg.end]
        self.out: Call | None = None
        self.line: deque[Call] | None = None
        self.late: deque[str] | None = None
        self._renamed = 0

    def __len__(self) -> int:
        return self.waiting + (self.out is not None)

    def __iter__(self) -> Iterator[Call]:
        """All CALLs not yet answered, the oldest first."""
        if self.out is not None:
            yield self.out
        if self.line:
            yield from self.line

    @property
    def waiting(self) -> int:
        return len(self.line) if self.line else 0

    def wait(self, call: Call) -> None:
        """Put `call` at the end of the line."""
        if self.line is None:
            self.line = deque()
        self.line.append(call)

    def wait_first(self, call: Call) -> None:
        """Put `call` at the head of the line."""
        self.wait(call)
        assert self.line is not None
        self.line.rotate(1)

    def next(self) -> Call | None:
        """Take the first of the line."""
        return self.line.popleft() if self.line else None

    def rename(self, call: Call) -> bool:
        """Give `call` an id that no other CALL here has had, so that its answer goes back under its own.

        False when its frame cannot be taken apart, which then stays as it is.
        """
        message = frame.split(b"[" + call.frame.strip()[1:].lstrip())  # as little space as `split` wants
        if message is None:
            return False
        call.answer_id = call.answer_id or frame.quoted(call.id)
        call.id = self.own_id()
        call.frame = frame.renamed(message, call.id)
        return True

    def own_id(self) -> str:
        """An id for a CALL of ours that no other CALL here has had."""
        self._renamed += 1
        return f"gateway-{self._renamed}"

    def action_of(self, id_: str) -> str | None:
        """The action of the CALL that an answer with this id would be for."""
        return self.out.action if self.out is not None and self.out.id == id_ else None

    def ids(self) -> list[str]:
        """The ids an answer may come for now."""
        return [self.out.id] if self.out is not None else []

    def expired(self) -> Call:
        """The CALL that is out will not be answered in time; its id is remembered."""
        call = self.out
        assert call is not None
        if self.late is None:
            self.late = deque(maxlen=REMEMBERED_IDS)
        self.late.append(call.id)
        self.out = None
        return call

    def was_late(self, id_: str) -> bool:
        """Whether an answer with this id comes after its CALL had expired; it is not expected any more."""
        if self.late is None or id_ not in self.late:
            return False
        self.late.remove(id_)
        return True

    def clear(self) -> list[Call]:
        """Forget everything, for the peer is gone; the CALLs that got no answer."""
        unanswered = list(self)
        self.out, self.line, self.late = None, None, None
        return unanswered
