"""Two connections with one charger id: which of them stays?

A connection that does not answer a ping is replaced, so that a charger whose link broke unnoticed is back
within seconds. One that answers stays, unless the newcomer shows the same credentials: then the newest
wins, until the two are seen to fight for the id.
"""

import asyncio
import hashlib
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from gateway.net.driver import Driver
from gateway.net.handshake import Offer, Refusal
from gateway.observe import log
from gateway.ocpp.flags import Flag, FlagCode
from gateway.session import events as ev

if TYPE_CHECKING:
    from gateway.net.fleet import Fleet

FIGHT_SWAPS = 3
FIGHT_S = 60.0
LOOK_AGAIN_S = 0.02


class Duplicates:
    """The chargers whose connection is in question, and how often each has been replaced of late."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet
        self._swaps: dict[str, deque[float]] = {}
        self._probing: set[str] = set()

    async def settle(self, offer: Offer, address: str, incumbent: Driver) -> None:
        """End the incumbent, or raise Refusal for the newcomer."""
        key = offer.registry_key
        if key in self._probing or incumbent.charger is None:
            raise _duplicate("is just connecting", 5)
        self._probing.add(key)
        try:
            alive = await self._is_alive(incumbent)
        finally:
            self._probing.discard(key)
        if self._fleet.drivers.get(key) is not incumbent:
            return
        if alive:
            self._judge_newcomer(incumbent, offer, address)
        log.event("info", "charger-replaced", charger=offer.charger_id, old=incumbent.address, new=address)
        self._fleet.tally.events["charger-replaced"] += 1
        self._fleet.count_flag(Flag(FlagCode.CONNECTION_DUPLICATE))
        await self._fleet.end(key, incumbent)

    def _judge_newcomer(self, incumbent: Driver, offer: Offer, address: str) -> None:
        same = bool(incumbent.credential) and incumbent.credential == digest(offer.authorization)
        if not same:
            log.event(
                "warning", "duplicate-refused", charger=offer.charger_id, old=incumbent.address, new=address
            )
            raise _duplicate("is already connected and answers", 60)
        now = monotonic()
        swaps = self._swaps.setdefault(offer.registry_key, deque(maxlen=FIGHT_SWAPS))
        if len(swaps) == FIGHT_SWAPS and now - swaps[0] < FIGHT_S:
            self._fleet.tally.events["duplicate-fight"] += 1
            log.event(
                "error", "duplicate-fight", charger=offer.charger_id, old=incumbent.address, new=address
            )
            raise _duplicate("is connected from two places at once", 60)
        swaps.append(now)

    async def _is_alive(self, driver: Driver) -> bool:
        """Whether the charger sends anything within `duplicate_probe_s` of a ping."""
        asked_at = monotonic()
        driver.tell(ev.ProbeWanted())
        while monotonic() < asked_at + self._fleet.config.listen.duplicate_probe_s:
            await asyncio.sleep(LOOK_AGAIN_S)
            if driver.charger is None:
                return False
            if driver.session.charger.heard_at > asked_at:
                return True
        return False

    def sweep(self, now: float) -> None:
        """Forget replacements that are long past."""
        for key in [key for key, swaps in self._swaps.items() if now - swaps[-1] > FIGHT_S]:
            del self._swaps[key]


def digest(authorization: str) -> bytes:
    """What two Authorization headers are compared by, b"" for none; the header itself is not kept."""
    return hashlib.sha256(authorization.encode()).digest() if authorization else b""


def _duplicate(what: str, retry_after_s: int) -> Refusal:
    return Refusal(409, "duplicate", f"a charger with this id {what}", retry_after_s)
