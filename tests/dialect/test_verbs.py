"""What each verb does, what it leaves alone, and that every change is a flag."""

import json

import pytest

from gateway.dialect.rules.verbs import VERBS
from tests.dialect.brands import codes, pack, read, reader, rule

DATA = '[2,"1","DataTransfer",{"vendorId":"x","messageId":"m","data":"d"}]'


def changed(do: str, payload: str, at: str = "", where: str = "{}") -> tuple[str, list[str]]:
    """A verb at work on the answer of a backend to a DataTransfer, whose fields may be anything."""
    made = reader(
        pack(rule(f'on = {{ backend_result = "DataTransfer" }}\nat = "{at}"\nwhere = {where}\ndo = [{do}]'))
    )
    from gateway.dialect.rules.rule import Kind

    fitted = made.fit(f'[3,"1",{payload}]'.encode(), Kind.BACKEND_RESULT, "DataTransfer")
    return fitted.data.decode()[7:-1], codes(fitted.flags)


@pytest.mark.parametrize(
    ("do", "before", "after"),
    [
        ('{ set = "unit", to = "kWh" }', '{"unit":"Wh"}', '{"unit":"kWh"}'),
        ('{ set = "a.b", to = 1 }', '{"a":{}}', '{"a":{"b":1}}'),
        ('{ set = "a.b", to = 1 }', "{}", "{}"),
        ('{ default = "unit", to = "Wh" }', "{}", '{"unit":"Wh"}'),
        ('{ default = "unit", to = "Wh" }', '{"unit":null}', '{"unit":"Wh"}'),
        ('{ default = "unit", to = "Wh" }', '{"unit":"A"}', '{"unit":"A"}'),
        ('{ rename = "a", to = "b" }', '{"a":1,"c":2}', '{"b":1,"c":2}'),
        ('{ rename = "a", to = "b" }', '{"a":1,"b":2}', '{"a":1,"b":2}'),
        ('{ remove = "a" }', '{"a":1,"b":2}', '{"b":2}'),
        ('{ move = "a", to = "b.c" }', '{"a":1}', '{"b":{"c":1}}'),
        ('{ move = "a", to = "b.c" }', '{"a":1,"b":{"c":2}}', '{"a":1,"b":{"c":2}}'),
        ('{ move = "a", to = "b.c" }', '{"a":1,"b":3}', '{"a":1,"b":3}'),
        ('{ copy = "a", to = "b" }', '{"a":1}', '{"a":1,"b":1}'),
        ('{ map = "s", using = { Occupied = "Preparing" } }', '{"s":"Occupied"}', '{"s":"Preparing"}'),
        ('{ map = "s", using = { Occupied = "Preparing" } }', '{"s":"Charging"}', '{"s":"Charging"}'),
        ('{ map = "s", using = { 1 = true } }', '{"s":1}', '{"s":true}'),
        ('{ scale = "v", by = 1000 }', '{"v":"12.345"}', '{"v":"12345"}'),
        ('{ scale = "v", by = 0.001 }', '{"v":12345}', '{"v":12.345}'),
        ('{ scale = "v", by = 10 }', '{"v":"-1.50"}', '{"v":"-15"}'),
        ('{ scale = "v", by = 10 }', '{"v":"12 kWh"}', '{"v":"12 kWh"}'),
        ('{ scale = "v", by = 10 }', '{"v":"1e9"}', '{"v":"1e9"}'),
        ('{ add = "c", by = -10 }', '{"c":11}', '{"c":1}'),
        ('{ clamp = "i", least = 10, most = 86400 }', '{"i":0}', '{"i":10}'),
        ('{ clamp = "i", least = 30 }', '{"i":"15"}', '{"i":"30"}'),
        ('{ clamp = "i", most = 86400 }', '{"i":60.0}', '{"i":60.0}'),
        ('{ round = "v" }', '{"v":"12.5"}', '{"v":"13"}'),
        ('{ round = "v", to = 1, how = "down" }', '{"v":12.59}', '{"v":12.5}'),
        ('{ cast = "v", to = "text" }', '{"v":1.10}', '{"v":"1.10"}'),
        ('{ cast = "v", to = "number" }', '{"v":"007.50"}', '{"v":7.50}'),
        ('{ cast = "v", to = "integer" }', '{"v":"12.0"}', '{"v":12}'),
        ('{ cast = "v", to = "integer" }', '{"v":"12.5"}', '{"v":"12.5"}'),
        ('{ cast = "v", to = "boolean" }', '{"v":"True"}', '{"v":true}'),
        ('{ cast = "v", to = "boolean" }', '{"v":"yes"}', '{"v":"yes"}'),
        (
            '{ parse_time = "t", form = "%d/%m/%Y %H:%M" }',
            '{"t":"03/02/2026 10:15"}',
            '{"t":"2026-02-03T10:15:00Z"}',
        ),
        (
            '{ parse_time = "t", zone = "Europe/Berlin" }',
            '{"t":"2026-07-01T10:15:00"}',
            '{"t":"2026-07-01T08:15:00Z"}',
        ),
        (
            '{ parse_time = "t", zone = "Europe/Berlin" }',
            '{"t":"2026-10-25T02:30:00"}',
            '{"t":"2026-10-25T02:30:00"}',
        ),
        (
            '{ parse_time = "t", zone = "Europe/Berlin" }',
            '{"t":"2026-07-01T10:15:00Z"}',
            '{"t":"2026-07-01T10:15:00Z"}',
        ),
        (
            '{ shift_time = "t", by_s = -7200 }',
            '{"t":"2026-07-01T10:15:00.5Z"}',
            '{"t":"2026-07-01T08:15:00.500Z"}',
        ),
        (
            '{ format_time = "t", form = "%Y-%m-%dT%H:%MZ" }',
            '{"t":"2026-07-01T10:15:42.123+02:00"}',
            '{"t":"2026-07-01T08:15Z"}',
        ),
        ('{ letter_case = "k", to = "lower" }', '{"k":"HeartbeatInterval"}', '{"k":"heartbeatinterval"}'),
        ('{ letter_case = "k[]", to = "upper" }', '{"k":["a",1,"b"]}', '{"k":["A",1,"B"]}'),
        ('{ wrap = "l" }', '{"l":{"a":1}}', '{"l":[{"a":1}]}'),
        ('{ wrap = "l" }', '{"l":[1]}', '{"l":[1]}'),
        ('{ unwrap = "l" }', '{"l":[1]}', '{"l":1}'),
        ('{ unwrap = "l" }', '{"l":[1,2]}', '{"l":[1,2]}'),
        ('{ split = "idTag", at = "_" }', '{"idTag":"04A1_123_4"}', '{"idTag":"04A1"}'),
        (
            '{ split = "idTag", at = ";", keep = "last", rest = "x" }',
            '{"idTag":"P;04A1"}',
            '{"idTag":"04A1","x":"P"}',
        ),
        ('{ split = "idTag", at = "_" }', '{"idTag":"_1"}', '{"idTag":"_1"}'),
        ('{ truncate = "info", to = 3 }', '{"info":"abcdef"}', '{"info":"abc"}'),
        ('{ truncate = "idTag", to = 3 }', '{"idTag":"abcdef"}', '{"idTag":"abcdef"}'),
    ],
)
def test_a_verb(do, before, after):
    found, flags = changed(do, before)
    assert found == after
    assert bool(flags) == (before != after)


