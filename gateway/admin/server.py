"""The admin plane's web server: metrics, health, and the API under `/api/v1`.

Everything is read from the running fleet and the store when somebody asks; nothing is kept here.
"""

from collections.abc import Awaitable, Callable, Iterable
from heapq import nsmallest
from typing import Any, Protocol

from aiohttp import web

from gateway.admin import index
from gateway.admin.answers import Refused, as_json, known_only, limit, next_page
from gateway.admin.brands import BrandsApi, BrandsView
from gateway.admin.guard import Guard, middlewares
from gateway.admin.migrations import MigrationsApi, MigrationsView
from gateway.admin.records import RecordsApi, Retry
from gateway.admin.view import FleetView
from gateway.observe import metrics
from gateway.session.tally import Tally
from gateway.store.protocol import Store

MAX_BODY_BYTES = 64 * 1024


class Address(Protocol):
    """Where to listen; port 0 lets the system choose."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def is_loopback(self) -> bool: ...


class Secret(Protocol):
    def reveal(self) -> str: ...


class AdminSettings(Protocol):
    """The `[admin]` table of the configuration."""

    @property
    def address(self) -> Address: ...

    @property
    def token(self) -> Secret | None: ...


class AdminServer:
    """A listening admin plane."""

    def __init__(self, runner: web.AppRunner, port: int) -> None:
        self._runner = runner
        self.port = port

    async def close(self) -> None:
        """Stop listening and end what is being answered."""
        await self._runner.cleanup()


async def start(
    settings: AdminSettings,
    fleet: FleetView,
    tally: Tally,
    archive: Store | None = None,
    retry: Retry | None = None,
    brands: BrandsView | None = None,
    migrations: MigrationsView | None = None,
) -> AdminServer:
    """Listen as `settings` say. Errors: OSError when the address is taken or not ours.

    `archive` holds flags and quarantine (None: nothing is stored, those paths answer 404); `retry` sends a
    quarantined message through the gateway again; `brands` answers for rule packs and adapters, `migrations`
    for moves between backends.
    """
    app = application(settings, fleet, tally, archive, retry, brands, migrations)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
    await runner.setup()
    site = web.TCPSite(runner, settings.address.host, settings.address.port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return AdminServer(runner, runner.addresses[0][1])


def application(
    settings: AdminSettings,
    fleet: FleetView,
    tally: Tally,
    archive: Store | None,
    retry: Retry | None,
    brands: BrandsView | None = None,
    migrations: MigrationsView | None = None,
) -> web.Application:
    """Every path there is, behind the guard."""
    guard = Guard(settings.token.reveal() if settings.token else None)
    only_local_names = settings.token is None and settings.address.is_loopback
    app = web.Application(middlewares=middlewares(guard, only_local_names), client_max_size=MAX_BODY_BYTES)
    app.add_routes(
        [
            web.get("/metrics", _metrics(tally, fleet)),
            web.get("/healthz", _health),
            web.get("/readyz", _readiness(fleet, guard)),
            web.get("/api/v1/chargers", _chargers(fleet)),
            web.get("/api/v1/chargers/{id}", _charger(fleet)),
            web.get("/api/v1/outbox", _outbox(fleet)),
            web.get("/api/v1/backends", _backends(fleet)),
        ]
    )
    if archive is not None:
        app.add_routes(RecordsApi(archive, retry).routes())
    if brands is not None:
        app.add_routes(BrandsApi(brands).routes())
    if migrations is not None:
        app.add_routes(MigrationsApi(migrations).routes())
    index.add_to(app)
    return app


Answering = Callable[[web.Request], Awaitable[web.Response]]


def _metrics(tally: Tally, fleet: FleetView) -> Answering:
    render = metrics.page_of(tally, fleet)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return answer


async def _health(_: web.Request) -> web.Response:
    """That this answers at all says that the event loop runs."""
    return as_json({"status": "ok"})


def _readiness(fleet: FleetView, guard: Guard) -> Answering:
    async def answer(request: web.Request) -> web.Response:
        ready, reason = fleet.ready()
        content: dict[str, Any] = {"ready": ready}
        if guard.may(request):
            content["reason"] = reason
        return as_json(content, 200 if ready else 503)

    return answer


def _chargers(fleet: FleetView) -> Answering:
    return _pages("chargers", "id", fleet.chargers)


def _outbox(fleet: FleetView) -> Answering:
    return _pages("outbox", "charger", fleet.outbox)


def _backends(fleet: FleetView) -> Answering:
    async def answer(request: web.Request) -> web.Response:
        known_only(request.query)
        return as_json({"backends": list(fleet.backends())})

    return answer


def _pages(name: str, key: str, rows: Callable[[], Iterable[dict[str, Any]]]) -> Answering:
    async def answer(request: web.Request) -> web.Response:
        """By `key`; `after` is the last one of the page before. Rows with the same key stay together."""
        known_only(request.query, "after", "limit")
        most, after = limit(request.query), request.query.get("after", "")
        later = [row for row in rows() if row[key] > after]
        found = nsmallest(most, later, key=lambda row: str(row[key]))
        last = found[-1][key] if found else ""
        page = [row for row in later if row[key] <= last]
        page.sort(key=lambda row: str(row[key]))
        more = next_page(request, "after", last) if len(page) < len(later) else None
        return as_json({name: page, "next": more})

    return answer


def _charger(fleet: FleetView) -> Answering:
    async def answer(request: web.Request) -> web.Response:
        known_only(request.query)
        found = fleet.charger(request.match_info["id"])
        if found is None:
            raise Refused(404, f"no charger {request.match_info['id']!r} is known")
        return as_json(found)

    return answer
