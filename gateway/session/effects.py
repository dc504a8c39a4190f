"""What a session wants done: orders, carried out by the driver at once and in order."""

from enum import StrEnum

from msgspec import Struct

from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Sender


class SendToCharger(Struct, frozen=True, gc=False):
    """Send `data` as one text message to the charger."""

    data: bytes


class SendToBackend(Struct, frozen=True, gc=False):
    """Send `data` as one text message to the backend."""

    data: bytes


class Ping(Struct, frozen=True, gc=False):
    """Send a WebSocket ping to one end."""

    to: Sender


class Close(Struct, frozen=True, gc=False):
    """Close one end's socket with an RFC 6455 close code and a reason a person can read."""

    to: Sender
    code: int
    reason: str


class StopReading(Struct, frozen=True, gc=False):
    """Let one end's messages wait in TCP until `ReadOn`."""

    of: Sender


class ReadOn(Struct, frozen=True, gc=False):
    """Read one end's messages again."""

    of: Sender


class DoubtBackend(Struct, frozen=True, gc=False):
    """The backend does not do its work for this charger: find out whether it does for anybody."""

    reason: str


class Verdict(StrEnum):
    """What became of a flagged message."""

    DELIVERED = "delivered"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"


class Flagged(Struct, frozen=True, gc=False):
    """A message was not simply clean: what was wrong with it, its bytes as they came, and what became of it.

    `kind` and `action` are "" when they could not be read. With a `number`, the session waits for `Kept`
    with it before it answers the sender.
    """

    sender: Sender
    kind: str
    action: str
    raw: bytes
    flags: tuple[Flag, ...]
    verdict: Verdict
    number: int = 0


class Retried(Struct, frozen=True, gc=False):
    """What came of `RetryWanted` number `number`, in a line for people."""

    number: int
    delivered: bool
    outcome: str


class Noted(Struct, frozen=True, gc=False):
    """Something about the session itself that an operator may want to know; `name` is from `EVENTS`."""

    name: str
    detail: str = ""


Effect = (
    SendToCharger
    | SendToBackend
    | Ping
    | Close
    | StopReading
    | ReadOn
    | DoubtBackend
    | Flagged
    | Retried
    | Noted
)

EVENTS = {
    "answer-late": "An answer came after its CALL had timed out; it was not forwarded.",
    "answer-repeated": "A CALL with billing data came again byte for byte and heard the same answer again.",
    "answer-unknown": "An answer came that no CALL waits for; it was not forwarded.",
    "backend-call-refused": "The backend sent more CALLs than may wait for the charger; one got a CALLERROR.",
    "backend-link-opened": "The link to the backend opened.",
    "backend-link-closed": "The link to the backend closed.",
    "backend-silent": "The backend left a CALL or ping unanswered; the charger was closed to keep its data.",
    "backend-slow-reader": "The backend did not read for 30 s; the link was closed.",
    "call-timed-out": "A CALL was not answered in time; the next one in the line was sent.",
    "charger-connected": "A charger connected.",
    "charger-disconnected": "A charger's socket closed.",
    "charger-flooding": "A charger sent far more than its rate for a minute and was disconnected.",
    "charger-paused": "A charger sent more than may wait, than its rate or a busy node allows; it waits.",
    "charger-silent": "A charger did not answer a ping and sent nothing; its socket was closed.",
    "charger-slow-reader": "A charger did not read for 30 s; its socket was closed.",
    "id-renamed": "A CALL's id could be confused with an older one; it went on under another.",
    "quarantine-failed": "A message could not be kept in quarantine; its charger was closed unanswered.",
    "session-failed": "An error of our own ended one charger's connection; its last message was kept.",
}
