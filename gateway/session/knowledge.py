"""What a session knows for the time without a backend, and the settings of that time."""

from collections.abc import Mapping

from msgspec import Struct

from gateway.session.answers import UnknownTags
from gateway.session.tags import Tags

MAX_STATUSES = 64


class BufferSettings(Struct, frozen=True):
    """How an outage is bridged: the `[outage]` table of the configuration. Times in seconds.

    `hold_s`: how long an answer that a driver would mind waits for the backend to come back.
    `answer_after_s`: how long one that nobody would mind waits for a backend that is there and silent.
    `absorbs_refusals`: a CALLERROR of the backend to revenue data stays here, and the data is tried again
    after `retry_s`, then twice that and so on, until it has been refused `max_refusals` times.
    `stores`: what the backend misses is kept for it; where it leads that is always so.
    """

    hold_s: float = 3.0
    answer_after_s: float = 4.0
    absorbs_refusals: bool = True
    retry_s: float = 10.0
    max_refusals: int = 5
    unknown_tags: UnknownTags = UnknownTags.ACCEPT_KNOWN
    tags_keep_s: float = 86_400.0
    stops_late_refusals: bool = True
    delivers_for_absent: bool = True
    max_messages: int = 10_000
    max_bytes: int = 16 * 1024 * 1024
    max_age_s: float = 72 * 3600.0
    stores: bool = True


class Shared:
    """What all sessions of a node know together: drivers' tags, and whether anything can be stored now."""

    def __init__(self, tags: Tags) -> None:
        self.tags = tags
        self.can_store = True


class Boot(Struct):
    """What the backend said to the last BootNotification, and how far its clock is ahead of ours."""

    was_accepted: bool = False
    interval_s: int = 0
    clock_ahead_s: float = 0.0


class Owed(Struct):
    """What the backend has to hear first: the boot it missed, and the last status of each connector."""

    boot: str = ""
    statuses: dict[str, str] = {}

    def add_status(self, key: str, text: str) -> None:
        """The last StatusNotification of a connector; the oldest of too many goes."""
        self.statuses.pop(key, None)
        self.statuses[key] = text
        if len(self.statuses) > MAX_STATUSES:
            del self.statuses[next(iter(self.statuses))]


class Known(Struct):
    """What is known of a charger from before: its parts of the store, and what waits in its outbox."""

    parts: Mapping[str, bytes] = {}
    messages: int = 0
    size: int = 0
    oldest: float = 0.0
    last: int = 0
