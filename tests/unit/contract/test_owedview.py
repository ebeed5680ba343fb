"""What a contract owes as its status shows it: all of it where there is room, and never more than that."""

import json
from dataclasses import replace

from avouch.contract import model, owed, owedview, reading, revisions

SBOM = model.Material("sbom", "SBOM_CYCLONEDX_JSON", group="bill")
SCAN = model.Material("scan", "SARIF", optional=True)
POLICY = owed.Bound(
    "fresh", "sha256:" + "ab" * 32, 'spec.policies.materials[ref="fresh"]', "fresh", material="sbom",
    inputs=(("days", "30"),), gate=True, gate_by=owed.GateBy.ATTACHMENT,
)  # fmt: skip
GROUP = 'spec.policyGroups[ref="security"]'


def test_each_material_and_policy_says_where_it_comes_from() -> None:
    brought = {"scan": owed.Origin(f"{GROUP}.materials[0]", "security")}
    grouped = owed.Bound("quiet", "sha256:b", f"{GROUP}.attestation", "quiet", group="security", attestation=True)
    view = owedview.whole(owed.Owed((SCAN, SBOM), (grouped, POLICY), brought))
    assert view["materials"] == [
        {"name": "sbom", "type": "SBOM_CYCLONEDX_JSON", "group": "bill", "line": 'spec.materials[name="sbom"]'},
        {
            "name": "scan",
            "type": "SARIF",
            "optional": True,
            "line": f"{GROUP}.materials[0]",
            "policyGroup": "security",
        },
    ]
    own, of_group = view["policies"]
    assert own["inputs"] == {"days": "30"}
    assert (own["gate"], own["gateBy"], own["material"], own["reference"]) == (True, "attachment", "sbom", "fresh")
    assert (of_group["gate"], of_group["gateBy"], of_group["policyGroup"]) == (False, "organization", "security")
    assert of_group["attestation"] is True
    assert set(view) == {"materials", "policies"}, "nothing is left out"


def test_the_order_of_what_is_owed_changes_nothing() -> None:
    other = replace(POLICY, policy="other")
    one = owed.Owed((SBOM, SCAN), (POLICY, other))
    assert owedview.whole(one) == owedview.whole(owed.Owed((SCAN, SBOM), (other, POLICY)))
    assert owedview.bounded(owed.restore(owed.canonical(one))) == owedview.bounded(one)


def test_a_status_has_room_for_so_much_and_counts_the_rest() -> None:
    materials = tuple(model.Material(f"{number:03}-{'m' * 59}", "SARIF") for number in range(200))
    policies = tuple(replace(POLICY, policy=f"p{number:03}") for number in range(300))
    view = owedview.bounded(owed.Owed(materials, policies))
    for what, number in (("materials", 200), ("policies", 300)):
        shown, more = view[what], view[f"more{what.capitalize()}"]
        assert 0 < len(shown) < number
        assert len(shown) + more == number
        assert len(revisions.compact(shown)) <= owedview.ROOM + len(shown) + 1  # commas and brackets
    assert len(owedview.whole(owed.Owed(materials, policies))["materials"]) == 200


def test_long_inputs_are_cut_in_a_status_and_nowhere_else() -> None:
    inputs = tuple((f"i{number:02}", "x" * 4096) for number in range(64))
    found = owed.Owed((), (replace(POLICY, inputs=inputs, reference="r" * 2048),))
    (shown,) = owedview.bounded(found)["policies"]
    assert len(json.dumps(shown)) < owedview.ROOM
    assert shown["inputs"]["..."] == "and 48 more"
    assert owedview.whole(found)["policies"][0]["inputs"] == dict(inputs)


def test_a_policy_that_has_no_room_at_all_is_shown_all_the_same() -> None:
    long = replace(POLICY, line="l" * owedview.ROOM)
    view = owedview.bounded(owed.Owed((), (long, long)))
    assert (len(view["policies"]), view["morePolicies"]) == (1, 1)


def test_the_recorded_form_keeps_where_materials_come_from_and_who_says_what_of_gates() -> None:
    found = owed.Owed((SCAN,), (POLICY,), {"scan": owed.Origin(f"{GROUP}.materials[0]", "security")})
    assert owed.restore(owed.canonical(found)) == found


def test_a_form_of_before_origins_were_recorded_can_be_read() -> None:
    form = json.loads(owed.canonical(owed.Owed((SCAN,), (POLICY,))))
    assert "brought" not in form
    del form["policies"][0]["gate_by"]
    assert owed.restore(json.dumps(form).encode()).policies[0].gate


def test_a_contract_without_policies_owes_what_it_says() -> None:
    spec = {"materials": [{"name": "scan", "type": "SARIF", "optional": True}]}
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}, "spec": spec}

    class Revision:
        canonical, resolved = revisions.canonical(reading.read(manifest)), b""

    assert owed.of_revision(Revision()) == owed.Owed((SCAN,))
