"""A forge on loopback, over HTTPS, and a `get` that trusts it."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avouch import https
from tests import loopback

SHA = "ace3ab241dd4de68d4075c629a123f3541b0e7ca"


@dataclass
class Forge:
    """Answers by path; 404 for the rest."""

    server: loopback.Server
    ca: str
    pages: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def asked(self) -> list[str]:
        return [request.path for request in self.server.seen]

    def answer(self, request: loopback.Request) -> loopback.Reply:
        found = self.pages.get(request.path)
        if isinstance(found, loopback.Reply):
            return found
        if found is None and request.path not in self.statuses:
            return loopback.Reply(404, b'{"message": "not here"}')
        link = {"Link": self.links[request.path]} if request.path in self.links else {}
        return loopback.Reply(self.statuses.get(request.path, 200), json.dumps(found).encode(), link)

    def get(self, request: https.Resource, seconds: float) -> https.Answer:
        return https.get(request._replace(ca=request.ca or self.ca, environment={}), seconds)

    def github(self, **said: str) -> dict[str, str]:
        return {
            "GITHUB_REPOSITORY": "acme/app",
            "GITHUB_RUN_ID": "42",
            "GITHUB_API_URL": self.url,
            "GITHUB_TOKEN": "hub-token",
            **said,
        }

    def gitlab(self, **said: str) -> dict[str, str]:
        return {
            "GITLAB_CI": "true",
            "CI_JOB_URL": f"{self.url}/acme/app/-/jobs/1",
            "CI_SERVER_URL": self.url,
            "CI_PROJECT_PATH": "acme/app",
            "CI_JOB_TOKEN": "lab-token",
            **said,
        }


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Forge]:
    """Serve it."""
    secure = loopback.tls(folder)
    with loopback.serving(secure=secure) as server:
        found = Forge(server, secure.authority.read_text())
        server.answers = found.answer
        yield found
