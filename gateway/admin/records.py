"""Flags and quarantine in the API: looking up, trying again, discarding."""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec.structs import replace

from gateway.admin.answers import (
    Refused,
    as_json,
    body,
    known_only,
    limit,
    moment,
    next_page,
    number,
    one_of,
    yes,
)
from gateway.ocpp.flags import FlagCode, Severity, no_flag
from gateway.store.protocol import (
    EntryMoved,
    EntryState,
    FlagQuery,
    Outage,
    QuarantineEntry,
    QuarantineQuery,
    Record,
    Store,
    StoreError,
    kept,
)

T = TypeVar("T")
Retry = Callable[[QuarantineEntry], Awaitable[dict[str, Any]]]
"""Sends a message through the gateway once more; tells `delivered` (bool) and `outcome` (one line)."""

MAX_REASON = 500


class RecordsApi:
    """The paths under `/api/v1/flags`, `/api/v1/outages` and `/api/v1/quarantine`."""

    def __init__(self, archive: Store, retry: Retry | None) -> None:
        self._archive = archive
        self._retry = retry
        self._busy: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        one = "/api/v1/quarantine/{id}"
        return [
            web.get("/api/v1/flags", self.flags),
            web.get("/api/v1/outages", self.outages),
            web.get("/api/v1/quarantine", self.quarantine),
            web.get(one, self.show),
            web.post(one + "/retry", self.retry),
            web.post(one + "/discard", self.discard),
        ]

    async def flags(self, request: web.Request) -> web.Response:
        """Newest first; with `after` what came since, oldest first."""
        asked = request.query
        names = ("code", "brand", "firmware", "charger", "severity")
        known_only(asked, *names, "since", "until", "before", "after", "limit")
        one_of(asked, "severity", Severity)
        if (code := asked.get("code", "")) and code not in list(FlagCode):
            raise Refused(400, f"code: {no_flag(code)}")
        query = FlagQuery(
            **{name: asked.get(name, "") for name in names},
            since=moment(asked, "since"),
            until=moment(asked, "until"),
            before=number(asked, "before"),
            after=number(asked, "after"),
            limit=limit(asked),
        )
        found = await _read(self._archive.flags(query))
        way = "before" if query.after is None else "after"
        return as_json(
            {
                "flags": [msgspec.structs.asdict(flag) for flag in found],
                "next": _next(request, way, found, query.limit),
            }
        )

    async def outages(self, request: web.Request) -> web.Response:
        """Newest first; `end` is null while one lasts."""
        known_only(request.query, "limit")
        found = await _read(self._archive.outages(limit(request.query)))
        return as_json({"outages": [outage_of(one) for one in found]})

    async def quarantine(self, request: web.Request) -> web.Response:
        """Newest first; `raw=true` adds the messages themselves."""
        asked = request.query
        known_only(asked, "state", "charger", "before", "limit", "raw")
        query = QuarantineQuery(
            state=EntryState(state) if (state := one_of(asked, "state", EntryState)) else None,
            charger=asked.get("charger", ""),
            before=number(asked, "before"),
            limit=limit(asked),
        )
        found = await _read(self._archive.quarantine(query))
        with_raw = yes(asked, "raw")
        return as_json(
            {
                "entries": [described(entry, with_raw) for entry in found],
                "next": _next(request, "before", found, query.limit),
            }
        )

    async def show(self, request: web.Request) -> web.Response:
        known_only(request.query)
        return as_json(described(await self._entry(request), with_raw=True))

    async def retry(self, request: web.Request) -> web.Response:
        """Try once more; the entry's state says afterwards what came of it. `raw` in the body is the message
        as a person has repaired it; the entry keeps the bytes that came in.
        """
        raw = (await body(request)).get("raw")
        if raw is not None and not isinstance(raw, str):
            raise Refused(400, "raw: give the frame as text")
        if self._retry is None:
            raise Refused(503, "messages cannot be retried now")
        entry = await self._unsettled(request)
        if entry.id in self._busy:
            raise Refused(409, "this message is being retried already")
        self._busy.add(entry.id)
        try:
            result = await self._retry(entry if raw is None else replace(entry, raw=raw.encode()))
            state = EntryState.DELIVERED if result.get("delivered") else EntryState.RETRIED
            await self._keep(EntryMoved(entry.id, state, str(result.get("outcome", ""))[:MAX_REASON]))
        finally:
            self._busy.discard(entry.id)
        return as_json({"id": entry.id, "state": state, **result})

    async def discard(self, request: web.Request) -> web.Response:
        """Nobody needs this message any more; `reason` is kept with it."""
        reason = str((await body(request)).get("reason", ""))[:MAX_REASON]
        entry = await self._unsettled(request)
        if entry.id in self._busy:
            raise Refused(409, "this message is being retried")
        await self._keep(EntryMoved(entry.id, EntryState.DISCARDED, reason))
        return as_json({"id": entry.id, "state": EntryState.DISCARDED})

    async def _entry(self, request: web.Request) -> QuarantineEntry:
        id_ = request.match_info["id"]
        found = await _read(self._archive.quarantine_entry(id_))
        if found is None:
            raise Refused(404, f"no message {id_!r} is in quarantine, or several begin so")
        return found

    async def _unsettled(self, request: web.Request) -> QuarantineEntry:
        entry = await self._entry(request)
        if entry.state.settled:
            raise Refused(409, f"this message is {entry.state} already")
        return entry

    async def _keep(self, record: Record) -> None:
        """Return once the record is durable."""
        failed = await kept(self._archive, record)
        if failed is not None:
            raise Refused(503, f"could not be stored: {failed.reason}")


def described(entry: QuarantineEntry, with_raw: bool) -> dict[str, Any]:
    """An entry as JSON: `raw` as text where it is UTF-8 (else null), and always `raw_base64`."""
    facts = msgspec.structs.asdict(entry)
    raw = facts.pop("raw")
    facts["raw_bytes"] = len(raw)
    if with_raw:
        facts["raw"] = _text(raw)
        facts["raw_base64"] = b64encode(raw).decode()
    return facts


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _next(request: web.Request, way: str, found: list[Any], limit: int) -> str | None:
    """Where to go on, `before` or `after` the last one, when there may be more."""
    return next_page(request, way, found[-1].number) if len(found) == limit else None


def outage_of(outage: Outage) -> dict[str, Any]:
    """An outage as the API shows it."""
    return msgspec.structs.asdict(outage) | {"end": outage.end or None}


async def _read(reading: Awaitable[T]) -> T:
    try:
        return await reading
    except StoreError as error:
        raise Refused(503, str(error)) from error
