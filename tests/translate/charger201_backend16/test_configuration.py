"""Keys of 1.6 and variables of 2.0.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.translate.charger201_backend16.inventory import name_of, place_of
from gateway.translate.memory import Variable
from gateway.translate.policies import Policies
from gateway.translate.port import Refused
from tests.translate.charger201_backend16.peers import NOW, Peers, at

YES = {"status": "Accepted"}


def place(name):
    component, variable = place_of(name)
    return {"component": component, "variable": variable}


def writes(peers, key, value, wanted, *statuses, told):
    """A key is written: these variables get these values, and this is what the backend hears."""
    call = peers.backend("ChangeConfiguration", {"key": key, "value": value})
    action, asked = peers.charger_gets()
    assert action == "SetVariables"
    assert asked["setVariableData"] == [
        place(name) | {"attributeValue": wrote} for name, wrote in wanted.items()
    ]
    results = [
        place(name) | {"attributeStatus": status} for name, status in zip(wanted, statuses, strict=True)
    ]
    peers.charger_says({"setVariableResult": results})
    assert peers.told(call) == {"status": told}


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("HeartbeatInterval", "60", {"OCPPCommCtrlr.HeartbeatInterval": "60"}),
        ("heartbeatinterval", "60", {"OCPPCommCtrlr.HeartbeatInterval": "60"}),
        ("LocalPreAuthorize", "TRUE", {"AuthCtrlr.LocalPreAuthorize": "true"}),
        (
            "MeterValuesSampledData",
            "Voltage.L1, SoC,Voltage.L2,RPM",
            {"SampledDataCtrlr.TxUpdatedMeasurands": "Voltage,SoC"},
        ),
        ("TransactionMessageAttempts", "3", {"OCPPCommCtrlr.MessageAttempts:TransactionEvent": "3"}),
        ("EVSE/1.AllowReset", "true", {"EVSE/1.AllowReset": "true"}),
        ("DefaultPrice", '{"priceText":"0.40"}', {"TariffCostCtrlr.TariffFallbackMessage": "0.40"}),
        (
            *("ConnectorPhaseRotation", "0.RST,2.Unknown"),
            {"ChargingStation.PhaseRotation": "RST", "EVSE/2.PhaseRotation": ""},
        ),
    ],
)
def test_writing(key, value, wanted):
    writes(Peers(), key, value, wanted, *["Accepted"] * len(wanted), told="Accepted")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("Accepted", "UnknownVariable", "Accepted"),
        ("Accepted", "RebootRequired", "RebootRequired"),
        ("RebootRequired", "Rejected", "Rejected"),
        ("UnknownComponent", "Accepted", "NotSupported"),
        ("NotSupportedAttributeType", "Rejected", "NotSupported"),
    ],
)
def test_one_key_for_two_variables(first, second, told):
    wanted = {"SampledDataCtrlr.TxUpdatedInterval": "60", "SampledDataCtrlr.TxEndedInterval": "60"}
    peers = Peers()
    writes(peers, "MeterValueSampleInterval", "60", wanted, first, second, told=told)
    assert (peers.lost("PARTIAL") == ["SampledDataCtrlr.TxEndedInterval"]) is (second == "UnknownVariable")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ChargingScheduleAllowedChargingRateUnit", "Current"),
        ("MeterValuesSampledData", "RPM,Temperature"),
        ("ConnectorPhaseRotation", "9.RST"),
        ("ConnectorPhaseRotation", "RST"),
        ("DefaultPrice", "[]"),
    ],
)
def test_what_cannot_be_written(key, value):
    peers = Peers()
    assert peers.told(peers.backend("ChangeConfiguration", {"key": key, "value": value})) == {
        "status": "Rejected"
    }
    assert peers.is_quiet()


def test_a_variable_that_said_it_is_read_only_is_not_asked_again():
    peers = Peers()
    call = peers.backend("ChangeConfiguration", {"key": "EVSE/1.AllowReset", "value": "true"})
    peers.charger_gets()
    info = {"attributeStatus": "Rejected", "attributeStatusInfo": {"reasonCode": "ReadOnly"}}
    peers.charger_says({"setVariableResult": [place("EVSE/1.AllowReset") | info]})
    assert peers.told(call) == {"status": "Rejected"}
    peers.restart()
    call = peers.backend("ChangeConfiguration", {"key": "EVSE/1.AllowReset", "value": "true"})
    assert peers.told(call) == {"status": "Rejected"}


def test_the_backends_password_is_for_the_backends_link():
    for key in ("AuthorizationKey", "SecurityCtrlr.BasicAuthPassword"):
        peers = Peers()
        call = peers.backend("ChangeConfiguration", {"key": key, "value": "30313233343536373839616263646566"})
        assert peers.told(call) == YES
        assert peers.is_quiet()
        assert peers.lost("LEG_SCOPED") == [key]
        assert "30313233" not in str(peers.losses)
        assert peers.memory.upstream_password_pending


def test_a_password_that_goes_on_is_text():
    peers = Peers(policies=Policies(leg_credentials="forward"))
    wanted = {"SecurityCtrlr.BasicAuthPassword": "0123456789abcdef"}
    writes(
        peers,
        "AuthorizationKey",
        wanted["SecurityCtrlr.BasicAuthPassword"].encode().hex(),
        wanted,
        "Accepted",
        told="Accepted",
    )
    for bad in ("00" * 16, "zz", "3031"):
        call = peers.backend("ChangeConfiguration", {"key": "AuthorizationKey", "value": bad})
        assert peers.told(call) == {"status": "Rejected"}


# Reading


def reads(peers, keys, values):
    """Read keys of a charger with these variables: what is shown, unknown, and how often it was asked."""
    call = peers.backend("GetConfiguration", {"key": keys} if keys else {})
    questions = 0
    while peers.for_charger:
        questions += 1
        action, asked = peers.charger_gets()
        assert action == "GetVariables"
        results = []
        for data in asked["getVariableData"]:
            value = values.get(name_of(data["component"], data["variable"]), ...)
            known = (
                {"attributeStatus": "UnknownVariable"} if value is ... else {"attributeStatus": "Rejected"}
            )
            results.append(
                data
                | (
                    known
                    if value in (..., None)
                    else {"attributeStatus": "Accepted", "attributeValue": value}
                )
            )
        peers.charger_says({"getVariableResult": results})
    told = peers.told(call)
    shown = {entry["key"]: (entry.get("value"), entry["readonly"]) for entry in told["configurationKey"]}
    return shown, told.get("unknownKey", []), questions


def test_reading_some_keys():
    peers = Peers(
        capabilities={"local_list": "yes", "smart_charging": "yes", "reservation": "no"},
        mutability={"SmartChargingCtrlr.RateUnit": "ReadOnly"},
    )
    keys = [
        "HeartbeatInterval",
        "NumberOfConnectors",
        "ChargingScheduleAllowedChargingRateUnit",
        "Foo",
        "BlinkRepeat",
    ]
    keys += [
        "LocalPreAuthorize",
        "ConnectorPhaseRotation",
        "EVSE/1.AllowReset",
        "SupportedFeatureProfiles",
        "ResetRetries",
    ]
    values = {
        "OCPPCommCtrlr.HeartbeatInterval": "300",
        "SmartChargingCtrlr.RateUnit": "A,W",
        "AuthCtrlr.LocalPreAuthorize": "True",
        "ChargingStation.PhaseRotation": "",
        "EVSE/1.PhaseRotation": "RST",
        "EVSE/1.AllowReset": None,
    }
    shown, unknown, questions = reads(peers, keys, values)
    assert shown == {
        "HeartbeatInterval": ("300", False),
        "NumberOfConnectors": ("2", True),
        "ChargingScheduleAllowedChargingRateUnit": ("Current,Power", True),
        "LocalPreAuthorize": ("true", False),
        "ConnectorPhaseRotation": ("0.Unknown,1.RST", False),
        "EVSE/1.AllowReset": (None, False),
        "SupportedFeatureProfiles": (
            "Core,FirmwareManagement,RemoteTrigger,LocalAuthListManagement,SmartCharging",
            True,
        ),
    }
    assert unknown == ["Foo", "BlinkRepeat", "ResetRetries"]
    assert questions == 1


@pytest.mark.parametrize(("second", "shown"), [("true", "true"), ("false", "false"), (None, "true")])
def test_a_key_for_two_switches_is_on_when_both_are(second, shown):
    values = {"ISO15118Ctrlr.V2GCertificateInstallationEnabled": "true"}
    if second is not None:
        values["ISO15118Ctrlr.ContractCertificateInstallationEnabled"] = second
    key = "ISO15118CertificateManagementEnabled"
    assert reads(Peers(), [key], values)[0] == {key: (shown, False)}


def test_many_keys_are_asked_for_in_parts():
    peers = Peers()
    values = {f"AcmeCtrlr.V{number}": str(number) for number in range(45)}
    shown, unknown, questions = reads(peers, list(values), values)
    assert shown == {name: (value, False) for name, value in values.items()}
    assert (unknown, questions) == ([], 3)


def test_a_charger_that_cannot_be_read_says_so_for_all():
    peers = Peers()
    call = peers.backend("GetConfiguration", {"key": ["HeartbeatInterval"]})
    peers.charger_gets()
    peers.charger_says(Refused("InternalError", "db"))
    assert peers.told(call) == Refused("InternalError", "db")


def test_the_security_profile_is_that_of_the_backends_link():
    peers = Peers(upstream_security_profile=2)
    shown, _, questions = reads(peers, ["SecurityProfile", "AuthorizationKey"], {})
    assert shown == {"SecurityProfile": ("2", False), "AuthorizationKey": (None, False)}
    assert questions == 0


def model(**values):
    return [
        Variable(
            *(place(name.replace("__", "."))[part] for part in ("component", "variable")),
            value=value,
            read_at=NOW,
        )
        for name, value in values.items()
    ]


def test_everything_is_what_the_inventory_holds():
    long = Variable({"name": "A" * 40}, {"name": "B" * 20}, "x")
    limit = Variable(
        {"name": "LocalAuthListCtrlr"}, {"name": "Entries"}, "3", characteristics={"maxLimit": 500}
    )
    secret = Variable({"name": "SecurityCtrlr"}, {"name": "BasicAuthPassword"}, None, "WriteOnly")
    known = model(OCPPCommCtrlr__HeartbeatInterval="300", AcmeCtrlr__Blob="y" * 600)
    peers = Peers(device_model=[*known, long, limit, secret], policies=Policies(inventory_refresh=False))
    for _ in range(2):
        shown, unknown, questions = reads(peers, [], {})
    assert shown["HeartbeatInterval"] == ("300", False)
    assert shown["AcmeCtrlr.Blob"] == ("y" * 500, False)
    assert shown["LocalAuthListMaxLength"] == ("500", True)
    assert shown["NumberOfConnectors"] == ("2", True)
    assert shown["AuthorizationKey"] == (None, False)
    assert "SecurityCtrlr.BasicAuthPassword" not in shown
    assert (unknown, questions) == ([], 0)
    assert len(peers.lost("KEY_UNREACHABLE")) == 1
    assert "AcmeCtrlr.Blob" in peers.lost("VALUE_TRUNCATED")


def test_old_values_are_read_again():
    peers = Peers(device_model=model(OCPPCommCtrlr__HeartbeatInterval="300"))
    peers.wait(61)
    shown, _, questions = reads(peers, [], {"OCPPCommCtrlr.HeartbeatInterval": "60"})
    assert shown["HeartbeatInterval"] == ("60", False)
    assert questions == 1
    assert reads(peers, [], {})[2] == 0


def test_an_inventory_that_nobody_has_read_is_read_first():
    peers = Peers()
    call = peers.backend("GetConfiguration", {})
    number = peers.charger_gets()[1]["requestId"]
    peers.charger_says(YES)
    data = place("LocalAuthListCtrlr.Enabled") | {"variableAttribute": [{"value": "true"}]}
    peers.charger(
        "NotifyReport", {"requestId": number, "generatedAt": at(1), "seqNo": 0, "reportData": [data]}
    )
    entries = {entry["key"]: entry.get("value") for entry in peers.told(call)["configurationKey"]}
    assert entries["LocalAuthListEnabled"] == "true"
    assert (
        entries["SupportedFeatureProfiles"] == "Core,FirmwareManagement,RemoteTrigger,LocalAuthListManagement"
    )


_NAMES = st.text(alphabet="ABc19 ./:%ä", min_size=1, max_size=8)


@given(
    st.fixed_dictionaries(
        {"name": _NAMES}, optional={"instance": _NAMES, "evse": st.just({"id": 1, "connectorId": 2})}
    ),
    st.fixed_dictionaries({"name": _NAMES}, optional={"instance": _NAMES}),
)
def test_every_variable_has_a_name_that_leads_back_to_it(component, variable):
    assert place_of(name_of(component, variable)) == (component, variable)
