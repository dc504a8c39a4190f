"""The commands an operator looks things up with, as processes of their own."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import Gateway, until


@dataclass
class Told:
    """What a command wrote, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        assert self.status in (0, 1), self.err
        return [json.loads(line) for line in self.out.splitlines()]


async def command(*arguments: str, given: str = "") -> Told:
    """Run `ocpp-gateway` with these arguments, and `given` as its input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    out, err = await process.communicate(given.encode())
    told = Told(process.returncode or 0, out.decode(), err.decode())
    assert "Traceback" not in told.err, told.err
    return told


async def stored_flags(node: Gateway, charger: str, count: int) -> list[dict[str, Any]]:
    """The flags of a charger, as soon as there are `count`."""

    async def found() -> list[dict[str, Any]] | None:
        rows = (await command("flags", "--json", "--admin", node.admin, "--charger", charger)).rows
        return rows if len(rows) >= count else None

    return list(await until(found, f"{count} flags of {charger}"))


async def quarantined(node: Gateway, charger: str) -> dict[str, Any]:
    """The message of a charger that is in quarantine, with its bytes, as soon as it is there."""

    async def found() -> list[dict[str, Any]]:
        asked = ("--json", "--admin", node.admin, "--charger", charger)
        return (await command("quarantine", "list", *asked)).rows

    (entry,) = await until(found, f"a message of {charger} in quarantine")
    return (await command("quarantine", "show", entry["id"], "--json", "--admin", node.admin)).rows[0]
