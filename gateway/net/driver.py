"""Between one charger's session and the world: tells it what happens, does what it wants, in order.

Everything runs synchronously in the socket's callback: no task, queue or future per message.
"""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from gateway.net.handshake import Offer
from gateway.net.link import Link, Receiver
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Sender
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.effects import SendToBackend, SendToCharger
from gateway.session.session import ChargerSession
from gateway.store.place import place

if TYPE_CHECKING:
    from gateway.net.party import Party
    from gateway.net.upstream import Upstream

Tap = Callable[[Sender, bytes, float], None]  # who sent a message, and when
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013


class World(Protocol):
    """What a driver needs of the node around it."""

    def noted(self, driver: "Driver", noted: ef.Noted) -> None:
        """The session says that something happened."""

    def flagged(self, driver: "Driver", flagged: ef.Flagged) -> None:
        """The session says that a message was not simply clean."""

    def retried(self, driver: "Driver", retried: ef.Retried) -> None:
        """The session says what came of a retry."""

    def doubt_backend(self, driver: "Driver", reason: str) -> None:
        """The session's backend does not do its work."""

    def store_entry(self, driver: "Driver", effect: ef.StoreEntry) -> None:
        """The session wants a message written down."""

    def drop_entry(self, driver: "Driver", effect: ef.DropEntry) -> None:
        """The session wants a stored message off the disk."""

    def fetch_entries(self, driver: "Driver", effect: ef.FetchEntries) -> None:
        """The session wants to see stored messages."""

    def keep_state(self, driver: "Driver", effect: ef.KeepState) -> None:
        """The session wants parts of what it knows kept, and waits for it."""

    def remember(self, driver: "Driver", effect: ef.Remember) -> None:
        """The session wants a part of what it knows kept."""

    def want_turn(self, driver: "Driver") -> None:
        """The session has stored messages to deliver."""

    def link_lost(self, driver: "Driver", end: Sender) -> None:
        """One of the links is gone, and the session knows."""


