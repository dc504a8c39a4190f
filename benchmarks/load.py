"""The load: a stub backend and a crowd of chargers, both on picows, both in the process of the benchmark.

One round trip is a MeterValues CALL of about 400 bytes from a charger to the backend and the CALLRESULT
back. Every answer is compared byte for byte with the one expected, so a relay that loses, mixes up or
re-writes frames does not get a figure.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from typing import ClassVar, NamedTuple

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_connect,
    ws_create_server,
)

SUBPROTOCOL = "ocpp1.6"
ID_LENGTH = 20
_ID_AT = len(b'[2,"')
BEGAN = datetime.now(UTC) - timedelta(hours=20)
TIMES = [f"{BEGAN + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}".encode() for number in range(72_000)]
NOW = TIMES[0]
CALL_TAIL = (  # with a place for the reading: the same one twice would be a repetition
    b'","MeterValues",{"connectorId":1,"transactionId":4711,"meterValue":[{"timestamp":"' + NOW + b'",'
    b'"sampledValue":[{"value":"%07d","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
    b'"unit":"Wh"},{"value":"11040.5","measurand":"Power.Active.Import","unit":"W"},'
    b'{"value":"16.0","measurand":"Current.Import","phase":"L1","unit":"A"}]}]}]'
)
RESULT = b'[3,"%b",{}]'
CALL_BYTES = _ID_AT + ID_LENGTH + len(CALL_TAIL % 0)
FIRST_READING = 1_000_000
CONNECTS_AT_ONCE = 64
TICK_S = 0.001
WARM_UP_S = 0.3


async def until(condition: Callable[[], bool], patience_s: float) -> None:
    """Wait until `condition` holds; TimeoutError when it does not within `patience_s`."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - looked at from outside, so that the hot path sets no event
            await asyncio.sleep(0.002)


class StubBackend(WSListener):
    """Answers every CALL with an empty CALLRESULT; counts its open links, and the CALLs it has taken."""

    links = 0
    taken = 0
    open: ClassVar[set[WSTransport]] = set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        StubBackend.links += 1
        StubBackend.open.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        StubBackend.links -= 1
        StubBackend.open.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT:
            call = frame.get_payload_as_bytes()
            StubBackend.taken += 1
            transport.send(WSMsgType.TEXT, b'[3,"' + call[_ID_AT : _ID_AT + ID_LENGTH] + b'",{}]')


async def start_backend(
    port: int = 0, kind: Callable[[], WSListener] = StubBackend
) -> tuple[asyncio.Server, int]:
    """Listen on this loopback port, or on a free one; every link is a `kind`."""

    def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        asked = request.headers.get("Sec-WebSocket-Protocol", SUBPROTOCOL)
        headers = {"Sec-WebSocket-Protocol": asked.split(",")[0].strip()}
        response = WSUpgradeResponse.create_101_response(extra_headers=headers)
        return WSUpgradeResponseWithListener(response, kind())

    server = await ws_create_server(accept, "127.0.0.1", port, backlog=4096, read_buffer_init_size=2048)
    return server, int(server.sockets[0].getsockname()[1])


