"""The admin plane over a real socket."""

import asyncio
import logging
from base64 import b64decode
from types import SimpleNamespace

import aiohttp
import pytest

from gateway.admin import guard, index
from gateway.admin.server import application, start
from gateway.config import Address, Secret
from gateway.net.migrations import Migrations
from gateway.session.tally import Tally
from gateway.store.memory import MemoryStore
from gateway.store.protocol import FlagRecord, Outage, QuarantineEntry, StoreFailed, kept

TOKEN = "t0ken-of-the-test"
JSON = {"Content-Type": "application/json"}


class Fleet:
    is_ready = True

    def __init__(self, ids=("CP2", "CP1", "CP3")):
        self.ids = ids

    def chargers(self):
        return ({"id": id_, "version": "1.6"} for id_ in self.ids)

    def charger(self, id):
        if id == "broken":
            raise RuntimeError("secret detail")
        return {"id": id, "messages_in": 5} if id in self.ids else None

    def ready(self):
        return (True, "ok") if self.is_ready else (False, "backend cpms is away")

    def chargers_by_version(self):
        return {"1.6": len(self.ids)}

    def backend_links_up(self):
        return {"cpms": 1}

    def pending_calls(self):
        return {"to_backend": 0}

    def backend_states(self):
        return {"cpms": "up"}

    def waiting(self):
        return {"cpms": (3, 1200, 60.4)}

    def chargers_by_role(self):
        return {("cpms", "leads"): 2}

    def copied(self):
        return {("charger_call", "Heartbeat", "1.6"): 4}

    def migrating(self):
        return {("spring", "moved"): 1}

    def backends(self):
        return [{"name": "cpms", "state": "up"}]

    def outbox(self):
        return [
            {"charger": f"CP{n}", "messages": n, "bytes": 9, "oldest": 1.0, "state": "waiting"}
            for n in (2, 1)
        ]


@pytest.fixture(autouse=True)
def quiet():
    """What is logged here is expected."""
    logging.getLogger("gateway").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("gateway").setLevel(logging.NOTSET)


def serving(steps, token=None, fleet=None, store=None, retry=None, migrations=None):
    """Run `steps(client, store)` against a listening admin plane; `client` knows its address."""

    async def run():
        settings = SimpleNamespace(address=Address("127.0.0.1", 0), token=Secret(token) if token else None)
        archive = store if store is not None else MemoryStore()
        server = await start(settings, fleet or Fleet(), Tally(), archive, retry, None, migrations)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
                await steps(client, archive)
        finally:
            await server.close()

    asyncio.run(run())


async def asked(client, path, status=200, method="GET", **over):
    async with client.request(method, path, **over) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


def flag(n, **over):
    facts = {
        "time": 1000.0 + n,
        "charger": "CP1",
        "code": "c",
        "severity": "info",
        "consequence": "delivered",
    }
    return FlagRecord(**facts | {"path": f"p{n}"} | over)


def entry(n, **over):
    facts = {"time": 1000.0 + n, "charger": "CP1", "sender": "charger", "raw": b'[2,"\xff"', "flags": ("x",)}
    return QuarantineEntry(id=f"e{n}", **facts | over)


def test_health_and_readiness():
    fleet = Fleet()

    async def steps(client, _):
        assert await asked(client, "/healthz") == {"status": "ok"}
        assert await asked(client, "/readyz") == {"ready": True, "reason": "ok"}
        fleet.is_ready = False
        assert (await asked(client, "/readyz", 503))["reason"] == "backend cpms is away"

    serving(steps, fleet=fleet)


def test_metrics_are_there():
    async def steps(client, _):
        async with client.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert 'ocpp_gateway_chargers_connected{version="1.6"} 3.0' in await answer.text()

    serving(steps)


def test_chargers_come_in_pages_by_id():
    async def steps(client, _):
        page = await asked(client, "/api/v1/chargers?limit=2")
        assert [one["id"] for one in page["chargers"]] == ["CP1", "CP2"]
        assert page["next"] == "/api/v1/chargers?limit=2&after=CP2"
        page = await asked(client, page["next"])
        assert [one["id"] for one in page["chargers"]] == ["CP3"] and page["next"] is None
        assert (await asked(client, "/api/v1/chargers/CP1"))["messages_in"] == 5

    serving(steps)


