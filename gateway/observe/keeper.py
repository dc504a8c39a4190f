"""What sessions report of flagged messages, as records: who, what was wrong, and the bytes if kept."""

import time
from collections.abc import Callable
from secrets import token_hex

from gateway.observe.recorder import Recorder
from gateway.ocpp.actions import NEVER_LOST, must_not_be_lost
from gateway.session.effects import Flagged, Verdict
from gateway.session.session import ChargerSession
from gateway.store.protocol import FlagRecord, QuarantineEntry, StoreFailed


class Keeper:
    """Hands flags and quarantined messages to the recorder."""

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._recorder = recorder
        self._clock = clock

    def keep(
        self, charger: str, session: ChargerSession, flagged: Flagged, done: Callable[[bool], None] | None
    ) -> None:
        """Keep the flags of a message, and its bytes if it is quarantined.

        `done(durable)` is called later, exactly once, when it is given and the message is quarantined.
        """
        now = self._clock()
        entry = (
            self._entry(charger, session, flagged, now) if flagged.verdict is Verdict.QUARANTINED else None
        )
        for flag in flagged.flags:
            self._recorder.flagged(
                FlagRecord(
                    time=now,
                    charger=charger,
                    code=flag.code.value,
                    severity=flag.severity.value,
                    consequence=flagged.verdict.value,
                    brand=session.station.vendor,
                    firmware=session.station.firmware,
                    version=session.version.value,
                    kind=flagged.kind,
                    action=flagged.action,
                    path=flag.path,
                    before=flag.before,
                    after=flag.after,
                    applied=flag.applied,
                    author=flag.author,
                    raw_ref=entry.id if entry else "",
                    backend=session.settings.backend_name,
                )
            )
        if entry is not None:
            self._quarantine(entry, done)

    def _entry(self, charger: str, session: ChargerSession, flagged: Flagged, now: float) -> QuarantineEntry:
        return QuarantineEntry(
            id=token_hex(8),
            time=now,
            charger=charger,
            sender=flagged.sender.value,
            raw=flagged.raw,
            brand=session.station.vendor,
            firmware=session.station.firmware,
            version=session.version.value,
            action=flagged.action,
            flags=tuple(flag.code.value for flag in flagged.flags),
            carries_revenue=_may_carry_revenue(flagged),
            backend=session.settings.backend_name,
        )

    def _quarantine(self, entry: QuarantineEntry, done: Callable[[bool], None] | None) -> None:
        if done is None:
            self._recorder.quarantined(entry)
            return

        def settled(failed: StoreFailed | None) -> None:
            done(failed is None)

        if not self._recorder.quarantined(entry, settled):
            self._recorder.later(lambda: done(False))


def _may_carry_revenue(flagged: Flagged) -> bool:
    """Whether somebody's bill may hang on a message; one that cannot be read is judged by its words."""
    if flagged.action:
        return must_not_be_lost(flagged.action)
    return any(name in flagged.raw for name in _NAMES)


_NAMES = [name.encode() for name in sorted(NEVER_LOST)]
