"""What applies to one station: its adapters and packs, indexed by what they are for."""

from functools import cache

from msgspec import Struct

from gateway.dialect.adapter import Adapter
from gateway.dialect.adapting import Method, Runner
from gateway.dialect.facts import Facts
from gateway.dialect.rules.pack import Pack
from gateway.dialect.rules.places import Steps, nodes
from gateway.dialect.rules.rule import Kind, Objects, Payload, Rule, Use
from gateway.ocpp.actions import may_send
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Version

Key = tuple[Kind, str]


class Index(Struct, frozen=True):
    """A brand's rules and methods for one version, by kind and action.

    `calls` are the charger's actions, as bytes, that must not take the fast path; `hears_answers` says that
    the charger's answers must not either. `to_charger` are the kinds and actions of what goes to it.
    """

    rules: dict[Key, tuple[tuple[Rule, bool], ...]]
    methods: dict[Key, tuple[Method, ...]]
    calls: frozenset[bytes]
    hears_answers: bool
    to_charger: frozenset[Key]

    def ruled(self, kind: Kind, action: str, payload: Payload) -> tuple[Payload, list[Flag]]:
        """The payload as the rules for it leave it, the same one when it is unchanged; their flags."""
        flags: list[Flag] = []
        objects: dict[Steps, Objects] = {}  # by place, as long as nothing has changed
        for rule, observe in self.rules.get((kind, action), ()):
            try:
                found = objects.get(rule.at)
                if found is None:
                    found = objects[rule.at] = list(nodes(payload, rule.at))
                before = payload
                payload, raised = rule.applied(payload, observe, found)
                if payload is not before:
                    objects.clear()
            except (ArithmeticError, ValueError, TypeError, LookupError, RecursionError) as error:
                reason = f'"{type(error).__name__}"'
                raised = [Flag(FlagCode.RULE_FAILED, before=reason, author=rule.author)]
            flags = flags + raised if raised else flags
        return payload, flags


class Brand:
    """The adapters and packs that fit one station, in their order."""

    def __init__(
        self,
        packs: tuple[tuple[Pack, Use], ...],
        adapters: tuple[tuple[Adapter, Use], ...] = (),
        run: Runner | None = None,
    ) -> None:
        self.packs = packs
        self.adapters = adapters
        self.run: Runner = run or (lambda function: function())
        self.index = cache(self._index)

    @property
    def names(self) -> list[str]:
        """What applies, as flags name it."""
        return [f"adapters/{adapter.name}" for adapter, _ in self.adapters] + [
            f"rules/{pack.name}" for pack, _ in self.packs
        ]

    @property
    def facts(self) -> list[Facts]:
        """The facts of everything that applies, those that say anything."""
        everything = [adapter.facts for adapter, _ in self.adapters] + [pack.facts for pack, _ in self.packs]
        return [facts for facts in everything if facts != Facts()]

    def _index(self, version: Version) -> Index:
        rules: dict[Key, tuple[tuple[Rule, bool], ...]] = {}
        methods: dict[Key, tuple[Method, ...]] = {}
        for pack, use in self.packs:
            if version in pack.match.versions:
                for rule in pack.rules:
                    for kind, action in rule.on:
                        if may_send(version, kind.caller, action):
                            entry = (rule, use is Use.OBSERVE)
                            rules[kind, action] = (*rules.get((kind, action), ()), entry)
        for adapter, use in self.adapters:
            if version in adapter.match.versions:
                for handling, name in adapter.handlers:
                    key = (handling.kind, handling.action)
                    if may_send(version, handling.kind.caller, handling.action):
                        method = Method(adapter, name, handling.broken, use)
                        methods[key] = (*methods.get(key, ()), method)
        keys = rules.keys() | methods.keys()
        answered = {action for kind, action in methods if kind is Kind.BACKEND_RESULT}
        calls = {action for kind, action in keys if kind is Kind.CHARGER_CALL} | answered
        asked = {(Kind.BACKEND_CALL, action) for kind, action in methods if kind is Kind.CHARGER_RESULT}
        to_charger = {key for key in keys if key[0] in (Kind.BACKEND_CALL, Kind.BACKEND_RESULT)} | asked
        return Index(
            rules,
            methods,
            frozenset(action.encode() for action in calls),
            any(kind is Kind.CHARGER_RESULT for kind, _ in keys),
            frozenset(to_charger),
        )
