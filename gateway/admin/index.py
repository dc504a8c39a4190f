"""What can be asked of the admin plane, a line for each address."""

from typing import Final

from aiohttp import web

from gateway.admin.answers import as_json

MOVE: Final = "to, chargers, labels, percent, stage, wait_for_transactions, max_wait_s"
ADDRESSES: Final = {
    "GET /": "this list",
    "GET /api/v1/": "this list as JSON",
    "GET /metrics": "figures for Prometheus",
    "GET /healthz": "200: it is up",
    "GET /readyz": "200: it can serve chargers; 503: it cannot",
    "GET /api/v1/chargers": "chargers that are connected; after, limit",
    "GET /api/v1/chargers/{id}": "everything about one of them",
    "GET /api/v1/chargers/{id}/capture": "its frames as they come; frames, seconds, mask",
    "GET /api/v1/backends": "backends, and whose chargers they have",
    "GET /api/v1/outbox": "what waits for backends, by charger; after, limit",
    "GET /api/v1/outages": "when backends were away; limit",
    "GET /api/v1/flags": "what was wrong with messages; code, brand, firmware, charger, severity, since, "
    "until, before, after, limit",
    "GET /api/v1/quarantine": "messages that were kept for a person; state, charger, before, limit, raw",
    "GET /api/v1/quarantine/{id}": "one of them with its bytes",
    "POST /api/v1/quarantine/{id}/retry": "send it once more; raw",
    "POST /api/v1/quarantine/{id}/discard": "say that nobody needs it; reason",
    "GET /api/v1/migrations": "chargers on their way to another backend",
    "GET /api/v1/migrations/{name}": "one migration in full",
    "POST /api/v1/migrations/{name}/plan": "what it would do; " + MOVE,
    "POST /api/v1/migrations/{name}/start": "begin it, or take it further; " + MOVE,
    "POST /api/v1/migrations/{name}/stop": "give the chargers back",
    "POST /api/v1/migrations/{name}/end": "forget it",
    "GET /api/v1/rules": "rule packs and adapters, and what they did",
    "POST /api/v1/rules/reload": "read them anew",
}
"""Method and path → what is there, and which parameters it takes."""


def add_to(app: web.Application) -> None:
    """List the addresses that `app` has, at `/` and as JSON at `/api/v1/`."""
    app.add_routes([web.get("/", _as_text), web.get("/api/v1/", _as_json), web.get("/api/v1", _as_json)])


def _known(app: web.Application) -> dict[str, str]:
    there = {f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource}
    return {address: meaning for address, meaning in ADDRESSES.items() if address in there}


async def _as_text(request: web.Request) -> web.Response:
    lines = [f"{address:<40} {meaning}\n" for address, meaning in _known(request.app).items()]
    return web.Response(text="".join(lines))


async def _as_json(request: web.Request) -> web.Response:
    return as_json({"addresses": _known(request.app)})
