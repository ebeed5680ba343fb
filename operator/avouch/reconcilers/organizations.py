"""Organization: which namespaces are its projects. A namespace that two of them claim stalls both."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from avouch import errors
from avouch.api import durations
from avouch.api import organization as kind
from avouch.controlplane.model import identities
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.reconcilers import conditions, specs
from avouch.reconcilers.context import Context


def projects(organization: Object, namespaces: Iterable[Object]) -> frozenset[str]:
    """The namespaces that an Organization claims: its home, those it names, those it selects among existing ones."""
    return _claims(read(organization), namespaces)


def read(organization: Object) -> kind.OrganizationSpec:
    """What an Organization says. Raises errors.Invalid."""
    return specs.spec_of(organization, kind.OrganizationSpec)


def rivals(organization: Object, others: Iterable[Object], namespaces: Iterable[Object]) -> dict[str, str]:
    """Namespace -> the other Organization that claims it as well."""
    known = tuple(namespaces)
    mine = projects(organization, known)
    name = organization["metadata"]["name"]
    return {
        namespace: str(other["metadata"]["name"])
        for other in others
        if other["metadata"]["name"] != name
        for namespace in sorted(mine & projects(other, known))
    }


def claiming(cache: ObjectCache, namespace: str) -> kind.OrganizationSpec:
    """What the one Organization that claims a namespace says.

    Raises:
        NotFound: none claims it.
        Conflict: two do.
        Invalid: one cannot be read, so nobody knows what it claims.
    """
    found = _claiming(cache, namespace)
    if not found:
        raise errors.NotFound(f"no Organization has namespace {namespace} among its projects")
    if len(found) > 1:
        raise errors.Conflict(f"Organizations {' and '.join(sorted(found))} both claim namespace {namespace}")
    return next(iter(found.values()))


def home_of(cache: ObjectCache, namespace: str) -> str:
    """The home namespace of the one Organization that claims a namespace. Raises as `claiming` does."""
    return claiming(cache, namespace).home_namespace


def settings_of(cache: ObjectCache, namespace: str) -> kind.Settings:
    """The settings of the one Organization that claims a namespace; the defaults where nobody says anything."""
    try:
        return claiming(cache, namespace).settings or kind.Settings()
    except (errors.NotFound, errors.Conflict):
        return kind.Settings()


def kept_for(cache: ObjectCache, workflow: Key) -> timedelta | None:
    """How long runs of a Workflow are kept: as it says, else its Organization; None: for ever, or unreadable."""
    found = cache.get(workflow)
    try:
        own = None if found is None else specs.spec_of(found, specs.Retained).retention
        common = claiming(cache, workflow.namespace).retention if own is None or own.runs is None else own
        return durations.read(common.runs) if common is not None and common.runs is not None else None
    except (errors.NotFound, errors.Conflict, errors.Invalid):
        return None


def restricts_contracts(cache: ObjectCache, namespace: str) -> bool:
    """Whether any Organization that claims a namespace restricts its Contracts: what the admission policy asks."""
    found = _claiming(cache, namespace).values()
    return any(spec.settings is not None and spec.settings.restrict_contract_creation for spec in found)


def record_of(organization: Object) -> identities.Organization:
    """The row that the server reads."""
    spec = read(organization)
    return identities.Organization(
        name=str(organization["metadata"]["name"]),
        home=spec.home_namespace,
        skip_runner_variables=spec.settings is not None and spec.settings.skip_runner_variables,
        retention=spec.retention.to_object() if spec.retention else {},
        quotas=spec.settings.quotas.to_object() if spec.settings and spec.settings.quotas else {},
    )


def decide(organization: Object, others: Iterable[Object], namespaces: Iterable[Object]) -> conditions.Desired:
    """The status, from what was gathered."""
    spec = read(organization)
    if spec.suspend:
        return conditions.suspended(organization.get("status") or {})
    known = tuple(namespaces)
    contested = rivals(organization, others, known)
    if contested:
        words = "; ".join(
            f"namespace {n} is also claimed by Organization {o}" for n, o in sorted(contested.items())[:5]
        )
        return conditions.stalled(conditions.INVALID_PROJECTS, f"{words} (fix: remove it from one of the two)")
    home = spec.home_namespace
    if home not in {n["metadata"]["name"] for n in known}:
        return conditions.waiting(f"home namespace {home} does not exist: create it, or correct spec.homeNamespace")
    existing = projects(organization, known) & {n["metadata"]["name"] for n in known}
    return conditions.succeeded("projects resolved").having(projects=len(existing))


async def reconcile(context: Context, _key: Key, obj: Object) -> conditions.Desired:
    """Gather, record and decide. A suspended one keeps the rows it had."""
    others, namespaces = _all(context.cache, "Organization"), _all(context.cache, "Namespace")
    if not read(obj).suspend:
        alone = sorted(projects(obj, namespaces) - rivals(obj, others, namespaces).keys())
        await context.organizations.record(record_of(obj), alone, epoch=context.epoch())
    return decide(obj, others, namespaces)


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Delete its record and its projects."""
    await context.organizations.remove(key.name, epoch=context.epoch())


def _claims(spec: kind.OrganizationSpec, namespaces: Iterable[Object]) -> frozenset[str]:
    chosen = spec.projects or kind.Projects()
    labels = chosen.selector.match_labels if chosen.selector else {}
    selected = (n["metadata"]["name"] for n in namespaces if labels and _carries(n, labels))
    return frozenset((spec.home_namespace, *chosen.namespaces, *selected))


def _claiming(cache: ObjectCache, namespace: str) -> dict[str, kind.OrganizationSpec]:
    """What the Organizations that claim a namespace say, by their names."""
    known = _all(cache, "Namespace")
    said = {str(each["metadata"]["name"]): read(each) for each in _all(cache, "Organization")}
    return {name: spec for name, spec in said.items() if namespace in _claims(spec, known)}


def _carries(namespace: Object, wanted: Mapping[str, Any]) -> bool:
    labels = namespace["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _all(cache: ObjectCache, kind: str) -> list[Object]:
    return [obj for key in cache.keys(kind) if (obj := cache.get(key)) is not None]
