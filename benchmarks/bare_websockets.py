"""The least a relay on websockets can do: `python -m benchmarks.bare_websockets PORT BACKEND_URL`."""

import asyncio
import logging
import sys

import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

OCPP16 = [Subprotocol("ocpp1.6")]


async def pump(source, target) -> None:
    try:
        async for message in source:
            await target.send(message)
    except ConnectionClosed:
        return


async def run(port: int, backend: str) -> None:
    async def relay(down: ServerConnection) -> None:
        assert down.request is not None
        async with connect(
            backend + down.request.path, subprotocols=OCPP16, compression=None, ping_interval=None, proxy=None
        ) as up:
            back = asyncio.ensure_future(pump(up, down))
            await pump(down, up)
            await up.close()
            await back

    async with serve(
        relay, "127.0.0.1", port, subprotocols=OCPP16, compression=None, ping_interval=None, backlog=4096
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    uvloop.run(run(int(sys.argv[1]), sys.argv[2]))
