"""Named places at which a test can end, hold up or fail the process: `python -m gateway.net.failpoints`.

`OCPP_GATEWAY_FAILPOINT=NAME@HIT:ACTION` arms one of them at start: when the process comes to it for the
HIT-th time, it is killed as by a power cut (`kill`), stands still (`pause`), or the step fails (`error`).
`*@1:say` writes a line to standard error for each point that is reached. Unarmed there is nothing: the
steps are wrapped only when the variable is set.
"""

import inspect
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from gateway.net import driver
from gateway.net.archive import Archive
from gateway.net.backend import Backend
from gateway.net.charger_server import Handshake
from gateway.net.driver import Driver
from gateway.net.fleet import Fleet
from gateway.net.gate import Gate
from gateway.net.link import Link
from gateway.net.pacer import Pacer
from gateway.net.parking import Parking
from gateway.net.relinker import Relinker
from gateway.net.upstream import Upstream
from gateway.observe import log
from gateway.observe.keeper import Keeper
from gateway.observe.outages import Outages
from gateway.ocpp.message import Sender
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.store import sqlite_rows
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_disk import Disk

VARIABLE = "OCPP_GATEWAY_FAILPOINT"
PAUSE_S = 1.5

Hit = Callable[[str], None]


class Step(NamedTuple):
    """A function at `owner.attribute`; `before-NAME` and `after-NAME` are its points."""

    owner: Any
    attribute: str
    meaning: str


STEPS = {
    "admit": Step(Handshake, "_admit", "a charger's handshake is judged"),
    "answer-handshake": Step(Handshake, "_hand_over", "a charger's handshake is answered with 101"),
    "know-charger": Step(Archive, "known", "what is known of a charger is read"),
    "link-for-charger": Step(Gate, "_linked", "the backend link of an arriving charger is opened"),
    "connect": Step(Backend, "connect", "a link to the backend is opened"),
    "probe": Step(Backend, "_probing", "an absent backend is asked until it answers"),
    "backend-changes": Step(Upstream, "_changed", "the backend went or came"),
    "redial": Step(Relinker, "_dial", "a lost link is opened again"),
    "park-all": Step(Parking, "fill", "after a start, absent chargers' queues are taken up"),
    "park": Step(Parking, "_park", "one absent charger's queue is taken up"),
    "open-archive": Step(Archive, "_count", "what waits for a charger is counted at the start"),
    "charger-frame": Step(Driver, "charger_frame", "a message of a charger is processed"),
    "backend-frame": Step(Driver, "backend_frame", "a message of the backend is processed"),
    "store-write": Step(SqliteStore, "write", "records are handed to the store"),
    "transaction": Step(Disk, "_transaction", "a transaction is begun and committed"),
    "apply": Step(sqlite_rows, "apply", "records are written in an open transaction"),
    "tidy": Step(Disk, "tidy", "the store looks after its files"),
    "settle": Step(SqliteStore, "_settle", "callers hear that a commit is done"),
    "stored": Step(Archive, "_stored", "a session hears that its message is on disk"),
    "dropped": Step(Archive, "_dropped", "a session hears that its message is off the disk"),
    "fetch": Step(Archive, "_fetch", "stored messages are read"),
    "give-turns": Step(Pacer, "tick", "turns to deliver are given"),
    "quarantine": Step(Keeper, "_quarantine", "a message is handed to quarantine"),
    "outage-begins": Step(Outages, "begin", "the record of an outage begins"),
    "outage-ends": Step(Outages, "end", "the record of an outage ends"),
    "forget-driver": Step(Fleet, "remove", "a charger with nothing left to deliver is let go"),
    "shut-down": Step(Fleet, "close", "every charger is let go at the end"),
}
SENDS = {Sender.CHARGER: "send-to-charger", Sender.BACKEND: "send-to-backend"}
EFFECTS: dict[type, str] = {
    ef.Close: "close",
    ef.StoreEntry: "store-entry",
    ef.DropEntry: "drop-entry",
    ef.FetchEntries: "fetch-entries",
    ef.Remember: "remember",
    ef.WantTurn: "want-turn",
    ef.Flagged: "flagged",
}
EVENTS: dict[type, str] = {
    ev.ChargerOpened: "charger-opened",
    ev.ChargerClosed: "charger-closed",
    ev.BackendOpened: "backend-opened",
    ev.BackendClosed: "backend-closed",
    ev.BackendAway: "backend-away",
    ev.EntryStored: "entry-stored",
    ev.EntryDropped: "entry-dropped",
    ev.EntriesFetched: "entries-fetched",
    ev.Turn: "turn",
    ev.Kept: "kept",
    ev.TimePassed: "time-passed",
}


