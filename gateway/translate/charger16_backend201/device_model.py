"""The device model a 1.6 charger lacks: its configuration keys as variables, and what the gateway adds."""

from typing import Final, NamedTuple

from gateway.translate.charger16_backend201.common import capability, configured
from gateway.translate.engine import Engine
from gateway.translate.keys import KEY_NAMED, LEGACY, RATES, Key
from gateway.translate.port import Payload
from gateway.translate.tables import CONNECTOR_STATUS, MEASURANDS
from gateway.translate.values import moment_text, without_blanks

SUPPLY_PHASES: Final = "3"
_FEATURES: Final = {
    "LocalAuthListCtrlr": "LocalAuthListManagement",
    "ReservationCtrlr": "Reservation",
    "SmartChargingCtrlr": "SmartCharging",
}
PROFILES_KEY: Final = "SupportedFeatureProfiles"
_NO_ROTATION: Final = ("NotApplicable", "Unknown")


class Item(NamedTuple):
    """One variable as a report shows it. `value` is None when there is none to show."""

    component: Payload
    variable: Payload
    value: str | None
    data_type: str
    mutability: str = "ReadOnly"
    unit: str = ""
    max_limit: int | None = None

    @property
    def name(self) -> tuple[str, str, str]:
        return self.component["name"], self.variable["name"], self.variable.get("instance", "")

    def reported(self) -> Payload:
        """An element of reportData."""
        attribute: Payload = {"type": "Actual", "mutability": self.mutability}
        if self.value is not None:
            attribute["value"] = self.value
        characteristics: Payload = {"dataType": self.data_type, "supportsMonitoring": False}
        if self.unit:
            characteristics["unit"] = self.unit
        if self.max_limit is not None:
            characteristics["maxLimit"] = self.max_limit
        return {
            "component": self.component,
            "variable": self.variable,
            "variableAttribute": [attribute],
            "variableCharacteristics": characteristics,
        }


# Values


def shown(key: Key, value: str) -> str:
    """A configuration value of 1.6 as 2.0.1 writes it."""
    match key.type:
        case "bool":
            return {"true": "true", "1": "true", "false": "false", "0": "false"}.get(
                value.strip().lower(), value
            )
        case "csl":
            return without_blanks(value)
        case "rates":
            return ",".join(RATES.get(word, word) for word in without_blanks(value).split(","))
        case "measurands":
            return ",".join(dict.fromkeys(_without_phase(name) for name in without_blanks(value).split(",")))
        case _:
            return value


def _without_phase(name: str) -> str:
    start, dot, phase = name.rpartition(".")
    return start if dot and start in MEASURANDS and phase[:1] in ("L", "N") else name


def rotation_of(value: str, flat: int) -> str:
    """The entry of one connector in ConnectorPhaseRotation: `0.RST,1.RTS` → `RTS`."""
    for entry in without_blanks(value).split(","):
        number, _, rotation = entry.partition(".")
        if number == str(flat):
            return "" if rotation in _NO_ROTATION else rotation
    return ""


def rotation_with(value: str, flat: int, rotation: str) -> str:
    """ConnectorPhaseRotation with another entry for one connector."""
    entries = [entry for entry in without_blanks(value).split(",") if entry]
    made = f"{flat}.{rotation or _NO_ROTATION[0]}"
    numbers = [entry.partition(".")[0] for entry in entries]
    if str(flat) in numbers:
        entries[numbers.index(str(flat))] = made
    else:
        entries.append(made)
    return ",".join(entries)


# Configuration keys as variables


def items_of(t: Engine, entry: Payload) -> list[Item]:
    """The variables that a reported configuration key is: usually one, none for what is derived otherwise."""
    name, value = entry["key"], entry.get("value")
    key = KEY_NAMED.get(name.casefold())
    mutability = "ReadOnly" if entry["readonly"] else "ReadWrite"
    if key is None and name.casefold().startswith("meterpublickey") and name[14:].isdecimal():
        place = t.memory.place(int(name[14:][:6]))
        where = {"name": "FiscalMetering", "evse": {"id": place.evse if place else 1}}
        return [Item(where, {"name": "PublicKey"}, value, "string", "ReadOnly")]
    if key is None or not (key.variable or key.derived):
        data_type = key.data_type if key else "string"
        return [Item({"name": LEGACY}, {"name": name}, value, data_type, mutability)]
    if key.derived or (key.leg_scoped and key.access != "W"):
        return []
    if key.type == "phases":
        return _rotations(t, value or "", mutability)
    return [_item(key, value, mutability)]


