# ruff: noqa: E501 - tables of payloads
"""Rule packs: what is refused and how it is told, where they apply, and that they cost nothing elsewhere."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialect.library import Library, ordered
from gateway.dialect.match import Match, MatchError, fits, meet
from gateway.dialect.reader import Mode, Reader
from gateway.dialect.rules.pack import RulePackError, read_pack
from gateway.dialect.rules.rule import Use
from gateway.dialect.rules.trial import problems_of
from gateway.dialect.station import Station
from gateway.ocpp.message import Message, Sender, Version
from tests.dialect.brands import HEAD, TEST, codes, pack, read, reader, rule

OCCUPIED = rule(
    'on = { charger_call = "StatusNotification" }\n'
    'do = [{ map = "status", using = { Occupied = "Preparing" } }]\nflag = "status-mapped"'
)
STATUS = '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"%s"}]'


def errors(text: str) -> list[str]:
    with pytest.raises(RulePackError) as caught:
        read_pack(text, "acme.toml")
    return caught.value.errors


def test_a_rule_repairs_what_the_general_repairs_cannot():
    frames, flags = read(reader(pack(OCCUPIED)), STATUS % "Occupied")
    assert frames == [STATUS % "Preparing"]
    assert [(flag.code, flag.path, flag.before, flag.after, flag.author) for flag in flags] == [
        ("status-mapped", "status", '"Occupied"', '"Preparing"', "rules/acme:r")
    ]


def test_a_frame_that_no_rule_holds_for_keeps_its_bytes():
    frame = (
        '[2, "1",  "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"} ]'
    )
    got = reader(pack(OCCUPIED)).read(frame.encode(), Sender.CHARGER, lambda _: None, 0)
    assert isinstance(got, Message) and got.frame == frame.encode()


def test_rules_see_frames_whose_envelope_needs_repair():
    frames, flags = read(reader(pack(OCCUPIED)), STATUS.replace("]", ",{}]") % "Occupied")
    assert frames == [STATUS % "Preparing"]
    assert codes(flags) == ["element-extra", "status-mapped@status"]
    assert read(reader(pack(OCCUPIED)), (STATUS % "Occupied").replace("StatusN", "statusN"))[0] == [
        STATUS % "Preparing"
    ]


def test_an_observed_rule_only_says_what_it_would_do():
    for made in (reader(pack(OCCUPIED), use=Use.OBSERVE), reader(pack(OCCUPIED + 'mode = "observe"\n'))):
        frames, flags = read(made, STATUS % "Occupied")
        assert frames == []
        assert "dialect-observed@status" in codes(flags)
        assert not any(flag.applied for flag in flags)
    frames, flags = read(reader(pack(OCCUPIED), mode=Mode.OBSERVE), STATUS % "Occupied")
    assert frames == [STATUS % "Occupied"]
    assert codes(flags) == ["status-mapped@status"]
    assert not flags[0].applied


def test_strict_mode_has_no_rules():
    assert read(reader(pack(OCCUPIED), mode=Mode.STRICT), STATUS % "Occupied")[0] == []


def test_every_mistake_of_a_pack_is_told_at_once_with_its_cure():
    text = """
