"""A session that speaks its charger's dialect, both ways, and what it keeps of it."""

import json

from gateway.api import Adapter, Match, OpenTransactions, backend_call, backend_result, charger_call
from gateway.dialect.adapting import Memories
from gateway.dialect.brand import Brand
from gateway.dialect.reader import Mode
from gateway.dialect.rules.rule import Use
from gateway.session import effects as ef
from gateway.session.session import stored_dialect
from tests.dialect.brands import HEAD, pack, rule
from tests.session.script import Script, call, heartbeat, result, start, start_result

ACME = {"chargePointVendor": "Acme", "chargePointModel": "Street"}


class Acme(Adapter):
    match = Match(vendor="acme*")

    @backend_result("StartTransaction")
    def remember(self, answer, memory):
        OpenTransactions(memory).started(answer)
        return answer

    @charger_call("StopTransaction")
    def restore(self, message, memory):
        return OpenTransactions(memory).restored(message)

    @charger_call("StatusNotification")
    def prepare(self, message, memory):
        if message.payload["status"] == "Finishing":
            return message.withheld()
        added = message.new("StatusNotification", message.payload | {"status": "Preparing"})
        return [added, message] if message.payload["status"] == "Charging" else message

    @backend_call("GetConfiguration")
    def spare(self, message, memory):
        return message.answered({"configurationKey": []})


SECONDS = pack(
    rule(
        'on = { backend_result = ["Heartbeat", "BootNotification"] }\n'
        'do = [{ format_time = "currentTime", form = "%Y-%m-%dT%H:%MZ" }]\nflag = "command-adapted"',
        "seconds",
    ),
    rule(
        'on = { backend_call = "ChangeConfiguration" }\ndo = [{ map = "key", using = { Standard = "Own" } }]',
        "key",
    ),
    rule('on = { charger_call = "BootNotification" }\ndo = [{ remove = "iccid" }]', "iccid"),
    head=HEAD,
)


def acme(**settings):
    """A session of a charger that says in its boot that it is an Acme."""
    s = Script(**settings)
    brand = Brand(((SECONDS, Use.REPAIR),), ((Acme(), Use.REPAIR),))
    s.session.dialect_of = lambda station: (Mode.REPAIR, None, brand if station.vendor == "Acme" else None)
    return s


def sent(s, kind):
    """The payloads of what was sent to one end since last asked, and then forgotten."""
    found = [json.loads(effect.data) for effect in s.effects if isinstance(effect, kind)]
    s.effects.clear()
    return found


def booted(**settings):
    s = acme(**settings)
    s.charger_sends(call("b", "BootNotification", ACME))
    s.backend_sends(
        result("b", {"status": "Accepted", "currentTime": "2026-11-21T08:00:42Z", "interval": 60})
    )
    s.effects.clear()
    return s


def test_the_boot_notification_itself_is_read_in_the_dialect_it_brings():
    s = acme()
    s.charger_sends(call("b", "BootNotification", ACME | {"iccid": "-67"}))
    flags = [effect for effect in s.effects if isinstance(effect, ef.Flagged)]
    assert [flag.author for effect in flags for flag in effect.flags] == ["rules/acme:iccid"]
    assert sent(s, ef.SendToBackend) == [[2, "b", "BootNotification", ACME]]
    s.backend_sends(
        result("b", {"status": "Accepted", "currentTime": "2026-11-21T08:00:42Z", "interval": 60})
    )
    assert sent(s, ef.SendToCharger)[0][2]["currentTime"] == "2026-11-21T08:00Z"


def test_answers_and_commands_take_the_form_the_brand_takes():
    s = booted()
    s.charger_sends(heartbeat("h"))
    s.backend_sends(result("h", {"currentTime": "2026-11-21T08:00:42.123+00:00"}))
    assert sent(s, ef.SendToCharger) == [[3, "h", {"currentTime": "2026-11-21T08:00Z"}]]
    s.backend_sends(call("c", "ChangeConfiguration", {"key": "Standard", "value": "1"}))
    assert sent(s, ef.SendToCharger) == [[2, "c", "ChangeConfiguration", {"key": "Own", "value": "1"}]]


