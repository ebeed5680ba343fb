"""Which mounts of a pod are a TaskRun's workspaces, whatever the Task calls their place."""

from typing import Any

import pytest

from avouch import plan
from avouch.tekton import pod, workspaces
from tests.unit.tekton import pods

PVC = {"persistentVolumeClaim": {"claimName": "c"}}
EMPTY: dict[str, Any] = {"emptyDir": {}}
# What Go's hash/fnv and GenerateHashedName make of these names
HASHED = {"source": "ws-1bcf2", "shared-data": "ws-15d7d", "w": "ws-f20c3", "café": "ws-a82b5", "s6275": "ws-2fd60"}


def shape(*mounts: tuple[str, str, str], **volumes: dict[str, Any]) -> pod.Shape:
    """A pod of one step with these mounts (volume, path, subPath) and volumes, `ws_x` for ws-x."""
    target = pods.pod(1)
    target["spec"]["containers"][0]["volumeMounts"] += [
        {"name": volume, "mountPath": path, **({"subPath": sub} if sub else {})} for volume, path, sub in mounts
    ]
    target["spec"]["volumes"] += [{"name": name.replace("_", "-"), **source} for name, source in volumes.items()]
    found = pod.read(target)
    assert isinstance(found, pod.Shape)
    return found


def run(*bindings: dict[str, Any]) -> dict[str, Any]:
    return pods.taskrun(spec={"taskRef": {"name": "t"}, "workspaces": list(bindings)})


def chosen(
    there: pod.Shape, taskrun: dict[str, Any], *names: str, refused: dict[str, str] | None = None
) -> dict[str, Any]:
    """Volume and subPath of each workspace, or the reason why it has none."""
    asked = workspaces.Wanted(frozenset(names), every=not names)
    found = workspaces.choose(there, taskrun, asked, refused or {})
    return {name: (mount.volume, mount.sub_path) for name, mount in found.mounts.items()} | dict(found.skipped)


@pytest.mark.parametrize("name", HASHED)
def test_a_workspace_with_a_mount_path_of_its_own_is_found_by_the_name_of_its_volume(name: str) -> None:
    volume = HASHED[name]
    there = shape((volume, "/src", ""), ("ws-00000", f"/workspace/{name}", ""), **{volume: EMPTY, "ws-00000": EMPTY})
    other = {"name": "other", "emptyDir": {}}
    assert chosen(there, run(other, {"name": name, "emptyDir": {}}), name) == {name: (volume, "")}


def test_two_names_of_one_hash_are_two_volumes() -> None:
    there = shape(("ws-28c9d", "/a", ""), ("ws-95bce", "/b", ""), ws_28c9d=EMPTY, ws_95bce=EMPTY)
    found = chosen(there, run({"name": "w5494", **EMPTY}, {"name": "w5625", **EMPTY}))
    assert found == {"w5494": ("ws-28c9d", ""), "w5625": ("ws-95bce", "")}


def test_two_workspaces_of_one_claim_are_told_apart_by_their_folders() -> None:
    there = shape(("ws-1bcf2", "/src", "a"), ("ws-1bcf2", "/out", "b"), ws_1bcf2=PVC)
    found = chosen(there, run({"name": "source", "subPath": "a", **PVC}, {"name": "out", "subPath": "b", **PVC}))
    assert found == {"source": ("ws-1bcf2", "a"), "out": ("ws-1bcf2", "b")}


def test_two_workspaces_of_one_whole_claim_hold_the_same_files() -> None:
    there = shape(("ws-1bcf2", "/src", ""), ("ws-1bcf2", "/out", ""), ws_1bcf2=PVC)
    found = chosen(there, run({"name": "source", **PVC}, {"name": "out", **PVC}))
    assert found == {"source": ("ws-1bcf2", ""), "out": ("ws-1bcf2", "")}


def test_a_folder_with_a_variable_is_known_if_there_is_one_only() -> None:
    binding = {"name": "source", "subPath": "$(context.taskRun.name)", **PVC}
    assert chosen(shape(("ws-1bcf2", "/src", "build"), ws_1bcf2=PVC), run(binding)) == {"source": ("ws-1bcf2", "build")}
    two = shape(("ws-1bcf2", "/src", "build"), ("ws-1bcf2", "/out", "b"), ws_1bcf2=PVC)
    found = chosen(two, run(binding, {"name": "out", "subPath": "b", **PVC}))
    assert found["out"] == ("ws-1bcf2", "b")
    assert found["source"].startswith("which folder of its volume it is cannot be told from subPath '$(context")
    assert "(fix: write the subPath without variables" in found["source"]


def test_a_workspace_of_a_template_is_found_though_its_claim_is_not_known_yet() -> None:
    there = shape(("ws-1bcf2", "/src", ""), ws_1bcf2=PVC)
    assert chosen(there, run({"name": "source", "volumeClaimTemplate": {}})) == {"source": ("ws-1bcf2", "")}


