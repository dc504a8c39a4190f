"""Charging profiles: 1.6 replaces one of equal purpose and level, where 2.0.1 would refuse the second."""

from collections.abc import Generator
from typing import Final

from gateway.translate.charger201_backend16.addresses import evse_id
from gateway.translate.charger201_backend16.commands import REJECTED, refusal, said
from gateway.translate.charger201_backend16.remote import MOST_PROFILES, running16
from gateway.translate.charger201_backend16.statuses import STARTED
from gateway.translate.engine import CHARGER, Ask, Engine, How, Rules, Steps, Wait
from gateway.translate.jobs import carried_on
from gateway.translate.losses import Loss
from gateway.translate.memory import Profile, Transaction
from gateway.translate.port import Answer, BackendCall, Payload
from gateway.translate.profiles import periods_16, profile_201
from gateway.translate.tables import PROFILE_PURPOSES

RULES: Final = Rules()

_PURPOSES: Final = ("ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile")


@RULES.backend_call(
    "SetChargingProfile",
    How.TRANSLATED,
    "SetChargingProfile, ClearChargingProfile",
    Loss.PARTIAL,
    Loss.SYNTHESIZED,
    Loss.FIELD_DROPPED,
    Loss.STATUSINFO_DROPPED,
)
def set_charging_profile(t: Engine, call: BackendCall) -> Steps:
    if t.memory.capabilities.get("smart_charging") == "no":
        return {"status": "NotSupported"}
    profile = call.payload["csChargingProfiles"]
    evse = evse_id(t, call.payload["connectorId"])
    if evse is None or not _can_be_said(profile, evse):
        return REJECTED
    id201 = None
    if profile["chargingProfilePurpose"] == "TxProfile":
        tx = _transaction(t, profile, evse)
        if tx is None:
            return REJECTED
        id201 = tx.id201
        if "transactionId" not in profile:
            t.lose(Loss.SYNTHESIZED, "chargingProfile.transactionId", "", id201)
    elif "transactionId" in profile:
        t.lose(Loss.FIELD_DROPPED, "csChargingProfiles.transactionId", str(profile["transactionId"]))
    made = profile_201(t, profile, id201, "csChargingProfiles")
    replaced = _replaced(t, evse, made)
    if not replaced:
        return (yield from _set(t, call, evse, made, []))
    with carried_on(t, call):
        return (yield from _set(t, call, evse, made, replaced))


def _set(t: Engine, call: BackendCall, evse: int, made: Payload, replaced: list[Profile]) -> Steps:
    """Install a profile after those have gone that it replaces."""
    for old in replaced:
        yield Ask(CHARGER, "ClearChargingProfile", {"chargingProfileId": old.id})
    answer = yield Ask(CHARGER, "SetChargingProfile", {"evseId": evse, "chargingProfile": made})
    if isinstance(answer, dict) and answer["status"] == "Accepted":
        gone = {made["id"], *(old.id for old in replaced)}
        kept = [one for one in t.memory.profiles if one.id not in gone]
        t.memory.profiles = [*kept, Profile(made["id"], evse, made)][-MOST_PROFILES:]
        return said(t, answer)
    if t.backend_is_there:
        yield from _put_back(t, replaced)
    return (
        said(t, answer) if isinstance(answer, dict) else refusal(t, call, answer, {"status": "NotSupported"})
    )


def _can_be_said(profile: Payload, evse: int) -> bool:
    """Whether 2.0.1 allows such a profile at all."""
    if not profile["chargingSchedule"]["chargingSchedulePeriod"]:
        return False
    is_for_station = profile["chargingProfilePurpose"] == "ChargePointMaxProfile"
    return not (is_for_station and (profile["chargingProfileKind"] == "Relative" or evse != 0))


def _transaction(t: Engine, profile: Payload, evse: int) -> Transaction | None:
    """The transaction that a TxProfile is for: the one it names, else the EVSE's."""
    if evse == 0:
        return None
    if "transactionId" in profile:
        tx = running16(t, profile["transactionId"])
        return tx if tx is not None and tx.evse == evse else None
    running = [tx for tx in t.memory.open_on(evse=evse) if tx.state in STARTED]
    return running[-1] if running else None


def _replaced(t: Engine, evse: int, made: Payload) -> list[Profile]:
    """The installed profiles that 1.6 means to replace, though their number is another."""
    alike = ("chargingProfilePurpose", "stackLevel", "transactionId")
    return [
        one
        for one in t.memory.profiles
        if one.evse == evse
        and one.id != made["id"]
        and all(one.profile.get(name) == made.get(name) for name in alike)
    ]


