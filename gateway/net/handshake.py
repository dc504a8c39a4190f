"""Reading a charger's WebSocket handshake: what it asks for, what is odd about it, why it is refused.

Pure functions over the bytes of the HTTP head. Chargers' HTTP is as varied as their OCPP, so in tolerant
mode an oddity with one reading is flagged, and only what cannot work is refused, with a line of text that
tells an installer what to change. Anything that two parties could read differently (request smuggling) is
refused in both modes.
"""

import base64
import binascii
import ssl
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from gateway.config import Listen
from gateway.net import deflate
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Version

MAX_HEAD_BYTES = 16_384
MAX_LINE_BYTES = 8_192
MAX_HEADERS = 64
ID_LENGTH = 48  # OCPP 2.0.1 part 4 §3.1.1 (identifierString)
MAX_ID_LENGTH = 64
MAX_QUOTED = 80

_ONCE = ("host", "upgrade", "sec-websocket-key", "sec-websocket-version", "content-length", "authorization")
_BROWSER = ("sec-fetch-mode", "sec-fetch-site", "sec-fetch-dest", "cookie")
_PLAIN_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-_=:+@.| ")
_CONTROLS = bytes({*range(32), 127} - {9})  # never in a header's value (RFC 9110 §5.5)
_NEVER_IN_ID = frozenset("/\\%<>\"'`")


class Refusal(Exception):
    """The handshake is answered with an HTTP error: `reason` counts it, `line` tells an installer why."""

    def __init__(self, status: int, reason: str, line: str, retry_after_s: int = 0) -> None:
        super().__init__(status, reason, line)
        self.status = status
        self.reason = reason
        self.line = line
        self.retry_after_s = retry_after_s
        self.charger_id = ""


REASONS = {
    "bad-request": "The request is not HTTP/1.1 as a WebSocket client sends it.",
    "not-a-charger": "A browser or scanner, not a charger.",
    "path-unknown": "The path is not under `listen.path`, or has no charger id.",
    "id-not-allowed": "The charger id has impossible characters or is not in `listen.charger_ids`.",
    "no-common-subprotocol": "The charger speaks none of `listen.versions`.",
    "websocket-version": "The client speaks a WebSocket version other than 13.",
    "duplicate": "The same charger is already connected and alive.",
    "backend-away": "The backend does not answer at present.",
    "backend-refused": "The backend refused this charger (unknown id or wrong password).",
    "tls": "No TLS came to a TLS port, or it failed: its version, or the charger distrusts the certificate.",
    "overload": "A limit of `[limits]` is reached.",
    "timeout": "The handshake took longer than `limits.handshake_s`.",
}


def without_tls(error: OSError) -> Refusal:
    """Why TLS with a charger failed, by what the loop or OpenSSL says of it."""
    reason = getattr(error, "reason", None) or ""
    words = reason.rpartition("ALERT_")[2].replace("_", " ").lower()
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        cure = "install its authority there, or use a certificate that it trusts"
        return Refusal(400, "tls", f"the charger does not accept listen.tls_certificate: {words}; {cure}")
    if isinstance(error, ssl.SSLError):
        return Refusal(400, "tls", f"TLS fails: {words or error}; the charger needs TLS 1.2 or later")
    if isinstance(error, ConnectionAbortedError):
        return Refusal(408, "timeout", "the TLS handshake took too long")
    return Refusal(400, "tls", "the charger ended TLS without a word; does it trust listen.tls_certificate?")


class Offer(Struct, frozen=True):
    """A handshake that can be accepted.

    `charger_id` is decoded; `versions` are in the charger's order, each with the token it used for it;
    `extension` is the answer to an offer of permessage-deflate, "" for none; `key` the client's key.
    """

    charger_id: str
    versions: tuple[tuple[Version, str], ...]
    key: str
    authorization: str = ""
    extension: str = ""
    flags: tuple[Flag, ...] = ()

    @property
    def registry_key(self) -> str:
        return registry_key(self.charger_id)


def registry_key(charger_id: str) -> str:
    """Ids that differ in case or Unicode form name one charger (OCPP 2.0.1: identifierString)."""
    return unicodedata.normalize("NFC", charger_id).casefold()


def url_segment(charger_id: str) -> str:
    """The id as one segment of a URL path: nothing in it can end the segment or the request line."""
    return quote(charger_id, safe="*-_=:+@.~")


