"""What a vector says is known, as the memory of a translator and back."""

from typing import Any

from gateway.ocpp import times
from gateway.translate import memory as memories
from gateway.translate.charger16_backend201.transactions import start_key
from gateway.translate.memory import (
    Authorisation,
    Connector,
    Counters,
    Job,
    LocalList,
    Memory,
    OpenError,
    PendingReset,
    Place,
    Profile,
    RemoteStart,
    Reservation,
    Transaction,
    Variable,
)
from gateway.translate.policies import Policies
from gateway.translate.tokens import token_of

State = dict[str, Any]

_CONFIG = {
    "pre_accept_policy": "pre_accept",
    "offline_unknown_id": "offline_unknown_id",
    "late_reject": "late_reject",
    "start_point": "start_point",
    "leg_credentials": "leg_credentials",
    "leg_certificates": "leg_certificates",
    "no_auth_idtag": "no_auth_id_tag",
    "report_page_items": "report_page_items",
    "orphan_stop": "orphan_stop",
}
_CONFIG_MS = {"stop_grace_ms": "stop_grace_s", "hold_available_ms": "hold_available_s"}
_CONFIG_S = {"remote_start_ttl": "remote_start_ttl_s"}
SESSIONS_CONFIG = {
    *("outage_mode", "ack_mode", "answer_deadline_ms", "command_deadline_ms", "tx_error", "tx_retry_ms"),
    *("tx_error_max", "heartbeat", "pnc", "costmsg", "pnc_as_idtag", "leg_ping"),
}
"""Policies that are the session's, or found out by itself, or off."""

_SWITCHES = {
    *("status_dedupe", "inventory_refresh", "mac_tokens", "synthetic_cable_event"),
    *("ocsp_bridge", "enforce_transaction_limit"),
}


def policies_of(state: State) -> Policies:
    """The policies a vector sets; those of the session are for the world."""
    made: State = {}
    for name, value in state.get("config", {}).items():
        if name in _CONFIG:
            made[_CONFIG[name]] = value
        elif name in _CONFIG_MS:
            made[_CONFIG_MS[name]] = value / 1000
        elif name in _CONFIG_S:
            made[_CONFIG_S[name]] = value
        elif name in _SWITCHES:
            made[name] = value not in (False, "off", 0)
        elif name == "tunnel":
            made[name] = value if isinstance(value, str) and value != "off" else ""
        elif name not in SESSIONS_CONFIG:
            raise ValueError(f"no such policy: {name}")
    return Policies(**made)


def moment(text: str) -> float:
    """Seconds since 1970."""
    found = times.seconds(text)
    assert found is not None, text
    return found


def memory_of(state: State) -> Memory:
    """The memory that holds what `state_before` says."""
    later = state.get("next", {})
    counters = Counters(transaction=later.get("tx16", 0))
    counters.remote_start = later.get("remote_start_id", counters.remote_start)
    counters.request = later.get("request_id", counters.request)
    counters.event = later.get("event_id", counters.event)
    boot = {"BootNotification": _boot(state["boot"])} if "boot" in state else {}
    memory = Memory(
        registration=state["registration"],
        boot=boot,
        boot_reason=state.get("boot", {}).get("reason", ""),
        charger_session_started=moment(state["charger_session_started"])
        if "charger_session_started" in state
        else 0.0,
        topology=[Place(**place) for place in state["topology"]],
        capabilities=dict(state.get("capabilities", {})),
        transactions=[_transaction(tx) for tx in state.get("tx", [])],
        counters=counters,
        aliases={a["alias"].casefold(): a["token"] for a in state.get("aliases", [])},
        token_types={key.casefold(): kind for key, kind in state.get("token_types", {}).items()},
        authorisations={
            a["idToken"]["idToken"].casefold(): Authorisation(
                {"status": a["status"]} | a.get("info", {}), moment(a["at"])
            )
            for a in state.get("auth_cache", [])
        },
        remote_starts=[_remote_start(start) for start in state.get("pending_remote_starts", [])],
        reservations=[_reservation(r) for r in state.get("reservations", [])],
        profiles=[
            Profile(p["id"], p["evse"], p["profile"], p.get("source", "CSO"))
            for p in state.get("profiles", [])
        ],
        status16=dict(state.get("status16", {})),
        status201=dict(state.get("status201", {})),
        last_register=dict(state.get("last_register", {})),
        mutability=dict(state.get("mutability", {})),
        device_model=[_variable(v) for v in state.get("device_model", [])],
        upstream_security_profile=state.get("upstream", {}).get("security_profile", 0),
    )
    _put_rare(memory, state)
    _tell_connectors(memory)
    return memory


def _tell_connectors(memory: Memory) -> None:
    """What was told of a connector says more than its status."""
    for flat, status in memory.status16.items():
        problem = memory.open_errors.get(flat)
        code = problem.error_code if problem else "OtherError" if status == "Faulted" else "NoError"
        memory.connectors[flat] = Connector(error16=code, finishing=status == "Finishing")


