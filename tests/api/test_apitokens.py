"""API tokens with the controller as a process of its own, a real API server and a real PostgreSQL."""

import asyncio
import base64
import datetime
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
import yaml

from avouch import errors
from avouch.controlplane.intake import tokens as token_rules
from avouch.controlplane.model import identities
from avouch.processes import permissions
from avouch.store import database, organizations
from avouch.store import tokens as token_store
from tests import charts
from tests.api import installed
from tests.api.test_controller import ROOT, Bench
from tests.cluster.errors import ClusterError

T = TypeVar("T")

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with installed.bench(tmp_path_factory.mktemp("apitokens")) as bench:
        yield bench


def manifest(namespace: str, name: str = "ci", **spec: Any) -> str:
    meta = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "avouch.dev/v1alpha1", "kind": "APIToken", "metadata": meta, "spec": spec})


def text(bench: Bench, namespace: str, secret: str = "avouch-token-ci") -> str:  # noqa: S107 - a name
    try:
        found = bench.get("secret", secret, namespace)
    except ClusterError:
        return ""
    assert found["type"] == "avouch.dev/token"
    return base64.b64decode(found["data"]["token"]).decode()


def store(bench: Bench, ask: Callable[[database.Database], Awaitable[T]]) -> T:
    """What the server would be told."""

    async def asked() -> T:
        async with database.Database(bench.database.url) as opened:
            return await ask(opened)

    return asyncio.run(asked())


def record(bench: Bench, held: str) -> identities.TokenRecord | None:
    return store(bench, lambda opened: token_store.Tokens(opened).find(token_rules.parse(held)))


def organization_of(bench: Bench, namespace: str) -> identities.Organization | None:
    return store(bench, lambda opened: organizations.Organizations(opened).of_namespace(namespace))


def works(bench: Bench, held: str, later: datetime.timedelta = datetime.timedelta(0)) -> bool:
    """Whether a server would let the holder in."""
    try:
        token_rules.check(record(bench, held), held, datetime.datetime.now(datetime.UTC) + later)
    except errors.Unauthenticated:
        return False
    return True


def ready(bench: Bench, namespace: str) -> tuple[str | None, str | None]:
    found = bench.condition("apitoken", "ci", namespace)
    return found.get("status"), found.get("reason")


def test_a_token_appears_in_a_secret_works_rotates_and_is_revoked(bench: Bench, namespace: str) -> None:
    with installed.started(bench) as _:
        bench.api.kubectl("apply", "-f", "-", stdin=manifest(namespace, lifetime="24h"))
        bench.ready("apitoken", "ci", namespace)
        first = text(bench, namespace)
        status = bench.get("apitoken", "ci", namespace)["status"]
        assert [token["id"] for token in status["tokens"]] == [token_rules.parse(first)]
        assert (status["secretName"], status["expiresAt"][:2]) == ("avouch-token-ci", "20")
        assert first not in json.dumps(bench.get("apitoken", "ci", namespace))
        owner = bench.get("secret", "avouch-token-ci", namespace)["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"]) == ("APIToken", "ci")
        assert works(bench, first)
        assert not works(bench, first, datetime.timedelta(hours=24))
        assert not works(bench, first[:-1] + ("A" if first[-1] != "A" else "B"))

        bench.api.kubectl("apply", "-f", "-", stdin=manifest(namespace, lifetime="24h", rotate="two"))
        bench.becomes(lambda: text(bench, namespace) != first, True)
        second = text(bench, namespace)
        assert works(bench, second)
        assert works(bench, first)
        bench.becomes(lambda: len(bench.get("apitoken", "ci", namespace)["status"]["tokens"]), 2)

        overlap = manifest(namespace, lifetime="24h", rotate="three", rotation={"overlap": "0s"})
        bench.api.kubectl("apply", "-f", "-", stdin=overlap)
        bench.becomes(lambda: [works(bench, held) for held in (first, second)], [False, False])
        third = text(bench, namespace)
        assert works(bench, third)

        patch = '{"spec":{"revoked":true}}'
        bench.api.kubectl("patch", "apitoken", "ci", "-n", namespace, "--type=merge", "-p", patch)
        bench.becomes(lambda: works(bench, third), False)
        bench.becomes(lambda: ready(bench, namespace), ("False", "Revoked"))


