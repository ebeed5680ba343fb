"""The cluster as the use cases read it: its clock, its Secrets, its own record."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol


class Clock(Protocol):
    """The wall clock, in UTC."""

    def now(self) -> datetime:
        """The present, timezone-aware."""
        ...


class Secrets(Protocol):
    """Secrets of integrations, read when they are needed and never stored."""

    async def read(self, namespace: str, name: str, key: str) -> bytes:
        """One value. Raises errors.NotFound, errors.Denied or errors.Unavailable."""
        ...


class PodTrials(Protocol):
    """Creations of pods that create nothing."""

    async def refusal(self, namespace: str, created: Mapping[str, Any]) -> str:
        """Why the pod would not be created; "" where it would. Raises errors.Unavailable: the cluster did not say."""
        ...


class ClusterReader(Protocol):
    """The cluster's own record. Objects are plain Kubernetes JSON; None where the object is gone."""

    async def review_token(self, token: str, audience: str) -> Mapping[str, Any]:
        """TokenReview. Returns `status.user` (username, uid, groups, extra). Raises errors.Unauthenticated."""
        ...

    async def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One pod."""
        ...

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One TaskRun."""
        ...

    async def pipelinerun(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One PipelineRun."""
        ...

    async def namespace(self, name: str) -> dict[str, Any] | None:
        """One namespace: its uid tells it from a predecessor of the same name."""
        ...

    async def resource_quotas(self, namespace: str) -> Sequence[dict[str, Any]]:
        """Every ResourceQuota of a namespace: `auto` does not inject where one could refuse the pod."""
        ...

    async def limit_ranges(self, namespace: str) -> Sequence[dict[str, Any]]:
        """Every LimitRange of a namespace: the sidecar's requests and limits are fitted into them."""
        ...

    async def volume_claim(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One PersistentVolumeClaim: a block or ReadWriteOncePod volume is never mounted a second time."""
        ...
