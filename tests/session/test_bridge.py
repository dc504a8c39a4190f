"""A session whose backend speaks another version, with a translator that says what the test wants."""

import json

import pytest
from msgspec import structs

from gateway.ocpp.flags import gravest, labelled
from gateway.ocpp.message import Sender, Version
from gateway.session import effects as ef
from gateway.session import events as ev
from gateway.session.effects import Close, KeepState, Noted, SendToBackend, SendToCharger, Verdict
from gateway.session.knowledge import BufferSettings, Known
from gateway.session.wire import MOST_WAITING
from gateway.session.wording import flag_of
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    Lost,
    NoAnswer,
    Refused,
    Severity,
    ToBackend,
    ToCharger,
)
from tests.session.script import (
    BEGIN_S,
    TIME,
    WALL_S,
    Script,
    answered,
    call,
    clear_cache_result,
    error,
    heartbeat,
    meter_values,
    result,
    start,
    told,
)

CHARGER, BACKEND = Sender
NEVER = float("inf")


class Scripted:
    """A translator that notes what it is told, and says what it was given for that."""

    charger_version, backend_version, listens = Version.V16, Version.V201, True

    def __init__(self):
        self.changed = False
        self.heard_here = ""
        self.due = NEVER
        self.told = []
        self.says = {}
        self.writes = 0
        self.wanted = []
        self.names = {}

    def _hears(self, *what):
        """Orders name the charger's CALLs by their ids; the bridge numbers them too."""
        return [self._named(order) for order in self._heard(*what)]

    def _named(self, order):
        if not isinstance(order, AnswerCharger):
            return order
        return structs.replace(order, id=self.names.get(order.id, order.id))

    def _heard(self, *what):
        self.told.append(what)
        made = self.says.get(what[:2]) or self.says.get(what[0]) or []
        orders = made.pop(0) if made else []
        if orders and orders[0] == "changed":
            self.changed = True
            return orders[1:]
        return orders

    def charger_call(self, call, now):
        id_ = call.id.partition(" ")[2]
        self.names[id_] = call.id
        return self._hears("charger", call.action, id_, call.stored)

    def backend_call(self, call, now):
        return self._hears("backend", call.action, call.id)

    def backend_answered(self, token, answer, now):
        return self._hears("backend answered", token, answer)

    def charger_answered(self, token, answer, now):
        return self._hears("charger answered", token, answer)

    def charger_opened(self, now):
        return self._hears("charger opened")

    def backend_opened(self, now):
        return self._hears("backend opened")

    def backend_closed(self, now):
        return self._hears("backend closed")

    def resumed(self, now):
        return self._hears("both there")

    def time_passed(self, now):
        self.due = NEVER
        return self._hears("time passed")

    def stores(self, action, payload):
        return False

    def parts(self, everything=False):
        self.writes += 1
        self.wanted.append(everything)
        return {"translate": b"%d" % self.writes}


class Translated(Script):
    """A script whose session is translated from the start, by `self.translator`."""

    def __init__(self, under_way=b"", charger_is_open=True, **settings):
        settings.setdefault("buffer", BufferSettings())
        super().__init__(is_open=False, **settings)
        self.translator = Scripted()
        self.session.translate(self.translator, under_way)
        if not under_way:
            self.happens(ev.BackendOpened(1))
            if charger_is_open:
                self.happens(ev.ChargerOpened(1, Version.V16))
            self.then()
            self.translator.told.clear()

    def on(self, *what, says):
        """What the translator wants, one list after the other, whenever it hears this."""
        self.translator.says[what if len(what) > 1 else what[0]] = list(says)
        return self

    def was_told(self, *what):
        """What the translator was told since the last time."""
        heard, self.translator.told = self.translator.told, []
        assert heard == list(what)
        return self


def ask(token, action="Heartbeat", live=False, **payload):
    return ToBackend(token, action, payload, live)


