"""idTag of 1.6 ↔ idToken of 2.x, and what a backend says about them."""

import re
from base64 import b32encode
from hashlib import sha256
from typing import Final

from gateway.ocpp.values import dumps
from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.memory import LONGEST_ALIASES, Memory, remember
from gateway.translate.port import Payload, Severity
from gateway.translate.tables import AUTHORISATION

LONGEST_TAG: Final = 20

_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_EMAID: Final = re.compile(r"[A-Za-z]{2}-?[A-Za-z0-9]{3}-?[A-Za-z0-9]{9}(?:-?[A-Za-z0-9])?")
_DROPPED: Final = ("chargingPriority", "language1", "language2", "personalMessage")


def alias(token: Payload) -> str:
    """The idTag that stands for a token too long for one: the same everywhere and always."""
    content = f"{token['type']}:{token['idToken']}"
    return "GW" + b32encode(sha256(content.encode()).digest()).decode()[:18]


def token_of(memory: Memory, id_tag: str, mac_tokens: bool = False) -> Payload:
    """The idToken for an idTag: the original behind an alias, the type last seen, else by its form."""
    key = id_tag.casefold()
    if (original := memory.aliases.get(key)) is not None:
        return original
    return {"idToken": id_tag, "type": memory.token_types.get(key) or _type_by_form(id_tag, mac_tokens)}


def _type_by_form(id_tag: str, mac_tokens: bool) -> str:
    if _HEX.fullmatch(id_tag):
        if len(id_tag) in (8, 14, 20):
            return "ISO14443"
        if len(id_tag) == 16 and id_tag.upper().startswith("E0"):
            return "ISO15693"
        if len(id_tag) == 12 and mac_tokens:
            return "MacAddress"
    return "eMAID" if _EMAID.fullmatch(id_tag) else "Central"


def tag_of(t: Engine, token: Payload, path: str, aliased: Severity = Severity.INFO) -> str:
    """The idTag for an idToken; a long one is remembered under its alias, else its type is."""
    text: str = token["idToken"]
    if token["type"] == "NoAuthorization" and not text:
        return t.policies.no_auth_id_tag[:LONGEST_TAG]
    if token["type"] == "eMAID" and len(text) > LONGEST_TAG >= len(text.replace("-", "")):
        text = text.replace("-", "")
    if len(text) > LONGEST_TAG:
        tag = alias(token)
        known = {key: token[key] for key in ("idToken", "type", "additionalInfo") if key in token}
        remember(t.memory.aliases, tag.casefold(), known, LONGEST_ALIASES)
        t.lose(Loss.TOKEN_ALIASED, path, "", tag, aliased)
        return tag
    remember(t.memory.token_types, text.casefold(), token["type"])
    if "additionalInfo" in token:
        t.lose(Loss.FIELD_DROPPED, f"{path}.additionalInfo")
    return text


def told_tag(t: Engine, token: Payload) -> str:
    """The idTag that a 1.6 backend hears for a 2.x charger's idToken, and nothing of its type."""
    t.lose(Loss.FIELD_DROPPED, "idToken.type", token["type"])
    return tag_of(t, token, "idToken", Severity.WARN)


def id_tag_info(t: Engine, info: Payload, path: str, narrowed: Severity = Severity.WARN) -> Payload:
    """idTagInfo (1.6) of an idTokenInfo (2.x)."""
    status = AUTHORISATION.down(info["status"]) or "Invalid"
    if status != info["status"]:
        t.lose(Loss.ENUM_NARROWED, f"{path}.status", info["status"], status, narrowed)
    made = {"status": status}
    if "cacheExpiryDateTime" in info:
        made["expiryDate"] = info["cacheExpiryDateTime"]
    if "groupIdToken" in info:
        made["parentIdTag"] = tag_of(t, info["groupIdToken"], f"{path}.groupIdToken")
    for key in _DROPPED:
        if key in info:
            t.lose(Loss.FIELD_DROPPED, f"{path}.{key}", dumps(info[key]))
    if "evseId" in info:
        severity = Severity.WARN if status == "Accepted" else Severity.INFO
        t.lose(Loss.FIELD_DROPPED, f"{path}.evseId", dumps(info["evseId"]), severity=severity)
    return made


def id_token_info(t: Engine, info: Payload) -> Payload:
    """idTokenInfo (2.0.1) of an idTagInfo (1.6)."""
    made: Payload = {"status": AUTHORISATION.up(info["status"]) or "Invalid"}
    if "expiryDate" in info:
        made["cacheExpiryDateTime"] = info["expiryDate"]
    if "parentIdTag" in info:
        made["groupIdToken"] = group_token(t.memory, info["parentIdTag"])
    return made


def group_token(memory: Memory, parent: str) -> Payload:
    """The token of a group that a 1.6 backend names by its parentIdTag."""
    key = parent.casefold()
    return memory.aliases.get(key) or {"idToken": parent, "type": memory.token_types.get(key, "Central")}


def same_tag(one: str | None, other: str | None) -> bool:
    """Whether two tags are the same to OCPP: without regard to case."""
    return one is not None and other is not None and one.casefold() == other.casefold()
