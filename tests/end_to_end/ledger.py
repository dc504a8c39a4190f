"""A backend with a ledger, on the `ocpp` package, in a process of its own: to be killed, stopped, restarted.

What it takes is checked against the schema by the package and written down before it is answered. Its
transaction ids are 1, 2, 3, … over its whole life. With `knows_again` a start that comes again gets the id
it had before; else each one is a new transaction. The tag LATE is refused, any other accepted; `planted` are
other answers by action.
`python ledger.py FILE PORT KNOWS_AGAIN PLANTED` takes a line `CHARGER ACTION JSON` for each command to send.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ocpp.v16
import ocpp.v201
from ocpp.routing import on
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
BOOT = {"current_time": NOW, "interval": 300, "status": "Accepted"}
PACKAGES = {"ocpp1.6": ocpp.v16, "ocpp2.0.1": ocpp.v201}
WRITTEN = ("StartTransaction", "MeterValues", "StopTransaction", "TransactionEvent")


class Book:
    """The ledger file, and what of it is needed at hand."""

    def __init__(self, path: Path, knows_again: bool) -> None:
        self.path = path
        self.knows_again = knows_again
        rows = read(path)
        self.starts = {json.dumps([row["charger"], row["payload"]]): row["transaction"] for row in rows}
        self.last_id = max((row["transaction"] or 0 for row in rows), default=0)
        self._out = path.open("a")

    def write(self, charger: str, id_: str, action: str, payload: dict[str, Any]) -> int | None:
        """Write a message down; for a start, its transaction id."""
        transaction = None
        if action == "StartTransaction":
            key = json.dumps([charger, payload])
            transaction = self.starts.get(key) if self.knows_again else None
            if transaction is None:
                transaction = self.last_id = self.last_id + 1
            self.starts[key] = transaction
        row = {"charger": charger, "id": id_, "action": action, "payload": payload}
        print(json.dumps(row | {"transaction": transaction}), file=self._out, flush=True)
        return transaction


def read(path: Path) -> list[dict[str, Any]]:
    """Every row of a ledger."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def _status(payload: dict[str, Any]) -> str:
    token = payload.get("id_token") or {}
    return "Invalid" if payload.get("id_tag", token.get("id_token")) == "LATE" else "Accepted"


def _answer(action: str, payload: dict[str, Any], transaction: int | None, is_16: bool) -> dict[str, Any]:
    info = {"id_tag_info" if is_16 else "id_token_info": {"status": _status(payload)}}
    match action:
        case "BootNotification":
            return BOOT
        case "Heartbeat":
            return {"current_time": NOW}
        case "StartTransaction":
            return {"transaction_id": transaction, **info}
        case "Authorize":
            return info
        case "TransactionEvent" if payload.get("id_token"):
            return info
    return {}


def _point(charger: str, socket: ServerConnection, book: Book, planted: dict[str, Any]) -> Any:
    package = PACKAGES[socket.subprotocol or ""]
    names = (*WRITTEN, "BootNotification", "Heartbeat", "StatusNotification", "Authorize")

    def handler(action: str) -> Any:
        def handle(self: Any, call_unique_id: str, **payload: Any) -> Any:
            transaction = None
            if action in WRITTEN:
                transaction = book.write(charger, call_unique_id, action, payload)
            answer = _answer(action, payload, transaction, package is ocpp.v16) | planted.get(action, {})
            return getattr(package.call_result, action)(**answer)

        handle.__name__ = f"on_{action}"
        return on(action)(handle)

    handlers = {f"on_{name}": handler(name) for name in names if hasattr(package.call_result, name)}
    return type("Point", (package.ChargePoint,), handlers)(charger, socket)


async def main(path: str, port: str, knows_again: str, planted: str) -> None:
    book = Book(Path(path), knows_again == "True")
    points: dict[str, Any] = {}

    async def accept(socket: ServerConnection) -> None:
        assert socket.request is not None
        charger = socket.request.path.rpartition("/")[2]
        points[charger] = point = _point(charger, socket, book, json.loads(planted))
        with suppress(ConnectionClosed):
            await point.start()

    async with serve(
        *(accept, "127.0.0.1", int(port)), subprotocols=list(PACKAGES), compression=None, ping_interval=None
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        sending = set()
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
        )
        while line := (await commands.readline()).decode():
            charger, action, payload = line.split(" ", 2)
            point = points[charger]
            package = ocpp.v16 if isinstance(point, ocpp.v16.ChargePoint) else ocpp.v201
            request = getattr(package.call, action)(**json.loads(payload))
            sending.add(asyncio.ensure_future(point.call(request)))


class LedgerBackend:
    """The process, its ledger and its port, which stays the same over restarts."""

    def __init__(self, folder: Path, knows_again: bool, planted: dict[str, Any] | None = None) -> None:
        self.path = folder / "ledger.jsonl"
        self.planted = json.dumps(planted or {})
        self.knows_again = knows_again
        self.port = 0
        self.kills = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/cpms"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, str(self.path), str(self.port), str(self.knows_again), self.planted),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.port = int(await self._process.stdout.readline())

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self.kills += 1
            self._process.kill()
            await self._process.wait()

    def stand_still(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, charger: str, action: str, **payload: Any) -> None:
        """Send a charger a command; the charger knows what it heard."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{charger} {action} {json.dumps(payload)}\n".encode())

    def rows(self, charger: str = "") -> list[dict[str, Any]]:
        """What it has taken, in order; of one charger or of all."""
        return [row for row in read(self.path) if charger in ("", row["charger"])]

    def duplicates(self, charger: str) -> int:
        counts = Counter(
            json.dumps([row["action"], row["payload"] | {"offline": None}]) for row in self.rows(charger)
        )
        return sum(count - 1 for count in counts.values())


@asynccontextmanager
async def ledger_backend(
    folder: Path, knows_again: bool = True, planted: dict[str, Any] | None = None
) -> AsyncIterator[LedgerBackend]:
    """A backend that is running."""
    here = LedgerBackend(folder, knows_again, planted)
    await here.start()
    try:
        yield here
    finally:
        await here.kill()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
