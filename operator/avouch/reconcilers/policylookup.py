"""Policies and groups, looked up for what refers to them.

1. `[chainloop://][organization/]name[@sha256:digest]`: an object in the same namespace, else in the home of its
   Organization; with an organization's name before it, in that home alone. The digest is that of its canonical form.
2. `file://KEY[@sha256:digest]`: a key of the ConfigMap `avouch-policies` of the same namespace, else of that home. One
   name, so that the controller needs no right to read any other ConfigMap. The digest is that of its bytes.
3. `https://HOST/PATH[@sha256:digest]`: fetched by a worker, from a host that the Organization lists; until then it is
   missing. The digest is that of its bytes.
4. `oci://REGISTRY/REPOSITORY@sha256:digest`: likewise the one layer of an artifact, whose manifest has that digest.
"""

import asyncio
import base64
import binascii
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TypeVar
from urllib.parse import urlsplit

from avouch import errors
from avouch.api import policy as kind
from avouch.contract import policies, policyfiles, references
from avouch.controlplane.model import fetches
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.policy import identity, places
from avouch.reconcilers import conditions, organizations
from avouch.reconcilers.context import Context
from avouch.values import dataclass

CONFIG_MAP = "avouch-policies"
_Kind = TypeVar("_Kind", kind.Policy, kind.PolicyGroup)
_Answer = TypeVar("_Answer")
_ROUNDS = 4  # a group, its policies, their scripts, and what one of those led to
_WAITING, _FAILED = 2.0, 60.0  # seconds between looks at what is to be fetched, and at what was not
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
    """What a namespace refers to, by the Organizations of now, before anything was fetched."""
    try:
        claimed = organizations.claiming(cache, namespace)
    except (errors.NotFound, errors.Conflict, errors.Invalid):
        return Lookup(cache, namespace, "")
    hosts = claimed.settings.policies_allowed_hostnames if claimed.settings else ()
    return Lookup(cache, namespace, claimed.home_namespace, frozenset(hosts))


async def asked(context: Context, namespace: str, ask: "Callable[[Lookup], _Answer]") -> tuple[_Answer, float | None]:
    """Ask for what a namespace refers to, in a thread; again with what was fetched, until nothing more is missing.

    Returns the answer, and after how many seconds the web may say something else; None: never.

    Args:
        context: as of a reconcile.
        namespace: the namespace.
        ask: what is asked; it says for itself what could not be looked up, and raises nothing of it.

    Raises:
        errors.Unavailable: the database does not answer, or the namespace has not been seen yet.
    """
    lookup = of(context.cache, namespace)
    said = await asyncio.to_thread(ask, lookup)
    for _ in range(_ROUNDS):
        missing = lookup.wanted - lookup.fetched.keys()
        if not missing:
            break
        uid = context.namespace_uid(namespace)
        lookup.fetched.update(await context.fetches.ask(uid, frozenset(missing), epoch=context.epoch()))
        said = await asyncio.to_thread(ask, lookup)
    return said, _recheck(lookup.fetched)


def _recheck(fetched: Mapping[str, fetches.Fetched]) -> float | None:
    if any(one.failure for one in fetched.values()):
        return _FAILED
    if any(one.content is None for one in fetched.values()):
        return _WAITING
    return None if all(references.parted(one)[1] for one in fetched) else fetches.AGAIN.total_seconds()


