"""Which translator two versions need."""

from collections.abc import Callable
from typing import Final

from gateway.ocpp.message import Version
from gateway.translate.bridge21.translator import Charger21Backend201, Charger201Backend21
from gateway.translate.chain import Chain, halves
from gateway.translate.charger16_backend201.translator import Charger16Backend201
from gateway.translate.charger201_backend16.translator import Charger201Backend16
from gateway.translate.policies import Policies
from gateway.translate.port import Translator

Maker = Callable[[Policies, bytes, str], Translator]


def _chained(near: Maker, far: Maker) -> Maker:
    def make(policies: Policies, snapshot: bytes, station: str) -> Translator:
        one, other = halves(snapshot)
        return Chain(near(policies, one, station), far(policies, other, station))

    return make


V16, V201, V21 = Version

_MAKERS: Final[dict[tuple[Version, Version], Maker]] = {
    (V16, V201): Charger16Backend201,
    (V201, V16): Charger201Backend16,
    (V21, V201): Charger21Backend201,
    (V201, V21): Charger201Backend21,
    (V21, V16): _chained(Charger21Backend201, Charger201Backend16),
    (V16, V21): _chained(Charger16Backend201, Charger201Backend21),
}

PAIRS: Final = tuple(_MAKERS)
"""The versions of charger and backend between which a translator stands."""


def translator_for(
    charger_version: Version,
    backend_version: Version,
    policies: Policies | None = None,
    snapshot: bytes = b"",
    station: str = "",
) -> Translator | None:
    """The translator for a charger of one version behind a backend of another; None when they share one.

    `snapshot` is what its predecessor for this charger remembered. `station` is the charger's id: transaction
    ids are made of it, among other things.
    """
    if charger_version is backend_version:
        return None
    return _MAKERS[charger_version, backend_version](policies or Policies(), snapshot, station)
