"""What the subjects share: refusals in a message's own words, connectors and EVSEs, time."""

from typing import Any, Final

from gateway.translate.engine import CHARGER, Ask, Engine, Outcome, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.memory import Place, Transaction
from gateway.translate.port import SILENCE, Answer, NoAnswer, Payload, Refused, Severity
from gateway.translate.values import compact

UNSUPPORTED: Final = "UnsupportedRequest"
NO_ANSWER: Final = Refused("GenericError", "no answer from charging station")

MOST_CONNECTORS: Final = 64
TRIGGER_S: Final = 30.0

NOT_THERE: Final = ("NotImplemented", "NotSupported")
NOT_UNDERSTOOD: Final = (*NOT_THERE, "FormationViolation", "FormatViolation")


def because(status: str, reason: str) -> Payload:
    """An answer of the gateway's own, with its reason."""
    return {"status": status, "statusInfo": {"reasonCode": reason}}


def rejected(reason: str) -> Payload:
    """Rejected, with its reason."""
    return because("Rejected", reason)


def not_supported(
    t: Engine,
    path: str,
    reason: str = UNSUPPORTED,
    status: str = "Rejected",
    severity: Severity = Severity.INFO,
) -> Payload:
    """The refusal of what 1.6 has no way to do."""
    t.lose(Loss.NOT_SUPPORTED, path, severity=severity)
    return because(status, reason)


def refusal(t: Engine, action: str, answer: Answer, negative: str = "Rejected") -> Payload | Refused:
    """What the backend hears when the charger answered a command with an error, or not at all."""
    if isinstance(answer, Refused):
        return not_supported(t, action, status=negative) if answer.code in NOT_THERE else answer
    assert isinstance(answer, NoAnswer)
    return NO_ANSWER


def failed(t: Engine, action: str, answer: Answer) -> Outcome:
    """What the charger hears when the backend answered its question with an error, or not at all."""
    if not isinstance(answer, Refused):
        return Undelivered(SILENCE)
    t.lose(Loss.BACKEND_ERROR, action, answer.code)
    return answer


def tell_reason(t: Engine, answer: Payload) -> None:
    """The backend's reason for its answer has no place in 1.6."""
    if "statusInfo" in answer:
        t.lose(Loss.STATUSINFO_DROPPED, "statusInfo", compact(answer["statusInfo"]))


def with_reason(answer: Payload) -> Payload:
    """The status of an answer of 2.0.1 that came inside DataTransfer, and its reason."""
    return {key: answer[key] for key in ("status", "statusInfo") if key in answer}


def simple(t: Engine, action: str, payload: Payload, asked_as: str, negative: str = "Rejected") -> Steps:
    """A command with the same statuses in both versions."""
    answer = yield Ask(CHARGER, action, payload)
    if not isinstance(answer, dict):
        return refusal(t, asked_as, answer, negative)
    return {"status": answer["status"]}


def place_at(t: Engine, flat: int) -> Place:
    """The EVSE and connector of a flat number; an unknown one gets a place."""
    known = t.memory.place(flat)
    if known is not None:
        return known
    if t.policies.one_evse:
        evse, connector = 1, flat
    else:
        evse, connector = max([flat - 1, *(place.evse for place in t.memory.topology)]) + 1, 1
    if t.memory.place_of(flat) is None and not t.policies.one_evse:
        evse = flat
    place = Place(flat, evse, connector)
    if len(t.memory.topology) >= MOST_CONNECTORS:
        return place
    t.memory.topology.append(place)
    t.lose(Loss.TOPOLOGY_EXTENDED, "connectorId", str(flat), f"{evse}.{connector}")
    return place


def connectors_of(t: Engine, evse: int) -> list[Place]:
    """The connectors of an EVSE; while the charger has told of none, that of the same number."""
    if not t.memory.topology and evse > 0:
        return [Place(evse, evse, 1)]
    return [place for place in t.memory.topology if place.evse == evse]


def connector_of(t: Engine, evse: int, connector: int | None = None) -> Place | None:
    """One connector of an EVSE, the first if none is named; None when there is no such."""
    places = connectors_of(t, evse)
    return next((place for place in places if connector in (None, place.connector)), None)


def flat_of(t: Engine, evse: int) -> int | None:
    """The connector an EVSE's command is for: 0 for 0, the one in use, else the first; None if unknown."""
    if evse == 0:
        return 0
    places = connectors_of(t, evse)
    busy = [place for place in places if t.memory.open_on(flat=place.flat)]
    ready = [place for place in places if t.memory.status16.get(str(place.flat)) == "Preparing"]
    chosen = (busy or ready or places)[:1]
    return chosen[0].flat if chosen else None


def evse_of(t: Engine, flat: int) -> int:
    """The EVSE of a flat number."""
    return place_at(t, flat).evse if flat > 0 else 0


def only_open_on(t: Engine, flat: int) -> Transaction | None:
    """The open transaction of a connector, when it is the only one."""
    found = t.memory.open_on(flat=flat)
    return found[0] if len(found) == 1 else None


def capability(t: Engine, name: str) -> str:
    """`yes`, `no` or `unknown`."""
    return t.memory.capabilities.get(name, "unknown")


def configured(t: Engine, key: str) -> str | None:
    """The last known value of a configuration key of the charger."""
    known = t.memory.configuration.get(key.casefold(), {})
    value: Any = known.get("value")
    return value if isinstance(value, str) else None


def is_true(text: str | None) -> bool:
    """Whether a configuration value says yes."""
    return text is not None and text.strip().lower() in ("true", "1")


def trigger(t: Engine, message: str, evse: int | None) -> None:
    """The charger is asked to send this message within half a minute."""
    t.triggers[message, evse] = t.now + TRIGGER_S


def trigger_taken(t: Engine, message: str, evse: int | None) -> bool:
    """Whether this message was asked for (of this EVSE or of any), and has not come since."""
    keys = ((message, evse), (message, None))
    return any(t.triggers.pop(key, 0.0) >= t.now for key in keys)
