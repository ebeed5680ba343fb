"""Why the pods of a namespace have no sidecar although a run wanted one, as far as the namespace shows it.

What the webhook saw of one pod alone (its shape, a policy of the cluster) stands in an Event of the TaskRun.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from avouch import errors, plan
from avouch.kube import resources
from avouch.kube.cache import Key, Object, ObjectCache
from avouch.kube.client import Json
from avouch.tekton import decision, labels, limits, pod

_AGAIN = "run it again"
_UNLESS = f"{_AGAIN}, unless kubectl get events shows another cause (SidecarNotInjected)"
_LABELLED = "without one it asked in vain: see that avouch-server was ready then, and run it again"
_SAYS = f"kubectl get events shows why (SidecarNotInjected); {_LABELLED}"


class ListApi(Protocol):
    """The verb that these questions need."""

    async def list_all(self, resource: resources.Resource, namespace: str = "", **query: str) -> tuple[list[Json], str]:
        """Every object and the resource version of the list."""
        ...


def wants_sidecar(plans: Sequence[plan.Plan]) -> bool:
    """Whether a pod of these runs gets a sidecar where nothing of the namespace keeps it out."""
    return not isinstance(decision.decide(_whole(plans), quota=False), pod.Refusal)


def held_back(plans: Sequence[plan.Plan]) -> pod.Refusal | None:
    """Why a ResourceQuota, and nothing else, keeps the sidecar out of these runs' pods."""
    refused = decision.decide(_whole(plans), quota=True)
    return refused if isinstance(refused, pod.Refusal) and wants_sidecar(plans) else None


def _whole(plans: Sequence[plan.Plan]) -> Sequence[decision.Owed]:
    return [decision.Owed(each, each.materials) for each in plans]


@dataclass(frozen=True, slots=True)
class Uninjected:
    """Asks the namespace."""

    cache: ObjectCache
    api: ListApi

    def labelled(self, namespace: str) -> bool:
        """Whether pods of the namespace are shown to the webhook at all."""
        return labels.of(self._namespace(namespace)).get(labels.INJECT) == "enabled"

    async def refusal(self, namespace: str, plans: Sequence[plan.Plan]) -> pod.Refusal | None:
        """A ResourceQuota or a LimitRange that keeps the sidecar of these runs out of every pod.

        Raises errors.AvouchError where the API server cannot be asked.
        """
        return await self._quota(namespace, plans) or await self._limits(namespace)

    async def why(self, namespace: str, plans: Sequence[plan.Plan], opened: str = "") -> str:
        """Why there is no sidecar, with a fix as `errors.parted` takes it apart; "" where these runs wanted none.

        `opened` says that a Workflow of theirs became Ready just when the build began, if one did.

        Raises errors.AvouchError where the API server cannot be asked.
        """
        chosen = decision.decide(_whole(plans), quota=False)
        if isinstance(chosen, pod.Refusal):
            return errors.with_fix(chosen.message, "set it to auto") if chosen.reason is pod.Reason.NEVER else ""
        if not self.labelled(namespace):
            label = f"{labels.INJECT}=enabled"
            fix = f"kubectl label namespace {namespace} {label}, then run it again"
            return errors.with_fix(f"the namespace lacks the label {label}", fix)
        refused = await self.refusal(namespace, plans)
        if refused is not None:
            text, _, remedy = refused.message.partition("; ")
            return errors.with_fix(f"{refused.reason}: {text}", f"{remedy}, then {_AGAIN}" if remedy else _AGAIN)
        if opened:
            return errors.with_fix(f"{opened}: the webhook may not have known of it yet", _UNLESS)
        return errors.with_fix("the webhook left the pod alone, or did not answer when it was created", _SAYS)

    async def _quota(self, namespace: str, plans: Sequence[plan.Plan]) -> pod.Refusal | None:
        refused = held_back(plans)
        if refused is None:
            return None
        return refused if (await self.api.list_all(resources.RESOURCE_QUOTAS, namespace))[0] else None

    async def _limits(self, namespace: str) -> pod.Refusal | None:
        """Why no sidecar fits into any pod of the namespace."""
        fitted = limits.fit((await self.api.list_all(resources.LIMIT_RANGES, namespace))[0], {})
        return fitted if isinstance(fitted, pod.Refusal) else None

    def _namespace(self, name: str) -> Object:
        return self.cache.get(Key("Namespace", "", name)) or {}
