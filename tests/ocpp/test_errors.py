import pytest

from gateway.ocpp.errors import Wrong, code, codes, respelled, unreadable_id
from gateway.ocpp.message import Version


@pytest.mark.parametrize(
    ("version", "wrong", "expected"),
    [
        (Version.V16, Wrong.SYNTAX, "FormationViolation"),
        (Version.V201, Wrong.SYNTAX, "FormatViolation"),
        (Version.V21, Wrong.SYNTAX, "FormatViolation"),
        (Version.V16, Wrong.OCCURRENCE, "OccurenceConstraintViolation"),
        (Version.V201, Wrong.OCCURRENCE, "OccurenceConstraintViolation"),
        (Version.V21, Wrong.OCCURRENCE, "OccurrenceConstraintViolation"),
        (Version.V16, Wrong.ACTION_UNKNOWN, "NotImplemented"),
        (Version.V201, Wrong.FRAME, "RpcFrameworkError"),
        (Version.V201, Wrong.MESSAGE_TYPE, "MessageTypeNotSupported"),
    ],
)
def test_each_version_has_its_own_spelling(version, wrong, expected):
    assert code(version, wrong) == expected


@pytest.mark.parametrize("version", Version)
def test_every_kind_of_wrong_has_a_code_that_the_version_defines(version):
    assert {code(version, wrong) for wrong in Wrong} <= codes(version)


def test_codes_of_other_versions_are_respelled():
    assert respelled(Version.V16, "FormatViolation") == "FormationViolation"
    assert respelled(Version.V201, "OccurrenceConstraintViolation") == "OccurenceConstraintViolation"
    assert respelled(Version.V21, "OccurenceConstraintViolation") == "OccurrenceConstraintViolation"
    assert respelled(Version.V201, "SecurityError") == "SecurityError"
    assert respelled(Version.V16, "Whatever") is None


@pytest.mark.parametrize("of_2x", ["RpcFrameworkError", "MessageTypeNotSupported"])
def test_what_1_6_has_no_code_for_is_not_respelled(of_2x):
    assert respelled(Version.V16, of_2x) is None
    assert respelled(Version.V21, of_2x) == of_2x


def test_an_unreadable_id_is_answered_from_2_0_1_on():
    assert unreadable_id(Version.V16) is None
    assert unreadable_id(Version.V201) == "-1"
