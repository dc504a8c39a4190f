import io
import json
import logging

import pytest

from gateway.observe import log


@pytest.fixture
def lines(monkeypatch):
    """Log as JSON into memory, with a clock that stands still; a function that returns what was written."""
    clock = [0.0]
    monkeypatch.setattr(log, "_limiter", log.Limiter(lambda: clock[0]))
    root, ours = logging.getLogger(), logging.getLogger("gateway")
    before = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("json", "info", stream)

    def written():
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    written.clock, written.stream = clock, stream
    yield written
    root.handlers[:], root.level, ours.level, logging.raiseExceptions = before


def test_an_event_is_one_json_object_with_its_fields(lines):
    log.event(
        "warning", "call-timeout", "CP1", action="Heartbeat", waited_s=30.5, count=2, last=None, sent=True
    )
    [line] = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "call-timeout",
        "charger": "CP1",
        "action": "Heartbeat",
        "waited_s": 30.5,
        "count": 2,
        "last": None,
        "sent": True,
    }


@pytest.mark.parametrize(
    "nasty",
    [
        "a\r\nlevel=error forged",
        "\x1b[31mred\x1b[0m",
        "\x9b31m",
        "abc\u202egnp.exe",
        "\u2066\u2069\u200f\u2028\u2029",
        "\x00\x07\x7f",
        "\ud800 alone",
        '"}{"',
    ],
)
@pytest.mark.parametrize("format", ["json", "readable"])
def test_nothing_a_peer_sends_breaks_out_of_its_line(lines, nasty, format):
    log.configure(format, "info", lines.stream)
    log.event(
        "info", "x", charger=nasty, vendor=nasty, frame=nasty.encode(errors="surrogatepass"), all=[nasty]
    )
    log.event("info", "y")
    written = lines.stream.getvalue()
    assert len(written.splitlines()) == 2 == written.count("\n")
    assert not log._UNSAFE.search(written.replace("\n", ""))
    if format == "json":
        assert [json.loads(line)["event"] for line in written.splitlines()] == ["x", "y"]


def test_fields_are_cut_at_two_kibibytes(lines):
    log.event("info", "x", charger="c" * 5000, a="x" * 10**6, b="€" * 10**5, c=b"\xff" * 10**6, d=10**30)
    [line] = lines()
    for name in ("charger", "a", "b", "c"):
        assert log.MAX_FIELD_BYTES - 10 < len(line[name].encode()) <= log.MAX_FIELD_BYTES
    assert line["d"] == "1" + "0" * 30


def test_secrets_show_nowhere(lines):
    canary = "c4naryS3cret"
    log.event(
        "error", "x", url=f"ws://u:{canary}@h/", token=canary, frame=f"AuthorizationKey={canary}".encode()
    )
    try:
        raise ValueError(f"Authorization: Basic {canary}")
    except ValueError as error:
        log.event("error", "y", exception=error)
        logging.getLogger("library").exception("with ws://u:%s@h/", canary)
    assert len(lines()) == 3
    assert canary not in lines.stream.getvalue()


def test_an_exception_shows_where_it_came_from_on_one_line(lines):
    try:
        raise KeyError("x" * 10_000)
    except KeyError as error:
        log.event("error", "fault", exception=error)
    try:
        raise KeyError("small")
    except KeyError as error:
        log.event("error", "fault", exception=error)
    long, short = lines()
    assert len(long["exception"]) <= log.MAX_FIELD_BYTES
    assert "test_log.py" in short["exception"] and short["exception"].endswith("KeyError: 'small'")


def test_a_flood_of_one_charger_is_cut_and_told_about(lines):
    for _ in range(1000):
        log.event("warning", "flagged", "CP1")
    log.event("warning", "flagged", "CP2")
    assert [line["charger"] for line in lines()] == ["CP1"] * log.PER_CHARGER_PER_S + ["CP2"]
    lines.clock[0] = 1.0
    log.event("info", "other", "CP3")
    told, other = lines()[-2:]
    assert (told["event"], told["charger"], told["of"], told["count"]) == (
        "lines-left-out",
        "CP1",
        "flagged",
        990,
    )
    assert other["event"] == "other"
    log.event("warning", "flagged", "CP1")
    assert lines()[-1]["charger"] == "CP1"


def test_a_flood_over_many_chargers_is_cut_and_told_about(lines):
    for n in range(50_000):
        log.event("warning", "refused", f"CP{n}")
    assert len(lines()) == log.PER_EVENT_PER_S
    assert len(log._limiter._seen) <= log.MAX_KEYS + 1
    lines.clock[0] = 1.0
    log.event("info", "other")
    told = [line for line in lines() if line["event"] == "lines-left-out"]
    assert sum(line["count"] for line in told) == 50_000 - log.PER_EVENT_PER_S


def test_other_libraries_are_one_line_too_and_limited(lines):
    for _ in range(50):
        logging.getLogger("some.library").warning("odd: %s", "a\nb")
    found = lines()
    assert len(found) == log.PER_CHARGER_PER_S
    assert (found[0]["logger"], found[0]["message"]) == ("some.library", "odd: a\\nb")


def test_levels_and_quiet_libraries(lines):
    log.event("debug", "unseen")
    logging.getLogger("picows").info("unseen")
    logging.getLogger("library").info("unseen")
    assert lines() == []
    log.configure("json", "debug", lines.stream)
    log.event("debug", "seen")
    assert [line["event"] for line in lines()] == ["seen"]


def test_a_readable_line(lines):
    log.configure("readable", "info", lines.stream)
    log.event("info", "charger-connected", "CP 1", address="10.0.0.7:5", note="")
    written = lines.stream.getvalue()
    assert written.endswith('info    charger-connected charger="CP 1" address=10.0.0.7:5 note=""\n')


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="readable or json"):
        log.configure("xml", "info")
