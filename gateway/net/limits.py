"""What the configuration means for one connection and one session."""

from gateway.config import Config, Limits
from gateway.net.link import LinkLimits
from gateway.session.session import SessionSettings


def link_limits(limits: Limits, message_bytes: int) -> LinkLimits:
    """The bounds of a connection whose messages have at most `message_bytes`."""
    return LinkLimits(
        message_bytes,
        limits.fragments,
        limits.fragment_assembly_s,
        limits.pings_per_s,
        limits.write_buffer_bytes,
    )


def session_settings(config: Config) -> SessionSettings:
    """The times and limits of every session."""
    limits, listen, backend = config.limits, config.listen, config.backend
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
    )