def _put_back(t: Engine, replaced: list[Profile]) -> Generator[Ask | Wait, Answer, None]:
    """The new profile was refused after the old one had been cleared."""
    for old in replaced:
        t.lose(Loss.PARTIAL, "csChargingProfiles", str(old.id))
        answer = yield Ask(
            CHARGER, "SetChargingProfile", {"evseId": old.evse, "chargingProfile": old.profile}
        )
        if not isinstance(answer, dict) or answer["status"] != "Accepted":
            t.memory.profiles = [one for one in t.memory.profiles if one is not old]


@RULES.backend_call("ClearChargingProfile", How.TRANSLATED, "ClearChargingProfile", Loss.FIELD_DROPPED)
def clear_charging_profile(t: Engine, call: BackendCall) -> Steps:
    requests = _clearings(t, call.payload)
    if len(requests) < 2:
        return (yield from _cleared(t, call, requests))
    with carried_on(t, call):
        return (yield from _cleared(t, call, requests))


def _cleared(t: Engine, call: BackendCall, requests: list[Payload]) -> Steps:
    status, failed = "Unknown", None
    for request in requests:
        answer = yield Ask(CHARGER, "ClearChargingProfile", request)
        if not isinstance(answer, dict):
            failed = answer
        elif said(t, answer)["status"] == "Accepted":
            status = "Accepted"
            t.memory.profiles = [one for one in t.memory.profiles if not _matches(one, request)]
    if failed is not None and status == "Unknown":
        return refusal(t, call, failed, {"status": "Unknown"})
    return {"status": status}


def _clearings(t: Engine, payload: Payload) -> list[Payload]:
    """What 2.0.1 must be asked: by id, by criteria, or everything purpose by purpose."""
    if "id" in payload:
        for name in ("connectorId", "chargingProfilePurpose", "stackLevel"):
            if name in payload:
                t.lose(Loss.FIELD_DROPPED, name, str(payload[name]))
        return [{"chargingProfileId": payload["id"]}]
    criteria: Payload = {}
    if "connectorId" in payload:
        evse = evse_id(t, payload["connectorId"])
        if evse is None:
            return []
        criteria["evseId"] = evse
    if "chargingProfilePurpose" in payload:
        criteria["chargingProfilePurpose"] = PROFILE_PURPOSES.up(payload["chargingProfilePurpose"])
    if "stackLevel" in payload:
        criteria["stackLevel"] = payload["stackLevel"]
    if criteria:
        return [{"chargingProfileCriteria": criteria}]
    return [{"chargingProfileCriteria": {"chargingProfilePurpose": purpose}} for purpose in _PURPOSES]


def _matches(one: Profile, request: Payload) -> bool:
    if "chargingProfileId" in request:
        return bool(one.id == request["chargingProfileId"])
    criteria = request["chargingProfileCriteria"]
    return all(
        (one.evse if name == "evseId" else one.profile.get(name)) == wanted
        for name, wanted in criteria.items()
    )


@RULES.backend_call(
    "GetCompositeSchedule", How.TRANSLATED, "GetCompositeSchedule", Loss.VALUE_ROUNDED, Loss.FIELD_DROPPED
)
def get_composite_schedule(t: Engine, call: BackendCall) -> Steps:
    flat = call.payload["connectorId"]
    evse = evse_id(t, flat)
    if evse is None:
        return REJECTED
    request = {"duration": call.payload["duration"], "evseId": evse}
    if "chargingRateUnit" in call.payload:
        request["chargingRateUnit"] = call.payload["chargingRateUnit"]
    answer = yield Ask(CHARGER, "GetCompositeSchedule", request)
    if not isinstance(answer, dict):
        return refusal(t, call, answer, REJECTED)
    is_accepted = answer["status"] == "Accepted"
    made = said(t, answer, *(["schedule"] if is_accepted else []))
    if (schedule := made.pop("schedule", None)) is not None:
        made |= {"connectorId": flat, "scheduleStart": schedule["scheduleStart"]}
        made["chargingSchedule"] = {
            "duration": schedule["duration"],
            "chargingRateUnit": schedule["chargingRateUnit"],
            "chargingSchedulePeriod": periods_16(t, schedule["chargingSchedulePeriod"], "schedule"),
        }
    return made
