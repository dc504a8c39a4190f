"""What every table of settings is made of."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Annotated, Any

from msgspec import Meta, Struct


def about(description: str, *, reload: bool = False, parse: Callable[[Any], Any] | None = None) -> Meta:
    """What a setting means; whether SIGHUP changes it; what makes the value that is used of the file's."""
    return Meta(description=description, extra={"reload": reload, "parse": parse})


Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1024)]
Rate = Annotated[float, Meta(gt=0, le=1_000_000)]
FilePath = Annotated[str, Meta(min_length=1)]
Globs = Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)]


class Table(Struct, frozen=True, kw_only=True):
    """One table of the file."""


def matches(charger_id: str, globs: tuple[str, ...]) -> bool:
    """Whether an id fits one of the patterns, whatever its case."""
    return any(fnmatchcase(charger_id.lower(), glob.lower()) for glob in globs)
