"""The API of rule packs and captures, and the commands that ask it, over a real socket."""

import asyncio
import json
from types import SimpleNamespace

import aiohttp
import pytest

from gateway.admin.server import start
from gateway.cli import main
from gateway.config import Address, Secret
from gateway.plugins import PluginError
from gateway.session.tally import Tally

TOKEN = "t0ken-of-the-test"
JSON = {"Content-Type": "application/json"}


class Brands:
    """What there is, told by a script."""

    def __init__(self):
        self.errors = []
        self.asked = []
        self.is_full = False
        self.connected = {"CP1"}
        self.most = 3

    def rules(self):
        return {"packs": [{"name": "acme"}], "adapters": []}

    async def reload(self):
        if self.errors:
            raise PluginError(self.errors)
        return {"packs": 2, "rules": 7, "adapters": 1}

    def capture(self, charger_id, frames, seconds, mask):
        if self.is_full:
            raise OverflowError
        self.asked.append((charger_id, frames, seconds, mask))
        return self.lines(frames)

    async def lines(self, frames):
        yield None
        for number in range(min(frames, self.most)):
            yield {"id": str(number), "raw": "[2]"}


def serving(steps, token=None):
    """Run `steps(url, brands)` on a thread beside a listening admin plane."""

    async def run():
        brands = Brands()
        fleet = SimpleNamespace(
            chargers=list, outbox=list, charger=lambda id_: {"id": id_} if id_ in brands.connected else None
        )
        settings = SimpleNamespace(address=Address("127.0.0.1", 0), token=Secret(token) if token else None)
        server = await start(settings, fleet, Tally(), None, None, brands)
        try:
            url = f"http://127.0.0.1:{server.port}"
            if asyncio.iscoroutinefunction(steps):
                async with aiohttp.ClientSession(url) as client:
                    await steps(client, brands)
            else:
                await asyncio.to_thread(steps, url, brands)
        finally:
            await server.close()

    asyncio.run(run())


def test_rules_are_shown_and_reloaded_or_refused_with_every_mistake():
    async def steps(client, brands):
        async with client.get("/api/v1/rules") as answer:
            assert await answer.json() == {"packs": [{"name": "acme"}], "adapters": []}
        async with client.post("/api/v1/rules/reload", data="{}", headers=JSON) as answer:
            assert (answer.status, await answer.json()) == (200, {"reloaded": await brands.reload()})
        brands.errors = ["a.toml: pack: one", "b.py:1: two"]
        async with client.post("/api/v1/rules/reload", data="{}", headers=JSON) as answer:
            told = await answer.json()
            assert (answer.status, told["errors"]) == (422, brands.errors)
            assert told["error"] == "nothing was changed:\na.toml: pack: one\nb.py:1: two"
        async with client.post("/api/v1/rules/reload", data="x=1") as answer:
            assert answer.status == 415

    serving(steps)


def test_a_capture_is_bounded_and_only_for_who_may_ask():
    async def steps(client, brands):
        async with client.get("/api/v1/chargers/CP1/capture") as answer:
            assert answer.status == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        path = "/api/v1/chargers/CP%201/capture?frames=9999999&seconds=9999999&mask=1"
        async with client.get(path, headers=headers) as answer:
            assert answer.status == 200
            assert (await answer.text()).count("\n") == 4
        assert brands.asked == [("CP 1", 100_000, 86_400, True)]
        brands.is_full = True
        async with client.get("/api/v1/chargers/CP1/capture", headers=headers) as answer:
            assert answer.status == 503
        async with client.get("/api/v1/chargers/CP1/capture?frame=1", headers=headers) as answer:
            assert answer.status == 400

    serving(steps, TOKEN)


def test_the_command_writes_what_it_gets_line_by_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OCPP_GATEWAY_ADMIN_TOKEN", TOKEN)

    def steps(url, brands):
        file = tmp_path / "out.jsonl"
        assert main(["capture", "CP1", "--frames", "2", "--output", str(file), "--admin", url]) == 0
        assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["0", "1"]
        assert main(["capture", "CP1", "--seconds", "5", "--mask", "--admin", url]) == 0
        told = capsys.readouterr()
        assert told.out.count('"raw"') == 3
        assert "2 frames of CP1" in told.err and "not connected" not in told.err
        assert brands.asked == [("CP1", 2, 3600, False), ("CP1", 1000, 5, True)]
        assert main(["capture", "CP1", "--output", str(file), "--admin", url]) == 2
        assert len(file.read_text().splitlines()) == 2
        brands.most = 0
        assert main(["capture", "CP1", "--output", f"{file}2", "--admin", url]) == 0
        assert not (tmp_path / "out.jsonl2").exists()
        brands.is_full = True
        assert main(["capture", "CP2", "--seconds", "7", "--output", f"{file}2", "--admin", url]) == 2
        assert not (tmp_path / "out.jsonl2").exists()

    serving(steps, TOKEN)
    told = capsys.readouterr()
    assert "out.jsonl: is there already; give another file, or move it away" in told.err
    assert "CP2 is not connected; waiting for it, 7 s at most (Ctrl-C ends it)" in told.err
    assert "too many recordings are under way" in told.err


def test_reloading_says_how_much_there_is_or_what_is_wrong(capsys):
    def steps(url, brands):
        assert main(["rules", "reload", "--admin", url]) == 0
        brands.errors = ["a.toml: pack: one", "b.py:1: two"]
        assert main(["rules", "reload", "--admin", url]) == 2

    serving(steps)
    told = capsys.readouterr()
    assert told.out == "reloaded: 2 packs, 7 rules, 1 adapters\n"
    assert told.err == "nothing was changed:\na.toml: pack: one\nb.py:1: two\n"


@pytest.mark.parametrize("words", [["rules", "reload"], ["capture", "CP1"]])
def test_without_a_gateway_the_commands_say_so(words, capsys):
    assert main([*words, "--admin", "127.0.0.1:1"]) == 2
    assert "no gateway answers at" in capsys.readouterr().err


def test_what_cannot_be_recorded_or_written_is_told(tmp_path, capsys):
    assert main(["capture", "CP1", "--output", str(tmp_path / "no" / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
