"""The list of tokens a charger keeps."""

from typing import Final

from gateway.translate.charger16_backend201.common import because, configured, not_supported, refusal
from gateway.translate.engine import CHARGER, Ask, Engine, How, Outcome, Rules, Steps
from gateway.translate.losses import Loss
from gateway.translate.memory import LocalList
from gateway.translate.port import BackendCall, Payload, Refused, Severity
from gateway.translate.tokens import id_tag_info, tag_of

rules = Rules()

_ENTRIES: Final = "localAuthorizationList"


@rules.backend_call(
    "SendLocalList",
    How.TRANSLATED,
    "SendLocalList",
    Loss.TOKEN_ALIASED,
    Loss.ENUM_NARROWED,
    Loss.FIELD_DROPPED,
    Loss.VALUE_TOO_LONG,
    Loss.NOT_SUPPORTED,
)
def send_local_list(t: Engine, call: BackendCall) -> Outcome | Steps:
    """A new list, or changes to it. It is never split: a part would be another version."""
    entries = call.payload.get(_ENTRIES, [])
    limit = configured(t, "SendLocalListMaxLength") or ""
    if limit.isdecimal() and len(entries) > int(limit[:9]):
        t.lose(Loss.VALUE_TOO_LONG, _ENTRIES, str(len(entries)))
        return because("Failed", "TooManyElements")
    return _send(t, call.payload, entries)


def _send(t: Engine, asked: Payload, entries: list[Payload]) -> Steps:
    payload = {"listVersion": asked["versionNumber"], "updateType": asked["updateType"]}
    if _ENTRIES in asked:
        payload[_ENTRIES] = _entries(t, entries, asked["updateType"])
    answer = yield Ask(CHARGER, "SendLocalList", payload)
    if not isinstance(answer, dict):
        return refusal(t, "SendLocalList", answer, "Failed")
    if answer["status"] == "NotSupported":
        return not_supported(t, "SendLocalList", status="Failed")
    if answer["status"] == "Accepted":
        empty = asked["updateType"] == "Full" and not payload.get(_ENTRIES)
        t.memory.local_list = LocalList(asked["versionNumber"], empty)
    return {"status": answer["status"]}


def _entries(t: Engine, entries: list[Payload], kind: str) -> list[Payload]:
    made = []
    for index, entry in enumerate(entries):
        place = f"{_ENTRIES}[{index}]"
        if "idTokenInfo" not in entry and kind == "Full":
            t.lose(Loss.FIELD_DROPPED, place)
            continue
        item: Payload = {"idTag": tag_of(t, entry["idToken"], f"{place}.idToken")}
        if "idTokenInfo" in entry:
            item["idTagInfo"] = id_tag_info(t, entry["idTokenInfo"], f"{place}.idTokenInfo", Severity.INFO)
        made.append(item)
    return made


@rules.backend_call("GetLocalListVersion", How.TRANSLATED, "GetLocalListVersion", stateless=True)
def local_list_version(t: Engine, call: BackendCall) -> Steps:
    """The version: 2.0.1 says 0 for no list at all, and keeps the version of one that was emptied."""
    answer = yield Ask(CHARGER, "GetLocalListVersion", {})
    if not isinstance(answer, dict):
        refused = refusal(t, "GetLocalListVersion", answer)
        return refused if isinstance(refused, Refused) else {"versionNumber": 0}
    version, known = answer["listVersion"], t.memory.local_list
    if version == 0 and known is not None and known.empty:
        version = known.version
    return {"versionNumber": max(version, 0)}
