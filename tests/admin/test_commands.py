"""`ocpp-gateway flags` and `quarantine`, against a running admin plane and against its data directory."""

import asyncio
import importlib
import itertools
import json
import logging
import re
import socket
import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from gateway.admin.server import start
from gateway.cli import Mistake, flags, lookup, main
from gateway.config import Address, Secret
from gateway.session.tally import Tally
from gateway.store.protocol import FlagRecord, Outage, OutboxEntry, QuarantineEntry, StatePart, kept
from gateway.store.sqlite import SqliteStore

TOKEN = "t0ken-of-the-test"
RAW = b'[2,"1","StopTransaction",{"meterStop":12\xff'


def flag(n, **over):
    facts = {
        "time": 1.8e9 + n,
        "charger": "CP1",
        "code": "unit-corrected",
        "severity": "info",
        "consequence": "delivered",
    }
    return FlagRecord(**facts | {"path": f"p{n}", "before": '"1,5"', "after": '"1.5"'} | over)


def entry(n, **over):
    facts = {"time": 1.8e9 + n, "charger": "CP1", "sender": "charger", "raw": RAW, "version": "1.6"}
    return QuarantineEntry(id=f"e{n}", **facts | {"flags": ("frame-unreadable",)} | over)


RECORDS = [
    *(flag(n) for n in range(5)),
    flag(5, charger="CP\x1b[31m2", severity="error", before="x\ny", after=""),
    entry(1, carries_revenue=True),
    entry(2, raw=b'{"text":1}', charger="CP2", sender="backend"),
    OutboxEntry(charger="CP1", number=1, time=5.0, version="1.6", action="MeterValues", raw=b"[2]"),
    Outage(
        backend="main",
        begin=1_800_000_000.0,
        end=1_800_003_660.0,
        reason="it refuses connections",
        chargers=4,
        messages=90,
        energy_wh=12_500.0,
    ),
]
WAITING = {
    "charger": "CP1",
    "backend": "main",
    "messages": 1,
    "bytes": 3,
    "oldest": 5.0,
    "state": "delivering",
    "tries": 2,
    "error": "InternalError: no\x07",
}
AWAY = {
    "name": "main",
    "versions": ["1.6"],
    "state": "away",
    "reason": "it refuses connections",
    "next_try": time.time() + 11.9,
    "leads": 0,
    "follows": 0,
    "links": 0,
    "messages": 0,
    "oldest": None,
}


