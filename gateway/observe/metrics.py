"""The metrics page: what the gateway has counted, in Prometheus' text format.

Nothing is counted here. `Collector` reads the plain integers of a `Tally` and a few gauges when somebody
scrapes. However many ids, actions and brands peers invent, the number of series is bounded: each family
has a limit, the first label values to come keep their name and all later ones share `other`, so that no
counter ever goes back.
"""

import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Protocol, TypeVar

from msgspec import Struct
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway import __version__
from gateway.session.effects import EVENTS
from gateway.session.tally import LATENCY_BOUNDS_S, Histogram, Tally

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
PREFIX = "ocpp_gateway_"
MAX_BRANDS = 50
OTHER = "other"

T = TypeVar("T")
Labels = tuple[()] | tuple[str] | tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, str]
L = TypeVar("L", bound=Labels)


class FleetFigures(Protocol):
    """What is the case right now, over all chargers of this node."""

    def chargers_by_version(self) -> dict[str, int]:
        """OCPP version → chargers connected."""

    def backend_links_up(self) -> dict[str, int]:
        """Backend name → open links."""

    def pending_calls(self) -> dict[str, int]:
        """`to_backend` and `to_charger` → CALLs without an answer yet."""

    def waiting(self) -> dict[str, tuple[int, int, float]]:
        """Backend name → stored messages that wait: how many, their bytes, the oldest's age in seconds."""

    def chargers_by_role(self) -> dict[tuple[str, str], int]:
        """Backend name and one of `ROLES` → chargers connected."""

    def migrating(self) -> dict[tuple[str, str], int]:
        """Name of a migration and how far they are → chargers."""

    def copied(self) -> dict[tuple[str, str, str], int]:
        """What followers were told and said: kind, action and version → messages."""

    def backend_states(self) -> dict[str, str]:
        """Backend name → one of `BACKEND_STATES`."""


BACKEND_STATES = ("up", "refusing", "away", "unknown")
ROLES = ("leads", "follows")


class Described(Struct, frozen=True):
    """One metric as it is documented. `limit`: most label combinations that are told apart."""

    name: str
    type: str
    labels: tuple[str, ...]
    limit: int
    meaning: str


def _metric(name: str, type_: str, labels: str, limit: int, meaning: str) -> tuple[str, Described]:
    return name, Described(PREFIX + name, type_, tuple(labels.split()), limit, meaning)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


METRICS: dict[str, Described] = dict(
    (
        _metric("chargers_connected", "gauge", "version", 10, "Chargers connected now, by OCPP version."),
        _metric(
            "messages_total",
            "counter",
            "kind action version",
            1000,
            "Messages taken in, by kind (`charger_call`, `charger_result`, `charger_error`, `backend_call`, "
            "`backend_result`, `backend_error`), action (`unknown` if OCPP has no such action) and version "
            "of the connection they came on.",
        ),
        _metric(
            "call_duration_seconds",
            "histogram",
            "backend action",
            120,
            "Time from sending a charger's CALL to a backend until its answer.",
        ),
        _metric(
            "flags_total",
            "counter",
            "code severity brand firmware",
            1000,
            f"Flags raised. The first {MAX_BRANDS} brands are told apart.",
        ),
        _metric(
            "events_total",
            "counter",
            "event",
            100,
            "Things that happened on this node, such as `call-timed-out` or `charger-replaced`.",
        ),
        _metric(
            "handshakes_refused_total", "counter", "reason", 50, "Connections of chargers refused, by reason."
        ),
        _metric("backend_links_up", "gauge", "backend", 50, "Open links to a backend."),
        _metric(
            "backend_state",
            "gauge",
            "backend state",
            200,
            f"1 for the state a backend is in ({_code(BACKEND_STATES)}), else 0.",
        ),
        _metric(
            "pending_calls",
            "gauge",
            "direction",
            4,
            "CALLs that have no answer yet, by direction (`to_backend`, `to_charger`).",
        ),
        _metric("outbox_messages", "gauge", "backend", 50, "Stored messages that wait for a backend."),
        _metric("outbox_bytes", "gauge", "backend", 50, "Bytes of these messages."),
        _metric("outbox_oldest_seconds", "gauge", "backend", 50, "Age of the oldest of them."),
        _metric(
            "backend_chargers",
            "gauge",
            "backend role",
            100,
            f"Connected chargers by what the backend is to them ({_code(ROLES)}).",
        ),
        _metric(
            "copied_messages_total",
            "counter",
            "kind action version",
            1000,
            "Messages between chargers with several backends and those of them that do not lead.",
        ),
        _metric(
            "migration_chargers",
            "gauge",
            "move state",
            100,
            "Chargers of a migration, by how far they are.",
        ),
        _metric(
            "answered_locally_total",
            "counter",
            "action version",
            300,
            "CALLs of chargers that the gateway answered while the backend was away or silent.",
        ),
        _metric(
            "translation_losses_total",
            "counter",
            "code action",
            1000,
            "Things that could not be carried between two OCPP versions, by what was lost and the action it "
            "was lost in (`none`: in no message).",
        ),
        _metric("build_info", "gauge", "version python", 1, "Always 1; the labels say what is running."),
    )
)


