"""The aggregated API: nothing is written through it, and what is asked for reaches the store as it was asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request

from avouch import digests, errors
from avouch.attestation import trustroot
from avouch.controlplane.model import reevaluations, selectors
from avouch.ingest import requestid
from avouch.ingest.aggregated import app, discovery, frames, frontproxy, negotiation, selection, statuses, workflowruns
from tests.unit.ingest import fakes

RUNS = f"{discovery.ROOT}/namespaces/shop/workflowruns"


CLAIM = digests.of_bytes(b"claim")


class Views:
    """Remembers what it was asked for; has one signed document, and one claim."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, dict[str, str], str, bool]] = []
        self.failure: Exception | None = None

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: Mapping[str, str], whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        if self.failure:
            raise self.failure
        self.asked.append((namespace, dict(filters), after, whole))
        return [], "the store's token", 7

    async def signed(self, namespace: str, name: str, document: str, earlier: int = 0) -> bytes | None:
        which = f"/{earlier}" if earlier else ""
        return f"{namespace}/{name}/{document}{which}".encode() if name == "release-1" and earlier < 3 else None

    async def claims(self, namespace: str, name: str) -> Sequence[dict[str, Any]] | None:
        return [{"digest": str(CLAIM), "size": 5}] if (namespace, name) == ("shop", "release-1") else None

    async def claim(self, namespace: str, name: str, digest: digests.Digest) -> bytes | None:
        return b"claim" if (namespace, name, digest) == ("shop", "release-1", CLAIM) else None

    async def watch(self, *_: object, **__: object) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        yield "BOOKMARK", {"resourceVersion": 8}
        await asyncio.Event().wait()


@pytest.fixture
def views() -> Views:
    return Views()


@pytest.fixture
def client(views: Views) -> httpx.AsyncClient:
    api = app.Aggregated(views, None, None, None, None, None, fakes.Clock())  # type: ignore[arg-type]  # what these routes use
    served = Starlette(
        routes=api.routes(),
        middleware=[Middleware(requestid.RequestIds)],
        exception_handlers={errors.AvouchError: statuses.answer, HTTPException: app._routing},
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="https://test")


@pytest.mark.parametrize(
    ("failure", "code", "reason", "said"),
    [
        (errors.Unavailable("password=secret"), 503, "ServiceUnavailable", "a dependency does not answer"),
        (errors.NoSchema("no table"), 503, "ServiceUnavailable", "avouch's database has no schema yet; try again"),
        (errors.AvouchError("secret"), 500, "InternalError", "internal error; search the server's log for this"),
    ],
)
async def test_a_list_that_fails_says_why_and_where_to_look_in_the_one_line_that_kubectl_shows(
    client: httpx.AsyncClient, views: Views, failure: Exception, code: int, reason: str, said: str
) -> None:
    views.failure = failure
    answer = await client.get(RUNS, headers={"X-Request-Id": "abc-1"})
    status = answer.json()
    assert (answer.status_code, status["reason"]) == (code, reason)
    assert status["message"].startswith(said)
    assert status["message"].endswith("(request id abc-1)")
    refused = (await client.get(f"{RUNS}/other/vsa", headers={"X-Request-Id": "abc-2"})).json()
    assert "request id" not in refused["message"]  # the fault of who asks: our log has no more to say


@pytest.mark.parametrize("name", ["ann", "oidc:Jörg Łuk", "system:serviceaccount:shop:a"])
def test_a_user_is_called_as_the_cluster_calls_them(name: str) -> None:
    headers = [(b"x-remote-user", name.encode())]
    assert frontproxy.user(Request({"type": "http", "headers": headers})) == name


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["", "/release-1", *(f"/release-1/{one}" for one in (*discovery.SIGNED, "claims"))])
async def test_nothing_is_written(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, RUNS + path)
    assert (answer.status_code, answer.json()["reason"]) == (405, "MethodNotAllowed")
    assert "kubectl avouch run delete" in answer.json()["message"]