def test_an_organizations_token_is_made_in_its_home_alone_and_its_use_is_shown(bench: Bench, namespace: str) -> None:
    home = bench.namespace("the-home")
    spec = {"homeNamespace": home, "projects": {"namespaces": [namespace]}}
    organization = {"apiVersion": "avouch.dev/v1alpha1", "kind": "Organization", "metadata": {"name": "acme"}}
    with installed.started(bench) as _:
        bench.api.apply(json.dumps({**organization, "spec": spec}))
        bench.api.apply(manifest(namespace, scope="Organization"))
        bench.api.apply(manifest(home, scope="Organization"))
        bench.ready("apitoken", "ci", home)
        bench.becomes(lambda: ready(bench, namespace), ("False", "DependencyNotReady"))
        assert text(bench, namespace) == ""
        held = record(bench, text(bench, home))
        assert held is not None
        assert token_rules.covers(held, organization_of(bench, namespace), namespace, "any")
        assert not token_rules.covers(held, organization_of(bench, "avouch"), "avouch", "any")
        now = datetime.datetime.now(datetime.UTC)
        store(bench, lambda opened: token_store.Tokens(opened).used(held.id, now))
        bench.api.kubectl("label", "apitoken", "ci", "-n", home, "look=again")
        bench.becomes(
            lambda: bench.get("apitoken", "ci", home)["status"].get("lastUsedAt"), f"{now:%Y-%m-%dT%H:%M:%SZ}"
        )


def test_deletion_revokes_at_once(bench: Bench, namespace: str) -> None:
    with installed.started(bench) as _:
        bench.api.apply(manifest(namespace))
        bench.ready("apitoken", "ci", namespace)
        held = text(bench, namespace)
        bench.api.kubectl("delete", "apitoken", "ci", "-n", namespace)
        bench.becomes(lambda: works(bench, held), False)


def test_deletion_while_no_controller_ran_revokes_at_the_next_start(bench: Bench, namespace: str) -> None:
    with installed.started(bench) as _:
        bench.api.apply(manifest(namespace))
        bench.api.apply(manifest(namespace, "again"))
        bench.ready("apitoken", "ci", namespace)
        bench.ready("apitoken", "again", namespace)
    gone, old = text(bench, namespace), text(bench, namespace, "avouch-token-again")
    bench.api.kubectl("delete", "apitoken", "ci", "again", "-n", namespace)
    bench.api.kubectl("delete", "secret", "avouch-token-again", "-n", namespace)  # nothing is garbage-collected here
    bench.api.apply(manifest(namespace, "again"))
    assert works(bench, gone)
    with installed.started(bench) as _:
        bench.becomes(lambda: [works(bench, held) for held in (gone, old)], [False, False])
        bench.ready("apitoken", "again", namespace)
        assert works(bench, text(bench, namespace, "avouch-token-again"))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_controller_killed_around_the_secret_leaves_no_token_that_nobody_answers_for(
    bench: Bench, moment: str
) -> None:
    """Killed by the code itself, at the very place: `os._exit` instead of, or right after, writing the Secret."""
    namespace = bench.namespace(f"killed-{moment}")
    path = f"{ROOT / 'operator'}:{ROOT}"
    there = {"module": "tests.api.dying_controller", "AVOUCH_TEST_DIE": moment, "PYTHONPATH": path}
    with installed.started(bench, **there) as dying:
        bench.api.apply(manifest(namespace))
        assert dying.wait(60) == 9
    lost = text(bench, namespace)
    assert bool(lost) == (moment == "after")
    (row,) = bench.rows(f"select id, delivered_at from avouch.tokens where namespace = '{namespace}'")  # noqa: S608
    assert row[1] is None
    with installed.started(bench) as _:
        bench.ready("apitoken", "ci", namespace)
    held = text(bench, namespace)
    assert works(bench, held)
    assert held != lost
    assert not (lost and works(bench, lost))
    ids = bench.rows(f"select id from avouch.tokens where namespace = '{namespace}'")  # noqa: S608 - ours
    assert ids == [(token_rules.parse(held),)]


