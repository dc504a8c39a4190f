"""What the messages of OCPP 1.6 say: one function per action, the calls first, then the answers."""

import re
from typing import Any, Final

from msgspec import UNSET

from gateway.dialect import names
from gateway.dialect.history import Start, State, Transaction, keep
from gateway.dialect.judge import QUARTER_SLACK_S, Judge, Look, check_tag, check_time, moment, repeated
from gateway.dialect.meters import after_stop, check_samples, follow_registers, never_issued
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Version

_MANY_CONNECTORS: Final = 10
_PLAIN_TIME: Final = re.compile(r"[^.]*(?:\.\d{1,3})?Z", re.ASCII)
_STRUCTURE: Final = frozenset("{[;,")


def _authorize(judge: Judge, p: Any) -> None:
    check_tag(judge, p.idTag, "idTag")
    keep(judge.history.authorizing, judge.id, p.idTag)


def _boot(judge: Judge, p: Any) -> None:
    for name in ("chargePointVendor", "chargePointModel"):
        if getattr(p, name) == "":
            judge.notes.add(FlagCode.TEXT_EMPTY, name, '""')
    serials = (p.chargePointSerialNumber, p.chargeBoxSerialNumber)
    judge.history.serials = frozenset(s for s in serials if isinstance(s, str) and len(s) > 3)
    judge.history.booting = {judge.id}
    judge.history.boot_status = ""


def _start(judge: Judge, p: Any) -> None:
    history = judge.history
    when = check_time(judge, p.timestamp, "timestamp")
    if repeated(judge, "start", p.connectorId, p.idTag, p.meterStart, p.timestamp):
        return
    check_tag(judge, p.idTag, "idTag")
    if p.meterStart == -1:
        judge.notes.add(FlagCode.METER_UNKNOWN, "meterStart", "-1")
    if p.reservationId is not UNSET and p.reservationId <= 0:
        judge.notes.add(FlagCode.RESERVATION_NONE, "reservationId", str(p.reservationId))
    if history.refused_tag and history.refused_tag != p.idTag:
        judge.notes.add(FlagCode.START_AFTER_INVALID, "idTag")
    _connector(judge, p.connectorId)
    keep(history.starting, judge.id, Start(p.connectorId, p.meterStart, when))


def _stop(judge: Judge, p: Any) -> None:
    history, id_ = judge.history, p.transactionId
    aged = len(judge.notes.flags)
    when = check_time(judge, p.timestamp, "timestamp")
    if any(flag.code is FlagCode.TIME_OLD for flag in judge.notes.flags[aged:]):
        judge.notes.add(FlagCode.LATE_STOP)
    if p.idTag is not UNSET and p.idTag:
        check_tag(judge, p.idTag, "idTag")
    if p.meterStop == -1:
        judge.notes.add(FlagCode.METER_UNKNOWN, "meterStop", "-1")
    _stop_id(judge, id_)
    if repeated(judge, "stop", id_, p.meterStop, p.timestamp):
        return
    begun = history.started(id_)
    if begun is None and id_ < 0:
        begun = next(reversed(history.transactions.values()), None)
    if begun is not None:
        _against_start(judge, begun, p.meterStop if id_ >= 0 else -1, when)
    known = history.transactions.get(id_)
    if known is not None and known.state is State.OPEN:
        known.state = State.ENDED
    elif known is None and id_ > 0:
        keep(history.transactions, id_, Transaction(State.ENDED))


def _stop_id(judge: Judge, id_: int) -> None:
    history = judge.history
    known = history.transactions.get(id_)
    if id_ == 0:
        judge.notes.add(FlagCode.TRANSACTION_ZERO_STOP, "transactionId", "0")
    elif id_ < 0:
        judge.notes.add(FlagCode.TRANSACTION_NEGATIVE, "transactionId", str(id_))
        if history.starting or any(t.meter_start_wh is not None for t in history.transactions.values()):
            judge.notes.add(FlagCode.ORPHAN_STOP, "transactionId", str(id_))
    elif known is not None and known.state is State.NEVER_STARTED:
        judge.notes.add(FlagCode.ORPHAN_STOP, "transactionId", str(id_))