def asked(id_, action="Heartbeat", **payload):
    """A CALL to the backend as the gateway writes it."""
    return SendToBackend(f'[2,"{id_}","{action}",{json.dumps(payload, separators=(",", ":"))}]'.encode())


def translated():
    return Translated()


def test_a_call_becomes_another_and_its_answer_goes_back():
    s = translated().on("charger", "Heartbeat", says=[[ask(1, "Heartbeat")]])
    s.on("backend answered", says=[[AnswerCharger("m1", {"currentTime": TIME})]])
    s.charger_sends(heartbeat("m1")).then(asked("m1"))
    s.backend_sends(result("m1", {"currentTime": TIME}))
    s.then(SendToCharger(answered("m1", {"currentTime": TIME})))
    s.was_told(("charger", "Heartbeat", "m1", False), ("backend answered", 1, {"currentTime": TIME}))


def test_a_message_counts_once_by_the_wire_it_came_on():
    s = translated().on("charger", "Heartbeat", says=[[ask(1, "Heartbeat")]])
    s.on("backend answered", says=[[AnswerCharger("m1", {"currentTime": TIME})]])
    s.on("backend", "ClearCache", says=[[ToCharger(2, "ClearCache", {})]])
    s.charger_sends(heartbeat("m1")).backend_sends(result("m1", {"currentTime": TIME}))
    s.backend_sends(call("b1", "ClearCache"))
    s.charger_sends(result("gateway-c2", {"status": "Accepted"}))
    assert s.tally.counted() == {
        ("charger_call", "Heartbeat", "1.6"): 1,
        ("backend_result", "Heartbeat", "2.0.1"): 1,
        ("backend_call", "ClearCache", "2.0.1"): 1,
        ("charger_result", "ClearCache", "1.6"): 1,
    }


def test_one_call_is_out_at_a_time_and_live_ones_go_first():
    s = translated().on(
        "charger",
        says=[[ask(1, "MeterValues"), ask(2, "NotifyEvent"), ask(3, "StatusNotification", live=True)]],
    )
    s.charger_sends(heartbeat("m1")).then(asked("m1", "MeterValues"))
    s.backend_sends(result("m1")).then(asked("gateway-t3", "StatusNotification"))
    s.backend_sends(result("gateway-t3")).then(asked("gateway-t2", "NotifyEvent"))
    s.backend_sends(result("gateway-t2")).then()


def test_an_id_that_was_used_on_this_link_is_not_used_again():
    s = translated().on("charger", says=[[ask(1)], [ask(2)]])
    s.on("backend answered", says=[[AnswerCharger("m1", {"currentTime": TIME})]])
    s.charger_sends(heartbeat("m1")).then(asked("m1"))
    s.backend_sends(result("m1", {"currentTime": TIME}))
    s.then(SendToCharger(answered("m1", {"currentTime": TIME})))
    s.charger_sends(heartbeat("m1")).then(asked("gateway-t2"))


def test_an_answer_counts_once_and_only_if_it_is_awaited():
    s = translated().on("charger", says=[[ask(1, "MeterValues")]])
    s.charger_sends(heartbeat("m1")).then(asked("m1", "MeterValues"))
    s.backend_sends(result("m1"), result("m1"), error("m9"))
    s.then(
        told(BACKEND, Verdict.IGNORED, result("m1"), "answer-unknown"),
        told(BACKEND, Verdict.IGNORED, error("m9"), "answer-unknown"),
    )
    s.was_told(("charger", "Heartbeat", "m1", False), ("backend answered", 1, {}))


