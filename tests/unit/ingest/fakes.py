"""Fakes behind the ports: a cluster's record, a store in memory, a real authority. Tests state what differs."""

import copy
import itertools
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from avouch import digests, errors, plan
from avouch.attestation import authority, bundle, dsse, identity, predicate, trust
from avouch.controlplane.intake import planning, pod_identity, pod_runs, submissions
from avouch.controlplane.model import artifacts, contracts, runs, workflowspecs
from avouch.tekton import matching

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOKEN = "good"  # noqa: S105
OWNER = {"apiVersion": "tekton.dev/v1", "controller": True}


class Clock:
    def now(self) -> datetime:
        return NOW


class Cluster:
    """The API server's record. Tests change `pods`, `taskruns`, `pipelineruns` and `users` as they need."""

    def __init__(self) -> None:
        extra = {
            "authentication.kubernetes.io/pod-name": ["build-pod"],
            "authentication.kubernetes.io/pod-uid": ["pod-uid"],
        }
        self.users: dict[str, dict[str, Any]] = {
            TOKEN: {"username": "system:serviceaccount:shop:builder", "extra": extra},
            "worker": {"username": "system:serviceaccount:avouch:avouch-worker"},
        }
        self.pods = {
            ("shop", "build-pod"): {
                "metadata": {
                    "name": "build-pod",
                    "uid": "pod-uid",
                    "ownerReferences": [{**OWNER, "kind": "TaskRun", "name": "build", "uid": "taskrun-uid"}],
                },
                "spec": {"serviceAccountName": "builder", "initContainers": [{"name": "avouch-sidecar"}]},
            }
        }
        self.taskruns = {
            ("shop", "build"): {
                "metadata": {
                    "name": "build",
                    "uid": "taskrun-uid",
                    "creationTimestamp": "2026-11-21T11:00:00Z",
                    "ownerReferences": [{**OWNER, "kind": "PipelineRun", "name": "release", "uid": "run-uid"}],
                }
            }
        }
        self.pipelineruns = {
            ("shop", "release"): {
                "metadata": {"name": "release", "uid": "run-uid", "creationTimestamp": "2026-11-21T11:00:00Z"},
                "status": {"childReferences": [{"kind": "TaskRun", "name": "build", "pipelineTaskName": "compile"}]},
            }
        }

    async def review_token(self, token: str, audience: str) -> Mapping[str, Any]:
        if audience != "avouch" or token not in self.users:
            raise errors.Unauthenticated("no")
        return self.users[token]

    async def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.pods.get((namespace, name)))

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.taskruns.get((namespace, name)))

    async def pipelinerun(self, namespace: str, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.pipelineruns.get((namespace, name)))

    async def namespace(self, name: str) -> dict[str, Any] | None:
        return {"metadata": {"name": name, "uid": f"{name}-uid"}}

    async def resource_quotas(self, namespace: str) -> Sequence[dict[str, Any]]:
        return []

    async def limit_ranges(self, namespace: str) -> Sequence[dict[str, Any]]:
        return []

    async def volume_claim(self, namespace: str, name: str) -> dict[str, Any] | None:
        return None


class Store:
    """Runs, Workflows and Blobs in memory; `failure` is raised by the next accept."""

    def __init__(self) -> None:
        self.stored: dict[uuid.UUID, runs.Run] = {}
        self.claims: dict[digests.Digest, runs.Claim] = {}
        self.known = [workflow()]
        self.content: dict[digests.Digest, bytes] = {}
        self.failure: errors.AvouchError | None = None

    async def index(self, namespace: str) -> matching.Index[contracts.WorkflowRecord]:
        return matching.Index(one for one in self.known if one.namespace == namespace)

    async def open(self, run: runs.Run) -> runs.Run:
        return self.stored.setdefault(run.id, run)

    async def get(self, run_id: uuid.UUID) -> runs.Run | None:
        return self.stored.get(run_id)

    async def of_subject(self, subject_uid: str) -> list[runs.Run]:
        return [run for run in self.stored.values() if run.key.subject_uid == subject_uid]

    async def attested(self, run_id: uuid.UUID) -> runs.Attested | None:
        run = self.stored.get(run_id)
        uid = run.key.workflow_uid if run else ""
        known = [one for one in self.known if run and (one.namespace, one.uid) == (run.namespace, uid)]
        rules = workflowspecs.read(known[0].spec, known[0].name) if known else None
        return runs.Attested(run, rules) if run else None

    async def accept(self, claim: runs.Claim) -> runs.Receipt:
        if self.failure is not None:
            raise self.failure
        created = claim.digest not in self.claims
        self.claims[claim.digest] = claim
        return runs.Receipt(uuid.uuid5(claim.run_id, str(claim.digest)), claim.digest, created)


