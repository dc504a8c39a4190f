"""What is known of chargers on its way to the disk: the last of each part, however often the disk fails.

Plain bookkeeping: `gateway.net.archive` writes.
"""

from collections.abc import Iterable

from gateway.store.place import part_of
from gateway.store.protocol import StatePart

At = tuple[str, str]
"""Whose part it is, and its name."""


class Parts:
    """The parts that are not on the disk yet.

    `unneeded` are to be removed with whatever is written next: a commit costs more than they do.
    `not_taken` are those that the disk did not take: they are to be written as soon as it works.
    """

    def __init__(self) -> None:
        self.unneeded: dict[At, StatePart] = {}
        self.not_taken: dict[At, StatePart] = {}
        self._under_way: dict[At, StatePart] = {}  # the last of each

    def drop(self, part: StatePart) -> None:
        """This one is not needed any more."""
        at = part.charger, part.part
        self.unneeded[at] = part
        self.not_taken.pop(at, None)
        self._under_way.pop(at, None)

    def going(self, parts: Iterable[StatePart]) -> list[StatePart]:
        """These are about to be written; what is to be removed with them."""
        for part in parts:
            at = part.charger, part.part
            self._under_way[at] = part
            self.not_taken.pop(at, None)
        unneeded, self.unneeded = self.unneeded, {}
        return list(unneeded.values())

    def gone(self, parts: Iterable[StatePart], keep: bool) -> None:
        """They were written, or not, and then with `keep` are to be kept unless there are newer ones."""
        for part in parts:
            at = part.charger, part.part
            if self._under_way.get(at) is part:
                del self._under_way[at]
                if keep:
                    self.not_taken[at] = part

    def not_on_disk(self, place: str) -> dict[str, bytes]:
        """What is known of a place beside what is on the disk, or instead of it."""
        return {name: one.data for (of, name), one in self.not_taken.items() if of == part_of(place, name)}
