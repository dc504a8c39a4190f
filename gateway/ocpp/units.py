"""Units of measure: other names for the same unit, exact conversions, and what a measurand is measured in."""

from decimal import Decimal
from typing import Final

ALIASES: Final = {
    "hz": "Hertz",
    "c": "Celsius",
    "°c": "Celsius",
    "degc": "Celsius",
    "deg": "Celsius",
    "f": "Fahrenheit",
    "°f": "Fahrenheit",
    "%": "Percent",
    "pct": "Percent",
    "amp": "A",
    "amps": "A",
    "ampere": "A",
    "amperes": "A",
    "volt": "V",
    "volts": "V",
    "watt": "W",
    "watts": "W",
    "kilowatt": "kW",
    "kilowatts": "kW",
    "watthour": "Wh",
    "watthours": "Wh",
    "kelvin": "K",
}
"""Another name, in lower case and without blanks → OCPP's name."""

CONVERSIONS: Final = {
    "mA": ("A", -3),
    "mV": ("V", -3),
    "mW": ("W", -3),
    "mWh": ("Wh", -3),
    "kA": ("A", 3),
    "kV": ("V", 3),
    "MW": ("kW", 3),
    "MWh": ("kWh", 3),
    "GWh": ("kWh", 6),
    "mHz": ("Hertz", -3),
}
"""A unit OCPP does not have, to the letter → OCPP's unit and the power of ten of the factor."""

_FAMILY: Final = {
    "Energy.Active": {"Wh", "kWh"},
    "Energy.Reactive": {"varh", "kvarh"},
    "Power.Active": {"W", "kW"},
    "Power.Offered": {"W", "kW"},
    "Power.Reactive": {"var", "kvar"},
    "Current": {"A"},
    "Voltage": {"V"},
    "Temperature": {"K", "Celcius", "Celsius", "Fahrenheit"},
    "SoC": {"Percent"},
    "Frequency": {"Hertz"},
}

DEFAULT_MEASURAND: Final = "Energy.Active.Import.Register"

WATT_HOURS: Final = {"Wh": 1.0, "kWh": 1000.0}
WATTS: Final = {"W": 1.0, "kW": 1000.0}


def named(alias: str) -> str | None:
    """OCPP's name for another name of the same unit, None when it is none."""
    return ALIASES.get(alias.replace(" ", "").replace(".", "").lower())


def shifted(text: str, exponent: int) -> str:
    """A decimal number times a power of ten, exact and without trailing zeros: `16000`, -3 → `16`."""
    number = Decimal(text).scaleb(exponent).normalize()
    return format(number, "f")


def fits(measurand: str, unit: str) -> bool:
    """Whether the unit may belong to the measurand; True where nothing is known about either."""
    for family, units in _FAMILY.items():
        if measurand.startswith(family):
            return unit in units or unit not in _KNOWN
    return True


_KNOWN: Final = frozenset().union(*_FAMILY.values())
