"""A socket for one evaluation: through it the library's `http.send` asks us to make a request.

OPA's process reaches no other machine. What a script asks for comes here as data, and what we decided is kept: a
request that is refused fails the evaluation, whatever the script makes of it.
"""

import asyncio
import contextlib
import functools
import json
import ssl
import time
import urllib.parse
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from avouch import errors
from avouch.opa import sending
from avouch.policy import rego

REQUESTS = 50  # of one evaluation
_MOST = sending.MIB  # bytes of what a script asks for
_SPARE = 1.0  # seconds that a script has at least to make something of the last answer
_NETWORK_ERROR = "eval_http_send_network_error"  # as OPA says it

SOURCE = f"""\
package {rego.LIBRARY}.http

send(request) := object.union(said.answer, {{"body": decoded(said)}}) if {{
    said := asked(request)
    said.answer
}}

send(request) := said.failed if {{
    said := asked(request)
    said.failed
}}

asked(request) := http.send({{
    "method": "POST",
    "url": data.avouch.gateway,
    "raw_body": json.marshal(request),
    "timeout": "10m",
    "force_json_decode": true,
}}).body

default decoded(_) := null

decoded(said) := json.unmarshal(said.answer.raw_body) if {{
    said.decode == "json"
    json.is_valid(said.answer.raw_body)
}}

decoded(said) := yaml.unmarshal(said.answer.raw_body) if {{
    said.decode == "yaml"
    yaml.is_valid(said.answer.raw_body)
}}
"""
"""What takes the place of `http.send` in scripts. `data.avouch.gateway` is the socket, for the time of a question."""

DECLARED = f"package {rego.LIBRARY}.http\n\nsend(request) := request\n"
"""What a compiler has to know of it."""


class Gateway:
    """What was asked through one socket, and what was refused."""

    def __init__(self, socket: str, reach: sending.Reach, seconds: float) -> None:
        """`seconds`: for all requests together."""
        self.url = f"unix://localhost/?socket={urllib.parse.quote(socket, safe='')}"
        self._reach = reach
        self._until = time.monotonic() + seconds - _SPARE
        self._asked = 0
        self._refused: errors.AvouchError | None = None
        self._exchanges: set[asyncio.Task[Any]] = set()

    def check(self) -> None:
        """Raise what was refused: errors.Invalid, whatever it was."""
        if self._refused is not None:
            raise errors.Invalid(str(self._refused)) from self._refused

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of OPA's, which closes the connection after it."""
        task = asyncio.current_task()
        if task is not None:  # asyncio's handlers are tasks
            self._exchanges.add(task)
            task.add_done_callback(self._exchanges.discard)
        try:
            answer = json.dumps(await self._said(await _content(reader))).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            self._refuse(errors.Invalid(f"http.send: the engine hung up ({type(exc).__name__})"))
        finally:
            writer.close()

    async def close(self) -> None:
        """Leave what is not answered yet."""
        left = list(self._exchanges)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _said(self, content: bytes) -> dict[str, Any]:
        self._asked += 1
        try:
            if self._asked > REQUESTS:
                raise errors.TooLarge(f"http.send: more than {REQUESTS} requests of one evaluation")
            request = sending.read(_parsed(content), self._reach)
        except errors.AvouchError as exc:
            return self._refuse(exc)
        remaining = self._until - time.monotonic()
        request = sending.within(request, max(remaining, 0.0))
        try:
            return await sending.send(request, self._reach, _tls)
        except errors.Unavailable as exc:
            if request.raises:
                return self._refuse(errors.Invalid(f"http.send: {exc.args[0]}"))
            return {"failed": {"status_code": 0, "error": {"code": _NETWORK_ERROR, "message": str(exc.args[0])}}}
        except errors.AvouchError as exc:
            return self._refuse(exc)

    def _refuse(self, exc: errors.AvouchError) -> dict[str, Any]:
        self._refused = self._refused or exc
        return {}


@contextlib.asynccontextmanager
async def opened(folder: str, reach: sending.Reach, seconds: float) -> AsyncIterator[Gateway]:
    """A socket in a folder that nobody else may enter, for one evaluation of so many seconds."""
    path = str(Path(folder) / f"{uuid.uuid4().hex[:8]}.sock")  # macOS takes no more than 103 bytes
    made = Gateway(path, reach, seconds)
    server = await asyncio.start_unix_server(made.exchange, path, limit=16 * 1024)
    try:
        yield made
    finally:
        server.close()
        await made.close()
        await server.wait_closed()
        Path(path).unlink(missing_ok=True)


async def _content(reader: asyncio.StreamReader) -> bytes:
    """What the library sent; b"" where that is too much. It is OPA that sends: it says how long that is."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    size = int(fields.get(b"content-length", b"0"))
    return await reader.readexactly(size) if size <= _MOST else b""


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as exc:
        fix = f"ask with less than {_MOST // sending.MIB} MiB"
        raise errors.Invalid("http.send: the request cannot be read", fix=fix) from exc


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
