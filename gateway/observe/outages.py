"""Each time without the backend as one record: how long, how many chargers and messages, how much energy.

A record outlives the node: an outage ends when the backend is back, not when the gateway stops or is killed.
"""

from collections.abc import Callable, Collection, Iterable

from msgspec.structs import replace

from gateway.observe import log
from gateway.store.protocol import Outage, Store, StoreFailed

WRITE_S = 1.0
"""How much of a record a kill may cost."""


class Outages:
    """Keeps the record of the outage that is going on, if any."""

    def __init__(self, store: Store | None, backend: str, clock: Callable[[], float]) -> None:
        self.current: Outage | None = None
        self._store = store
        self._backend = backend
        self._clock = clock
        self._chargers: set[str] = set()
        self._is_changed = False
        self._write_at = 0.0

    def begin(self, reason: str) -> None:
        """The backend is away from now on."""
        if self.current is None:
            self.current = Outage(backend=self._backend, begin=self._clock(), reason=reason)
            self._chargers = set()
            self._write()

    def resume(self, record: Outage, chargers: Iterable[str]) -> None:
        """An earlier run left this record open. `chargers` are those for whom something is stored."""
        self.current = record
        self._chargers = set(chargers)
        log.event(
            "info", "outage-goes-on", backend=record.backend, seconds=round(self._clock() - record.begin, 1)
        )

    def stored(self, charger: str, energy_wh: float) -> None:
        """A message was stored, which says that so much was charged since the one before."""
        now = self.current
        if now is None:
            return
        self._chargers.add(charger)
        self.current = replace(
            now,
            chargers=max(now.chargers, len(self._chargers)),
            messages=now.messages + 1,
            energy_wh=now.energy_wh + energy_wh,
        )
        self._is_changed = True

    def end(self) -> None:
        """The backend is back."""
        if self.current is None:
            return
        self.current = over = replace(self.current, end=self._clock())
        self._write()
        self.current = None
        log.event(
            "info",
            "outage-over",
            backend=over.backend,
            seconds=round(over.end - over.begin, 1),
            chargers=over.chargers,
            messages=over.messages,
            energy_wh=round(over.energy_wh),
        )

    def sweep(self, now: float) -> None:
        """Write a growing record down now and then."""
        if self._is_changed and now >= self._write_at:
            self._write_at = now + WRITE_S
            self._write()

    def close(self) -> None:
        """The node stops: the record stays open, for the next start to go on with."""
        if self._is_changed:
            self._write()

    def _write(self) -> None:
        self._is_changed = False
        if self._store is not None and self.current is not None:
            self._store.write([self.current], _nobody_waits)


def left_open(store: Store, found: list[Outage], backends: Collection[str], now: float) -> dict[str, Outage]:
    """The records to go on with, by backend, among what was `found` (newest first).

    Others without an end get one: where the next of their backend begins, or `now` if there is none.
    """
    going_on: dict[str, Outage] = {}
    over: list[Outage] = []
    next_begin: dict[str, float] = {}
    for record in found:
        name = record.backend
        if not record.end and name in backends and name not in next_begin:
            going_on[name] = record
        elif not record.end:
            over.append(replace(record, end=next_begin.get(name, now)))
        next_begin[name] = record.begin
    if over:
        store.write(over, _nobody_waits)
    return going_on


def _nobody_waits(_: StoreFailed | None) -> None:
    """The next write says it all again."""
