"""Charging profiles, set, cleared and asked for; 1.6 cannot be asked, so the gateway keeps a registry."""

from typing import Any, Final

from gateway.translate.charger16_backend201.common import (
    because,
    configured,
    flat_of,
    not_supported,
    refusal,
    rejected,
)
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.jobs import owe
from gateway.translate.keys import RATES
from gateway.translate.losses import Loss
from gateway.translate.memory import Profile
from gateway.translate.port import BackendCall, Payload, Severity
from gateway.translate.profiles import profile_16
from gateway.translate.tables import PROFILE_PURPOSES
from gateway.translate.values import compact, moment_text, plain_text, seconds

rules = Rules()

_SOURCE: Final = "CSO"
_PROFILES_KEPT: Final = 200


@rules.backend_call(
    "SetChargingProfile",
    How.TRANSLATED,
    "SetChargingProfile",
    Loss.VALUE_ROUNDED,
    Loss.FIELD_DROPPED,
    Loss.NOT_SUPPORTED,
    Loss.UNKNOWN_TX,
    Loss.TOLERATED,
)
def set_charging_profile(t: Engine, call: BackendCall) -> Outcome | Steps:
    """A profile is installed, unless 2.0.1 would refuse what 1.6 silently does."""
    evse, profile = call.payload["evseId"], call.payload["chargingProfile"]
    flat = flat_of(t, evse)
    if flat is None:
        return rejected("UnknownEvse")
    refused = _unwelcome(t, evse, profile)
    if refused is not None:
        return refused
    id16 = None
    if "transactionId" in profile:
        tx = t.memory.transaction201(profile["transactionId"])
        if tx is None or not tx.is_open:
            t.lose(Loss.UNKNOWN_TX, "chargingProfile.transactionId", profile["transactionId"])
            return rejected("TxNotFound")
        if evse not in (tx.evse, 0):
            return rejected("InvalidProfile")
        if evse != tx.evse:
            t.lose(Loss.TOLERATED, "evseId", str(evse), str(tx.evse))
        id16, flat = tx.id16, tx.flat
    return _set(t, evse, flat, profile, id16)


def _unwelcome(t: Engine, evse: int, profile: Payload) -> Payload | None:
    """The refusal of what 1.6 cannot express, or would understand otherwise."""
    purpose, path = profile["chargingProfilePurpose"], "chargingProfile"
    if PROFILE_PURPOSES.down(purpose) is None:
        return not_supported(t, f"{path}.chargingProfilePurpose", "InvalidProfile", severity=Severity.WARN)
    if len(profile["chargingSchedule"]) > 1:
        return not_supported(t, f"{path}.chargingSchedule", "InvalidProfile", severity=Severity.WARN)
    if purpose == "TxProfile" and "transactionId" not in profile:
        return rejected("InvalidProfile")
    allowed = configured(t, "ChargingScheduleAllowedChargingRateUnit")
    units = {RATES.get(word.strip(), word.strip()) for word in (allowed or "").split(",")}
    if allowed and profile["chargingSchedule"][0]["chargingRateUnit"] not in units:
        return rejected("UnsupportedRateUnit")
    return rejected("DuplicateProfile") if _has_rival(t, evse, profile) else None


def _has_rival(t: Engine, evse: int, profile: Payload) -> bool:
    """Whether another profile has the same place in the stack: 2.0.1 refuses it, 1.6 replaces."""
    same = ("chargingProfilePurpose", "stackLevel", "transactionId")
    return any(
        known.id != profile["id"]
        and known.evse == evse
        and all(known.profile.get(key) == profile.get(key) for key in same)
        for known in installed(t)
    )


def installed(t: Engine) -> list[Profile]:
    """The registry, without what is past its time."""
    t.memory.profiles = [
        p for p in t.memory.profiles if "validTo" not in p.profile or seconds(p.profile["validTo"]) > t.now
    ]
    return t.memory.profiles


def _set(t: Engine, evse: int, flat: int, profile: Payload, id16: int | None) -> Steps:
    made = profile_16(t, profile, id16, "chargingProfile")
    answer = yield Ask(CHARGER, "SetChargingProfile", {"connectorId": flat, "csChargingProfiles": made})
    if not isinstance(answer, dict):
        return refusal(t, "SetChargingProfile", answer)
    if answer["status"] == "NotSupported":
        return not_supported(t, "SetChargingProfile")
    if answer["status"] == "Accepted":
        others = [p for p in t.memory.profiles if p.id != profile["id"]]
        t.memory.profiles = [*others, Profile(profile["id"], evse, profile)][-_PROFILES_KEPT:]
    return {"status": answer["status"]}


@rules.backend_call("ClearChargingProfile", How.TRANSLATED, "ClearChargingProfile", Loss.FIELD_DROPPED)
def clear_charging_profile(t: Engine, call: BackendCall) -> Outcome | Steps:
    """Profiles are removed, by id or by what they have in common."""
    criteria = call.payload.get("chargingProfileCriteria", {})
    if "chargingProfileId" in call.payload:
        id_ = call.payload["chargingProfileId"]
        if criteria:
            t.lose(Loss.FIELD_DROPPED, "chargingProfileCriteria", compact(criteria))
        return _clear(t, {"id": id_}, lambda p: p.id == id_)
    if not criteria:
        return because("Unknown", "MissingParam")
    payload: Payload = {}
    if "chargingProfilePurpose" in criteria:
        purpose = PROFILE_PURPOSES.down(criteria["chargingProfilePurpose"])
        if purpose is None:
            return {"status": "Unknown"}
        payload["chargingProfilePurpose"] = purpose
    if "evseId" in criteria:
        flat = flat_of(t, criteria["evseId"])
        if flat is None:
            return {"status": "Unknown"}
        payload["connectorId"] = flat
    if "stackLevel" in criteria:
        payload["stackLevel"] = criteria["stackLevel"]
    return _clear(t, payload, lambda p: _matches(p, criteria))


