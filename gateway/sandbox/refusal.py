"""Why a sandbox charger could not connect, as the other end said it."""

from http import HTTPStatus

from aiohttp import ClientConnectorCertificateError, ClientConnectorError, ClientResponse

from gateway.net.explain import explain

MOST_OF_LINE = 1000


async def refuse(answer: ClientResponse) -> None:
    """Errors: ConnectionError where a handshake was refused, with the status and the line that says why."""
    if answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return
    said = await answer.content.read(MOST_OF_LINE) if answer.content_type == "text/plain" else b""
    line = said.decode(errors="replace").strip().partition("\n")[0]
    raise ConnectionError(f"{answer.status} {line or answer.reason}")


def cause_of(error: Exception) -> str:
    """What kept a charger from connecting, without the words of the library that tried."""
    match error:
        case ClientConnectorCertificateError():
            return explain(error.certificate_error) + "; --ca FILE names whom to trust"
        case ClientConnectorError():
            return explain(error.os_error)
    return explain(error)
