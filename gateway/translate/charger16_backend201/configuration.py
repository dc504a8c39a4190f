"""GetVariables and SetVariables on configuration keys, a part of them answered by the gateway."""

from collections.abc import Generator
from typing import Final

from msgspec import Struct, structs

from gateway.translate.charger16_backend201.common import NO_ANSWER, configured, connector_of
from gateway.translate.charger16_backend201.device_model import (
    PROFILES_KEY,
    Item,
    needs_profiles,
    rotation_of,
    rotation_with,
    shown,
    synthesised,
)
from gateway.translate.engine import CHARGER, Ask, Engine, How, Rules, Steps
from gateway.translate.jobs import carried_on
from gateway.translate.keys import COMPONENTS, KEY_NAMED, KEY_OF_VARIABLE, LEGACY, Key, is_write_only
from gateway.translate.losses import Loss
from gateway.translate.memory import remember
from gateway.translate.port import Answer, BackendCall, Payload, Refused, Severity
from gateway.translate.tables import CONFIGURATION_STATUS, MEASURANDS
from gateway.translate.values import without_blanks

rules = Rules()

DEFAULT_MAX_KEYS: Final = 20
LONGEST_VALUE: Final = 500
_KNOWN_KEYS: Final = 500
_BOOLEANS: Final = {"true": "true", "1": "true", "false": "false", "0": "false"}
_PASSWORD: Final = "AuthorizationKey"


class Wanted(Struct):
    """One variable of a request: what answers it. `status` and `reason` when nothing needs to be asked."""

    asked: Payload
    key: str = ""
    known: Key | None = None
    flat: int = 0
    status: str = ""
    reason: str = ""
    value: str | None = None

    def result(self, **members: object) -> Payload:
        """Its element in the answer."""
        made: Payload = {"attributeStatus": self.status}
        made |= {
            name: self.asked[name]
            for name in ("component", "variable", "attributeType")
            if name in self.asked
        }
        if self.reason:
            made["attributeStatusInfo"] = {"reasonCode": self.reason}
        return made | members

    def settle(self, status: str, reason: str = "", value: str | None = None) -> "Wanted":
        """Answer it without asking."""
        self.status, self.reason, self.value = status, reason, value
        return self


def _found(t: Engine, asked: Payload, path: str) -> Wanted:
    """What a variable is to the charger."""
    wanted = Wanted(asked)
    component, variable = asked["component"], asked["variable"]
    if asked.get("attributeType", "Actual") != "Actual":
        t.lose(Loss.NOT_SUPPORTED, f"{path}.attributeType", asked["attributeType"])
        return wanted.settle("NotSupportedAttributeType")
    name, instance = component["name"], variable.get("instance", "")
    if name == LEGACY:
        wanted.key = variable["name"]
        return wanted if not instance else wanted.settle("UnknownVariable")
    evse = component.get("evse", {}).get("id", 0)
    if variable["name"] == "PhaseRotation" and name in ("EVSE", "ChargingStation"):
        place = connector_of(t, evse) if name == "EVSE" else None
        if name == "EVSE" and place is None:
            return wanted.settle("UnknownComponent")
        wanted.known, wanted.flat = KEY_NAMED["connectorphaserotation"], place.flat if place else 0
    elif (name, variable["name"]) == ("FiscalMetering", "PublicKey") and evse:
        place = connector_of(t, evse)
        wanted.key = f"MeterPublicKey{place.flat if place else evse}"
        return wanted
    else:
        wanted.known = None if evse else KEY_OF_VARIABLE.get((name, variable["name"], instance))
    if wanted.known is not None:
        wanted.key = spelled(t, wanted.known.key)
    return wanted


def spelled(t: Engine, key: str) -> str:
    """A key as the charger spells it."""
    known = t.memory.configuration.get(key.casefold())
    return known["key"] if known else key


def _local(t: Engine, wanted: Wanted) -> Item | None:
    """The variable among those that the gateway answers for itself."""
    component, variable = wanted.asked["component"], wanted.asked["variable"]
    if variable["name"] == "TxStartedMeasurands" and configured(t, "StartTxnSampledData") is not None:
        return None
    for item in synthesised(t):
        if item.component == component and item.variable == variable:
            return item
    return None


def _is_component(t: Engine, name: str) -> bool:
    return name in COMPONENTS or any(item.component["name"] == name for item in synthesised(t))


# Reading


