"""A busy node lets senders of malformed messages wait, and nobody else."""

import pytest

from gateway.net.busy import BURST_S, Core, MalformedShare


def share(busy: float) -> MalformedShare:
    """A share of 100 messages a second on a node whose core was in use for `busy` of the last second."""
    malformed, core = MalformedShare(100), Core()
    malformed.look(core.used(10.0, 5.0))
    malformed.look(core.used(11.0, 5.0 + busy))
    return malformed


def waits(malformed: MalformedShare, count: int, now: float = 11.0) -> list[float]:
    return [malformed.wait_after_one(now) for _ in range(count)]


def test_before_anything_is_known_nobody_waits():
    assert not any(waits(MalformedShare(1), 1000))


def test_nobody_waits_while_there_is_time():
    assert not any(waits(share(0.89), 1000))


def test_on_a_busy_node_a_burst_passes_and_what_comes_beyond_waits_its_turn():
    malformed = share(0.95)
    free = int(100 * BURST_S)
    assert not any(waits(malformed, free))
    assert waits(malformed, 2) == pytest.approx([(free + 1) / 100, (free + 2) / 100])


def test_the_share_is_free_again_when_time_has_passed():
    malformed = share(0.95)
    waits(malformed, 1000)
    assert malformed.wait_after_one(11.0 + 1000 / 100) == 0.0


def test_nobody_waits_any_more_when_the_node_has_time_again():
    malformed = share(0.95)
    waits(malformed, 1000)
    malformed.look(0.5)
    assert not any(waits(malformed, 100))
