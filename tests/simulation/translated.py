"""Worlds whose chargers stand behind a backend of another version, and what holds of a translation.

A message is found again by its meter reading, which no other has: chargers' readings are their numbers.
"""

from typing import TYPE_CHECKING

import msgspec

from gateway.ocpp.message import Version
from gateway.ocpp.times import seconds
from gateway.session import events as ev
from gateway.session.knowledge import Known
from tests.simulation import frames
from tests.simulation.backend import Account, Backend
from tests.simulation.frames import Message
from tests.simulation.promises import LEAST_PATIENCE_S, Promises
from tests.simulation.wire import Link
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.simulation.node import Driver

STAGES = {"StartTransaction": "Started", "MeterValues": "Updated", "StopTransaction": "Ended"}


def stage_of(action: str, payload: dict) -> str:
    """Which part of a transaction a message of either version tells of."""
    return payload["eventType"] if action == "TransactionEvent" else STAGES.get(action, "")


class TranslatedPromises(Promises):
    """What holds of messages whose bytes change on their way.

    `events`: the events that a 2.0.1 backend has, by transaction and `seqNo`: kind and number each. One of a
    charging state, which has no number, may overtake what waits for another attempt.
    `starts`: the number of its start, by transaction. `places`: what the backend calls a charger's connector.
    `heard_of`: the number of what a link's backend answered last.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.messages: dict[int, Message] = {}
        self.events: dict[str, dict[int, tuple[str, int]]] = {}
        self.starts: dict[str, int] = {}
        self.places: dict[str, dict[int, int]] = {}
        self.heard_of: dict[int, int] = {}

    def made(self, key: str, message: Message) -> None:
        super().made(key, message)
        self.messages[message.token] = message
        self.lines.setdefault(self._line(key, message.token), self.lines[key].__class__()).append(
            message.token
        )
        self.lines.pop(key)

    def _line(self, key: str, token: int) -> str:
        return f"{key} {self.fates[token].start}"

    def _in_order(self, key: str, token: int) -> None:
        super()._in_order(self._line(key, token), token)

    def sends_to_charger(self, driver: "Driver", link: Link | None, data: bytes, event: ev.Event) -> None:
        super().sends_to_charger(driver, link, data, event)
        self.owes_boot[driver.key] = False  # the translator tells the backend when it is told

    def session_made(self, key: str, known: Known) -> None:
        """Nothing of the boot is promised: that is the translator's.

        What the disk says was under way goes once more, for a failing disk may not have taken it off.
        """
        left = known.parts.get("under_way")
        token = frames.token_in(msgspec.json.decode(left)["frame"].encode()) if left else 0
        if token:
            self.fates[token].allowed += 1

    def _sends_again(self, link: Link) -> None:
        """The bridge gives up one CALL and sends the next: it may have arrived all the same."""
        assert link.out is not None
        waited = self.world.now >= link.out[2] + LEAST_PATIENCE_S - 0.001
        self.require(waited, "one CALL at a time to the backend")
        if link.out[1]:
            self.fates[link.out[1]].allowed += 1

    def _is_same(self, data: bytes, last: bytes) -> bool:
        """Of two attempts: the id may be another, for what comes before it may have taken the charger's."""
        return not last or frames.parsed(data)[2:] == frames.parsed(last)[2:]

    def processed(self, key: str, token: int, action: str, payload: dict, link: Link) -> None:
        made, stage = self.messages[token], stage_of(action, payload)
        self.require(self.fates[token].key == key, f"{token} is of {key}")
        self.require(stage == made.stage, f"{token} is {made.stage}, not {stage}")
        if made.transaction is not None:
            self._says_the_same(token, made, payload)
        if link.driver.backend_version is Version.V16:
            self._names_its_transaction(key, token, payload)
        super().processed(key, token, action, payload, link)

    def _says_the_same(self, token: int, made: Message, payload: dict) -> None:
        known = made.transaction
        assert known is not None
        told = payload.get("timestamp") or payload["meterValue"][0]["timestamp"]
        self.require(seconds(told) == seconds(made.time), f"{token} was at {made.time}, not {told}")
        if made.stage != "Started":
            return
        tag = payload.get("idTag") or payload["idToken"]["idToken"]
        self.require(tag == known.tag, f"{token} is of {known.tag}, not {tag}")
        told_place = payload.get("connectorId") or payload["evse"]["id"]
        places = self.places.setdefault(known.charger, {})
        place = places.setdefault(known.connector, told_place)
        self.require(place == told_place, f"{token} is at {place}, not {told_place}")
        self.require(len(set(places.values())) == len(places), f"places are not confused: {places}")

    def _names_its_transaction(self, key: str, token: int, payload: dict) -> None:
        if "transactionId" in payload:
            given = self.world.backend.account(key).given.get(self.fates[token].start, [])
            named = payload["transactionId"]
            self.require(named in given, f"{token} names its transaction by one of {given}, not {named}")
        else:
            stage = self.messages[token].stage
            self.require(stage in ("Started", ""), f"{token} names its transaction")

    def event(self, key: str, payload: dict) -> None:
        """A 2.0.1 backend takes an event in."""
        id_, stage, number = (
            payload["transactionInfo"]["transactionId"],
            payload["eventType"],
            payload["seqNo"],
        )
        token = frames.token_of("TransactionEvent", payload)
        if token:
            start = self.fates[token].start
            self.require(self.starts.setdefault(id_, start) == start, f"{token} is of {start}")
            others = [other for other, known in self.starts.items() if known == start]
            self.require(others == [id_], f"{start} is one transaction, not {others}")
        events = self.events.setdefault(id_, {})
        known = events.setdefault(number, (stage, token))
        self.require(known == (stage, token), f"event {number} of {id_} is {known} again, not {token}")

    def check_all(self) -> None:
        super().check_all()
        for id_, events in self.events.items():
            stages = [events[number][0] for number in sorted(events)]
            gaps = max(events) + 1 - len(events)
            gone = sum(
                fate.is_discarded and fate.start == self.starts.get(id_) for fate in self.fates.values()
            )
            self.require(gaps <= gone, f"{id_} has no gaps: {sorted(events)}")
            self.require(stages[0] == "Started" and "Started" not in stages[1:], f"{id_} begins once")
            self.require("Ended" not in stages[:-1], f"{id_} has nothing after its end")

    def read_from_backend(self, driver: "Driver", link: Link, data: bytes) -> None:
        if link.out is not None and link.out[0] == frames.parsed(data)[1]:
            self.heard_of[link.epoch] = link.out[1]
        super().read_from_backend(driver, link, data)

    def backend_gone(self, link: Link) -> None:
        """An answer that had not been written down when its link broke was not heard either."""
        super().backend_gone(link)
        last = self.heard_of.pop(link.epoch, 0)
        if last and self.fates[last].is_doubtful:
            self.fates[last].allowed += 1

    def not_remembered(self, key: str) -> None:
        """An answer that could not be written down is as if it had not come: what is stored goes again."""
        for fate in self.fates.values():
            fate.allowed += fate.key == key and fate.is_doubtful

    def gateway_died(self, drivers: "Iterable[Driver]") -> None:
        for parts in self.world.disk.parts.values():
            left = parts.get("under_way")
            token = frames.token_in(msgspec.json.decode(left)["frame"].encode()) if left else 0
            if token and self.fates[token].is_heard and not self.fates[token].is_on_disk:
                self.fates[token].allowed += 1  # that it was answered had not been written yet
        lines, self.lines = self.lines, {}
        super().gateway_died(drivers)
        self.lines = lines


class TranslatedBackend(Backend):
    """It knows a repeated event of 2.0.1, and does not begin its transaction again."""

    def answer(self, link: Link, id_: str, action: str, payload: dict, data: bytes) -> bytes:
        if action == "TransactionEvent":
            promises = self.world.promises
            assert isinstance(promises, TranslatedPromises)
            promises.event(link.driver.key, payload)
        return super().answer(link, id_, action, payload, data)

    def event(self, driver: "Driver", account: Account, payload: dict, token: int) -> dict:
        if payload["eventType"] == "Started" and token in account.given:
            return self.info(driver, self.standing(payload))
        return super().event(driver, account, payload, token)


class TranslatedWorld(World):
    """1.6 chargers have a backend of 2.0.1, and those of 2.0.1 one of 1.6."""

    flag = " --translated"
    promises_kind = TranslatedPromises
    backend_kind = TranslatedBackend

    def backend_version(self, version: Version) -> Version:
        return Version.V201 if version is Version.V16 else Version.V16
