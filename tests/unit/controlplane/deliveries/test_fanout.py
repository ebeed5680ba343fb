"""Which attachments a verdict goes to, and what they are told: every way to tell the wrong one, or to tell it twice."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from avouch import digests
from avouch.controlplane.deliveries import fanout
from avouch.controlplane.model import deliveries, verdicts
from avouch.findings import Finding
from tests.unit.controlplane.judging import tekton_cases as cases

RUN = replace(cases.run(), labels={"tier": "one", "team": "a"})
CHAT = deliveries.AttachmentRecord(RUN.namespace, "chat", "chat-uid", "chat", "webhook", {}, workflow=RUN.workflow)
STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1"}'


def signed(
    result: verdicts.VerdictResult = verdicts.VerdictResult.FAILED, signature: bytes = b"one"
) -> verdicts.SignedVerdict:
    finding = Finding("MaterialMissing", "material sbom was not delivered", "spec.materials", "write it", "sbom")
    material = verdicts.JudgedMaterial("image", "CONTAINER_IMAGE", "sha256:0", "registry/app", size=3)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    found = verdicts.Verdict(RUN.id, result, verdicts.Evidence.SIDECAR, (finding,), (material,), {"a": "b"}, {}, at)
    attestation = verdicts.Document(verdicts.ATTESTATION, "t", STATEMENT, b"bundle")
    return verdicts.SignedVerdict(found, (attestation, verdicts.Document(verdicts.VSA, "t", b"{}", signature)))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, True),
        ({"workflow": "another"}, False),
        ({"workflow": "", "selector": {"tier": "one"}}, True),
        ({"workflow": "", "selector": {"tier": "one", "team": "a"}}, True),
        ({"selector": {"tier": "two"}}, True),  # the name says it
        ({"workflow": "", "selector": {"tier": "one", "team": "b"}}, False),
        ({"workflow": "", "selector": {"unknown": "label"}}, False),
        ({"workflow": "", "selector": {}}, False),
        ({"config": {"verdicts": ["Failed", "Rejected"]}}, True),
        ({"config": {"verdicts": ["Passed"]}}, False),
        ({"config": {"verdicts": []}}, True),
        ({"config": {"verdicts": "Passed"}}, True),  # its delivery says what is wrong; the verdict does not wait for it
        ({"config": {"verdicts": "Passed"}, "workflow": "another"}, False),
    ],
)
def test_an_attachment_gets_the_verdicts_that_it_names_and_no_others(change: dict[str, object], wanted: bool) -> None:
    found = fanout.deliveries(RUN, signed(), (replace(CHAT, **change),))  # type: ignore[arg-type]
    assert [each.attachment for each in found] == (["chat"] if wanted else [])


def test_a_delivery_has_the_same_id_however_often_it_is_worked_out_and_another_for_each_attachment() -> None:
    both = (CHAT, replace(CHAT, name="mail", uid="mail-uid"))
    first, second = fanout.deliveries(RUN, signed(), both)
    assert fanout.deliveries(RUN, signed(), both) == (first, second)
    assert first.id != second.id
    assert first.payload == second.payload
    (again, _) = fanout.deliveries(RUN, signed(signature=b"another"), both)
    assert again.id != first.id, "what was judged anew is never taken for what was told before"
    assert (first.run_id, first.attachment_uid, first.namespace, first.type, first.attempts) == (
        RUN.id, "chat-uid", "team-a", "webhook", 0)  # fmt: skip


def test_the_payload_is_the_documented_schema_and_holds_neither_environment_nor_annotations() -> None:
    body = json.loads(fanout.payload(RUN, signed()))
    assert set(body) == {
        "schema", "run", "contract", "verdict", "evidence", "judgedAt", "findings", "materials", "statementDigest",
        "links",
    }  # fmt: skip
    assert body["schema"] == "avouch.dev/verdict/v1"
    assert set(body["run"]) == {"id", "name", "namespace", "workflow", "subject"}
    assert (body["verdict"], body["findings"][0]["fix"]) == ("Failed", "write it")
    assert set(body["materials"][0]) == {"name", "type", "digest", "value", "filename", "origin", "output"}
    assert body["statementDigest"] == str(digests.of_bytes(STATEMENT))


JUDGED = replace(RUN, result=verdicts.VerdictResult.PASSED, judged_at=datetime(2025, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("listed", "wanted"), [(["Passed"], True), (["Rejected"], True), (["Failed"], False), ([], True)]
)
def test_a_verdict_that_supersedes_another_is_told_to_whoever_wanted_either_under_an_id_of_its_own(
    listed: list[str], wanted: bool
) -> None:
    chat = (replace(CHAT, config={"verdicts": listed}),)
    found = fanout.deliveries(JUDGED, signed(verdicts.VerdictResult.REJECTED), chat)
    assert len(found) == (1 if wanted else 0)
    for one in found:
        assert json.loads(one.payload)["supersedes"] == {"verdict": "Passed", "judgedAt": "2025-01-01T00:00:00+00:00"}
        (first,) = fanout.deliveries(RUN, signed(signature=b"before"), (CHAT,))
        assert one.id != first.id
