"""The words of `state_before`, which says only what matters, made those that the rest reads: what it leaves
out is put in, what may be said in several ways is said in one.
"""

import re
from typing import Any

from gateway.ocpp import times
from gateway.translate.tables import CONNECTOR_STATUS, ERRORS

State = dict[str, Any]
Value = Any

_LINK = {True: "up", False: "down"}
_KNOWN = {True: "yes", False: "no"}
_OF_A_CAPABILITY = {"on": "yes", "off": "no", True: "yes", False: "no", "yes": "yes", "no": "no"}
_BEGUN = {"starting": "active", "ending": "active"}
_SAME = {
    **{"expires": ("expires", "expiry"), "expiry": ("expiry", "expires")},
    **{"last": ("last", "last16", "last_status"), "last16": ("last16", "last", "last_status")},
    **{"empty": ("empty", "emptied"), "id_token": ("id_token", "idToken", "token")},
}
_OF_AFTER = {
    **dict.fromkeys(("dead_letters", "deadletter", "deadletters"), "dead_letter"),
    **dict.fromkeys(("event_queue", "outbox"), "queue"),
}
_JOBS = {"firmware": ("firmware", "firmware_job"), "log": ("log", "log_job", "diagnostics")}


def usual(vector: State) -> State:
    """`state_before` of a vector in the usual words; what has only one way to be said is as it was."""
    before: State = {"registration": "Accepted", "topology": [{"flat": 1}]} | vector["state_before"]
    backend_is_16 = vector["direction"].endswith("be1.6")
    state = before | {
        "registration": _text(before["registration"], "status"),
        "links": {"cs": "up", "be": "up"}
        | {leg: _LINK.get(up, up) for leg, up in before.get("links", {}).items()},
        "topology": [_place(place) for place in before["topology"]],
        "config": before.get("config") or {},
        "capabilities": _capabilities(before),
        "next": {_counter(name): _first(value) for name, value in (before.get("next") or {}).items()},
        "status16": {str(flat): _text(at, "status") for flat, at in (before.get("status16") or {}).items()},
        "last_register": {str(flat): _number(at) for flat, at in (before.get("last_register") or {}).items()},
        "token_types": _token_types(before.get("token_types") or {}),
        "auth_cache": [_authorisation(one, backend_is_16) for one in before.get("auth_cache") or []],
        "device_model": [_variable(one) for one in before.get("device_model") or []],
    }
    state["tx"] = [_transaction(tx, state) for tx in before.get("tx") or []]
    for tx in state["tx"]:  # of an open one it says itself what was told of its connector
        if tx.get("flat") and tx.get("status16") and tx["state"] != "ended":
            state["status16"].setdefault(str(tx["flat"]), tx["status16"])
    state["pending_remote_starts"] = [
        _pending(start, state) for start in before.get("pending_remote_starts") or []
    ]
    state["reservations"] = [_pending(one, state) for one in before.get("reservations") or []]
    for name, others in _JOBS.items():
        if job := next((before[other] for other in others if before.get(other)), None):
            state[name] = _job(name, job)
    if before.get("local_list"):
        state["local_list"] = _renamed(before["local_list"])
    if vector["direction"].startswith("cs1.6"):
        state["status201"] = _told(state) | (before.get("status201") or {})
    state["held_reset"] = _held_reset(before.get("held_reset"))
    state["open_errors"] = _open_errors(before.get("open_errors") or [], state)
    state["pending_triggers"] = [_trigger(one, state) for one in before.get("pending_triggers") or []]
    return state


def afterwards(said_name: str, said: Value) -> tuple[str, Value]:
    """What `state_after` expects under a name, both in the words of `gateway.translate.memory`."""
    name = _OF_AFTER.get(said_name, said_name)
    make = _AFTER.get(name)
    return name, said if said is None or make is None else make(said)


def _tokens_after(said: list[State]) -> list[State]:
    """Of a token that was judged its type is not kept, nor how it was written."""
    return [
        {"idToken": {"idToken": _text(one["idToken"], "idToken").casefold()}, "status": one["status"]}
        for one in said
    ]