@dataclass(frozen=True, slots=True)
class Lookup:
    """Implements `resolution.Policies` for what one namespace holds; any thread may ask it.

    Attributes:
        cache: what is declared.
        namespace: the namespace.
        home: of its Organization; "" where it has none, or two claim it.
        hosts: from which its policies may come.
        fetched: what became of files on the web.
        wanted: those that were looked for.
    """

    cache: ObjectCache
    namespace: str
    home: str
    hosts: frozenset[str] = frozenset()
    fetched: dict[str, fetches.Fetched] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    _files: dict[bytes, kind.Policy | kind.PolicyGroup] = field(default_factory=dict)  # each is read once

    @property
    def namespaces(self) -> list[str]:
        """The namespaces in which a bare name is looked up, the first one first."""
        return [each for each in dict.fromkeys((self.namespace, self.home)) if each]

    def policy(self, reference: str) -> kind.Policy:
        """The Policy of a reference, with every script in it.

        Raises:
            errors.NotFound, errors.Invalid: there is none, or one that cannot be used.
            errors.Unavailable: it has not been fetched.
        """
        if not references.elsewhere(reference):
            return self._object(kind.Policy, self._there("Policy", reference))
        namespace, found = self._file(kind.Policy, reference)
        return self._whole(found, references.parted(reference)[0], namespace)

    def group(self, reference: str) -> kind.PolicyGroup:
        """The PolicyGroup of a reference. Raises as `policy`."""
        if not references.elsewhere(reference):
            return self._object(kind.PolicyGroup, self._there("PolicyGroup", reference))
        return self._file(kind.PolicyGroup, reference)[1]

    def whole(self, policy: kind.Policy) -> kind.Policy:
        """A policy that stands in an object of the namespace, with every script in it. Raises as `policy`."""
        return self._whole(policy, places.FILE, self.namespace)

    def found(self, name: str, reference: str) -> Object | Unresolved | None:
        """The object of a kind that a reference means; None where that is no object, and can be read."""
        if references.elsewhere(reference):
            return self._readable(name, reference)
        bare, pin = references.parted(reference.removeprefix(references.NAMED))
        if ":" in bare:
            message = f"{_PLURAL[name]} of {bare.partition(':')[0]} are not read"
            return Unresolved(conditions.REFERENCE_ELSEWHERE, message, f"apply the {name}, and write its name")
        organization, _, own = bare.rpartition("/")
        home = self.home
        if organization and self._home_of(organization) != home:
            message = f"{organization} is not the Organization of namespace {self.namespace}"
            return Unresolved(conditions.POLICY_NOT_FOUND, message)
        namespaces = (home,) if organization else self.namespaces
        there = next((obj for each in namespaces if (obj := self.cache.get(Key(name, each, own)))), None)
        if there is None:
            message = f"{name} {own} does not exist in namespace {' or '.join(namespaces)}"
            return Unresolved(conditions.POLICY_NOT_FOUND, message)
        if pin and pin != (actual := self._digest(name, there)):
            message = f"the digest of {name} {own} is {actual}, not {pin}"
            return Unresolved(conditions.DIGEST_DIFFERS, message, f"write @{actual}, or no digest")
        return there

    def _readable(self, name: str, reference: str) -> Unresolved | None:
        look: Callable[[str], object] = self.policy if name == "Policy" else self.group
        try:
            look(reference)
        except errors.NotFound as exc:
            return Unresolved(conditions.POLICY_NOT_FOUND, str(exc))
        except errors.Unavailable as exc:
            return Unresolved(conditions.NOT_FETCHED, str(exc))
        except errors.Invalid as exc:
            return Unresolved(conditions.INVALID_POLICY, str(exc))
        return None

    def _there(self, name: str, reference: str) -> Object:
        found = self.found(name, reference)
        if isinstance(found, Unresolved):
            if found.reason == conditions.POLICY_NOT_FOUND:
                raise errors.NotFound(str(found))
            raise errors.Invalid(found.message, fix=found.fix)
        if found is None:
            raise errors.Invalid(f"{reference} is no object of the cluster")
        return found

    def _object(self, model: type[_Kind], found: Object) -> _Kind:
        """What an object declares, with every script in it."""
        read = _read(model, found)
        return self._whole(read, places.FILE, found["metadata"]["namespace"])

    def _whole(self, said: _Kind, place: str, namespace: str) -> _Kind:
        """With every script in it; those beside it are in the same namespace."""
        if not isinstance(said, kind.Policy):
            return said
        return places.whole(said, place, lambda reference: self._content(reference, (namespace,))[1])

    def _file(self, model: type[_Kind], reference: str) -> tuple[str, _Kind]:
        """What a file declares, and the namespace that it is in."""
        namespace, content = self._content(reference, self.namespaces)
        references.hold(reference, content)
        if content not in self._files:
            self._files[content] = policyfiles.read(content, references.parted(reference)[0])
        read = self._files[content]
        if not isinstance(read, model):
            raise errors.Invalid(f"{reference} is no {model.__name__}", fix=f"refer to a {model.__name__}")
        return namespace, read

    def _content(self, reference: str, namespaces: Sequence[str]) -> tuple[str, bytes]:
        """The bytes behind a reference, and the namespace that they are in."""
        if problem := references.problem(reference):
            raise errors.Invalid(problem)
        bare, _ = references.parted(reference)
        if not bare.startswith(places.FILE):
            return namespaces[0], self._from_web(reference)
        key = posixpath.normpath(bare.removeprefix(places.FILE))
        if "/" in key:
            message = f"{bare} has folders, and a ConfigMap has none"
            raise errors.Invalid(message, fix=f"write the file into ConfigMap {CONFIG_MAP}, and file://NAME")
        for namespace in namespaces:
            found = _key_of(self.cache.get(Key("ConfigMap", namespace, CONFIG_MAP)), key)
            if found is not None:
                return namespace, found
        where = " or ".join(namespaces)
        make = f"kubectl create configmap {CONFIG_MAP} --from-file={key}"
        raise errors.NotFound(f"ConfigMap {CONFIG_MAP} of namespace {where} has no {key} (fix: {make})")

    def _from_web(self, reference: str) -> bytes:
        bare, _ = references.parted(reference)
        if not bare.startswith(("https://", places.OCI)):
            message = f"{bare.partition('://')[0]}:// is not read"
            raise errors.Invalid(message, fix="write https://, or apply it as a Policy")
        host = urlsplit(bare).hostname or ""
        if host not in self.hosts:
            message = f"policies of namespace {self.namespace} may not come from {host}"
            fix = "list it in settings.policiesAllowedHostnames of the Organization"
            raise errors.Invalid(message, fix=fix)
        self.wanted.add(reference)
        found = self.fetched.get(reference, fetches.Fetched())
        if found.content is None:
            raise errors.Unavailable(f"{bare}: {found.failure or 'it has not been fetched yet'}")
        return found.content

    def _home_of(self, organization: str) -> str | None:
        """The home of an Organization; None where there is none of that name."""
        found = self.cache.get(Key("Organization", "", organization))
        try:
            return None if found is None else organizations.read(found).home_namespace
        except errors.Invalid:
            return None

    def _digest(self, name: str, found: Object) -> str:
        """Of the object as it is declared now; "none" where it cannot be read."""
        try:
            if name == "Policy":
                return str(identity.digest(self._object(kind.Policy, found)))
            return str(identity.digest(self._object(kind.PolicyGroup, found)))
        except (errors.Invalid, errors.NotFound, errors.Unavailable):
            return "none"


def _key_of(config_map: Object | None, key: str) -> bytes | None:
    """The bytes of a key; None where there is no such key."""
    if config_map is None:
        return None
    text, encoded = ((config_map.get(field) or {}).get(key) for field in ("data", "binaryData"))
    if text is not None:
        return str(text).encode()
    try:
        return None if encoded is None else base64.b64decode(encoded, validate=True)
    except binascii.Error as exc:
        raise errors.Invalid(f"key {key} of ConfigMap {CONFIG_MAP} is no base64") from exc


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