def _item(key: Key, value: str | None, mutability: str) -> Item:
    item = Item({"name": key.component}, _variable(key), None, key.data_type, mutability, key.unit)
    if key.access == "W":
        return item._replace(mutability="WriteOnly")
    if key.is_limit:
        limit = int(value) if value is not None and value.isdecimal() and len(value) < 10 else None
        return item._replace(mutability="ReadOnly", max_limit=limit)
    return item if value is None else item._replace(value=shown(key, value))


def _variable(key: Key) -> Payload:
    return {"name": key.variable} | ({"instance": key.instance} if key.instance else {})


def _rotations(t: Engine, value: str, mutability: str) -> list[Item]:
    made = [
        Item(
            {"name": "ChargingStation"},
            {"name": "PhaseRotation"},
            rotation_of(value, 0),
            "OptionList",
            mutability,
        )
    ]
    for evse in sorted({place.evse for place in t.memory.topology}):
        place = t.memory.place_of(evse)
        assert place is not None
        rotation = rotation_of(value, place.flat)
        where = {"name": "EVSE", "evse": {"id": evse}}
        made.append(Item(where, {"name": "PhaseRotation"}, rotation, "OptionList", mutability))
    return made


# What the gateway adds


def _plain(
    component: str, variable: str, value: str, data_type: str, instance: str = "", unit: str = ""
) -> Item:
    named = {"name": variable} | ({"instance": instance} if instance else {})
    return Item({"name": component}, named, value, data_type, "ReadOnly", unit)


def synthesised(t: Engine) -> list[Item]:
    """All variables that the gateway answers for itself; all of them read only."""
    return [*_transactions(), *_station(t), *_evses(t), *_communication(), *_controllers(t)]


def _transactions() -> list[Item]:
    return [
        _plain("TxCtrlr", "TxStartPoint", "PowerPathClosed", "MemberList"),
        _plain("TxCtrlr", "TxStopPoint", "EVConnected,Authorized", "MemberList"),
        _plain("TxCtrlr", "TxBeforeAcceptedEnabled", "false", "boolean"),
    ]


def _station(t: Engine) -> list[Item]:
    status = CONNECTOR_STATUS.up(t.memory.status16.get("0", "Available")) or "Available"
    boot = t.memory.boot
    told = {
        "Model": boot.get("chargePointModel"),
        "VendorName": boot.get("chargePointVendor"),
        "SerialNumber": boot.get("chargePointSerialNumber", boot.get("chargeBoxSerialNumber")),
        "FirmwareVersion": boot.get("firmwareVersion"),
    }
    made = [
        _plain("ChargingStation", "Available", "true", "boolean"),
        _plain("ChargingStation", "AvailabilityState", status, "OptionList"),
        *(_plain("ChargingStation", name, value, "string") for name, value in told.items() if value),
        _plain("ChargingStation", "SupplyPhases", SUPPLY_PHASES, "integer"),
    ]
    if "chargePointSerialNumber" in boot and "chargeBoxSerialNumber" in boot:
        box = boot["chargeBoxSerialNumber"]
        made.append(_plain("ChargingStation", "SerialNumber", box, "string", "ChargeBox"))
    for member, variable in (("meterType", "Model"), ("meterSerialNumber", "SerialNumber")):
        if boot.get(member):
            made.append(_plain("FiscalMetering", variable, boot[member], "string"))
    return made


