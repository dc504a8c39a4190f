"""What can get lost in translation: a closed list of codes, each with its meaning and usual severity."""

from enum import StrEnum
from typing import Final

from gateway.translate.port import Lost, Severity

INFO, WARN, ERROR, BILLING = Severity.INFO, Severity.WARN, Severity.ERROR, Severity.BILLING


class Loss(StrEnum):
    """The name of one kind of loss."""

    FIELD_DROPPED = "FIELD_DROPPED"
    STATUSINFO_DROPPED = "STATUSINFO_DROPPED"
    VALUE_TRUNCATED = "VALUE_TRUNCATED"
    VALUE_ROUNDED = "VALUE_ROUNDED"
    VALUE_TOO_LONG = "VALUE_TOO_LONG"
    ENUM_NARROWED = "ENUM_NARROWED"
    SYNTHESIZED = "SYNTHESIZED"
    TIMESTAMP_TZ = "TIMESTAMP_TZ"
    TOLERATED = "TOLERATED"
    PAYLOAD_INVALID = "PAYLOAD_INVALID"
    MEASURAND_DROPPED = "MEASURAND_DROPPED"
    UNIT_DROPPED = "UNIT_DROPPED"
    SAMPLE_UNPARSABLE = "SAMPLE_UNPARSABLE"
    SIGNED_WITHOUT_RAW = "SIGNED_WITHOUT_RAW"
    TOKEN_ALIASED = "TOKEN_ALIASED"
    SYN_IDTAGINFO = "SYN_IDTAGINFO"
    UNKNOWN_TX = "UNKNOWN_TX"
    ORPHAN_STOP = "ORPHAN_STOP"
    TX_STATE_LOST = "TX_STATE_LOST"
    TX_OVERLAP = "TX_OVERLAP"
    TX_OPEN_ON_AVAILABLE = "TX_OPEN_ON_AVAILABLE"
    BACKEND_TXID_SUSPECT = "BACKEND_TXID_SUSPECT"
    DUPLICATE = "DUPLICATE"
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE"
    CONFLICT = "CONFLICT"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    LATE_METERVALUES = "LATE_METERVALUES"
    LATE_END = "LATE_END"
    ENERGY_AFTER_STOP = "ENERGY_AFTER_STOP"
    METER_START_UNKNOWN = "METER_START_UNKNOWN"
    METER_STOP_ESTIMATED = "METER_STOP_ESTIMATED"
    METER_MISMATCH = "METER_MISMATCH"
    LATE_REJECT = "LATE_REJECT"
    LATE_REJECT_NOT_ENFORCED = "LATE_REJECT_NOT_ENFORCED"
    OFFLINE_FLAG_LOST = "OFFLINE_FLAG_LOST"
    STATUS_COLLAPSED = "STATUS_COLLAPSED"
    BACKEND_ERROR = "BACKEND_ERROR"
    PEER_INCOMPLETE = "PEER_INCOMPLETE"
    PARTIAL = "PARTIAL"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    LOCAL_STATE = "LOCAL_STATE"
    LEG_SCOPED = "LEG_SCOPED"
    KEY_UNREACHABLE = "KEY_UNREACHABLE"
    TOPOLOGY_EXTENDED = "TOPOLOGY_EXTENDED"
    FRAME_DROPPED = "FRAME_DROPPED"