@pytest.mark.parametrize("kind", ["workflowruns", "rundeletions", "contractrevisions"])
async def test_an_object_in_a_form_that_there_is_not_is_refused_before_anybody_looks_for_it(
    client: httpx.AsyncClient, kind: str
) -> None:
    answer = await client.get(f"{discovery.ROOT}/namespaces/shop/{kind}/any", headers={"Accept": "application/yaml"})
    assert (answer.status_code, answer.json()["reason"]) == (406, "NotAcceptable")


@pytest.mark.parametrize("document", discovery.SIGNED)
async def test_each_signed_document_is_its_own_byte_by_byte(client: httpx.AsyncClient, document: str) -> None:
    assert (await client.get(f"{RUNS}/release-1/{document}")).content == f"shop/release-1/{document}".encode()
    assert (await client.get(f"{RUNS}/other/{document}")).status_code == 404


async def test_what_earlier_verdicts_signed_is_read_by_their_number(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{RUNS}/release-1/vsa?superseded=2")).content == b"shop/release-1/vsa/2"
    gone = await client.get(f"{RUNS}/release-1/vsa?superseded=3")
    assert (gone.status_code, "superseded verdict 3" in gone.json()["message"]) == (404, True)
    for query in ("superseded=x", "superseded=1&superseded=2"):
        assert (await client.get(f"{RUNS}/release-1/vsa?{query}")).status_code == 400, query


class Asking:
    """Remembers who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, reevaluations.Asked, bool]] = []

    async def ask(self, namespace: str, name: str, asked: reevaluations.Asked, *, dry_run: bool = False) -> Any:
        self.asked.append((namespace, name, asked, dry_run))
        said = {"askedBy": asked.by, "askedAt": "t", "reason": asked.reason, "message": "", "answeredAt": None}
        return {**said, "name": name, "namespace": namespace, "id": "1", "state": "Waiting"}


@pytest.mark.parametrize(("query", "dry"), [("", False), ("?dryRun=All", True)])
async def test_a_run_is_judged_again_for_a_user_and_a_reason(query: str, dry: bool) -> None:
    asking = Asking()
    api = app.Aggregated(None, None, None, None, asking, None, fakes.Clock())  # type: ignore[arg-type]
    served = Starlette(routes=api.routes(), exception_handlers={errors.AvouchError: statuses.answer})
    client = httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="https://test")
    said = {"spec": {"reason": " it is banned "}}
    answer = await client.post(f"{RUNS}/a-1/reevaluation{query}", json=said, headers={"X-Remote-User": "ann"})
    assert (answer.status_code, answer.json()["kind"]) == (201, "RunReevaluation")
    assert answer.json()["status"] == {"state": "Waiting"}
    ((namespace, name, asked, dry_run),) = asking.asked
    assert (namespace, name, asked.by, asked.reason, dry_run) == ("shop", "a-1", "ann", "it is banned", dry)
    for body in ({}, {"spec": {"reason": " "}}, {"spec": {"reason": "x" * 1001}}):
        assert (await client.post(f"{RUNS}/a-1/reevaluation", json=body)).status_code in (400, 413)
    assert (await client.post(f"{RUNS}/a-1/reevaluation?dryRun=Some", json=said)).status_code == 400
    assert (await client.get(f"{RUNS}/a-1/reevaluation")).status_code == 405
    assert len(asking.asked) == 1


async def test_the_claims_of_a_run_are_listed_and_read_byte_by_byte(client: httpx.AsyncClient) -> None:
    listed = (await client.get(f"{RUNS}/release-1/claims")).json()
    assert (listed["kind"], listed["items"]) == ("ClaimList", [{"digest": str(CLAIM), "size": 5}])
    assert (await client.get(f"{RUNS}/release-1/claims/{CLAIM}")).content == b"claim"
    other = digests.of_bytes(b"other")
    gone = [await client.get(f"{RUNS}/{path}") for path in ("other/claims", f"release-1/claims/{other}")]
    assert [answer.status_code for answer in gone] == [404, 404]
    assert (await client.get(f"{RUNS}/release-1/claims/nonsense")).status_code == 400


async def test_there_is_one_trust_root_for_the_whole_cluster(client: httpx.AsyncClient) -> None:
    path = f"{discovery.ROOT}/trustroots"
    for found in ((await client.get(f"{path}/avouch")).json(), (await client.get(path)).json()["items"][0]):
        assert found["spec"] == trustroot.Document().to_json()
    assert (await client.get(f"{path}/other")).status_code == 404
    assert (await client.get(path, params={"watch": "1"})).status_code == 405
    assert (await client.get(path, params={"fieldSelector": "metadata.name=other"})).status_code == 400
    assert (await client.post(path)).status_code == 405


async def test_selectors_and_the_place_to_go_on_from_reach_the_store(client: httpx.AsyncClient, views: Views) -> None:
    chosen = {"fieldSelector": "status.verdict=Failed,spec.workflow=app", "labelSelector": "team=core"}
    first = (await client.get(RUNS, params=chosen)).json()
    again = {**chosen, "continue": first["metadata"]["continue"]}
    await client.get(RUNS, params=again, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
    wanted = {"verdict": "Failed", "workflow": "app", "labels": selectors.labels("team=core")}
    assert views.asked == [("shop", wanted, "", True), ("shop", wanted, "the store's token", False)]
    assert selection.opened(first["metadata"]["continue"], fakes.NOW) == "the store's token"


@pytest.mark.parametrize("path", ["", "/release-1", *(f"/release-1/{one}" for one in discovery.SIGNED)])
async def test_what_stands_twice_is_refused_with_a_sentence(client: httpx.AsyncClient, views: Views, path: str) -> None:
    answer = await client.get(f"{RUNS}{path}?watch=false&watch=true")
    assert (answer.status_code, answer.json()["kind"]) == (400, "Status")
    assert answer.json()["message"] == "watch: the query parameter stands 2 times (fix: send it once)"
    assert views.asked == []


class Nobody:
    def allows(self, common_name: str) -> bool:
        return False


async def test_of_who_is_not_the_api_server_no_byte_is_read_on_any_route(views: Views) -> None:
    api = app.Aggregated(views, None, None, None, None, None, fakes.Clock())  # type: ignore[arg-type]
    served = app.create(api, Nobody())

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    for route in api.routes():
        for method in route.methods or ():
            sent: list[Any] = []

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            path = route.path.format(namespace="shop", name="release-1", digest=CLAIM)
            scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
            for name in (None, "", "somebody"):
                named = (
                    {"extensions": {frontproxy.EXTENSION: {frontproxy.CLIENT_NAME: name}}} if name is not None else {}
                )
                await served({**scope, **named}, receive, send)  # type: ignore[arg-type]
            assert [message["status"] for message in sent if "status" in message] == [401] * 3, (method, path)
    assert views.asked == []


async def test_a_user_has_so_many_watches_and_others_have_theirs(views: Views) -> None:
    bounds = frames.Bounds(asyncio.Semaphore(1), each=2)
    asked = selection.Selection("shop", version=7, bookmarks=True)
    form = negotiation.Form(workflowruns.KIND)

    def watch(user: str) -> AsyncIterator[bytes]:
        return frames.stream(views, frames.Watch(asked, form, user), fakes.Clock(), bounds)

    held = [watch("greedy"), watch("greedy"), watch("another")]
    for one in held:
        assert b"BOOKMARK" in await anext(one)
    more = [frame async for frame in watch("greedy")]
    assert len(more) == 1
    assert b'"code":429' in more[0]
    await held[0].aclose()  # type: ignore[attr-defined]
    again = watch("greedy")
    assert b"BOOKMARK" in await anext(again)
    for one in (*held, again):
        await one.aclose()  # type: ignore[attr-defined]
    assert not bounds._watches
