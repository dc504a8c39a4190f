"""Connections: they take time, keep the order, break before or after a message arrives, or go dead unseen."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.world import World

VANISHED = 1006


class Way:
    """One direction of a connection: first in, first out, until it is dead."""

    def __init__(self, world: "World", latency_s: float) -> None:
        self.world = world
        self.latency_s = latency_s
        self.arrives_at = 0.0
        self.is_dead = False

    def carry(self, deliver: Callable[..., None], *arguments: Any) -> None:
        if self.is_dead:
            return
        world = self.world
        self.arrives_at = max(self.arrives_at, world.now + self.latency_s * world.random.random())
        world.at(self.arrives_at, self._arrive, deliver, arguments)

    def _arrive(self, deliver: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if not self.is_dead:
            deliver(*arguments)


class Link:
    """One WebSocket between the gateway and `peer` (a charger or the backend), opened for `driver`.

    `epoch` is the gateway's number for it. `is_marred`: something was done to it by chance, so that what
    goes wrong on it is nobody's fault. `out` and what follows is kept here by the promises.
    """

    def __init__(self, world: "World", epoch: int, peer: Any, driver: Any) -> None:
        self.world = world
        self.epoch = epoch
        self.peer = peer
        self.driver = driver
        self.to_peer = Way(world, world.options.latency_s)
        self.to_gateway = Way(world, world.options.latency_s)
        self.gateway_is_open = False
        self.peer_is_open = False
        self.is_marred = False
        self.is_dead = False
        self.out: tuple[str, int, float, str] | None = None
        self.asked: dict[str, list[tuple[int, str]]] = {}
        self.answered: set[int] = set()
        self.commanded: tuple[str, float] | None = None

    # What either end does

    def send_to_peer(self, data: bytes) -> None:
        self.to_peer.carry(self._peer_hears, data)

    def send_to_gateway(self, data: bytes) -> None:
        if self.peer_is_open:
            self.to_gateway.carry(self._gateway_hears, data)

    def ping(self) -> None:
        """The gateway pings; the peer's socket answers by itself."""
        self.to_peer.carry(lambda: self.to_gateway.carry(self._gateway_ponged))

    def close_by_gateway(self, code: int) -> None:
        if self.gateway_is_open:
            self._gateway_closed(code)
            self.to_peer.carry(self._peer_closed, code)

    def close_by_peer(self, code: int) -> None:
        if self.peer_is_open:
            self.peer_is_open = False
            self.to_gateway.carry(self._gateway_closed, code)

    # What the world does

    def cut(self) -> None:
        """The connection breaks: what is under way is lost, both ends see it, each in its time."""
        self.is_marred = True
        self.to_peer.is_dead = self.to_gateway.is_dead = self.is_dead = True
        chance = self.world.random
        self.world.at(self.world.now + chance.random() * 0.5, self._gateway_closed, VANISHED)
        self.world.at(self.world.now + chance.random() * 2.0, self._peer_closed, VANISHED)

    def freeze(self) -> None:
        """The connection goes dead and nobody is told; the peer sees it by itself after a while."""
        self.is_marred = True
        self.to_peer.is_dead = self.to_gateway.is_dead = self.is_dead = True
        self.world.at(self.world.now + self.world.random.uniform(20, 120), self._peer_closed, VANISHED)

    def gateway_died(self, power: bool) -> None:
        """The gateway's process is gone; what it had sent may still arrive unless the power went too."""
        self.is_marred = True
        self.gateway_is_open = False
        self.to_gateway.is_dead = True
        if not power:
            self.to_peer.carry(self._peer_closed, VANISHED)
            return
        self.to_peer.is_dead = self.is_dead = True
        self.world.at(self.world.now + self.world.random.uniform(0, 20), self._peer_closed, VANISHED)

    # Inside

    def _peer_hears(self, data: bytes) -> None:
        if self.peer_is_open:
            self.peer.hears(self, data)

    def _peer_closed(self, code: int) -> None:
        if self.peer_is_open:
            self.peer_is_open = False
            self.peer.lost(self, code)

    def _gateway_hears(self, data: bytes) -> None:
        if self.gateway_is_open:
            self.world.node.frame(self, data)

    def _gateway_ponged(self) -> None:
        if self.gateway_is_open:
            self.world.node.ponged(self)

    def _gateway_closed(self, code: int) -> None:
        if self.gateway_is_open:
            self.gateway_is_open = False
            self.world.node.link_closed(self, code)
