"""Selectors, tokens and accepted forms: what we cannot answer exactly is refused."""

from datetime import timedelta

import pytest
from starlette.requests import Request

from avouch import errors
from avouch.controlplane.model import selectors
from avouch.ingest import problems
from avouch.ingest.aggregated import negotiation, selection, workflowruns
from tests.unit.ingest.fakes import NOW


def request(query: str = "", accept: str = "") -> Request:
    headers = [(b"accept", accept.encode())] if accept else []
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": headers})


@pytest.mark.parametrize(
    "query",
    [
        "labelSelector=a b",
        "labelSelector=a in b",
        "labelSelector=(a)",
        "labelSelector=" + ",".join(f"k{n}" for n in range(21)),
        "fieldSelector=metadata.namespace!%3Dshop",
        "fieldSelector=status.verdict%3DFailed,status.verdict!%3DPassed",
        "fieldSelector=status.commit%3Dabc&watch=1",
        "fieldSelector=spec.color%3Dred",
        "fieldSelector=metadata.namespace%3Dother",
        "limit=-1",
        "resourceVersion=x",
        "continue=!!",
        "continue=W10=",
        "continue=WzFlNDAwLCJ4Il0=",  # [1e400,"x"]
        "continue=" + "W1tb" * 2000,  # [[[
        "continue=WzEsIlx1ZDgwMCJd",  # [1,"\\ud800"]
        "continue=WzEsIngiLDFd",  # [1,"x",1]
        "continue=WzEsImEiLCJhIl0=",
        "continue=Wy0xLCJ4Il0=",  # [-1,"x"]
        "fieldSelector=metadata.name%3Dmine&fieldSelector=metadata.name%3Dother",
        "fieldSelector=metadata.name%3Dmine&fieldSelector=",
        "fieldSelector=metadata.name%3Dmine&field%53elector=metadata.name%3Dmine",
        "fieldSelector=metadata.name%3Dmine,metadata.name%3Dother",
        "fieldSelector=metadata.name%3Dmine\\,metadata.name%3Dother",
        "watch=false&watch=true",
        "limit=1&limit=2",
        "includeObject=None&includeObject=Object",
    ],
)
def test_what_cannot_be_answered_is_refused(query: str) -> None:
    with pytest.raises(errors.Invalid):
        selection.parse(request(query), "shop", NOW)


def test_selectors_become_filters() -> None:
    asked = selection.parse(
        request("labelSelector=a%3Db,c%3D%3Dd&fieldSelector=status.verdict%3DFailed,metadata.name%3Dx&limit=9999"),
        "shop",
        NOW,
    )
    labels = (selectors.Requirement("a", frozenset("b")), selectors.Requirement("c", frozenset("d")))
    assert asked.filters == {"verdict": "Failed", "name": "x", "labels": labels}
    assert asked.limit == selection.MAX_PAGE


def test_a_field_may_be_none_of_several_values() -> None:
    query = "fieldSelector=status.verdict!%3DPassed, spec.subject.name%3Dfirst, status.verdict!%3DPending"
    asked = selection.parse(request(query), "shop", NOW)
    assert asked.filters == {"verdict": selectors.Not(frozenset({"Passed", "Pending"})), "subject": "first"}


@pytest.mark.parametrize(
    ("selector", "labels", "holds"),
    [
        ("a=b", {"a": "b"}, True), ("a==b", {"a": "c"}, False), ("a=b", {}, False), ("a=", {"a": ""}, True),
        ("a!=b", {"a": "b"}, False), ("a!=b", {"a": "c"}, True), ("a != b", {}, True),
        ("a in (b, c)", {"a": "c"}, True), ("a in (b,c)", {"a": "d"}, False), ("a in (b)", {}, False),
        ("a notin (b,c)", {"a": "d"}, True), ("a notin (b,c)", {}, True), ("a notin (b, c)", {"a": "b"}, False),
        ("a", {"a": "b"}, True), ("a", {}, False), ("!a", {"a": "b"}, False), ("!a", {}, True),
        ("x/a in (b,c),d=e,!f", {"x/a": "b", "d": "e"}, True), ("x/a in (b,c),d=e,!f", {"x/a": "b"}, False),
    ],
)  # fmt: skip
def test_labels_are_selected_as_kubernetes_selects_them(selector: str, labels: dict[str, str], holds: bool) -> None:
    assert all(one.holds(labels) for one in selectors.labels(selector)) is holds


def test_a_continue_token_grows_old() -> None:
    token = selection.sealed("inner", NOW)
    assert selection.opened(token, NOW + timedelta(minutes=14)) == "inner"
    with pytest.raises(problems.Expired):
        selection.opened(token, NOW + timedelta(minutes=16))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", ""),
        ("*/*", ""),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", ""),
        ("application/vnd.kubernetes.protobuf,application/json", ""),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "PartialObjectMetadata"),
    ],
)
def test_the_first_form_we_write_is_taken(accept: str, kind: str) -> None:
    assert negotiation.form(request(accept=accept), workflowruns.KIND).kind == kind


def test_a_client_that_takes_protobuf_only_is_told() -> None:
    with pytest.raises(problems.NotAcceptable):
        negotiation.form(request(accept="application/vnd.kubernetes.protobuf"), workflowruns.KIND)


@pytest.mark.parametrize(
    ("query", "watches"),
    [
        ("", False), ("watch=0", False), ("watch=false", False), ("watch=False", False), ("watch=FALSE", False),
        ("watch=1", True), ("watch=true", True), ("watch=T", True), ("watch=t", True), ("watch=yes", True),
        ("watch=", True), ("watch", True), ("watch=00", True),
    ],
)  # fmt: skip
def test_a_watch_is_what_the_api_server_takes_for_one(query: str, watches: bool) -> None:
    assert selection.parse(request(query), "shop", NOW).watch is watches


def test_what_we_do_not_read_may_stand_twice() -> None:
    assert selection.parse(request("x=1&x=2&limit=3"), "shop", NOW).limit == 3
