"""Who is let in and who may charge while the backend is away; and what a full disk does to it all."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ledger import LedgerBackend, ledger_backend
from peers import Gateway, charger, gateway, handshake, run, until
from queueing import QueueingCharger, Site
from test_lost_peers import basic
from test_outage_bridged import QUICK, TABLES, all_said, bridge, in_the_bridge, living


async def status_of(node: Gateway, id_: str, password_of: str = "") -> int:
    """What a handshake is answered with; the charger hangs up."""
    answer = await handshake(node.url, f"/{id_}", Authorization=basic(password_of) if password_of else None)
    answer.hang_up()
    if answer.status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    if answer.status != 101:
        assert len(answer.text.strip().splitlines()) == 1
    return answer.status


async def without(cpms: LedgerBackend, node: Gateway) -> None:
    """Kill the backend and wait until the gateway knows."""
    await cpms.kill()

    async def is_known() -> bool:
        return await status_of(node, "NOBODY") == 503

    await until(is_known, "the outage is known")


def test_in_an_outage_known_chargers_come_in_and_others_do_not(tmp_path: Path) -> None:
    async def test() -> None:
        async with ledger_backend(tmp_path) as cpms:
            async with bridge(tmp_path, cpms, Site()) as node:
                assert await status_of(node, "OPEN") == 101
                assert await status_of(node, "SECRET", "SECRET") == 101
                await without(cpms, node)
                await assert_doors(node)
                await node.kill()
            async with bridge(tmp_path, cpms, Site()) as node:  # knows them from its disk
                await assert_doors(node)

    async def assert_doors(node: Gateway) -> None:
        assert await status_of(node, "NEW") == 503
        assert await status_of(node, "SECRET", "WRONG") == 401
        assert await status_of(node, "SECRET") == 401
        assert await status_of(node, "OPEN", "OPEN") == 401
        assert await status_of(node, "SECRET", "SECRET") == 101
        assert await status_of(node, "open") == 101

    run(test)


KNOWN, UNKNOWN, REFUSED = "KNOWN", "UNKNOWN", "LATE"


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [("accept-known", {KNOWN}), ("accept-all", {KNOWN, UNKNOWN}), ("refuse", set())],
)
def test_who_may_charge_in_an_outage_is_a_policy(tmp_path: Path, policy: str, accepted: set[str]) -> None:
    async def test() -> None:
        async with (
            ledger_backend(tmp_path) as cpms,
            bridge(tmp_path, cpms, Site(), policy) as node,
            charger(f"{node.url}/CP1", "ocpp1.6") as peer,
        ):
            for tag in (KNOWN, REFUSED):
                await peer.call("Authorize", id_tag=tag)
            await without(cpms, node)
            for tag in (KNOWN, UNKNOWN, REFUSED):
                answer = await peer.call("Authorize", id_tag=tag)
                assert answer.id_tag_info["status"] == ("Accepted" if tag in accepted else "Invalid"), tag

    run(test)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 MiB, more than the store holds back, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only a superuser can mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on this file system; the file that takes it."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as out:
        for size in (1_048_576, 4_096, 1):
            with suppress(OSError):
                while True:
                    out.write(bytes(size))
    return ballast


def test_with_a_full_disk_chargers_keep_their_messages_until_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    async def test() -> None:
        site = Site()
        one = QueueingCharger("CP1", site)
        async with (
            ledger_backend(tmp_path) as cpms,
            gateway(small_disk, cpms.url, backend=QUICK, tables=TABLES.format(tags="accept-all")) as node,
        ):
            site.url = node.url
            async with living(one):
                await in_the_bridge([one])
                await without(cpms, node)
                ballast = fill(small_disk)
                session = one.begin()
                for _ in range(8):
                    one.value(session)
                one.end(session)
                await until(lambda: 503 in one.refused, "the charger is closed, then refused")
                assert not one.is_done
                ballast.unlink()
                await until(lambda: one.is_done, "the charger is let in again")
                await cpms.start()
                await all_said([one], cpms)

    run(test)
