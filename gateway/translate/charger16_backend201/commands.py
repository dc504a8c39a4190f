"""Commands about the charger itself: reset, availability, unlock, cache, and messages on demand."""

from typing import Final

from gateway.translate.charger16_backend201 import pnc
from gateway.translate.charger16_backend201.common import (
    NO_ANSWER,
    NOT_THERE,
    because,
    capability,
    connector_of,
    connectors_of,
    flat_of,
    not_supported,
    refusal,
    rejected,
    simple,
    trigger,
    trigger_taken,
    with_reason,
)
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.jobs import carried_on
from gateway.translate.losses import Loss
from gateway.translate.memory import PendingReset
from gateway.translate.port import BackendCall, Payload, Refused, Severity
from gateway.translate.tables import EXTENDED_TRIGGERS, TRIGGERS

rules = Rules()

RESET_AGAIN_S: Final = 60.0
"""A charger that was reset while nobody heard it says within this time that it has booted."""

_HELD: Final = "held reset"
_WORST_FIRST: Final = ("Rejected", "Scheduled", "Accepted")
_NEVER: Final = ("SignCombinedCertificate", "PublishFirmwareStatusNotification")


# Reset


@rules.backend_call("Reset", How.TRANSLATED, "Reset", Loss.NOT_SUPPORTED)
def reset(t: Engine, call: BackendCall) -> Outcome | Steps:
    """Immediate is Hard. OnIdle with a transaction is kept here: Soft of 1.6 would end it at once."""
    if "evseId" in call.payload:
        return not_supported(t, "evseId", "UnsupportedParam", severity=Severity.WARN)
    if call.payload["type"] == "Immediate":
        t.memory.held_reset = ""
        return _reset(t, "Hard")
    if t.memory.open_on():
        t.memory.held_reset = "Soft"
        return {"status": "Scheduled"}
    return _reset(t, "Soft")


def _reset(t: Engine, kind: str) -> Steps:
    before, t.memory.pending_reset = t.memory.pending_reset, PendingReset(kind, t.now)
    answer = yield Ask(CHARGER, "Reset", {"type": kind})
    if isinstance(answer, dict) and answer["status"] == "Accepted":
        return {"status": "Accepted"}
    t.memory.pending_reset = before
    return {"status": answer["status"]} if isinstance(answer, dict) else refusal(t, "Reset", answer)


def release_reset(t: Engine) -> None:
    """A transaction ended: if it was the last one, the reset that waited for it is due."""
    if t.memory.held_reset and not t.memory.open_on():
        t.spawn(_held(t, t.memory.held_reset))


def _held(t: Engine, kind: str) -> Steps:
    """The reset that was promised: held until the charger has answered, or has booted."""
    if _HELD in t.busy:
        return {}
    t.busy.add(_HELD)
    answer = yield from _reset(t, kind)
    t.busy.discard(_HELD)
    if answer != NO_ANSWER:
        t.memory.held_reset = ""
    if answer != {"status": "Accepted"}:
        t.lose(Loss.PARTIAL, "Reset", kind, severity=Severity.ERROR)
    return {}


# Availability, unlock, cache


@rules.backend_call(
    "ChangeAvailability", How.TRANSLATED, "ChangeAvailability, one per connector", Loss.PARTIAL
)
def change_availability(t: Engine, call: BackendCall) -> Outcome | Steps:
    """The charger, an EVSE (all of its connectors), or one connector."""
    evse = call.payload.get("evse")
    if evse is None or evse["id"] == 0:
        return _availability(t, 0, call.payload["operationalStatus"])
    places = [p for p in connectors_of(t, evse["id"]) if evse.get("connectorId") in (None, p.connector)]
    if not places:
        return rejected("UnknownEvse")
    if len(places) == 1:
        return _availability(t, places[0].flat, call.payload["operationalStatus"])
    return _availabilities(t, call, [place.flat for place in places])


def _availability(t: Engine, flat: int, kind: str) -> Steps:
    answer = yield Ask(CHARGER, "ChangeAvailability", {"connectorId": flat, "type": kind})
    if isinstance(answer, dict):
        return {"status": answer["status"]}
    return refusal(t, "ChangeAvailability", answer)


def _availabilities(t: Engine, call: BackendCall, flats: list[int]) -> Steps:
    """One command per connector; the worst answer counts."""
    statuses = []
    with carried_on(t, call):
        for flat in flats:
            answer = yield from _availability(t, flat, call.payload["operationalStatus"])
            statuses.append(answer["status"] if isinstance(answer, dict) else "Rejected")
    if len(set(statuses)) > 1 and "Rejected" in statuses:
        t.lose(Loss.PARTIAL, "evse", ",".join(statuses))
    return {"status": min(statuses, key=_WORST_FIRST.index)}