def _against_start(judge: Judge, begun: Transaction | Start, meter: int, when: float | None) -> None:
    """Hold the end of a transaction against its start."""
    first = begun.meter_wh if isinstance(begun, Start) else begun.meter_start_wh
    started = begun.moment_s if isinstance(begun, Start) else begun.started_s
    if first is not None and 0 <= meter < first:
        judge.notes.add(FlagCode.METER_BACKWARDS, "meterStop", str(meter), str(first))
    if when is not None and started is not None and when < started - QUARTER_SLACK_S:
        judge.notes.add(FlagCode.TIME_SKEW, "timestamp")


def _connector(judge: Judge, connector: int) -> None:
    """Note a connector number, once each, that is beyond what chargers have."""
    known = judge.history.connectors
    if connector >= _MANY_CONNECTORS and connector not in known and len(known) < _MANY_CONNECTORS:
        known.add(connector)
        judge.notes.add(FlagCode.CONNECTOR_NUMBERING, "connectorId", str(connector))


def _meter(judge: Judge, p: Any) -> None:
    history, connector, id_ = judge.history, p.connectorId, p.transactionId
    if connector == 0:
        judge.notes.add(FlagCode.CONNECTOR_ZERO, "connectorId", "0")
    state = None
    if id_ is UNSET:
        if history.transactions and history.open_on(connector) is not None:
            judge.notes.add(FlagCode.METER_WITHOUT_TRANSACTION)
    elif id_ <= 0:
        code = FlagCode.TRANSACTION_NEGATIVE if id_ else FlagCode.TRANSACTION_ZERO
        judge.notes.add(code, "transactionId", str(id_))
    elif (known := history.transactions.get(id_)) is not None:
        state = known.state
        if state is State.ENDED_BEFORE:
            judge.notes.add(FlagCode.STALE_TRANSACTION, "transactionId", str(id_))
        elif state is State.NEVER_STARTED:
            judge.notes.add(FlagCode.TRANSACTION_UNKNOWN, "transactionId", str(id_))
    for index, value in enumerate(p.meterValue):
        when = check_time(judge, value.timestamp, f"meterValue[{index}].timestamp")
        check_samples(judge, value.sampledValue, f"meterValue[{index}]")
        follow_registers(judge, value.sampledValue, connector, id_, when)
        if state is State.ENDED:
            after_stop(judge, value.sampledValue, index)
        elif judge.notes.flags and id_ == 1 and never_issued(judge, value.sampledValue):
            judge.notes.add(FlagCode.TRANSACTION_UNKNOWN, "transactionId", str(id_))


def _status(judge: Judge, p: Any) -> None:
    history = judge.history
    if p.timestamp is not UNSET:
        check_time(judge, p.timestamp, "timestamp", live=True)
    if history.boot_status and history.boot_status != "Accepted":
        judge.notes.add(FlagCode.BEFORE_ACCEPTED)
    if p.errorCode != "NoError" and p.status != "Faulted":
        judge.notes.add(FlagCode.ERROR_WITHOUT_FAULT, "errorCode")
    if p.info is not UNSET and p.info:
        _info(judge, p.info)
    if p.vendorId is not UNSET and _is_data(p.vendorId):
        judge.notes.add(FlagCode.VENDOR_TEXT, "vendorId")
    _connector(judge, p.connectorId)
    if p.connectorId > 0 and history.transactions and history.open_on(p.connectorId) is not None:
        if p.status == "Available":
            judge.notes.add(FlagCode.AVAILABLE_BEFORE_STOP, "status")
        elif p.status == "Preparing":
            judge.notes.add(FlagCode.STATUS_ORDER, "status")
    elif p.status == "Finishing" and history.statuses.get(p.connectorId) == "Preparing":
        judge.notes.add(FlagCode.STATUS_ORDER, "status")
    keep(history.statuses, p.connectorId, p.status)


def _info(judge: Judge, info: str) -> None:
    if "safe mode" in info.lower():
        judge.notes.add(FlagCode.SAFE_MODE, "info")
    elif _is_data(info):
        judge.notes.add(FlagCode.VENDOR_TEXT, "info")


