"""Every frame of the corpus of field dialects: frames that go on, outcome, flags, severity."""

import json
from pathlib import Path

import pytest

from gateway.dialect.inspect import inspect
from gateway.dialect.lenient import parse
from gateway.dialect.notes import Notes
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.values import dumps

FILES = ("corpus.jsonl", "second_corpus.jsonl")  # frames from the field; more of the same kind
ROWS = [
    json.loads(line)
    for name in FILES
    for line in (Path(__file__).parent / name).read_text("utf-8").splitlines()
]

SEVERITIES = ["info", "warning", "error"]

# Our flag code → the corpus' names for it.
CODES = {
    "frame-unreadable": [],
    "frame-too-complex": [],
    "frame-empty": ["WS_EMPTY_FRAME"],
    "not-ocpp": ["WS_NOT_OCPP"],
    "connection-duplicate": ["WS_DUPLICATE_SOCKET"],
    "binary-frame": ["WS_BINARY"],
    "byte-order-mark": ["JSON_BOM"],
    "bad-utf8": ["JSON_BAD_UTF8"],
    "nul-after-frame": ["JSON_NUL"],
    "nul-padding": ["JSON_NUL"],
    "nul-inside": ["JSON_NUL"],
    "control-character": ["JSON_CONTROL_CHAR"],
    "control-bytes-stripped": ["JSON_CONTROL_CHAR"],
    "bad-escape": ["JSON_BAD_ESCAPE"],
    "lone-surrogate": ["JSON_SURROGATE"],
    "stray-comma": ["JSON_STRAY_COMMA"],
    "missing-value": ["JSON_MISSING_VALUE"],
    "unclosed": ["JSON_UNCLOSED"],
    "truncated": ["JSON_TRUNCATED"],
    "python-literal": ["JSON_PYTHON_LITERAL"],
    "unquoted-key": ["JSON_UNQUOTED_KEY"],
    "not-a-number": ["JSON_NAN"],
    "bad-number": ["JSON_BAD_NUMBER"],
    "duplicate-key": ["JSON_DUPLICATE_KEY"],
    "duplicate-key-conflict": ["JSON_DUPLICATE_KEY"],
    "double-encoded": ["JSON_DOUBLE_ENCODED"],
    "payload-as-text": ["JSON_PAYLOAD_STRING"],
    "several-frames": ["JSON_MULTI_FRAME"],
    "trailing-garbage": ["JSON_TRAILING_GARBAGE"],
    "not-an-array": ["ENV_NOT_ARRAY"],
    "element-missing": ["ENV_ELEMENT_COUNT"],
    "element-extra": ["ENV_ELEMENT_COUNT"],
    "message-type-spelling": ["ENV_MSGTYPE"],
    "message-type-newer": ["ENV_MSGTYPE"],
    "message-type-unknown": ["ENV_MSGTYPE"],
    "id-empty": ["ENV_EMPTY_ID"],
    "id-matched": ["ENV_EMPTY_ID"],
    "id-number": ["ENV_ID_NUMBER"],
    "id-too-long": ["ENV_ID_TOO_LONG"],
    "id-reused": ["ENV_ID_REUSED"],
    "action-spelling": ["ENV_ACTION_NAME"],
    "action-unknown": ["ENV_ACTION_UNKNOWN"],
    "action-not-for-sender": ["ENV_ACTION_UNKNOWN"],
    "version-mismatch": ["ENV_VERSION_MISMATCH"],
    "payload-empty": ["ENV_PAYLOAD_NULL"],
    "payload-not-object": [],
    "result-with-action": ["ENV_RESULT_WITH_ACTION"],
    "result-extra": ["ENV_RESULT_EXTRA"],
    "result-dummies": ["FLD_REJECTED_DUMMIES"],
    "answer-unknown": ["ENV_UNKNOWN_ID"],
    "answer-late": ["ENV_UNKNOWN_ID"],
    "error-to-result": ["ENV_ERROR_TO_RESULT"],
    "error-short": ["ENV_CALLERROR_SHORT"],
    "error-code-spelling": ["ENV_ERRORCODE_SPELLING"],
    "error-code-unknown": ["ENV_ERRORCODE_UNKNOWN"],
    "error-details-not-object": ["ENV_DETAILS_NOT_OBJECT"],
    "schema-violation": [],
    "field-missing": ["FLD_MISSING_REQUIRED"],
    "field-unknown": ["FLD_EXTRA"],
    "answer-field-unknown": ["FLD_EXTRA"],
    "field-spelling": ["FLD_NAME"],
    "field-old-name": ["FLD_OLD_NAME"],
    "field-set-aside": [],
    "error-code-assumed": ["FLD_MISSING_REQUIRED"],
    "null-optional": ["FLD_NULL_OPTIONAL"],
    "null-required": ["FLD_NULL_REQUIRED"],
    "text-empty": ["FLD_EMPTY_REQUIRED"],
    "id-tag-empty": ["FLD_EMPTY_REQUIRED"],
    "required-empty": ["FLD_EMPTY_REQUIRED"],
    "empty-optional": ["FLD_EMPTY_OPTIONAL"],
    "empty-array": ["FLD_EMPTY_ARRAY"],
    "not-a-list": ["FLD_NOT_ARRAY"],
    "number-as-text": ["FLD_NUMBER_AS_STRING"],
    "identifier-as-number": ["FLD_NUMBER_AS_STRING"],
    "text-as-number": ["FLD_STRING_AS_NUMBER"],
    "text-not-number": ["FLD_STRING_AS_NUMBER"],
    "integer-as-float": ["FLD_FLOAT_AS_INT"],
    "integer-with-fraction": ["FLD_FLOAT_AS_INT"],
    "number-out-of-range": [],
    "boolean-as-text": ["FLD_BOOL_AS_STRING"],
    "text-as-boolean": ["FLD_BOOL_AS_STRING"],
    "boolean-as-number": ["FLD_BOOL_AS_NUMBER"],
    "nested-value": ["FLD_NESTED_VALUE"],
    "data-structured": ["FLD_DATATRANSFER"],
    "vendor-text": ["FLD_VENDOR_TEXT"],
    "enum-spelling": ["FLD_ENUM_SPELLING"],
    "enum-replaced": ["FLD_ENUM_UNKNOWN"],
    "enum-unknown": ["FLD_ENUM_UNKNOWN"],
    "status-translated": ["FLD_STATUS_VERSION"],
    "status-ambiguous": ["FLD_STATUS_VERSION"],
    "text-too-long": ["FLD_TOO_LONG"],
    "identifier-too-long": ["FLD_IDTAG_TOO_LONG"],
    "id-tag-corrupt": ["FLD_IDTAG_CHARS"],
    "id-tag-unusual": ["FLD_IDTAG_CHARS"],
    "id-tag-decorated": ["FLD_IDTAG_DECORATED"],
    "id-tag-placeholder": ["FLD_IDTAG_PLACEHOLDER"],
    "sample-set-aside": ["FLD_SAMPLE_QUARANTINED"],
    "sample-empty": ["FLD_EMPTY_VALUE"],
    "sample-style": ["FLD_SAMPLE_STYLE"],
    "schema-gap": ["FLD_SCHEMA_GAP", "FLD_SAMPLE_QUARANTINED"],
    "value-padded": ["FLD_PADDED_NUMBER"],
    "decimal-comma": ["FLD_DECIMAL_COMMA"],
    "unit-in-value": ["FLD_UNIT_IN_VALUE"],
    "unit-alias": ["FLD_UNIT_ALIAS"],
    "unit-spelling": ["FLD_ENUM_SPELLING"],
    "unit-converted": ["FLD_UNIT_CONVERTED"],
    "unit-clash": ["FLD_UNIT_CLASH"],
    "unit-missing": ["FLD_UNIT_MISSING"],
    "unit-suspect": ["FLD_UNIT_SUSPECT"],
    "measurand-with-phase": ["FLD_MEASURAND_PHASE"],
    "phase-unusual": ["FLD_PHASE_UNUSUAL"],
    "transaction-sentinel": ["FLD_TXID_SENTINEL"],
    "transaction-zero": ["FLD_TXID_ZERO"],
    "transaction-zero-stop": ["FLD_TXID_ZERO"],
    "transaction-negative": ["FLD_TXID_NEGATIVE"],
    "transaction-unknown": ["FLD_TXID_UNKNOWN"],
    "reservation-none": ["FLD_RESERVATION_NONE"],
    "connector-zero": ["FLD_CONNECTOR_ZERO"],
    "connector-numbering": ["FLD_CONNECTOR_NUMBERING"],
    "meter-unknown": ["FLD_METER_UNKNOWN"],
    "meter-backwards": ["FLD_METER_BACKWARDS"],
    "error-without-fault": ["FLD_ERROR_WITHOUT_FAULT"],
    "safe-mode": ["FLD_SAFE_MODE"],
    "config-key-case": ["CFG_KEY_CASE"],
    "config-secret": ["CFG_SECRET"],
    "heartbeat-flood": ["SEQ_HEARTBEAT_FLOOD"],
    "time-without-zone": ["TS_NO_TZ"],
    "time-short-offset": ["TS_SHORT_OFFSET"],
    "time-skew": ["TS_SKEW"],
    "time-epoch-zero": ["TS_EPOCH_ZERO"],
    "time-digits": ["TS_DIGITS"],
    "time-java-zone": ["TS_JAVA_ZONE"],
    "time-plain-advised": ["TS_PLAIN_FORM_ADVISED"],
    "time-old": ["TS_OLD"],
    "time-after-stop": ["TS_AFTER_STOP"],
    "time-missing": ["TS_MISSING"],
    "time-space": ["TS_SPACE"],
    "time-epoch": ["TS_EPOCH"],
    "time-comma": ["TS_COMMA"],
    "time-day-first": ["TS_DMY"],
    "time-day-ambiguous": ["TS_DMY"],
    "time-format": ["TS_FORMAT"],
    "time-invalid": ["TS_INVALID"],
    "time-empty": ["TS_EMPTY"],
    "duplicate": ["SEQ_DUPLICATE"],
    "orphan-stop": ["SEQ_ORPHAN_STOP"],
    "late-stop": ["SEQ_LATE_STOP"],
    "meter-after-stop": ["SEQ_METER_AFTER_STOP"],
    "stale-transaction": ["SEQ_STALE_TX"],
    "meter-without-transaction": ["SEQ_METER_NO_TX"],
    "meter-reset": ["SEQ_METER_RESET"],
    "meter-glitch": ["SEQ_METER_GLITCH"],
    "static-value": ["SEQ_STATIC_VALUE"],
    "available-before-stop": ["SEQ_AVAILABLE_BEFORE_STOP"],
    "status-order": ["SEQ_STATUS_ORDER"],
    "before-accepted": ["SEQ_BEFORE_ACCEPTED"],
    "before-boot": ["SEQ_NO_BOOT"],
    "start-after-invalid": ["SEQ_START_AFTER_INVALID"],
    "sequence-gap": ["SEQ_SEQNO"],
    "list-version-fell": ["SEQ_LIST_VERSION"],
    "wrong-schema": ["SEQ_WRONG_SCHEMA"],
}


