"""Policies and groups of the cluster, looked up for a Contract: in its namespace, then in its organization's home.

A reference is `[chainloop://][organization/]name[@sha256:digest]`. With an organization it means the home namespace of
that one, which has to be the organization of the Contract.
"""

from collections.abc import Iterator
from typing import TypeVar

from avouch import digests, errors
from avouch.api import policy as kind
from avouch.contract import policies
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.policy import identity
from avouch.reconcilers import organizations
from avouch.values import dataclass

_SCHEME = "chainloop://"
_Kind = TypeVar("_Kind", kind.Policy, kind.PolicyGroup)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Implements `resolution.Policies` for the Contracts of one namespace."""

    cache: ObjectCache
    namespace: str

    def policy(self, reference: str) -> kind.Policy:
        """The Policy of a reference. Raises errors.NotFound or errors.Invalid."""
        return _pinned(_of_kind(kind.Policy, self._object("Policy", reference)), reference)

    def group(self, reference: str) -> kind.PolicyGroup:
        """The PolicyGroup of a reference. Raises errors.NotFound or errors.Invalid."""
        return _pinned(_of_kind(kind.PolicyGroup, self._object("PolicyGroup", reference)), reference)

    def _object(self, name: str, reference: str) -> Object:
        bare = reference.removeprefix(_SCHEME).partition("@")[0]
        if "://" in bare:
            fix = f"apply it to the cluster as a {name}, and refer to it by its name"
            raise errors.Invalid(f"{reference[:200]} is outside the cluster, and not read", fix=fix)
        provider, colon, rest = bare.rpartition(":")
        if colon:
            raise errors.Invalid(f"there is no provider {provider} of policies", fix=f"write {rest}")
        organization, _, own = rest.rpartition("/")
        for namespace in self._namespaces(organization):
            found = self.cache.get(Key(name, namespace, own))
            if found is not None:
                return found
        where = " nor in ".join(self._namespaces(organization))
        raise errors.NotFound(f"there is no {name} {own} in {where}: apply it, or correct the reference")

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


def _of_kind(model: type[_Kind], found: Object) -> _Kind:
    """Raises errors.Invalid where it breaks its schema."""
    name, said = model.__name__, {field: found[field] for field in ("metadata", "spec") if field in found}
    try:
        read = policies.read({"apiVersion": "chainloop.dev/v1", "kind": name, **said})
    except errors.Invalid as exc:
        own = found["metadata"]["name"]
        raise errors.Invalid(f"{name} {own} cannot be read: {exc}", fix=f"correct that {name}") from exc
    if not isinstance(read, model):
        raise errors.Invalid(f"is no {name}")
    return read


def _pinned(found: _Kind, reference: str) -> _Kind:
    pin, digest = reference.partition("@")[2], identity.digest(found)
    if pin and digests.Digest.parse(pin) != digest:
        raise errors.Invalid(f"digest mismatch: got {digest}, want {pin}", fix=f"write @{digest}, or no digest")
    return found
