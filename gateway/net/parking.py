"""Drivers without a charger: for what it has left to deliver, or what somebody wants sent in its name."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from gateway.net.driver import Driver
from gateway.net.gate import facts_in
from gateway.net.handshake import Offer, registry_key
from gateway.observe import log
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.store.place import taken_apart
from gateway.store.protocol import StoreError

if TYPE_CHECKING:
    from gateway.net.fleet import Fleet

LOOK_AGAIN_S = 0.02
GOING_AWAY = 1001


class Parking:
    """Brings chargers' links into being while `fleet` has no connection of theirs."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet
        self._numbers = 0
        self._retries: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def fill(self) -> None:
        """After a start: drivers for chargers that left something to deliver and need no password for it."""
        archive = self._fleet.archive
        assert archive is not None
        for place in list(archive.waiting):
            key, _ = taken_apart(place)
            if key in self._fleet.drivers or key in self._fleet.gate.arriving:
                continue
            self._fleet.gate.arriving.add(key)
            try:
                await self._park(key)
            except StoreError as error:
                log.event("error", "outbox-unreadable", charger=key, reason=str(error))
            finally:
                self._fleet.gate.arriving.discard(key)

    async def _on_behalf_of(self, key: str, backend: str) -> Driver | None:
        """A driver whose link to this backend is open, perhaps in the name of a charger that is not there."""
        fleet = self._fleet
        if key not in fleet.drivers and fleet.archive is not None and key not in self._fleet.gate.arriving:
            self._fleet.gate.arriving.add(key)
            try:
                await self._park(key, backend)
            except StoreError as error:
                log.event("error", "store-unreadable", charger=key, reason=str(error))
            finally:
                self._fleet.gate.arriving.discard(key)
        driver = fleet.drivers.get(key)
        if driver is not None and backend and backend != driver.upstream.name:
            driver = driver.party.drivers.get(backend) if driver.party is not None else None
        until = monotonic() + (driver.upstream.config.connect_timeout_s if driver is not None else 0.0)
        while driver is not None and driver.is_wanted and monotonic() < until:
            if driver.session.backend.is_open:
                break
            await asyncio.sleep(LOOK_AGAIN_S)
        return driver

    async def _park(self, key: str, wanted: str | None = None) -> None:
        """Drivers for a charger that is not there: those that owe anything, and that of the backend `wanted`.

        "" is the one that leads.
        """
        fleet = self._fleet
        assert fleet.archive is not None
        facts = facts_in(await fleet.archive.known(key))
        if facts is None:
            return
        driver = await fleet.seating.crew(Offer(facts.charger_id, ((facts.version, facts.token),), ""))
        drivers = list(driver.party.drivers.values()) if driver.party is not None else [driver]
        usable = [one for one in drivers if not facts.credential or one.upstream.config.password is not None]
        if not usable:
            fleet.parties.pop(key, None)
            return
        fleet.drivers[key] = driver
        for one in usable:
            one.is_wanted = one is driver if wanted == "" else one.upstream.name == wanted
            pairs = fleet.gate.pairs(one.offer.versions, one.upstream)
            fleet.gate.agree(one, facts.version, pairs[0][1])
            if one.upstream.relinker.needs(one):
                fleet.relink(one)

    async def retry(self, charger_id: str, raw: bytes, backend: str = "") -> dict[str, Any]:
        """Send a kept message of a charger to this backend of it; `delivered` and, for people, `outcome`."""
        driver = await self._on_behalf_of(registry_key(charger_id), backend)
        if driver is None:
            return {
                "delivered": False,
                "outcome": "the charger is not connected to that backend; retry when it is",
            }
        self._numbers += 1
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._retries[self._numbers] = waiting
        driver.tell(ev.RetryWanted(self._numbers, raw))
        try:
            return await waiting
        finally:
            driver.is_wanted = False
            if driver.is_parked and driver.backend is not None and not driver.upstream.relinker.needs(driver):
                driver.backend.close(GOING_AWAY, "charger left")

    def retried(self, retried: ef.Retried) -> None:
        """A session says what came of a retry."""
        waiting = self._retries.pop(retried.number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result({"delivered": retried.delivered, "outcome": retried.outcome})