class Head(Struct, frozen=True):
    """An HTTP request head: the target as sent, and the headers by lower-case name."""

    target: str
    headers: dict[str, list[str]]

    def get(self, name: str) -> str:
        return ", ".join(self.headers.get(name, ()))


def read_head(head: bytes) -> Head:
    """Take the head (all before the empty line) apart; raises Refusal for anything not plain HTTP/1.1 GET."""
    if b"\n" in head.replace(b"\r\n", b"") or b"\r" in head.replace(b"\r\n", b""):
        raise _bad("bare line feed in the request")
    request_line, *lines = head.split(b"\r\n")
    parts = request_line.split(b" ")
    if len(parts) != 3 or not parts[1].startswith(b"/") or not parts[1].isascii():
        raise _bad("the first line is not an HTTP request")
    method, target, version = parts
    if method != b"GET":
        raise Refusal(405, "not-a-charger", "only WebSocket upgrades by GET are served here")
    if version != b"HTTP/1.1":
        raise _bad("HTTP/1.1 is needed for WebSocket")
    if len(lines) > MAX_HEADERS or max(map(len, (request_line, *lines))) > MAX_LINE_BYTES:
        raise Refusal(431, "bad-request", "the request has too many or too long header lines")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _is_token(name) or value.translate(None, _CONTROLS) != value:
            raise _bad("a header line is malformed")
        headers.setdefault(name.decode().lower(), []).append(value.strip(b" \t").decode("latin-1"))
    for once in _ONCE:
        if len(headers.get(once, ())) > 1:
            raise _bad(f"the header {once} is there twice")
    if headers.get("content-length", ["0"]) != ["0"] or "transfer-encoding" in headers:
        raise _bad("a WebSocket handshake has no body")
    return Head(target.decode(), headers)


def judge(head: Head, listen: Listen) -> Offer:
    """What the charger asks for; raises Refusal when it cannot be had."""
    strict = listen.handshake == "strict"
    flags: list[FlagCode] = []
    if not head.get("upgrade") and "sec-websocket-key" not in head.headers:
        raise Refusal(426, "not-a-charger", "this is an OCPP WebSocket endpoint, not a web page")
    if any(name in head.headers for name in _BROWSER):
        raise Refusal(403, "not-a-charger", "browsers are not served here")
    _check_upgrade(head, flags)
    charger_id = _charger_id(head.target, listen, flags)
    try:
        versions = _versions(head, listen, flags)
    except Refusal as refusal:
        refusal.charger_id = charger_id
        raise
    if strict and flags:
        raise _bad(f"the handshake is not to the letter ({flags[0].value}) and listen.handshake is strict")
    offered = any(version in listen.compression for version, _ in versions)
    extension = deflate.negotiate(head.get("sec-websocket-extensions")) if offered else None
    return Offer(
        charger_id,
        versions,
        _key(head),
        head.get("authorization"),
        extension or "",
        tuple(Flag(code) for code in flags),
    )


def _check_upgrade(head: Head, flags: list[FlagCode]) -> None:
    """RFC 6455 §4.2.1, items 3, 4 and 6; what is missing is clear from the rest."""
    upgrade = head.get("upgrade")
    if upgrade != "websocket":
        if upgrade and "websocket" not in upgrade.lower():
            raise _bad("the Upgrade header does not say websocket")
        flags.append(FlagCode.HANDSHAKE_UPGRADE_HEADER)
    if head.get("connection").lower() != "upgrade":
        flags.append(FlagCode.HANDSHAKE_CONNECTION_HEADER)
    version = head.get("sec-websocket-version")
    if version != "13":
        if version and "13" not in (part.strip() for part in version.split(",")):
            raise Refusal(426, "websocket-version", "Sec-WebSocket-Version 13 is spoken here")
        flags.append(FlagCode.HANDSHAKE_VERSION_HEADER)


def _key(head: Head) -> str:
    key = head.get("sec-websocket-key")
    try:
        if len(base64.b64decode(key, validate=True)) == 16:
            return key
    except (binascii.Error, ValueError):
        pass
    raise _bad("Sec-WebSocket-Key is missing or not 16 bytes in base64")


