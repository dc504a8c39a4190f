"""Taking drivers' identifiers and secrets out of recorded frames, leaving everything else as it was.

Frames are masked as text, so that what is malformed about them stays. A mask has the length of what it
hides, since a length can be what is wrong; the same identifier always gets the same mask.
"""

import re
from typing import Final

MOST_TAGS: Final = 10_000

_TAG: Final = re.compile(
    r"""(["'](?:idTag|parentIdTag|idToken|groupIdToken)["']\s*:\s*["'])([^"']{1,255})""", re.I
)
_SECRET_KEY: Final = re.compile(
    r"""["'][\w.-]{0,60}(?:password|passwd|secret|cardpin|authorizationkey|authentication|pincode)[\w.-]{0,60}["']""",
    re.I,
)
_VALUE: Final = re.compile(r"""(["'](?:attribute)?value["']\s*:\s*["'])([^"']{1,2000})""", re.I)
_OWN_VALUE: Final = re.compile(
    r"""(["'][\w.-]{0,60}(?:password|passwd|secret|cardpin|authorizationkey)[\w.-]{0,60}["']\s*:\s*["'])([^"']{1,2000})""",
    re.I,
)


class Masking:
    """Masks the frames of one recording."""

    def __init__(self) -> None:
        self._tags: dict[str, str] = {}

    def masked(self, raw: str) -> str:
        """A frame without identifiers of drivers, and without the values of keys that name a secret."""
        text = _TAG.sub(lambda match: match[1] + self._tag(match[2]), raw)
        text = _OWN_VALUE.sub(lambda match: match[1] + "*" * len(match[2]), text)
        if _SECRET_KEY.search(text):
            text = _VALUE.sub(lambda match: match[1] + "*" * len(match[2]), text)
        return text

    def _tag(self, tag: str) -> str:
        """A mask as long as the tag; signs other than letters and digits stay: they may be the fault."""
        known = self._tags.get(tag.lower())
        if known is None:
            if len(self._tags) >= MOST_TAGS:
                self._tags.clear()
            number = f"{len(self._tags) + 1:X}"
            places = [index for index, char in enumerate(tag) if char.isalnum()]
            signs = ["0" if char.isalnum() else char for char in tag]
            for place, digit in zip(reversed(places), reversed(number), strict=False):
                signs[place] = digit
            known = self._tags[tag.lower()] = "".join(signs)
        return known
