"""The whole exchange of one sidecar: what a TaskRun that is attested by its pod costs the server and what it asks.

A session is what the sidecar does: open the run, upload one material of 20 KB, have a key certified, push a bundle of
18 materials. Real `avouch server`, kube-apiserver and PostgreSQL (by its Unix socket, fsync on); each is of a pod
of its own, whose TaskRun names it as Tekton does.

  kept   the client keeps its TLS connection over the four requests, as our sidecar does: the goals are for this
  new    it makes a new one for each of them, as a client without keep-alive does

Printed for each: CPU of the server, of PostgreSQL and of kube-apiserver, requests to the API server (from its own
metrics), and SQL statements (from PostgreSQL's log, BEGIN and COMMIT included; counted in sessions of their own,
because writing a log costs CPU).

Run: python -m bench.sidecar_session [--rounds 3] [--sessions 100] [--pipelinerun] [--quick]
"""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from avouch import digests, plan
from avouch.attestation import bundle, dsse, identity, materials, predicate, signing
from avouch.kube import connection
from bench import measure, stage
from tests.cluster.apiserver import ApiServer
from tests.postgres import Postgres

CLIENTS = 8
MATERIALS = 18
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {"materials": [{"name": "report", "type": "SARIF"}]},
}
_ASKED = ("tokenreviews", "pods", "taskruns", "pipelineruns", "namespaces")
_TEKTON = "/apis/tekton.dev/v1/namespaces"


@dataclass(frozen=True, slots=True)
class Pods:
    """Makes pods that may attest, by the API and not by kubectl: there are hundreds."""

    api: connection.Connection
    pipelinerun: bool

    async def make(self, names: Sequence[str]) -> list[stage.Caller]:
        """As many pods, each with its TaskRun (and PipelineRun)."""
        waiting = iter(names)
        made: list[stage.Caller] = []

        async def some() -> None:
            for name in waiting:
                made.append(await self._one(name))

        await asyncio.gather(*(some() for _ in range(CLIENTS)))
        return made

    async def _one(self, name: str) -> stage.Caller:
        taskrun = await self._tekton("TaskRun", "taskruns", name, await self._owners(name))
        uid, pod = taskrun["metadata"]["uid"], f"{name}-pod"
        owner = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": name, "uid": uid, "controller": True}
        spec = {
            "serviceAccountName": stage.ACCOUNT,
            "initContainers": [{"name": "avouch-sidecar", "image": "example.invalid/x"}],
            "containers": [{"name": "step-build", "image": "example.invalid/x"}],
        }
        meta = {"name": pod, "namespace": stage.NAMESPACE, "ownerReferences": [owner]}
        made = await self.api.post(f"/api/v1/namespaces/{stage.NAMESPACE}/pods", {"metadata": meta, "spec": spec})
        pod_uid = made["metadata"]["uid"]
        await self.api.request(
            "PATCH",
            f"{_TEKTON}/{stage.NAMESPACE}/taskruns/{name}/status",
            body=("application/merge-patch+json", json.dumps({"status": {"podName": pod}}).encode()),
        )
        asked = {
            "audiences": ["avouch"],
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": pod_uid},
        }
        path = f"/api/v1/namespaces/{stage.NAMESPACE}/serviceaccounts/{stage.ACCOUNT}/token"
        token = await self.api.post(path, {"spec": asked})
        who = identity.PodIdentity(stage.NAMESPACE, stage.ACCOUNT, pod_uid, uid)
        return stage.Caller(who, name, pod, token["status"]["token"])

    async def _owners(self, name: str) -> list[dict[str, Any]]:
        if not self.pipelinerun:
            return []
        made = await self._tekton("PipelineRun", "pipelineruns", f"run-{name}", [])
        return [{**{key: made[key] for key in ("apiVersion", "kind")}, "name": f"run-{name}",
                 "uid": made["metadata"]["uid"], "controller": True}]  # fmt: skip

    async def _tekton(self, kind: str, plural: str, name: str, owners: list[dict[str, Any]]) -> dict[str, Any]:
        labels = {"avouch.dev/workflow": stage.WORKFLOW, "tekton.dev/pipelineTask": "build"}
        meta = {"name": name, "namespace": stage.NAMESPACE, "labels": labels, "ownerReferences": owners}
        body = {"apiVersion": "tekton.dev/v1", "kind": kind, "metadata": meta, "spec": {}}
        return await self.api.post(f"{_TEKTON}/{stage.NAMESPACE}/{plural}", body)


