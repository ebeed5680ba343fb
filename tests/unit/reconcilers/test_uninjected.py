"""Why there is no sidecar: said in the words of what keeps it out, and only where one was wanted."""

from typing import Any

import pytest

from avouch import errors, plan
from avouch.kube import resources
from avouch.kube.cache import Key, ObjectCache
from avouch.reconcilers import uninjected

FILE = plan.PlannedMaterial("sbom", "SBOM_CYCLONEDX_JSON")
TEXT = plan.PlannedMaterial("version", "STRING", plan.Source(plan.From.RESULT, name="version"))
LABEL = {"avouch.dev/inject": "enabled"}
QUOTA = {"kind": "ResourceQuota", "metadata": {"name": "q"}}
NARROW = {
    "kind": "LimitRange",
    "metadata": {"name": "narrow"},
    "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]},
}


def asked(material: plan.PlannedMaterial, inject: str = "auto") -> plan.Plan:
    return plan.Plan("build", "uid", "team", "release", 1, "sha256:0", materials=(material,), inject=inject)


class Namespace:
    """One namespace, as the API server shows it."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects, self.lists = objects, 0

    async def list_all(
        self, resource: resources.Resource, namespace: str = "", **_: str
    ) -> tuple[list[dict[str, Any]], str]:
        assert namespace == "team"
        self.lists += 1
        return [each for each in self.objects if each["kind"] == resource.kind], "1"


def reasons(namespace: Namespace, labels: dict[str, str] | None = None) -> uninjected.Uninjected:
    cache = ObjectCache({})
    cache.put(Key("Namespace", "", "team"), {"metadata": {"name": "team", "labels": labels or {}}})
    return uninjected.Uninjected(cache, namespace)


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ([asked(FILE)], True),
        ([asked(TEXT)], False),  # needs no sidecar
        ([asked(FILE, "always")], False),  # gets one nevertheless
        ([asked(FILE, "never")], False),  # asked for none
        ([asked(FILE), asked(TEXT, "always")], False),
        ([], False),
    ],
)
def test_only_a_sidecar_that_would_be_there_without_the_quota_is_held_back(
    plans: list[plan.Plan], expected: bool
) -> None:
    assert (uninjected.held_back(plans) is not None) is expected


async def test_a_namespace_without_the_label_is_named_with_the_command_that_sets_it() -> None:
    there = Namespace(QUOTA)
    why, fix = errors.parted(await reasons(there).why("team", [asked(FILE)]))
    assert why == "the namespace lacks the label avouch.dev/inject=enabled"
    assert fix == "kubectl label namespace team avouch.dev/inject=enabled, then run it again"
    assert there.lists == 0


@pytest.mark.parametrize(
    ("obj", "says"), [(QUOTA, "ResourceQuota: the namespace has a ResourceQuota"), (NARROW, "LimitRange: ")]
)
async def test_what_limits_the_namespace_is_named(obj: dict[str, Any], says: str) -> None:
    assert (await reasons(Namespace(obj), LABEL).why("team", [asked(FILE)])).startswith(says)


async def test_what_helps_against_a_quota_is_the_fix_and_no_part_of_the_reason() -> None:
    why, fix = errors.parted(await reasons(Namespace(QUOTA), LABEL).why("team", [asked(FILE)]))
    assert why == "ResourceQuota: the namespace has a ResourceQuota"
    assert fix == "set spec.tekton.inject: always to inject anyway, then run it again"


async def test_a_workflow_that_became_ready_just_when_the_build_began_is_the_reason() -> None:
    opened = "Workflow release became Ready at 09:00"
    why, fix = errors.parted(await reasons(Namespace(), LABEL).why("team", [asked(FILE)], opened))
    assert why == f"{opened}: the webhook may not have known of it yet"
    assert fix == "run it again, unless kubectl get events shows another cause (SidecarNotInjected)"
    why, _ = errors.parted(await reasons(Namespace(QUOTA), LABEL).why("team", [asked(FILE)], opened))
    assert why.startswith("ResourceQuota")


async def test_a_namespace_that_keeps_nothing_out_sends_to_the_events_and_the_server() -> None:
    why, fix = errors.parted(await reasons(Namespace(), LABEL).why("team", [asked(FILE)]))
    assert why == "the webhook left the pod alone, or did not answer when it was created"
    assert "SidecarNotInjected" in fix
    assert "avouch-server" in fix


async def test_a_workflow_that_never_wants_one_is_the_reason_itself() -> None:
    assert (await reasons(Namespace(), LABEL).why("team", [asked(FILE, "never")])).startswith("spec.tekton.inject")


@pytest.mark.parametrize("plans", [[asked(TEXT)], []])
async def test_where_no_sidecar_was_wanted_nothing_is_asked_or_said(plans: list[plan.Plan]) -> None:
    there = Namespace(QUOTA, NARROW)
    assert await reasons(there, {}).why("team", plans) == ""
    assert there.lists == 0
