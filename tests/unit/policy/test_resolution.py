"""What a contract owes once its policies and groups are looked up."""

from collections.abc import Mapping
from typing import Any

import pytest

from avouch import digests, errors
from avouch.contract import owed, policies, reading
from avouch.policy import identity, places, resolution

SCRIPT = "package main\n\nimport rego.v1\n"


def policy(name: str, kind: str = "SBOM_CYCLONEDX_JSON", **spec: Any) -> dict[str, Any]:
    script = {"embedded": SCRIPT, **({"kind": kind} if kind else {})}
    return {
        "apiVersion": "chainloop.dev/v1",
        "kind": "Policy",
        "metadata": {"name": name},
        "spec": {"policies": [script], **spec},
    }


def group(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "chainloop.dev/v1", "kind": "PolicyGroup", "metadata": {"name": name}, "spec": spec}


class Known:
    """Policies and groups by their names."""

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self._objects = {(one["kind"], one["metadata"]["name"]): one for one in objects}

    def _found(self, kind: str, reference: str) -> Any:
        found = self._objects.get((kind, reference))
        if found is None:
            raise errors.NotFound(f"no {kind} {reference}")
        return policies.read(found)

    def policy(self, reference: str) -> Any:
        return self._found("Policy", reference)

    def group(self, reference: str) -> Any:
        return self._found("PolicyGroup", reference)

    def whole(self, policy: Any) -> Any:
        return places.whole(policy, places.FILE, self._script)

    def _script(self, reference: str) -> bytes:
        if reference == "file://down.rego":
            raise errors.Unavailable("down.rego cannot be read now")
        return SCRIPT.encode()


def resolve(spec: Mapping[str, Any], *objects: Mapping[str, Any], blocks: bool = False) -> resolution.Resolved:
    found = _resolve(spec, *objects, blocks=blocks)
    assert isinstance(found, resolution.Resolved), found
    return found


def form(spec: Mapping[str, Any], *objects: Mapping[str, Any]) -> bytes:
    return owed.canonical(resolve(spec, *objects).owed)


def problems(spec: Mapping[str, Any], *objects: Mapping[str, Any]) -> list[str]:
    found = _resolve(spec, *objects)
    assert not isinstance(found, resolution.Resolved)
    return list(map(str, found))


def _resolve(spec: Mapping[str, Any], *objects: Mapping[str, Any], blocks: bool = False) -> resolution.Resolved | Any:
    contract = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}, "spec": spec}
    return resolution.resolve(reading.read(contract), Known(*objects), blocks=blocks)


def attached(**said: Any) -> dict[str, Any]:
    return {"policies": {"materials": [said]}}


def test_a_policy_is_pinned_by_its_digest_and_its_document_is_kept() -> None:
    found = resolve(attached(ref="fresh", **{"with": {"days": "30"}}), policy("fresh"))
    (bound,) = found.owed.policies
    assert (bound.policy, bound.reference, bound.inputs) == ("fresh", "fresh", (("days", "30"),))
    assert bound.digest == str(identity.digest(policies.read(policy("fresh"))))
    assert set(found.documents) == {bound.digest}
    assert resolution.policy_of(found.documents[bound.digest]).metadata.name == "fresh"