class Charger(WSListener):
    """Sends one CALL at a time; `again` makes it send the next one as soon as the answer is there."""

    def __init__(self, number: int, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.again = False
        self.waiting = False
        self.reading = FIRST_READING
        self._next_id = number * 10**10
        self._sent_at = 0.0
        self._expected = b""
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None
        self.crowd.lost += 1

    def call(self) -> None:
        """Send one MeterValues CALL."""
        self.send(CALL_TAIL, RESULT)

    def send(self, tail: bytes, answer: bytes) -> None:
        """Send a CALL with an id of its own and then `tail`, in which `%07d` is the reading, and `NOW` gives
        way to its time, a second after the one before; expect `answer`, in which `%b` is the id.
        """
        assert self.transport is not None
        self._next_id += 1
        self.reading += 1
        message_id = b"%020d" % self._next_id
        self._expected = answer % message_id
        self.waiting = True
        self._sent_at = perf_counter()
        text = (tail % self.reading).replace(NOW, TIMES[(self.reading - FIRST_READING) % len(TIMES)], 1)
        self.transport.send(WSMsgType.TEXT, b'[2,"' + message_id + text)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                transport.disconnect()
            return
        if frame.get_payload_as_bytes() != self._expected:
            self.crowd.wrong += 1
        self.crowd.latencies_s.append(perf_counter() - self._sent_at)
        self.waiting = False
        if self.again:
            self.call()


class Sample(NamedTuple):
    """What one stretch of load showed; `load_cpu_s` (the benchmark's own CPU) tells whose limit it was."""

    seconds: float
    round_trips: int
    latencies_s: list[float]
    relay_cpu_s: float
    load_cpu_s: float


class Crowd:
    """Chargers connected through one relay at `url` (the charger id is appended), which links each of them
    to `backends` stub backends.
    """

    def __init__(self, url: str, kind: type[Charger] = Charger, backends: int = 1) -> None:
        self.url = url
        self.backends = backends
        self.kind = kind
        self.chargers: list[Charger] = []
        self.latencies_s: list[float] = []
        self.wrong = 0
        self.lost = 0

    async def grow(self, size: int, patience_s: float = 120) -> float:
        """Connect until there are `size`, each with its backend link; the seconds it took."""
        links = StubBackend.links + (size - len(self.chargers)) * self.backends
        places = asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def connect(number: int) -> None:
            charger = self.kind(number, self)
            async with places:
                await ws_connect(
                    lambda: charger,
                    f"{self.url}/CP{number:05d}",
                    extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
                    websocket_handshake_timeout=30,
                    read_buffer_init_size=512,
                )
            self.chargers.append(charger)

        start = perf_counter()
        await asyncio.gather(*(connect(number) for number in range(len(self.chargers), size)))
        await until(lambda: StubBackend.links >= links, patience_s)
        return perf_counter() - start

    async def gone(self) -> None:
        """Wait until every charger has lost its connection, then begin with none."""
        await until(lambda: all(charger.transport is None for charger in self.chargers), 30)
        await until(lambda: StubBackend.links == 0, 30)
        self.chargers.clear()
        self.lost = 0

    async def call_once_each(self) -> None:
        """One round trip on every charger, so that idle ones have been used once."""
        for at in range(0, len(self.chargers), 100):
            for charger in self.chargers[at : at + 100]:
                charger.call()
            await self._settle()

    async def saturate(self, seconds: float, relay_cpu: Callable[[], float]) -> Sample:
        """Every charger calls again as soon as it is answered; `relay_cpu` reads the relay's CPU seconds."""
        for charger in self.chargers:
            charger.again = True
            charger.call()
        await asyncio.sleep(WARM_UP_S)
        sample = await self._watch(seconds, relay_cpu)
        for charger in self.chargers:
            charger.again = False
        await self._settle()
        return sample

    async def pace(self, rate: float, seconds: float, relay_cpu: Callable[[], float]) -> Sample:
        """`rate` CALLs a second in all, spread evenly; a charger that still waits skips its turn."""
        pacer = asyncio.ensure_future(self._pace(rate))
        await asyncio.sleep(WARM_UP_S)
        sample = await self._watch(seconds, relay_cpu)
        pacer.cancel()
        await self._settle()
        return sample

    async def _pace(self, rate: float) -> None:
        start, sent, size = perf_counter(), 0, len(self.chargers)
        while True:
            due = int((perf_counter() - start) * rate)
            for turn in range(sent, due):
                charger = self.chargers[turn % size]
                if not charger.waiting:
                    charger.call()
            sent = due
            await asyncio.sleep(TICK_S)

    async def _watch(self, seconds: float, relay_cpu: Callable[[], float]) -> Sample:
        self.latencies_s = taken = []
        start, load, relay = perf_counter(), process_time(), relay_cpu()
        await asyncio.sleep(seconds)
        self.latencies_s = []
        return Sample(perf_counter() - start, len(taken), taken, relay_cpu() - relay, process_time() - load)

    async def _settle(self) -> None:
        await until(lambda: not any(charger.waiting for charger in self.chargers), 30)

    async def leave(self) -> None:
        """Disconnect everybody and wait until the relay has closed the backend links too."""
        links = StubBackend.links - len(self.chargers) * self.backends
        for at in range(0, len(self.chargers), 200):
            for charger in self.chargers[at : at + 200]:
                if charger.transport is not None:
                    charger.transport.disconnect()
            await asyncio.sleep(0)
        await until(lambda: StubBackend.links <= links, 10)
        self.chargers = []