pack = 2
name = "Acme Street"
sumary = "x"
[match]
vendor = "(a+)+$"
firmware = "new"
modle = "x"
[facts]
offline_limit = "Max"
[[rule]]
name = "energy"
why = "w"
wehre = { unit = "Wh" }
on = { charger_cal = "MeterValues", backend_call = "MeterValues" }
at = "meterValue[0].sampledValue[]"
do = [{ scale = "value", bye = 3 }, { mapp = "x" }, { round = "v", to = "x" }, { remove = "a[]" }]
flag = "unit-corected"
[[rule]]
name = "energy"
source = "s"
on = { charger_call = "MeterValues" }
do = []
"""
    found = errors(text)
    for part in (
        "acme.toml: unknown key 'sumary'; did you mean 'summary'?",
        "acme.toml: pack: the format of this file is missing or unknown; write pack = 1",
        "acme.toml: name: 'Acme Street' is no name",
        "acme.toml: match: unknown key 'modle'; did you mean 'model'?",
        "acme.toml: match.vendor: '(a+)+$' looks like a regular expression; patterns know only *",
        "acme.toml: facts.offline_limit_unit: goes with offline_limit",
        "acme.toml: facts.source: is missing",
        "acme.toml: rule 'energy': unknown key 'wehre'; did you mean 'where'?",
        "acme.toml: rule 'energy': source: is missing; give a text",
        "acme.toml: rule 'energy': on: unknown key 'charger_cal'; did you mean 'charger_call'?",
        "acme.toml: rule 'energy': on.backend_call: 'MeterValues' is no action for it",
        "acme.toml: rule 'energy': at: 'meterValue[0].sampledValue[]' is not a place",
        "acme.toml: rule 'energy': do[0]: scale: unknown argument 'bye'; known: by",
        "acme.toml: rule 'energy': do[0]: scale: the argument 'by' is missing",
        "acme.toml: rule 'energy': do[1]: mapp: no such verb; known: set, default",
        "acme.toml: rule 'energy': do[2]: round: to: 'x' does not fit; give a whole number from 0 to 9",
        "acme.toml: rule 'energy': do[3]: remove: 'a[]' are items of a list",
        "acme.toml: rule 'energy': flag: 'unit-corected' is no flag; did you mean unit-corrected",
        "acme.toml: rule 'energy': why: is missing",
        "acme.toml: rule 'energy': do: is missing; give a list of verbs",
        "acme.toml: test: there is no test",
    ):
        assert any(line.startswith(part) for line in found), (part, found)
    assert not any("Traceback" in line for line in found)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("pack = ", "acme.toml: is not TOML: "),
        (HEAD.replace('vendor = "acme*"', "") + TEST, "acme.toml: match.vendor: is missing"),
        (HEAD.replace('"acme*"', "3") + TEST, "acme.toml: match.vendor: 3 is not a pattern"),
        (
            HEAD.replace('"acme*"', '"*a*a*a*a*a*b"') + TEST,
            "acme.toml: match.vendor: '*a*a*a*a*a*b' has 6 stars; 4",
        ),
        (HEAD + 'ocpp = "1.5"\n' + TEST, "acme.toml: match.ocpp: '1.5' is no OCPP version; known: 1.6"),
        (HEAD + TEST, "acme.toml: rule: there is neither a rule nor a fact"),
        (HEAD + "rule = 3\n", "acme.toml: match: unknown key 'rule'"),
        ("pack = 1\nrule = 3", "acme.toml: rule: does not fit; write each as [[rule]]"),
        (HEAD + rule('on = { charger_call = "X" }\ndo = [{ remove = "a" }]') + TEST, "'X' is no action"),
        (
            HEAD
            + rule('on = { charger_call = "Heartbeat" }\ndo = [{ parse_time = "t", zone = "Mars" }]')
            + TEST,
            "zone: 'Mars' is no IANA time zone",
        ),
        (
            HEAD + OCCUPIED.replace("status-mapped", "truncated") + TEST,
            "says that the message is not delivered",
        ),
        (HEAD + OCCUPIED + TEST.replace("charger_call", "charger"), "kind: 'charger' does not fit"),
        (HEAD + OCCUPIED + TEST.replace("flags = []", ""), "flags: is missing"),
        (
            HEAD + OCCUPIED + 'where = { a = { liek = "x" } }\n' + TEST,
            "where.a: unknown word 'liek'; known: is, not",
        ),
    ],
)
def test_a_mistake_is_told_with_file_key_and_cure(text, part):
    assert any(part in line for line in errors(text)), errors(text)


def test_a_pack_that_fails_its_own_tests_says_which_and_what_came():
    text = (
        HEAD
        + OCCUPIED
        + TEST.replace('Heartbeat",{}]', "%s")
        % (
            STATUS[8:] % "Occupied",
            STATUS[8:] % "Charging",
        )
    )
    found = problems_of(read_pack(text, "acme.toml"))
    assert len(found) == 1
    assert found[0].startswith("acme.toml: test 'clean': it makes [2,")
    assert "the flag status-mapped@status was raised and is not in the list" in found[0]


def test_a_rule_that_would_correct_twice_is_found_by_its_test():
    body = 'on = { charger_call = "StartTransaction" }\ndo = [{ scale = "meterStart", by = 1000 }]'
    frame = '[2,"1","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":%s,"timestamp":"2026-11-21T08:00:00Z"}]'
    test = TEST.replace('[2,"1","Heartbeat",{}]', "%s") % (frame % 1, frame % 1000)
    test = test.replace("flags = []", 'flags = ["rule-applied"]')
    found = problems_of(read_pack(HEAD + rule(body) + test, "acme.toml"))
    assert len(found) == 1 and "applied twice it makes" in found[0]
    assert problems_of(read_pack(HEAD + rule(body) + test + "once = true\n", "acme.toml")) == []


# Whom packs are for


@pytest.mark.parametrize(
    ("match", "station", "fits_it"),
    [
        ({"vendor": "acme*"}, Station("ACME Inc."), True),
        ({"vendor": "acme*"}, Station("Not acme"), False),
        ({"vendor": ["x", "EN+*"]}, Station("EN+ tech"), True),
        ({"vendor": "a?me"}, Station("acme"), True),
        ({"model": "*22*"}, Station("x", "Street 22 S"), True),
        ({"vendor": "*", "firmware": ">=3.0, <3.4"}, Station("x", "y", "3.3.9"), True),
        ({"vendor": "*", "firmware": ">=3.0, <3.4"}, Station("x", "y", "v3"), True),
        ({"vendor": "*", "firmware": ">=3.0, <3.4"}, Station("x", "y", "3.4"), False),
        ({"vendor": "*", "firmware": ">=3.0, <3.4"}, Station("x", "y", "3.4-beta1"), True),
        ({"vendor": "*", "firmware": ">=3.10"}, Station("x", "y", "3.9"), False),
        ({"vendor": "*", "firmware": ">=3.0"}, Station("x"), False),
        ({"vendor": "*", "firmware": "!=1.2"}, Station("x", "y", "1.2.0"), False),
        ({"vendor": "*", "firmware": "05.*"}, Station("x", "y", "05.633"), True),
        ({"charger": "cp-*"}, Station(), True),
        ({"serial": "s1"}, Station("", "", "", "S1"), True),
    ],
)
def test_which_stations_a_match_fits(match, station, fits_it):
    assert Match(**match).matches("CP-1", station) is fits_it


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ({"vendor": "acme*"}, {"vendor": "*corp"}, True),
        ({"vendor": "acme*"}, {"vendor": "beta*"}, False),
        ({"vendor": "a", "model": "1*"}, {"vendor": "a", "model": "2*"}, False),
        ({"vendor": "a", "ocpp": "1.6"}, {"vendor": "a", "ocpp": "2.0.1"}, False),
        ({"vendor": "a", "firmware": "<3"}, {"vendor": "a", "firmware": ">=3"}, False),
        ({"vendor": "a", "firmware": "<=3"}, {"vendor": "a", "firmware": ">=3"}, True),
        ({"vendor": "a", "firmware": ">1"}, {"vendor": "a", "firmware": "<2"}, True),
        ({"vendor": "a"}, {"charger": "x*"}, True),
    ],
)
def test_whether_one_station_can_fit_two_matches(one, other, overlap):
    assert Match(**one).overlaps(Match(**other)) is overlap
    assert Match(**other).overlaps(Match(**one)) is overlap


TEXTS = st.text("ab", max_size=8)
GLOBS = st.text("ab*?", min_size=1, max_size=6)


@given(GLOBS, TEXTS)
def test_a_glob_means_what_it_means_elsewhere(glob, text):
    from fnmatch import fnmatchcase

    assert fits(glob, text) == fnmatchcase(text, glob)


@given(GLOBS, GLOBS, TEXTS)
def test_globs_that_fit_one_text_meet(one, other, text):
    if fits(one, text) and fits(other, text):
        assert meet(one, other)


def test_a_pattern_that_is_none_is_refused_in_python_too():
    with pytest.raises(MatchError, match="regular expression"):
        Match(vendor="(a|a)*b")


def test_two_packs_for_one_station_need_an_order():
    def named(name: str, after: str = "", match: str = 'vendor = "acme*"'):
        head = HEAD.replace('"acme"', f'"{name}"').replace('vendor = "acme*"', match)
        return read_pack(
            head.replace("[match]", f"after = [{after}]\n[match]") + OCCUPIED + TEST, f"{name}.toml"
        )

    def order(*packs):
        return ordered(list(packs), lambda pack: pack.match, lambda pack: pack.source)

    _, wrong = order(named("a"), named("b"))
    assert len(wrong) == 1
    assert wrong[0].startswith(
        'b.toml: after: one station can match both: this one and a.toml; write after = ["a"]'
    )
    found, wrong = order(named("a", '"b"'), named("b"))
    assert ([pack.name for pack in found], wrong) == (["b", "a"], [])
    assert order(named("a"), named("b", match='vendor = "beta*"'))[1] == []
    assert "each wants to come after the other" in order(named("a", '"*"'), named("b", '"*"'))[1][0]
    assert "wait for each other" in order(named("a", '"b"'), named("b", '"c"'), named("c", '"a"'))[1][0]
    assert "is the name of a.toml too" in order(named("a"), named("a"))[1][0]


def test_a_library_chooses_by_station_or_by_name():
    one = pack(OCCUPIED)
    library = Library([(one, Use.REPAIR)])
    assert library.brand("CP1", Station("Acme")).names == ["rules/acme"]
    assert library.brand("CP1", Station("Other")) is None
    assert library.brand("CP1", Station("Other"), ("acme",)).names == ["rules/acme"]
    assert library.brand("CP1", Station("Acme"), (), ()) is None


# Other brands


def many(count: int) -> Library:
    packs = []
    for number in range(count // 10):
        head = HEAD.replace('"acme"', f'"brand-{number}"').replace("acme*", f"brand {number} *")
        rules = [OCCUPIED.replace('"r"', f'"r{index}"') for index in range(10)]
        packs.append((pack(*rules, head=head), Use.REPAIR))
    return Library(packs)


@pytest.mark.parametrize("vendor", ["Other", "Brand 7 x"])
def test_a_clean_frame_passes_byte_for_byte_with_a_thousand_rules(vendor):
    library = many(1000)
    assert sum(len(one.rules) for one, _ in library.packs) == 1000
    made = Reader(Version.V16)
    made.follow(Mode.REPAIR, None, library.brand("CP1", Station(vendor)))
    for frame in (
        '[2,"1","Heartbeat", {} ]',
        '[2, "2", "StatusNotification", {"status":"Available","connectorId":1,"errorCode":"NoError"}]',
        '[2,"3","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-21T08:00:00Z",'
        '"sampledValue":[{"value":"1.10"}]}]}]',
    ):
        got = made.read(frame.encode(), Sender.CHARGER, lambda _: None, 1_795_248_000.0)
        assert isinstance(got, Message)
        assert got.frame == frame.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.sampled_from(["Occupied", "Wh", "1.5", "x_y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abs"), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_no_payload_makes_a_verb_fail(value):
    from gateway.dialect.rules.rule import Kind
    from gateway.dialect.rules.verbs import VERBS

    arguments = {
        "set": "to = 1", "default": "to = 1", "rename": 'to = "b"', "move": 'to = "b.c"', "copy": 'to = "b.c"',
        "map": "using = { Wh = 1 }", "scale": "by = 2", "add": "by = 1", "clamp": "least = 3", "cast": 'to = "text"',
        "shift_time": "by_s = 1", "format_time": 'form = "%Y"', "letter_case": 'to = "lower"', "split": 'at = "_"',
        "truncate": "to = 1",
    }  # fmt: skip
    deeds = ", ".join(
        "{ " + ", ".join(filter(None, [f'{verb} = "a.s"', arguments.get(verb, "")])) + " }" for verb in VERBS
    )
    rules = [rule(f'on = {{ backend_result = "DataTransfer" }}\nat = "{at}"\ndo = [{deeds}]', at or "x")
             for at in ("", "a", "a[]", "s[].b")]  # fmt: skip
    made = reader(pack(*rules))
    fitted = made.fit(
        f'[3,"1",{json.dumps({"a": value, "s": value})}]'.encode(), Kind.BACKEND_RESULT, "DataTransfer"
    )
    assert "rule-failed" not in {flag.code.value for flag in fitted.flags}
    json.loads(fitted.data)
