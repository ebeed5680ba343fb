"""The command line in this process: adapters that the test makes up, and what was printed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from avouch import errors
from avouch.cli import app, ports, tree
from avouch.processes import main


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


class Adapters:
    """No adapters but those handed in; waiting is counted."""

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        pod: tuple[str, Mapping[str, str]] | None = None,
        pages: Mapping[str, bytes] | None = None,
        cluster: Any = None,
        opa: ports.Opa | None = None,
    ) -> None:
        self.environment = environment or {}
        self.waited = 0.0
        self.asked: Any = None
        self._pod = pod
        self._pages = pages or {}
        self._cluster = cluster
        self._opa = opa

    def opa(self) -> ports.Opa:
        assert self._opa is not None, "nobody was to ask for OPA"
        return self._opa

    def pod(self) -> tuple[str, Mapping[str, str]] | None:
        return self._pod

    def cluster(self, options: Any) -> Any:
        self.asked = options
        return self._cluster

    def download(self, url: str, limit: int) -> bytes:
        if url not in self._pages:
            raise errors.NotFound(f"{url}: the server answered 404 Not Found")
        return self._pages[url][: limit + 1]

    def wait(self, seconds: float) -> None:
        self.waited += seconds


def run(*arguments: str, stdin: bytes | str = b"", adapters: Any = None, top: tree.Tree | None = None) -> Answer:
    with CliRunner().isolation(input=stdin) as (out, err, _):
        code = app.run(top or main.top(), arguments, "avouch", adapters or Adapters())
        return Answer(code, out.getvalue().decode(), err.getvalue().decode())


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **more}
