"""What a message says, held against the clock, the standard and what the charger said before.

The schema is not concerned with any of this: every finding is a flag and the message goes on. One
function per action, because each is short and the common ones must cost next to nothing.
"""

from gateway.dialect import meaning_2x, meaning_16
from gateway.dialect.judge import Look
from gateway.ocpp.message import MessageType, Version


def look_for(version: Version, action: str, type_: MessageType) -> Look | None:
    """The function that looks at this kind of message, None when there is nothing to see."""
    is_call = type_ is not MessageType.CALLRESULT
    if version is Version.V16:
        return (meaning_16.CALLS if is_call else meaning_16.ANSWERS).get(action)
    return (meaning_2x.CALLS if is_call else meaning_2x.ANSWERS).get(action)
