"""GetConfiguration and ChangeConfiguration of 1.6 → GetVariables and SetVariables of 2.0.1."""

from collections.abc import Generator
from typing import Final

from gateway.translate.charger201_backend16 import inventory, keys
from gateway.translate.charger201_backend16.commands import REJECTED, refusal
from gateway.translate.charger201_backend16.inventory import Model, items_per_message, name_of
from gateway.translate.charger201_backend16.keys import Meaning, Place
from gateway.translate.engine import CHARGER, Ask, Engine, How, Rules, Steps, Wait
from gateway.translate.keys import KEYS, Key
from gateway.translate.losses import Loss
from gateway.translate.memory import Variable
from gateway.translate.port import Answer, BackendCall, Payload, Severity
from gateway.translate.tables import CONFIGURATION_STATUS
from gateway.translate.values import compact

RULES: Final = Rules()

ITEMS_PER_MESSAGE: Final = 20
LONGEST_KEY: Final = 50
MOST_NOTED: Final = 500
_WORST_FIRST: Final = ("Rejected", "RebootRequired", "Accepted")

Values = dict[str, str | None]
"""What the charger answered, by the variable's name: None for one that it has and does not show."""


@RULES.backend_call(
    "GetConfiguration",
    How.TRANSLATED,
    "GetVariables, GetBaseReport",
    Loss.SYNTHESIZED,
    Loss.VALUE_TRUNCATED,
    Loss.KEY_UNREACHABLE,
    Loss.LEG_SCOPED,
)
def get_configuration(t: Engine, call: BackendCall) -> Steps:
    if not call.payload.get("key"):
        return (yield from _everything(t))
    meanings = [keys.meaning(t, key) for key in call.payload["key"]]
    places = {name_of(*place): place for one in meanings for place in _asked_live(one)}
    values = yield from _fetched(t, list(places.values()))
    if not isinstance(values, dict):
        return refusal(t, call, values)
    known = inventory.model(t)
    entries, unknown = [], []
    for key, one in zip(call.payload["key"], meanings, strict=True):
        entry = _entry(t, known, one, values)
        if entry is None:
            unknown.append(key)
        else:
            entries.append(entry)
    return {"configurationKey": entries} | ({"unknownKey": unknown} if unknown else {})


def _asked_live(one: Meaning) -> list[Place]:
    """The variables whose values the charger is asked for."""
    if one.entry is None or one.entry.type in ("bool", "phases"):
        return one.places if one.entry is None or not one.entry.leg_scoped else []
    return [] if one.entry.leg_scoped or one.entry.is_limit else one.places[:1]


def _fetched(t: Engine, places: list[Place]) -> Generator[Ask | Wait, Answer, Values | Answer]:
    """What the charger says of these variables; its refusal of a whole question instead, if there is one."""
    most = items_per_message(inventory.model(t), "GetVariables", ITEMS_PER_MESSAGE)
    values: Values = {}
    for start in range(0, len(places), most):
        asked = [
            {"component": component, "variable": variable}
            for component, variable in places[start : start + most]
        ]
        answer = yield Ask(CHARGER, "GetVariables", {"getVariableData": asked})
        if not isinstance(answer, dict):
            return answer
        for index, result in enumerate(answer["getVariableResult"]):
            name = name_of(result["component"], result["variable"])
            _tell_reason(t, f"getVariableResult[{index}]", result)
            if result["attributeStatus"] == "Accepted":
                values[name] = result.get("attributeValue", "")
            elif result["attributeStatus"] == "Rejected":
                values[name] = None
    return values


def _entry(t: Engine, known: Model, one: Meaning, values: Values) -> Payload | None:
    """The configurationKey of a key, None when the charger has no such thing."""
    if not one.is_known:
        return None
    entry = one.entry
    if entry is not None and entry.leg_scoped and t.policies.leg_credentials == "local":
        return _of_link(t, entry)
    if entry is not None and entry.derived:
        return {"key": one.name, "readonly": True, "value": keys.derived(t, entry)}
    if entry is not None and entry.is_limit:
        return _limit(known, one)
    return _of_variables(t, known, one, values)


