"""Only the API server may speak on the aggregated listener: everybody else could write any name into X-Remote-User.

TLS has verified the chain; the process puts the certificate's common name into the ASGI scope's `tls` extension, and
this guard compares it with the names that the cluster allows. Without a list or a name it refuses every request.
"""

from typing import Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from avouch import errors
from avouch.ingest.aggregated import statuses

EXTENSION = "tls"
CLIENT_NAME = "client_common_name"


def user(request: Request) -> str:
    """Whom the API server says it asks for: believed behind the guard, to count by and to be put on record.

    The API server writes names as they are, in UTF-8; ASGI reads headers as Latin-1.
    """
    return request.headers.get("x-remote-user", "").encode("latin-1").decode(errors="replace")


class Allowed(Protocol):
    """Who may speak, as the cluster says now."""

    def allows(self, common_name: str) -> bool:
        """Whether a verified client certificate of this name is the API server's."""
        ...


class Guard:
    """ASGI middleware: 401 for everybody but the API server."""

    def __init__(self, app: ASGIApp, allowed: Allowed) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or refuse it."""
        if scope["type"] == "http" and not self._passes(scope):
            refused = errors.Unauthenticated("the client certificate is not the front proxy's")
            response = await statuses.answer(Request(scope), refused)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _passes(self, scope: Scope) -> bool:
        name = ((scope.get("extensions") or {}).get(EXTENSION) or {}).get(CLIENT_NAME)
        return isinstance(name, str) and bool(name) and self._allowed.allows(name)
