"""What a backend may tell chargers. One `Policy` per backend judges every command before the charger does.

The first rule that fits a command decides. Without one, the backend's own setting does: everything,
everything while it leads, reading, or nothing. What could take the charger away from its leader is refused
from everybody else, unless a rule names that very action.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from gateway.ocpp import errors
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Version
from gateway.ocpp.schema import deviations
from gateway.routing import answers
from gateway.routing.commands import (
    ALL,
    ASKS,
    PRIORITY,
    READS,
    SETS_KEYS,
    TRIGGERED_BY_READERS,
    TRIGGERS,
    detail_of,
    is_dangerous,
    priority_of,
    variable_of,
)
from gateway.routing.globs import matcher
from gateway.routing.rewriting import misfit, rewritten

__all__ = [
    "PRIORITY",
    "Allowance",
    "Answered",
    "CommandRule",
    "Pace",
    "Policy",
    "Rewritten",
    "Verdict",
    "priority_of",
]

Allowance = Literal["all", "leading", "read-only", "none"]

SECURITY_ERROR: Final = "SecurityError"
_MOST_VARIANTS: Final = 1024


class CommandRule(Struct, frozen=True, kw_only=True):
    """One rule. `backends`, `chargers`, `actions` and `keys` are patterns of what it is for.

    `keys` (empty: any) are configuration keys, or `Component.Variable`, of ChangeConfiguration and
    SetVariables. `status` is what `deny` and `absorb` answer; "" the usual. `set` holds, for `rewrite`,
    values by their place in the payload.
    """

    backends: tuple[str, ...] = ("*",)
    chargers: tuple[str, ...] = ("*",)
    actions: tuple[str, ...]
    keys: tuple[str, ...] = ()
    do: Literal["allow", "deny", "absorb", "rewrite"]
    status: str = ""
    set: Mapping[str, Any] = {}


class Answered(Struct, frozen=True):
    """The command goes nowhere: the gateway answers it.

    `payload` is the JSON of the CALLRESULT; when it is None a CALLERROR of `error_code` and `reason` is sent.
    `reason` says to a person why, and belongs to the flag.
    """

    payload: bytes | None
    flag: FlagCode
    reason: str
    error_code: str = ""


class Rewritten(Struct, frozen=True):
    """The command goes to the charger with another payload (JSON).

    `changed` names the places. `withheld` are the answers to items that were taken out, by their place;
    `completed` puts them into the charger's answer.
    """

    payload: bytes
    flag: FlagCode
    reason: str
    changed: tuple[str, ...] = ()
    withheld: tuple[tuple[int, dict[str, Any]], ...] = ()

    def completed(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The charger's answer with those of the withheld items at their places."""
        results = answer.get("setVariableResult")
        if not self.withheld or not isinstance(results, list):
            return answer
        results = list(results)
        for index, item in self.withheld:
            results.insert(index, item)
        return answer | {"setVariableResult": results}


Verdict = Answered | Rewritten


class _Decision(Struct, frozen=True):
    """What is done about a command, or about one item of it, and why."""

    do: Literal["allow", "deny", "absorb", "rewrite"]
    reason: str = ""
    status: str = ""
    set: Mapping[str, Any] = {}


_ALLOW: Final = _Decision("allow")
_FLAGS: Final = {
    "deny": FlagCode.COMMAND_DENIED,
    "absorb": FlagCode.COMMAND_ABSORBED,
    "rewrite": FlagCode.COMMAND_REWRITTEN,
}


