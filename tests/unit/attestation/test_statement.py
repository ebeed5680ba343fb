"""Statements, materials and the predicate that Chainloop reads."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from avouch import digests, errors, rfc3339
from avouch.attestation import materials, predicate, statement, strictjson
from tests.unit.attestation import builders

SHA = "a" * 64
GOOD: dict[str, object] = {"digest": {"sha256": SHA}}
SIXTEEN = {f"a{i}": "b" for i in range(16)}
NOT_SHA256 = "subject[0].digest.sha256: not a sha256"
FULL = statement.ResourceDescriptor(digest={"sha256": SHA})
NONE = statement.ResourceDescriptor()
BAD: dict[str, tuple[dict[str, object], str]] = {
    "another type": ({"_type": "https://in-toto.io/Statement/v0.1"}, "_type: not an in-toto statement v1"),
    "no type": ({"_type": None}, "_type: not an in-toto statement v1: 'None'"),
    "empty subject list": ({"subject": []}, "subject: no subject"),
    "no subject": ({"subject": None}, "subject: must be a list"),
    "subject not a list": ({"subject": {}}, "subject: must be a list"),
    "a subject that is a text": ({"subject": ["x"]}, "subject[0]: must be an object"),
    "subject without digest": ({"subject": [GOOD, {"name": "x"}]}, "subject[1].digest: a subject without a digest"),
    "subject with empty digest": ({"subject": [{"digest": {}}]}, "subject[0].digest: a subject without a digest"),
    "a digest that is a text": ({"subject": [{"digest": SHA}]}, "subject[0].digest: must be an object"),
    "a short sha256": ({"subject": [{"digest": {"sha256": "ab"}}]}, NOT_SHA256),
    "a long sha256": ({"subject": [{"digest": {"sha256": SHA + "a"}}]}, NOT_SHA256),
    "an upper-case sha256": ({"subject": [{"digest": {"sha256": "A" * 64}}]}, NOT_SHA256),
    "a sha256 with a prefix": ({"subject": [{"digest": {"sha256": "sha256:" + SHA}}]}, NOT_SHA256),
    "a sha256 in full-width digits": ({"subject": [{"digest": {"sha256": "１" * 64}}]}, NOT_SHA256),  # noqa: RUF001 - the point
    "a bad sha256 beside a good sha1": ({"subject": [{"digest": {"sha1": "a" * 40, "sha256": "b"}}]}, NOT_SHA256),
    "a bad sha512 beside a good sha256": (
        {"subject": [{"digest": {"sha256": SHA, "sha512": "b"}}]},
        "subject[0].digest.sha512: not a sha512",
    ),
    "an empty sha256": ({"subject": [{"digest": {"sha256": ""}}]}, "subject[0].digest: an empty digest or algorithm"),
    "a digest that is a number": ({"subject": [{"digest": {"sha256": 5}}]}, "subject[0].digest.sha256: must be text"),
    "an empty algorithm": ({"subject": [{"digest": {"": "b"}}]}, "subject[0].digest: an empty digest or algorithm"),
    "an empty digest": ({"subject": [{"digest": {"dirHash": ""}}]}, "subject[0].digest: an empty digest or algorithm"),
    "seventeen digests": ({"subject": [{"digest": SIXTEEN | {"q": "b"}}]}, "subject[0].digest: 17 digests, at most 16"),
    "1025 subjects": ({"subject": [GOOD] * 1025}, "subject: 1025 subjects, at most 1024"),
    "a name that is a number": ({"subject": [GOOD | {"name": 1}]}, "subject[0].name: must be text"),
    "a URI that is a list": ({"subject": [GOOD | {"uri": []}]}, "subject[0].uri: must be text"),
    "a media type that is a flag": ({"subject": [GOOD | {"mediaType": True}]}, "subject[0].mediaType: must be text"),
    "annotations in a list": ({"subject": [GOOD | {"annotations": []}]}, "subject[0].annotations: must be an object"),
    "content that is no base64": ({"subject": [GOOD | {"content": "x"}]}, "subject[0].content: "),
    "content that is a number": ({"subject": [GOOD | {"content": 0}]}, "subject[0].content: must be text"),
    "no predicate type": ({"predicateType": None}, "predicateType: must be text"),
    "empty predicate type": ({"predicateType": ""}, "predicateType: empty"),
    "no predicate": ({"predicate": None}, "predicate: must be an object"),
    "predicate is a list": ({"predicate": []}, "predicate: must be an object"),
}


@pytest.mark.parametrize(("changes", "told"), BAD.values(), ids=BAD.keys())
def test_a_malformed_statement_is_refused_where_it_is_malformed(changes: dict[str, object], told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{re.escape(told)}"):
        statement.parse(builders.statement_bytes(**changes))


LONGEST = {"sha1": 40, "gitCommit": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}


@pytest.mark.parametrize(("algorithm", "length"), LONGEST.items())
def test_a_digest_has_the_length_of_its_algorithm(algorithm: str, length: int) -> None:
    digest = {algorithm: "0" * length}
    assert statement.parse(builders.statement_bytes(subject=[{"digest": digest}])).subjects[0].digest == digest
    for wrong in ("0" * (length - 1), "0" * (length + 1), "g" + "0" * (length - 1)):
        with pytest.raises(errors.Invalid, match=f"not a {algorithm}"):
            statement.parse(builders.statement_bytes(subject=[{"digest": {algorithm: wrong}}]))


def test_a_statement_at_its_limits_is_read_and_written() -> None:
    payload = builders.statement_bytes(subject=[{"digest": SIXTEEN}] * 1024)
    parsed = statement.parse(payload)
    assert (len(parsed.subjects), parsed.subjects[-1].digest) == (1024, SIXTEEN)
    assert statement.to_bytes(parsed) == payload


UNWRITABLE: dict[str, tuple[dict[str, object], str]] = {
    "no subject": ({"subjects": ()}, "subject: no subject"),
    "1025 subjects": ({"subjects": (FULL,) * 1025}, "subject: 1025 subjects, at most 1024"),
    "a subject without digest": ({"subjects": (FULL, NONE)}, "subject[1].digest: a subject without a digest"),
    "a bad digest": (
        {"subjects": (statement.ResourceDescriptor(digest={"sha1": "x"}),)},
        "subject[0].digest.sha1: not a sha1",
    ),
    "empty predicate type": ({"predicate_type": ""}, "predicateType: empty"),
}


@pytest.mark.parametrize(("changes", "told"), UNWRITABLE.values(), ids=UNWRITABLE.keys())
def test_what_would_not_be_read_is_not_written(changes: dict[str, object], told: str) -> None:
    made = replace(statement.Statement((FULL,), predicate.TYPE, {}), **changes)  # type: ignore[arg-type]  # named above
    with pytest.raises(errors.Invalid, match=f"^{re.escape(told)}"):
        statement.to_bytes(made)


def test_a_statement_as_large_as_is_read_is_written_and_no_larger_one() -> None:
    rest = len(statement.to_bytes(statement.Statement((FULL,), predicate.TYPE, {"x": ""})))
    for length in (statement.MAX_PAYLOAD, statement.MAX_PAYLOAD + 1):
        made = statement.Statement((FULL,), predicate.TYPE, {"x": "a" * (length - rest)})
        if length == statement.MAX_PAYLOAD:
            assert statement.parse(statement.to_bytes(made)) == made
        else:
            with pytest.raises(errors.TooLarge):
                statement.to_bytes(made)
            with pytest.raises(errors.TooLarge):
                statement.parse(builders.statement_bytes(predicate=made.predicate, subject=[GOOD]))


def test_a_descriptor_is_read_as_it_is_written() -> None:
    whole = statement.ResourceDescriptor(
        name="x", digest={"sha256": SHA}, content=b"y", uri="u", media_type="m", annotations={"a": [1, None]}
    )
    assert statement.to_dict(whole) == {
        "name": "x", "digest": {"sha256": SHA}, "content": "eQ==", "uri": "u", "mediaType": "m",
        "annotations": {"a": [1, None]},
    }  # fmt: skip
    for descriptor in (whole, FULL, NONE, statement.ResourceDescriptor(digest={"sha1": "b" * 40})):
        assert statement.descriptor_from_json(statement.to_dict(descriptor), "x") == descriptor
    nothing = {"name": None, "content": None, "uri": None, "mediaType": None, "annotations": None, "digest": None}
    assert statement.descriptor_from_json(nothing, "x") == NONE


def test_a_descriptor_is_compared_by_its_sha256_alone() -> None:
    assert FULL.sha256 == digests.Digest(SHA)
    assert statement.ResourceDescriptor(digest={"sha1": "b" * 40}).sha256 is None


def test_the_same_facts_give_the_same_bytes_whatever_their_order() -> None:
    one = builders.facts(env={"A": "1", "B": "2"}, materials=(builders.text_material("a"), builders.text_material("b")))
    two = builders.facts(env={"B": "2", "A": "1"}, materials=(builders.text_material("b"), builders.text_material("a")))
    assert predicate.build(one) == predicate.build(two)


def test_facts_survive_writing_and_reading() -> None:
    image = builders.file_material(
        "image",
        type="CONTAINER_IMAGE",
        resource="registry.example/shop",
        size=None,
        storage="none",
        output=True,
        image_tag="1.0",
        image_latest=True,
        extracted={"chainloop.material.signature.provider": "cosign"},
        annotations={"stage": "prod"},
    )
    given = builders.facts(
        materials=(image, builders.text_material()),
        extra_subjects=(statement.named("pkg:oci/shop", digests.of_bytes(b"x")),),
        policy={"policyHasViolations": False, "policyEvaluationsCount": 2},
        server={"signingCA": "avouch"},
    )
    assert predicate.read(statement.parse(predicate.build(given))) == given


def test_without_a_commit_no_subject_is_taken_for_one() -> None:
    extra = statement.named("extra", digests.of_bytes(b"x"))
    given = builders.facts(git_head=None, extra_subjects=(extra,))
    assert predicate.read(statement.parse(predicate.build(given))) == given


def test_what_is_not_known_of_a_run_is_not_written() -> None:
    bare = predicate.Metadata("", "w", "", "", "", "", "", "", None, None)
    given = predicate.AttestationFacts(bare, "b", predicate.Runner("T"), ())
    assert json.loads(predicate.build(given))["predicate"] == {
        "metadata": {"workflowName": "w"}, "builder": {"id": "b"}, "buildType": "chainloop.dev/workflowrun/v0.1",
        "runnerType": "T",
    }  # fmt: skip
    assert predicate.read(statement.parse(predicate.build(given))) == given


def test_subjects_are_the_workflow_then_the_commit_then_outputs_then_extras() -> None:
    extra = statement.named("extra", digests.of_bytes(b"x"))
    payload = predicate.build(builders.facts(extra_subjects=(extra,)))
    names = [subject.name for subject in statement.parse(payload).subjects]
    assert names == ["chainloop.workflow.build", "git.head", "sbom.json", "extra"]


def test_a_string_output_is_a_material_and_not_a_subject() -> None:
    payload = predicate.build(builders.facts(git_head=None, materials=(builders.text_material(output=True),)))
    assert [subject.name for subject in statement.parse(payload).subjects] == ["chainloop.workflow.build"]


def test_anyone_can_recompute_the_workflow_subject_from_the_predicate() -> None:
    facts = builders.facts()
    parsed = statement.parse(predicate.build(facts))
    again = digests.of_bytes(strictjson.dumps(dict(parsed.predicate)))
    assert parsed.subjects[0].sha256 == again == predicate.record_digest(facts)


def test_a_subject_carries_no_content() -> None:
    inline = builders.file_material(content=b"abc", storage="inline", output=True)
    whole = json.loads(predicate.build(builders.facts(materials=(replace(inline, content=b"abc"),))))
    assert whole["predicate"]["materials"][0]["content"] == "YWJj"
    assert "content" not in whole["subject"][2]


def test_a_user_annotation_never_replaces_or_adds_a_built_in_key() -> None:
    forged = {"chainloop.material.type": "SARIF", "chainloop.material.cas.inline": "true", "mine": "kept"}
    notes = materials.descriptor(builders.file_material(annotations=forged)).annotations
    assert notes["chainloop.material.type"] == "ARTIFACT"
    assert "chainloop.material.cas.inline" not in notes
    assert notes["mine"] == "kept"


def test_extracted_annotations_stay_under_the_prefix_and_off_the_built_in_keys() -> None:
    for key in ("tool.name", "chainloop.material.type"):
        with pytest.raises(errors.Invalid):
            materials.descriptor(builders.file_material(extracted={key: "x"}))


BAD_MATERIALS = {
    "no name": (builders.file_material(name=""), "a material needs a name and a type"),
    "no type": (builders.file_material(type=""), "a material needs a name and a type"),
    "an empty STRING": (builders.text_material(text=b""), "a STRING needs a text"),
    "a STRING without text": (builders.text_material(content=None), "a STRING needs a text"),
    "a file without a name": (builders.file_material(resource=""), "needs the name of its file or image"),
    "an inline file without a name": (
        replace(builders.file_material(storage="inline", resource=""), content=b"{}"),
        "needs the name of its file or image",
    ),
    "inline without content": (builders.file_material(storage="inline"), "said to be inline, but has no content"),
    "content of another digest": (
        builders.text_material(content=b"another"),
        "content does not hash to the digest",
    ),
    "an empty content of another digest": (
        replace(builders.file_material(storage="inline"), content=b""),
        "content does not hash to the digest",
    ),
    "an annotation extracted from elsewhere": (
        builders.file_material(extracted={"chainloop.material.tool": "x", "tool.name": "x"}),
        "'tool.name' is not an extracted annotation",
    ),
}
CORE = ("name", "type", "cas", "cas.inline", "size", "image.tag", "image.is_latest_tag")


@pytest.mark.parametrize(("material", "told"), BAD_MATERIALS.values(), ids=BAD_MATERIALS.keys())
def test_a_material_that_contradicts_itself_is_not_attested(material: materials.Material, told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^material '{material.name}': {told}"):
        predicate.build(builders.facts(materials=(material,)))


@pytest.mark.parametrize("key", CORE)
def test_what_avouch_says_of_a_material_nothing_else_says(key: str) -> None:
    with pytest.raises(errors.Invalid, match=f"'chainloop.material.{key}' is not an extracted annotation"):
        materials.descriptor(builders.file_material(extracted={f"chainloop.material.{key}": "x"}))
    whole = builders.file_material(
        annotations={f"chainloop.material.{key}": "forged", "chainloop.material.x": "forged"}
    )
    assert materials.descriptor(whole) == materials.descriptor(builders.file_material())


def test_an_empty_file_inside_the_attestation_comes_back() -> None:
    empty = builders.file_material(content=b"", storage="inline")
    given = builders.facts(materials=(replace(empty, content=b""),))
    assert predicate.read(statement.parse(predicate.build(given))) == given


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"storage": "uploaded"}, {"cas": True}),
        ({"storage": "inline"}, {"cas.inline": True}),
        ({"storage": "none"}, {}),
        ({"storage": "none", "size": None}, {"size": None}),
        ({"storage": "none", "size": 0}, {"size": "0"}),
        ({"storage": "none", "image_tag": "1"}, {"image.tag": "1"}),
        ({"storage": "none", "image_latest": True}, {"image.is_latest_tag": True}),
    ],
)
def test_only_what_holds_of_a_material_is_said_of_it(changes: dict[str, object], said: dict[str, object]) -> None:
    given = builders.file_material(**changes)
    given = replace(given, content=b"{}" if given.storage == "inline" else None)
    whole = {"name": "sbom", "type": "ARTIFACT", "size": "2"} | said
    written = materials.descriptor(given)
    assert written.annotations == {
        f"chainloop.material.{key}": value for key, value in whole.items() if value is not None
    }
    assert materials.read(written, {}, "x") == given


def test_a_material_named_twice_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="duplicate material 'note'"):
        predicate.build(builders.facts(materials=(builders.text_material(), builders.text_material())))


def test_unknown_policy_or_server_fields_are_refused() -> None:
    with pytest.raises(errors.Invalid, match="'metadata'"):
        predicate.build(builders.facts(policy={"metadata": {}}))
    with pytest.raises(errors.Invalid, match="'policyHasGates'"):
        predicate.build(builders.facts(server={"policyHasGates": True}))


def broken(path: list[str | int], value: object) -> statement.Statement:
    whole = json.loads(predicate.build(builders.facts()))
    place = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return statement.parse(json.dumps(whole).encode())


def noted(**notes: object) -> dict[str, object]:
    """Annotations of an otherwise good material, the dots of their keys written as `__`."""
    whole = {"name": "sbom", "type": "ARTIFACT"} | notes
    return {f"chainloop.material.{key.replace('__', '.')}": value for key, value in whole.items() if value is not None}


NOTES = ["predicate", "materials", 1, "annotations"]
AT = "materials[1].annotations"
CONTRADICTIONS = {
    "another predicate": (
        ["predicateType"],
        "chainloop.dev/attestation/v0.1",
        "predicateType: not an attestation: 'chainloop.dev/attestation/v0.1'",
    ),
    "a subject gives a material another digest": (
        ["subject", 2, "digest", "sha256"],
        SHA,
        f"{AT}: material 'sbom' and its subject have different digests",
    ),
    "the first subject is another workflow": (
        ["subject", 0, "name"],
        "chainloop.workflow.other",
        "subject[0].name: the first subject is not the workflow",
    ),
    "a content that is not what the digest says": (
        ["predicate", "materials", 0, "content"],
        "eA==",
        "material 'note': content does not hash",
    ),
    "a material without sha256": (
        ["predicate", "materials", 1, "digest"],
        {"sha1": "a" * 40},
        f"{AT}: a material without sha256",
    ),
    "a material that is a text": (["predicate", "materials", 1], "sbom", "materials[1]: must be an object"),
    "a material without a name": (NOTES, noted(name=None), f"{AT}.chainloop.material.name: must be text"),
    "a material with an empty name": (NOTES, noted(name=""), "material '': a material needs a name and a type"),
    "a name that is a number": (NOTES, noted(name=1), f"{AT}.chainloop.material.name: must be text"),
    "a material without a type": (NOTES, noted(type=None), f"{AT}.chainloop.material.type: must be text"),
    "a type that is a list": (NOTES, noted(type=["ARTIFACT"]), f"{AT}.chainloop.material.type: must be text"),
    "a material with an empty type": (NOTES, noted(type=""), "material 'sbom': a material needs a name and a type"),
    "a size with a sign": (NOTES, noted(size="-1"), f"{AT}.chainloop.material.size: not a size in bytes"),
    "a size with a zero before": (NOTES, noted(size="01"), f"{AT}.chainloop.material.size: not a size in bytes"),
    "a size of twenty digits": (NOTES, noted(size="1" * 20), f"{AT}.chainloop.material.size: not a size in bytes"),
    "a size that is a number": (NOTES, noted(size=1), f"{AT}.chainloop.material.size: must be text"),
    "uploaded and inline at once": (NOTES, noted(cas=True, cas__inline=True), f"{AT}: both uploaded and inline"),
    "uploaded as text": (NOTES, noted(cas="true"), f"{AT}.chainloop.material.cas: must be true or false"),
    "inline as a number": (NOTES, noted(cas__inline=0), f"{AT}.chainloop.material.cas.inline: must be true or false"),
    "inline without content": (NOTES, noted(cas__inline=True), "material 'sbom': content does not hash"),
    "a tag that is a number": (NOTES, noted(image__tag=1), f"{AT}.chainloop.material.image.tag: must be text"),
    "latest as text": (
        NOTES,
        noted(image__is_latest_tag="true"),
        f"{AT}.chainloop.material.image.is_latest_tag: must be true or false",
    ),
    "an annotation that is a number": (NOTES, noted() | {"stage": 1}, f"{AT}.stage: must be text"),
    "an environment that is not text": (["predicate", "env", "PARAM"], 1, "env.PARAM: must be text"),
    "an environment in a list": (["predicate", "env"], [], "env: must be an object"),
    "annotations that are a list": (["predicate", "annotations"], [], "annotations: must be an object"),
    "no metadata": (["predicate", "metadata"], None, "metadata: must be an object"),
    "no workflow name": (["predicate", "metadata", "workflowName"], "", "metadata.workflowName: empty"),
    "a null for the workflow name": (["predicate", "metadata", "workflowName"], None, "metadata.workflowName: empty"),
    "a project that is a number": (["predicate", "metadata", "project"], 1, "metadata.project: must be text"),
    "a prerelease that is a text": (
        ["predicate", "metadata", "projectVersionPrerelease"],
        "true",
        "metadata.projectVersionPrerelease: must be true or false",
    ),
    "a beginning that is no time": (["predicate", "metadata", "initializedAt"], "now", "metadata.initializedAt: "),
    "an end that is a number": (["predicate", "metadata", "finishedAt"], 1, "metadata.finishedAt: must be text"),
    "no builder": (["predicate", "builder"], None, "builder: must be an object"),
    "a builder without id": (["predicate", "builder"], {}, "builder.id: must be text"),
    "a runner that is a number": (["predicate", "runnerType"], 1, "runnerType: must be text"),
    "an authenticated runner as text": (
        ["predicate", "runnerAuthenticated"],
        "true",
        "runnerAuthenticated: must be true or false",
    ),
    "materials that are a map": (["predicate", "materials"], {}, "materials: must be a list"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value", "told"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_predicate_that_contradicts_itself_is_not_read(path: list[str | int], value: object, told: str) -> None:
    with pytest.raises(errors.Invalid, match=f"^{re.escape(told)}"):
        predicate.read(broken(path, value))


def test_what_a_statement_leaves_out_or_sets_to_null_is_empty() -> None:
    bare = {
        "metadata": {"workflowName": "w"}, "builder": {"id": "b"}, "materials": None, "env": None, "annotations": None,
        "runnerType": None, "runnerURL": None, "runnerAuthenticated": None,
    }  # fmt: skip
    subject = statement.named("chainloop.workflow.w", digests.of_bytes(b"x"))
    facts = predicate.read(statement.Statement((subject,), predicate.TYPE, bare))
    assert facts.metadata == predicate.Metadata("", "w", "", "", "", "", "", "", None, None)
    assert facts == predicate.AttestationFacts(facts.metadata, "b", predicate.Runner(""), ())


def test_every_fact_of_the_metadata_and_of_the_runner_has_its_field() -> None:
    metadata = builders.metadata(team="core", project_version="1.2", project_version_prerelease=True)
    runner = predicate.Runner("GITHUB_ACTION", "https://ci.example/1", "managed", True, ".github/workflows/x.yaml")
    given = builders.facts(metadata=metadata, runner=runner)
    written = json.loads(predicate.build(given))["predicate"]
    assert written["metadata"] == {
        "name": "build", "workflowName": "build", "workflowID": "f4231cbf-a1ee-465c-8510-d8712923d3bc",
        "workflowRunID": "dacc61bd-e276-47d7-bb2f-834d23b6c785", "project": "shop", "projectVersion": "1.2",
        "projectVersionPrerelease": True, "organization": "acme", "contractName": "release", "contractVersion": "3",
        "team": "core", "initializedAt": "2026-11-21T12:00:00Z", "finishedAt": "2026-11-21T12:00:05Z",
    }  # fmt: skip
    assert {key: value for key, value in written.items() if key.startswith("runner")} == {
        "runnerType": "GITHUB_ACTION", "runnerURL": "https://ci.example/1", "runnerEnvironment": "managed",
        "runnerAuthenticated": True, "runnerWorkflowFilePath": ".github/workflows/x.yaml",
    }  # fmt: skip
    assert predicate.read(statement.parse(predicate.build(given))) == given


def test_an_attestation_without_a_workflow_name_is_not_written() -> None:
    with pytest.raises(errors.Invalid, match=r"^metadata\.workflowName: empty"):
        predicate.build(builders.facts(metadata=builders.metadata(workflow_name="")))


@pytest.mark.parametrize("field", sorted(predicate.POLICY_FIELDS))
def test_what_policies_said_comes_back(field: str) -> None:
    given = builders.facts(policy={field: "x"})
    assert predicate.read(statement.parse(predicate.build(given))) == given
    with pytest.raises(errors.Invalid, match=f"unknown field '{field}'"):
        predicate.build(builders.facts(server={field: "x"}))


@pytest.mark.parametrize("field", ["auth", "casBackend", "signingCA", "signingTSA"])
def test_what_only_the_server_knows_comes_back(field: str) -> None:
    given = builders.facts(server={field: "x"})
    assert predicate.read(statement.parse(predicate.build(given))) == given
    with pytest.raises(errors.Invalid, match=f"unknown field '{field}'"):
        predicate.build(builders.facts(policy={field: "x"}))


def test_1024_materials_are_attested_and_1025_are_not_even_read() -> None:
    def many(count: int) -> tuple[materials.Material, ...]:
        return tuple(builders.text_material(f"m{i:04}") for i in range(count))

    most = statement.parse(predicate.build(builders.facts(materials=many(1024))))
    assert predicate.read(most).materials == many(1024)
    with pytest.raises(errors.TooLarge, match="materials: 1025 materials, at most 1024"):
        predicate.build(builders.facts(materials=many(1025)))
    listed = [*most.predicate["materials"], "no material at all"]  # type: ignore[misc]  # a list
    with pytest.raises(errors.TooLarge, match="materials: 1025 materials, at most 1024"):
        predicate.read(replace(most, predicate={**most.predicate, "materials": listed}))


def test_a_subject_that_is_named_as_a_material_that_is_none_stays_an_extra_one() -> None:
    stray = replace(statement.named("x", digests.of_bytes(b"x")), annotations={"chainloop.material.name": "nowhere"})
    odd = replace(stray, annotations={"chainloop.material.name": ["x"]})
    given = builders.facts(extra_subjects=(stray, odd))
    assert predicate.read(statement.parse(predicate.build(given))) == given


def test_chainloops_own_statement_is_read_and_written_back_alike() -> None:
    theirs = json.loads((builders.CHAINLOOP / "statement.json").read_bytes())
    facts = predicate.read(statement.parse((builders.CHAINLOOP / "statement.json").read_bytes()))
    ours = json.loads(predicate.build(facts))
    for whole in (theirs, ours):  # Go writes nanoseconds, and digests its own state
        whole["subject"][0].pop("digest")
        for key in ("initializedAt", "finishedAt"):
            whole["predicate"]["metadata"][key] = whole["predicate"]["metadata"][key][:26]
    ours["predicate"]["metadata"] = {
        k: v.rstrip("Z") if k.endswith("At") else v for k, v in ours["predicate"]["metadata"].items()
    }
    assert ours == theirs


def test_times_are_written_in_utc_and_read_from_any_zone() -> None:
    assert rfc3339.read("2026-11-21T13:00:00.123456789+01:00", "x") == builders.NOW + timedelta(microseconds=123456)
    assert rfc3339.write(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
    with pytest.raises(errors.Invalid):
        rfc3339.write(datetime(2026, 1, 1))  # naive on purpose
    for text in (
        "2026-13-01T00:00:00Z",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-W01-1T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
    ):
        with pytest.raises(errors.Invalid):
            rfc3339.read(text, "x")
