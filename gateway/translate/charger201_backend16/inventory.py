"""The charger's device model as the gateway knows it, and its variables' names for a 1.6 backend."""

import re
from collections.abc import Callable, Generator
from typing import Final
from urllib.parse import quote, unquote

from gateway.translate.charger201_backend16.addresses import discovered
from gateway.translate.engine import CHARGER, Ask, Engine, How, Rules, Wait
from gateway.translate.losses import Loss
from gateway.translate.memory import Variable, remember
from gateway.translate.port import Answer, ChargerCall, Payload

RULES: Final = Rules()

REPORT_WITHIN_S: Final = 60.0
READING: Final = "inventory"
MOST_CACHED: Final = 200
STALE_S: Final = 7 * 86_400.0
MOST_VARIABLES: Final = 2000

_NAME: Final = re.compile(
    r"(?P<component>[^/.:]+)(?:/(?P<evse>\d{1,9})(?:\.(?P<connector>\d{1,9}))?)?(?::(?P<part>[^/.:]+))?"
    r"\.(?P<variable>[^/.:]+)(?::(?P<instance>[^/.:]+))?"
)
_OPTIONAL: Final = {
    "local_list": "LocalAuthListCtrlr",
    "reservation": "ReservationCtrlr",
    "smart_charging": "SmartChargingCtrlr",
}


def name_of(component: Payload, variable: Payload) -> str:
    """`Component[/evse[.connector]][:instance].Variable[:instance]`; what could be misread is encoded."""
    name = _quoted(component["name"])
    if "evse" in component:
        name += f"/{component['evse']['id']}"
        if "connectorId" in component["evse"]:
            name += f".{component['evse']['connectorId']}"
    if "instance" in component:
        name += f":{_quoted(component['instance'])}"
    name += f".{_quoted(variable['name'])}"
    return name + (f":{_quoted(variable['instance'])}" if "instance" in variable else "")


def _quoted(text: str) -> str:
    return quote(text, safe=" !\"#$&'()*+,;<=>?@[\\]^`{|}").replace(".", "%2E")


