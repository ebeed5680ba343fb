"""Who may attest for a Workflow: one answer for every way to prove who one is.

Without `spec.attesters`: every ServiceAccount of the Workflow's namespace, and every API token whose scope covers the
Workflow. With it: exactly who is listed there and nobody else, whatever else is empty. An OIDC identity comes from
outside, so it must always be listed. A spec that is not understood lets nobody in: `workflowspecs.read` refuses it.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from avouch import names
from avouch.api import meta, workflow
from avouch.controlplane.intake import tokens
from avouch.controlplane.model import identities

AUDIENCE = names.AUDIENCE  # of an OIDC token, where the Workflow names none


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A ServiceAccount of this cluster, proven by TokenReview; with the pod that its token is bound to, if any."""

    namespace: str
    name: str
    pod: str = field(default="", compare=False)
    pod_uid: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Token:
    """The holder of an API token that `tokens.check` found good."""

    record: identities.TokenRecord


Attester: TypeAlias = ServiceAccount | Token | identities.OidcIdentity


@dataclass(frozen=True, slots=True)
class Place:
    """Which Workflow is asked about, and the organization of its namespace (None: no Organization claims it)."""

    namespace: str
    workflow: str
    organization: identities.Organization | None = None


def may_attest(listed: workflow.Attesters | None, place: Place, attester: Attester) -> bool:
    """Whether the Workflow at this place, which lists these, lets the attester attest."""
    match attester:
        case ServiceAccount():
            return _service_account(listed, place, attester)
        case Token():
            return _token(listed, place, attester.record)
        case identities.OidcIdentity():
            return listed is not None and any(_oidc(entry, attester) for entry in listed.oidc)


def _service_account(listed: workflow.Attesters | None, place: Place, attester: ServiceAccount) -> bool:
    if not attester.name or attester.namespace != place.namespace:
        return False
    return listed is None or attester.name in listed.service_accounts


def _token(listed: workflow.Attesters | None, place: Place, record: identities.TokenRecord) -> bool:
    if not tokens.covers(record, place.organization, place.namespace, place.workflow):
        return False
    return listed is None or any(_names(entry, place, record) for entry in listed.tokens)


def _names(entry: meta.ScopedRef, place: Place, record: identities.TokenRecord) -> bool:
    namespace: str | None = place.namespace
    if entry.scope == "Organization":
        namespace = place.organization.home if place.organization else None
    return (record.namespace, record.name) == (namespace, entry.name)


def _oidc(entry: workflow.OidcAttester, attester: identities.OidcIdentity) -> bool:
    """Everything that the entry says holds, and it says at least who (a subject, or claims)."""
    audience = AUDIENCE if entry.audience is None else entry.audience
    if (entry.issuer, audience) != (attester.issuer, attester.audience):
        return False
    if entry.subject is None and not entry.claims:
        return False
    if entry.subject is not None and entry.subject != attester.subject:
        return False
    return all(_says(attester, name, wanted) for name, wanted in entry.claims.items())


def _says(attester: identities.OidcIdentity, name: str, wanted: str) -> bool:
    """Exactly this text: a list that holds it, a number or a missing claim is something else."""
    return bool(attester.claims.get(name) == wanted)
