"""What a charger's handshake may look like, what is odd about it, and what is refused and why."""

import pytest

from gateway.config import Listen
from gateway.net.handshake import (
    MAX_HEADERS,
    MAX_LINE_BYTES,
    REASONS,
    Offer,
    Refusal,
    judge,
    read_head,
    registry_key,
    url_segment,
)
from gateway.ocpp.message import Version

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PLAIN = {
    "Host": "gateway",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Protocol": "ocpp1.6",
}


def head(path="/CP1", *more, **changes):
    """The head of a plain request, with headers changed or (None) left out, `_` for `-`, and lines added."""
    headers = PLAIN | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, *more]).encode("latin-1")


def offer(raw, **listen) -> Offer:
    return judge(read_head(raw), Listen(**listen))


def refusal(raw, **listen) -> Refusal:
    with pytest.raises(Refusal) as caught:
        offer(raw, **listen)
    assert caught.value.reason in REASONS
    assert caught.value.line.isprintable()
    return caught.value


def codes(accepted):
    return {flag.code.value for flag in accepted.flags}


def test_a_plain_handshake_has_nothing_to_flag():
    got = offer(head(Authorization="Basic QTpC"))
    assert got == Offer("CP1", ((Version.V16, "ocpp1.6"),), KEY, "Basic QTpC")
    assert offer(head(), handshake="strict").flags == ()


