"""The command line in this process, with the real engine."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from avouch.opa import engine
from tests.unit.cli import line


class Adapters(line.Adapters):
    """Those of the unit tests, and the engine that the environment names."""

    def rego(self) -> AbstractAsyncContextManager[engine.Engine]:
        return engine.opened(self.environment)


def run(
    environment: dict[str, str], *arguments: str, stdin: str = "", pages: Mapping[str, bytes] | None = None
) -> line.Answer:
    """Run a command. `pages`: what is behind URLs."""
    return line.run(*arguments, stdin=stdin, adapters=Adapters(environment, pages=pages))
