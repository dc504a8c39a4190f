"""What chargers and the backend write down while they are tortured, and whether it adds up."""

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass
class Sent:
    """One message of a charger that must not be lost. `answers` are the payloads it heard, in order."""

    token: str
    action: str
    session: str  # the transaction it belongs to, "" for none
    frames: list[bytes] = field(default_factory=list)  # as sent, once per attempt
    answers: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass
class ChargerLog:
    """All that one charger knows: its messages in the order in which they came to be."""

    id: str
    renews_ids: bool = False  # what it sends again has another message id
    sent: list[Sent] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)  # answers that it had not asked for
    commands: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@dataclass
class Processed:
    """One message that the backend took. `answer` is what it means to say, `is_answered` whether it has."""

    token: str
    action: str
    id: str
    frame: bytes
    answer: dict[str, Any]
    is_answered: bool = False


@dataclass
class BackendLog:
    """What the backend took, by charger, and how often it lost each charger's link."""

    processed: dict[str, list[Processed]] = field(default_factory=dict)
    links_lost: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)  # tokens that it will never take


def token_of(frame: bytes) -> str:
    """The mark that a charger puts into each message that must not be lost; "" for any other."""
    at = frame.find(b"token-")
    return frame[at : frame.index(b'"', at)].decode() if at >= 0 else ""


def faults(chargers: list[ChargerLog], backend: BackendLog, crashes: int) -> list[str]:
    """Every promise that the logs show to be broken, in a line each."""
    return [
        fault
        for charger in chargers
        for fault in (
            *_lost(charger, backend),
            *_order(charger, backend),
            *_repeats(charger, backend, crashes),
            *_ids(charger, backend),
            *(f"{charger.id}: {odd}" for odd in charger.odd),
        )
    ]


def duplicates(backend: BackendLog) -> int:
    """How many deliveries there were beyond the first of each message."""
    return sum(
        count - 1
        for taken in backend.processed.values()
        for count in Counter(one.token for one in taken).values()
    )


def _lost(charger: ChargerLog, backend: BackendLog) -> list[str]:
    taken = {one.token for one in backend.processed.get(charger.id, ())} | backend.refused
    return [
        f"{charger.id}: LOST {sent.action} {sent.token}: answered {sent.answers}, never delivered"
        for sent in charger.sent
        if sent.answers and sent.token not in taken
    ] + [
        f"{charger.id}: REFUSED {sent.action} {sent.token}: {sent.errors}"
        for sent in charger.sent
        if sent.errors
    ]


def _order(charger: ChargerLog, backend: BackendLog) -> list[str]:
    place = {sent.token: number for number, sent in enumerate(charger.sent)}
    firsts = list(dict.fromkeys(one.token for one in backend.processed.get(charger.id, ())))
    return [
        f"{charger.id}: ORDER {after} was delivered before {before}"
        for after, before in pairwise(firsts)
        if place[after] > place[before]
    ]


def _repeats(charger: ChargerLog, backend: BackendLog, crashes: int) -> list[str]:
    """At most one per crash or lost link, and each the same message under the same id."""
    found: list[str] = []
    firsts: dict[str, Processed] = {}
    repeats = 0
    for one in backend.processed.get(charger.id, ()):
        first = firsts.setdefault(one.token, one)
        if first is one:
            continue
        repeats += 1
        if (not charger.renews_ids and one.id != first.id) or _content(one.frame) != _content(first.frame):
            found.append(f"{charger.id}: REPEAT differs: {first.frame!r} then {one.frame!r}")
    most = crashes + backend.links_lost[charger.id]
    if repeats > most:
        found.append(f"{charger.id}: REPEATS {repeats} with only {most} failures")
    return found


def _content(frame: bytes) -> Any:
    """A message without what may differ: `offline`, which is set on what is sent later."""
    _, _, action, payload = json.loads(frame)
    payload.pop("offline", None)
    return action, payload


def _ids(charger: ChargerLog, backend: BackendLog) -> list[str]:
    """Each transaction keeps one id with the charger, and the backend hears its own in all that follows."""
    found: list[str] = []
    session = {sent.token: sent.session for sent in charger.sent}
    theirs: dict[str, set[int]] = {}
    for one in backend.processed.get(charger.id, ()):
        if one.action == "StartTransaction":
            theirs.setdefault(session[one.token], set()).add(one.answer["transactionId"])
        elif one.action in ("MeterValues", "StopTransaction"):
            id_ = json.loads(one.frame)[3].get("transactionId")
            if id_ not in theirs.get(session[one.token], ()):
                found.append(f"{charger.id}: ID {one.action} {one.token} names {id_}, not its own")
    ours: dict[int, str] = {}
    for sent in charger.sent:
        if sent.action != "StartTransaction":
            continue
        ids = {answer["transactionId"] for answer in sent.answers}
        if len(ids) > 1:
            found.append(f"{charger.id}: ID {sent.token} was answered with {ids}")
        for id_ in ids:
            if ours.setdefault(id_, sent.session) != sent.session:
                found.append(f"{charger.id}: ID {id_} was given to two transactions")
    return found
