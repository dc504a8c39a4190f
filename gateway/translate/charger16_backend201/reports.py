"""Reports of the device model: GetConfiguration read once, told in pages of NotifyReport."""

from collections.abc import Generator, Iterator
from typing import Any, Final

from gateway.translate.charger16_backend201.common import (
    MOST_CONNECTORS,
    because,
    configured,
    evse_of,
    place_at,
    rejected,
)
from gateway.translate.charger16_backend201.configuration import learn, read_keys
from gateway.translate.charger16_backend201.device_model import Item, items_of, synthesised
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.jobs import CARRIED_ON_S, owe
from gateway.translate.keys import COMPONENTS, KEY_NAMED, KEYS
from gateway.translate.losses import Loss
from gateway.translate.port import Answer, BackendCall, Payload
from gateway.translate.values import moment_text

rules = Rules()

_CRITERIA: Final = ("Active", "Available", "Enabled")
_REPORTS_WAITING: Final = 8
_NAME: Final = "reports"


@rules.backend_call("GetBaseReport", How.TRANSLATED, "GetConfiguration, NotifyReport", Loss.PEER_INCOMPLETE)
def get_base_report(t: Engine, call: BackendCall) -> Outcome:
    """The whole device model, what can be written of it, or the states."""
    base = call.payload["reportBase"]
    return _report(t, call.payload["requestId"], {"base": base})


@rules.backend_call("GetReport", How.TRANSLATED, "GetConfiguration, NotifyReport", Loss.PEER_INCOMPLETE)
def get_report(t: Engine, call: BackendCall) -> Outcome:
    """A part of the device model."""
    asked = call.payload
    criteria = asked.get("componentCriteria", [])
    if criteria == ["Problem"] and not [i for i in _problems(t) if _is_wanted(i, asked)]:
        return {"status": "EmptyResultSet"}
    names = {wanted["component"]["name"] for wanted in asked.get("componentVariable", [])}
    known = COMPONENTS | {item.component["name"] for item in [*synthesised(t), *_problems(t)]}
    if names and not names & known:
        return {"status": "EmptyResultSet"}
    return _report(t, asked["requestId"], asked)


def _report(t: Engine, request_id: int, wanted: Payload) -> Outcome:
    waiting = t.memory.reports
    pages = [owed.payload for owed in t.memory.owed if owed.action == "NotifyReport"]
    if any(one["requestId"] == request_id for one in [*waiting, *pages]):
        return rejected("DuplicateRequestId")
    if len(waiting) >= _REPORTS_WAITING:
        return because("Rejected", "Busy")
    waiting.append(wanted | {"requestId": request_id, "at": int(t.now)})
    t.spawn(told(t))
    return {"status": "Accepted"}


def told(t: Engine) -> Steps:
    """One report after the other; a restart finds those whose pages are not made."""
    if _NAME in t.busy:
        return {}
    t.busy.add(_NAME)
    while t.memory.reports and t.backend_is_there:
        pages = yield from _pages(t, t.memory.reports[0])
        if t.backend_is_there:
            del t.memory.reports[0]
            owe(t, "NotifyReport", *pages)
    t.busy.discard(_NAME)
    return {}


def _pages(t: Engine, wanted: Payload) -> Generator[Ask, Answer, list[Payload]]:
    entries: list[Payload] = []
    if _needs_keys(wanted) and t.now - wanted["at"] > CARRIED_ON_S:
        t.lose(Loss.PEER_INCOMPLETE, "GetConfiguration")
    elif _needs_keys(wanted):
        answer = yield Ask(CHARGER, "GetConfiguration", {})
        if isinstance(answer, dict):
            entries = answer.get("configurationKey", [])
            learn(t, answer)
            _discover(t)
            entries += yield from _cut_short(t, entries)
        else:
            t.lose(Loss.PEER_INCOMPLETE, "GetConfiguration")
    items = [item.reported() for item in _chosen(t, wanted, entries)]
    size = max(t.policies.report_page_items, 1)
    pages = [items[start : start + size] for start in range(0, len(items), size)] or [[]]
    made: list[Payload] = []
    for number, page in enumerate(pages):
        told = {"requestId": wanted["requestId"], "generatedAt": moment_text(t.now), "seqNo": number}
        more = {"tbc": True} if number < len(pages) - 1 else {}
        made.append(told | more | ({"reportData": page} if page else {}))
    return made