def test_what_was_asked_over_a_link_that_is_lost_has_no_answer():
    s = translated().on("charger", says=[[ask(1), ask(2), ask(3, live=True)]])
    s.on("backend", "ClearCache", says=[[ToCharger(4, "ClearCache", {})]])
    s.charger_sends(heartbeat("m1")).backend_sends(call("b1", "ClearCache"))
    s.then(asked("m1"), SendToCharger(b'[2,"gateway-c4","ClearCache",{}]'))
    s.translator.told.clear()
    s.happens(ev.BackendClosed(1, 1006), ev.BackendAway())
    s.was_told(
        ("backend closed",),
        *(("backend answered", token, NoAnswer()) for token in (1, 2, 3)),
        ("charger answered", 4, NoAnswer()),
    )
    s.effects.clear()
    s.charger_sends(clear_cache_result("gateway-c4")).then()
    s.was_told()


def test_what_a_charger_that_leaves_was_asked_has_no_answer():
    s = translated().on("backend", says=[[ToCharger(4, "ClearCache", {})]])
    s.backend_sends(call("b1", "ClearCache"))
    s.then(SendToCharger(b'[2,"gateway-c4","ClearCache",{}]'))
    s.translator.told.clear()
    s.happens(ev.ChargerOpened(2, Version.V16)).then(Close(BACKEND, 1001, "charger left"))
    s.was_told(("backend closed",), ("charger answered", 4, NoAnswer()), ("charger opened",))


def test_a_charger_that_answers_no_command_lets_the_translator_go_on():
    s = translated().on("backend", says=[[ToCharger(4, "ClearCache", {})]])
    s.backend_sends(call("b1", "ClearCache"))
    s.translator.told.clear()
    s.after(29).was_told()
    s.after(1).was_told(("charger answered", 4, NoAnswer()))


def test_a_command_for_a_charger_that_is_not_there_has_no_answer():
    s = Translated(charger_is_open=False).on("backend", says=[[ToCharger(4, "ClearCache", {})]])
    s.backend_sends(call("b1", "ClearCache"))
    s.was_told(("backend", "ClearCache", "b1"), ("charger answered", 4, NoAnswer()))


def test_a_backend_that_does_not_answer_gets_the_next_call():
    s = translated().on("charger", says=[[ask(1, "Authorize", True), ask(2, "NotifyEvent")]])
    s.charger_sends(heartbeat("m1")).then(asked("m1", "Authorize"))
    s.translator.told.clear()
    s.after(30).then(asked("gateway-t2", "NotifyEvent"))
    s.was_told(("backend answered", 1, NoAnswer()))


def test_a_backend_that_leaves_a_message_of_a_transaction_unanswered_loses_its_link():
    s = translated().on("charger", says=[[ask(1, "MeterValues")]])
    s.charger_sends(heartbeat("m1")).then(asked("m1", "MeterValues"))
    s.after(30).then(Close(Sender.BACKEND, 1001, "no answer"))


def test_more_than_may_wait_makes_room_from_the_front():
    many = [ask(token, "StatusNotification", live=True) for token in range(1, MOST_WAITING + 4)]
    s = translated().on("charger", says=[many])
    s.charger_sends(heartbeat("m1"))
    s.was_told(
        ("charger", "Heartbeat", "m1", False),
        ("backend answered", 2, NoAnswer()),
        ("backend answered", 3, NoAnswer()),
    )
    assert s.noted().count("backend-line-full") == 2


def test_nothing_leaves_before_what_was_learned_is_on_disk():
    s = translated().on("charger", says=[["changed", ask(1)]])
    s.on("backend", says=[[AnswerBackend("b1", {"status": "Accepted"})]])
    s.charger_sends(heartbeat("m1")).then(KeepState(1, (("translate", b"1"),)))
    s.backend_sends(call("b1", "ClearCache")).then()
    s.happens(ev.StateKept(1, True))
    s.then(asked("m1"), SendToBackend(b'[3,"b1",{"status":"Accepted"}]'))


