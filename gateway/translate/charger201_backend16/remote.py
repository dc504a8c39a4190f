"""Remote start and stop, unlocking, reservations."""

from collections.abc import Generator
from typing import Final

from gateway.translate import tokens
from gateway.translate.charger201_backend16.addresses import evse_of
from gateway.translate.charger201_backend16.commands import REJECTED, refusal, said
from gateway.translate.charger201_backend16.statuses import STARTED, status_of
from gateway.translate.engine import CHARGER, Ask, Engine, How, Rules, Steps, Wait
from gateway.translate.losses import Loss
from gateway.translate.memory import Profile, RemoteStart, Reservation, Transaction
from gateway.translate.port import Answer, BackendCall, NoAnswer, Payload
from gateway.translate.profiles import profile_201
from gateway.translate.values import seconds

RULES: Final = Rules()

MOST_PENDING: Final = 50
MOST_PROFILES: Final = 500
UNLOCK_WITHIN_S: Final = 30.0


@RULES.backend_call(
    "RemoteStartTransaction", How.TRANSLATED, "RequestStartTransaction", Loss.SYNTHESIZED, Loss.FIELD_DROPPED
)
def remote_start(t: Engine, call: BackendCall) -> Steps:
    flat = call.payload.get("connectorId", 0)
    place = t.memory.place(flat)
    if not t.listens or (flat and place is None):
        return REJECTED
    evse = place.evse if place is not None else _only_evse(t)
    token = tokens.token_of(t.memory, call.payload["idTag"], t.policies.mac_tokens)
    number = t.memory.counters.remote_start
    request: Payload = {"remoteStartId": number, "idToken": token}
    if evse is not None:
        request["evseId"] = evse
    if "chargingProfile" in call.payload:
        profile = _profile_to_start_with(t, call.payload["chargingProfile"])
        if profile is None:
            return REJECTED
        request["chargingProfile"] = profile
    if (group := _group_of(t, call.payload["idTag"])) is not None:
        request["groupIdToken"] = group
    t.memory.counters.remote_start += 1
    t.lose(Loss.SYNTHESIZED, "remoteStartId", "", str(number))
    answer = yield Ask(CHARGER, "RequestStartTransaction", request)
    if not isinstance(answer, dict):
        return refusal(t, call, answer, REJECTED)
    if answer["status"] == "Accepted":
        _remember(t, request, call.payload["idTag"], answer.get("transactionId", ""))
    return said(t, answer)


def _only_evse(t: Engine) -> int | None:
    """The EVSE that must be meant when none is named: the only one, or the only one with a vehicle."""
    evses = {place.evse for place in t.memory.topology}
    if len(evses) > 1:
        evses = {place.evse for place in t.memory.topology if _waits(t, place.flat)}
    if len(evses) != 1:
        return None
    (evse,) = evses
    t.lose(Loss.SYNTHESIZED, "evseId", "", str(evse))
    return evse


def _waits(t: Engine, flat: int) -> bool:
    """Whether a vehicle is plugged in that nobody has paid for yet."""
    running = t.memory.open_on(flat=flat)
    if any(tx.state in STARTED for tx in running):
        return False
    if any(tx.id_tag is None and tx.charging_state not in ("", "Idle") for tx in running):
        return True
    shown = status_of(t, flat)
    return (t.memory.status16.get(str(flat)) if shown is None else shown[0]) == "Preparing"


def _profile_to_start_with(t: Engine, profile: Payload) -> Payload | None:
    if (
        profile["chargingProfilePurpose"] != "TxProfile"
        or not profile["chargingSchedule"]["chargingSchedulePeriod"]
    ):
        return None
    if "transactionId" in profile:
        t.lose(Loss.FIELD_DROPPED, "chargingProfile.transactionId", str(profile["transactionId"]))
    return profile_201(t, profile, None, "chargingProfile")


def _group_of(t: Engine, id_tag: str) -> Payload | None:
    known = t.memory.authorisations.get(id_tag.casefold())
    parent = known.info.get("parentIdTag") if known is not None else None
    return tokens.group_token(t.memory, parent) if parent else None


def _remember(t: Engine, request: Payload, id_tag: str, id201: str) -> None:
    expires = t.now + t.policies.remote_start_ttl_s
    pending = [start for start in t.memory.remote_starts if start.expires > t.now][-MOST_PENDING:]
    start = RemoteStart(
        request["remoteStartId"], id_tag, expires, id_token=request["idToken"], transaction_id=id201
    )
    t.memory.remote_starts = [*pending, start]
    if "chargingProfile" in request and "evseId" in request:
        profile = request["chargingProfile"]
        kept = [one for one in t.memory.profiles if one.id != profile["id"]]
        t.memory.profiles = [*kept, Profile(profile["id"], request["evseId"], profile)][-MOST_PROFILES:]


