from pathlib import Path

from gateway.ocpp.flags import FLAGS, Flag, FlagCode, Severity, gravest, reference


def test_every_code_has_its_facts_and_no_other_has():
    assert set(FLAGS) == set(FlagCode)


def test_codes_are_spelt_like_their_names():
    assert all(code.value == code.name.lower().replace("_", "-") for code in FlagCode)


def test_the_reference_page_is_the_table():
    page = Path(__file__).parents[2] / "docs" / "flags.md"
    assert page.read_text("utf-8") == reference(), "run: python -m gateway.ocpp.flags > docs/flags.md"


def test_the_gravest_flag_counts():
    flags = [Flag(FlagCode.TIME_OLD), Flag(FlagCode.ORPHAN_STOP), Flag(FlagCode.TIME_SKEW)]
    assert gravest(flags) is Severity.ERROR
    assert gravest([]) is Severity.INFO
