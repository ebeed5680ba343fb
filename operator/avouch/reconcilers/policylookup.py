"""Policies and groups of the cluster, looked up for what refers to them.

A reference is `[chainloop://][organization/]name[@sha256:digest]`. A name is that of an object in the same namespace,
else in the home of its Organization; with an organization's name before it, in that home alone.
"""

from typing import TypeVar

from avouch import errors
from avouch.api import policy as kind
from avouch.contract import policies
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.policy import identity
from avouch.reconcilers import conditions, organizations
from avouch.values import dataclass

_SCHEME = "chainloop://"
_Kind = TypeVar("_Kind", kind.Policy, kind.PolicyGroup)
_DECLARED = ("metadata", "spec")
_PLURAL = {"Policy": "policies", "PolicyGroup": "policy groups"}


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A reference that leads nowhere, or to another object than it says. `reason` is a condition's."""

    reason: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        return errors.with_fix(self.message, self.fix)


def of(cache: ObjectCache, namespace: str) -> "Lookup":
    """What a namespace refers to, by the Organizations of now."""
    try:
        home = organizations.home_of(cache, namespace)
    except (errors.NotFound, errors.Conflict, errors.Invalid):
        home = ""
    return Lookup(cache, namespace, home)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Implements `resolution.Policies` for what one namespace holds; any thread may ask it.

    `home`: of the namespace's Organization; "" where it has none, or two claim it.
    """

    cache: ObjectCache
    namespace: str
    home: str

    @property
    def places(self) -> list[str]:
        """The namespaces in which a bare name is looked up, the first one first."""
        return [each for each in dict.fromkeys((self.namespace, self.home)) if each]

    def policy(self, reference: str) -> kind.Policy:
        """The Policy of a reference. Raises errors.NotFound or errors.Invalid."""
        return _read(kind.Policy, self._there("Policy", reference))

    def group(self, reference: str) -> kind.PolicyGroup:
        """The PolicyGroup of a reference. Raises errors.NotFound or errors.Invalid."""
        return _read(kind.PolicyGroup, self._there("PolicyGroup", reference))

    def found(self, name: str, reference: str) -> Object | Unresolved:
        """The object of a kind that a reference means."""
        bare, _, pin = reference.removeprefix(_SCHEME).partition("@")
        if "://" in bare or ":" in bare:
            message = f"{_PLURAL[name]} of {bare.partition(':')[0]} are not read yet"
            return Unresolved(conditions.REFERENCE_ELSEWHERE, message, f"apply the {name}, and write its name")
        organization, _, own = bare.rpartition("/")
        home = self.home
        if organization and self._home_of(organization) != home:
            message = f"{organization} is not the Organization of namespace {self.namespace}"
            return Unresolved(conditions.POLICY_NOT_FOUND, message)
        places = [home] if organization else self.places
        there = next((obj for each in places if (obj := self.cache.get(Key(name, each, own)))), None)
        if there is None:
            message = f"{name} {own} does not exist in namespace {' or '.join(places)}"
            return Unresolved(conditions.POLICY_NOT_FOUND, message)
        if pin and pin != (actual := _digest(name, there)):
            message = f"the digest of {name} {own} is {actual}, not {pin}"
            return Unresolved(conditions.DIGEST_DIFFERS, message, f"write @{actual}, or no digest")
        return there

    def _there(self, name: str, reference: str) -> Object:
        found = self.found(name, reference)
        if not isinstance(found, Unresolved):
            return found
        if found.reason == conditions.POLICY_NOT_FOUND:
            raise errors.NotFound(str(found))
        raise errors.Invalid(found.message, fix=found.fix)

    def _home_of(self, organization: str) -> str | None:
        """The home of an Organization; None where there is none of that name."""
        found = self.cache.get(Key("Organization", "", organization))
        try:
            return None if found is None else organizations.read(found).home_namespace
        except errors.Invalid:
            return None


def _read(model: type[_Kind], found: Object) -> _Kind:
    """Raises errors.Invalid where it breaks its schema."""
    name, said = model.__name__, {field: found[field] for field in _DECLARED if field in found}
    try:
        read = policies.read({"apiVersion": "chainloop.dev/v1", "kind": name, **said})
    except errors.Invalid as exc:
        own = found["metadata"]["name"]
        raise errors.Invalid(f"{name} {own} cannot be read: {exc}", fix=f"correct that {name}") from exc
    if not isinstance(read, model):
        raise errors.Invalid(f"is no {name}")
    return read


def _digest(name: str, found: Object) -> str:
    """Of the object as it is declared now; "none" where it cannot be read."""
    try:
        read = _read(kind.Policy, found) if name == "Policy" else _read(kind.PolicyGroup, found)
        return str(identity.digest(read))
    except errors.Invalid:
        return "none"
