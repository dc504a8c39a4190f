"""What differs between what was sent and what came back, and what was said to be lost of it."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.ocpp.message import Version
from gateway.ocpp.times import seconds
from gateway.ocpp.values import dumps, path_text
from gateway.translate.port import Lost
from gateway.translate.tables import DEFAULT_UNITS

MISSING: Final = object()

Difference = tuple[str, Any, Any]
"""Place, what was sent, what came back."""


class Gone:
    """Stands for what was said to be lost: `became` is what stands for it, `was` what it was."""

    def __init__(self, was: Any, became: str) -> None:
        self.was, self.became = was, became

    def allows(self, got: Any) -> bool:
        """Whether this may have come back: nothing, what was said to, or what it was before."""
        if got is MISSING or not self.became:
            return True
        if isinstance(got, dict) and isinstance(self.was, dict) and "idToken" in got:
            return got["idToken"] in (self.became, self.was["idToken"])
        return got == self.was or self.became == text_of(got)


def text_of(value: Any) -> str:
    """A value as losses tell it."""
    return value if isinstance(value, str) else dumps(value)


def plain(value: Any) -> Any:
    """JSON to compare: numbers by value; an object that says nothing is none."""
    match value:
        case dict():
            return {key: plain(member) for key, member in value.items() if member != {} or key == "data"}
        case list():
            return [plain(member) for member in value]
        case bool() | str() | None:
            return value
        case _:
            return Decimal(str(value))


def _steps(path: str) -> list[Any]:
    return [int(step[1:-1]) if step[0] == "[" else step for step in re.findall(r"\[\d+\]|[^.\[]+", path)]


def value_at(payload: Any, path: str) -> Any:
    """What stands at a place, `MISSING` if nothing does."""
    for step in _steps(path):
        try:
            payload = payload[step]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return payload


def cut(sent: Any, lost: list[Lost]) -> Any:
    """What was sent (which is changed), with `Gone` for what is said to be lost."""
    for loss in lost:
        steps = _steps(loss.path)
        if steps and value_at(sent, loss.path) is not MISSING:
            holder = sent
            for step in steps[:-1]:
                holder = holder[step]
            if not isinstance(holder, Gone) and not isinstance(holder[steps[-1]], Gone):
                holder[steps[-1]] = Gone(holder[steps[-1]], loss.became)
    return _pruned(sent)


def _pruned(value: Any) -> Any:
    """Without the items that are gone, and without lists of nothing else."""
    if isinstance(value, dict):
        return {key: _pruned(member) for key, member in value.items()}
    if isinstance(value, list) and value:
        kept = [item for item in map(_pruned, value) if not isinstance(item, Gone) and not _is_bare(item)]
        return kept or Gone(value, "")
    return value


def _is_bare(item: Any) -> bool:
    """Whether nothing is left of a meter value but its time."""
    return isinstance(item, dict) and isinstance(item.get("sampledValue"), Gone)


def differences(sent: Any, got: Any, path: tuple[Any, ...] = ()) -> list[Difference]:
    """Where they differ, outside of what is gone."""
    if isinstance(sent, Gone):
        return [] if sent.allows(got) else [(path_text(path), sent.became, got)]
    if isinstance(sent, dict) and isinstance(got, dict):
        pairs = [(key, sent.get(key, MISSING), got.get(key, MISSING)) for key in sent | got]
    elif isinstance(sent, list) and isinstance(got, list):
        size = max(len(sent), len(got))
        pad = [MISSING] * size
        pairs = list(zip(range(size), [*sent, *pad], [*got, *pad], strict=False))
    else:
        return [] if sent == got and type(sent) is type(got) else [(path_text(path), sent, got)]
    return [one for step, a, b in pairs for one in differences(a, b, (*path, step))]


# Readings: as what they mean, whatever is a default, by their time and by what they measure


def meant(version: Version, payload: Any) -> Any:
    """A payload with its meter values as what they mean."""
    return {
        key: _by_instant(version, value)
        if key in ("meterValue", "transactionData") and isinstance(value, list)
        else value
        for key, value in payload.items()
    }


def _by_instant(version: Version, values: list[Any]) -> Any:
    instants: dict[str, dict[str, Any]] = {}
    for value in values:
        samples = instants.setdefault(f"at {seconds(value['timestamp'])}", {})
        for sample in value["sampledValue"]:
            made = _sample(version, sample)
            names = [made.get(key, "") for key in ("measurand", "context", "phase", "location", "format")]
            name = " ".join(names)
            while name in samples:
                name += "'"
            samples[name] = made
    return instants


def _sample(version: Version, sample: Any) -> Any:
    measurand = sample.get("measurand", "Energy.Active.Import.Register")
    usual = next((unit for start, unit in DEFAULT_UNITS if measurand.startswith(start)), None)
    made = {"context": "Sample.Periodic", "location": "Outlet"} | sample | {"measurand": measurand}
    if version is Version.V16:
        made["unit"] = _UNITS_16.get(made.get("unit", usual), made.get("unit", usual))
        if made.get("format") == "Raw":
            del made["format"]
        if "format" not in made:
            made["value"] = _number(made["value"])
        return made
    measure = made.pop("unitOfMeasure", {})
    measure = measure.was if isinstance(measure, Gone) else measure
    made["value"] = (made["value"].scaleb(int(measure.get("multiplier", 0)))).normalize()
    made["unit"] = measure.get("unit", usual)
    return made


def _number(text: Any) -> Any:
    try:
        return Decimal(text).normalize()
    except (InvalidOperation, TypeError):
        return text


_UNITS_16: Final = {"Celcius": "Celsius", "Hertz": "Hz"}
