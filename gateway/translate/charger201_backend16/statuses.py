"""The status of a connector in 1.6: one word for what 2.0.1 says of the connector and of its transaction."""

from typing import Final

from gateway.translate.charger201_backend16 import inventory
from gateway.translate.charger201_backend16.addresses import flat_of
from gateway.translate.engine import BACKEND, Ask, Engine, How, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import Connector, Transaction
from gateway.translate.parts import NOTHING
from gateway.translate.port import ChargerCall, NoAnswer, Payload
from gateway.translate.tables import EV_SIDE_DISCONNECTED, STATUS_OF_CHARGING_STATE
from gateway.translate.values import moment_text

RULES: Final = Rules()

SOON_S: Final = 1.0
"""When to look again at what has to wait for a message that is out."""

STARTED: Final = ("wait_id", "active", "deauth")
"""The states of a transaction that 1.6 knows of."""

_WINS: Final = ("Faulted", "Unavailable", "Reserved")
_OF_CHARGER: Final = ("Available", "Unavailable", "Faulted")
_LONGEST_INFO: Final = 50


@RULES.charger_call(
    "StatusNotification", How.TRANSLATED, "StatusNotification", Loss.TOPOLOGY_EXTENDED, touches=()
)
def status_notification(t: Engine, call: ChargerCall) -> Payload:
    inventory.once_read(t, call, _take)
    return {}


def _take(t: Engine, payload: Payload) -> None:
    flat = flat_of(t, payload["evseId"], payload["connectorId"])
    if flat is None:
        t.lose(Loss.PAYLOAD_INVALID, "evseId", str(payload["evseId"]))
    else:
        heard(t, flat, payload["connectorStatus"], payload["timestamp"])


def heard(t: Engine, flat: int, status: str, at: str) -> None:
    """The charger says what a connector's status is."""
    key = _key201(t, flat)
    one = connector(t, flat)
    if status == "Available" and t.memory.status201.get(key) != "Available":
        tx = transaction_on(t, flat)
        one.held_until = (
            t.now + t.policies.hold_available_s if tx is not None and tx.state in STARTED else 0.0
        )
        one.finishing = False
    t.memory.status201[key] = status
    changed(t, flat, at)


def occupied(t: Engine, flat: int) -> None:
    """A vehicle is connected, as an event says: what was heard of the free connector is out of date."""
    key = _key201(t, flat)
    if t.memory.status201.get(key, "") in ("", "Available", "Reserved"):
        t.memory.status201[key] = "Occupied"
        connector(t, flat).held_until = 0.0
    connector(t, flat).finishing = False


def ended(t: Engine, flat: int, at: str) -> None:
    """The connector's transaction has ended in 1.6."""
    one = connector(t, flat)
    one.held_until = 0.0
    if is_free(t, flat):
        at = one.at or at
    else:
        one.finishing = True
    changed(t, flat, at)


def is_free(t: Engine, flat: int) -> bool:
    """Whether the charger said last that the connector is available."""
    return t.memory.status201.get(_key201(t, flat)) == "Available"


def connector(t: Engine, flat: int) -> Connector:
    """What is known of a connector's status."""
    return t.memory.connectors.setdefault(str(flat), Connector())


def changed(t: Engine, flat: int, at: str) -> None:
    """Tell the backend a connector's status, if it is another now, after the answer that is being given."""
    one = connector(t, flat)
    if one.owed and one.at != at:
        t.lose(Loss.STATUS_COLLAPSED, "timestamp", one.at)
    one.at = at
    one.owed = True
    if t.delivering:
        t.wake(t.now)
    elif listens(t):
        t.spawn(_telling(t, flat), touches=NOTHING)


def listens(t: Engine) -> bool:
    """Whether the backend is there and has accepted the charger."""
    return t.backend_is_there and t.listens


