"""One charger, several backends: who hears what, under which numbers, and who leads."""

import json

import pytest

from gateway.ocpp.message import Sender, Version
from gateway.routing.policy import CommandRule, Policy
from gateway.routing.routes import Seats
from gateway.session import events as ev
from gateway.session.effects import Close, SendToCharger
from gateway.session.rulings import Rules
from tests.session.boards import MAIN, SECOND, Board, stores, to
from tests.session.script import (
    STREAM,
    answered,
    call,
    heartbeat,
    heartbeat_result,
    meter_values,
    result,
    start,
    start_result,
    stop,
)


def value(id_: str, transaction: int) -> bytes:
    """A reading as it goes on with another transaction's number."""
    return meter_values(id_, transaction)


def remote_stop(id_: str, transaction: int) -> bytes:
    return call(id_, "RemoteStopTransaction", {"transactionId": transaction})


def charging(board: Board, at_main: int = 7, at_second: int = 1) -> Board:
    """A transaction that each backend has numbered itself."""
    board.charger_sends(start("s"))
    board.backend_sends(SECOND, start_result("s", at_second)).backend_sends(MAIN, start_result("s", at_main))
    return board.then(to(MAIN, start("s")), to(SECOND, start("s")), to("charger", start_result("s", at_main)))


def sent(board: Board, name: str) -> list[bytes]:
    """What this peer was sent, without blanks."""
    told, board.told = board.told, []
    return [data.replace(b" ", b"") for to_, data in told if to_ == name]


def test_only_the_leader_answers_the_charger():
    board = Board(MAIN, SECOND).charger_sends(heartbeat("1"))
    board.backend_sends(SECOND, heartbeat_result("1")).then(
        to(MAIN, heartbeat("1")), to(SECOND, heartbeat("1"))
    )
    board.backend_sends(MAIN, heartbeat_result("1")).then(to("charger", heartbeat_result("1")))


def test_what_nobody_answers_is_for_every_backend_that_is_there():
    board = Board(MAIN, SECOND, version=Version.V21).charger_sends(STREAM)
    board.then(to(MAIN, STREAM), to(SECOND, STREAM))
    board.backend_goes(SECOND).then()
    assert board.charger_sends(STREAM).noted() == ["copy-lost"]
    board.then(to(MAIN, STREAM))


def test_each_backend_hears_of_a_transaction_by_its_own_number():
    board = charging(Board(MAIN, SECOND)).charger_sends(meter_values("2", 7))
    assert sent(board, SECOND) == [meter_values("2", 1).replace(b" ", b"")]


def test_a_number_that_both_gave_is_changed_for_neither():
    board = charging(Board(MAIN, SECOND), 1, 1).charger_sends(stop("2", 1))
    board.then(to(MAIN, stop("2", 1)), to(SECOND, stop("2", 1)))


def test_a_transaction_that_seemed_to_be_another_backends_alone_is_known_by_its_number():
    board = Board(MAIN, SECOND).charger_sends(start("s")).backend_sends(SECOND, start_result("s", 1))
    second = board.board.sessions[SECOND].buffer
    second.copies.is_elsewhere(7, board.now)
    second.copies.given(second.book.transactions[0].key, 7, MAIN, board.now)
    assert [(one.charger_id, one.backend_id) for one in second.book.transactions] == [(7, 1)]


def test_a_follower_that_is_slow_to_number_a_transaction_hears_the_rest_by_that_number():
    board = Board(MAIN, SECOND).charger_sends(start("s")).backend_sends(MAIN, start_result("s", 7))
    board.charger_sends(meter_values("2", 7)).backend_sends(SECOND, start_result("s", 1))
    assert sent(board, SECOND)[1:] == [meter_values("2", 1).replace(b" ", b"")]


def test_a_stop_of_a_follower_names_the_transaction_as_the_charger_does():
    board = charging(Board(MAIN, SECOND)).backend_sends(SECOND, remote_stop("b1", 1))
    assert sent(board, "charger") == [remote_stop("b1", 7).replace(b" ", b"")]


def test_the_same_message_id_of_two_backends_is_answered_to_each_by_its_own_answer():
    board = Board(MAIN, SECOND)
    board.backend_sends(MAIN, call("b", "ClearCache")).backend_sends(SECOND, call("b", "GetLocalListVersion"))
    board.then(to("charger", call("b", "ClearCache")))
    board.charger_sends(result("b", {"status": "Accepted"}))
    board.then(to(MAIN, result("b", {"status": "Accepted"})), to("charger", call("b", "GetLocalListVersion")))
    board.charger_sends(result("b", {"listVersion": 3})).then(to(SECOND, result("b", {"listVersion": 3})))


