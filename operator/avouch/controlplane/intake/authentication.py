"""Who attests an external run: from a bearer token to an attester.

1. A text that begins like an API token is one, or nothing.
2. A token of an OIDC issuer that this server trusts is verified with that issuer's keys.
3. Anything else goes to TokenReview: a ServiceAccount's token for our audience.
4. A token of a pod that says it belongs to a TaskRun opens and continues no external run, of whatever Workflow: what is
   built in Tekton is held against the cluster's record of it, and an external run has none.

Whether that attester may do what it asks for is `authorization.may_attest`'s to say.
"""

from dataclasses import dataclass

from avouch import errors
from avouch.attestation import identity
from avouch.controlplane.intake import authorization, oidc_claims, pod_identity, tokens
from avouch.controlplane.model import cluster as cluster_model
from avouch.controlplane.model import external, identities

API_TOKEN = "AUTH_TYPE_API_TOKEN"  # noqa: S105 (a name, as Chainloop's predicate spells it)
FEDERATED = "AUTH_TYPE_FEDERATED"
SERVICE_ACCOUNT = "AUTH_TYPE_SERVICE_ACCOUNT"


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Identifies callers by API token, OIDC token or ServiceAccount token."""

    tokens: identities.Tokens
    federation: identities.OidcVerifier
    cluster: cluster_model.ClusterReader
    clock: cluster_model.Clock

    async def identify(self, token: str) -> authorization.Attester:
        """Who holds this token. The module docstring is the specification.

        Raises:
            Unauthenticated: the token is not valid.
            Unavailable: the issuer or the API server does not answer.
        """
        if token.startswith(tokens.PREFIX):  # 1
            now = self.clock.now()
            record = tokens.check(await self.tokens.find(tokens.parse(token)), token, now)
            await self.tokens.used(record.id, now)
            return authorization.Token(record)
        if self.federation.knows(token):  # 2
            # Which audience counts is each Workflow's to say: `authorization.may_attest` compares it.
            return await self.federation.verify(token, self.federation.audience_of(token))
        return await pod_identity.service_account(token, self.cluster)  # 3

    async def identify_outside(self, token: str) -> authorization.Attester:
        """Who wants an external run with this token. Raises as `identify`, and errors.Denied for (4)."""
        attester = await self.identify(token)
        if isinstance(attester, authorization.ServiceAccount):
            taskrun = await pod_identity.taskrun_of(attester, self.cluster)
            if taskrun:
                raise _pod_of_a_taskrun(attester.pod, taskrun)
        return attester


def _pod_of_a_taskrun(pod: str, taskrun: str) -> errors.Denied:
    return errors.Denied(
        f"pod {pod} belongs to TaskRun {taskrun}: its token is for the TaskRun's own run, never for an external one",
        field="Authorization",
        fix="let avouch inject its sidecar, or use the Task or StepAction avouch-attest instead of this command; where "
        "the Workflow is not about Tekton, set AVOUCH_TOKEN to an APIToken",
    )


def described(attester: authorization.Attester) -> external.Attester:
    """The attester as its run records it."""
    try:
        match attester:
            case authorization.Token(record):
                who: identity.Identity = identity.TokenIdentity(record.namespace, record.name, record.uid)
                return external.Attester(API_TOKEN, f"{record.namespace}/{record.name}", who.uris())
            case identities.OidcIdentity(issuer=issuer, subject=subject):
                who = identity.FederatedIdentity(issuer, subject)
                return external.Attester(FEDERATED, f"{issuer} {subject}", who.uris())
            case authorization.ServiceAccount(namespace, name):
                who = identity.AccountIdentity(namespace, name)
                return external.Attester(SERVICE_ACCOUNT, f"{namespace}/{name}", who.uris())
    except errors.Invalid as exc:
        raise errors.Unauthenticated("the token's subject cannot be put into a certificate") from exc


async def proven_runner(told: external.Runner, token: str, federation: identities.OidcVerifier) -> external.Runner:
    """What the runner's own token, made for us, proves of what its client told.

    Raises:
        Unauthenticated: no good token of an allowed issuer.
        Invalid: it is the token of another type of runner than the one told.
        Unavailable: its issuer's keys cannot be had now.
    """
    return runner_of(told, await federation.verify(token, authorization.AUDIENCE))


def runner_of(told: external.Runner, who: identities.OidcIdentity) -> external.Runner:
    """The runner as a verified identity of its own proves it; as told where the identity is of no runner.

    Raises:
        Invalid: it is the identity of another type of runner than the one told.
    """
    facts = oidc_claims.facts(who)
    if facts is None:
        return told
    wrong = oidc_claims.contradictions(who, told.type, {})
    if wrong:
        raise errors.Invalid(str(wrong[0]), field="runner.type", fix="attest from the job that the token was issued to")
    return external.Runner(
        type=told.type or facts.type,
        url=told.url,
        environment=str(facts.hosting),
        authenticated=told.type in ("", facts.type),  # inside another runner its token proves that one
        workflow_file_path=facts.workflow_file,
        proven=oidc_claims.proven(who),
        proven_url=facts.url,
    )
