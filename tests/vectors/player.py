"""Plays a vector: tells the gateway what its peers say, and holds what it does against what is expected.

`t` orders inputs and outputs together, equal ones in any order. Ids that begin with g are the gateway's:
bound when first seen on their leg. Values in `state_before.next` are the gateway's to choose unless they
can be put in.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.vectors.compare import Bindings, contains, difference
from tests.vectors.state import state_of
from tests.vectors.words import afterwards
from tests.vectors.world import World

Vector = dict[str, Any]


class Failure(Exception):
    """A vector's expectation that was not met."""


def load(path: Path) -> Iterator[Vector]:
    """The vectors of a file."""
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def play(vector: Vector) -> None:
    """Play it; Failure says what was not as expected."""
    Player(vector).play()


class Player:
    """One vector under way."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        later = vector["state_before"].get("next", {})
        free = () if {"event_id", "eventId"} & later.keys() else ("eventId",)
        ids = later.get("tx201", [])
        self.bindings = Bindings([ids] if isinstance(ids, str) else ids, free)
        self.ids: dict[tuple[str, str], str] = {}
        self.used: set[tuple[str, str]] = set()  # since the gateway's last start: an id may then come again
        self.awaited = sorted(vector["out"], key=lambda out: out["t"])
        self.world = World(vector)
        self.seen = 0

    def play(self) -> None:
        inputs = sorted(self.vector["in"], key=lambda message: message["t"])
        answered_pages: set[str] = set()
        for message in inputs:
            self.take(before=message["t"])
            frame = message.get("frame")
            if frame and frame[0] in (3, 4) and (message["leg"], frame[1]) in self.paged_ids:
                answered_pages.add(frame[1])
                continue
            self.inject(message)
        self.take(before=float("inf"))
        self.world.advance(1.0)
        if more := self.world.sent[self.seen :]:
            raise Failure(f"not expected: {_text(more[0])}")
        self.check_losses()
        self.check_state()

    @property
    def paged_ids(self) -> set[tuple[str, str]]:
        return {(out["leg"], out["frame"][1]) for out in self.vector["out"] if out.get("paged")}

    def inject(self, message: Vector) -> None:
        frame = message.get("frame")
        if frame is None:
            if message["leg"] == "gateway":
                self.used.clear()
            self.world.happens(message)
            return
        frame = [*frame[:2], *[self.bindings.put(part) for part in frame[2:]]]
        frame[1] = self.ids.get((message["leg"], frame[1]), frame[1])
        self.world.receives(message["leg"], frame)

    def take(self, before: float) -> None:
        """Everything expected before this time has come, and nothing else."""
        while self.awaited and self.awaited[0]["t"] < before:
            if self.seen == len(self.world.sent) and not self.world.wait(2.0):
                raise Failure(f"did not come: {_text_of(self.awaited[0])}")
            if self.awaited[0].get("paged"):
                self.take_pages()
            else:
                self.take_one()
        for leg, frame in self.world.sent[self.seen :]:
            if not any(out["t"] == before for out in self.awaited):
                raise Failure(f"not expected: {_text((leg, frame))}")

    def take_one(self) -> None:
        leg, frame = self.world.sent[self.seen]
        group = [out for out in self.awaited if out["t"] == self.awaited[0]["t"]]
        reasons = []
        for out in group:
            reason = self.mismatch(out, leg, frame)
            if reason is None:
                self.awaited.remove(out)
                self.seen += 1
                return
            reasons.append(reason)
        raise Failure(f"{reasons[0]} | {_text((leg, frame))}")

    def mismatch(self, out: Vector, leg: str, frame: list[Any]) -> str | None:
        expected = out["frame"]
        if leg != out["leg"] or frame[0] != expected[0]:
            return f"{_text_of(out)} expected"
        if frame[0] == 2 and frame[2] != expected[2]:
            return f"{expected[2]} expected"
        if len(frame[1]) > 36 or not self.same_id(leg, expected[1], frame[1]):
            return f"id {expected[1]} expected"
        compare = contains if out.get("match") == "contains" else difference
        for one, other in zip(expected[2:], frame[2:], strict=True):
            if expected[0] == 4 and isinstance(one, dict):
                continue  # details of an error are for people
            if found := compare(one, other, self.bindings, expected[2] if frame[0] == 2 else "answer"):
                return found
        if expected[1].startswith("g"):
            self.ids[leg, expected[1]] = frame[1]
            self.used.add((leg, frame[1]))
        return None

    def same_id(self, leg: str, expected: str, actual: str) -> bool:
        if not expected.startswith("g"):
            return expected == actual
        if (leg, expected) in self.ids:
            return self.ids[leg, expected] == actual
        return (leg, actual) not in self.used

    def take_pages(self) -> None:
        """A report in pages: as many as the gateway makes of it, each answered; its items in any page."""
        wanted = [out for out in self.awaited if out.get("paged")]
        items: list[Any] = []
        for number in range(1000):
            if self.seen == len(self.world.sent) and not self.world.wait(2.0):
                raise Failure("a page did not come")
            leg, frame = self.world.sent[self.seen]
            self.seen += 1
            page = frame[3]
            if frame[2] != wanted[0]["frame"][2] or page["seqNo"] != number:
                raise Failure(f"page {number} expected: {_text((leg, frame))}")
            expected = {
                k: v for k, v in wanted[0]["frame"][3].items() if k not in ("seqNo", "tbc", "reportData")
            }
            if found := contains(expected, page, self.bindings):
                raise Failure(found)
            items += page["reportData"]
            self.world.receives(leg, [3, frame[1], {}])
            if not page.get("tbc"):
                break
        _check_numbering(wanted)
        for out in wanted:
            if found := contains(out["frame"][3]["reportData"], items, self.bindings, "reportData"):
                raise Failure(found)
            if difference(_without_paging(out), _without_paging(wanted[0]), self.bindings):
                raise Failure("the pages expected differ")
            self.awaited.remove(out)

    def check_losses(self) -> None:
        found = self.world.losses
        for loss in self.vector.get("loss", []):
            if not any(code == loss["code"] and loss.get("path", path) == path for code, path in found):
                raise Failure(f"loss {loss['code']} at {loss.get('path')} expected, there were {found}")

    def check_state(self) -> None:
        after = state_of(self.world.snapshot()) | self.world.kept()
        for said, expected in self.vector.get("state_after", {}).items():
            name, wanted = afterwards(said, expected)
            if name not in after:
                raise Failure(f"no such state: {name}")
            there = after[name]
            if isinstance(there, list) and isinstance(wanted, int):
                there = type(wanted)(len(there))  # how many, or whether any
            if found := self.state_difference(wanted, there, name):
                raise Failure(f"state after: {found}")

    def state_difference(self, expected: Any, actual: Any, path: str) -> str | None:
        """A list of objects holds others too, unless it is expected to be empty."""
        if isinstance(expected, list) and isinstance(actual, list):
            if not expected and actual:
                return f"{path}: nothing expected, {actual} is there"
            for item in expected:
                if all(self.state_difference(item, other, path) for other in actual):
                    return f"{path}: {item} expected, {actual} is there"
            return None
        if isinstance(expected, dict) and isinstance(actual, dict):
            for key, value in expected.items():
                if found := self.state_difference(value, actual.get(key), f"{path}.{key}"):
                    return found
            return None
        return difference(expected, actual, self.bindings, path)


def _without_paging(out: Vector) -> dict[str, Any]:
    return {key: value for key, value in out["frame"][3].items() if key not in ("seqNo", "tbc", "reportData")}


def _check_numbering(wanted: list[Vector]) -> None:
    """Pages that are expected are pages of one report themselves."""
    for number, out in enumerate(wanted):
        kind, _, action, page = out["frame"]
        if (kind, action, page["seqNo"]) != (2, wanted[0]["frame"][2], number):
            raise Failure("the pages expected are not pages of one report")
        if bool(page.get("tbc")) != (number < len(wanted) - 1):
            raise Failure("the pages expected do not say whether more follow")


def _text(sent: tuple[str, list[Any]]) -> str:
    return f"{sent[0]} {json.dumps(sent[1], ensure_ascii=False, default=str)[:600]}"


def _text_of(out: Vector) -> str:
    return _text((out["leg"], out["frame"]))
