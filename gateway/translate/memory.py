"""Everything a translator remembers of one charger: typed, and JSON when it is stored.

One memory serves every pair of versions. A field that only one of them uses says so. Times are seconds since
1970, energies Wh. Numbers that are not whole are `Decimal`, never floats.
"""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct, field

from gateway.translate.port import Payload

KEPT_S = 30 * 86_400.0
"""How long an ended transaction is kept, so that a repeated message of it is known."""

ENDED_KEPT = 64
CACHED_TOKENS = 1000
TRANSACTIONS_KEPT = 256
LONGEST_ALIASES = 1000


class Place(Struct, gc=False):
    """One connector: its number in 1.6 and its pair in 2.x."""

    flat: int
    evse: int
    connector: int


class Transaction(Struct, omit_defaults=True):
    """One transaction: `id16` and `id201` are its two names.

    `state`: `pre` (no start in 1.6 yet), `wait_id` (its id of 1.6 is not known yet), `active`, `deauth` (no
    longer authorised), `ended` (without `id16` it never started in 1.6). A translator for 1.6 chargers uses
    `active` and `ended` only.

    `seq_next` is what its next event of 2.x gets; `last_seq` the highest that came in one. `answers` are
    what a 2.x charger heard, by seqNo; `start_answer` and `stop_answer` what a 1.6 charger did. `start_key`
    and `stop_key` name the message that made them, so that a repetition is known.

    Of a 2.x charger: `begun_at` is the timestamp of its Started event, `received` are the seqNos that were
    answered, as ranges from and to. `start` is the StartTransaction, `start_sent` whether it is out without
    an answer (`stop_sent`: StopTransaction), `start_seq` the event that it answers, `start_is_all` whether
    that became nothing else. `grace_until` is when it is stopped without its end, `stopped_early` whether
    that happened, `stopped_at` and `stop_wh` what StopTransaction said. `stop_wanted`: the charger is to be
    asked to stop it; `unlocking`: it is being stopped for an UnlockConnector.
    """

    id201: str
    id16: int | None = None
    flat: int = 0
    evse: int = 0
    connector: int = 0
    state: str = "active"
    seq_next: int = 0
    last_seq: int = -1
    charging_state: str = ""
    status16: str = ""
    has_charged: bool = False
    authorized: bool = True
    id_token: Payload | None = None
    id_tag: str | None = None
    group: str | None = None
    meter_start_wh: int | None = None
    last_register_wh: int | None = None
    started_at: str = ""
    ended_at: float = 0.0
    reservation_id: int | None = None
    remote_start_id: int | None = None
    start_key: str = ""
    start_answer: Payload | None = None
    start_conf_delivered: bool = True
    stop_key: str = ""
    stop_answer: Payload | None = None
    stop_reason: str = ""
    late_reject: bool = False
    stop_asked: bool = False
    session: int = 0
    suspect: bool = False
    auth_end: Payload | None = None
    answers: dict[str, Payload] = {}
    notes: Payload = {}
    begun_at: str = ""
    received: list[list[int]] = []
    start: Payload | None = None
    start_sent: bool = False
    start_seq: int = -1
    start_has_token: bool = False
    start_is_all: bool = False
    stop_sent: bool = False
    grace_until: float = 0.0
    attempts: int = 0
    stop_wh: int | None = None
    stopped_at: str = ""
    stopped_early: bool = False
    stop_wanted: bool = False
    unlocking: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it has neither ended nor come to nothing."""
        return self.state not in ("ended", "void")


class Authorisation(Struct, omit_defaults=True):
    """What the backend last said about a token: its idTokenInfo (2.x backend) or idTagInfo (1.6 backend)."""

    info: Payload
    at: float


class RemoteStart(Struct, omit_defaults=True):
    """A remote start that the charger accepted and has not made a transaction of yet."""

    remote_start_id: int
    id_tag: str
    expires: float
    flat: int | None = None
    id_token: Payload | None = None
    group: str | None = None
    transaction_id: str = ""


class Reservation(Struct, omit_defaults=True):
    """A reservation that the charger accepted; `expires` is its end."""

    id: int
    flat: int
    expires: float
    id_tag: str = ""


class Profile(Struct, omit_defaults=True):
    """A charging profile that was installed through the gateway, in the form of its version 2.x."""

    id: int
    evse: int
    profile: Payload
    source: str = "CSO"
    id16: int | None = None


class OpenError(Struct, omit_defaults=True):
    """A problem that a charger reported and has not said to be over, by flat connector."""

    error_code: str
    component: str
    variable: str
    event_id: int
    tech_code: str = ""


class LocalList(Struct, omit_defaults=True):
    """The version that the charger's local list is known to have reached, and whether that emptied it."""

    version: int
    empty: bool = False


