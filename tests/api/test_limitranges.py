"""LimitRanges, judged by a real API server: a pod that is created without the sidecar is created with it."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from avouch.tekton import injection, limits
from avouch.tekton import pod as pod_shape
from tests import limitranger
from tests.cluster.apiserver import ApiServer
from tests.cluster.errors import ClusterError
from tests.unit.tekton import pods

pytestmark = pytest.mark.apiserver

MADE_UP = 24  # LimitRanges by chance, each in a namespace of its own


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as running:
        yield running


def limited(api: ApiServer, namespace: str, *items: dict[str, Any]) -> list[dict[str, Any]]:
    """A namespace with a LimitRange; returns what a list of its LimitRanges answers."""
    place = {"namespace": namespace}
    account = {"metadata": {"name": "builder", **place}, "automountServiceAccountToken": False}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", **account},
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l", **place}, "spec": {"limits": items}},
    ]
    api.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    found: list[dict[str, Any]] = json.loads(api.kubectl("get", "limitranges", "-n", namespace, "-o", "json"))["items"]
    return found


def tekton_pod(requests: dict[str, str], limited_to: dict[str, str]) -> dict[str, Any]:
    """A pod whose containers Tekton fitted into the LimitRange, as it does."""
    made = pods.pod(steps=1)
    for container in (*made["spec"]["containers"], *made["spec"]["initContainers"]):
        container["resources"] = {"requests": requests, "limits": limited_to}
    return made


def patched(created: dict[str, Any], resources: limits.Resources) -> dict[str, Any]:
    """The pod as the webhook's patch makes it."""
    shape = pod_shape.read(created)
    assert isinstance(shape, pod_shape.Shape)
    plans = (pods.a_plan(pods.workspace_file()),)
    patch = injection.patch(injection.Injection(shape, plans, {}, resources=resources), pods.SETTINGS, "0123abcd")
    assert isinstance(patch, list)
    made: dict[str, Any] = json.loads(json.dumps(created))
    for change in patch:
        made["spec"][str(change["path"]).split("/")[2]].append(change["value"])
    return made


def refused(api: ApiServer, namespace: str, created: dict[str, Any]) -> str:
    """Why the API server does not create a pod; "" where it does."""
    whole = {**created, "apiVersion": "v1", "kind": "Pod", "metadata": {**created["metadata"], "namespace": namespace}}
    del whole["metadata"]["ownerReferences"]
    try:
        api.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(whole))
    except ClusterError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("min-cpu", {"type": "Container", "min": {"cpu": "50m"}}),
        ("min-memory", {"type": "Container", "min": {"memory": "64Mi"}}),
        ("ratio", {"type": "Container", "maxLimitRequestRatio": {"cpu": "10"}}),
        ("max-cpu", {"type": "Container", "max": {"cpu": "400m"}}),
        ("pod-max", {"type": "Pod", "max": {"memory": "200Mi"}}),
    ],
)
def test_a_pod_is_created_with_and_without_the_sidecar(api: ApiServer, name: str, item: dict[str, Any]) -> None:
    ranges = limited(api, f"limited-{name}", item)
    created = tekton_pod({"cpu": "100m", "memory": "80Mi"}, {"cpu": "200m", "memory": "80Mi"})
    assert refused(api, f"limited-{name}", created) == ""
    fitted = limits.fit(ranges, created)
    assert not isinstance(fitted, pod_shape.Refusal)
    assert refused(api, f"limited-{name}", patched(created, fitted)) == ""
    assert "forbidden" in refused(api, f"limited-{name}", patched(created, limits.WANTED))


@pytest.mark.parametrize(
    ("requests", "most"),
    [
        ({"cpu": "103m", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}),
        ({"cpu": "1", "memory": "100Mi"}, {"cpu": "1", "memory": "1Gi"}),
    ],
)
def test_a_pod_with_resources_of_its_own_is_created_with_and_without_the_sidecar(
    api: ApiServer, requests: dict[str, str], most: dict[str, str]
) -> None:
    namespace = f"pod-level-{requests['cpu']}-{most['cpu']}".lower()
    limited(api, namespace, {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}})
    created = tekton_pod({"cpu": "100m", "memory": "80Mi"}, {"cpu": "200m", "memory": "80Mi"})
    created["spec"]["initContainers"] = [{"name": "prepare", "image": "x"}]
    created["spec"]["resources"] = {"requests": requests, "limits": most}
    assert refused(api, namespace, created) == ""
    fitted = limits.fit([], created)
    assert not isinstance(fitted, pod_shape.Refusal)
    assert refused(api, namespace, patched(created, fitted)) == ""
    assert "is invalid" in refused(api, namespace, patched(created, limits.WANTED))


def test_defaults_of_the_namespace_give_the_sidecar_nothing_that_it_did_not_ask_for(api: ApiServer) -> None:
    gpu = {"nvidia.com/gpu": "1"}
    ranges = limited(api, "gpus", {"type": "Container", "default": gpu, "defaultRequest": gpu})
    created = tekton_pod({"cpu": "100m", **gpu}, {"cpu": "200m", **gpu})
    fitted = limits.fit(ranges, created)
    assert not isinstance(fitted, pod_shape.Refusal)
    assert fitted["limits"]["nvidia.com/gpu"] == "0"
    assert refused(api, "gpus", patched(created, fitted)) == ""


def test_whatever_the_limitrange_the_api_server_takes_what_was_fitted(api: ApiServer) -> None:
    chance, compared = random.Random(20), 0  # noqa: S311 - the same ones each time
    for at in range(MADE_UP):
        namespace, items = f"by-chance-{at}", [_item(chance, kind) for kind in ("Container", "Pod")]
        try:
            ranges = limited(api, namespace, *items)
        except ClusterError as exc:
            assert "is invalid" in str(exc)  # noqa: PT017 - such as a min over the max
            continue
        limit = {"cpu": chance.choice(("100m", "333m", "1")), "memory": chance.choice(("64Mi", "100Mi", "200Mi"))}
        created = tekton_pod({**limit, "cpu": "100m"}, limit)
        fitted, why = limits.fit(ranges, created), refused(api, namespace, created)
        assert bool(why) is not limitranger.admits(_stored(ranges), created), why
        if isinstance(fitted, pod_shape.Refusal) or why:
            continue
        compared += 1
        assert refused(api, namespace, patched(created, fitted)) == ""
    assert compared >= MADE_UP // 8


def _stored(ranges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for one in ranges for item in one["spec"]["limits"]]


def _item(chance: random.Random, kind: str) -> dict[str, Any]:
    """Bounds that are near to what pods state here."""
    item: dict[str, Any] = {"type": kind}
    if chance.random() < 0.5:
        item["min"] = {"cpu": chance.choice(("5m", "50m", "100m")), "memory": chance.choice(("16Mi", "64Mi"))}
    if chance.random() < 0.5:
        item["max"] = {"cpu": chance.choice(("400m", "1500m")), "memory": chance.choice(("200Mi", "1024Mi"))}
    if chance.random() < 0.5:
        item["maxLimitRequestRatio"] = {
            "cpu": chance.choice(("4", "10", "33.3")),
            "memory": chance.choice(("2", "3.3")),
        }
    return item