def _evses(t: Engine) -> list[Item]:
    made = []
    for evse in sorted({place.evse for place in t.memory.topology}):
        where = {"name": "EVSE", "evse": {"id": evse}}
        made.append(Item(where, {"name": "Available"}, "true", "boolean"))
        made.append(Item(where, {"name": "AvailabilityState"}, evse_state(t, evse), "OptionList"))
        made.append(Item(where, {"name": "SupplyPhases"}, SUPPLY_PHASES, "integer"))
    for place in t.memory.topology:
        where = {"name": "Connector", "evse": {"id": place.evse, "connectorId": place.connector}}
        made.append(Item(where, {"name": "Available"}, "true", "boolean"))
        state = connector_state(t, place.flat)
        made.append(Item(where, {"name": "AvailabilityState"}, state, "OptionList"))
        made.append(Item(where, {"name": "ConnectorType"}, "Unknown", "string"))
        made.append(Item(where, {"name": "SupplyPhases"}, SUPPLY_PHASES, "integer"))
    return made


def connector_state(t: Engine, flat: int) -> str:
    """The last state of a connector in 2.0.1's words."""
    return CONNECTOR_STATUS.up(t.memory.status16.get(str(flat), "Available")) or "Available"


def evse_state(t: Engine, evse: int) -> str:
    """The state of an EVSE: that of its busiest connector."""
    states = [connector_state(t, place.flat) for place in t.memory.topology if place.evse == evse]
    for state in ("Occupied", "Reserved", "Available", "Unavailable", "Faulted"):
        if state in states:
            return state
    return "Available"


def _communication() -> list[Item]:
    sizes = [
        _plain("DeviceDataCtrlr", variable, value, "integer", action)
        for variable, value in (("ItemsPerMessage", "50"), ("BytesPerMessage", "65000"))
        for action in ("GetVariables", "SetVariables", "GetReport")
    ]
    return [
        _plain("OCPPCommCtrlr", "OfflineThreshold", "60", "integer", unit="s"),
        _plain("OCPPCommCtrlr", "NetworkConfigurationPriority", "1", "SequenceList"),
        _plain("OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "3", "integer"),
        _plain("OCPPCommCtrlr", "QueueAllMessages", "false", "boolean"),
        *sizes,
    ]


def _controllers(t: Engine) -> list[Item]:
    costs = "true" if capability(t, "costmsg") == "yes" else "false"
    made = [
        *(_plain("SampledDataCtrlr", name, "true", "boolean") for name in ("Available", "Enabled")),
        _plain("SampledDataCtrlr", "TxStartedMeasurands", "Energy.Active.Import.Register", "MemberList"),
        *(_plain("AlignedDataCtrlr", name, "true", "boolean") for name in ("Available", "Enabled")),
        _plain("AuthCtrlr", "Enabled", "true", "boolean"),
        _plain("MonitoringCtrlr", "Available", "false", "boolean"),
        _plain("DisplayMessageCtrlr", "Available", "false", "boolean"),
        _plain("TariffCostCtrlr", "Available", costs, "boolean", "Tariff"),
        _plain("TariffCostCtrlr", "Available", costs, "boolean", "Cost"),
        _plain("SecurityCtrlr", "SecurityProfile", str(t.memory.upstream_security_profile), "integer"),
        _plain("ClockCtrlr", "DateTime", moment_text(t.now), "dateTime"),
        _plain("ClockCtrlr", "TimeSource", "Heartbeat", "SequenceList"),
    ]
    for component, feature in _FEATURES.items():
        there = "true" if has_feature(t, feature) else "false"
        made.append(_plain(component, "Available", there, "boolean"))
        if component != "LocalAuthListCtrlr":  # that one has a key of its own
            made.append(_plain(component, "Enabled", there, "boolean"))
    return made


def has_feature(t: Engine, feature: str) -> bool:
    """Whether the charger named this feature profile."""
    known = configured(t, PROFILES_KEY) or ""
    return feature.casefold() in without_blanks(known).casefold().split(",")


def needs_profiles(component: str, variable: str) -> bool:
    """Whether a variable is made of SupportedFeatureProfiles."""
    return component in _FEATURES and variable in ("Available", "Enabled")
