"""Two translators as one: what leaves the first enters the second."""

import msgspec
from msgspec import structs

from gateway.ocpp.message import Version
from gateway.translate.parts import HOT, Parts
from gateway.translate.port import (
    SILENCE,
    Answer,
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    NoAnswer,
    Order,
    Payload,
    Refused,
    ToBackend,
    ToCharger,
    Translator,
)


class Chain:
    """A translator for charger and the version between, and one for the version between and the backend."""

    def __init__(self, near: Translator, far: Translator) -> None:
        self.near = near
        self.far = far
        self.charger_version: Version = near.charger_version
        self.backend_version: Version = far.backend_version
        self._undelivered = False
        self._call: ChargerCall | None = None

    @property
    def changed(self) -> bool:
        """Whether either has something new to remember."""
        return self.near.changed or self.far.changed

    @changed.setter
    def changed(self, value: bool) -> None:
        self.near.changed = self.far.changed = value

    @property
    def heard_here(self) -> str:
        """The charger's CALL that the session has answered itself: its id is known to the first alone."""
        return self.near.heard_here

    @heard_here.setter
    def heard_here(self, value: str) -> None:
        self.near.heard_here = value

    @property
    def due(self) -> float:
        """When either wants to be told the time."""
        return min(self.near.due, self.far.due)

    @property
    def listens(self) -> bool:
        """Whether both can do something with a stored message."""
        return self.near.listens and self.far.listens

    def charger_call(self, call: ChargerCall, now: float) -> list[Order]:
        """The charger asks, or the outbox delivers what it asked."""
        self._call = call
        orders = self._onward(self.near.charger_call(call, now), now)
        self._call = None
        return orders

    def backend_call(self, call: BackendCall, now: float) -> list[Order]:
        """The backend asks."""
        return self._back(self.far.backend_call(call, now), now)

    def backend_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The backend's answer to `ToBackend`."""
        return self._back(self.far.backend_answered(token, answer, now), now)

    def charger_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The charger's answer to `ToCharger`."""
        return self._onward(self.near.charger_answered(token, answer, now), now)

    def charger_opened(self, now: float) -> list[Order]:
        """The charger has connected (again)."""
        return self._onward(self.near.charger_opened(now), now) + self._back(
            self.far.charger_opened(now), now
        )

    def backend_opened(self, now: float) -> list[Order]:
        """The backend's link is there (again)."""
        return self._back(self.far.backend_opened(now), now) + self._onward(
            self.near.backend_opened(now), now
        )

    def backend_closed(self, now: float) -> list[Order]:
        """The backend's link is gone."""
        return self._back(self.far.backend_closed(now), now) + self._onward(
            self.near.backend_closed(now), now
        )

    def resumed(self, now: float) -> list[Order]:
        """Both ends are there (again)."""
        return self._back(self.far.resumed(now), now) + self._onward(self.near.resumed(now), now)

    def name_at_backend(self, id_: int | str) -> int | str | None:
        """The second translator's name for what the first calls a transaction."""
        between = self.near.name_at_backend(id_)
        return None if between is None else self.far.name_at_backend(between)

    def time_passed(self, now: float) -> list[Order]:
        """`due` has come."""
        return self._onward(self.near.time_passed(now), now) + self._back(self.far.time_passed(now), now)

    def stores(self, action: str, payload: Payload) -> bool:
        """Whether either wants this CALL in its place."""
        return self.near.stores(action, payload) or self.far.stores(action, payload)

    def parts(self, everything: bool = False) -> Parts:
        """Both memories, as one part."""
        return {HOT: self.snapshot()}

    def snapshot(self) -> bytes:
        """Both memories, as JSON."""
        both = {"near": msgspec.Raw(self.near.snapshot()), "far": msgspec.Raw(self.far.snapshot())}
        return msgspec.json.encode(both)

    def _onward(self, orders: list[Order], now: float) -> list[Order]:
        """What the first translator wants; what is for the backend is for the second."""
        made: list[Order] = []
        for order in orders:
            match order:
                case ToBackend(token, action, payload):
                    made += self._back(
                        self.far.charger_call(self._passed(token, action, payload, now), now), now
                    )
                case AnswerBackend(id_, answer):
                    made += self._back(self.far.charger_answered(int(id_), answer, now), now)
                case AnswerCharger(id_, Refused() as refused) if self._undelivered:
                    made.append(AnswerCharger(id_, refused, False))
                case _:
                    made.append(order)
        return made

    def _passed(self, token: int, action: str, payload: Payload, now: float) -> ChargerCall:
        call = self._call
        if call is None or call.action != action:
            return ChargerCall(str(token), action, payload, now)
        return structs.replace(call, id=str(token), payload=payload)

    def _back(self, orders: list[Order], now: float) -> list[Order]:
        """What the second translator wants; what is for the charger is for the first."""
        made: list[Order] = []
        for order in orders:
            match order:
                case ToCharger(token, action, payload):
                    call = BackendCall(str(token), action, payload)
                    made += self._onward(self.near.backend_call(call, now), now)
                case AnswerCharger(id_, answer, delivered):
                    self._undelivered = not delivered
                    got = NoAnswer() if answer == SILENCE else answer
                    made += self._onward(self.near.backend_answered(int(id_), got, now), now)
                    self._undelivered = False
                case _:
                    made.append(order)
        return made


def halves(snapshot: bytes) -> tuple[bytes, bytes]:
    """The two memories of a `Chain`'s snapshot; nothing where it is that of another translator."""
    if not snapshot:
        return b"", b""
    both = msgspec.json.decode(snapshot, type=dict[str, msgspec.Raw])
    return bytes(both.get("near", b"")), bytes(both.get("far", b""))
