"""What the gateway promises where a charger has several backends, checked whenever something happens.

Every message that must not be lost has a `Copy` for each of the charger's backends.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.calls import Own
from gateway.session.knowledge import Known
from gateway.store.place import place, taken_apart
from tests.simulation import frames
from tests.simulation.frames import Message, Transaction
from tests.simulation.promises import (
    DEADLINE_S,
    LEAST_PATIENCE_S,
    MOST_REFUSALS,
    MOST_UNANSWERED,
    SLACK_S,
    Promises,
)
from tests.simulation.wire import Link

if TYPE_CHECKING:
    from tests.simulation.charger import Charger
    from tests.simulation.party import Party, PartyDriver
    from tests.simulation.several import SeveralWorld


HEALS_S = 4.0
"""By when everything that a disk did not take is on it: the next probe, and the next look."""


def _is_out(link: Link, token: int) -> bool:
    """Whether a backend was sent a message, and its answer has not been read."""
    return link.gateway_is_open and link.out is not None and link.out[1] == token


class Copy(Struct):
    """What became of one message for one backend; as `Fate`, which see.

    `excuse` is why this backend may lack it, "" when there is no reason; see `Ledgers.excuse`.
    `is_answered`: the gateway has read the backend's answer. `is_adrift`: it was sent to a backend that
    nothing is stored for, and its answer is awaited no more: it may be taken in after what came later.
    """

    processed: int = 0
    allowed: int = 0
    refusals: int = 0
    sends: int = 0
    last: bytes = b""
    is_on_disk: bool = False
    is_kept: bool = False
    is_answered: bool = False
    is_adrift: bool = False
    excuse: str = ""

    @property
    def is_safe(self) -> bool:
        return self.processed > 0 or self.is_on_disk or self.is_kept


class Fates(Struct):
    """What became of one message. `start`: the number of the start of its transaction, 0 for none.

    `given_by`: whose answer to a start the charger heard, `given`: the number in it; `asked_at`: when it
    was last read; `natural_key`: by what a book knows it. `is_nameless`: the disk failed since, and the
    gateway was killed, so that nobody knows any more what the charger's number for this transaction means.
    """

    key: str
    action: str
    start: int
    version: Version
    copies: dict[str, Copy]
    is_read: bool = False
    is_acked: bool = False
    is_heard: bool = False
    is_discarded: bool = False
    given_by: str = ""
    given: int = 0
    asked_at: float = 0.0
    natural_key: str = ""
    is_nameless: bool = False


class Ledgers(Promises):
    """Everything known of the messages of one world. `places`: what has been processed last, by place."""

    world: "SeveralWorld"
    fates: dict[int, Fates]

    def __init__(self, world: "SeveralWorld") -> None:
        super().__init__(world)
        self.last: dict[str, int] = {}
        self.by = ""  # whose effects are being performed
        self.counted: Counter[str] = Counter()
        self.transactions: dict[int, Transaction] = {}

    def copy(self, at: str, token: int) -> Copy:
        """The copy of a message for the backend of a place."""
        return self.fates[token].copies[taken_apart(at)[1]]

    # Chargers

    def made(self, key: str, message: Message) -> None:
        start = message.transaction.start if message.transaction is not None else 0
        start = start or (message.token if message.stage == "Started" else 0)
        if message.stage == "Started" and message.transaction is not None:
            self.transactions[message.token] = message.transaction
        version = self.world.chargers[key].version
        copies = {name: Copy() for name in self.world.backends}
        self.fates[message.token] = Fates(key, message.action, start, version, copies)
        for name in copies.keys() - set(self.world.seats(key).everyone):
            self.excuse(copies[name], "absent")

    def seated(self, key: str, names: tuple[str, ...]) -> None:
        """These are the charger's backends from now on; who is not among them is told nothing more."""
        for fate in self.fates.values():
            for name, copy in fate.copies.items():
                if fate.key == key and name not in names and not copy.is_safe:
                    self.excuse(copy, "absent")

    def joined(self, key: str, name: str) -> None:
        """This backend is told what the charger says from now on, which a bad disk may have put off."""
        for fate in self.fates.values():
            if fate.key == key and fate.is_read and not fate.copies[name].is_safe:
                self.excuse(fate.copies[name], "absent")

    def stop_commanded(self, charger: "Charger", named: object, found: Transaction | None) -> None:
        if found is None:
            return
        self.counted["stopped"] += 1
        refused = any(
            found.start in account.refused
            for backend in self.world.backends.values()
            for at, account in backend.accounts.items()
            if taken_apart(at)[0] == charger.key
        )
        wanted = self.stops.get(charger.key, set())
        self.require(
            found.start in wanted or refused,
            f"{charger.key} is told to stop the right transaction, not {found.start}",
        )

    def stop_wanted(self, key: str, start: int) -> None:
        super().stop_wanted(taken_apart(key)[0], start)

    def lead_moved(self, party: "Party") -> None:
        self.counted["moves"] += 1
        if party.leader.charger is not None:
            self.counted["live moves"] += 1

    # Between chargers and the gateway

    def read_from_charger(self, driver: Any, link: Link, data: bytes) -> None:
        got = frames.parsed(data)
        if got[0] != 2:
            if link.commanded is not None and link.commanded[0] == got[1]:
                link.commanded = None
            return
        _, id_, action, payload = got
        token = frames.token_of(action, payload)
        link.asked.setdefault(id_, []).append((token, action))
        if token:
            self.fates[token].is_read = True
            self.fates[token].asked_at = self.world.now
            self.fates[token].natural_key = payloads.natural_key(action, payload)
            for copy in self.fates[token].copies.values():
                copy.last = copy.last if copy.is_on_disk else b""
            patience_s = DEADLINE_S + SLACK_S + 3 * self.world.disk.delay_s
            self.world.at(self.world.now + patience_s, self._deadline, link, id_, token)

    def sends_to_charger(self, driver: Any, link: Link | None, data: bytes, event: ev.Event) -> None:
        self.require(link is not None and link.gateway_is_open, "nothing is sent to a charger that is gone")
        assert link is not None
        got = frames.parsed(data)
        if got[0] == 2:
            free = link.commanded is None or self.world.now >= link.commanded[1] + 30.0
            self.require(free, "one CALL at a time to the charger")
            link.commanded = (got[1], self.world.now)
            return
        waiting = link.asked.get(got[1])
        self.require(bool(waiting), f"the charger has asked for the answer {got[1]} on this connection")
        assert waiting is not None
        token, action = waiting.pop(0)
        if not token:
            return
        fate = self.fates[token]
        link.answered.add(token)
        self.require(got[0] == 3 or action not in frames.REVENUE, f"{token} is not answered with an error")
        if got[0] == 3:
            lacks = fate.copies[self.by]
            others = [copy for copy in fate.copies.values() if copy.is_safe]
            is_foreign = not self.knows_start(self.by, fate)
            fate.given_by, fate.given = self.by, got[2].get("transactionId", 0)
            self.require(
                lacks.is_safe or (is_foreign and bool(others)), f"{token} is safe before it is answered"
            )
            if not lacks.is_safe:
                self.excuse(lacks, "foreign")
            if action == "StartTransaction":
                self.require(
                    self._books(place(fate.key, self.by), fate.given) or self._has_failed(fate),
                    f"the number of {token} is on the disk of {self.by} before {fate.key} hears it",
                )
            self._is_secured(driver.party, token, fate)
            fate.is_acked = True

    def _is_secured(self, party: "Party", token: int, fate: Fates) -> None:
        """The charger forgets a message: those who follow have it, or are just being told.

        A disk that is slow is not waited for.
        """
        disk = self.world.disk
        is_slow = disk.drags_until >= fate.asked_at or self._has_failed(fate)
        for name, driver in party.drivers.items():
            if not self.world.is_durable(name) or is_slow:
                continue
            copy = fate.copies[name]
            is_told = driver.backend is not None and _is_out(driver.backend, token)
            is_safe = copy.is_on_disk or copy.is_kept or copy.is_answered
            if fate.action == "StartTransaction":
                is_safe = is_safe and bool(self._books(place(fate.key, name), fate.given))
                is_told = False
            has_reason = self._may_lack(name, fate, copy, fate.action == "StartTransaction")
            what = f"{token} is safe for {name} before {fate.key} hears an answer"
            self.require(is_safe or is_told or has_reason, what)

    def knows_start(self, name: str, fate: Fates) -> bool:
        """Whether a backend was told of the transaction that a message is about, where it has to be."""
        start = self.fates[fate.start].copies[name] if fate.start else None
        return start is None or fate.version is not Version.V16 or not start.excuse

    # Between the gateway and the backends

    def sends_to_backend(self, driver: Any, link: Link | None, data: bytes) -> None:
        self.require(link is not None and link.gateway_is_open, "nothing is sent on a link that is gone")
        assert link is not None
        got = frames.parsed(data)
        if got[0] != 2:
            return
        _, id_, action, payload = got
        token = frames.token_of(action, payload)
        if link.out is not None:
            _, before, since = link.out[:3]
            waited = self.world.now >= since + LEAST_PATIENCE_S - 0.001
            is_lost = not before or not self.world.is_durable(driver.name)
            self.require(is_lost and waited, "one CALL at a time to a backend")
            self._set_adrift(driver, before)
        link.out = (id_, token, self.world.now, action)
        if not token:
            return
        copy = self.copy(driver.key, token)
        copy.sends += 1
        same = not copy.last or data == copy.last
        if not same and b'"gateway-' in data + copy.last:  # its own could be that of a late answer
            same = frames.parsed(data)[2:] == frames.parsed(copy.last)[2:]
        self.require(same, f"{token} is sent to {driver.name} again with the same bytes")
        copy.last = data

    def read_from_backend(self, driver: Any, link: Link, data: bytes) -> None:
        got = frames.parsed(data)
        if got[0] != 2 and link.out is not None and link.out[0] == got[1]:
            if link.out[1]:
                self.copy(driver.key, link.out[1]).is_answered = True
            link.out = None

    def backend_gone(self, link: Link) -> None:
        if link.out is not None and link.out[1]:
            self.copy(link.driver.key, link.out[1]).allowed += 1
            self._set_adrift(link.driver, link.out[1])
        link.out = None

    def _set_adrift(self, driver: Any, token: int) -> None:
        if token and not self.world.is_durable(driver.name):
            self.copy(driver.key, token).is_adrift = True

    # The backends

    def refused(self, key: str, token: int) -> None:
        copy, fate = self.copy(key, token), self.fates[token]
        copy.refusals += 1
        if fate.action not in frames.REVENUE and not copy.is_on_disk:
            self.excuse(copy, "refused")
            for other in fate.copies.values():  # the charger hears the refusal, and says it again to all
                other.allowed += 1

    def processed(self, key: str, token: int, action: str, payload: dict, link: Link) -> None:
        fate, copy = self.fates[token], self.copy(key, token)
        copy.processed += 1
        if copy.processed > 1:
            self.repeats += 1
            self.require(copy.processed - 1 <= copy.allowed, f"{token} is not delivered twice for nothing")
        elif not (fate.is_discarded or copy.is_kept or copy.is_adrift or copy.excuse):
            before = self.last.get(key, 0)
            self.require(token > before, f"{token} comes to {key!r} in its order, not after {before}")
            self.last[key] = token
        if fate.version is Version.V16 and "transactionId" in payload:
            given = link.peer.account(key).given.get(fate.start, [])
            named = payload["transactionId"]
            self.require(
                named in given or self.fates[fate.start].is_nameless,
                f"{token} names {fate.start} to {key!r} by one of {given}, not {named}",
            )

    # The disk

    def stored(self, key: str, data: bytes) -> None:
        self.copy(key, frames.token_in(data)).is_on_disk = True

    def turned_up(self, key: str, data: bytes) -> None:
        if token := frames.token_in(data):
            self.copy(key, token).last = b""

    def store_failed(self, key: str, data: bytes) -> None:
        token = frames.token_in(data)
        copy = self.copy(key, token)
        copy.allowed += copy.sends > 0
        is_known = copy.is_on_disk or copy.is_kept
        if not copy.is_safe or (token == self.fates[token].start and not is_known):
            self.excuse(copy, "disk")

    def not_remembered(self, key: str) -> None:
        charger, name = taken_apart(key)
        for fate in self.fates.values():
            copy = fate.copies[name]
            copy.allowed += fate.key == charger and copy.processed > 0 and not fate.is_heard

    def dropped(self, key: str, data: bytes) -> None:
        token = frames.token_in(data)
        copy = self.copy(key, token)
        copy.is_on_disk = False
        self.require(copy.processed > 0 or copy.is_kept, f"{token} is on disk until {key!r} has it")

    def quarantined(self, key: str, raw: bytes) -> None:
        token = frames.token_in(raw)
        copy, fate = self.copy(key, token), self.fates[token]
        start = self.fates[fate.start].copies[taken_apart(key)[1]] if fate.start else None
        belongs = start is not None and start is not copy and (start.is_kept or bool(start.excuse))
        enough = copy.refusals >= MOST_REFUSALS or copy.sends >= MOST_UNANSWERED
        self.require(belongs or enough, f"{token} is not put aside without need by {key!r}")
        copy.is_kept = True

    # What may be lacking

    def excuse(self, copy: Copy, why: str) -> None:
        """A backend may lack this message, and with a start its transaction.

        `full`: its outbox had no room. `disk`: it could not be written down. `missed`: nothing is stored for
        it, and it was away or silent. `killed`: it was under way to a backend when the gateway was killed;
        to write down what backends are just being told would be a write for every message. `refused`: the
        backend did not want it, and it carries no revenue. `foreign`: the charger was answered by a backend
        that was never told of the transaction, for one that was. `id forgotten`: the disk failed when the
        backend's or the charger's number was to be written. `absent`: it was not the charger's then.
        """
        if not copy.excuse:
            copy.excuse = why
            self.counted[f"excused: {why}"] += 1

    def noted(self, driver: "PartyDriver", effect: ef.Noted, event: Any) -> None:
        """A copy was lost: there has to be a reason."""
        if effect.name != "copy-lost":
            return
        self.counted["copies lost"] += 1
        session, buffer = driver.session, driver.session.buffer
        is_full = not buffer.has_room(self.world.now + session.wall_offset_s)
        why = "full" if is_full else "" if buffer.settings.stores else "missed"
        calls = [call for call in session.to_backend if call.own not in (Own.ABANDONED, Own.MISSED)]
        kept = {frames.token_in(call.as_came or call.frame) for call in calls}
        kept |= {frames.token_in(unacked.entry.frame) for unacked in buffer.unacked.values()}
        for token, fate in self.fates.items():
            copy = fate.copies[driver.name]
            if fate.key != driver.party.key or not fate.is_read or token in kept:
                continue
            is_unnamed = token == fate.start and not (copy.is_answered or copy.is_on_disk or copy.is_kept)
            if why and (is_unnamed or not copy.is_safe):
                self.excuse(copy, why)
            elif fate.is_acked and not copy.sends:
                has_reason = self._may_lack(driver.name, fate, copy)
                self.require(has_reason, f"{token} is lost for {driver.name} for a reason")

    # Sessions

    def session_made(self, key: str, known: Known) -> None:
        """What a new session can know."""

    def gateway_died(self, drivers: Iterable[Any]) -> None:
        under_way = set()
        for driver in drivers:
            for link in (driver.charger, driver.backend):
                if link is not None:
                    link.asked.clear()
            if driver.backend is not None and driver.backend.out is not None:
                under_way.add((driver.key, driver.backend.out[1]))
                driver.backend.out = None
        for token, fate in self.fates.items():
            for name, copy in fate.copies.items():
                at = place(fate.key, name)
                if copy.sends and (copy.is_on_disk or not fate.is_heard):
                    copy.allowed += 1
                    copy.last = copy.last if copy.is_on_disk else b""
                if fate.is_acked and not self._may_lack(name, fate, copy):
                    is_slow = self.world.disk.drags_until >= fate.asked_at or self._has_failed(fate)
                    was_out = (
                        at,
                        token,
                    ) in under_way or copy.refusals > 0  # refused, and not yet written down
                    need_not = was_out or is_slow or not self.world.is_durable(name)
                    self.require(need_not, f"{token} is not lost for {name} when the gateway dies")
                    self.excuse(copy, "killed")
                if token == fate.start and fate.version is Version.V16 and not fate.is_acked:
                    copy.is_answered = self._is_named(at, fate.natural_key)
        for key in self.world.chargers:
            self.let_go(key)

    def let_go(self, key: str) -> None:
        """Of a charger's transactions is known from now on what is on the disk."""
        for token, fate in self.fates.items():
            if fate.key == key and token == fate.start and fate.version is Version.V16 and fate.is_acked:
                for name, copy in fate.copies.items():
                    if copy.is_safe:
                        self._forgotten(place(key, name), token, copy)

    def _books(self, at: str, id_: int) -> list[dict]:
        """What the book on the disk of a place says of the transactions that the charger knows by this id."""
        return [one for one in self._booked(at) if one["charger_id"] == id_]

    def _is_named(self, at: str, key: str) -> bool:
        """Whether the book on the disk of a place has the backend's number for the start with this key."""
        return any(one.get("key") == key and "backend_id" in one for one in self._booked(at))

    def _booked(self, at: str) -> list[dict]:
        data = self.world.disk.parts.get(at, {}).get("book")
        return msgspec.json.decode(data)["transactions"] if data else []

    def _has_failed(self, fate: Fates) -> bool:
        """Whether something could not be written since the charger said this last."""
        return self.world.disk.failed_at >= fate.asked_at

    @property
    def _fails(self) -> bool:
        """Whether the disk takes nothing, or only after long, or has only just begun to take things again."""
        disk = self.world.disk
        return bool(disk.trouble) or max(disk.failed_at, disk.drags_until) >= self.world.now - HEALS_S

    def _forgotten(self, at: str, token: int, copy: Copy) -> None:
        """A disk that failed may not hold by which ids both ends know a transaction that goes on."""
        fate, name = self.fates[token], taken_apart(at)[1]
        unsaid = any(one.start == token and not one.is_heard for one in self.fates.values())
        if not (unsaid or self.transactions[token].is_open):
            return
        known = self._books(at, fate.given)
        if known and (known[-1].get("backend_id") is not None or copy.is_on_disk):
            return
        if self.world.is_durable(name) and not copy.excuse:
            self.require(self._fails, f"the numbers of {token} are on the disk of {at!r}")
        if not known and name == fate.given_by and not fate.is_nameless:
            fate.is_nameless = True
            self.counted["nameless"] += 1
        self.excuse(copy, "id forgotten")

    # The end

    def _may_lack(self, name: str, fate: Fates, copy: Copy, is_start: bool = False) -> bool:
        """Whether a backend has this message, or need not. Of a start, what it said has to be known."""
        is_safe = copy.is_safe and not is_start
        if is_safe or fate.is_discarded or copy.excuse:
            return True
        return not self.knows_start(name, fate) or (copy.sends > 0 and not self.world.is_durable(name))

    @property
    def are_settled(self) -> bool:
        return all(
            self._may_lack(name, fate, copy) and not (copy.is_on_disk and not copy.processed)
            for fate in self.fates.values()
            for name, copy in fate.copies.items()
        )

    def check_all(self) -> None:
        for token, fate in self.fates.items():
            for name, copy in fate.copies.items():
                what = f"{token} ({fate.action} of {fate.key})"
                self.require(self._may_lack(name, fate, copy), f"{what} comes to {name} in the end")
                self.require(
                    not copy.is_on_disk or copy.processed > 0 or copy.is_kept,
                    f"{what} is delivered to {name}",
                )
        for key, entries in self.world.disk.entries.items():
            self.require(not entries, f"nothing of {key!r} is left on the disk: {list(entries)}")

    def counts(self) -> dict[str, int]:
        copies = [copy for fate in self.fates.values() for copy in fate.copies.values()]
        return {
            "messages": len(self.fates),
            "processed": sum(copy.processed > 0 for copy in copies),
            "repeated": self.repeats,
            "quarantined": sum(copy.is_kept for copy in copies),
            "thrown away": sum(fate.is_discarded for fate in self.fates.values()),
            **self.counted,
        }