def test_when_nothing_can_be_stored_both_ends_go_unanswered():
    s = translated().on("charger", says=[["changed", ask(1), AnswerCharger("m1", {})]])
    s.charger_sends(heartbeat("m1")).then(KeepState(1, (("translate", b"1"),)))
    s.translator.told.clear()
    s.happens(ev.StateKept(1, False))
    s.then(Close(CHARGER, 1013, "nothing can be stored"), Close(BACKEND, 1013, "charger left"))
    s.was_told(("backend closed",), ("backend answered", 1, NoAnswer()))


def test_everything_is_written_first_and_after_what_was_not_kept():
    answers = [["changed", AnswerCharger(f"m{n}", {"currentTime": TIME})] for n in (1, 2, 3)]
    s = translated().on("charger", says=answers)
    for number, durable in enumerate((True, False, True), 1):
        s.charger_sends(heartbeat(f"m{number}")).happens(ev.StateKept(number, durable))
        if not durable:
            s.happens(ev.BackendOpened(2), ev.ChargerOpened(2, Version.V16))
    assert s.translator.wanted == [True, False, True]


def test_a_part_that_is_as_it_was_is_not_written_again():
    s = translated().on("charger", says=[["changed"], ["changed", ask(1)]])
    s.translator.parts = lambda everything=False: {"translate": b"1"}
    s.charger_sends(heartbeat("m1")).then(KeepState(1, (("translate", b"1"),)))
    s.happens(ev.StateKept(1, True))
    s.backend_sends(call("b1", "ClearCache"))
    s.then()


def test_without_a_buffer_too():
    s = Translated(buffer=None).on("charger", says=[["changed", ask(1)]])
    s.charger_sends(heartbeat("m1")).happens(ev.StateKept(1, False))
    s.then(
        KeepState(1, (("translate", b"1"),)),
        Close(CHARGER, 1013, "nothing can be stored"),
        Close(BACKEND, 1001, "nothing can be stored"),
    )


def test_orders_that_waited_for_the_disk_are_not_for_the_next_link():
    s = translated().on("backend", says=[["changed", AnswerBackend("b1", {"status": "Accepted"}), ask(5)]])
    s.backend_sends(call("b1", "ClearCache"))
    s.happens(ev.BackendClosed(1, 1006), ev.BackendOpened(2))
    s.effects.clear()
    s.translator.told.clear()
    s.happens(ev.StateKept(1, True)).then()
    s.was_told(("backend answered", 5, NoAnswer()))


def test_the_translator_is_told_the_time_when_it_is_due():
    s = translated().on("time passed", says=[[ask(1)]])
    s.translator.due = WALL_S - BEGIN_S + s.now + 7.0
    s.charger_sends(heartbeat("m1"))
    s.effects.clear()
    s.translator.told.clear()
    s.after(6.9).then()
    s.after(0.1).then(asked("gateway-t1"))
    s.was_told(("time passed",))


def test_a_frame_that_cannot_be_read_is_answered_in_the_backends_version():
    s = translated()
    s.backend_sends(b'[2,"b1","ClearCache",')
    (flagged,) = (effect for effect in s.effects if isinstance(effect, ef.Flagged))
    assert flagged.sender is BACKEND
    assert all(not isinstance(effect, SendToCharger) for effect in s.effects)
    s.was_told()


def test_an_id_that_is_no_text_is_repeated_as_it_was():
    s = translated().on("backend", says=[[AnswerBackend("7", {"status": "Accepted"})]])
    s.backend_sends(b'[2,7,"ClearCache",{}]')
    assert SendToBackend(b'[3,7,{"status":"Accepted"}]') in s.effects


def test_a_charger_whose_id_is_too_long_is_answered_all_the_same():
    long = "m" * 40
    s = translated().on("charger", says=[[ask(1)]])
    s.charger_sends(heartbeat(long))
    (sent,) = (effect for effect in s.effects if isinstance(effect, SendToBackend))
    wire_id = json.loads(sent.data)[1]
    assert len(wire_id) <= 36
    session_id = s.translator.told[0][2]
    s.on("backend answered", says=[[AnswerCharger(session_id, {"currentTime": TIME})]])
    s.backend_sends(result(wire_id, {"currentTime": TIME}))
    assert SendToCharger(answered(long, {"currentTime": TIME})) in s.effects


