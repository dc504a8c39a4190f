"""What is known of a transaction: facts gathered from its events, in whatever order a station tells them."""

from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from gateway.translate import tokens
from gateway.translate.charger201_backend16.addresses import flat_of
from gateway.translate.charger201_backend16.registers import Register, registers
from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.memory import RemoteStart, Transaction
from gateway.translate.port import Payload
from gateway.translate.values import compact, plain_text, seconds, whole

STARTED: Final = "Started"
UPDATED: Final = "Updated"
ENDED: Final = "Ended"

ENDS_AUTHORISATION: Final = ("StopAuthorized", "RemoteStop", "Deauthorized")
"""The triggers of an event after which the transaction is authorised no longer."""

MOST_TRANSACTIONS: Final = 160
MOST_ANSWERS: Final = 50

_UNSAID: Final = ("numberOfPhasesUsed", "cableMaxCurrent")


class Event(Struct, frozen=True):
    """A TransactionEvent, taken apart."""

    kind: str
    id201: str
    seq: int
    at: str
    trigger: str
    state: str
    reason: str
    offline: bool
    values: list[Payload]
    registers: list[Register]
    evse: Payload | None = None
    token: Payload | None = None
    reservation_id: int | None = None
    remote_start_id: int | None = None

    @property
    def ends_authorisation(self) -> bool:
        return self.trigger in ENDS_AUTHORISATION


def turn_of(id201: str) -> str:
    """The name under which one thing at a time is done of a transaction."""
    return f"tx {id201.casefold()}"


def event_of(payload: Payload) -> Event:
    """The event that a payload holds. A plug that went in says that the vehicle is connected."""
    info: dict[str, Any] = payload["transactionInfo"]
    values = payload.get("meterValue", [])
    plugged = "EVConnected" if payload["triggerReason"] == "CablePluggedIn" else ""
    return Event(
        kind=payload["eventType"],
        id201=info["transactionId"],
        seq=payload["seqNo"],
        at=payload["timestamp"],
        trigger=payload["triggerReason"],
        state=info.get("chargingState", plugged),
        reason=info.get("stoppedReason", ""),
        offline=payload.get("offline", False),
        values=values,
        registers=registers(values),
        evse=payload.get("evse"),
        token=payload.get("idToken"),
        reservation_id=payload.get("reservationId"),
        remote_start_id=info.get("remoteStartId"),
    )


def is_another(tx: Transaction, event: Event) -> bool:
    """Whether an event begins another transaction than the one that is known by its id."""
    if event.kind != STARTED or not tx.begun_at:
        return False
    return seconds(tx.begun_at) != seconds(event.at)


def tell_unsaid(t: Engine, payload: Payload) -> None:
    """Report what an event says that 1.6 has no place for."""
    for name in _UNSAID:
        if name in payload:
            t.lose(Loss.FIELD_DROPPED, name, str(payload[name]))
    info = payload["transactionInfo"]
    if "timeSpentCharging" in info:
        t.lose(Loss.FIELD_DROPPED, "transactionInfo.timeSpentCharging", str(info["timeSpentCharging"]))
    if "stoppedReason" in info and payload["eventType"] != ENDED:
        t.lose(Loss.FIELD_DROPPED, "transactionInfo.stoppedReason", info["stoppedReason"])
    if payload.get("offline"):
        t.lose(Loss.OFFLINE_FLAG_LOST, "offline", "true")


def was_answered(tx: Transaction, seq: int) -> bool:
    """Whether the event with this number has had its answer."""
    return str(seq) in tx.answers or any(low <= seq <= high for low, high in tx.received)


def remember_answer(tx: Transaction, seq: int, answer: Payload) -> None:
    """Keep what the charger heard; the empty answer needs no keeping, only the number that had it."""
    tx.last_seq = max(tx.last_seq, seq)
    if answer:
        tx.answers[str(seq)] = answer
        while len(tx.answers) > MOST_ANSWERS:
            del tx.answers[next(iter(tx.answers))]
    ranges = sorted([*tx.received, [seq, seq]])
    joined = [ranges[0]]
    for low, high in ranges[1:]:
        if low <= joined[-1][1] + 1:
            joined[-1] = [joined[-1][0], max(high, joined[-1][1])]
        else:
            joined.append([low, high])
    tx.received = joined[-MOST_ANSWERS:]


def begin(t: Engine, event: Event) -> Transaction:
    """A record for a transaction that was not known."""
    t.memory.forget_old(t.now)
    if len(t.memory.transactions) >= MOST_TRANSACTIONS:
        dropped = t.memory.transactions.pop(0)
        t.lose(Loss.TX_STATE_LOST, "transactionInfo.transactionId", dropped.id201)
    begun_at = event.at if event.kind == STARTED else ""
    tx = Transaction(event.id201, state="pre", authorized=False, begun_at=begun_at)
    t.memory.transactions.append(tx)
    return tx


