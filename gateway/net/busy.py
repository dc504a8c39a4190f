"""Fairness on a busy node: reading a malformed message costs many times what a clean one does.

While there is time, that is nobody's loss. When the node's core is nearly used up, malformed messages get a
fixed share of it, and the chargers that send them wait their turn in TCP, so that clean neighbours do not
pay for them.
"""

BUSY_FROM = 0.9  # of one core
BURST_S = 0.25


class Core:
    """How much of its core the node uses. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._looked_at = self._cpu_s = 0.0

    def used(self, now: float, cpu_s: float) -> float:
        """The share since it was last asked; `cpu_s` is the CPU time that the process has used so far."""
        share = 0.0
        if self._looked_at and now > self._looked_at:
            share = (cpu_s - self._cpu_s) / (now - self._looked_at)
        self._looked_at, self._cpu_s = now, cpu_s
        return share


class MalformedShare:
    """Who sends malformed messages and has to wait, and how long. Times are seconds of any one clock."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self.is_busy = False
        self._earliest_next = 0.0

    def look(self, used: float) -> None:
        """Learn how much of its core the node uses."""
        self.is_busy = used >= BUSY_FROM

    def wait_after_one(self, now: float) -> float:
        """A malformed message was read: the seconds its sender has to wait before the next is, mostly 0."""
        if not self.is_busy:
            return 0.0
        self._earliest_next = max(self._earliest_next, now) + 1.0 / self.per_s
        ahead = self._earliest_next - now
        return ahead if ahead > BURST_S else 0.0
