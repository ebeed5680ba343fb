"""What each feature of Tekton makes of the evidence: the tests that the table of docs/tekton.md names.

Many tasks in few PipelineRuns; all of a phase run at the same time. The second phase runs with features that Tekton
leaves off unless an administrator turns them on.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from tests.cluster.choice import AnyCluster
from tests.cluster.cluster import Cluster
from tests.e2e import stage
from tests.e2e.made import contract, pipelinerun, step, workflow
from tests.e2e.stage import SHELL, Json, Stage

pytestmark = pytest.mark.cluster

A, B = (f"sha256:{letter * 64}" for letter in "ab")
NOTE = "echo hello > $(workspaces.source.path)/note.txt"
FLAGS = {
    "enable-artifacts": "true",
    "enable-api-fields": "alpha",
    "results-from": "sidecar-logs",
    "max-result-size": "32768",
}
LARGE = 20_000  # characters: five times what a container's termination message holds


def task_of(name: str, spec: Json, **more: Json | str | list[Json]) -> Json:
    """A pipelineTask with a spec of its own."""
    return {"name": name, "taskSpec": spec, **more}


def referring(name: str, task_name: str, **more: Json | str | list[Json]) -> Json:
    return {"name": name, "taskRef": {"name": task_name}, **more}


def declared(name: str, **spec: Json | list[Json] | str) -> Json:
    """A Task of the namespace."""
    return {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": name}, "spec": spec}


def steps(*scripts: str) -> list[Json]:
    return [step(script, name=f"s{number}") for number, script in enumerate(scripts)]


def writing(name: str, type_: str, text: str, **more: Json) -> Json:
    """A task with one result of a type, written as it stands."""
    result = {"name": "out", "type": type_, **more}
    return task_of(name, {"results": [result], "steps": steps(f"cat > $(results.out.path) <<'END'\n{text}\nEND\n")})


def bound(*names: str) -> list[Json]:
    """Workspaces of the pipeline under their own names."""
    return [{"name": name, "workspace": name} for name in names]


def file(name: str, task_name: str, workspace: str, path: str = "note.txt") -> Json:
    return {"name": name, "task": task_name, "workspace": {"name": workspace, "path": path}}


def result(name: str, task_name: str, of: str = "out", **more: str) -> Json:
    return {"name": name, "task": task_name, "result": {"name": of, **more}}


STEP_ACTION = {
    "apiVersion": "tekton.dev/v1beta1",
    "kind": "StepAction",
    "metadata": {"name": "say"},
    "spec": {"image": SHELL, "results": [{"name": "said"}], "script": "printf hello > $(step.results.said.path)"},
}
VALUES = (
    writing("string", "string", "1.2"),
    writing("array", "array", '[ "é", "b" ]'),
    writing("object", "object", '{\n  "version": "1", "commit": "x"\n}', properties={"version": {}, "commit": {}}),
    task_of(
        "action",
        {
            "results": [{"name": "out", "value": "$(steps.say.results.said)"}],
            "steps": [{"name": "say", "ref": {"name": "say"}}],
        },
    ),
    task_of(
        "images",
        {
            "results": [{"name": "IMAGE_URL"}, {"name": "IMAGE_DIGEST"}, {"name": "IMAGES"}],
            "steps": steps(
                f"echo reg.io/a:v1 > $(results.IMAGE_URL.path)\necho {A} > $(results.IMAGE_DIGEST.path)\n"
                f"echo reg.io/a@{A},reg.io/a:latest@{A} > $(results.IMAGES.path)"
            ),
        },
    ),
    task_of(
        "param",
        {
            "params": [{"name": "list", "type": "array"}, {"name": "mode", "default": "fast"}],
            "steps": [step("true", name="s", env=[{"name": "MODE", "value": "$(params.mode)"}])],
        },
        params=[{"name": "list", "value": ["a", "b"]}],
    ),
)
VALUE_SOURCES = (
    *(result(name, name) for name in ("string", "array", "object", "action")),
    {"name": "list", "task": "param", "param": {"name": "list"}},
    {"name": "mode", "task": "param", "env": {"step": "s", "name": "MODE"}},
)
FILES = (
    referring("placed", "placed", workspaces=bound("source")),
    referring(
        "folders",
        "folders",
        workspaces=[
            {"name": "source", "workspace": "claim", "subPath": "a"},
            {"name": "inner", "workspace": "claim", "subPath": "b"},
        ],
    ),
    referring(
        "reading",
        "reading",
        workspaces=[{"name": "source", "workspace": "claim", "subPath": "a"}],
        runAfter=["folders"],
    ),
    referring("isolated", "isolated", workspaces=bound("source", "other")),
    referring("template", "placed", workspaces=[{"name": "source", "workspace": "template"}]),
)
PLACED = declared(
    "placed",
    workspaces=[{"name": "source", "mountPath": "/src"}, {"name": "cache", "optional": True}],
    steps=steps(NOTE),
)
TASKS = (
    PLACED,
    declared(
        "folders",
        workspaces=[{"name": "source", "mountPath": "/src"}, {"name": "inner", "mountPath": "/src/inner"}],
        steps=steps(f"{NOTE}\necho inner > $(workspaces.inner.path)/note.txt"),
    ),
    declared(
        "reading",
        workspaces=[{"name": "source", "mountPath": "/read-only", "readOnly": True}],
        steps=steps("cat $(workspaces.source.path)/note.txt"),
    ),
    declared(
        "isolated",
        workspaces=[{"name": "source"}, {"name": "other"}],
        steps=[
            step("echo source > /here/note.txt", name="s0", workspaces=[{"name": "source", "mountPath": "/here"}]),
            step("echo other > /here/note.txt", name="s1", workspaces=[{"name": "other", "mountPath": "/here"}]),
        ],
    ),
)
FILE_SOURCES = (
    file("placed", "placed", "source"),
    file("cached", "placed", "cache"),
    file("outer", "folders", "source"),
    file("inner", "folders", "inner"),
    file("read", "reading", "source"),
    file("isolated", "isolated", "other"),
    file("template", "template", "source"),
)
VOLUMES = {"avouch.dev/test": "features"}
CLAIM: Json = {
    "accessModes": ["ReadWriteMany"],
    "storageClassName": "features",
    "resources": {"requests": {"storage": "1Mi"}},
}
LATE = task_of(
    "late",
    {"workspaces": [{"name": "source"}], "steps": [*steps(NOTE), step("sleep 600", name="slow", timeout="2s")]},
    workspaces=bound("source"),
)
LATE_SOURCES = (file("note", "late", "source"),)
REMOTE_SOURCES = (file("cluster", "cluster", "source"), file("http", "http", "source"))


def remote(url: str) -> tuple[Json, Json]:
    """Two tasks of Tasks that lie elsewhere: in another namespace, and behind this address."""
    elsewhere = {"kind": "task", "name": "shared", "namespace": "features-shared"}
    return tuple(
        {
            "name": resolver,
            "taskRef": {"resolver": resolver, "params": [{"name": k, "value": v} for k, v in params.items()]},
            "workspaces": bound("source"),
        }
        for resolver, params in (("cluster", elsewhere), ("http", {"url": url}))
    )


REFUSED = (
    task_of(
        "settings",
        {
            "workspaces": [
                *({"name": name, "readOnly": True} for name in ("secret", "projected")),
                {"name": "cache", "optional": True},
            ],
            "steps": steps("true"),
        },
        workspaces=bound("secret", "projected"),
    ),
    task_of(
        "images",
        {
            "results": [{"name": "list"}, {"name": "IMAGES"}, {"name": "url"}, {"name": "digest"}],
            "steps": steps(
                f"echo 'reg.io/a@{A} reg.io/b@{B}' > $(results.IMAGES.path)\n"
                f"echo reg.io/a@{A} > $(results.url.path)\necho {B} > $(results.digest.path)"
            ),
        },
    ),
    task_of("action", {"steps": [{"name": "say", "ref": {"name": "say"}}]}),
    task_of("skipped", {"steps": steps("true")}, when=[{"input": "a", "operator": "in", "values": ["b"]}]),
    {"name": "custom", "taskRef": {"apiVersion": "example.dev/v1", "kind": "Approval", "name": "somebody"}},
)
REFUSED_SOURCES = (
    *(file(name, "settings", name) for name in ("secret", "projected")),
    file("unbound", "settings", "cache"),
    result("blanks", "images", "IMAGES"),
    result("twice", "images", "url", digest="digest"),
    result("inner", "action", "said"),
    result("skipped", "skipped"),
    result("custom", "custom"),
)


def asked(
    *sources: Json, optional: tuple[str, ...] = (), images: tuple[str, ...] = (), values: bool = False
) -> list[Json]:
    """The contract's materials of these sources."""
    return [
        {
            "name": source["name"],
            "type": "CONTAINER_IMAGE"
            if source["name"] in images
            else "STRING"
            if values or "result" in source
            else "ARTIFACT",
            "optional": source["name"] in optional,
        }
        for source in sources
    ]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, machine_address: str) -> Iterator[str]:
    """Where this machine serves a Task to the cluster."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "task.yaml").write_text(yaml.safe_dump(PLACED))
    with ThreadingHTTPServer(("", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{machine_address}:{server.server_port}/task.yaml"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def machine_address(cluster: AnyCluster) -> str:
    if not isinstance(cluster, Cluster):
        pytest.skip("only of our own cluster is it known how its processes reach this machine")
    cluster.start_resolvers()
    return cluster.host_ip


@pytest.fixture(scope="module")
def fetched(place: Stage, url: str) -> Iterator[Stage]:
    """The run whose Tasks remote resolvers fetch."""
    shared = Stage(place.cluster, "features-shared").open()
    shared.apply({**PLACED, "metadata": {"name": "shared"}})
    place.apply(contract("remote", *asked(*REMOTE_SOURCES)), workflow("remote", "remote", *REMOTE_SOURCES))
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev/remote", "--timeout=60s")
    place.apply(of("remote", *remote(url), source={"emptyDir": {}}))
    place.ended("remote")
    yield place
    shared.close()


@pytest.fixture(scope="module")
def place(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    place = Stage(cluster, "features").open(**{"avouch.dev/inject": "enabled"})
    place.kubectl("delete", "persistentvolume", "-l", "avouch.dev/test=features", "--timeout=60s")
    place.apply(*(volume(number, tmp_path_factory.mktemp("volume")) for number in range(2)), STEP_ACTION, *TASKS)
    place.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim"}, "spec": CLAIM})
    place.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"note.txt": "hello"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"note.txt": "hello"}},
    )
    image = {"name": "image", "type": "CONTAINER_IMAGE"}
    place.apply(
        contract("values", *asked(*VALUE_SOURCES, values=True), image),
        contract("late", *asked(*LATE_SOURCES)),
        contract("files", *asked(*FILE_SOURCES, optional=("cached",))),
        contract("refused", *asked(*REFUSED_SOURCES, images=("blanks", "twice"))),
        workflow("values", "values", *VALUE_SOURCES, inject="always"),
        workflow("files", "files", *FILE_SOURCES),
        workflow("late", "late", *LATE_SOURCES),
        workflow("refused", "refused", *REFUSED_SOURCES, inject="always"),
    )
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    place.apply(*FIRST)
    approve(place)
    yield place
    place.close()
    place.kubectl("delete", "persistentvolume", "-l", "avouch.dev/test=features", "--wait=false")


def volume(number: int, folder: Path) -> Json:
    """A folder of the node as a volume for any claim of this module."""
    folder.chmod(0o777)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"avouch-features-{number}", "labels": VOLUMES},
        "spec": {
            "accessModes": CLAIM["accessModes"],
            "storageClassName": CLAIM["storageClassName"],
            "capacity": CLAIM["resources"]["requests"],
            "hostPath": {"path": str(folder)},
        },
    }


def of(name: str, *tasks: Json, **workspaces: Json) -> Json:
    """A PipelineRun of these tasks, for the Workflow of its name."""
    made = pipelinerun(name, *tasks, workflow=name)
    made["spec"]["pipelineSpec"]["workspaces"] = [{"name": each} for each in workspaces]
    made["spec"]["workspaces"] = [{"name": each, **source} for each, source in workspaces.items()]
    return made


FIRST = (
    of("values", *VALUES),
    of(
        "files",
        *FILES,
        source={"emptyDir": {}},
        other={"emptyDir": {}},
        claim={"persistentVolumeClaim": {"claimName": "claim"}},
        template={"volumeClaimTemplate": {"spec": CLAIM}},
    ),
    of("late", LATE, source={"emptyDir": {}}),
    of(
        "refused",
        *REFUSED,
        secret={"secret": {"secretName": "s"}},
        projected={"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]}},
    ),
)


def value(place: Stage, name: str) -> str:
    """The value of a material of the run `values`, which must have passed."""
    run = place.verdict("values")
    assert stage.said(run) == ("Passed", "sidecar"), run["status"].get("findings")
    return str(next(each["value"] for each in run["status"]["materials"] if each["name"] == name))


def digests(place: Stage) -> dict[str, str]:
    """Digest by material of the run `files`, which must have passed."""
    run = place.verdict("files")
    assert stage.said(run) == ("Passed", "sidecar"), run["status"].get("findings")
    return {each["name"]: each["digest"] for each in run["status"]["materials"]}


def finding(place: Stage, material: str, run: str = "refused") -> Json:
    """The first finding about a material of a failed run."""
    judged = place.verdict(run)
    assert judged["status"]["verdict"] == "Failed", judged["status"]
    return next(each for each in judged["status"]["findings"] if each.get("material") == material)


def approve(place: Stage) -> None:
    """Be the controller of the custom task: give it a result and let it succeed."""
    custom = place.until(lambda: place.get("customruns")["items"], "the CustomRun")[0]
    condition = {"type": "Succeeded", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"status": {"conditions": [condition], "results": [{"name": "out", "value": "yes"}]}}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
    place.kubectl("patch", "customrun", custom["metadata"]["name"], *patch)


def test_a_string_result_is_the_text_that_its_step_wrote(place: Stage) -> None:
    assert value(place, "string") == "1.2"


def test_an_array_result_is_one_value_however_its_step_spelt_it(place: Stage) -> None:
    assert json.loads(value(place, "array")) == ["é", "b"]


def test_an_object_result_is_one_value_however_its_step_spelt_it(place: Stage) -> None:
    assert json.loads(value(place, "object")) == {"version": "1", "commit": "x"}


def test_the_result_of_a_step_action_counts_as_the_result_of_its_task(place: Stage) -> None:
    assert value(place, "action") == "hello"


def test_a_param_and_a_literal_variable_are_read_from_the_taskrun(place: Stage) -> None:
    assert (value(place, "list"), value(place, "mode")) == ('["a","b"]', "fast")


def test_an_image_that_three_hints_name_is_one_image(place: Stage) -> None:
    assert value(place, "image").startswith("reg.io/a")


def test_a_workspace_is_collected_wherever_its_task_mounts_it(place: Stage) -> None:
    assert "placed" in digests(place)


def test_an_optional_workspace_that_is_not_bound_is_no_finding_for_optional_material(place: Stage) -> None:
    assert "cached" not in digests(place)


def test_two_folders_of_one_claim_are_two_workspaces_even_one_inside_the_other(place: Stage) -> None:
    found = digests(place)
    assert found["outer"] != found["inner"]


def test_a_read_only_workspace_is_collected(place: Stage) -> None:
    found = digests(place)
    assert found["read"] == found["outer"]


def test_a_workspace_of_one_step_is_collected_though_another_is_mounted_at_its_path(place: Stage) -> None:
    found = digests(place)
    assert found["isolated"] not in (found["placed"], found["inner"])


def test_a_workspace_of_a_claim_template_is_collected(place: Stage) -> None:
    found = digests(place)
    assert found["template"] == found["placed"]


def test_a_step_that_takes_too_long_fails_the_run_and_what_was_there_is_evidence(place: Stage) -> None:
    run = place.verdict("late")
    assert (stage.said(run), stage.codes(run)) == (("Failed", "sidecar"), ["RunFailed"])
    assert run["status"]["findings"][0]["message"].startswith("TaskRun late-")
    assert [each["name"] for each in run["status"]["materials"]] == ["note"]


@pytest.mark.parametrize(("workspace", "kind"), [("secret", "secret volume"), ("projected", "projected secret")])
def test_a_workspace_of_secrets_is_refused_with_what_to_do(place: Stage, workspace: str, kind: str) -> None:
    found = finding(place, workspace)
    assert (found["code"], found["fix"][:27]) == ("EvidenceRefused", "let the step copy the file ")
    assert f"a {kind} is never mounted into the sidecar" in found["message"]


def test_a_workspace_that_is_not_bound_is_said_for_required_material(place: Stage) -> None:
    found = finding(place, "unbound")
    assert "workspace cache is not bound" in found["message"]
    assert found["code"] == "EvidenceRefused"
    assert found["fix"].startswith("bind workspace cache in the run")


def test_images_separated_by_blanks_are_a_finding_and_no_lie(place: Stage) -> None:
    found = finding(place, "blanks")
    assert (found["code"], found["fix"]) == ("ImageReferenceInvalid", "separate images by commas or line ends")


def test_two_digests_of_one_image_are_a_finding(place: Stage) -> None:
    assert finding(place, "twice")["code"] == "ImageDigestAmbiguous"


def test_the_result_of_a_step_alone_is_no_result_of_its_task(place: Stage) -> None:
    assert finding(place, "inner")["code"] == "MaterialMissing"


def test_what_a_skipped_task_owes_is_missing(place: Stage) -> None:
    found = finding(place, "skipped")
    assert found["code"] == "MaterialMissing"
    assert "was skipped: When Expressions evaluated to false" in found["message"]


@pytest.mark.parametrize("resolver", ["cluster", "http"])
def test_a_task_that_a_remote_resolver_fetched_gives_its_files(fetched: Stage, resolver: str) -> None:
    run = fetched.verdict("remote")
    assert stage.said(run) == ("Passed", "sidecar"), run["status"].get("findings")
    assert resolver in {each["name"] for each in run["status"]["materials"]}


def test_the_result_of_a_custom_task_is_not_read(place: Stage) -> None:
    found = finding(place, "custom")
    assert found["code"] == "MaterialMissing"
    assert "task custom is a CustomRun, of which nothing is read" in found["message"]


@contextmanager
def flags(place: Stage, **wanted: str) -> Iterator[None]:
    """Tekton with other feature flags."""
    name = ("-n", "tekton-pipelines", "configmap", "feature-flags")
    before = json.loads(place.kubectl("get", *name, "-o", "json"))["data"]
    place.kubectl("patch", *name, "--type=merge", "-p", json.dumps({"data": wanted}))
    try:
        yield
    finally:
        kept = {key: before.get(key) for key in wanted}
        place.kubectl("patch", *name, "--type=merge", "-p", json.dumps({"data": kept}))


def writes(what: str, text: str) -> str:
    """A script that writes a file of artifacts."""
    return f"cat > $({what}.path) <<'END'\n{text}\nEND\n"


PROVENANCE = json.dumps(
    {"outputs": [{"name": "img", "values": [{"uri": "oci://reg.io/a", "digest": {"sha256": A[7:]}}]}]}
)
OF_STEP = PROVENANCE.replace("img", "inner").replace("reg.io/a", "reg.io/b").replace(A[7:], B[7:])
SECOND_SOURCES = (
    {"name": "artifact", "task": "artifact", "artifact": {"name": "img"}},
    {"name": "inner", "task": "artifact", "artifact": {"name": "inner"}},
    result("large", "large"),
    file("beside", "large", "source"),
)
SECOND = (
    task_of("artifact", {"steps": steps(writes("artifacts", PROVENANCE), writes("step.artifacts", OF_STEP))}),
    task_of(
        "large",
        {
            "workspaces": [{"name": "source"}],
            "results": [{"name": "out"}],
            "steps": steps(f"{NOTE}\nhead -c {LARGE} /dev/zero | tr '\\0' x > $(results.out.path)"),
        },
        workspaces=bound("source"),
    ),
)
NESTED_SOURCES = (result("inside", "child"),)


@pytest.fixture(scope="module")
def flagged(fetched: Stage) -> Iterator[Stage]:
    """The second phase, after the first: what Tekton does with other flags."""
    place = fetched
    for made in FIRST:
        place.ended(made["metadata"]["name"])
    place.apply(
        contract("flagged", *asked(*SECOND_SOURCES, images=("artifact", "inner"))),
        contract("nested", *asked(*NESTED_SOURCES)),
        workflow("flagged", "flagged", *SECOND_SOURCES),
        workflow("nested", "nested", *NESTED_SOURCES),
    )
    place.kubectl("wait", "--for=condition=Ready", "workflows.avouch.dev", "--all", "--timeout=60s")
    with flags(place, **FLAGS):
        child = {"name": "child", "pipelineSpec": {"tasks": [writing("leaf", "string", "1")]}}
        place.until(lambda: accepted(place, of("flagged", *SECOND, source={"emptyDir": {}})), "the flags", 30)
        place.until(lambda: accepted(place, of("nested", child)), "the flags", 30)
        for name in ("flagged", "nested"):
            place.ended(name)
        yield place


def accepted(place: Stage, made: Json) -> bool:
    """Whether Tekton's webhook takes an object: it hears of new flags a moment after they were set."""
    try:
        place.apply(made)
    except Exception:
        return False
    return True


def test_an_output_artifact_is_an_image(flagged: Stage) -> None:
    run = flagged.verdict("flagged")
    assert stage.said(run) == ("Passed", "sidecar"), run["status"].get("findings")
    found = next(each for each in run["status"]["materials"] if each["name"] == "artifact")
    assert (found["value"], found["digest"]) == ("reg.io/a", A)


def test_an_output_artifact_of_a_step_is_found_like_one_of_its_task(flagged: Stage) -> None:
    run = flagged.verdict("flagged")
    found = next(each for each in run["status"]["materials"] if each["name"] == "inner")
    assert (found["value"], found["digest"]) == ("reg.io/b", B)


def test_a_large_result_through_sidecar_logs_is_recorded_whole(flagged: Stage) -> None:
    run = flagged.verdict("flagged")
    found = next(each for each in run["status"]["materials"] if each["name"] == "large")
    assert len(found["value"]) == LARGE


def test_a_pipeline_inside_a_pipeline_is_not_looked_into(flagged: Stage) -> None:
    found = finding(flagged, "inside", "nested")
    assert found["code"] == "MaterialMissing"
    assert "task child is a PipelineRun, of which nothing is read" in found["message"]
