"""What an operator can see of the fleet: the answers behind the admin plane (`gateway.admin.view`)."""

from collections import Counter
from collections.abc import Iterable
from time import monotonic
from typing import Any

from msgspec import structs

from gateway.dialect.brand import Brand
from gateway.net.archive import Waiting
from gateway.net.driver import Driver
from gateway.net.fleet import Fleet
from gateway.net.handshake import MAX_ID_LENGTH, registry_key
from gateway.net.link import Link
from gateway.net.upstream import Upstream
from gateway.observe.metrics import ROLES
from gateway.ocpp.message import Version
from gateway.session.book import Transaction
from gateway.session.session import ChargerSession
from gateway.store.place import taken_apart


class FleetReport:
    """The fleet as JSON objects and figures, made when somebody asks."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def chargers(self) -> Iterable[dict[str, Any]]:
        return (_brief(driver) for driver in self._fleet.drivers.values())

    def charger(self, id: str) -> dict[str, Any] | None:
        driver = self._fleet.drivers.get(registry_key(id[:MAX_ID_LENGTH]))
        return None if driver is None else _brief(driver) | _detail(driver)

    def outbox(self) -> Iterable[dict[str, Any]]:
        """What waits for each charger's backend."""
        fleet = self._fleet
        waiting = fleet.archive.waiting if fleet.archive is not None else {}
        for place, found in waiting.items():
            key, backend = taken_apart(place)
            driver = self._driver(key, backend)
            yield {
                "charger": driver.charger_id if driver is not None else key,
                "backend": backend,
                "messages": found.messages,
                "bytes": found.size,
                "oldest": found.oldest,
                "state": _outbox_state(driver, fleet.clock()),
                **_tries(driver),
            }

    def backends(self) -> Iterable[dict[str, Any]]:
        """Every backend: whether it is there, how many chargers it leads and overhears, what waits for it."""
        waiting, roles = self._waiting(), self.chargers_by_role()
        up = self.backend_links_up()
        for name, rows in waiting.items():
            upstream = self._fleet.upstreams.get(name)
            yield {
                "name": name,
                "versions": [version.value for version in upstream.config.versions] if upstream else [],
                "state": upstream.links.state if upstream else "not configured",
                "reason": upstream.links.trouble if upstream else "",
                "next_try": self._next_try(upstream) if upstream else None,
                "leads": roles.get((name, "leads"), 0),
                "follows": roles.get((name, "follows"), 0),
                "links": up.get(name, 0),
                "messages": sum(row.messages for row in rows),
                "bytes": sum(row.size for row in rows),
                "oldest": min((row.oldest for row in rows), default=None),
            }

    def _next_try(self, upstream: Upstream) -> float | None:
        """When the backend is tried again, or a link to it, if anybody waits for one; seconds since 1970."""
        links = upstream.links
        at = links.probe_at if links.is_away else upstream.relinker.next_at
        return None if at is None else round(self._fleet.clock() + max(0.0, at - monotonic()), 3)

    def _driver(self, key: str, backend: str) -> Driver | None:
        """The driver of a charger and this backend."""
        driver = self._fleet.drivers.get(key)
        if driver is not None and driver.party is not None:
            return driver.party.drivers.get(backend)
        return driver if driver is not None and driver.upstream.name == backend else None

    def waiting(self) -> dict[str, tuple[int, int, float]]:
        now, waiting = self._fleet.clock(), self._waiting()
        return {
            name: (
                sum(row.messages for row in rows),
                sum(row.size for row in rows),
                max(0.0, now - min((row.oldest for row in rows), default=now)),
            )
            for name, rows in waiting.items()
        }

    def _waiting(self) -> dict[str, list[Waiting]]:
        """What waits for each backend, by charger; also for those that are not configured any more."""
        found: dict[str, list[Waiting]] = {name: [] for name in self._fleet.upstreams}
        archive = self._fleet.archive
        for place, row in archive.waiting.items() if archive is not None else ():
            found.setdefault(taken_apart(place)[1], []).append(row)
        return found

    def chargers_by_role(self) -> dict[tuple[str, str], int]:
        found = {(name, role): 0 for name in self._fleet.upstreams for role in ROLES}
        for driver in self._fleet.everyone():
            if driver.serves_charger:
                found[driver.upstream.name, ROLES[driver.session.follows]] += 1
        return found

    def migrating(self) -> dict[tuple[str, str], int]:
        return self._fleet.migrations.counts()

    def copied(self) -> dict[tuple[str, str, str], int]:
        return self._fleet.copies.counted()

    def ready(self) -> tuple[bool, str]:
        if self._fleet.is_closing:
            return False, "stopping"
        fleet = self._fleet
        links = {name: upstream.links for name, upstream in fleet.upstreams.items()}
        gone = [f"backend {name} is away: {link.reason}" for name, link in links.items() if link.is_away]
        away = "; ".join(gone)
        if not gone:
            refusing = [f"backend {name}: {link.trouble}" for name, link in links.items() if link.trouble]
            return True, "; ".join(refusing) or "ready"
        if fleet.archive is None:
            return False, away
        if not fleet.archive.shared.can_store:
            return False, f"{away}; and its messages cannot be stored"
        away += "; the gateway answers for it and stores what must not be lost"
        if fleet.config.outage.unknown_chargers == "refuse":
            away += ", but refuses chargers that it has not let in before (outage.unknown_chargers)"
        return True, away

    def chargers_by_version(self) -> dict[str, int]:
        counts = Counter(
            driver.session.version.value for driver in self._fleet.drivers.values() if driver.charger
        )
        return {version.value: counts[version.value] for version in Version}

    def backend_links_up(self) -> dict[str, int]:
        counts = Counter(
            driver.upstream.name for driver in self._fleet.everyone() if driver.backend is not None
        )
        return {name: counts[name] for name in self._fleet.upstreams}

    def pending_calls(self) -> dict[str, int]:
        sessions = [driver.session for driver in self._fleet.everyone()]
        return {
            "to_backend": sum(len(session.to_backend) for session in sessions),
            "to_charger": sum(len(session.to_charger) for session in sessions),
        }

    def backend_states(self) -> dict[str, str]:
        return {name: upstream.links.state for name, upstream in self._fleet.upstreams.items()}


