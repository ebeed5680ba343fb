import pytest

from avouch import digests, errors
from avouch.crafting import adding, missing, state
from avouch.crafting import run as crafting_run
from tests.crafting import builders

CONTRACT = builders.contract(
    materials=[
        {
            "name": "sbom",
            "type": "SBOM_CYCLONEDX_JSON",
            "annotations": [{"name": "component", "value": "plane"}, {"name": "asset"}, {"name": "stage"}],
        },
        {"name": "note", "type": "STRING", "output": True},
        {"name": "big", "type": "ARTIFACT", "skip_upload": True, "optional": True},
        {"name": "cdx", "type": "SBOM_CYCLONEDX_JSON", "group": "bill"},
        {"name": "spdx", "type": "SBOM_SPDX_JSON", "group": "bill"},
    ],
    annotations=[{"name": "version", "value": "oss"}, {"name": "who"}, {"name": "why"}],
    envAllowList=["STAGE"],
)


def begun(**changes: object) -> state.State:
    return builders.begun(CONTRACT, **changes)


def file(content: bytes = b"x", kind: str = "ARTIFACT", name: str = "x.bin") -> adding.Gathered:
    return adding.Gathered(kind, digests.of_bytes(content), name, len(content), content)


def text(value: str = "hello") -> adding.Gathered:
    return adding.Gathered("STRING", digests.of_bytes(value.encode()), size=len(value), content=value.encode())


def added(found: state.State, name: str, value: adding.Gathered, **annotations: str) -> adding.Change:
    return adding.add(found, adding.asked(found, name, "", 7), value, annotations)


def test_a_name_of_the_contract_takes_its_type_whatever_was_said():
    assert adding.asked(begun(), "sbom", "ARTIFACT", 0).type == "SBOM_CYCLONEDX_JSON"


def test_another_name_is_of_the_type_that_was_said_or_of_none_yet():
    assert adding.asked(begun(), "other", "SARIF", 0).type == "SARIF"
    assert adding.asked(begun(), "other", "", 0).type == ""


def test_a_material_without_a_name_gets_one():
    assert adding.asked(begun(), "", "", 42).name == "material-42"


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a-", "a" * 64, "a b", "a/b", "ä"])
def test_a_name_that_no_contract_could_use_is_refused(name: str):
    with pytest.raises(errors.Invalid, match="not a valid material name"):
        adding.asked(begun(), name, "", 0)


@pytest.mark.parametrize(("kind", "fix"), [("junit", "did you mean JUNIT_XML?"), ("NOPE", "use one of STRING, ")])
def test_an_unknown_type_is_refused_with_the_known_ones(kind: str, fix: str):
    with pytest.raises(errors.Invalid, match="unknown material type") as refused:
        adding.asked(begun(), "x", kind, 0)
    assert refused.value.fix.startswith(fix)


def test_all_annotations_without_value_are_named_at_once():
    with pytest.raises(errors.Invalid) as caught:
        added(begun(), "sbom", file(kind="SBOM_CYCLONEDX_JSON"))
    assert str(caught.value) == (
        'annotations ["asset", "stage"] required for material "sbom" '
        "(fix: add --annotation asset=VALUE --annotation stage=VALUE)"
    )


def test_an_annotation_filled_with_nothing_is_still_missing():
    with pytest.raises(errors.Invalid, match='"asset"'):
        added(begun(), "sbom", file(kind="SBOM_CYCLONEDX_JSON"), asset="", stage="s")


def test_the_contracts_own_value_is_never_overridden():
    change = added(begun(), "sbom", file(kind="SBOM_CYCLONEDX_JSON"), asset="a", stage="s", component="mine")
    assert change.state.materials[0].annotations["component"] == "plane"
    assert change.notes == ("annotation component keeps the contract's value 'plane'",)


def test_annotations_that_the_contract_does_not_know_are_accepted():
    assert added(begun(), "note", text(), reviewed="yes").state.materials[0].annotations == {"reviewed": "yes"}


@pytest.mark.parametrize("name", ["chainloop.material.cas", "a b", "a\nb", "x" * 129])
def test_an_annotation_that_could_pretend_something_is_refused(name: str):
    with pytest.raises(errors.Invalid, match="cannot name an annotation"):
        added(begun(), "note", text(), **{name: "true"})


def test_adding_a_name_again_overwrites_it_in_its_place_and_says_so():
    found = added(added(begun(), "note", text("one")).state, "big", file()).state
    change = added(found, "note", text("two"))
    assert [each.name for each in change.state.materials] == ["note", "big"]
    assert change.state.materials[0].content == b"two"
    assert "replaces an earlier material" in change.notes[0]


def test_the_contract_says_what_becomes_a_subject_and_what_is_not_uploaded():
    found = added(added(begun(), "note", text()).state, "big", file()).state
    assert [(each.output, each.storage) for each in found.materials] == [(True, "none"), (False, "none")]
    assert found.materials[1].content is None


