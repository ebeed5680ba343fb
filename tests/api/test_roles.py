"""What the chart's roles add to the cluster's own: asked of a real API server."""

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
metadata: {{name: {name}, namespace: shop}}
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


def bound(api: ApiServer, role: str) -> str:
    """A user of one of the cluster's own roles, as the controller manager puts it together."""
    label = f"rbac.authorization.k8s.io/aggregate-to-{role}=true"
    parts = api.kubectl("get", "clusterroles", "-l", label, "-o", "name").split()
    assert len(parts) > 1
    for part in parts:
        bind(api, f"user-of-{role}", part.partition("/")[2])
    return f"user-of-{role}"


def bind(api: ApiServer, user: str, role: str) -> str:
    api.apply(BINDING.format(name=f"{user}-{role}".replace(":", "-"), user=user, role=role))
    return user


def test_who_may_view_sees_runs_and_downloads_nothing_of_them(api: ApiServer) -> None:
    api.apply(charts.rendered("roles"))
    viewer, editor, owner = (bound(api, role) for role in ("view", "edit", "admin"))
    ours = bind(api, "ours", "avouch-view")
    reader = bind(api, "reader", "avouch-artifact-reader")
    until(lambda: downloads(api, reader), "the last binding is known")
    found = {user: downloads(api, user) for user in (viewer, ours, editor, owner, reader)}
    assert found == {viewer: False, ours: False, editor: True, owner: True, reader: True}
    assert all(allowed(api, user, "get", "workflowruns") for user in found)
    claims = {user: allowed(api, user, "get", "workflowruns", "claims") for user in found}
    assert claims == found  # they may hold artifacts


def test_nobody_deletes_a_run_but_who_was_given_that_role_and_everybody_sees_who_did(api: ApiServer) -> None:
    api.apply(charts.rendered("roles"))
    viewer, editor, owner = (bound(api, role) for role in ("view", "edit", "admin"))
    whole = bind(api, "whole", "avouch-admin")
    deleter = bind(api, "deleter", "avouch-run-deleter")
    until(lambda: allowed(api, deleter, "create", "workflowruns", "deletion"), "the last binding is known")
    users = (viewer, editor, owner, whole)
    assert not [user for user in users if allowed(api, user, "create", "workflowruns", "deletion")]
    assert not [user for user in (*users, deleter) if allowed(api, user, "delete", "workflowruns")]
    assert all(allowed(api, user, "list", "rundeletions") for user in (*users, deleter))


def test_runs_are_judged_again_for_admins_and_who_was_given_that_role_and_for_no_editor(api: ApiServer) -> None:
    api.apply(charts.rendered("roles"))
    viewer, editor, owner = (bound(api, role) for role in ("view", "edit", "admin"))
    author, whole = (bind(api, name, f"avouch-{name}") for name in ("edit-contracts", "admin"))
    asker = bind(api, "asker", "avouch-run-reevaluator")
    until(lambda: allowed(api, asker, "create", "workflowruns", "reevaluation"), "the last binding is known")
    users = (viewer, editor, owner, author, whole, asker)
    may = [user for user in users if allowed(api, user, "create", "workflowruns", "reevaluation")]
    assert may == [owner, whole, asker]


def test_policies_are_tried_on_the_server_by_who_may_write_them(api: ApiServer) -> None:
    api.apply(charts.rendered("roles"))
    viewer, owner = (bound(api, role) for role in ("view", "admin"))
    author = bind(api, "author", "avouch-edit-contracts")
    until(lambda: allowed(api, author, "create", "policyreviews"), "the last binding is known")
    assert allowed(api, owner, "create", "policyreviews")
    assert not allowed(api, viewer, "create", "policyreviews")


def test_whoever_may_log_in_reads_the_trust_root(api: ApiServer) -> None:
    api.apply(charts.rendered("roles"))
    about = {"group": "runs.avouch.dev", "verb": "get", "resource": "trustroots"}
    spec = {"user": "mallory", "groups": ["system:authenticated"], "resourceAttributes": about}
    asked = json.dumps({**REVIEW, "spec": spec})
    command = ("create", "-f", "-", "-o", "jsonpath={.status.allowed}")
    until(lambda: api.kubectl(*command, stdin=asked) == "true", "the binding is known")


def test_where_the_chart_says_so_who_may_view_may_download(api: ApiServer) -> None:
    api.apply(charts.rendered("roles", **{"rbac.viewersReadArtifacts": "true"}))
    until(lambda: downloads(api, bound(api, "view")), "the binding is known")
