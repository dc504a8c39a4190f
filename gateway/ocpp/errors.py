"""The error codes of CALLERROR, per version, and which one fits which kind of wrong.

OCPP-J 1.6 §4.2.3 and OCPP 2.0.1 part 4 §4.3 spell two of them differently: 1.6 says
`FormationViolation` where 2.x says `FormatViolation`, and the second r of `OccurrenceConstraintViolation`
came only with 2.1.
"""

from enum import Enum
from typing import Final

from gateway.ocpp.message import Version


class Wrong(Enum):
    """A kind of wrong that a CALL can be refused for."""

    FRAME = "the envelope cannot be read"
    SYNTAX = "the payload is not JSON that fits the action's structure"
    MESSAGE_TYPE = "the message type is not known"
    ACTION_UNKNOWN = "the action does not exist"
    ACTION_UNSUPPORTED = "the action exists but is not for the receiver"
    PROPERTY = "a value is outside what the field allows"
    OCCURRENCE = "a field is missing, or there are too few or too many"
    TYPE = "a field has the wrong data type"
    INTERNAL = "the receiver could not process the request"
    GENERIC = "anything else"


UNREADABLE_ID: Final = "-1"
"""The message id of a CALLERROR when the id could not be read (OCPP 2.0.1 part 4 §4.2.3)."""

_COMMON: Final = {
    Wrong.ACTION_UNKNOWN: "NotImplemented",
    Wrong.ACTION_UNSUPPORTED: "NotSupported",
    Wrong.PROPERTY: "PropertyConstraintViolation",
    Wrong.TYPE: "TypeConstraintViolation",
    Wrong.INTERNAL: "InternalError",
    Wrong.GENERIC: "GenericError",
}
_ONE_R: Final = "OccurenceConstraintViolation"
_TWO_R: Final = "OccurrenceConstraintViolation"

_CODE_OF: Final[dict[Version, dict[Wrong, str]]] = {
    Version.V16: _COMMON
    | {
        Wrong.FRAME: "FormationViolation",
        Wrong.SYNTAX: "FormationViolation",
        Wrong.MESSAGE_TYPE: "ProtocolError",
        Wrong.OCCURRENCE: _ONE_R,
    },
    Version.V201: _COMMON
    | {
        Wrong.FRAME: "RpcFrameworkError",
        Wrong.SYNTAX: "FormatViolation",
        Wrong.MESSAGE_TYPE: "MessageTypeNotSupported",
        Wrong.OCCURRENCE: _ONE_R,
    },
    Version.V21: _COMMON
    | {
        Wrong.FRAME: "RpcFrameworkError",
        Wrong.SYNTAX: "FormatViolation",
        Wrong.MESSAGE_TYPE: "MessageTypeNotSupported",
        Wrong.OCCURRENCE: _TWO_R,
    },
}

_CODES: Final[dict[Version, frozenset[str]]] = {
    version: frozenset(codes.values()) | {"ProtocolError", "SecurityError"}
    for version, codes in _CODE_OF.items()
}


def code(version: Version, wrong: Wrong) -> str:
    """The error code of this version for this kind of wrong."""
    return _CODE_OF[version][wrong]


def codes(version: Version) -> frozenset[str]:
    """Every error code this version defines."""
    return _CODES[version]


def respelled(version: Version, text: str) -> str | None:
    """This version's spelling of an error code of any version, None when it has no such code."""
    if text in _CODES[version]:
        return text
    for kind in (Wrong.SYNTAX, Wrong.OCCURRENCE):
        if any(text == table[kind] for table in _CODE_OF.values()):
            return _CODE_OF[version][kind]
    return None


def unreadable_id(version: Version) -> str | None:
    """The id to put in a CALLERROR to a frame whose id cannot be read; None where none may be sent."""
    return None if version is Version.V16 else UNREADABLE_ID
