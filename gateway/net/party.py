"""One charger with several backends: its switchboard, and a driver for each of the backends."""

from time import monotonic
from typing import TYPE_CHECKING

from gateway.net.driver import Driver
from gateway.net.link import Link
from gateway.observe import log
from gateway.ocpp import frame
from gateway.ocpp.message import Sender
from gateway.session import events as ev
from gateway.session.effects import SendToBackend, SendToCharger, is_about
from gateway.session.switchboard import Addressed, Switchboard

if TYPE_CHECKING:
    from gateway.net.fleet import Fleet

_OF_THE_CHARGER = ("offer", "address", "credential", "connected_at", "is_arriving", "tap")
"""What a driver knows of the charger's connection, and hands over with it."""


class Party:
    """The `drivers` of one charger by their backend's name; the one that leads has the charger's link."""

    def __init__(self, fleet: "Fleet", board: Switchboard, leader: Driver) -> None:
        self._fleet = fleet
        self.board = board
        self.drivers: dict[str, Driver] = {}
        self._leading = board.leader
        self.add(leader)

    @property
    def leader(self) -> Driver:
        return self.drivers[self._leading]

    @property
    def following(self) -> list[Driver]:
        return [driver for driver in self.drivers.values() if driver.session.follows]

    @property
    def ranked(self) -> list[Driver]:
        """Those that may lead, in their order; one that a reload has added may not be here yet."""
        names = self.board.lead.standing.ranked
        return [self.drivers[name] for name in names if name in self.drivers] or [self.leader]

    @property
    def charger(self) -> Link | None:
        return self.leader.charger

    @property
    def is_idle(self) -> bool:
        """Whether nobody of it has a link or a use for one."""
        return not any(
            driver.backend or driver.charger or driver.is_arriving or driver.upstream.relinker.needs(driver)
            for driver in self.drivers.values()
        )

    def add(self, driver: Driver) -> None:
        self.drivers[driver.upstream.name] = driver
        driver.party = self
        driver.rewire()

    def serves(self, driver: Driver) -> bool:
        """Whether the driver's backend is to hear what the charger says."""
        return self.charger is not None and self.board.is_seated(driver.upstream.name)

    def has_left(self, driver: Driver) -> bool:
        """Whether the charger has this backend no more."""
        is_seated = self.board.is_seated(driver.upstream.name)
        return driver is not self.leader and driver.backend is None and not is_seated

    def has_another_leader(self) -> bool:
        """Whether the charger need not go when the backend that leads refuses it."""
        return len(self.board.lead.standing.ranked) > 1

    def lead(self, name: str) -> None:
        """This backend leads; no charger is there that would have to wait for anything."""
        self.perform(self.board.lead.take(name, monotonic()))

    def favour(self, name: str) -> None:
        """This backend is to lead as soon as it can."""
        self.perform(self.board.lead.favour(name, monotonic()))

    def drop(self, driver: Driver) -> None:
        """A backend that the charger has no more, and that is owed nothing."""
        self.board.leave(driver.upstream.name)
        del self.drivers[driver.upstream.name]

    def tell(self, driver: Driver, event: ev.Event) -> None:
        """Give one of the sessions an event and do what they all want then."""
        try:
            routed = self.board.handle(driver.upstream.name, event, monotonic())
        except Exception as error:
            driver.failed(error)
            return
        self.perform(routed)

    def charger_frame(self, driver: Driver, epoch: int, data: bytes, binary: bool) -> None:
        try:
            routed = self.board.charger_frame(epoch, data, binary, monotonic())
        except Exception as error:
            driver.failed(error, Sender.CHARGER, data)
            return
        self.perform(routed)

    def backend_frame(
        self, driver: Driver, epoch: int, data: bytes, binary: bool, waited: bool = False
    ) -> None:
        """Give one of the sessions a message of its backend; what one that follows says unasked may wait."""
        unasked, session, now = driver.upstream.unasked, driver.session, monotonic()
        awaited, held = session.to_backend.out, unasked.held
        bounded = driver.backend if session.follows or driver.backend in held else None
        if (
            bounded is not None
            and (held or now < unasked.over_until)
            and not waited
            and (awaited is None or not _answers(data, awaited.id))
        ):
            unasked.hold(bounded, lambda: self.backend_frame(driver, epoch, data, binary, True))
            return
        try:
            routed = self.board.backend_frame(driver.upstream.name, epoch, data, binary, now)
        except Exception as error:
            driver.failed(error, Sender.BACKEND, data)
            return
        if routed or self.board.shadowing.found:  # most answers of those that follow end here
            self.perform(routed)
        if bounded is not None and not waited and session.to_backend.out is awaited:
            unasked.spent(now)

    def perform(self, routed: list[Addressed]) -> None:
        """Do what the sessions want."""
        if self.board.leader != self._leading:
            self._hand_over()
        link = self.drivers[self._leading].charger
        for name, effect in routed:
            if type(effect) is SendToCharger:
                if link is not None:
                    link.send(effect.data)
            elif type(effect) is SendToBackend:
                backend = self.drivers[name].backend
                if backend is not None:
                    backend.send(effect.data)
            else:
                driver = self.leader if is_about(Sender.CHARGER, effect) else self.drivers[name]
                driver.perform(effect)
        if self.board.shadowing.found:
            found, self.board.shadowing.found = self.board.shadowing.found, []
            self._fleet.migrations.compared(self.leader.charger_id, found)

    def _hand_over(self) -> None:
        """Another backend leads: the charger's link is its driver's now."""
        before, self._leading = self.leader, self.board.leader
        after = self.leader
        for name in _OF_THE_CHARGER:
            mine, theirs = getattr(after, name), getattr(before, name)
            setattr(after, name, theirs)
            setattr(before, name, mine)
        after.charger, before.charger = before.charger, None
        for driver in (before, after):
            driver.rewire()
        self._fleet.drivers[after.key] = after
        log.event(
            "warning",
            "lead-moved",
            charger=after.charger_id,
            before=before.upstream.name,
            after=after.upstream.name,
        )


def _answers(data: bytes, id_: str) -> bool:
    """Whether this looks like the answer to a CALL of this id."""
    head = data[:96]
    return frame.digit(head) in (b"3", b"4") and frame.quoted(id_) in head
