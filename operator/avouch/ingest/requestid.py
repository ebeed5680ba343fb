"""Every request has an id, in its answer's `X-Request-Id` and in every log line about it.

A client's own id is kept only where it is short and plain: whatever it sends ends in our logs.
"""

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
_KEY = "avouch.request_id"
_PLAIN = re.compile(r"[0-9A-Za-z][-0-9A-Za-z_.]{0,63}", re.ASCII)


def of(scope: Scope) -> str:
    """The id of this request; empty outside the middleware."""
    return str(scope.get(_KEY, ""))


class RequestIds:
    """ASGI middleware: gives each request its id and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(HEADER, "")
        given = offered if _PLAIN.fullmatch(offered) else str(uuid.uuid4())
        scope[_KEY] = given

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = given
            await send(message)

        await self._app(scope, receive, with_id)
