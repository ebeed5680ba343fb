"""The `ClusterReader` port over plain GETs, without a cache."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from avouch.kube import connection, tokens

_TEKTON = "/apis/tekton.dev/v1"


class ClusterReader:
    """Reads pods, TaskRuns, PipelineRuns, namespaces, quotas and LimitRanges, and reviews tokens."""

    def __init__(self, api: connection.Connection) -> None:
        self._api = api
        self._tokens = tokens.TokenReviews(api)

    async def review_token(self, token: str, audience: str) -> Mapping[str, Any]:
        """TokenReview. Returns `status.user`. Raises errors.Unauthenticated."""
        return await self._tokens.review(token, audience)

    async def pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One pod."""
        return await self._api.get(f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}")

    async def taskrun(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One TaskRun."""
        return await self._tekton(namespace, "taskruns", name)

    async def pipelinerun(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One PipelineRun."""
        return await self._tekton(namespace, "pipelineruns", name)

    async def namespace(self, name: str) -> dict[str, Any] | None:
        """One namespace."""
        return await self._api.get(f"/api/v1/namespaces/{quote(name, safe='')}")

    async def resource_quotas(self, namespace: str) -> Sequence[dict[str, Any]]:
        """Every ResourceQuota of a namespace."""
        found = await self._api.get(f"/api/v1/namespaces/{quote(namespace, safe='')}/resourcequotas")
        return list((found or {}).get("items") or ())

    async def limit_ranges(self, namespace: str) -> Sequence[dict[str, Any]]:
        """Every LimitRange of a namespace."""
        found = await self._api.get(f"/api/v1/namespaces/{quote(namespace, safe='')}/limitranges")
        return list((found or {}).get("items") or ())

    async def volume_claim(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One PersistentVolumeClaim."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/persistentvolumeclaims/{quote(name, safe='')}"
        return await self._api.get(path)

    async def config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        """One ConfigMap; the server needs the one that names the front proxy's authority."""
        return await self._api.get(f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps/{quote(name, safe='')}")

    async def _tekton(self, namespace: str, plural: str, name: str) -> dict[str, Any] | None:
        return await self._api.get(f"{_TEKTON}/namespaces/{quote(namespace, safe='')}/{plural}/{quote(name, safe='')}")
