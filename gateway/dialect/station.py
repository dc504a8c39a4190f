"""Who the charger says it is: the facts of its BootNotification, in the words of either version."""

import msgspec
from msgspec import Struct

from gateway.ocpp.message import Message

MAX_LENGTH = 50  # OCPP 2.0.1 BootNotificationRequest; longer texts are cut, for they end in labels and logs


class Station(Struct, frozen=True):
    """Vendor, model, firmware and serial number as reported; "" for what is not known."""

    vendor: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""


_FIELDS_16 = ("chargePointVendor", "chargePointModel", "firmwareVersion", "chargePointSerialNumber")
_FIELDS_2 = ("vendorName", "model", "firmwareVersion", "serialNumber")


def station_of(boot: Message) -> Station:
    """The station that a BootNotification CALL describes (OCPP 1.6 §4.2, 2.0.1 B01)."""
    try:
        payload = msgspec.json.decode(boot.frame)[3]
    except (msgspec.DecodeError, RecursionError, ValueError, IndexError):
        return Station()
    if not isinstance(payload, dict):
        return Station()
    in_2 = payload.get("chargingStation")
    source, names = (in_2, _FIELDS_2) if isinstance(in_2, dict) else (payload, _FIELDS_16)
    texts = (source.get(name, "") for name in names)
    return Station(*(text.strip()[:MAX_LENGTH] if isinstance(text, str) else "" for text in texts))
