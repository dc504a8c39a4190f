"""The least a relay on aiohttp can do: `python -m benchmarks.bare_aiohttp PORT BACKEND_URL`."""

import asyncio
import sys

import uvloop
from aiohttp import ClientSession, TCPConnector, WSMsgType, web


async def serve(port: int, backend: str) -> None:
    async with ClientSession(connector=TCPConnector(limit=0)) as session:

        async def relay(request: web.Request) -> web.StreamResponse:
            async with session.ws_connect(
                backend + request.path, protocols=("ocpp1.6",), autoclose=False, compress=0
            ) as up:
                down = web.WebSocketResponse(protocols=("ocpp1.6",), compress=False)
                await down.prepare(request)
                back = asyncio.ensure_future(pump(up, down))
                await pump(down, up)
                await up.close()
                await back
            return down

        app = web.Application()
        app.router.add_get("/{path:.*}", relay)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
        await asyncio.Event().wait()


async def pump(source, target) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
