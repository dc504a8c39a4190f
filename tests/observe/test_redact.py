import json

import pytest

from gateway.observe.redact import is_secret, redacted

CANARY = "c4naryS3cret"
CHANGE = {"key": "AuthorizationKey", "value": CANARY}
SET = {
    "setVariableData": [
        {
            "attributeValue": CANARY,
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
        }
    ]
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CHANGE),
        json.dumps(CHANGE, separators=(",", ":")),
        json.dumps([2, "1", "ChangeConfiguration", CHANGE]),
        json.dumps({"value": CANARY, "key": "authorizationkey"}),
        json.dumps(json.dumps(CHANGE)),
        json.dumps(json.dumps(json.dumps(SET))),
        json.dumps(SET),
        repr(SET),
        repr(json.dumps(SET).encode()),
        json.dumps(CHANGE)[:-3],
        f"AuthorizationKey={CANARY}",
        f"BasicAuthPassword: {CANARY}",
        f'{{"BasicAuthPassword": "{CANARY}"}}',
        f"Authorization: Basic {CANARY}",
        f"authorization: {CANARY}",
        f"{{'Authorization': 'Basic {CANARY}'}}",
        f"[(b'Authorization', b'Bearer {CANARY}')]",
        f"GET / HTTP/1.1\r\nAuthorization: Bearer {CANARY}\r\nHost: x\r\n",
        f"proxy said no to Basic {CANARY}",
        f"cannot reach wss://user:{CANARY}@cpms.example/ocpp",
        f"cannot reach wss://user:p@{CANARY}@cpms.example/ocpp",
        f"wss:\\/\\/{CANARY}@cpms.example",
    ],
)
def test_a_secret_does_not_show(text):
    assert CANARY not in redacted(text, 4096)


def test_a_secret_does_not_show_when_its_name_is_beyond_the_cut():
    text = json.dumps(
        {"attributeValue": CANARY, "padding": "x" * 5000, "variable": {"name": "BasicAuthPassword"}}
    )
    assert CANARY not in redacted(text, 1000)


@pytest.mark.parametrize(
    "text",
    [
        "basic authentication failed",
        "the bearer of this",
        "authorization of CP1 refused",
        '[2,"1","Authorize",{"idTag":"ABC"}]',
        '{"key":"HeartbeatInterval","value":"300"}',
        "https://example.org/a@b",
        "mail to a@b.example",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert redacted(text, 4096) == text


def test_what_surrounds_a_secret_stays():
    assert redacted(json.dumps(CHANGE), 4096) == '{"key": "AuthorizationKey", "value": "***"}'
    assert redacted("wss://u:p@cpms.example/x failed", 100) == "wss://***@cpms.example/x failed"


@pytest.mark.parametrize(
    "name", ["Authorization", "admin_token", "password", "client_secret", "AuthorizationKey"]
)
def test_fields_with_a_telling_name_are_secret(name):
    assert is_secret(name)


def test_fields_with_other_names_are_not():
    assert not any(map(is_secret, ("charger", "action", "authorization_status", "tokens_seen")))


@pytest.mark.parametrize("piece", ["\\", "a", "@", "://", "'", "basic ", "authorization:", '"value":', "aA"])
def test_no_text_takes_long(piece):
    """Linear time: a text of a million characters is cut first; what remains must not explode."""
    import time

    text = piece * (1_000_000 // len(piece)) + "authorizationkey"
    before = time.process_time()
    redacted(text, 4096)
    assert time.process_time() - before < 2