def test_a_workspace_of_tektons_default_binding_is_found_though_the_spec_lacks_it() -> None:
    there = shape(("ws-1bcf2", "/src", ""), ws_1bcf2=EMPTY)
    assert chosen(there, run(), "source") == {"source": ("ws-1bcf2", "")}


def test_an_optional_workspace_that_is_not_bound_is_not_mentioned() -> None:
    assert chosen(shape(), run(), "cache") == {}
    there = shape(("ws-1bcf2", "/src", ""), ws_1bcf2=EMPTY)
    assert chosen(there, run({"name": "source", **EMPTY}), "source", "cache") == {"source": ("ws-1bcf2", "")}


@pytest.mark.parametrize(
    ("source", "called"),
    [
        ({"secret": {"secretName": "s"}}, "secret volume"),
        ({"csi": {"driver": "d"}}, "csi volume"),
        ({"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}}, "projected secret"),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}}, "projected serviceAccountToken"),
        ({"projected": {"sources": [{"podCertificate": {}}]}}, "projected podCertificate"),
    ],
)
@pytest.mark.parametrize("names", [(), ("source",)], ids=["by convention", "by name"])
def test_what_may_hold_credentials_is_never_mounted_and_it_says_why_and_what_to_do(
    source: dict[str, Any], called: str, names: tuple[str, ...]
) -> None:
    there = shape(("ws-1bcf2", "/src", ""), ws_1bcf2=source)
    found = chosen(there, run({"name": "source", **source}), *names)["source"]
    assert found.startswith(f"a {called} is never mounted into the sidecar: ")
    assert "credential" in found
    assert "(fix: let the step copy the file into" in found


SETTINGS = [
    {"configMap": {"name": "c"}},
    {"projected": {"sources": [{"configMap": {"name": "c"}}, {"downwardAPI": {}}, {"clusterTrustBundle": {}}]}},
]


@pytest.mark.parametrize("source", SETTINGS)
def test_settings_are_mounted_where_a_material_names_their_workspace(source: dict[str, Any]) -> None:
    there = shape(("ws-1bcf2", "/src", ""), ("ws-15d7d", "/data", ""), ws_1bcf2=source, ws_15d7d=EMPTY)
    taskrun = run({"name": "source", **source}, {"name": "shared-data", **EMPTY})
    found = workspaces.choose(there, taskrun, workspaces.Wanted(frozenset({"source"}), every=True), {})
    assert {name: mount.volume for name, mount in found.mounts.items()} == {
        "source": "ws-1bcf2",
        "shared-data": "ws-15d7d",
    }
    assert found.published == {"source"}


@pytest.mark.parametrize("source", SETTINGS)
def test_settings_are_no_evidence_by_the_name_of_a_file_alone(source: dict[str, Any]) -> None:
    there = shape(("ws-1bcf2", "/src", ""), ws_1bcf2=source)
    found = chosen(there, run({"name": "source", **source}))["source"]
    assert found.endswith(
        "volume is read only where a material names its workspace"
        " (fix: name workspace and path in the Workflow's spec.tekton.materials)"
    )


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ({"spec": {"volumeMode": "Block"}}, "a block volume"),
        ({"spec": {"accessModes": ["ReadWriteOncePod"]}}, "a ReadWriteOncePod volume"),
        (None, "its PersistentVolumeClaim could not be read"),
    ],
)
def test_a_claim_that_may_not_be_mounted_twice_says_why(claim: dict[str, Any] | None, why: str) -> None:
    there = shape(("ws-1bcf2", "/src", ""), ws_1bcf2=PVC)
    refused = {"c": workspaces.claim_problem(claim)}
    assert chosen(there, run({"name": "source", **PVC}), "source", refused=refused)["source"].startswith(why)


def test_a_volume_that_tekton_names_otherwise_is_found_by_its_claim_or_kind_or_place() -> None:
    there = shape(
        ("ws-x", "/src", ""), ("ws-y", "/var/cache", ""), ("ws-z", "/workspace/out", ""),
        ws_x=PVC, ws_y=EMPTY, ws_z={"ephemeral": {}},
    )  # fmt: skip
    found = chosen(there, run({"name": "source", **PVC}, {"name": "cache", **EMPTY}, {"name": "out", "ephemeral": {}}))
    assert found == {"source": ("ws-x", ""), "cache": ("ws-y", ""), "out": ("ws-z", "")}


def test_a_volume_that_could_be_two_workspaces_is_neither_and_this_is_said() -> None:
    there = shape(("ws-x", "/src", ""), ("ws-y", "/out", ""), ws_x=EMPTY, ws_y=EMPTY)
    found = chosen(there, run({"name": "source", **EMPTY}, {"name": "out", **EMPTY}), "source")["source"]
    assert found.startswith("which of the pod's volumes it is cannot be told (fix: leave mountPath out")


def test_a_workspace_that_no_step_mounts_says_so() -> None:
    found = chosen(shape(ws_1bcf2=EMPTY), run({"name": "source", **EMPTY}), "source")["source"]
    assert found.startswith("no step mounts it")


def asked(kind: plan.From, type_: str = "SBOM_CYCLONEDX_JSON", name: str = "") -> plan.PlannedMaterial:
    return plan.PlannedMaterial("m", type_, plan.Source(kind, name=name))


