"""Everything that is known of brands on this node, and which of it is for which station."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from gateway.dialect.adapter import Adapter
from gateway.dialect.adapting import Runner
from gateway.dialect.brand import Brand
from gateway.dialect.match import Match, fits
from gateway.dialect.rules.pack import Pack
from gateway.dialect.rules.rule import Use
from gateway.dialect.station import Station

T = TypeVar("T", Pack, Adapter)


class Library:
    """All packs and adapters, in their order; made once, then only asked.

    `packs` and `adapters` come with how far each may go; what is off is not among them.
    """

    def __init__(
        self,
        packs: Iterable[tuple[Pack, Use]] = (),
        adapters: Iterable[tuple[Adapter, Use]] = (),
        run: Runner | None = None,
    ) -> None:
        self.packs = tuple(packs)
        self.adapters = tuple(adapters)
        self._run = run
        self._brands: dict[tuple[tuple[str, ...], tuple[str, ...]], Brand] = {}

    def brand(
        self,
        charger_id: str,
        station: Station,
        packs: tuple[str, ...] | None = None,
        adapters: tuple[str, ...] | None = None,
    ) -> Brand | None:
        """What applies to a station, None for nothing. With names given, those instead of what matches."""
        chosen_packs = _chosen(self.packs, charger_id, station, packs)
        chosen_adapters = _chosen(self.adapters, charger_id, station, adapters)
        if not chosen_packs and not chosen_adapters:
            return None
        key = (tuple(pack.name for pack, _ in chosen_packs), tuple(a.name for a, _ in chosen_adapters))
        brand = self._brands.get(key)
        if brand is None:
            brand = self._brands[key] = Brand(chosen_packs, chosen_adapters, self._run)
        return brand


def _chosen(
    everything: tuple[tuple[T, Use], ...], charger_id: str, station: Station, names: tuple[str, ...] | None
) -> tuple[tuple[T, Use], ...]:
    if names is None:
        return tuple(entry for entry in everything if entry[0].match.matches(charger_id, station))
    by_name = {entry[0].name: entry for entry in everything}
    return tuple(by_name[name] for name in names if name in by_name)


def ordered(
    things: list[T], match_of: Callable[[T], Match], where_of: Callable[[T], str]
) -> tuple[list[T], list[str]]:
    """The things in an order that keeps every `after`, by name else; and what is wrong with them together.

    Two that one station may fit must be ordered: one of them names the other in its `after`.
    """
    errors = []
    things = sorted(things, key=lambda thing: thing.name)
    by_name: dict[str, T] = {}
    for thing in things:
        if (other := by_name.get(thing.name)) is not None:
            errors.append(
                f"{where_of(thing)}: name: {thing.name!r} is the name of {where_of(other)} too; "
                "choose another, or take the other file away"
            )
        by_name[thing.name] = thing
    follows: dict[str, set[str]] = {thing.name: set() for thing in things}
    for index, one in enumerate(things):
        for other in things[index + 1 :]:
            if one.name == other.name or not match_of(one).overlaps(match_of(other)):
                continue
            first, second = _comes_after(other, one), _comes_after(one, other)
            if first == second:
                errors.append(_claim(one, other, where_of, both=first))
            else:
                later, earlier = (other, one) if first else (one, other)
                follows[later.name].add(earlier.name)
    return _sorted(things, follows, errors, where_of), errors


def _comes_after(one: T, other: T) -> bool:
    return any(fits(glob, other.name) for glob in one.after)


def _claim(one: T, other: T, where_of: Callable[[T], str], both: bool) -> str:
    how = "each wants to come after the other" if both else "one station can match both"
    return (
        f'{where_of(other)}: after: {how}: this one and {where_of(one)}; write after = ["{one.name}"] here, '
        f'or make [match] narrower, or switch one off with [[dialect.brand]] mode = "off"'
    )


def _sorted(
    things: list[T], follows: dict[str, set[str]], errors: list[str], where_of: Callable[[T], str]
) -> list[T]:
    found: list[T] = []
    left = list(things)
    while left:
        placed = {thing.name for thing in found}
        free = next((thing for thing in left if follows[thing.name] <= placed), None)
        if free is None:
            names = ", ".join(thing.name for thing in left)
            errors.append(f"{where_of(left[0])}: after: {names} wait for each other; take one `after` out")
            return things
        found.append(free)
        left.remove(free)
    return found