@pytest.mark.parametrize(
    "make",
    [
        ("create", "secret", "generic", "password", "--from-literal=token=theirs"),
        ("create", "secret", "generic", "password", "--from-literal=other=theirs"),
        ("create", "secret", "generic", "password", "--type=avouch.dev/token", "--from-literal=token=theirs"),
    ],
    ids=["same key", "another key", "our type"],
)
def test_another_ones_secret_stays_what_it_is(bench: Bench, make: tuple[str, ...]) -> None:
    namespace = bench.namespace(
        f"taken-{'-'.join(make[3:5]).replace('=', '-').replace('.', '-').replace('/', '-').strip('-')}"
    )
    bench.api.kubectl(*make, "-n", namespace)
    before = bench.get("secret", "password", namespace)
    with installed.started(bench) as _:
        bench.api.apply(manifest(namespace, secretName="password"))
        bench.becomes(lambda: ready(bench, namespace), ("False", "InvalidSecret"))
    assert bench.get("secret", "password", namespace)["data"] == before["data"]
    assert "ownerReferences" not in bench.get("secret", "password", namespace)["metadata"]


def test_two_tokens_never_share_a_secret(bench: Bench, namespace: str) -> None:
    with installed.started(bench) as _:
        bench.api.apply(manifest(namespace, "one", secretName="shared"))
        bench.ready("apitoken", "one", namespace)
        held = text(bench, namespace, "shared")
        bench.api.apply(manifest(namespace, secretName="shared"))
        bench.becomes(lambda: ready(bench, namespace), ("False", "InvalidSecret"))
        assert text(bench, namespace, "shared") == held


def asked(bench: Bench, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    """A request as the controller, of which kubectl would make several."""
    context = ssl.create_default_context(cafile=str(bench.api.ca_file))
    context.load_cert_chain(*bench.api.client_cert(installed.ACCOUNT, ["system:authenticated"]))
    request = urllib.request.Request(bench.api.url + path, body.encode() or None, method=method)  # noqa: S310 - ours
    request.add_header("Content-Type", "application/merge-patch+json")
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310 - ours
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()


def test_not_even_a_captured_controller_reads_or_changes_other_secrets(bench: Bench, namespace: str) -> None:
    bench.api.kubectl("create", "secret", "generic", "password", "--from-literal=p=open-sesame", "-n", namespace)
    path = f"/api/v1/namespaces/{namespace}/secrets/password"
    requests = [("GET", "/api/v1/secrets", ""), ("GET", path, ""), ("DELETE", path, "")]
    for change in (
        "{}",
        '{"metadata":{"labels":{"a":"b"}}}',
        '{"type":"avouch.dev/token"}',
        '{"stringData":{"a":"b"}}',
    ):
        requests += [("PATCH", path, change), ("PATCH", f"{path}?dryRun=All", change)]
    for request in requests:
        status, answer = asked(bench, *request)
        assert (request, status in (403, 422)) == (request, True)
        assert base64.b64encode(b"open-sesame") not in answer
    assert "labels" not in bench.get("secret", "password", namespace)["metadata"]


def test_the_table_says_what_the_chart_grants() -> None:
    assert [(rule.resources, rule.verbs) for rule in permissions.CONTROLLER.token_secrets] == [
        (("secrets",), ("create", "patch"))
    ]
    granted = [rule for role in roles() for rule in role["rules"] if "secrets" in rule["resources"]]
    assert [rule["verbs"] for rule in granted] == [["create", "patch"]]
    without = [rule for role in roles(enabled="false") for rule in role["rules"] if "secrets" in rule["resources"]]
    assert without == []
    policies = yaml.safe_load_all(charts.rendered("policies", **{"apiTokens.enabled": "false"}))
    assert "avouch-token-secrets" not in [policy["metadata"]["name"] for policy in policies if policy]


def roles(enabled: str = "true") -> list[dict[str, Any]]:
    documents = yaml.safe_load_all(charts.rendered("rbac", **{"apiTokens.enabled": enabled}))
    return [document for document in documents if document and document["kind"] == "ClusterRole"]
