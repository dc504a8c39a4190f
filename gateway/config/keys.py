"""What is known about every setting, as data: for reading files, for messages and for the reference page."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct, inspect

from gateway.config.settings import Config
from gateway.config.table import Table
from gateway.config.values import Address, Secret


class Key(Struct, frozen=True):
    """One name in the file.

    `kind` says in words what fits. `table` is the class when it is a table, or, with `many`, a list of them.
    `default` is NODEFAULT for what must be given.
    """

    name: str
    type: Any
    kind: str
    default: Any
    description: str = ""
    reload: bool = False
    parse: Callable[[Any], Any] | None = None
    table: type[Table] | None = None
    many: bool = False


@cache
def keys(table: type[Table]) -> dict[str, Key]:
    """Every name that a table may have, in the order of its class."""
    return {found.encode_name: _key(found) for found in msgspec.structs.fields(table)}


def paths(table: type[Table] = Config, under: str = "") -> dict[str, Key]:
    """Every setting by its path, such as `limits.fragments` or `dialect.charger[].mode`."""
    found: dict[str, Key] = {}
    for name, key in keys(table).items():
        path = under + name
        if key.table is None or key.many:
            found[path] = key
        if key.table is not None:
            found |= paths(key.table, path + ("[]." if key.many else "."))
    return found


def toml(value: Any) -> str:
    """A value as it is written in TOML; "" for one that is not there."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case dict():
            return "{" + ", ".join(f" {name} = {toml(item)}" for name, item in value.items()).lstrip() + "}"
        case list() | tuple():
            return "[" + ", ".join(toml(item) for item in value) + "]"
        case _:
            return msgspec.json.encode(str(value)).decode()


def _key(found: msgspec.structs.FieldInfo) -> Key:
    metas = [meta for meta in getattr(found.type, "__metadata__", ()) if isinstance(meta, Meta)]
    extra = next((meta.extra for meta in metas if meta.extra), {})
    inner = get_args(found.type)[0] if get_origin(found.type) is Annotated else found.type
    entry = get_args(inner)[0] if get_origin(inner) is tuple else inner
    is_table = isinstance(entry, type) and issubclass(entry, Table)
    default = found.default if found.default_factory is NODEFAULT else found.default_factory()
    return Key(
        name=found.encode_name,
        type=_given(inner) or found.type,
        kind="a table" if is_table else _kind(found.type),
        default=default,
        description=next((meta.description for meta in metas if meta.description), ""),
        reload=bool(extra.get("reload")),
        parse=extra.get("parse"),
        table=entry if is_table else None,
        many=is_table and entry is not inner,
    )


def _given(inner: Any) -> type[Address] | type[Secret] | None:
    """The class of our own that a value is to become, if it is one."""
    for choice in (inner, *get_args(inner)):
        if choice is Address or choice is Secret:
            return choice
    return None


def _kind(annotation: Any) -> str:
    inner = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    given = _given(inner)
    if given is not None:
        return "host:port" if given is Address else "a secret"
    if get_origin(inner) is Literal:  # msgspec sorts the choices
        return _one_of(get_args(inner))
    return _words(inspect.type_info(annotation))


def _words(info: inspect.Type) -> str:  # noqa: PLR0911 - one answer per type
    match info:
        case inspect.Metadata(type=inner):
            return _words(inner)
        case inspect.UnionType(types=types):
            return _words(next(kind for kind in types if not isinstance(kind, inspect.NoneType)))
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=lowest):
            return f"a whole number from {lowest}"
        case inspect.FloatType(gt=above, le=highest):
            return f"a number above {above} and up to {highest}"
        case inspect.EnumType(cls=choices):
            return _one_of(choices)
        case inspect.VarTupleType(item_type=item, min_length=least):
            return f"a list of {'one or more' if least else 'any number'}, each {_words(item)}"
        case inspect.DictType():
            return "a table of values"
        case inspect.StrType(pattern=str(pattern)):
            return f"a text that matches {pattern}"
        case _:
            return "a text"


def _one_of(choices: Iterable[object]) -> str:
    return "one of " + ", ".join(toml(choice) for choice in choices)
