"""Looking into the payloads of CALLs that the gateway itself has to understand, and changing one member.

What is not changed keeps its text, so that numbers stay as they were written.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from gateway.ocpp import frame
from gateway.ocpp.message import Message
from gateway.ocpp.times import seconds

Payload = dict[str, Any]

_call = msgspec.json.Decoder(tuple[int, str, str, Raw])
_result = msgspec.json.Decoder(tuple[int, str, Raw])
_object = msgspec.json.Decoder(dict[str, Any])
_members = msgspec.json.Decoder(dict[str, Raw])

ENERGY = "Energy.Active.Import.Register"


_last: list[tuple[bytes, Payload | None]] = [(b"", None)]


def of_call(data: bytes) -> Payload | None:
    """The payload of a CALL's frame; None when it is not strict JSON with an object in its place.

    It is not to be changed: who asks for the frame that was asked for last, as all backends of a charger do
    in turn, is given the same object.
    """
    last, payload = _last[0]
    if data is not last:
        try:
            payload = _object.decode(_call.decode(data)[3])
        except (msgspec.DecodeError, RecursionError, ValueError):
            payload = None
        _last[0] = data, payload
    return payload


def of_result(data: bytes) -> Payload | None:
    """The payload of a CALLRESULT's frame; None as in `of_call`."""
    try:
        return _object.decode(_result.decode(data)[2])
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def with_member(data: bytes, path: Sequence[str], value: object) -> bytes:
    """The frame of a CALL or CALLRESULT with the member at `path` of its payload set, all else as it was.

    A CALL's payload is at the frame's fourth place, a CALLRESULT's at the third.
    """
    if frame.digit(data) == b"2":
        _, id_, action, payload = _call.decode(data)
        return frame.call(id_, action, _set(payload, path, msgspec.json.encode(value)))
    _, id_, payload = _result.decode(data)
    return frame.result(id_, _set(payload, path, msgspec.json.encode(value)))


_id = re.compile(rb'"transactionId"[ \t\r\n]*:[ \t\r\n]*(-?[0-9]+)(?=[ \t\r\n]*[,}])')


Place = tuple[int, int, int]
"""A number in a frame: itself, where its text begins and where it ends."""


def id_in(message: Message) -> Place | None:
    """The only transactionId of a message's frame, a number; None when the text leaves a doubt."""
    found = message.shape
    if found is None or found.string is not message.frame:
        return _id_in(message.frame)
    begin, end = found.span("transaction")
    return (int(found["transaction"]), begin, end) if end > begin else None


def _id_in(data: bytes) -> Place | None:
    """Where the name stands in the frame but once, and nothing is escaped, that is the place."""
    if data.count(b'"transactionId"') != 1 or b"\\" in data:
        return None
    found = _id.search(data)
    return None if found is None else (int(found[1]), *found.span(1))


def with_id(data: bytes, value: int) -> bytes:
    """The frame of a CALL whose payload has a transactionId, with another number in its place."""
    place = _id_in(data)
    return with_member(data, ("transactionId",), value) if place is None else with_other(data, place, value)


def with_other(data: bytes, place: Place, value: int) -> bytes:
    """The frame with another number in this place."""
    return b"%b%d%b" % (data[: place[1]], value, data[place[2] :])


def _set(members: Raw | bytes, path: Sequence[str], value: bytes) -> bytes:
    inside: dict[str, Raw | bytes] = dict(_members.decode(members))
    name, *rest = path
    inside[name] = _set(inside.get(name, b"{}"), rest, value) if rest else value
    return b"{%b}" % b",".join(b"%b:%b" % (frame.quoted(key), bytes(raw)) for key, raw in inside.items())


def natural_key(action: str, payload: Payload) -> str:
    """What makes a message the same one when it is sent again, whatever its id.

    StartTransaction: connector, tag, moment, meter, reservation. StopTransaction: its transaction; where
    that is not a proper id, moment, meter and tag. TransactionEvent: transaction and sequence number. Any
    other: its whole payload.
    """
    parts: tuple[object, ...]
    match action:
        case "StartTransaction":
            moment = _moment(payload.get("timestamp"))
            tag = str(payload.get("idTag", "")).casefold()
            known = ("connectorId", "meterStart", "reservationId")
            parts = (tag, moment, *(payload.get(name) for name in known))
        case "StopTransaction":
            id_ = payload.get("transactionId")
            if isinstance(id_, int) and id_ > 0:
                parts = (id_,)
            else:
                parts = (_moment(payload.get("timestamp")), payload.get("meterStop"), payload.get("idTag"))
        case "TransactionEvent":
            parts = (str(transaction_of(action, payload)).casefold(), payload.get("seqNo"))
        case _:
            parts = (digest(payload),)
    return digest([action, *parts])


def digest(value: object) -> str:
    """A short fingerprint of a JSON value; the order of an object's members does not matter."""
    text = msgspec.json.encode(value, order="deterministic")
    return hashlib.blake2b(text, digest_size=9).hexdigest()


def _moment(value: object) -> object:
    """A timestamp as a moment, so that another way to write it is no difference."""
    if not isinstance(value, str):
        return value
    when = seconds(value)
    return value if when is None else when


def transaction_of(action: str, payload: Payload) -> int | str | None:
    """The id of the transaction that a charger's CALL belongs to, None for none."""
    if action == "TransactionEvent":
        info = payload.get("transactionInfo")
        id_ = info.get("transactionId") if isinstance(info, dict) else None
    else:
        id_ = payload.get("transactionId")
    return id_ if isinstance(id_, int | str) and not isinstance(id_, bool) else None


def tag_of(payload: Payload) -> str:
    """The driver's identification in a charger's CALL: `idTag` of 1.6, `idToken.idToken` of 2.x; or ""."""
    token = payload.get("idTag", payload.get("idToken"))
    if isinstance(token, dict):
        token = token.get("idToken")
    return token if isinstance(token, str) else ""


def energy_wh(action: str, payload: Payload) -> float | None:
    """The last energy register reading in a charger's CALL, in Wh; None when it has none."""
    for name in ("meterStop", "meterStart"):
        value = payload.get(name)
        if isinstance(value, int | float):
            return float(value)
    found = None
    for sample in _samples(payload):
        if sample.get("measurand", ENERGY) == ENERGY and "phase" not in sample:
            value = _number(sample.get("value"))
            found = value * _scale(sample) if value is not None else found
    return found


def is_signed(payload: Payload) -> bool:
    """Whether a payload has signed meter values, which nobody may write anew."""
    return any("signedMeterValue" in sample for sample in _samples(payload))


def marked_offline(data: bytes, payload: Payload) -> bytes:
    """A TransactionEvent as it is sent later (OCPP 2.0.1 E04.FR.03, E12); a signed one stays as it is."""
    if payload.get("offline") is True or is_signed(payload):
        return data
    return with_member(data, ("offline",), True)


def _samples(payload: Payload) -> list[dict[str, Any]]:
    values = payload.get("meterValue")
    return [
        sample
        for value in (values if isinstance(values, list) else [])
        if isinstance(value, dict)
        for sample in (value.get("sampledValue") or [])
        if isinstance(sample, dict)
    ]


def _scale(sample: dict[str, Any]) -> float:
    unit = sample.get("unit")
    multiplier = 0
    if isinstance(described := sample.get("unitOfMeasure"), dict):
        unit, multiplier = described.get("unit"), described.get("multiplier", 0)
    power = multiplier if isinstance(multiplier, int) and abs(multiplier) < 10 else 0
    return float(10**power) * (1000.0 if unit == "kWh" else 1.0)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) and len(value) < 32 else None
    except ValueError:
        return None
