"""StatusNotification of 1.6: connector status, charging state and problems are three messages in 2.0.1."""

from typing import Final

from gateway.translate.charger16_backend201.cable import status_came
from gateway.translate.charger16_backend201.common import only_open_on, place_at
from gateway.translate.charger16_backend201.events import event, is_offline, tell_own
from gateway.translate.charger16_backend201.reservations import left_reserved
from gateway.translate.engine import Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import OpenError, Place, remember
from gateway.translate.port import ChargerCall, Payload
from gateway.translate.tables import (
    CHARGING_STATES,
    CONNECTOR_STATUS,
    ERRORS,
    EV_SIDE_DISCONNECTED,
    TECH_INFO_PREFIX,
    Charging,
)
from gateway.translate.values import moment_text, seconds

rules = Rules()

STATION: Final = Place(0, 0, 0)
SETTLED_S: Final = 0.5
"""This long after the last stored message all of them are taken to be delivered."""

_SKEWS: Final = 20
_LONGEST_TECH_INFO: Final = 500


@rules.charger_call(
    "StatusNotification",
    How.TRANSLATED,
    "StatusNotification, TransactionEvent(Updated), NotifyEvent",
    Loss.FIELD_DROPPED,
    Loss.SYNTHESIZED,
    Loss.TX_OPEN_ON_AVAILABLE,
    Loss.STATUS_COLLAPSED,
    touches=(),
)
def status_notification(t: Engine, call: ChargerCall) -> Outcome:
    """The state of a connector, or of the whole charger. The charger is answered at once."""
    payload = call.payload
    if not call.stored and "timestamp" in payload:
        skews = t.memory.clock_skews
        skews.append(round(call.received_at - seconds(payload["timestamp"]), 3))
        del skews[:-_SKEWS]
    if "timestamp" not in payload:
        payload = payload | {"timestamp": moment_text(call.received_at)}
        t.lose(Loss.SYNTHESIZED, "timestamp", "", payload["timestamp"])
    flat = payload["connectorId"]
    before = t.memory.status16.get(str(flat), "")
    if payload["status"] == "Available" != before:
        remember(t.memory.sessions, str(flat), t.memory.sessions.get(str(flat), 0) + 1)
    place = place_at(t, flat) if flat > 0 else STATION
    later = t.memory.cached.get(str(flat))
    if not call.stored:
        t.memory.cached.pop(str(flat), None)
        remember(t.memory.status16, str(flat), payload["status"])
        _tell_status(t, place, payload)
    elif later is None or seconds(later["timestamp"]) <= seconds(payload["timestamp"]):
        # the connector's last state follows when everything stored has been delivered
        put_off(t, payload)
        remember(t.memory.status16, str(flat), payload["status"])
        t.wake(t.now + SETTLED_S)
    _tell_charging(t, call, payload)
    _tell_problem(t, place, payload)
    if before == "Reserved" != payload["status"]:
        left_reserved(t, flat, payload["status"])
    return {}


def put_off(t: Engine, payload: Payload) -> None:
    """A state that can only be told later: of several the last one."""
    flat = str(payload["connectorId"])
    earlier = t.memory.cached.get(flat, payload)["status"]
    if CONNECTOR_STATUS.up(earlier) != CONNECTOR_STATUS.up(payload["status"]):
        t.lose(Loss.STATUS_COLLAPSED, "status", earlier, payload["status"])
    remember(t.memory.cached, flat, payload)


def flush(t: Engine) -> Steps:
    """Tell the states that could not be told when they came, whatever the backend last heard."""
    waiting, t.memory.cached = t.memory.cached, {}
    for flat, payload in waiting.items():
        call = ChargerCall("", "StatusNotification", payload, t.now)
        place = place_at(t, int(flat)) if flat != "0" else STATION
        t.memory.status201.pop(key_of(place), None)
        _tell_status(t, place, payload)
        remember(t.memory.status16, flat, payload["status"])
        _tell_charging(t, call, payload)
        _tell_problem(t, place, payload)
    return {}
    yield


def key_of(place: Place) -> str:
    """A connector's name among the states that were told."""
    return f"{place.evse}.{place.connector}"


