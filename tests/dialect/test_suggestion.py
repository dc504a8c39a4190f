"""What `suggest` makes of a capture: a report by kind, and a pack whose blanks can be filled."""

from gateway.dialect.rules.pack import read_pack
from gateway.dialect.rules.replay import replayed
from gateway.dialect.rules.suggestion import suggestion
from gateway.dialect.rules.trial import problems_of

BOOT = '[2,"b","BootNotification",{"chargePointVendor":"Ac*me (x)","chargePointModel":"M\\u00fc"}]'
STATUS = '[2,"%d","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"%s"}]'
START = (
    '[2,"s","StartTransaction",{"connectorId":1,"idTag":"%s","meterStart":1,"reservationId":0,'
    '"timestamp":"2026-11-21T08:00:00"}]'
)


def records(*frames: str, direction: str = "charger_to_backend") -> list[dict]:
    return [{"raw": frame, "version": "1.6", "direction": direction} for frame in frames]


CAPTURE = records(
    BOOT,
    *(STATUS % (number, "Occupied") for number in range(3)),
    STATUS % (9, "available"),
    START % "04A1B2C3_1827",
    '[2,"m","StatusNotification",{"connectorId":1,"errorCode":"Nö\x07","status":"Available"}]',
    "AT+CSQ",
    '[3,"zz",{}]',
)


def test_the_report_groups_by_kind_and_says_what_needs_a_rule():
    lines = list(suggestion(CAPTURE).report())
    assert lines[0] == "9 frames of Ac*me (x) Mü"
    repaired = lines.index("repaired, or only noted, by the gateway itself; no rule needed:")
    left = lines.index("left as it came; a rule may help:")
    assert any("1 × enum-spelling" in line for line in lines[repaired:left])
    assert "3 × status-ambiguous  charger_call StatusNotification status" in lines[left + 1]


def test_what_was_repaired_is_not_said_to_be_left():
    comma = records(STATUS.replace("}]", ",}]") % (1, "Available"))
    lines = list(suggestion(comma).report())
    title = "repaired, or only noted, by the gateway itself; no rule needed:"
    assert "1 × stray-comma" in lines[lines.index(title) + 1]
    assert not any(line.startswith("left") for line in lines)
    assert "[[rule]]" not in suggestion(comma).pack()


def test_what_could_be_repaired_in_a_message_that_was_not_is_said_to_be_left():
    doubtful = records(STATUS.replace('"connectorId":1', '"connectorId":"1"') % (1, "Occupied"))
    lines = list(suggestion(doubtful).report())
    assert any("text-as-number" in line for line in lines[lines.index("left as it came; a rule may help:") :])


def test_the_proposal_is_a_pack_once_its_blanks_are_filled():
    text = suggestion(CAPTURE).pack()
    assert "reservationId = 0" in text and 'split = "idTag"' in text
    filled = text.replace('"Occupied" = "TODO"', '"Occupied" = "Preparing"')
    pack = read_pack(filled, "p.toml")
    assert problems_of(pack) == []
    assert all(rule.observe for rule in pack.rules)
    found = list(replayed(pack, CAPTURE))
    assert [row["before"] for row in found[:3]] == [record["raw"] for record in CAPTURE[1:4]]
    assert "Preparing" in found[0]["after"]
    assert all(flag["author"].startswith(f"rules/{pack.name}:") for row in found for flag in row["flags"])


def test_a_clean_capture_needs_no_rule():
    found = suggestion(records('[2,"1","Heartbeat",{}]'))
    assert "everything fits the standard" in list(found.report())
    assert problems_of(read_pack(found.pack(), "p.toml")) == []


def test_what_goes_to_the_charger_is_tried_too():
    pack = read_pack(
        """
pack = 1
name = "acme"
summary = "x"
[match]
vendor = "*"
[[rule]]
name = "r"
why = "w"
source = "s"
on = { backend_call = "ChangeConfiguration" }
do = [{ letter_case = "key", to = "lower" }]
[[test]]
name = "t"
kind = "charger_call"
given = '[2,"1","Heartbeat",{}]'
want = '[2,"1","Heartbeat",{}]'
flags = []
""",
        "p.toml",
    )
    frame = '[2,"c","ChangeConfiguration",{"key":"ABC","value":"1"}]'
    (row,) = replayed(pack, records(frame, direction="backend_to_charger"))
    assert row["after"] == frame.replace("ABC", "abc")
