"""Masks hide who was charging and what is secret, and leave every fault of a frame as it was."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.dialect.masking import Masking

START = '[2,"1","StartTransaction",{"connectorId":1,"idTag":"%s","meterStart":1}]'


def test_a_tag_is_hidden_behind_its_length_and_always_the_same():
    masking = Masking()
    first = masking.masked(START % "04A1B2C3")
    assert first == START % "00000001"
    assert masking.masked(START % "04a1b2c3") == first
    assert masking.masked(START % "04A1B2C4") == START % "00000002"


def test_signs_that_may_be_the_fault_stay():
    assert Masking().masked(START % "04A1_182;7") == START % "0000_000;1"
    assert Masking().masked("[2,'1','Authorize',{'idTag':'ABC'},}") == "[2,'1','Authorize',{'idTag':'001'},}"


def test_tokens_of_2_and_parents_are_hidden_too():
    raw = '{"idToken":{"idToken":"ABCD","type":"Central"},"idTagInfo":{"parentIdTag":"PARENT"}}'
    assert Masking().masked(raw) == (
        '{"idToken":{"idToken":"0001","type":"Central"},"idTagInfo":{"parentIdTag":"000002"}}'
    )


def test_the_values_of_secret_keys_are_hidden():
    raw = '{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"s3cret"}]}'
    assert "s3cret" not in Masking().masked(raw)
    assert len(Masking().masked(raw)) == len(raw)
    assert "pw" not in Masking().masked('{"StationPassword":"pw"}')
    plain = '{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"60"}]}'
    assert Masking().masked(plain) == plain


@given(st.text(max_size=200))
def test_nothing_else_changes_and_lengths_stay(text):
    masked = Masking().masked(text)
    assert len(masked) == len(text)
    if "idT" not in text and "alue" not in text and ":" not in text:
        assert masked == text
