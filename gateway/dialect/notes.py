"""What one reading of a message found: flags in the order they were raised, each place once."""

from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.values import Path, dumps, path_text

_SHOWN = 200
_MAX_FLAGS = 100

NOTHING = object()


class Notes:
    """The flags of one message. `replaced` says that U+FFFD in its texts may stand for lost bytes."""

    __slots__ = ("_seen", "flags", "replaced")

    def __init__(self) -> None:
        self.flags: list[Flag] = []
        self.replaced = False
        self._seen: set[tuple[FlagCode, str]] = set()

    def add(self, code: FlagCode, path: str = "", before: str = "", after: str = "") -> None:
        """Raise a flag; the same code at the same place counts once, and a message has at most a hundred."""
        if (code, path) not in self._seen and len(self.flags) < _MAX_FLAGS:
            self._seen.add((code, path))
            self.flags.append(Flag(code, path, before[:_SHOWN], after[:_SHOWN]))

    def at(self, code: FlagCode, path: Path, before: object = NOTHING, after: object = NOTHING) -> None:
        """Raise a flag for a place of the payload, with the values there shown as JSON."""
        self.add(code, path_text(path), _shown(before), _shown(after))

    def drop(self, code: FlagCode) -> None:
        """Take back a flag that another one tells better."""
        self.flags = [flag for flag in self.flags if flag.code is not code]

    def set_aside(self, before: int, path: Path, code: FlagCode | None = None) -> None:
        """Say that a place was left out, unless the flags since `before` already say why."""
        last = self.flags[-1] if len(self.flags) > before else None
        if last is not None and last.code is FlagCode.SCHEMA_GAP:
            return
        if code is None and last is not None and last.code is FlagCode.SCHEMA_VIOLATION:
            self.flags[-1] = Flag(FlagCode.FIELD_SET_ASIDE, last.path, last.before)
        elif code is not None:
            self.at(code, path)

    def lacks_time(self, before: int) -> bool:
        """Whether a required time was found missing since `before`."""
        return any(flag.code is FlagCode.TIME_MISSING for flag in self.flags[before:])

    @property
    def fatal(self) -> bool:
        """Whether the text itself was found ambiguous, wherever in the frame that was."""
        return any(flag.code in _AMBIGUOUS for flag in self.flags)


_AMBIGUOUS = frozenset({FlagCode.DUPLICATE_KEY_CONFLICT, FlagCode.BAD_NUMBER})


def _shown(value: object) -> str:
    return "" if value is NOTHING else dumps(value)
