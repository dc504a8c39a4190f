"""TLS as the settings want it, or what is wrong with the files that they name."""

import ssl

from gateway.config.settings import Backend, Listen

Fault = tuple[str, str]  # name of the setting, what is wrong and the cure

_OTHER_KEY = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}


class TlsError(Exception):
    """Files that TLS cannot use: what is wrong with each."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in faults))
        self.faults = faults


def for_chargers(listen: Listen) -> ssl.SSLContext | None:
    """TLS 1.2 and later, no renegotiation, no compression (OCPP 2.0.1 A00.FR.312, .320); None: without TLS.

    Errors: TlsError.
    """
    if listen.tls_certificate is None or listen.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    faults = _show(context, "tls_certificate", listen.tls_certificate, "tls_key", listen.tls_key)
    if faults:
        raise TlsError(faults)
    return context


def to_backend(backend: Backend) -> ssl.SSLContext | None:
    """How the backend's certificate is verified: always, unless `insecure_tls` says otherwise; None for ws://.

    Errors: TlsError.
    """
    if not backend.url.startswith("wss:"):
        return None
    faults = []
    if backend.ca_file is not None and not _has_certificate(backend.ca_file):
        faults.append(
            ("ca_file", f"{backend.ca_file} holds no certificate; give a PEM file with authorities")
        )
    context = ssl.create_default_context(cafile=None if faults else backend.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if backend.insecure_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = backend.client_certificate, backend.client_key
    if certificate is not None and key is not None:
        faults += _show(context, "client_certificate", certificate, "client_key", key)
    if faults:
        raise TlsError(faults)
    return context


def _show(context: ssl.SSLContext, certificate: str, chain: str, key: str, private: str) -> list[Fault]:
    """Let the context show the certificate; what is wrong with the two settings `certificate` and `key`."""
    asked = []

    def passphrase() -> str:
        asked.append(private)
        return ""  # OpenSSL would ask at the terminal

    try:
        context.load_cert_chain(chain, private, passphrase)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or ""
        if asked:
            return [(key, f"{private} has a passphrase; take it off: openssl pkey -in {private} -out NEW")]
        if reason in _OTHER_KEY:
            return [(key, f"{private} is not the key of {chain}; give the one that belongs to it")]
        if reason:
            return [(certificate, f"{chain} is refused: {reason.replace('_', ' ').lower()}; give another")]
        if not _has_certificate(chain):
            return [(certificate, f"{chain} holds no certificate; give a PEM file with the chain")]
        return [(key, f"{private} holds no private key; give the PEM file with the key of {chain}")]
    return []


def _has_certificate(file: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except (OSError, ValueError):
        return False
    return True
