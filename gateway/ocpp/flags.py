"""What can be wrong with a message, and what follows from it.

A peer's mistake is data, not an exception: it becomes a `Flag`. Every code has one fixed meaning, one
severity and one consequence; `FLAGS` is the table, and the reference page is generated from it.
"""

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """`info`: odd, harmless; `warning`: a person may want to know; `error`: lost, doubtful or unsafe."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Consequence(StrEnum):
    """What happens to the message: it goes on, waits, or is kept for a person."""

    DELIVERED = "delivered"
    HELD = "held"
    QUARANTINED = "quarantined"


class FlagCode(StrEnum):
    """The name of one kind of wrong, as it appears in metrics, logs, the API and rule packs."""

    FRAME_UNREADABLE = "frame-unreadable"
    SCHEMA_VIOLATION = "schema-violation"
    ACTION_UNKNOWN = "action-unknown"
    BINARY_FRAME = "binary-frame"
    ANSWER_UNKNOWN = "answer-unknown"
    ANSWER_LATE = "answer-late"
    ID_REUSED = "id-reused"


class Flag(Struct, frozen=True, gc=False):
    """One thing that was wrong with one message.

    `path` is the place in the payload (`meterValue[0].sampledValue[1].value`; "" for the frame itself);
    `before` and `after` are JSON text or "" where there is nothing to show; `author` names who raised it:
    `gateway`, `adapter:NAME` or `rules:PACK/RULE`.
    """

    code: FlagCode
    path: str = ""
    before: str = ""
    after: str = ""
    author: str = "gateway"
