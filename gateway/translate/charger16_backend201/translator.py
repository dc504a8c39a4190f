"""The translator for a 1.6 charger behind a 2.0.1 backend."""

from typing import Final

from gateway.ocpp.message import Version
from gateway.translate import registration
from gateway.translate.charger16_backend201 import (
    authorisation,
    boot,
    certificates,
    charging,
    commands,
    configuration,
    cost,
    data_transfer,
    files,
    local_list,
    meters,
    refusals,
    remote,
    reports,
    reservations,
    status,
    transactions,
)
from gateway.translate.charger16_backend201.events import revive, send_own
from gateway.translate.engine import NEVER, Outcome, Rules
from gateway.translate.engine16 import Engine16
from gateway.translate.policies import Policies
from gateway.translate.port import ChargerCall, Payload
from gateway.translate.tables import CHARGING_STATES

_SUBJECTS: Final = (
    *(authorisation, boot, certificates, charging, commands, configuration, cost, data_transfer, files),
    *(local_list, meters, refusals, remote, reports, reservations, status, transactions),
)


class Charger16Backend201(Engine16):
    """A 1.6 charger as a 2.0.1 one, and a 2.0.1 backend as a 1.6 one."""

    charger_version = Version.V16
    backend_version = Version.V201
    rules = Rules(*(subject.rules for subject in _SUBJECTS))

    def __init__(self, policies: Policies, snapshot: bytes = b"", station: str = "") -> None:
        super().__init__(policies, snapshot, station)
        self.last_stored: dict[int, str] = {}
        self.last_delivery = 0.0
        self.reset_again_at = NEVER
        revive(self)
        self._set_due()

    def answered_before(self, call: ChargerCall) -> Outcome | None:
        """Before the backend has accepted the charger, only its BootNotification goes up."""
        if not self.listens and call.action != "BootNotification":
            return boot.shielded(self, call)
        return None

    def charger_was_answered(self, call: ChargerCall) -> None:
        """The charger has heard the id of a transaction, as far as a translator can know."""
        if call.stored:
            self.last_delivery = self.now
        if call.action == "StartTransaction":
            for tx in self.memory.transactions:
                if tx.start_answer is not None:
                    tx.start_conf_delivered = True

    def when_charger_opened(self) -> None:
        """A new session of the charger: what happened before it was offline."""
        self.memory.charger_session_started = self.now
        self.changed = True

    def when_backend_opened(self) -> None:
        """What the gateway had to say itself goes first."""
        self.last_stored.clear()
        send_own(self)
        registration.look_after(self)
        if self.memory.cached:
            self.wake(self.now)

    def when_resumed(self) -> None:
        """Reports that were asked for are made; a held reset may be due, unless the charger boots anyway."""
        self.spawn(reports.told(self))
        if self.memory.held_reset:
            self.reset_again_at = self.now + commands.RESET_AGAIN_S
            self.wake(self.reset_again_at)

    def stores(self, action: str, payload: Payload) -> bool:
        """States of a connector that may change a transaction's charging state."""
        if action != "StatusNotification" or payload.get("connectorId", 0) == 0:
            return False
        flat, told = payload["connectorId"], str(payload.get("status"))
        if told not in CHARGING_STATES or self.last_stored.get(flat) == told:
            return False
        self.last_stored[flat] = told
        return True

    def when_time_passed(self) -> None:
        """Reservations end, cached states go up, a refused boot is tried again."""
        reservations.expire(self)
        if self.memory.cached and self.listens and self.backend_is_there:
            if self.delivering or 0 <= self.now - self.last_delivery < status.SETTLED_S:
                self.wake(self.now + status.SETTLED_S)
            else:
                self.spawn(status.flush(self), now=True)
        registration.times_passed(self, boot.ask_again)
        if self.reset_again_at <= self.now:
            self.reset_again_at = NEVER
            commands.release_reset(self)
        self._set_due()

    def _set_due(self) -> None:
        self.wake(self.reset_again_at)
        for reservation in self.memory.reservations:
            self.wake(reservation.expires + reservations.GRACE_S)
        if self.backend_is_there:
            registration.look_after(self)