class Client:
    """HTTP over TLS, as little of it as the exchange needs: the client is no part of the measurement."""

    def __init__(self, server: stage.Server, context: ssl.SSLContext, token: str, *, keep: bool) -> None:
        self._server, self._context, self._token, self._keep = server, context, token, keep
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: bytes, media: str = "application/json") -> Any:
        """One request, parsed. An answer that is no success is an error."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "localhost", self._server.port, ssl=self._context, limit=1 << 20
            )
        reader, writer = self._streams
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: {media}\r\nAvouch-Client: sidecar\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        said = await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(int(said.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        if not self._keep:
            self.close()
        if said.split()[1][:1] != b"2":
            raise RuntimeError(f"{method} {path}: {said!r} {answer!r}")
        return json.loads(answer)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Sessions against one server."""

    server: stage.Server
    context: ssl.SSLContext
    signer: signing.KeySigner

    def run(self, callers: Sequence[stage.Caller], *, keep: bool) -> None:
        """One session for each caller, `CLIENTS` at a time."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._all(callers, keep=keep))

    async def _all(self, callers: Sequence[stage.Caller], *, keep: bool) -> None:
        waiting = iter(callers)

        async def some() -> None:
            for one in waiting:
                await self._session(one, keep=keep)

        await asyncio.gather(*(some() for _ in range(CLIENTS)))

    async def _session(self, caller: stage.Caller, *, keep: bool) -> None:
        client = Client(self.server, self.context, caller.token, keep=keep)
        opened = (await client.call("POST", "/v1/runs", b"{}"))["runs"][0]
        run, content = f"/v1/runs/{opened['id']}", os.urandom(20_000)
        digest = digests.of_bytes(content)
        await client.call("PUT", f"{run}/materials/{digest}", content, "application/octet-stream")
        asked = json.dumps({"csr": signing.csr(self.signer, caller.pod).decode()}).encode()
        leaf = (await client.call("POST", f"{run}/certificate", asked))["certificate"]
        pushed = self._bundle(opened, digest, x509.load_pem_x509_certificate(leaf.encode()))
        await client.call("POST", f"{run}/bundles", pushed, bundle.MEDIA_TYPE)
        client.close()

    def _bundle(self, opened: dict[str, Any], uploaded: digests.Digest, leaf: x509.Certificate) -> bytes:
        now, owed = datetime.now(UTC), plan.Plan.from_json(json.dumps(opened["plan"]))
        said = predicate.Metadata(
            name=opened["workflow"], workflow_name=opened["workflow"], workflow_id=owed.workflow_uid,
            workflow_run_id=opened["id"], project=owed.namespace, organization="",
            contract_name=owed.contract, contract_version=str(owed.revision), initialized_at=now, finished_at=now,
        )  # fmt: skip
        found = [uploaded, *(digests.of_bytes(f"{opened['id']} {number}".encode()) for number in range(1, MATERIALS))]
        evidence = tuple(
            materials.Material(
                name=f"report-{number}", type="SARIF", digest=digest, resource=f"component-{number}.sarif",
                size=20_000, output=True, storage="uploaded" if number == 0 else "none",
            )
            for number, digest in enumerate(found)
        )  # fmt: skip
        facts = predicate.AttestationFacts(said, "avouch.dev/sidecar", predicate.Runner("TEKTON_PIPELINE"), evidence)
        payload = predicate.build(facts)
        envelope = signing.sign_envelope(self.signer, dsse.IN_TOTO, payload, with_keyid=False)
        return bundle.to_bytes(bundle.Bundle(envelope=envelope, certificate=leaf.public_bytes(Encoding.DER)))


@dataclass(frozen=True, slots=True)
class Counters:
    """What is read before and after the sessions."""

    server: stage.Server
    database: Postgres
    api: ApiServer

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU so far, of each process with its children."""
        return {
            "server": measure.tree_cpu(self.server.process.pid),
            "PostgreSQL": measure.tree_cpu(stage.postmaster(self.database)),
            "kube-apiserver": measure.tree_cpu(_apiserver(self.api)),
        }

    def asked(self) -> float:
        """Requests that kube-apiserver has answered about what the server looks at."""
        lines = self.api.kubectl("get", "--raw", "/metrics").splitlines()
        mine = (line for line in lines if line.startswith("apiserver_request_total{"))
        return sum(float(line.rsplit(" ", 1)[1]) for line in mine if any(f'resource="{one}"' in line for one in _ASKED))

    def statements(self) -> int:
        """Statements in PostgreSQL's log."""
        return self.database.log.count("LOG:  statement:") + self.database.log.count("LOG:  execute ")

    def log_statements(self) -> None:
        """From now on PostgreSQL logs each of them."""
        with (stage.data_of(self.database) / "postgresql.conf").open("a") as settings:
            settings.write("\nlog_statement = 'all'\n")
        os.kill(stage.postmaster(self.database), signal.SIGHUP)
        deadline = time.monotonic() + 10
        while 'parameter "log_statement" changed' not in self.database.log:
            if time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not take its new setting")
            time.sleep(0.1)


