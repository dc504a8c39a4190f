"""The frame around a payload: message type, id, action and elements, brought to what OCPP-J allows."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from gateway.dialect import names
from gateway.dialect.lenient import Broken, parse
from gateway.dialect.notes import Notes
from gateway.ocpp import errors
from gateway.ocpp.actions import actions_of, known_action, may_send
from gateway.ocpp.flags import FlagCode
from gateway.ocpp.frame import MAX_ID_LENGTH
from gateway.ocpp.message import MessageType, Sender, Version
from gateway.ocpp.schema import schema
from gateway.ocpp.values import Number, dumps, quote

MAX_ALIASED_ID_LENGTH: Final = 255
_MAX_DESCRIPTION: Final = 255
_SUFFIXES: Final = ("request", "response", ".req", ".conf", "req", "conf")

MISSING: Final = object()


class Envelope(Struct, gc=False):
    """A frame taken apart. `payload` is a JSON value as `lenient` reads it; `action` is "" while unknown."""

    type: MessageType
    id: str
    action: str
    payload: object
    error_code: str = ""
    error_description: str = ""
    id_literal: bytes | None = None


class Context(Struct, frozen=True, gc=False):
    """What a frame is judged by: the connection's version, its sender, and the CALLs that wait for it."""

    version: Version
    sender: Sender
    action_of: Callable[[str], str | None]
    awaited: Callable[[], Sequence[str]]


def opened(value: object, context: Context, notes: Notes) -> Envelope | None:
    """The envelope of one frame; None with a flag when it has none that can be read."""
    if not isinstance(value, list):
        notes.add(FlagCode.NOT_AN_ARRAY)
        return None
    if len(value) < 2:
        notes.add(FlagCode.ELEMENT_MISSING)
        return None
    type_ = _type(value, context, notes)
    if type_ is None:
        return None
    if _lacks_id(type_, value, context):
        notes.add(FlagCode.ELEMENT_MISSING)
        notes.add(FlagCode.ID_EMPTY)
        return None
    id_, literal = _id(value[1], notes)
    rest = value[2:]
    match type_:
        case MessageType.CALL | MessageType.SEND:
            envelope = _call(type_, id_, rest, context, notes)
        case MessageType.CALLRESULT:
            envelope = _result(id_, rest, context, notes)
        case _:
            envelope = _error(type_, id_, rest, context, notes)
    if envelope is not None:
        envelope.id_literal = literal
    return envelope


def _type(value: list[object], context: Context, notes: Notes) -> MessageType | None:
    raw = value[0]
    text = raw.text if isinstance(raw, Number) else raw.strip() if isinstance(raw, str) else ""
    plain = text.removesuffix(".0")
    if (
        plain == "1"
        and len(value) == 4
        and isinstance(value[2], str)
        and known_action(context.version, value[2])
    ):
        plain = "2"
    if plain not in {"2", "3", "4", "5", "6"}:
        notes.add(FlagCode.MESSAGE_TYPE_UNKNOWN, before=dumps(_plain(raw)))
        return None
    if plain in "56" and context.version is not Version.V21:
        notes.add(FlagCode.MESSAGE_TYPE_NEWER, before=plain)
        return None
    if not isinstance(raw, Number) or raw.text != plain:
        notes.add(FlagCode.MESSAGE_TYPE_SPELLING, before=dumps(_plain(raw)), after=plain)
    return MessageType(int(plain))


def _plain(value: object) -> object:
    return value.text if isinstance(value, Broken) else value


def _lacks_id(type_: MessageType, value: list[object], context: Context) -> bool:
    """Whether a CALL has its action where the id belongs."""
    return (
        type_ is MessageType.CALL
        and len(value) == 3
        and isinstance(value[1], str)
        and known_action(context.version, value[1])
        and isinstance(value[2], dict)
    )


def _id(raw: object, notes: Notes) -> tuple[str, bytes | None]:
    """The id as text, and its literal when the peer wrote something else than we pass on."""
    if isinstance(raw, Number):
        notes.add(FlagCode.ID_NUMBER, before=raw.text, after=quote(raw.text))
        return raw.text, raw.text.encode()
    if not isinstance(raw, str) or raw == "":
        return "", None
    if len(raw) > MAX_ALIASED_ID_LENGTH or (notes.replaced and "\ufffd" in raw):
        return "", None
    if len(raw) > MAX_ID_LENGTH:
        notes.add(FlagCode.ID_TOO_LONG, before=quote(raw), after=quote(raw[:MAX_ID_LENGTH]))
        return raw[:MAX_ID_LENGTH], quote(raw).encode()
    return raw, None


def _call(
    type_: MessageType, id_: str, rest: list[object], context: Context, notes: Notes
) -> Envelope | None:
    if not rest:
        notes.add(FlagCode.ELEMENT_MISSING)
        return None
    if not id_:
        notes.add(FlagCode.ID_EMPTY)
        return None
    if len(rest) > 2:
        notes.add(FlagCode.ELEMENT_EXTRA)
    action = action_named(rest[0], context, notes)
    payload = rest[1] if len(rest) > 1 else MISSING
    if not action:
        name = rest[0] if isinstance(rest[0], str) else ""
        return Envelope(type_, id_, name, _unwrapped(payload, notes) if payload is not MISSING else {})
    return Envelope(type_, id_, action, object_of(payload, context.version, action, True, notes))