class Driver:
    """The sockets of one charger and its session with one backend, `upstream`.

    With a `party` the charger has more backends; then the one that leads has its socket.

    `key` is its registry key; `offer` is what its charger last asked for, or what is known of it from before;
    `credential` is a digest of the charger's Authorization header, b"" when it had none; `address` is
    the charger's IP address; `version` is what the charger speaks, `backend_version` what the backend does;
    `connected_at` is in seconds since 1970. `is_arriving`: a charger's handshake is under way. `is_wanted`:
    somebody wants a link in the name of a charger that is not there. `redial_at` is when another link to the
    backend may be tried, `redial_s` how long the wait before that was, `linked_at` when the last one opened.
    `stood_in_for` is the epoch of the link in whose absence the gateway last began to answer. `tap` is told
    every frame as it came while somebody records them.
    """

    __slots__ = (
        "address",
        "backend",
        "backend_version",
        "charger",
        "charger_id",
        "connected_at",
        "credential",
        "is_arriving",
        "is_wanted",
        "key",
        "linked_at",
        "offer",
        "party",
        "redial_at",
        "redial_s",
        "session",
        "stood_in_for",
        "tap",
        "upstream",
        "version",
        "world",
    )

    def __init__(self, offer: Offer, session: ChargerSession, world: World, upstream: "Upstream") -> None:
        self.upstream = upstream
        self.party: Party | None = None
        self.key = offer.registry_key
        self.charger_id = offer.charger_id
        self.offer = offer
        self.address = ""
        self.credential = b""
        self.is_arriving = self.is_wanted = False
        self.redial_at = self.redial_s = self.linked_at = 0.0
        self.stood_in_for: int | None = None
        self.session = session
        self.world = world
        self.charger: Link | None = None
        self.backend: Link | None = None
        self.version = self.backend_version = session.version
        self.connected_at = 0.0
        self.tap: Tap | None = None

    @property
    def is_parked(self) -> bool:
        """Whether no charger is there: it lives on for what it has to deliver."""
        return self.charger is None and not self.is_arriving

    @property
    def place(self) -> str:
        """Where the store keeps what belongs to this charger and this backend."""
        return place(self.key, self.upstream.name)

    @property
    def serves_charger(self) -> bool:
        """Whether a charger is there whose backend is to hear of it."""
        return self.charger is not None if self.party is None else self.party.serves(self)

    @property
    def due(self) -> float:
        """When `TimePassed` should come next."""
        if self.party is None or self.session.follows:
            return self.session.due
        return min(self.session.due, self.party.board.due)

    def begins_to_stand_in(self) -> bool:
        """Whether an answer of ours is the first without the backend; True once for each time without it."""
        leg = self.session.backend
        worked_since = leg.received and leg.epoch != self.stood_in_for
        if leg.is_open or not (worked_since or self.stood_in_for is None):
            return False
        self.stood_in_for = leg.epoch
        return True

    def tell(self, event: ev.Event) -> None:
        """Give the session an event and do what it wants."""
        if self.party is not None:
            self.party.tell(self, event)
            return
        try:
            effects = self.session.handle(event, monotonic())
        except Exception as error:
            self.failed(error)
            return
        for effect in effects:
            _PERFORM[type(effect)](self, effect)

    def takes(self, end: Sender) -> Receiver:
        """What the messages of this end are given to, without a detour."""
        is_charger, party = end is Sender.CHARGER, self.party
        take: Receiver = self.charger_frame if is_charger else self.backend_frame
        if party is not None:
            take = partial(party.charger_frame if is_charger else party.backend_frame, self)
        return take if self.tap is None else partial(_tapped, self.tap, end, take)

    def rewire(self) -> None:
        """What `takes` messages may be another one now."""
        for link in (self.charger, self.backend):
            if link is not None:
                link.belong_to(self)

    def charger_frame(self, epoch: int, data: bytes, binary: bool) -> None:
        """Give the session a message of the charger."""
        try:
            effects = self.session.charger_frame(epoch, data, binary, monotonic())
        except Exception as error:
            self.failed(error, Sender.CHARGER, data)
            return
        link = self.backend
        for effect in effects:
            if type(effect) is SendToBackend and link is not None:
                link.send(effect.data)
            else:
                _PERFORM[type(effect)](self, effect)

    def backend_frame(self, epoch: int, data: bytes, binary: bool) -> None:
        """Give the session a message of the backend."""
        try:
            effects = self.session.backend_frame(epoch, data, binary, monotonic())
        except Exception as error:
            self.failed(error, Sender.BACKEND, data)
            return
        link = self.charger
        for effect in effects:
            if type(effect) is SendToCharger and link is not None:
                link.send(effect.data)
            else:
                _PERFORM[type(effect)](self, effect)

    def perform(self, effect: ef.Effect) -> None:
        """Do what the session wants."""
        _PERFORM[type(effect)](self, effect)

    def failed(self, error: Exception, sender: Sender = Sender.CHARGER, data: bytes = b"") -> None:
        """An error of ours: this charger's links end, its message is kept, nobody else is touched."""
        if data:
            flags = (Flag(FlagCode.GATEWAY_FAILED),)
            self.world.flagged(self, ef.Flagged(sender, "", "", data, flags, ef.Verdict.QUARANTINED))
        self.world.noted(self, ef.Noted("session-failed", repr(error)))
        for link in (self.charger, self.backend):
            if link is not None:
                link.close(INTERNAL_ERROR, "internal error")

    # What the links tell (LinkOwner)

    def link_opened(self, link: Link) -> None:
        link.belong_to(self)
        if link.end is Sender.BACKEND:
            self.backend = link
            self.linked_at = monotonic()
            self.tell(ev.BackendOpened(link.epoch))
        else:
            self.charger = link
            self.tell(ev.ChargerOpened(link.epoch, self.version))

    def link_ponged(self, link: Link) -> None:
        if link.end is Sender.CHARGER:
            self.tell(ev.ChargerPonged(link.epoch))
        else:
            self.tell(ev.BackendPonged(link.epoch))

    def link_blocked(self, link: Link, blocked: bool) -> None:
        if link.is_congested():
            link.close(TRY_AGAIN_LATER, "not reading")
        match link.end, blocked:
            case Sender.CHARGER, True:
                self.tell(ev.ChargerBlocked(link.epoch))
            case Sender.CHARGER, False:
                self.tell(ev.ChargerUnblocked(link.epoch))
            case Sender.BACKEND, True:
                self.tell(ev.BackendBlocked(link.epoch))
            case _:
                self.tell(ev.BackendUnblocked(link.epoch))

    def link_closed(self, link: Link, code: int) -> None:
        if link is self.charger:
            self.charger = None
            self.tell(ev.ChargerClosed(link.epoch, code))
        elif link is self.backend:
            self.backend = None
            self.upstream.link_closed(self, link, code)
            self.tell(ev.BackendClosed(link.epoch, code))
        else:
            return
        self.world.link_lost(self, link.end)

    # What the session wants

    def _link(self, end: Sender) -> Link | None:
        return self.charger if end is Sender.CHARGER else self.backend

    def _send_to_charger(self, effect: SendToCharger) -> None:
        if self.charger is not None:
            self.charger.send(effect.data)

    def _send_to_backend(self, effect: SendToBackend) -> None:
        if self.backend is not None:
            self.backend.send(effect.data)

    def _ping(self, effect: ef.Ping) -> None:
        if (link := self._link(effect.to)) is not None:
            link.ping()

    def _close(self, effect: ef.Close) -> None:
        if (link := self._link(effect.to)) is not None:
            link.close(effect.code, effect.reason)

    def _stop_reading(self, effect: ef.StopReading) -> None:
        if (link := self._link(effect.of)) is not None:
            link.stop_reading()

    def _read_on(self, effect: ef.ReadOn) -> None:
        if (link := self._link(effect.of)) is not None:
            link.read_on()

    def _doubt_backend(self, effect: ef.DoubtBackend) -> None:
        self.world.doubt_backend(self, effect.reason)

    def _flagged(self, effect: ef.Flagged) -> None:
        self.world.flagged(self, effect)

    def _retried(self, effect: ef.Retried) -> None:
        self.world.retried(self, effect)

    def _store_entry(self, effect: ef.StoreEntry) -> None:
        self.world.store_entry(self, effect)

    def _drop_entry(self, effect: ef.DropEntry) -> None:
        self.world.drop_entry(self, effect)

    def _fetch_entries(self, effect: ef.FetchEntries) -> None:
        self.world.fetch_entries(self, effect)

    def _keep_state(self, effect: ef.KeepState) -> None:
        self.world.keep_state(self, effect)

    def _remember(self, effect: ef.Remember) -> None:
        self.world.remember(self, effect)

    def _want_turn(self, _: ef.WantTurn) -> None:
        self.world.want_turn(self)

    def _noted(self, effect: ef.Noted) -> None:
        self.world.noted(self, effect)


def _tapped(tap: Tap, end: Sender, take: Receiver, epoch: int, data: bytes, binary: bool) -> None:
    tap(end, data, monotonic())
    take(epoch, data, binary)


_PERFORM: dict[type, Callable[[Driver, Any], None]] = {
    SendToCharger: Driver._send_to_charger,
    SendToBackend: Driver._send_to_backend,
    ef.Ping: Driver._ping,
    ef.Close: Driver._close,
    ef.StopReading: Driver._stop_reading,
    ef.ReadOn: Driver._read_on,
    ef.DoubtBackend: Driver._doubt_backend,
    ef.Flagged: Driver._flagged,
    ef.Retried: Driver._retried,
    ef.StoreEntry: Driver._store_entry,
    ef.DropEntry: Driver._drop_entry,
    ef.FetchEntries: Driver._fetch_entries,
    ef.KeepState: Driver._keep_state,
    ef.Remember: Driver._remember,
    ef.WantTurn: Driver._want_turn,
    ef.Noted: Driver._noted,
}
