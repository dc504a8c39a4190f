"""The API of migrations: what one would do, beginning it, looking at it, taking it back."""

from typing import Any, Protocol

import msgspec
from aiohttp import web

from gateway.admin.answers import Refused, as_json, body, known_only
from gateway.routing.moves import Move, Plan, Stage


class MigrationsView(Protocol):
    """What the admin plane wants of migrations.

    Errors: an exception with `reasons`, each with its cure, when a move cannot be planned, begun or ended;
    where there is none of that name, it is a LookupError.
    """

    @property
    def names(self) -> list[str]: ...

    def plan(self, move: Move) -> Plan: ...

    def start(self, move: Move) -> dict[str, Any]: ...

    def stop(self, name: str) -> dict[str, Any]: ...

    def end(self, name: str) -> dict[str, Any]: ...

    def described(self, name: str) -> dict[str, Any]: ...


class MigrationsApi:
    """`/api/v1/migrations`."""

    def __init__(self, migrations: MigrationsView) -> None:
        self._migrations = migrations

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/migrations", self._all),
            web.get("/api/v1/migrations/{name}", self._one),
            web.post("/api/v1/migrations/{name}/plan", self._plan),
            web.post("/api/v1/migrations/{name}/start", self._start),
            web.post("/api/v1/migrations/{name}/stop", self._stop),
            web.post("/api/v1/migrations/{name}/end", self._end),
        ]

    async def _all(self, request: web.Request) -> web.Response:
        known_only(request.query)
        found = [self._migrations.described(name) for name in self._migrations.names]
        return as_json({"migrations": found})

    async def _one(self, request: web.Request) -> web.Response:
        known_only(request.query)
        return _answered(lambda: self._migrations.described(request.match_info["name"]))

    async def _plan(self, request: web.Request) -> web.Response:
        move = await _move(request)
        return _answered(lambda: _planned(self._migrations.plan(move)))

    async def _start(self, request: web.Request) -> web.Response:
        move = await _move(request)
        return _answered(lambda: self._migrations.start(move))

    async def _stop(self, request: web.Request) -> web.Response:
        await body(request)
        return _answered(lambda: self._migrations.stop(request.match_info["name"]))

    async def _end(self, request: web.Request) -> web.Response:
        await body(request)
        return _answered(lambda: self._migrations.end(request.match_info["name"]))


async def _move(request: web.Request) -> Move:
    """The move that the body describes; its name is the path's."""
    content = await body(request)
    try:
        move = msgspec.convert({**content, "name": request.match_info["name"]}, Move)
    except msgspec.ValidationError as error:
        raise Refused(400, str(error)) from None
    unknown = sorted(set(content) - {*Move.__struct_fields__} | {"started_at"} & set(content))
    if unknown:
        raise Refused(400, f"{unknown[0]}: no such field")
    if move.stage not in (Stage.SHADOW, Stage.MOVING):
        raise Refused(400, f"stage: give {Stage.SHADOW} or {Stage.MOVING}")
    return move


def _planned(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(plan)
    return {**found, "lines": list(plan.lines())}


def _answered(ask: Any) -> web.Response:
    try:
        return as_json(ask())
    except Exception as error:
        reasons = getattr(error, "reasons", None)
        if reasons is None:
            raise
        status = 404 if isinstance(error, LookupError) else 422
        return as_json({"error": "; ".join(reasons), "errors": reasons}, status)