@rules.backend_call("UnlockConnector", How.TRANSLATED, "UnlockConnector")
def unlock_connector(t: Engine, call: BackendCall) -> Outcome | Steps:
    """1.6 would end a transaction to unlock; 2.0.1 refuses, and so does the gateway."""
    place = connector_of(t, call.payload["evseId"], call.payload["connectorId"])
    if place is None:
        return {"status": "UnknownConnector"}
    if t.memory.open_on(flat=place.flat):
        return {"status": "OngoingAuthorizedTransaction"}
    return _unlock(t, place.flat)


def _unlock(t: Engine, flat: int) -> Steps:
    answer = yield Ask(CHARGER, "UnlockConnector", {"connectorId": flat})
    if not isinstance(answer, dict):
        return refusal(t, "UnlockConnector", answer, "UnlockFailed")
    if answer["status"] == "NotSupported":
        return because("UnlockFailed", "FixedCable")
    return {"status": answer["status"]}


@rules.backend_call("ClearCache", How.TRANSLATED, "ClearCache", stateless=True)
def clear_cache(t: Engine, call: BackendCall) -> Steps:
    """The charger forgets the tokens it knows."""
    return simple(t, "ClearCache", {}, "ClearCache")


# Messages on demand


@rules.backend_call(
    "TriggerMessage",
    How.TRANSLATED,
    "TriggerMessage, ExtendedTriggerMessage, DataTransfer",
    Loss.NOT_SUPPORTED,
    stateless=True,
)
def trigger_message(t: Engine, call: BackendCall) -> Outcome | Steps:
    """The charger shall send a message now."""
    wanted = call.payload["requestedMessage"]
    if wanted in _NEVER:
        return _not_implemented(t, wanted)
    if wanted == "SignV2GCertificate":
        return _trigger_v2g(t)
    evse = call.payload.get("evse", {})
    id_, flat = evse.get("id", 0), None
    if id_:
        place = connector_of(t, id_, evse.get("connectorId"))
        if place is None:
            return rejected("UnknownEvse")
        flat = place.flat if "connectorId" in evse else flat_of(t, id_)
    extended = wanted == "LogStatusNotification" and capability(t, "security_ext") == "yes"
    if extended or wanted == "SignChargingStationCertificate":
        return _trigger_extended(t, wanted, flat)
    if wanted in ("MeterValues", "BootNotification"):
        trigger(t, wanted, id_ or None)
    return _trigger(t, wanted, TRIGGERS.down(wanted) or "DiagnosticsStatusNotification", flat, id_ or None)


def _not_implemented(t: Engine, wanted: str) -> Payload:
    t.lose(Loss.NOT_SUPPORTED, "requestedMessage", wanted)
    return {"status": "NotImplemented"}


def _trigger(t: Engine, wanted: str, asked: str, flat: int | None, evse: int | None = None) -> Steps:
    payload: Payload = {"requestedMessage": asked}
    if flat:
        payload["connectorId"] = flat
    answer = yield Ask(CHARGER, "TriggerMessage", payload)
    if isinstance(answer, dict) and answer["status"] == "Accepted":
        return {"status": "Accepted"}
    trigger_taken(t, wanted, evse)
    if not isinstance(answer, dict):
        return _refused(t, wanted, answer)
    return {"status": answer["status"]}


def _trigger_extended(t: Engine, wanted: str, flat: int | None) -> Outcome | Steps:
    if capability(t, "security_ext") == "no":
        return _not_implemented(t, wanted)
    return _extended(t, wanted, flat)


def _extended(t: Engine, wanted: str, flat: int | None) -> Steps:
    payload: Payload = {"requestedMessage": EXTENDED_TRIGGERS.down(wanted)}
    if flat:
        payload["connectorId"] = flat
    answer = yield Ask(CHARGER, "ExtendedTriggerMessage", payload)
    is_absent = isinstance(answer, Refused) and answer.code in NOT_THERE
    if is_absent or isinstance(answer, dict):
        t.changed = True
        t.memory.capabilities["security_ext"] = "no" if is_absent else "yes"
    if not isinstance(answer, dict):
        return _refused(t, wanted, answer)
    return {"status": answer["status"]}


def _refused(t: Engine, wanted: str, answer: object) -> Payload | Refused:
    if isinstance(answer, Refused) and answer.code in NOT_THERE:
        return _not_implemented(t, wanted)
    return (
        answer if isinstance(answer, Refused) else Refused("GenericError", "no answer from charging station")
    )


def _trigger_v2g(t: Engine) -> Outcome | Steps:
    if capability(t, "pnc") == "no":
        return _not_implemented(t, "SignV2GCertificate")
    return _v2g(t)


def _v2g(t: Engine) -> Steps:
    answer = yield from pnc.ask(t, "TriggerMessage", {"requestedMessage": "SignV2GCertificate"})
    return _not_implemented(t, "SignV2GCertificate") if answer is None else with_reason(answer)
