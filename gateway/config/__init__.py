"""The gateway's settings: one TOML file, read into frozen structs, every error reported at once.

`python -m gateway.config` writes the reference page, docs/configuration.md.
"""

from gateway.config.checks import diff, reloaded, unsafe
from gateway.config.dialect import BrandUse, ChargerDialect, Dialect
from gateway.config.reading import DEMO_BACKEND, OPTIONS, ConfigError, from_arguments, load
from gateway.config.routing import Command, Label, Route
from gateway.config.seating import contradictions, everyone, policies_of, routes_of
from gateway.config.settings import (
    Admin,
    Backend,
    Config,
    Data,
    Flags,
    Limits,
    Listen,
    Log,
    Outage,
    Quarantine,
    Translation,
)
from gateway.config.values import Address, Secret

__all__ = [
    "DEMO_BACKEND",
    "OPTIONS",
    "Address",
    "Admin",
    "Backend",
    "BrandUse",
    "ChargerDialect",
    "Command",
    "Config",
    "ConfigError",
    "Data",
    "Dialect",
    "Flags",
    "Label",
    "Limits",
    "Listen",
    "Log",
    "Outage",
    "Quarantine",
    "Route",
    "Secret",
    "Translation",
    "contradictions",
    "diff",
    "everyone",
    "from_arguments",
    "load",
    "policies_of",
    "reloaded",
    "routes_of",
    "unsafe",
]
