"""What the sidecar signs is what the server believes."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from avouch import digests, plan
from avouch.attestation import authority, predicate, signing, statement, trust, verification
from avouch.sidecar import claim, collect, discover
from tests.unit.attestation.builders import NOW, POD

IMAGE = "reg:5000/app:1.2@sha256:" + "a" * 64


def test_a_claim_verifies_as_this_pods_and_says_what_was_collected_and_refused() -> None:
    image = plan.PlannedMaterial("image", "CONTAINER_IMAGE", output=True)
    version, sbom = plan.PlannedMaterial("version", "STRING"), plan.PlannedMaterial("sbom", "SBOM_CYCLONEDX_JSON")
    owed = plan.Plan("w", "w-uid", "ns", "c", 3, "sha256:" + "1" * 64, materials=(image, version, sbom))
    collected = (
        collect.of_text(image, IMAGE),
        collect.of_text(version, "1.2"),
        collect.Collected(sbom, finding="sbom.json was refused: a symbolic link"),
    )
    run = claim.Opened("dacc61bd-e276-47d7-bb2f-834d23b6c785", "w-1", "w", owed)
    place = discover.Place("ns", "build-pod", {"tekton.dev/pipelineRun": "run"})
    payload = claim.statement(run, collected, place, claim.Moment(NOW, NOW), "")
    issuer = authority.new_authority("test", NOW, timedelta(days=1))
    signer = signing.KeySigner.generate()
    leaf = authority.issue(issuer, signing.csr(signer, "build-pod"), POD, NOW)
    bundle = claim.signed(payload, signer, leaf.decode())

    verified = verification.verify(bundle, trust.TrustRoot.from_pems([issuer.certificate_pem]), POD, NOW)

    facts = predicate.read(verified.statement)
    assert (facts.metadata.workflow_run_id, facts.metadata.contract_version) == (run.id, "3")
    assert facts.annotations == {"avouch.dev/finding.sbom": "sbom.json was refused: a symbolic link"}
    told = {material.name: material for material in facts.materials}
    assert set(told) == {"image", "version"}
    assert (told["image"].resource, told["image"].image_tag) == ("reg:5000/app", "1.2")
    assert told["image"].output
    assert told["version"].digest == digests.of_bytes(b"1.2")


@pytest.mark.parametrize(
    ("written", "resource", "tag", "latest"),
    [
        ("reg:5000/app", "reg:5000/app", "", False),
        ("reg:5000/app:1.2", "reg:5000/app", "1.2", False),
        ("[::1]:5000/team/app:latest", "[::1]:5000/team/app", "latest", True),
        ("app", "app", "", False),
    ],
)
def test_the_port_of_a_registry_is_no_tag(written: str, resource: str, tag: str, latest: bool) -> None:
    image = plan.PlannedMaterial("image", "CONTAINER_IMAGE")
    told = claim.material(collect.of_text(image, f"{written}@sha256:{'a' * 64}"))
    assert (told.resource, told.image_tag, told.image_latest) == (resource, tag, latest)


def test_a_material_that_was_not_collected_is_never_in_a_statement() -> None:
    with pytest.raises(ValueError, match="sbom was not collected"):
        claim.material(collect.Collected(plan.PlannedMaterial("sbom", "ARTIFACT"), finding="why"))


def stated(*found: collect.Collected, **of_plan: str) -> predicate.AttestationFacts:
    owed = replace(plan.Plan("w", "w-uid", "ns", "c", 3, "sha256:" + "1" * 64), **of_plan)  # type: ignore[arg-type]
    run = claim.Opened("dacc61bd-e276-47d7-bb2f-834d23b6c785", "w-1", "w", owed)
    payload = claim.statement(run, found, discover.Place("ns", "p", {}), claim.Moment(NOW, NOW), "")
    return predicate.read(statement.parse(payload))


@pytest.mark.parametrize(("project", "expected"), [("", "ns"), ("shop", "shop")])
def test_a_claim_is_of_its_project_or_of_its_namespace(project: str, expected: str) -> None:
    assert stated(project=project).metadata.project == expected


def test_a_text_is_in_the_claim_and_an_artifact_is_named_by_its_uri() -> None:
    version = collect.of_text(plan.PlannedMaterial("version", "STRING"), "1.2")
    told = claim.material(version)
    assert (told.resource, told.content) == ("", b"1.2")
    artifact = plan.PlannedMaterial("sources", "ARTIFACT", output=True)
    told = claim.material(collect.Collected(artifact, "git+https://x", digest=digests.of_bytes(b"")))
    assert (told.resource, told.content, told.output) == ("git+https://x", None, True)


@pytest.mark.parametrize(("skip", "storage"), [(False, "uploaded"), (True, "none")])
def test_a_file_is_in_the_claim_by_its_name_and_size_and_says_whether_it_was_uploaded(
    tmp_path: Path, skip: bool, storage: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bom.json").write_bytes(b"{}")
    source = plan.Source(plan.From.WORKSPACE, name="source", path="out/bom.json")
    sbom = plan.PlannedMaterial("sbom", "ARTIFACT", source, output=True, skip_upload=skip)
    (found,) = collect.collect([sbom], collect.Pod(tmp_path, {"source": str(tmp_path)}, 1, 10), {})
    told = claim.material(found)
    assert (told.resource, told.size, told.storage, told.output) == ("bom.json", 2, storage, True)
    assert told.digest == digests.of_bytes(b"{}")


def test_annotations_that_the_contract_fixes_are_in_the_claim_and_empty_ones_are_not() -> None:
    notes = (plan.PlannedAnnotation("fixed", "1"), plan.PlannedAnnotation("empty"))
    for type_, value in (("STRING", "1.2"), ("CONTAINER_IMAGE", IMAGE)):
        told = claim.material(collect.of_text(plan.PlannedMaterial("m", type_, annotations=notes), value))
        assert told.annotations == {"fixed": "1"}


def test_a_finding_is_cut_to_what_an_annotation_holds() -> None:
    sbom = plan.PlannedMaterial("sbom", "ARTIFACT")
    assert claim.findings([collect.Collected(sbom, finding="x" * 2000)]) == {"avouch.dev/finding.sbom": "x" * 1000}
    assert claim.findings([collect.Collected(sbom, "text", digest=digests.of_bytes(b"text"))]) == {}
