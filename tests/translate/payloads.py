"""Payloads that fit their schema, with numbers and names that the peers have met before."""

from typing import Any, Final

from hypothesis import strategies as st

from gateway.ocpp.message import Version
from gateway.ocpp.schema import Node, schema

TX: Final = "6f1d2c3b-4a59-4e87-9b0a-1c2d3e4f5a6b"
TX16: Final = 501
TAG: Final = "04A2B3C4D5E680"
LONG_TOKEN: Final = "DE-8AA-C12345678-9-OF-A-LONG-CONTRACT"[:36]
TIMES: Final = ("2025-06-01T10:15:30Z", "2025-06-01T10:15:30.250Z", "2025-06-01T12:15:30.123456789+02:00")

_TAGS: Final = (TAG, "MEMBER-1")
_NUMBERS: Final = ("0", "17.5", "1234.56", "-3", "0.001")
_SIGNED: Final = {
    "signedMeterData": "T0NNRnx7fQ==",
    "signingMethod": "ECDSA",
    "encodingMethod": "OCMF",
    "publicKey": "MFkw",
}

_VARIABLES: Final = tuple(
    {"component": {"name": component}, "variable": {"name": variable}}
    for component, variable in (
        ("OCPPCommCtrlr", "HeartbeatInterval"),
        ("AuthCtrlr", "OfflineTxForUnknownIdEnabled"),
    )
)

_EVENTS: Final = tuple(
    {
        "eventId": 7,
        "timestamp": TIMES[0],
        "trigger": "Delta",
        "actualValue": value,
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": component, "evse": {"id": 1, "connectorId": 1}},
        "variable": {"name": variable},
    }
    for component, variable, value in (
        ("Connector", "AvailabilityState", "Unavailable"),
        ("ElectricalFeed", "Problem", "true"),
        ("RCD", "Tripped", "true"),
    )
)

KNOWN: Final[dict[str, tuple[Any, ...]]] = {
    "connectorId": (1, 2, 0),
    "evseId": (1, 2, 0),
    "evse.id": (1, 2, 0),
    "evse.connectorId": (1,),
    "StatusNotification.connectorId": (1,),
    "UnlockConnector.connectorId": (2, 1),
    "UnlockConnector.evseId": (2, 1),
    "idTag": _TAGS,
    "parentIdTag": ("FLEET-7", TAG),
    "idToken.idToken": (*_TAGS, LONG_TOKEN),
    "groupIdToken.idToken": ("FLEET-7", LONG_TOKEN),
    "sampledValue.value": _NUMBERS,
    "sampledValue.format": ("Raw",),
    "unit": ("Wh", "kWh", "A", "Celsius", "Hz", "Beaufort"),
    "multiplier": (0, 3, -2),
    "location": ("https://files.example/x.bin", "sftp://a@b/c"),
    "remoteLocation": ("https://files.example/logs/",),
    "vendorId": ("acme", "com.example"),
    "data": ("x", "{}", '{"a":[1,2.5]}', "7"),
    "transactionId": (TX, TX16),
    "TriggerMessage.evse.connectorId": (1,),
    "RemoteStartTransaction.connectorId": (2,),
    "RequestStartTransaction.evseId": (2,),
    "ReserveNow.evseId": (1, 2, 0),
    "RemoteStartTransaction.chargingProfile.chargingProfilePurpose": ("TxProfile",),
    "RequestStartTransaction.chargingProfile.chargingProfilePurpose": ("TxProfile",),
    "GetConfiguration.key": ("HeartbeatInterval", "AllowOfflineTxForUnknownId"),
    "ChangeConfiguration.key": ("HeartbeatInterval", "AllowOfflineTxForUnknownId"),
    "ChangeConfiguration.value": ("true", "false"),
    "configurationKey.value": ("true", "false"),
    "attributeValue": ("true", "false"),
    "eventData": _EVENTS,
    "configurationKey.key": ("HeartbeatInterval", "AllowOfflineTxForUnknownId"),
    "getVariableData": _VARIABLES,
    "setVariableData": tuple(one | {"attributeValue": "true"} for one in _VARIABLES),
}
"""Member → values that mean something: by its name, `parent.name` or `Action.name`, the longest first."""


ONE: Final = ("NotifyEvent.eventData",)
"""Lists of one: of several problems 1.6 tells the last."""