def place_of(name: str) -> tuple[Payload, Payload] | None:
    """The component and variable that such a name means, None when it is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    component: Payload = {"name": unquote(match["component"])}
    if match["evse"]:
        component["evse"] = {"id": int(match["evse"])}
        if match["connector"]:
            component["evse"]["connectorId"] = int(match["connector"])
    if match["part"]:
        component["instance"] = unquote(match["part"])
    variable: Payload = {"name": unquote(match["variable"])}
    if match["instance"]:
        variable["instance"] = unquote(match["instance"])
    return component, variable


def is_wanted(t: Engine, firmware: str) -> bool:
    """Whether the device model has to be read: never read while it matters, other firmware, or a week old."""
    known = t.memory.inventory
    if not t.memory.topology:
        return True
    if known.firmware and known.firmware != firmware:
        return True
    return bool(known.read_at) and t.now - known.read_at > STALE_S


def is_first_coming(t: Engine) -> bool:
    """Whether the connectors are not known yet and a report is on its way that names them."""
    return not t.memory.topology and is_coming(t)


def is_coming(t: Engine) -> bool:
    """Whether a report is on its way; one that was asked for before a restart does not come for ever."""
    known = t.memory.inventory
    return bool(known.request_id) and t.now - known.asked_at < REPORT_WITHIN_S


def until_read(t: Engine) -> Wait:
    """For a handler to wait until the report that is coming has come, or has not."""
    return Wait(f"report {t.memory.inventory.request_id}", t.now + REPORT_WITHIN_S)


def read(t: Engine) -> Generator[Ask | Wait, Answer, None]:
    """Ask for everything, and wait until it has come. `request_id` is left when a link is lost meanwhile."""
    t.busy.add(READING)
    number = t.memory.counters.request
    t.memory.counters.request += 1
    t.memory.inventory.request_id, t.memory.inventory.asked_at = number, t.now
    t.lose(Loss.SYNTHESIZED, "GetBaseReport", "", str(number))
    answer = yield Ask(CHARGER, "GetBaseReport", {"requestId": number, "reportBase": "FullInventory"})
    is_accepted = isinstance(answer, dict) and answer["status"] == "Accepted"
    if is_accepted and t.memory.inventory.request_id == number:
        yield until_read(t)
    t.busy.discard(READING)
    if t.memory.inventory.request_id == number and t.backend_is_there:
        t.memory.inventory.request_id = 0


@RULES.charger_call("NotifyReport", How.ANSWERED, "", Loss.LOCAL_STATE)
def notify_report(t: Engine, call: ChargerCall) -> Payload:
    number = call.payload["requestId"]
    _take(t, call.payload.get("reportData", []))
    t.lose(Loss.LOCAL_STATE, "NotifyReport", str(number))
    if not call.payload.get("tbc", False) and number == t.memory.inventory.request_id:
        t.memory.inventory.request_id = 0
        t.memory.inventory.read_at = t.now
        _conclude(t)
        t.signal(f"report {number}", {})
    return {}


def _take(t: Engine, report: list[Payload]) -> None:
    known = model(t)
    for data in report:
        actual = next((a for a in data["variableAttribute"] if a.get("type", "Actual") == "Actual"), None)
        if actual is None:
            continue
        limit = data.get("variableCharacteristics", {}).get("maxLimit")
        one = Variable(
            component=_plain(data["component"], "name", "instance", "evse"),
            variable=_plain(data["variable"], "name", "instance"),
            value=actual.get("value"),
            mutability=actual.get("mutability", "ReadWrite"),
            characteristics={} if limit is None else {"maxLimit": limit},
            read_at=t.now,
        )
        known[name_of(one.component, one.variable)] = one
    t.memory.device_model = list(known.values())[:MOST_VARIABLES]


def _plain(payload: Payload, *names: str) -> Payload:
    return {name: payload[name] for name in names if name in payload}


def _conclude(t: Engine) -> None:
    """What a whole inventory says: the connectors, and what the charger can do."""
    pairs = []
    for one in t.memory.device_model:
        evse = one.component.get("evse", {})
        if one.component["name"] == "Connector" and "connectorId" in evse:
            pairs.append((evse["id"], evse["connectorId"]))
    discovered(t, pairs)
    for capability, component in _OPTIONAL.items():
        t.memory.capabilities[capability] = "yes" if _is_available(t, component) else "no"


def _is_available(t: Engine, component: str) -> bool:
    found = [one for one in t.memory.device_model if one.component["name"] == component]
    states = [one.value for one in found if one.variable["name"] in ("Available", "Enabled")]
    return bool(found) and not any((state or "").casefold() == "false" for state in states)


Model = dict[str, Variable]
"""The device model by the names of its variables."""


def model(t: Engine) -> Model:
    """What is known of the device model."""
    return {name_of(one.component, one.variable): one for one in t.memory.device_model}


def items_per_message(known: Model, action: str, otherwise: int) -> int:
    """How many variables the charger takes in one message."""
    one = known.get(f"DeviceDataCtrlr.ItemsPerMessage:{action}")
    return max(1, int(one.value)) if one is not None and one.value and one.value.isdecimal() else otherwise


def once_read(t: Engine, call: ChargerCall, take: Callable[[Engine, Payload], None]) -> None:
    """Do this now, or after the first inventory: connectors get their numbers in its order, not in that of
    their first words.
    """
    if is_first_coming(t):
        remember(t.memory.cached, f"{call.action} {len(t.memory.cached)}", call.payload, MOST_CACHED)
    else:
        take(t, call.payload)


def take_cached(t: Engine) -> None:
    """The first inventory has come, or does not come: what waited for it is handled."""
    waiting, t.memory.cached = t.memory.cached, {}
    for name, payload in waiting.items():
        action = name.partition(" ")[0]
        t.rules.charger_calls[action].handler(t, ChargerCall("", action, payload, t.now))
