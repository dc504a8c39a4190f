"""What the admin plane wants to know about the fleet."""

from collections.abc import Iterable
from typing import Any, Protocol

from gateway.observe.metrics import FleetFigures


class FleetView(FleetFigures, Protocol):
    """The chargers of this node, as JSON objects (whatever orjson can write)."""

    def chargers(self) -> Iterable[dict[str, Any]]:
        """Every charger known now, each with its `id`; in any order."""

    def charger(self, id: str) -> dict[str, Any] | None:
        """Everything about one charger, or None when it is not known."""

    def backends(self) -> Iterable[dict[str, Any]]:
        """Every backend, each with its `name`; in any order."""

    def outbox(self) -> Iterable[dict[str, Any]]:
        """What waits for the backend of each charger that has anything waiting; in any order."""

    def ready(self) -> tuple[bool, str]:
        """Whether chargers can be served, and one line that says why (not)."""