@pytest.mark.parametrize(
    ("materials", "expected"),
    [
        ((), workspaces.Wanted()),
        (
            (asked(plan.From.WORKSPACE, name="a"), asked(plan.From.WORKSPACE, name="b")),
            workspaces.Wanted(frozenset("ab")),
        ),
        ((asked(plan.From.RESULT, name="r"), asked(plan.From.ARTIFACT, name="x")), workspaces.Wanted()),
        ((asked(plan.From.CONVENTION, "STRING"), asked(plan.From.CONVENTION, "CONTAINER_IMAGE")), workspaces.Wanted()),
        ((asked(plan.From.WORKSPACE, name="a"), asked(plan.From.CONVENTION)), workspaces.Wanted(frozenset("a"), True)),
    ],
)
def test_the_workspaces_that_are_named_are_wanted_and_all_for_a_file_that_nobody_placed(
    materials: tuple[plan.PlannedMaterial, ...], expected: workspaces.Wanted
) -> None:
    assert workspaces.wanted(materials) == expected


@pytest.mark.parametrize("modes", [["ReadWriteOnce"], ["ReadWriteMany", "ReadOnlyMany"], []])
def test_a_claim_of_files_that_several_pods_may_have_is_mounted(modes: list[str]) -> None:
    claim = {"spec": {"volumeMode": "Filesystem", "accessModes": modes}}
    assert workspaces.claim_problem(claim) == ""
    there = shape(("ws-1bcf2", "/src", ""), ws_1bcf2=PVC)
    assert chosen(there, run({"name": "source", **PVC}), refused={"c": ""}) == {"source": ("ws-1bcf2", "")}


@pytest.mark.parametrize("path", ["/src", "/workspace/a/b", "relative", "/workspaces/a"])
def test_a_mount_elsewhere_is_no_workspace_that_nobody_bound(path: str) -> None:
    assert chosen(shape(("ws-x", path, ""), ws_x=EMPTY), run()) == {}


def test_a_mount_in_the_default_place_is_the_workspace_of_that_name_unless_it_is_anothers() -> None:
    there = shape(("ws-x", "/workspace/a", ""), ("ws-1bcf2", "/workspace/b", ""), ws_x=EMPTY, ws_1bcf2=EMPTY)
    assert chosen(there, run({"name": "source", **EMPTY})) == {"source": ("ws-1bcf2", ""), "a": ("ws-x", "")}


@pytest.mark.parametrize(
    ("binding", "folders", "expected"),
    [
        ({"name": "source", **PVC, "subPath": "a"}, ["a"], "a"),
        ({"name": "source", **PVC}, ["a"], None),
        ({"name": "source", **PVC, "subPath": "b"}, ["a"], None),
        ({"name": "source", **PVC, "subPath": "$(x)"}, ["a"], "a"),
        ({"name": "source", **PVC, "subPath": "$(x)"}, ["a", "b"], None),
        ({"name": "source"}, ["a"], "a"),
        ({"name": "source"}, ["a", "b"], None),
        ({"name": "source"}, ["a", ""], ""),
    ],
)
def test_a_folder_is_the_one_that_is_bound_or_the_only_one_where_tekton_alone_knows_it(
    binding: dict[str, Any], folders: list[str], expected: str | None
) -> None:
    there = shape(*(("ws-1bcf2", f"/at{at}", folder) for at, folder in enumerate(folders)), ws_1bcf2=PVC)
    found = chosen(there, run(binding), "source")["source"]
    if expected is None:
        assert found.startswith("which folder of its volume it is cannot be told from subPath")
    else:
        assert found == ("ws-1bcf2", expected)


@pytest.mark.parametrize(
    ("binding", "volume"),
    [
        ({"name": "source", **PVC}, "ws-c"),
        ({"name": "source", "persistentVolumeClaim": {"claimName": "other"}}, None),
        ({"name": "source", "volumeClaimTemplate": {}, "subPath": ""}, "ws-c"),
        ({"name": "source", "ephemeral": {}}, None),
        ({"name": "cache", **EMPTY}, "ws-e"),
        ({"name": "source", "secret": {}}, None),
    ],
)
def test_a_volume_of_another_name_is_of_the_claim_or_kind_that_is_bound(
    binding: dict[str, Any], volume: str | None
) -> None:
    there = shape(("ws-c", "/src", ""), ("ws-e", "/workspace/cache/", ""), ws_c=PVC, ws_e=EMPTY)
    found = chosen(there, run(binding), binding["name"])[binding["name"]]
    assert found == ((volume, "") if volume else "no step mounts it (fix: leave mountPath out of the Task's workspace,"
                     " so that it lies in /workspace)")  # fmt: skip


def test_a_volume_that_the_pod_mounts_and_does_not_have_is_never_mounted() -> None:
    found = chosen(shape(("ws-1bcf2", "/src", "")), run({"name": "source", **EMPTY}), "source")["source"]
    assert found.startswith("a missing volume is never mounted into the sidecar")
