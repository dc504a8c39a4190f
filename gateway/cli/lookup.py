"""Where commands look things up: a running gateway, or else its data directory."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gateway.cli import Mistake

if TYPE_CHECKING:
    import sqlite3

    from gateway.admin.client import AdminClient

ADMIN = "http://127.0.0.1:9080"
DATA = "data"
PAGE = 1000
MOST = 2**53
T = TypeVar("T")


class Lookup(Protocol):
    """What can be asked, with the parameters of the API; the answers are the API's JSON objects."""

    def flags(self, **query: Any) -> list[dict[str, Any]]: ...

    def quarantine(self, with_raw: bool, **query: Any) -> list[dict[str, Any]]: ...

    def quarantine_entry(self, id: str) -> dict[str, Any] | None: ...

    def outbox(self) -> list[dict[str, Any]]: ...

    def outages(self, limit: int) -> list[dict[str, Any]]: ...


def count(text: str) -> int:
    """How many, as an option says it: a whole number from 1 on."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 on")
    return int(text)


def add_admin(parser: argparse.ArgumentParser) -> None:
    """`--admin`."""
    parser.add_argument(
        "--admin",
        metavar="URL",
        help=f"admin address of the running gateway ($OCPP_GATEWAY_ADMIN, else {ADMIN}); its token is taken "
        "from the environment variable OCPP_GATEWAY_ADMIN_TOKEN",
    )


def add_verbs(
    parser: argparse.ArgumentParser, verbs: Mapping[str, str]
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """A place for verbs; without one of them the command says which there are."""

    def list_them(_: argparse.Namespace) -> int:
        widest = max(map(len, verbs))
        lines = [f"  {name:<{widest}}  {summary}" for name, summary in verbs.items()]
        raise Mistake("\n".join([f"{parser.prog}: what is to be done? Give one of", *lines]))

    parser.set_defaults(run=list_them)
    return parser.add_subparsers(title="what to do", metavar="VERB")


def add_source(parser: argparse.ArgumentParser, reads: bool = True) -> None:
    """`--admin`, and `--data` where a data directory is enough."""
    add_admin(parser)
    if reads:
        parser.add_argument(
            "--data", metavar="DIR", help=f"read this data directory instead ({DATA}, if no gateway runs)"
        )


@contextmanager
def source(arguments: argparse.Namespace) -> Iterator[Lookup]:
    """The running gateway; or the data directory, when one is named or no gateway runs. Errors: Mistake."""
    from gateway.admin.client import Unreachable

    if arguments.data is None:
        admin = client(arguments)
        try:
            declined(lambda: admin.get("/flags", limit=1), reachable=False)
            yield Running(admin)
            return
        except Unreachable as error:
            if _named(arguments):
                raise Mistake(_nobody(error)) from None
            print(f"no gateway runs at {ADMIN}; reading {DATA}/ instead", file=sys.stderr)
    with closing(_opened(Path(arguments.data or DATA))) as db:
        yield _Files(db)


def client(arguments: argparse.Namespace) -> "AdminClient":
    from gateway.admin.client import AdminClient

    return declined(lambda: AdminClient(_named(arguments) or ADMIN))


def _named(arguments: argparse.Namespace) -> str:
    """The address that the user names; "" when none."""
    return arguments.admin or os.environ.get("OCPP_GATEWAY_ADMIN", "")


def _nobody(error: Exception) -> str:
    return (
        f"no gateway answers at {error}; is the gateway running? "
        "Name its address with --admin (or OCPP_GATEWAY_ADMIN)"
    )


def connected(admin: "AdminClient", id_: str) -> dict[str, Any] | None:
    """What the gateway knows of a charger; None when it is not connected. Errors: Mistake."""
    from gateway.admin.client import Declined

    def ask() -> dict[str, Any] | None:
        try:
            return admin.get(f"/chargers/{id_}")
        except Declined as error:
            if "is known" in str(error):
                return None
            raise

    return declined(ask)


def declined(ask: Callable[[], T], reachable: bool = True) -> T:
    """What `ask` returns; a refusal, and with `reachable` a gateway that is not there, as a Mistake."""
    from gateway.admin.client import Declined, Unreachable

    try:
        return ask()
    except Declined as error:
        raise Mistake(str(error)) from None
    except Unreachable as error:
        if not reachable:
            raise
        raise Mistake(_nobody(error)) from None


def shown(text: str, most: int = 200) -> str:
    """`text` for a terminal, which nothing in it can steer, on one line and cut at `most` characters."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: most + 1])
    return safe if len(safe) <= most else safe[: most - 1] + "…"