def _errors_after(said: Value) -> Value:
    if not isinstance(said, list):
        return said
    return [{member: _text(value, "name") for member, value in error.items()} for error in said]


def _types_after(said: Value) -> State:
    return {token.casefold(): kind for token, kind in _token_types(said).items()}


def _list_after(said: State) -> State:
    return {member: value for member, value in _renamed(said).items() if member != "emptied"}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _renamed(said: State) -> State:
    """Members by the names they go by, in whatever spelling they came."""
    named = {_snake(name): value for name, value in said.items()} | said
    for name, others in _SAME.items():
        found = next((named[other] for other in others if named.get(other) is not None), None)
        if found is not None:
            named[name] = found
    return named


def _text(value: Value, member: str) -> Value:
    return value[member] if isinstance(value, dict) else value


def _number(value: Value) -> Value:
    """Wh, with or without when."""
    return value if not isinstance(value, dict) else value.get("wh", value.get("value"))


def _counter(name: str) -> str:
    """Which counter is meant: of requests, remote starts, events; transactions have two ids."""
    plain = _snake(name)
    return next((own for own in ("request_id", "remote_start_id", "event_id") if own[:-3] in plain), plain)


def _first(value: Value) -> Value:
    """A counter goes on from its first value; ids that are texts stay a list."""
    is_numbers = isinstance(value, list) and value and all(isinstance(one, int) for one in value)
    return value[0] if is_numbers else value


def _place(place: State) -> State:
    flat = place["flat"]
    return {"flat": flat, "evse": place.get("evse", flat), "connector": place.get("connector", 1)}


def _capabilities(before: State) -> dict[str, str]:
    known = {name: _KNOWN.get(yes, yes) for name, yes in (before.get("capabilities") or {}).items()}
    config = before.get("config") or {}
    for policy, names in (("pnc", ("pnc", "be_pnc")), ("costmsg", ("costmsg",))):
        if (yes := _OF_A_CAPABILITY.get(config.get(policy))) is not None:
            known = dict.fromkeys(names, yes) | known
    return known


def _token_types(said: Value) -> dict[str, str]:
    if isinstance(said, list):
        said = {one["idToken"]: one for one in said}
    return {token: _text(kind, "type") for token, kind in said.items()}


def _authorisation(said: State, backend_is_16: bool) -> State:
    """What the backend said of a token, its group and end as its own version says them."""
    token = said.get("idToken", said.get("id_token", said.get("idTag", said.get("id_tag"))))
    made = said | {"idToken": token if isinstance(token, dict) else {"idToken": token}}
    group, expiry = said.get("group"), said.get("expiry")
    info = dict(said.get("info") or {})
    if group and backend_is_16:
        info["parentIdTag"] = _text(group, "idToken")
    elif group:
        info["groupIdToken"] = group if isinstance(group, dict) else {"idToken": group, "type": "Central"}
    if expiry:
        info["expiryDate" if backend_is_16 else "cacheExpiryDateTime"] = expiry
    return made | {"info": info}


def _variable(said: State) -> State:
    made = dict(said)
    for part in ("component", "variable"):
        if isinstance(said[part], str):
            made[part] = {"name": said[part]}
    if isinstance(said.get("read_at"), str):
        made["read_at"] = times.seconds(said["read_at"])
    return made


def _job(name: str, said: State) -> State:
    """A log job is told of natively or as diagnostics."""
    job = _renamed(said)
    if name == "log":
        job["kind"] = "diagnostics" if "diag" in str(job.get("kind", "log")).casefold() else "log"
    return job


def _pending(said: State, state: State) -> State:
    """A remote start or a reservation; each has a connector, a token and an end."""
    made = _renamed(said)
    evse = made.get("evse", made.get("evse_id"))
    if made.get("flat") is None:
        made["flat"] = next((p["flat"] for p in state["topology"] if evse and p["evse"] == evse), 0)
    made["id_token"] = made.get("id_token") or {}
    made.setdefault("id_tag", made["id_token"].get("idToken", ""))
    if isinstance(made.get("group"), dict):
        made["group"] = made["group"]["idToken"]
    if not made.get("expires"):
        made["expires"] = made["expiry"] = "2099-01-01T00:00:00Z"
    return made


