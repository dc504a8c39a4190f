"""A vector written short: who says what, in turn."""

from typing import Any

Said = tuple[str, list[Any]]

ID = "6f1d2c3b-4a59-4e87-9b0a-1c2d3e4f5a6b"
OTHER_ID = "0b9e7d6c-5f4a-4b3c-8d2e-1f0a9b8c7d6e"
TOKEN = {"idToken": "04A2B3C4D5E680", "type": "ISO14443"}


def scene(
    *turns: "Said | list[Said] | dict[str, Any]",
    direction: str = "cs1.6-be2.0.1",
    losses: tuple[tuple[str, str], ...] = (),
    after: dict[str, Any] | None = None,
    **state: Any,
) -> dict[str, Any]:
    """A vector of these turns; those in a list are heard in any order.

    `("charger", frame)` and `("backend", frame)` are what they say, `("to charger", frame)` and
    `("to backend", frame)` what they hear; a dict is something else that happens.
    """
    legs = {"charger": "cs", "backend": "be"}
    taken: list[dict[str, Any]] = []
    given: list[dict[str, Any]] = []
    for t, turn in enumerate(turns, 1):
        for said in turn if isinstance(turn, list) else [turn]:
            if isinstance(said, dict):
                taken.append({"t": t} | said)
            elif said[0].startswith("to "):
                given.append({"t": t, "leg": legs[said[0][3:]], "frame": said[1]})
            else:
                taken.append({"t": t, "leg": legs[said[0]], "frame": said[1]})
    before = {
        "clock": "2025-06-01T10:00:00.000Z",
        "registration": "Accepted",
        "links": {"cs": "up", "be": "up"},
        "topology": [{"flat": 1, "evse": 1, "connector": 1}],
    }
    return {
        "name": "scene",
        "direction": direction,
        "state_before": before | state,
        "in": taken,
        "out": given,
        "loss": [{"code": code, "path": path} for code, path in losses],
        "state_after": after or {},
    }


def transaction(**members: Any) -> dict[str, Any]:
    """An open transaction of a 1.6 charger."""
    return {
        "id16": 1001,
        "id201": ID,
        "flat": 1,
        "evse": 1,
        "connector": 1,
        "state": "active",
        "seq_next": 1,
        "charging_state": "Charging",
        "status16": "Charging",
        "id_token": TOKEN,
        "id_tag": TOKEN["idToken"],
        "meter_start_wh": 1000,
        "last_register_wh": 1000,
        "started_at": "2025-06-01T09:00:00Z",
        "has_charged": True,
        "authorized": True,
    } | members


def register(wh: int, context: str) -> dict[str, Any]:
    """The energy register as a sample of 2.0.1 that the gateway made of meterStart or meterStop."""
    return {
        "value": wh,
        "context": context,
        "measurand": "Energy.Active.Import.Register",
        "location": "Outlet",
        "unitOfMeasure": {"unit": "Wh"},
    }


def started(at: str, wh: int, trigger: str = "Authorized", **members: Any) -> dict[str, Any]:
    """TransactionEvent(Started) of a StartTransaction; `info` and others replace or add members."""
    info = {"transactionId": ID, "chargingState": "EVConnected"} | members.pop("info", {})
    return {
        "eventType": "Started",
        "timestamp": at,
        "triggerReason": trigger,
        "seqNo": 0,
        "transactionInfo": info,
        "evse": {"id": 1, "connectorId": 1},
        "idToken": TOKEN,
        "meterValue": [{"timestamp": at, "sampledValue": [register(wh, "Transaction.Begin")]}],
    } | members


def updated(at: str, seq: int, trigger: str, state: str = "", **members: Any) -> dict[str, Any]:
    """TransactionEvent(Updated)."""
    info = {"transactionId": ID} | ({"chargingState": state} if state else {})
    return {
        "eventType": "Updated",
        "timestamp": at,
        "triggerReason": trigger,
        "seqNo": seq,
        "transactionInfo": info,
    } | members


def ended(
    at: str, seq: int, wh: int, trigger: str, reason: str, state: str = "EVConnected", **members: Any
) -> Any:
    """TransactionEvent(Ended) of a StopTransaction."""
    return {
        "eventType": "Ended",
        "timestamp": at,
        "triggerReason": trigger,
        "seqNo": seq,
        "transactionInfo": {"transactionId": ID, "chargingState": state, "stoppedReason": reason},
        "meterValue": [{"timestamp": at, "sampledValue": [register(wh, "Transaction.End")]}],
    } | members


def sample(value: float, **members: Any) -> dict[str, Any]:
    """A sample of 2.0.1 that says as little as one of 1.6 may."""
    return {
        "value": value,
        "measurand": "Energy.Active.Import.Register",
        "unitOfMeasure": {"unit": "Wh"},
    } | members
