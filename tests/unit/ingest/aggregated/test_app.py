"""The aggregated API: nothing is written through it, and what is asked for reaches the store as it was asked."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from avouch import errors
from avouch.ingest.aggregated import app, discovery, selection, statuses
from tests.unit.ingest import fakes

RUNS = f"{discovery.ROOT}/namespaces/shop/workflowruns"


class Views:
    """Remembers what it was asked for; has one signed document."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, dict[str, str], str, bool]] = []

    async def page(
        self, namespace: str | None, *, limit: int, after: str, filters: Mapping[str, str], whole: bool = True
    ) -> tuple[Sequence[dict[str, Any]], str, int]:
        self.asked.append((namespace, dict(filters), after, whole))
        return [], "the store's token", 7

    async def signed(self, namespace: str, name: str, document: str) -> bytes | None:
        return f"{namespace}/{name}/{document}".encode() if name == "release-1" else None


@pytest.fixture
def views() -> Views:
    return Views()


@pytest.fixture
def client(views: Views) -> httpx.AsyncClient:
    api = app.Aggregated(views, None, None, fakes.Clock())  # type: ignore[arg-type]  # what these routes use
    served = Starlette(
        routes=api.routes(), exception_handlers={errors.AvouchError: statuses.answer, HTTPException: app._routing}
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="https://test")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["", "/release-1", *(f"/release-1/{one}" for one in discovery.SIGNED)])
async def test_nothing_is_written(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, RUNS + path)
    assert (answer.status_code, answer.json()["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.parametrize("document", discovery.SIGNED)
async def test_each_signed_document_is_its_own_byte_by_byte(client: httpx.AsyncClient, document: str) -> None:
    assert (await client.get(f"{RUNS}/release-1/{document}")).content == f"shop/release-1/{document}".encode()
    assert (await client.get(f"{RUNS}/other/{document}")).status_code == 404


async def test_selectors_and_the_place_to_go_on_from_reach_the_store(client: httpx.AsyncClient, views: Views) -> None:
    chosen = {"fieldSelector": "status.verdict=Failed,spec.workflow=app", "labelSelector": "team=core"}
    first = (await client.get(RUNS, params=chosen)).json()
    again = {**chosen, "continue": first["metadata"]["continue"]}
    await client.get(RUNS, params=again, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
    wanted = {"verdict": "Failed", "workflow": "app", "labels": "team=core"}
    assert views.asked == [("shop", wanted, "", True), ("shop", wanted, "the store's token", False)]
    assert selection.opened(first["metadata"]["continue"], fakes.NOW) == "the store's token"


@pytest.mark.parametrize("path", ["", "/release-1", *(f"/release-1/{one}" for one in discovery.SIGNED)])
async def test_what_stands_twice_is_refused_with_a_sentence(client: httpx.AsyncClient, views: Views, path: str) -> None:
    answer = await client.get(f"{RUNS}{path}?watch=false&watch=true")
    assert (answer.status_code, answer.json()["kind"]) == (400, "Status")
    assert answer.json()["message"] == "watch: the query parameter stands 2 times (fix: send it once)"
    assert views.asked == []