def test_what_was_recorded_is_read_back() -> None:
    spec = attached(ref="fresh", selector={"name": "sbom", "matchMode": "PREFIX"}, requirements=["soc2/cc1"])
    spec["materials"] = [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON", "annotations": [{"name": "a"}]}]
    found = resolve(spec, policy("fresh"))
    again = owed.restore(owed.canonical(found.owed))
    assert again == found.owed


@pytest.mark.parametrize(
    "form", [b"", b"{}", b"[]", b'{"form": "avouch.dev/resolved/v2"}', b'{"form":"avouch.dev/resolved/v1"}']
)
def test_what_is_no_recorded_form_is_corrupt(form: bytes) -> None:
    with pytest.raises(errors.Corrupt):
        owed.restore(form)


def test_the_order_of_attachments_changes_nothing() -> None:
    one = {"policies": {"materials": [{"ref": "a"}, {"ref": "b"}]}}
    other = {"policies": {"materials": [{"ref": "b"}, {"ref": "a"}]}}
    known = (policy("a"), policy("b"))
    assert form(one, *known) == form(other, *known)


def test_another_script_is_another_resolution() -> None:
    changed = policy("a")
    changed["spec"]["policies"][0]["embedded"] += "\n# more\n"
    assert form(attached(ref="a"), policy("a")) != form(attached(ref="a"), changed)


@pytest.mark.parametrize(
    ("own", "of_group", "blocks", "gate"),
    [
        (None, None, False, False),
        (None, None, True, True),
        (None, True, False, True),
        (None, False, True, False),
        (True, False, False, True),
        (False, True, True, False),
        (False, None, True, False),
    ],
)
def test_the_gate_is_the_attachments_then_the_groups_then_the_organizations(
    own: bool | None, of_group: bool | None, blocks: bool, gate: bool
) -> None:
    each = {"ref": "a"} | ({} if own is None else {"gate": own})
    grouped = group("g", policies={"materials": [{"type": "SBOM_CYCLONEDX_JSON", "policies": [each]}]})
    spec = {"policyGroups": [{"ref": "g"} | ({} if of_group is None else {"gate": of_group})]}
    (bound,) = resolve(spec, policy("a"), grouped, blocks=blocks).owed.policies
    assert bound.gate is gate


def test_a_named_material_of_a_group_is_owed_unless_it_is_optional_and_the_contract_wins() -> None:
    said = {"materials": [{"name": "mine", "type": "SARIF", "optional": True, "output": True}]}
    grouped = group(
        "g",
        policies={
            "materials": [
                {"name": "mine", "type": "OPENVEX"},
                {"name": "{{ inputs.app }}-sbom", "type": "SBOM_CYCLONEDX_JSON", "policies": [{"ref": "a"}]},
                {"name": "extra", "type": "SARIF", "optional": True},
                {"name": "many", "type": "SARIF", "matchMode": "PREFIX", "policies": [{"ref": "s"}]},
                {"type": "JUNIT_XML"},
            ]
        },
        inputs=[{"name": "app", "default": "api"}],
    )
    found = resolve({**said, "policyGroups": [{"ref": "g"}]}, policy("a"), policy("s", "SARIF"), grouped)
    assert {(one.name, one.type, one.optional, one.output) for one in found.owed.materials} == {
        ("mine", "SARIF", True, True),
        ("api-sbom", "SBOM_CYCLONEDX_JSON", False, False),
        ("extra", "SARIF", True, False),
    }
    assert {(one.policy, one.material, one.prefix, one.type, one.group) for one in found.owed.policies} == {
        ("a", "api-sbom", False, "", "g"),
        ("s", "many", True, "SARIF", "g"),
    }


def test_a_material_of_a_group_without_a_name_selects_by_its_type() -> None:
    grouped = group("g", policies={"materials": [{"type": "SARIF", "policies": [{"ref": "any"}]}]})
    (bound,) = resolve({"policyGroups": [{"ref": "g"}]}, policy("any", ""), grouped).owed.policies
    assert bound.judges("whatever", "SARIF")
    assert not bound.judges("whatever", "OPENVEX")


def test_inputs_of_a_group_stand_in_the_inputs_of_its_policies() -> None:
    each = {"ref": "a", "with": {"days": "{{ inputs.limit }}", "who": "{{ .inputs.nobody }}x"}}
    grouped = group(
        "g",
        policies={"materials": [{"type": "SARIF", "policies": [each]}]},
        inputs=[{"name": "limit", "required": True}],
    )
    (bound,) = resolve({"policyGroups": [{"ref": "g", "with": {"limit": "7"}}]}, policy("a", ""), grouped).owed.policies
    assert dict(bound.inputs) == {"days": "7", "who": "x"}


def test_an_input_that_nobody_declares_is_noted_with_its_line_and_what_is_near() -> None:
    inputs = [{"name": "severity", "default": "low"}]
    said = policy("a", inputs=inputs), group("g", inputs=inputs), policy("takes-all")
    spec = {
        "policies": {
            "materials": [
                {"ref": "a", "with": {"severty": "high"}},
                {"ref": "takes-all", "with": {"any": "x"}},
            ]
        },
        "policyGroups": [{"ref": "g", "with": {"other": "x"}}],
    }
    assert [(each.line, each.message, each.fix) for each in resolve(spec, *said).notes] == [
        (
            'spec.policies.materials[ref="a"].with',
            "severty is no input of policy a",
            "did you mean severity?",
        ),
        ('spec.policyGroups[ref="g"].with', "other is no input of policy group g", "it has severity"),
    ]


def test_policies_of_a_group_can_be_skipped() -> None:
    embedded = {key: value for key, value in policy("inside", "SARIF").items()}
    grouped = group(
        "g",
        policies={
            "materials": [{"type": "SARIF", "policies": [{"ref": "a"}, {"embedded": embedded}]}],
            "attestation": [{"ref": "b"}],
        },
    )
    spec = {"policyGroups": [{"ref": "g", "skip": ["a", "b"]}]}
    assert [one.policy for one in resolve(spec, policy("a"), policy("b"), grouped).owed.policies] == ["inside"]


@pytest.mark.parametrize(
    ("selector", "name", "judged"),
    [
        ({}, "sbom", True),
        ({"name": "sbom"}, "sbom", True),
        ({"name": "sbom"}, "sbomextra", False),
        ({"name": "sbom", "matchMode": "PREFIX"}, "sbomextra", True),
        ({"name": "sbom", "matchMode": "PREFIX"}, "xsbom", False),
    ],
)
def test_a_selector_is_a_name_or_its_beginning(selector: dict[str, str], name: str, judged: bool) -> None:
    (bound,) = resolve(attached(ref="a", selector=selector), policy("a")).owed.policies
    assert bound.judges(name, "SBOM_CYCLONEDX_JSON") is judged


def test_a_policy_on_the_attestation_judges_no_material() -> None:
    (bound,) = resolve({"policies": {"attestation": [{"ref": "a"}]}}, policy("a", "ATTESTATION")).owed.policies
    assert bound.attestation
    assert not bound.judges("any", "ATTESTATION")


@pytest.mark.parametrize(
    ("spec", "objects", "told"),
    [
        (attached(ref="gone"), (), 'spec.policies.materials[ref="gone"]: no Policy gone'),
        ({"policyGroups": [{"ref": "gone"}]}, (), 'spec.policyGroups[ref="gone"]: no PolicyGroup gone'),
        (
            attached(ref="a"),
            (policy("a", inputs=[{"name": "days", "required": True}]),),
            'spec.policies.materials[ref="a"]: missing required input "days" of policy a',
        ),
        (attached(ref="any"), (policy("any", ""),), "names no kind of material"),
        (
            {"policyGroups": [{"ref": "g", "skip": ["b"]}]},
            (group("g", policies={"materials": [{"type": "SARIF", "policies": [{"ref": "a"}]}]}), policy("a")),
            'spec.policyGroups[ref="g"].skip: policy "b" not found in policy group "g"',
        ),
        (
            {"policyGroups": [{"ref": "g"}]},
            (group("g", policies={}, inputs=[{"name": "app", "required": True}]),),
            'missing required input "app" of policy g',
        ),
        (
            {"policyGroups": [{"ref": "g"}]},
            (group("g", policies={"materials": [{"type": "SARIF", "policies": [{"ref": "a"}]}]}),),
            "no Policy a",
        ),
    ],
)
def test_what_cannot_be_resolved_is_told_with_its_line(
    spec: dict[str, Any], objects: tuple[dict[str, Any], ...], told: str
) -> None:
    assert told in problems(spec, *objects)[0]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{{ inputs.nothing }}", "'' is no name of a material"),
        ("{{ inputs.app }}", "'API x' is no name of a material"),
        ("{{ if }}", "is not understood"),
    ],
)
def test_a_material_of_a_group_has_to_have_a_name_that_a_material_can_have(name: str, told: str) -> None:
    grouped = group(
        "g", policies={"materials": [{"name": name, "type": "SARIF"}]}, inputs=[{"name": "app", "default": "API x"}]
    )
    (found,) = problems({"policyGroups": [{"ref": "g"}]}, grouped)
    assert told in found
    assert found.startswith('spec.policyGroups[ref="g"].materials[0].name: ')


