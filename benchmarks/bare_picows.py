"""The least a relay to several backends can do: `python -m benchmarks.bare_picows PORT BACKEND_URL...`.

Every frame of a charger goes to all backends; the first one's answers go back to the charger, those of the
others are read and end here. No message is looked at.
"""

import asyncio
import sys

import uvloop
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

PROTOCOL = {"Sec-WebSocket-Protocol": "ocpp1.6"}


class Up(WSListener):
    """A link to a backend; `down` hears what it says, or (None) nobody does."""

    def __init__(self, down: WSTransport | None) -> None:
        self.down = down

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            answer = frame.get_payload_as_bytes()
            if self.down is not None:
                self.down.send(WSMsgType.TEXT, answer)


class Down(WSListener):
    """A charger's connection. What it says before its backends are there waits."""

    def __init__(self, path: str, backends: list[str]) -> None:
        self.path = path
        self.backends = backends
        self.ups: list[WSTransport] = []
        self.early: list[bytes] = []
        self.linking: asyncio.Task[None] | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.linking = asyncio.ensure_future(self._link(transport))

    async def _link(self, transport: WSTransport) -> None:
        for number, backend in enumerate(self.backends):
            listener = Up(None if number else transport)
            url, asked = backend + self.path, {"extra_headers": PROTOCOL, "read_buffer_init_size": 2048}
            self.ups.append((await ws_connect(lambda up=listener: up, url, **asked))[0])
        for data in self.early:
            self._send(data)

    def _send(self, data: bytes) -> None:
        for up in self.ups:
            up.send(WSMsgType.TEXT, data)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            return
        data = frame.get_payload_as_bytes()
        if len(self.ups) == len(self.backends):
            self._send(data)
        else:
            self.early.append(data)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        for up in self.ups:
            up.disconnect()


async def serve(port: int, backends: list[str]) -> None:
    def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        response = WSUpgradeResponse.create_101_response(extra_headers=PROTOCOL)
        return WSUpgradeResponseWithListener(response, Down(request.path.decode(), backends))

    options = {"backlog": 4096, "read_buffer_init_size": 2048}
    server = await ws_create_server(accept, "127.0.0.1", port, **options)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2:]))