def test_a_late_answer_is_not_taken_for_that_to_another_backends_call_with_the_same_id():
    board = Board(MAIN, SECOND).backend_sends(SECOND, call("b", "ClearCache")).after(29.0)
    board.backend_sends(MAIN, call("b", "GetLocalListVersion")).after(2.0)
    assert sent(board, "charger")[1].startswith(b'[2,"gateway-line-1","GetLocalListVersion"')
    board.charger_sends(result("b", {"status": "Accepted"}))
    assert "answer-late" in board.noted()
    board.then()
    board.charger_sends(result("gateway-line-1", {"listVersion": 3})).then(
        to(MAIN, result("b", {"listVersion": 3}))
    )


def test_the_urgent_ones_go_first_one_at_a_time():
    board = charging(Board(MAIN, SECOND)).backend_sends(MAIN, call("1", "GetConfiguration"))
    board.joins("late").told.clear()
    board.backend_sends(MAIN, call("0", "GetDiagnostics", {"location": "ftp://a"}))
    board.backend_sends("late", call("2", "GetLocalListVersion")).backend_sends(SECOND, remote_stop("3", 1))
    board.charger_sends(result("1", {"configurationKey": []}))
    assert b"RemoteStop" in sent(board, "charger")[0]


def test_one_call_at_a_time_goes_to_the_charger():
    board = Board(MAIN, SECOND).backend_sends(MAIN, call("1", "GetConfiguration"))
    board.backend_sends(SECOND, call("2", "ClearCache"))
    assert len(sent(board, "charger")) == 1
    board.charger_sends(result("1", {"configurationKey": []}))
    assert len(sent(board, "charger")) == 1


def test_no_command_goes_to_a_charger_that_is_just_being_closed():
    trigger = {"requestedMessage": "Heartbeat"}
    board = Board(MAIN, SECOND).backend_sends(SECOND, call("c1", "TriggerMessage", trigger))
    board.backend_sends(MAIN, call("c2", "TriggerMessage", trigger))
    board.board.commands.out = None
    closing = [(SECOND, Close(Sender.CHARGER, 1013, "no room for messages"))]
    assert board.board.after([*closing], board.now) == closing
    (waiting,) = board.board.after([], board.now)
    assert type(waiting[1]) is SendToCharger