def _told(state: State) -> State:
    """What a 2.x backend was told of the connectors of a 1.6 charger whose status it knows."""
    places = {str(place["flat"]): f"{place['evse']}.{place['connector']}" for place in state["topology"]}
    return {
        places[flat]: CONNECTOR_STATUS.up(status)
        for flat, status in state["status16"].items()
        if flat in places
    }


def _held_reset(said: Value) -> State | None:
    """A Reset that waits for the end of a transaction: of 1.6 it can be one kind only."""
    of_16 = isinstance(said, dict) and "type16" in said
    return said if of_16 else {"type16": "Soft"} if said else None


def _open_errors(said: Value, state: State) -> list[State]:
    if isinstance(said, dict):
        said = [{"flat": int(flat)} | error for flat, error in said.items()]
    return [_open_error(_renamed(error), number, state) for number, error in enumerate(said, 1)]


def _open_error(named: State, number: int, state: State) -> State:
    """Which variable it is follows from its code, if it is not said."""
    code = named.get("error_code", named.get("code", "OtherError"))
    component, variable = ERRORS.get(code, ERRORS["OtherError"])
    if "component" in named:
        component, _, one_text = _text(named["component"], "name").partition(".")
        variable = _text(named.get("variable", one_text), "name")
    flat = named.get("flat", named.get("connector", named.get("connector_id")))
    if flat is None:
        flat = next((p["flat"] for p in state["topology"] if p["evse"] == named.get("evse")), 0)
    made = {"flat": flat, "error_code": code, "component": component, "variable": variable}
    return made | {"event_id": named.get("event_id", number), "tech_code": named.get("tech_code", "")}


def _trigger(said: State, state: State) -> State:
    """A message that the charger was asked for, of an EVSE or of any."""
    named = _renamed(said)
    message = named.get("type", named.get("message", named.get("requested_message")))
    evse, flat = named.get("evse", named.get("evse_id")), named.get("flat", named.get("connector"))
    if evse is None and flat is not None:
        evse = next((p["evse"] for p in state["topology"] if p["flat"] == flat), None)
    evse = evse["id"] if isinstance(evse, dict) else evse
    return {"message": message, "evse": evse, "until": named.get("expires", named.get("until"))}


def _transaction(said: State, state: State) -> State:
    """How the gateway names a start or an end is its own affair, so keys are made of what they name."""
    kept = said.get("state", "active").lower()
    made = said | {"state": _BEGUN.get(kept, kept), "start_key": "", "stop_key": ""}
    if isinstance(said.get("ended_at"), str):
        made["ended_at"] = times.seconds(said["ended_at"])
    if isinstance(said.get("group"), dict):
        made["group"] = said["group"]["idToken"]
    made["responses"] = {str(seq): answer for seq, answer in (said.get("responses") or {}).items()}
    if said.get("received"):
        made["received"] = [one if isinstance(one, list) else [one, one] for one in sorted(said["received"])]
    if said.get("auth_end"):
        made["auth_end"] = _auth_end(said["auth_end"])
    if made["state"] == "deauth":
        grace_s = state["config"].get("stop_grace_ms", 30_000) / 1000
        made["grace_until"] = (times.seconds(state["clock"]) or 0.0) + grace_s
    if made["state"] == "wait_id":
        names = {"connectorId": "flat", "idTag": "id_tag", "meterStart": "meter_start_wh"}
        made["start"] = {name: said[own] for name, own in names.items()} | {"timestamp": said["started_at"]}
    return made


def _auth_end(said: State) -> State:
    token = said.get("token", said.get("id_token", said.get("idTag", said.get("id_tag"))))
    made = {"at": said.get("at", said.get("time")), "trigger": said.get("trigger", "")}
    return made | ({"idTag": _text(token, "idToken")} if token else {})


_AFTER = {
    **{"auth_cache": _tokens_after, "held_reset": _held_reset},
    **{"token_types": _types_after, "local_list": _list_after, "open_errors": _errors_after},
}
