"""Where evidence may lie: users and their files, other networks, settings, steps and params; and what is said if not.

All runs at the same time, each with a Contract and a Workflow of its name.
"""

import hashlib
from collections.abc import Iterator

import pytest

from tests.cluster.choice import AnyCluster
from tests.e2e import made, stage
from tests.e2e.made import REPORT, contract, pipelinerun, task, workflow
from tests.e2e.stage import SHELL, Json, Stage

pytestmark = pytest.mark.cluster

OWNER = {"runAsUser": 1234, "runAsNonRoot": True}
PRIVATE = f"umask 077\n{REPORT}"
DIGEST = f"sha256:{'a' * 64}"
LOOK = (
    "found=$(ls -d /var/run/avouch* 2>/dev/null || true)\n"
    "for each in /proc/[0-9]*; do tr '\\0' ' ' < $each/cmdline | grep -q '[a]vouch' && found=\"$found $each\"; done\n"
    "printf '%s' \"${found:-nothing}\" > $(results.seen.path)"
)
SETTINGS = ("configmap", "projected", "secret", "token")


def on(name: str, path: str, workspace: str = "work") -> Json:
    return {"name": name, "task": "make", "workspace": {"name": workspace, "path": path}}


def owner(name: str, *scripts: str, **more: Json) -> Json:
    """A run whose steps are all of one user."""
    spec = {"stepTemplate": {"securityContext": OWNER}, "results": [{"name": "seen"}]}
    return pipelinerun(name, task("make", *scripts, spec=spec), workflow="report", **more)


def settings() -> Json:
    """A run with workspaces of settings and of credentials."""
    found = pipelinerun("settings", workflow="settings")
    spec = {
        "workspaces": [{"name": name, "readOnly": True} for name in SETTINGS],
        "steps": [made.step("cat $(workspaces.configmap.path)/note.txt", name="s")],
    }
    bound = [{"name": name, "workspace": name} for name in SETTINGS]
    found["spec"]["pipelineSpec"] = {
        "workspaces": [{"name": name} for name in SETTINGS],
        "tasks": [{"name": "make", "workspaces": bound, "taskSpec": spec}],
    }
    token = {"serviceAccountToken": {"path": "note.txt"}}
    found["spec"]["workspaces"] = [
        {"name": "configmap", "configMap": {"name": "c"}},
        {"name": "projected", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "token", "projected": {"sources": [{"configMap": {"name": "d"}}, token]}},
    ]
    return found


PARAMS = task(
    "make",
    "mkdir -p $(workspaces.work.path)/out/1.2\necho hello > $(workspaces.work.path)/out/1.2/note.txt",
    spec={
        "params": [{"name": "dir", "default": "out"}, {"name": "version"}, {"name": "list", "type": "array"}],
    },
    params=[{"name": "version", "value": "1.2"}, {"name": "list", "value": ["a"]}],
)
STEPS = task(
    "make",
    {
        "name": "say",
        "image": SHELL,
        "results": [{"name": "said"}, {"name": "image"}],
        "script": f"printf hello > $(step.results.said.path)\nprintf reg.io/a@{DIGEST} > $(step.results.image.path)",
    },
    REPORT,
)
CONVENTION = task(
    "make",
    f"{REPORT}\nprintf 1.2 > $(results.version.path)\n"
    f"printf reg.io/a > $(results.IMAGE_URL.path)\nprintf {DIGEST} > $(results.IMAGE_DIGEST.path)",
    spec={"results": [{"name": name} for name in ("version", "IMAGE_URL", "IMAGE_DIGEST")]},
)
RUNS = (
    pipelinerun("node-network", task("make", REPORT), taskRunTemplate={"podTemplate": {"hostNetwork": True}}),
    pipelinerun(
        "no-dns",
        task("make", REPORT),
        taskRunTemplate={"podTemplate": {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}},
    ),
    owner("private", PRIVATE, LOOK),
    pipelinerun("private-of-root", task("make", PRIVATE)),
    pipelinerun(
        "group",
        task("make", f"umask 027\n{REPORT}"),
        taskRunTemplate={"podTemplate": {"securityContext": {"fsGroup": 4321}}},
    ),
    settings(),
    pipelinerun("params", PARAMS, workflow="params"),
    pipelinerun("steps", STEPS, workflow="steps"),
    pipelinerun("convention", CONVENTION, workflow="convention"),
)


@pytest.fixture(scope="module")
def place(cluster: AnyCluster) -> Iterator[Stage]:
    place = Stage(cluster, "places").open(**{"avouch.dev/inject": "enabled"})
    place.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"note.txt": "hello"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"other.txt": "hello"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"note.txt": "hello"}},
        *made.gate(),
        contract("settings", *artifacts(*SETTINGS, optional=SETTINGS[2:]), *artifacts("note", optional=("note",))),
        workflow("settings", "settings", *(on(name, "note.txt", name) for name in SETTINGS)),
        contract("params", *artifacts("known", "unknown", "list", optional=("unknown", "list"))),
        workflow(
            "params",
            "params",
            on("known", "$(params.dir)/$(params['version'])/note.txt"),
            on("unknown", "out/$(params.vershun)/note.txt"),
            on("list", "out/$(params.list)/note.txt"),
        ),
        contract("steps", string("said"), image("image"), *artifacts("report")),
        workflow(
            "steps",
            "steps",
            {"name": "said", "task": "make", "result": {"name": "said", "step": "say"}},
            {"name": "image", "task": "make", "result": {"name": "image", "step": "say"}},
            made.FROM_WORK,
        ),
        contract("convention", string("version"), image("app"), *artifacts("report")),
        workflow("convention", "convention"),
    )
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    for run in RUNS:  # one after the other: a pod that the webhook does not answer in time gets no sidecar
        place.apply(run)
    yield place
    place.close()