def _charger_id(target: str, listen: Listen, flags: list[FlagCode]) -> str:
    """The id that the path names (OCPP-J 1.6 §3.1.1), decoded once."""
    path, query, _ = target.partition("?")
    path, ampersand, _ = path.partition("&")
    if query or ampersand:
        flags.append(FlagCode.PATH_TAIL)
    if "//" in path or (len(path) > 1 and path.endswith("/")):
        flags.append(FlagCode.PATH_SLASHES)
    segments = [segment for segment in path.split("/") if segment]
    prefix = [segment for segment in listen.path.split("/") if segment]
    if segments[: len(prefix)] != prefix:
        raise Refusal(
            404, "path-unknown", f"unknown path {_quoted(path)}: the URL must begin with {listen.path}"
        )
    segments = segments[len(prefix) :]
    if segments and segments[-1].lower() in ("ocpp1.6", "ocpp1.6j", "socpp1.6", "ocpp2.0.1", "ocpp2.1"):
        flags.append(FlagCode.PATH_PROTOCOL_WORD)
        segments.pop()
    if not segments:
        where = listen.path.rstrip("/")
        raise Refusal(404, "path-unknown", f"no charger id in the URL: it must end with {where}/<charger id>")
    candidates = [_decoded(segment) for segment in reversed(segments)]
    for position, charger_id in enumerate(candidates):
        if charger_id and listen.allows(charger_id):
            if position:
                flags.append(FlagCode.IDENTITY_APPENDED)
            if len(charger_id) > ID_LENGTH or not _PLAIN_ID.issuperset(charger_id):
                flags.append(FlagCode.ID_UNUSUAL)
            spelling = listen.spelling(charger_id)
            if spelling != charger_id:
                flags.append(FlagCode.ID_CASE)
            return spelling
    if not candidates[0]:
        raise Refusal(
            400,
            "id-not-allowed",
            f"the charger id in {_quoted(path)} must be 1 to {MAX_ID_LENGTH} printable characters "
            f"other than {' '.join(sorted(_NEVER_IN_ID))}",
        )
    raise Refusal(404, "id-not-allowed", f"the charger id {candidates[0]} is not in listen.charger_ids")


def _decoded(segment: str) -> str:
    """The id a path segment spells, or "" when it cannot be one."""
    try:
        text = unquote_to_bytes(segment).decode().strip()
    except UnicodeDecodeError:
        return ""
    usable = text.isprintable() and not _NEVER_IN_ID.intersection(text) and text.strip(".") != ""
    return text if usable and 0 < len(text) <= MAX_ID_LENGTH else ""


_SPELLINGS = {"ocpp16": Version.V16, "ocpp201": Version.V201, "ocpp21": Version.V21}
_REGISTERED = {version.subprotocol: version for version in Version}


def _versions(head: Head, listen: Listen, flags: list[FlagCode]) -> tuple[tuple[Version, str], ...]:
    """The versions both sides speak, in the charger's order (OCPP-J 1.6 §3.1.2)."""
    tokens = [token.strip() for token in head.get("sec-websocket-protocol").split(",")]
    tokens = [token for token in tokens if token]
    if not tokens:
        flags.append(FlagCode.SUBPROTOCOL_MISSING)
        return ((listen.default_version, ""),)
    known: list[tuple[Version, str]] = []
    for token in tokens:
        version = _REGISTERED.get(token) or _spelt(token)
        if version in listen.versions and version not in (v for v, _ in known):
            assert version is not None
            known.append((version, token))
    if not known:
        spoken = ", ".join(version.subprotocol for version in listen.versions)
        line = (
            f"no common sub-protocol: the charger offers {_quoted(', '.join(tokens))}; spoken here: {spoken}"
        )
        raise Refusal(400, "no-common-subprotocol", line)
    if any(token not in _REGISTERED for _, token in known):
        flags.append(FlagCode.SUBPROTOCOL_SPELLING)
    return tuple(known)


def _spelt(token: str) -> Version | None:
    """The version an unregistered token clearly means: other case, without dots, with 1.6's popular J."""
    plain = "".join(character for character in token.lower() if character.isalnum())
    return _SPELLINGS.get(plain.removesuffix("j") if plain == "ocpp16j" else plain)


def _quoted(text: str) -> str:
    """What a charger sent, for a line of text: printable ASCII, and not much of it."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:MAX_QUOTED])


def _is_token(name: bytes) -> bool:
    return (
        bool(name)
        and all(byte in b"!#$%&'*+-.^_`|~" or chr(byte).isalnum() for byte in name)
        and name.isascii()
    )


def _bad(line: str) -> Refusal:
    return Refusal(400, "bad-request", line)
