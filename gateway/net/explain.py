"""Why a connection could not be opened, in words for people."""

import ssl


def explain(error: BaseException) -> str:
    """What kept a link from opening, for an operator."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS fails: {error.reason}"
        case TimeoutError():
            return "it does not answer in time"
        case ConnectionRefusedError():
            return "it refuses connections"
        case OSError():
            return error.strerror or str(error)
        case _:
            return str(error)