def test_every_verb_is_tried():
    tried = {mark.args[1][0][0].split()[1] for mark in []} | {
        name
        for name in VERBS
        if any(f"{{ {name} =" in str(case) for case in test_a_verb.pytestmark[0].args[1])
    }
    assert tried == set(VERBS)


def test_a_lone_object_counts_as_a_list_of_one():
    found, flags = changed('{ set = "u", to = 1 }', '{"m":{"s":[{"u":2},{"u":3}]}}', at="m[].s[]")
    assert json.loads(found) == {"m": {"s": [{"u": 1}, {"u": 1}]}}
    assert flags == ["rule-applied@m.s[0].u", "rule-applied@m.s[1].u"]


@pytest.mark.parametrize(
    ("where", "payload", "holds"),
    [
        ('{ a = "x" }', '{"a":"x"}', True),
        ('{ a = "x" }', "{}", False),
        ('{ a = ["x", "y"] }', '{"a":"y"}', True),
        ("{ a = 0 }", '{"a":"0"}', True),
        ("{ a = 0 }", '{"a":0.0}', True),
        ("{ a = true }", '{"a":1}', False),
        ('{ a = { like = "x*" } }', '{"a":"XYZ"}', True),
        ("{ a = { below = 5 } }", '{"a":"4.9"}', True),
        ("{ a = { above = 5 } }", '{"a":"x"}', False),
        ("{ a = { present = false } }", '{"b":1}', True),
        ("{ a = { present = true } }", '{"a":null}', True),
        ('{ a = { is = "x", or_absent = true } }', "{}", True),
        ('{ a = { is = "x", or_absent = true } }', '{"a":"y"}', False),
        ('{ a = { not = ["x"] } }', '{"a":"y"}', True),
        ('{ a = { not = "x" } }', "{}", False),
        ('{ "b.c" = 1 }', '{"b":{"c":1}}', True),
        ('{ "b[].c" = 1 }', '{"b":[{"c":2},{"c":1}]}', True),
    ],
)
def test_a_condition(where, payload, holds):
    assert bool(changed('{ set = "z", to = 9 }', payload, where=where)[1]) is holds


def test_a_signed_meter_value_is_never_changed():
    made = reader(
        pack(
            rule(
                'on = { charger_call = "MeterValues" }\nat = "meterValue[].sampledValue[]"\n'
                'do = [{ scale = "value", by = 1000 }]'
            )
        )
    )
    frame = (
        '[2,"1","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-21T08:00:00Z","sampledValue":'
        '[{"value":"1.5","unit":"A","measurand":"Current.Import"},{"value":"OCMF|1","format":"SignedData"}]}]}]'
    )
    frames, flags = read(made, frame.replace("OCMF|1", "15"))
    assert frames == [frame.replace("OCMF|1", "15")]
    assert codes(flags) == ["signed-value-kept@meterValue[0].sampledValue[0].value"]
    frames, flags = read(made, frame)
    assert frames == [frame.replace('"1.5"', '"1500"')]