def learn(t: Engine, tx: Transaction, event: Event) -> None:
    """Take in what an event tells of its transaction."""
    if tx.state == "pre":
        _learn_place(t, tx, event)
        _learn_token(t, tx, event)
    else:
        _tell_too_late(t, tx, event)
    if event.reservation_id is not None:
        tx.reservation_id = event.reservation_id
    if event.state:
        tx.charging_state = event.state
        tx.has_charged = tx.has_charged or event.state == "Charging"
    for register in event.registers:
        wh = whole(register.wh)
        if register.context == "Transaction.Begin" and tx.state == "pre":
            tx.meter_start_wh = rounded_wh(t, register.wh, "meterStart")
        tx.last_register_wh = wh
        if tx.flat:
            t.memory.last_register[str(tx.flat)] = wh


def _tell_too_late(t: Engine, tx: Transaction, event: Event) -> None:
    """Report what only StartTransaction could have said, which is out."""
    if event.evse is not None and event.evse["id"] != tx.evse:
        t.lose(Loss.FIELD_DROPPED, "evse", compact(event.evse))
    if event.reservation_id not in (None, tx.reservation_id):
        t.lose(Loss.FIELD_DROPPED, "reservationId", str(event.reservation_id))
    if event.remote_start_id not in (None, tx.remote_start_id):
        t.lose(Loss.FIELD_DROPPED, "transactionInfo.remoteStartId", str(event.remote_start_id))


def rounded_wh(t: Engine, wh: Decimal, path: str) -> int:
    """Whole Wh, halves up; said when something was rounded."""
    made = whole(wh)
    if made != wh:
        t.lose(Loss.VALUE_ROUNDED, path, plain_text(wh), str(made))
    return made


def _learn_place(t: Engine, tx: Transaction, event: Event) -> None:
    if event.evse is None:
        return
    evse, connector = event.evse["id"], event.evse.get("connectorId")
    if tx.evse == evse and connector is None:
        return
    flat = flat_of(t, evse, connector) if evse > 0 else None
    if flat is None:
        t.lose(Loss.PAYLOAD_INVALID, "evse", str(evse))
        return
    place = t.memory.place(flat)
    assert place is not None
    tx.evse, tx.connector, tx.flat = place.evse, place.connector, flat


def _learn_token(t: Engine, tx: Transaction, event: Event) -> None:
    if event.remote_start_id is not None:
        tx.remote_start_id = event.remote_start_id
    if event.ends_authorisation:
        tx.id_token, tx.id_tag = None, None
    elif event.token is not None:
        tx.id_token = event.token
        tx.id_tag = tokens.told_tag(t, event.token)
        if event.token["type"] == "NoAuthorization" and not event.token["idToken"]:
            t.lose(Loss.SYNTHESIZED, "idTag", "", tx.id_tag)
    remote = _remote_start(t, tx)
    if remote is None and event.remote_start_id is not None:
        t.lose(Loss.FIELD_DROPPED, "transactionInfo.remoteStartId", str(event.remote_start_id))
    if remote is not None:
        t.memory.remote_starts.remove(remote)
        if tx.id_token is None and not event.ends_authorisation:
            tx.id_token, tx.id_tag = remote.id_token, remote.id_tag


def _remote_start(t: Engine, tx: Transaction) -> RemoteStart | None:
    return next(
        (
            start
            for start in t.memory.remote_starts
            if start.remote_start_id == tx.remote_start_id or start.transaction_id == tx.id201
        ),
        None,
    )


def meets_start(t: Engine, tx: Transaction) -> bool:
    """Whether everything is known that StartTransaction needs: token, connector, and a vehicle."""
    if tx.id_tag is None or not tx.flat:
        return False
    if t.policies.start_point == "power_path_closed":
        return tx.charging_state in ("Charging", "SuspendedEV", "SuspendedEVSE")
    return tx.charging_state not in ("", "Idle")


def start_payload(t: Engine, tx: Transaction, event: Event) -> Payload:
    """StartTransaction of a transaction that meets its condition by this event."""
    meter = tx.meter_start_wh if tx.meter_start_wh is not None else tx.last_register_wh
    if meter is None:
        meter = t.memory.last_register.get(str(tx.flat), 0)
        t.lose(Loss.METER_START_UNKNOWN, "meterStart", "", str(meter))
    tx.meter_start_wh, tx.started_at = meter, event.at
    payload = {"connectorId": tx.flat, "idTag": tx.id_tag, "meterStart": meter, "timestamp": event.at}
    if tx.reservation_id is not None:
        payload["reservationId"] = tx.reservation_id
    return payload


def meter_stop(t: Engine, tx: Transaction, event: Event | None) -> int:
    """meterStop: the register at the end, else the highest of the event, else the last one known."""
    said = event.registers if event is not None else []
    final = [register for register in said if register.context == "Transaction.End"]
    if final or said:
        return rounded_wh(t, final[-1].wh if final else max(register.wh for register in said), "meterStop")
    meter = tx.last_register_wh if tx.last_register_wh is not None else tx.meter_start_wh or 0
    t.lose(Loss.METER_STOP_ESTIMATED, "meterStop", "", str(meter))
    return meter


def newer_than(values: list[Payload], at: str) -> list[Payload]:
    """The readings after a point in time."""
    return [value for value in values if seconds(value["timestamp"]) > seconds(at)]
