"""What can be wrong with a message, and what follows from it.

A peer's mistake is data, not an exception: it becomes a `Flag`. Every code has one fixed meaning, one
severity and one consequence; `FLAGS` is the table, and the reference page is generated from it.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class Severity(StrEnum):
    """`info`: odd, harmless; `warning`: a person may want to know; `error`: lost, doubtful or unsafe."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Consequence(StrEnum):
    """What happens to the message: it goes on, waits, is kept for a person, or has nothing to forward."""

    DELIVERED = "delivered"
    HELD = "held"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"


class FlagCode(StrEnum):
    """The name of one kind of wrong, as it appears in metrics, logs, the API and rule packs."""

    FRAME_UNREADABLE = "frame-unreadable"
    FRAME_TOO_COMPLEX = "frame-too-complex"
    FRAME_EMPTY = "frame-empty"
    NOT_OCPP = "not-ocpp"
    CONNECTION_DUPLICATE = "connection-duplicate"
    BINARY_FRAME = "binary-frame"
    BYTE_ORDER_MARK = "byte-order-mark"
    BAD_UTF8 = "bad-utf8"
    NUL_AFTER_FRAME = "nul-after-frame"
    NUL_PADDING = "nul-padding"
    NUL_INSIDE = "nul-inside"
    CONTROL_CHARACTER = "control-character"
    CONTROL_BYTES_STRIPPED = "control-bytes-stripped"
    BAD_ESCAPE = "bad-escape"
    LONE_SURROGATE = "lone-surrogate"
    STRAY_COMMA = "stray-comma"
    MISSING_VALUE = "missing-value"
    UNCLOSED = "unclosed"
    TRUNCATED = "truncated"
    PYTHON_LITERAL = "python-literal"
    UNQUOTED_KEY = "unquoted-key"
    NOT_A_NUMBER = "not-a-number"
    BAD_NUMBER = "bad-number"
    DUPLICATE_KEY = "duplicate-key"
    DUPLICATE_KEY_CONFLICT = "duplicate-key-conflict"
    DOUBLE_ENCODED = "double-encoded"
    PAYLOAD_AS_TEXT = "payload-as-text"
    SEVERAL_FRAMES = "several-frames"
    TRAILING_GARBAGE = "trailing-garbage"
    NOT_AN_ARRAY = "not-an-array"
    ELEMENT_MISSING = "element-missing"
    ELEMENT_EXTRA = "element-extra"
    MESSAGE_TYPE_SPELLING = "message-type-spelling"
    MESSAGE_TYPE_NEWER = "message-type-newer"
    MESSAGE_TYPE_UNKNOWN = "message-type-unknown"
    ID_EMPTY = "id-empty"
    ID_MATCHED = "id-matched"
    ID_NUMBER = "id-number"
    ID_TOO_LONG = "id-too-long"
    ID_REUSED = "id-reused"
    ACTION_SPELLING = "action-spelling"
    ACTION_UNKNOWN = "action-unknown"
    GATEWAY_FAILED = "gateway-failed"
    REFUSED_BY_BACKEND = "refused-by-backend"
    LATE_REFUSAL = "late-refusal"
    TRANSLATION_LOSS = "translation-loss"
    TRANSACTION_REFUSED = "transaction-refused"
    REPORT_EXPIRED = "report-expired"
    TRANSACTION_ID_FOREIGN = "transaction-id-foreign"
    ACTION_NOT_FOR_SENDER = "action-not-for-sender"
    VERSION_MISMATCH = "version-mismatch"
    PAYLOAD_EMPTY = "payload-empty"
    PAYLOAD_NOT_OBJECT = "payload-not-object"
    RESULT_WITH_ACTION = "result-with-action"
    RESULT_EXTRA = "result-extra"
    RESULT_DUMMIES = "result-dummies"
    ANSWER_UNKNOWN = "answer-unknown"
    ANSWER_LATE = "answer-late"
    ERROR_TO_RESULT = "error-to-result"
    ERROR_SHORT = "error-short"
    ERROR_CODE_SPELLING = "error-code-spelling"
    ERROR_CODE_UNKNOWN = "error-code-unknown"
    ERROR_DETAILS_NOT_OBJECT = "error-details-not-object"
    SCHEMA_VIOLATION = "schema-violation"
    FIELD_MISSING = "field-missing"
    FIELD_UNKNOWN = "field-unknown"
    ANSWER_FIELD_UNKNOWN = "answer-field-unknown"
    FIELD_SPELLING = "field-spelling"
    FIELD_OLD_NAME = "field-old-name"
    FIELD_SET_ASIDE = "field-set-aside"
    ERROR_CODE_ASSUMED = "error-code-assumed"
    NULL_OPTIONAL = "null-optional"
    NULL_REQUIRED = "null-required"
    TEXT_EMPTY = "text-empty"
    ID_TAG_EMPTY = "id-tag-empty"
    REQUIRED_EMPTY = "required-empty"
    EMPTY_OPTIONAL = "empty-optional"
    EMPTY_ARRAY = "empty-array"
    NOT_A_LIST = "not-a-list"
    NUMBER_AS_TEXT = "number-as-text"
    IDENTIFIER_AS_NUMBER = "identifier-as-number"
    TEXT_AS_NUMBER = "text-as-number"
    TEXT_NOT_NUMBER = "text-not-number"
    INTEGER_AS_FLOAT = "integer-as-float"
    INTEGER_WITH_FRACTION = "integer-with-fraction"
    NUMBER_OUT_OF_RANGE = "number-out-of-range"
    BOOLEAN_AS_TEXT = "boolean-as-text"
    TEXT_AS_BOOLEAN = "text-as-boolean"
    BOOLEAN_AS_NUMBER = "boolean-as-number"
    NESTED_VALUE = "nested-value"
    DATA_STRUCTURED = "data-structured"
    VENDOR_TEXT = "vendor-text"
    ENUM_SPELLING = "enum-spelling"
    ENUM_REPLACED = "enum-replaced"
    ENUM_UNKNOWN = "enum-unknown"
    STATUS_TRANSLATED = "status-translated"
    STATUS_AMBIGUOUS = "status-ambiguous"
    TEXT_TOO_LONG = "text-too-long"
    IDENTIFIER_TOO_LONG = "identifier-too-long"
    ID_TAG_CORRUPT = "id-tag-corrupt"
    ID_TAG_UNUSUAL = "id-tag-unusual"
    ID_TAG_DECORATED = "id-tag-decorated"
    ID_TAG_PLACEHOLDER = "id-tag-placeholder"
    SAMPLE_SET_ASIDE = "sample-set-aside"
    SAMPLE_EMPTY = "sample-empty"
    SAMPLE_STYLE = "sample-style"
    SCHEMA_GAP = "schema-gap"
    VALUE_PADDED = "value-padded"
    DECIMAL_COMMA = "decimal-comma"
    UNIT_IN_VALUE = "unit-in-value"
    UNIT_ALIAS = "unit-alias"
    UNIT_SPELLING = "unit-spelling"
    UNIT_CONVERTED = "unit-converted"
    UNIT_CLASH = "unit-clash"
    UNIT_MISSING = "unit-missing"
    UNIT_SUSPECT = "unit-suspect"
    MEASURAND_WITH_PHASE = "measurand-with-phase"
    PHASE_UNUSUAL = "phase-unusual"
    TRANSACTION_SENTINEL = "transaction-sentinel"
    TRANSACTION_ZERO = "transaction-zero"
    TRANSACTION_ZERO_STOP = "transaction-zero-stop"
    TRANSACTION_NEGATIVE = "transaction-negative"
    TRANSACTION_UNKNOWN = "transaction-unknown"
    RESERVATION_NONE = "reservation-none"
    CONNECTOR_ZERO = "connector-zero"
    CONNECTOR_NUMBERING = "connector-numbering"
    METER_UNKNOWN = "meter-unknown"
    METER_BACKWARDS = "meter-backwards"
    ERROR_WITHOUT_FAULT = "error-without-fault"
    SAFE_MODE = "safe-mode"
    CONFIG_KEY_CASE = "config-key-case"
    CONFIG_SECRET = "config-secret"
    HEARTBEAT_FLOOD = "heartbeat-flood"
    TIME_WITHOUT_ZONE = "time-without-zone"
    TIME_SHORT_OFFSET = "time-short-offset"
    TIME_SKEW = "time-skew"
    TIME_EPOCH_ZERO = "time-epoch-zero"
    TIME_DIGITS = "time-digits"
    TIME_JAVA_ZONE = "time-java-zone"
    TIME_PLAIN_ADVISED = "time-plain-advised"
    TIME_OLD = "time-old"
    TIME_AFTER_STOP = "time-after-stop"
    TIME_MISSING = "time-missing"
    TIME_SPACE = "time-space"
    TIME_EPOCH = "time-epoch"
    TIME_COMMA = "time-comma"
    TIME_DAY_FIRST = "time-day-first"
    TIME_DAY_AMBIGUOUS = "time-day-ambiguous"
    TIME_FORMAT = "time-format"
    TIME_INVALID = "time-invalid"
    TIME_EMPTY = "time-empty"
    DUPLICATE = "duplicate"
    ORPHAN_STOP = "orphan-stop"
    LATE_STOP = "late-stop"
    METER_AFTER_STOP = "meter-after-stop"
    STALE_TRANSACTION = "stale-transaction"
    METER_WITHOUT_TRANSACTION = "meter-without-transaction"
    METER_RESET = "meter-reset"
    METER_GLITCH = "meter-glitch"
    STATIC_VALUE = "static-value"
    AVAILABLE_BEFORE_STOP = "available-before-stop"
    STATUS_ORDER = "status-order"
    BEFORE_ACCEPTED = "before-accepted"
    BEFORE_BOOT = "before-boot"
    START_AFTER_INVALID = "start-after-invalid"
    SEQUENCE_GAP = "sequence-gap"
    LIST_VERSION_FELL = "list-version-fell"
    WRONG_SCHEMA = "wrong-schema"
    HANDSHAKE_CONNECTION_HEADER = "handshake-connection-header"
    HANDSHAKE_UPGRADE_HEADER = "handshake-upgrade-header"
    HANDSHAKE_VERSION_HEADER = "handshake-version-header"
    SUBPROTOCOL_MISSING = "subprotocol-missing"
    SUBPROTOCOL_SPELLING = "subprotocol-spelling"
    PATH_SLASHES = "path-slashes"
    ID_CASE = "id-case"
    ID_UNUSUAL = "id-unusual"
    PATH_TAIL = "path-tail"
    PATH_PROTOCOL_WORD = "path-protocol-word"
    IDENTITY_APPENDED = "identity-appended"
    RULE_APPLIED = "rule-applied"
    ADAPTER_APPLIED = "adapter-applied"
    DIALECT_OBSERVED = "dialect-observed"
    DIALECT_AMBIGUOUS = "dialect-ambiguous"
    UNIT_CORRECTED = "unit-corrected"
    VALUE_CORRECTED = "value-corrected"
    STATUS_MAPPED = "status-mapped"
    FIELD_DROPPED = "field-dropped"
    ID_TAG_CORRECTED = "id-tag-corrected"
    TIME_CORRECTED = "time-corrected"
    TRANSACTION_RESTORED = "transaction-restored"
    CONFIG_KEY_TRANSLATED = "config-key-translated"
    CONFIG_VALUE_CORRECTED = "config-value-corrected"
    COMMAND_ADAPTED = "command-adapted"
    MESSAGE_SYNTHESISED = "message-synthesised"
    MESSAGE_WITHHELD = "message-withheld"
    COMMAND_ANSWERED = "command-answered"
    SIGNED_VALUE_KEPT = "signed-value-kept"
    ADAPTER_FAILED = "adapter-failed"
    RULE_FAILED = "rule-failed"
    COMMAND_DENIED = "command-denied"
    COMMAND_ABSORBED = "command-absorbed"
    COMMAND_REWRITTEN = "command-rewritten"
    COMMANDS_TOO_FAST = "commands-too-fast"
    BACKENDS_CONFLICT = "backends-conflict"
    NUMBER_REPLACED = "number-replaced"