def action_named(raw: object, context: Context, notes: Notes) -> str:
    """The action meant by a text, "" with a flag when none is."""
    if not isinstance(raw, str):
        notes.add(FlagCode.ACTION_UNKNOWN)
        return ""
    if may_send(context.version, context.sender, raw):
        return raw
    found = _respelled(raw, actions_of(context.version, context.sender))
    if len(found) == 1:
        notes.add(FlagCode.ACTION_SPELLING, before=quote(raw), after=quote(found[0]))
        return found[0]
    if known_action(context.version, raw):
        notes.add(FlagCode.ACTION_NOT_FOR_SENDER, before=quote(raw))
        return ""
    if any(known_action(version, raw) for version in Version):
        notes.add(FlagCode.VERSION_MISMATCH, before=quote(raw))
    notes.add(FlagCode.ACTION_UNKNOWN, before=quote(raw))
    return ""


def _respelled(text: str, names: frozenset[str]) -> list[str]:
    """The actions a misspelt one may be: other case, blanks, a suffix too many."""
    squeezed = "".join(text.split()).replace("_", "").replace("-", "").lower()
    forms = {squeezed} | {squeezed.removesuffix(suffix) for suffix in _SUFFIXES}
    return [name for name in names if name.lower() in forms]


def _result(id_: str, rest: list[object], context: Context, notes: Notes) -> Envelope | None:
    if not id_:
        return _result_without_id(rest, context, notes)
    if len(rest) >= 2 and isinstance(rest[0], str) and isinstance(rest[1], dict):
        notes.add(FlagCode.RESULT_WITH_ACTION, before=quote(rest[0]))
        rest = rest[1:]
    if len(rest) > 1:
        notes.add(FlagCode.ELEMENT_EXTRA)
    action = context.action_of(id_) or ""
    payload = rest[0] if rest else MISSING
    if not action:
        notes.add(FlagCode.ANSWER_UNKNOWN)
        return Envelope(MessageType.CALLRESULT, id_, "", payload if payload is not MISSING else {})
    payload = object_of(payload, context.version, action, False, notes)
    return Envelope(MessageType.CALLRESULT, id_, action, payload)


def _result_without_id(rest: list[object], context: Context, notes: Notes) -> Envelope | None:
    """Match an answer without id to the only CALL that waits, if the payload fits that CALL's answer."""
    waiting = list(context.awaited())
    action = (context.action_of(waiting[0]) or "") if len(waiting) == 1 else ""
    node = schema(context.version, action, False) if action else None
    payload = rest[0] if rest else None
    if (
        node is None
        or not isinstance(payload, dict)
        or not node.required <= payload.keys() <= node.properties.keys()
    ):
        notes.add(FlagCode.ID_EMPTY)
        return None
    notes.add(FlagCode.ID_MATCHED, after=quote(waiting[0]))
    return Envelope(MessageType.CALLRESULT, waiting[0], action, payload)


def _error(
    type_: MessageType, id_: str, rest: list[object], context: Context, notes: Notes
) -> Envelope | None:
    if not id_:
        notes.add(FlagCode.ID_EMPTY)
        return None
    if len(rest) < 3:
        notes.add(FlagCode.ERROR_SHORT)
    if len(rest) > 3:
        notes.add(FlagCode.ELEMENT_EXTRA)
    code, description, details = (*rest, *[MISSING] * 3)[:3]
    return Envelope(
        type_,
        id_,
        context.action_of(id_) or "",
        _details(details, notes),
        _code(code, context.version, notes),
        _description(description),
    )


def _code(raw: object, version: Version, notes: Notes) -> str:
    text = raw.strip() if isinstance(raw, str) else ""
    code = errors.respelled(version, text) or _misspelt_code(text, version)
    if code is None:
        code = errors.code(version, errors.Wrong.GENERIC)
        notes.add(FlagCode.ERROR_CODE_UNKNOWN, before=quote(text), after=quote(code))
    elif code != raw:
        notes.add(FlagCode.ERROR_CODE_SPELLING, before=quote(text), after=quote(code))
    return code


def _misspelt_code(text: str, version: Version) -> str | None:
    """This version's spelling of the one error code that a misspelt one can only be."""
    every = frozenset().union(*map(errors.codes, Version))
    found = {
        errors.respelled(version, code) for code in every if names.squeezed(code) == names.squeezed(text)
    }
    return found.pop() if len(found) == 1 else None


def _description(raw: object) -> str:
    if isinstance(raw, str):
        return raw[:_MAX_DESCRIPTION]
    return "" if raw is MISSING or raw is None else dumps(_plain(raw))[:_MAX_DESCRIPTION]


def _details(raw: object, notes: Notes) -> dict[str, object]:
    if isinstance(raw, dict):
        return raw
    if raw is MISSING:
        return {}
    notes.add(FlagCode.ERROR_DETAILS_NOT_OBJECT)
    return {} if raw is None or raw in ("", []) else {"details": _plain(raw)}


def object_of(payload: object, version: Version, action: str, is_request: bool, notes: Notes) -> object:
    """The payload as an object, where what stands there can only mean one."""
    payload = _unwrapped(payload, notes)
    if isinstance(payload, dict):
        return payload
    if payload is MISSING or payload is None or payload in ([], ""):
        notes.add(FlagCode.PAYLOAD_EMPTY, after="{}")
        return {}
    notes.add(FlagCode.PAYLOAD_NOT_OBJECT)
    return payload


def _unwrapped(payload: object, notes: Notes) -> object:
    """A payload out of the text it was wrapped in."""
    if not isinstance(payload, str) or not payload.lstrip().startswith("{"):
        return payload
    values = parse(payload, notes).values
    if len(values) != 1 or not isinstance(values[0], dict):
        return payload
    notes.add(FlagCode.PAYLOAD_AS_TEXT)
    return values[0]
