"""Finding rule packs and adapters, ours and others', and making a `Library` of them, or saying what is wrong.

Packs are TOML files and adapters Python files, in the directories that come with the gateway, in configured
ones, and under the entry-point group `ocpp_gateway.adapters`. All go through the same door: the same checks,
the same order, the same errors.
"""

import ast
import importlib.util
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final

from gateway.config import Config, Dialect
from gateway.config.reading import where
from gateway.dialect.adapter import Adapter
from gateway.dialect.adapting import Runner, TookTooLong, line_of
from gateway.dialect.library import Library, ordered
from gateway.dialect.match import Match, MatchError
from gateway.dialect.rules.pack import Pack, RulePackError, read_pack
from gateway.dialect.rules.rule import Use
from gateway.dialect.rules.trial import problems_of
from gateway.ocpp.actions import may_send

HOME: Final = Path(__file__).resolve().parent.parent
SHIPPED_RULES: Final = HOME / "rules"
SHIPPED_ADAPTERS: Final = HOME / "adapters"
GROUP: Final = "ocpp_gateway.adapters"
LARGEST_FILE_BYTES: Final = 1_048_576

MAY_IMPORT: Final = frozenset(
    """__future__ collections copy dataclasses datetime decimal enum functools itertools json math operator re
    string typing""".split()  # noqa: SIM905
)
"""What an adapter may import beside `gateway.api`: nothing that has I/O, a clock or chance."""

CALLS_REFUSED: Final = frozenset(
    {
        "open",
        "exec",
        "eval",
        "compile",
        "__import__",
        "input",
        "print",
        "breakpoint",
        "now",
        "utcnow",
        "today",
    }
)


class PluginError(Exception):
    """What is wrong with packs and adapters; each error names its file, the place in it, and the cure."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def library(config: Config, file: str = "") -> Library:
    """Everything that the configuration names, in order. Errors: PluginError with all there are.

    `file`: where the configuration was read from, for errors about its keys.
    """
    dialect = config.dialect
    errors: list[str] = []
    packs = [pack for path in pack_files(dialect, errors) for pack in _pack(path, dialect, errors)]
    found = [*_adapters_in_files(dialect, errors), *_adapters_of_others(errors)]
    adapters = [adapter for adapter in found if dialect.use_of(adapter.name) is not Use.OFF]
    packs, wrong = ordered(packs, lambda pack: pack.match, lambda pack: pack.source)
    adapters, more = ordered(adapters, lambda adapter: adapter.match, source_of)
    errors += [*wrong, *more, *_unknown_names(dialect, packs, adapters)]
    if errors:
        place = f"{file}: " if file else ""
        raise PluginError([place + one if one.startswith("dialect.") else one for one in errors])
    return Library(
        [(pack, dialect.use_of(pack.name) or pack.use) for pack in packs],
        [(adapter, dialect.use_of(adapter.name) or Use.REPAIR) for adapter in adapters],
        bounded_by(config.limits.adapter_cpu_s),
    )


def _unknown_names(dialect: Dialect, packs: list[Pack], adapters: list[Adapter]) -> Iterator[str]:
    """Names in the configuration that nothing has."""
    for key, known in (("packs", [p.name for p in packs]), ("adapters", [a.name for a in adapters])):
        for index, entry in enumerate(dialect.charger):
            for name in getattr(entry, key) or ():
                if name not in known:
                    listed = ", ".join(sorted(known)) or "none"
                    path = f"dialect.charger[{index}].{key}"
                    yield f"{path}: there is no {name!r} that is on; known: {listed}{where(path)}"


# Packs


def pack_files(dialect: Dialect, errors: list[str]) -> list[Path]:
    """The files of all packs, ours first."""
    folders = [SHIPPED_RULES] if dialect.shipped else []
    found = [path for folder in folders for path in sorted(folder.glob("*.toml"))]
    for index, name in enumerate(dialect.rules_directories):
        found += _files(Path(name), "*.toml", f"dialect.rules_directories[{index}]", errors)
    return found


def _files(folder: Path, pattern: str, key: str, errors: list[str]) -> list[Path]:
    if not folder.is_dir():
        errors.append(f"{key}: {folder} is no directory; make it, or correct the path")
        return []
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith(("_", ".")))


def _pack(path: Path, dialect: Dialect, errors: list[str]) -> Iterator[Pack]:
    """The pack in a file, unless it is off or something is wrong with it."""
    try:
        pack = read_file(path)
    except RulePackError as error:
        errors += error.errors
        return
    if dialect.use_of(pack.name) is Use.OFF:
        return
    problems = problems_of(pack)
    errors += problems
    if not problems:
        yield pack


def read_file(path: Path) -> Pack:
    """The pack in a file, its tests not run. Errors: RulePackError."""
    if path.suffix == ".py":
        cure = "name its directory in dialect.adapter_directories, and run: rules test --config gateway.toml"
        raise RulePackError([f"{path}: is an adapter, not a pack; {cure}, or its own tests"])
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise RulePackError(
                [f"{path}: is larger than {LARGEST_FILE_BYTES} bytes; make several packs of it"]
            )
        return read_pack(path.read_text("utf-8"), shown(path))
    except OSError as error:
        raise RulePackError([f"{path}: cannot be read ({error.strerror}); give a file that can"]) from None
    except UnicodeDecodeError:
        raise RulePackError([f"{path}: is not UTF-8; save it as UTF-8"]) from None


def shown(path: Path) -> str:
    """A file as messages name it: ours below the gateway's own place, others as they were given."""
    return str(path.relative_to(HOME)) if path.is_relative_to(HOME) and path.is_absolute() else str(path)