@rules.backend_call(
    "GetVariables",
    How.TRANSLATED,
    "GetConfiguration",
    Loss.NOT_SUPPORTED,
    Loss.PEER_INCOMPLETE,
)
def get_variables(t: Engine, call: BackendCall) -> Steps:
    """Variables are read: what is a key in one question per so many of them, the rest from what is known."""
    items = [
        _readable(t, _found(t, asked, f"getVariableData[{index}]"))
        for index, asked in enumerate(call.payload["getVariableData"])
    ]
    keys = list(dict.fromkeys(key for item in items if (key := _key_needed(item))))
    if keys:
        refused = yield from read_keys(t, keys)
        if refused is not None:
            return refused
    results = []
    for item in items:
        if not item.status:
            _answer(t, item)
        value = {"attributeValue": item.value[:2500]} if item.value is not None else {}
        results.append(item.result(**value))
    return {"getVariableResult": results}


def _key_needed(item: Wanted) -> str:
    if item.status:
        return ""
    component, variable = item.asked["component"]["name"], item.asked["variable"]["name"]
    return item.key or (PROFILES_KEY if needs_profiles(component, variable) else "")


def _readable(t: Engine, wanted: Wanted) -> Wanted:
    """Settle what needs no question to the charger."""
    if wanted.status:
        return wanted
    known = wanted.known
    if known is not None and known.access == "W":
        return wanted.settle("Rejected", "WriteOnly")
    if (item := _local(t, wanted)) is not None:
        wanted.key = ""
        asks = needs_profiles(*item.name[:2]) and configured(t, PROFILES_KEY) is None
        return wanted if asks else wanted.settle("Accepted", value=item.value)
    if known is not None and known.is_limit:
        return wanted.settle("Accepted", value="")
    return wanted if wanted.key else _unknown(t, wanted)


def _unknown(t: Engine, wanted: Wanted) -> Wanted:
    name = wanted.asked["component"]["name"]
    return wanted.settle("UnknownVariable" if _is_component(t, name) else "UnknownComponent")


def _answer(t: Engine, wanted: Wanted) -> None:
    if not wanted.key:
        item = _local(t, wanted)
        wanted.settle("Accepted", value=item.value if item else "")
        return
    entry = t.memory.configuration.get(wanted.key.casefold())
    if entry is None:
        wanted.settle("UnknownVariable")
        return
    value = entry.get("value") or ""
    if wanted.known is not None and wanted.known.type == "phases":
        value = rotation_of(value, wanted.flat)
    elif wanted.known is not None:
        value = shown(wanted.known, value)
    wanted.settle("Accepted", value=value)


def read_keys(t: Engine, keys: list[str]) -> Generator[Ask, Answer, Refused | None]:
    """Ask for these keys, as many at once as the charger takes; the answer is in `memory.configuration`."""
    limit = configured(t, "GetConfigurationMaxKeys") or ""
    size = int(limit) if limit.isdecimal() and 0 < len(limit) < 5 and int(limit) else DEFAULT_MAX_KEYS
    for start in range(0, len(keys), size):
        part = keys[start : start + size]
        answer = yield Ask(CHARGER, "GetConfiguration", {"key": part})
        if not isinstance(answer, dict):
            return answer if isinstance(answer, Refused) else NO_ANSWER
        named = learn(t, answer)
        unknown = {key.casefold() for key in answer.get("unknownKey", [])}
        for key in part:
            if key.casefold() not in named:
                t.memory.configuration.pop(key.casefold(), None)
                if key.casefold() not in unknown:
                    t.lose(Loss.PEER_INCOMPLETE, "configurationKey", key)
    return None


def learn(t: Engine, answer: Payload) -> set[str]:
    """Remember what the charger said about its keys; which ones it named. Passwords are not kept."""
    named = set()
    for entry in answer.get("configurationKey", []):
        key = entry["key"].casefold()
        named.add(key)
        kept = entry if key != _PASSWORD.casefold() else {k: v for k, v in entry.items() if k != "value"}
        remember(t.memory.configuration, key, kept, _KNOWN_KEYS)
    return named


# Writing


@rules.backend_call(
    "SetVariables",
    How.TRANSLATED,
    "ChangeConfiguration, one per variable",
    Loss.NOT_SUPPORTED,
    Loss.VALUE_TOO_LONG,
    Loss.MEASURAND_DROPPED,
    Loss.LEG_SCOPED,
)
def set_variables(t: Engine, call: BackendCall) -> Steps:
    """Variables are written one after the other; the same one twice in a request is written once."""
    if len(call.payload["setVariableData"]) == 1:
        return (yield from _set(t, call))
    with carried_on(t, _without_secrets(call)):
        return (yield from _set(t, call))


