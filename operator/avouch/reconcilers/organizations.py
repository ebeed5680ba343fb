"""Organization: which namespaces are its projects. A namespace that two of them claim stalls both."""

from collections.abc import Iterable, Mapping
from typing import Any

from avouch import errors
from avouch.controlplane.model import identities
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.reconcilers import conditions
from avouch.reconcilers.context import Context, spec_of


def projects(organization: Object, namespaces: Iterable[Object]) -> frozenset[str]:
    """The namespaces that an Organization claims: its home, those it names, those it selects among existing ones."""
    spec = spec_of(organization)
    chosen = spec.get("projects") or {}
    labels: Mapping[str, str] = (chosen.get("selector") or {}).get("matchLabels") or {}
    selected = (n["metadata"]["name"] for n in namespaces if labels and _carries(n, labels))
    return frozenset((str(spec["homeNamespace"]), *(chosen.get("namespaces") or ()), *selected))


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


def claiming(cache: ObjectCache, namespace: str) -> Object:
    """The one Organization that claims a namespace.

    Raises:
        NotFound: none claims it.
        Conflict: two do.
    """
    known = _all(cache, "Namespace")
    found = [o for o in _all(cache, "Organization") if namespace in projects(o, known)]
    if not found:
        raise errors.NotFound(f"no Organization has namespace {namespace} among its projects")
    if len(found) > 1:
        names = " and ".join(sorted(o["metadata"]["name"] for o in found))
        raise errors.Conflict(f"Organizations {names} both claim namespace {namespace}")
    return found[0]


def home_of(cache: ObjectCache, namespace: str) -> str:
    """The home namespace of the one Organization that claims a namespace. Raises as `claiming` does."""
    return str(spec_of(claiming(cache, namespace))["homeNamespace"])


def setting(cache: ObjectCache, namespace: str, name: str) -> Any:
    """A setting of the one Organization that claims a namespace; None where nobody says anything."""
    try:
        return (spec_of(claiming(cache, namespace)).get("settings") or {}).get(name)
    except (errors.NotFound, errors.Conflict):
        return None


def restricts_contracts(cache: ObjectCache, namespace: str) -> bool:
    """Whether any Organization that claims a namespace restricts its Contracts: what the admission policy asks."""
    known = _all(cache, "Namespace")
    claiming = (o for o in _all(cache, "Organization") if namespace in projects(o, known))
    return any((spec_of(o).get("settings") or {}).get("restrictContractCreation") is True for o in claiming)


def record_of(organization: Object) -> identities.Organisation:
    """The row that the server reads."""
    spec = spec_of(organization)
    settings = spec.get("settings") or {}
    return identities.Organisation(
        name=str(organization["metadata"]["name"]),
        home=str(spec["homeNamespace"]),
        skip_runner_variables=settings.get("skipRunnerVariables") is True,
        retention=dict(spec.get("retention") or {}),
    )


def decide(organization: Object, others: Iterable[Object], namespaces: Iterable[Object]) -> conditions.Desired:
    """What the status should say."""
    if spec_of(organization).get("suspend") is True:
        return conditions.suspended(organization.get("status") or {})
    known = tuple(namespaces)
    contested = rivals(organization, others, known)
    if contested:
        words = "; ".join(
            f"namespace {n} is also claimed by Organization {o}" for n, o in sorted(contested.items())[:5]
        )
        return conditions.stalled(conditions.INVALID_PROJECTS, f"{words} (fix: take it out of one of the two)")
    home = str(spec_of(organization)["homeNamespace"])
    if home not in {n["metadata"]["name"] for n in known}:
        return conditions.waiting(f"home namespace {home} does not exist: create it, or correct spec.homeNamespace")
    existing = projects(organization, known) & {n["metadata"]["name"] for n in known}
    return conditions.succeeded("projects resolved").having(projects=len(existing))


async def reconcile(world: Context, _key: Key, obj: Object) -> conditions.Desired:
    """Gather, record and decide. A suspended one keeps the rows it had."""
    others, namespaces = _all(world.cache, "Organization"), _all(world.cache, "Namespace")
    if spec_of(obj).get("suspend") is not True:
        alone = sorted(projects(obj, namespaces) - rivals(obj, others, namespaces).keys())
        await world.organisations.record(record_of(obj), alone, epoch=world.epoch())
    return decide(obj, others, namespaces)


async def remove(world: Context, key: Key, old: Object | None) -> None:
    """Forget it and its projects."""
    await world.organisations.remove(key.name, epoch=world.epoch())


def _carries(namespace: Object, wanted: Mapping[str, Any]) -> bool:
    labels = namespace["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def _all(cache: ObjectCache, kind: str) -> list[Object]:
    return [obj for key in cache.keys(kind) if (obj := cache.get(key)) is not None]
