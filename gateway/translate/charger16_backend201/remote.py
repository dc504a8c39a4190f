"""Starting and stopping from afar."""

from gateway.translate.charger16_backend201.cable import id_at
from gateway.translate.charger16_backend201.common import (
    configured,
    flat_of,
    not_supported,
    refusal,
    rejected,
)
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import RemoteStart, Transaction
from gateway.translate.port import BackendCall, Payload, Severity
from gateway.translate.profiles import profile_16
from gateway.translate.tokens import same_tag, tag_of
from gateway.translate.values import compact

rules = Rules()


@rules.backend_call(
    "RequestStartTransaction",
    How.TRANSLATED,
    "RemoteStartTransaction",
    Loss.TOKEN_ALIASED,
    Loss.ENUM_NARROWED,
    Loss.SYNTHESIZED,
    Loss.FIELD_DROPPED,
    Loss.VALUE_ROUNDED,
    Loss.NOT_SUPPORTED,
)
def request_start(t: Engine, call: BackendCall) -> Outcome | Steps:
    """The backend wants a transaction for a token."""
    asked = call.payload
    if not t.listens:
        return rejected("CSNotAccepted")
    flat = _connector(t, asked)
    if flat is not None and flat < 0:
        return rejected("UnknownEvse")
    if flat is not None and (t.memory.open_on(flat=flat) or _busy(t, asked.get("evseId"))):
        return rejected("TxInProgress")
    profile = asked.get("chargingProfile")
    if profile is not None and (
        profile["chargingProfilePurpose"] != "TxProfile" or len(profile["chargingSchedule"]) > 1
    ):
        return not_supported(t, "chargingProfile", "InvalidProfile", severity=Severity.WARN)
    return _remote_start(t, asked, flat)


def _busy(t: Engine, evse: int | None) -> bool:
    return evse is not None and bool(t.memory.open_on(evse=evse))


def _connector(t: Engine, asked: Payload) -> int | None:
    """The connector, None to leave it open, -1 when there is no such EVSE."""
    if "evseId" in asked:
        flat = flat_of(t, asked["evseId"])
        return flat or -1
    if len(t.memory.topology) != 1:
        return None
    t.lose(Loss.SYNTHESIZED, "connectorId", "", "1")
    return t.memory.topology[0].flat


def _remote_start(t: Engine, asked: Payload, flat: int | None) -> Steps:
    tag = tag_of(t, asked["idToken"], "idToken")
    payload: Payload = {"idTag": tag}
    if flat is not None:
        payload["connectorId"] = flat
    if "chargingProfile" in asked:
        profile = asked["chargingProfile"]
        payload["chargingProfile"] = profile_16(t, profile, None, "chargingProfile")
        if "transactionId" in profile:
            t.lose(Loss.FIELD_DROPPED, "chargingProfile.transactionId", profile["transactionId"])
    pending = RemoteStart(asked["remoteStartId"], tag, t.now + _time_to_live(t), flat, asked["idToken"])
    if "groupIdToken" in asked:
        pending.group = asked["groupIdToken"]["idToken"]
        t.lose(Loss.ENUM_NARROWED, "groupIdToken", compact(asked["groupIdToken"]))
    t.memory.remote_starts = [s for s in t.memory.remote_starts if s.expires > t.now][-31:]
    t.memory.remote_starts.append(pending)  # the charger may start before it answers
    answer = yield Ask(CHARGER, "RemoteStartTransaction", payload)
    if isinstance(answer, dict) and answer["status"] == "Accepted":
        begun = id_at(t, flat)
        return {"status": "Accepted"} | ({"transactionId": begun} if begun is not None else {})
    t.memory.remote_starts = [s for s in t.memory.remote_starts if s is not pending]
    if not isinstance(answer, dict):
        return refusal(t, "RequestStartTransaction", answer)
    return {"status": answer["status"]}


def _time_to_live(t: Engine) -> float:
    known = configured(t, "ConnectionTimeOut") or ""
    return (
        float(known)
        if known.isdecimal() and known.isascii() and int(known)
        else t.policies.remote_start_ttl_s
    )


def claimed(t: Engine, tx: Transaction) -> RemoteStart | None:
    """The remote start that a transaction comes from; it is taken by it."""
    for start in t.memory.remote_starts:
        right_place = start.flat is None or start.flat == tx.flat
        right_token = same_tag(start.id_tag, tx.id_tag) or same_tag(start.group, _group(t, tx))
        if right_place and right_token and start.expires >= t.now:
            t.memory.remote_starts = [s for s in t.memory.remote_starts if s is not start]
            return start
    return None


def _group(t: Engine, tx: Transaction) -> str | None:
    known = t.memory.authorisations.get((tx.id_tag or "").casefold())
    group = known.info.get("groupIdToken") if known is not None else None
    return group["idToken"] if group else None


@rules.backend_call("RequestStopTransaction", How.TRANSLATED, "RemoteStopTransaction", Loss.UNKNOWN_TX)
def request_stop(t: Engine, call: BackendCall) -> Outcome | Steps:
    """The backend wants a transaction to end. An unknown id is never guessed."""
    if not t.listens:
        return rejected("CSNotAccepted")
    tx = t.memory.transaction201(call.payload["transactionId"])
    if tx is None or not tx.is_open or tx.id16 is None:
        t.lose(Loss.UNKNOWN_TX, "transactionId", call.payload["transactionId"])
        return rejected("UnknownTxId")
    return _remote_stop(t, tx)


def _remote_stop(t: Engine, tx: Transaction) -> Steps:
    wanted, tx.stop_asked = tx.stop_asked, True
    answer = yield Ask(CHARGER, "RemoteStopTransaction", {"transactionId": tx.id16})
    if isinstance(answer, dict) and answer["status"] == "Accepted":
        return {"status": "Accepted"}
    tx.stop_asked = wanted
    if not isinstance(answer, dict):
        return refusal(t, "RequestStopTransaction", answer)
    return {"status": answer["status"]}
