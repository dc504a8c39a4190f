"""The command line: what is printed, and what the exit status is."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import gateway
from gateway.cli import COMMANDS, main
from gateway.config import ConfigError

FRAME = '[2,"1","Heartbeat",{}]'
HEAVY = ("msgspec", "orjson", "aiohttp", "picows", "uvloop", "redis", "asyncio", "sqlite3")


@pytest.fixture
def started(monkeypatch):
    """What `gateway.app.run` was called with, the application itself left out."""
    calls: list[SimpleNamespace] = []

    def run(config, demo, reread, file):
        calls.append(SimpleNamespace(config=config, demo=demo, reread=reread))
        return 7

    app = ModuleType("gateway.app")
    app.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gateway.app", app)
    monkeypatch.setattr(gateway, "app", app, raising=False)
    return calls


@pytest.fixture
def inspected(monkeypatch):
    """The records that the inspector was asked about; the answers are `answer`, or clean."""
    seen = SimpleNamespace(records=[], answer={"outcome": "clean", "flags": []})

    def inspect(record):
        seen.records.append(record)
        return {"id": record["id"], "frames": [record["raw"]]} | seen.answer

    monkeypatch.setattr("gateway.dialect.inspect.inspect", inspect)
    return seen


@pytest.fixture
def paste(monkeypatch):
    """Puts bytes on standard input."""
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def ends(*arguments: str) -> int:
    """The exit status, whoever ends the program."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_help_names_every_command(capsys):
    assert ends("--help") == 0
    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n    {name}" not in shown] == []


def test_version(capsys):
    assert ends("--version") == 0
    assert capsys.readouterr().out == f"ocpp-gateway {gateway.__version__}\n"