def _is_data(text: str) -> bool:
    return text[:1] in ("{", "[") or text == "null" or (";" in text and " " not in text)


def _data_transfer(judge: Judge, p: Any) -> None:
    if isinstance(p.data, str) and not _STRUCTURE.isdisjoint(p.data):
        judge.notes.add(FlagCode.DATA_STRUCTURED, "data")


# The answers, OCPP 1.6.


def boot_answer(judge: Judge, p: Any) -> None:
    judge.history.boot_status = p.status
    if p.interval == 0:
        judge.notes.add(FlagCode.HEARTBEAT_FLOOD, "interval", "0")
    current_time(judge, p)


def current_time(judge: Judge, p: Any) -> None:
    if not _PLAIN_TIME.fullmatch(p.currentTime) and moment(p.currentTime) is not None:
        judge.notes.add(FlagCode.TIME_PLAIN_ADVISED, "currentTime", f'"{p.currentTime}"')


def _authorize_answer(judge: Judge, p: Any) -> None:
    tag = judge.history.authorizing.pop(judge.id, "")
    judge.history.refused_tag = "" if p.idTagInfo.status == "Accepted" else tag


def _start_answer(judge: Judge, p: Any) -> None:
    start = judge.history.starting.pop(judge.id, None)
    if start is not None and p.transactionId > 0 and p.idTagInfo.status == "Accepted":
        known = Transaction(State.OPEN, start.connector, start.meter_wh, start.moment_s)
        keep(judge.history.transactions, p.transactionId, known)
    elif start is not None:
        refused = Transaction(State.ENDED, start.connector, start.meter_wh, start.moment_s)
        keep(judge.history.transactions, p.transactionId, refused)


def _configuration(judge: Judge, p: Any) -> None:
    for index, item in enumerate(p.configurationKey if p.configurationKey is not UNSET else ()):
        low = item.key.lower()
        path = f"configurationKey[{index}]"
        if names.CONFIG_KEYS.get(low, item.key) != item.key:
            judge.notes.add(FlagCode.CONFIG_KEY_CASE, path + ".key", f'"{item.key}"')
        squeezed = low.replace("_", "").replace("-", "")
        if item.value is not UNSET and item.value and any(w in squeezed for w in names.SECRET_WORDS):
            judge.notes.add(FlagCode.CONFIG_SECRET, path + ".value")


def list_version(judge: Judge, p: Any) -> None:
    version: int = p.listVersion if judge.version is Version.V16 else p.versionNumber
    last = judge.history.list_version
    if last is not None and version < last:
        judge.notes.add(FlagCode.LIST_VERSION_FELL, "listVersion", str(last), str(version))
    judge.history.list_version = version


def _profile(judge: Judge, p: Any) -> None:
    schedule = p.csChargingProfiles.chargingSchedule
    periods = schedule.chargingSchedulePeriod
    if schedule.chargingRateUnit == "A" and len(periods) == 1:
        judge.history.limit_a = float(periods[0].limit)
    else:
        judge.history.limit_a = None


def _clear_profile(judge: Judge, p: Any) -> None:
    judge.history.limit_a = None


def security(judge: Judge, p: Any) -> None:
    if judge.history.boot_status not in ("", "Accepted"):
        judge.notes.add(FlagCode.BEFORE_ACCEPTED)


CALLS: Final[dict[str, Look]] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "StartTransaction": _start,
    "StopTransaction": _stop,
    "MeterValues": _meter,
    "StatusNotification": _status,
    "DataTransfer": _data_transfer,
    "SecurityEventNotification": security,
    "SetChargingProfile": _profile,
    "ClearChargingProfile": _clear_profile,
}
ANSWERS: Final[dict[str, Look]] = {
    "Authorize": _authorize_answer,
    "BootNotification": boot_answer,
    "Heartbeat": current_time,
    "StartTransaction": _start_answer,
    "GetConfiguration": _configuration,
    "GetLocalListVersion": list_version,
}
