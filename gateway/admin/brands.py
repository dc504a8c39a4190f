"""The API of rule packs and adapters: what there is, reading it anew, and recording a charger's frames."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

import orjson
from aiohttp import web

from gateway.admin.answers import Refused, as_json, body, known_only, number, yes

MOST_FRAMES = 100_000
MOST_SECONDS = 86_400
SECONDS = 3600
FRAMES = 1000


class BrandsView(Protocol):
    """What the admin plane wants to know of brands, and have done."""

    def rules(self) -> dict[str, Any]: ...

    async def reload(self) -> dict[str, int]:
        """Errors: an exception with `errors`, each with file, place and cure."""

    def capture(
        self, charger_id: str, frames: int, seconds: float, mask: bool
    ) -> AsyncIterator[dict[str, Any] | None]: ...


class BrandsApi:
    """`/api/v1/rules` and captures."""

    def __init__(self, brands: BrandsView) -> None:
        self._brands = brands

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/rules", self._rules),
            web.post("/api/v1/rules/reload", self._reload),
            web.get("/api/v1/chargers/{id}/capture", self._capture),
        ]

    async def _rules(self, request: web.Request) -> web.Response:
        known_only(request.query)
        return as_json(self._brands.rules())

    async def _reload(self, request: web.Request) -> web.Response:
        """Everything anew, or nothing: what is wrong is told all at once."""
        await body(request)
        try:
            return as_json({"reloaded": await self._brands.reload()})
        except Exception as error:
            errors = getattr(error, "errors", None)
            if errors is None:
                raise
            text = "\n".join(["nothing was changed:", *errors])
            return as_json({"error": text, "errors": errors}, 422)

    async def _capture(self, request: web.Request) -> web.StreamResponse:
        """JSON lines as frames come, until `frames` or `seconds` are over or the reader goes away."""
        known_only(request.query, "frames", "seconds", "mask")
        frames = min(number(request.query, "frames") or FRAMES, MOST_FRAMES)
        seconds = min(number(request.query, "seconds") or SECONDS, MOST_SECONDS)
        try:
            lines = self._brands.capture(
                request.match_info["id"], frames, seconds, yes(request.query, "mask")
            )
        except OverflowError:
            raise Refused(503, "too many recordings are under way; wait until one ends") from None
        response = web.StreamResponse()
        response.content_type = "application/x-ndjson"
        try:
            await response.prepare(request)
            async for line in lines:
                await response.write(b"\n" if line is None else orjson.dumps(line) + b"\n")
            await response.write_eof()
        except ConnectionError:  # the reader has seen enough
            pass
        return response
