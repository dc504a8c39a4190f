"""What a session needs to know of the other backends of its charger: nothing but whom to tell."""

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Message, Version
from gateway.session.calls import Call

if TYPE_CHECKING:
    from gateway.session.session import ChargerSession


class Ruled(Struct, frozen=True, gc=False):
    """What the operator's rules make of a backend's CALL: `flag` says what.

    It goes on as `message`, or (None) the backend hears `reply`, a whole frame, not the charger's answer.
    """

    flag: Flag
    message: Message | None
    reply: bytes = b""


class Others(Protocol):
    """The sessions of one charger, one per backend (`gateway.session.switchboard`).

    `leader` is a name, `compared` those of the backends whose answers are compared: each is to be told of.
    """

    leader: str
    compared: frozenset[str]

    def heard(self, message: Message, label: str) -> Message | None:
        """The session that leads heard a CALL of the charger; as its backend is to hear it.

        None: another backend gets it, and answers it.
        """

    def judge(
        self, session: "ChargerSession", message: Message, version: Version, now: float
    ) -> Ruled | None:
        """What becomes of a backend's CALL, written in `version`; None: it goes on as it is."""

    def is_taken(self, id_: int, key: str = "") -> bool:
        """Whether the charger may know another transaction than the one with this key by this id."""

    def must_answer(self, session: "ChargerSession", id_: str) -> bool:
        """Whether the charger hears this session's answer to its CALL with this id, or none."""

    def gave(self, session: "ChargerSession", key: str, id_: int) -> None:
        """The charger's transaction with this natural key is known to the charger by this id."""

    def answered(self, session: "ChargerSession", call: Call, data: bytes) -> None:
        """The session's backend answered a CALL of the charger with this frame."""
