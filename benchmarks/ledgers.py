"""Stub backends that give transactions ids of their own, and chargers that are in a transaction.

`python -m benchmarks.ledgers PORT` is such a backend in a process of its own; SIGUSR1 makes it flood every
link with CALLs and junk until the next one.
"""

import asyncio
import os
import re
import signal
import sys
from itertools import count, cycle

import uvloop
from picows import WSFrame, WSMsgType, WSTransport

from benchmarks.load import CALL_TAIL, ID_LENGTH, NOW, RESULT, Charger, StubBackend, start_backend

_ACTION_AT = len(b'[2,"') + ID_LENGTH + len(b'","')
START_TAIL = (
    b'","StartTransaction",{"connectorId":1,"idTag":"TAG1","meterStart":%07d,"timestamp":"' + NOW + b'"}]'
)
BOOT_TAIL = b'","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"One"}]'
BOOT = b'{"status":"Accepted","interval":3600,"currentTime":"' + NOW + b'"}'
BEHIND_OTHERS = 10  # it shares a core with the load, whose latencies count; a flood has what is left
MOST_WAITING_BYTES = 64 * 1024


class Ledger(StubBackend):
    """Answers boots and starts too; its transactions have ids that no other backend of the run gives."""

    ids = count(1)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        call = frame.get_payload_as_bytes()
        if frame.msg_type is not WSMsgType.TEXT or call[:2] != b"[2":
            if frame.msg_type is WSMsgType.CLOSE:
                super().on_ws_frame(transport, frame)
            return
        action = call[_ACTION_AT : _ACTION_AT + 5]
        if action == b"Start":
            payload = b'{"transactionId":%d,"idTagInfo":{"status":"Accepted"}}' % next(Ledger.ids)
        elif action == b"BootN":
            payload = BOOT
        else:
            payload = b"{}"
        StubBackend.taken += 1
        transport.send(WSMsgType.TEXT, b"[3,%b,%b]" % (call[3 : 5 + ID_LENGTH], payload))


class Charging(Charger):
    """A charger in a transaction; it answers what it is asked."""

    tail = b""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        data = frame.get_payload_as_bytes()
        if frame.msg_type is WSMsgType.TEXT and data[:2] == b"[2":
            id_, _, _ = data[3:].partition(b",")
            transport.send(WSMsgType.TEXT, b"[3,%b,{}]" % id_)
        elif frame.msg_type is WSMsgType.TEXT and not self.tail:
            self.waiting = False
            if found := re.search(rb'"transactionId":(\d+)', data):
                self.tail = CALL_TAIL.replace(b"4711", found[1])
        else:
            super().on_ws_frame(transport, frame)

    def call(self) -> None:
        self.send(self.tail, RESULT)

    def boot(self) -> None:
        self.send(BOOT_TAIL.replace(b"One", b"One%07d"), b"%b")

    def begin(self) -> None:
        self.send(START_TAIL, b"%b")


UNKNOWN = b'[2,"%020d","GetConfiguration",{}]'
FLOOD = (
    (WSMsgType.TEXT, UNKNOWN),
    (WSMsgType.TEXT, b"{this is %020d not JSON"),
    (WSMsgType.TEXT, b'[3,"%020d",{}]'),
    (WSMsgType.TEXT, UNKNOWN.replace(b"GetConfiguration", b"Reset")),
    (WSMsgType.BINARY, b"\x00%020d\xff"),
)


async def flood(is_on: asyncio.Event) -> None:
    """Send everybody as much as they take."""
    numbers, kinds = count(), cycle(FLOOD)
    while True:
        await is_on.wait()
        for link in list(StubBackend.open):
            if link.underlying_transport.get_write_buffer_size() < MOST_WAITING_BYTES:
                for _ in FLOOD:
                    type_, text = next(kinds)
                    link.send(type_, text % next(numbers))
        await asyncio.sleep(0)


async def main(port: int) -> None:
    os.nice(BEHIND_OTHERS)
    is_on = asyncio.Event()

    def turn() -> None:
        (is_on.clear if is_on.is_set() else is_on.set)()
        policy = os.SCHED_IDLE if is_on.is_set() else os.SCHED_OTHER
        os.sched_setscheduler(0, policy, os.sched_param(0))

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, turn)
    await start_backend(port, Ledger)
    await flood(is_on)


if __name__ == "__main__":
    Ledger.ids = count(1_000_000)
    uvloop.run(main(int(sys.argv[1])))