def test_a_contract_free_material_is_no_subject():
    assert not added(begun(), "other", file()).state.materials[0].output


def test_inlined_content_travels_in_the_statement():
    found = added(begun(), "other", file(b"abc")).state.materials[0]
    assert (found.storage, found.content) == ("inline", b"abc")


def test_a_file_too_big_for_the_backend_is_refused_with_both_sizes():
    run = builders.run(CONTRACT, backend=crafting_run.Backend("b", "small", True, False, 10))
    with pytest.raises(errors.TooLarge, match=r"too big for the small CAS backend.*fileSize=11, maxSize=10"):
        added(begun(run=run), "other", file(b"x" * 11))


def test_the_backends_limit_does_not_hold_for_what_is_not_uploaded():
    run = builders.run(CONTRACT, backend=crafting_run.Backend("b", "small", True, False, 10))
    assert added(begun(run=run), "big", file(b"x" * 11)).state.materials[0].size == 11


def test_inlined_content_that_no_statement_could_hold_is_refused_before_the_end():
    found = begun(run=builders.run(CONTRACT, backend=crafting_run.Backend("b", "inline", True, False, 0)))
    found = added(found, "one", file(b"1" * 1_500_000)).state
    with pytest.raises(errors.TooLarge, match="do not fit into one statement"):
        added(found, "two", file(b"2" * 1_500_000))
    assert added(found, "one", file(b"3" * 1_500_000)).state  # it takes the place of the first


def test_a_dry_run_uploads_nothing():
    run = builders.run(CONTRACT, backend=crafting_run.Backend("b", "s3", False, False, 0))
    assert added(begun(run=run, dry_run=True), "x", file()).state.materials[0].storage == "none"


def test_an_empty_text_is_no_material():
    with pytest.raises(errors.Invalid, match="needs a text"):
        added(begun(), "note", adding.Gathered("STRING", digests.of_bytes(b""), content=b""))


def test_annotations_of_the_attestation_follow_the_same_rules():
    change = adding.annotate(begun(), {"who": "me", "version": "mine", "more": "x"})
    assert change.state.annotations == {"version": "oss", "who": "me", "more": "x"}
    assert change.notes == ("annotation version keeps the contract's value 'oss'",)


@pytest.mark.parametrize("text", ["novalue", "=x", ""])
def test_an_annotation_without_name_or_equals_is_refused(text: str):
    with pytest.raises(errors.Invalid, match="NAME=VALUE"):
        adding.pairs((text,))


def test_everything_owed_is_named_at_once_with_the_command_that_delivers_it():
    found = missing.owed(begun(), missing.Way("avouch attestation", ("--attestation-id", "r-1")))
    assert {each.fix for each in found} == {
        "avouch attestation add --name sbom --value FILE --annotation asset=VALUE --annotation stage=VALUE"
        " --attestation-id r-1",
        "avouch attestation add --name note --value TEXT --attestation-id r-1",
        "avouch attestation add --name cdx --value FILE --attestation-id r-1"
        " or avouch attestation add --name spdx --value FILE --attestation-id r-1",
        "avouch attestation push --annotation who=VALUE --attestation-id r-1",
        "avouch attestation push --annotation why=VALUE --attestation-id r-1",
        "set STAGE, then start over: avouch attestation init --replace --attestation-id r-1",
    }


def test_one_of_a_group_is_enough():
    found = added(begun(env={"STAGE": "x"}), "spdx", file(kind="SBOM_SPDX_JSON")).state
    assert "GroupUnsatisfied" not in {each.code for each in missing.owed(found, missing.Way())}
    assert {line.name: line.state for line in missing.lines(found, missing.Way())}["cdx"] == "optional"


def test_status_lines_follow_the_plan_then_come_the_others():
    found = added(added(begun(), "extra", file()).state, "note", text()).state
    lines = missing.lines(found, missing.Way())
    assert {(line.name, line.state) for line in lines[:-1]} == {
        ("big", "optional"),
        ("cdx", "one of its group is owed"),
        ("note", "added"),
        ("sbom", "owed"),
        ("spdx", "one of its group is owed"),
    }
    assert (lines[-1].name, lines[-1].state) == ("extra", "added")


def test_a_value_that_looks_like_a_credential_is_refused_without_repeating_it():
    for step in (
        lambda: adding.annotate(begun(), {"deploy_password": "hunter2x"}),
        lambda: added(begun(), "note", text("ghp_" + "a1B2" * 9)),
        lambda: added(begun(), "note", text(), note="https://user:hunter2x@git.example/a.git"),
    ):
        with pytest.raises(errors.Invalid, match="attestations are public") as caught:
            step()
        assert "hunter2x" not in str(caught.value)