def _apiserver(api: ApiServer) -> int:
    """The process of this very API server."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else [b""]
            if b"kube-apiserver" in command[0] and any(str(api.folder).encode() in word for word in command):
                return int(folder.name)
    raise RuntimeError("no kube-apiserver runs here")


@contextlib.contextmanager
def _stage(folder: Path) -> Iterator[tuple[Postgres, ApiServer, stage.Server]]:
    with stage.database_server() as database, ApiServer() as api:
        stage.new_authority(folder)
        stage.callers(api, database.socket_url, 0, CONTRACT)
        with stage.serving(api, database.socket_url, folder) as server:
            yield database, api, server


def _per_session(before: dict[str, float], after: dict[str, float], count: int) -> dict[str, float]:
    return {name: (after[name] - before[name]) / count * 1000 for name in after}


def main() -> None:
    parser = measure.arguments(__doc__, rounds=3)
    parser.add_argument("--sessions", type=int, default=100, help="in each turn (%(default)s)")
    parser.add_argument("--pipelinerun", action="store_true", help="TaskRuns of PipelineRuns: one more object to read")
    parser.add_argument("--quick", action="store_true", help="one round of few sessions: does it work at all?")
    options = parser.parse_args()
    rounds, sessions = (1, 8) if options.quick else (options.rounds, options.sessions)
    print(measure.machine())
    with tempfile.TemporaryDirectory() as folder, _stage(Path(folder)) as (database, api, server):
        names = [f"b-{number}" for number in range((2 * rounds + 3) * sessions)]
        callers = iter(asyncio.run(_made(api, names, pipelinerun=options.pipelinerun)))
        sidecars = Sidecars(
            server, ssl.create_default_context(cafile=str(server.ca_file)), signing.KeySigner.generate()
        )
        counters = Counters(server, database, api)
        sidecars.run([next(callers) for _ in range(sessions)], keep=True)  # connections opened, code compiled
        found: dict[str, list[dict[str, float]]] = {"kept": [], "new": []}
        for _ in range(rounds):
            for name in found:
                some = [next(callers) for _ in range(sessions)]
                before, asked = counters.cpu(), counters.asked()
                sidecars.run(some, keep=name == "kept")
                cost = _per_session(before, counters.cpu(), sessions)
                found[name].append({**cost, "API requests": (counters.asked() - asked) / sessions})
        counters.log_statements()
        statements = {}
        for name in found:
            before_log = counters.statements()
            sidecars.run([next(callers) for _ in range(sessions)], keep=name == "kept")
            statements[name] = (counters.statements() - before_log) / sessions
    report(found, statements)


async def _made(api: ApiServer, names: Sequence[str], *, pipelinerun: bool) -> list[stage.Caller]:
    client = connection.from_kubeconfig(api.kubeconfig)
    try:
        return await Pods(client, pipelinerun).make(names)
    finally:
        await client.close()


def report(found: dict[str, list[dict[str, float]]], statements: dict[str, float]) -> None:
    """One line for each way to connect."""
    columns = ("server", "PostgreSQL", "kube-apiserver", "API requests")
    rows = [
        [
            name,
            *(measure.spread([turn[column] for turn in turns], ".1f") for column in columns),
            f"{statements[name]:.1f}",
        ]
        for name, turns in found.items()
    ]
    header = ("a session; CPU in ms, median (range)", *columns, "SQL statements")
    measure.table(header, rows)
    server = statistics.median(turn["server"] for turn in found["kept"])
    asked = statistics.median(turn["API requests"] for turn in found["kept"])
    print(
        f"goals: server <= 10 ms ({server:.1f}), API requests <= 3 ({asked:.1f}), SQL <= 15 ({statements['kept']:.1f})"
    )


if __name__ == "__main__":
    main()
