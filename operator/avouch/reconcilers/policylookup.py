"""Policies and groups of the cluster, looked up for a Contract: in its namespace, then in its organization's home.

A reference is `[chainloop://][organization/]name[@sha256:digest]`. With an organization it means the home namespace of
that one, which has to be the organization of the Contract.
"""

from collections.abc import Iterator

from avouch import digests, errors
from avouch.contract import policies
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.policy import resolution
from avouch.reconcilers import organizations
from avouch.values import dataclass

_SCHEME = "chainloop://"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Implements `resolution.Policies` for the Contracts of one namespace."""

    cache: ObjectCache
    namespace: str

    def policy(self, reference: str) -> resolution.Found:
        """The Policy of a reference. Raises errors.NotFound or errors.Invalid."""
        return self._found("Policy", reference)

    def group(self, reference: str) -> resolution.Found:
        """The PolicyGroup of a reference. Raises errors.NotFound or errors.Invalid."""
        return self._found("PolicyGroup", reference)

    def _found(self, kind: str, reference: str) -> resolution.Found:
        bare, _, pin = reference.removeprefix(_SCHEME).partition("@")
        if "://" in bare:
            fix = f"apply it to the cluster as a {kind}, and refer to it by its name"
            raise errors.Invalid(f"{kind}s outside the cluster, such as {reference[:200]}, are not read", fix=fix)
        provider, colon, rest = bare.rpartition(":")
        if colon:
            raise errors.Invalid(f"there is no provider {provider} of policies", fix=f"write {rest}")
        organization, _, name = rest.rpartition("/")
        for namespace in self._namespaces(organization):
            found = self.cache.get(Key(kind, namespace, name))
            if found is not None:
                return _pinned(_read(found, kind), pin)
        where = " nor in ".join(self._namespaces(organization))
        raise errors.NotFound(f"there is no {kind} {name} in {where}: apply it, or correct the reference")

    def _namespaces(self, organization: str) -> tuple[str, ...]:
        own = () if organization else (self.namespace,)
        return tuple(dict.fromkeys((*own, *self._home(organization))))

    def _home(self, organization: str) -> Iterator[str]:
        """The home namespace of the organization of the Contract. Raises errors.Invalid where it is another one."""
        try:
            name = organizations.name_of(self.cache, self.namespace)
            home = organizations.home_of(self.cache, self.namespace)
        except (errors.NotFound, errors.Conflict) as exc:
            if organization:
                raise errors.NotFound(str(exc)) from exc
            return
        if organization and organization != name:
            text = f"namespace {self.namespace} belongs to Organization {name}, not to {organization}"
            raise errors.Invalid(text, fix=f"write {name}/, or the name of the policy alone")
        yield home


def _read(found: Object, kind: str) -> resolution.Found:
    """An object as a reference finds it. Raises errors.Invalid where it breaks its schema."""
    metadata = {key: value for key, value in found["metadata"].items() if key in ("name", "annotations")}
    document = {"apiVersion": "chainloop.dev/v1", "kind": kind, "metadata": metadata, "spec": found.get("spec") or {}}
    try:
        digest = policies.digest(document)
    except errors.Invalid as exc:
        raise errors.Invalid(f"{kind} {metadata['name']} cannot be read: {exc}", fix=f"correct that {kind}") from exc
    return resolution.Found(str(metadata["name"]), digest, document)


def _pinned(found: resolution.Found, pin: str) -> resolution.Found:
    if pin and digests.Digest.parse(pin) != found.digest:
        fix = f"write @{found.digest}, or no digest"
        raise errors.Invalid(f"digest mismatch: got {found.digest}, want {pin}", fix=fix)
    return found