def test_groups_do_not_make_a_contract_owe_more_than_it_may() -> None:
    many = {"materials": [{"name": f"m-{number}", "type": "SARIF"} for number in range(200)]}
    grouped = group("g", policies={"materials": [{"name": "one-more", "type": "SARIF"}]})
    assert "owes more than 200 materials" in problems({**many, "policyGroups": [{"ref": "g"}]}, grouped)[0]


def test_braces_of_a_contract_itself_are_what_they_are() -> None:
    spec = attached(ref="a", **{"with": {"text": "{{ inputs.x }}"}})
    assert dict(resolve(spec, policy("a")).owed.policies[0].inputs) == {"text": "{{ inputs.x }}"}


def test_all_problems_are_told_at_once() -> None:
    spec = {"policies": {"materials": [{"ref": "a"}, {"ref": "b"}]}, "policyGroups": [{"ref": "c"}]}
    assert len(problems(spec)) == 3


def test_hosts_are_recorded_where_a_script_may_ask_any_and_nothing_is_said_of_them_elsewhere() -> None:
    asking = policy("asking")
    asking["spec"]["policies"][0]["embedded"] += 'x := http["send"]({})\n'
    hosts = ("b.example", "a.example", "a.example")
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}}
    for name, recorded in (("asking", ("a.example", "b.example")), ("a", ())):
        contract = reading.read({**manifest, "spec": attached(ref=name, selector={"name": "sbom"})})
        found = resolution.resolve(contract, Known(asking, policy("a")), hosts=hosts)
        assert isinstance(found, resolution.Resolved), found
        assert found.owed.hosts == recorded
        form = owed.canonical(found.owed)
        assert owed.restore(form).hosts == recorded
        assert (b"hosts" in form) is bool(recorded)


