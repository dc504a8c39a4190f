"""What a charger has said of itself: its boot, its connectors, the transactions that it is in."""

from typing import TYPE_CHECKING, Any

import msgspec

from gateway.ocpp import frame
from gateway.ocpp.message import Message, Version
from gateway.session import answers, payloads
from gateway.session.session import NEVER, ChargerSession

if TYPE_CHECKING:
    from gateway.session.switchboard import Addressed, Switchboard

MOST_KNOWN = 64
STATUSES_TAKE_S = 5.0
ASKED_EVSES = (1, 2, 3, 4)
BUSY = frozenset({"Charging", "SuspendedEV", "SuspendedEVSE", "Occupied"})
"""Statuses of a connector that may mean a transaction (OCPP 1.6 §4.9, 2.0.1 ConnectorStatusEnumType)."""
FREE = frozenset({"Available", "Preparing", "Finishing", "Reserved"})
"""Those of 1.6 that rule one out."""


class Presence:
    """The charger of `board`. `statuses` are its last StatusNotifications, by connector.

    `open` are the transactions that are going on, by the charger's ids.
    """

    def __init__(self, board: "Switchboard") -> None:
        self.board = board
        self.statuses: dict[str, bytes] = {}
        self._boot = b""
        self.open: dict[object, None] = {}
        self._knows = False  # whether those that are not in `open` are not going on
        self._busy: set[str] = set()  # connectors that somebody charges at, by their last status
        self._free: set[str] = set()  # connectors (OCPP 1.6) that nobody charges at
        self._asked_at = NEVER  # when the charger was asked for its connectors' statuses

    @property
    def due(self) -> float:
        """When to look again."""
        return NEVER if self._knows else self._asked_at + STATUSES_TAKE_S

    def look(self, now: float) -> None:
        """What the charger was asked for it has said by now."""
        if now >= self._asked_at + STATUSES_TAKE_S:
            self._knows |= bool(self.statuses)
            self._asked_at = NEVER

    def heard(self, message: Message) -> None:
        """A CALL of the charger."""
        match message.action:
            case "BootNotification":
                self._boot = message.frame
                self._knows = True
            case "StatusNotification":
                self._note_status(message)
            case "TransactionEvent":
                self._track_event(message)
            case "StartTransaction":
                self._free.discard(answers.status_key(payloads.of_call(message.frame) or {}))

    def boot(self) -> bytes:
        """Its last BootNotification, or one made of what is known of the station."""
        return self._boot or _boot_of(self.board.sessions[self.board.leader])

    def _note_status(self, message: Message) -> None:
        payload = payloads.of_call(message.frame)
        if payload is not None and len(self.statuses) < MOST_KNOWN:
            key = answers.status_key(payload)
            self.statuses[key] = message.frame
            self._busy.discard(key)
            self._free.discard(key)
            if payload.get("status", payload.get("connectorStatus")) in BUSY:
                self._busy.add(key)
            elif payload.get("status") in FREE:
                self._free.add(key)

    def _track_event(self, message: Message) -> None:
        """Whether the transaction of this TransactionEvent is going on."""
        payload = payloads.of_call(message.frame) or {}
        id_ = payloads.transaction_of(message.action, payload)
        self.track(id_, payload.get("eventType") == "Ended")

    def track(self, id_: object, is_over: bool) -> None:
        """A message names this transaction; one that names none (None) says nothing of any."""
        if id_ is None:
            return
        self._knows = True
        if is_over:
            self.open.pop(id_, None)
        else:
            self.open[id_] = None
            if len(self.open) > MOST_KNOWN:
                del self.open[next(iter(self.open))]

    @property
    def open_transactions(self) -> int | None:
        """How many transactions the charger is in; None when nothing heard so far says so."""
        buffer = self.board.sessions[self.board.leader].buffer
        is_16 = self.board.version is Version.V16
        booked = self._booked() if is_16 else {}
        going_on = {id_ for id_, is_open in booked.items() if is_open}
        found = max(len(going_on.union(self.open)), len(self._busy))
        knows = self._knows or (is_16 and buffer is not None and (booked or buffer.saw_boot))
        return found if found or knows else None

    def _booked(self) -> dict[int, bool]:
        """The transactions in the books, by the charger's ids: whether each goes on.

        A book may not have heard of an end, or have lost it with the process. One that has knows better,
        and so does the connector.
        """
        found: dict[int, bool] = {}
        for session in self.board.sessions.values():
            for one in session.buffer.book.transactions if session.buffer is not None else ():
                if one.key and isinstance(one.charger_id, int):
                    is_open = (
                        one.is_open and answers.status_key({"connectorId": one.connector}) not in self._free
                    )
                    found[one.charger_id] = found.get(one.charger_id, True) and is_open
        return found

    def ask(self, now: float) -> list["Addressed"]:
        """What a new backend, and we, do not know of the charger's connectors, it is asked to say again."""
        if self.open_transactions is not None or self._asked_at != NEVER:
            return []
        self._asked_at = now
        wanted: list[dict[str, Any]] = [{"requestedMessage": "StatusNotification"}]
        if self.board.version is not Version.V16:
            wanted = [wanted[0] | {"evse": {"id": evse, "connectorId": 1}} for evse in ASKED_EVSES]
        routed: list[Addressed] = []
        for payload in wanted:
            effects = self.board.sessions[self.board.leader].command("TriggerMessage", payload, now)
            routed += self.board.route(self.board.leader, effects, now)
        return [*routed, *self.board.commands.pump(now)]


def _boot_of(session: ChargerSession) -> bytes:
    """A BootNotification made of what is known of the station, for a backend that has never heard one."""
    station = session.station
    if session.version is Version.V16:
        payload = {
            "chargePointVendor": station.vendor[:20] or "unknown",
            "chargePointModel": station.model[:20] or "unknown",
        }
        named = {"firmwareVersion": station.firmware, "chargePointSerialNumber": station.serial[:25]}
        payload |= {name: value for name, value in named.items() if value}
    else:
        known = {
            "vendorName": station.vendor or "unknown",
            "model": station.model[:20] or "unknown",
            "firmwareVersion": station.firmware,
            "serialNumber": station.serial[:25],
        }
        inside = {name: value for name, value in known.items() if value}
        payload = {"reason": "Unknown", "chargingStation": inside}  # type: ignore[dict-item]
    return frame.call("gateway-boot", "BootNotification", msgspec.json.encode(payload))
