"""What is wrong with a rule about commands, as an operator is told it before the gateway starts."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from gateway.ocpp.message import Version
from gateway.ocpp.schema import Node, differences, schema
from gateway.routing import answers
from gateway.routing.commands import ALL, ASKS, SETS_KEYS
from gateway.routing.globs import is_plain, matcher
from gateway.routing.policy import CommandRule
from gateway.routing.rewriting import Place, node_at, places

Fault = tuple[str, str]  # field of the rule, what is wrong and the cure


def faults(rule: CommandRule) -> Iterator[Fault]:
    """Everything about a rule that can never have an effect, or not the one it says."""
    for glob in rule.actions:
        if not _matched(glob):
            yield "actions", f'no command is called "{glob}"; {_hint(glob)}'
    actions = [action for glob in rule.actions for action in _matched(glob)]
    if not actions:
        return
    if rule.keys and (strange := sorted(set(actions) - SETS_KEYS)):
        yield "keys", f"{strange[0]} sets no keys; leave keys out, or it"
    yield from _status(rule, actions)
    yield from _absorbed(rule)
    yield from _values(rule, actions)


def _status(rule: CommandRule, actions: list[str]) -> Iterator[Fault]:
    if not rule.status:
        return
    if rule.do not in ("deny", "absorb"):
        yield "status", f'means nothing with do = "{rule.do}"; leave it out'
        return
    if rule.do == "deny" and rule.status in answers.YES:
        yield "status", f'"{rule.status}" says yes; choose another, or do = "absorb"'
    if rule.do == "absorb" and rule.status in answers.NO:
        yield "status", f'"{rule.status}" says no; choose another, or do = "deny"'
    lacking = [action for action in actions if rule.status not in _statuses(action)]
    named = [action for action in _named(rule) if action in lacking]
    if named or len(lacking) == len(actions):
        action = (named or lacking)[0]
        choices = ", ".join(_statuses(action)) or "none"
        yield "status", f'{action} is never answered with "{rule.status}"; known: {choices}'


def _absorbed(rule: CommandRule) -> Iterator[Fault]:
    for action in _named(rule):
        if rule.do == "absorb" and action in ASKS:
            yield "do", f'{action} asks for something, so it cannot be absorbed; use "deny"'


def _values(rule: CommandRule, actions: list[str]) -> Iterator[Fault]:
    if (rule.do == "rewrite") != bool(rule.set):
        yield "set", 'is needed with do = "rewrite", and only there; give it there, leave it out elsewhere'
        return
    for steps, value in places(rule.set):
        named = [action for action in actions if _nodes(action, steps)]
        where = "set." + ".".join(steps)
        if not named:
            yield where, f"{actions[0]} has no such field; name one of its payload"
        elif not any(_fits(node, value) for action in named for node in _nodes(action, steps)):
            yield where, f"{value!r} does not fit {named[0]}; give a value that the field can have"


def _named(rule: CommandRule) -> list[str]:
    """The actions that the rule names without a pattern."""
    return [action for glob in rule.actions if is_plain(glob) for action in _matched(glob)]


def _matched(glob: str) -> list[str]:
    return sorted(filter(matcher((glob,)), ALL))


def _statuses(action: str) -> list[str]:
    """Every status of an action in any version, each once."""
    return list(dict.fromkeys(word for version in Version for word in answers.statuses(version, action)))


def _nodes(action: str, steps: Place) -> list[Node]:
    """The place in the requests of the versions that have it."""
    requests = [schema(version, action, True) for version in Version]
    found = [node_at(request, steps) for request in requests if request is not None]
    return [node for node in found if node is not None]


def _fits(node: Node, value: Any) -> bool:
    return not list(differences(node, value, ()))


def _hint(glob: str) -> str:
    near = get_close_matches(glob, ALL, n=1)
    return f"did you mean {near[0]}?" if near else "name one such as Reset, or a pattern such as Set*"
