"""Charging profiles and schedules: one schedule of tenths in 1.6, up to three of any numbers in 2.0.1."""

from typing import Final

from gateway.translate.engine import Engine
from gateway.translate.losses import Loss
from gateway.translate.port import Payload, Severity
from gateway.translate.tables import PROFILE_PURPOSES
from gateway.translate.values import compact, moment_text, plain_text, tenths

_KEPT: Final = ("stackLevel", "chargingProfileKind", "recurrencyKind", "validFrom", "validTo")
_OF_SCHEDULE: Final = ("duration", "startSchedule", "chargingRateUnit")
_OF_PERIOD: Final = ("startPeriod", "numberPhases")


def profile_16(t: Engine, profile: Payload, id16: int | None, path: str) -> Payload:
    """A profile of 1.6 of one of 2.0.1 with a single schedule and a purpose that 1.6 has."""
    made: Payload = {"chargingProfileId": profile["id"]}
    made |= {key: profile[key] for key in _KEPT if key in profile}
    made["chargingProfilePurpose"] = PROFILE_PURPOSES.down(profile["chargingProfilePurpose"])
    if id16 is not None:
        made["transactionId"] = id16
    made["chargingSchedule"] = schedule_16(t, profile["chargingSchedule"][0], f"{path}.chargingSchedule[0]")
    return made


def schedule_16(t: Engine, schedule: Payload, path: str) -> Payload:
    """A chargingSchedule of 1.6."""
    made: Payload = {key: schedule[key] for key in _OF_SCHEDULE if key in schedule}
    for key in ("id", "salesTariff"):
        if key in schedule:
            t.lose(Loss.FIELD_DROPPED, f"{path}.{key}", compact(schedule[key])[:200])
    if "minChargingRate" in schedule:
        made["minChargingRate"] = _rounded(t, schedule["minChargingRate"], f"{path}.minChargingRate")
    made["chargingSchedulePeriod"] = periods_16(t, schedule["chargingSchedulePeriod"], path)
    return made


def periods_16(t: Engine, periods: list[Payload], path: str) -> list[Payload]:
    """chargingSchedulePeriod of 1.6: limits cut to tenths, never raised."""
    made = []
    for index, period in enumerate(periods):
        place = f"{path}.chargingSchedulePeriod[{index}]"
        kept: Payload = {key: period[key] for key in _OF_PERIOD if key in period}
        kept["limit"] = _rounded(t, period["limit"], f"{place}.limit")
        if "phaseToUse" in period:
            phase = str(period["phaseToUse"])
            t.lose(Loss.FIELD_DROPPED, f"{place}.phaseToUse", phase, severity=Severity.WARN)
        made.append(kept)
    return made


def _rounded(t: Engine, number: int, path: str) -> object:
    kept = tenths(number)
    if kept != number:
        t.lose(Loss.VALUE_ROUNDED, path, plain_text(number), plain_text(kept))
    return kept


def profile_201(t: Engine, profile: Payload, id201: str | None, path: str) -> Payload:
    """A profile of 2.0.1 of one of 1.6."""
    made: Payload = {"id": profile["chargingProfileId"]}
    made |= {key: profile[key] for key in _KEPT if key in profile}
    made["chargingProfilePurpose"] = PROFILE_PURPOSES.up(profile["chargingProfilePurpose"])
    if id201 is not None:
        made["transactionId"] = id201
    schedule = {"id": profile["chargingProfileId"]} | profile["chargingSchedule"]
    if profile["chargingProfileKind"] == "Relative":
        if (start := schedule.pop("startSchedule", None)) is not None:
            t.lose(Loss.FIELD_DROPPED, f"{path}.chargingSchedule.startSchedule", start)
    elif "startSchedule" not in schedule:
        schedule["startSchedule"] = moment_text(t.now)
        t.lose(
            Loss.SYNTHESIZED,
            "chargingProfile.chargingSchedule[0].startSchedule",
            "",
            schedule["startSchedule"],
        )
    made["chargingSchedule"] = [schedule]
    return made