@pytest.mark.parametrize("id_", ["CP/1", "CP 1", "Säule", "%41", "a?b#c"])
def test_a_charger_with_an_odd_id_is_found(id_):
    async def steps(client, _):
        from urllib.parse import quote

        from yarl import URL

        path = URL(f"/api/v1/chargers/{quote(id_, safe='')}", encoded=True)
        assert (await asked(client, path))["id"] == id_

    serving(steps, fleet=Fleet((id_,)))


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/v1/chargers/nobody", 404, "no charger 'nobody' is known"),
        ("/nowhere", 404, "not found"),
        ("/api/v1/chargers?limit=x", 400, "limit: give a whole number"),
        ("/api/v1/chargers?limti=5", 400, "limti: no such parameter; there are after, limit"),
        ("/api/v1/flags?since=yesterday", 400, "since: give seconds"),
        ("/api/v1/flags?since=nan", 400, "since: give seconds"),
        ("/api/v1/flags?before=99999999999999999999", 400, "before: give a whole number"),
        ("/api/v1/quarantine?state=lost", 400, "state: one of open, retried"),
        ("/api/v1/flags?severity=grave", 400, "severity: one of info, warning, error"),
        ("/api/v1/flags?code=comma", 400, "code: 'comma' is no flag; did you mean"),
        ("/api/v1/flags?limit=0", 400, "limit: give a whole number from 1"),
        ("/api/v1/chargers/CP1?full=1", 400, "full: no such parameter; there are none"),
        ("/api/v1/quarantine/e9", 404, "no message 'e9' is in quarantine"),
    ],
)
def test_what_cannot_be_answered_says_why(path, status, text):
    async def steps(client, _):
        assert text in (await asked(client, path, status))["error"]

    serving(steps)


def test_our_own_faults_do_not_show():
    async def steps(client, _):
        assert await asked(client, "/api/v1/chargers/broken", 500) == {
            "error": "internal error; the log says more"
        }

    serving(steps)


@pytest.mark.parametrize(
    "path", ["/healthz", "/metrics", "/nowhere", "/api/v1/chargers", "/api/v1/chargers/broken"]
)
def test_every_answer_has_the_security_headers(path):
    async def steps(client, _):
        async with client.get(path) as answer:
            for name, value in guard.HEADERS.items():
                assert answer.headers[name] == value

    serving(steps)


@pytest.mark.parametrize(
    "path", ["/metrics", "/api/v1/chargers", "/api/v1/flags", "/api/v1/quarantine", "/nowhere"]
)
def test_everything_but_health_needs_the_token(path):
    async def steps(client, _):
        await asked(client, path, 401)
        async with client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert answer.status == (404 if path == "/nowhere" else 200)

    serving(steps, token=TOKEN)


def test_health_needs_no_token_and_readiness_keeps_details_to_itself():
    async def steps(client, _):
        assert await asked(client, "/healthz") == {"status": "ok"}
        assert await asked(client, "/readyz") == {"ready": True}
        with_token = {"Authorization": f"Bearer {TOKEN}"}
        assert await asked(client, "/readyz", headers=with_token) == {"ready": True, "reason": "ok"}

    serving(steps, token=TOKEN)


@pytest.mark.parametrize(
    "given", ["Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ", "Bearer ü"]
)
def test_a_wrong_token_is_refused(given):
    async def steps(client, _):
        await asked(client, "/metrics", 401, headers={"Authorization": given})

    serving(steps, token=TOKEN)


def test_guessing_the_token_is_stopped_even_with_the_right_one_but_health_goes_on():
    async def steps(client, _):
        for n in range(guard.GUESSES_PER_MINUTE):
            await asked(client, "/metrics", 401, headers={"Authorization": f"Bearer guess{n}"})
        for shown in ("guess", TOKEN):
            async with client.get("/metrics", headers={"Authorization": f"Bearer {shown}"}) as answer:
                assert answer.status == 429
                assert 1 <= int(answer.headers["Retry-After"]) <= 61
        await asked(client, "/healthz")

    serving(steps, token=TOKEN)


def request(remote, authorization):
    return SimpleNamespace(remote=remote, headers={"Authorization": authorization} if authorization else {})


def test_guesses_are_counted_per_source_and_forgotten_after_a_minute():
    now = [0.0]
    checked = guard.Guard(TOKEN, lambda: now[0])
    for n in range(5):
        assert not checked.may(request(f"2001:db8::{n}", "Bearer x"))
        assert not checked.may(request("10.0.0.1", ""))
    with pytest.raises(guard.Refused):
        checked.may(request("2001:db8::99", f"Bearer {TOKEN}"))
    assert checked.may(request("2001:db8:0:1::1", f"Bearer {TOKEN}"))
    assert checked.may(request("10.0.0.1", f"Bearer {TOKEN}"))
    now[0] = 60.1
    assert checked.may(request("2001:db8::99", f"Bearer {TOKEN}"))


