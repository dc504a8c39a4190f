from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway.observe.metrics import MAX_BRANDS, METRICS, page_of, reference
from gateway.session.tally import Tally

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


class Figures:
    def chargers_by_version(self):
        return {"1.6": 3, "2.0.1": 1}

    def backend_links_up(self):
        return {"cpms": 4}

    def pending_calls(self):
        return {"to_backend": 2, "to_charger": 0}

    def backend_states(self):
        return {"cpms": "up"}

    def waiting(self):
        return {"cpms": (3, 1200, 60.4)}

    def chargers_by_role(self):
        return {("cpms", "leads"): 2}

    def copied(self):
        return {("charger_call", "Heartbeat", "1.6"): 4}

    def migrating(self):
        return {("spring", "moved"): 1}

    def backends(self):
        return [{"name": "cpms", "state": "up"}]


def scraped(tally):
    """(sample name, labels) → value, as a Prometheus server would read the page."""
    page = page_of(tally, Figures())().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def labels(**values):
    return frozenset(values.items())


def test_what_was_counted_is_on_the_page():
    tally = Tally()
    tally.messages["charger_call", "Heartbeat", "1.6"].n += 7
    tally.flags["schema-violation", "warning", "Acme", "1.0"] += 2
    tally.events["call-timeout"] += 1
    tally.refused["unknown-path"] += 5
    page = scraped(tally)
    assert (
        page["ocpp_gateway_messages_total", labels(kind="charger_call", action="Heartbeat", version="1.6")]
        == 7
    )
    assert (
        page[
            "ocpp_gateway_flags_total",
            labels(code="schema-violation", severity="warning", brand="Acme", firmware="1.0"),
        ]
        == 2
    )
    assert page["ocpp_gateway_events_total", labels(event="call-timeout")] == 1
    assert page["ocpp_gateway_handshakes_refused_total", labels(reason="unknown-path")] == 5
    assert page["ocpp_gateway_chargers_connected", labels(version="1.6")] == 3
    assert page["ocpp_gateway_backend_links_up", labels(backend="cpms")] == 4
    assert page["ocpp_gateway_backend_state", labels(backend="cpms", state="up")] == 1
    assert page["ocpp_gateway_backend_state", labels(backend="cpms", state="away")] == 0
    assert page["ocpp_gateway_pending_calls", labels(direction="to_backend")] == 2
    assert ("process_resident_memory_bytes", frozenset()) in page


def test_latency_is_a_cumulative_histogram_in_seconds():
    tally = Tally()
    for seconds in (0.0005, 0.003, 0.003, 99.0):
        tally.latency["cpms", "Heartbeat"].add(seconds)
    page = scraped(tally)

    def up_to(bound):
        of = labels(backend="cpms", action="Heartbeat", le=bound)
        return page["ocpp_gateway_call_duration_seconds_bucket", of]

    assert [up_to(bound) for bound in ("0.001", "0.0025", "0.005", "30.0", "+Inf")] == [1, 1, 3, 3, 4]
    of = labels(backend="cpms", action="Heartbeat")
    assert page["ocpp_gateway_call_duration_seconds_count", of] == 4
    assert abs(page["ocpp_gateway_call_duration_seconds_sum", of] - 99.0065) < 1e-9


def test_the_number_of_series_is_bounded_and_nothing_is_lost():
    tally = Tally()
    for n in range(5000):
        tally.messages["charger_call", f"Action{n}", "1.6"].n += 1
        tally.flags["schema-violation", "warning", f"brand {n}", ""] += 1
        tally.flags["frame-unreadable", "error", f"brand {n}", ""] += 1
        tally.events[f"event-{n}"] += 1
        tally.refused[f"reason-{n}"] += 1
        tally.latency["cpms", f"Action{n}"].add(0.01)
    page = scraped(tally)
    assert len(page) <= 5000
    for name in ("messages", "events", "handshakes_refused"):
        assert (
            sum(value for (sample, _), value in page.items() if sample == f"ocpp_gateway_{name}_total")
            == 5000
        )
    flags = {key: value for key, value in page.items() if key[0] == "ocpp_gateway_flags_total"}
    assert sum(flags.values()) == 10_000
    assert len({dict(of)["brand"] for _, of in flags}) == MAX_BRANDS + 1
    counts = [v for (sample, _), v in page.items() if sample == "ocpp_gateway_call_duration_seconds_count"]
    assert sum(counts) == 5000 and len(counts) == METRICS["call_duration_seconds"].limit + 1


def test_no_counter_goes_back_when_more_labels_arrive():
    tally = Tally()
    for n in range(1500):
        tally.messages["charger_call", f"Action{n}", "1.6"].n += 1
    before = scraped(tally)
    for n in reversed(range(3000)):
        tally.messages["charger_call", f"Action{n}", "1.6"].n += 1
    after = scraped(tally)
    counters = [key for key in before if key[0].endswith("_total") and key[0].startswith("ocpp_gateway")]
    assert counters and all(after[key] >= before[key] for key in counters)


def test_every_metric_on_the_page_is_documented_and_the_reference_is_fresh():
    tally = Tally()
    tally.messages["charger_call", "Heartbeat", "1.6"].n += 1
    page = page_of(tally, Figures())().decode()
    families = {f.name for f in text_string_to_metric_families(page) if f.name.startswith("ocpp_gateway")}
    assert families == {described.name.removesuffix("_total") for described in METRICS.values()}
    assert PAGE.read_text() == reference(), "run: python -m gateway.observe.metrics > docs/metrics.md"
