"""The messages of the simulation: every one that bills carries a number of its own, its meter reading."""

import msgspec
from msgspec import Struct

from gateway.ocpp.message import Version

REVENUE = {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"}

_decode = msgspec.json.decode
dumps = msgspec.json.encode


def parsed(data: bytes) -> list:
    return _decode(data)


def call(id_: str, action: str, payload: dict) -> bytes:
    return dumps([2, id_, action, payload])


def result(id_: str, payload: dict) -> bytes:
    return dumps([3, id_, payload])


def error(id_: str, code: str) -> bytes:
    return dumps([4, id_, code, "", {}])


def token_of(action: str, payload: dict) -> int:
    """The number of a message that must not be lost; 0 for every other message."""
    match action:
        case "StartTransaction":
            return payload["meterStart"]
        case "StopTransaction":
            return payload["meterStop"]
        case "MeterValues":
            return int(payload["meterValue"][0]["sampledValue"][0]["value"])
        case "TransactionEvent" if "meterValue" in payload:
            return int(payload["meterValue"][-1]["sampledValue"][0]["value"])
        case "SecurityEventNotification":
            return int(payload["techInfo"])
    return 0


def token_in(data: bytes) -> int:
    _, _, action, payload = parsed(data)
    return token_of(action, payload)


class Transaction(Struct):
    """One transaction as its charger sees it. `id_` is None while its start is unanswered."""

    charger: str
    connector: int
    tag: str
    id_: int | str | None = None
    is_open: bool = True
    is_silent: bool = False
    sequence: int = 0
    start: int = 0


class Message(Struct):
    """One message of a charger that must not be lost, until it is answered."""

    token: int
    action: str
    stage: str
    transaction: Transaction | None
    time: str
    sequence: int = 0
    id_: str = ""
    sends: int = 0
    bad: int = 0
    again_at: float = 0.0

    def payload(self) -> dict:
        """As it is sent now: its transaction's id is known by now."""
        known = self.transaction
        if known is None:
            return {"type": "StartupOfTheDevice", "timestamp": self.time, "techInfo": str(self.token)}
        values = [{"timestamp": self.time, "sampledValue": [{"value": str(self.token)}]}]
        if self.action == "StartTransaction":
            return {
                "connectorId": known.connector,
                "idTag": known.tag,
                "meterStart": self.token,
                "timestamp": self.time,
            }
        if self.action == "StopTransaction":
            return {"transactionId": known.id_, "meterStop": self.token, "timestamp": self.time}
        if self.action == "MeterValues":
            return {"connectorId": known.connector, "transactionId": known.id_, "meterValue": values}
        context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(
            self.stage, "Sample.Periodic"
        )
        values = [{"timestamp": self.time, "sampledValue": [{"value": self.token, "context": context}]}]
        event = {
            "eventType": self.stage,
            "timestamp": self.time,
            "triggerReason": {"Started": "Authorized", "Updated": "MeterValuePeriodic"}.get(
                self.stage, "StopAuthorized"
            ),
            "seqNo": self.sequence,
            "transactionInfo": {"transactionId": known.id_, "chargingState": "Charging"},
            "evse": {"id": known.connector, "connectorId": 1},
            "meterValue": values,
        }
        if self.stage == "Started":
            event["idToken"] = {"idToken": known.tag, "type": "ISO14443"}
        return event


ACTIONS = {
    Version.V16: {"Started": "StartTransaction", "Updated": "MeterValues", "Ended": "StopTransaction"},
    Version.V201: dict.fromkeys(("Started", "Updated", "Ended"), "TransactionEvent"),
}


def boot(version: Version) -> dict:
    if version is Version.V16:
        return {"chargePointVendor": "V", "chargePointModel": "M"}
    return {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


def status(version: Version, connector: int, charging: bool, time: str) -> dict:
    if version is Version.V16:
        state = "Charging" if charging else "Available"
        return {"connectorId": connector, "errorCode": "NoError", "status": state}
    state = "Occupied" if charging else "Available"
    return {"timestamp": time, "connectorStatus": state, "evseId": connector, "connectorId": 1}


def authorize(version: Version, tag: str) -> dict:
    return {"idTag": tag} if version is Version.V16 else {"idToken": {"idToken": tag, "type": "ISO14443"}}


def remote_stop(version: Version, id_: int | str) -> tuple[str, dict]:
    if version is Version.V16:
        return "RemoteStopTransaction", {"transactionId": id_}
    return "RequestStopTransaction", {"transactionId": id_}


def stop_named(action: str, payload: dict) -> int | str | None:
    """The transaction that a command wants to end."""
    if action in ("RemoteStopTransaction", "RequestStopTransaction"):
        return payload["transactionId"]
    return None
