"""What a configuration key of 1.6 is to a 2.0.1 charger: its variables, and its value in both versions."""

import re
from typing import Any, Final

from msgspec import Struct

from gateway.ocpp.values import dumps
from gateway.translate.charger201_backend16.inventory import name_of, place_of
from gateway.translate.engine import Engine
from gateway.translate.keys import KEY_NAMED, KEY_OF_VARIABLE, RATES, Key
from gateway.translate.losses import Loss
from gateway.translate.port import Payload
from gateway.translate.tables import MEASURANDS, PHASES
from gateway.translate.values import parsed, without_blanks

Place = tuple[Payload, Payload]
"""Component and variable."""

LONGEST_VALUE: Final = 500

_METER_KEY: Final = re.compile(r"MeterPublicKey(\d{1,4})", re.IGNORECASE)
_FEATURES: Final = (
    ("local_list", "LocalAuthListManagement"),
    ("reservation", "Reservation"),
    ("smart_charging", "SmartCharging"),
)
_NO_PHASES: Final = ("NotApplicable", "Unknown")
_REDIRECTING: Final = ("OCPPCommCtrlr.NetworkConfigurationPriority",)


class Meaning(Struct, frozen=True):
    """What a key means: `name` as it is reported, its entry of the table if it has one, and its variables.

    No variables and no `derived` value: the charger has no such thing.
    """

    name: str
    entry: Key | None
    places: list[Place]

    @property
    def is_known(self) -> bool:
        return bool(self.places) or (self.entry is not None and (self.entry.derived or self.entry.leg_scoped))

    @property
    def redirects(self) -> bool:
        """Whether writing it would take the charger away from the gateway."""
        return any(name_of(*place) in _REDIRECTING for place in self.places)


def meaning(t: Engine, key: str) -> Meaning:
    """What a 1.6 backend means by a key: one of the standard, or the name of any variable of 2.0.1."""
    entry = KEY_NAMED.get(key.casefold())
    if entry is not None:
        return Meaning(entry.key, entry, _places(t, entry))
    if (match := _METER_KEY.fullmatch(key)) is not None:
        place = t.memory.place(int(match[1]))
        component = {"name": "FiscalMetering", "evse": {"id": place.evse if place else 0}}
        return Meaning(
            key, KEY_NAMED["meterpublickey"], [(component, {"name": "PublicKey"})] if place else []
        )
    found = place_of(key)
    if found is None:
        return Meaning(key, None, [])
    standard = key_of(*found)
    return Meaning(key, standard if standard is not None and standard.leg_scoped else None, [found])


def _places(t: Engine, entry: Key) -> list[Place]:
    if not entry.variable or entry.derived or entry.key == "MeterPublicKey":
        return []
    if entry.type == "phases":
        evses = sorted({place.evse for place in t.memory.topology})
        station: Place = ({"name": "ChargingStation"}, {"name": "PhaseRotation"})
        return [station, *(_phases_of(evse) for evse in evses)]
    names = ((entry.component, entry.variable, entry.instance), *entry.also)
    return [
        ({"name": component}, {"name": variable} | ({"instance": instance} if instance else {}))
        for component, variable, instance in names
    ]


def _phases_of(evse: int) -> Place:
    return {"name": "EVSE", "evse": {"id": evse}}, {"name": "PhaseRotation"}


def key_of(component: Payload, variable: Payload) -> Key | None:
    """The standard key of a variable, None when it has none."""
    if "evse" in component or "instance" in component:
        return None
    return KEY_OF_VARIABLE.get((component["name"], variable["name"], variable.get("instance", "")))


