"""What a backend that does not lead says unasked gets a small share of the node's time; the rest waits.

An answer that is awaited is never held up here, nor anything of a backend that leads. What waits was read
already; its link is read no further until all of it is done, and then a little at a time.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic

from gateway.net.link import Link

SHARE = 0.05
BURST_S = 0.002
ROUND_S = 0.01
TOLD_EVERY_S = 60.0
FLOOD_MESSAGES = 100  # have waited, and
FLOOD_S = 1.0  # for so long something did: more than commands when chargers come, however slow the machine
CALM_S = 1.0  # nothing waits for so long: the flood, if it was one, is over

Later = Callable[[float, Callable[[], None]], object]
Task = Callable[[], None]


class Unasked:
    """The share of one backend; `later(seconds, callback)` runs what waits. Times are `monotonic`'s.

    `tell` is called when much has waited for long, at most once a minute. `held` are the links with messages
    that wait, in the order of their next turn. What comes while there are any, or before `over_until`, waits.
    """

    def __init__(self, later: Later, tell: Task) -> None:
        self._later = later
        self._tell = tell
        self._free_at = self.over_until = 0.0
        self._told_at = -TOLD_EVERY_S
        self._since = self._waited_at = 0.0
        self._waited = 0
        self.held: dict[Link, deque[Task]] = {}

    def spent(self, began: float) -> None:
        """Something unasked has taken the time since `began`."""
        now = monotonic()
        self._free_at = max(self._free_at, now) + (now - began) / SHARE
        self.over_until = self._free_at - BURST_S / SHARE

    def hold(self, link: Link, task: Task) -> None:
        """Do `task`, which takes care of a message from this link, when it is its turn."""
        if not self.held:
            self._later(ROUND_S, self._go_on)
            self._begin()
        self._waited += 1
        waiting = self.held.get(link)
        if waiting is None:
            waiting = self.held[link] = deque()
            link.stop_reading()
            link.narrow()
        waiting.append(task)

    def _begin(self) -> None:
        """Something waits again; after a moment in which nothing did, counting begins anew."""
        now = monotonic()
        if now - self._waited_at > CALM_S:
            self._since, self._waited = now, 0

    def _say(self) -> None:
        now = self._waited_at = monotonic()
        is_flood = self._waited >= FLOOD_MESSAGES and now - self._since >= FLOOD_S
        if is_flood and now - self._told_at >= TOLD_EVERY_S:
            self._told_at = now
            self._tell()

    def _go_on(self) -> None:
        """Let the links have their turns, one message each, while the share lasts."""
        self._say()
        while self.held and self._free_at - monotonic() <= 0.0:
            link = next(iter(self.held))
            waiting = self.held.pop(link)
            began = monotonic()
            waiting.popleft()()
            self.spent(began)
            if waiting:
                self.held[link] = waiting
            else:
                link.read_on()
        if self.held:
            self._later(ROUND_S, self._go_on)
