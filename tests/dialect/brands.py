"""Packs and adapters for tests, and readers that follow them."""

from gateway.dialect.adapter import Adapter
from gateway.dialect.brand import Brand
from gateway.dialect.reader import Mode, Reader, Reading
from gateway.dialect.rules.pack import Pack, read_pack
from gateway.dialect.rules.rule import Use
from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Message, Sender, Version

NOW = 1_795_248_000.0  # 2026-11-21T08:00:00Z

HEAD = """
pack = 1
name = "acme"
summary = "Made up."
[match]
vendor = "acme*"
"""
TEST = """
[[test]]
name = "clean"
kind = "charger_call"
given = '[2,"1","Heartbeat",{}]'
want = '[2,"1","Heartbeat",{}]'
flags = []
"""


def rule(body: str, name: str = "r") -> str:
    return f'[[rule]]\nname = "{name}"\nwhy = "w"\nsource = "s"\n{body}\n'


def pack(*rules: str, head: str = HEAD) -> Pack:
    return read_pack(head + "".join(rules) + TEST, "acme.toml")


def reader(
    *packs: Pack,
    adapter: Adapter | None = None,
    use: Use = Use.REPAIR,
    mode: Mode = Mode.REPAIR,
    **more: object,
) -> Reader:
    """A 1.6 reader whose station these packs and this adapter are for."""
    made = Reader(Version.V16, **more)  # type: ignore[arg-type]
    adapters = ((adapter, use),) if adapter is not None else ()
    made.follow(mode, None, Brand(tuple((one, use) for one in packs), adapters))
    return made


def read(made: Reader, frame: str, action: str | None = None) -> tuple[list[str], list[Flag]]:
    """The frames that go on, and the flags."""
    got = made.read(frame.encode(), Sender.CHARGER, lambda _: action, NOW)
    if isinstance(got, Message):
        return [got.frame.decode()], []
    return [message.frame.decode() for message in got.messages], got.flags


def reading(made: Reader, frame: str) -> Message | Reading:
    return made.read(frame.encode(), Sender.CHARGER, lambda _: None, NOW)


def codes(flags: list[Flag]) -> list[str]:
    return [flag.code.value + (f"@{flag.path}" if flag.path else "") for flag in flags]
