"""The payload schemas: compiled to decoders for the fast path, and as a tree for everything slower.

The Open Charge Alliance's JSON schema files are read as data from the installed distribution `ocpp`,
one file at its first use; that distribution's code is not imported. A `decoder` tells
in about a microsecond whether a payload is clean; `deviations` says what is wrong with one that is not.
"""

from collections.abc import Iterator
from enum import Enum
from functools import cache
from importlib.metadata import distribution
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.ocpp import times
from gateway.ocpp.errors import Wrong
from gateway.ocpp.message import Version
from gateway.ocpp.values import Number, Path, number_text

_FOLDER: Final = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}
_INT64: Final = 2**63
_TENTH_SLACK: Final = 1e-6

Tree = dict[str, Any]


class Node(Struct, frozen=True, gc=False):
    """One place of a schema with its references resolved. `type` is "" where any data is allowed.

    `name` is the 2.x definition it comes from ("" for inline ones): `SampledValueType`, `MeasurandEnumType`.
    """

    type: str
    name: str = ""
    properties: dict[str, "Node"] = msgspec.field(default_factory=dict)
    required: frozenset[str] = frozenset()
    open: bool = False
    items: "Node | None" = None
    enum: tuple[str, ...] = ()
    date_time: bool = False
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_items: int = 0
    max_items: int | None = None
    multiple_of: float | None = None


@cache
def schema(version: Version, action: str, is_request: bool) -> Node | None:
    """The schema of the action's payload, None when this version has no such message."""
    text = _text(version, action, is_request)
    if text is None:
        return None
    tree: Tree = msgspec.json.decode(text)
    return _node(tree, tree.get("definitions", {}), {})


@cache
def decoder(version: Version, action: str, is_request: bool) -> "msgspec.json.Decoder[Any] | None":
    """A decoder that accepts what the schema accepts, as structs.

    It does not see duplicate keys, and it looks at neither `date-time` nor `multipleOf`:
    `gateway.dialect.clean` does. Struct fields carry the wire names; absent ones are `msgspec.UNSET`.
    """
    node = schema(version, action, is_request)
    if node is None:
        return None
    return msgspec.json.Decoder(_compiled(node, action, {}))


def _text(version: Version, action: str, is_request: bool) -> bytes | None:
    if not action.isascii() or not action.isalnum():
        return None
    suffixes = ("", "Request") if is_request else ("Response",)
    for suffix in suffixes:
        path = distribution("ocpp").locate_file(f"ocpp/{_FOLDER[version]}/schemas/{action}{suffix}.json")
        if (found := _read(str(path))) is not None:
            return found
    return None


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read().removeprefix(b"\xef\xbb\xbf")
    except FileNotFoundError:
        return None


def _node(tree: Tree, definitions: dict[str, Tree], seen: dict[str, Node]) -> Node:
    name = ""
    if "$ref" in tree:
        name = tree["$ref"].rpartition("/")[2]
        if name in seen:
            return seen[name]
        tree = definitions[name]
    node = Node(
        type=tree.get("type", ""),
        name=name,
        properties={key: _node(sub, definitions, seen) for key, sub in tree.get("properties", {}).items()},
        required=frozenset(tree.get("required", ())),
        open=tree.get("type") == "object" and tree.get("additionalProperties", True) is not False,
        items=_node(tree["items"], definitions, seen) if "items" in tree else None,
        enum=tuple(tree.get("enum", ())),
        date_time=tree.get("format") == "date-time",
        max_length=tree.get("maxLength"),
        minimum=tree.get("minimum"),
        maximum=tree.get("maximum"),
        min_items=tree.get("minItems", 0),
        max_items=tree.get("maxItems"),
        multiple_of=tree.get("multipleOf"),
    )
    if name:
        seen[name] = node
    return node


# Compiling a tree to the types msgspec checks in C.


def _compiled(node: Node, name: str, seen: dict[int, Any]) -> Any:  # noqa: PLR0911
    match node.type:
        case "object":
            if id(node) not in seen:
                seen[id(node)] = _struct(node, name, seen)
            return seen[id(node)]
        case "array":
            items: Any = _compiled(node.items, name, seen) if node.items else Any
            return Annotated[
                list.__class_getitem__(items), Meta(min_length=node.min_items, max_length=node.max_items)
            ]
        case "string":
            return _string(node)
        case "integer":
            return Annotated[int, Meta(ge=_whole(node.minimum, -_INT64), le=_whole(node.maximum, _INT64 - 1))]
        case "number":
            bounds = Meta(ge=node.minimum, le=node.maximum)
            whole = Meta(ge=_whole(node.minimum, -_INT64), le=_whole(node.maximum, _INT64 - 1))
            return Annotated[int, whole] | Annotated[float, bounds]
        case "boolean":
            return bool
        case _:
            return Any


def _whole(bound: float | None, default: int) -> int:
    """An integer bound; the files write some of them as `1.0`."""
    return default if bound is None else int(bound)


def _string(node: Node) -> Any:
    if node.enum:
        return Literal[node.enum]
    return Annotated[str, Meta(max_length=node.max_length)] if node.max_length else str


