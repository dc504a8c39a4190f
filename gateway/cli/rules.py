"""`ocpp-gateway rules`: look at rule packs and adapters, test and try them, have them reloaded."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli import Mistake
from gateway.cli.lookup import Table, add_admin, add_verbs, changed, client, declined, shown

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.dialect.library import Library
    from gateway.dialect.rules.pack import Pack

COLUMNS = ("NAME", "KIND", "MODE", "RULES", "FOR", "SUMMARY")
WIDEST = (24, 7, 7, 5, 60, 70)

VERBS = {
    "test": "check packs and run their tests",
    "list": "show every pack and adapter, in order",
    "show": "show one pack or adapter with its rules, tests and facts",
    "try": "say what a pack would change in a recorded capture",
    "reload": "have the running gateway read all packs and adapters anew",
}


def add(subparsers: "argparse._SubParsersAction[Any]") -> None:
    parser = subparsers.add_parser(
        "rules",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Rule packs and adapters: what the gateway knows of brands.",
        epilog="example: ocpp-gateway rules test my-brand.toml && ocpp-gateway rules reload",
    )
    verbs = add_verbs(parser, VERBS)
    test, everything, show, attempt, reload = (
        verbs.add_parser(name, help=summary, description=summary.capitalize() + ".")
        for name, summary in VERBS.items()
    )
    test.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="packs, or directories of them; without one, every pack there is",
    )
    _configured(test)
    test.set_defaults(run=_test)
    _configured(everything)
    everything.set_defaults(run=_list)
    show.add_argument("name", metavar="NAME")
    _configured(show)
    show.set_defaults(run=_show)
    attempt.add_argument("pack", metavar="PACK", help="the pack's file")
    attempt.add_argument(
        "--capture", required=True, metavar="FILE", help="JSON lines, as `capture` writes them"
    )
    attempt.add_argument("--json", action="store_true", help="one JSON object per changed frame")
    attempt.set_defaults(run=_try)
    add_admin(reload)
    reload.set_defaults(run=_reload)


def _configured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="gateway.toml", help="configuration file with directories of packs and adapters"
    )


def configuration(path: str | None) -> "Config":
    """The configuration in a file, or the defaults. Errors: Mistake."""
    from gateway.config import Backend, Config, ConfigError, load

    if path is None:
        return Config(backend=Backend(url="ws://127.0.0.1:9180"))
    try:
        return load(path)
    except ConfigError as error:
        raise Mistake(str(error)) from None


def _library(path: str | None) -> "Library":
    from gateway import plugins

    try:
        return plugins.library(configuration(path), path or "")
    except plugins.PluginError as error:
        raise Mistake(str(error)) from None


def _test(arguments: argparse.Namespace) -> int:
    from gateway import plugins
    from gateway.dialect.rules.pack import RulePackError
    from gateway.dialect.rules.trial import tried

    errors: list[str] = []
    dialect = configuration(arguments.config).dialect
    named = [path for name in arguments.files for path in _packs(Path(name), errors)]
    paths = named if arguments.files else plugins.pack_files(dialect, errors)
    failed = passed = 0
    for path in paths:
        try:
            pack = plugins.read_file(path)
        except RulePackError as error:
            errors += error.errors
            continue
        outcomes = tried(pack)
        wrong = [outcome for outcome in outcomes if outcome.problem]
        failed, passed = failed + len(wrong), passed + len(outcomes) - len(wrong)
        if arguments.files:
            for outcome in outcomes:
                print(f"{'FAILED' if outcome.problem else 'ok    '} {pack.name}: {outcome.name}")
        for outcome in wrong:
            errors.append(f"{pack.source}: test {outcome.name!r}: {outcome.problem}")
    if not errors and not arguments.files:
        errors += _together(arguments.config)
    if passed + failed or not errors:
        print(f"{passed} of {passed + failed} tests hold, {len(paths)} packs")
    if errors:
        raise Mistake("\n".join(errors))
    return 0


def _packs(path: Path, errors: list[str]) -> list[Path]:
    """A pack's file, or those of a directory."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.toml"))
    if not found:
        errors.append(f"{path}: there is no pack in it; give a directory with *.toml files, or a file")
    return found


def _together(config: str | None) -> list[str]:
    """What is wrong with all packs and adapters together."""
    from gateway import plugins

    try:
        plugins.library(configuration(config), config or "")
    except plugins.PluginError as error:
        return error.errors
    return []


