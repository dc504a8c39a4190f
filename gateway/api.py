"""Everything an adapter may import; nothing else of the gateway is promised to stay as it is.

adapters/README.md shows how it goes together.
"""

from gateway.dialect.adapter import (
    Adapter,
    Memory,
    backend_call,
    backend_result,
    charger_call,
    charger_result,
)
from gateway.dialect.adapter import AdapterMessage as Message
from gateway.dialect.facts import Facts
from gateway.dialect.match import Match
from gateway.dialect.transactions import OpenTransactions
from gateway.ocpp.flags import FlagCode

__all__ = [
    "Adapter",
    "Facts",
    "FlagCode",
    "Match",
    "Memory",
    "Message",
    "OpenTransactions",
    "backend_call",
    "backend_result",
    "charger_call",
    "charger_result",
]
