"""How fast stored messages go to a backend that is back: so many a second, for so many chargers at once.

The pace follows the backend: when its answers get slow it is halved, when they are quick it rises again.
"""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from gateway.session import events as ev

if TYPE_CHECKING:
    from gateway.net.driver import Driver

TICK_S = 0.02
SLOW_S = 0.5
LOWEST = 0.02  # of the full rate
STEP = 0.1
LOOK_S = 1.0


class Pacer:
    """Hands out turns. `rate` is the present number of messages a second, at most `per_s`.

    `want` puts a driver in the line; the first `at_once` of it are served, in rounds, by `tick`.
    """

    def __init__(
        self, per_s: float, at_once: int, later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self.per_s = per_s
        self.at_once = at_once
        self.rate = per_s
        self._later = later
        self._line: dict[Driver, None] = {}
        self._credit = 0.0
        self._slowest_s = 0.0
        self._looked_at = 0.0
        self._ticked_at = 0.0
        self._is_ticking = False

    def want(self, driver: "Driver", now: float) -> None:
        """The driver's session has something to deliver."""
        self._line[driver] = None
        if not self._is_ticking:
            self._is_ticking = True
            self._ticked_at = now - TICK_S
            self._later(0.0, self._tick_now)

    def delivered(self, latency_s: float) -> None:
        """The backend took so long to answer a stored message."""
        self._slowest_s = max(self._slowest_s, latency_s)

    def tick(self, now: float) -> None:
        """Give turns for the time that has passed."""
        self._adapt(now)
        self._credit = min(self._credit + self.rate * (now - self._ticked_at), max(1.0, self.rate))
        self._ticked_at = now
        served = list(self._line)[: self.at_once]
        share = max(1, int(self._credit / max(1, len(served))))
        for driver in served:
            if self._credit < 1.0:
                break
            turns = min(share, int(self._credit))
            self._credit -= turns
            del self._line[driver]
            driver.tell(ev.Turn(turns))
        self._is_ticking = bool(self._line)

    def _tick_now(self) -> None:
        self.tick(monotonic())
        if self._is_ticking:
            self._later(TICK_S, self._tick_now)

    def _adapt(self, now: float) -> None:
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        if self._slowest_s > SLOW_S:
            self.rate = max(self.per_s * LOWEST, self.rate / 2)
        else:
            self.rate = min(self.per_s, self.rate + STEP * self.per_s)
        self._slowest_s = 0.0