# Adapters


def source_of(adapter: Adapter) -> str:
    """The file an adapter is in."""
    return getattr(adapter, "source", type(adapter).__module__)


def _adapters_in_files(dialect: Dialect, errors: list[str]) -> Iterator[Adapter]:
    paths = sorted(SHIPPED_ADAPTERS.glob("*.py")) if dialect.shipped else []
    for index, name in enumerate(dialect.adapter_directories):
        paths += _files(Path(name), "*.py", f"dialect.adapter_directories[{index}]", errors)
    for path in paths:
        if not path.name.startswith("_"):
            yield from adapters_in(path, errors)


def adapters_in(path: Path, errors: list[str]) -> Iterator[Adapter]:
    """The adapters in a Python file; what is wrong with them is added to `errors`."""
    where = shown(path)
    try:
        tree = ast.parse(path.read_text("utf-8"), where)
    except OSError as error:
        errors.append(f"{where}: cannot be read ({error.strerror}); give a file that can")
        return
    except (SyntaxError, ValueError) as error:
        errors.append(f"{where}: is not Python: {error}; correct it there")
        return
    refused = list(_forbidden(tree, where))
    errors += refused
    if refused:
        return
    spec = importlib.util.spec_from_file_location(f"ocpp_gateway_adapter_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        exec(compile(tree, str(path), "exec"), module.__dict__)
    except MatchError as error:
        errors += [f"{where}: match.{key}: {text}" for key, text in error.findings]
        return
    except Exception as error:
        place = f"{where}:{line_of(error, str(path)) or 1}"
        errors.append(f"{place}: {type(error).__name__}: {error}; correct it there")
        return
    yield from _instances(module, where, errors)


def _forbidden(tree: ast.AST, where: str) -> Iterator[str]:
    """Imports and calls that an adapter must not have."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [("." * node.level) + (node.module or "")]
        for name in names:
            if name != "gateway.api" and name.split(".")[0] not in MAY_IMPORT:
                known = ", ".join(sorted(MAY_IMPORT - {"__future__"}))
                yield (
                    f"{where}:{node.lineno}: import {name}: adapters have no I/O, clock or chance; "  # type: ignore[attr-defined]
                    f"they may import gateway.api, {known}"
                )
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called in CALLS_REFUSED and not (called == "compile" and isinstance(node.func, ast.Attribute)):
                yield (
                    f"{where}:{node.lineno}: {called}(): adapters have no I/O, clock or chance; "
                    "work with the message and the memory alone"
                )


def _instances(module: ModuleType, where: str, errors: list[str]) -> Iterator[Adapter]:
    found = [
        member
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, Adapter)
        and member is not Adapter
        and member.__module__ == module.__name__
        and not member.__name__.startswith("_")
    ]
    if not found:
        errors.append(f"{where}: there is no adapter; make a subclass of gateway.api.Adapter")
    for cls in found:
        wrong = list(_problems(cls, where))
        errors += wrong
        if not wrong:
            adapter = cls()
            adapter.source = where  # type: ignore[attr-defined]
            yield adapter


def _problems(cls: type[Adapter], where: str) -> Iterator[str]:
    """What is wrong with an adapter's class."""
    place = f"{where}: {cls.__name__}"
    match = getattr(cls, "match", None)
    if not isinstance(match, Match):
        yield f'{place}: match: is missing; write match = Match(vendor="…")'
        return
    if not isinstance(cls.after, tuple | list) or not all(isinstance(name, str) for name in cls.after):
        yield f'{place}: after: {cls.after!r} does not fit; write after = ("name",)'
    if not cls.handlers and cls.facts == Adapter.facts:
        yield f"{place}: there is neither a marked method nor a fact; mark one with @charger_call(…)"
    for handling, name in cls.handlers:
        if not any(may_send(version, handling.kind.caller, handling.action) for version in match.versions):
            versions = ", ".join(sorted(match.versions))
            yield f"{place}.{name}: {handling.action!r} is no action for a {handling.kind} in OCPP {versions}"
        parameters = list(inspect.signature(getattr(cls, name)).parameters)
        if len(parameters) != 3:
            yield f"{place}.{name}: takes ({', '.join(parameters)}); write def {name}(self, message, memory)"
    try:
        cls()
    except Exception as error:
        yield f"{place}: cannot be made: {type(error).__name__}: {error}; an adapter takes no arguments"


def _adapters_of_others(errors: list[str]) -> Iterator[Adapter]:
    """The adapters of installed distributions; an entry point names a class or a module."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        yield from _adapters_at(point, errors)


def _adapters_at(point: EntryPoint, errors: list[str]) -> Iterator[Adapter]:
    where = f"entry point {point.name} = {point.value}"
    try:
        loaded = point.load()
    except MatchError as error:
        errors += [f"{where}: match.{key}: {text}" for key, text in error.findings]
        return
    except Exception as error:
        errors.append(f"{where}: {type(error).__name__}: {error}; correct or uninstall its distribution")
        return
    module = loaded if isinstance(loaded, ModuleType) else sys.modules.get(getattr(loaded, "__module__", ""))
    file = getattr(module, "__file__", None)
    refused = list(_forbidden(ast.parse(Path(file).read_text("utf-8")), where)) if file else []
    errors += refused
    if refused or module is None:
        return
    for adapter in _instances(module, where, errors):
        if isinstance(loaded, ModuleType) or type(adapter) is loaded:
            yield adapter


# Bounds


def bounded_by(cpu_s: float) -> Runner:
    """Calls a function and interrupts it when it has used so much processor time.

    Only the main thread can be interrupted; elsewhere it just runs. A single long operation of Python itself
    (a huge multiplication) is interrupted when it ends.
    """

    active = False

    def interrupt(_: int, __: FrameType | None) -> None:
        if active:
            raise TookTooLong

    def run(function: Callable[[], Any]) -> Any:
        nonlocal active
        if threading.current_thread() is not threading.main_thread():
            return function()
        before = signal.signal(signal.SIGVTALRM, interrupt)
        signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s, cpu_s)
        active = True
        try:
            return function()
        finally:
            active = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    return run
