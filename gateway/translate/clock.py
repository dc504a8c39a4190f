"""A clock that was set back, which a translator is told as the time it is."""

from gateway.translate.memory import Memory

SET_BACK_S = 1.0
"""A clock that is set back by less is left alone."""


def set_back(memory: Memory, seconds: float) -> None:
    """The clock was set back: what is to come is as far off as it was."""
    memory.told_at -= seconds
    memory.charger_session_started -= seconds
    memory.clock_skews = [skew - seconds for skew in memory.clock_skews]
    if memory.boot_again_at:
        memory.boot_again_at -= seconds
    if memory.pending_reset is not None:
        memory.pending_reset.accepted_at -= seconds
    for tx in memory.transactions:
        tx.grace_until = max(0.0, tx.grace_until - seconds)
    for one in memory.connectors.values():
        one.held_until = max(0.0, one.held_until - seconds)
        one.asked_until = max(0.0, one.asked_until - seconds)
    for start in memory.remote_starts:
        start.expires -= seconds
    for limited in memory.limited.values():
        limited.begun_at -= seconds
        limited.ask_after = max(0.0, limited.ask_after - seconds)