def test_an_embedded_policy_has_the_digest_of_its_content() -> None:
    (bound,) = resolve(attached(embedded=policy("inside"))).owed.policies
    assert (bound.policy, bound.reference) == ("inside", "")
    assert digests.well_formed(bound.digest)


@pytest.mark.parametrize(
    ("attachment", "group_gate", "blocks", "gate"),
    [
        (True, False, False, (True, "attachment")),
        (False, True, True, (False, "attachment")),
        (None, True, False, (True, "group")),
        (None, False, True, (False, "group")),
        (None, None, True, (True, "organization")),
        (None, None, False, (False, "organization")),
    ],
)
def test_what_says_whether_a_violation_blocks_is_told_with_it(
    attachment: bool | None, group_gate: bool | None, blocks: bool, gate: tuple[bool, str]
) -> None:
    each = {"ref": "a", **({} if attachment is None else {"gate": attachment})}
    grouped = group("g", policies={"materials": [{"type": "SBOM_CYCLONEDX_JSON", "policies": [each]}]})
    asked = {"ref": "g", **({} if group_gate is None else {"gate": group_gate})}
    (bound,) = resolve({"policyGroups": [asked]}, grouped, policy("a"), blocks=blocks).owed.policies
    assert (bound.gate, bound.gate_by) == gate


def test_a_material_of_a_group_says_which_line_and_group_bring_it_and_one_of_the_contract_its_own() -> None:
    said = {"materials": [{"name": "own", "type": "SARIF"}, {"name": "theirs", "type": "SARIF"}]}
    spec = {"materials": [{"name": "own", "type": "SARIF"}], "policyGroups": [{"ref": "g"}]}
    found = resolve(spec, group("g", policies=said)).owed
    assert found.origin("own") == owed.Origin('spec.materials[name="own"]')
    assert found.origin("theirs") == owed.Origin('spec.policyGroups[ref="g"].materials[1]', "g")


def test_a_script_that_an_embedded_policy_names_is_part_of_what_is_recorded() -> None:
    said = policy("own")
    named = {**said, "spec": {"policies": [{"kind": "SBOM_CYCLONEDX_JSON", "ref": "own.rego"}]}}
    whole, found = (resolve({"policies": {"attestation": [{"embedded": one}]}}) for one in (said, named))
    assert found.documents == whole.documents


def test_what_cannot_be_looked_at_now_heals_by_itself() -> None:
    named = {**policy("own"), "spec": {"policies": [{"ref": "down.rego"}]}}
    found = _resolve({"policies": {"attestation": [{"embedded": named}]}})
    assert [one.missing for one in found] == [True]
    assert "down.rego cannot be read now" in str(found[0])


SBOM = {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}


