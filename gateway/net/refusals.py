"""A backend that is there and yet of no use: it refuses links, or closes each before it has said anything."""

from collections.abc import Callable
from time import monotonic

from gateway.observe import log

SEVERAL = 3
LOOK_S = 1.0  # links that end together say little: the backend may just be stopping


class Refusals:
    """Links in a row that the backend did not let work. `reason` says how, once they are several.

    `on_change(True, reason)` is told of that, and `on_change(False, "")` of the first that works again.
    """

    def __init__(self, backend: str, on_change: Callable[[bool, str], None]) -> None:
        self.reason = ""
        self._backend = backend
        self._on_change = on_change
        self._count = 0
        self._since = 0.0
        self._last = ""

    def add(self, reason: str, weight: int = 1) -> None:
        """Another link, or `weight` of them, was refused or closed."""
        if not self._count:
            self._since = monotonic()
        self._count += weight
        self._last = reason
        if self.reason:
            self.reason = reason

    def forget(self) -> None:
        """Something else is known of the backend now."""
        self._count = 0
        self.reason = ""

    def clear(self) -> None:
        """The backend has said something on a link."""
        was_told = bool(self.reason)
        self.forget()
        if was_told:
            log.event("info", "backend-up", backend=self._backend)
            self._on_change(False, "")

    def sweep(self, now: float, is_heard: Callable[[], bool]) -> None:
        """Tell it once several have ended so; `is_heard`: something came from it on a link that is open."""
        if not self._count:
            return
        if is_heard():
            self.clear()
        elif not self.reason and self._count >= SEVERAL and now - self._since >= LOOK_S:
            self.reason = self._last
            log.event("warning", "backend-refusing", backend=self._backend, reason=self.reason)
            self._on_change(True, self.reason)