class Collector:
    """Turns a tally and the fleet's figures into metric families, each time it is asked."""

    def __init__(self, tally: Tally, fleet: FleetFigures) -> None:
        self._tally = tally
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        tally, fleet = self._tally, self._fleet
        states = {
            (backend, known): int(state == known)
            for backend, state in fleet.backend_states().items()
            for known in BACKEND_STATES
        }
        yield _numbers("chargers_connected", _single(fleet.chargers_by_version()))
        yield _numbers("messages_total", tally.counted())
        yield _durations(tally.latency)
        yield _numbers("flags_total", _few_brands(tally.flags))
        yield _numbers("events_total", _single(tally.events))
        yield _numbers("handshakes_refused_total", _single(tally.refused))
        yield _numbers("backend_links_up", _single(fleet.backend_links_up()))
        yield _numbers("backend_state", states)
        yield _numbers("pending_calls", _single(fleet.pending_calls()))
        waiting = fleet.waiting()
        yield _numbers("outbox_messages", {(name,): found[0] for name, found in waiting.items()})
        yield _numbers("outbox_bytes", {(name,): found[1] for name, found in waiting.items()})
        yield _numbers("outbox_oldest_seconds", {(name,): round(found[2]) for name, found in waiting.items()})
        yield _numbers("backend_chargers", fleet.chargers_by_role())
        yield _numbers("copied_messages_total", fleet.copied())
        yield _numbers("migration_chargers", fleet.migrating())
        yield _numbers("answered_locally_total", tally.answered)
        yield _numbers("translation_losses_total", tally.losses)
        yield _numbers("build_info", {(__version__, platform.python_version()): 1})


def page_of(tally: Tally, fleet: FleetFigures) -> Callable[[], bytes]:
    """A function that renders the metrics page; process metrics (`process_*`) are on it too."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Collector(tally, fleet))
    return lambda: generate_latest(registry)


def reference() -> str:
    """The documentation page of all metrics, as Markdown."""
    rows = "\n".join(
        f"| `{m.name}` | {m.type} | {_code(m.labels)} | {m.limit} | {m.meaning} |" for m in METRICS.values()
    )
    events = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in sorted(EVENTS.items()))
    return f"""# Metrics

`GET /metrics` on the admin port answers in Prometheus' text format. Counters start at zero with the process.

The number of series is bounded whatever chargers and backends send: beyond the limit of a metric, further
label values are counted together as `{OTHER}`. Charger ids are never labels.

| Name | Type | Labels | Label combinations at most | Meaning |
|---|---|---|---|---|
{rows}

The events of a charger's session, as `{PREFIX}events_total` counts them and the log names them:

| Event | Meaning |
|---|---|
{events}

The usual `process_*` metrics (CPU, memory, open files, start time) are there too.

This page is made by `python -m gateway.observe.metrics`.
"""


def _numbers(name: str, values: Mapping[L, int]) -> Metric:
    described = METRICS[name]
    make = CounterMetricFamily if described.type == "counter" else GaugeMetricFamily
    family = make(described.name, described.meaning, labels=described.labels)
    shared = 0
    for labels, value, fits in _limited(values.items(), described.limit):
        if fits:
            family.add_metric(labels, value)
        else:
            shared += value
    if len(values) > described.limit:
        family.add_metric([OTHER] * len(described.labels), shared)
    return family


def _durations(latency: Mapping[tuple[str, str], Histogram]) -> Metric:
    described = METRICS["call_duration_seconds"]
    family = HistogramMetricFamily(described.name, described.meaning, labels=described.labels)
    shared = Histogram()
    for labels, histogram, fits in _limited(latency.items(), described.limit):
        if fits:
            family.add_metric(labels, _buckets(histogram), histogram.total_s)
        else:
            shared.buckets = [a + b for a, b in zip(shared.buckets, histogram.buckets, strict=True)]
            shared.total_s += histogram.total_s
    if len(latency) > described.limit:
        family.add_metric([OTHER, OTHER], _buckets(shared), shared.total_s)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Upper bound → how many up to it, as the exposition format wants it."""
    bounds = [*map(str, LATENCY_BOUNDS_S), "+Inf"]
    return list(zip(bounds, accumulate(histogram.buckets), strict=True))


def _limited(items: Iterable[tuple[L, T]], limit: int) -> Iterator[tuple[L, T, bool]]:
    """Each item, and whether it is among the first `limit`. Dictionaries keep the order of arrival."""
    for position, (labels, value) in enumerate(items):
        yield labels, value, position < limit


def _single(values: Mapping[str, int]) -> dict[tuple[str], int]:
    return {(label,): value for label, value in values.items()}


def _few_brands(flags: Mapping[tuple[str, str, str, str], int]) -> dict[tuple[str, str, str, str], int]:
    """The same counts with the brands after the first `MAX_BRANDS` taken together."""
    kept: dict[str, None] = {}
    counts: dict[tuple[str, str, str, str], int] = {}
    for (code, severity, brand, firmware), count in flags.items():
        if len(kept) < MAX_BRANDS:
            kept[brand] = None
        labels = (code, severity, *((brand, firmware) if brand in kept else (OTHER, OTHER)))
        counts[labels] = counts.get(labels, 0) + count
    return counts


if __name__ == "__main__":
    sys.stdout.write(reference())
