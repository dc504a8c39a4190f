"""What a message says, held against the clock, the standard and what the charger said before.

The schema is not concerned with any of this: every finding is a flag and the message goes on. One
function per action, because each is short and the common ones must cost less than a microsecond.
`hidden` is the exception: it says that a payload, though it fits its schema, has something to repair.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from gateway.dialect import names
from gateway.dialect.history import History, Register, Start, State, Transaction, keep
from gateway.dialect.notes import Notes
from gateway.ocpp import units
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import MessageType, Sender, Version
from gateway.ocpp.times import plain, seconds

_DAY_S: Final = 86_400.0
_QUARTER_S: Final = 900.0
_QUARTER_SLACK_S: Final = 60.0
_MAX_SKEW_S: Final = 14 * 3600.0
_AHEAD_S: Final = 300.0
_CLOCK_UNSET_S: Final = 946_684_800.0  # 2000-01-01
_LONG_AGO_S: Final = 1_735_689_600.0  # 2025-01-01: old by any clock
_GLITCH_WH: Final = 1_000_000.0
_MANY_CONNECTORS: Final = 10
_SENTINEL: Final = 2**63 - 1

_PLACEHOLDER: Final = re.compile(r"#.*|.*free.?(?:charg|vend).*|A0-00-00-00|0{8,}", re.IGNORECASE)
_DECORATED: Final = re.compile(r"[0-9A-F]{6,20}_.+|.*;.*", re.IGNORECASE)
_PLAIN_TAG: Final = re.compile(r"[\w.:@#;=+*-]*", re.ASCII)
_PLAIN_TIME: Final = re.compile(r"[^.]*(?:\.\d{1,3})?Z", re.ASCII)
_STRUCTURE: Final = frozenset("{[;,")


class Judge:
    """The meaning of one message. `now` is in seconds since 1970; 0 or less when it is not known."""

    __slots__ = ("history", "id", "now", "notes", "sender", "version")

    def __init__(self, history: History, version: Version, now: float, sender: Sender) -> None:
        self.history = history
        self.version = version
        self.now = now
        self.sender = sender
        self.notes = Notes()
        self.id = ""


Look = Callable[[Judge, Any], None]


def moment(text: object) -> float | None:
    """Seconds since 1970 of a timestamp, None for one that cannot be read or is absent."""
    if not isinstance(text, str):
        return None
    quick = plain(text)
    return quick.timestamp() if quick is not None else seconds(text)


def _time(judge: Judge, text: object, path: str, live: bool = False) -> float | None:
    """Look at one timestamp; `live` ones are of this moment, others may have been queued."""
    when = moment(text)
    if when is None:
        return None
    if when < _CLOCK_UNSET_S:
        judge.notes.add(FlagCode.TIME_EPOCH_ZERO, path, f'"{text}"')
        return when
    if judge.now <= 0:
        if when < _LONG_AGO_S:
            judge.notes.add(FlagCode.TIME_OLD, path, f'"{text}"')
        return when
    ahead = when - judge.now
    if ahead < -_DAY_S:
        judge.notes.add(FlagCode.TIME_OLD, path, f'"{text}"')
    elif ahead > _AHEAD_S or (live and -_MAX_SKEW_S < ahead < -_AHEAD_S and _near_quarter(ahead)):
        judge.notes.add(FlagCode.TIME_SKEW, path, f'"{text}"')
    return when


def _near_quarter(difference: float) -> bool:
    return abs(difference - round(difference / _QUARTER_S) * _QUARTER_S) <= _QUARTER_SLACK_S


def _tag(judge: Judge, tag: str, path: str) -> None:
    """Look at an identifier of a driver."""
    if tag == "":
        judge.notes.add(FlagCode.ID_TAG_EMPTY, path, '""')
    elif _PLACEHOLDER.fullmatch(tag) or tag in judge.history.serials:
        judge.notes.add(FlagCode.ID_TAG_PLACEHOLDER, path)
    elif _DECORATED.fullmatch(tag):
        judge.notes.add(FlagCode.ID_TAG_DECORATED, path)
    elif not _PLAIN_TAG.fullmatch(tag):
        judge.notes.add(FlagCode.ID_TAG_UNUSUAL, path)


def _repeated(judge: Judge, *key: object) -> bool:
    """Whether the same start or stop came before under another message id."""
    before = judge.history.last_keys.get(key)
    keep(judge.history.last_keys, key, judge.id)
    if before is not None and before != judge.id:
        judge.notes.add(FlagCode.DUPLICATE)
        return True
    return False


# What a charger asks of its backend, OCPP 1.6.


def _authorize(judge: Judge, p: Any) -> None:
    if p.idTag:
        _tag(judge, p.idTag, "idTag")
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
    when = _time(judge, p.timestamp, "timestamp")
    if _repeated(judge, "start", p.connectorId, p.idTag, p.meterStart, p.timestamp):
        return
    _tag(judge, p.idTag, "idTag")
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
    when = _time(judge, p.timestamp, "timestamp")
    if any(flag.code is FlagCode.TIME_OLD for flag in judge.notes.flags[aged:]):
        judge.notes.add(FlagCode.LATE_STOP)
    if p.idTag is not UNSET and p.idTag:
        _tag(judge, p.idTag, "idTag")
    if p.meterStop == -1:
        judge.notes.add(FlagCode.METER_UNKNOWN, "meterStop", "-1")
    _stop_id(judge, id_)
    if _repeated(judge, "stop", id_, p.meterStop, p.timestamp):
        return
    begun = history.started(id_)
    if begun is None and id_ < 0:
        begun = next(reversed(history.transactions.values()), None)
    if begun is not None:
        _against_start(judge, begun, p.meterStop if id_ >= 0 else -1, when)
    known = history.transactions.get(id_)
    if known is not None and known.state is State.OPEN:
        known.state, known.ended_s = State.ENDED, when
    elif known is None and id_ > 0:
        keep(history.transactions, id_, Transaction(State.ENDED, ended_s=when))


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
    if when is not None and started is not None and when < started - _QUARTER_SLACK_S:
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
        when = _time(judge, value.timestamp, f"meterValue[{index}].timestamp")
        _samples(judge, value.sampledValue, f"meterValue[{index}]")
        _registers(judge, value.sampledValue, connector, id_, when)
        if state is State.ENDED:
            _after_stop(judge, value.sampledValue, index)
        elif judge.notes.flags and id_ == 1 and _never_issued(judge, value.sampledValue):
            judge.notes.add(FlagCode.TRANSACTION_UNKNOWN, "transactionId", str(id_))


def _after_stop(judge: Judge, sampled: list[Any], index: int) -> None:
    closing = any(sample.context == "Transaction.End" for sample in sampled)
    code = FlagCode.TIME_AFTER_STOP if closing else FlagCode.METER_AFTER_STOP
    judge.notes.add(code, f"meterValue[{index}]")


def _never_issued(judge: Judge, sampled: list[Any]) -> bool:
    """Whether old readings of transaction 1 begin at nothing: what a charger repeats that lost its memory."""
    old = any(flag.code is FlagCode.TIME_OLD for flag in judge.notes.flags)
    zero = all(s.context == "Transaction.Begin" and _float(s.value) == 0 for s in sampled)
    return old and zero and 1 not in judge.history.transactions


def _float(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except ValueError:
        return None


_traits: dict[tuple[object, object, object], tuple[FlagCode, ...]] = {}
_MAX_TRAITS: Final = 4096


def _samples(judge: Judge, sampled: list[Any], path: str) -> None:
    """Look at the samples of one moment."""
    for index, sample in enumerate(sampled):
        key = (sample.measurand, sample.unit, sample.phase)
        traits = _traits.get(key)
        if traits is None:
            traits = trait(*key)
            if len(_traits) < _MAX_TRAITS:
                _traits[key] = traits
        if traits and sample.format != "SignedData":
            for code in traits:
                judge.notes.add(code, f"{path}.sampledValue[{index}]")


def trait(measurand: object, unit: object, phase: object) -> tuple[FlagCode, ...]:
    """What is odd about a combination of measurand, unit and phase, whatever the value."""
    name = units.DEFAULT_MEASURAND if measurand is UNSET else str(measurand)
    found = []
    if unit is not UNSET and not units.fits(name, str(unit)):
        found.append(FlagCode.UNIT_CLASH)
    if (
        unit is UNSET
        and measurand is not UNSET
        and not name.startswith(("Energy.", "Power.Factor", "RPM", "SoC"))
    ):
        pass
    neutral = phase == "N" and name.startswith(("Current.", "Voltage", "Power."))
    if neutral or (
        isinstance(phase, str) and phase.endswith("-N") and name.startswith(("Current.", "Power."))
    ):
        found.append(FlagCode.PHASE_UNUSUAL)
    return tuple(found)


def _registers(judge: Judge, sampled: list[Any], connector: int, id_: object, when: float | None) -> None:
    """Follow the energy register of a connector, and hold offers against the limit."""
    energy, power, imported = None, None, None
    for sample in sampled:
        measurand, unit = sample.measurand, sample.unit
        if measurand is UNSET or measurand == units.DEFAULT_MEASURAND:
            wh = units.WATT_HOURS.get("Wh" if unit is UNSET else unit)
            if wh and sample.phase is UNSET and sample.context != "Transaction.Begin":
                number = _float(sample.value)
                energy = None if number is None else number * wh
        elif measurand == "Power.Active.Import" and sample.phase is UNSET:
            power = (_float(sample.value) or 0.0) * units.WATTS.get("W" if unit is UNSET else unit, 0.0)
        elif measurand == "Current.Offered" and judge.history.limit_a is not None:
            imported = _float(sample.value)
    if imported is not None and judge.history.limit_a is not None and imported > judge.history.limit_a + 1:
        judge.notes.add(FlagCode.STATIC_VALUE, "sampledValue", str(imported), str(judge.history.limit_a))
    if energy is not None and connector > 0:
        last = judge.history.registers.get(connector)
        if last is not None:
            _against_last(judge, last, Register(energy, when, id_), power)
        keep(judge.history.registers, connector, Register(energy, when, id_))


def _against_last(judge: Judge, last: Register, now: Register, power: float | None) -> None:
    """Hold an energy reading against the one before it."""
    gained = now.energy_wh - last.energy_wh
    same = now.transaction is not UNSET and now.transaction == last.transaction
    elapsed = (now.moment_s or 0.0) - (last.moment_s or 0.0) if now.moment_s and last.moment_s else None
    if elapsed is not None and elapsed <= 0:
        return
    shown = (f"{last.energy_wh:g}", f"{now.energy_wh:g}")
    if gained < 0:
        judge.notes.add(FlagCode.METER_GLITCH if same else FlagCode.METER_RESET, "meterValue", *shown)
    elif gained > _GLITCH_WH:
        judge.notes.add(FlagCode.METER_GLITCH, "meterValue", *shown)
    elif elapsed and power and gained > 0 and 500 < power * elapsed / 3600 / gained < 2000:
        judge.notes.add(FlagCode.UNIT_SUSPECT, "meterValue", *shown)


def _status(judge: Judge, p: Any) -> None:
    history = judge.history
    if p.timestamp is not UNSET:
        _time(judge, p.timestamp, "timestamp", live=True)
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


def _boot_answer(judge: Judge, p: Any) -> None:
    judge.history.boot_status = p.status
    if p.interval == 0:
        judge.notes.add(FlagCode.HEARTBEAT_FLOOD, "interval", "0")
    _current_time(judge, p)


def _current_time(judge: Judge, p: Any) -> None:
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


def _list_version(judge: Judge, p: Any) -> None:
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


# OCPP 2.0.1 and 2.1.


def _event(judge: Judge, p: Any) -> None:
    history, id_ = judge.history, p.transactionInfo.transactionId
    _time(judge, p.timestamp, "timestamp")
    known = history.transactions.get(id_)
    if known is None:
        known = Transaction(State.OPEN)
        keep(history.transactions, id_, known)
    elif known.sequence is not None and p.seqNo != known.sequence + 1:
        judge.notes.add(FlagCode.SEQUENCE_GAP, "seqNo", str(known.sequence), str(p.seqNo))
    known.sequence = p.seqNo
    if p.idToken is not UNSET and p.idToken.idToken:
        _tag(judge, p.idToken.idToken, "idToken.idToken")
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
        _time(judge, value.timestamp, path + ".timestamp")
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
    _time(judge, p.timestamp, "timestamp", live=True)
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
        _tag(judge, p.idToken.idToken, "idToken.idToken")


def _security(judge: Judge, p: Any) -> None:
    if judge.history.boot_status not in ("", "Accepted"):
        judge.notes.add(FlagCode.BEFORE_ACCEPTED)


_CALLS_16: Final[dict[str, Look]] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "StartTransaction": _start,
    "StopTransaction": _stop,
    "MeterValues": _meter,
    "StatusNotification": _status,
    "DataTransfer": _data_transfer,
    "SecurityEventNotification": _security,
    "SetChargingProfile": _profile,
    "ClearChargingProfile": _clear_profile,
}
_ANSWERS_16: Final[dict[str, Look]] = {
    "Authorize": _authorize_answer,
    "BootNotification": _boot_answer,
    "Heartbeat": _current_time,
    "StartTransaction": _start_answer,
    "GetConfiguration": _configuration,
    "GetLocalListVersion": _list_version,
}
_CALLS_2X: Final[dict[str, Look]] = {
    "Authorize": _authorize_2x,
    "BootNotification": _boot_2x,
    "TransactionEvent": _event,
    "MeterValues": _meter_2x,
    "StatusNotification": _status_2x,
    "SecurityEventNotification": _security,
}
_ANSWERS_2X: Final[dict[str, Look]] = {
    "BootNotification": _boot_answer,
    "Heartbeat": _current_time,
    "GetLocalListVersion": _list_version,
}


def look_for(version: Version, action: str, type_: MessageType) -> Look | None:
    """The function that looks at this kind of message, None when there is nothing to see."""
    is_call = type_ is not MessageType.CALLRESULT
    if version is Version.V16:
        return (_CALLS_16 if is_call else _ANSWERS_16).get(action)
    return (_CALLS_2X if is_call else _ANSWERS_2X).get(action)


# What fits its schema and still wants a repair.


def hidden(version: Version, action: str, is_request: bool, p: Any) -> bool:  # noqa: PLR0911
    """Whether a payload that fits its schema has something in it that `fields` repairs."""
    if version is not Version.V16:
        return False
    if not is_request:
        return _hidden_in_answer(action, p)
    match action:
        case "MeterValues":
            return p.transactionId == _SENTINEL or any(
                _odd_values(value.sampledValue) for value in p.meterValue
            )
        case "StopTransaction":
            if p.transactionId == _SENTINEL or (p.idTag is not UNSET and not p.idTag.isprintable()):
                return True
            data = p.transactionData
            return bool(data) and any(not v.sampledValue or _odd_values(v.sampledValue) for v in data)
        case "StatusNotification":
            when = moment(p.timestamp)
            return when is not None and when < _CLOCK_UNSET_S
        case "StartTransaction" | "Authorize":
            return not p.idTag.isprintable()
        case _:
            return False


def _hidden_in_answer(action: str, p: Any) -> bool:
    if action == "GetCompositeSchedule":
        return p.chargingSchedule is not UNSET and not p.chargingSchedule.chargingSchedulePeriod
    if action in ("Authorize", "StartTransaction", "StopTransaction"):
        return p.idTagInfo is not UNSET and p.idTagInfo.parentIdTag == ""
    return False


def _odd_values(sampled: list[Any]) -> bool:
    """Whether a value is written in a way that only a repair makes a number."""
    for sample in sampled:
        text = sample.value
        if (
            not text.isdecimal()
            and not text.replace(".", "", 1).isdecimal()
            and sample.format != "SignedData"
        ):
            if text[:1].isspace() or text[-1:].isspace() or not text:
                return True
            if text[0] in "-0123456789" and not _PLAIN_NUMBER.fullmatch(text):
                return "," in text or text[-1].isalpha() or text[-1] in "%°"
            if text.lower() in {"nan", "inf", "infinity", "-inf", "-infinity"}:
                return True
    return False


_PLAIN_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
