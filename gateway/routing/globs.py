"""Patterns as in file names (`*`, `?`, `[…]`), whatever the letter case."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache

EVERYTHING = ("*",)


@lru_cache(maxsize=1024)
def matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Tells whether a text fits one of the patterns; with no patterns nothing does."""
    if "*" in globs:
        return _always
    if not globs:
        return _never
    fits = re.compile("|".join(translate(glob.lower()) for glob in globs)).match
    return lambda text: fits(text.lower()) is not None


def fits_any(texts: Iterable[str], globs: tuple[str, ...]) -> bool:
    """Whether one of the texts fits one of the patterns."""
    return any(map(matcher(globs), texts))


def is_plain(glob: str) -> bool:
    """Whether a pattern names one thing only."""
    return not any(sign in glob for sign in "*?[")


def _always(_: str) -> bool:
    return True


def _never(_: str) -> bool:
    return False