def test_the_next_call_of_the_charger_comes_after_all_that_the_last_one_meant():
    s = translated().on(
        "charger", "Heartbeat", says=[[ask(1, "MeterValues")], [ask(3, "StatusNotification")]]
    )
    s.on("backend answered", 1, says=[[AnswerCharger("m1", {"currentTime": TIME}), ask(2, "NotifyEvent")]])
    s.charger_sends(heartbeat("m1"), heartbeat("m2")).then(asked("m1", "MeterValues"))
    s.backend_sends(result("m1"))
    s.then(SendToCharger(answered("m1", {"currentTime": TIME})), asked("gateway-t2", "NotifyEvent"))
    s.backend_sends(result("gateway-t2")).then(asked("m2", "StatusNotification"))


LOST = Lost("ORPHAN_STOP", Severity.BILLING, "transactionId", "7")
SMALL = Lost("FIELD_DROPPED", Severity.INFO, "customData", "{}")


def test_a_message_that_the_session_knows_is_told_as_a_duplicate():
    s = Translated(backend_is_open=False).happens(ev.BackendClosed(1, 1006), ev.BackendAway())
    s.effects.clear()
    s.charger_sends(meter_values("m1")).happens(ev.EntryStored(1, True))
    s.effects.clear()
    s.charger_sends(meter_values("m2"))
    s.then(
        told(CHARGER, Verdict.DELIVERED, meter_values("m2"), "translation-loss"),
        SendToCharger(answered("m2")),
    )


def test_a_loss_is_flagged_and_counted():
    s = translated().on("charger", says=[[SMALL, ask(1)]])
    s.charger_sends(heartbeat("m1"))
    s.then(told(CHARGER, Verdict.DELIVERED, heartbeat("m1"), "translation-loss"), asked("m1"))
    assert s.tally.losses == {("FIELD_DROPPED", "Heartbeat"): 1}


@pytest.mark.parametrize("severity", list(Severity))
def test_a_flag_is_as_grave_as_its_loss_and_names_it(severity):
    grave = {"info": "info", "warn": "warning", "error": "error", "billing": "error"}[severity]
    flag = flag_of(Lost("FIELD_DROPPED", severity, "customData"))
    assert flag.severity == grave == gravest([flag])
    assert flag.label == "translation-loss/FIELD_DROPPED@customData"
    assert labelled("schema-violation", "gateway") == "schema-violation"
    s = translated().on("charger", says=[[Lost("FIELD_DROPPED", severity), ask(1)]])
    s.charger_sends(heartbeat("m1"))
    assert [(code, rated) for code, rated, *_ in s.tally.flags] == [("translation-loss", grave)]


def test_what_goes_nowhere_is_in_quarantine_before_it_is_answered():
    s = translated().on("charger", says=[[LOST, AnswerCharger("m1", {})]])
    s.charger_sends(meter_values("m1"))
    s.then(told(CHARGER, Verdict.QUARANTINED, meter_values("m1"), "translation-loss"))
    s.happens(ev.Kept(s.numbers[0], True)).then(SendToCharger(answered("m1")))


def test_what_goes_nowhere_and_cannot_be_kept_stays_with_the_charger():
    s = translated().on("charger", says=[[LOST, AnswerCharger("m1", {})]])
    s.charger_sends(meter_values("m1")).happens(ev.Kept(1, False))
    s.then(
        told(CHARGER, Verdict.QUARANTINED, meter_values("m1"), "translation-loss"),
        Close(CHARGER, 1013, "nothing can be stored"),
        Close(BACKEND, 1013, "charger left"),
    )


# What is under way


