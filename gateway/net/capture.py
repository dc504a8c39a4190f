"""Recording what one charger and its backend say, for an author of rules: bounded, and only while asked."""

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

from msgspec import Struct

from gateway.net.driver import Driver
from gateway.ocpp.message import Sender

MOST_WAITING: Final = 1000
MOST_CAPTURES: Final = 16
STILL_HERE_S: Final = 2.0

DIRECTIONS: Final = {Sender.CHARGER: "charger_to_backend", Sender.BACKEND: "backend_to_charger"}


class Frame(Struct, frozen=True, gc=False):
    """A frame as its sender sent it; `time` in seconds since 1970."""

    time: float
    sender: Sender
    data: bytes
    version: str
    station: tuple[str, str, str]


class Capture:
    """One recording under way. `missed` counts the frames that came faster than they were taken."""

    def __init__(self) -> None:
        self.missed = 0
        self._frames: deque[Frame] = deque()
        self._came = asyncio.Event()

    def add(self, frame: Frame) -> None:
        if len(self._frames) >= MOST_WAITING:
            self.missed += 1
            return
        self._frames.append(frame)
        self._came.set()

    async def frames(self, most: int, seconds: float) -> AsyncIterator[Frame | None]:
        """The frames as they come, until there are so many or so much time is over; None while none comes."""
        loop = asyncio.get_running_loop()
        end, taken = loop.time() + seconds, 0
        while taken < most and (left := end - loop.time()) > 0:
            if self._frames:
                taken += 1
                yield self._frames.popleft()
                continue
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), min(left, STILL_HERE_S))
            except TimeoutError:
                yield None


class Captures:
    """The recordings of a node, by registry key; they go on when the charger reconnects."""

    def __init__(self) -> None:
        self._running: dict[str, list[Capture]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._running.values()))

    def start(self, key: str, driver: Driver | None) -> Capture:
        """Begin to record a charger, now if it is connected."""
        capture = Capture()
        self._running.setdefault(key, []).append(capture)
        if driver is not None:
            self.attach(key, driver)
        return capture

    def stop(self, key: str, capture: Capture, driver: Driver | None) -> None:
        self._running[key].remove(capture)
        if not self._running[key]:
            del self._running[key]
            if driver is not None:
                driver.tap = None
                driver.rewire()

    def attach(self, key: str, driver: Driver) -> None:
        """A charger has come: record it, if it is to be."""
        captures = self._running.get(key)
        if not captures:
            return

        def tap(sender: Sender, data: bytes, now: float) -> None:
            session = driver.session
            station = session.station
            version = session.version if sender is Sender.CHARGER else driver.backend_version
            frame = Frame(
                now + session.wall_offset_s,
                sender,
                data,
                version.value,
                (station.vendor, station.model, station.firmware),
            )
            for capture in captures:
                capture.add(frame)

        driver.tap = tap
        driver.rewire()


def record(charger_id: str, number: int, frame: Frame) -> dict[str, Any]:
    """A frame as one line of a capture, which `inspect`, `suggest` and `rules try` read."""
    vendor, model, firmware = frame.station
    found: dict[str, Any] = {
        "id": str(number),
        "charger": charger_id,
        "received_at": frame.time,
        "version": frame.version,
        "direction": DIRECTIONS[frame.sender],
        "station": {"vendor": vendor, "model": model, "firmware": firmware},
    }
    try:
        return found | {"raw": frame.data.decode()}
    except UnicodeDecodeError:
        return found | {"raw": base64.b64encode(frame.data).decode(), "encoding": "base64"}
