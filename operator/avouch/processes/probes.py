"""/healthz, /readyz and /metrics on a plain port of their own, for processes that serve nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

_LONGEST = 8192  # bytes of a request's head
_PATIENCE = 5.0  # seconds for a client to say what it wants


@dataclass(frozen=True, slots=True)
class Probes:
    """Answers probes and scrapes. Each question is a plain function, so that an answer costs no I/O."""

    alive: Callable[[], bool]
    ready: Callable[[], bool]
    figures: Callable[[], Mapping[str, float]]

    def answer(self, path: str) -> tuple[int, str]:
        """Status code and body."""
        if path == "/metrics":
            return 200, "".join(f"{name} {value:g}\n" for name, value in sorted(self.figures().items()))
        if path not in ("/healthz", "/readyz"):
            return 404, "try /healthz, /readyz or /metrics\n"
        good = self.alive() if path == "/healthz" else self.ready()
        return (200, "ok\n") if good else (503, "not now\n")

    @contextlib.asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Listen on all addresses; port 0 listens nowhere."""
        if not port:
            yield
            return
        server = await asyncio.start_server(self._talk, None, port, limit=_LONGEST)
        async with server:
            yield

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].split(b"?")[0].decode("latin-1") if head.count(b" ") >= 2 else "/"
                code, body = self.answer(path)
                kind = "text/plain; version=0.0.4; charset=utf-8"
                writer.write(
                    f"HTTP/1.1 {code} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n"
                    f"Connection: close\r\n\r\n{body}".encode()
                )
                await writer.drain()
        writer.close()
