"""A charger that its backend has not accepted (yet): it is announced again, should it have stopped trying."""

from collections.abc import Callable
from typing import Final

from gateway.translate.engine import Engine, Steps

_SLACK_S: Final = 10.0
_AGAIN_S: Final = 60.0


def registered(t: Engine, status: str, interval_s: int) -> None:
    """The backend has answered a BootNotification."""
    t.memory.registration = status
    t.memory.boot_again_at = 0.0 if status == "Accepted" else t.now + (interval_s or _AGAIN_S) + _SLACK_S
    look_after(t)


def look_after(t: Engine) -> None:
    """Be woken when the charger has had its time to announce itself again."""
    if t.memory.boot_again_at:
        t.wake(t.memory.boot_again_at)


def times_passed(t: Engine, announced: Callable[[Engine], Steps]) -> None:
    """Announce the charger by `announced`, if its time is over."""
    if t.memory.boot_again_at > t.now:
        look_after(t)
    elif t.memory.boot_again_at and t.memory.boot and t.backend_is_there:
        t.memory.boot_again_at = t.now + _AGAIN_S  # unless there is an answer before
        look_after(t)
        t.spawn(announced(t), now=True)
