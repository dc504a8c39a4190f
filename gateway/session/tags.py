"""What backends last said of drivers' tags, for the time when no backend can be asked.

One `Tags` serves the whole node, since a driver may come to any charger. A tag is known by a keyed digest
only: what is kept on disk tells nobody whose card it was.
"""

import hashlib
from enum import StrEnum

from gateway.ocpp.times import seconds

MAX_TAGS = 200_000
NEVER = float("inf")


class Standing(StrEnum):
    """What is known of a tag: accepted lately, refused lately, or nothing that still counts."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Tags:
    """Tags by digest: when a backend spoke of it, whether it accepted, and until when that holds.

    Times are seconds since 1970. `fresh` are those learned since `take_fresh`, for whoever writes them down.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[bytes, tuple[float, bool, float]] = {}
        self._fresh: dict[bytes, tuple[float, bool, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def restore(self, digest: bytes, heard_at: float, accepted: bool, until: float) -> None:
        """What was written down earlier."""
        self._known[digest] = (heard_at, accepted, until)

    def learn(self, tag: str, info: object, now: float) -> None:
        """A backend answered with this idTagInfo or idTokenInfo; anything without a status says nothing."""
        status = info.get("status") if isinstance(info, dict) else None
        if not tag or not isinstance(info, dict) or not isinstance(status, str):
            return
        until = info.get("expiryDate", info.get("cacheExpiryDateTime"))
        ends = seconds(until) if isinstance(until, str) else None
        digest = self._digest(tag)
        self._known.pop(digest, None)
        # ConcurrentTx says that the tag is good and in use, which another charger's outage does not change.
        accepted = status in ("Accepted", "ConcurrentTx")
        self._known[digest] = self._fresh[digest] = (now, accepted, NEVER if ends is None else ends)
        if len(self._known) > MAX_TAGS:
            del self._known[next(iter(self._known))]

    def standing(self, tag: str, now: float, keep_s: float) -> Standing:
        """What counts of a tag now; what was heard more than `keep_s` ago does not."""
        known = self._known.get(self._digest(tag))
        if known is None or now - known[0] > keep_s:
            return Standing.UNKNOWN
        return Standing.ACCEPTED if known[1] and now < known[2] else Standing.REFUSED

    def take_fresh(self) -> dict[bytes, tuple[float, bool, float]]:
        """What was learned since the last time: digest → (heard at, accepted, until)."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def _digest(self, tag: str) -> bytes:
        return hashlib.blake2b(tag.strip().casefold().encode(), key=self._key, digest_size=16).digest()
