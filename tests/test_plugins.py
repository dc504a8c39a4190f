# ruff: noqa: E501 - tables of mistakes
"""Finding packs and adapters: every mistake at once, others' through the same door, and in order."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from msgspec import structs

from gateway import plugins
from gateway.config import Backend, BrandUse, ChargerDialect, Config, Dialect, Limits
from gateway.dialect.adapting import TookTooLong
from gateway.dialect.rules.rule import Use
from gateway.dialect.station import Station
from gateway.plugins import PluginError, bounded_by, library
from tests.dialect.brands import HEAD, TEST, rule

RULE = rule('on = { charger_call = "Heartbeat" }\ndo = [{ remove = "x" }]')
ADAPTER = '''
from gateway.api import Adapter, Match, charger_call


class {cls}(Adapter):
    """Does nothing."""

    match = Match(vendor="{vendor}")
    after = {after}

    @charger_call("{action}")
    def method(self, call, memory):
        return call
'''


def adapter(cls="Acme", vendor="acme*", after=(), action="Heartbeat"):
    return ADAPTER.format(cls=cls, vendor=vendor, after=after, action=action)


def config(folder: Path, **dialect) -> Config:
    """Packs and adapters of a folder alone."""
    facts = {"shipped": False, "rules_directories": (str(folder),), "adapter_directories": (str(folder),)}
    return Config(
        backend=Backend(url="ws://127.0.0.1:1"), dialect=structs.replace(Dialect(), **facts | dialect)
    )


def errors(folder: Path, **dialect) -> list[str]:
    with pytest.raises(PluginError) as caught:
        library(config(folder, **dialect))
    return caught.value.errors


def test_packs_and_adapters_of_a_directory_are_loaded_in_their_order(tmp_path):
    (tmp_path / "a.toml").write_text(HEAD.replace("[match]", 'after = ["b*"]\n[match]') + RULE + TEST)
    (tmp_path / "b.toml").write_text(HEAD.replace('"acme"', '"b2"') + RULE + TEST)
    (tmp_path / "x.py").write_text(adapter("First", after=("second",)) + adapter("Second").split("\n", 2)[2])
    (tmp_path / "_helper.py").write_text("nonsense(")
    found = library(config(tmp_path))
    assert [pack.name for pack, _ in found.packs] == ["b2", "acme"]
    assert [one.name for one, _ in found.adapters] == ["second", "first"]
    brand = found.brand("CP1", Station("Acme"))
    assert brand is not None
    assert brand.names == ["adapters/second", "adapters/first", "rules/b2", "rules/acme"]


def test_configuration_says_how_far_and_for_whom(tmp_path):
    (tmp_path / "a.toml").write_text(HEAD + RULE + TEST)
    (tmp_path / "x.py").write_text(adapter())
    observed = library(config(tmp_path, brand=(BrandUse(names=("ac*",), mode=Use.OBSERVE),)))
    assert [use for _, use in [*observed.packs, *observed.adapters]] == [Use.OBSERVE, Use.OBSERVE]
    off = library(config(tmp_path, brand=(BrandUse(names=("acme",), mode=Use.OFF),)))
    assert (off.packs, off.adapters) == ((), ())
    chosen = config(tmp_path, charger=(ChargerDialect(ids=("CP*",), packs=("acme",), adapters=()),))
    assert chosen.dialect.chosen("CP7", "whoever") == (("acme",), ())
    assert chosen.dialect.chosen("other") == (None, None)
    found = library(chosen)
    assert found.brand("CP7", Station("Other"), ("acme",), ()).names == ["rules/acme"]
    (error,) = errors(tmp_path, charger=(ChargerDialect(packs=("acmee",)),))
    assert (
        error
        == "dialect.charger[0].packs: there is no 'acmee' that is on; known: acme (1st [[dialect.charger]])"
    )


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.py", "import socket\n", ":1: import socket: adapters have no I/O, clock or chance; they may import gateway.api,"),
        ("a.py", "from gateway.session import session\n", ":1: import gateway.session: "),
        ("a.py", adapter().replace("return call", "open('x')"), "open(): adapters have no I/O, clock or chance"),
        ("a.py", adapter().replace("return call", "datetime.now()"), "now(): adapters have no I/O"),
        ("a.py", "x = 1\n", ": there is no adapter; make a subclass of gateway.api.Adapter"),
        ("a.py", "1 / 0\n", ":1: ZeroDivisionError: division by zero; correct it there"),
        ("a.py", "def f(:\n", ": is not Python: "),
        ("a.py", adapter(vendor="(a+)+$"), ": match.vendor: '(a+)+$' looks like a regular expression"),
        ("a.py", adapter(action="Heartbeet"), "'Heartbeet' is no action"),
        ("a.py", adapter().replace('    match = Match(vendor="acme*")\n', ""), ": Acme: match: is missing"),
        ("a.py", adapter().replace("(self, call, memory)", "(self, call)"), "takes (self, call); write def method("),
        ("a.py", adapter().replace("after = ()", "after = 3"), ": Acme: after: 3 does not fit"),
        ("a.py", adapter().replace("after = ()", "def __init__(self, x): ..."), "an adapter takes no arguments"),
        ("a.py", adapter().replace('@charger_call("Heartbeat")', ""), "there is neither a marked method nor a fact"),
        ("a.toml", "pack = 1", ": match: is missing"),
        ("a.toml", "\xff", ": is not TOML"),
        ("a.toml", HEAD + RULE + TEST.replace('{}]\'\nwant', '{"x":1}]\'\nwant'), ": test 'clean': "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_file(tmp_path, name, text, part):
    (tmp_path / name).write_text(text)
    found = errors(tmp_path)
    assert any(line.startswith(f"{tmp_path / name}") and part in line for line in found), found


def test_all_mistakes_are_told_at_once(tmp_path):
    (tmp_path / "a.toml").write_text("pack = 2")
    (tmp_path / "b.py").write_text("import os")
    (tmp_path / "c.py").write_text(adapter("One"))
    (tmp_path / "d.py").write_text(adapter("Two"))
    (tmp_path / "e.toml").write_bytes(b"\xff\xfe")
    found = errors(tmp_path, rules_directories=(str(tmp_path), str(tmp_path / "none")))
    for part in (
        "dialect.rules_directories[1]: ",
        "a.toml: pack: ",
        "b.py:1: import os: ",
        "d.py: after: one station can match both: this one and ",
        "e.toml: is not UTF-8",
    ):
        assert any(part in line for line in found), (part, found)


def test_adapters_of_other_distributions_come_through_the_same_door(tmp_path, monkeypatch):
    (tmp_path / "acme_ocpp.py").write_text(adapter())
    (tmp_path / "bad_ocpp.py").write_text("import socket\n" + adapter("Bad", "bad*"))
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint("acme", "acme_ocpp:Acme", plugins.GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == plugins.GROUP else [])
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert [one.name for one, _ in library(config(nothing)).adapters] == ["acme"]
    points.append(EntryPoint("bad", "bad_ocpp", plugins.GROUP))
    points.append(EntryPoint("gone", "no_such_module:X", plugins.GROUP))
    found = errors(nothing)
    assert any("entry point bad = bad_ocpp:1: import socket" in line for line in found)
    assert any("entry point gone = no_such_module:X: ModuleNotFoundError" in line for line in found)


def test_a_loop_without_end_is_interrupted_and_a_quick_function_is_not():
    run = bounded_by(0.02)
    assert run(lambda: 7) == 7

    def endless():
        while True:
            pass

    with pytest.raises(TookTooLong):
        run(endless)
    assert run(lambda: sum(range(1000))) == 499500


def test_the_processor_time_of_adapters_is_a_setting():
    assert Limits().adapter_cpu_s == 0.1