def test_commands_of_followers_wait_for_the_boot():
    board = Board(MAIN, SECOND)
    boot = call("1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    accepted = result("1", {"currentTime": "2026-11-21T08:00:00Z", "interval": 60, "status": "Accepted"})
    board.charger_returns(2).backend_comes(MAIN).backend_comes(SECOND).charger_sends(boot).told.clear()
    board.backend_sends(SECOND, call("b", "ClearCache")).then()
    board.backend_sends(MAIN, accepted).then(to("charger", accepted), to("charger", call("b", "ClearCache")))


# Who leads


def test_a_standby_takes_over_after_a_while_and_gives_back_after_another():
    board = Board(MAIN, SECOND).backend_goes(MAIN).after(4.0)
    assert board.board.leader == MAIN
    assert board.after(2.0).board.leader == SECOND
    board.backend_comes(MAIN).after(9.0)
    assert board.board.leader == SECOND
    assert board.after(2.0).board.leader == MAIN
    board.then()


def test_the_charger_is_answered_by_who_took_over():
    board = Board(MAIN, SECOND).backend_goes(MAIN).after(6.0).charger_sends(heartbeat("1"))
    board.backend_sends(SECOND, heartbeat_result("1"))
    board.then(to(SECOND, heartbeat("1")), to("charger", heartbeat_result("1")))


def test_what_a_frozen_leader_leaves_open_is_asked_of_the_other():
    board = Board(MAIN, SECOND, takeover_after_s=0.0).charger_sends(call("1", "Authorize", {"idTag": "A"}))
    info = result("1", {"idTagInfo": {"status": "Accepted"}})
    board.backend_sends(SECOND, info).then(
        *(to(name, call("1", "Authorize", {"idTag": "A"})) for name in (MAIN, SECOND))
    )
    board.happens(MAIN, ev.BackendAway()).backend_sends(SECOND, info)
    board.then(
        to(SECOND, call("1", "Authorize", {"idTag": "A"})),
        ("reads", False),
        to("charger", info),
        ("reads", True),
    )
    assert board.board.leader == SECOND


def test_the_lead_moves_only_when_nothing_is_open_with_either():
    board = Board(MAIN, SECOND, takeover_after_s=0.0).charger_sends(start("s"))
    board.backend_goes(MAIN)
    assert board.board.leader == MAIN
    board.backend_sends(SECOND, start_result("s", 1))
    assert board.board.leader == SECOND


def test_the_lead_moves_with_the_last_answer_of_the_one_that_is_to_lead():
    board = charging(Board(MAIN, SECOND, takeover_after_s=0.0)).charger_sends(meter_values("2", 7))
    board.backend_sends(MAIN, answered("2")).backend_goes(MAIN)
    assert board.board.leader == MAIN
    board.backend_sends(SECOND, answered("2"))
    assert board.board.leader == SECOND


def test_a_call_of_the_charger_is_not_taken_for_its_answer_to_a_rewritten_command():
    policy = Policy(SECOND, "all", [CommandRule(actions=("SetVariables",), keys=("A.absorb",), do="absorb")])
    board = Board(MAIN, SECOND, version=Version.V201)
    board.board.rulings.apply({SECOND: Rules(policy, 100.0), MAIN: board.rules[MAIN]})
    items = [
        {"component": {"name": "A"}, "variable": {"name": name}, "attributeValue": "1"}
        for name in ("pass", "absorb")
    ]
    board.backend_sends(SECOND, call("x", "SetVariables", {"setVariableData": items})).charger_sends(
        heartbeat("x")
    )
    done = {"attributeStatus": "Accepted", "component": {"name": "A"}, "variable": {"name": "pass"}}
    board.charger_sends(result("x", {"setVariableResult": [done]}))
    (_, whole) = sent(board, SECOND)
    assert [one["attributeStatus"] for one in json.loads(whole)[2]["setVariableResult"]] == ["Accepted"] * 2


def test_the_backend_that_leads_is_the_one_that_waits_for_a_charger_that_reads_nothing():
    board = Board(MAIN, SECOND).happens(MAIN, ev.ChargerBlocked(1)).then(("reads main", False))
    board._take(board.board.lead.take(SECOND, board.now))
    board.then(("reads second", False), ("reads main", True))
    board.happens(SECOND, ev.ChargerUnblocked(1)).then(("reads second", True))


def test_a_charger_waits_for_the_backend_that_leads_and_reads_nothing():
    board = Board(MAIN, SECOND).happens(SECOND, ev.BackendBlocked(11)).then()
    board._take(board.board.lead.take(SECOND, board.now))
    board.then(("reads", False))
    board._take(board.board.lead.take(MAIN, board.now))
    board.then(("reads", True))


def test_a_charger_is_read_when_a_transaction_that_the_move_waits_for_begins_meanwhile():
    board = Board(MAIN, SECOND).charger_sends(start("s")).backend_sends(SECOND, start_result("s", 1))
    lead = board.board.lead
    lead.waits_for_transactions = True
    lead.sit(Seats((SECOND, MAIN)))
    board._take(lead.favour(SECOND, board.now))
    board.backend_sends(MAIN, start_result("s", 7))
    assert [told for told in board.told if told[0] == "reads"] == [("reads", False), ("reads", True)]
    board.charger_sends(stop("2", 7)).backend_sends(SECOND, answered("2")).backend_sends(MAIN, answered("2"))
    assert board.board.leader == SECOND


def test_a_charger_that_was_held_for_a_move_is_read_again_when_the_leader_comes_back():
    board = Board(MAIN, SECOND, takeover_after_s=0.0).charger_sends(heartbeat("1")).backend_goes(MAIN)
    board.backend_comes(MAIN)
    assert [told for told in board.told if told[0] == "reads"] == [("reads", False), ("reads", True)]


def test_a_number_that_the_charger_knows_already_is_not_given_to_another_transaction():
    board = charging(Board(MAIN, SECOND), at_main=5, at_second=1).backend_goes(MAIN).after(6.0)
    board.charger_sends(start("2", 500)).backend_sends(SECOND, start_result("2", 5))
    heard = sent(board, "charger")
    assert len(heard) == 1 and b'"transactionId":5,' not in heard[0]


def test_a_backend_that_joins_is_told_nothing_of_what_began_before():
    board = charging(Board(MAIN, SECOND)).joins("late")
    board.told.clear()
    board.charger_sends(stop("2", 7))
    assert sent(board, "late") == []


def test_a_backend_that_knows_a_transaction_alone_hears_of_it_alone():
    board = Board(MAIN, SECOND).backend_goes(MAIN).after(6.0)
    main = board.board.sessions[MAIN].buffer
    board.charger_sends(start("s")).backend_sends(SECOND, start_result("s", 3))
    main.copies.misses(main.book.transactions[-1].key, board.now)
    main.outbox.messages = main.outbox.unstored = 0
    main.outbox.window.clear()
    board.backend_comes(MAIN).after(11.0).told.clear()
    assert board.board.leader == MAIN
    board.charger_sends(stop("2", 3)).backend_sends(SECOND, answered("2"))
    board.then(to(SECOND, stop("2", 3)), to("charger", answered("2")))


def test_a_backend_that_left_and_is_back_before_it_was_told_everything_hears_the_charger_again():
    board = charging(Board(MAIN, SECOND)).backend_goes(SECOND).charger_sends(meter_values("2", 7))
    board.backend_sends(MAIN, answered("2"))
    board._take(board.board.sit(Seats((MAIN,)), board.now))
    board._take(board.board.sit(Seats((MAIN, SECOND)), board.now))
    board.told.clear()
    board.charger_sends(stop("3", 7)).then(to(MAIN, stop("3", 7)), stores(SECOND, "StopTransaction"))


def test_the_charger_has_its_time_for_a_call_whose_backend_has_left():
    board = Board(MAIN, SECOND).backend_sends(SECOND, call("a", "ClearCache"))
    board._take(board.board.sit(Seats((MAIN,)), board.now))
    board.backend_sends(MAIN, call("b", "ClearCache"))
    assert sent(board, "charger") == [call("a", "ClearCache").replace(b" ", b"")]
    board.charger_sends(result("a", {"status": "Accepted"})).then(to("charger", call("b", "ClearCache")))


def test_a_call_whose_backend_has_left_is_not_waited_for_for_ever():
    board = Board(MAIN, SECOND).backend_sends(SECOND, call("a", "ClearCache")).after(10.0)
    board._take(board.board.sit(Seats((MAIN,)), board.now))
    board.backend_sends(MAIN, call("b", "ClearCache")).told.clear()
    board.after(19.0).then()
    board.after(2.0).then(to("charger", call("b", "ClearCache")))


@pytest.mark.parametrize("status", ["Available", "Finishing"])
def test_a_transaction_whose_end_a_book_has_missed_does_not_go_on_at_a_free_connector(status):
    board = charging(Board(MAIN, SECOND))
    presence = board.board.presence
    presence.open.clear()  # as after a restart
    assert presence.open_transactions == 1
    board.charger_sends(
        call("2", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": status})
    )
    assert presence.open_transactions == 0
    board.charger_sends(start("3", 500))
    board.backend_sends(MAIN, answered("2"), start_result("3", 8))
    assert presence.open_transactions == 2


def test_an_end_that_one_book_has_is_one_for_all():
    board = charging(Board(MAIN, SECOND))
    board.board.sessions[SECOND].buffer.book.transactions[-1].ended_at = 1.0
    board.board.presence.open.clear()
    assert board.board.presence.open_transactions == 0


# What is missed


def test_a_copy_that_comes_again_is_not_stored_while_it_waits_in_the_line():
    board = charging(Board(MAIN, SECOND), 1, 1).charger_sends(meter_values("2", 1))
    board.backend_sends(MAIN, answered("2")).backend_sends(SECOND, answered("2"))
    buffer = board.board.sessions[SECOND].buffer
    buffer._recheck = 0  # it has been a while since the charger came
    buffer.look()
    board.charger_sends(heartbeat("3")).backend_sends(MAIN, heartbeat_result("3")).told.clear()
    board.charger_sends(meter_values("2", 1)).then(to("charger", answered("2")))


def test_a_start_that_was_said_twice_at_once_is_told_once():
    board = (
        Board(MAIN, SECOND).charger_sends(start("s"), start("s")).backend_sends(MAIN, start_result("s", 0))
    )
    assert [data for name, data in board.told if name == MAIN] == [start("s")]
    assert len([data for name, data in board.told if name == "charger"]) == 1


def test_a_start_that_was_answered_too_late_and_comes_again_is_known_by_that_answer():
    board = Board(MAIN, observers=(SECOND,)).charger_sends(start("s")).after(10.0)
    assert "copy-lost" in board.noted()
    (given,) = [json.loads(data)[2]["transactionId"] for data in sent(board, "charger")]
    board.backend_sends(SECOND, start_result("s", 9)).charger_sends(start("s")).told.clear()
    board.charger_sends(stop("2", given))
    assert sent(board, SECOND) == [stop("2", 9).replace(b" ", b"")]


def test_what_a_standby_misses_is_stored_for_it():
    board = Board(MAIN, SECOND).backend_goes(SECOND).charger_sends(start("s"))
    board.then(to(MAIN, start("s")), stores(SECOND, "StartTransaction"))


def test_what_an_observer_misses_is_lost_and_the_rest_of_its_transaction_with_it():
    board = Board(MAIN, observers=(SECOND,)).backend_goes(SECOND).charger_sends(start("s"))
    assert "copy-lost" in board.noted()
    board.backend_sends(MAIN, start_result("s", 7)).backend_comes(SECOND).told.clear()
    board.charger_sends(stop("2", 7)).then(to(MAIN, stop("2", 7)))


def test_what_an_observer_has_answered_too_late_it_is_not_told_again():
    board = charging(Board(MAIN, observers=(SECOND,)), at_second=7)
    for number in range(8):  # after so many the charger is not expected to say again what it said earlier
        board.charger_sends(meter_values(f"m{number}", 7, energy=number))
        board.backend_sends(SECOND, answered(f"m{number}")).backend_sends(MAIN, answered(f"m{number}"))
    board.disk_stalls().charger_sends(meter_values("2", 7))
    board.after(9.0).backend_sends(SECOND, answered("2"))
    board.told.clear()
    board.charger_sends(meter_values("3", 7)).then()


def test_a_standby_that_is_to_lead_when_the_charger_is_closed_is_told_nothing_twice():
    board = charging(Board(MAIN, SECOND, takeover_after_s=0.0)).disk_stalls()
    board.charger_sends(meter_values("2", 7)).backend_sends(SECOND, answered("2"))
    ((name, on_disk),) = board.happens(MAIN, ev.BackendClosed(10, 1006)).waits
    board.told.clear()
    board.disk_works((name, ev.EntryStored(on_disk.number, False))).then(("closes", 1013))
    assert board.board.leader == MAIN
    board.happens(MAIN, ev.ChargerClosed(1, 1013))
    board.backend_comes(SECOND).happens(MAIN, ev.ChargerOpened(2, board.version)).told.clear()
    board.charger_sends(meter_values("3", 7))
    assert sent(board, SECOND) == []


def test_a_standby_whose_outbox_is_full_loses_what_finds_no_room_and_the_charger_stays():
    board = Board(MAIN, SECOND).backend_goes(SECOND)
    board.board.sessions[SECOND].buffer.shared.can_store = False
    board.charger_sends(start("s"))
    assert "copy-lost" in board.noted()
    board.backend_sends(MAIN, start_result("s", 7)).then(
        to(MAIN, start("s")), to("charger", start_result("s", 7))
    )
    board.board.sessions[SECOND].buffer.shared.can_store = True
    board.charger_sends(start("2", 500)).then(to(MAIN, start("2", 500)), stores(SECOND, "StartTransaction"))


def test_what_a_standby_has_not_answered_when_the_charger_leaves_is_stored():
    board = charging(Board(MAIN, SECOND)).charger_sends(meter_values("2", 7))
    board.backend_sends(MAIN, answered("2")).told.clear()
    board.happens(MAIN, ev.ChargerClosed(1, 1006)).then(stores(SECOND, "MeterValues"))


def test_what_is_stored_does_not_overtake_what_waits():
    board = charging(Board(MAIN, SECOND)).charger_sends(meter_values("2", 7), heartbeat("3"), stop("4", 7))
    board.told.clear()
    board.backend_sends(SECOND, b'[4,"2","InternalError","",{}]')
    board.then(stores(SECOND, "MeterValues"), stores(SECOND, "StopTransaction"), to(SECOND, heartbeat("3")))


def test_a_start_that_is_repeated_after_a_reconnection_is_one_in_every_ledger():
    board = charging(Board(MAIN, SECOND)).charger_returns(2).backend_comes(MAIN).backend_comes(SECOND)
    board.told.clear()
    board.charger_sends(start("s2"))
    assert sent(board, "charger") == [start_result("s2", 7).replace(b" ", b"")]
    board.charger_sends(stop("3", 7))
    assert sent(board, SECOND) == [stop("3", 1).replace(b" ", b"")]


def test_a_start_is_answered_when_its_number_is_on_disk():
    board = (
        Board(MAIN, SECOND, keeps=False).charger_sends(start("s")).backend_sends(MAIN, start_result("s", 7))
    )
    board.then(to(MAIN, start("s")), to(SECOND, start("s")), stores(SECOND, "StartTransaction"))
    (first, number), (second, copy) = board.waits
    assert (first, second) == (SECOND, MAIN)
    board.disk_works((second, copy)).then()
    board.disk_works((first, number)).then(to("charger", start_result("s", 7)))


def test_no_answer_to_revenue_data_overtakes_the_copy_that_is_being_written():
    board = charging(Board(MAIN, SECOND)).disk_stalls().backend_goes(SECOND)
    board.charger_sends(meter_values("2", 7))
    on_disk = board.waits
    board.backend_sends(MAIN, answered("2"))
    board.then(to(MAIN, meter_values("2", 7)), stores(SECOND, "MeterValues"))
    board.disk_works(*on_disk).then(to("charger", answered("2")))


def test_no_answer_to_revenue_data_overtakes_the_copy_that_waits_in_the_line():
    board = charging(Board(MAIN, SECOND)).disk_stalls().charger_sends(heartbeat("1"))
    board.backend_sends(MAIN, heartbeat_result("1")).charger_sends(meter_values("2", 7)).told.clear()
    board.backend_sends(MAIN, answered("2")).then(stores(SECOND, "MeterValues"))
    board.disk_works(*board.waits).then(to("charger", answered("2")))


def test_a_charger_does_not_wait_long_for_the_disk_of_a_standby():
    board = charging(Board(MAIN, SECOND)).disk_stalls().backend_goes(SECOND)
    board.charger_sends(meter_values("2", 7)).backend_sends(MAIN, answered("2")).told.clear()
    board.after(0.9).then()
    board.after(0.2).then(to("charger", answered("2")))


def test_what_was_answered_for_a_connection_that_is_gone_is_not_said_on_the_next():
    board = charging(Board(MAIN, SECOND)).disk_stalls().backend_goes(SECOND)
    board.charger_sends(meter_values("2", 7))
    on_disk = board.waits
    board.backend_sends(MAIN, answered("2")).charger_returns(2).told.clear()
    board.disk_works(*on_disk).then()


def test_a_follower_that_does_not_accept_the_boot_is_told_again():
    boot = call("1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    board = (
        Board(MAIN, SECOND)
        .charger_sends(boot)
        .backend_sends(
            SECOND, result("1", {"currentTime": "2026-11-21T08:00:00Z", "interval": 20, "status": "Pending"})
        )
    )
    board.told.clear()
    board.after(21.0)
    assert (SECOND, boot) in board.told


def test_a_start_that_comes_again_is_answered_by_the_number_it_was_given_meanwhile():
    board = Board(MAIN, SECOND, keeps=False).backend_goes(MAIN).after(6.0)
    board.charger_sends(start("s"))
    on_disk = board.waits
    board.backend_sends(SECOND, start_result("s", 7))
    main = board.board.sessions[MAIN]
    board.board.lead.take(MAIN, board.now)
    board.charger_returns(2).told.clear()
    board.charger_sends(start("s2")).disk_works(*on_disk)
    assert sent(board, "charger") == []
    assert main.buffer.starts.unkept
    board.disk_works(*board.waits)
    assert [b'[3,"s2",{"transactionId":7,' in data for data in sent(board, "charger")] == [True]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_number_that_the_charger_may_know_is_not_changed_by_who_leads_then(is_there):
    board = Board(MAIN, observers=(SECOND,)).backend_goes(MAIN).charger_sends(heartbeat("1"), start("s"))
    (given,) = [json.loads(data)[2]["transactionId"] for data in sent(board, "charger") if b'"s"' in data]
    board.board.sessions[SECOND].to_backend.clear()  # as after a kill
    board.board.lead.take(SECOND, board.now)
    board.charger_returns(2)
    if is_there:
        board.backend_comes(SECOND)
    board.told.clear()
    board.charger_sends(start("s2")).backend_sends(SECOND, start_result("s2", 6))
    assert [json.loads(data)[2]["transactionId"] for data in sent(board, "charger")] == [given]
    if not is_there:
        board.backend_comes(SECOND).backend_sends(SECOND, start_result("s2", 6)).told.clear()
    board.charger_sends(stop("3", given))
    assert sent(board, SECOND) == [stop("3", 6).replace(b" ", b"")]


def test_everybody_learns_the_number_that_one_backend_alone_had_noted_for_a_transaction():
    board = Board(MAIN, SECOND, "third").charger_sends(start("s"))
    second = board.board.sessions[SECOND].buffer
    second.book.name(second.book.transactions[-1], 77)  # as after a kill
    board.board.lead.take(SECOND, board.now)
    board.charger_returns(2).backend_comes(SECOND).backend_comes("third").told.clear()
    board.charger_sends(start("s2")).backend_sends(SECOND, start_result("s2", 6))
    third = board.board.sessions["third"].buffer
    assert third.book.by_charger_id(77) is not None


def test_a_start_that_is_answered_when_nobody_waits_any_more_renames_no_transaction():
    board = Board(MAIN, SECOND)
    board.board.sessions[SECOND].buffer.shared.can_store = False
    board.charger_sends(start("s")).backend_sends(MAIN, start_result("s", 7)).after(6.0)
    assert "copy-lost" in board.noted()
    board.board.lead.take(SECOND, board.now)
    board.backend_sends(SECOND, start_result("s", 9)).told.clear()
    board.charger_sends(stop("2", 7))
    assert sent(board, MAIN) == [stop("2", 7).replace(b" ", b"")]


def test_a_boot_that_a_follower_leaves_unanswered_is_told_again():
    boot = call("1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    board = Board(MAIN, SECOND).charger_sends(boot)
    board.after(31.0).told.clear()
    board.after(61.0)
    assert [b"BootNotification" in data for data in sent(board, SECOND)] == [True]


def test_what_belongs_to_a_start_that_was_not_stored_never_goes_by_the_chargers_number():
    board = Board(MAIN, SECOND, keeps=False).backend_goes(SECOND).charger_sends(start("s"))
    (_, kept), *_ = board.waits
    board.backend_sends(MAIN, start_result("s", 7)).charger_sends(stop("2", 7))
    board.keeps = True
    board.disk_works(
        (SECOND, ev.EntryStored(kept.number, False)), (SECOND, ev.EntryStored(kept.number + 1, True))
    )
    assert "copy-lost" in board.noted()
    board.backend_comes(SECOND).after(5.0)
    assert stop("2", 7) not in [data for name, data in board.told if name == SECOND]


def test_what_the_leader_has_missed_comes_to_every_backend_that_knows_its_transaction():
    board = Board(MAIN, SECOND, "third").charger_sends(start("s"))
    board.backend_sends("third", start_result("s", 1)).backend_sends(SECOND, start_result("s", 2))
    board.backend_sends(MAIN, start_result("s", 7)).told.clear()
    main = board.board.sessions[MAIN].buffer
    main.copies.misses(main.book.transactions[-1].key, board.now)
    for name in (SECOND, "third"):
        board.board.sessions[name].buffer.book.transactions[-1].given_by = SECOND
    board.charger_sends(stop("2", 7))
    assert [(name, data.replace(b" ", b"")) for name, data in board.told] == [
        to("third", stop("2", 1).replace(b" ", b"")),
        to(SECOND, stop("2", 2).replace(b" ", b"")),
    ]
    board.told.clear()
    board.backend_sends("third", answered("2")).then()
    board.backend_sends(SECOND, answered("2")).then(to("charger", answered("2")))


def test_answers_of_the_charger_count_as_its_messages_whoever_they_are_for():
    board = Board(MAIN, SECOND, message_cost_s=1.0, burst_s=2.5).backend_sends(
        SECOND, call("b", "ClearCache")
    )
    board.charger_sends(result("b", {"status": "Accepted"})).told.clear()
    board.charger_sends(result("x", {}), result("y", {})).then(("reads", False))
