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


CONTRACT = verdicts.Contract("contract", 4, "sha256:4")
AGAIN = verdicts.Reevaluation("ann", "it is banned", datetime(2026, 2, 1, tzinfo=UTC), CONTRACT, (), "sha256:1",
                              datetime(2026, 2, 2, tzinfo=UTC))  # fmt: skip
STANDING = verdicts.Standing(datetime(2025, 6, 1, tzinfo=UTC), "sha256:1", CONTRACT, (verdicts.VerdictResult.PASSED,))


def asked_for(result: verdicts.VerdictResult = verdicts.VerdictResult.FAILED) -> verdicts.SignedVerdict:
    made = signed(result)
    return replace(made, verdict=replace(made.verdict, reevaluation=AGAIN))


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, False),
        ({"reevaluations": False}, False),
        ({"reevaluations": True}, True),
        ({"reevaluations": True, "verdicts": ["Failed"]}, True),
        ({"reevaluations": True, "verdicts": ["Passed"]}, True),  # it got what no longer holds
        ({"reevaluations": True, "verdicts": ["Rejected"]}, False),
        ({"reevaluations": "perhaps"}, False),
    ],
)
def test_what_somebody_asked_for_goes_to_those_that_ask_for_such(config: dict[str, object], wanted: bool) -> None:
    run = replace(JUDGED, result=verdicts.VerdictResult.PASSED)
    found = fanout.deliveries(run, asked_for(), (replace(CHAT, config=config),), STANDING)
    assert len(found) == (1 if wanted else 0)


def test_what_somebody_asked_for_tells_the_revision_that_judged_the_one_of_before_and_who_asked() -> None:
    body = json.loads(fanout.payload(JUDGED, asked_for(), STANDING))
    assert body["contract"] == {"name": "contract", "revision": 4, "digest": "sha256:4"}
    opened = {"name": JUDGED.contract, "revision": JUDGED.revision, "digest": JUDGED.contract_digest}
    said = {"by": "ann", "reason": "it is banned", "askedAt": "2026-02-01T00:00:00+00:00"}
    assert body["reevaluation"] == {**said, "openedUnder": opened}
    assert body["supersedes"] == {
        "verdict": "Passed", "judgedAt": "2025-06-01T00:00:00+00:00", "digest": "sha256:1"}  # fmt: skip
    assert "reevaluation" not in json.loads(fanout.payload(JUDGED, signed(), STANDING))


def test_a_contradiction_goes_to_whoever_wanted_any_verdict_of_the_chain_also_without_hearing_of_the_last() -> None:
    run = replace(JUDGED, result=verdicts.VerdictResult.FAILED)
    chat = (replace(CHAT, config={"verdicts": ["Passed"]}),)
    assert fanout.deliveries(run, signed(verdicts.VerdictResult.REJECTED), chat, STANDING)
    other = replace(STANDING, earlier=(verdicts.VerdictResult.ERROR,))
    assert not fanout.deliveries(run, signed(verdicts.VerdictResult.REJECTED), chat, other)
