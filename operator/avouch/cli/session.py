"""What every command is given: the options that all commands share, and the adapters."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from avouch.cli import ports

T = TypeVar("T")


class Session:
    """One run of the command line."""

    def __init__(self, adapters: ports.Adapters) -> None:
        self.adapters = adapters
        self.options = ports.Options()

    @functools.cached_property
    def cluster(self) -> ports.Cluster:
        """Kubernetes, in the namespace and context that were asked for."""
        return self.adapters.cluster(self.options)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of this process."""
        return self.adapters.environment


def given(function: Callable[..., T]) -> Callable[..., T]:
    """Give a command its session, as first argument."""

    @functools.wraps(function)
    def called(*args: Any, **values: Any) -> T:
        return function(of(click.get_current_context()), *args, **values)

    return called


def of(context: click.Context) -> Session:
    """The session of a running command."""
    session = context.find_object(Session)
    if session is None:
        raise RuntimeError("the command line was started without adapters")
    return session
