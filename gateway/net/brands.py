"""What an operator can see of brands on this node, and do about them: the answers behind `/api/v1/rules`."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from gateway.dialect.adapter import Adapter
from gateway.dialect.library import Library
from gateway.dialect.masking import Masking
from gateway.dialect.rules.pack import Pack
from gateway.dialect.rules.rule import Use
from gateway.net.capture import MOST_CAPTURES, record
from gateway.net.fleet import Fleet
from gateway.net.handshake import MAX_ID_LENGTH, registry_key


class FleetBrands:
    """The library of a running fleet. `load` makes a new one, or raises what is wrong with its files."""

    def __init__(self, fleet: Fleet, load: Callable[[], Awaitable[Library]]) -> None:
        self._fleet = fleet
        self._load = load

    def rules(self) -> dict[str, Any]:
        """Every pack and adapter in order, with how many connected chargers it applies to."""
        counts = Counter(
            name
            for driver in self._fleet.drivers.values()
            if (brand := driver.session.reader.brand) is not None
            for name in brand.names
        )
        library = self._fleet.gate.library
        return {
            "packs": [_pack(pack, use, counts) for pack, use in library.packs],
            "adapters": [_adapter(adapter, use, counts) for adapter, use in library.adapters],
        }

    async def reload(self) -> dict[str, int]:
        """Read every pack and adapter anew and use them at once, or raise and change nothing."""
        library = await self._load()
        self._fleet.gate.library = library
        self._fleet.apply(self._fleet.config)
        return summary(library)

    def capture(
        self, charger_id: str, frames: int, seconds: float, mask: bool
    ) -> AsyncIterator[dict[str, Any] | None]:
        """A charger's frames as they come, and None now and then while none come.

        The charger need not be connected yet. Errors: OverflowError when too many recordings are under way.
        """
        if len(self._fleet.gate.captures) >= MOST_CAPTURES:
            raise OverflowError
        return self._lines(charger_id, frames, seconds, Masking() if mask else None)

    async def _lines(
        self, charger_id: str, frames: int, seconds: float, masking: Masking | None
    ) -> AsyncIterator[dict[str, Any] | None]:
        fleet = self._fleet
        key = registry_key(charger_id[:MAX_ID_LENGTH])
        capture = fleet.gate.captures.start(key, fleet.drivers.get(key))
        try:
            number = 0
            async for frame in capture.frames(frames, seconds):
                if frame is None:
                    yield None
                    continue
                number += 1
                line = record(charger_id, number, frame)
                if masking is not None:
                    line["raw"] = masking.masked(line["raw"]) if "encoding" not in line else ""
                if capture.missed:
                    line["missed_before"], capture.missed = capture.missed, 0
                yield line
        finally:
            fleet.gate.captures.stop(key, capture, fleet.drivers.get(key))


def summary(library: Library) -> dict[str, int]:
    """How much there is."""
    return {
        "packs": len(library.packs),
        "rules": sum(len(pack.rules) for pack, _ in library.packs),
        "adapters": len(library.adapters),
    }


def _pack(pack: Pack, use: Use, counts: Counter[str]) -> dict[str, Any]:
    return {
        "name": pack.name,
        "summary": pack.summary,
        "match": str(pack.match),
        "mode": use.value,
        "rules": [rule.name for rule in pack.rules],
        "source": pack.source,
        "chargers": counts[f"rules/{pack.name}"],
    }


def _adapter(adapter: Adapter, use: Use, counts: Counter[str]) -> dict[str, Any]:
    return {
        "name": adapter.name,
        "summary": (type(adapter).__doc__ or "").strip().partition("\n")[0],
        "match": str(adapter.match),
        "mode": use.value,
        "handles": [f"{handling.kind.value} {handling.action}" for handling, _ in adapter.handlers],
        "source": getattr(adapter, "source", ""),
        "chargers": counts[f"adapters/{adapter.name}"],
    }
