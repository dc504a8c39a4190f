"""What a flagged message becomes on record: each flag with what really happened to the message."""

from types import SimpleNamespace

from gateway.observe.keeper import Keeper
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Sender, Version
from gateway.session.effects import Flagged, Verdict

SESSION = SimpleNamespace(
    station=SimpleNamespace(vendor="Acme", firmware="1"),
    version=Version.V16,
    settings=SimpleNamespace(backend_name="main"),
)


def test_a_recorded_flag_has_the_verdict_of_its_message_and_whether_it_was_applied():
    flags = (
        Flag(FlagCode.TEXT_AS_NUMBER, "connectorId", '"1"', "1", applied=False),
        Flag(FlagCode.STATUS_AMBIGUOUS, "status", '"Occupied"'),
    )
    kept = []
    keeper = Keeper(SimpleNamespace(flagged=kept.append), clock=lambda: 1.0)
    flagged = Flagged(Sender.CHARGER, "charger_call", "StatusNotification", b"[]", flags, Verdict.DELIVERED)
    keeper.keep("CP1", SESSION, flagged, None)
    assert [(one.code, one.consequence, one.applied) for one in kept] == [
        ("text-as-number", "delivered", False),
        ("status-ambiguous", "delivered", True),
    ]
