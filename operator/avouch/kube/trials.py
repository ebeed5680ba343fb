"""Whether the API server would create a pod, by a dry run that creates nothing (`dryRun=All`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from avouch import errors
from avouch.kube import connection

PATIENCE = 0.6  # seconds: the pod itself waits meanwhile
# What admission and validation answer. Anything else, such as 429, says nothing of this pod.
_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})


@dataclass(frozen=True, slots=True)
class PodTrials:
    """Implements `controlplane.model.cluster.PodTrials` over a plain connection."""

    api: connection.Connection

    async def refusal(self, namespace: str, created: Mapping[str, Any]) -> str:
        """Why the pod would not be created; "" where it would. Raises errors.Unavailable: it did not say."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
        body = (connection.JSON, json.dumps(created).encode())
        answer = await self.api.request("POST", path, query={"dryRun": "All"}, body=body, patience=PATIENCE)
        if not answer.failed:
            return ""
        if answer.status not in _REFUSED:
            raise errors.Unavailable(f"the API server answered {answer.status} to a dry run of a pod")
        try:
            said = str(json.loads(answer.content)["message"])
        except (ValueError, KeyError, TypeError):
            said = ""
        return said or f"answered {answer.status}"