class Policy:
    """What one backend may tell chargers, by its `commands` setting and all rules in their order.

    Commands are judged as the backend wrote them, in its own version, and answered in that.
    """

    def __init__(self, backend: str, commands: Allowance, rules: Sequence[CommandRule] = ()) -> None:
        self.backend = backend
        self.commands = commands
        numbered = [(number, rule) for number, rule in enumerate(rules) if matcher(rule.backends)(backend)]
        self._rules = tuple(numbered)
        self._variants: dict[tuple[int, ...], Policy] = {}
        self._by_action = {action: _rules_for(action, numbered) for action in ALL}
        self._may_all_while_leading = commands in ("all", "leading")

    @property
    def is_open(self) -> bool:
        """Whether nothing is ever refused or changed while this backend leads."""
        return self._may_all_while_leading and not self._rules

    def of(self, charger_id: str) -> "Policy":
        """The policy with only those rules that are for this charger; mostly this one itself."""
        chosen = tuple(number for number, rule in self._rules if matcher(rule.chargers)(charger_id))
        if len(chosen) == len(self._rules):
            return self
        if chosen not in self._variants:
            if len(self._variants) >= _MOST_VARIANTS:
                self._variants.clear()
            self._variants[chosen] = self._only(chosen)
        return self._variants[chosen]

    def judge(
        self, action: str, payload: dict[str, Any] | bytes, version: Version, leads: bool
    ) -> Verdict | None:
        """What becomes of a command; None: it goes on as it is. Keeps and changes nothing of `payload`."""
        rules = self._by_action.get(action)
        if not rules and leads and self._may_all_while_leading:
            return None
        if rules is None:
            rules = _rules_for(action, self._rules)
        request = _read(payload)
        if action == "SetVariables" and version is not Version.V16 and (items := _items(request)):
            decisions = [self._decision(action, variable_of(item), leads, rules) for item in items]
            possible = [_possible(version, action, decision) for decision in decisions]
            return _of_items(version, request, items, possible)
        decision = self._decision(action, detail_of(action, request), leads, rules)
        return _of_whole(version, action, request, _possible(version, action, decision))

    def refuse_pace(self, action: str, payload: dict[str, Any] | bytes, version: Version) -> Answered:
        """The answer to a command that comes too fast."""
        reason = f'more commands from backend "{self.backend}" than commands_per_minute allows'
        answer = answers.refusal(version, action, _read(payload), reason=reason)
        return Answered(
            answer, FlagCode.COMMANDS_TOO_FAST, reason, errors.code(version, errors.Wrong.GENERIC)
        )

    def _only(self, chosen: tuple[int, ...]) -> "Policy":
        variant = Policy(self.backend, self.commands)
        variant._rules = tuple(entry for entry in self._rules if entry[0] in chosen)
        variant._by_action = {action: _rules_for(action, variant._rules) for action in ALL}
        return variant

    def _decision(
        self, action: str, detail: str, leads: bool, rules: Sequence[tuple[int, CommandRule]]
    ) -> _Decision:
        for number, rule in rules:
            if not rule.keys or (action in SETS_KEYS and matcher(rule.keys)(detail)):
                return _of_rule(number, rule, action, self._guard(action, detail, leads))
        if (refused := self._setting(action, detail, leads)) is not None:
            return refused
        return self._guard(action, detail, leads)

    def _setting(self, action: str, detail: str, leads: bool) -> _Decision | None:
        """What the backend's own setting refuses."""
        if self.commands == "all" or (self.commands == "leading" and leads):
            return None
        if self.commands == "none":
            return _Decision("deny", f'backend "{self.backend}" may not send commands')
        if action in READS or (action in TRIGGERS and detail in TRIGGERED_BY_READERS):
            return None
        lest = " while it does not lead" if self.commands == "leading" else ""
        return _Decision("deny", f'backend "{self.backend}" may only read{lest}')

    def _guard(self, action: str, detail: str, leads: bool) -> _Decision:
        """What could harm the charger is for its leader."""
        if leads or not is_dangerous(action, detail):
            return _ALLOW
        what = f"{action} of {detail}" if detail else action
        return _Decision("deny", f"{what} is for the leader only, unless a rule names it")


