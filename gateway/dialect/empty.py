"""The commonest answer of all, `{}`, and where it needs no reading."""

from functools import cache

from gateway.dialect.clean import check_for, clean
from gateway.dialect.hidden import hidden
from gateway.dialect.meaning import look_for
from gateway.ocpp.message import MessageType, Version


@cache
def is_clean_when_empty(version: Version, action: str) -> bool:
    """Whether `{}` is a clean answer to this action, with nothing in it to remember or to doubt."""
    check = check_for(version, action, False)
    if check is None or look_for(version, action, MessageType.CALLRESULT) is not None:
        return False
    payload = clean(check, b"{}")
    return payload is not None and not hidden(action, False, payload)
