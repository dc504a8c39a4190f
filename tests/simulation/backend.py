"""Backends of every temper, and what they have taken in."""

from typing import TYPE_CHECKING

from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.ocpp.times import text
from gateway.session.book import FIRST_ID
from tests.simulation import frames
from tests.simulation.wire import Link

if TYPE_CHECKING:
    from tests.simulation.node import Driver
    from tests.simulation.world import World

FOREVER = 10**9


class Temper(Struct):
    """What kind of backend it is. Shares are of 1.

    `ids`: `count`, `clash` (from where the gateway's own begin), `random`, or `same` (a start that is there
    already gets its old id). `refusing`: messages refused a few times; `poison`: refused always. `zero`:
    a refused start gets the id 0. `pending`: boots answered with Pending before one is accepted.
    """

    ids: str
    quick_s: float
    slow_share: float
    silent_share: float
    refusing: float
    poison: float
    zero: bool
    pending: int
    commands: bool


class Account(Struct):
    """What the backend knows of one charger. `given`: a start's number → the ids it was given."""

    given: dict[int, list[int | str]] = {}
    refused: set[int] = set()
    open: dict[int | str, int] = {}
    boots: int = 0
    ended: set[int] = set()


class Backend:
    """One backend. `is_up`: it accepts links; `is_silent`: it answers nothing; `is_slow`: it does so late."""

    def __init__(self, world: "World", temper: Temper) -> None:
        self.world = world
        self.temper = temper
        self.is_up = True
        self.is_silent = False
        self.is_slow = False
        self.accounts: dict[str, Account] = {}
        self.links: list[Link] = []
        self.refusals: dict[int, int] = {}
        self._last_id = FIRST_ID - 1 if temper.ids == "clash" else 0
        self._numbers = 0

    @property
    def clashes(self) -> bool:
        """Whether its ids are those that the gateway gives too: only one that lives can tell them apart."""
        return self.temper.ids == "clash"

    def account(self, key: str) -> Account:
        if key not in self.accounts:
            self.accounts[key] = Account({}, set(), {}, 0, set())
        return self.accounts[key]

    def accepts(self) -> bool:
        return self.is_up

    def connected(self, link: Link) -> None:
        self.links.append(link)

    def lost(self, link: Link, code: int) -> None:
        if link in self.links:
            self.links.remove(link)

    def go_down(self) -> None:
        """Every link breaks."""
        self.is_up = False
        for link in self.links[:]:
            self.links.remove(link)
            link.cut()

    # Messages

    def hears(self, link: Link, data: bytes) -> None:
        got = frames.parsed(data)
        if got[0] != 2:
            return
        chance = self.world.random
        temper = self.temper
        wild = self.world.is_wild
        delay_s = temper.quick_s * (0.2 + chance.random())
        if wild and (self.is_silent or chance.random() < temper.silent_share):
            if chance.random() < 0.5:
                return
            delay_s = -1.0
        elif wild and (self.is_slow or chance.random() < temper.slow_share):
            delay_s = chance.uniform(2, 30)
        begins = self.world.now + (max(0.0, delay_s) * chance.random() if chance.random() < 0.5 else 0.0)
        ends = self.world.now + delay_s if delay_s >= 0 else -1.0
        self.world.at(begins, self.work, link, got, data, max(begins, ends) if ends >= 0 else -1.0)

    def work(self, link: Link, got: list, data: bytes, answer_at: float) -> None:
        """Take a CALL in, and answer at a time; -1: never."""
        if not self.is_up:
            return
        _, id_, action, payload = got
        answer = self.answer(link, id_, action, payload, data)
        if answer_at >= 0:
            self.world.at(answer_at, link.send_to_gateway, answer)

    def answer(self, link: Link, id_: str, action: str, payload: dict, data: bytes) -> bytes:
        """Its answer, after it has done what it was asked."""
        key = link.driver.key
        token = frames.token_of(action, payload)
        if token and self.refuses(token):
            self.world.promises.refused(key, token)
            return frames.error(id_, "InternalError")
        if token:
            self.world.promises.processed(key, token, action, payload, link)
        return frames.result(id_, self.said(link.driver, self.account(key), action, payload))

    def said(self, driver: "Driver", account: Account, action: str, payload: dict) -> dict:
        now = text(self.world.now + self.world.wall_s)
        token = frames.token_of(action, payload)
        said: dict = {}
        match action:
            case "BootNotification":
                account.boots += 1
                status = "Pending" if self.world.is_wild and self.chance_pending(account) else "Accepted"
                said = {"currentTime": now, "interval": 20, "status": status}
            case "Heartbeat":
                said = {"currentTime": now}
            case "Authorize":
                said = self.info(driver, self.standing(payload))
            case "StartTransaction":
                said = self.started(driver, account, payload, token)
            case "StopTransaction":
                self.ended(account, payload.get("transactionId"))
            case "TransactionEvent":
                said = self.event(driver, account, payload, token)
        return said

    def chance_pending(self, account: Account) -> bool:
        return account.boots % (self.temper.pending + 1) != 0

    def refuses(self, token: int) -> bool:
        if token not in self.refusals:
            roll = self.world.random.random() if self.world.is_wild else 1.0
            poison, refusing = self.temper.poison, self.temper.refusing
            few = self.world.random.randint(1, 4)
            self.refusals[token] = FOREVER if roll < poison else few if roll < poison + refusing else 0
        if not self.refusals[token]:
            return False
        self.refusals[token] -= 1
        return True

    def standing(self, payload: dict) -> str:
        token = payload.get("idTag", payload.get("idToken"))
        tag = token["idToken"] if isinstance(token, dict) else token
        return "Blocked" if str(tag).startswith("BAD") else "Accepted"

    def info(self, driver: "Driver", status: str) -> dict:
        name = "idTagInfo" if driver.backend_version is Version.V16 else "idTokenInfo"
        return {name: {"status": status}}

    def started(self, driver: "Driver", account: Account, payload: dict, token: int) -> dict:
        status = self.standing(payload)
        given = account.given.setdefault(token, [])
        if given and self.temper.ids == "same":
            return {"transactionId": given[0], **self.info(driver, status)}
        if status != "Accepted" and self.temper.zero:
            id_ = 0
        else:
            self._last_id += 1
            id_ = self._last_id
            if self.temper.ids in ("random", "same"):
                id_ = self.world.random.randrange(1, 2**31)
        given.append(id_)
        if status == "Accepted":
            account.open[id_] = token
        else:
            account.refused.add(token)
        return {"transactionId": id_, **self.info(driver, status)}

    def event(self, driver: "Driver", account: Account, payload: dict, token: int) -> dict:
        id_ = payload["transactionInfo"]["transactionId"]
        if payload["eventType"] == "Ended":
            self.ended(account, id_)
        if payload["eventType"] != "Started":
            return {}
        status = self.standing(payload)
        account.given[token] = [id_]
        if status == "Accepted":
            account.open[id_] = token
        else:
            account.refused.add(token)
        return self.info(driver, status)

    def ended(self, account: Account, id_: int | str | None) -> None:
        if id_ in account.open:
            account.ended.add(account.open.pop(id_))

    # Commands

    def command(self) -> None:
        """Now and then it wants a transaction to end."""
        if not self.temper.commands or not self.links or not self.world.is_wild:
            return
        link = self.world.random.choice(self.links)
        account = self.account(link.driver.key)
        if not account.open or link.is_dead:
            return
        id_ = self.world.random.choice(list(account.open))
        self._numbers += 1
        action, payload = frames.remote_stop(link.driver.backend_version, id_)
        self.world.promises.stop_wanted(link.driver.key, account.open[id_])
        link.send_to_gateway(frames.call(f"b{self._numbers}", action, payload))