def test_the_memory_for_guesses_is_bounded(monkeypatch):
    monkeypatch.setattr(guard, "MAX_SOURCES", 10)
    checked = guard.Guard(TOKEN)
    for n in range(100):
        checked.may(request(f"10.0.0.{n}", "Bearer x"))
    assert len(checked._wrong) == 10


@pytest.mark.parametrize(("host", "status"), [("evil.example", 421), ("localhost:1", 200), ("[::1]:9", 200)])
def test_without_a_token_only_local_names_are_answered(host, status):
    """A page of another site can have its name point to 127.0.0.1; the browser then sends that name."""

    async def steps(client, _):
        await asked(client, "/healthz", status, headers={"Host": host})

    serving(steps)


def test_with_a_token_any_name_is_answered():
    async def steps(client, _):
        await asked(client, "/healthz", headers={"Host": "gateway.example"})

    serving(steps, token=TOKEN)


def test_flags_can_be_looked_up():
    async def steps(client, store):
        await kept(store, *(flag(n, code="id-reused" if n % 2 else "extra-field") for n in range(5)))
        found = await asked(client, "/api/v1/flags?code=id-reused&limit=1")
        assert [one["path"] for one in found["flags"]] == ["p3"]
        found = await asked(client, found["next"])
        assert [one["path"] for one in found["flags"]] == ["p1"]
        assert (await asked(client, found["next"])) == {"flags": [], "next": None}
        newer = await asked(client, "/api/v1/flags?after=2&limit=2")
        assert newer["next"] == "/api/v1/flags?after=4&limit=2"
        found = await asked(client, "/api/v1/flags?since=1970-01-01T00:16:41&until=1003")
        assert [one["path"] for one in found["flags"]] == ["p2", "p1"]
        found = await asked(client, "/api/v1/flags?after=3")
        assert [one["path"] for one in found["flags"]] == ["p3", "p4"]

    serving(steps)


def test_every_address_is_listed():
    async def steps(client, _):
        listed = (await asked(client, "/api/v1/"))["addresses"]
        assert "GET /api/v1/flags" in listed and "GET /api/v1/migrations" not in listed
        async with client.get("/") as answer:
            lines = (await answer.text()).splitlines()
        assert [line.split("  ")[0] for line in lines] == list(listed)

    serving(steps)
    settings = SimpleNamespace(address=Address("127.0.0.1", 0), token=None)
    app = application(settings, Fleet(), Tally(), MemoryStore(), None, SimpleNamespace(), SimpleNamespace())
    there = {f"{route.method} {route.resource.canonical}" for route in app.router.routes()}
    assert {one for one in there if not one.startswith("HEAD ")} - {"GET /api/v1"} == set(index.ADDRESSES)


def test_every_parameter_is_listed():
    async def steps(client, _):
        addresses = (await asked(client, "/api/v1/"))["addresses"]
        for path in (one.removeprefix("GET ") for one in addresses if one.startswith("GET /api/v1/")):
            if path == "/api/v1/":
                continue
            told = (await asked(client, path.format(id="CP1") + "?nope=1", 400))["error"]
            there = told.removeprefix("nope: no such parameter; there are ").removesuffix("none")
            _, _, listed = index.ADDRESSES[f"GET {path}"].partition("; ")
            assert listed == there, path

    serving(steps)


def test_quarantine_can_be_looked_up_with_its_bytes():
    async def steps(client, store):
        await kept(store, entry(1), entry(2, raw=b"text", carries_revenue=True))
        found = await asked(client, "/api/v1/quarantine")
        assert [one["id"] for one in found["entries"]] == ["e2", "e1"]
        assert "raw" not in found["entries"][0] and found["entries"][0]["raw_bytes"] == 4
        shown = await asked(client, "/api/v1/quarantine/e1")
        assert shown["raw"] is None and b64decode(shown["raw_base64"]) == b'[2,"\xff"'
        shown = await asked(client, "/api/v1/quarantine?raw=true&limit=1")
        assert shown["entries"][0]["raw"] == "text"

    serving(steps)


@pytest.mark.parametrize(("delivered", "state"), [(True, "delivered"), (False, "retried")])
def test_retrying_tells_what_came_of_it_and_keeps_it(delivered, state):
    tried = []

    async def retry(one):
        tried.append(one)
        return {"delivered": delivered, "outcome": "the backend said so"}

    async def steps(client, store):
        await kept(store, entry(1))
        answer = await asked(client, "/api/v1/quarantine/e1/retry", method="POST", json={})
        assert answer == {
            "id": "e1",
            "state": state,
            "delivered": delivered,
            "outcome": "the backend said so",
        }
        assert [one.raw for one in tried] == [b'[2,"\xff"']
        stored = await store.quarantine_entry("e1")
        assert (stored.state, stored.outcome) == (state, "the backend said so")
        await asked(client, "/api/v1/quarantine/e1/retry", 409 if delivered else 200, method="POST", json={})

    serving(steps, retry=retry)


