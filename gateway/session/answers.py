"""What a charger hears from the gateway while its backend is away: plain functions, one table.

OCPP 2.0.1 part 4 §6.3 (errata 2025-02) lets a node in the middle keep the charger's socket open when it
answers for the backend and delivers transaction messages later. Each answer here is valid in its version.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from gateway.ocpp.actions import NEVER_LOST, words
from gateway.ocpp.message import Version
from gateway.ocpp.times import seconds, text
from gateway.session.payloads import Payload, tag_of
from gateway.session.tags import Standing

STARTED_LONG_AGO_S = 60.0
MAX_INTERVAL_S = 300
RETRY_BOOT_S = 60


class UnknownTags(StrEnum):
    """Who may charge while the backend cannot be asked."""

    ACCEPT_KNOWN = "accept-known"
    ACCEPT_ALL = "accept-all"
    REFUSE = "refuse"


class Situation(Struct):
    """What an answer depends on. Times are in seconds since 1970; `clock` is the backend's as far as known.

    `standing_of` judges a tag; `interval_s` is the backend's last heartbeat interval; `transaction_id` is
    the id to give to a StartTransaction.
    """

    version: Version
    clock: float
    was_accepted: bool
    interval_s: int
    policy: UnknownTags
    standing_of: Callable[[str], Standing]
    transaction_id: int = 0


class Local(Struct, frozen=True):
    """An answer of ours. `harmless`: waiting for the backend's own would change nothing for the driver."""

    payload: Payload
    harmless: bool = True


def answer(action: str, payload: Payload, situation: Situation) -> Local | None:
    """The answer for an absent backend; None where there is none to give."""
    make = _MADE.get(action)
    if make is not None:
        return make(payload, situation)
    fixed = _FIXED.get(action)
    return None if fixed is None else Local(fixed)


def _boot(_: Payload, situation: Situation) -> Local:
    interval = min(situation.interval_s or MAX_INTERVAL_S, MAX_INTERVAL_S)
    status = "Accepted" if situation.was_accepted else "Pending"
    return Local(
        {
            "currentTime": text(situation.clock),
            "interval": interval if situation.was_accepted else RETRY_BOOT_S,
            "status": status,
        },
        harmless=False,
    )


def _heartbeat(_: Payload, situation: Situation) -> Local:
    return Local({"currentTime": text(situation.clock)})


def _authorize(payload: Payload, situation: Situation) -> Local:
    status = _status(payload, situation)
    return Local({_info_name(situation): {"status": status}}, harmless=False)


def _start(payload: Payload, situation: Situation) -> Local:
    status = _status(payload, situation)
    if status != "Accepted" and _is_past(payload, situation):
        status = "Accepted"  # refusing cannot undo what has begun without us
    info: Payload = {"transactionId": situation.transaction_id, "idTagInfo": {"status": status}}
    return Local(info, harmless=status == "Accepted")


def _event(payload: Payload, situation: Situation) -> Local:
    if not tag_of(payload):
        return Local({})
    ends = payload.get("eventType") == "Ended"
    status = "Accepted" if ends or _is_past(payload, situation) else _status(payload, situation)
    return Local({"idTokenInfo": {"status": status}}, harmless=status == "Accepted")


def _info_name(situation: Situation) -> str:
    return "idTagInfo" if situation.version is Version.V16 else "idTokenInfo"


def _status(payload: Payload, situation: Situation) -> str:
    """Whether the driver may charge, by what backends said before."""
    if situation.policy is UnknownTags.REFUSE:
        return "Invalid"
    token = payload.get("idToken")
    by_certificate = isinstance(token, dict) and token.get("type") == "eMAID"
    standing = situation.standing_of(tag_of(payload))
    if standing is Standing.ACCEPTED:
        return "Accepted"
    if situation.policy is UnknownTags.ACCEPT_ALL and standing is Standing.UNKNOWN and not by_certificate:
        return "Accepted"
    return "Invalid"


def _is_past(payload: Payload, situation: Situation) -> bool:
    """Whether what is told happened while the charger was on its own."""
    when = payload.get("timestamp")
    moment = seconds(when) if isinstance(when, str) else None
    return payload.get("offline") is True or (
        moment is not None and moment < situation.clock - STARTED_LONG_AGO_S
    )


def _vat_number(payload: Payload, _: Situation) -> Local:
    return Local({"vatNumber": payload.get("vatNumber", ""), "status": "Rejected"})


_MADE: Final[dict[str, Callable[[Payload, Situation], Local]]] = {
    "BootNotification": _boot,
    "Heartbeat": _heartbeat,
    "Authorize": _authorize,
    "StartTransaction": _start,
    "TransactionEvent": _event,
    "VatNumberValidation": _vat_number,
}

REPORTS: Final = words(
    """NotifyReport NotifyMonitoringReport NotifyCustomerInformation NotifyDisplayMessages
    ReportChargingProfiles ReportDERControl"""
)
"""Pages that answer a request of the backend: of use for an hour at most."""

STORED: Final = (
    NEVER_LOST
    | REPORTS
    | words(
        """DiagnosticsStatusNotification FirmwareStatusNotification SignedFirmwareStatusNotification
        LogStatusNotification PublishFirmwareStatusNotification ClearedChargingLimit NotifyChargingLimit
        NotifyEVChargingSchedule NotifyEvent ReservationStatusUpdate BatterySwap NotifyDERAlarm
        NotifyDERStartStop NotifyPriorityCharging NotifySettlement"""
    )
)
"""What is delivered later, in order; everything else is answered and over."""


def stores_nothing_else(action: str, payload: Payload) -> bool:
    """Without a translator, `STORED` is all that is kept for the backend."""
    return False


_REJECTED: Final[Payload] = {"status": "Rejected"}
_FIXED: Final[dict[str, Payload]] = {
    **{action: {} for action in STORED - {"StartTransaction", "TransactionEvent"}},
    "StatusNotification": {},
    "ClosePeriodicEventStream": {},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "NotifyEVChargingNeeds": _REJECTED,
    "DataTransfer": _REJECTED,
    "SignCertificate": _REJECTED,
    "OpenPeriodicEventStream": _REJECTED,
    "PullDynamicScheduleUpdate": _REJECTED,
    "GetCertificateStatus": {"status": "Failed"},
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
}


def status_key(payload: Payload) -> str:
    """Which connector a StatusNotification speaks of: the last one of each is delivered."""
    place: tuple[Any, ...] = (payload.get("evseId", ""), payload.get("connectorId", ""))
    return "/".join(str(part)[:16] for part in place)