ODD = {
    "W01 no sub-protocol": (head(Sec_WebSocket_Protocol=None), "subprotocol-missing"),
    "W01 empty sub-protocol": (head(Sec_WebSocket_Protocol=" , "), "subprotocol-missing"),
    "W04 with a J": (head(Sec_WebSocket_Protocol="ocpp1.6j"), "subprotocol-spelling"),
    "W04 upper case": (head(Sec_WebSocket_Protocol="OCPP1.6"), "subprotocol-spelling"),
    "W04 no dot": (head(Sec_WebSocket_Protocol="ocpp16"), "subprotocol-spelling"),
    "W04 2.0.1 without dots": (head(Sec_WebSocket_Protocol="ocpp201"), "subprotocol-spelling"),
    "W05 slashes": (head("///CP1"), "path-slashes"),
    "W07 serial appended": (head("/CP1/SN0001"), "identity-appended"),
    "W09 blank in the id": (head("/RDAM%20123%23"), "id-unusual"),
    "W09 umlaut in the id": (head("/S%C3%A4ule"), "id-unusual"),
    "T15 49 characters": (head("/" + "A" * 49), "id-unusual"),
    "W10 query": (head("/CP1?x=1"), "path-tail"),
    "W10 ampersand": (head("/CP1&token=2"), "path-tail"),
    "W10 trailing slash": (head("/CP1/"), "path-slashes"),
    "W11 no Connection": (head(Connection=None), "handshake-connection-header"),
    "W11 keep-alive": (head(Connection="keep-alive, Upgrade"), "handshake-connection-header"),
    "W11 no Upgrade": (head(Upgrade=None), "handshake-upgrade-header"),
    "Upgrade in another case": (head(Upgrade="WebSocket"), "handshake-upgrade-header"),
    "no version": (head(Sec_WebSocket_Version=None), "handshake-version-header"),
    "a list of versions": (head(Sec_WebSocket_Version="8, 13"), "handshake-version-header"),
    "W24 protocol word": (head("/CP1/ocpp1.6"), "path-protocol-word"),
    "W24 secure protocol word": (head("/CP1/socpp1.6"), "path-protocol-word"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_oddity_with_one_reading_is_flagged_and_refused_only_in_strict_mode(case):
    raw, code = ODD[case]
    listen = {"charger_ids": ("CP1", "RDAM*", "S[!N]*", "AAA*")}
    got = offer(raw, **listen)
    assert codes(got) == {code}
    assert got.key == KEY
    refused = refusal(raw, handshake="strict", **listen)
    assert (refused.status, refused.reason) == (400, "bad-request")
    assert code in refused.line


PATHS = {
    "/CP1": "CP1",
    "///CP1": "CP1",
    "/CP1/": "CP1",
    "/CP1?a=/b": "CP1",
    "/CP1/ocpp1.6": "CP1",
    "/RDAM%20123": "RDAM 123",
    "/%20CP1%20": "CP1",
    "/CP%2D1": "CP-1",
    "/S%C3%A4ule": "Säule",
    "/CP1%2e": "CP1.",
    "/a:b@c+d=e|f*g_h-i.j": "a:b@c+d=e|f*g_h-i.j",
    "/" + "x" * 64: "x" * 64,
}


@pytest.mark.parametrize("path", PATHS)
def test_the_id_is_the_last_segment_decoded_once(path):
    assert offer(head(path)).charger_id == PATHS[path]


def test_an_appended_serial_number_does_not_hide_the_id_that_is_let_in():
    assert offer(head("/CP1/SN7"), charger_ids=("CP*",)).charger_id == "CP1"
    assert offer(head("/CP1/SN7")).charger_id == "SN7"


def test_ids_that_differ_in_case_are_let_in_alike_and_keep_their_spelling():
    assert offer(head("/cp1"), charger_ids=("CP1",)).charger_id == "CP1"  # W08
    got = offer(head("/cp1"))
    assert got.charger_id == "cp1"
    assert got.registry_key == offer(head("/CP1")).registry_key
    assert registry_key("Ａ") != registry_key("A")
    assert registry_key("é") == registry_key("e\u0301") == registry_key("É")


def test_the_path_begins_with_the_configured_one():
    assert offer(head("/ocpp/1/CP1"), path="/ocpp/1").charger_id == "CP1"
    for path in ("/CP1", "/ocpp/CP1", "/ocpp", "/OCPP/1/CP1"):
        assert refusal(head(path), path="/ocpp/1").reason == "path-unknown"


@pytest.mark.parametrize(
    "id_",
    [
        *("..%2f", "..%2Fetc", "%00", "CP1%00", "CP%0d%0aX:1", "%0a", "A" * 65, "x" * 8000, "%2e%2e", ".."),
        *(
            "%2e",
            "%ff%fe",
            "a%2fb",
            "a%5cb",
            "%253c%25",
            "%3cscript%3e",
            "%27or%27",
            "%22",
            "%60id%60",
            "%20",
        ),
        *("%e2%80%ae", "%7f", "%C2%A0%", "%c2%85", "a%09b", "%ef%bb%bf", "%f0%28%8c%28", "%25", "\\\\host"),
    ],
)
def test_an_impossible_id_is_refused(id_):
    refused = refusal(head("/" + id_))
    assert (refused.status, refused.reason) == (400, "id-not-allowed")


@pytest.mark.parametrize("id_", ["..%2f", "CP1\r\nX: y", "a b", "ä", "100%", "a/b", "a?b#c", "\u202e"])
def test_an_id_can_do_nothing_to_a_url(id_):
    segment = url_segment(id_)
    assert segment.isascii() and segment.isprintable()
    assert not set(segment) & set('/?# \r\n"<>')


def test_without_an_id_it_says_what_the_url_must_look_like():
    for path in ("/", "//", "/?x", "/ocpp1.6"):  # W06
        refused = refusal(head(path))
        assert (refused.status, refused.reason) == (404, "path-unknown")
        assert "/<charger id>" in refused.line


def test_an_id_that_is_not_on_the_list_is_refused():
    refused = refusal(head("/CP9"), charger_ids=("CP[1-5]",))
    assert (refused.status, refused.reason) == (404, "id-not-allowed")
    assert refused.line == "the charger id CP9 is not in listen.charger_ids"


# Versions


VERSIONS = {
    "ocpp2.1, ocpp2.0.1, ocpp1.6": [Version.V21, Version.V201, Version.V16],
    "ocpp1.6, ocpp2.0.1": [Version.V16, Version.V201],  # W02: the charger's order counts
    "ocpp1.6,ocpp1.6": [Version.V16],
    "soap, ocpp2.0.1": [Version.V201],
    "OCPP2.0.1": [Version.V201],
    "ocpp2.0, ocpp1.6": [Version.V16],
}


@pytest.mark.parametrize("named", VERSIONS)
def test_the_versions_are_those_both_speak_in_the_chargers_order(named):
    got = offer(head(Sec_WebSocket_Protocol=named))
    assert [version for version, _ in got.versions] == VERSIONS[named]


def test_the_charger_hears_the_very_token_it_named():
    assert offer(head(Sec_WebSocket_Protocol="Ocpp16J")).versions == ((Version.V16, "Ocpp16J"),)
    assert offer(head(Sec_WebSocket_Protocol=None), default_version=Version.V201).versions == (
        (Version.V201, ""),
    )


@pytest.mark.parametrize("named", ["ocpp1.5", "ocpp2.0", "soap", "ocpp", "ocpp1.6x", "ocpp2.0.1j"])
def test_no_common_version_is_refused_with_those_that_are_spoken(named):
    refused = refusal(head(Sec_WebSocket_Protocol=named))
    assert (refused.status, refused.reason) == (400, "no-common-subprotocol")
    assert "ocpp1.6, ocpp2.0.1, ocpp2.1" in refused.line
    assert f"offers {named};" in refused.line and refused.charger_id == "CP1"


def test_what_a_refusal_quotes_is_short_and_plain():
    line = refusal(head(Sec_WebSocket_Protocol="\xe9" + "x" * 500)).line
    assert "offers ?xxx" in line and len(line) < 200
    assert "unknown path /steve/CP1: " in refusal(head("/steve/CP1"), path="/ocpp").line
    assert "CP%2F1 must be " in refusal(head("/CP%2F1")).line


def test_only_configured_versions_are_spoken():
    assert refusal(head(), versions=(Version.V201,)).reason == "no-common-subprotocol"


DEFLATE = "permessage-deflate; client_max_window_bits"


def test_compression_is_agreed_for_the_versions_that_have_it():
    assert offer(head(Sec_WebSocket_Extensions=DEFLATE)).extension == ""
    two = head(Sec_WebSocket_Extensions=DEFLATE, Sec_WebSocket_Protocol="ocpp2.0.1")
    assert offer(two).extension.startswith("permessage-deflate; server_no_context_takeover")
    assert offer(two, compression=()).extension == ""


# Refusals


REFUSED = {
    "a web page": (head(Upgrade=None, Sec_WebSocket_Key=None), 426, "not-a-charger"),
    "a browser": (head("/CP1", "Sec-Fetch-Mode: websocket"), 403, "not-a-charger"),
    "a cookie": (head("/CP1", "Cookie: a=b"), 403, "not-a-charger"),
    "another upgrade": (head(Upgrade="h2c"), 400, "bad-request"),
    "an old version": (head(Sec_WebSocket_Version="8"), 426, "websocket-version"),
    "no key": (head(Sec_WebSocket_Key=None), 400, "bad-request"),
    "a short key": (head(Sec_WebSocket_Key="c2hvcnQ="), 400, "bad-request"),
    "a long key": (head(Sec_WebSocket_Key="QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"), 400, "bad-request"),
    "a stray character in the key": (head(Sec_WebSocket_Key=KEY[:5] + "!" + KEY[5:]), 400, "bad-request"),
    "no base64": (head(Sec_WebSocket_Key="!" * 24), 400, "bad-request"),
    "a key not in ASCII": (head(Sec_WebSocket_Key="é" * 24), 400, "bad-request"),
}


@pytest.mark.parametrize("mode", ["tolerant", "strict"])
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused(case, mode):
    raw, status, reason = REFUSED[case]
    refused = refusal(raw, handshake=mode)
    assert (refused.status, refused.reason) == (status, reason)


GOOD = head().decode()
SMUGGLED = {
    "POST": GOOD.replace("GET", "POST"),
    "CONNECT": GOOD.replace("GET /CP1", "CONNECT gateway:80"),
    "OPTIONS": GOOD.replace("GET", "OPTIONS"),
    "lower-case get": GOOD.replace("GET", "get"),
    "HTTP/1.0": GOOD.replace("HTTP/1.1", "HTTP/1.0"),
    "HTTP/2.0": GOOD.replace("HTTP/1.1", "HTTP/2.0"),
    "no version": GOOD.replace(" HTTP/1.1", ""),
    "two blanks": GOOD.replace("GET ", "GET  "),
    "tab for a blank": GOOD.replace("GET ", "GET\t"),
    "blank at the end": GOOD.replace("HTTP/1.1", "HTTP/1.1 "),
    "absolute target": GOOD.replace("/CP1", "http://other/CP1"),
    "target without slash": GOOD.replace("/CP1", "CP1"),
    "target *": GOOD.replace("/CP1", "*"),
    "target not ASCII": GOOD.replace("/CP1", "/\xe4"),
    "two requests": GOOD + "\r\n\r\n" + GOOD,
    "body length": GOOD + "\r\nContent-Length: 5",
    "signed length": GOOD + "\r\nContent-Length: +0",
    "length in hex": GOOD + "\r\nContent-Length: 0x0",
    "list of lengths": GOOD + "\r\nContent-Length: 0, 0",
    "two lengths": GOOD + "\r\nContent-Length: 0\r\nContent-Length: 0",
    "negative length": GOOD + "\r\nContent-Length: -1",
    "chunked": GOOD + "\r\nTransfer-Encoding: chunked",
    "identity": GOOD + "\r\nTransfer-Encoding: identity",
    "chunked and length": GOOD + "\r\nContent-Length: 0\r\ntransfer-encoding: Chunked",
    "two hosts": GOOD + "\r\nHost: other",
    "two upgrades": GOOD + "\r\nUpgrade: websocket",
    "two keys": GOOD + f"\r\nSec-WebSocket-Key: {KEY}",
    "two versions": GOOD + "\r\nSec-WebSocket-Version: 13",
    "two authorizations": GOOD + "\r\nAuthorization: Basic QTpC\r\nauthorization: Basic QTpD",
    "bare line feed": GOOD.replace("\r\nUpgrade", "\nUpgrade"),
    "bare carriage return": GOOD.replace("\r\nUpgrade", "\rUpgrade"),
    "carriage return twice": GOOD.replace("\r\nUpgrade", "\r\r\nUpgrade"),
    "folded line": GOOD + "\r\n folded",
    "folded with a tab": GOOD + "\r\n\tfolded: x",
    "blank before the colon": GOOD + "\r\nX-A : 1",
    "blank in a name": GOOD + "\r\nX A: 1",
    "no colon": GOOD + "\r\nnonsense",
    "no name": GOOD + "\r\n: value",
    "name not ASCII": GOOD + "\r\nX-\xe4: 1",
    "NUL in a name": GOOD + "\r\nX-\x00: 1",
    "NUL in a value": GOOD + "\r\nX: a\x00b",
    "bell in a value": GOOD + "\r\nAuthorization: Basic \x07",
    "delete in a value": GOOD + "\r\nX: \x7f",
    "header before the request": "X: y\r\n" + GOOD,
    "empty": "",
    "W12 garbled": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "W12 shifted": GOOD[7:],
}


@pytest.mark.parametrize("mode", ["tolerant", "strict"])
@pytest.mark.parametrize("case", SMUGGLED)
def test_what_two_could_read_differently_is_refused_in_both_modes(case, mode):
    refused = refusal(SMUGGLED[case].encode("latin-1"), handshake=mode)
    assert refused.status in (400, 405)
    assert refused.reason in ("bad-request", "not-a-charger")


def test_a_length_of_zero_is_no_body():
    assert offer(head("/CP1", "Content-Length: 0")).charger_id == "CP1"


def test_too_many_or_too_long_lines_are_refused():
    plain = len(head().split(b"\r\n")) - 1
    assert offer(head("/CP1", *["X: y"] * (MAX_HEADERS - plain)))
    assert refusal(head("/CP1", *["X: y"] * (MAX_HEADERS - plain + 1))).status == 431
    assert offer(head("/CP1", "X: " + "y" * (MAX_LINE_BYTES - 3)))
    assert refusal(head("/CP1", "X: " + "y" * (MAX_LINE_BYTES - 2))).status == 431


def test_header_values_lose_the_blanks_around_them_and_nothing_else():
    got = read_head(head("/CP1", "X-A:  a b\t", "x-a:c"))
    assert got.headers["x-a"] == ["a b", "c"]
    assert got.get("x-a") == "a b, c"
    assert got.get("x-b") == ""
