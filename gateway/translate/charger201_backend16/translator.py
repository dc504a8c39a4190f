"""A 2.0.1 charger behind a 1.6 backend."""

from typing import ClassVar, Final

from gateway.ocpp.message import Version
from gateway.translate import registration
from gateway.translate.charger201_backend16 import (
    charging,
    commands,
    configuration,
    data_transfer,
    events,
    inventory,
    notifications,
    pending,
    plug_and_charge,
    remote,
    starts_stops,
    station,
    statuses,
    upkeep,
)
from gateway.translate.engine import Outcome, Rules
from gateway.translate.engine16 import Engine16
from gateway.translate.policies import Policies
from gateway.translate.port import ChargerCall, Payload

_STORED: Final = (
    *("StatusNotification", "FirmwareStatusNotification", "LogStatusNotification"),
    *("NotifyReport", "ReportChargingProfiles", "ReservationStatusUpdate"),
)


class Charger201Backend16(Engine16):
    """Translates for one 2.0.1 charger whose backend speaks 1.6."""

    charger_version = Version.V201
    backend_version = Version.V16
    rules: ClassVar[Rules] = Rules(
        events.RULES,
        statuses.RULES,
        station.RULES,
        notifications.RULES,
        inventory.RULES,
        plug_and_charge.RULES,
        data_transfer.RULES,
        commands.RULES,
        remote.RULES,
        charging.RULES,
        configuration.RULES,
        upkeep.RULES,
    )

    def __init__(self, policies: Policies, snapshot: bytes = b"", station: str = "") -> None:
        super().__init__(policies, snapshot, station)
        if snapshot:
            self.due = 0.0
            for tx in self.memory.transactions:
                tx.unlocking = False

    def stores(self, action: str, payload: Payload) -> bool:
        """What changes the charger's state in the backend's eyes, or the gateway's knowledge of it."""
        if action == "NotifyEvent":
            return any(notifications.is_for_backend(data) for data in payload.get("eventData", []))
        return action in _STORED

    def answered_before(self, call: ChargerCall) -> Outcome | None:
        """What the charger hears while the backend has not accepted it."""
        return pending.answered_here(self, call) if not self.listens else None

    def when_resumed(self) -> None:
        """A charger that does not boot again after a gateway's restart still has to be known."""
        memory, is_reading = self.memory, inventory.READING in self.busy
        if memory.registration != "Accepted" or is_reading:
            return
        if not memory.topology or memory.inventory.request_id:
            firmware = memory.boot.get("firmwareVersion", memory.inventory.firmware)
            self.spawn(station.introduced(self, firmware))
        elif memory.cached:
            inventory.take_cached(self)
            self.changed = True

    def when_backend_opened(self) -> None:
        """Repeat what was out when the gateway stopped; statuses follow what the outbox holds."""
        starts_stops.backend_returned(self)
        registration.look_after(self)
        self.wake(self.now)

    def when_time_passed(self) -> None:
        """Holds and graces that are over, and what could not be told before."""
        registration.times_passed(self, station.announced)
        statuses.holds_passed(self)
        starts_stops.times_passed(self)
        statuses.tell_owed(self)