def test_help_loads_nothing_that_is_slow():
    code = (
        "import sys, gateway.cli\n"
        "try: gateway.cli.main(['--help'])\n"
        f"finally: print('loaded:', *[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert ends(command, "--help") == 0
    assert f"usage: ocpp-gateway {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["rnu"], "invalid choice: 'rnu'"),
        (["run"], "give a configuration file or --backend URL"),
        (["run", "--backend", "x"], "--backend: backend.url: give a ws:// or wss:// url"),
        (
            ["run", "--listen", "0.0.0.0:9", "--backend", "ws://x"],
            "--listen: listen.address: others can reach",
        ),
        (["run", "--port", "9"], "unrecognized arguments: --port"),
        (["run", "none.toml"], "none.toml: cannot be read"),
        (["demo", "--log-level", "loud"], '--log-level: log.level: "loud" does not fit'),
        (["demo", "--id", "CP-1"], "--id: is for chargers alone; give --chargers URL too"),
        (["demo", "--ca", "ca.pem"], "--ca: is for chargers alone; give --chargers URL too"),
        (
            ["demo", "x.toml", "--chargers", "ws://x", "--insecure", "--log-level", "debug"],
            "--chargers: runs no gateway; leave out what is for one: x.toml, --insecure, --log-level",
        ),
        (["demo", "--chargers", "wss://x", "--ca", "none.pem"], "--ca: none.pem: cannot be read (No such"),
        (["demo", "--chargers", "wss://x", "--ca", "README.md"], "--ca: README.md: is no certificate"),
        (["flags", "--code", "id-reusd"], "--code: 'id-reusd' is no flag; did you mean id-reused"),
        (["flags", "--limit", "0"], "--limit: '0': give a whole number from 1 on"),
        (["outages", "--limit", "-5"], "--limit: '-5': give a whole number from 1 on"),
        (["outages", "--limit", "9" * 20], "give a whole number from 1 on"),
        (["quarantine", "list", "--limit", "x"], "--limit: 'x': give a whole number from 1 on"),
        (["capture", "CP1", "--frames", "0"], "--frames: '0': give a whole number from 1 on"),
        (["capture", "CP1", "--seconds", "-1"], "--seconds: '-1': give a whole number from 1 on"),
        (["check", "none.toml"], "none.toml: cannot be read"),
        (["inspect", "none.txt"], "none.txt: cannot be read: No such file or directory"),
        (["inspect", "[2]"], "[2]: cannot be read: No such file or directory; a frame itself goes to"),
    ],
)
def test_a_mistake_is_told_and_ends_with_2(arguments, message, capsys, started):
    assert ends(*arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
    assert started == []


def test_run_starts_the_gateway_with_what_was_asked_for(started, tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text('[backend]\nurl = "wss://one"\n[listen]\naddress = "127.0.0.1:1"\n')
    options = (
        "--listen",
        "0.0.0.0:2",
        "--insecure",
        "--admin",
        "127.0.0.1:3",
        "--data",
        "d",
        "--log-format",
        "json",
    )
    assert ends("run", str(path), *options) == 7
    ((config, demo),) = [(call.config, call.demo) for call in started]
    assert not demo
    assert config.backend.url == "wss://one"
    assert (str(config.listen.address), str(config.admin.address)) == ("0.0.0.0:2", "127.0.0.1:3")
    assert (config.data.directory, config.log.format, config.log.level) == ("d", "json", "info")


def test_a_reload_reads_the_file_again_and_keeps_the_options(started, tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text('[backend]\nurl = "wss://one"\n')
    ends("run", str(path), "--admin", "127.0.0.1:3")
    path.write_text('[backend]\nurl = "wss://two"\n')
    again = started[0].reread()
    assert (again.backend.url, again.admin.address.port) == ("wss://two", 3)
    path.write_text("[backend]\n")
    with pytest.raises(ConfigError):
        started[0].reread()


def test_without_a_file_there_is_nothing_to_reload(started):
    ends("run", "--backend", "wss://one")
    assert started[0].reread is None


def test_demo_needs_nothing(started):
    assert ends("demo") == 7
    assert started[0].demo


def test_ctrl_c_is_no_traceback(started, monkeypatch):
    def interrupted(config, demo, reread, file):
        raise KeyboardInterrupt

    monkeypatch.setattr(gateway.app, "run", interrupted)
    assert ends("demo") == 130


def test_check_says_what_a_file_amounts_to(capsys, tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text('[backend]\nurl = "ws://backend.example/ocpp"\n[admin]\ntoken = "hidden"\n')
    assert ends("check", str(path)) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{path}: OK\n")
    for part in (
        "127.0.0.1:9000/",
        "main: ws://backend.example/ocpp/<charger id>",
        "with a token",
        "unsafe:\n",
    ):
        assert part in shown
    assert "  backend.url: is ws://" in shown
    assert "hidden" not in shown


def test_check_shows_routes_as_a_table(capsys, tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text(
        "[backend]\nurl = 'ws://127.0.0.1:8080'\n[[backends]]\nname = 'new'\nurl = 'ws://127.0.0.1:8081'\n"
        "versions = ['2.0.1']\n[[routes]]\nchargers = ['A*']\nversions = ['1.6']\nleader = 'new'\n"
        "observers = ['main']\n"
    )
    assert ends("check", str(path)) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["backend", "new:", "ws://127.0.0.1:8081/<charger", "id>"] in lines
    assert ["A*;", "OCPP", "1.6", "new", "-", "main"] in lines
    assert [
        "routes[0]:",
        "new",
        "speaks",
        "none",
        "of",
        "its",
        "versions;",
        "its",
        "chargers",
        "are",
        "translated",
    ] in lines
    assert ["other", "chargers", "main", "-", "-"] in lines


def test_check_tells_every_mistake(capsys, tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text("[listen]\nadress = 1\n")
    assert ends("check", str(path)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_pasted_frame_over_several_lines_is_one_frame(inspected, paste):
    pretty = json.dumps(json.loads(FRAME), indent=2)
    paste(pretty.encode())
    assert ends("inspect") == 0
    assert [record["raw"] for record in inspected.records] == [pretty]


def test_every_line_that_starts_like_a_frame_is_one(inspected, paste):
    paste(f"{FRAME}\n\n  {FRAME}\r\n[2,broken\n".encode())
    assert ends("inspect", "-", "--version", "2.0.1", "--from", "backend", "--action", "Heartbeat") == 0
    assert [record["raw"].strip() for record in inspected.records] == [FRAME, FRAME, "[2,broken"]
    assert inspected.records[0] | {"raw": ""} == {
        "id": "1",
        "raw": "",
        "version": "2.0.1",
        "direction": "backend_to_charger",
        "action": "Heartbeat",
    }


def test_a_file_of_json_lines_keeps_what_each_says_of_itself(inspected, tmp_path):
    path = tmp_path / "frames.jsonl"
    records = [{"id": "a", "raw": FRAME, "version": "2.1", "given": [FRAME]}, {"raw": FRAME}]
    path.write_text("\n".join(json.dumps(record) for record in records))
    assert ends("inspect", str(path)) == 0
    assert [(record["id"], record["version"]) for record in inspected.records] == [("a", "2.1"), ("2", "1.6")]
    assert inspected.records[0]["given"] == [FRAME]
    assert inspected.records[0]["direction"] == "charger_to_backend"


def test_an_answer_to_nothing_known_is_explained(inspected, paste, capsys):
    unknown = {"code": "answer-unknown", "severity": "info", "path": "", "before": "", "after": ""}
    unknown["applied"] = True
    inspected.answer = {"outcome": "ignored", "flags": [unknown]}
    paste(b'[3,"1",{}]')
    assert ends("inspect") == 0 and "--action ACTION" in capsys.readouterr().out
    paste(b'[3,"1",{}]')
    assert ends("inspect", "--action", "Heartbeat") == 0 and "--action" not in capsys.readouterr().out


def test_bytes_that_are_no_text_are_inspected_as_they_are(inspected, paste, capsys):
    paste(b'[2,"1","Heartbeat",{"x":"\xff"}]')
    assert ends("inspect") == 0
    assert inspected.records[0]["encoding"] == "base64"
    assert '  before   [2,"1","Heartbeat",{"x":"\\xff"}]\n' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"raw": FRAME, "version": "9"}, "frame 1: "),
        ({"raw": "%%", "encoding": "base64"}, "frame 1: "),
        ({"raw": 5}, "frame 2: is not a JSON object with"),
    ],
)
def test_a_record_that_is_none_is_a_mistake(record, message, paste, capsys):
    good = [{"raw": FRAME}] if "frame 2" in message else []
    paste("\n".join(json.dumps(one) for one in [*good, record, {"raw": FRAME}]).encode())
    assert ends("inspect") == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.out.count(": clean") == len(good) + 1


def test_the_inspector_itself_answers(paste, capsys):
    paste(b'[2,"1","Heartbeat",{},]')
    assert ends("inspect", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["outcome"], report["frames"]) == ("repaired", [FRAME])
    assert [flag["code"] for flag in report["flags"]] == ["stray-comma"]


@pytest.mark.parametrize(
    ("data", "message"),
    [(b" \n", "there is no frame"), (b'{"raw":"[]"}\n\n{"id":"2"}\n', "frame 2: is not a JSON object with")],
)
def test_what_holds_no_frame_is_a_mistake(data, message, inspected, paste, capsys):
    paste(data)
    assert ends("inspect") == 2
    assert message in capsys.readouterr().err


def test_json_output_is_one_line_per_frame(inspected, paste, capsys):
    paste(f"{FRAME}\n{FRAME}\n".encode())
    assert ends("inspect", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["id"], line["outcome"]) for line in lines] == [("1", "clean"), ("2", "clean")]


def test_people_see_before_after_and_flags(inspected, paste, capsys):
    flag = {
        "code": "unit-corrected",
        "severity": "warning",
        "path": "a[0].b",
        "before": "1",
        "after": "2",
        "applied": True,
    }
    inspected.answer = {
        "outcome": "repaired",
        "flags": [flag, flag | {"path": "", "before": "", "after": ""}],
    }
    paste(FRAME.encode())
    assert ends("inspect") == 0
    assert capsys.readouterr().out.splitlines() == [
        "1: repaired",
        f"  before   {FRAME}",
        f"  after    {FRAME}",
        "  warning  unit-corrected  a[0].b  1 → 2",
        "  warning  unit-corrected",
    ]


@pytest.mark.parametrize(("outcome", "after"), [("quarantined", "no certain repair"), ("ignored", "nothing")])
def test_a_frame_that_goes_nowhere_is_said_to(outcome, after, inspected, paste, capsys):
    inspected.answer = {"outcome": outcome, "frames": [], "flags": []}
    paste(FRAME.encode())
    assert ends("inspect") == 0
    assert capsys.readouterr().out.endswith(f"  after    {after}\n")


def test_a_frame_cannot_steer_the_terminal(inspected, paste, capsys):
    paste(b'[2,"\x1b[2J\xc2\x9b"]')
    assert ends("inspect") == 0
    assert "\\x1b[2J\\x9b" in capsys.readouterr().out


def test_check_tells_the_mistakes_of_every_layer_at_once(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "gateway.toml"
    path.write_text(
        '[backend]\nurl = "wss://one"\n[dialect]\ntimezone = "Mars"\nrules_directories = ["/nope"]\n'
        f'[data]\ndirectory = "{tmp_path}/file/data"\n[[dialect.charger]]\npacks = ["never"]\n'
    )
    assert ends("check", str(path)) == 2
    timezone, data, rules, pack = capsys.readouterr().err.splitlines()
    assert timezone.startswith(f"{path}: dialect.timezone: give an IANA")
    assert data == f"{path}: data.directory: {tmp_path}/file: is a file; give a directory"
    assert rules.startswith(f"{path}: dialect.rules_directories[0]: /nope is no directory; make it")
    assert pack.startswith(f"{path}: dialect.charger[0].packs: there is no 'never' that is on")
    assert pack.endswith("(1st [[dialect.charger]])")


def test_check_says_when_nothing_can_be_kept(capsys, tmp_path):
    path = tmp_path / "gateway.toml"
    (tmp_path / "kept/gateway.db").mkdir(parents=True)
    for directory, said in (
        (f"{tmp_path}/kept", "kept/gateway.db: is a directory"),
        ("/proc/x/y", "/proc/x/y: "),
        ("x" * 300, "xxx: File name too long; give another directory"),
        (r"a\u0000", r"data.directory: 'a\x00': no directory can be called that"),
    ):
        path.write_text(f'[backend]\nurl = "wss://one"\n[data]\ndirectory = "{directory}"\n')
        assert ends("check", str(path)) == 2
        assert said in capsys.readouterr().err
    path.write_text(f'[backend]\nurl = "wss://one"\n[data]\ndirectory = "{tmp_path}/new/er"\n')
    assert ends("check", str(path)) == 0
    assert not (tmp_path / "new").exists()


def test_an_answer_to_an_action_that_does_not_exist_is_a_mistake(paste, capsys):
    paste(b'[3,"1",{"currentTime":"2026-03-01T09:00:00Z"}]')
    assert ends("inspect", "--from", "backend", "--action", "Heartbeet") == 2
    told = capsys.readouterr().err
    assert told == "frame 1: 'Heartbeet' is no action of OCPP 1.6; did you mean Heartbeat?\n"


@pytest.mark.parametrize(("given", "is_said"), [("BACKED=ws://x", True), ("BACKEND=ws://x", False)])
def test_make_run_says_when_it_is_a_demonstration(given, is_said):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    told = subprocess.run(
        ["make", "--dry-run", "run", given],
        cwd=Path(gateway.__file__).parents[1],
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ("no BACKEND= or CONFIG=: this is a demonstration" in told) is is_said
