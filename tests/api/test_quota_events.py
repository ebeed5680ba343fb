"""An Event that regards a Namespace and lies in it, as a real API server takes it."""

import json
from collections.abc import Iterator

import pytest

from avouch.controlplane.model import quotas
from avouch.kube import client, connection, events
from avouch.reconcilers import quota_events
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as started:
        yield started


class Uses:
    def __init__(self, uid: str) -> None:
        self.uid = uid

    async def nearly_full(self, share: float, limit: int) -> list[quotas.NearlyFull]:
        return [quotas.NearlyFull("team", self.uid, "artifactCount", 95_000, 100_000)]


async def test_who_looks_into_a_namespace_sees_that_its_quota_is_nearly_used_up(api: ApiServer) -> None:
    api.kubectl("create", "namespace", "team")
    uid = api.kubectl("get", "namespace", "team", "-o", "jsonpath={.metadata.uid}")
    reached = connection.from_kubeconfig(api.kubeconfig)
    recorder = events.Recorder(client.KubeClient(reached), "avouch-0", fallback_namespace="default")
    await quota_events.QuotaWatch(Uses(uid), recorder).look()
    await reached.close()
    (told,) = json.loads(api.kubectl("get", "events", "-n", "team", "-o", "json"))["items"]
    assert (told["reason"], told["involvedObject"]["kind"]) == ("ArtifactQuotaNearlyFull", "Namespace")
    assert "95000 of 100000 artifacts" in told["message"]
    assert "ArtifactQuotaNearlyFull" in api.kubectl("events", "-n", "team", "--for", "namespace/team")
