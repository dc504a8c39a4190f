"""What OCPP-J puts in one WebSocket message: a CALL, its answer, or one of 2.1's two additions.

OCPP-J 1.6 §4.2, OCPP 2.0.1 part 4 §4.2, OCPP 2.1 part 4 §4.2.
"""

import re
from enum import IntEnum, StrEnum

from msgspec import Raw, Struct


class Version(StrEnum):
    """An OCPP version as it is written in configuration, metrics and flags."""

    V16 = "1.6"
    V201 = "2.0.1"
    V21 = "2.1"

    @property
    def subprotocol(self) -> str:
        """The registered WebSocket sub-protocol name (OCPP-J 1.6 §3.1.2)."""
        return "ocpp" + self.value


class MessageType(IntEnum):
    """The first element of a frame."""

    CALL = 2
    CALLRESULT = 3
    CALLERROR = 4
    CALLRESULTERROR = 5  # OCPP 2.1 only
    SEND = 6  # OCPP 2.1 only


class Sender(StrEnum):
    """Which end a frame came from."""

    CHARGER = "charger"
    BACKEND = "backend"

    @property
    def other(self) -> "Sender":
        return Sender.BACKEND if self is Sender.CHARGER else Sender.CHARGER


class Message(Struct, gc=False):
    """One frame that can be relayed: its envelope taken apart, its payload still JSON text.

    `action` is the CALL's own; for an answer it is the action of the CALL it answers, or "" while that
    is not known. `payload` is the JSON text of the payload, for a CALLERROR or CALLRESULTERROR of the
    errorDetails; b"" where nobody needed it taken out of the frame. `frame` is the whole message, ready to
    be sent: the very bytes that came in unless a repair was made. `id_literal` is the JSON text of the id
    when the peer did not write it as a string (a number, say), so that the answer can repeat it; else None.
    `is_made` says that the gateway made it up in the charger's name: its answer is not for the charger.
    `is_new` says that it is known not to be a repetition: a reading later than all before it. `shape` is how
    its frame was read, if it was written like one before it (`gateway.dialect.shapes`).
    """

    type: MessageType
    id: str
    action: str
    payload: Raw | bytes
    frame: bytes
    error_code: str = ""
    error_description: str = ""
    id_literal: bytes | None = None
    is_made: bool = False
    is_new: bool = False
    shape: re.Match[bytes] | None = None
