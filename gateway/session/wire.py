"""The CALLs on their way to a backend of another version: one is out, the others wait in two lines.

Live ones (status, heartbeat, authorisation, boot) may overtake messages of transactions, which keep their
order among each other.
"""

from collections import deque
from itertools import chain

from msgspec import Struct

from gateway.ocpp import frame
from gateway.session.calls import REMEMBERED_IDS
from gateway.translate.port import ToBackend

MOST_WAITING = 256


class WireCall(Struct, gc=False):
    """A CALL on its way to the backend, in the backend's version. `sent_at` is the session's clock."""

    order: ToBackend
    id: str
    frame: bytes
    sent_at: float = 0.0


class Wire:
    """At most one CALL is `out`. An id is not used twice among the last ones of a link."""

    def __init__(self) -> None:
        self.out: WireCall | None = None
        self._live: deque[WireCall] = deque()
        self._transactions: deque[WireCall] = deque()
        self._ids: deque[str] = deque(maxlen=REMEMBERED_IDS)

    def add(self, order: ToBackend, payload: bytes, wanted_id: str = "") -> list[ToBackend]:
        """A CALL gets in line, under `wanted_id` if that is free; what there is no room for any more."""
        waiting = {call.id for call in chain(self._live, self._transactions)}
        is_free = wanted_id and len(wanted_id) <= frame.MAX_ID_LENGTH
        if not is_free or wanted_id in self._ids or wanted_id in waiting:
            wanted_id = f"gateway-t{order.token}"
        line = self._live if order.live else self._transactions
        line.append(WireCall(order, wanted_id, frame.call(wanted_id, order.action, payload)))
        return [line.popleft().order] if len(line) > MOST_WAITING else []

    def next(self, now: float) -> WireCall | None:
        """The CALL whose turn it is, if the way is free: it is out from now on."""
        if self.out is not None or not (self._live or self._transactions):
            return None
        self.out = call = (self._live or self._transactions).popleft()
        self._ids.append(call.id)
        call.sent_at = now
        return call

    def answered(self, id_: str) -> WireCall | None:
        """The CALL that an answer with this id is for; it is out no longer."""
        if self.out is None or self.out.id != id_:
            return None
        call, self.out = self.out, None
        return call

    def clear(self) -> list[WireCall]:
        """Forget everything, for the link is gone; the CALLs that got no answer, in their order."""
        gone = [*([self.out] if self.out else []), *self._transactions, *self._live]
        self.out = None
        for line in (self._live, self._transactions, self._ids):
            line.clear()
        return gone

    def action_of(self, id_: str) -> str | None:
        """The action of the CALL that an answer with this id would be for."""
        return self.out.order.action if self.out is not None and self.out.id == id_ else None

    def ids(self) -> list[str]:
        """The ids an answer may come for now."""
        return [self.out.id] if self.out is not None else []
