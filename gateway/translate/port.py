"""What a translator is told and what it wants: its whole contract with the session.

A translator stands between the session and the backend's leg, and is to the session a backend that speaks
the charger's own version. It is told what both ends say, with payloads as JSON values, and answers with
orders. It knows no socket, clock or chance; the session keeps one CALL out per connection, a line behind
it, the outbox while the backend is away, and what it answers meanwhile.

Time is in seconds since 1970 and never goes back.
"""

from enum import StrEnum
from typing import Any, Final, Protocol

from msgspec import Struct

from gateway.ocpp.message import Version

Payload = dict[str, Any]
"""A payload as JSON value; numbers that are not whole may be `gateway.ocpp.values.Number` or `Decimal`."""


class Refused(Struct, frozen=True, gc=False):
    """An answer that is a CALLERROR: `code` in the spelling of the version it is for, or from."""

    code: str
    description: str = ""


SILENCE: Final = Refused("GenericError", "the backend did not answer")
"""What a charger's CALL comes to when the backend was not heard: nobody has refused it."""


class NoAnswer(Struct, frozen=True, gc=False):
    """A CALL of the translator got no answer: it timed out, or the connection it went to is gone."""


Answer = Payload | Refused | NoAnswer


class ChargerCall(Struct, frozen=True, gc=False):
    """A CALL of the charger, whose turn to be delivered has come; `id` is what `AnswerCharger` repeats.

    `stored`: it comes from the outbox, the charger has heard an answer of ours meanwhile, and the translated
    one goes no further than the session. `received_at` is then when it came, else now.
    `transaction_id` is the id that the charger was given for a StartTransaction of 1.6 by such an answer;
    a translator that gives ids takes it for its own. None lets the translator give one.
    `came_in_time`: it was stored while this link of the backend was open, behind what has no answer yet.
    """

    id: str
    action: str
    payload: Payload
    received_at: float
    stored: bool = False
    transaction_id: int | None = None
    came_in_time: bool = False


class BackendCall(Struct, frozen=True, gc=False):
    """A CALL of the backend, in the backend's version; `id` is what `AnswerBackend` repeats."""

    id: str
    action: str
    payload: Payload


class ToBackend(Struct, frozen=True, gc=False):
    """Send a CALL to the backend. Its answer comes to `backend_answered` with `token`, once.

    `live`: it may overtake transaction messages that wait (status, heartbeat, authorisation, boot).
    """

    token: int
    action: str
    payload: Payload
    live: bool = False


class ToCharger(Struct, frozen=True, gc=False):
    """Send a CALL to the charger, in its version. Its answer comes to `charger_answered`, once."""

    token: int
    action: str
    payload: Payload


class AnswerCharger(Struct, frozen=True, gc=False):
    """The answer to the `ChargerCall` with this id, in the charger's version. Exactly one per call.

    `delivered` is False when the backend has not processed the message: an outbox keeps it and tries again
    (only together with `Refused`).
    """

    id: str
    answer: Payload | Refused
    delivered: bool = True


class AnswerBackend(Struct, frozen=True, gc=False):
    """The answer to the `BackendCall` with this id, in the backend's version. Exactly one per call."""

    id: str
    answer: Payload | Refused


class Severity(StrEnum):
    """How much a loss matters: `error`: it did not happen; `billing`: it may change what is paid."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    BILLING = "billing"


class Lost(Struct, frozen=True, gc=False):
    """Something could not be carried: dropped, narrowed, invented or refused.

    `code` is from the table of losses; `path` is in the payload that came in; `value` is what stood there as
    JSON text, `became` what stands for it, if anything.
    """

    code: str
    severity: Severity
    path: str = ""
    value: str = ""
    became: str = ""


Order = ToBackend | ToCharger | AnswerCharger | AnswerBackend | Lost


class Translator(Protocol):
    """One charger behind one backend of another version.

    After every call that returned orders the session looks at `changed`: when it is set, it writes what
    `parts()` differs by from what was written last, in one commit with the message, before any of the orders
    leaves, and clears it. What need not survive is no change. `due` is when `time_passed` should come
    (infinity for never); it may be too early. `heard_here` is set by the session to the id of the charger's
    CALL that it has answered itself while the backend is silent: the translated answer still counts, but goes
    no further than the session.
    """

    charger_version: Version
    backend_version: Version
    changed: bool
    heard_here: str

    @property
    def due(self) -> float:
        """When `time_passed` should come."""

    @property
    def listens(self) -> bool:
        """Whether stored messages may come: False while the backend has not accepted the charger (yet)."""

    def charger_call(self, call: ChargerCall, now: float) -> list[Order]:
        """The charger asks, or the outbox delivers what it asked."""

    def backend_call(self, call: BackendCall, now: float) -> list[Order]:
        """The backend asks."""

    def backend_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The backend's answer to `ToBackend`."""

    def charger_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The charger's answer to `ToCharger`."""

    def charger_opened(self, now: float) -> list[Order]:
        """The charger has connected (again); what was asked of it before was told as `NoAnswer`."""

    def backend_opened(self, now: float) -> list[Order]:
        """The backend's link is there (again); what was asked of it before was told as `NoAnswer`."""

    def resumed(self, now: float) -> list[Order]:
        """Charger and backend are both there (again), after `charger_opened` or `backend_opened`."""

    def backend_closed(self, now: float) -> list[Order]:
        """The backend's link is gone, and what was asked of either end is about to be told as `NoAnswer`.

        From now on messages come from the outbox, after the next opening.
        """

    def stores(self, action: str, payload: Payload) -> bool:
        """While the backend is away: whether this CALL of the charger, beyond those that every outbox keeps,
        must reach the backend later, in its place among the others.
        """

    def name_at_backend(self, id_: int | str) -> int | str | None:
        """The id that the backend reads for a transaction that is `id_` in the charger's version; None while
        there is none.
        """

    def time_passed(self, now: float) -> list[Order]:
        """`due` has come."""

    def parts(self, everything: bool = False) -> dict[str, bytes]:
        """What must survive, as JSON, by the names of parts of the store: those that may be others now than
        when this was asked last, or all.
        """

    def snapshot(self) -> bytes:
        """Everything that must survive reconnects and restarts, as JSON; what `restored` takes."""