def changed(flag: dict[str, Any]) -> str:
    """What a flag changed, or would have."""
    from gateway.ocpp.flags import change

    told = change(flag["before"], flag["after"], flag["applied"])
    return told or ("" if flag["applied"] else "(as it came)")


class Table:
    """Lines with aligned columns; what is longer than its column may be is cut.

    Columns are as wide as what has been shown so far, so that more rows line up with those before.
    """

    def __init__(self, head: Sequence[str], widest: Sequence[int]) -> None:
        self._head: list[Sequence[str]] = [head]
        self._widest = widest
        self._widths = [0] * len(widest)

    def lines(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """One or more rows; before the first ones, the head."""
        cut = [[_cut(cell, most) for cell, most in zip(row, self._widest, strict=True)] for row in rows]
        shown, self._head = [*self._head, *cut], []
        columns = zip(*shown, strict=True)
        self._widths = [
            max(width, *map(len, cells)) for width, cells in zip(self._widths, columns, strict=True)
        ]
        for row in shown:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, self._widths, strict=True)).rstrip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


class Running:
    """A gateway's API."""

    def __init__(self, admin: "AdminClient") -> None:
        self._admin = admin

    def flags(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = declined(lambda: self._admin.get("/flags", **query))["flags"]
        return found

    def quarantine(self, with_raw: bool, **query: Any) -> list[dict[str, Any]]:
        raw = "true" if with_raw else None
        found: list[dict[str, Any]] = declined(lambda: self._admin.get("/quarantine", raw=raw, **query))[
            "entries"
        ]
        return found

    def quarantine_entry(self, id: str) -> dict[str, Any] | None:
        from gateway.admin.client import Declined

        try:
            return self._admin.get(f"/quarantine/{id}")
        except Declined as error:
            if "is in quarantine" in str(error):
                return None
            raise Mistake(str(error)) from None

    def outbox(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["charger"] if found else ""
            page = declined(partial(self._admin.get, "/outbox", after=after, limit=PAGE))
            found += page["outbox"]
            if page["next"] is None:
                return found

    def outages(self, limit: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = declined(lambda: self._admin.get("/outages", limit=limit))["outages"]
        return found


class _Files:
    """The database of a gateway, opened for reading only."""

    def __init__(self, db: "sqlite3.Connection") -> None:
        self._db = db

    def flags(self, **query: Any) -> list[dict[str, Any]]:
        import msgspec

        from gateway.store import sqlite_rows
        from gateway.store.protocol import FlagQuery

        return [msgspec.structs.asdict(flag) for flag in sqlite_rows.flags(self._db, FlagQuery(**query))]

    def quarantine(self, with_raw: bool, **query: Any) -> list[dict[str, Any]]:
        from gateway.admin.records import described
        from gateway.store import sqlite_rows
        from gateway.store.protocol import EntryState, QuarantineQuery

        state = query.pop("state")
        asked = QuarantineQuery(state=EntryState(state) if state else None, **query)
        return [described(entry, with_raw) for entry in sqlite_rows.quarantine(self._db, asked)]

    def quarantine_entry(self, id: str) -> dict[str, Any] | None:
        from gateway.admin.records import described
        from gateway.store import sqlite_rows

        found = sqlite_rows.quarantine_entry(self._db, id)
        return None if found is None else described(found, with_raw=True)

    def outbox(self) -> list[dict[str, Any]]:
        import msgspec

        from gateway.store import sqlite_state
        from gateway.store.place import taken_apart

        found = []
        for one in sqlite_state.outbox_usage(self._db):
            charger, backend = taken_apart(one.charger)
            counts = {"messages": one.messages, "bytes": one.bytes, "oldest": one.oldest}
            link = sqlite_state.state(self._db, charger)[0].get("link")
            if link:  # places have the id in lower case; this is how the charger writes it
                charger = msgspec.json.decode(link)["charger_id"]
            found.append({"charger": charger, "backend": backend, **counts})
        return found

    def outages(self, limit: int) -> list[dict[str, Any]]:
        from gateway.admin.records import outage_of
        from gateway.store import sqlite_state

        return [outage_of(one) for one in sqlite_state.outages(self._db, limit)]


def _opened(directory: Path) -> "sqlite3.Connection":
    from gateway.config.reading import DEMO_DATA
    from gateway.store import sqlite_file
    from gateway.store.protocol import StoreError

    try:
        return sqlite_file.open_read_only(directory)
    except StoreError as error:
        has_demo = not (directory / sqlite_file.NAME).exists() and Path(DEMO_DATA, sqlite_file.NAME).exists()
        hint = f" A demonstration has: --data {DEMO_DATA}" if has_demo else ""
        raise Mistake(f"{error}{hint}") from None
    except OSError as error:
        raise Mistake(f"{directory}: cannot be read: {error.strerror}") from None
