"""What one charger did lately, as far as it is needed to judge its next message. Bounded in every part."""

from enum import Enum
from typing import Final, TypeVar

from msgspec import Struct

_MAX_KEPT: Final = 16

K = TypeVar("K")
V = TypeVar("V")


class State(Enum):
    """What is known of a transaction."""

    OPEN = "open"
    ENDED = "ended on this connection"
    ENDED_BEFORE = "ended on an earlier connection"
    NEVER_STARTED = "never started here"


class Transaction(Struct, gc=False):
    """A transaction. `meter_start_wh` and `started_s` (seconds since 1970) are None while not known."""

    state: State
    connector: int | None = None
    meter_start_wh: int | None = None
    started_s: float | None = None
    sequence: int | None = None


class Register(Struct, gc=False):
    """The last energy reading of a connector, in Wh, with its time and transaction."""

    energy_wh: float
    moment_s: float | None
    transaction: object  # msgspec.UNSET when the reading named none


class Start(Struct, gc=False):
    """A StartTransaction whose answer, and so whose transaction id, is not known yet."""

    connector: int
    meter_wh: int
    moment_s: float | None


class History:
    """The memory of one `Reader`. Every table keeps its latest sixteen entries.

    Who knows more than was said on this connection may set it: transactions of earlier ones, or
    `awaits_boot` when the first message of a connection should be a BootNotification.
    """

    __slots__ = (
        "authorizing",
        "awaits_boot",
        "boot_status",
        "booting",
        "connectors",
        "last_keys",
        "limit_a",
        "list_version",
        "refused_tag",
        "registers",
        "serials",
        "starting",
        "statuses",
        "transactions",
    )

    def __init__(self) -> None:
        self.transactions: dict[int | str, Transaction] = {}
        self.starting: dict[str, Start] = {}
        self.authorizing: dict[str, str] = {}
        self.refused_tag = ""
        self.booting: set[str] = set()
        self.boot_status = ""
        self.awaits_boot = False
        self.serials: frozenset[str] = frozenset()
        self.registers: dict[int, Register] = {}
        self.connectors: set[int] = set()
        self.statuses: dict[int, str] = {}
        self.list_version: int | None = None
        self.limit_a: float | None = None
        self.last_keys: dict[tuple[object, ...], str] = {}

    def reconnected(self) -> None:
        """A new connection of the same charger begins: what was under way on the old one is over."""
        for pending in (self.starting, self.authorizing, self.booting, self.last_keys):
            pending.clear()
        for transaction in self.transactions.values():
            if transaction.state is State.ENDED:
                transaction.state = State.ENDED_BEFORE

    def open_on(self, connector: int) -> int | str | None:
        """The open transaction of a connector, None when there is none."""
        for id_, transaction in self.transactions.items():
            if transaction.state is State.OPEN and transaction.connector in (connector, None):
                return id_
        return None

    def started(self, id_: int | str) -> Transaction | Start | None:
        """What is known of the start of a transaction, or of the only unanswered one."""
        transaction = self.transactions.get(id_)
        if transaction is not None:
            return transaction
        return next(iter(self.starting.values())) if len(self.starting) == 1 else None


def keep(table: dict[K, V], key: K, value: V) -> None:
    """Remember an entry, and forget the oldest one when there are too many."""
    table.pop(key, None)
    table[key] = value
    if len(table) > _MAX_KEPT:
        del table[next(iter(table))]
