"""The tables of `[dialect]`: what is done about messages that are not quite OCPP."""

from typing import Annotated

from gateway.config import values
from gateway.config.table import FilePath, Globs, Table, about, matches
from gateway.dialect.reading import Mode
from gateway.dialect.rules.rule import Use


class ChargerDialect(Table, frozen=True, kw_only=True):
    """An exception from `[dialect]` for some chargers."""

    ids: Annotated[
        Globs,
        about("Ids it is for, as in `listen.charger_ids`; the first entry that fits wins.", reload=True),
    ] = ("*",)
    vendors: Annotated[
        Globs,
        about("Vendors it is for, as their BootNotification names them, written like ids.", reload=True),
    ] = ("*",)
    mode: Annotated[Mode | None, about("As `dialect.mode`; absent: the same.", reload=True)] = None
    timezone: Annotated[
        str | None, about("As `dialect.timezone`; absent: the same.", reload=True, parse=values.time_zone)
    ] = None
    packs: Annotated[
        tuple[str, ...] | None,
        about("Names of the rule packs to use, in this order; absent: those that match.", reload=True),
    ] = None
    adapters: Annotated[
        tuple[str, ...] | None,
        about("Names of the adapters to use, in this order; absent: those that match.", reload=True),
    ] = None


class BrandUse(Table, frozen=True, kw_only=True):
    """How far some rule packs or adapters may go."""

    names: Annotated[Globs, about("Names of rule packs and adapters, written like ids.", reload=True)]
    mode: Annotated[
        Use,
        about(
            "`repair`; `observe`: only flag what would be changed; `off`: as if it were not there.",
            reload=True,
        ),
    ]


class Dialect(Table, frozen=True, kw_only=True):
    """What is done about messages that are not quite OCPP."""

    mode: Annotated[
        Mode,
        about(
            "`repair` what has one reading and flag it; `observe`: flag only, bytes go on unchanged; "
            "`strict`: wrong messages are kept in quarantine.",
            reload=True,
        ),
    ] = Mode.REPAIR
    timezone: Annotated[
        str,
        about(
            "IANA zone of timestamps without an offset; empty: they are flagged and left.",
            reload=True,
            parse=values.time_zone,
        ),
    ] = ""
    shipped: Annotated[
        bool, about("Use the rule packs and adapters that come with the gateway.", reload=True)
    ] = True
    rules_directories: Annotated[
        tuple[FilePath, ...], about("Directories whose `*.toml` are rule packs of your own.", reload=True)
    ] = ()
    adapter_directories: Annotated[
        tuple[FilePath, ...], about("Directories whose `*.py` are adapters of your own.", reload=True)
    ] = ()
    brand: Annotated[
        tuple[BrandUse, ...],
        about(
            "How far packs and adapters may go, one `[[dialect.brand]]` each; the first that fits wins.",
            reload=True,
        ),
    ] = ()
    charger: Annotated[
        tuple[ChargerDialect, ...], about("Exceptions, one `[[dialect.charger]]` each.", reload=True)
    ] = ()

    def of(self, charger_id: str, vendor: str = "") -> tuple[Mode, str]:
        """The mode and the time zone for one charger; its vendor is "" while that is not known."""
        for entry in self.charger:
            if matches(charger_id, entry.ids) and matches(vendor, entry.vendors):
                return (
                    self.mode if entry.mode is None else entry.mode,
                    self.timezone if entry.timezone is None else entry.timezone,
                )
        return self.mode, self.timezone

    def chosen(
        self, charger_id: str, vendor: str = ""
    ) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        """The packs and the adapters that are named for one charger; None: those that match it."""
        for entry in self.charger:
            if matches(charger_id, entry.ids) and matches(vendor, entry.vendors):
                return entry.packs, entry.adapters
        return None, None

    def use_of(self, name: str) -> Use | None:
        """How far a pack or an adapter of this name may go; None: as it says itself."""
        return next((entry.mode for entry in self.brand if matches(name, entry.names)), None)