def _without_secrets(call: BackendCall) -> BackendCall:
    """What may be kept of a request; a password is not written again after a restart."""
    data = [one for one in call.payload["setVariableData"] if not is_write_only(one)]
    return structs.replace(call, payload={"setVariableData": data})


def _set(t: Engine, call: BackendCall) -> Steps:
    results: list[Payload] = []
    written: dict[str, Wanted] = {}
    for index, asked in enumerate(call.payload["setVariableData"]):
        path = f"setVariableData[{index}]"
        wanted = _writable(t, _found(t, asked, path), path)
        if not wanted.status:
            twin = written.get(name := f"{wanted.key.casefold()} {wanted.flat} {wanted.value}")
            if twin is not None:
                wanted.settle(twin.status, twin.reason)
            else:
                refused = yield from _write(t, wanted)
                if refused is not None and not written:
                    return refused
                written[name] = wanted
        results.append(wanted.result())
    return {"setVariableResult": results}


def _writable(t: Engine, wanted: Wanted, path: str) -> Wanted:
    """Settle what must not or need not be sent; else put the value as the charger will hear it."""
    if wanted.status:
        return wanted
    known, value = wanted.known, wanted.asked["attributeValue"]
    if known is not None and known.leg_scoped:
        return _leg_scoped(t, wanted, known, value)
    if (known is not None and known.access == "R") or _local(t, wanted) is not None:
        return wanted.settle("Rejected", "ReadOnly")
    if not wanted.key:
        component, variable = wanted.asked["component"]["name"], wanted.asked["variable"]["name"]
        t.lose(Loss.NOT_SUPPORTED, f"{component}.{variable}", severity=Severity.ERROR)
        return _unknown(t, wanted)
    if len(value) > LONGEST_VALUE:
        t.lose(Loss.VALUE_TOO_LONG, f"{path}.attributeValue", str(len(value)))
        return wanted.settle("Rejected", "TooLargeElement")
    wanted.value = _written(t, known, value, path) if known is not None else value
    return wanted if wanted.value is not None else wanted.settle("Rejected", "InvalidValue")


def _written(t: Engine, known: Key, value: str, path: str) -> str | None:
    """A value of 2.0.1 as 1.6 writes it, None when it is none."""
    match known.type:
        case "bool":
            return _BOOLEANS.get(value.strip().lower())
        case "csl":
            return without_blanks(value)
        case "measurands":
            names = [name for name in without_blanks(value).split(",") if name]
            kept = [name for name in names if name in MEASURANDS]
            for name in names:
                if name not in MEASURANDS:
                    t.lose(Loss.MEASURAND_DROPPED, f"{path}.attributeValue", name)
            return ",".join(kept) if kept or not names else None
        case _:
            return value


def _leg_scoped(t: Engine, wanted: Wanted, known: Key, value: str) -> Wanted:
    """The password and security profile of the backend's own link."""
    if known.key != _PASSWORD:
        t.lose(Loss.LEG_SCOPED, f"{known.component}.{known.variable}")
        return wanted.settle("Rejected", "ReadOnly")
    if t.policies.leg_credentials == "forward":
        wanted.value = value.encode().hex()
        return wanted if len(wanted.value) <= 40 else wanted.settle("Rejected", "TooLargeElement")
    t.lose(Loss.LEG_SCOPED, f"{known.component}.{known.variable}")
    if t.policies.leg_credentials == "reject":
        return wanted.settle("Rejected")
    t.memory.upstream_password_pending = value
    return wanted.settle("Accepted")


def _write(t: Engine, wanted: Wanted) -> Generator[Ask, Answer, Refused | None]:
    value = wanted.value or ""
    if wanted.known is not None and wanted.known.type == "phases":
        refused = yield from read_keys(t, [wanted.key])
        if refused is not None:
            wanted.settle("Rejected", "InternalError")
            return refused
        value = rotation_with(configured(t, wanted.key) or "", wanted.flat, value)
    answer = yield Ask(CHARGER, "ChangeConfiguration", {"key": wanted.key, "value": value})
    if not isinstance(answer, dict):
        t.lose(Loss.PARTIAL, wanted.key)
        wanted.settle("Rejected", "InternalError")
        return answer if isinstance(answer, Refused) else NO_ANSWER
    wanted.settle(CONFIGURATION_STATUS.up(answer["status"]) or "Rejected")
    entry = t.memory.configuration.get(wanted.key.casefold())
    if entry is not None and answer["status"] == "Accepted":
        entry["value"] = value
    return None
