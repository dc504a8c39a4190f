"""Showing what becomes of a capture."""

import io
import json
import sys

import pytest

from gateway.cli import main
from gateway.ocpp.actions import UNANSWERED, actions_of
from gateway.ocpp.message import Sender
from gateway.ocpp.schema import schema
from gateway.translate.factory import PAIRS
from gateway.translate.rehearsal import Rehearsal, simplest

BOOT = '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M","meterType":"x"}]'
RESET = '[2,"9","Reset",{"type":"Immediate"}]'


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("sender", list(Sender))
def test_every_call_is_answered_once(pair, sender):
    rehearsal = Rehearsal(*pair)
    version = pair[0] if sender is Sender.CHARGER else pair[1]
    back = f"to_{sender.value}"
    for action in sorted(actions_of(version, sender) - UNANSWERED):
        node = schema(version, action, True)
        assert node is not None
        frame = [2, "id", action, simplest(node, 1_767_225_600.0)]
        report = rehearsal.frame(frame, sender is Sender.BACKEND)
        assert [heard[1] for heard in report[back] if heard[0] in (3, 4)] == ["id"], action


def told(monkeypatch, capsys, text, *options):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    status = main(["translate", *options])
    return status, *capsys.readouterr()


def test_a_capture_before_and_after_and_what_was_lost(monkeypatch, capsys):
    status, out, _ = told(monkeypatch, capsys, f"{BOOT}\n{RESET}\n", "--from", "1.6", "--to", "2.0.1")
    assert status == 0
    assert '"chargingStation": {"model": "M", "vendorName": "V"}' in out
    assert "info     FIELD_DROPPED  meterType  x" in out
    assert '"Reset", {"type": "Hard"}' in out


def test_a_capture_as_json(monkeypatch, capsys):
    _, out, _ = told(monkeypatch, capsys, BOOT, "--from", "1.6", "--to", "2.0.1", "--json")
    report = json.loads(out)
    assert report["to_backend"][0][2:] == [
        "BootNotification",
        {"chargingStation": {"model": "M", "vendorName": "V"}, "reason": "PowerUp"},
    ]
    assert [lost["code"] for lost in report["lost"]] == ["FIELD_DROPPED"]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (BOOT, ("--from", "1.6", "--to", "1.6"), "nothing to translate"),
        ("[2", ("--from", "1.6", "--to", "2.0.1"), "frame 1: is not a frame of OCPP"),
        ("", ("--from", "1.6", "--to", "2.0.1"), "there is no frame"),
    ],
)
def test_a_mistake_is_said(monkeypatch, capsys, text, options, said):
    status, _, error = told(monkeypatch, capsys, text, *options)
    assert status == 2
    assert said in error
