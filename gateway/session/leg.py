"""One end's connection as the session sees it: open or not, alive or not, read or left waiting."""

from enum import IntFlag

from gateway.ocpp.message import Sender


class Hold(IntFlag):
    """Why an end's messages are left waiting in TCP."""

    NONE = 0
    LINE_FULL = 1
    RATE = 2
    OTHER_END_BLOCKED = 4
    NODE_BUSY = 8
    HAND_OVER = 16


class Leg:
    """The connection to one end. Times are the session's clock, 0.0 for never."""

    __slots__ = ("blocked_at", "end", "epoch", "heard_at", "held", "is_open", "pinged_at", "received")

    def __init__(self, end: Sender) -> None:
        self.end = end
        self.epoch = 0
        self.is_open = False
        self.heard_at = 0.0
        self.pinged_at = 0.0
        self.blocked_at = 0.0
        self.held = Hold.NONE
        self.received = 0

    def open(self, epoch: int, now: float) -> None:
        """A new connection is there, as if nothing had been before."""
        self.epoch = epoch
        self.is_open = True
        self.heard_at = now
        self.pinged_at = self.blocked_at = 0.0
        self.held = Hold.NONE
        self.received = 0

    def is_current(self, epoch: int) -> bool:
        """Whether an event of this epoch still counts."""
        return self.is_open and epoch == self.epoch

    def ping_due(self, interval_s: float) -> float:
        """When the next ping is to leave, if the end stays silent until then; one at a time."""
        return self.heard_at + interval_s if interval_s and self.pinged_at <= self.heard_at else float("inf")

    def answer_due(self, timeout_s: float) -> float:
        """When the end counts as gone, if it stays silent after the last ping until then."""
        return self.pinged_at + timeout_s if self.pinged_at > self.heard_at else float("inf")

    def hold(self, why: Hold) -> bool:
        """Leave the end's messages waiting for this reason; whether that is new."""
        before, self.held = self.held, self.held | why
        return not before

    def release(self, why: Hold) -> bool:
        """This reason is gone; whether it was the last one."""
        before, self.held = self.held, self.held & ~why
        return bool(before) and not self.held