_LIMITED: Final = ("SetChargingProfile", "ReportChargingProfiles", "NotifyEVChargingSchedule")
ALWAYS: Final = ("GetConfiguration.key", *(f"{action}.limit" for action in _LIMITED))
"""Optional members that are always there: without them it is another question."""


def payloads(
    version: Version,
    action: str,
    is_call: bool,
    known: dict[str, tuple[Any, ...]] | None = None,
    densities: tuple[int, ...] = (2, 4, 0, 1),
) -> st.SearchStrategy[Any]:
    """Any payload of the schema; `known` adds to `KNOWN`, `densities`: of four optional members so many."""
    node = schema(version, action, is_call)
    assert node is not None
    words = KNOWN | (known or {})

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        return _Drawing(draw, action, words, draw(st.sampled_from(densities))).value(node, ())

    return build()


class _Drawing:
    def __init__(self, draw: st.DrawFn, action: str, words: dict[str, tuple[Any, ...]], density: int) -> None:
        self.draw = draw
        self.words = words
        self.action = action
        self.density = density

    def value(self, node: Node, path: tuple[str, ...]) -> Any:  # noqa: PLR0911
        draw = self.draw
        match node.type:
            case "object" if whole := [word for word in self._words(path) if isinstance(word, dict)]:
                return draw(st.sampled_from(whole))
            case "object":
                return {
                    name: self.value(sub, (*path, name))
                    for name, sub in node.properties.items()
                    if name in node.required or self._has(name)
                }
            case "array":
                assert node.items is not None
                low = max(node.min_items, 1)
                high = 1 if f"{self.action}.{path[-1]}" in ONE else min(node.max_items or 2, 2)
                size = draw(st.integers(low, max(low, high)))
                items = [self.value(node.items, path) for _ in range(size)]
                return _distinct(items)
            case "boolean":
                return draw(st.booleans())
            case "integer" | "number":
                return self._number(node, path)
            case "string":
                return self._text(node, path)
            case _:
                return draw(st.sampled_from([*self._words(path), {"x": [1, 2.5]}, 7, True]))

    def _has(self, name: str) -> bool:
        if f"{self.action}.{name}" in ALWAYS:
            return True
        if name == "customData":
            return self.density == 4 and self.draw(st.integers(0, 7)) == 0
        return self.density == 4 or (self.density > 0 and self.draw(st.integers(0, 3)) < self.density)

    def _words(self, path: tuple[str, ...]) -> tuple[Any, ...]:
        for name in (f"{self.action}.{'.'.join(path)}", ".".join(path[-2:]), *path[-1:]):
            if name in self.words:
                return self.words[name]
        return ()

    def _number(self, node: Node, path: tuple[str, ...]) -> Any:
        low = 0 if node.minimum is None else int(node.minimum)
        high = 9999 if node.maximum is None else min(int(node.maximum), 9999)
        known = [n for n in self._words(path) if isinstance(n, int | float) and low <= n <= max(high, n)]
        if known:
            return self.draw(st.sampled_from(known))
        whole = self.draw(st.integers(low, high))
        if node.type == "integer" or whole == node.maximum or self.draw(st.booleans()):
            return whole
        return whole + self.draw(st.sampled_from([0.5, 0.1] if node.multiple_of else [0.5, 0.25, 0.1]))

    def _text(self, node: Node, path: tuple[str, ...]) -> str:
        if node.enum:
            known = [word for word in self._words(path) if word in node.enum]
            return self.draw(st.sampled_from(known or node.enum))
        if node.date_time:
            return self.draw(st.sampled_from(TIMES))
        longest = node.max_length or 700
        known = [word for word in self._words(path) if isinstance(word, str) and len(word) <= longest]
        if known:
            return self.draw(st.sampled_from(known))
        size = self.draw(st.sampled_from([size for size in (1, 8, 21, longest) if size <= longest]))
        return ("aZ09-é" * (size // 6 + 1))[:size]


def _distinct(items: list[Any]) -> list[Any]:
    """Of items that ask or measure the same, one."""
    names = ("measurand", "context", "phase", "location")
    kept: dict[str, Any] = {}
    for item in items:
        is_sample = isinstance(item, dict) and "value" in item
        kept[str([item.get(name) for name in names] if is_sample else item)] = item
    return list(kept.values())
