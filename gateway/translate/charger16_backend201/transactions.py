"""StartTransaction and StopTransaction of 1.6 as the first and last TransactionEvent of 2.0.1."""

from typing import Any, Final

from gateway.ocpp.units import DEFAULT_MEASURAND
from gateway.translate.charger16_backend201.authorisation import authorised, recent_info
from gateway.translate.charger16_backend201.commands import release_reset
from gateway.translate.charger16_backend201.common import place_at
from gateway.translate.charger16_backend201.cost import show_final_cost
from gateway.translate.charger16_backend201.events import deliver, event, is_offline
from gateway.translate.charger16_backend201.remote import claimed
from gateway.translate.charger16_backend201.reservations import used
from gateway.translate.engine import Engine, How, Outcome, Rules, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.memory import Transaction, remember
from gateway.translate.port import ChargerCall, Payload, Severity
from gateway.translate.samples import by_instant, last_register_wh, register, register_wh, values_201
from gateway.translate.tables import LATE_STOP, STOPS
from gateway.translate.tokens import token_of
from gateway.translate.values import compact, digest, seconds, uuid_of

rules = Rules()

_FIRST_ID: Final = 1_000_000
_STATES: Final = ("Charging", "SuspendedEV", "SuspendedEVSE")
_UNKNOWN_IDS: Final = (-1, 0)


@rules.charger_call(
    "StartTransaction",
    How.TRANSLATED,
    "TransactionEvent(Started)",
    Loss.SYN_IDTAGINFO,
    Loss.TX_OVERLAP,
    Loss.DUPLICATE,
    Loss.LATE_REJECT,
    Loss.FIELD_DROPPED,
    Loss.ENUM_NARROWED,
    Loss.TOKEN_ALIASED,
)
def start(t: Engine, call: ChargerCall) -> Outcome | Steps:
    """A transaction begins; its integer id is the gateway's own, so that it never depends on the backend."""
    asked = call.payload
    key = start_key(
        asked["connectorId"],
        asked["idTag"],
        asked["timestamp"],
        asked["meterStart"],
        asked.get("reservationId"),
    )
    known = _started_before(t, key, asked["connectorId"])
    if known is not None and call.transaction_id is not None:
        known.id16 = call.transaction_id
    if known is not None and known.start_answer is not None:
        t.lose(Loss.DUPLICATE, "StartTransaction", str(known.id16))
        return known.start_answer | {"transactionId": known.id16}
    if known is not None:
        t.lose(Loss.POSSIBLE_DUPLICATE, "TransactionEvent", known.id201)
        return _tell_start(t, call, known, [])
    tx = _begun(t, call, key)
    return _tell_start(t, call, tx, [_started(t, call, tx)])


def start_key(flat: int, id_tag: str, timestamp: str, meter_start_wh: int, reservation_id: int | None) -> str:
    """The name of a start by its content: the same when a charger repeats it."""
    instant = str(seconds(timestamp))
    return digest("start", flat, id_tag.casefold(), instant, meter_start_wh, reservation_id)


def _started_before(t: Engine, key: str, flat: int) -> Transaction | None:
    """The transaction this start made already; a later cable on the connector makes another one of it."""
    session = t.memory.sessions.get(str(flat), 0)
    for tx in reversed(t.memory.transactions):
        if tx.start_key == key and (tx.session == session or tx.is_open or not tx.start_conf_delivered):
            return tx
    return None


def _begun(t: Engine, call: ChargerCall, key: str) -> Transaction:
    asked, memory = call.payload, t.memory
    place = place_at(t, asked["connectorId"])
    if memory.open_on(flat=place.flat):
        t.lose(Loss.TX_OVERLAP, "connectorId", str(place.flat))
    session = memory.sessions.get(str(place.flat), 0)
    status = memory.status16.get(str(place.flat), "")
    earlier = len([tx for tx in memory.transactions if tx.start_key == key])
    cable = memory.cables.pop(str(place.flat), None)
    tx = Transaction(
        id201=cable.id201 if cable is not None else uuid_of(t.station, key, session, earlier),
        seq_next=cable.seq_next if cable is not None else 0,
        id16=call.transaction_id if call.transaction_id is not None else next_id(t),
        flat=place.flat,
        evse=place.evse,
        connector=place.connector,
        session=session,
        charging_state=status if status in _STATES else "EVConnected",
        has_charged=status == "Charging",
        id_token=token_of(memory, asked["idTag"], t.policies.mac_tokens),
        id_tag=asked["idTag"],
        meter_start_wh=asked["meterStart"],
        last_register_wh=asked["meterStart"],
        started_at=asked["timestamp"],
        reservation_id=asked.get("reservationId"),
        start_key=key,
        start_conf_delivered=False,
    )
    memory.transactions.append(tx)
    memory.forget_old(t.now)
    remember(memory.last_register, str(place.flat), asked["meterStart"])
    return tx


def next_id(t: Engine) -> int:
    """The next integer transaction id; the first depends on the charger."""
    counters = t.memory.counters
    if not counters.transaction:
        counters.transaction = _FIRST_ID + int(digest("first id", t.station), 16) % _FIRST_ID
    counters.transaction += 1
    return counters.transaction - 1


