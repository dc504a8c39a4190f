"""Plain integers that sessions count in, read only when somebody looks.

One `Tally` serves the whole node. Counting is one dictionary addition; names, labels and exposition
belong to `gateway.observe.metrics`, which collects at scrape time. Every key is from a closed list
(`unknown` stands for anything else), so the number of series is bounded whatever peers send.
"""

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from gateway.session.ways import Ways

LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


MAX_STATIONS = 200
MAX_DRIFTS = 500
OTHER = ("other", "other")


class Count(Struct, gc=False):
    """A number that grows; who counts often keeps hold of it."""

    n: int = 0


class Histogram:
    """Counts per bucket of `LATENCY_BOUNDS_S` (inclusive upper bounds, one more for the rest); the sum."""

    __slots__ = ("_stations", "buckets", "total_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.total_s += seconds


class Drifts:
    """Which changes of dialect after an update were told already on this node, the latest `MAX_DRIFTS`."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, ...], None] = {}

    def is_new(self, change: tuple[str, ...]) -> bool:
        """Whether this change was not told before; from now on it was."""
        if change in self._told:
            return False
        self._told[change] = None
        if len(self._told) > MAX_DRIFTS:
            del self._told[next(iter(self._told))]
        return True


class Tally:
    """What has happened on this node since it started.

    - `messages`: (kind, action, version) → frames taken in; kind is one of `charger_call`,
      `charger_result`, `charger_error`, `backend_call`, `backend_result`, `backend_error`
      (a SEND counts as a call)
    - `latency`: (backend name, action) → seconds from a CALL's first byte sent to the backend to its answer
    - `flags`: (code, severity, brand, firmware) → times raised; brand and firmware as `station` names them
    - `events`: name → times; e.g. `call-timeout`, `answer-late`, `charger-replaced`, `charger-paused`
    - `answered`: (action, version) → CALLs of chargers that the gateway answered for the backend
    - `losses`: (code, action) → things that could not be carried between versions
    - `refused`: reason → handshakes refused

    `ways` holds on to counts that are needed often, by version and backend name.
    """

    __slots__ = (
        "_stations",
        "answered",
        "drifts",
        "events",
        "flags",
        "latency",
        "losses",
        "messages",
        "refused",
        "ways",
    )

    def __init__(self) -> None:
        self.messages: defaultdict[tuple[str, str, str], Count] = defaultdict(Count)
        self.latency: defaultdict[tuple[str, str], Histogram] = defaultdict(Histogram)
        self.flags: defaultdict[tuple[str, str, str, str], int] = defaultdict(int)
        self._stations: dict[tuple[str, str], tuple[str, str]] = {}
        self.drifts = Drifts()
        self.events: defaultdict[str, int] = defaultdict(int)
        self.answered: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.losses: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.ways: dict[tuple[str, str], Ways] = {}

    def counted(self) -> dict[tuple[str, str, str], int]:
        """The numbers of `messages`, of those that there were."""
        return {key: count.n for key, count in self.messages.items() if count.n}

    def beside(self) -> "Tally":
        """One for messages that were counted already; everything else is counted with this one."""
        other = Tally()
        for name in Tally.__slots__:
            if name not in ("messages", "ways"):
                setattr(other, name, getattr(self, name))
        return other

    def station(self, brand: str, firmware: str) -> tuple[str, str]:
        """Brand and firmware to count by: as reported for the first `MAX_STATIONS` pairs, else `other`.

        Chargers say what they like, and every name costs memory for good.
        """
        known = self._stations.get((brand, firmware))
        if known is None:
            if len(self._stations) >= MAX_STATIONS:
                return OTHER
            known = self._stations[brand, firmware] = (brand, firmware)
        return known
