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


class Heard(Struct, gc=False):
    """A CALL of the charger; `answerer` answers it ("": the leader). `owner`: how each reads its numbers."""

    message: Message
    label: str
    answerer: str
    owner: Owner | None

    def is_for(self, name: str) -> bool:
        """Whether this backend is to hear it, and not only another one, which knows what it names."""
        return self.owner is None or self.owner.backend in (None, name)


def whose(board: "Switchboard", message: Message) -> tuple[Owner | None, str]:
    """How each backend reads the numbers in a CALL of the charger; who answers it, "" for the leader."""
    action = message.action
    owner = None
    if action in NOTICES and len(board.commands.ids):
        payload = payloads.of_call(message.frame)
        owner = board.commands.ids.from_charger(action, payload) if payload is not None else None
        if owner is not None and owner.backend is not None:
            return (owner, owner.backend) if board.is_seated(owner.backend) else (None, "")
    if board.version is Version.V16 and action in ("StopTransaction", "MeterValues"):
        return owner, _of_another_book(board, message)
    return owner, ""


def as_read_by(name: str, message: Message, owner: Owner | None) -> Message:
    """A CALL of the charger with the numbers that this backend knows."""
    payload = owner.payload_for(name) if owner is not None else None
    if payload is None:
        return message
    data = frame.call(message.id, message.action, msgspec.json.encode(payload))
    return structs.replace(message, payload=b"", frame=data)


def _of_another_book(board: "Switchboard", message: Message) -> str:
    """A backend that knows the transaction of this CALL, when the leader's does not (OCPP 1.6)."""
    buffer = board.sessions[board.leader].buffer
    assert buffer is not None
    plain = payloads.number_in(message.frame, "transactionId")
    id_ = int(plain[1]) if plain is not None else (payloads.of_call(message.frame) or {}).get("transactionId")
    board.presence.track(id_, message.action == "StopTransaction")
    mine = buffer.book.by_charger_id(id_)
    if id_ is None or (mine is not None and not mine.is_elsewhere):
        return ""
    for name, session in board.followers():
        known = session.buffer.book.by_charger_id(id_) if session.buffer is not None else None
        if known is not None and known.key:
            return "" if known.given_by == board.leader else name
    return ""