@RULES.backend_call("RemoteStopTransaction", How.TRANSLATED, "RequestStopTransaction", Loss.UNKNOWN_TX)
def remote_stop(t: Engine, call: BackendCall) -> Steps:
    tx = running16(t, call.payload["transactionId"])
    if tx is None or tx.state != "active":
        t.lose(Loss.UNKNOWN_TX, "transactionId", str(call.payload["transactionId"]))
        return REJECTED
    answer = yield Ask(CHARGER, "RequestStopTransaction", {"transactionId": tx.id201})
    return said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, REJECTED)


def running16(t: Engine, id16: int) -> Transaction | None:
    """The open transaction that the backend means by a number, None when it cannot be told."""
    return next((tx for tx in t.memory.open_on() if tx.id16 == id16 and not tx.suspect), None)


@RULES.backend_call(
    "UnlockConnector",
    How.TRANSLATED,
    "RequestStopTransaction, UnlockConnector",
    Loss.PARTIAL,
    Loss.ENUM_NARROWED,
    Loss.STATUSINFO_DROPPED,
)
def unlock_connector(t: Engine, call: BackendCall) -> Steps:
    """1.6 stops the transaction and unlocks, where 2.0.1 refuses to unlock during a transaction."""
    flat = call.payload["connectorId"]
    evse = evse_of(t, flat)
    if evse is None:
        return {"status": "NotSupported"}
    for tx in [tx for tx in t.memory.open_on(flat=flat) if tx.state in STARTED]:
        if not (yield from _stopped(t, tx)):
            t.lose(Loss.PARTIAL, "connectorId", tx.id201)
            return {"status": "UnlockFailed"}
    request = {"evseId": evse["id"], "connectorId": evse["connectorId"]}
    answer = yield Ask(CHARGER, "UnlockConnector", request)
    if not isinstance(answer, dict):
        return refusal(t, call, answer, {"status": "NotSupported"})
    made, status = said(t, answer), answer["status"]
    if status in _UNLOCKED:
        t.lose(Loss.ENUM_NARROWED, "status", status, _UNLOCKED[status])
        made["status"] = _UNLOCKED[status]
    return made


_UNLOCKED: Final = {"OngoingAuthorizedTransaction": "UnlockFailed", "UnknownConnector": "NotSupported"}


def _stopped(t: Engine, tx: Transaction) -> Generator[Ask | Wait, Answer, bool]:
    """Whether the transaction could be ended for an unlock."""
    tx.unlocking = True
    if tx.state == "deauth":
        tx.grace_until = t.now
        t.wake(t.now)
    else:
        answer = yield Ask(CHARGER, "RequestStopTransaction", {"transactionId": tx.id201})
        if not isinstance(answer, dict) or answer["status"] != "Accepted":
            tx.unlocking = False
            return False
    if tx.is_open and isinstance((yield Wait(f"stopped {tx.id201}", t.now + UNLOCK_WITHIN_S)), NoAnswer):
        tx.unlocking = False
        return False
    return True


@RULES.backend_call("ReserveNow", How.TRANSLATED, "ReserveNow", Loss.STATUSINFO_DROPPED)
def reserve_now(t: Engine, call: BackendCall) -> Steps:
    payload = call.payload
    place = t.memory.place(payload["connectorId"])
    if payload["connectorId"] and place is None:
        return REJECTED
    request: Payload = {
        "id": payload["reservationId"],
        "expiryDateTime": payload["expiryDate"],
        "idToken": tokens.token_of(t.memory, payload["idTag"], t.policies.mac_tokens),
    }
    if place is not None:
        request["evseId"] = place.evse
    if "parentIdTag" in payload:
        request["groupIdToken"] = tokens.group_token(t.memory, payload["parentIdTag"])
    answer = yield Ask(CHARGER, "ReserveNow", request)
    if not isinstance(answer, dict):
        return refusal(t, call, answer, REJECTED)
    if answer["status"] == "Accepted":
        _forget(t, request["id"])
        expires = seconds(payload["expiryDate"])
        one = Reservation(request["id"], payload["connectorId"], expires, payload["idTag"])
        t.memory.reservations = [*t.memory.reservations, one][-MOST_PENDING:]
    return said(t, answer)


@RULES.backend_call("CancelReservation", How.TRANSLATED, "CancelReservation", Loss.STATUSINFO_DROPPED)
def cancel_reservation(t: Engine, call: BackendCall) -> Steps:
    number = call.payload["reservationId"]
    answer = yield Ask(CHARGER, "CancelReservation", {"reservationId": number})
    if not isinstance(answer, dict):
        return refusal(t, call, answer, REJECTED)
    if answer["status"] == "Accepted":
        _forget(t, number)
    return said(t, answer)


def _forget(t: Engine, number: int) -> None:
    t.memory.reservations = [one for one in t.memory.reservations if one.id != number]
