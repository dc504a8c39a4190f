"""The tables of several backends: which chargers they have, and what they may tell them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from gateway.config.table import Globs, Seconds, Table, about
from gateway.ocpp.message import Version
from gateway.routing.routes import GIVE_BACK_AFTER_S, TAKEOVER_AFTER_S

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]


class Label(Table, frozen=True, kw_only=True):
    """A name for a list of chargers: a site, a customer, a tariff. Routes and migrations can use it."""

    name: Annotated[Name, about("What routes call it.")]
    chargers: Annotated[Globs, about("Ids of its chargers, as in `listen.charger_ids`.")]


class Route(Table, frozen=True, kw_only=True):
    """Which backends some chargers have; see docs/routing.md. The first route that fits a charger counts.

    A charger that no route fits has `[backend]` alone. What is left out of `chargers`, `labels`, `vendors`,
    `models` and `versions` excludes nobody.
    """

    chargers: Annotated[tuple[str, ...], about("Ids it is for, as in `listen.charger_ids`.")] = ()
    labels: Annotated[
        tuple[str, ...], about("Names of `[[labels]]`, one of which a charger must have, written like ids.")
    ] = ()
    vendors: Annotated[
        tuple[str, ...],
        about("Vendors it is for, as their BootNotification names them; not before that is known."),
    ] = ()
    models: Annotated[tuple[str, ...], about("Models it is for, likewise.")] = ()
    versions: Annotated[
        tuple[Version, ...],
        about("It is for chargers that offer one of these OCPP versions, and no other is spoken with them."),
    ] = ()
    leader: Annotated[Name, about("Name of the backend that answers the charger.")]
    standby: Annotated[
        tuple[Name, ...], about("Backends that take over, in this order, while those before are away.")
    ] = ()
    observers: Annotated[
        tuple[Name, ...], about("Backends that get copies and whose answers are not passed on.")
    ] = ()
    takeover_after_s: Annotated[
        Seconds, about("How long the leader must be away before the next one takes over.")
    ] = TAKEOVER_AFTER_S
    give_back_after_s: Annotated[
        Seconds, about("How long a leader that went away must be back before it leads again.")
    ] = GIVE_BACK_AFTER_S


class Command(Table, frozen=True, kw_only=True):
    """A rule about what backends may tell chargers; see docs/routing.md. The first that fits counts."""

    backends: Annotated[Globs, about("Names of the backends it is for, written like ids.")] = ("*",)
    chargers: Annotated[Globs, about("Ids of the chargers it is for.")] = ("*",)
    actions: Annotated[Globs, about("Actions it is for, such as `Reset` or `Set*`.")]
    keys: Annotated[
        tuple[str, ...],
        about(
            "Only these configuration keys, or in 2.x `Component.Variable`, written like ids; for "
            "ChangeConfiguration and SetVariables."
        ),
    ] = ()
    do: Annotated[
        Literal["allow", "deny", "absorb", "rewrite"],
        about(
            "`allow`; `deny`: the gateway refuses for the charger; `absorb`: the gateway answers as if it "
            "were done; `rewrite`: it goes on with the values of `set`."
        ),
    ]
    status: Annotated[
        str,
        about("With `deny` and `absorb`: the status to answer; empty: the one that says no, or yes."),
    ] = ""
    set: Annotated[
        dict[str, Any],
        about('With `rewrite`: values by their place in the payload, such as `{ type = "Soft" }`.'),
    ] = field(default_factory=dict)
