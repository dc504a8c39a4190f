"""Links to the backend that were lost and are wanted again: tried with growing pauses, a few at a time."""

import random
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import structs

from gateway.net.backend import BackendAway, BackendRefused
from gateway.net.tasks import spawn
from gateway.observe import log
from gateway.session import events as ev

if TYPE_CHECKING:
    from gateway.net.driver import Driver
    from gateway.net.fleet import Fleet
    from gateway.net.upstream import Upstream

DIALS_AT_ONCE = 64
TRIED_AT_ONCE = 4  # while nothing shows that the backend is there
STABLE_S = 30.0
AFTER_REFUSAL_S = 300.0
POLICY_VIOLATION = 1008
GOING_AWAY = 1001


class Relinker:
    """Drivers of `fleet` that want a link to the backend `upstream`, by registry key."""

    def __init__(self, fleet: "Fleet", upstream: "Upstream") -> None:
        self._fleet = fleet
        self._upstream = upstream
        self._waiting: dict[str, Driver] = {}
        self._dialling: set[Driver] = set()
        self._is_there = False  # a link was opened since one was last lost

    @property
    def next_at(self) -> float | None:
        """When the next of those that wait is due; None when nobody waits."""
        return min((driver.redial_at for driver in self._waiting.values()), default=None)

    def needs(self, driver: "Driver") -> bool:
        """Whether the driver has any use for a link: a charger, or something to deliver."""
        buffer = driver.session.buffer
        if buffer is None or self._fleet.is_closing or driver.is_arriving:
            return False
        owes = buffer.owes and buffer.settings.delivers_for_absent
        return driver.serves_charger or owes or driver.is_wanted

    def want(self, driver: "Driver") -> None:
        """Its link is gone: try again after a pause that grows while links do not last."""
        config = self._upstream.config
        now = monotonic()
        self._is_there = False
        lasted = driver.linked_at and now - driver.linked_at > STABLE_S
        driver.redial_s = (
            config.reconnect_min_s
            if lasted or not driver.redial_s
            else min(2 * driver.redial_s, config.reconnect_max_s)
        )
        self._wait(driver, random.uniform(0.1, driver.redial_s))

    def want_now(self, driver: "Driver") -> None:
        """It has no link yet: as soon as one can be had."""
        self._wait(driver, 0.0)
        self.sweep(monotonic())

    def _wait(self, driver: "Driver", seconds: float) -> None:
        driver.redial_at = monotonic() + seconds
        self._waiting[driver.key] = driver

    def sweep(self, now: float) -> None:
        """Begin as many dials as may be begun."""
        if not self._waiting or self._upstream.links.is_away:
            return
        due = [driver for driver in self._waiting.values() if driver.redial_at <= now]
        at_once = DIALS_AT_ONCE if self._is_there else TRIED_AT_ONCE
        for driver in due[: max(0, at_once - len(self._dialling))]:
            del self._waiting[driver.key]
            if driver.backend is None and driver not in self._dialling and self._fleet.has(driver):
                self._dialling.add(driver)
                spawn(self._dial(driver), "link to the backend")

    async def _dial(self, driver: "Driver") -> None:
        if not self.needs(driver):
            self._dialling.discard(driver)
            if driver.is_parked:
                self._fleet.remove(driver)
            return
        token = next((token for version, token in driver.offer.versions if version is driver.version), "")
        offer = structs.replace(driver.offer, versions=((driver.backend_version, token),))
        try:
            await self._upstream.links.connect(offer, self._fleet.backend_link(driver))
            self._is_there = True
        except BackendAway:
            driver.tell(ev.BackendAway())
            self.want(driver)
        except BackendRefused as error:
            self._refused(driver, error)
        finally:
            self._dialling.discard(driver)

    def _refused(self, driver: "Driver", error: BackendRefused) -> None:
        """The backend does not take this charger: it hears so itself when it connects again."""
        log.event(
            "warning",
            "backend-refused",
            charger=driver.charger_id,
            backend=self._upstream.name,
            status=error.status,
            hint=error.hint,
        )
        if driver.charger is not None and (driver.party is None or not driver.party.has_another_leader()):
            driver.charger.close(POLICY_VIOLATION, "the backend refuses this charger")
        self._wait(driver, AFTER_REFUSAL_S)