class Pace:
    """How many commands one backend may send one charger: `per_minute` in the long run and at once."""

    __slots__ = ("_left", "_most", "_per_s", "_seen")

    def __init__(self, per_minute: float, burst: float = 0) -> None:
        self._per_s = per_minute / 60
        self._most = max(1.0, burst or per_minute)
        self._left = self._most
        self._seen = float("-inf")

    def allows(self, now: float) -> bool:
        """Whether one more may go at `now` (seconds that only grow); counts it if so."""
        if now > self._seen:
            self._left = min(self._most, self._left + (now - self._seen) * self._per_s)
            self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _rules_for(action: str, rules: Sequence[tuple[int, CommandRule]]) -> tuple[tuple[int, CommandRule], ...]:
    return tuple((number, rule) for number, rule in rules if matcher(rule.actions)(action))


def _of_rule(number: int, rule: CommandRule, action: str, guard: _Decision) -> _Decision:
    """What a rule decides. One that lets through passes the guard only when it names the action."""
    lets_through = rule.do in ("allow", "rewrite")
    if lets_through and guard.do == "deny" and action.lower() not in map(str.lower, rule.actions):
        return guard
    if rule.do == "allow":
        return _ALLOW
    do = "deny" if rule.do == "absorb" and action in ASKS else rule.do
    words = {"deny": "refused", "absorb": "answered", "rewrite": "changed"}
    return _Decision(do, f"{words[do]} by commands[{number}]", rule.status, rule.set)


def _possible(version: Version, action: str, decision: _Decision) -> _Decision:
    """The decision, unless it is to put a value where this version does not take it."""
    if decision.do == "rewrite" and (place := misfit(version, action, decision.set)):
        return _Decision("deny", f"{decision.reason}, whose {place} is not one of OCPP {version}")
    return decision


def _read(payload: dict[str, Any] | bytes) -> dict[str, Any]:
    """The payload as an object; {} when it is none."""
    if isinstance(payload, dict):
        return payload
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _items(request: dict[str, Any]) -> list[Any]:
    found = request.get("setVariableData")
    return found if isinstance(found, list) else []


def _of_whole(version: Version, action: str, request: dict[str, Any], decision: _Decision) -> Verdict | None:
    match decision.do:
        case "allow":
            return None
        case "rewrite":
            payload, changed = rewritten(request, decision.set)
            if not changed:
                return None
            return Rewritten(msgspec.json.encode(payload), _FLAGS["rewrite"], decision.reason, changed)
        case "absorb":
            answer = answers.done(version, action, request, decision.status)
            if answer is not None:
                return Answered(answer, _FLAGS["absorb"], decision.reason)
    answer = answers.refusal(version, action, request, decision.status, decision.reason)
    return Answered(answer, _FLAGS["deny"], decision.reason, SECURITY_ERROR)


def _of_items(
    version: Version, request: dict[str, Any], items: list[Any], decisions: list[_Decision]
) -> Verdict | None:
    """A SetVariables, of which some items may go on and others not."""
    kept: list[Any] = []
    withheld: list[tuple[int, dict[str, Any]]] = []
    changed: list[str] = []
    for index, (item, decision) in enumerate(zip(items, decisions, strict=True)):
        if decision.do in ("deny", "absorb"):
            answer = answers.result(version, item, decision.status, is_done=decision.do == "absorb")
            withheld.append((index, answer))
            changed.append(f"setVariableData[{index}]")
        elif decision.do == "rewrite":
            payload, places = rewritten({"setVariableData": [item]}, decision.set)
            kept += payload["setVariableData"]
            changed += [place.replace("[0]", f"[{index}]", 1) for place in places]
        else:
            kept.append(item)
    if not changed:
        return None
    first = next(decision for decision in decisions if decision.do != "allow")
    results = {"setVariableResult": [item for _, item in withheld]}
    if withheld and deviations(version, "SetVariables", False, results):
        return Answered(None, _FLAGS["deny"], first.reason, SECURITY_ERROR)
    if kept:
        rest = msgspec.json.encode(request | {"setVariableData": kept})
        return Rewritten(rest, _FLAGS["rewrite"], first.reason, tuple(changed), tuple(withheld))
    gravest = next((decision for decision in decisions if decision.do == "deny"), first)
    return Answered(msgspec.json.encode(results), _FLAGS[gravest.do], gravest.reason)