def _started(t: Engine, call: ChargerCall, tx: Transaction) -> Payload:
    asked = call.payload
    remote = claimed(t, tx)
    info: Payload = {"chargingState": tx.charging_state}
    if remote is not None:
        tx.remote_start_id = info["remoteStartId"] = remote.remote_start_id
        tx.id_token = remote.id_token or tx.id_token
    kind = "Updated" if tx.seq_next else "Started"
    made = event(t, tx, kind, "RemoteStart" if remote else "Authorized", asked["timestamp"], info)
    if kind == "Started":
        made["evse"] = {"id": tx.evse, "connectorId": tx.connector}
    made["idToken"] = tx.id_token
    sample = register(asked["meterStart"], "Transaction.Begin")
    made["meterValue"] = [{"timestamp": asked["timestamp"], "sampledValue": [sample]}]
    if "reservationId" in asked:
        made["reservationId"] = asked["reservationId"]
    if is_offline(t, call, asked["timestamp"]):
        made["offline"] = True
    used(t, tx)
    return made


def _tell_start(t: Engine, call: ChargerCall, tx: Transaction, made: list[Payload]) -> Steps:
    answer = yield from deliver(t, tx.start_key, made)
    has_heard = call.stored or call.id == t.heard_here  # an answer of ours
    if has_heard or isinstance(answer, Undelivered):
        t.lose(Loss.SYN_IDTAGINFO, "idTagInfo")
    if isinstance(answer, Undelivered):
        return answer
    tag = call.payload["idTag"]
    if "idTokenInfo" in answer:
        info = authorised(t, tag, answer["idTokenInfo"])
    else:
        info = recent_info(t, tag) or {"status": "Accepted"}
        t.lose(Loss.SYN_IDTAGINFO, "idTagInfo", "", info["status"])
    for key in ("totalCost", "chargingPriority", "updatedPersonalMessage"):
        if key in answer:
            t.lose(Loss.FIELD_DROPPED, key, compact(answer[key]))
    tx.authorized = info["status"] == "Accepted"
    tx.group = info.get("parentIdTag")
    if not tx.authorized and has_heard:
        tx.late_reject = True
        t.lose(Loss.LATE_REJECT, "idTokenInfo.status", info["status"])
    tx.start_answer = {"idTagInfo": info}
    return {"idTagInfo": info, "transactionId": tx.id16}


@rules.charger_call(
    "StopTransaction",
    How.TRANSLATED,
    "TransactionEvent(Ended)",
    Loss.FIELD_DROPPED,
    Loss.ENUM_NARROWED,
    Loss.TOKEN_ALIASED,
    Loss.ORPHAN_STOP,
    Loss.CONFLICT,
    Loss.METER_MISMATCH,
    Loss.MEASURAND_DROPPED,
    Loss.SAMPLE_UNPARSABLE,
    Loss.SIGNED_WITHOUT_RAW,
)
def stop(t: Engine, call: ChargerCall) -> Outcome | Steps:
    """A transaction ends."""
    asked = call.payload
    tx = _meant(t, asked)
    if tx is None and t.policies.orphan_stop == "synthesise":
        return _tell_orphan(t, call)
    if tx is None:
        t.lose(Loss.ORPHAN_STOP, "transactionId", compact({k: v for k, v in asked.items() if k != "idTag"}))
        return {}
    key = digest("stop", tx.id201, asked | {"transactionId": tx.id16})
    if tx.is_open:
        return _tell_stop(t, call, tx, key, [_ended(t, call, tx, key)])
    if key != tx.stop_key and tx.stop_key:
        t.lose(Loss.CONFLICT, "StopTransaction", str(tx.id16))
    elif key in t.memory.unsent:
        t.lose(Loss.POSSIBLE_DUPLICATE, "TransactionEvent", tx.id201)
        return _tell_stop(t, call, tx, key, [])
    else:
        t.lose(Loss.DUPLICATE, "StopTransaction", str(tx.id16))
    return tx.stop_answer or {}


def _tell_orphan(t: Engine, call: ChargerCall) -> Outcome | Steps:
    """A start for the end of a transaction that nobody knows: of its first register, or without energy."""
    asked = call.payload
    id201 = uuid_of(t.station, digest("orphan", asked))
    key = digest("stop", id201, asked)
    known = t.memory.transaction201(id201)
    if known is not None and key in t.memory.unsent:
        return _tell_stop(t, call, known, key, [])
    if known is not None:
        t.lose(Loss.DUPLICATE, "StopTransaction", str(asked["transactionId"]))
        return known.stop_answer or {}
    values = by_instant(values_201(t, asked.get("transactionData", []), "transactionData"))
    registers = [
        (value["timestamp"], wh)
        for value in values
        for s in value["sampledValue"]
        if (wh := register_wh(s)) is not None
    ]
    at, begun_wh = registers[0] if registers else (asked["timestamp"], asked["meterStop"])
    place = t.memory.topology[0] if len(t.memory.topology) == 1 else None
    tx = Transaction(
        id201=id201,
        id16=asked["transactionId"] if asked["transactionId"] not in _UNKNOWN_IDS else None,
        flat=place.flat if place is not None else 0,
        id_tag=asked.get("idTag"),
        meter_start_wh=begun_wh,
        last_register_wh=begun_wh,
        started_at=at,
        start_key=key,
    )
    t.memory.transactions.append(tx)
    t.memory.forget_old(t.now)
    t.lose(Loss.SYNTHESIZED, "transactionId", str(asked["transactionId"]), tx.id201, Severity.BILLING)
    made = event(t, tx, "Started", "Authorized", at, {"chargingState": "EVConnected"})
    if place is not None:
        made["evse"] = {"id": place.evse, "connectorId": place.connector}
    if tx.id_tag is not None:
        made["idToken"] = token_of(t.memory, tx.id_tag, t.policies.mac_tokens)
    made["meterValue"] = [{"timestamp": at, "sampledValue": [register(begun_wh, "Transaction.Begin")]}]
    made["offline"] = True
    return _tell_stop(t, call, tx, key, [made, _ended(t, call, tx, key)])


