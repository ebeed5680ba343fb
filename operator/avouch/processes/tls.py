"""TLS in front of the trial PostgreSQL, whose wheel is built without it ("SSL is not supported by this build").

Both of its servers (16 and 18, version 0.6.0 of the wheel) lack `--with-ssl`. Delete this when the wheel has it.

Handles only the negotiation (PostgreSQL protocol 3.0, SSLRequest and GSSENCRequest) and then copies bytes to the Unix
socket; scram stays between client and server. A client that does not ask for TLS is refused.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Coroutine
from pathlib import Path

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_GSS_REQUEST = struct.pack("!ii", 8, 80877104)
_HANDSHAKE_SECONDS = 10
_PIECE = 64 * 1024
_REFUSAL = b"SFATAL\0VFATAL\0C28000\0Mthis server speaks TLS only: set sslmode=verify-full\0\0"


async def listen(address: tuple[str, int], context: ssl.SSLContext, target: Path) -> None:
    """Accept until cancelled. Each connection is independent: an error in one never stops another."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.create_server(address, family=family, backlog=128, dualstack_ipv6=address[0] == "::") as server:
        server.setblocking(False)
        async with asyncio.TaskGroup() as connections:
            while True:
                client, _ = await loop.sock_accept(server)
                connections.create_task(_serve(client, context, target))


async def _serve(client: socket.socket, context: ssl.SSLContext, target: Path) -> None:
    with contextlib.suppress(OSError, TimeoutError):  # the client's own trouble
        client.setblocking(False)
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            try:
                wanted = await _asks_for_tls(client)
            except BaseException:
                client.close()
                raise
            if not wanted:
                client.close()
                return
            # From here on the transport owns the socket: closing it too could close another socket.
            reader, writer = await _upgraded(client, context)
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(target))
        try:
            await _carry(_pump(reader, inner_writer), _pump(inner_reader, writer))
        finally:
            inner_writer.close()
            writer.close()


async def _asks_for_tls(client: socket.socket) -> bool:
    """Reads the socket itself, eight bytes at most: plaintext that an attacker adds becomes part of the handshake."""
    loop = asyncio.get_running_loop()
    request = await _exactly(client, len(_SSL_REQUEST))
    if request == _GSS_REQUEST:
        await loop.sock_sendall(client, b"N")
        request = await _exactly(client, len(_SSL_REQUEST))
    if request == _SSL_REQUEST:
        await loop.sock_sendall(client, b"S")
        return True
    await loop.sock_sendall(client, b"E" + struct.pack("!i", len(_REFUSAL) + 4) + _REFUSAL)
    return False


async def _exactly(client: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        piece = await asyncio.get_running_loop().sock_recv(client, size - len(taken))
        if not piece:
            raise ConnectionResetError("the client disconnected before requesting TLS")
        taken += piece
    return taken


async def _upgraded(
    client: socket.socket, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _carry(*directions: Coroutine[None, None, None]) -> None:
    """Copy both ways until either ends: PostgreSQL has no half-closed connections."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