def _put_rare(memory: Memory, state: State) -> None:
    if state.get("pending_reset"):
        reset = state["pending_reset"]
        memory.pending_reset = PendingReset(reset["type16"], moment(reset["accepted_at"]))
    held = state.get("held_reset")
    memory.held_reset = held["type16"] if held else ""
    for name in ("firmware", "log"):
        if job := state.get(name):
            setattr(
                memory,
                name,
                Job(job["request_id"], job.get("kind") or "", job.get("last16") or job.get("last") or ""),
            )
    if listed := state.get("local_list"):
        memory.local_list = LocalList(listed["version"], listed.get("empty", False))
    for error in state["open_errors"]:
        known = {name: error[name] for name in OpenError.__struct_fields__}
        memory.open_errors[str(error["flat"])] = OpenError(**known)


def _boot(boot: State) -> State:
    return {"chargePointVendor": boot.get("vendor", ""), "chargePointModel": boot.get("model", "")}


def _transaction(tx: State) -> Transaction:
    known = {name: tx[name] for name in Transaction.__struct_fields__ if tx.get(name) is not None}
    made = Transaction(**known | {"answers": tx.get("responses", {})})
    made.start_answer = tx.get("start_conf")
    made.stop_answer = tx.get("stop_conf")
    if not made.start_key and made.id_tag is not None and made.meter_start_wh is not None:
        made.start_key = start_key(
            made.flat, made.id_tag, made.started_at, made.meter_start_wh, made.reservation_id
        )
        status = "Accepted" if made.authorized else "Invalid"
        made.start_answer = made.start_answer or {"idTagInfo": {"status": status}}
    return made


def _remote_start(start: State) -> RemoteStart:
    known = {name: start[name] for name in RemoteStart.__struct_fields__ if start.get(name) is not None}
    return RemoteStart(**known | {"expires": moment(start["expires"])})


def _reservation(reservation: State) -> Reservation:
    token = reservation.get("id_token", {}).get("idToken", "")
    return Reservation(reservation["id"], reservation["flat"], moment(reservation["expiry"]), token)


def _variable(variable: State) -> Variable:
    known = {name: variable[name] for name in Variable.__struct_fields__ if variable.get(name) is not None}
    return Variable(**known)


_OF_REMOTE_START = ("remote_start_id", "id_tag", "id_token", "flat", "group")


def state_of(snapshot: bytes) -> State:
    """What a memory says, in the words of a vector."""
    memory = memories.decoded(snapshot)
    listed = memory.local_list
    return {
        "registration": memory.registration,
        "tx": [_transaction_after(tx) for tx in memory.transactions],
        "auth_cache": [
            {"idToken": {"idToken": token}, "status": said.info["status"]}
            for token, said in memory.authorisations.items()
        ],
        "topology": [{"flat": p.flat, "evse": p.evse, "connector": p.connector} for p in memory.topology],
        "status16": memory.status16,
        "status201": memory.status201,
        "capabilities": memory.capabilities,
        "profiles": [
            {"id": p.id, "evse": p.evse, "source": p.source, "profile": p.profile} for p in memory.profiles
        ],
        "reservations": [_of_reservation(memory, r) for r in memory.reservations],
        "pending_reset": _of_reset(memory.pending_reset),
        "held_reset": {"type16": memory.held_reset} if memory.held_reset else None,
        "local_list": listed and {"version": listed.version, "empty": listed.empty},
        "pending_remote_starts": [
            {
                name: getattr(start, name)
                for name in ("remote_start_id", "id_tag", "id_token", "flat", "group")
            }
            | {"expires": times.text(start.expires)}
            for start in memory.remote_starts
        ],
        "firmware": _job(memory.firmware),
        "log": _job(memory.log),
        "open_errors": [
            {
                **{"flat": int(flat), "connector": int(flat)},
                **{"error_code": e.error_code, "errorCode": e.error_code},
                **{"component": e.component, "variable": e.variable, "tech_code": e.tech_code},
                **{"event_id": e.event_id, "eventId": e.event_id},
            }
            for flat, e in memory.open_errors.items()
        ],
        "last_register": memory.last_register,
        "token_types": memory.token_types,
        "mutability": memory.mutability,
        "device_model": [
            {"component": v.component, "variable": v.variable, "value": v.value, "mutability": v.mutability}
            for v in memory.device_model
        ],
        "aliases": [{"alias": alias.upper(), "token": token} for alias, token in memory.aliases.items()],
        "upstream_password_pending": bool(memory.upstream_password_pending),
        "upstream_trust_pending": len(memory.upstream_trust_pending),
    }


def _of_reset(reset: PendingReset | None) -> State | None:
    return reset and {"type16": reset.type16, "accepted_at": times.text(reset.accepted_at)}


def _of_reservation(memory: Memory, reservation: Reservation) -> State:
    place = memory.place(reservation.flat)
    return {
        "id": reservation.id,
        "flat": reservation.flat,
        "evse": place.evse if place is not None else 0,
        "expiry": times.text(reservation.expires),
        "id_tag": reservation.id_tag,
        "id_token": token_of(memory, reservation.id_tag),
    }


def _transaction_after(tx: Transaction) -> State:
    end = tx.auth_end and {"time": tx.auth_end["at"], "trigger": tx.auth_end["trigger"]}
    started = tx.start_answer and tx.start_answer | {"transactionId": tx.id16}
    return {name: getattr(tx, name) for name in Transaction.__struct_fields__} | {
        **{"responses": tx.answers, "start_conf": started, "stop_conf": tx.stop_answer},
        "auth_end": end,
    }


def _job(job: Job | None) -> State | None:
    return job and {"request_id": job.request_id, "kind": job.kind, "last16": job.last, "last": job.last}
