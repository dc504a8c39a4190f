"""The repository's own rules: who may import whom, what pure means, how long things get."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PURE = {"ocpp", "dialect", "translate", "routing", "watch", "session"}
VOCABULARY = {"ocpp"}
LEAVES = {"dialect", "translate", "routing", "watch"}
CORE = VOCABULARY | LEAVES | {"session"}
MAY_IMPORT = {
    "ocpp": set(),
    **dict.fromkeys(LEAVES, VOCABULARY),
    "session": VOCABULARY | LEAVES,
    "config": VOCABULARY | LEAVES,
    "store": CORE,
    "cluster": CORE,
    "observe": CORE | {"store.protocol"},
    "net": CORE | {"config", "store", "cluster", "observe"},
    "admin": CORE | {"config", "store", "observe", "net.fleet"},
    "sandbox": VOCABULARY | {"net.tasks", "net.explain"},
    "api": VOCABULARY | {"dialect"},
}
"""What each package or module of `gateway` may import of ours; those not named here (`app`, `cli`) may all.

A dotted name is one module of a package.
"""

IMPURE_MODULES = {
    *("asyncio", "logging", "random", "secrets", "uuid", "socket", "ssl", "select", "sqlite3", "redis"),
    *("threading", "multiprocessing", "subprocess", "time", "uvloop", "picows", "aiohttp"),
}
READS_DATA = {"gateway/ocpp/schema.py": "the JSON schemas that an installed package brings along"}
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
READ_CLOCKS = {"app", "cli", "net", "cluster", "store", "admin", "observe", "sandbox"}
PRINT = {"app", "cli"}

TASKS = "gateway/net/tasks.py"
TASK_MAKERS = {
    "create_task",
    "asyncio.create_task",
    "loop.create_task",
    "ensure_future",
    "asyncio.ensure_future",
}
"""A task group's `create_task` is none of these: the group keeps its tasks."""

MOST_FUNCTION_LINES = 50
MOST_FILE_LINES = 350
LONG_ON_PURPOSE = {
    "gateway/config/settings.py": "one table of every setting",
    "gateway/ocpp/flags.py": "one table of every kind of wrong",
    "gateway/translate/memory.py": "one table of everything that is remembered",
    "gateway/session/session.py": "all transitions of a session live in one file",
}
"""`path` or `path:function` → why it is longer than the rest."""

HOME = re.compile(r"(?<![\w.:/-])/(?:root|home|work|Users)/[\w.-]+")
TEXTS = {
    "",
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".jsonl",
    ".service",
    ".cfg",
    ".sh",
    ".html",
    ".js",
    ".css",
}
NOT_OURS = {
    ".git",
    ".venv",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    "data",
    "build",
}


