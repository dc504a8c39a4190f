"""New firmware, new deviations: told once, with counts and examples, and not for what was there before."""

from gateway.ocpp.flags import Flag, FlagCode
from gateway.watch.drift import ENOUGH_MESSAGES, Drift, restored

FORMAT = Flag(FlagCode.TIME_FORMAT, "meterValue[0].timestamp", '"20260301T100000Z"', '"2026-03-01T10:00:00Z"')
ALIAS = Flag(FlagCode.UNIT_ALIAS, "meterValue[0].sampledValue[1].unit", '"Hz"', '"Hertz"')
NAME = "time-format charger_call MeterValues meterValue[].timestamp"


def flagged(drift: Drift, flag: Flag, times: int, start: int = 0):
    """The alerts raised by messages `start`+1… of which each has this flag."""
    found = [drift.flagged([flag], "charger_call", "MeterValues", start + n) for n in range(1, times + 1)]
    return [alert for alert in found if alert is not None]


def updated(old_messages: int = ENOUGH_MESSAGES) -> Drift:
    drift = Drift()
    drift.firmware("3.2")
    assert flagged(drift, ALIAS, old_messages) == []
    drift.ended(old_messages)
    drift.firmware("3.4")
    return drift


def test_what_an_update_changed_is_told_once_with_count_and_example():
    drift = updated()
    (alert,) = flagged(drift, FORMAT, ENOUGH_MESSAGES + 20)
    assert (alert.old, alert.new, set(alert.kinds)) == ("3.2", "3.4", {NAME})
    assert alert.kinds[NAME].count == ENOUGH_MESSAGES
    assert str(alert) == (
        f"firmware 3.2 → 3.4: new since then: {NAME} ×{ENOUGH_MESSAGES} "
        '(e.g. "20260301T100000Z" → "2026-03-01T10:00:00Z")'
    )
    assert drift.alert is alert


def test_what_was_there_before_is_nothing_new():
    drift = updated()
    assert flagged(drift, ALIAS, 3 * ENOUGH_MESSAGES) == []
    other_place = Flag(FlagCode.UNIT_ALIAS, "meterValue[7].sampledValue[0].unit")
    assert flagged(drift, other_place, 5, 3 * ENOUGH_MESSAGES) == []


def test_a_single_slip_is_no_drift():
    drift = updated()
    assert flagged(drift, FORMAT, 2) == []
    assert flagged(drift, ALIAS, 2 * ENOUGH_MESSAGES, 2) == []


def test_too_little_is_known_of_the_old_firmware_to_compare():
    assert flagged(updated(old_messages=5), FORMAT, 2 * ENOUGH_MESSAGES) == []


def test_without_an_update_there_is_no_drift():
    drift = Drift()
    drift.firmware("3.2")
    flagged(drift, ALIAS, ENOUGH_MESSAGES)
    drift.firmware("3.2", ENOUGH_MESSAGES)
    assert flagged(drift, FORMAT, 2 * ENOUGH_MESSAGES, ENOUGH_MESSAGES) == []


def test_messages_that_are_clean_count_too():
    drift = Drift()
    drift.firmware("3.2", 1)
    drift.ended(ENOUGH_MESSAGES)
    assert drift.is_dirty
    drift.firmware("3.4", 1)
    assert len(flagged(drift, FORMAT, ENOUGH_MESSAGES, 1)) == 1


def test_it_survives_a_restart():
    drift = updated()
    flagged(drift, FORMAT, ENOUGH_MESSAGES - 1)
    again = restored(drift.stored())
    (alert,) = flagged(again, FORMAT, 1)
    assert alert.kinds[NAME].count == ENOUGH_MESSAGES
    assert restored(again.stored()).alert == alert
    assert restored(b"") == Drift()


def test_a_second_update_is_compared_with_the_first():
    drift = updated()
    assert len(flagged(drift, FORMAT, ENOUGH_MESSAGES)) == 1
    drift.ended(ENOUGH_MESSAGES)
    drift.firmware("3.5")
    assert flagged(drift, FORMAT, 2 * ENOUGH_MESSAGES) == []


def test_writing_is_not_wanted_for_every_message():
    drift = Drift()
    drift.firmware("1")
    drift.stored()
    dirty = 0
    for number in range(1, 201):
        drift.flagged([ALIAS], "charger_call", "MeterValues", number)
        dirty += drift.is_dirty
        if drift.is_dirty:
            drift.stored()
    assert dirty == 6