def compact(frame: str) -> str:
    return dumps(parse(frame, Notes()).values[0])


def is_unchanged(row: dict) -> bool:
    """Whether the row expects the very value that came, so that its bytes must be left alone."""
    if row["flags"] or row["expect"] is None or row.get("encoding"):
        return False
    return json.loads(row["expect"]) == json.loads(row["raw"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_frame_of_the_corpus(row):
    report = inspect(row)
    expected = [text for text in [row["expect"], *row.get("expect_more", [])] if text is not None]
    assert [compact(frame) for frame in report["frames"]] == expected
    if is_unchanged(row):
        assert (report["outcome"], report["frames"]) == ("clean", [row["raw"]])
    elif expected:
        assert report["outcome"] == "repaired"
    else:
        assert report["outcome"] == ("quarantined" if row["severity"] == "error" else "ignored")
    found = {name for flag in report["flags"] for name in CODES[flag["code"]]}
    assert found == set(row["flags"])
    worst = max((flag["severity"] for flag in report["flags"]), key=SEVERITIES.index, default="info")
    assert worst == row["severity"]


def test_every_flag_has_its_name_in_the_corpus_or_is_known_to_have_none():
    named = {code for code in FlagCode if not code.value.startswith(("handshake-", "subprotocol-", "path-"))}
    ours = {"gateway-failed", "refused-by-backend", "id-case", "id-unusual", "identity-appended"}
    ours |= {
        "translation-loss",
        "late-refusal",
        "transaction-refused",
        "report-expired",
        "transaction-id-foreign",
    }
    brands = set(
        """rule-applied adapter-applied dialect-observed dialect-ambiguous unit-corrected value-corrected
        status-mapped field-dropped id-tag-corrected time-corrected transaction-restored
        config-key-translated config-value-corrected command-adapted message-synthesised message-withheld
        command-answered signed-value-kept adapter-failed rule-failed""".split()  # noqa: SIM905
    )
    backends = set(
        """command-denied command-absorbed command-rewritten commands-too-fast backends-conflict
        number-replaced""".split()  # noqa: SIM905
    )
    assert {code.value for code in named} - ours - brands - backends == CODES.keys()
