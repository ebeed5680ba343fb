"""Whether the embedded PostgreSQL of an install gets a volume, as Helm decides on a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests import charts
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

WARNING = "has no volume"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        api.kubectl("create", "namespace", "avouch")
        yield api


def storage_class(api: ApiServer, name: str, *, default: bool = True, provisioner: str = "disks.example.com") -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true" if default else "false"}
    made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": provisioner}
    api.apply(json.dumps({**made, "metadata": {"name": name, "annotations": annotations}}))


def installed(api: ApiServer, **values: str) -> tuple[dict[str, Any], str]:
    """(the StatefulSet, what the user reads)."""
    said = charts.installing(api.kubeconfig, **{"postgres.embedded": "true", **values})
    manifest, _, notes = said.partition("MANIFEST:")[2].partition("NOTES:")
    return stateful_set(manifest), notes


def stateful_set(manifest: str) -> dict[str, Any]:
    (found,) = [one for one in yaml.safe_load_all(manifest) if one and one["kind"] == "StatefulSet"]
    return dict(found)


def has_volume(found: dict[str, Any]) -> bool:
    claims = found["spec"].get("volumeClaimTemplates", [])
    volumes = [one for one in found["spec"]["template"]["spec"]["volumes"] if one["name"] == "data"]
    assert len(claims) + len(volumes) == 1
    return bool(claims)


def test_there_is_a_volume_where_the_cluster_has_a_default_class_else_a_loud_warning(api: ApiServer) -> None:
    found, notes = installed(api)
    assert not has_volume(found)
    assert WARNING in notes
    assert "no default StorageClass" in notes
    storage_class(api, "slow", default=False)
    storage_class(api, "by-hand", provisioner="kubernetes.io/no-provisioner")
    assert not has_volume(installed(api)[0])
    storage_class(api, "fast")
    found, notes = installed(api)
    assert has_volume(found)
    (claim,) = found["spec"]["volumeClaimTemplates"]
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    assert WARNING not in notes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"postgres.persistence": "true"}, True),
        ({"postgres.storageClass": "slow"}, True),
        ({"postgres.persistence": "false", "postgres.storageClass": "slow"}, False),
    ],
)
def test_what_was_said_counts_more_than_what_the_cluster_has(
    api: ApiServer, values: dict[str, str], expected: bool
) -> None:
    found, notes = installed(api, **values)
    assert has_volume(found) is expected
    assert (WARNING not in notes) is expected


@pytest.mark.parametrize("persistent", [True, False])
def test_an_upgrade_leaves_the_volumes_of_what_runs_as_they_are(api: ApiServer, persistent: bool) -> None:
    made, _ = installed(api, **{"postgres.persistence": str(persistent).lower()})
    made["metadata"]["annotations"] = {
        "meta.helm.sh/release-name": "avouch",
        "meta.helm.sh/release-namespace": "avouch",
    }
    api.apply(json.dumps(made))
    if not persistent:
        storage_class(api, "new-since")
    assert has_volume(installed(api)[0]) is persistent


def test_without_a_cluster_to_ask_there_is_none_unless_it_is_said() -> None:
    asked = {"postgres.embedded": "true"}
    assert not has_volume(stateful_set(charts.rendered("postgres", **asked)))
    assert has_volume(stateful_set(charts.rendered("postgres", **asked, **{"postgres.persistence": "true"})))
    assert "persistence" in charts.refused("postgres", **{"postgres.persistence": "sometimes"})
