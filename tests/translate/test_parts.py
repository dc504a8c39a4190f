"""A memory is stored in parts, and is whole again when they are read."""

import msgspec
import pytest

from gateway.ocpp.message import Version
from gateway.translate.charger16_backend201.translator import Charger16Backend201
from gateway.translate.factory import PAIRS, translator_for
from gateway.translate.memory import Authorisation, Memory, Transaction, Variable, decoded, encoded
from gateway.translate.parts import COLD, ENDED, HOT, parts_of, whole
from gateway.translate.policies import Policies
from gateway.translate.port import ChargerCall

STATES = ("ended", "active", "void", "wait_id", "ended", "ended", "deauth")
MEMORY = Memory(
    told_at=1200.0,
    registration="Accepted",
    transactions=[Transaction(f"T{n}", id16=n, state=state) for n, state in enumerate(STATES)],
    configuration={"a": {"key": "A", "readonly": False}},
    device_model=[Variable({"name": "C"}, {"name": "V"}, "1")],
    authorisations={"t": Authorisation({"status": "Accepted"}, 1.0)},
    status16={"1": "Charging"},
)


def test_the_parts_make_the_whole_with_its_transactions_in_their_order():
    parts = parts_of(MEMORY, COLD)
    assert set(parts) == {HOT, *COLD}
    assert decoded(whole(parts)) == MEMORY


def test_what_an_older_gateway_wrote_as_one_part_is_read():
    assert decoded(whole({HOT: encoded(MEMORY)})) == MEMORY
    assert whole({}) == b""


def test_without_a_damaged_part_the_rest_is_there():
    parts = parts_of(MEMORY, COLD)
    left = decoded(whole({name: data for name, data in parts.items() if name != ENDED}))
    assert [tx.id201 for tx in left.transactions] == ["T1", "T3", "T6"]
    assert decoded(whole({name: data for name, data in parts.items() if name != HOT})).configuration


def test_that_time_has_passed_is_no_reason_to_write():
    later = msgspec.structs.replace(MEMORY, told_at=1201.0)
    assert parts_of(later, COLD) == parts_of(MEMORY, COLD)


def test_what_a_rule_does_not_touch_is_not_looked_at():
    translator = Charger16Backend201(Policies(), encoded(MEMORY))
    assert set(translator.parts()) == {HOT, *COLD}
    reading = {"timestamp": "2025-06-01T10:00:00Z", "sampledValue": [{"value": "1"}]}
    call = ChargerCall("1", "MeterValues", {"connectorId": 1, "meterValue": [reading]}, 2000.0)
    translator.charger_call(call, 2000.0)
    assert set(translator.parts()) == {HOT}
    translator.charger_call(ChargerCall("2", "Authorize", {"idTag": "T"}, 2000.0), 2000.0)
    assert set(translator.parts()) == {HOT, *COLD}
    assert set(translator.parts(everything=True)) == {HOT, *COLD}


@pytest.mark.parametrize(("charger", "backend"), PAIRS)
def test_every_translator_finds_itself_again_in_its_parts(charger: Version, backend: Version):
    translator = translator_for(charger, backend)
    assert translator is not None
    snapshot = whole(translator.parts(everything=True))
    again = translator_for(charger, backend, snapshot=snapshot)
    assert again is not None
    assert whole(again.parts(everything=True)) == snapshot