class Job(Struct, omit_defaults=True):
    """A log upload or firmware update that runs; `last` is the status told last."""

    request_id: int
    kind: str = ""
    last: str = ""
    announced: bool = False


class PendingReset(Struct, omit_defaults=True):
    """A Reset that the charger accepted, not yet followed by a boot."""

    type16: str
    accepted_at: float


class Event(Struct, omit_defaults=True):
    """A request for the backend that was made and not yet acknowledged: a repetition sends the same again."""

    action: str
    payload: Payload
    acknowledged: bool = False
    live: bool = False


class Begun(Struct, omit_defaults=True):
    """A command of the backend, of several CALLs to the charger, that has not ended; `at` is when it came."""

    action: str
    payload: Payload
    at: float


class Counters(Struct, omit_defaults=True):
    """The next number of each kind. `transaction` is 0 until the first is given."""

    transaction: int = 0
    remote_start: int = 900_000_001
    request: int = 900_000_001
    event: int = 1


class Connector(Struct, omit_defaults=True):
    """What a connector of a 2.x charger is on its way to tell a 1.6 backend.

    `at` is the timestamp of what changed it last, `error16` the error code told last. `finishing`: its
    transaction has ended and the vehicle may still be there. `held_until`: it is Available, which waits for
    the end of its transaction. `owed`: something may have changed that could not be told yet. `unconfirmed`:
    what was told last has no answer. `asked_until`: the backend asked for its status, so it goes up again.
    """

    at: str = ""
    error16: str = "NoError"
    finishing: bool = False
    held_until: float = 0.0
    owed: bool = False
    unconfirmed: bool = False
    asked_until: float = 0.0


class Inventory(Struct, omit_defaults=True):
    """How far the gateway knows a 2.x charger's device model; `request_id` is of a report that is coming."""

    request_id: int = 0
    asked_at: float = 0.0
    read_at: float = 0.0
    firmware: str = ""


class Variable(Struct, omit_defaults=True):
    """One variable of a 2.x charger as it reported it; `read_at` is when."""

    component: Payload
    variable: Payload
    value: str | None = None
    mutability: str = "ReadWrite"
    characteristics: Payload = {}
    read_at: float = 0.0


class Limited(Struct, omit_defaults=True):
    """How far a transaction of a 2.0.1 charger is, that a 2.1 backend may have set a limit.

    `limit` has the members of transactionLimit, `used` those of them that are known. `name` is its id.
    """

    begun_at: float
    name: str = ""
    begun_wh: int | None = None
    limit: Payload = {}
    used: Payload = {}
    asked: int = 0
    ask_after: float = 0.0
    is_stopping: bool = False


