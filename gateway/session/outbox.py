"""What waits for the backend, in its order: the first few messages at hand, the rest on disk."""

from collections import deque

from msgspec import Struct

from gateway.ocpp.message import Message
from gateway.session.calls import Call
from gateway.session.payloads import Payload

WINDOW = 8
MAX_ERROR = 200


class Entry(Struct, gc=False):
    """One stored message. `came_at` is in seconds since 1970; `retry_at` is the session's clock.

    `refused` and `unanswered` count how often a backend said no to it, or nothing; `error` is its last no.
    """

    number: int
    came_at: float
    version: str
    action: str
    frame: bytes
    refused: int = 0
    unanswered: int = 0
    retry_at: float = 0.0
    error: str = ""

    def refuse(self, message: Message, retry_at: float) -> None:
        """A backend answered it with this CALLERROR."""
        self.refused += 1
        self.retry_at = retry_at
        self.error = f"{message.error_code}: {message.error_description}"[:MAX_ERROR].removesuffix(": ")


class Unacked(Struct, gc=False):
    """A message on its way to the disk, and the CALL that hears `answer` when it is there."""

    call: Call
    key: str
    content: str
    answer: Payload
    entry: Entry
    reply: Message | None = None


class Outbox:
    """A first-in-first-out queue that is as long as the disk allows.

    `messages` and `size` (bytes of frames) count what is durable; `unstored` are on their way to the disk.
    `window` are the first entries; when it holds fewer than `messages`, the others have to be fetched.
    """

    __slots__ = ("_last", "_oldest", "is_fetching", "messages", "size", "unstored", "window")

    def __init__(self, messages: int = 0, size: int = 0, oldest: float = 0.0) -> None:
        self.window: deque[Entry] = deque()
        self.messages = messages
        self.size = size
        self.unstored = 0
        self.is_fetching = False
        self._oldest = oldest
        self._last = 0  # the number of the last entry that was in the window

    @property
    def is_busy(self) -> bool:
        """Whether anything waits, so that what comes now has to wait behind it."""
        return self.messages > 0 or self.unstored > 0

    @property
    def oldest(self) -> float:
        """When the first message came, in seconds since 1970; 0.0 when there is none."""
        if not self.messages:
            return 0.0
        return self.window[0].came_at if self.window else self._oldest

    @property
    def fetch_after(self) -> int | None:
        """The number after which entries have to be fetched now, None when they need not."""
        return self._last if self.messages > 0 and not self.window and not self.is_fetching else None

    def add(self, entry: Entry) -> None:
        """An entry is durable."""
        if not self.messages:
            self._oldest = entry.came_at
        if len(self.window) == self.messages and self.messages < WINDOW:
            self.window.append(entry)
            self._last = entry.number
        self.messages += 1
        self.size += len(entry.frame)

    def fetched(self, entries: list[Entry]) -> None:
        """The next entries from the disk."""
        self.is_fetching = False
        self.window.extend(entries)
        if entries:
            self._last = entries[-1].number
        else:
            self.messages = self.size = 0  # the disk knows better

    def remove(self, number: int) -> None:
        """The first entry is done with."""
        assert self.window and self.window[0].number == number
        entry = self.window.popleft()
        self.messages -= 1
        self.size -= len(entry.frame)
        self._oldest = entry.came_at