def artifacts(*names: str, optional: tuple[str, ...] = ()) -> list[Json]:
    return [{"name": name, "type": "ARTIFACT", "optional": name in optional} for name in names]


def string(name: str) -> Json:
    return {"name": name, "type": "STRING"}


def image(name: str) -> Json:
    return {"name": name, "type": "CONTAINER_IMAGE"}


def passed(place: Stage, run: str) -> dict[str, Json]:
    """The materials of a run that passed, by name."""
    found = place.verdict(run)
    assert stage.said(found) == ("Passed", "sidecar"), found["status"].get("findings")
    return {each["name"]: each for each in found["status"]["materials"]}


def findings(place: Stage, run: str) -> dict[str, Json]:
    """The first finding about each material of a run."""
    found = place.verdict(run)["status"].get("findings") or []
    return {each["material"]: each for each in reversed(found) if each.get("material")}


def of(content: str) -> str:
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def test_a_pod_on_the_nodes_network_attests_by_the_address_of_the_service(place: Stage) -> None:
    assert passed(place, "node-network").keys() == {"report"}


def test_a_pod_with_another_dns_attests_by_the_address_of_the_service(place: Stage) -> None:
    assert passed(place, "no-dns").keys() == {"report"}


def test_a_file_that_only_its_owner_may_read_is_collected_by_a_sidecar_of_that_user(place: Stage) -> None:
    assert passed(place, "private")["report"]["digest"] == of("all is well\n")
    (pod,) = place.pods("private")
    (sidecar,) = (each for each in pod["spec"]["initContainers"] if each["name"] == "avouch-sidecar")
    assert sidecar["securityContext"]["runAsUser"] == OWNER["runAsUser"]


def test_a_step_that_is_the_sidecars_user_sees_neither_its_token_nor_its_process(place: Stage) -> None:
    assert place.ended("private")[0] == "True"
    (taskrun,) = place.taskruns("private")
    assert {each["name"]: each["value"] for each in taskrun["status"]["results"]} == {"seen": "nothing"}


def test_a_file_that_only_root_may_read_is_refused_with_what_to_do(place: Stage) -> None:
    found = findings(place, "private-of-root")["report"]
    assert (found["code"], "Permission denied" in found["message"]) == ("EvidenceRefused", True)
    assert "umask 022" in found["fix"]
    assert "runAsUser" in found["fix"]


def test_a_file_that_its_group_may_read_is_collected_where_the_pod_has_an_fsgroup(place: Stage) -> None:
    assert passed(place, "group")["report"]["digest"] == of("all is well\n")


@pytest.mark.parametrize("workspace", SETTINGS[:2])
def test_a_file_of_settings_is_collected_where_its_workspace_is_named(place: Stage, workspace: str) -> None:
    assert passed(place, "settings")[workspace]["digest"] == of("hello")


def test_a_file_of_settings_is_no_evidence_by_its_name_alone(place: Stage) -> None:
    assert "note" not in passed(place, "settings")


@pytest.mark.parametrize(
    ("workspace", "kind"), [("secret", "secret volume"), ("token", "projected serviceAccountToken")]
)
def test_a_workspace_of_credentials_is_refused_with_the_reason(place: Stage, workspace: str, kind: str) -> None:
    found = findings(place, "settings")[workspace]
    assert f"a {kind} is never mounted into the sidecar: what lies there is a credential" in found["message"]
    assert (found["code"], found["fix"][:27]) == ("MaterialNotUsed", "let the step copy the file ")


def test_params_in_a_path_are_filled_in_from_the_taskrun_and_the_defaults_of_its_task(place: Stage) -> None:
    assert passed(place, "params")["known"]["digest"] == of("hello\n")


@pytest.mark.parametrize(("material", "why"), [("unknown", "has no param vershun"), ("list", "param list is an array")])
def test_a_param_that_makes_no_path_is_named(place: Stage, material: str, why: str) -> None:
    assert why in findings(place, "params")[material]["message"]


def test_a_result_of_a_step_is_evidence_where_the_step_is_named(place: Stage) -> None:
    found = passed(place, "steps")
    assert (found["said"]["value"], found["image"]["digest"]) == ("hello", DIGEST)


def test_what_no_source_is_named_for_is_found_by_convention(place: Stage) -> None:
    found = passed(place, "convention")
    assert (found["version"]["value"], found["app"]["digest"]) == ("1.2", DIGEST)
    assert found["report"]["digest"] == of("all is well\n")
