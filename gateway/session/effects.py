"""What a session wants done: orders, carried out by the driver at once and in order."""

from enum import StrEnum

from msgspec import Struct

from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Sender, Version


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


class StoreEntry(Struct, frozen=True, gc=False):
    """Write a CALL of the charger down, with `parts` of the session's state in the same commit.

    The session waits for `EntryStored(number)` before the charger hears an answer. `came_at`: seconds since
    1970. `energy_wh`: what was charged since the last stored reading of its transaction.
    """

    number: int
    action: str
    frame: bytes
    came_at: float
    version: Version
    parts: tuple[tuple[str, bytes], ...]
    energy_wh: float = 0.0


class DropEntry(Struct, frozen=True, gc=False):
    """A stored CALL is done with: delivered, or safe in quarantine. `EntryDropped(number)` is awaited.

    `parts` is what was learned with it, for the same commit; `latency_s` is how long the backend took,
    0.0 when it did not deliver it.
    """

    number: int
    parts: tuple[tuple[str, bytes], ...]
    latency_s: float = 0.0


class FetchEntries(Struct, frozen=True, gc=False):
    """Read the entries that follow number `after`; they come with `EntriesFetched`."""

    after: int
    limit: int


class Remember(Struct, frozen=True, gc=False):
    """Keep a part of what is known of this charger; nobody waits for it."""

    part: str
    data: bytes


class KeepState(Struct, frozen=True, gc=False):
    """Keep parts of what is known of this charger; `StateKept(number)` is awaited."""

    number: int
    parts: tuple[tuple[str, bytes], ...]


class WantTurn(Struct, frozen=True, gc=False):
    """Stored messages could be delivered now; `Turn` says how many may."""


class Noted(Struct, frozen=True, gc=False):
    """Something about the session itself that an operator may want to know; `name` is from `EVENTS`.

    `is_news`: the first of its kind, to be told to those who do not read every detail.
    """

    name: str
    detail: str = ""
    is_news: bool = False


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
    | StoreEntry
    | DropEntry
    | FetchEntries
    | Remember
    | KeepState
    | WantTurn
    | Noted
)


def is_about(end: Sender, effect: Effect) -> bool:
    """Whether an effect is an order about this end's connection itself, not something to say over it."""
    match effect:
        case Ping(to=of) | Close(to=of) | StopReading(of=of) | ReadOn(of=of):
            return of is end
    return False


EVENTS = {
    "answered-locally": "A charger's CALL was answered by the gateway, since the backend is away or silent.",
    "answer-late": "An answer came after its CALL had timed out; it was not forwarded.",
    "answer-repeated": "A CALL with billing data came again byte for byte and heard the same answer again.",
    "answer-unknown": "An answer came that no CALL waits for; it was not forwarded.",
    "backend-call-refused": "The backend sent more CALLs than may wait for the charger; one got a CALLERROR.",
    "backend-line-full": "A backend of another version answers too slowly: a CALL made for it was given up.",
    "backend-link-opened": "The link to the backend opened.",
    "backend-link-closed": "The link to the backend closed.",
    "backends-conflict": "Two backends want different things of a charger: a key, a profile, a list.",
    "backend-silent": "The backend left a CALL or ping unanswered; the charger was closed to keep its data.",
    "backend-slow-reader": "The backend did not read for 30 s; the link was closed.",
    "call-timed-out": "A CALL was not answered in time; the next one in the line was sent.",
    "backend-boot-pending": "The backend does not accept a charger that booted while it was away.",
    "charger-connected": "A charger connected.",
    "charger-disconnected": "A charger's socket closed.",
    "charger-flooding": "A charger sent far more than its rate for a minute and was disconnected.",
    "charger-paused": "A charger is not read for a while; `detail` says why: `LINE_FULL` (too many CALLs), "
    "`RATE` (it sends more than its rate), `NODE_BUSY`, `OTHER_END_BLOCKED` (the backend does not read), "
    "`HAND_OVER` (another backend begins to lead).",
    "charger-silent": "A charger did not answer a ping and sent nothing; its socket was closed.",
    "charger-slow-reader": "A charger did not read for 30 s; its socket was closed.",
    "command-refused": "A charger refused a command of the gateway, such as to stop after a late refusal.",
    "delivery-refused": "The backend refused a stored message; it is tried again, later.",
    "copy-lost": "A backend that does not lead missed a message: not stored for it, or of an unknown start.",
    "dialect-drift": "A charger's new firmware brought new kinds of deviation; told once per update.",
    "entry-conflict": "A message came again with other content; both are delivered.",
    "entry-delivered": "A stored message was processed by the backend.",
    "entry-quarantined": "A stored message was refused for good and is kept in quarantine.",
    "entry-stored": "A charger's message was stored for the backend.",
    "id-renamed": "A CALL's id could be confused with an older one; it went on under another.",
    "lead-moved": "Another backend of a charger answers it from now on.",
    "late-refusal": "The backend refused a driver whom the gateway had accepted while it was away.",
    "outbox-drained": "Everything that was stored for the backend is delivered.",
    "outbox-failed": "A message could not be stored; its charger was closed unanswered.",
    "outbox-full": "A charger's outbox is full or too old; it was closed to let its own queue do the work.",
    "quarantine-failed": "A message could not be kept in quarantine; its charger was closed unanswered.",
    "untranslatable": "A message of the session could not be taken apart to be translated; it was not sent.",
    "session-failed": "An error of our own ended one charger's connection; its last message was kept.",
}