def _meant(t: Engine, asked: Payload) -> Transaction | None:
    """The transaction of a stop; one whose start was not answered may be meant by an id that says nothing."""
    known = t.memory.transaction16(asked["transactionId"])
    if known is not None or asked["transactionId"] not in _UNKNOWN_IDS:
        return known
    found = [tx for tx in t.memory.open_on() if not tx.start_conf_delivered]
    if len(found) > 1:
        tag = asked.get("idTag", "").casefold()
        ended = seconds(asked["timestamp"])
        found = [
            tx
            for tx in found
            if (not tag or (tx.id_tag or "").casefold() == tag) and seconds(tx.started_at) <= ended
        ]
    if len(found) != 1:
        return None
    t.lose(Loss.SYNTHESIZED, "transactionId", str(asked["transactionId"]), found[0].id201, Severity.WARN)
    return found[0]


def _ended(t: Engine, call: ChargerCall, tx: Transaction, key: str) -> Payload:
    asked = call.payload
    reason = asked.get("reason", "")
    means = STOPS.get(reason, STOPS["Other"])
    if reason == "Remote" and (tx.late_reject or not tx.authorized) and not tx.stop_asked:
        means = LATE_STOP
    if reason in ("HardReset", "SoftReset", "UnlockCommand"):
        t.lose(Loss.ENUM_NARROWED, "reason", reason, means.reason)
    info = {"chargingState": means.charging_state, "stoppedReason": means.reason}
    made = event(t, tx, "Ended", means.trigger, asked["timestamp"], info)
    made["meterValue"] = _final_values(t, asked)
    if "idTag" in asked and reason in ("", "Local"):
        made["idToken"] = token_of(t.memory, asked["idTag"], t.policies.mac_tokens)
    elif "idTag" in asked:
        t.lose(Loss.FIELD_DROPPED, "idTag")
    if is_offline(t, call, asked["timestamp"]):
        made["offline"] = True
    tx.state, tx.stop_key, tx.ended_at, tx.stop_reason = "ended", key, t.now, reason
    tx.last_register_wh = last_register_wh(made["meterValue"]) or asked["meterStop"]
    tx.charging_state = means.charging_state
    remember(t.memory.last_register, str(tx.flat), tx.last_register_wh)
    profiles = [p for p in t.memory.profiles if p.profile.get("transactionId") != tx.id201]
    t.memory.profiles = profiles
    return made


def _final_values(t: Engine, asked: Payload) -> list[Payload]:
    """transactionData in the order of time, with meterStop unless it holds the final register."""
    values = values_201(t, asked.get("transactionData", []), "transactionData")
    values.sort(key=lambda value: seconds(value["timestamp"]))
    final = [s for value in values for s in value["sampledValue"] if _is_final(s)]
    if not final:
        sample = register(asked["meterStop"], "Transaction.End")
        return [*values, {"timestamp": asked["timestamp"], "sampledValue": [sample]}]
    if (told := register_wh(final[-1])) != asked["meterStop"]:
        t.lose(Loss.METER_MISMATCH, "meterStop", str(asked["meterStop"]), str(told))
    return values


def _is_final(sample: dict[str, Any]) -> bool:
    return (
        sample["measurand"] == DEFAULT_MEASURAND
        and sample.get("context") == "Transaction.End"
        and "phase" not in sample
    )


def _tell_stop(t: Engine, call: ChargerCall, tx: Transaction, key: str, made: list[Payload]) -> Steps:
    token_told = "idToken" in (made[-1] if made else t.memory.unsent[key][-1].payload)
    answer = yield from deliver(t, key, made)
    if isinstance(answer, Undelivered):
        return answer
    show_final_cost(t, tx, answer)
    tx.stop_answer = {}
    if token_told and "idTokenInfo" in answer:
        tx.stop_answer = {"idTagInfo": authorised(t, call.payload["idTag"], answer["idTokenInfo"])}
    elif "idTokenInfo" in answer:
        t.lose(Loss.FIELD_DROPPED, "idTokenInfo", answer["idTokenInfo"]["status"])
    release_reset(t)
    return tx.stop_answer