def under_way_after(s):
    """What is on disk of the message that is under way."""
    found = b""
    for effect in s.effects:
        if isinstance(effect, KeepState):
            found = dict(effect.parts).get("under_way", found)
    return found


def test_a_message_under_way_is_written_with_what_was_learned_and_taken_off_with_its_answer():
    s = translated().on("charger", says=[["changed", ask(1)]])
    s.on("backend answered", says=[["changed", AnswerCharger("m1", {"transactionId": 7})]])
    s.charger_sends(start("m1"))
    assert json.loads(under_way_after(s))["frame"] == start("m1").decode()
    s.happens(ev.StateKept(1, True))
    s.effects.clear()
    s.backend_sends(result("m1"))
    (kept,) = (effect for effect in s.effects if isinstance(effect, KeepState))
    assert dict(kept.parts)["under_way"] == b""


def left_behind():
    """A session that begins after a kill, with a start on its way."""
    s = translated().on("charger", says=[["changed", ask(1)]])
    s.charger_sends(start("m1"))
    return Translated(under_way=under_way_after(s)).on(
        "charger", says=[[ask(1, "MeterValues")], [ask(2, "NotifyEvent")]]
    )


def test_what_was_left_behind_goes_first_and_the_charger_that_repeats_it_hears_its_answer():
    s = left_behind().happens(ev.BackendOpened(1), ev.ChargerOpened(1, Version.V16))
    s.then(asked("m1", "MeterValues"))
    s.charger_sends(start("m2")).then()
    s.on("backend answered", 1, says=[[AnswerCharger("m1", {"transactionId": 7})]])
    s.backend_sends(result("m1"))
    assert SendToCharger(answered("m2", {"transactionId": 7})) in s.effects
    assert not any(isinstance(effect, SendToBackend) for effect in s.effects)


def test_what_was_left_behind_goes_before_what_the_charger_says_next():
    s = left_behind().happens(ev.BackendOpened(1), ev.ChargerOpened(1, Version.V16))
    s.then(asked("m1", "MeterValues"))
    s.charger_sends(heartbeat("m2")).then()
    s.on("backend answered", 1, says=[[AnswerCharger("m1", {"transactionId": 7})]])
    s.backend_sends(result("m1"))
    assert asked("m2", "NotifyEvent") in s.effects
    assert not any(isinstance(effect, SendToCharger) for effect in s.effects)


def test_what_was_left_behind_goes_again_when_its_link_is_lost_too():
    s = left_behind().happens(ev.BackendOpened(1)).then(asked("m1", "MeterValues"))
    refused = AnswerCharger("m1", Refused("GenericError"), delivered=False)
    s.on("backend answered", 1, says=[[refused]])
    s.happens(ev.BackendClosed(1, 1006), ev.BackendOpened(2))
    assert asked("m1", "NotifyEvent") in s.effects


def test_nothing_is_left_behind_for_another_version():
    part = b'{"version":"2.0.1","id":"m1","frame":"[2,\\"m1\\",\\"Heartbeat\\",{}]","came_at":1.0}'
    s = Translated(under_way=part).happens(ev.BackendOpened(1)).then()
    s.was_told(("backend opened",))


@pytest.mark.parametrize("known", [Known(), None])
def test_a_session_without_a_translator_is_as_before(known):
    s = Script(buffer=BufferSettings(), known=known)
    s.session.translate(Scripted())
    s.session.translate(None)
    s.charger_sends(heartbeat("m1")).then(SendToBackend(heartbeat("m1")))


def test_what_cannot_be_taken_apart_is_refused_in_the_charger_s_version():
    s = translated()
    s.session.reader.mode = "observe"
    s.charger_sends(b'[2,"m1","Heartbeat",{"a":NaN}]')
    assert not any(isinstance(effect, SendToBackend) for effect in s.effects)
    assert Noted("untranslatable", "Heartbeat") in s.effects or any(
        isinstance(effect, SendToCharger) for effect in s.effects
    )
