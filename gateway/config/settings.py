"""Every setting there is: its name, type, bounds, default, meaning, and whether a reload picks it up.

The classes are the tables of the TOML file. Bounds are msgspec's; a description in `about` is the sentence
that the reference page prints. Names carry their unit: `_s` seconds, `_bytes`, `_per_s` times per second.
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from gateway.config import values
from gateway.config.dialect import Dialect
from gateway.config.routing import Command, Label, Name, Route
from gateway.config.table import Bytes, Count, FilePath, Globs, Rate, Seconds, Table, about, matches
from gateway.config.values import Address, Secret
from gateway.ocpp.message import Version


class Listen(Table, frozen=True, kw_only=True):
    """Where chargers connect, and which of them are let in."""

    address: Annotated[Address, about("host:port that chargers connect to.")] = Address("127.0.0.1", 9000)
    path: Annotated[
        str, about("URL path under which the last segment is the charger's id.", parse=values.path_prefix)
    ] = "/"
    versions: Annotated[
        tuple[Version, ...], Meta(min_length=1), about("OCPP versions that are spoken.", reload=True)
    ] = (Version.V16, Version.V201, Version.V21)
    default_version: Annotated[
        Version,
        about("What a charger speaks that names no sub-protocol (tolerant handshake only).", reload=True),
    ] = Version.V16
    handshake: Annotated[
        Literal["tolerant", "strict"],
        about(
            "Whether a handshake that is wrong but clear is accepted and flagged, or refused.", reload=True
        ),
    ] = "tolerant"
    compression: Annotated[
        tuple[Version, ...], about("OCPP versions for which permessage-deflate is offered.", reload=True)
    ] = (Version.V201, Version.V21)
    charger_ids: Annotated[
        Globs,
        about(
            "Ids that are let in, with `*`, `?` and `[…]` as in file names; case does not matter, and an id "
            "written out is passed on as written here.",
            reload=True,
        ),
    ] = ("*",)
    insecure: Annotated[
        bool,
        about("Allow an address that others can reach without TLS, when something in front provides it."),
    ] = False
    tls_certificate: Annotated[
        FilePath | None, about("PEM file with the certificate chain.", parse=values.readable_file)
    ] = None
    tls_key: Annotated[
        FilePath | None, about("PEM file with its private key.", parse=values.readable_file)
    ] = None
    ping_interval_s: Annotated[
        Seconds,
        about("Silence of a charger after which it is pinged; also keeps NAT entries alive.", reload=True),
    ] = 45
    pong_timeout_s: Annotated[
        Seconds, about("Time a pinged charger has to send anything before it is closed.", reload=True)
    ] = 20
    duplicate_probe_s: Annotated[
        Seconds,
        about(
            "Time the old connection has to prove itself alive when the same id connects again.", reload=True
        ),
    ] = 5

    def allows(self, charger_id: str) -> bool:
        """Whether a charger of this id is let in."""
        return matches(charger_id, self.charger_ids)

    def spelling(self, charger_id: str) -> str:
        """The id as `charger_ids` spells it where it is written out there, else as the charger does."""
        lower = charger_id.lower()
        return next((known for known in self.charger_ids if known.lower() == lower), charger_id)


class Backend(Table, frozen=True, kw_only=True):
    """The backend that chargers are connected to, one link per charger."""

    url: Annotated[
        str, about("ws:// or wss:// URL; the charger's id is put at its end.", parse=values.backend_url)
    ]
    name: Annotated[Name, about("Label in metrics, logs and flags; what routes call it.")] = "main"
    versions: Annotated[
        tuple[Version, ...],
        Meta(min_length=1),
        about(
            "OCPP versions that the backend speaks. A charger that speaks none of them is translated; one "
            "that shares a version never is."
        ),
    ] = (Version.V16, Version.V201, Version.V21)
    username: Annotated[
        str, about("User name for HTTP Basic; empty: the charger's id.", parse=values.basic_username)
    ] = ""
    password: Annotated[
        Secret | None,
        about("Password for HTTP Basic; absent: the charger's own Authorization header is passed on."),
    ] = None
    ca_file: Annotated[
        FilePath | None,
        about("PEM file with the authorities to trust; absent: the system's.", parse=values.readable_file),
    ] = None
    client_certificate: Annotated[
        FilePath | None,
        about("PEM file with the gateway's own certificate chain.", parse=values.readable_file),
    ] = None
    client_key: Annotated[FilePath | None, about("PEM file with its key.", parse=values.readable_file)] = None
    insecure_tls: Annotated[
        bool, about("Do not check the backend's certificate. For trying things only.")
    ] = False
    proxy: Annotated[
        Secret | None,
        about(
            "http:// or socks5:// URL of a proxy; a secret, since it may hold a password.",
            parse=values.proxy_url,
        ),
    ] = None
    when_away: Annotated[
        Literal["buffer", "close"],
        about(
            "What happens to chargers while the backend is away: `buffer` answers for it, stores what must "
            "not be lost and delivers it later (see `[outage]`); `close` closes and refuses them, so that "
            "their own queues do the work.",
        ),
    ] = "buffer"
    durable: Annotated[
        bool | None,
        about(
            "Whether what must not be lost and this backend missed is stored for it, as `when_away` says; "
            "absent: where it leads or stands by, not where it observes."
        ),
    ] = None
    commands: Annotated[
        Literal["all", "leading", "read-only", "none"],
        about(
            "What it may tell chargers, unless `[[commands]]` say otherwise: `all`; `leading`: everything "
            "while it leads, else as `read-only`; `read-only`: ask for settings, states, schedules and "
            "reports; `none`. What could harm a charger is for its leader only; see docs/routing.md."
        ),
    ] = "leading"
    commands_per_minute: Annotated[
        float,
        Meta(gt=0, le=60_000),
        about(
            "CALLs to one charger in the long run, and at once, where the charger has several backends; "
            "more are refused."
        ),
    ] = 120
    new_links_per_s: Annotated[Rate, about("Links that are begun at most, for all chargers together.")] = 50
    reconnect_min_s: Annotated[Seconds, about("First wait before a broken link is tried again.")] = 1
    reconnect_max_s: Annotated[Seconds, about("Longest such wait; waits double up to here.")] = 60
    connect_timeout_s: Annotated[Seconds, about("Time a link has to be open.")] = 10
    answer_deadline_s: Annotated[
        Seconds,
        about(
            "Time after which a charger's transaction message is answered or its socket closed.", reload=True
        ),
    ] = 10
    call_timeout_s: Annotated[
        Seconds, about("Time a charger has to answer a backend's CALL.", reload=True)
    ] = 30
    ping_interval_s: Annotated[
        Seconds, about("Silence of the backend after which it is pinged.", reload=True)
    ] = 45
    pong_timeout_s: Annotated[Seconds, about("Time a pinged backend has to send anything.", reload=True)] = 20


class Outage(Table, frozen=True, kw_only=True):
    """How a time without the backend is bridged, where `backend.when_away` is `buffer`."""

    hold_s: Annotated[
        Seconds,
        about(
            "How long an answer that a driver would mind (a refused tag) waits for a broken link to come "
            "back before the gateway gives it.",
            reload=True,
        ),
    ] = 3
    answer_after_s: Annotated[
        Seconds,
        about(
            "How long a backend that is there but silent may leave billing data unanswered before the "
            "gateway answers; below the 5 s that some chargers wait.",
            reload=True,
        ),
    ] = 4
    unknown_tags: Annotated[
        Literal["accept-known", "accept-all", "refuse"],
        about(
            "Who may charge: `accept-known`: tags that the backend accepted within `tags_keep_hours`; "
            "`accept-all`: also those never heard of; `refuse`: nobody.",
            reload=True,
        ),
    ] = "accept-known"
    tags_keep_hours: Annotated[
        float, Meta(gt=0, le=8760), about("How long the backend's word about a tag counts.", reload=True)
    ] = 24
    late_refusal: Annotated[
        Literal["stop", "let-run"],
        about(
            "When the backend refuses a driver afterwards whom the gateway had accepted: tell the charger to "
            "stop, or only flag it.",
            reload=True,
        ),
    ] = "stop"
    unknown_chargers: Annotated[
        Literal["refuse", "accept"],
        about(
            "Chargers that the backend has never let in: refused with 503, or let in without anybody having "
            "checked their credentials.",
            reload=True,
        ),
    ] = "refuse"
    deliver_for_absent: Annotated[
        bool,
        about(
            "Whether a charger that left has its messages delivered over a link opened in its name. Without "
            "a `backend.password` this takes the charger's own, which is not kept over a restart.",
            reload=True,
        ),
    ] = True
    messages_per_charger: Annotated[Count, about("Messages stored for one charger.", reload=True)] = 10_000
    bytes_per_charger: Annotated[Bytes, about("Bytes stored for one charger.", reload=True)] = 16_777_216
    total_bytes: Annotated[Bytes, about("Bytes stored for all chargers.", reload=True)] = 10_737_418_240
    max_age_hours: Annotated[
        float,
        Meta(gt=0, le=8760),
        about(
            "Age of the oldest message beyond which no more are stored. At 80 % of any of these bounds the "
            "charger is closed and refused instead, so that its own queue does the work; nothing is thrown "
            "away.",
            reload=True,
        ),
    ] = 72
    messages_per_s: Annotated[
        Rate, about("Stored messages delivered per second to a backend that is back.", reload=True)
    ] = 500
    chargers_at_once: Annotated[
        Count, about("Chargers whose stored messages are delivered at the same time.", reload=True)
    ] = 64


class Translation(Table, frozen=True, kw_only=True):
    """Where translating between versions leaves a choice; see docs/translation.md."""

    before_accepted: Annotated[
        Literal["shield", "strict"],
        about(
            "While the backend has not accepted a charger: `shield` answers for it and keeps its state, "
            "`strict` refuses."
        ),
    ] = "shield"
    credentials: Annotated[
        Literal["forward", "reject"],
        about(
            "A backend's change of a password: refused, since the gateway's link may have another one than "
            "the charger's; or passed on to the charger."
        ),
    ] = "reject"
    certificates: Annotated[
        Literal["forward", "reject"],
        about("A backend's root certificates for the link to it: refused, or passed on to the charger."),
    ] = "reject"
    stop_grace_s: Annotated[
        Seconds, about("2.x behind 1.6: wait between the end of authorisation and StopTransaction.")
    ] = 30
    hold_available_s: Annotated[
        Seconds, about("2.x behind 1.6: how long Available waits for the StopTransaction before it.")
    ] = 5
    start_point: Annotated[
        Literal["authorized_and_connected", "power_path_closed"],
        about("2.x behind 1.6: when StartTransaction is sent."),
    ] = "authorized_and_connected"
    no_auth_id_tag: Annotated[
        str, Meta(min_length=1, max_length=20), about("2.x behind 1.6: idTag for charging without a token.")
    ] = "NoAuthorization"
    remote_start_ttl_s: Annotated[
        Seconds, about("How long an accepted remote start waits for its transaction.")
    ] = 120
    report_page_items: Annotated[Count, about("1.6 behind 2.x: variables on one page of a NotifyReport.")] = (
        20
    )
    one_evse: Annotated[
        bool, about("1.6 behind 2.x: all connectors share one power path, and so are one EVSE.")
    ] = False
    orphan_stop: Annotated[
        Literal["deadletter", "synthesise"],
        about(
            "1.6 behind 2.x: a StopTransaction whose start nobody knows goes to quarantine, or is told to "
            "the backend with a start made of it, whose energy may be wrong."
        ),
    ] = "deadletter"
    status_dedupe: Annotated[
        bool,
        about("1.6 behind 2.x: a connector's status that has not changed for the backend is not repeated."),
    ] = True
    mac_tokens: Annotated[
        bool,
        about("An idTag of 12 hexadecimal digits is a MacAddress to a 2.x backend, not a Central token."),
    ] = False
    synthetic_cable_event: Annotated[
        bool,
        about(
            "1.6 behind 2.x, for backends that want CablePluggedIn before Authorized: a transaction begins "
            "at Preparing, so some will end without a token."
        ),
    ] = False
    tunnel: Annotated[
        str,
        Meta(max_length=255),
        about(
            "vendorId of a DataTransfer in which a 1.6 peer is sent what 1.6 has no message for: a backend's "
            "commands and a charger's reports of 2.x, as JSON. Only for peers that know it. Empty: refused, "
            "or ended at the gateway."
        ),
    ] = ""
    ocsp_bridge: Annotated[
        bool,
        about(
            "2.1 behind 2.0.1: a GetCertificateChainStatus is asked as one GetCertificateStatus per OCSP "
            "entry, instead of answered with Failed."
        ),
    ] = False
    enforce_transaction_limit: Annotated[
        bool,
        about(
            "2.0.1 behind 2.1: a transaction that reaches the limit its backend set is stopped, for the "
            "charger cannot be told the limit."
        ),
    ] = False


class Admin(Table, frozen=True, kw_only=True):
    """Metrics, health and API."""

    address: Annotated[Address, about("host:port of the admin plane.")] = Address("127.0.0.1", 9080)
    token: Annotated[
        Secret | None, about("Bearer token that requests must show; required on an address others can reach.")
    ] = None


class Data(Table, frozen=True, kw_only=True):
    """What is kept on disk."""

    directory: Annotated[FilePath, about("Directory for flags and quarantine; made when it is missing.")] = (
        "data"
    )


class Limits(Table, frozen=True, kw_only=True):
    """Bounds on what one peer, one address and all together can make the gateway hold or do."""

    charger_message_bytes: Annotated[Bytes, about("Largest message from a charger.", reload=True)] = 1_048_576
    backend_message_bytes: Annotated[Bytes, about("Largest message from a backend.", reload=True)] = 4_194_304
    fragments: Annotated[Count, about("Most WebSocket fragments of one message.", reload=True)] = 128
    fragment_assembly_s: Annotated[Seconds, about("Time for all fragments of a message.", reload=True)] = 30
    waiting_calls: Annotated[
        Count, about("CALLs that may wait for their turn, per charger and direction.", reload=True)
    ] = 32
    messages_per_s: Annotated[Rate, about("Messages from one charger in the long run.", reload=True)] = 20
    message_burst: Annotated[Count, about("Messages from one charger at once.", reload=True)] = 100
    malformed_per_s: Annotated[
        Rate,
        about(
            "Malformed messages read per second while the node is busy, of all chargers together; their "
            "senders wait, so that others need not.",
            reload=True,
        ),
    ] = 100
    adapter_cpu_s: Annotated[
        Seconds,
        about(
            "Processor time an adapter has for one message; after three overruns it is given up for that "
            "charger.",
            reload=True,
        ),
    ] = 0.1
    pings_per_s: Annotated[Rate, about("WebSocket pings from one peer.", reload=True)] = 10
    handshake_s: Annotated[
        Seconds, about("Time for a charger's TLS and WebSocket handshake.", reload=True)
    ] = 10
    pending_handshakes: Annotated[Count, about("Handshakes under way at once.", reload=True)] = 512
    connections_per_address: Annotated[
        Count, about("Connections from one IP address; raise it behind NAT or a load balancer.", reload=True)
    ] = 256
    handshakes_per_s_per_address: Annotated[
        Rate, about("Handshakes from one IP address; raise it behind NAT or a load balancer.", reload=True)
    ] = 20
    write_buffer_bytes: Annotated[
        Bytes, about("Unsent bytes to one peer after which its connection is closed.", reload=True)
    ] = 1_048_576
    chargers: Annotated[Count, about("Chargers connected at once.", reload=True)] = 20_000


class Flags(Table, frozen=True, kw_only=True):
    """How long flags are kept for looking up."""

    keep_days: Annotated[Count, about("Days after which a flag is forgotten.", reload=True)] = 30
    keep_rows: Annotated[Count, about("Flags kept at most; the oldest go first.", reload=True)] = 1_000_000


class Quarantine(Table, frozen=True, kw_only=True):
    """How much is kept for a person to look at."""

    max_bytes: Annotated[Bytes, about("Bytes of raw messages kept at most.", reload=True)] = 268_435_456
    max_rows: Annotated[Count, about("Messages kept at most.", reload=True)] = 100_000


class Log(Table, frozen=True, kw_only=True):
    """What the process writes to standard error."""

    format: Annotated[
        Literal["readable", "json"], about("`readable` for people, `json`: one object per line.", reload=True)
    ] = "readable"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], about("The least that is written.", reload=True)
    ] = "info"


class Config(Table, frozen=True, kw_only=True):
    """The whole file."""

    backend: Backend
    backends: Annotated[
        tuple[Backend, ...],
        about(
            "Further backends, one `[[backends]]` each, with the keys of `[backend]` and a name of their own."
        ),
    ] = ()
    routes: Annotated[
        tuple[Route, ...],
        about(
            "Which backends chargers have, one `[[routes]]` each; the first that fits counts.", reload=True
        ),
    ] = ()
    labels: Annotated[
        tuple[Label, ...], about("Names for lists of chargers, one `[[labels]]` each.", reload=True)
    ] = ()
    commands: Annotated[
        tuple[Command, ...],
        about(
            "What backends may tell chargers, one `[[commands]]` each; the first that fits counts.",
            reload=True,
        ),
    ] = ()
    listen: Listen = field(default_factory=Listen)
    outage: Outage = field(default_factory=Outage)
    translation: Translation = field(default_factory=Translation)
    admin: Admin = field(default_factory=Admin)
    data: Data = field(default_factory=Data)
    limits: Limits = field(default_factory=Limits)
    dialect: Dialect = field(default_factory=Dialect)
    flags: Flags = field(default_factory=Flags)
    quarantine: Quarantine = field(default_factory=Quarantine)
    log: Log = field(default_factory=Log)