def derived(t: Engine, entry: Key) -> str:
    """The value of a key that is no variable of 2.0.1, but follows from what is known."""
    topology = t.memory.topology
    match entry.key:
        case "NumberOfConnectors":
            return str(max((place.flat for place in topology), default=0))
        case "ConnectorPhaseRotationMaxLength":
            return str(len({place.evse for place in topology}) + 1)
        case "SupportedFeatureProfiles":
            has = [name for capability, name in _FEATURES if t.memory.capabilities.get(capability) == "yes"]
            return ",".join(["Core", "FirmwareManagement", "RemoteTrigger", *has])
        case "SupportedFeatureProfilesMaxLength":
            return "6"
        case _:
            return str(len(MEASURANDS))


# Values


def read_value(entry: Key | None, values: list[str]) -> str:
    """The value as 1.6 writes it; of several variables both must be true."""
    value = values[0]
    match entry.type if entry is not None else "":
        case "bool":
            return "true" if all(one.strip().casefold() == "true" for one in values) else "false"
        case "rates":
            names = {new: old for old, new in RATES.items()}
            return ",".join(names.get(rate, rate) for rate in without_blanks(value).split(","))
        case "csl" | "measurands":
            return without_blanks(value)
        case _:
            is_price = entry is not None and entry.key == "DefaultPrice"
            return dumps({"priceText": value}) if is_price else value


def read_phases(t: Engine, values: dict[str, str]) -> str:
    """ConnectorPhaseRotation of the rotations of charger and EVSEs, by the variables' names."""
    entries = []
    flats = [(0, "ChargingStation.PhaseRotation")]
    flats += [(place.flat, name_of(*_phases_of(place.evse))) for place in t.memory.topology]
    for flat, name in flats:
        if name in values:
            entries.append(f"{flat}.{values[name] or 'Unknown'}")
    return ",".join(entries)


def written(t: Engine, entry: Key | None, places: list[Place], value: str) -> list[tuple[Place, str]] | None:
    """What to write where for a key's new value; None when it cannot be said in 2.0.1."""
    if entry is not None and entry.type == "phases":
        return _written_phases(t, value)
    made = _value_201(t, entry, value)
    return None if made is None else [(place, made) for place in places]


def _value_201(t: Engine, entry: Key | None, value: str) -> str | None:
    match entry.type if entry is not None else "":
        case "bool":
            plain = value.strip().casefold()
            return {"1": "true", "0": "false"}.get(plain, plain)
        case "rates":
            rates = without_blanks(value).split(",")
            return ",".join(RATES[rate] for rate in rates) if all(rate in RATES for rate in rates) else None
        case "measurands":
            return _measurands(t, value)
        case "csl":
            return without_blanks(value)
        case _ if entry is not None and entry.key == "DefaultPrice":
            return _price_text(value)
        case _:
            return value


def _measurands(t: Engine, value: str) -> str | None:
    """A list of measurands without phases, which 2.0.1 does not choose, and without those it lacks."""
    kept: list[str] = []
    for name in without_blanks(value).split(","):
        base, _, phase = name.rpartition(".")
        plain = base if phase in PHASES else name
        if plain in MEASURANDS and plain not in kept:
            kept.append(plain)
        elif plain and plain not in MEASURANDS:
            t.lose(Loss.MEASURAND_DROPPED, "value", name)
    return ",".join(kept) if kept or not value.strip() else None


def _price_text(value: str) -> str | None:
    try:
        said: Any = parsed(value)
    except ValueError:
        return value
    text = said.get("priceText") if isinstance(said, dict) else None
    return text if isinstance(text, str) else None


def _written_phases(t: Engine, value: str) -> list[tuple[Place, str]] | None:
    made: dict[str, tuple[Place, str]] = {}
    for part in without_blanks(value).split(","):
        number, _, rotation = part.partition(".")
        place = t.memory.place(int(number)) if number.isdecimal() and len(number) < 6 else None
        if not rotation or (place is None and number != "0"):
            return None
        target: Place = ({"name": "ChargingStation"}, {"name": "PhaseRotation"})
        if place is not None:
            target = _phases_of(place.evse)
        made[name_of(*target)] = (target, "" if rotation in _NO_PHASES else rotation)
    return list(made.values())