class Memory(Struct, omit_defaults=True):
    """What must survive reconnects and restarts.

    `topology` is in the order of the flat numbers. `status16` goes by flat number, `status201` by
    `evse.connector`, `last_register` by flat number, `open_errors` by flat number. `sessions` counts the
    cables of a connector: it grows each time the connector is Available. `unsent` holds events of a
    charger's message that came to an end without acknowledgement, by the natural key of the message. `owed`,
    `reports` and `begun` are what was promised (see `jobs`): CALLs that nobody waits for, reports of the
    device model that were asked for, commands.
    `capabilities` are `yes`, `no` or `unknown`. `cached` is the last status per flat number that has not
    gone up yet. `cables` are the transactions that have only a cable, by flat number. `told_at` is the latest
    time that was told. `places` is where the open transactions stand among all: in the store only.
    """

    told_at: float = 0.0
    registration: str = "Unknown"
    boot: Payload = {}
    boot_reason: str = ""
    boot_again_at: float = 0.0
    charger_session_started: float = 0.0
    clock_skews: list[float] = []
    topology: list[Place] = field(default_factory=list)
    capabilities: dict[str, str] = {}
    transactions: list[Transaction] = []
    places: list[int] = []
    cables: dict[str, Transaction] = {}
    counters: Counters = field(default_factory=Counters)
    unsent: dict[str, list[Event]] = {}
    owed: list[Event] = []
    reports: list[Payload] = []
    begun: list[Begun] = []
    cached: dict[str, Payload] = {}
    readings: dict[str, bool] = {}
    aliases: dict[str, Payload] = {}
    token_types: dict[str, str] = {}
    groups: dict[str, Payload] = {}
    authorisations: dict[str, Authorisation] = {}
    remote_starts: list[RemoteStart] = []
    reservations: list[Reservation] = []
    profiles: list[Profile] = []
    local_list: LocalList | None = None
    held_reset: str = ""
    pending_reset: PendingReset | None = None
    firmware: Job | None = None
    log: Job | None = None
    open_errors: dict[str, OpenError] = {}
    status16: dict[str, str] = {}
    status201: dict[str, str] = {}
    last_register: dict[str, int] = {}
    sessions: dict[str, int] = {}
    configuration: dict[str, Payload] = {}
    device_model: list[Variable] = []
    mutability: dict[str, str] = {}
    connectors: dict[str, Connector] = {}
    inventory: Inventory = field(default_factory=Inventory)
    prices: dict[str, Payload] = {}
    upstream_password_pending: str = ""
    upstream_trust_pending: list[str] = []
    upstream_security_profile: int = 0
    certificate_requests: list[Payload] = []
    limited: dict[str, Limited] = {}
    notes: Payload = {}

    def transaction16(self, id16: int) -> Transaction | None:
        """The newest transaction with this integer id."""
        return next((tx for tx in reversed(self.transactions) if tx.id16 == id16), None)

    def transaction201(self, id201: str) -> Transaction | None:
        """The transaction with this text id, whatever its case."""
        wanted = id201.casefold()
        return next((tx for tx in reversed(self.transactions) if tx.id201.casefold() == wanted), None)

    def open_on(self, *, flat: int | None = None, evse: int | None = None) -> list[Transaction]:
        """The open transactions of a connector or an EVSE; of the whole charger without either."""
        return [
            tx
            for tx in self.transactions
            if tx.is_open and (flat is None or tx.flat == flat) and (evse is None or tx.evse == evse)
        ]

    def place(self, flat: int) -> Place | None:
        """The connector with this flat number."""
        return next((place for place in self.topology if place.flat == flat), None)

    def place_of(self, evse: int, connector: int | None = None) -> Place | None:
        """The connector of this pair; the first of the EVSE without a connector."""
        return next(
            (p for p in self.topology if p.evse == evse and (connector is None or p.connector == connector)),
            None,
        )

    def forget_old(self, now: float) -> None:
        """Keep ended transactions for 30 days, and no more of any than is bearable."""
        del self.transactions[:-TRANSACTIONS_KEPT]
        ended = [tx for tx in self.transactions if not tx.is_open]
        spare = {id(tx) for tx in ended[: max(0, len(ended) - ENDED_KEPT)]}
        spare |= {id(tx) for tx in ended if tx.ended_at and now - tx.ended_at > KEPT_S}
        if spare:
            self.transactions = [tx for tx in self.transactions if id(tx) not in spare]


_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(Memory, float_hook=Decimal)


json_of = _encoder.encode
"""The JSON of a memory or of a part of it."""


def encoded(memory: Memory) -> bytes:
    """The memory as JSON."""
    return json_of(memory)


def decoded(data: bytes) -> Memory:
    """The memory of `encoded`. Fields that this version does not know are left out, missing ones empty."""
    return _decoder.decode(data)


def remember(table: dict[str, Any], key: str, value: Any, limit: int = CACHED_TOKENS) -> None:
    """Put into a bounded table: what was put in first goes first."""
    table.pop(key, None)
    table[key] = value
    while len(table) > limit:
        del table[next(iter(table))]
