"""What a clean message of each kind is looked at with, worked out when the first of the kind comes."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.dialect.clean import Check, check_for
from gateway.dialect.judge import Look
from gateway.dialect.meaning import look_for
from gateway.ocpp.actions import may_send
from gateway.ocpp.message import MessageType, Sender, Version
from gateway.ocpp.schema import decoder

_CALLRESULT, _SEND = MessageType.CALLRESULT, MessageType.SEND


class KindOfMessage(Struct, frozen=True, gc=False):
    """What a clean message of one kind is looked at with; `decode` takes the whole frame of a CALL apart."""

    action: str
    decode: Callable[[bytes], tuple[int, str, str, Any]]
    check: Check
    look: Look | None
    is_request: bool
    may_hide: bool
    is_meter_values: bool


Kinds = dict[str | bytes, KindOfMessage]
"""By action, as text and as bytes."""

TABLES: Final[dict[Version, tuple[Kinds, Kinds, Kinds]]] = {version: ({}, {}, {}) for version in Version}
"""Per version: what chargers may ask, what backends may ask, and the answers. Filled at first use."""


def learned(
    kinds: Kinds, version: Version, sender: Sender | None, action: str, type_: MessageType
) -> KindOfMessage | None:
    """The kind of an action met for the first time, None for one that `sender` may not send."""
    if (sender is not None and not may_send(version, sender, action)) or (
        type_ is _SEND and version is not Version.V21
    ):
        return None
    is_request = type_ is not _CALLRESULT
    check = check_for(version, action, is_request)
    if check is None:
        return None
    is_16 = version is Version.V16
    is_meter_values = is_16 and is_request and action == "MeterValues"
    look = look_for(version, action, type_)
    kind = KindOfMessage(
        action, _whole_frame(version, action), check, look, is_request, is_16, is_meter_values
    )
    kinds[action.encode()] = kinds[action] = kind
    return kind


def _whole_frame(version: Version, action: str) -> Callable[[bytes], tuple[int, str, str, Any]]:
    """Decodes a CALL of the action, envelope and payload in one go."""
    payload = decoder(version, action, True)
    assert payload is not None
    return msgspec.json.Decoder(tuple[int, str, str, payload.type]).decode  # type: ignore[name-defined]
