"""From a TOML file and command-line options to a `Config`, or to every error in them at once."""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT

from gateway.config.checks import contradictions
from gateway.config.keys import Key, keys, paths, toml
from gateway.config.settings import Config
from gateway.config.table import Table
from gateway.config.values import Address, Secret

OPTIONS = {
    "backend": "backend.url",
    "listen": "listen.address",
    "admin": "admin.address",
    "data": "data.directory",
    "insecure": "listen.insecure",
    "log_level": "log.level",
    "log_format": "log.format",
}
"""The settings that a command-line option overrides, by its name; `log_level` is `--log-level` there."""

DEMO_BACKEND = "ws://127.0.0.1:9180"
"""Stands in for `backend.url` in a demonstration until its own backend has a port."""

DEMO_DATA = "data/demo"
"""Where a demonstration keeps its flags, apart from those of real chargers."""


_LISTS: Final = {path for path, key in paths().items() if key.table is not None}


class ConfigError(Exception):
    """What is wrong with the configuration; each error names its file, its key and the cure.

    `rest` is the configuration with something harmless in place of what is wrong, to look for more in it;
    None where it cannot be read at all.
    """

    def __init__(self, errors: list[str], rest: Config | None = None) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
        self.rest = rest


def load(path: str | Path) -> Config:
    """The configuration in a file; ConfigError with everything that is wrong with it."""
    return from_arguments(path)


def from_arguments(
    path: str | Path | None = None,
    options: Mapping[str, str | bool | None] | None = None,
    *,
    demo: bool = False,
) -> Config:
    """The configuration in a file, or the defaults, under the command-line options that were given.

    `options` are named as in `OPTIONS`; None and False mean not given. `demo` does without a backend.
    """
    raw = {} if path is None else _parse(Path(path))
    given = {OPTIONS[name]: value for name, value in (options or {}).items() if value not in (None, False)}
    if demo:
        given["backend.url"] = DEMO_BACKEND
        if path is None:
            given.setdefault("data.directory", DEMO_DATA)
    for key_path, value in given.items():
        table, _, name = key_path.partition(".")
        if isinstance(raw.setdefault(table, {}), dict):
            raw[table][name] = value
    errors = _Errors(str(path or "command line"), set(given))
    config = _table(Config, raw, "", errors)
    assert isinstance(config, Config)
    if errors.found:
        raise ConfigError(errors.found, config)
    return config


class _Errors:
    """The errors so far, each under the place it comes from."""

    def __init__(self, source: str, overridden: set[str]) -> None:
        self.found: list[str] = []
        self._paths: list[str] = []
        self._source = source
        self._options = {
            path: "--" + name.replace("_", "-") for name, path in OPTIONS.items() if path in overridden
        }

    def add(self, path: str, message: str) -> None:
        self._paths.append(path)
        self._note(path, message)

    def contradicts(self, path: str, message: str) -> None:
        """As `add`, unless what is there was found wrong by itself."""
        if not any(path == one or path.startswith((one + ".", one + "[")) for one in self._paths):
            self._note(path, message)

    def _note(self, path: str, message: str) -> None:
        self.found.append(f"{self._options.get(path, self._source)}: {path}: {message}{where(path)}")


def where(path: str) -> str:
    """The place of a table in its list as people count it, ` (2nd [[routes]])`; "" for what is in no list."""
    found = re.match(r"([a-z_.]+)\[(\d+)\]", path)
    if found is None or found[1] not in _LISTS:
        return ""
    number = int(found[2]) + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f" ({number}{ending} [[{found[1]}]])"


def _parse(path: Path) -> dict[str, Any]:
    """The file as TOML understands it."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        cure = "give the path of a TOML file that the gateway may read"
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); {cure}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8; save it as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not TOML: {error}; correct it there"]) from None


def _table(cls: type[Table], raw: object, path: str, errors: _Errors) -> Table:
    """The table, after noting everything that is wrong in it and putting something harmless there."""
    if not isinstance(raw, dict):
        errors.add(path, f"{toml(raw)} does not fit; give a table, [{path}]")
        return _table(cls, {}, path, _Errors("", set()))
    known = keys(cls)
    prefix = path + "." if path else ""
    for name in raw:
        if name not in known:
            errors.add(prefix + name, _unknown(name, known, prefix))
    values = {}
    for name, key in known.items():
        if name in raw or _has_required(key):
            values[name] = _value(key, raw.get(name, {} if key.table else NODEFAULT), prefix + name, errors)
    table = cls(**values)
    for key_path, message in contradictions(table, path):
        errors.contradicts(key_path, message)
    return table


def _value(key: Key, raw: Any, path: str, errors: _Errors) -> Any:
    """What the gateway uses for one key, or stands for it after noting an error."""
    if key.table is None:
        return _leaf(key, raw, path, errors)
    if not key.many:
        return _table(key.table, raw, path, errors)
    if isinstance(raw, list):
        return tuple(_table(key.table, entry, f"{path}[{i}]", errors) for i, entry in enumerate(raw))
    errors.add(path, f"{toml(raw)} does not fit; write each entry as [[{path}]]")
    return ()


def _leaf(key: Key, raw: Any, path: str, errors: _Errors) -> Any:
    if raw is NODEFAULT:
        errors.add(path, f"is missing; give {key.kind}: {key.description}")
        return _stand_in(key, "")
    try:
        if key.type is Address or key.type is Secret:
            value = key.type.parse(raw)
        else:
            value = msgspec.convert(raw, key.type)
        return value if key.parse is None else key.parse(value)
    except msgspec.ValidationError:
        errors.add(path, f"{toml(raw)[:80]} does not fit; give {key.kind}")
    except ValueError as error:
        errors.add(path, str(error))
    return _stand_in(key, raw)


def _stand_in(key: Key, raw: Any) -> Any:
    """What stands for a value that is wrong: the text itself, so that what names it is not wrong as well."""
    if key.type is Secret:
        return Secret("?")
    if key.default is NODEFAULT or (isinstance(raw, str) and key.kind.startswith("a text")):
        if key.kind.startswith("a list"):
            return ()
        return raw if isinstance(raw, str) else ""
    return key.default


def _has_required(key: Key) -> bool:
    """Whether a key, or one inside it, must be given."""
    if key.table is None or key.many:
        return key.default is NODEFAULT
    return any(_has_required(inner) for inner in keys(key.table).values())


def _unknown(name: str, known: dict[str, Key], prefix: str) -> str:
    what = "key" if prefix else "table"
    for table, key in keys(Config).items():
        if (
            prefix
            and key.table is not None
            and table + "." != prefix
            and name in keys(key.table)
            and name not in known
        ):
            return f"unknown key; it belongs into [{table}]"
    near = get_close_matches(name, known, n=1)
    return (
        f"unknown {what}; did you mean {near[0]}?" if near else f"unknown {what}; known: {', '.join(known)}"
    )
