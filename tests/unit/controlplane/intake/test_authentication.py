"""Who holds a bearer token, and whose token is never for an external run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from avouch import errors
from avouch.controlplane.intake import authentication, authorization, tokens
from avouch.controlplane.model import identities
from tests.unit.ingest import fakes

ISSUER = "https://gitlab.example.com"
JOB = identities.OidcIdentity(ISSUER, "avouch", "project_path:octo/app:ref:main", {}, "GITLAB_PIPELINE")
MINTED = tokens.mint(bytes(range(tokens.ENTROPY)))


class Federation:
    """Knows the token `job`, and for which audience it is."""

    def knows(self, token: str) -> bool:
        return token.startswith("job")

    def audience_of(self, token: str) -> str:
        return JOB.audience

    async def verify(self, token: str, audience: str) -> identities.OidcIdentity:
        if token != "job":  # noqa: S105
            raise errors.Unauthenticated("the bearer token is not valid here")
        return replace(JOB, audience=audience)


class Tokens:
    """Keeps one API token; remembers when it was used."""

    def __init__(self) -> None:
        self.record = identities.TokenRecord(
            MINTED.id, "ci", "shop", "shop-uid", "token-uid", "Project", "", MINTED.digest, fakes.NOW
        )
        self.uses: list[tuple[str, object]] = []

    async def find(self, token_id: str) -> identities.TokenRecord | None:
        return self.record if token_id == self.record.id else None

    async def used(self, token_id: str, at: object) -> None:
        self.uses.append((token_id, at))


def authenticator(cluster: fakes.Cluster | None = None, kept: Tokens | None = None) -> authentication.Authenticator:
    return authentication.Authenticator(
        kept or Tokens(),  # type: ignore[arg-type]  # what is used
        Federation(),
        cluster or fakes.Cluster(),
        fakes.Clock(),
    )


async def test_an_api_token_is_its_record_and_its_use_is_recorded() -> None:
    kept = Tokens()
    assert await authenticator(kept=kept).identify_outside(MINTED.text) == authorization.Token(kept.record)
    assert kept.uses == [(MINTED.id, fakes.NOW)]


async def test_an_api_token_that_is_refused_was_not_used() -> None:
    kept = Tokens()
    kept.record = replace(kept.record, revoked_at=fakes.NOW - timedelta(seconds=1))
    with pytest.raises(errors.Unauthenticated):
        await authenticator(kept=kept).identify(MINTED.text)
    assert kept.uses == []


async def test_the_token_of_an_allowed_issuer_is_its_identity_for_the_audience_that_it_names() -> None:
    assert await authenticator().identify_outside("job") == JOB


async def test_a_wrong_token_of_an_allowed_issuer_is_never_reviewed_by_the_cluster() -> None:
    cluster = fakes.Cluster()
    cluster.users["job, forged"] = cluster.users["worker"]
    with pytest.raises(errors.Unauthenticated):
        await authenticator(cluster).identify("job, forged")


async def test_a_service_account_is_identified_with_the_pod_of_its_token() -> None:
    found = await authenticator().identify(fakes.TOKEN)
    assert isinstance(found, authorization.ServiceAccount)
    assert (found.namespace, found.name, found.pod, found.pod_uid) == ("shop", "builder", "build-pod", "pod-uid")
    assert await authenticator().identify_outside("worker") == authorization.ServiceAccount("avouch", "avouch-worker")


def _pod(cluster: fakes.Cluster) -> dict[str, Any]:
    found: dict[str, Any] = cluster.pods["shop", "build-pod"]["metadata"]
    return found


def _owners(cluster: fakes.Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _pod(cluster)["ownerReferences"]
    return found


OF_A_TASKRUN: dict[str, Callable[[fakes.Cluster], object]] = {
    "Tekton made it": lambda c: None,
    "an owner that does not control it": lambda c: _owners(c)[0].update(controller=False),
    "another controller beside the TaskRun": lambda c: _owners(c).append({**fakes.OWNER, "kind": "Job", "name": "j"}),
    "a label, and no owner": lambda c: _pod(c).update(ownerReferences=[], labels={"tekton.dev/taskRun": "build"}),
    "a TaskRun that is gone": lambda c: c.taskruns.clear(),
}


@pytest.mark.parametrize("change", OF_A_TASKRUN)
async def test_the_token_of_a_taskruns_pod_is_never_for_an_external_run(change: str) -> None:
    cluster = fakes.Cluster()
    OF_A_TASKRUN[change](cluster)
    with pytest.raises(errors.Denied, match="pod build-pod belongs to TaskRun build") as refused:
        await authenticator(cluster).identify_outside(fakes.TOKEN)
    assert "StepAction avouch-attest" in refused.value.fix


async def test_the_token_of_a_pod_of_no_taskrun_may_be_for_an_external_run() -> None:
    cluster = fakes.Cluster()
    _pod(cluster).update(ownerReferences=[{"apiVersion": "batch/v1", "kind": "TaskRun", "name": "x"}])
    found = await authenticator(cluster).identify_outside(fakes.TOKEN)
    assert found == authorization.ServiceAccount("shop", "builder")


GONE: dict[str, Callable[[fakes.Cluster], object]] = {
    "the pod is gone": lambda c: c.pods.clear(),
    "another pod has its name": lambda c: _pod(c).update(uid="new", ownerReferences=[]),
    "the pod is gone, and the token has no UID of it": lambda c: (
        c.pods.clear(),
        c.users[fakes.TOKEN]["extra"].update({"authentication.kubernetes.io/pod-uid": [""]}),
    ),
    "the token names two pods": lambda c: c.users[fakes.TOKEN]["extra"].update(
        {"authentication.kubernetes.io/pod-name": ["a", "b"]}
    ),
    "the token names two pods, and one has the name and the UID of both": lambda c: c.users[fakes.TOKEN].update(
        extra={
            "authentication.kubernetes.io/pod-name": ["build-", "pod"],
            "authentication.kubernetes.io/pod-uid": ["pod-", "uid"],
        }
    ),
    "the token names the UID of a pod without its name": lambda c: c.users[fakes.TOKEN]["extra"].pop(
        "authentication.kubernetes.io/pod-name"
    ),
    "the token names a pod without uid": lambda c: c.users[fakes.TOKEN]["extra"].pop(
        "authentication.kubernetes.io/pod-uid"
    ),
}


@pytest.mark.parametrize("change", GONE)
async def test_a_token_whose_pod_cannot_be_looked_at_is_no_good(change: str) -> None:
    cluster = fakes.Cluster()
    GONE[change](cluster)
    with pytest.raises(errors.Unauthenticated):
        await authenticator(cluster).identify_outside(fakes.TOKEN)


@pytest.mark.parametrize(
    ("attester", "type_", "id_", "uri"),
    [
        (
            authorization.ServiceAccount("shop", "builder"), "AUTH_TYPE_SERVICE_ACCOUNT", "shop/builder",
            "https://kubernetes.io/namespaces/shop/serviceaccounts/builder",
        ),
        (
            authorization.Token(Tokens().record), "AUTH_TYPE_API_TOKEN", "shop/ci",
            "https://avouch.dev/namespaces/shop/tokens/ci/token-uid",
        ),
        (
            JOB, "AUTH_TYPE_FEDERATED", f"{ISSUER} project_path:octo/app:ref:main",
            "https://avouch.dev/issuers/https%3A%2F%2Fgitlab.example.com/subjects/project_path%3Aocto%2Fapp%3Aref%3Amain",
        ),
    ],
    ids=["ServiceAccount", "API token", "OIDC"],
)  # fmt: skip
def test_an_attester_is_recorded_by_what_its_certificates_name(
    attester: authorization.Attester, type_: str, id_: str, uri: str
) -> None:
    found = authentication.described(attester)
    assert (found.type, found.id, found.uris) == (type_, id_, (uri,))


@pytest.mark.parametrize("subject", ["", "s" * 1025])
def test_a_subject_that_no_certificate_can_name_is_no_attester(subject: str) -> None:
    with pytest.raises(errors.Unauthenticated, match="cannot be put into a certificate"):
        authentication.described(replace(JOB, subject=subject))
