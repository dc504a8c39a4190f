"""What the messages of OCPP 2.0.1 and 2.1 say: one function per action."""

from typing import Any, Final

from msgspec import UNSET

from gateway.dialect.history import State, Transaction, keep
from gateway.dialect.judge import Judge, Look, check_tag, check_time
from gateway.dialect.meaning_16 import boot_answer, current_time, list_version, security
from gateway.dialect.meters import trait
from gateway.ocpp.flags import FlagCode


def _event(judge: Judge, p: Any) -> None:
    history, id_ = judge.history, p.transactionInfo.transactionId
    check_time(judge, p.timestamp, "timestamp")
    known = history.transactions.get(id_)
    if known is None:
        known = Transaction(State.OPEN)
        keep(history.transactions, id_, known)
    elif known.sequence is not None and p.seqNo != known.sequence + 1:
        judge.notes.add(FlagCode.SEQUENCE_GAP, "seqNo", str(known.sequence), str(p.seqNo))
    known.sequence = p.seqNo
    if p.idToken is not UNSET and p.idToken.idToken:
        check_tag(judge, p.idToken.idToken, "idToken.idToken")
    if p.reservationId is not UNSET and p.reservationId <= 0:
        judge.notes.add(FlagCode.RESERVATION_NONE, "reservationId", str(p.reservationId))
    if p.meterValue is not UNSET:
        _meter_values(judge, p.meterValue)
    if p.eventType == "Ended":
        known.state = State.ENDED


def _meter_2x(judge: Judge, p: Any) -> None:
    _meter_values(judge, p.meterValue)


def _meter_values(judge: Judge, values: list[Any]) -> None:
    for index, value in enumerate(values):
        path = f"meterValue[{index}]"
        check_time(judge, value.timestamp, path + ".timestamp")
        for at, sample in enumerate(value.sampledValue):
            unit = UNSET if sample.unitOfMeasure is UNSET else sample.unitOfMeasure.unit
            for code in _trait_2x(sample.measurand, unit, sample.phase):
                judge.notes.add(code, f"{path}.sampledValue[{at}]")


def _trait_2x(measurand: object, unit: object, phase: object) -> tuple[FlagCode, ...]:
    """As `_trait`; a unit left out means Wh, which is right for energy only (2.0.1 §2.53)."""
    found = trait(measurand, unit, phase)
    unitless = ("Energy.", "Power.Factor", "SoC", "Display.", "RPM")
    if unit is UNSET and isinstance(measurand, str) and not measurand.startswith(unitless):
        return (*found, FlagCode.UNIT_MISSING)
    return found


def _status_2x(judge: Judge, p: Any) -> None:
    check_time(judge, p.timestamp, "timestamp", live=True)
    if p.evseId == 0 or p.connectorId == 0:
        judge.notes.add(FlagCode.CONNECTOR_ZERO, "connectorId", str(p.connectorId))
    if judge.history.boot_status not in ("", "Accepted"):
        judge.notes.add(FlagCode.BEFORE_ACCEPTED)


def _boot_2x(judge: Judge, p: Any) -> None:
    for name in ("vendorName", "model"):
        if getattr(p.chargingStation, name) == "":
            judge.notes.add(FlagCode.TEXT_EMPTY, f"chargingStation.{name}", '""')
    judge.history.boot_status = ""


def _authorize_2x(judge: Judge, p: Any) -> None:
    if p.idToken.idToken:
        check_tag(judge, p.idToken.idToken, "idToken.idToken")


CALLS: Final[dict[str, Look]] = {
    "Authorize": _authorize_2x,
    "BootNotification": _boot_2x,
    "TransactionEvent": _event,
    "MeterValues": _meter_2x,
    "StatusNotification": _status_2x,
    "SecurityEventNotification": security,
}
ANSWERS: Final[dict[str, Look]] = {
    "BootNotification": boot_answer,
    "Heartbeat": current_time,
    "GetLocalListVersion": list_version,
}
