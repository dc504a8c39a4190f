"""What backends may tell chargers, and what the gateway answers in the charger's place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ocpp.actions import actions_of
from gateway.ocpp.errors import codes
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.message import Sender, Version
from gateway.ocpp.schema import deviations
from gateway.routing.commands import ALL, ASKS, DANGEROUS, READS, TRIGGERED_BY_READERS
from gateway.routing.faults import faults
from gateway.routing.policy import Answered, CommandRule, Pace, Policy, Rewritten, priority_of

V16, V201, V21 = Version
EVERY = [(version, action) for version in Version for action in sorted(actions_of(version, Sender.BACKEND))]


def variable(component: str = "ClockCtrlr", name: str = "TimeZone", value: str = "x") -> dict:
    return {"attributeValue": value, "component": {"name": component}, "variable": {"name": name}}


REQUESTS = {
    "SetVariables": {"setVariableData": [variable(), variable("OCPPCommCtrlr", "FileTransferProtocols")]},
    "GetVariables": {"getVariableData": [{"component": {"name": "A"}, "variable": {"name": "B"}}]},
    "SetVariableMonitoring": {
        "setMonitoringData": [
            {
                "value": 1.5,
                "type": "Delta",
                "severity": 3,
                "component": {"name": "A"},
                "variable": {"name": "B"},
            }
        ]
    },
    "ClearVariableMonitoring": {"id": [3, 4]},
    "ClearTariffs": {"tariffIds": ["a", "b"]},
    "TriggerMessage": {"requestedMessage": "SignChargingStationCertificate"},
    "ExtendedTriggerMessage": {"requestedMessage": "SignChargePointCertificate"},
}


def status_of(verdict: Answered) -> object:
    assert verdict.payload is not None
    return json.loads(verdict.payload)["status"]


@pytest.mark.parametrize(("version", "action"), EVERY)
@pytest.mark.parametrize("do", ["deny", "absorb"])
@pytest.mark.parametrize("status", ["", "Rejected", "Failed", "Nonsense"])
def test_every_answer_is_one_that_the_version_knows(version, action, do, status):
    policy = Policy("a", "all", [CommandRule(actions=("*",), do=do, status=status)])
    for request in (REQUESTS.get(action, {}), {}):
        verdict = policy.judge(action, json.dumps(request).encode(), version, leads=True)
        assert isinstance(verdict, Answered)
        if verdict.payload is None:
            assert verdict.error_code in codes(version)
        else:
            assert deviations(version, action, False, json.loads(verdict.payload)) == []


def test_no_is_said_with_the_word_the_action_has():
    policy = Policy("a", "none")
    words = {
        "Reset": "Rejected",
        "SendLocalList": "Failed",
        "DeleteCertificate": "Failed",
        "UnlockConnector": "UnlockFailed",
    }
    for action, word in words.items():
        for version in Version:
            assert status_of(policy.judge(action, {}, version, leads=True)) == word
    for action in ("ClearChargingProfile", "GetConfiguration", "UpdateFirmware", "NoSuchCommand"):
        refused = policy.judge(action, {}, V16, leads=True)
        assert (refused.payload, refused.error_code) == (None, "SecurityError")
    explained = json.loads(policy.judge("Reset", {"type": "Immediate"}, V201, leads=True).payload)
    assert explained["statusInfo"]["additionalInfo"] == 'backend "a" may not send commands'


def test_items_are_refused_one_by_one():
    policy = Policy("a", "none")
    for action, request in REQUESTS.items():
        if action in ("TriggerMessage", "ExtendedTriggerMessage"):
            continue
        answer = json.loads(policy.judge(action, request, V21, leads=False).payload)
        (results,) = answer.values()
        (asked,) = request.values()
        assert len(results) == len(asked)
        assert {result.get("status", result.get("attributeStatus")) for result in results} == {"Rejected"}


def test_an_absorbed_command_looks_done():
    policy = Policy("a", "leading", [CommandRule(actions=("*",), do="absorb")])
    for action, word in {"Reset": "Accepted", "UnlockConnector": "Unlocked"}.items():
        verdict = policy.judge(action, {}, V16, leads=False)
        assert (status_of(verdict), verdict.flag) == (word, FlagCode.COMMAND_ABSORBED)
    assert policy.judge("UpdateFirmware", {}, V16, leads=False).payload == b"{}"
    assert status_of(policy.judge("UnpublishFirmware", {}, V201, leads=False)) == "Unpublished"
    chosen = Policy("a", "all", [CommandRule(actions=("Reset",), do="absorb", status="Scheduled")])
    assert status_of(chosen.judge("Reset", {}, V201, leads=False)) == "Scheduled"
    assert status_of(chosen.judge("Reset", {}, V16, leads=False)) == "Accepted"


def test_what_asks_for_something_is_never_absorbed():
    policy = Policy("a", "all", [CommandRule(actions=("*",), do="absorb")])
    for action in ASKS:
        for version in Version:
            assert policy.judge(action, {}, version, leads=True).flag is FlagCode.COMMAND_DENIED


@pytest.mark.parametrize("commands", ["all", "leading", "read-only", "none"])
@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize(("version", "action"), EVERY)
def test_the_setting_decides_where_no_rule_does(commands, leads, version, action):
    verdict = Policy("a", commands).judge(action, REQUESTS.get(action, {"key": "x"}), version, leads)
    reads = action in READS
    guarded = not leads and action in DANGEROUS
    match commands:
        case "none":
            may = False
        case "read-only":
            may = reads
        case "leading":
            may = leads or reads
        case "all":
            may = not guarded
    if commands == "all" and action == "SetVariables" and not leads:
        assert isinstance(verdict, Rewritten)
    else:
        assert (verdict is None) is may


def test_readers_may_trigger_messages_but_no_request_for_a_certificate():
    policy = Policy("a", "read-only")
    for message in TRIGGERED_BY_READERS:
        assert policy.judge("TriggerMessage", {"requestedMessage": message}, V16, leads=False) is None
    assert policy.judge("TriggerMessage", {"requestedMessage": "SignV2GCertificate"}, V201, leads=False)
    assert policy.judge("TriggerMessage", b"\xff", V201, leads=False)


def test_the_leader_alone_may_do_what_is_dangerous_unless_a_rule_names_it():
    everything = Policy("a", "all", [CommandRule(actions=("*",), do="allow")])
    named = Policy("a", "none", [CommandRule(actions=("reset", "Set*"), do="allow")])
    for action in DANGEROUS:
        assert everything.judge(action, {}, V201, leads=True) is None
        assert everything.judge(action, {}, V201, leads=False).flag is FlagCode.COMMAND_DENIED
        assert (named.judge(action, {}, V201, leads=False) is None) is (action == "Reset")
    assert everything.judge("RequestStopTransaction", {}, V201, leads=False) is None


@pytest.mark.parametrize(
    "key",
    [
        "AuthorizationKey",
        " securityProfile ",
        "WebSocketPingInterval",
        "CentralSystemURL",
        "Apn",
        "",
        None,
        7,
    ],
)
def test_keys_of_the_connection_are_the_leaders(key):
    policy = Policy("a", "all")
    assert policy.judge("ChangeConfiguration", {"key": key, "value": "1"}, V16, leads=True) is None
    assert status_of(policy.judge("ChangeConfiguration", {"key": key, "value": "1"}, V16, leads=False)) == (
        "Rejected"
    )


def test_other_keys_are_everybodys_who_may_set_any():
    for key in ("MeterValueSampleInterval", "HeartbeatInterval", "ConnectionTimeOut", "StopTxnSampledData"):
        assert Policy("a", "all").judge("ChangeConfiguration", {"key": key, "value": "1"}, V16, False) is None


def test_what_a_data_transfer_holds_can_be_dangerous():
    pnc = {"vendorId": "org.openchargealliance.iso15118pnc", "messageId": "InstallCertificate", "data": "{}"}
    assert status_of(Policy("a", "all").judge("DataTransfer", pnc, V16, leads=False)) == "Rejected"
    assert Policy("a", "all").judge("DataTransfer", pnc, V16, leads=True) is None
    harmless = pnc | {"messageId": "DisplayText"}
    assert Policy("a", "all").judge("DataTransfer", harmless, V16, leads=False) is None


def test_a_rule_for_keys_decides_for_these_keys_only():
    rule = CommandRule(actions=("ChangeConfiguration",), keys=("MeterValue*",), do="absorb")
    policy = Policy("a", "leading", [rule])
    absorbed = policy.judge(
        "ChangeConfiguration", {"key": "metervaluesampleinterval", "value": "1"}, V16, leads=True
    )
    assert absorbed.flag is FlagCode.COMMAND_ABSORBED
    assert policy.judge("ChangeConfiguration", {"key": "Other", "value": "1"}, V16, leads=True) is None
    assert policy.judge("ChangeConfiguration", {"key": "Other", "value": "1"}, V16, leads=False) is not None


def test_items_of_one_command_can_have_different_fates():
    rules = [
        CommandRule(actions=("SetVariables",), keys=("A.deny",), do="deny"),
        CommandRule(actions=("SetVariables",), keys=("A.absorb",), do="absorb", status="RebootRequired"),
        CommandRule(
            actions=("SetVariables",),
            keys=("A.set",),
            do="rewrite",
            set={"setVariableData.attributeValue": "9"},
        ),
    ]
    policy = Policy("a", "all", rules)
    names = ("pass", "deny", "set", "absorb", "pass")
    request = {"setVariableData": [variable("A", name) for name in names], "customData": {"vendorId": "v"}}
    verdict = policy.judge("SetVariables", json.dumps(request).encode(), V201, leads=False)
    assert isinstance(verdict, Rewritten)
    sent = json.loads(verdict.payload)
    assert [item["variable"]["name"] for item in sent["setVariableData"]] == ["pass", "set", "pass"]
    assert [item["attributeValue"] for item in sent["setVariableData"]] == ["x", "9", "x"]
    assert sent["customData"] == {"vendorId": "v"}
    assert deviations(V201, "SetVariables", True, sent) == []
    assert verdict.changed == (
        "setVariableData[1]",
        "setVariableData[2].attributeValue",
        "setVariableData[3]",
    )
    results = [
        {"attributeStatus": "Accepted", "component": item["component"], "variable": item["variable"]}
        for item in sent["setVariableData"]
    ]
    whole = verdict.completed({"setVariableResult": results})
    assert [item["variable"]["name"] for item in whole["setVariableResult"]] == list(names)
    assert [item["attributeStatus"] for item in whole["setVariableResult"]] == [
        *("Accepted", "Rejected", "Accepted", "RebootRequired", "Accepted")
    ]
    assert deviations(V201, "SetVariables", False, whole) == []


def test_when_no_item_goes_on_the_gateway_answers_them_all():
    rules = [CommandRule(actions=("SetVariables",), keys=("A.absorb",), do="absorb")]
    policy = Policy("a", "all", rules)
    both = {"setVariableData": [variable("A", "absorb"), variable("SecurityCtrlr", "BasicAuthPassword")]}
    verdict = policy.judge("SetVariables", both, V201, leads=False)
    assert verdict.flag is FlagCode.COMMAND_DENIED
    assert [item["attributeStatus"] for item in json.loads(verdict.payload)["setVariableResult"]] == [
        "Accepted",
        "Rejected",
    ]
    broken = {"setVariableData": [{"component": "x"}, variable("A", "absorb")]}
    assert policy.judge("SetVariables", broken, V201, leads=False).error_code == "SecurityError"


def test_a_rewritten_command_goes_on_with_the_values_of_the_rule():
    limit = "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[].limit"
    soft = Policy("a", "leading", [CommandRule(actions=("Reset",), do="rewrite", set={"type": "Soft"})])
    assert json.loads(soft.judge("Reset", {"type": "Hard"}, V16, leads=True).payload) == {"type": "Soft"}
    assert soft.judge("Reset", {"type": "Soft"}, V16, leads=True) is None
    given = {
        "csChargingProfiles": {"chargingSchedule": {"chargingSchedulePeriod": [{"limit": 32}, {"limit": 10}]}}
    }
    ceiling = Policy(
        "a", "all", [CommandRule(actions=("SetChargingProfile",), do="rewrite", set={limit: 10})]
    )
    verdict = ceiling.judge("SetChargingProfile", given, V16, leads=False)
    assert verdict.changed == ("csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit",)
    assert given["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 32
    assert ceiling.judge("SetChargingProfile", {"connectorId": 1}, V16, leads=False) is None


def test_a_value_that_the_version_does_not_have_makes_it_a_refusal():
    soft = Policy("a", "all", [CommandRule(actions=("Reset",), do="rewrite", set={"type": "Soft"})])
    refused = soft.judge("Reset", {"type": "Immediate"}, V201, leads=True)
    assert status_of(refused) == "Rejected"
    assert refused.reason == "changed by commands[0], whose type is not one of OCPP 2.0.1"
    elsewhere = {"csChargingProfiles.stackLevel": "x", "chargingProfile.stackLevel": 3}
    level = Policy("a", "all", [CommandRule(actions=("Set*",), do="rewrite", set=elsewhere)])
    changed = level.judge("SetChargingProfile", {"chargingProfile": {"stackLevel": 1}}, V201, leads=True)
    assert json.loads(changed.payload) == {"chargingProfile": {"stackLevel": 3}}


def test_a_command_that_ocpp_does_not_have_is_for_the_leader():
    for action in ("reset", "SetVariables ", "Launch"):
        assert Policy("a", "all").judge(action, {}, V201, leads=True) is None
        assert Policy("a", "all").judge(action, {}, V201, leads=False).error_code == "SecurityError"
    named = Policy("a", "all", [CommandRule(actions=("launch",), do="allow")])
    assert named.judge("Launch", {}, V16, leads=False) is None


def test_rules_are_for_backends_and_chargers():
    rules = [
        CommandRule(backends=("b*",), actions=("Reset",), do="deny"),
        CommandRule(chargers=("X-*",), actions=("ClearCache",), do="deny"),
    ]
    policy = Policy("a", "all", rules)
    assert policy.judge("Reset", {}, V16, leads=True) is None
    assert policy.of("x-1") is policy
    other = policy.of("y")
    assert policy.judge("ClearCache", {}, V16, leads=True) is not None
    assert other.judge("ClearCache", {}, V16, leads=True) is None
    assert other.is_open
    assert not policy.is_open
    assert policy.of("z") is other
    assert Policy("b1", "all", rules).judge("Reset", {}, V16, leads=True).reason == "refused by commands[0]"


def test_a_policy_keeps_few_variants_however_many_chargers_ask():
    rules = [CommandRule(chargers=(f"{n}",), actions=("Reset",), do="deny") for n in range(3000)]
    policy = Policy("a", "all", rules[:11])
    for n in range(3000):
        policy.of(str(n))
    assert len(policy._variants) <= 1024


@given(
    st.sampled_from([*sorted(ALL), "", "X"]),
    st.binary() | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5),
    st.sampled_from(list(Version)),
    st.booleans(),
)
def test_no_payload_breaks_a_policy(action, payload, version, leads):
    rules = [CommandRule(actions=("Set*",), keys=("x",), do="rewrite", set={"setVariableData.x": 1})]
    given_ = payload if isinstance(payload, bytes) else {"setVariableData": payload, "key": payload}
    for commands in ("all", "read-only", "none"):
        verdict = Policy("a", commands, rules).judge(action, given_, version, leads)
        if isinstance(verdict, Answered) and verdict.payload is not None:
            assert deviations(version, action, False, json.loads(verdict.payload)) == []


def test_a_pace_lets_a_burst_go_and_then_so_many_per_minute():
    pace = Pace(60, 5)
    assert [pace.allows(100.0) for _ in range(6)] == [True] * 5 + [False]
    assert pace.allows(101.0)
    assert not pace.allows(101.5)
    assert not pace.allows(0.0)
    assert [pace.allows(1000.0) for _ in range(6)] == [True] * 5 + [False]
    assert Pace(0.5).allows(0.0)


@given(st.lists(st.floats(0, 10), max_size=80), st.floats(1, 600))
def test_a_pace_is_kept_whatever_the_backend_does(waits, per_minute):
    pace, now, allowed = Pace(per_minute), 0.0, 0
    for wait in waits:
        now += wait
        allowed += pace.allows(now)
    assert allowed <= per_minute + now * per_minute / 60 + 1e-6


def test_what_comes_too_fast_is_refused_in_the_actions_own_words():
    policy = Policy("a", "all")
    assert status_of(policy.refuse_pace("Reset", b"{}", V16)) == "Rejected"
    for version in Version:
        refused = policy.refuse_pace("ClearChargingProfile", {}, version)
        assert refused.error_code in codes(version)
        assert refused.flag is FlagCode.COMMANDS_TOO_FAST


def test_what_ends_charging_goes_first_and_reports_go_last():
    order = ["RequestStopTransaction", "SetChargingProfile", "ReserveNow", "Reset", "GetReport"]
    ranks = [priority_of(action) for action in order]
    assert ranks == sorted(set(ranks))
    assert priority_of("RemoteStopTransaction") == priority_of("UnlockConnector") == ranks[0]
    assert priority_of("NoSuchCommand") == priority_of("Reset")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"actions": ("Rest",), "do": "deny"}, ("actions", "did you mean Reset?")),
        ({"actions": ("Xyzzy*",), "do": "deny"}, ("actions", "name one such as Reset")),
        ({"actions": ("Reset",), "do": "deny", "keys": ("x",)}, ("keys", "Reset sets no keys")),
        ({"actions": ("Reset",), "do": "deny", "status": "Failed"}, ("status", "known: Accepted, Rejected")),
        ({"actions": ("Set*",), "do": "deny", "status": "Nope"}, ("status", "is never answered with")),
        ({"actions": ("Reset",), "do": "deny", "status": "Accepted"}, ("status", "says yes")),
        ({"actions": ("Reset",), "do": "absorb", "status": "Rejected"}, ("status", "says no")),
        ({"actions": ("Reset",), "do": "allow", "status": "Rejected"}, ("status", "means nothing")),
        ({"actions": ("GetReport",), "do": "absorb"}, ("do", "asks for something")),
        ({"actions": ("Reset",), "do": "rewrite"}, ("set", "is needed")),
        ({"actions": ("Reset",), "do": "deny", "set": {"type": "Soft"}}, ("set", "only there")),
        ({"actions": ("Reset",), "do": "rewrite", "set": {"typ": "Soft"}}, ("set.typ", "has no such field")),
        ({"actions": ("Reset",), "do": "rewrite", "set": {"type": "Mild"}}, ("set.type", "does not fit")),
    ],
)
def test_a_rule_that_can_never_do_what_it_says_is_told(rule, message):
    ((field, text),) = faults(CommandRule(**rule))
    assert field == message[0]
    assert message[1] in text


@pytest.mark.parametrize(
    "rule",
    [
        {"actions": ("*",), "do": "deny", "status": "Failed"},
        {
            "actions": ("setvariables", "ChangeConfiguration"),
            "keys": ("a*",),
            "do": "deny",
            "status": "Rejected",
        },
        {"actions": ("SetChargingProfile",), "do": "rewrite", "set": {"chargingProfile": {"stackLevel": 1}}},
        {"actions": ("SetVariables",), "do": "absorb", "status": "RebootRequired"},
        {"actions": ("Get*",), "do": "allow"},
    ],
)
def test_a_rule_that_fits_is_left_alone(rule):
    assert list(faults(CommandRule(**rule))) == []
