"""What the configuration means for one connection and one session."""

from typing import Final, Literal

from gateway.config import Backend, Config, Limits
from gateway.net.link import LinkLimits
from gateway.session.answers import UnknownTags
from gateway.session.knowledge import BufferSettings
from gateway.session.session import SessionSettings
from gateway.translate.policies import Policies

HOUR_S = 3600.0
_UNKNOWN_IDS: Final[dict[str, Literal["cache_only", "accept", "reject"]]] = {
    "accept-known": "cache_only",
    "accept-all": "accept",
    "refuse": "reject",
}


def link_limits(limits: Limits, message_bytes: int) -> LinkLimits:
    """The bounds of a connection whose messages have at most `message_bytes`."""
    return LinkLimits(
        message_bytes,
        limits.fragments,
        limits.fragment_assembly_s,
        limits.pings_per_s,
        limits.write_buffer_bytes,
    )


def session_settings(config: Config, backend: Backend, buffers: bool) -> SessionSettings:
    """The times and limits of every session with this backend; `buffers`: it outlives its backend."""
    limits, listen, outage = config.limits, config.listen, config.outage
    buffer = BufferSettings(
        hold_s=outage.hold_s,
        answer_after_s=outage.answer_after_s,
        unknown_tags=UnknownTags(outage.unknown_tags),
        tags_keep_s=outage.tags_keep_hours * HOUR_S,
        stops_late_refusals=outage.late_refusal == "stop",
        delivers_for_absent=outage.deliver_for_absent,
        max_messages=outage.messages_per_charger,
        max_bytes=outage.bytes_per_charger,
        max_age_s=outage.max_age_hours * HOUR_S,
        stores=_stores(config, backend),
    )
    return SessionSettings(
        answer_deadline_s=backend.answer_deadline_s,
        call_timeout_s=backend.call_timeout_s,
        waiting_calls=limits.waiting_calls,
        message_cost_s=1.0 / limits.messages_per_s,
        burst_s=limits.message_burst / limits.messages_per_s,
        charger_ping_s=listen.ping_interval_s,
        charger_pong_s=listen.pong_timeout_s,
        backend_ping_s=backend.ping_interval_s,
        backend_pong_s=backend.pong_timeout_s,
        backend_name=backend.name,
        buffer=buffer if buffers else None,
    )


def _stores(config: Config, backend: Backend) -> bool:
    """Whether what this backend misses is stored for it: without a word on it, where it may lead."""
    if backend.durable is not None:
        return backend.durable
    may_lead = {config.backend.name}.union(*((route.leader, *route.standby) for route in config.routes))
    return backend.name in may_lead


def policies(config: Config) -> Policies:
    """What translators may decide."""
    chosen, outage = config.translation, config.outage
    return Policies(
        pre_accept=chosen.before_accepted,
        offline_unknown_id=_UNKNOWN_IDS[outage.unknown_tags],
        late_reject="stop" if outage.late_refusal == "stop" else "let_run",
        stop_grace_s=chosen.stop_grace_s,
        hold_available_s=chosen.hold_available_s,
        start_point=chosen.start_point,
        remote_start_ttl_s=chosen.remote_start_ttl_s,
        leg_credentials=chosen.credentials,
        leg_certificates=chosen.certificates,
        no_auth_id_tag=chosen.no_auth_id_tag,
        report_page_items=chosen.report_page_items,
        one_evse=chosen.one_evse,
        orphan_stop=chosen.orphan_stop,
        status_dedupe=chosen.status_dedupe,
        mac_tokens=chosen.mac_tokens,
        synthetic_cable_event=chosen.synthetic_cable_event,
        tunnel=chosen.tunnel,
        ocsp_bridge=chosen.ocsp_bridge,
        enforce_transaction_limit=chosen.enforce_transaction_limit,
    )