class Blobs:
    def __init__(self) -> None:
        self.content: dict[digests.Digest, bytes] = {}

    async def put(
        self,
        content: AsyncIterator[bytes],
        *,
        expected: digests.Digest | None,
        limit: int,
        owner: artifacts.Owner | None = None,
    ) -> tuple[digests.Digest, int]:
        data = b"".join([piece async for piece in content])
        digest = digests.of_bytes(data)
        if expected not in (None, digest):
            raise errors.Invalid(f"the content is {digest}", field="digest")
        self.content[digest] = data
        return digest, len(data)

    async def of_namespace(self, namespace: str) -> artifacts.Destination:
        return artifacts.Destination("default", "default", 1024)

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        yield self.content[digest]

    async def has(self, digest: digests.Digest, *, namespace_uid: str = "") -> bool:
        return digest in self.content


class Keys:
    def __init__(self) -> None:
        self._authority = authority.new_authority("tests", NOW - timedelta(days=1), timedelta(days=30))

    def authority(self) -> authority.Authority:
        return self._authority

    def trust(self) -> trust.TrustRoot:
        return trust.TrustRoot.from_pems([self._authority.certificate_pem])


class Fakes:
    """Everything behind the ingest API, and one open run of the caller's PipelineRun."""

    def __init__(self) -> None:
        self.cluster, self.store, self.blobs, self.keys = Cluster(), Store(), Blobs(), Keys()
        pods = pod_runs.PodRuns(
            runs=self.store,  # type: ignore[arg-type]  # only the methods that the push path calls
            workflows=self.store,  # type: ignore[arg-type]
            contracts=self.store,  # type: ignore[arg-type]
            pods=pod_identity.Callers(
                self.cluster, itertools.count(0, 60).__next__
            ),  # a minute a request: nothing is kept
            clock=Clock(),
        )
        self.intake = submissions.Intake(pods, self.store, self.blobs, Clock(), self.keys, max_material=1024)
        self.run = open_run()
        self.store.stored[self.run.id] = self.run


def workflow(**spec: Any) -> contracts.WorkflowRecord:
    return contracts.WorkflowRecord("shop", "shop-uid", "release", "workflow-uid", 1, spec, {}, "shop", "evidence")


def open_run(namespace: str = "shop", subject: str = "run-uid") -> runs.Run:
    owed = plan.Plan("release", "workflow-uid", namespace, "evidence", 3, "sha256:" + "a" * 64)
    about = matching.Subject("PipelineRun", "release", subject, {})
    record = contracts.WorkflowRecord(
        namespace, f"{namespace}-uid", "release", f"workflow-uid{namespace[4:]}", 1, {}, {}
    )
    return planning.Owed(record, None, about, owed).run(NOW)


def csr(key: ec.EllipticCurvePrivateKey) -> bytes:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def signed(fake: Fakes, *, pod_uid: str = "pod-uid", **said: str) -> bytes:
    """A bundle as the sidecar makes it, signed with a leaf of the fakes' own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = identity.PodIdentity("shop", "builder", pod_uid, "taskrun-uid")
    return bundle_of(key, authority.issue(fake.keys.authority(), csr(key), who, NOW), str(fake.run.id), **said)


def bundle_of(key: ec.EllipticCurvePrivateKey, leaf_pem: bytes, run_id: str, **said: str) -> bytes:
    """A statement about this run, signed with this key."""
    facts = {
        "name": "release",
        "workflow_name": "release",
        "workflow_id": "workflow-uid",
        "workflow_run_id": run_id,
        "project": "shop",
        "organization": "",
        "contract_name": "evidence",
        "contract_version": "3",
        **said,
    }
    metadata = predicate.Metadata(initialized_at=NOW, finished_at=NOW, **facts)  # type: ignore[arg-type]
    runner = predicate.Runner("TEKTON_PIPELINE")
    payload = predicate.build(predicate.AttestationFacts(metadata, "https://avouch.dev", runner, ()))
    signature = key.sign(dsse.pae(dsse.IN_TOTO, payload), ec.ECDSA(hashes.SHA256()))
    leaf = x509.load_pem_x509_certificate(leaf_pem).public_bytes(serialization.Encoding.DER)
    return bundle.to_bytes(bundle.Bundle(dsse.Envelope(dsse.IN_TOTO, payload, (dsse.Signature(signature),)), leaf))