def _discover(t: Engine) -> None:
    """A charger that has told of no connector yet has as many as it says."""
    number = configured(t, "NumberOfConnectors") or ""
    if not t.memory.topology and number.isdecimal() and int(number[:6]) <= MOST_CONNECTORS:
        for flat in range(1, int(number) + 1):
            place_at(t, flat)


def _needs_keys(wanted: Payload) -> bool:
    return wanted.get("base") != "SummaryInventory" and wanted.get("componentCriteria") != ["Problem"]


def _cut_short(t: Engine, entries: list[Payload]) -> Any:
    """Some chargers name only as many keys as one message may ask for: ask for the standard ones too."""
    limit = configured(t, "GetConfigurationMaxKeys") or ""
    if not limit.isdecimal() or len(entries) != int(limit[:6]):
        return []
    named = {entry["key"].casefold() for entry in entries}
    missing = [key.key for key in KEYS if key.key.casefold() not in named and key.key != "MeterPublicKey"]
    yield from read_keys(t, missing)
    return [t.memory.configuration[k.casefold()] for k in missing if k.casefold() in t.memory.configuration]


def _chosen(t: Engine, wanted: Payload, entries: list[Payload]) -> list[Item]:
    base = wanted.get("base")
    if base == "SummaryInventory":
        states = [item for item in synthesised(t) if item.name[1] == "AvailabilityState"]
        return [*states, *_problems(t)]
    items = [*_all_items(t, entries), *_problems(t)]
    if base == "ConfigurationInventory":
        return [item for item in items if item.mutability != "ReadOnly"]
    if base is not None:
        return items
    criteria = wanted.get("componentCriteria", [])
    return [item for item in items if _is_wanted(item, wanted) and _fits_criteria(item, items, criteria)]


def _all_items(t: Engine, entries: list[Payload]) -> Iterator[Item]:
    """All a report can show: keys in the table's order, what the gateway adds, other keys as reported."""
    standard = [entry for entry in entries if _rank(entry) < len(_RANKS)]
    for entry in sorted(standard, key=_rank):
        yield from items_of(t, entry)
    told = configured(t, "StartTxnSampledData") is not None
    yield from (item for item in synthesised(t) if not (told and item.name[1] == "TxStartedMeasurands"))
    for entry in entries:
        if _rank(entry) == len(_RANKS):
            yield from items_of(t, entry)


_RANKS: Final = {
    name: rank for rank, (name, key) in enumerate(KEY_NAMED.items()) if key.variable or key.derived
}


def _rank(entry: Payload) -> int:
    return _RANKS.get(entry["key"].casefold(), len(_RANKS))


def _problems(t: Engine) -> list[Item]:
    """Open problems as variables."""
    made = []
    for flat, error in t.memory.open_errors.items():
        where: Payload = {"name": error.component}
        if flat != "0":
            where["evse"] = {"id": evse_of(t, int(flat))}
        made.append(Item(where, {"name": error.variable}, "true", "boolean"))
    return made


def _is_wanted(item: Item, wanted: Payload) -> bool:
    asked = wanted.get("componentVariable")
    return not asked or any(_matches(item, one) for one in asked)


def _matches(item: Item, wanted: Payload) -> bool:
    component, variable = wanted["component"], wanted.get("variable")
    if not _same(component["name"], item.component["name"]):
        return False
    if "instance" in component:
        return False
    evse = item.component.get("evse", {})
    if any(evse.get(key) != value for key, value in component.get("evse", {}).items()):
        return False
    if variable is None:
        return True
    if not _same(variable["name"], item.variable["name"]):
        return False
    return "instance" not in variable or _same(variable["instance"], item.variable.get("instance", ""))


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _fits_criteria(item: Item, items: list[Item], criteria: list[str]) -> bool:
    """Whether its component is in one of these conditions; what is not said to be otherwise is."""
    if not criteria:
        return True
    if "Problem" in criteria and item.name[1] in ("Problem", "Tripped"):
        return True
    for wanted in criteria:
        if wanted in _CRITERIA:
            said = [i.value for i in items if i.component == item.component and i.name[1] == wanted]
            if not said or "true" in said:
                return True
    return False
