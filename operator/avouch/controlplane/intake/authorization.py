"""Who may attest for a Workflow: one answer for every way to prove who one is.

Without `spec.attesters`: every ServiceAccount of the Workflow's namespace, and every API token whose scope covers the
Workflow. With it: exactly who is listed there and nobody else, whatever else is empty. An OIDC identity comes from
outside, so it must always be listed. Anything that is not understood lets nobody in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from avouch import names
from avouch.controlplane.intake import oidc_claims, tokens
from avouch.controlplane.model import identities

AUDIENCE = names.AUDIENCE  # of an OIDC token, where the Workflow names none


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A ServiceAccount of this cluster, proven by TokenReview."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Token:
    """The holder of an API token that `tokens.check` found good."""

    record: identities.TokenRecord


Attester: TypeAlias = ServiceAccount | Token | oidc_claims.Identity


@dataclass(frozen=True, slots=True)
class Place:
    """Which Workflow is asked about, and the organisation of its namespace (None: no Organization claims it)."""

    namespace: str
    workflow: str
    organisation: identities.Organisation | None = None


def may_attest(spec: Mapping[str, Any], place: Place, attester: Attester) -> bool:
    """Whether the Workflow of this spec, at this place, lets the attester attest."""
    listed = spec.get("attesters")
    if listed is not None and not isinstance(listed, Mapping):
        return False
    match attester:
        case ServiceAccount():
            return _service_account(listed, place, attester)
        case Token():
            return _token(listed, place, attester.record)
        case oidc_claims.Identity():
            return any(_oidc(entry, attester) for entry in _entries(listed, "oidc"))


def issuers(spec: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """(issuer, audience) of every OIDC token that could be let in: tokens of others need not be looked at."""
    entries = _entries(spec.get("attesters"), "oidc")
    return frozenset((str(entry.get("issuer") or ""), _audience(entry)) for entry in entries if entry.get("issuer"))


def _service_account(listed: Mapping[str, Any] | None, place: Place, attester: ServiceAccount) -> bool:
    if not attester.name or attester.namespace != place.namespace:
        return False
    if listed is None:
        return True
    names = listed.get("serviceAccounts")
    return isinstance(names, (list, tuple)) and attester.name in names


def _token(listed: Mapping[str, Any] | None, place: Place, record: identities.TokenRecord) -> bool:
    if not tokens.covers(record, place.organisation, place.namespace, place.workflow):
        return False
    return listed is None or any(_names(entry, place, record) for entry in _entries(listed, "tokens"))


def _names(entry: Mapping[str, Any], place: Place, record: identities.TokenRecord) -> bool:
    namespace = place.namespace
    match entry.get("scope"):
        case "Organization":
            namespace = place.organisation.home if place.organisation else ""
        case None | "Project":
            pass
        case _:
            return False
    return bool(namespace) and (record.namespace, record.name) == (namespace, entry.get("name"))


def _oidc(entry: Mapping[str, Any], attester: oidc_claims.Identity) -> bool:
    """Everything that the entry says holds, and it says at least who (a subject, or claims)."""
    if not attester.issuer or (entry.get("issuer"), _audience(entry)) != (attester.issuer, attester.audience):
        return False
    subject, claims = entry.get("subject"), entry.get("claims")
    if claims is not None and not isinstance(claims, Mapping):
        return False
    if subject is None and not claims:
        return False
    if subject is not None and (not subject or subject != attester.subject):
        return False
    return all(isinstance(wanted, str) and _says(attester, name, wanted) for name, wanted in (claims or {}).items())


def _says(attester: oidc_claims.Identity, name: str, wanted: str) -> bool:
    """Exactly this text: a list that holds it, a number or a missing claim is something else."""
    found = attester.claims.get(name)
    return isinstance(found, str) and found == wanted


def _audience(entry: Mapping[str, Any]) -> str:
    said = entry.get("audience")
    return AUDIENCE if said is None else str(said)


def _entries(listed: Any, name: str) -> Sequence[Mapping[str, Any]]:
    found = listed.get(name) if isinstance(listed, Mapping) else None
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, (list, tuple)) else []