def _struct(node: Node, name: str, seen: dict[int, Any]) -> Any:
    """A struct class for an object. An open one ignores members it does not name."""
    fields: list[Any] = []
    for key, sub in node.properties.items():
        type_ = _compiled(sub, f"{name}_{key}", seen)
        fields.append((key, type_) if key in node.required else (key, type_ | UnsetType, UNSET))
    fields.sort(key=len)
    return msgspec.defstruct(
        name, fields, forbid_unknown_fields=not node.open, gc=False, frozen=True, omit_defaults=True
    )


# Saying what is wrong.


class Kind(Enum):
    """How a payload can differ from its schema."""

    MISSING = "required field is missing"
    UNKNOWN = "field is not known here"
    TYPE = "wrong data type"
    ENUM = "not one of the allowed values"
    TOO_LONG = "text is too long"
    TOO_FEW = "too few items"
    TOO_MANY = "too many items"
    RANGE = "number is out of range"
    STEP = "number has too many digits after the point"
    DATE_TIME = "not a date-time with zone"
    HUGE = "number does not fit 64 bits"


class Deviation(Struct, frozen=True, gc=False):
    """One difference. `node` is the schema of the place; for MISSING and UNKNOWN of the object around it."""

    path: Path
    kind: Kind
    node: Node


def wrong_of(deviation: Deviation) -> Wrong:
    """The kind of CALLERROR that answers this deviation."""
    match deviation.kind:
        case Kind.MISSING | Kind.TOO_FEW | Kind.TOO_MANY:
            return Wrong.OCCURRENCE
        case Kind.UNKNOWN:
            return Wrong.SYNTAX
        case Kind.TYPE:
            return Wrong.TYPE
        case _:
            return Wrong.PROPERTY


def deviations(version: Version, action: str, is_request: bool, payload: object) -> list[Deviation]:
    """Every place where a payload differs from its schema, in document order; empty when it is clean.

    `payload` is JSON as Python values; numbers may be `Number`, int or float. The action must exist.
    """
    node = schema(version, action, is_request)
    assert node is not None, f"{action} is not an action of OCPP {version}"
    return list(differences(node, payload, ()))


def differences(node: Node, value: object, path: Path) -> Iterator[Deviation]:
    """The differences between a value and the schema of its place."""
    match node.type:
        case "object" if isinstance(value, dict):
            yield from _object(node, value, path)
        case "array" if isinstance(value, list):
            yield from _array(node, value, path)
        case "string" if isinstance(value, str):
            if (kind := _text_deviation(node, value)) is not None:
                yield Deviation(path, kind, node)
        case "integer" | "number" if (text := number_text(value)) is not None:
            if (kind := _number_deviation(node, text)) is not None:
                yield Deviation(path, kind, node)
        case "boolean" if isinstance(value, bool):
            pass
        case "":
            yield from _any(node, value, path)
        case _:
            yield Deviation(path, Kind.TYPE, node)


def _array(node: Node, value: list[object], path: Path) -> Iterator[Deviation]:
    if len(value) < node.min_items:
        yield Deviation(path, Kind.TOO_FEW, node)
    if node.max_items is not None and len(value) > node.max_items:
        yield Deviation(path, Kind.TOO_MANY, node)
    if node.items:
        for index, item in enumerate(value):
            yield from differences(node.items, item, (*path, index))


def _object(node: Node, value: dict[str, object], path: Path) -> Iterator[Deviation]:
    for key, member in value.items():
        sub = node.properties.get(key)
        if sub is not None:
            yield from differences(sub, member, (*path, key))
        elif node.open:
            yield from _any(node, member, (*path, key))
        else:
            yield Deviation((*path, key), Kind.UNKNOWN, node)
    for key in node.properties:
        if key in node.required and key not in value:
            yield Deviation((*path, key), Kind.MISSING, node)


def _any(node: Node, value: object, path: Path) -> Iterator[Deviation]:
    """Data without a schema: only numbers that parsers would bend are wrong in it."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _any(node, member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _any(node, member, (*path, index))
    elif (text := number_text(value)) is not None and not Number(text).fits:
        yield Deviation(path, Kind.HUGE, node)


def _text_deviation(node: Node, value: str) -> Kind | None:
    if node.enum:
        return None if value in node.enum else Kind.ENUM
    if node.date_time:
        return None if times.is_date_time(value) else Kind.DATE_TIME
    return Kind.TOO_LONG if node.max_length is not None and len(value) > node.max_length else None


def _number_deviation(node: Node, text: str) -> Kind | None:
    number = Number(text)
    if not number.fits:
        return Kind.HUGE
    if node.type == "integer" and not number.is_whole:
        return Kind.TYPE
    value = float(text)
    if not (
        (node.minimum is None or value >= node.minimum) and (node.maximum is None or value <= node.maximum)
    ):
        return Kind.RANGE
    return Kind.STEP if node.multiple_of and not is_tenth(value) else None


def is_tenth(value: float) -> bool:
    """Whether a number has at most one digit after the point: the only `multipleOf` in use is 0.1."""
    return abs(value * 10 - round(value * 10)) < _TENTH_SLACK
