"""What strict mode refuses, and what has nothing in it, goes no further."""

from script import BACKEND, CHARGER, TIME, Script, call, clear_cache, result, told

from gateway.dialect.reader import Mode
from gateway.session.effects import SendToBackend, SendToCharger, Verdict

AUTHORIZE = call("m1", "Authorize")
REFUSAL = b'[4,"m1","OccurenceConstraintViolation","schema-violation idTag",{}]'
EMPTY = call("m1", "MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": TIME, "sampledValue": []}]})


def test_strict_refuses_a_call_that_the_schema_rejects_and_keeps_it():
    s = Script(mode=Mode.STRICT).charger_sends(AUTHORIZE)
    s.then(SendToCharger(REFUSAL), told(CHARGER, Verdict.QUARANTINED, AUTHORIZE, "schema-violation"))


def test_strict_refuses_a_command_of_the_backend_too():
    command = call("b1", "TriggerMessage")
    refusal = b'[4,"b1","OccurenceConstraintViolation","schema-violation requestedMessage",{}]'
    s = Script(mode=Mode.STRICT).backend_sends(command)
    s.then(SendToBackend(refusal), told(BACKEND, Verdict.QUARANTINED, command, "schema-violation"))


def test_strict_lets_an_answer_go_on_since_nobody_can_refuse_it():
    s = Script(mode=Mode.STRICT).backend_sends(clear_cache("b1")).then(SendToCharger(clear_cache("b1")))
    answer = result("b1", {"status": "Perhaps"})
    s.charger_sends(answer).then(
        SendToBackend(answer), told(CHARGER, Verdict.DELIVERED, answer, "schema-violation")
    )


def test_meter_values_without_a_value_are_confirmed_and_neither_forwarded_nor_kept():
    s = Script().charger_sends(EMPTY)
    s.then(SendToCharger(b'[3,"m1",{}]'), told(CHARGER, Verdict.IGNORED, EMPTY, "empty-array"))
