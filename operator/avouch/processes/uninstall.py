"""`avouch uninstall`: before Helm removes avouch, remove the APIService and webhook configuration.

The controller made the APIService and the webhook configuration, so Helm does not know them. Without a server
they would block API discovery. The controller would create them again, so it is stopped first.
"""

import asyncio
import logging
import os
from pathlib import Path

from avouch import errors
from avouch.kube import client, connection, resources
from avouch.processes import logs
from avouch.reconcilers.installation import apiservice, webhook

_log = logging.getLogger(__name__)
_CALM = 10  # seconds without the controller making either again

DEPLOYMENTS = resources.Resource("apps", "v1", "deployments", "Deployment")


def main() -> int:
    """Run once. Returns the exit code."""
    logs.configure("INFO")
    namespace, file = os.environ.get("AVOUCH_NAMESPACE", ""), os.environ.get("AVOUCH_KUBECONFIG", "")
    if not namespace:
        _log.error("cannot start: AVOUCH_NAMESPACE is not set")
        return 2
    try:
        asyncio.run(_remove(namespace, Path(file) if file else None))
    except errors.AvouchError as exc:
        _log.error("cannot remove the APIService and webhook configuration: %s", exc)
        return 1
    return 0


async def _remove(namespace: str, kubeconfig: Path | None) -> None:
    opened = connection.of_environment(kubeconfig, os.environ)
    try:
        api = client.KubeClient(opened)
        await api.merge(DEPLOYMENTS, namespace, "avouch-controller", {"spec": {"replicas": 0}}, subresource="scale")
        for _ in range(_CALM):
            await api.delete(resources.API_SERVICES, "", apiservice.NAME)
            await api.delete(resources.MUTATING_WEBHOOKS, "", webhook.NAME)
            await asyncio.sleep(1)
    finally:
        await opened.close()
    _log.info("removed APIService %s and webhook configuration %s", apiservice.NAME, webhook.NAME)