def _tell_status(t: Engine, place: Place, payload: Payload) -> None:
    """StatusNotification of 2.0.1, or an event of the whole station; unless it is known already."""
    status = CONNECTOR_STATUS.up(payload["status"])
    assert status is not None
    key = key_of(place)
    if t.policies.status_dedupe and t.memory.status201.get(key) == status:
        return
    remember(t.memory.status201, key, status)
    if place is STATION:
        notify(t, STATION, payload, "ChargingStation", "AvailabilityState", status)
        return
    told = {
        "timestamp": payload["timestamp"],
        "connectorStatus": status,
        "evseId": place.evse,
        "connectorId": place.connector,
    }
    t.tell_backend("StatusNotification", told)


def _tell_charging(t: Engine, call: ChargerCall, payload: Payload) -> None:
    """The charging state of the transaction that is open on the connector, when it has changed."""
    tx = only_open_on(t, payload["connectorId"])
    means = CHARGING_STATES.get(payload["status"])
    if payload["connectorId"] > 0 and not t.memory.open_on(flat=payload["connectorId"]):
        status_came(t, call, payload)
    if tx is None or means is None:
        return
    if payload["status"] == "SuspendedEV" and EV_SIDE_DISCONNECTED.lower() in payload.get("info", "").lower():
        means = Charging("Idle", "EVCommunicationLost")
    if payload["status"] == "Available":
        t.lose(Loss.TX_OPEN_ON_AVAILABLE, "status", tx.id201)
    if means.state == tx.charging_state:
        return
    tx.charging_state = means.state
    tx.has_charged = tx.has_charged or means.state == "Charging"
    made = event(t, tx, "Updated", means.trigger, payload["timestamp"], {"chargingState": means.state})
    if is_offline(t, call, payload["timestamp"]):
        made["offline"] = True
    tell_own(t, tx, made)


def _tell_problem(t: Engine, place: Place, payload: Payload) -> None:
    """A problem that came, went or changed."""
    flat, code = payload["connectorId"], payload["errorCode"]
    known = t.memory.open_errors.get(str(flat))
    if known is not None and known.error_code != code:
        del t.memory.open_errors[str(flat)]
        notify(t, place, payload, known.component, known.variable, "false", {"cleared": True})
        known = None
    if code == "NoError":
        for key in ("info", "vendorId", "vendorErrorCode"):
            if payload.get(key) and not (key == "info" and payload[key].startswith(EV_SIDE_DISCONNECTED)):
                t.lose(Loss.FIELD_DROPPED, key, payload[key])
    elif known is None:
        _open_problem(t, place, payload)


def _open_problem(t: Engine, place: Place, payload: Payload) -> None:
    code = payload["errorCode"]
    component, variable = ERRORS.get(code, ERRORS["OtherError"])
    if place is STATION and code == "OtherError":
        component = "ChargingStation"
    tech = payload.get("vendorErrorCode") or code
    said = [f"{TECH_INFO_PREFIX}{code}", payload.get("vendorId", ""), payload.get("info", "")]
    info = ";".join(part for part in said if part)[:_LONGEST_TECH_INFO]
    id_ = t.memory.counters.event
    remember(
        t.memory.open_errors, str(payload["connectorId"]), OpenError(code, component, variable, id_, tech)
    )
    notify(t, place, payload, component, variable, "true", {"techCode": tech, "techInfo": info})


def notify(
    t: Engine,
    place: Place,
    payload: Payload,
    component: str,
    variable: str,
    value: str,
    more: Payload | None = None,
) -> None:
    """NotifyEvent of one variable."""
    where: Payload = {"name": component}
    if place is not STATION:
        where["evse"] = {"id": place.evse, "connectorId": place.connector}
    data: Payload = {
        "eventId": t.memory.counters.event,
        "timestamp": payload["timestamp"],
        "trigger": "Delta",
        "actualValue": value,
        "eventNotificationType": "HardWiredNotification",
        "component": where,
        "variable": {"name": variable},
    } | (more or {})
    t.memory.counters.event += 1
    tx = only_open_on(t, place.flat) if place is not STATION else None
    if tx is not None:
        data["transactionId"] = tx.id201
    told = {"generatedAt": moment_text(t.now), "seqNo": 0, "eventData": [data]}
    t.tell_backend(
        "NotifyEvent", told, live=tx is None
    )  # after the event of the transaction, if there is one