def _of_variables(t: Engine, known: Model, one: Meaning, values: Values) -> Payload | None:
    names = [name_of(*place) for place in one.places]
    said = {name: value for name in names if (value := values.get(name)) is not None}
    if one.entry is not None and one.entry.type == "phases":
        return _shown(t, known, one, names[0], keys.read_phases(t, said)) if said else None
    if names[0] not in values:
        return None
    value = keys.read_value(one.entry, list(said.values())) if said else None
    return _shown(t, known, one, names[0], value)


def _shown(t: Engine, known: Model, one: Meaning, name: str, value: str | None) -> Payload:
    made: Payload = {"key": one.name, "readonly": _is_read_only(t, known, one.entry, name)}
    if value is None:
        return made
    if len(value) > keys.LONGEST_VALUE:
        t.lose(Loss.VALUE_TRUNCATED, one.name, value[:100])
    return made | {"value": value[: keys.LONGEST_VALUE]}


def _of_link(t: Engine, entry: Key) -> Payload:
    """What concerns the link between gateway and backend, which the charger knows nothing of."""
    t.lose(Loss.LEG_SCOPED, entry.key)
    made: Payload = {"key": entry.key, "readonly": False}
    return made | ({} if entry.access == "W" else {"value": str(t.memory.upstream_security_profile)})


def _limit(model: Model, one: Meaning) -> Payload | None:
    known = model.get(name_of(*one.places[0]))
    limit = known.characteristics.get("maxLimit") if known is not None else None
    return None if limit is None else {"key": one.name, "readonly": True, "value": str(limit)}


def _is_read_only(t: Engine, model: Model, entry: Key | None, name: str) -> bool:
    known = model.get(name)
    mutability = t.memory.mutability.get(name) or (known.mutability if known is not None else "")
    if mutability:
        return mutability == "ReadOnly"
    return entry is not None and entry.access == "R"


# Without keys: everything that is known


def _everything(t: Engine) -> Steps:
    if not t.memory.device_model and not inventory.is_coming(t):
        yield from inventory.read(t)
        inventory.take_cached(t)
    if t.policies.inventory_refresh:
        yield from _refreshed(t)
    known = inventory.model(t)
    values: Values = {name: one.value for name, one in known.items()}
    entries = []
    covered: set[str] = set()
    for key in KEYS:
        one = keys.meaning(t, key.key)
        names = [name_of(*place) for place in one.places]
        if (entry := _entry(t, known, one, values)) is not None:
            covered.update(names if key.type == "phases" else names[:1])
            entries.append(entry)
    for name, variable in known.items():
        if name in covered:
            continue
        if len(name) > LONGEST_KEY:
            _unreachable(t, name)
        else:
            place = (variable.component, variable.variable)
            entries.append(_shown(t, known, Meaning(name, None, [place]), name, variable.value))
    return {"configurationKey": entries}


def _unreachable(t: Engine, name: str) -> None:
    noted: list[str] = t.memory.notes.setdefault("unreachable", [])
    if name not in noted and len(noted) < MOST_NOTED:
        noted.append(name)
        t.lose(Loss.KEY_UNREACHABLE, name)


def _refreshed(t: Engine) -> Generator[Ask | Wait, Answer, None]:
    """Read again what was read too long ago; what the charger refuses now has no value."""
    oldest = t.now - t.policies.inventory_refresh_s
    stale = [one for one in t.memory.device_model if one.read_at < oldest and one.mutability != "WriteOnly"]
    values = yield from _fetched(t, [(one.component, one.variable) for one in stale])
    if isinstance(values, dict):
        for one in stale:
            one.value, one.read_at = values.get(name_of(one.component, one.variable)), t.now


# ChangeConfiguration


