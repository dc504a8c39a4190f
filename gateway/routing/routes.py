"""Which backends a charger has: the first route that fits it says who leads, who stands by, who observes."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.routing.globs import EVERYTHING, matcher

TAKEOVER_AFTER_S = 30.0
GIVE_BACK_AFTER_S = 60.0


class Facts(Struct, frozen=True):
    """What is known of a charger when its backends are chosen.

    `versions` are those it offers, best first. `vendor` and `model` are its BootNotification's, "" while it
    has sent none.
    """

    charger_id: str
    versions: tuple[Version, ...]
    vendor: str = ""
    model: str = ""


class Route(Struct, frozen=True, kw_only=True):
    """One rule. The first five fields say which chargers it is for, empty ones say nothing.

    `labels` are patterns of label names. `versions` fit a charger that offers one of them, and then no other
    is spoken with it.
    """

    chargers: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    versions: tuple[Version, ...] = ()
    leader: str
    standby: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    takeover_after_s: float = TAKEOVER_AFTER_S
    give_back_after_s: float = GIVE_BACK_AFTER_S


class Seats(Struct, frozen=True):
    """The backends of one charger by name.

    `ranked`: who should lead, then who takes over, in this order. `observers` never lead. `versions` are the
    only ones that may be spoken with the charger; empty: any.
    """

    ranked: tuple[str, ...]
    observers: tuple[str, ...] = ()
    takeover_after_s: float = TAKEOVER_AFTER_S
    give_back_after_s: float = GIVE_BACK_AFTER_S
    versions: tuple[Version, ...] = ()

    @property
    def leader(self) -> str:
        """The backend that leads while it can."""
        return self.ranked[0]

    @property
    def everyone(self) -> tuple[str, ...]:
        """Every backend of the charger, the leader first."""
        return self.ranked + self.observers


class Routes:
    """The routes in order, for all chargers.

    `labels` gives each label's patterns of charger ids. Chargers that no route fits have `default` alone.
    """

    def __init__(self, routes: Sequence[Route], labels: Mapping[str, tuple[str, ...]], default: str) -> None:
        self._routes = [(_test(route, labels), _seats(route)) for route in routes]
        self._default = Seats((default,))
        self.needs_station = any(route.vendors or route.models for route in routes)
        """Whether a charger's backends may change once its vendor and model are known."""

    def seats(self, facts: Facts) -> Seats:
        """The backends of one charger."""
        return next((seats for fits, seats in self._routes if fits(facts)), self._default)

    @property
    def is_single(self) -> bool:
        """Whether every charger has the default backend alone."""
        return all(seats.everyone == self._default.everyone for _, seats in self._routes)


def labelled(labels: Mapping[str, tuple[str, ...]], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns of charger ids of all labels whose name fits one of the patterns."""
    name_fits = matcher(wanted)
    return tuple(glob for name, globs in labels.items() if name_fits(name) for glob in globs)


def _seats(route: Route) -> Seats:
    return Seats(
        ranked=(route.leader, *route.standby),
        observers=route.observers,
        takeover_after_s=route.takeover_after_s,
        give_back_after_s=route.give_back_after_s,
        versions=route.versions,
    )


def _test(route: Route, labels: Mapping[str, tuple[str, ...]]) -> Callable[[Facts], bool]:
    id_fits = matcher(route.chargers or EVERYTHING)
    label_fits = matcher(labelled(labels, route.labels) if route.labels else EVERYTHING)
    vendor_fits = matcher(route.vendors)
    model_fits = matcher(route.models)
    versions = frozenset(route.versions)

    def fits(facts: Facts) -> bool:
        return (
            id_fits(facts.charger_id)
            and label_fits(facts.charger_id)
            and (not versions or not versions.isdisjoint(facts.versions))
            and (not route.vendors or (facts.vendor != "" and vendor_fits(facts.vendor)))
            and (not route.models or (facts.model != "" and model_fits(facts.model)))
        )

    return fits
