import pytest

from gateway.ocpp.values import Number, dumps, path_text, quote


def test_numbers_keep_their_text():
    assert dumps({"a": Number("1.10"), "b": [Number("-0"), Number("1E5")]}) == '{"a":1.10,"b":[-0,1E5]}'


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("9223372036854775807", True),
        ("9223372036854775808", False),
        ("-9223372036854775808", True),
        ("1" * 5000, False),
        ("1e308", True),
        ("1e999", False),
        ("0.1", True),
    ],
)
def test_a_number_fits_when_every_parser_keeps_it(text, fits):
    assert Number(text).fits is fits


def test_texts_are_quoted_as_json_and_always_encodable():
    assert quote('a"\\\n\x01é🔌') == '"a\\"\\\\\\n\\u0001é🔌"'
    assert quote("ok \ud83d").encode() == '"ok \ufffd"'.encode()


def test_places_are_named_as_in_the_flags():
    assert path_text(("meterValue", 0, "sampledValue", 1, "value")) == "meterValue[0].sampledValue[1].value"
    assert path_text(()) == ""


def test_what_utf_8_cannot_hold_is_replaced_wherever_it_stands():
    assert dumps({"a": ["ok \ud83d"]}).encode() == '{"a":["ok \ufffd"]}'.encode()
