"""Whose a charger's message is, when it names something that only one of its backends knows."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from gateway.ocpp import frame
from gateway.ocpp.message import Message, Version
from gateway.routing.ids import NOTICES, Owner
from gateway.session import payloads

if TYPE_CHECKING:
    from gateway.session.switchboard import Switchboard


LONGEST_ANSWERS = 64
_NAME_A_TRANSACTION = frozenset({"StopTransaction", "MeterValues"})


class Heard(Struct, gc=False):
    """A CALL of the charger; `answerer` answers it ("": the leader). `owner`: how each reads its numbers.

    `id_at` is where it names its transaction, if that is known. `is_reading`: it is a MeterValues that
    all are to hear alike.
    """

    message: Message
    label: str
    answerer: str = ""
    owner: Owner | None = None
    id_at: payloads.Place | None = None
    is_reading: bool = False

    def is_for(self, name: str) -> bool:
        """Whether this backend is to hear it, and not only another one, which knows what it names."""
        return self.owner is None or self.owner.backend in (None, name)


class Answerers:
    """The backends that answer a CALL of the charger without leading: `names`, by the CALL's id."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.names.values()

    def add(self, id_: str, name: str) -> None:
        self.names[id_] = name
        if len(self.names) > LONGEST_ANSWERS:
            del self.names[next(iter(self.names))]

    def of(self, id_: str) -> str:
        """The one that answers this CALL, "" for the leader."""
        return self.names.get(id_, "")

    def forget(self, id_: str) -> None:
        """This CALL is another one now, or nobody's."""
        self.names.pop(id_, None)

    def clear(self) -> None:
        self.names.clear()

    def take(self, name: str, data: bytes) -> bool:
        """Whether this answer of a backend is to a CALL that was for it alone; it answers it but once."""
        message = frame.split(data) if self.names else None
        is_so = message is not None and self.of(message.id) == name
        if message is not None and is_so:
            self.forget(message.id)
        return is_so


def whose(board: "Switchboard", message: Message, label: str) -> Heard:
    """A CALL of the charger, and which of the backends it is for."""
    action = message.action
    heard = Heard(message, label)
    if action in NOTICES and len(board.commands.ids):
        payload = payloads.of_call(message.frame)
        owner = board.commands.ids.from_charger(action, payload) if payload is not None else None
        if owner is not None and owner.backend is not None:
            if board.is_seated(owner.backend):
                heard.owner, heard.answerer = owner, owner.backend
            return heard
        heard.owner = owner
    if action in _NAME_A_TRANSACTION and board.version is Version.V16:
        heard.id_at = payloads.id_in(message)
        heard.answerer = _of_another_book(board, heard)
        heard.is_reading = action == "MeterValues" and not heard.answerer
    return heard


def as_read_by(name: str, message: Message, owner: Owner | None) -> Message:
    """A CALL of the charger with the numbers that this backend knows."""
    payload = owner.payload_for(name) if owner is not None else None
    if payload is None:
        return message
    data = frame.call(message.id, message.action, msgspec.json.encode(payload))
    return structs.replace(message, payload=b"", frame=data)


def _of_another_book(board: "Switchboard", heard: Heard) -> str:
    """A backend that knows the transaction of this CALL, when the leader's does not (OCPP 1.6)."""
    buffer, message, id_at = board.sessions[board.leader].buffer, heard.message, heard.id_at
    assert buffer is not None
    if id_at is not None or message.shape is not None:
        id_: object = id_at[0] if id_at is not None else None
    else:
        id_ = (payloads.of_call(message.frame) or {}).get("transactionId")
    board.presence.track(id_, message.action == "StopTransaction")
    mine = buffer.book.by_charger_id(id_)
    if id_ is None or (mine is not None and not mine.is_elsewhere):
        return ""
    for name, session in board.followers:
        known = session.buffer.book.by_charger_id(id_) if session.buffer is not None else None
        if known is not None and known.key:
            return "" if known.given_by == board.leader else name
    return ""