def _list(arguments: argparse.Namespace) -> int:
    library = _library(arguments.config)
    rows = [
        (
            adapter.name,
            "adapter",
            use.value,
            str(len(adapter.handlers)),
            str(adapter.match),
            _first_line(type(adapter).__doc__),
        )
        for adapter, use in library.adapters
    ]
    rows += [
        (pack.name, "pack", use.value, str(len(pack.rules)), str(pack.match), pack.summary)
        for pack, use in library.packs
    ]
    print("\n".join(Table(COLUMNS, WIDEST).lines(rows)) if rows else "there are none")
    return 0


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _show(arguments: argparse.Namespace) -> int:
    library = _library(arguments.config)
    lines: list[str] = []
    for pack, use in library.packs:
        if pack.name == arguments.name:
            lines += _pack_lines(pack, use.value)
    for adapter, use in library.adapters:
        if adapter.name == arguments.name:
            lines += [f"adapter {adapter.name} ({use.value})", f"  for      {adapter.match}"]
            lines += [f"  source   {getattr(adapter, 'source', '')}"]
            lines += [f"  handles  {handling.kind} {handling.action}" for handling, _ in adapter.handlers]
            lines += _fact_lines(adapter.facts)
    if not lines:
        known = sorted({pack.name for pack, _ in library.packs} | {one.name for one, _ in library.adapters})
        raise Mistake(f"there is no pack or adapter {arguments.name!r}; there are {', '.join(known)}")
    print("\n".join(lines))
    return 0


def _pack_lines(pack: "Pack", mode: str) -> Iterator[str]:
    yield f"pack {pack.name} ({mode}): {pack.summary}"
    yield f"  for      {pack.match}"
    yield f"  file     {pack.source}"
    for rule in pack.rules:
        yield f"  rule {rule.name}{' (observe)' if rule.observe else ''}: {rule.why}"
        yield f"    on     {', '.join(f'{kind} {action}' for kind, action in rule.on)}"
        yield f"    flag   {rule.flag.value}"
        yield f"    source {rule.source}"
    yield f"  tests    {len(pack.tests)}: " + "; ".join(test.name for test in pack.tests)
    yield from _fact_lines(pack.facts)


def _fact_lines(facts: Any) -> Iterator[str]:
    from msgspec import structs

    for name, value in structs.asdict(facts).items():
        if value:
            yield f"  fact {name}: {', '.join(value) if isinstance(value, tuple) else value}"


def _try(arguments: argparse.Namespace) -> int:
    from gateway import plugins
    from gateway.dialect.rules.pack import RulePackError
    from gateway.dialect.rules.replay import replayed

    try:
        pack = plugins.read_file(Path(arguments.pack))
    except RulePackError as error:
        raise Mistake(str(error)) from None
    records = read_capture(arguments.capture)
    found = list(replayed(pack, records))
    for one in found:
        print(json.dumps(one, ensure_ascii=False) if arguments.json else "\n".join(_replay_lines(one)))
    if not arguments.json:
        print(f"{len(found)} of {len(records)} frames would change or be flagged by {pack.name}")
    return 0


def _replay_lines(one: dict[str, Any]) -> Iterator[str]:
    yield f"frame {shown(one['id'])}  {one['kind']} {shown(one['action'])}"
    yield f"  before   {shown(one['before'], 2000)}"
    if one["after"] != one["before"]:
        yield f"  after    {shown(one['after'], 2000)}"
    for flag in one["flags"]:
        told = (flag["code"], flag["path"], changed(flag), flag["author"])
        yield "  " + "  ".join(filter(None, map(shown, told)))


def read_capture(name: str) -> list[dict[str, Any]]:
    """The records of a capture. Errors: Mistake."""
    from gateway.cli.inspect import records

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Mistake(
            f"{name}: cannot be read ({error.strerror}); give a file that `capture` wrote"
        ) from None
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith((b"{", b"[")):
            text = shown(line.decode(errors="backslashreplace"), 60)
            raise Mistake(f"{name}: line {number} is no frame: {text}; give a file that `capture` wrote")
    found = [record for record in records(data) if record is not None]
    if not found:
        raise Mistake(f"{name}: there is no frame in it; record some with: ocpp-gateway capture CHARGER")
    return found


def _reload(arguments: argparse.Namespace) -> int:
    answer = declined(lambda: client(arguments).post("/rules/reload", {}))["reloaded"]
    print("reloaded: " + ", ".join(f"{count} {what}" for what, count in answer.items()))
    return 0