def points() -> dict[str, str]:
    """Every point and what happens before or after it."""
    meanings = {name: step.meaning for name, step in STEPS.items()}
    meanings |= {name: "one message leaves" for name in SENDS.values()}
    meanings |= {name: f"the session wants {kind.__name__}" for kind, name in EFFECTS.items()}
    meanings |= {name: f"the session hears {kind.__name__}" for kind, name in EVENTS.items()}
    return {
        f"{when}-{name}": f"{when}: {text}" for name, text in meanings.items() for when in ("before", "after")
    }


def arm(spec: str) -> None:
    """Arm what `NAME@HIT:ACTION` says. ValueError when it does not say so."""
    said = re.fullmatch(r"([a-z*-]+)@([1-9]\d*):(kill|pause|error|say)", spec)
    if said is None or (said[1] != "*" and said[1] not in points()):
        raise ValueError(f"{VARIABLE}={spec}: not NAME@HIT:kill|pause|error|say with a name that is known")
    log.event("warning", "failpoint-armed", spec=spec)
    _wrap_all(_hit(said[1], int(said[2]), _ACTIONS[said[3]]))


def _hit(wanted: str, number: int, act: Hit) -> Hit:
    seen: Counter[str] = Counter()

    def hit(name: str) -> None:
        if wanted in ("*", name):
            seen[name] += 1
            if seen[name] == number:
                act(name)

    return hit


def _kill(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(name: str) -> None:
    raise OSError(f"failpoint {name}")


def _say(name: str) -> None:
    sys.stderr.write(f"failpoint {name}\n")
    sys.stderr.flush()


_ACTIONS: dict[str, Hit] = {
    "kill": _kill,
    "pause": lambda _: time.sleep(PAUSE_S),
    "error": _fail,
    "say": _say,
}


def _wrap_all(hit: Hit) -> None:
    for name, step in STEPS.items():
        setattr(step.owner, step.attribute, _wrapped(name, getattr(step.owner, step.attribute), hit))
    for kind, name in EFFECTS.items():
        driver._PERFORM[kind] = _wrapped(name, driver._PERFORM[kind], hit)
    _wrap_events(hit)
    _wrap_sends(hit)


def _wrapped(name: str, work: Callable[..., Any], hit: Hit) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(work):

        @wraps(work)
        async def later(*parameters: Any, **more: Any) -> Any:
            hit(f"before-{name}")
            result = await work(*parameters, **more)
            hit(f"after-{name}")
            return result

        return later

    @wraps(work)
    def now(*parameters: Any, **more: Any) -> Any:
        hit(f"before-{name}")
        result = work(*parameters, **more)
        hit(f"after-{name}")
        return result

    return now


def _wrap_events(hit: Hit) -> None:
    tell = Driver.tell
    tells = {kind: _wrapped(name, tell, hit) for kind, name in EVENTS.items()}

    def told(self: Driver, event: ev.Event) -> None:
        tells.get(type(event), tell)(self, event)

    setattr(Driver, "tell", told)  # noqa: B010 - an assignment to a method is an error of types


def _wrap_sends(hit: Hit) -> None:
    connected = Link.on_ws_connected

    def opened(self: Link, transport: Any) -> None:
        owner = self.owner

        class Opener:
            def link_opened(_, link: Link) -> None:
                link.put = _wrapped(SENDS[link.end], link.put, hit)
                link.owner = owner
                owner.link_opened(link)

        self.owner = Opener()  # type: ignore[assignment]
        connected(self, transport)

    setattr(Link, "on_ws_connected", opened)  # noqa: B010


if __name__ == "__main__":
    for point, meaning in points().items():
        sys.stdout.write(f"{point:28} {meaning}\n")
