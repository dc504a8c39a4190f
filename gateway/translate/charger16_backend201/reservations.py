"""Reservations: 1.6 does not tell when they end, so the gateway does."""

from typing import Final

from gateway.translate.charger16_backend201.common import (
    configured,
    flat_of,
    is_true,
    not_supported,
    refusal,
    rejected,
)
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.jobs import carried_on
from gateway.translate.losses import Loss
from gateway.translate.memory import Reservation, Transaction
from gateway.translate.port import BackendCall, Payload, Severity
from gateway.translate.tokens import same_tag, tag_of
from gateway.translate.values import seconds

rules = Rules()

GRACE_S: Final = 5.0


@rules.backend_call("ReserveNow", How.TRANSLATED, "ReserveNow", Loss.NOT_SUPPORTED, Loss.TOKEN_ALIASED)
def reserve_now(t: Engine, call: BackendCall) -> Outcome | Steps:
    """A connector, or the charger, is kept for a token."""
    asked = call.payload
    if "evseId" not in asked and "connectorType" in asked:
        return not_supported(t, "connectorType", "UnsupportedParam", severity=Severity.WARN)
    if "connectorType" in asked:
        t.lose(Loss.FIELD_DROPPED, "connectorType", asked["connectorType"])
    if asked.get("evseId", 0) == 0:
        if not is_true(configured(t, "ReserveConnectorZeroSupported")):
            return not_supported(t, "evseId", "UnsupportedParam", severity=Severity.WARN)
        return _reserve(t, asked, 0)
    flat = flat_of(t, asked["evseId"])
    return rejected("UnknownEvse") if flat is None else _reserve(t, asked, flat)


def _reserve(t: Engine, asked: Payload, flat: int) -> Steps:
    tag = tag_of(t, asked["idToken"], "idToken")
    payload = {
        "connectorId": flat,
        "expiryDate": asked["expiryDateTime"],
        "idTag": tag,
        "reservationId": asked["id"],
    }
    if "groupIdToken" in asked:
        payload["parentIdTag"] = tag_of(t, asked["groupIdToken"], "groupIdToken")
    answer = yield Ask(CHARGER, "ReserveNow", payload)
    if not isinstance(answer, dict):
        return refusal(t, "ReserveNow", answer)
    if answer["status"] == "Accepted":
        ends = seconds(asked["expiryDateTime"])
        others = [r for r in t.memory.reservations if r.id != asked["id"]]
        t.memory.reservations = [*others, Reservation(asked["id"], flat, ends, tag)]
        t.wake(ends + GRACE_S)
    return {"status": answer["status"]}


@rules.backend_call("CancelReservation", How.TRANSLATED, "CancelReservation")
def cancel_reservation(t: Engine, call: BackendCall) -> Steps:
    """A reservation is given up; its end is not told again."""
    id_ = call.payload["reservationId"]
    known = [r for r in t.memory.reservations if r.id == id_]
    t.memory.reservations = [r for r in t.memory.reservations if r.id != id_]
    with carried_on(t, call):
        answer = yield Ask(CHARGER, "CancelReservation", {"reservationId": id_})
    if not isinstance(answer, dict) or answer["status"] != "Accepted":
        t.memory.reservations += known
    if not isinstance(answer, dict):
        return refusal(t, "CancelReservation", answer)
    return {"status": answer["status"]}


def used(t: Engine, tx: Transaction) -> None:
    """A transaction began: the reservation it was made for is over."""
    t.memory.reservations = [
        r
        for r in t.memory.reservations
        if r.id != tx.reservation_id and not (r.flat == tx.flat and same_tag(r.id_tag, tx.id_tag))
    ]


def left_reserved(t: Engine, flat: int, status: str) -> None:
    """A connector is not reserved any more; whoever plugs in may still be the one it was for."""
    for reservation in [r for r in t.memory.reservations if r.flat == flat]:
        if reservation.expires <= t.now:
            _over(t, reservation, "Expired")
        elif status in ("Available", "Faulted", "Unavailable"):
            _over(t, reservation, "Removed")


def expire(t: Engine) -> None:
    """Tell those whose time has come."""
    for reservation in list(t.memory.reservations):
        if reservation.expires + GRACE_S <= t.now:
            _over(t, reservation, "Expired")
        else:
            t.wake(reservation.expires + GRACE_S)


def _over(t: Engine, reservation: Reservation, status: str) -> None:
    t.memory.reservations.remove(reservation)
    t.lose(Loss.SYNTHESIZED, "ReservationStatusUpdate", "", status)
    told = {"reservationId": reservation.id, "reservationUpdateStatus": status}
    t.tell_backend("ReservationStatusUpdate", told)
