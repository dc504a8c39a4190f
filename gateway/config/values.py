"""The values that TOML has no type for: addresses, secrets, and texts with a rule of their own.

Every function here takes what the file says and returns what the gateway uses, or raises ValueError with a
message that names the cure. No message repeats a secret.
"""

import os
import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from msgspec import Struct

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/]+)):(?P<port>\d+)", re.ASCII)

_PORT = re.compile(r":(\d+)\Z", re.ASCII)
_HIGHEST_PORT = 65535
_TOO_HIGH = "{} is no port; give one up to 65535"


class Address(Struct, frozen=True):
    """Where a socket listens; port 0 lets the system choose one."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> "Address":
        """From `host:port`, `[::1]:port` for IPv6."""
        found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValueError(
                'give host:port, such as "127.0.0.1:9000", or "0.0.0.0:9000" for every interface'
            )
        if len(found["port"]) > 5 or int(found["port"]) > _HIGHEST_PORT:
            raise ValueError(_TOO_HIGH.format(found["port"][:20]))
        return cls(found["six"] or found["host"], int(found["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Secret:
    """A text that no log, error or representation shows; `reveal` is the only way to it.

    `plain` says that it was written into the configuration itself instead of an environment variable or
    a file of its own.
    """

    __slots__ = ("_text", "plain")

    def __init__(self, text: str, plain: bool = False) -> None:
        self._text = text
        self.plain = plain

    @classmethod
    def parse(cls, value: object) -> "Secret":
        """From `"text"`, `{ env = "NAME" }` or `{ file = "path" }` (without its last line break)."""
        match value:
            case str(text):
                secret = cls(text, plain=True)
            case {"env": str(name), **others} if not others:
                secret = cls(_from_environment(name))
            case {"file": str(path), **others} if not others:
                secret = cls(_read(path).rstrip("\r\n"))
            case _:
                raise ValueError('give { env = "NAME" }, { file = "path" } or a text')
        if not secret.reveal():
            raise ValueError("the secret is empty; give it a value or leave the key out")
        return secret

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "***"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine under a name that nobody else can reach it by."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def readable_file(path: str) -> str:
    """`path`, once it is sure that it can be read."""
    _read(path)
    return path


def path_prefix(path: str) -> str:
    """A URL path that begins and ends with a slash."""
    if not path.startswith("/") or re.search(r"[\s?#]", path):
        raise ValueError('give a URL path that starts with /, such as "/" or "/ocpp/"')
    return path if path.endswith("/") else path + "/"


def backend_url(url: str) -> str:
    """A ws:// or wss:// URL without its last slash; the charger's id is to follow."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError(
            "leave name and password out of the url; they go into backend.username and backend.password"
        )
    if re.search(r"[{}<>]", url):
        raise ValueError(
            "leave out what is in brackets: the charger's id is put at the end of the url as it is"
        )
    _check_url(url, ("ws", "wss"), 'such as "wss://backend.example/ocpp"')
    if "?" in url or "#" in url:
        raise ValueError("leave out what begins with ? or #: the charger's id is put at the end of the url")
    return url.rstrip("/")


def proxy_url(secret: Secret) -> Secret:
    _check_url(secret.reveal(), ("http", "socks5"), 'such as "http://proxy.example:3128"')
    return secret


def basic_username(name: str) -> str:
    if ":" in name:
        raise ValueError("a user name cannot contain a colon (RFC 7617)")
    return name


def time_zone(name: str) -> str:
    """An IANA name, or "" for none."""
    try:
        if name:
            ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError('give an IANA time zone, such as "Europe/Berlin"') from None
    return name


def _check_url(url: str, schemes: tuple[str, ...], example: str) -> None:
    if re.search(r"\s", url):
        raise ValueError("has a space or line break in it; leave it out")
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(url)
        complete = parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        port = _PORT.search(url.partition("://")[2].partition("/")[0])
        if port is not None and int(port[1][:6]) > _HIGHEST_PORT:
            raise ValueError(_TOO_HIGH.format(port[1][:20])) from None
        complete = False
    if not complete:
        raise ValueError(f"give a {wanted} url with a host, {example}")


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ValueError(
            f"the environment variable {name} is not set; set it before the gateway starts"
        ) from None


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ValueError(
            f"cannot read {path}: {reason}; give the path of a file the gateway may read"
        ) from None
