"""Which translator two versions need."""

from collections.abc import Callable
from typing import Final

from gateway.ocpp.message import Version
from gateway.translate.charger16_backend201.translator import Charger16Backend201
from gateway.translate.charger201_backend16.translator import Charger201Backend16
from gateway.translate.policies import Policies
from gateway.translate.port import Translator

Maker = Callable[[Policies, bytes, str], Translator]

_MAKERS: Final[dict[tuple[Version, Version], Maker]] = {
    (Version.V16, Version.V201): Charger16Backend201,
    (Version.V201, Version.V16): Charger201Backend16,
}


def translator_for(
    charger_version: Version,
    backend_version: Version,
    policies: Policies | None = None,
    snapshot: bytes = b"",
    station: str = "",
) -> Translator | None:
    """The translator for a charger of one version behind a backend of another; None when they share one.

    `snapshot` is what its predecessor for this charger remembered. `station` is the charger's id:
    transaction ids are made of it, among other things. KeyError when there is no translator for the two.
    """
    if charger_version is backend_version:
        return None
    return _MAKERS[charger_version, backend_version](policies or Policies(), snapshot, station)