@RULES.backend_call(
    "ChangeConfiguration",
    How.TRANSLATED,
    "SetVariables",
    Loss.PARTIAL,
    Loss.MEASURAND_DROPPED,
    Loss.LEG_SCOPED,
    Loss.STATUSINFO_DROPPED,
    Loss.ENUM_NARROWED,
)
def change_configuration(t: Engine, call: BackendCall) -> Steps:
    one = keys.meaning(t, call.payload["key"])
    value = call.payload["value"]
    if not one.is_known:
        return {"status": "NotSupported"}
    if one.redirects or (one.entry is not None and one.entry.leg_scoped):
        handled = _link_setting(t, one, value)
        if isinstance(handled, dict):
            return handled
        value = handled
    elif _is_refused_unasked(t, one):
        return REJECTED
    writes = keys.written(t, one.entry, one.places, value)
    if not writes:
        return REJECTED
    answer = yield Ask(CHARGER, "SetVariables", {"setVariableData": [_data(*write) for write in writes]})
    if not isinstance(answer, dict):
        return refusal(t, call, answer, {"status": "NotSupported"})
    return {"status": _status(t, writes, answer["setVariableResult"])}


def _is_refused_unasked(t: Engine, one: Meaning) -> bool:
    """Whether a key cannot be written: by the table, or because the charger said so before."""
    is_read_only = one.entry is not None and one.entry.access == "R"
    return is_read_only or any(
        t.memory.mutability.get(name_of(*place)) == "ReadOnly" for place in one.places[:1]
    )


def _data(place: Place, value: str) -> Payload:
    return {"component": place[0], "variable": place[1], "attributeValue": value}


def _link_setting(t: Engine, one: Meaning, value: str) -> Payload | str:
    """A setting of the backend's link: the answer to the backend, or what the charger gets."""
    is_password = one.entry is not None and one.entry.access == "W"
    if not is_password or t.policies.leg_credentials == "reject":
        t.lose(Loss.LEG_SCOPED, one.name, severity=Severity.WARN)
        return REJECTED
    if t.policies.leg_credentials == "local":
        t.lose(Loss.LEG_SCOPED, one.name)
        t.memory.upstream_password_pending = value
        return {"status": "Accepted"}
    try:
        password = bytes.fromhex(value).decode()
    except ValueError:
        return REJECTED
    return password if 16 <= len(password) <= 40 and password.isprintable() else REJECTED


def _status(t: Engine, writes: list[tuple[Place, str]], results: list[Payload]) -> str:
    """The first variable decides, then the worst; another that the charger does not have is no matter."""
    known = inventory.model(t)
    said = {name_of(result["component"], result["variable"]): result for result in results}
    for index, result in enumerate(results):
        path, told = f"setVariableResult[{index}]", result["attributeStatus"]
        _tell_reason(t, path, result)
        if CONFIGURATION_STATUS.narrows(told):
            status = CONFIGURATION_STATUS.down(told) or ""
            t.lose(Loss.ENUM_NARROWED, f"{path}.attributeStatus", told, status)
    statuses: list[str] = []
    for place, value in writes:
        name = name_of(*place)
        result = said.get(name, {"attributeStatus": "UnknownVariable"})
        _learn(t, known.get(name), place, value, result)
        status = CONFIGURATION_STATUS.down(result["attributeStatus"]) or "Rejected"
        if statuses and status == "NotSupported":
            t.lose(Loss.PARTIAL, name, result["attributeStatus"], severity=Severity.INFO)
            continue
        statuses.append(status)
    if statuses[0] == "NotSupported":
        return "NotSupported"
    return min(statuses, key=_WORST_FIRST.index)


def _tell_reason(t: Engine, path: str, result: Payload) -> None:
    """The reason behind what became of one variable, which 1.6 cannot be told."""
    if "attributeStatusInfo" in result:
        reason = compact(result["attributeStatusInfo"])[:200]
        t.lose(Loss.STATUSINFO_DROPPED, f"{path}.attributeStatusInfo", reason)


def _learn(t: Engine, known: Variable | None, place: Place, value: str, result: Payload) -> None:
    name = name_of(*place)
    reason = result.get("attributeStatusInfo", {}).get("reasonCode", "")
    if result["attributeStatus"] == "Rejected" and reason == "ReadOnly":
        t.memory.mutability[name] = "ReadOnly"
        while len(t.memory.mutability) > MOST_NOTED:
            del t.memory.mutability[next(iter(t.memory.mutability))]
    if known is not None and result["attributeStatus"] == "Accepted" and known.mutability != "WriteOnly":
        known.value = value
