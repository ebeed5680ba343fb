"""Statements, materials and the predicate that Chainloop reads."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from avouch import digests, errors, rfc3339
from avouch.attestation import materials, predicate, statement, strictjson
from tests.unit.attestation import builders

SHA = "a" * 64
BAD = {
    "another type": {"_type": "https://in-toto.io/Statement/v0.1"},
    "no type": {"_type": None},
    "empty subject list": {"subject": []},
    "no subject": {"subject": None},
    "subject not a list": {"subject": {}},
    "subject without digest": {"subject": [{"name": "x"}]},
    "subject with empty digest": {"subject": [{"name": "x", "digest": {}}]},
    "a short sha256": {"subject": [{"digest": {"sha256": "ab"}}]},
    "an upper-case sha256": {"subject": [{"digest": {"sha256": "A" * 64}}]},
    "a sha256 with a prefix": {"subject": [{"digest": {"sha256": "sha256:" + SHA}}]},
    "a sha256 in full-width digits": {"subject": [{"digest": {"sha256": "１" * 64}}]},  # noqa: RUF001 - the point
    "a bad second digest": {"subject": [{"digest": {"sha256": SHA, "sha512": "b"}}]},
    "a digest that is a number": {"subject": [{"digest": {"sha256": 5}}]},
    "an empty algorithm": {"subject": [{"digest": {"": "b"}}]},
    "seventeen digests": {"subject": [{"digest": {f"a{i}": "b" for i in range(17)}}]},
    "1025 subjects": {"subject": [{"digest": {"sha256": SHA}}] * 1025},
    "no predicate type": {"predicateType": None},
    "empty predicate type": {"predicateType": ""},
    "no predicate": {"predicate": None},
    "predicate is a list": {"predicate": []},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_a_malformed_statement_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(errors.Invalid):
        statement.parse(builders.statement_bytes(**changes))


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
    "no name": builders.file_material(name=""),
    "no type": builders.file_material(type=""),
    "an empty STRING": builders.text_material(text=b""),
    "a file without a name": builders.file_material(resource=""),
    "inline without content": builders.file_material(storage="inline"),
    "content of another digest": replace(builders.file_material(), content=b"not {}"),
}


@pytest.mark.parametrize("material", BAD_MATERIALS.values(), ids=BAD_MATERIALS.keys())
def test_a_material_that_contradicts_itself_is_not_attested(material: materials.Material) -> None:
    with pytest.raises(errors.Invalid):
        predicate.build(builders.facts(materials=(material,)))


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


CONTRADICTIONS = {
    "a subject gives a material another digest": (["subject", 2, "digest", "sha256"], SHA),
    "the first subject is another workflow": (["subject", 0, "name"], "chainloop.workflow.other"),
    "a content that is not what the digest says": (["predicate", "materials", 0, "content"], "eA=="),
    "a material without a type": (["predicate", "materials", 1, "annotations"], {"chainloop.material.name": "x"}),
    "a material without sha256": (["predicate", "materials", 1, "digest"], {"sha1": "a" * 40}),
    "a size with a sign": (["predicate", "materials", 1, "annotations", "chainloop.material.size"], "-1"),
    "uploaded and inline at once": (
        ["predicate", "materials", 1, "annotations", "chainloop.material.cas.inline"],
        True,
    ),
    "uploaded as text": (["predicate", "materials", 1, "annotations", "chainloop.material.cas"], "true"),
    "an environment that is not text": (["predicate", "env", "PARAM"], 1),
    "no workflow name": (["predicate", "metadata", "workflowName"], ""),
    "a time that is not one": (["predicate", "metadata", "initializedAt"], "yesterday"),
    "a builder without id": (["predicate", "builder"], {}),
    "materials that are a map": (["predicate", "materials"], {}),
    "another predicate": (["predicateType"], "chainloop.dev/attestation/v0.1"),
}


@pytest.mark.parametrize(("path", "value"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_a_predicate_that_contradicts_itself_is_not_read(path: list[str | int], value: object) -> None:
    if value is True:
        path, value = (
            path[:-1],
            {
                "chainloop.material.name": "x",
                "chainloop.material.type": "ARTIFACT",
                "chainloop.material.cas": True,
                "chainloop.material.cas.inline": True,
            },
        )
    with pytest.raises(errors.Invalid):
        predicate.read(broken(path, value))


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
