"""What the chart's roles add to the cluster's own: asked of a real API server, which aggregates them."""

import json
from collections.abc import Iterator

import pytest

from tests import charts
from tests.api.served import until
from tests.cluster.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {user}, namespace: shop}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
subjects: [{{kind: User, name: {user}, apiGroup: rbac.authorization.k8s.io}}]
"""
REVIEW = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as api:
        api.kubectl("create", "namespace", "shop")
        yield api


def allowed(api: ApiServer, user: str, verb: str, resource: str, subresource: str = "") -> bool:
    about = {"group": "runs.avouch.dev", "namespace": "shop", "verb": verb, "resource": resource}
    spec = {"user": user, "resourceAttributes": {**about, "subresource": subresource}}
    asked = json.dumps({**REVIEW, "spec": spec})
    said = api.kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed}", stdin=asked)
    return said == "true"


def downloads(api: ApiServer, user: str) -> bool:
    return allowed(api, user, "create", "workflowruns", "tickets")


def test_who_may_view_sees_runs_and_downloads_nothing_of_them(api: ApiServer) -> None:
    api.apply(charts.rendered("roles"))
    for user, role in (
        ("viewer", "view"), ("editor", "edit"), ("owner", "admin"), ("ours", "avouch-view"),
        ("reader", "avouch-artifact-reader"),
    ):  # fmt: skip
        api.apply(BINDING.format(user=user, role=role))
    until(lambda: allowed(api, "viewer", "get", "workflowruns"), "the roles are aggregated")
    until(lambda: downloads(api, "editor"), "the roles are aggregated")
    found = {user: downloads(api, user) for user in ("viewer", "ours", "editor", "owner", "reader")}
    assert found == {"viewer": False, "ours": False, "editor": True, "owner": True, "reader": True}


def test_where_the_chart_says_so_who_may_view_may_download(api: ApiServer) -> None:
    api.apply(charts.rendered("roles", **{"rbac.viewersReadArtifacts": "true"}))
    until(lambda: downloads(api, "viewer"), "the roles are aggregated")
