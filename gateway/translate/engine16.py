"""What the translators between 1.6 and 2.0.1 say of every message, whatever its subject."""

from collections.abc import Iterator
from typing import Final

from gateway.ocpp.message import Version
from gateway.translate.engine import Engine
from gateway.translate.losses import Loss, lost
from gateway.translate.port import Answer, AnswerBackend, BackendCall, ChargerCall, Order, Refused
from gateway.translate.values import compact

_LONGEST_VALUE: Final = 200
_ANY_JSON: Final = "data"


class Engine16(Engine):
    """An engine one of whose ends speaks 1.6, the other 2.0.1."""

    def charger_call(self, call: ChargerCall, now: float) -> list[Order]:
        """The charger asks, or the outbox delivers what it asked."""
        self._tell_custom_data(self.charger_version, call.payload)
        return super().charger_call(call, now)

    def backend_call(self, call: BackendCall, now: float) -> list[Order]:
        """The backend asks. That only the gateway has heard it is said, where nothing else was."""
        self._tell_custom_data(self.backend_version, call.payload)
        orders = super().backend_call(call, now)
        match orders:
            case [AnswerBackend(answer=answer)]:
                said = answer.description if isinstance(answer, Refused) else compact(answer)
                return [*orders, lost(Loss.LOCAL_STATE, call.action, "", said[:_LONGEST_VALUE])]
        return orders

    def backend_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The backend's answer to `ToBackend`."""
        self._tell_custom_data(self.backend_version, answer)
        return super().backend_answered(token, answer, now)

    def charger_answered(self, token: int, answer: Answer, now: float) -> list[Order]:
        """The charger's answer to `ToCharger`."""
        self._tell_custom_data(self.charger_version, answer)
        return super().charger_answered(token, answer, now)

    def name_at_backend(self, id_: int | str) -> int | str | None:
        """The other of a transaction's two names."""
        if isinstance(id_, str):
            of_201 = self.memory.transaction201(id_)
            return of_201.id16 if of_201 is not None else None
        of_16 = self.memory.transaction16(id_)
        return of_16.id201 if of_16 is not None else None

    def _tell_custom_data(self, version: Version, payload: object) -> None:
        """What a vendor adds to messages of 2.x has no place in 1.6."""
        if version is not Version.V16:
            for place, value in _custom_data(payload, ""):
                self.lose(Loss.FIELD_DROPPED, place, compact(value)[:_LONGEST_VALUE])


def _custom_data(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, member in value.items():
            place = f"{path}.{name}" if path else name
            if name == "customData":
                yield place, member
            elif name != _ANY_JSON:
                yield from _custom_data(member, place)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _custom_data(member, f"{path}[{index}]")