class Flag(Struct, frozen=True, gc=False):
    """One thing that was wrong with one message.

    `path` is the place in the payload (`meterValue[0].sampledValue[1].value`; "" for the frame itself; of
    `adapter-failed` the adapter and the line of its file);
    `before` and `after` are JSON text or "" where there is nothing to show; `author` names who raised it:
    `gateway`, `adapters/NAME`, `rules/PACK:RULE`, or for what was lost in translation `translate/LOSS`.
    `rated` is its severity where that depends on more than the code. `applied` is False where nothing was
    done about it, for the message goes on or is kept as it came: `after` is then what would be there.
    """

    code: FlagCode
    path: str = ""
    before: str = ""
    after: str = ""
    author: str = "gateway"
    rated: Severity | None = None
    applied: bool = True

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return self.rated or FLAGS[self.code].severity

    @property
    def label(self) -> str:
        """The code, of a loss with its kind, and the path, as a log shows it."""
        return labelled(self.code.value, self.author) + (f"@{self.path}" if self.path else "")


def labelled(code: str, author: str) -> str:
    """`code`; of something lost in translation with what it was, `translation-loss/FIELD_DROPPED`."""
    kind = author.removeprefix("translate")
    return code + kind if kind != author else code


def no_flag(code: object) -> str:
    """What to say of a text that is no flag's code, with those it may be meant for."""
    near = get_close_matches(str(code), list(FlagCode), n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{code!r} is no flag; {hint}all are in docs/flags.md"


def unapplied(flags: Iterable[Flag]) -> list[Flag]:
    """The flags of a message of which nothing was changed."""
    return [replace(flag, applied=False) for flag in flags]


def change(before: str, after: str, applied: bool) -> str:
    """`before → after`, or what would have been; what was only noted, or left out, stands alone."""
    if applied:
        return f"{before} → {after}".lstrip() if after else before
    return f"{before} (would be {after})".lstrip() if after else before


class FlagFacts(Struct, frozen=True):
    """What a code means, how grave it is, and what happens to a message that carries it.

    `consequence` is that of the code by itself; a message with several follows the gravest.
    """

    severity: Severity
    consequence: Consequence
    meaning: str


_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_DELIVERED, _QUARANTINED, _IGNORED = Consequence.DELIVERED, Consequence.QUARANTINED, Consequence.IGNORED

FLAGS: Final[dict[FlagCode, FlagFacts]] = {
    FlagCode.FRAME_UNREADABLE: FlagFacts(
        _ERROR, _QUARANTINED, "The message is not JSON in any reading, or not a frame."
    ),
    FlagCode.FRAME_TOO_COMPLEX: FlagFacts(
        _ERROR,
        _QUARANTINED,
        "The message is nested too deeply, has too many members, or holds a number beyond 64 bits.",
    ),
    FlagCode.FRAME_EMPTY: FlagFacts(_INFO, _IGNORED, "An empty message: a keep-alive, nothing to forward."),
    FlagCode.NOT_OCPP: FlagFacts(
        _WARNING,
        _IGNORED,
        "Text that is no OCPP frame, such as a modem's chatter; it is ignored and never answered.",
    ),
    FlagCode.CONNECTION_DUPLICATE: FlagFacts(
        _WARNING, _DELIVERED, "The charger has another connection open; the newest one counts."
    ),
    FlagCode.BINARY_FRAME: FlagFacts(
        _WARNING, _DELIVERED, "The frame came as a binary WebSocket message; it is read as text."
    ),
    FlagCode.BYTE_ORDER_MARK: FlagFacts(_INFO, _DELIVERED, "A byte order mark stood before the frame."),
    FlagCode.BAD_UTF8: FlagFacts(
        _WARNING, _DELIVERED, "Bytes that are not UTF-8 were replaced by U+FFFD in free text."
    ),
    FlagCode.NUL_AFTER_FRAME: FlagFacts(_INFO, _DELIVERED, "NUL bytes after the frame were cut off."),
    FlagCode.NUL_PADDING: FlagFacts(_WARNING, _DELIVERED, "NUL bytes at the end of a text were cut off."),
    FlagCode.NUL_INSIDE: FlagFacts(
        _ERROR, _QUARANTINED, "A NUL byte stands inside a text: the end of the text, or a corrupt byte."
    ),
    FlagCode.CONTROL_CHARACTER: FlagFacts(
        _INFO, _DELIVERED, "A raw control character inside a text was escaped."
    ),
    FlagCode.CONTROL_BYTES_STRIPPED: FlagFacts(
        _WARNING, _DELIVERED, "Stray control bytes at the end of an identifier were cut off."
    ),
    FlagCode.BAD_ESCAPE: FlagFacts(
        _WARNING, _DELIVERED, "An escape that JSON does not have was read literally."
    ),
    FlagCode.LONE_SURROGATE: FlagFacts(_INFO, _DELIVERED, "Half of a surrogate pair was replaced by U+FFFD."),
    FlagCode.STRAY_COMMA: FlagFacts(_WARNING, _DELIVERED, "A comma too many was dropped."),
    FlagCode.MISSING_VALUE: FlagFacts(_WARNING, _DELIVERED, "A field without a value was read as absent."),
    FlagCode.UNCLOSED: FlagFacts(
        _WARNING, _DELIVERED, "The closing brackets at the end of a CALLRESULT were missing."
    ),
    FlagCode.TRUNCATED: FlagFacts(
        _ERROR, _QUARANTINED, "The message ends in the middle; what is missing cannot be known."
    ),
    FlagCode.PYTHON_LITERAL: FlagFacts(
        _WARNING, _DELIVERED, "The text was written as a Python literal (single quotes, True, None)."
    ),
    FlagCode.UNQUOTED_KEY: FlagFacts(_WARNING, _DELIVERED, "A key without quotes was read as text."),
    FlagCode.NOT_A_NUMBER: FlagFacts(_ERROR, _DELIVERED, "NaN or Infinity stood in the place of a number."),
    FlagCode.BAD_NUMBER: FlagFacts(
        _ERROR, _QUARANTINED, "A number with a leading zero or plus sign: decimal or octal cannot be told."
    ),
    FlagCode.DUPLICATE_KEY: FlagFacts(
        _INFO, _DELIVERED, "A key stood twice with the same value; one was kept."
    ),
    FlagCode.DUPLICATE_KEY_CONFLICT: FlagFacts(
        _ERROR, _QUARANTINED, "A key stands twice with different values."
    ),
    FlagCode.DOUBLE_ENCODED: FlagFacts(_WARNING, _DELIVERED, "The frame was a JSON text inside a JSON text."),
    FlagCode.PAYLOAD_AS_TEXT: FlagFacts(_WARNING, _DELIVERED, "The payload was a text that holds an object."),
    FlagCode.SEVERAL_FRAMES: FlagFacts(
        _WARNING,
        _DELIVERED,
        "Several frames came in one message; they are handled in order, those beyond repair last.",
    ),
    FlagCode.TRAILING_GARBAGE: FlagFacts(
        _WARNING, _DELIVERED, "What follows the first complete frame was cut off."
    ),
    FlagCode.NOT_AN_ARRAY: FlagFacts(_ERROR, _QUARANTINED, "The message is JSON, but not an array."),
    FlagCode.ELEMENT_MISSING: FlagFacts(_ERROR, _QUARANTINED, "The frame has too few elements."),
    FlagCode.ELEMENT_EXTRA: FlagFacts(
        _WARNING, _DELIVERED, "Elements after the last one of the frame were dropped."
    ),
    FlagCode.MESSAGE_TYPE_SPELLING: FlagFacts(
        _WARNING, _DELIVERED, "The message type was not written as an integer, or 1 stood for a CALL."
    ),
    FlagCode.MESSAGE_TYPE_NEWER: FlagFacts(
        _WARNING, _IGNORED, "A message type that only a newer version has; it is kept and not forwarded."
    ),
    FlagCode.MESSAGE_TYPE_UNKNOWN: FlagFacts(_ERROR, _QUARANTINED, "The message type does not exist."),
    FlagCode.ID_EMPTY: FlagFacts(_ERROR, _QUARANTINED, "The message id is missing or empty."),
    FlagCode.ID_MATCHED: FlagFacts(
        _ERROR,
        _DELIVERED,
        "An answer without id was matched to the only CALL that waits and whose answer it fits.",
    ),
    FlagCode.ID_NUMBER: FlagFacts(
        _WARNING, _DELIVERED, "The message id was written as a number; its answer repeats the number."
    ),
    FlagCode.ID_TOO_LONG: FlagFacts(
        _WARNING,
        _DELIVERED,
        "The message id has more than 36 characters; it was cut, its answer repeats it in full.",
    ),
    FlagCode.ID_REUSED: FlagFacts(_WARNING, _DELIVERED, "The same message id came again on this connection."),
    FlagCode.ACTION_SPELLING: FlagFacts(_WARNING, _DELIVERED, "The action was misspelt and is certain."),
    FlagCode.ACTION_UNKNOWN: FlagFacts(_ERROR, _QUARANTINED, "The action does not exist in this version."),
    FlagCode.GATEWAY_FAILED: FlagFacts(
        _ERROR,
        _QUARANTINED,
        "The gateway itself failed on this message; it was kept and its session restarted.",
    ),
    FlagCode.REFUSED_BY_BACKEND: FlagFacts(
        _ERROR,
        _QUARANTINED,
        "Billing data was refused by the backend for good; it is kept.",
    ),
    FlagCode.LATE_REFUSAL: FlagFacts(
        _ERROR,
        _DELIVERED,
        "The gateway had accepted a driver for an absent backend, which refuses that driver now.",
    ),
    FlagCode.TRANSLATION_LOSS: FlagFacts(
        _WARNING,
        _DELIVERED,
        "Something could not be carried into the other end's version. Its author names the kind of loss "
        "(docs/translation.md), whose severity it has: info, warning, or error where money is at stake.",
    ),
    FlagCode.TRANSACTION_REFUSED: FlagFacts(
        _ERROR,
        _QUARANTINED,
        "It belongs to a transaction whose start the backend has refused or never given an id; it is kept.",
    ),
    FlagCode.REPORT_EXPIRED: FlagFacts(
        _WARNING, _QUARANTINED, "A page of a report was stored for too long; nobody waits for it any more."
    ),
    FlagCode.TRANSACTION_ID_FOREIGN: FlagFacts(
        _WARNING,
        _IGNORED,
        "A backend's command names a transaction by an id that it cannot know; it was refused.",
    ),
    FlagCode.ACTION_NOT_FOR_SENDER: FlagFacts(
        _ERROR, _QUARANTINED, "The action exists, but this end may not send it."
    ),
    FlagCode.VERSION_MISMATCH: FlagFacts(
        _ERROR, _QUARANTINED, "The message belongs to another OCPP version than the connection."
    ),
    FlagCode.PAYLOAD_EMPTY: FlagFacts(
        _INFO, _DELIVERED, "The payload was null, empty or missing and was read as {}."
    ),
    FlagCode.PAYLOAD_NOT_OBJECT: FlagFacts(_ERROR, _QUARANTINED, "The payload is not an object."),
    FlagCode.RESULT_WITH_ACTION: FlagFacts(
        _WARNING, _DELIVERED, "A CALLRESULT carried the action; it was dropped."
    ),
    FlagCode.RESULT_EXTRA: FlagFacts(
        _INFO, _DELIVERED, "The answer has no fields but carried some; they were dropped."
    ),
    FlagCode.RESULT_DUMMIES: FlagFacts(
        _INFO, _DELIVERED, "A Rejected answer was filled with dummies; they were dropped."
    ),
    FlagCode.ANSWER_UNKNOWN: FlagFacts(
        _INFO,
        _IGNORED,
        "An answer to a CALL that nobody made, or that is not known any more; it is not delivered.",
    ),
    FlagCode.ANSWER_LATE: FlagFacts(
        _INFO, _IGNORED, "An answer after its CALL had timed out; it is not delivered."
    ),
    FlagCode.ERROR_TO_RESULT: FlagFacts(
        _WARNING, _IGNORED, "A CALLERROR for a CALL that was already answered; it is not delivered."
    ),
    FlagCode.ERROR_SHORT: FlagFacts(_INFO, _DELIVERED, "A CALLERROR lacked elements; empty ones were added."),
    FlagCode.ERROR_CODE_SPELLING: FlagFacts(
        _INFO, _DELIVERED, "The error code was spelt as in another version."
    ),
    FlagCode.ERROR_CODE_UNKNOWN: FlagFacts(
        _WARNING, _DELIVERED, "The error code does not exist; GenericError stands for it."
    ),
    FlagCode.ERROR_DETAILS_NOT_OBJECT: FlagFacts(
        _INFO, _DELIVERED, "The details of a CALLERROR were not an object and were wrapped."
    ),
    FlagCode.SCHEMA_VIOLATION: FlagFacts(
        _ERROR, _QUARANTINED, "The payload does not fit its schema and cannot be repaired."
    ),
    FlagCode.FIELD_MISSING: FlagFacts(_ERROR, _QUARANTINED, "A required field is missing."),
    FlagCode.FIELD_UNKNOWN: FlagFacts(
        _INFO, _DELIVERED, "A field that the schema does not have was dropped."
    ),
    FlagCode.ANSWER_FIELD_UNKNOWN: FlagFacts(
        _WARNING, _DELIVERED, "A field that the schema does not have was dropped from a backend's answer."
    ),
    FlagCode.FIELD_SPELLING: FlagFacts(_WARNING, _DELIVERED, "A field's name was misspelt and is certain."),
    FlagCode.FIELD_OLD_NAME: FlagFacts(
        _WARNING, _DELIVERED, "A field or value bore the name of another OCPP version."
    ),
    FlagCode.FIELD_SET_ASIDE: FlagFacts(
        _ERROR, _DELIVERED, "An optional field that cannot be read was left out."
    ),
    FlagCode.ERROR_CODE_ASSUMED: FlagFacts(
        _WARNING, _DELIVERED, "errorCode was missing while not Faulted; NoError is the only consistent value."
    ),
    FlagCode.NULL_OPTIONAL: FlagFacts(_INFO, _DELIVERED, "An optional field was null and was left out."),
    FlagCode.NULL_REQUIRED: FlagFacts(_ERROR, _QUARANTINED, "A required field is null."),
    FlagCode.TEXT_EMPTY: FlagFacts(_INFO, _DELIVERED, "A required descriptive text is empty."),
    FlagCode.ID_TAG_EMPTY: FlagFacts(_WARNING, _DELIVERED, "A transaction starts with an empty idTag."),
    FlagCode.REQUIRED_EMPTY: FlagFacts(_ERROR, _QUARANTINED, "A required value is empty."),
    FlagCode.EMPTY_OPTIONAL: FlagFacts(
        _INFO, _DELIVERED, "An optional value was an empty text and was left out."
    ),
    FlagCode.EMPTY_ARRAY: FlagFacts(
        _WARNING, _DELIVERED, "A list that must not be empty was empty and was left out."
    ),
    FlagCode.NOT_A_LIST: FlagFacts(
        _WARNING, _DELIVERED, "A single value stood where a list is due; it was wrapped."
    ),
    FlagCode.NUMBER_AS_TEXT: FlagFacts(
        _INFO, _DELIVERED, "A number stood where a text is due; its literal text was kept."
    ),
    FlagCode.IDENTIFIER_AS_NUMBER: FlagFacts(
        _WARNING, _DELIVERED, "An identifier was written as a number; leading zeros may be lost."
    ),
    FlagCode.TEXT_AS_NUMBER: FlagFacts(_WARNING, _DELIVERED, "A text stood where a number is due."),
    FlagCode.TEXT_NOT_NUMBER: FlagFacts(
        _ERROR, _QUARANTINED, "A text that is no number stands where a number is due."
    ),
    FlagCode.INTEGER_AS_FLOAT: FlagFacts(
        _INFO, _DELIVERED, "A whole number was written with a fraction of zero."
    ),
    FlagCode.INTEGER_WITH_FRACTION: FlagFacts(
        _ERROR, _QUARANTINED, "A fraction stands where a whole number is due; it may be another unit."
    ),
    FlagCode.NUMBER_OUT_OF_RANGE: FlagFacts(
        _ERROR, _QUARANTINED, "A number is outside what the schema allows."
    ),
    FlagCode.BOOLEAN_AS_TEXT: FlagFacts(_INFO, _DELIVERED, "A text stood where a boolean is due."),
    FlagCode.TEXT_AS_BOOLEAN: FlagFacts(_INFO, _DELIVERED, "A boolean stood where a text is due."),
    FlagCode.BOOLEAN_AS_NUMBER: FlagFacts(_INFO, _DELIVERED, "0 or 1 stood where a boolean is due."),
    FlagCode.NESTED_VALUE: FlagFacts(
        _WARNING, _DELIVERED, "A value was wrapped in an object and was taken out."
    ),
    FlagCode.DATA_STRUCTURED: FlagFacts(
        _INFO, _DELIVERED, "The data of a DataTransfer is structured in a vendor's way."
    ),
    FlagCode.VENDOR_TEXT: FlagFacts(_INFO, _DELIVERED, "A descriptive text carries data."),
    FlagCode.ENUM_SPELLING: FlagFacts(_WARNING, _DELIVERED, "A fixed word was misspelt and is certain."),
    FlagCode.ENUM_REPLACED: FlagFacts(
        _WARNING, _DELIVERED, "An unknown word was replaced by the one the standard has for that."
    ),
    FlagCode.ENUM_UNKNOWN: FlagFacts(
        _ERROR, _QUARANTINED, "A word that the field does not have, and no certain reading of it."
    ),
    FlagCode.STATUS_TRANSLATED: FlagFacts(
        _WARNING, _DELIVERED, "A connector status of OCPP 1.6 was read as Occupied."
    ),
    FlagCode.STATUS_AMBIGUOUS: FlagFacts(
        _ERROR, _QUARANTINED, "A connector status of another version with no single counterpart."
    ),
    FlagCode.TEXT_TOO_LONG: FlagFacts(
        _WARNING, _DELIVERED, "A descriptive text was too long and was cut or left out."
    ),
    FlagCode.IDENTIFIER_TOO_LONG: FlagFacts(
        _ERROR, _QUARANTINED, "An identifier is too long; identifiers are never cut."
    ),
    FlagCode.ID_TAG_CORRUPT: FlagFacts(
        _ERROR, _QUARANTINED, "An identifier holds bytes that cannot belong to it."
    ),
    FlagCode.ID_TAG_UNUSUAL: FlagFacts(_INFO, _DELIVERED, "An identifier holds unusual characters."),
    FlagCode.ID_TAG_DECORATED: FlagFacts(
        _INFO, _DELIVERED, "An identifier seems to carry more than the token."
    ),
    FlagCode.ID_TAG_PLACEHOLDER: FlagFacts(
        _INFO, _DELIVERED, "An identifier that stands for no driver: free charging, or the charger itself."
    ),
    FlagCode.SAMPLE_SET_ASIDE: FlagFacts(
        _ERROR, _DELIVERED, "A sample that cannot be read was left out; the others go on."
    ),
    FlagCode.SAMPLE_EMPTY: FlagFacts(_ERROR, _DELIVERED, "A sample has an empty value."),
    FlagCode.SAMPLE_STYLE: FlagFacts(_WARNING, _DELIVERED, "A sample was written as in OCPP 1.6."),
    FlagCode.SCHEMA_GAP: FlagFacts(
        _INFO, _DELIVERED, "A sample was left out because the schema lacks its unit in this message only."
    ),
    FlagCode.VALUE_PADDED: FlagFacts(_INFO, _DELIVERED, "Blanks around a value were cut off."),
    FlagCode.DECIMAL_COMMA: FlagFacts(
        _WARNING, _DELIVERED, "A comma stands for the decimal point, or may do so."
    ),
    FlagCode.UNIT_IN_VALUE: FlagFacts(_WARNING, _DELIVERED, "The unit stood inside the value."),
    FlagCode.UNIT_ALIAS: FlagFacts(_INFO, _DELIVERED, "The unit bore another name of the same unit."),
    FlagCode.UNIT_SPELLING: FlagFacts(_INFO, _DELIVERED, "The unit was misspelt and is certain."),
    FlagCode.UNIT_CONVERTED: FlagFacts(
        _WARNING, _DELIVERED, "The unit is not one of OCPP's; the value was converted exactly."
    ),
    FlagCode.UNIT_CLASH: FlagFacts(_WARNING, _DELIVERED, "The unit does not belong to the measurand."),
    FlagCode.UNIT_MISSING: FlagFacts(_WARNING, _DELIVERED, "A value other than energy comes without a unit."),
    FlagCode.UNIT_SUSPECT: FlagFacts(
        _WARNING, _DELIVERED, "Energy and power disagree by a factor of a thousand."
    ),
    FlagCode.MEASURAND_WITH_PHASE: FlagFacts(_WARNING, _DELIVERED, "The phase was glued to the measurand."),
    FlagCode.PHASE_UNUSUAL: FlagFacts(
        _INFO, _DELIVERED, "A phase that is legal but misleads for this measurand."
    ),
    FlagCode.TRANSACTION_SENTINEL: FlagFacts(_ERROR, _DELIVERED, "A transaction id that stands for none."),
    FlagCode.TRANSACTION_ZERO: FlagFacts(_WARNING, _DELIVERED, "Transaction 0, which may be a real one."),
    FlagCode.TRANSACTION_ZERO_STOP: FlagFacts(_ERROR, _DELIVERED, "A stop of transaction 0."),
    FlagCode.TRANSACTION_NEGATIVE: FlagFacts(_ERROR, _DELIVERED, "A negative transaction id."),
    FlagCode.TRANSACTION_UNKNOWN: FlagFacts(_WARNING, _DELIVERED, "The transaction was never issued."),
    FlagCode.RESERVATION_NONE: FlagFacts(_INFO, _DELIVERED, "A reservation id that stands for none."),
    FlagCode.CONNECTOR_ZERO: FlagFacts(_INFO, _DELIVERED, "Connector or EVSE 0 where a connector is usual."),
    FlagCode.CONNECTOR_NUMBERING: FlagFacts(_INFO, _DELIVERED, "A connector number beyond the usual count."),
    FlagCode.METER_UNKNOWN: FlagFacts(
        _WARNING, _DELIVERED, "A meter reading of -1: the meter could not be read."
    ),
    FlagCode.METER_BACKWARDS: FlagFacts(
        _WARNING, _DELIVERED, "The reading at the end is below that at the start."
    ),
    FlagCode.ERROR_WITHOUT_FAULT: FlagFacts(
        _INFO, _DELIVERED, "An error code while the status is not Faulted."
    ),
    FlagCode.SAFE_MODE: FlagFacts(_INFO, _DELIVERED, "A safe-mode notice dressed as a fault."),
    FlagCode.CONFIG_KEY_CASE: FlagFacts(
        _INFO, _DELIVERED, "A standard configuration key in other letter case."
    ),
    FlagCode.CONFIG_SECRET: FlagFacts(_WARNING, _DELIVERED, "A configuration answer carries a secret."),
    FlagCode.HEARTBEAT_FLOOD: FlagFacts(
        _WARNING, _DELIVERED, "An interval of 0 makes some chargers send heartbeats without pause."
    ),
    FlagCode.TIME_WITHOUT_ZONE: FlagFacts(
        _WARNING,
        _DELIVERED,
        "A time without a zone; one was added only where the time of receipt or the setting gives it.",
    ),
    FlagCode.TIME_SHORT_OFFSET: FlagFacts(_INFO, _DELIVERED, "The zone lacked its minutes."),
    FlagCode.TIME_SKEW: FlagFacts(
        _WARNING, _DELIVERED, "A time that contradicts the clock or an earlier message."
    ),
    FlagCode.TIME_EPOCH_ZERO: FlagFacts(
        _WARNING, _DELIVERED, "A time at the beginning of all time: the charger's clock is not set."
    ),
    FlagCode.TIME_DIGITS: FlagFacts(_INFO, _DELIVERED, "Single digits in a time were padded."),
    FlagCode.TIME_JAVA_ZONE: FlagFacts(_WARNING, _DELIVERED, "A zone name in brackets was cut off."),
    FlagCode.TIME_PLAIN_ADVISED: FlagFacts(_INFO, _DELIVERED, "A valid time that some chargers cannot read."),
    FlagCode.TIME_OLD: FlagFacts(_INFO, _DELIVERED, "A time more than a day old."),
    FlagCode.TIME_AFTER_STOP: FlagFacts(
        _INFO, _DELIVERED, "A reading dated after the end of its transaction."
    ),
    FlagCode.TIME_MISSING: FlagFacts(_ERROR, _QUARANTINED, "A required time is missing."),
    FlagCode.TIME_SPACE: FlagFacts(_INFO, _DELIVERED, "A blank stood for the T."),
    FlagCode.TIME_EPOCH: FlagFacts(
        _WARNING, _DELIVERED, "Seconds or milliseconds since 1970 stood for a time."
    ),
    FlagCode.TIME_COMMA: FlagFacts(_INFO, _DELIVERED, "A comma stood before the fraction."),
    FlagCode.TIME_DAY_FIRST: FlagFacts(
        _WARNING, _DELIVERED, "A time written with the day or month first, with one reading only."
    ),
    FlagCode.TIME_DAY_AMBIGUOUS: FlagFacts(
        _ERROR, _DELIVERED, "A time whose day and month cannot be told apart."
    ),
    FlagCode.TIME_FORMAT: FlagFacts(_INFO, _DELIVERED, "A time in another notation was rewritten."),
    FlagCode.TIME_INVALID: FlagFacts(_ERROR, _DELIVERED, "A time that does not exist or cannot be read."),
    FlagCode.TIME_EMPTY: FlagFacts(_WARNING, _DELIVERED, "An empty time."),
    FlagCode.DUPLICATE: FlagFacts(
        _WARNING, _DELIVERED, "The same start or stop came before under another message id."
    ),
    FlagCode.ORPHAN_STOP: FlagFacts(
        _ERROR, _DELIVERED, "A stop of a transaction that was never started here."
    ),
    FlagCode.LATE_STOP: FlagFacts(_INFO, _DELIVERED, "A stop that arrives days later."),
    FlagCode.METER_AFTER_STOP: FlagFacts(_INFO, _DELIVERED, "A reading after the stop of its transaction."),
    FlagCode.STALE_TRANSACTION: FlagFacts(
        _WARNING, _DELIVERED, "A reading for a transaction that ended on an earlier connection."
    ),
    FlagCode.METER_WITHOUT_TRANSACTION: FlagFacts(
        _INFO, _DELIVERED, "A reading without transaction id while one is open."
    ),
    FlagCode.METER_RESET: FlagFacts(_WARNING, _DELIVERED, "The energy register starts again."),
    FlagCode.METER_GLITCH: FlagFacts(
        _WARNING, _DELIVERED, "The energy register falls or leaps for one sample."
    ),
    FlagCode.STATIC_VALUE: FlagFacts(
        _WARNING, _DELIVERED, "The offered current does not follow the limit that was set."
    ),
    FlagCode.AVAILABLE_BEFORE_STOP: FlagFacts(
        _INFO, _DELIVERED, "The connector is reported Available before its transaction stops."
    ),
    FlagCode.STATUS_ORDER: FlagFacts(
        _INFO, _DELIVERED, "A status that does not belong inside a transaction."
    ),
    FlagCode.BEFORE_ACCEPTED: FlagFacts(_INFO, _DELIVERED, "Sent before the BootNotification was accepted."),
    FlagCode.BEFORE_BOOT: FlagFacts(_INFO, _DELIVERED, "The first message is not a BootNotification."),
    FlagCode.START_AFTER_INVALID: FlagFacts(
        _WARNING, _DELIVERED, "A transaction starts right after its driver was refused."
    ),
    FlagCode.SEQUENCE_GAP: FlagFacts(_WARNING, _DELIVERED, "A seqNo is missing, repeated or out of order."),
    FlagCode.LIST_VERSION_FELL: FlagFacts(_INFO, _DELIVERED, "The version of the local list fell."),
    FlagCode.WRONG_SCHEMA: FlagFacts(
        _WARNING, _DELIVERED, "The charger checks messages with the schema of another version."
    ),
    FlagCode.HANDSHAKE_CONNECTION_HEADER: FlagFacts(
        _WARNING, _DELIVERED, "The handshake's Connection header is not as RFC 6455 wants it."
    ),
    FlagCode.HANDSHAKE_UPGRADE_HEADER: FlagFacts(
        _WARNING, _DELIVERED, "The handshake's Upgrade header is missing or misspelt."
    ),
    FlagCode.HANDSHAKE_VERSION_HEADER: FlagFacts(
        _WARNING, _DELIVERED, "The handshake's Sec-WebSocket-Version header is missing or another."
    ),
    FlagCode.SUBPROTOCOL_MISSING: FlagFacts(
        _WARNING, _DELIVERED, "The handshake names no sub-protocol; the configured version is assumed."
    ),
    FlagCode.SUBPROTOCOL_SPELLING: FlagFacts(
        _WARNING, _DELIVERED, "The sub-protocol was misspelt and is certain."
    ),
    FlagCode.PATH_SLASHES: FlagFacts(_INFO, _DELIVERED, "The path has slashes too many."),
    FlagCode.ID_CASE: FlagFacts(
        _INFO, _DELIVERED, "The charger's id came in other letter case than it is configured in."
    ),
    FlagCode.ID_UNUSUAL: FlagFacts(_INFO, _DELIVERED, "The charger's id has unusual characters."),
    FlagCode.PATH_TAIL: FlagFacts(_INFO, _DELIVERED, "Something follows the charger's id in the path."),
    FlagCode.PATH_PROTOCOL_WORD: FlagFacts(_INFO, _DELIVERED, "A part of the path is a protocol's name."),
    FlagCode.IDENTITY_APPENDED: FlagFacts(_INFO, _DELIVERED, "The charger appended another name to its id."),
    FlagCode.RULE_APPLIED: FlagFacts(_INFO, _DELIVERED, "A rule of a pack changed the message."),
    FlagCode.ADAPTER_APPLIED: FlagFacts(_INFO, _DELIVERED, "An adapter changed the message."),
    FlagCode.DIALECT_OBSERVED: FlagFacts(
        _INFO, _DELIVERED, "A rule or adapter in observe mode would have changed this; it went on as it was."
    ),
    FlagCode.DIALECT_AMBIGUOUS: FlagFacts(
        _WARNING, _DELIVERED, "An adapter saw more than one possible repair and made none."
    ),
    FlagCode.UNIT_CORRECTED: FlagFacts(_WARNING, _DELIVERED, "A unit the brand gets wrong was corrected."),
    FlagCode.VALUE_CORRECTED: FlagFacts(_WARNING, _DELIVERED, "A value the brand gets wrong was corrected."),
    FlagCode.STATUS_MAPPED: FlagFacts(
        _WARNING, _DELIVERED, "A status of the brand's own became the standard's."
    ),
    FlagCode.FIELD_DROPPED: FlagFacts(
        _INFO, _DELIVERED, "A field that means nothing in this brand's messages was left out."
    ),
    FlagCode.ID_TAG_CORRECTED: FlagFacts(
        _WARNING, _DELIVERED, "What the brand adds to a driver's identifier was taken off."
    ),
    FlagCode.TIME_CORRECTED: FlagFacts(
        _WARNING, _DELIVERED, "A time the brand writes its own way was corrected."
    ),
    FlagCode.TRANSACTION_RESTORED: FlagFacts(
        _WARNING, _DELIVERED, "A transaction id that the charger lost was put back; only one was possible."
    ),
    FlagCode.CONFIG_KEY_TRANSLATED: FlagFacts(
        _INFO, _DELIVERED, "A configuration key was changed between the standard's name and the brand's own."
    ),
    FlagCode.CONFIG_VALUE_CORRECTED: FlagFacts(
        _INFO,
        _DELIVERED,
        "A configuration value was changed between the standard's form and the brand's own.",
    ),
    FlagCode.COMMAND_ADAPTED: FlagFacts(
        _INFO, _DELIVERED, "A message to the charger was put into the form that the brand takes."
    ),
    FlagCode.MESSAGE_SYNTHESISED: FlagFacts(
        _INFO, _DELIVERED, "A message that the brand leaves out was added; its answer ends in the gateway."
    ),
    FlagCode.MESSAGE_WITHHELD: FlagFacts(
        _INFO, _IGNORED, "An adapter held a message back; the gateway answered it, it may go on later."
    ),
    FlagCode.COMMAND_ANSWERED: FlagFacts(
        _WARNING, _IGNORED, "A command that would harm this brand did not go to it; the gateway answered."
    ),
    FlagCode.SIGNED_VALUE_KEPT: FlagFacts(
        _WARNING, _DELIVERED, "A rule or adapter would have changed a signed meter value; it was stopped."
    ),
    FlagCode.ADAPTER_FAILED: FlagFacts(
        _ERROR,
        _DELIVERED,
        "An adapter failed, took too long or returned nonsense; the message went on without it.",
    ),
    FlagCode.RULE_FAILED: FlagFacts(
        _ERROR, _DELIVERED, "A rule could not be applied; the message went on without it."
    ),
    FlagCode.COMMAND_DENIED: FlagFacts(
        _WARNING, _IGNORED, "A backend may not send this command; the gateway refused it for the charger."
    ),
    FlagCode.COMMAND_ABSORBED: FlagFacts(
        _INFO,
        _IGNORED,
        "A rule keeps this command from the charger; the gateway answered as if it were done.",
    ),
    FlagCode.COMMAND_REWRITTEN: FlagFacts(
        _INFO, _DELIVERED, "A rule changed a backend's command, or took a part of it out."
    ),
    FlagCode.COMMANDS_TOO_FAST: FlagFacts(
        _WARNING, _IGNORED, "A backend sends one charger more commands than it may; this one was refused."
    ),
    FlagCode.BACKENDS_CONFLICT: FlagFacts(
        _WARNING, _DELIVERED, "Two backends set the same thing of a charger to different values."
    ),
    FlagCode.NUMBER_REPLACED: FlagFacts(
        _INFO, _DELIVERED, "Two backends used the same number; the charger has another one for this."
    ),
}


def gravest(flags: Iterable[Flag]) -> Severity:
    """The highest severity among flags; `info` when there is none."""
    order = [_INFO, _WARNING, _ERROR]
    return max((flag.severity for flag in flags), key=order.index, default=_INFO)


def reference() -> str:
    """The reference page of all flags, as Markdown."""
    lines = [
        "# Flags",
        "",
        "What can be wrong with a message, and what follows. A flag never stands alone: it names the place,",
        "what was there and what is there now. Generated by `python -m gateway.ocpp.flags > docs/flags.md`.",
        "",
        "Where nothing was changed, `applied` is false, and `after` is what would be there: the mode is",
        "`observe`, or something else in the message has no certain repair, so that it stays as it came.",
        "",
        "Severity: `info` is odd or repaired and harmless, `warning` something a person may want to know,",
        "`error` lost, doubtful or unsafe.",
        "",
        "Consequence, of a message in which nothing worse is wrong: `delivered`, repaired or as it came;",
        "`ignored`, for there is nothing in it; `quarantined`, since no repair is certain. Of the last, a",
        "message that cannot be read is kept for a person. A CALL that can be read goes to the backend as it",
        "came; if it refuses billing data, that is kept too, and the charger hears a confirmation where",
        "there is one. Strict mode forwards nothing that the schema refuses. The consequence of a recorded",
        "flag is what really became of its message, as `verdict` in the log.",
        "",
        "| code | severity | consequence | meaning |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{code}` | {f.severity} | {f.consequence} | {f.meaning} |" for code, f in FLAGS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201
