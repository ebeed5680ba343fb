"""A resolver that answers as a test says, for names that no real one would let change between two questions."""

import asyncio
import socket

import pytest


class Resolver:
    """What the loop is told of `name.example`, one answer after another; the last one stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[list[str]] = []
        self.asked = 0
        real = asyncio.BaseEventLoop.getaddrinfo

        async def answer(loop: asyncio.BaseEventLoop, host: str, port: int, **said: int) -> list[object]:
            if host != "name.example":
                return await real(loop, host, port, **said)
            found = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            families = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in found]
            return [
                (family, socket.SOCK_STREAM, 6, "", (each, port)) for family, each in zip(families, found, strict=True)
            ]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", answer)