def test_a_message_is_not_retried_twice_at_once():
    async def steps(client, store):
        await kept(store, entry(1))
        first = asyncio.ensure_future(asked(client, "/api/v1/quarantine/e1/retry", method="POST", json={}))
        await started.wait()
        for verb in ("retry", "discard"):
            await asked(client, f"/api/v1/quarantine/e1/{verb}", 409, method="POST", json={})
        go.set()
        assert (await first)["state"] == "delivered"

    started, go = asyncio.Event(), asyncio.Event()

    async def retry(_):
        started.set()
        await go.wait()
        return {"delivered": True, "outcome": ""}

    serving(steps, retry=retry)


def test_a_retry_that_fails_leaves_the_message_where_it_was():
    async def retry(_):
        raise RuntimeError("secret detail")

    async def steps(client, store):
        await kept(store, entry(1))
        await asked(client, "/api/v1/quarantine/e1/retry", 500, method="POST", json={})
        assert (await store.quarantine_entry("e1")).state == "open"
        await asked(client, "/api/v1/quarantine/e1/discard", method="POST", json={})

    serving(steps, retry=retry)


def test_discarding_keeps_the_reason():
    async def steps(client, store):
        await kept(store, entry(1))
        answer = await asked(
            client, "/api/v1/quarantine/e1/discard", method="POST", json={"reason": "a test"}
        )
        assert answer == {"id": "e1", "state": "discarded"}
        assert (await store.quarantine_entry("e1")).outcome == "a test"
        await asked(client, "/api/v1/quarantine/e1/discard", 409, method="POST", json={})
        await asked(client, "/api/v1/quarantine/e9/discard", 404, method="POST", json={})

    serving(steps)


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_another_site_can_send_changes_nothing(type_):
    async def steps(client, store):
        await kept(store, entry(1))
        path = "/api/v1/quarantine/e1/discard"
        await asked(client, path, 415, method="POST", data=b"{}", headers={"Content-Type": type_})
        await asked(client, path, 405)
        assert (await store.quarantine_entry("e1")).state == "open"

    serving(steps)


@pytest.mark.parametrize(("body", "status"), [(b"[", 400), (b"[]", 400), (b"x" * 100_000, 413)])
def test_a_body_that_is_no_json_object_is_refused(body, status):
    async def steps(client, store):
        await kept(store, entry(1))
        path = "/api/v1/quarantine/e1/discard"
        await asked(client, path, status, method="POST", data=body, headers=JSON)

    serving(steps)


def test_when_the_store_fails_the_api_says_so():
    async def steps(client, store):
        await kept(store, entry(1))
        store.failing = StoreFailed("full", "no room")
        answer = await asked(client, "/api/v1/quarantine/e1/discard", 503, method="POST", json={})
        assert answer == {"error": "could not be stored: full"}
        await store.close()
        assert "closed" in (await asked(client, "/api/v1/flags", 503))["error"]

    serving(steps)


def test_an_address_that_is_taken_is_an_os_error():
    async def steps(client, _):
        settings = SimpleNamespace(address=Address("127.0.0.1", client._base_url.port), token=None)
        with pytest.raises(OSError):
            await start(settings, Fleet(), Tally())

    serving(steps)


def test_what_waits_comes_by_charger_and_outages_newest_first():
    async def steps(client, store):
        page = await asked(client, "/api/v1/outbox?limit=1")
        assert [row["charger"] for row in page["outbox"]] == ["CP1"]
        assert (await asked(client, page["next"]))["outbox"][0]["charger"] == "CP2"
        await kept(store, Outage(backend="b", begin=1.0, end=2.0), Outage(backend="b", begin=3.0))
        outages = (await asked(client, "/api/v1/outages"))["outages"]
        assert [(one["begin"], one["end"]) for one in outages] == [(3.0, None), (1.0, 2.0)]

    serving(steps)


@pytest.mark.parametrize(("method", "verb"), [("GET", ""), ("POST", "/stop"), ("POST", "/end")])
def test_a_migration_that_is_not_there_is_not_found(method, verb):
    async def steps(client, _):
        over = {} if method == "GET" else {"json": {}}
        answer = await asked(client, f"/api/v1/migrations/none{verb}", 404, method, **over)
        assert answer["error"] == 'no migration is called "none"; known: none'

    serving(steps, migrations=Migrations(SimpleNamespace(archive=None)))
