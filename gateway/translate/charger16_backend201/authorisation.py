"""Authorize, and what is known of tokens without asking."""

from typing import Final

from gateway.translate.charger16_backend201.common import failed
from gateway.translate.charger16_backend201.cost import show_price
from gateway.translate.engine import BACKEND, Ask, Engine, How, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import Authorisation, remember
from gateway.translate.port import ChargerCall, Payload
from gateway.translate.tokens import id_tag_info, token_of

rules = Rules()

FRESH_S: Final = 86_400.0
_CACHED: Final = ("status", "groupIdToken", "cacheExpiryDateTime")


@rules.charger_call(
    "Authorize", How.TRANSLATED, "Authorize", Loss.FIELD_DROPPED, Loss.ENUM_NARROWED, Loss.TOKEN_ALIASED
)
def authorize(t: Engine, call: ChargerCall) -> Steps:
    """A token is shown."""
    tag = call.payload["idTag"]
    token = token_of(t.memory, tag, t.policies.mac_tokens)
    answer = yield Ask(BACKEND, "Authorize", {"idToken": token}, live=True)
    if not isinstance(answer, dict):
        return failed(t, "Authorize", answer)
    if "certificateStatus" in answer:
        t.lose(Loss.FIELD_DROPPED, "certificateStatus", answer["certificateStatus"])
    return {"idTagInfo": authorised(t, tag, answer["idTokenInfo"])}


def authorised(t: Engine, tag: str, info: Payload) -> Payload:
    """The backend's word on a token as idTagInfo; it is remembered, and its price shown where that can be."""
    known: Payload = {key: info[key] for key in _CACHED if key in info}
    remember(t.memory.authorisations, tag.casefold(), Authorisation(known, t.now))
    return id_tag_info(t, show_price(t, tag, info, "idTokenInfo"), "idTokenInfo")


def recent_info(t: Engine, tag: str) -> Payload | None:
    """What the backend said about a token within the last day."""
    known = t.memory.authorisations.get(tag.casefold())
    if known is None or t.now - known.at > FRESH_S:
        return None
    return id_tag_info(t, known.info, "idTokenInfo")


def local_info(t: Engine, tag: str) -> Payload:
    """What a token is worth while the backend cannot be asked."""
    if (known := recent_info(t, tag)) is not None:
        return known
    return {"status": "Accepted" if t.policies.offline_unknown_id == "accept" else "Invalid"}
