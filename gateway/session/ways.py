"""What is fixed about an action on its way to a backend and back, and where it is counted.

Looked up once for a CALL and its answer: most of all traffic is the same few actions.
"""

from msgspec import Struct

from gateway.dialect.empty import is_clean_when_empty
from gateway.ocpp.actions import NEVER_LOST
from gateway.ocpp.message import MessageType, Sender, Version
from gateway.session.calls import KINDS
from gateway.session.lessons import BOOKED, OBSERVED
from gateway.session.tally import Count, Histogram, Tally

_CALLS = KINDS[Sender.CHARGER][MessageType.CALL]
_RESULTS = KINDS[Sender.BACKEND][MessageType.CALLRESULT]


class Way(Struct, frozen=True, gc=False):
    """One action of the charger.

    `billing`: it carries revenue; `is_plain`: its CALL is for nobody but the backend; `ends_empty`: its
    empty answer is clean, and for nobody but the charger. The rest is where it is counted.
    """

    billing: bool
    is_plain: bool
    ends_empty: bool
    calls: Count
    results: Count
    latency: Histogram


class Ways(dict[str, Way]):
    """By action; ask only for those that the version knows."""

    def __init__(self, tally: Tally, version: Version, backend: str) -> None:
        self._tally, self._version, self._backend = tally, version, backend

    def __missing__(self, action: str) -> Way:
        counts, version = self._tally.messages, self._version
        way = self[action] = Way(
            action in NEVER_LOST,
            action != "BootNotification" and action not in BOOKED,
            action not in OBSERVED and is_clean_when_empty(version, action),
            counts[_CALLS, action, version],
            counts[_RESULTS, action, version],
            self._tally.latency[self._backend, action],
        )
        return way


def ways(tally: Tally, version: Version, backend: str) -> Ways:
    """The ways of all sessions with this version and backend that are counted in `tally`."""
    found = tally.ways.get((version, backend))
    if found is None:
        found = tally.ways[version, backend] = Ways(tally, version, backend)
    return found
