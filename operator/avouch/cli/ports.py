"""Ports of the commands. `processes` builds the adapters, each when a command first asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:  # 18 ms that commands about the cluster do not pay
    from contextlib import AbstractAsyncContextManager

    from avouch.cli.attestation import ports as attestation_ports
    from avouch.policy import evaluation, rego

Manifest = Mapping[str, Any]


class Options(NamedTuple):
    """What every command takes; empty where nothing was said. Flags come before variables, those before files."""

    namespace: str = ""
    kubeconfig: str = ""
    context: str = ""
    server: str = ""
    token: str = ""
    ca: str = ""  # PEM; no flag: commands that find the server elsewhere set it
    debug: bool = False


class CommandOutput(Protocol):
    """What kubectl printed, and its errors."""

    @property
    def output(self) -> str:
        """Standard output."""
        ...

    @property
    def complaint(self) -> str:
        """Its error message; empty if nothing failed."""
        ...


class Cluster(Protocol):
    """Kubernetes, as the user reaches it."""

    def namespace(self) -> str:
        """The namespace that commands are about."""
        ...

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object.

        Raises:
            NotFound: there is none.
        """
        ...

    def list(self, kind: str, *, everywhere: bool = False) -> list[dict[str, Any]]:
        """All objects of a kind, in this namespace or in all."""
        ...

    def raw(self, path: str, query: Mapping[str, str] = MappingProxyType({})) -> str:
        """What a path of the Kubernetes API answers. Raises errors.NotFound, errors.Denied."""
        ...

    def create(self, manifest: Manifest, *flags: str) -> dict[str, Any]:
        """Create one object, with flags of kubectl's; what the cluster made of it.

        Raises:
            Conflict: there is one already.
        """
        ...

    def post(self, path: str, body: Manifest) -> dict[str, Any]:
        """Post to a path of the Kubernetes API; its answer. Raises errors.NotFound, errors.Denied."""
        ...

    def patch(self, kind: str, name: str, change: Manifest, *flags: str) -> dict[str, Any]:
        """Merge a change into one object, with flags of kubectl's; what the cluster made of it.

        Raises:
            Conflict: the change names a resourceVersion, and somebody else changed the object since.
        """
        ...

    def apply(self, manifests: Sequence[Manifest], *flags: str) -> CommandOutput:
        """Apply objects, with flags of kubectl's; one that fails does not keep others from being applied."""
        ...


class Opa(NamedTuple):
    """The OPA of this machine. `wanted`: the release that the server runs; `problem`: why there is none here."""

    wanted: str
    version: str = ""
    path: str = ""
    problem: str = ""


class Rego(Protocol):
    """The policy engine of this machine, and what it says of the style of scripts."""

    @property
    def version(self) -> str:
        """Its release."""
        ...

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """A script as the engine holds it, or what keeps it from being compiled."""
        ...

    def document(self, tenant: str, content: bytes) -> AbstractAsyncContextManager[evaluation.Asked]:
        """Hold a document, to ask scripts about it."""
        ...

    async def style(self, source: str) -> Sequence[rego.Flaw]:
        """What formatters and linters say of a script that can be compiled."""
        ...


class Adapters(Protocol):
    """All adapters, each built when it is first used."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of this process."""
        ...

    def cluster(self, options: Options) -> Cluster:
        """Kubernetes."""
        ...

    def download(self, url: str, limit: int) -> bytes:
        """The bytes at a URL, at most `limit` of them."""
        ...

    def rego(self) -> AbstractAsyncContextManager[Rego]:
        """The policy engine of this machine, for as long as it is needed. Entering raises errors.NotInstalled."""
        ...

    def opa(self) -> Opa:
        """Which OPA this machine has."""
        ...

    def pod(self) -> tuple[str, Mapping[str, str]] | None:
        """Namespace and labels of the pod around this step; None outside Tekton."""
        ...

    def attesting(self, options: Options) -> attestation_ports.Adapters:
        """What the attestation commands need."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait so many seconds."""
        ...