def tell_owed(t: Engine) -> None:
    """Tell what could not be told before, when the backend listens and no older message waits."""
    if not listens(t):
        return
    for key, one in t.memory.connectors.items():
        if not (one.owed or one.unconfirmed) or f"status {key}" in t.busy:
            continue
        if t.delivering:
            t.wake(t.now + SOON_S)
        else:
            t.spawn(_telling(t, int(key)), touches=NOTHING)


def holds_passed(t: Engine) -> None:
    """Tell what was held back for a transaction's end that did not come."""
    for key, one in t.memory.connectors.items():
        if one.held_until and one.held_until <= t.now:
            one.held_until = 0.0
            t.lose(Loss.TX_OPEN_ON_AVAILABLE, "connectorStatus", "Available")
            changed(t, int(key), one.at)
        elif one.held_until:
            t.wake(one.held_until)


def forget_told(t: Engine) -> None:
    """After a boot the backend expects every status again."""
    t.memory.status16.clear()


def _telling(t: Engine, flat: int) -> Steps:
    """Tell a connector's status, and again if it has changed before that was answered."""
    one = connector(t, flat)
    name = f"status {flat}"
    if name in t.busy:
        one.owed = True
        return {}
    while (payload := _news(t, flat)) is not None:
        t.busy.add(name)
        answer = yield Ask(BACKEND, "StatusNotification", payload, live=True)
        t.busy.discard(name)
        if isinstance(answer, NoAnswer):
            break
        one.unconfirmed = False
        if not one.owed:
            break
    return {}


def _news(t: Engine, flat: int) -> Payload | None:
    """The StatusNotification that is due, None when the backend knows already."""
    one = connector(t, flat)
    one.owed = False
    shown = status_of(t, flat)
    if shown is None:
        return None
    status, info = shown
    problem = t.memory.open_errors.get(str(flat))
    code = problem.error_code if problem else "OtherError" if status == "Faulted" else "NoError"
    is_known = t.memory.status16.get(str(flat)) == status and one.error16 == code and not one.unconfirmed
    if is_known and t.now >= one.asked_until:
        return None
    t.memory.status16[str(flat)] = status
    one.error16, one.unconfirmed, one.asked_until = code, True, 0.0
    told = {
        "connectorId": flat,
        "errorCode": code,
        "status": status,
        "timestamp": one.at or moment_text(t.now),
    }
    if problem is not None:
        info = f"{problem.component}.{problem.variable}"
        if problem.tech_code:
            told["vendorErrorCode"] = problem.tech_code
    if info:
        told["info"] = info[:_LONGEST_INFO]
    return told


def status_of(t: Engine, flat: int) -> tuple[str, str] | None:
    """The 1.6 status of a connector and its info; None when nothing is known or it is held back."""
    own = t.memory.status201.get(_key201(t, flat), "")
    if flat == 0:
        return own if own in _OF_CHARGER else "Available", ""
    if own in _WINS:
        return own, ""
    tx = transaction_on(t, flat)
    if own == "Available":
        return None if connector(t, flat).held_until > t.now else ("Available", "")
    if tx is not None and (status := _of_transaction(tx)) is not None:
        return status
    if connector(t, flat).finishing:
        return "Finishing", ""
    return ("Preparing", "") if own == "Occupied" else None


def transaction_on(t: Engine, flat: int) -> Transaction | None:
    """The newest open transaction of a connector."""
    found = t.memory.open_on(flat=flat)
    return found[-1] if found else None


def _of_transaction(tx: Transaction) -> tuple[str, str] | None:
    state = tx.charging_state
    if tx.state == "pre":
        return ("Preparing", "") if state not in ("", "Idle") else None
    if tx.state == "deauth":
        return "Finishing", ""
    if state == "Idle":
        return "SuspendedEV", EV_SIDE_DISCONNECTED
    if state in STATUS_OF_CHARGING_STATE:
        return STATUS_OF_CHARGING_STATE[state], ""
    return ("SuspendedEV" if tx.has_charged and tx.authorized else "Preparing"), ""


def _key201(t: Engine, flat: int) -> str:
    place = t.memory.place(flat)
    return f"{place.evse}.{place.connector}" if place else "0.0"