LOSSES: Final[dict[Loss, tuple[Severity, str]]] = {
    Loss.FIELD_DROPPED: (INFO, "A member has no place in the other version."),
    Loss.STATUSINFO_DROPPED: (INFO, "The reason a peer gave has no place in 1.6."),
    Loss.VALUE_TRUNCATED: (INFO, "A text was cut to what the other version holds."),
    Loss.VALUE_ROUNDED: (INFO, "A number was rounded to what the other version holds."),
    Loss.VALUE_TOO_LONG: (WARN, "A value was refused, for it is longer than the other version holds."),
    Loss.ENUM_NARROWED: (INFO, "Several values of one version are one in the other."),
    Loss.SYNTHESIZED: (INFO, "A value or message was made that no peer sent."),
    Loss.TIMESTAMP_TZ: (INFO, "A timestamp without zone was taken for UTC."),
    Loss.TOLERATED: (INFO, "Something irregular was accepted."),
    Loss.PAYLOAD_INVALID: (WARN, "A payload, or a part of it, does not fit its version and could not go on."),
    Loss.MEASURAND_DROPPED: (INFO, "The other version has no such measurand; the sample was left out."),
    Loss.UNIT_DROPPED: (INFO, "The other version has no such unit."),
    Loss.SAMPLE_UNPARSABLE: (WARN, "A sample's value is not a number; the sample was left out."),
    Loss.SIGNED_WITHOUT_RAW: (WARN, "A signed value came without its plain one; 0 stands for it."),
    Loss.TOKEN_ALIASED: (INFO, "A token longer than 20 characters goes by an alias."),
    Loss.SYN_IDTAGINFO: (WARN, "The backend left out its authorisation; the last known one stands for it."),
    Loss.UNKNOWN_TX: (WARN, "A transaction id is not known."),
    Loss.ORPHAN_STOP: (BILLING, "The end of a transaction came whose start nobody knows."),
    Loss.TX_STATE_LOST: (BILLING, "An event came for a transaction that nobody knows."),
    Loss.TX_OVERLAP: (WARN, "A transaction began while an older one was open on the same connector."),
    Loss.TX_OPEN_ON_AVAILABLE: (WARN, "A connector is available while its transaction has no end."),
    Loss.BACKEND_TXID_SUSPECT: (
        WARN,
        "The backend gave a transaction id that cannot be told from another's.",
    ),
    Loss.DUPLICATE: (INFO, "A repeated message heard the answer it had."),
    Loss.POSSIBLE_DUPLICATE: (BILLING, "A message went out again whose first answer is not known."),
    Loss.CONFLICT: (BILLING, "The end of a transaction came twice with different content."),
    Loss.OUT_OF_ORDER: (WARN, "An event came after a later one."),
    Loss.LATE_METERVALUES: (WARN, "Readings of an ended transaction went on without it."),
    Loss.LATE_END: (WARN, "A transaction ended after it had been stopped in the other version."),
    Loss.ENERGY_AFTER_STOP: (BILLING, "Energy flowed after the transaction had been stopped."),
    Loss.METER_START_UNKNOWN: (BILLING, "The meter's value at the start was not told."),
    Loss.METER_STOP_ESTIMATED: (
        BILLING,
        "The meter's value at the end was not told; the last one stands for it.",
    ),
    Loss.METER_MISMATCH: (BILLING, "meterStop and the reading at the end differ."),
    Loss.LATE_REJECT: (
        BILLING,
        "The backend refused a transaction that the charger had been told to accept.",
    ),
    Loss.LATE_REJECT_NOT_ENFORCED: (
        BILLING,
        "The charger would not stop a transaction that was refused late.",
    ),
    Loss.OFFLINE_FLAG_LOST: (INFO, "1.6 cannot say that an event happened offline."),
    Loss.STATUS_COLLAPSED: (INFO, "Of several statuses only the last went on."),
    Loss.BACKEND_ERROR: (WARN, "The backend answered with an error."),
    Loss.PEER_INCOMPLETE: (WARN, "A peer answered less than it was asked."),
    Loss.PARTIAL: (WARN, "A step of several failed; the earlier ones stand."),
    Loss.NOT_SUPPORTED: (INFO, "The other version has no such thing."),
    Loss.LOCAL_STATE: (INFO, "The gateway answered from what it knows."),
    Loss.LEG_SCOPED: (INFO, "A setting of one link stays on that link."),
    Loss.KEY_UNREACHABLE: (INFO, "A variable's name is too long for a key of 1.6."),
    Loss.TOPOLOGY_EXTENDED: (INFO, "A connector that was not known got a place."),
    Loss.FRAME_DROPPED: (INFO, "A message of 2.1 without answer ended here."),
}


def lost(
    code: Loss, path: str = "", value: str = "", became: str = "", severity: Severity | None = None
) -> Lost:
    """The record of a loss; its usual severity unless another is given."""
    return Lost(code.value, severity or LOSSES[code][0], path, value, became)
