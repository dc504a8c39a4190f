"""DELTA AC MAX before 01.26.40, OCPP 1.6: charging profiles no longer than it can take.

It announces ChargingScheduleMaxPeriods 20 and can take 10. A longer profile gets 31 s of silence, an empty
status and a dropped socket, and a whole site loses its load management. The periods that do not fit become
one, with the lowest of their limits: never more than was asked for. Seen in
https://github.com/Domfunkle/ev-charger-log-analyzer (firmware_bugs.md).
"""

from typing import Any

from gateway.api import Adapter, Facts, FlagCode, Match, Memory, Message, backend_call

MOST_PERIODS = 10


class DeltaAcMax(Adapter):
    """A charging profile keeps its first nine periods; the rest is one at the lowest of their limits."""

    match = Match(vendor="delta*", model="*ac*max*", firmware="<01.26.40", ocpp="1.6")
    facts = Facts(
        profile_periods=MOST_PERIODS,
        source="https://github.com/Domfunkle/ev-charger-log-analyzer",
    )

    @backend_call("SetChargingProfile")
    def shorten(self, call: Message, memory: Memory) -> Message:
        return _shortened(call, "csChargingProfiles")

    @backend_call("RemoteStartTransaction")
    def shorten_start(self, call: Message, memory: Memory) -> Message:
        return _shortened(call, "chargingProfile")


def _shortened(call: Message, profile: str) -> Message:
    schedule: Any = call.payload.get(profile, {}).get("chargingSchedule", {})
    periods: list[dict[str, Any]] = schedule.get("chargingSchedulePeriod", [])
    if len(periods) <= MOST_PERIODS:
        return call
    kept, rest = periods[: MOST_PERIODS - 1], periods[MOST_PERIODS - 1 :]
    lowest = min(rest, key=lambda period: period["limit"])
    last = rest[0] | {"limit": lowest["limit"]}
    path = f"{profile}.chargingSchedule.chargingSchedulePeriod"
    return call.with_field(path, [*kept, last], FlagCode.COMMAND_ADAPTED)
