from typing import Any

import pytest

from avouch import errors
from avouch.contract import diff, reading, revisions


def form(name: str = "c", annotations: dict[str, str] | None = None, **spec: Any) -> bytes:
    metadata = {"name": name, "annotations": annotations or {}}
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": metadata, "spec": spec}
    return revisions.canonical(reading.read(manifest))


def material(name: str = "sbom", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SBOM_CYCLONEDX_JSON", **more}


def policy(ref: str = "licenses", **more: Any) -> dict[str, Any]:
    return {"ref": ref, **more}


def said(before: bytes, after: bytes) -> list[str]:
    return [str(change) for change in diff.changes(before, after)]


def policies(*found: dict[str, Any]) -> dict[str, Any]:
    return {"policies": {"materials": list(found)}}


PIN = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (form(), form(materials=[material()]), ["+ material sbom (SBOM_CYCLONEDX_JSON)"]),
        (form(materials=[material()]), form(), ["- material sbom (SBOM_CYCLONEDX_JSON)"]),
        (
            form(materials=[material()]),
            form(materials=[material(optional=True, group="g", type="ARTIFACT")]),
            [
                "~ material sbom: type SBOM_CYCLONEDX_JSON -> ARTIFACT",
                "~ material sbom: optional nothing -> true",
                "~ material sbom: group nothing -> g",
            ],
        ),
        (
            form(materials=[material(annotations=[{"name": "a", "value": "1"}])]),
            form(materials=[material(annotations=[{"name": "a"}, {"name": "b", "value": "2"}])]),
            [
                '~ annotation of material sbom: a: value "1" -> from the run',
                '+ annotation of material sbom: b (value "2")',
            ],
        ),
        (
            form(materials=[material()], **policies(policy(requirements=["a/b"]))),
            form(materials=[material(skipUpload=True)], **policies(policy(disabled=True))),
            [
                "~ material sbom: skipUpload nothing -> true",
                "~ material policy licenses: disabled nothing -> true",
                "~ material policy licenses: requirements a/b -> nothing",
            ],
        ),
        (
            form(annotations={"version": "1"}),
            form(annotations={"version": "2"}),
            ['~ metadata annotation version: value "1" -> "2"'],
        ),
        (form(envAllowList=["A", "B"]), form(envAllowList=["B", "C"]), ["- variable A", "+ variable C"]),
        (form(), form(runner={"type": "JENKINS_JOB"}), ["~ contract: runner nothing -> JENKINS_JOB"]),
        (form("a"), form("b"), ["~ contract: name a -> b"]),
        (
            form(**policies(policy())),
            form(**policies(policy(gate=False))),
            ["~ material policy licenses: gate nothing -> false"],
        ),
        (
            form(**policies(policy())),
            form(**policies(policy(f"licenses@{PIN}"))),
            [f"~ material policy licenses: pin nothing -> {PIN}"],
        ),
        (
            form(**policies(policy(**{"with": {"a": "1", "b": "2"}}))),
            form(**policies(policy(**{"with": {"a": "3"}}))),
            ['~ material policy licenses: with.a "1" -> "3"', '~ material policy licenses: with.b "2" -> nothing'],
        ),
        (
            form(**policies(policy(selector={"name": "sbom", "matchMode": "PREFIX"}))),
            form(**policies(policy(selector={"name": "sbom"}))),
            ["- material policy licenses on sbom*", "+ material policy licenses on sbom"],
        ),
        (
            form(**policies(policy())),
            form(**policies(policy(), policy(gate=True))),
            ["+ material policy licenses #2 (gate true)"],
        ),
        (
            form(policyGroups=[{"ref": "g"}]),
            form(policyGroups=[{"ref": "g", "skip": ["x"]}]),
            ['~ policy group g: skip nothing -> "x"'],
        ),
    ],
)
def test_a_change_reads_as_one_line(before, after, expected):
    assert said(before, after) == expected


def test_an_embedded_policy_is_told_by_its_name_and_compared_by_its_content():
    def embedded(version: int) -> bytes:
        return form(**policies({"embedded": {"metadata": {"name": "mine"}, "spec": version}}))

    (change,) = diff.changes(embedded(1), embedded(2))
    assert (change.what, change.field) == ("material policy embedded mine", "content")
    assert change.before.startswith("sha256:")


@pytest.mark.parametrize("odd", [{"metadata": []}, {"metadata": {"name": 7}}, {}])
def test_an_embedded_policy_without_a_name_is_told_as_such(odd):
    assert said(form(), form(**policies({"embedded": odd})))[0].startswith("+ material policy embedded (content sha256")


def test_an_empty_input_is_not_none():
    empty = form(**policies(policy(**{"with": {"a": ""}})))
    assert said(form(**policies(policy())), empty) == ['~ material policy licenses: with.a nothing -> ""']


def test_no_change_is_silent_however_parts_are_called():
    twice, once = [{"ref": "g"}, {"ref": "g", "gate": True}], [{"ref": "g #2", "gate": True}, {"ref": "g"}]
    assert len(said(form(policyGroups=twice), form(policyGroups=once))) == 1


def test_what_is_no_canonical_form_is_corrupt():
    with pytest.raises(errors.Corrupt):
        diff.changes(b"{}", form())