def _brief(driver: Driver) -> dict[str, Any]:
    session = driver.session
    return {
        "id": driver.charger_id,
        "version": session.version.value,
        "backend_version": driver.backend_version.value,
        "charger": _leg_state(driver.charger),
        "backend": _leg_state(driver.backend),
        "leader": driver.upstream.name,
        "since": driver.connected_at,
        "address": driver.address,
        "vendor": session.station.vendor,
        "model": session.station.model,
        "firmware": session.station.firmware,
        "last_action": session.last_action,
        "last_message_at": session.charger.heard_at + session.wall_offset_s,
    }


def _detail(driver: Driver) -> dict[str, Any]:
    session = driver.session
    buffer = session.buffer
    return {
        "serial": session.station.serial,
        "mode": session.reader.mode.value,
        "dialect": session.reader.brand.names if session.reader.brand is not None else [],
        "facts": _facts(session.reader.brand),
        "drift": None if session.drift.alert is None else structs.asdict(session.drift.alert),
        "messages_from_charger": session.charger.received,
        "messages_from_backend": session.backend.received,
        "calls_to_backend": [call.action for call in session.to_backend],
        "calls_to_charger": [call.action for call in session.to_charger],
        "backends": [_of_backend(one) for one in _crew(driver)],
        "stored_messages": buffer.outbox.messages if buffer is not None else 0,
        "transactions": _transactions(driver),
        "paused": [hold.name for hold in session.charger.held],
    }


def _crew(driver: Driver) -> list[Driver]:
    return [driver] if driver.party is None else list(driver.party.drivers.values())


def _of_backend(driver: Driver) -> dict[str, Any]:
    """One of a charger's backends: its part, its link, and what it has still to hear."""
    buffer = driver.session.buffer
    role = "leads" if not driver.session.follows else "follows" if driver.serves_charger else "leaves"
    return {
        "name": driver.upstream.name,
        "role": role,
        "version": driver.backend_version.value,
        "link": _leg_state(driver.backend),
        "stored_messages": buffer.outbox.messages if buffer is not None else 0,
        "transactions": _transactions(driver),
    }


def _facts(brand: Brand | None) -> list[dict[str, Any]]:
    """What is known of the brand's chargers; what says nothing is left out."""
    found = [structs.asdict(facts) for facts in brand.facts] if brand is not None else []
    return [{name: value for name, value in facts.items() if value} for facts in found]


def _transactions(driver: Driver) -> list[dict[str, Any]]:
    session = driver.session
    return [_transaction(session, one) for one in session.buffer.book.transactions] if session.buffer else []


def _transaction(session: ChargerSession, known: Transaction) -> dict[str, Any]:
    """What the gateway knows of a transaction, by the ids on either wire; drivers' tags are not shown."""
    backend_id = known.backend_id
    if session.bridge is not None:
        told = known.charger_id if isinstance(known.charger_id, str) else backend_id
        backend_id = None if told is None else session.bridge.translator.name_at_backend(told)
    return {
        "charger_id": known.charger_id,
        "backend_id": backend_id,
        "connector": known.connector,
        "started_at": known.started_at,
        "ended_at": known.ended_at or None,
        "refused": known.refused,
    }


def _outbox_state(driver: Driver | None, now: float) -> str:
    """`delivering`, `waiting` for the backend, `full`, or `absent`: nobody can open a link in its name."""
    buffer = driver.session.buffer if driver is not None else None
    if driver is None or buffer is None:
        return "absent"
    if driver.session.backend.is_open and buffer.is_registered:
        return "delivering"
    return "waiting" if buffer.has_room(now) else "full"


def _tries(driver: Driver | None) -> dict[str, Any]:
    """How often the oldest message was tried in vain since the start, and the backend's last error."""
    buffer = driver.session.buffer if driver is not None else None
    if buffer is None or not buffer.outbox.window:
        return {"tries": 0, "error": ""}
    entry = buffer.outbox.window[0]
    return {"tries": entry.refused + entry.unanswered, "error": entry.error}


def _leg_state(link: Link | None) -> str:
    return "closed" if link is None else "open"