class Gateway:
    """A store and an admin plane on a thread of their own, as in another process."""

    def __init__(self, data, token=None):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        settings = SimpleNamespace(address=Address("127.0.0.1", 0), token=Secret(token) if token else None)
        self.store = self.do(SqliteStore.open(data))
        fleet = SimpleNamespace(
            outbox=lambda: [WAITING], chargers=list, backends=lambda: [AWAY], charger=lambda _: None
        )
        self.server = self.do(start(settings, fleet, Tally(), self.store, self.retry))
        self.url = f"127.0.0.1:{self.server.port}"

    async def retry(self, one):
        return {"delivered": one.carries_revenue, "outcome": "the backend answered\x07"}

    def do(self, steps):
        return asyncio.run_coroutine_threadsafe(steps, self.loop).result(20)

    def close(self):
        self.do(self.server.close())
        self.do(self.store.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def gateway(data):
    running = Gateway(data)
    running.do(kept(running.store, *RECORDS))
    yield running
    running.close()


@pytest.fixture(params=["api", "files"])
def where(request, data):
    """The options that name a gateway with `RECORDS`: a running one, or what one has left."""
    running = Gateway(data)
    running.do(kept(running.store, *RECORDS))
    if request.param == "files":
        running.close()
        yield ["--data", str(data)]
    else:
        yield ["--admin", running.url]
        running.close()


@pytest.fixture(autouse=True)
def quiet():
    """What is logged here is expected."""
    logging.getLogger("gateway").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("gateway").setLevel(logging.NOTSET)


@pytest.fixture
def said(capsys):
    """Runs a command; its status, and what it wrote to standard output and error."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_flags_as_a_table_for_people(said, where):
    status, out, _ = said("flags", *where)
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split() == [
        "TIME",
        "SEVERITY",
        "CHARGER",
        "CODE",
        "ACTION",
        "PATH",
        "BEFORE",
        "→",
        "AFTER",
    ]
    assert [line.split()[0] for line in lines[1:]] == [f"2027-01-15T08:00:0{n}Z" for n in range(6)]
    assert '"1,5" → "1.5"' in lines[1]
    assert "CP\\x1b[31m2" in lines[-1] and lines[-1].endswith("  x\\ny")


def test_flags_as_json_lines_and_filtered(said, where):
    _, out, _ = said("flags", "--json", *where)
    assert [one["path"] for one in objects(out)] == [f"p{n}" for n in range(6)]
    _, out, _ = said("flags", "--json", "--severity", "error", *where)
    assert [one["path"] for one in objects(out)] == ["p5"]
    _, out, _ = said("flags", "--json", "--charger", "CP1", "--limit", 2, *where)
    assert [one["path"] for one in objects(out)] == ["p3", "p4"]
    _, out, _ = said("flags", "--json", "--since", "1800000001", "--until", "2027-01-15T08:00:03Z", *where)
    assert [one["path"] for one in objects(out)] == ["p1", "p2"]
    _, out, err = said("flags", "--code", "id-reused", *where)
    assert (out, err) == ("", "no flags\n")


def test_more_flags_than_one_page(said, where, monkeypatch):
    monkeypatch.setattr(flags, "PAGE", 2)
    _, out, _ = said("flags", "--json", "--limit", 5, *where)
    assert [one["path"] for one in objects(out)] == [f"p{n}" for n in range(1, 6)]


def test_following_shows_what_comes_in(gateway, monkeypatch):
    monkeypatch.setattr(flags, "PAGE", 2)
    pauses = itertools.count()

    def come_in(_):
        if next(pauses) == 1:
            gateway.do(kept(gateway.store, *(flag(n) for n in range(10, 13))))

    with lookup.source(SimpleNamespace(data=None, admin=gateway.url)) as found:
        pages = flags.follow(found, {"charger": "CP1"}, 4, come_in)
        seen = [next(pages) for _ in range(3)]
    assert [[one["path"] for one in page] for page in seen] == [["p4"], ["p10", "p11"], ["p12"]]


def test_rows_that_come_later_line_up_with_those_before():
    table = lookup.Table(("A", "B"), (5, 5))
    assert list(table.lines([("123", "x")])) == ["A    B", "123  x"]
    assert list(table.lines([("1", "y")])) == ["1    y"]
    assert list(table.lines([("123456", "z"), ("1", "z")])) == ["1234…  z", "1      z"]


@pytest.mark.parametrize(
    ("before", "after", "applied", "told"),
    [
        ("1", "2", True, "1 → 2"),
        ("1", "", True, "1"),
        ("", "2", True, "→ 2"),
        ("", "", True, ""),
        ("1", "2", False, "1 (would be 2)"),
        ("1", "", False, "1"),
        ("", "2", False, "(would be 2)"),
        ("", "", False, "(as it came)"),
    ],
)
def test_what_was_only_noted_is_not_shown_as_changed(before, after, applied, told):
    assert lookup.changed({"before": before, "after": after, "applied": applied}) == told


def test_a_data_directory_that_may_not_be_read_is_said(said, tmp_path, monkeypatch):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gateway.store.sqlite_file.open_read_only", forbidden)
    status, _, err = said("flags", "--data", tmp_path)
    assert (status, err) == (2, f"{tmp_path}: cannot be read: Permission denied\n")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 2800.0),
        ("90s", 9910.0),
        ("1.5m", 9910.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("77", 77.0),
        ("", None),
    ],
)
def test_moments(text, seconds):
    assert flags.moment(text, 10_000.0) == seconds


@pytest.mark.parametrize("text", ["yesterday", "h", "2w", "nan", "nand", "infd"])
def test_moments_that_are_none(text):
    with pytest.raises(Mistake, match="give a span"):
        flags.moment(text, 0.0)


def test_quarantine_list_and_show(said, where):
    _, out, _ = said("quarantine", "list", *where)
    head, first, second = out.splitlines()
    assert head.split()[:4] == ["ID", "TIME", "STATE", "REVENUE"]
    assert first.split() == [
        "e1",
        "2027-01-15T08:00:01Z",
        "open",
        "yes",
        "CP1",
        "frame-unreadable",
        str(len(RAW)),
    ]
    assert second.split()[0] == "e2"
    _, out, _ = said("quarantine", "show", "e1", *where)
    assert "carries_revenue: True" in out
    assert 'raw:             [2,"1","StopTransaction",{"meterStop":12\\xff' in out
    _, out, _ = said("quarantine", "list", "--json", "--charger", "CP2", *where)
    assert [one["id"] for one in objects(out)] == ["e2"]
    _, out, err = said("quarantine", "list", "--state", "discarded", *where)
    assert (out, err) == ("", "nothing is in quarantine\n")
    status, _, err = said("quarantine", "show", "e9", *where)
    assert status == 2 and "no message 'e9'" in err
    status, _, err = said("quarantine", "show", "e", *where)
    assert status == 2 and "no message 'e' is in quarantine, or several begin so" in err


def test_an_export_is_what_inspect_reads(said, where):
    _, out, _ = said("quarantine", "export", *where)
    first, second = objects(out)
    assert first["encoding"] == "base64" and first["direction"] == "charger_to_backend"
    assert (second["raw"], second["direction"]) == ('{"text":1}', "backend_to_charger")
    assert "encoding" not in second and second["received_at"] == "2027-01-15T08:00:02Z"


def test_an_export_of_many_pages_is_in_order_of_age(said, where, monkeypatch):
    monkeypatch.setattr("gateway.cli.quarantine.PAGE", 1)
    _, out, _ = said("quarantine", "export", *where)
    assert [one["id"] for one in objects(out)] == ["e1", "e2"]


def test_retry_and_discard_through_the_running_gateway(said, gateway):
    status, out, _ = said("quarantine", "retry", "e1", "--admin", gateway.url)
    assert (status, out) == (0, "e1: delivered  the backend answered\\x07\n")
    status, out, err = said("quarantine", "retry", "e1", "e2", "--json", "--admin", gateway.url)
    assert (status, objects(out)[0]["state"]) == (1, "retried")
    assert err == "e1: this message is delivered already\n"
    status, out, _ = said("quarantine", "discard", "e2", "--reason", "a test", "--admin", gateway.url)
    assert (status, out) == (0, "e2: discarded\n")
    assert gateway.do(gateway.store.quarantine_entry("e2")).outcome == "a test"


def test_the_token_comes_from_the_environment(said, data, monkeypatch):
    running = Gateway(data, TOKEN)
    try:
        status, _, err = said("flags", "--admin", running.url)
        assert status == 2 and "set OCPP_GATEWAY_ADMIN_TOKEN" in err
        monkeypatch.setenv("OCPP_GATEWAY_ADMIN_TOKEN", TOKEN)
        assert said("flags", "--admin", running.url)[0] == 0
    finally:
        running.close()


def test_without_a_gateway_the_data_directory_is_read(said, data, monkeypatch, tmp_path, unused):
    monkeypatch.setattr(lookup, "ADMIN", f"http://127.0.0.1:{unused}")
    monkeypatch.chdir(tmp_path)
    status, _, err = said("flags")
    assert status == 2 and "has a gateway run with this data directory?" in err
    Gateway(data).close()
    status, _, err = said("flags")
    assert status == 0 and "reading data/ instead" in err
    status, _, err = said("flags", "--admin", f"127.0.0.1:{unused}")
    assert status == 2 and "no gateway answers at" in err
    status, _, err = said("quarantine", "retry", "e1", "--admin", f"127.0.0.1:{unused}")
    assert status == 1 and "no gateway answers at" in err


@pytest.fixture
def unused():
    """A port that nothing listens on."""

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_an_address_that_is_no_gateway(said):
    status, _, err = said("flags", "--admin", "ftp://x")
    assert status == 2 and "give an http:// or https:// URL" in err


def test_what_waits_is_shown_by_charger(said, where):
    status, out, err = said("outbox", *where)
    row = out.splitlines()[1].split()
    assert status == 0 and row[:4] == ["CP1", "main", "1", "3"]
    assert "messages of" in err
    assert objects(said("outbox", "--json", "--charger", "cp1", *where)[1])[0]["charger"] == "CP1"
    assert said("outbox", "--charger", "nobody", *where)[2] == "nothing waits\n"


def test_a_message_that_is_refused_again_and_again_is_shown_with_tries_and_error(said, gateway):
    _, out, _ = said("outbox", "--admin", gateway.url)
    assert out.splitlines()[1].endswith("delivering, tried 2×: InternalError: no\\x07")


def test_a_backend_that_is_away_is_shown_with_its_next_try(said, gateway):
    _, out, _ = said("backends", "--admin", gateway.url)
    assert re.search(r"away: it refuses connections; next try in \d+s  1\.6", out)


def test_a_data_directory_shows_ids_as_chargers_write_them(said, gateway, data):
    waiting = OutboxEntry(
        charger="cp-seven", number=1, time=6.0, version="1.6", action="StopTransaction", raw=b"[]"
    )
    link = StatePart("cp-seven", "link", b'{"charger_id":"CP-Seven"}')
    assert gateway.do(kept(gateway.store, waiting, link)) is None
    assert "CP-Seven" in said("outbox", "--data", str(data))[1]


def test_outages_are_shown_with_what_was_carried(said, where):
    status, out, _ = said("outages", *where)
    assert status == 0
    assert out.splitlines()[1].split() == [
        *("2027-01-15T08:00:00Z", "1h1m", "main", "4", "90", "12.500", "it", "refuses", "connections")
    ]


def test_the_gateway_may_be_named_by_the_environment(said, gateway, monkeypatch, unused):
    monkeypatch.setenv("OCPP_GATEWAY_ADMIN", gateway.url)
    assert said("outbox")[0] == said("backends")[0] == 0
    monkeypatch.setenv("OCPP_GATEWAY_ADMIN", f"127.0.0.1:{unused}")
    status, _, err = said("flags")
    assert (
        status == 2 and "is the gateway running? Name its address with --admin (or OCPP_GATEWAY_ADMIN)" in err
    )
    assert said("flags", "--admin", gateway.url)[0] == 0


@pytest.mark.parametrize("status", ["404 Not Found", "426 Upgrade Required", "200 OK"])
def test_what_answers_and_is_no_admin_address_is_told_so(said, status):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\n<html>".encode())

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        ended, _, err = said("backends", "--admin", url)
    assert ended == 2
    assert err.startswith(f"{url}: this is not the admin address of a gateway; name that with --admin")


def test_a_port_that_is_none_is_told(said):
    assert "its port is none; give one up to 65535" in said("outbox", "--admin", "127.0.0.1:99999")[2]


def test_the_backends_of_a_charger_that_is_not_there(said, gateway):
    _, _, err = said("backends", "--charger", "C2", "--admin", gateway.url)
    assert err == "C2 is not connected, and nothing waits for it\n"
    _, _, err = said("backends", "--charger", "cp1", "--admin", gateway.url)
    assert err == "cp1 is not connected; messages that wait for main: 1\n"


@pytest.mark.parametrize("command", ["migrate", "quarantine", "rules"])
def test_without_a_verb_a_command_says_which_there_are(said, command):
    status, _, err = said(command)
    verbs = importlib.import_module(f"gateway.cli.{command}").VERBS
    assert status == 2
    assert [line.split()[0] for line in err.splitlines()[1:]] == list(verbs)


def test_a_migration_that_nobody_belongs_to_is_said_to(said, monkeypatch):
    found = {"name": "spring", "to": "b", "stage": "moving", "states": {}, "waiting": [], "compared": 0}
    monkeypatch.setattr("gateway.admin.client.AdminClient.post", lambda *_: found)
    _, _, err = said("migrate", "start", "spring", "--to", "b", "--charger", "LAB-*")
    assert err == "no charger that is connected is among them; those that connect later will be\n"
    found["states"] = {"waiting": 1}
    assert said("migrate", "start", "spring", "--to", "b")[2] == ""


def test_what_waits_is_asked_for_page_by_page(said, monkeypatch):
    rows = {"": ("A", "/x"), "A": ("B", None)}

    def get(path, after, limit):
        charger, more = rows[after]
        return {"outbox": [WAITING | {"charger": charger}], "next": more}

    running = lookup.Running(SimpleNamespace(get=get))
    monkeypatch.setattr("gateway.cli.outbox.source", lambda _: nullcontext(running))
    assert [one["charger"] for one in objects(said("outbox", "--json")[1])] == ["A", "B"]


def test_a_plan_that_moves_nobody_says_what_to_check(said, monkeypatch):
    found = {"chargers": [], "already_led": 1, "not_chosen": 5, "lines": ["a table"]}
    monkeypatch.setattr("gateway.admin.client.AdminClient.post", lambda *_: found)
    status, out, err = said("migrate", "plan", "spring", "--to", "b", "--charger", "LAB-*")
    assert (status, out) == (0, "")
    assert "5 are not chosen, 1 are led by b already; check --charger, --label and --percent" in err
    found["chargers"] = [{"charger_id": "LAB-1"}]
    assert said("migrate", "plan", "spring", "--to", "b")[1] == "a table\n"


def test_where_only_a_demonstration_has_run_its_data_are_named(said, monkeypatch, tmp_path, unused):
    monkeypatch.setattr(lookup, "ADMIN", f"http://127.0.0.1:{unused}")
    monkeypatch.chdir(tmp_path)
    Gateway(tmp_path / "data" / "demo").close()
    assert said("flags")[2].endswith("data directory? A demonstration has: --data data/demo\n")
    Gateway(tmp_path / "data").close()
    assert said("flags")[0] == 0
    (tmp_path / "data" / "gateway.db").write_bytes(b"x" * 5000)
    assert "demonstration" not in said("flags")[2]
