"""The adapters of the command line: every adapter that commands ask for, imported when a command first asks for it.

A command pays only for what it uses; `# lazy` says how many milliseconds of CPU the others are spared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avouch.cli import ports

if TYPE_CHECKING:  # 18 ms that commands about the cluster do not pay
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from avouch.cli.attestation import ports as attestation_ports
    from avouch.crafting import statestore
    from avouch.materials import images
    from avouch.processes import server_access

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"  # a variable that every pod has
_STEP = "/tekton/results"  # by it Chainloop's CLI and we know a step of Tekton


class Adapters:
    """All adapters of the command line."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of this process."""
        return os.environ

    def cluster(self, options: ports.Options) -> ports.Cluster:
        """Kubernetes, through the user's kubectl; its warnings go to stderr. In a pod without one, for reading only."""
        import click

        if self.environment.get(_IN_CLUSTER) and not (options.kubeconfig or options.context):
            import shutil

            from avouch import inpod  # lazy: 30 ms (http, ssl)

            if shutil.which("kubectl") is None and inpod.inside():
                return inpod.InPod(self.environment, options.namespace)
        from avouch import kubectl  # lazy: 7 ms (subprocess, json)

        return kubectl.Kubectl(
            lambda warning: click.echo(warning, err=True),
            kubeconfig=options.kubeconfig,
            context=options.context,
            namespace=options.namespace,
        )

    def download(self, url: str, limit: int) -> bytes:
        """The bytes at a URL."""
        from avouch import downloads  # lazy: 30 ms (http, ssl)

        return downloads.download(url, limit)

    def rego(self) -> AbstractAsyncContextManager[ports.Rego]:
        """The OPA of this machine, for as long as it is needed."""
        from avouch.opa import engine  # lazy: 100 ms (httpx), for policies only

        return engine.opened(self.environment)

    def opa(self) -> ports.Opa:
        """Which OPA this machine has."""
        import asyncio  # lazy: 40 ms, with what it imports

        from avouch import errors
        from avouch.opa import program

        try:
            found = asyncio.run(program.found(self.environment))
        except errors.AvouchError as exc:
            return ports.Opa(program.WANTED, problem=str(exc))
        return ports.Opa(program.WANTED, found.version, found.path)

    def pod(self) -> tuple[str, Mapping[str, str]] | None:
        """Namespace and labels of the pod of a Tekton step, as far as they can be read; None elsewhere."""
        if not os.path.isdir(_STEP):
            return None
        from avouch.ci import pod  # lazy: 30 ms (http, ssl)

        found = pod.look(self.environment).pod
        return (found.namespace, found.labels) if found is not None else ("", {})

    def attesting(self, options: ports.Options) -> attestation_ports.Adapters:
        """The adapters of the attestation commands."""
        return Attesting(options, self.environment)

    def wait(self, seconds: float) -> None:
        """Wait so many seconds."""
        time.sleep(seconds)


class Attesting:
    """The adapters of one attestation command."""

    def __init__(self, options: ports.Options, environment: Mapping[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._connected: server_access.ServerAccess | None = None

    def now(self) -> datetime:
        """The time."""
        import datetime

        return datetime.datetime.now(datetime.UTC)

    def new_id(self) -> str:
        """A random UUID."""
        import uuid  # lazy: 2 ms

        return str(uuid.uuid4())

    def namespace(self) -> str:
        """The namespace that was asked for."""
        return self._server_access().namespace()

    def server(self, expected: str = "") -> attestation_ports.Server:
        """The server."""
        return self._server_access().server(expected)

    def trust(self) -> tuple[bytes, ...]:
        """The authorities that the server trusts."""
        return self._server_access().trust()

    def trust_root(self) -> Mapping[str, object]:
        """The trust root that the server shows."""
        return self._server_access().trust_root()

    def local(self, path: str) -> statestore.StateStore:
        """The state in a file."""
        from avouch.client import localstate  # lazy: 4 ms

        return localstate.LocalState(Path(path)) if path else localstate.of_job(self._environment, Path.cwd())

    def remote(self, run: str) -> statestore.StateStore:
        """The state on the server."""
        return self._server_access().state(run)

    def job(self, environment: Mapping[str, str], runner: str) -> attestation_ports.JobFacts:
        """What the CI job knows. Without a commit or an answer of its forge it is poorer, never an error."""
        from avouch.ci import (
            commit,
            forge,
            identity,  # lazy: 58 ms (subprocess, http, ssl), for `init` only
        )
        from avouch.cli.attestation import ports as attestation_ports
        from avouch.runners import pullrequests, table

        found = commit.gather(runner, Path.cwd(), environment)
        asked = forge.Found(None)
        if pullrequests.is_pull_request(environment):
            asked = forge.Asker(environment).pull_request()
        claims = any(row.claims and str(row.name) == runner for row in table.RUNNERS)
        proof = identity.fetch(environment) if claims else identity.Identity()
        token = (
            "" if proof.token == self._server_access().token() else proof.token
        )  # the same token proves nothing more
        notes = tuple(note for note in (found.note, *asked.notes) if note)
        return attestation_ports.JobFacts(found.commit, asked.pull_request, token, notes)

    def image(self, value: str, login: attestation_ports.Login) -> images.Image:
        """What an image or a chart stands for now, looked up in its registry or in a layout on disk."""
        import asyncio

        from avouch.oci import credentials  # lazy: 150 ms (asyncio, httpx), for images only
        from avouch.registry import lookup

        given = lookup.Login(login.server, credentials.Credential(login.username, login.password))
        access = lookup.Access(self._environment, given if login.server else None)
        look = lookup.chart if value.startswith(lookup.CHART) else lookup.image
        return asyncio.run(look(value, access))

    def report(self, environment: Mapping[str, str], runner: str, text: str) -> tuple[str, str]:
        """Show a text where the CI shows reports."""
        from avouch.ci import report  # lazy: 5 ms, for `push` only

        shown = report.show(runner, report.Report(text), environment, Path.cwd())
        return shown.where, shown.note

    def login(self, server: str, token: str, ca: str) -> Path:
        """Check a server and store its address and token; the file."""
        return self._server_access().login(server, token, ca)

    def _server_access(self) -> server_access.ServerAccess:
        if self._connected is None:
            from avouch.processes import server_access  # lazy: 45 ms (http, ssl): a local attestation needs no network

            self._connected = server_access.build(self._options, self._environment)
        return self._connected
