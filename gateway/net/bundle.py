"""Working through messages together: on a node with much to do that costs less than one after the other.

After a system call the processor has to find its way back into our code, and a peer that is sent one message
at a time falls asleep in between and has to be woken for each. So the messages that come in one turn of the
event loop are gathered, worked through in their order, and what that leads to is sent at once afterwards.
With little to do a turn brings one message, for which the detour would cost more than it saves.
"""

from asyncio import get_running_loop
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.net.link import Link

GATHERS_FROM = 0.4  # of one core


class Bundle:
    """What all links of a node have taken in this turn and not yet handed on, and what they are to send.

    `gathers`: messages are to be put into `incoming`, in the order in which they come; `is_at_work`: what is
    to be sent is put into `outgoing`.
    """

    __slots__ = ("gathers", "incoming", "is_at_work", "outgoing")

    def __init__(self) -> None:
        self.gathers = self.is_at_work = False
        self.incoming: list[tuple[Link, bytes]] = []
        self.outgoing: deque[tuple[Link, bytes]] = deque()

    def look(self, used: float) -> None:
        """Learn how much of its core the node uses."""
        self.work()  # nothing may overtake what was gathered
        self.gathers = used >= GATHERS_FROM

    def begin(self) -> None:
        """The first message of this turn is about to be added."""
        get_running_loop().call_soon(self.work)

    def work(self) -> None:
        """Hand on all that has come, and send what comes of it; whatever is not a message waits for it."""
        if not self.incoming:
            return
        incoming, self.incoming = self.incoming, []
        self.is_at_work = True
        for link, data in incoming:
            try:
                link.received(link.epoch, data, False)
            except Exception as error:
                link.failed(error)
        self.flush()
        self.is_at_work = False

    def flush(self) -> None:
        """Send what is in `outgoing`."""
        outgoing = self.outgoing
        while outgoing:
            link, data = outgoing.popleft()
            try:
                link.put(data)
            except Exception as error:
                link.failed(error)