def test_a_command_that_would_harm_is_answered_and_the_next_one_goes():
    s = booted()
    s.backend_sends(call("g", "GetConfiguration", {}), call("r", "Reset", {"type": "Soft"}))
    assert [json.loads(e.data) for e in s.effects if isinstance(e, ef.SendToBackend)] == [
        [3, "g", {"configurationKey": []}]
    ]
    assert sent(s, ef.SendToCharger) == [[2, "r", "Reset", {"type": "Soft"}]]


STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}


def test_the_answer_to_a_message_that_was_made_up_ends_here():
    s = booted()
    s.charger_sends(call("m", "StatusNotification", STATUS))
    assert sent(s, ef.SendToBackend) == [[2, "m-gw1", "StatusNotification", STATUS | {"status": "Preparing"}]]
    s.backend_sends(result("m-gw1"))
    assert [e for e in s.effects if isinstance(e, ef.SendToCharger)] == []
    assert sent(s, ef.SendToBackend) == [[2, "m", "StatusNotification", STATUS]]
    s.backend_sends(result("m"))
    assert sent(s, ef.SendToCharger) == [[3, "m", {}]]


def test_a_withheld_message_is_answered_and_goes_nowhere():
    s = booted()
    s.charger_sends(call("m", "StatusNotification", STATUS | {"status": "Finishing"}))
    assert [e for e in s.effects if isinstance(e, ef.SendToBackend)] == []
    assert sent(s, ef.SendToCharger) == [[3, "m", {}]]


def test_memory_is_kept_at_once_and_restores_a_transaction_after_a_restart():
    s = booted()
    s.charger_sends(start("s"))
    s.backend_sends(start_result("s", 42))
    (kept,) = [e for e in s.effects if isinstance(e, ef.Remember) and e.part == "dialect"]
    memories, drift = stored_dialect(kept.data)

    again = acme()
    again.session.reader.memories = memories
    again.session.drift = drift
    again.session.recall(s.session.station)
    stop = {"transactionId": 0, "meterStop": 5, "timestamp": "2026-11-21T08:00:00Z"}
    again.effects.clear()
    again.charger_sends(call("x", "StopTransaction", stop))
    assert sent(again, ef.SendToBackend) == [[2, "x", "StopTransaction", stop | {"transactionId": 42}]]
    assert stored_dialect(b"")[0].stored() == Memories().stored() == b""


def test_new_deviations_after_an_update_are_told_once_for_all_chargers_of_the_brand():
    alerts = []
    first = Script()
    for session_number in range(2):
        s = Script()
        s.session.tally = first.tally
        for firmware, unit in (("3.2", "Wh"), ("3.4", "WH")):
            s.charger_sends(call(f"b{firmware}", "BootNotification", ACME | {"firmwareVersion": firmware}))
            boot = {"status": "Accepted", "currentTime": "2026-11-21T08:00:00Z", "interval": 60}
            s.backend_sends(result(f"b{firmware}", boot))
            for number in range(60):
                sample = {"value": "1", "unit": unit, "measurand": "Energy.Active.Import.Register"}
                values = [{"timestamp": "2026-11-21T08:00:00Z", "sampledValue": [sample]}]
                id_ = f"{session_number}-{firmware}-{number}"
                s.charger_sends(call(id_, "MeterValues", {"connectorId": 1, "meterValue": values}))
                s.backend_sends(result(id_))
                s.after(1)
        alerts += [e for e in s.effects if isinstance(e, ef.Noted) and e.name == "dialect-drift"]
        assert s.session.drift.alert is not None
    (alert,) = alerts
    assert alert.detail.startswith(
        "firmware 3.2 → 3.4: new since then: unit-spelling charger_call MeterValues"
    )