def _matches(known: Profile, criteria: Payload) -> bool:
    if "evseId" in criteria and criteria["evseId"] != known.evse:
        return False
    same = ("chargingProfilePurpose", "stackLevel")
    return all(known.profile[key] == criteria[key] for key in same if key in criteria)


def _clear(t: Engine, payload: Payload, is_meant: Any) -> Steps:
    answer = yield Ask(CHARGER, "ClearChargingProfile", payload)
    if not isinstance(answer, dict):
        return refusal(t, "ClearChargingProfile", answer, "Unknown")
    if answer["status"] == "Accepted":
        t.memory.profiles = [p for p in t.memory.profiles if not is_meant(p)]
    return {"status": answer["status"]}


@rules.backend_call("GetChargingProfiles", How.ANSWERED, "ReportChargingProfiles", Loss.LOCAL_STATE)
def get_charging_profiles(t: Engine, call: BackendCall) -> Outcome:
    """What was installed through the gateway, in the form in which it came."""
    wanted = call.payload["chargingProfile"]
    sources = wanted.get("chargingLimitSource")
    ids = wanted.get("chargingProfileId")
    found = [
        p
        for p in installed(t)
        if _matches(p, wanted | {"evseId": call.payload["evseId"]} if "evseId" in call.payload else wanted)
        and (ids is None or p.id in ids)
        and (sources is None or p.source in sources)
    ]
    t.lose(Loss.LOCAL_STATE, "GetChargingProfiles")
    if not found:
        return {"status": "NoProfiles"}
    owe(t, "ReportChargingProfiles", *_reports(found, call.payload["requestId"]))
    return {"status": "Accepted"}


def _reports(found: list[Profile], request_id: int) -> list[Payload]:
    groups: dict[tuple[str, int], list[Payload]] = {}
    for known in found:
        groups.setdefault((known.source, known.evse), []).append(known.profile)
    made: list[Payload] = []
    for number, ((source, evse), profiles) in enumerate(groups.items(), 1):
        report = {
            "requestId": request_id,
            "chargingLimitSource": source,
            "evseId": evse,
            "chargingProfile": profiles,
        }
        if number < len(groups):
            report["tbc"] = True
        made.append(report)
    return made


@rules.backend_call(
    "GetCompositeSchedule",
    How.TRANSLATED,
    "GetCompositeSchedule",
    Loss.FIELD_DROPPED,
    Loss.SYNTHESIZED,
    stateless=True,
)
def get_composite_schedule(t: Engine, call: BackendCall) -> Outcome | Steps:
    """What the charger will do, all profiles considered."""
    flat = flat_of(t, call.payload["evseId"])
    return rejected("UnknownEvse") if flat is None else _composite(t, call.payload, flat)


def _composite(t: Engine, asked: Payload, flat: int) -> Steps:
    payload = {"connectorId": flat, "duration": asked["duration"]}
    if "chargingRateUnit" in asked:
        payload["chargingRateUnit"] = asked["chargingRateUnit"]
    answer = yield Ask(CHARGER, "GetCompositeSchedule", payload)
    if not isinstance(answer, dict):
        return refusal(t, "GetCompositeSchedule", answer)
    schedule = answer.get("chargingSchedule")
    if answer["status"] != "Accepted":
        if schedule is not None:
            t.lose(Loss.FIELD_DROPPED, "chargingSchedule", compact(schedule)[:200])
        return {"status": answer["status"]}
    if schedule is None or not schedule["chargingSchedulePeriod"]:
        t.lose(Loss.PEER_INCOMPLETE, "chargingSchedule")
        return rejected("NoSchedule")
    start = answer.get("scheduleStart", schedule.get("startSchedule"))
    if start is None:
        start = moment_text(t.now)
        t.lose(Loss.SYNTHESIZED, "schedule.scheduleStart", "", start)
    elif schedule.get("startSchedule", start) != start:
        t.lose(Loss.FIELD_DROPPED, "chargingSchedule.startSchedule", schedule["startSchedule"])
    if "duration" not in schedule:
        t.lose(Loss.SYNTHESIZED, "schedule.duration", "", str(asked["duration"]))
    if "minChargingRate" in schedule:
        rate = plain_text(schedule["minChargingRate"])
        t.lose(Loss.FIELD_DROPPED, "chargingSchedule.minChargingRate", rate)
    made = {
        "evseId": asked["evseId"],
        "duration": schedule.get("duration", asked["duration"]),
        "scheduleStart": start,
        "chargingRateUnit": schedule["chargingRateUnit"],
        "chargingSchedulePeriod": schedule["chargingSchedulePeriod"],
    }
    return {"status": "Accepted", "schedule": made}
