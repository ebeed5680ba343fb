"""The numbered rules of `tekton/injection.py`, and every reason not to inject."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avouch import plan
from avouch.sidecar import settings
from avouch.tekton import decision, injection, limits, pod, workspaces
from tests.unit.tekton import pods

PVC = {"persistentVolumeClaim": {"claimName": "c"}}


def apply(target: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    done = copy.deepcopy(target)
    for change in patch:
        assert change["op"] == "add"
        *parents, last = change["path"].strip("/").split("/")
        place: Any = done
        for key in parents:
            place = place[key]
        if last == "-":
            place.append(change["value"])
        else:
            assert last not in place, "adding over an existing field would replace it"
            place[last] = change["value"]
    return done


def injected(target: dict[str, Any], *materials: plan.PlannedMaterial, suffix: str = "0123abcd") -> dict[str, Any]:
    shape = pod.read(target)
    assert isinstance(shape, pod.Shape)
    chosen = workspaces.choose(shape, pods.taskrun(), workspaces.wanted(materials), {})
    patch = injection.patch(
        injection.Injection(shape, (pods.a_plan(*materials),), chosen.mounts), pods.SETTINGS, suffix
    )
    assert isinstance(patch, list)
    after = apply(target, patch)
    assert injection.applied(target, patch) == after
    return after


def sidecar(target: dict[str, Any]) -> dict[str, Any]:
    found = target["spec"]["initContainers"][-1]
    assert isinstance(found, dict)
    return found


def test_1_it_is_one_native_sidecar_appended_last_without_any_probe() -> None:
    after = injected(pods.pod())
    assert [c["name"] for c in after["spec"]["initContainers"]] == ["prepare", "avouch-sidecar"]
    assert sidecar(after)["restartPolicy"] == "Always"
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} & set(sidecar(after))


def test_2_its_name_has_no_prefix_that_tekton_acts_on() -> None:
    assert not pod.SIDECAR.startswith(("step-", "sidecar-"))


def test_3_it_has_no_command() -> None:
    assert not {"command", "args"} & set(sidecar(injected(pods.pod())))


def test_4_it_mounts_read_only_what_it_needs_and_no_binary_and_no_credentials() -> None:
    target = pods.pod(3, {"source": PVC, "other": {"emptyDir": {}}})
    mounts = sidecar(injected(target, pods.workspace_file()))["volumeMounts"]
    assert all(mount["readOnly"] is True for mount in mounts)
    assert [(m["name"], m["mountPath"]) for m in mounts] == [
        ("tekton-internal-run-0", "/tekton/run/0"),
        ("tekton-internal-run-1", "/tekton/run/1"),
        ("tekton-internal-run-2", "/tekton/run/2"),
        ("tekton-internal-results", "/tekton/results"),
        ("tekton-internal-steps", "/tekton/steps"),
        ("tekton-internal-artifacts", "/tekton/artifacts"),
        ("ws-source", "/var/run/avouch-workspaces/0"),
        ("avouch-0123abcd", "/var/run/avouch"),
    ]
    assert next(m for m in mounts if m["name"] == "ws-source")["subPath"] == "sub"


def test_4_workspaces_at_one_path_of_several_steps_are_two_places_in_the_sidecar() -> None:
    target = pods.pod(2, {"a": {"emptyDir": {}}, "b": {"emptyDir": {}}})
    for container, name in zip(target["spec"]["containers"], "ab", strict=True):
        container["volumeMounts"] = [m for m in container["volumeMounts"] if not m["name"].startswith("ws-")]
        container["volumeMounts"].append({"name": f"ws-{name}", "mountPath": "/src"})
    shape = pod.read(target)
    assert isinstance(shape, pod.Shape)
    bound = {each.volume.removeprefix("ws-"): each for each in shape.workspaces()}
    given = injection.Injection(shape, (), bound, {"c": "why"}, published=frozenset("b"))
    patch = injection.patch(given, pods.SETTINGS, "0123abcd")
    container = patch[0]["value"]  # type: ignore[index]
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]  # type: ignore[index]
    assert len(paths) == len(set(paths))
    told = {entry["name"]: entry.get("value") for entry in container["env"]}  # type: ignore[index]
    assert json.loads(told["AVOUCH_WORKSPACES"]) == {n: f"/var/run/avouch-workspaces/{i}" for i, n in enumerate("ab")}
    assert json.loads(told["AVOUCH_UNMOUNTED"]) == {"c": "why"}
    assert json.loads(told["AVOUCH_PUBLISHED"]) == ["b"]


def test_5_it_adds_nothing_below_tekton_run() -> None:
    mounts = sidecar(injected(pods.pod(2)))["volumeMounts"]
    assert [m["mountPath"] for m in mounts if m["mountPath"].startswith("/tekton/run")] == [
        "/tekton/run/0",
        "/tekton/run/1",
    ]


def test_6_a_volume_name_that_a_step_declared_beforehand_is_refused() -> None:
    target = pods.pod()
    target["spec"]["containers"][0]["volumeMounts"].append({"name": "avouch-0123abcd", "mountPath": "/steal"})
    shape = pod.read(target)
    assert isinstance(shape, pod.Shape)
    refusal = injection.patch(injection.Injection(shape, (), {}), pods.SETTINGS, "0123abcd")
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.VOLUME


def test_6_the_volume_is_a_short_lived_token_for_our_audience_and_the_labels() -> None:
    volume = injected(pods.pod())["spec"]["volumes"][-1]
    token, labels = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"path": "token", "audience": "avouch", "expirationSeconds": 600}}
    assert labels["downwardAPI"]["items"][0]["path"] == "labels"


def test_7_it_meets_pod_security_restricted_and_states_requests_and_limits() -> None:
    container = sidecar(injected(pods.pod()))
    security = container["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 65532
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for kind in ("requests", "limits"):
        assert set(container["resources"][kind]) == {"cpu", "memory", "ephemeral-storage"}


def test_8_no_secret_or_configmap_is_referred_to() -> None:
    after = injected(pods.pod())
    text = json.dumps([sidecar(after), after["spec"]["volumes"][-1]])
    assert "secretKeyRef" not in text
    assert "configMap" not in text
    assert "envFrom" not in text


RUN = [{"name": f"tekton-internal-run-{i}", "mountPath": f"/tekton/run/{i}", "readOnly": True} for i in range(2)]


def test_all_that_is_added_is_this_container_and_this_volume() -> None:
    after = injected(pods.pod(2, {"source": PVC}), pods.workspace_file())
    assert {key: value for key, value in sidecar(after).items() if key not in ("env", "securityContext")} == {
        "name": "avouch-sidecar",
        "image": pods.SETTINGS.image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "resources": limits.WANTED,
        "volumeMounts": [
            *RUN,
            {"name": "tekton-internal-results", "mountPath": "/tekton/results", "readOnly": True},
            {"name": "tekton-internal-steps", "mountPath": "/tekton/steps", "readOnly": True},
            {"name": "tekton-internal-artifacts", "mountPath": "/tekton/artifacts", "readOnly": True},
            {"name": "ws-source", "mountPath": "/var/run/avouch-workspaces/0", "readOnly": True, "subPath": "sub"},
            {"name": "avouch-0123abcd", "mountPath": "/var/run/avouch", "readOnly": True},
        ],
    }
    labels = {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}
    token = {"path": "token", "audience": "avouch", "expirationSeconds": 600}
    assert after["spec"]["volumes"][-1] == {
        "name": "avouch-0123abcd",
        "projected": {"sources": [{"serviceAccountToken": token}, {"downwardAPI": {"items": [labels]}}]},
    }


def test_the_sidecar_reads_from_its_environment_what_it_has_to_do_and_who_it_is() -> None:
    entries = sidecar(injected(pods.pod(2, {"source": PVC}), pods.workspace_file()))["env"]
    told = {entry["name"]: entry["value"] for entry in entries if "value" in entry}
    fields = {entry["name"]: entry["valueFrom"]["fieldRef"] for entry in entries if "valueFrom" in entry}
    assert fields == {
        name: {"apiVersion": "v1", "fieldPath": path}
        for name, path in {
            "POD_NAME": "metadata.name",
            "POD_NAMESPACE": "metadata.namespace",
            "POD_UID": "metadata.uid",
            "SERVICE_ACCOUNT": "spec.serviceAccountName",
        }.items()
    }
    assert settings.read(told) == settings.Settings(
        pods.SETTINGS.server,
        pods.SETTINGS.ca,
        (pods.a_plan(pods.workspace_file()),),
        2,
        ("s0", "s1"),
        {"source": "/var/run/avouch-workspaces/0"},
    )


@pytest.mark.parametrize("lost", ["mount", "volume"])
def test_a_place_that_this_tekton_does_not_have_is_not_mounted(lost: str) -> None:
    target = pods.pod(1)
    name = "tekton-internal-artifacts"
    place, key = (target["spec"], "volumes") if lost == "volume" else (target["spec"]["containers"][0], "volumeMounts")
    place[key] = [each for each in place[key] if each["name"] != name]
    assert name not in [mount["name"] for mount in sidecar(injected(target))["volumeMounts"]]


def test_the_environment_may_be_as_long_as_is_said_and_no_longer() -> None:
    shape = pod.read(pods.pod())
    assert isinstance(shape, pod.Shape)
    given = injection.Injection(shape, (pods.a_plan(),), {})
    rest = sum(
        len(str(entry.get("value", ""))) for entry in injection._environment(given, replace(pods.SETTINGS, ca=""))
    )
    longest = "x" * (injection.MAX_ENVIRONMENT - rest)
    assert isinstance(injection.patch(given, replace(pods.SETTINGS, ca=longest), "0123abcd"), list)
    refused = injection.patch(given, replace(pods.SETTINGS, ca=f"{longest}x"), "0123abcd")
    assert isinstance(refused, pod.Refusal)
    assert refused.reason is pod.Reason.TOO_LARGE


def test_the_kubelet_finds_no_reference_to_expand_in_a_plan() -> None:
    after = injected(pods.pod(), pods.workspace_file(name="$(POD_NAME)"))
    value = next(e["value"] for e in sidecar(after)["env"] if e["name"] == "AVOUCH_PLAN")
    assert "$" not in value
    assert json.loads(value)[0]["materials"][0]["name"] == "$(POD_NAME)"


def test_a_plan_that_no_environment_can_hold_is_refused() -> None:
    shape = pod.read(pods.pod())
    assert isinstance(shape, pod.Shape)
    big = pods.a_plan(*(pods.workspace_file(name="m" * 60 + str(i)) for i in range(1000)))
    refusal = injection.patch(injection.Injection(shape, (big,), {}), pods.SETTINGS, "0123abcd")
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is pod.Reason.TOO_LARGE


@given(
    steps=st.integers(1, 30),
    names=st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), unique=True, max_size=4),
    init=st.booleans(),
    extra=st.dictionaries(
        st.sampled_from(["hostNetwork", "priority", "nodeSelector", "overhead"]), st.just({"a": "b"})
    ),
)
def test_9_whatever_the_pod_nothing_that_exists_is_changed(
    steps: int, names: list[str], init: bool, extra: dict[str, Any]
) -> None:
    target = pods.pod(steps, {name: PVC for name in names}, **extra)
    if not init:
        del target["spec"]["initContainers"]
    after = injected(target, *(pods.workspace_file(name=n, workspace=n) for n in names))
    after["spec"]["volumes"].pop()
    after["spec"]["initContainers"].pop()
    if not init:
        del after["spec"]["initContainers"]
    assert after == target


def patched(within: int, grace: int | None) -> list[dict[str, Any]]:
    target = pods.pod()
    if grace is not None:
        target["spec"]["terminationGracePeriodSeconds"] = grace
    shape = pod.read(target)
    assert isinstance(shape, pod.Shape)
    plans = (replace(pods.a_plan(), attest_within=5), replace(pods.a_plan(), attest_within=within))
    found = injection.patch(injection.Injection(shape, plans, {}), pods.SETTINGS, "0123abcd")
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("within", "grace", "expected"),
    [
        (5, None, None),
        (20, 5, None),  # nobody asked for more than the usual time
        (21, 30, 31),
        (300, None, 310),
        (300, 309, 310),
        (300, 310, None),
        (300, 3600, None),
    ],
)
def test_9_the_pods_grace_grows_only_where_a_workflow_asks_for_more_time(
    within: int, grace: int | None, expected: int | None
) -> None:
    changes = {change["path"]: change["value"] for change in patched(within, grace)}
    assert changes.get("/spec/terminationGracePeriodSeconds") == expected
    assert (expected is None) == (len(changes) == 2)


@pytest.mark.parametrize("within", [5, 20, 300])
def test_the_sidecar_has_the_time_of_the_workflow_that_gives_most(within: int) -> None:
    (container,) = (c["value"] for c in patched(within, None) if "initContainers" in c["path"])
    environment = {each["name"]: each.get("value", "") for each in container["env"]}
    assert settings.read(environment).budget == within


def broken(change: str) -> dict[str, Any]:  # noqa: C901 - a table of cases
    target = pods.pod()
    spec = target["spec"]
    match change:
        case "no owner":
            del target["metadata"]["ownerReferences"]
        case "owner of another group":
            target["metadata"]["ownerReferences"][0]["apiVersion"] = "evil.dev/v1"
        case "owner that does not control":
            target["metadata"]["ownerReferences"][0]["controller"] = False
        case "injected before":
            spec["initContainers"].append({"name": "avouch-sidecar"})
        case "windows":
            spec["nodeSelector"] = {"kubernetes.io/os": "windows"}
        case "no steps":
            spec["containers"] = [{"name": "main"}]
        case "no results volume":
            spec["volumes"] = [v for v in spec["volumes"] if v["name"] != "tekton-internal-results"]
        case "run mounted elsewhere":
            spec["containers"][1]["volumeMounts"][1]["mountPath"] = "/elsewhere"
        case "other order":
            spec["containers"].reverse()
        case "no entrypoint":
            spec["containers"][0]["args"] = []
    return target


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("no owner", pod.Reason.NOT_OWNED),
        ("owner of another group", pod.Reason.NOT_OWNED),
        ("owner that does not control", pod.Reason.NOT_OWNED),
        ("injected before", pod.Reason.ALREADY),
        ("windows", pod.Reason.WINDOWS),
        ("no steps", pod.Reason.NO_STEPS),
        ("no results volume", pod.Reason.SHAPE),
        ("run mounted elsewhere", pod.Reason.SHAPE),
        ("other order", pod.Reason.SHAPE),
        ("no entrypoint", pod.Reason.SHAPE),
    ],
)
def test_a_pod_that_is_not_as_expected_is_left_alone_and_the_reason_is_named(change: str, reason: pod.Reason) -> None:
    refusal = pod.read(broken(change))
    assert isinstance(refusal, pod.Refusal)
    assert refusal.reason is reason


def test_steps_are_read_from_the_entrypoints_own_flags_not_the_users_command() -> None:
    shape = pod.read(pods.pod(2))
    assert isinstance(shape, pod.Shape)
    assert shape.steps[1] == pod.Step(1, "s1", ("image", "digest"))


RESULT = plan.PlannedMaterial("image", "CONTAINER_IMAGE", plan.Source(plan.From.RESULT, name="image"))
CONVENTION = plan.PlannedMaterial("sbom", "SBOM_CYCLONEDX_JSON")
TEXT = plan.PlannedMaterial("version", "STRING")


@pytest.mark.parametrize(
    ("inject", "materials", "quota", "reason"),
    [
        ("auto", (pods.workspace_file(),), False, None),
        ("auto", (CONVENTION,), False, None),
        ("auto", (TEXT,), False, pod.Reason.NOT_NEEDED),
        ("auto", (RESULT,), False, pod.Reason.NOT_NEEDED),
        ("auto", (), False, pod.Reason.NOT_NEEDED),
        ("auto", (pods.workspace_file(),), True, pod.Reason.QUOTA),
        ("always", (RESULT,), True, None),
        ("never", (pods.workspace_file(),), False, pod.Reason.NEVER),
    ],
)
def test_auto_injects_only_for_what_only_the_pod_has_and_never_under_a_quota(
    inject: str, materials: tuple[plan.PlannedMaterial, ...], quota: bool, reason: pod.Reason | None
) -> None:
    chosen = decision.decide([decision.Owed(pods.a_plan(*materials, inject=inject), materials)], quota=quota)
    assert (chosen.reason if isinstance(chosen, pod.Refusal) else None) is reason


def shape_with(results: int, init: int = 2, log: bool = False) -> pod.Shape:
    target = pods.pod(1)
    target["spec"]["containers"][0]["args"][0:0] = ["-results", ",".join(f"r{n}" for n in range(results))]
    extra = [{"name": "sidecar-tekton-log-results"}] if log else []
    target["spec"]["initContainers"] = [{"name": f"init-{n}"} for n in range(init)] + extra
    found = pod.read(target)
    assert isinstance(found, pod.Shape)
    return found


def owing(inject: str = "auto", uid: str = "w-1", generation: int = 3) -> decision.Owed:
    return decision.Owed(replace(pods.a_plan(), inject=inject, workflow_uid=uid, generation=generation), ())


@pytest.mark.parametrize(
    ("shape", "owed", "each", "refused"),
    [
        (shape_with(1), [owing()], 512, False),
        (shape_with(6), [owing()], 512, True),
        (shape_with(1), [owing()], 4096, True),
        (shape_with(1, init=1), [owing()], 4096, False),  # three containers have 4,096 bytes each
        (shape_with(6), [owing(), owing("always")], 512, False),
        (shape_with(6, log=True), [owing()], 512, False),
    ],
)
def test_no_sidecar_is_injected_beside_which_results_may_have_too_little_room(
    shape: pod.Shape, owed: list[decision.Owed], each: int, refused: bool
) -> None:
    found = decision.cramped(shape, owed, each)
    assert (found is not None) is refused
    if found is not None:
        assert found.reason is pod.Reason.RESULTS
        assert "bytes, not 4096; write large results to a workspace" in found.message


@pytest.mark.parametrize(
    ("cuts", "refused"), [({}, False), ({"w-2": 9}, False), ({"w-1": 2}, False), ({"w-1": 3}, True), ({"w-1": 4}, True)]
)
def test_a_workflow_that_lost_results_beside_a_sidecar_gets_none_until_it_is_changed(
    cuts: dict[str, int], refused: bool
) -> None:
    assert (decision.cut_before([owing()], cuts) is not None) is refused


def test_no_workflow_no_sidecar_and_one_that_wants_it_serves_all_but_never() -> None:
    none = decision.decide([], quota=False)
    assert isinstance(none, pod.Refusal)
    assert none.reason is pod.Reason.NO_WORKFLOW
    wanting = decision.Owed(pods.a_plan(inject="auto"), (pods.workspace_file(),))
    content = decision.Owed(pods.a_plan(inject="auto"), ())
    never = decision.Owed(pods.a_plan(inject="never"), (pods.workspace_file(),))
    assert decision.decide([content, never, wanting], quota=False) == (content, wanting)


@pytest.mark.parametrize(
    ("spec", "first"),
    [
        ({}, "avouch-server.avouch.svc"),
        ({"dnsPolicy": "ClusterFirst"}, "avouch-server.avouch.svc"),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, "avouch-server.avouch.svc"),
        ({"hostNetwork": True}, "10.0.0.1"),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirst"}, "10.0.0.1"),
        ({"dnsPolicy": "Default"}, "10.0.0.1"),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}, "10.0.0.1"),
    ],
)
def test_the_server_is_reached_by_its_addresses_where_the_pod_has_another_dns_than_the_clusters(
    spec: dict[str, Any], first: str
) -> None:
    known = replace(pods.SETTINGS, addresses=("10.0.0.1", "fd00::1"))
    hosts = variables(pods.pod(**spec), known)["AVOUCH_SERVER_HOSTS"].split()
    assert (hosts[0], sorted(hosts)) == (first, ["10.0.0.1", "avouch-server.avouch.svc", "fd00::1"])


def test_without_a_known_address_the_server_is_reached_by_its_url() -> None:
    assert variables(pods.pod(hostNetwork=True), pods.SETTINGS)["AVOUCH_SERVER_HOSTS"] == ""


def variables(target: dict[str, Any], known: injection.Settings) -> dict[str, str]:
    shape = pod.read(target)
    assert isinstance(shape, pod.Shape)
    patch = injection.patch(injection.Injection(shape, (pods.a_plan(),), {}), known, "0123abcd")
    assert isinstance(patch, list)
    return {each["name"]: each.get("value", "") for each in sidecar(apply(target, patch))["env"]}


def running_as(target: dict[str, Any], *contexts: dict[str, Any]) -> tuple[int, int]:
    """User and group of the sidecar where the steps have these security contexts."""
    for container, context in zip(target["spec"]["containers"], contexts, strict=True):
        container["securityContext"] = context
    found = sidecar(injected(target))["securityContext"]
    assert found["runAsNonRoot"] is True
    return found["runAsUser"], found["runAsGroup"]


OURS = injection.USER


@pytest.mark.parametrize(
    ("whole", "steps", "expected"),
    [
        ({"runAsUser": 1234}, ({}, {}), (1234, OURS)),
        ({"runAsUser": 1234, "runAsGroup": 5678, "fsGroup": 9}, ({}, {}), (1234, 5678)),
        ({}, ({"runAsUser": 1234}, {"runAsUser": 1234}), (1234, OURS)),
        ({"runAsUser": 0}, ({"runAsUser": 1234}, {"runAsUser": 1234, "runAsGroup": 7}), (1234, OURS)),
        ({"runAsUser": 1234}, ({}, {"runAsUser": 4321}), (OURS, OURS)),
        ({"runAsUser": 1234}, ({}, {"runAsUser": 0}), (OURS, OURS)),
        ({}, ({"runAsUser": 1234}, {}), (OURS, OURS)),
        ({"runAsNonRoot": True}, ({}, {}), (OURS, OURS)),
        ({"runAsUser": 0, "runAsGroup": 0}, ({}, {}), (OURS, OURS)),
        ({"runAsUser": -1, "runAsGroup": True}, ({}, {}), (OURS, OURS)),
    ],
)
def test_7_the_sidecar_is_the_one_user_that_all_steps_are_by_number_and_never_root(
    whole: dict[str, Any], steps: tuple[dict[str, Any], ...], expected: tuple[int, int]
) -> None:
    assert running_as(pods.pod(securityContext=whole), *steps) == expected


@pytest.mark.parametrize(
    "spec",
    [
        {"shareProcessNamespace": True},
        {"hostPID": True},
        {"volumes": [*pods.pod()["spec"]["volumes"], {"name": "node", "hostPath": {"path": "/proc"}}]},
    ],
)
def test_7_where_a_step_may_see_the_sidecars_process_the_sidecar_is_another_user(spec: dict[str, Any]) -> None:
    target = pods.pod(securityContext={"runAsUser": 1234, "runAsGroup": 1234}, **{"shareProcessNamespace": False})
    assert running_as(target, {}, {}) == (1234, 1234)
    target["spec"] |= spec
    assert running_as({**pods.pod(), "spec": {**target["spec"]}}, {}, {}) == (OURS, OURS)
