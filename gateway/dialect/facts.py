"""What a brand's chargers are like, beyond their messages: for people, and for other parts to ask."""

from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec import Struct

UNITS: Final = ("A", "dA", "mA", "W", "kW")


class Facts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a brand; everything may be left out.

    `offline_limit` is the configuration key of a current limit that holds without a backend, and
    `offline_limit_unit` its unit: a wrong guess is a factor of 10 or 1000, so neither stands alone.
    `offline_authorisation`, `sampling` and `local_authorisation` are configuration keys (or, where a brand
    has none, words of its own screens), `other_keys` further ones worth knowing. `connectors` says how
    connectors are numbered. `profile_periods` is how many periods of a charging profile work,
    `least_sample_interval_s` the shortest MeterValueSampleInterval, `config_keys` how many keys one
    GetConfiguration may name; `connect_s` how long it may take to connect. `cannot` lists what does not
    work, `source` where all that is from.
    """

    offline_limit: str = ""
    offline_limit_unit: str = ""
    offline_authorisation: tuple[str, ...] = ()
    sampling: tuple[str, ...] = ()
    local_authorisation: tuple[str, ...] = ()
    other_keys: tuple[str, ...] = ()
    connectors: str = ""
    profile_periods: int = 0
    least_sample_interval_s: int = 0
    config_keys: int = 0
    connect_s: int = 0
    cannot: tuple[str, ...] = ()
    source: str = ""


KNOWN: Final = tuple(field.name for field in msgspec.structs.fields(Facts))


def facts_of(raw: Any) -> tuple[Facts, list[tuple[str, str]]]:
    """The facts in a pack's table, and everything that is wrong with it, each with its key."""
    if not isinstance(raw, dict):
        return Facts(), [("facts", "does not fit; write a table, [facts]")]
    wrong = []
    for name in raw:
        if name not in KNOWN:
            near = get_close_matches(name, KNOWN, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            wrong.append((f"facts.{name}", f"unknown key {name!r}; {hint}known keys: {', '.join(KNOWN)}"))
    for field in msgspec.structs.fields(Facts):
        if field.name in raw:
            try:
                msgspec.convert(raw[field.name], field.type)
            except msgspec.ValidationError as error:
                wrong.append((f"facts.{field.name}", f"{error!s}; correct it"))
    unit = raw.get("offline_limit_unit", "")
    if bool(raw.get("offline_limit")) != bool(unit):
        wrong.append(("facts.offline_limit_unit", "goes with offline_limit; give both or neither"))
    elif unit and unit not in UNITS:
        wrong.append(("facts.offline_limit_unit", f"{unit!r} does not fit; give one of {', '.join(UNITS)}"))
    if raw and not raw.get("source"):
        wrong.append(("facts.source", "is missing; say where the facts are from"))
    return (Facts(), wrong) if wrong else (msgspec.convert(raw, Facts), [])
