"""A memory in the parts in which it is stored: what changes with each message, and what may be much.

`translate` has what changes often, and the transactions that are open; `COLD` names the others. A part is
written when it differs from what was written of it last, so that a message costs what it changes.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from gateway.translate.memory import Memory, json_of

HOT: Final = "translate"
DEVICE: Final = "translate.device"
TOKENS: Final = "translate.tokens"
ENDED: Final = "translate.ended"
COLD: Final = frozenset({DEVICE, TOKENS, ENDED})
NOTHING: Final[frozenset[str]] = frozenset()
"""None of them."""

_FIELDS: Final = {
    DEVICE: ("configuration", "device_model", "mutability"),
    TOKENS: ("authorisations", "aliases", "token_types", "groups"),
}
_EMPTY: Final = Memory()
_ELSEWHERE: Final[dict[str, Any]] = {
    field: getattr(_EMPTY, field) for fields in _FIELDS.values() for field in fields
}
_TOLD_S: Final = 60.0

Parts = dict[str, bytes]
_Objects: Final = msgspec.json.Decoder(dict[str, Raw])
_Lists: Final = msgspec.json.Decoder(list[Raw])


def parts_of(memory: Memory, cold: frozenset[str] | set[str]) -> Parts:
    """The hot part, and these of the cold ones."""
    places = [place for place, tx in enumerate(memory.transactions) if tx.is_open]
    hot = structs.replace(
        memory,
        transactions=[memory.transactions[place] for place in places],
        places=places,
        told_at=memory.told_at // _TOLD_S * _TOLD_S,  # that time has passed is no reason to write
        **_ELSEWHERE,
    )
    made = {HOT: json_of(hot)}
    for name in cold & _FIELDS.keys():
        made[name] = json_of({field: getattr(memory, field) for field in _FIELDS[name]})
    if ENDED in cold:
        made[ENDED] = json_of([tx for tx in memory.transactions if not tx.is_open])
    return made


def whole(parts: Mapping[str, bytes]) -> bytes:
    """The snapshot that these parts of the store make; nothing when there are none.

    An older gateway wrote all of it as one part, and two translators in a row still do.
    """
    made = _Objects.decode(parts.get(HOT) or b"{}")
    for name in _FIELDS:
        made |= _Objects.decode(parts.get(name) or b"{}")
    if ENDED in parts:
        transactions = _Lists.decode(parts[ENDED])
        opened = _Lists.decode(made.get("transactions", b"[]"))
        for place, tx in zip(msgspec.json.decode(made.pop("places", b"[]")), opened, strict=True):
            transactions.insert(place, tx)
        made["transactions"] = Raw(json_of(transactions))
    return json_of(made) if made else b""
