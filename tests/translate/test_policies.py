"""What a translator does where an operator chose otherwise than the specification does."""

from base64 import b64decode, b64encode

from gateway.translate.bridge21.ocsp import status_in
from tests.translate.scenes import scene
from tests.vectors.player import play

NOW = "2025-06-01T10:00:00.000Z"

# Of `openssl ocsp`, without the certificate of who signed it: serial 0A1B is good, 0C1D revoked.
GOOD = (
    "MIIBJQoBAKCCAR4wggEaBgkrBgEFBQcwAQEEggELMIIBBzCBrqEPMA0xCzAJBgNVBAMMAkNBGA8yMDI2MTEyMTE1NTExNlow"
    "ZTBjMDswCQYFKw4DAhoFAAQUcR05dnHJ+s8iQglZJZeaBpjkaxEEFHm67f2L8gBGlv6GOlvm5y7kqzm9AgIKG4AAGA8yMDI2"
    "MTEyMTE1NTExNlqgERgPMjAyNjExMjgxNTUxMTZaoSMwITAfBgkrBgEFBQcwAQIEEgQQn7YUMzFGh+xM9Q+MvzEUrTAKBggq"
    "hkjOPQQDAgNIADBFAiATWZyzNuQjR7ZDJC1lIxQFBLQWrfEofGbMqDZvyOl9EwIhAMDGrqovXVTNlZjOPct1Wgxm9x6lDN9/"
    "Am0k7Z/Z1maQ"
)
REVOKED = (
    "MIIBOwoBAKCCATQwggEwBgkrBgEFBQcwAQEEggEhMIIBHTCBxKEPMA0xCzAJBgNVBAMMAkNBGA8yMDI2MTEyMTE1NTExNlow"
    "ezB5MDswCQYFKw4DAhoFAAQUcR05dnHJ+s8iQglZJZeaBpjkaxEEFHm67f2L8gBGlv6GOlvm5y7kqzm9AgIMHaEWGA8yMDI1"
    "MDEwMTAwMDAwMFqgAwoBARgPMjAyNjExMjExNTUxMTZaoBEYDzIwMjYxMTI4MTU1MTE2WqEjMCEwHwYJKwYBBQUHMAECBBIE"
    "EJRFRl/sCiAQACB9/bOSVeAwCgYIKoZIzj0EAwIDSAAwRQIhANQyephs7nEDjqabGAA6SAYY/fqDeFsIoJQShMSyet1sAiBA"
    "lnWyDfraXKrncL9XZdIT5wFhnRQvlokgi5WFvmqv9w=="
)
UNTIL = "2026-11-28T15:51:16Z"


def charger(id_, action, payload):
    return ("charger", [2, id_, action, payload])


def heard(id_, payload):
    return ("to charger", [3, id_, payload])


def up(id_, action, payload):
    return ("to backend", [2, id_, action, payload])


def backend(id_, payload):
    return ("backend", [3, id_, payload])


def command(id_, action, payload):
    return ("backend", [2, id_, action, payload])


def told(id_, payload):
    return ("to backend", [3, id_, payload])


def down(id_, action, payload):
    return ("to charger", [2, id_, action, payload])


def says(id_, payload):
    return ("charger", [3, id_, payload])


# ocsp_bridge


def hashes(serial):
    return {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b", "serialNumber": serial}


def wanted(serial, source="OCSP", url="http://ocsp.example"):
    return {"certificateHashData": hashes(serial), "source": source, "urls": [url]}


def found(serial, status, until=NOW, source="OCSP"):
    made = {"certificateHashData": hashes(serial), "source": source}
    return made | {"status": status, "nextUpdate": until}


def asked(serial):
    return {"ocspRequestData": hashes(serial) | {"responderURL": "http://ocsp.example"}}


def test_the_certificates_of_a_chain_are_asked_for_one_by_one():
    requests = [wanted("0A1B"), wanted("C1D"), wanted("1", "CRL"), wanted("2", url="http://" + "x" * 600)]
    statuses = [
        found("0A1B", "Good", UNTIL),
        found("C1D", "Revoked", UNTIL),
        found("1", "Failed", source="CRL"),
        found("2", "Failed"),
    ]
    play(
        scene(
            charger("c1", "GetCertificateChainStatus", {"certificateStatusRequests": requests}),
            up("g1", "GetCertificateStatus", asked("0A1B")),
            backend("g1", {"status": "Accepted", "ocspResult": GOOD}),
            up("g2", "GetCertificateStatus", asked("C1D")),
            backend("g2", {"status": "Accepted", "ocspResult": REVOKED}),
            heard("c1", {"certificateStatus": statuses}),
            direction="cs2.1-be2.0.1",
            config={"ocsp_bridge": True},
            losses=(("NOT_SUPPORTED", "certificateStatusRequests[3]"),),
        )
    )


def test_a_certificate_of_which_nothing_is_heard_is_failed():
    requests = [wanted("0A1B"), wanted("0A1B"), wanted("0A1B")]
    play(
        scene(
            charger("c1", "GetCertificateChainStatus", {"certificateStatusRequests": requests}),
            up("g1", "GetCertificateStatus", asked("0A1B")),
            backend("g1", {"status": "Failed"}),
            up("g2", "GetCertificateStatus", asked("0A1B")),
            ("backend", [4, "g2", "NotImplemented", "", {}]),
            up("g3", "GetCertificateStatus", asked("0A1B")),
            backend("g3", {"status": "Accepted", "ocspResult": REVOKED}),
            heard("c1", {"certificateStatus": [found("0A1B", "Failed")] * 3}),
            direction="cs2.1-be2.0.1",
            config={"ocsp_bridge": True},
            losses=(("PAYLOAD_INVALID", "ocspResult"),),
        )
    )


def test_what_is_no_ocsp_response_says_nothing():
    whole = b64decode(GOOD)
    assert status_in(GOOD, "a1b") == ("Good", UNTIL)
    assert status_in(GOOD, "no serial") is None
    for length in range(len(whole)):
        assert status_in(b64encode(whole[:length]).decode(), "0A1B") is None
        status_in(b64encode(whole[:length] + b"\xff" + whole[length + 1 :]).decode(), "0A1B")