@pytest.mark.parametrize("kinds", ["SARIF", "ATTESTATION"])
def test_a_policy_that_would_never_be_asked_of_the_material_that_it_is_for_is_told(kinds: str) -> None:
    spec = {**attached(ref="other", gate=True, selector={"name": "sbom"}), "materials": [SBOM]}
    (told,) = problems(spec, policy("other", kinds))
    assert f"policy other judges {kinds}, and material sbom is SBOM_CYCLONEDX_JSON" in told


def test_a_policy_of_a_group_is_held_to_the_type_that_the_contract_gives_the_material() -> None:
    grouped = {"name": "sbom", "type": "SARIF", "policies": [{"ref": "scan", "gate": True}]}
    spec = {"policyGroups": [{"ref": "group"}], "materials": [SBOM]}
    (told,) = problems(spec, group("group", policies={"materials": [grouped]}), policy("scan", "SARIF"))
    assert "policy scan judges SARIF, and material sbom is SBOM_CYCLONEDX_JSON" in told


@pytest.mark.parametrize("named", [{}, {"name": "sbom", "match_mode": "PREFIX"}])
def test_a_policy_of_a_group_has_to_judge_the_type_that_the_group_says(named: dict[str, Any]) -> None:
    grouped = {**named, "type": "SARIF", "policies": [{"ref": "fresh"}]}
    spec = {"policyGroups": [{"ref": "group"}]}
    (told,) = problems(spec, group("group", policies={"materials": [grouped]}), policy("fresh"))
    assert "policy fresh judges SBOM_CYCLONEDX_JSON, and its group asks for SARIF" in told


@pytest.mark.parametrize(
    "selector", [{"name": "sbom", "matchMode": "PREFIX"}, {"name": "other"}, {}], ids=["prefix", "unknown", "none"]
)
def test_a_policy_that_is_for_materials_of_its_own_type_need_not_judge_that_of_another(selector: Any) -> None:
    spec = {**attached(ref="other", selector=selector), "materials": [SBOM]}
    assert resolve(spec, policy("other", "SARIF")).owed.policies


def test_a_policy_of_any_type_judges_the_material_that_it_is_for() -> None:
    spec = {**attached(ref="any", selector={"name": "sbom"}), "materials": [SBOM]}
    assert resolve(spec, policy("any", "")).owed.policies


def test_what_only_an_edit_heals_is_not_missing() -> None:
    found = _resolve({"policies": {"materials": [{"ref": "any"}, {"ref": "gone"}]}}, policy("any", ""))
    assert [one.missing for one in found] == [False, True]


def test_what_is_met_when_a_policy_passes_is_recorded_with_it() -> None:
    (bound,) = resolve(attached(ref="a", requirements=["soc2/cc1"]), policy("a")).owed.policies
    assert bound.requirements == ("soc2/cc1",)


def test_a_policy_of_a_group_judges_the_material_that_the_group_names_whatever_it_selects_itself() -> None:
    each = {"ref": "a", "selector": {"name": "other", "matchMode": "PREFIX"}}
    grouped = group("g", policies={"materials": [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON", "policies": [each]}]})
    (bound,) = resolve({"policyGroups": [{"ref": "g"}]}, policy("a"), grouped).owed.policies
    assert (bound.material, bound.prefix) == ("sbom", False)


def test_what_a_group_is_given_beside_its_inputs_stands_in_its_texts_too() -> None:
    each = {"ref": "a", "with": {"who": "{{ inputs.who }}", "days": "{{ inputs.days }}"}}
    grouped = group(
        "g",
        policies={"materials": [{"type": "SARIF", "policies": [each]}]},
        inputs=[{"name": "days", "default": "7"}],
    )
    (bound,) = resolve({"policyGroups": [{"ref": "g", "with": {"who": "ada"}}]}, policy("a", ""), grouped).owed.policies
    assert dict(bound.inputs) == {"who": "ada", "days": "7"}


def test_a_policy_on_the_attestation_is_held_to_no_materials_type() -> None:
    spec = {
        "materials": [{"name": "sbom", "type": "SARIF"}],
        "policies": {"attestation": [{"ref": "a", "selector": {"name": "sbom"}}]},
    }
    (bound,) = resolve(spec, policy("a", "ATTESTATION")).owed.policies
    assert bound.attestation