class Module:
    """One Python file: its place in the repository, its text, and its syntax tree."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(text, path)

    @property
    def part(self) -> str:
        """`ocpp` for gateway/ocpp/frame.py, `app` for gateway/app.py; "" for what is in no part."""
        parts = self.path.removesuffix(".py").split("/")
        return parts[1] if parts[0] == "gateway" and parts[1] != "__init__" else ""

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full dotted name of everything imported, `from a import b` as `a.b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                dots = "." * node.level
                yield from ((node.lineno, f"{dots}{node.module or ''}.{alias.name}") for alias in node.names)

    def calls(self) -> Iterator[tuple[int, str]]:
        """Line and name of everything called: `print`, `datetime.now`, the last two names at most.

        What only runs as a program (`if __name__ == "__main__"`) is left out.
        """
        imported = [node for node in self.tree.body if not _is_main_guard(node)]
        for node in (inner for outer in imported for inner in ast.walk(outer)):
            if isinstance(node, ast.Call):
                match node.func:
                    case ast.Name(id=name):
                        yield node.lineno, name
                    case ast.Attribute(attr=name, value=ast.Name(id=owner) | ast.Attribute(attr=owner)):
                        yield node.lineno, f"{owner}.{name}"
                    case ast.Attribute(attr=name):
                        yield node.lineno, name


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def wrong_direction(module: Module) -> list[str]:
    if module.part not in MAY_IMPORT:
        return []
    allowed = MAY_IMPORT[module.part] | {module.part}
    found = []
    for line, name in module.imports():
        if name.startswith("."):
            found.append(f"{module.path}:{line}: relative import {name}; write it in full")
        elif name.startswith("gateway.") and name != "gateway.__version__":
            _, package, *rest = name.split(".")
            if not {package, ".".join([package, *rest[:1]])} & allowed:
                found.append(f"{module.path}:{line}: {module.part} must not import {name}")
    return found


def impure(module: Module) -> list[str]:
    if module.part not in PURE:
        return []
    imports = [
        f"{module.path}:{line}: pure packages do not import {name.split('.')[0]}"
        for line, name in module.imports()
        if name.split(".")[0] in IMPURE_MODULES
    ]
    return imports + [
        f"{module.path}:{line}: pure packages open no file"
        for line, name in module.calls()
        if name == "open" and module.path not in READS_DATA
    ]


def clocks_and_prints(module: Module) -> list[str]:
    banned = (set() if module.part in READ_CLOCKS else CLOCKS) | (
        set() if module.part in PRINT else {"print"}
    )
    return [
        f"{module.path}:{line}: {name} belongs to the edge of the world"
        for line, name in [*module.calls(), *module.imports()]
        if name in banned
    ]


def unkept_tasks(module: Module) -> list[str]:
    if module.path == TASKS:
        return []
    return [
        f"{module.path}:{line}: use gateway.net.tasks instead of {name}"
        for line, name in module.calls()
        if name in TASK_MAKERS
    ]


def too_long(module: Module) -> list[str]:
    """`path` or `path:function` of what has more lines than fit."""
    found = [module.path] if len(module.text.splitlines()) > MOST_FILE_LINES else []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno + 1 > MOST_FUNCTION_LINES:
                found.append(f"{module.path}:{node.name}")
    return found


def machine_paths(path: str, text: str) -> list[str]:
    lines = enumerate(text.splitlines(), 1)
    return [f"{path}:{number}: {found.group()}" for number, line in lines for found in HOME.finditer(line)]


def modules(*folders: str) -> list[Module]:
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Module(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]


def texts() -> Iterator[Path]:
    """Every text file of the repository."""
    folders = [ROOT]
    for folder in folders:
        for path in folder.iterdir():
            if path.name in NOT_OURS or path.name.endswith(".egg-info"):
                continue
            if path.is_dir():
                folders.append(path)
            elif path.suffix in TEXTS:
                yield path


@pytest.fixture(scope="module")
def ours() -> list[Module]:
    found = modules("gateway", "adapters")
    assert len(found) > 20
    return found


@pytest.mark.parametrize("rule", [wrong_direction, impure, clocks_and_prints, unkept_tasks])
def test_every_module_keeps_the_rule(rule, ours):
    assert [violation for module in ours for violation in rule(module)] == []


def test_functions_and_files_fit_on_a_screen_unless_there_is_a_reason(ours):
    found = {name for module in ours for name in too_long(module)}
    assert found - LONG_ON_PURPOSE.keys() == set(), "shorten it, or give the reason in LONG_ON_PURPOSE"
    assert LONG_ON_PURPOSE.keys() - found == set(), "no longer long: take it out of LONG_ON_PURPOSE"


def test_no_file_names_a_place_on_somebodys_machine():
    found = [machine_paths(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in texts()]
    assert len(found) > 30
    assert [violation for violations in found for violation in violations] == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (wrong_direction, "gateway/ocpp/frame.py", "import gateway.session.calls"),
        (wrong_direction, "gateway/dialect/reader.py", "from gateway.translate import tables"),
        (wrong_direction, "gateway/session/session.py", "from gateway import store"),
        (wrong_direction, "gateway/store/sqlite.py", "if True:\n    from gateway.net.fleet import Fleet"),
        (wrong_direction, "gateway/admin/api.py", "from gateway.net.driver import Driver"),
        (wrong_direction, "gateway/net/fleet.py", "from . import driver"),
        (impure, "gateway/ocpp/times.py", "import time"),
        (impure, "gateway/session/session.py", "def f():\n    from asyncio import Queue"),
        (impure, "gateway/dialect/reader.py", "import redis.asyncio"),
        (impure, "gateway/watch/clock.py", "open('x')"),
        (clocks_and_prints, "gateway/session/calls.py", "import datetime\ndatetime.datetime.now()"),
        (clocks_and_prints, "gateway/config/reading.py", "from time import time"),
        (clocks_and_prints, "gateway/config/reading.py", "import time\ntime.time()"),
        (clocks_and_prints, "gateway/net/driver.py", "print()"),
        (clocks_and_prints, "gateway/config/reading.py", "print()"),
        (unkept_tasks, "gateway/net/driver.py", "import asyncio\nasyncio.create_task(x)"),
        (unkept_tasks, "gateway/app.py", "get_loop().create_task(x)"),
        (unkept_tasks, "gateway/app.py", "from asyncio import ensure_future\nensure_future(x)"),
        (too_long, "gateway/app.py", "def f():\n" + "    pass\n" * MOST_FUNCTION_LINES),
        (too_long, "gateway/app.py", "x = 1\n" * (MOST_FILE_LINES + 1)),
    ],
)
def test_a_rule_catches_what_breaks_it(rule, path, text):
    assert len(rule(Module(path, text))) == 1


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (
            wrong_direction,
            "gateway/session/session.py",
            "import gateway.ocpp.frame\nfrom gateway.session import calls",
        ),
        (
            wrong_direction,
            "gateway/admin/api.py",
            "from gateway.net.fleet import Fleet\nfrom gateway import __version__",
        ),
        (wrong_direction, "gateway/app.py", "from gateway.net import driver"),
        (impure, "gateway/store/sqlite.py", "import sqlite3"),
        (clocks_and_prints, "gateway/net/driver.py", "import time\ntime.time()"),
        (clocks_and_prints, "gateway/ocpp/flags.py", "if __name__ == '__main__':\n    print()"),
        (unkept_tasks, TASKS, "import asyncio\nasyncio.create_task(x)"),
        (unkept_tasks, "gateway/sandbox/backend.py", "group.create_task(x)"),
        (too_long, "gateway/app.py", "def f():\n" + "    pass\n" * (MOST_FUNCTION_LINES - 1)),
    ],
)
def test_a_rule_leaves_what_keeps_it(rule, path, text):
    assert rule(Module(path, text)) == []


def test_a_machine_path_is_seen_and_an_address_is_not():
    assert machine_paths("x.md", "see " + "/ho" + "me/someone/notes") != []
    assert machine_paths("x.md", "see https://example.org/home/page and ../work/here") == []
