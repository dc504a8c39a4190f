"""Taking secrets out of text that somebody will read."""

import re

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"authorization$|authorizationkey|password|passwd|secret|token$|cookie|private_?key", re.I
)
_ANY = re.compile(r"authorization|basicauthpassword|basic |bearer |:\\?/\\?/", re.I)
_SECRET_VARIABLE = re.compile(r"authorizationkey|basicauthpassword", re.I)
# Backslashes before a quote: JSON within JSON. Every repetition is bounded, or begins at a rare character.
_QUOTE = r"""\\{0,8}["']"""
_VALUE = re.compile(
    rf"""({_QUOTE}(?:attribute)?value{_QUOTE}\s*:\s*)(?:(\\{{0,8}}["'])(?:(?!\2).)*(?:\2|$)|[^\s,}}\]]+)""",
    re.I | re.S,
)
_ASSIGNED = re.compile(
    rf"""((?:authorizationkey|basicauthpassword)(?:{_QUOTE})?\s*[=:]\s*)(\\{{0,8}}["']?)[^\s"'\\,}}\]]+""",
    re.I,
)
_HEADER = re.compile(
    rf"""(authorization(?:{_QUOTE})?\s*[:=,]\s*(?:b?{_QUOTE})?)(?:(?:basic|bearer|digest)\s+)?[^\s"'\\,}}\])]+""",
    re.I,
)
_CREDENTIALS = re.compile(r"\b((?i:basic|bearer))\s+(?=[a-z+/_.~-]*[A-Z0-9=])[A-Za-z0-9+/=_.~-]{6,}")
_USERINFO = re.compile(r"(:\\?/\\?/)[^\s/?#\"'@]*(?:@[^\s/?#\"'@]*)*@")


def is_secret(name: str) -> bool:
    """Whether a field of this name holds something that nobody should read."""
    return _SECRET_NAME.search(name) is not None


def may_hold_secret(text: str) -> bool:
    """Whether `redacted` could find anything: one quick look."""
    return _ANY.search(text) is not None


def redacted(text: str, length: int) -> str:
    """The first `length` characters of `text`, with `***` for what is secret in them.

    Secret are HTTP credentials, the values of OCPP's AuthorizationKey (ChangeConfiguration, 1.6 security
    extension) and BasicAuthPassword (SetVariables), and the user part of URLs. A text that names one of
    these keys anywhere loses every `value` and `attributeValue`, since the value may come before its name.
    """
    if not may_hold_secret(text):
        return text[:length]
    names_a_key = _SECRET_VARIABLE.search(text) is not None
    text = text[:length]
    if names_a_key:
        text = _ASSIGNED.sub(rf"\1\2{HIDDEN}", _VALUE.sub(rf"\1\2{HIDDEN}\2", text))
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _CREDENTIALS.sub(rf"\1 {HIDDEN}", text)
    return _USERINFO.sub(rf"\1{HIDDEN}@", text)
