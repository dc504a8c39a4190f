"""Boot, heartbeat, authorisation, and readings outside of transactions."""

from typing import Final

from gateway.translate import tokens
from gateway.translate.charger201_backend16 import inventory, statuses
from gateway.translate.charger201_backend16.addresses import flat_of_evse
from gateway.translate.charger201_backend16.plug_and_charge import has_contract, refuse_contract, tunnel
from gateway.translate.charger201_backend16.starts_stops import asked
from gateway.translate.engine import BACKEND, Ask, Engine, How, Rules, Steps, Undelivered
from gateway.translate.losses import Loss
from gateway.translate.memory import Authorisation, remember
from gateway.translate.port import SILENCE, ChargerCall, Payload, Refused, Severity
from gateway.translate.registration import registered
from gateway.translate.samples import values_16
from gateway.translate.values import moment_text

RULES: Final = Rules()

_LONGEST_VENDOR: Final = 20


@RULES.charger_call(
    "BootNotification",
    How.TRANSLATED,
    "BootNotification, StatusNotification",
    Loss.VALUE_TRUNCATED,
    Loss.FIELD_DROPPED,
    Loss.SYNTHESIZED,
)
def boot_notification(t: Engine, call: ChargerCall) -> Steps:
    station = call.payload["chargingStation"]
    t.lose(Loss.FIELD_DROPPED, "reason", call.payload["reason"])
    t.memory.boot = station
    answer = yield Ask(BACKEND, "BootNotification", _boot_16(t, station), live=True)
    if not isinstance(answer, dict):
        return Undelivered(answer if isinstance(answer, Refused) else SILENCE)
    _registered(t, answer, station)
    return answer


def announced(t: Engine) -> Steps:
    """The backend has not accepted the charger, which has stopped trying."""
    answer = yield Ask(BACKEND, "BootNotification", _boot_16(t, t.memory.boot), live=True)
    if isinstance(answer, dict):
        _registered(t, answer, t.memory.boot)
    return {}


def _registered(t: Engine, answer: Payload, station: Payload) -> None:
    registered(t, answer["status"], answer["interval"])
    if answer["status"] == "Accepted":
        statuses.forget_told(t)
        t.wake(t.now)
        t.spawn(introduced(t, station.get("firmwareVersion", "")))


def _boot_16(t: Engine, station: Payload) -> Payload:
    vendor = station["vendorName"]
    if len(vendor) > _LONGEST_VENDOR:
        vendor = vendor[:_LONGEST_VENDOR]
        t.lose(
            Loss.VALUE_TRUNCATED, "chargingStation.vendorName", station["vendorName"], vendor, Severity.WARN
        )
    made = {"chargePointVendor": vendor, "chargePointModel": station["model"]}
    if "serialNumber" in station:
        made["chargePointSerialNumber"] = station["serialNumber"]
    if "firmwareVersion" in station:
        made["firmwareVersion"] = station["firmwareVersion"]
    modem = station.get("modem", {})
    return made | {key: modem[key] for key in ("iccid", "imsi") if key in modem}


def introduced(t: Engine, firmware: str) -> Steps:
    """After the backend has accepted the charger: tell it of the charger itself and its connectors."""
    if inventory.is_wanted(t, firmware):
        yield from inventory.read(t)
    t.memory.inventory.firmware = firmware
    t.lose(Loss.SYNTHESIZED, "StatusNotification(0)")
    statuses.changed(t, 0, moment_text(t.now))
    statuses.tell_owed(t)
    inventory.take_cached(t)
    return {}


@RULES.charger_call("Heartbeat", How.TRANSLATED, "Heartbeat", stateless=True)
def heartbeat(t: Engine, call: ChargerCall) -> Steps:
    answer = yield Ask(BACKEND, "Heartbeat", {}, live=True)
    return answer if isinstance(answer, dict | Refused) else {"currentTime": moment_text(t.now)}


@RULES.charger_call(
    "Authorize",
    How.TRANSLATED,
    "Authorize, DataTransfer",
    Loss.FIELD_DROPPED,
    Loss.TOKEN_ALIASED,
    Loss.NOT_SUPPORTED,
)
def authorize(t: Engine, call: ChargerCall) -> Steps:
    payload = call.payload
    if has_contract(payload):
        inner = yield from tunnel(t, "Authorize", payload)
        return refuse_contract(t, payload) if inner is None else inner
    id_tag = tokens.told_tag(t, payload["idToken"])
    answer = yield Ask(BACKEND, "Authorize", {"idTag": id_tag}, live=True)
    if isinstance(answer, dict):
        remember(t.memory.authorisations, id_tag.casefold(), Authorisation(answer["idTagInfo"], t.now))
        return {"idTokenInfo": tokens.id_token_info(t, answer["idTagInfo"])}
    return answer if isinstance(answer, Refused) else Undelivered(SILENCE)


@RULES.charger_call(
    "MeterValues", How.TRANSLATED, "MeterValues", Loss.MEASURAND_DROPPED, Loss.UNIT_DROPPED, Loss.SYNTHESIZED
)
def meter_values(t: Engine, call: ChargerCall) -> Steps:
    evse = call.payload["evseId"]
    flat = flat_of_evse(t, evse)
    values = values_16(t, call.payload["meterValue"], "meterValue")
    if flat is None or not values:
        if flat is None:
            t.lose(Loss.PAYLOAD_INVALID, "evseId", str(evse))
        return {}
    payload: Payload = {"connectorId": flat, "meterValue": values}
    running = [tx for tx in t.memory.open_on(evse=evse) if tx.state in ("active", "deauth")] if evse else []
    if len(running) == 1:
        payload["transactionId"] = running[0].id16
        t.lose(Loss.SYNTHESIZED, "transactionId", "", str(running[0].id16))
    answer = yield from asked(t, "MeterValues", payload)
    return Undelivered(answer) if isinstance(answer, Refused) else {}
