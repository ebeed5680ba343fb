"""What is taken from a pod's real files, and what is refused."""

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from avouch import digests, errors, plan, refusals
from avouch.sidecar import collect, discover, files

DIGEST = "sha256:" + "a" * 64
SBOM = "SBOM_CYCLONEDX_JSON"


def at(root: Path, limit: int = 1000) -> collect.Pod:
    (root / "results").mkdir(exist_ok=True)
    (root / "ws").mkdir(exist_ok=True)
    return collect.Pod(root, {"source": str(root / "ws")}, 1, limit)


def planned(type_: str, kind: plan.From, source: str = "", path: str = "", digest: str = "") -> plan.PlannedMaterial:
    return plan.PlannedMaterial("m", type_, plan.Source(kind, name=source, path=path, digest=digest))


def in_workspace(path: str) -> plan.PlannedMaterial:
    return planned(SBOM, plan.From.WORKSPACE, "source", path)


def one(material: plan.PlannedMaterial, pod: collect.Pod, **said: str) -> collect.Collected | None:
    found = collect.collect([material], pod, said)
    assert None not in found
    return found[0] if found else None


def test_a_workspace_file_is_hashed(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "ws" / "out").mkdir()
    (tmp_path / "ws" / "out" / "sbom.json").write_bytes(b"{}")
    found = one(in_workspace("out/sbom.json"), pod)
    assert found is not None
    assert (found.digest, found.finding) == (digests.of_bytes(b"{}"), "")


def test_what_is_not_there_is_not_mentioned(tmp_path: Path) -> None:
    assert one(in_workspace("sbom.json"), at(tmp_path)) is None


def attack(root: Path, name: str) -> str:  # noqa: C901 - a table of cases
    """Prepare a bad file; returns the path to ask for."""
    (root / "secret").write_text("secret")
    ws = root / "ws"
    match name:
        case "symlink":
            (ws / "f").symlink_to(root / "secret")
        case "symlinked directory":
            (root / "elsewhere").mkdir()
            (root / "elsewhere" / "f").write_text("secret")
            (ws / "d").symlink_to(root / "elsewhere")
            return "d/f"
        case "fifo":
            os.mkfifo(ws / "f")
        case "socket":
            os.mknod(ws / "f", stat.S_IFSOCK | 0o600)
        case "file on the way":
            (ws / "d").write_text("no folder")
            return "d/f"
        case "directory":
            (ws / "f").mkdir()
        case "empty":
            (ws / "f").write_bytes(b"")
        case "oversize":
            (ws / "f").write_bytes(b"x" * 1001)
        case "dots":
            return "../secret"
        case "dot":
            return "./f"
        case "nothing":
            return "a\0b"
        case "absolute":
            return str(root / "secret")
    return "f"


@pytest.mark.parametrize(
    ("name", "word", "cause"),
    [
        ("symlink", "f is a symbolic link", "Link"),
        ("symlinked directory", "d is a symbolic link", "Link"),
        ("fifo", "not a regular file", "Special"),
        ("socket", "not a regular file", "Special"),
        ("directory", "a folder, not a regular file", "Folder"),
        ("file on the way", "d is no folder", "Absent"),
        ("empty", "is empty", "Empty"),
        ("oversize", "1001 bytes", "TooLarge"),
        ("dots", "relative to its directory", "Unusable"),
        ("dot", "write it without a leading or trailing /, ./, ../ and //", "Unusable"),
        ("nothing", "relative to its directory", "Unusable"),
        ("absolute", "relative to its directory", "Unusable"),
    ],
)
def test_a_file_that_may_not_be_taken_is_a_finding_with_its_cause(
    tmp_path: Path, name: str, word: str, cause: str
) -> None:
    pod = at(tmp_path)
    found = one(in_workspace(attack(tmp_path, name)), pod)
    assert found is not None
    assert not found.present
    assert word in found.finding
    assert found.cause == cause
    assert cause in refusals.CAUSES


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may enter, as a volume of a pod is; pytest's are for their owner."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        yield root


@contextlib.contextmanager
def as_another_user() -> Iterator[None]:
    """Root reads everything; anybody else may not read what has no mode bits."""
    before = os.geteuid()
    os.seteuid(before or 65532)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("private", ["ws/d", "ws/d/f"])
def test_a_file_or_folder_that_only_its_owner_may_read_is_unreadable(shared: Path, private: str) -> None:
    pod = at(shared)
    (shared / "ws" / "d").mkdir()
    (shared / "ws" / "d" / "f").write_text("private")
    (shared / private).chmod(0)
    with as_another_user():
        found = one(in_workspace("d/f"), pod)
    (shared / private).chmod(0o700)
    assert found is not None
    assert (found.cause, "Permission denied" in found.finding) == ("Unreadable", True)


def test_a_workspace_that_cannot_be_listed_is_unreadable(shared: Path) -> None:
    pod = at(shared)
    (shared / "ws").chmod(0)
    with as_another_user():
        found = one(planned(SBOM, plan.From.CONVENTION), pod)
    (shared / "ws").chmod(0o700)
    assert found is not None
    assert (found.cause, "cannot be listed" in found.finding) == ("Unreadable", True)


@pytest.mark.parametrize("said", ["none.json", "/none/none.json"])
def test_a_file_that_was_given_by_hand_and_is_not_there_is_absent(tmp_path: Path, said: str) -> None:
    found = one(in_workspace("sbom.json"), at(tmp_path), m=said)
    assert found is not None
    assert (found.cause, "does not exist" in found.finding) == ("Absent", True)


def test_a_symlinked_result_is_refused(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "token").write_text("secret")
    (tmp_path / "results" / "v").symlink_to(tmp_path / "token")
    found = one(planned("STRING", plan.From.RESULT, "v"), pod)
    assert found is not None
    assert "symbolic link" in found.finding
    assert "secret" not in found.finding + found.value


def test_a_megabyte_of_result_is_taken_and_an_empty_one_is_a_finding(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "big").write_text("x" * 1024 * 1024)
    (tmp_path / "results" / "none").write_text("")
    big, none = (one(planned("STRING", plan.From.RESULT, name), pod) for name in ("big", "none"))
    assert big is not None
    assert len(big.value) == 1024 * 1024
    assert none is not None
    assert "empty" in none.finding


@pytest.mark.parametrize(
    ("results", "source"),
    [
        (
            {"IMAGE_URL": "reg:5/app:1\n", "IMAGE_DIGEST": DIGEST},
            planned("CONTAINER_IMAGE", plan.From.RESULT, "IMAGE_URL"),
        ),
        ({"u": "reg:5/app:1", "d": DIGEST}, planned("CONTAINER_IMAGE", plan.From.RESULT, "u", digest="d")),
        ({"IMAGE_URL": "reg:5/app:1", "IMAGE_DIGEST": DIGEST}, planned("CONTAINER_IMAGE", plan.From.CONVENTION)),
        ({"m": f"reg:5/app:1@{DIGEST}"}, planned("CONTAINER_IMAGE", plan.From.CONVENTION)),
    ],
)
def test_images_come_from_results(tmp_path: Path, results: dict[str, str], source: plan.PlannedMaterial) -> None:
    pod = at(tmp_path)
    for name, value in results.items():
        (tmp_path / "results" / name).write_text(value)
    found = one(source, pod)
    assert found is not None
    assert found.value == f"reg:5/app:1@{DIGEST}"
    assert str(found.digest) == DIGEST


def test_a_result_that_no_database_takes_is_claimed_as_the_server_records_it(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "version").write_text("1\0.2\n")
    found = one(planned("STRING", plan.From.RESULT, "version"), pod)
    assert found is not None
    assert (found.value, found.digest, found.finding) == ("1\ufffd.2", digests.of_bytes("1\ufffd.2".encode()), "")


def test_an_array_is_claimed_as_the_server_records_it(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "tags").write_text('[ "a",\n "b" ]\n')
    for kind, source in ((plan.From.RESULT, "tags"), (plan.From.CONVENTION, "")):
        found = one(replace(planned("STRING", kind, source), name="tags"), pod)
        assert found is not None
        assert found.value == '["a","b"]'


def test_a_report_may_be_a_result(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "report").write_text("[]")
    found = one(planned(SBOM, plan.From.RESULT, "report"), pod)
    assert found is not None
    assert found.file is not None
    assert (found.file.root, found.file.path, found.value) == (tmp_path, "results/report", "")


def test_results_that_name_no_image_are_not_mentioned(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "version").write_text("1.2")
    assert one(planned("CONTAINER_IMAGE", plan.From.CONVENTION), pod) is None
    assert one(planned("CONTAINER_IMAGE", plan.From.RESULT, "url"), pod) is None


def test_an_image_without_a_digest_is_a_finding(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "m").write_text("reg/app:latest")
    found = one(planned("CONTAINER_IMAGE", plan.From.RESULT, "m"), pod)
    assert found is not None
    assert "not pinned" in found.finding


@pytest.mark.parametrize(("names", "expected"), [(["m.json"], True), (["m"], True), (["m.json", "m.xml"], False)])
def test_a_file_nobody_placed_is_found_by_its_name_unless_several_could_be_meant(
    tmp_path: Path, names: list[str], expected: bool
) -> None:
    pod = at(tmp_path)
    for name in names:
        (tmp_path / "ws" / name).write_text("{}")
    found = one(planned(SBOM, plan.From.CONVENTION), pod)
    assert found is not None
    assert found.present is expected


@pytest.mark.parametrize("place", ["artifacts", "run/0/status/artifacts"])
def test_a_tekton_artifact_names_its_digest(tmp_path: Path, place: str) -> None:
    pod = at(tmp_path)
    (tmp_path / place).mkdir(parents=True)
    value = {"uri": "oci://reg/app", "digest": {"sha256": "a" * 64}}
    (tmp_path / place / "provenance.json").write_text(json.dumps({"outputs": [{"name": "img", "values": [value]}]}))
    found = one(planned("CONTAINER_IMAGE", plan.From.ARTIFACT, "img"), pod)
    assert found is not None
    assert found.value == f"reg/app@{DIGEST}"


def provenance(root: Path, *values: dict[str, object], name: str = "img") -> collect.Pod:
    pod = at(root)
    (root / "artifacts").mkdir()
    document = {"outputs": [{"name": name, "values": list(values)}]}
    (root / "artifacts" / "provenance.json").write_text(json.dumps(document))
    return pod


HEX = {"sha256": "a" * 64}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([{"uri": "", "digest": HEX}], "has no uri"),
        ([{"uri": "oci://reg/app", "digest": {"sha256": "A"}}], "not a sha256 digest"),
        ([{"uri": "pkg:oci/app?repository_url=reg", "digest": HEX}], "is not an image reference"),
        ([{"uri": "docker://reg/app", "digest": HEX}], "leave out docker://"),
        ([{"uri": "oci://reg/app@sha256:" + "b" * 64, "digest": HEX}], "is pinned to another digest"),
        ([{"uri": "reg/a", "digest": HEX}, {"uri": "reg/b", "digest": HEX}], "has 2 values"),
    ],
)
def test_a_tekton_artifact_that_names_no_image_or_several_is_a_finding(
    tmp_path: Path, values: list[dict[str, object]], word: str
) -> None:
    found = one(planned("CONTAINER_IMAGE", plan.From.ARTIFACT, "img"), provenance(tmp_path, *values))
    assert found is not None
    assert not found.present
    assert word in found.finding


def test_a_tekton_artifact_of_another_name_is_none_and_what_is_no_json_is_a_finding(tmp_path: Path) -> None:
    pod = provenance(tmp_path, {"uri": "reg/a", "digest": HEX}, name="other")
    asked = planned("CONTAINER_IMAGE", plan.From.ARTIFACT, "img")
    assert one(asked, pod) is None
    (tmp_path / "artifacts" / "provenance.json").write_text("{")
    found = one(asked, pod)
    assert found is not None
    assert "artifacts/provenance.json is not JSON" in found.finding


def test_a_tekton_artifact_is_looked_for_in_the_tasks_own_file_and_then_in_each_steps(tmp_path: Path) -> None:
    pod = replace(provenance(tmp_path, {"uri": "reg/a", "digest": HEX}, name="own"), steps=3)
    for step, name in ((0, "other"), (2, "of the last step")):
        file = tmp_path / f"run/{step}/status/artifacts/provenance.json"
        file.parent.mkdir(parents=True)
        outputs = [{"name": each, "values": [{"uri": f"reg/{step}", "digest": HEX}]} for each in (name, "own")]
        file.write_text(json.dumps({"outputs": outputs}))
    found = [one(planned("ARTIFACT", plan.From.ARTIFACT, name), pod) for name in ("own", "of the last step", "none")]
    assert [each.value if each else None for each in found] == ["reg/a", "reg/2", None]


def test_a_tekton_artifact_that_is_no_image_is_its_uri(tmp_path: Path) -> None:
    pod = provenance(tmp_path, {"uri": "git+https://x", "digest": HEX})
    found = one(planned("ARTIFACT", plan.From.ARTIFACT, "img"), pod)
    assert found is not None
    assert (found.value, str(found.digest)) == ("git+https://x", DIGEST)


def test_a_workspace_that_cannot_be_mounted_says_why(tmp_path: Path) -> None:
    pod = replace(at(tmp_path), workspaces={}, unmounted={"source": "a secret volume (fix: copy it)"})
    found = one(in_workspace("f"), pod)
    assert found is not None
    assert found.finding == "workspace source is not collected: a secret volume (fix: copy it)"


@pytest.mark.parametrize(("changes", "said"), [({}, True), ({"optional": True}, False), ({"group": "g"}, False)])
def test_a_workspace_that_is_not_bound_is_a_finding_for_what_may_not_be_absent(
    tmp_path: Path, changes: dict[str, object], said: bool
) -> None:
    found = one(replace(in_workspace("f"), **changes), replace(at(tmp_path), workspaces={}))  # type: ignore[arg-type]
    assert (found is not None) is said
    if found is not None:
        assert "workspace source is not bound (fix: bind source in the run" in found.finding


def test_a_file_nobody_placed_may_lie_in_the_results_and_may_be_in_no_workspace(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "m").write_text("{}")
    found = one(planned(SBOM, plan.From.CONVENTION), pod)
    assert found is not None
    assert (found.digest, found.finding) == (digests.of_bytes(b"{}"), "")


def test_a_file_nobody_placed_in_a_workspace_that_cannot_be_listed_is_a_finding(tmp_path: Path) -> None:
    pod = replace(at(tmp_path), workspaces={"source": str(tmp_path / "gone")})
    found = one(planned(SBOM, plan.From.CONVENTION), pod)
    assert found is not None
    assert "cannot be listed: No such file or directory" in found.finding


@pytest.mark.parametrize("kind", [plan.From.CONVENTION, plan.From.RESULT])
def test_a_pod_without_results_names_no_image(tmp_path: Path, kind: plan.From) -> None:
    pod = collect.Pod(tmp_path / "none", {}, 1, 10)
    assert one(planned("CONTAINER_IMAGE", kind, "IMAGE_URL"), pod) is None


def test_params_and_environment_are_left_to_the_server(tmp_path: Path) -> None:
    pod = at(tmp_path)
    assert one(planned("STRING", plan.From.PARAM, "p"), pod) is None
    assert one(planned("STRING", plan.From.ENV, "p"), pod) is None


def test_what_an_explicit_step_says_stands_above_the_plan(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "results" / "m").write_text(f"reg/app@{DIGEST}")
    lie = "reg/app@sha256:" + "b" * 64
    found = one(planned("CONTAINER_IMAGE", plan.From.RESULT, "m"), pod, m=lie)
    assert found is not None
    assert found.value == lie


@pytest.mark.parametrize("name", ["app", "app:1.0.2", "reg:5000/team/app:1.0.2", "[::1]:5000/app"])
def test_an_image_given_by_hand_is_pinned_to_its_digest(tmp_path: Path, name: str) -> None:
    found = one(planned("CONTAINER_IMAGE", plan.From.RESULT), at(tmp_path), m=f"{name}@{DIGEST}")
    assert found is not None
    assert (found.value, str(found.digest), found.finding) == (f"{name}@{DIGEST}", DIGEST, "")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "app",
        "app:1",
        DIGEST,
        f"@{DIGEST}",
        f"a b@{DIGEST}",
        f"app@x@{DIGEST}",
        "app@sha256:" + "A" * 64,
        "app@sha256:1",
    ],
)
def test_an_image_given_by_hand_in_a_wrong_form_is_a_finding_that_shows_the_right_one(
    tmp_path: Path, value: str
) -> None:
    found = one(planned("CONTAINER_IMAGE", plan.From.RESULT), at(tmp_path), m=value)
    assert found is not None
    assert not found.present
    assert "<repository>[:<tag>]@sha256:" in found.finding


def test_a_path_given_by_hand_is_read_as_a_shell_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bom.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for written in ("./out/bom.json", "out//bom.json", f"{tmp_path}/./out/bom.json"):
        found = one(planned(SBOM, plan.From.WORKSPACE), at(tmp_path), m=written)
        assert found is not None
        assert found.present, found.finding


def test_a_file_given_by_hand_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    found = one(planned(SBOM, plan.From.WORKSPACE), at(tmp_path), m=str(tmp_path / "none.json"))
    assert found is not None
    assert "none.json" in found.finding


def test_a_file_that_grows_past_the_limit_while_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    with files.opened(tmp_path, "f", 10) as descriptor:
        (tmp_path / "f").write_bytes(b"x" * 11)
        with pytest.raises(errors.TooLarge):
            list(files.pieces(descriptor, 10, "f"))


def test_without_leave_to_read_pods_only_the_name_and_namespace_are_known(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("ns")
    place = discover.discover({"HOSTNAME": "build-pod-retry1"}, tmp_path / "labels", tmp_path)
    assert place.variables() == {
        "HOSTNAME": "build-pod-retry1",
        "TEKTON_NAMESPACE": "ns",
        "TEKTON_TASKRUN_NAME": "build",
    }


def test_the_link_names_the_pipelinerun_in_the_dashboard_or_without() -> None:
    place = discover.Place("ns", f"{'a' * 27}{'0123456789abcdef' * 2}-pod", {})
    assert "TEKTON_TASKRUN_NAME" not in place.variables(), "a hash is no name"
    assert place.url("") == ""
    place = discover.Place("ns", "p", {"tekton.dev/pipelineRun": "r"})
    assert place.url("") == "tekton://ns/pipelineruns/r"
    assert place.url("https://dash/") == "https://dash/#/namespaces/ns/pipelineruns/r"


def test_an_empty_file_is_evidence_only_where_emptiness_says_something(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "ws" / "f").touch()
    clean = one(planned("TRUFFLEHOG_JSON", plan.From.WORKSPACE, "source", "f"), pod)
    other = one(in_workspace("f"), pod)
    assert clean is not None
    assert other is not None
    assert (clean.digest, clean.finding) == (digests.of_bytes(b""), "")
    assert "is empty" in other.finding


def by_convention(pod: collect.Pod) -> str:
    found = one(planned(SBOM, plan.From.CONVENTION), pod)
    assert found is not None
    assert found.file is not None
    return found.file.path


def test_a_file_of_the_materials_name_with_several_extensions_is_found_by_convention(tmp_path: Path) -> None:
    pod = at(tmp_path)
    (tmp_path / "ws" / "m.cdx.json").write_bytes(b"{}")
    (tmp_path / "ws" / "mm.json").write_bytes(b"{}")
    assert by_convention(pod) == "m.cdx.json"


def test_a_file_with_one_extension_comes_before_those_with_several(tmp_path: Path) -> None:
    pod = at(tmp_path)
    for name in ("m.json", "m.spdx.json"):
        (tmp_path / "ws" / name).write_bytes(b"{}")
    assert by_convention(pod) == "m.json"


def test_two_files_with_several_extensions_have_to_be_told_apart(tmp_path: Path) -> None:
    pod = at(tmp_path)
    for name in ("m.cdx.json", "m.spdx.json"):
        (tmp_path / "ws" / name).write_bytes(b"{}")
    found = one(planned(SBOM, plan.From.CONVENTION), pod)
    assert found is not None
    assert "several files match: m.cdx.json, m.spdx.json" in found.finding


def test_a_file_of_a_config_map_is_taken_where_it_is_named_and_never_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "volume" / "..v1").mkdir(parents=True)
    (tmp_path / "volume" / "..v1" / "m.json").write_text("{}")
    (tmp_path / "volume" / "..data").symlink_to("..v1")
    (tmp_path / "volume" / "m.json").symlink_to("..data/m.json")
    pod = replace(at(tmp_path), workspaces={"source": str(tmp_path / "volume")}, published=frozenset({"source"}))
    found = one(in_workspace("m.json"), pod)
    assert found is not None
    assert (found.digest, found.finding) == (digests.of_bytes(b"{}"), "")
    assert one(planned(SBOM, plan.From.CONVENTION), pod) is None


def of_step(type_: str, name: str = "r", step: str = "two") -> plan.PlannedMaterial:
    return plan.PlannedMaterial("m", type_, plan.Source(plan.From.RESULT, name=name, step=step))


@pytest.mark.parametrize("type_", ["STRING", SBOM, "CONTAINER_IMAGE"])
@pytest.mark.parametrize("part", ["status", "status/results"])
def test_a_step_leads_nobody_elsewhere_by_a_link_in_place_of_its_own_folder(
    tmp_path: Path, type_: str, part: str
) -> None:
    elsewhere = tmp_path / "identity"
    (elsewhere / "results").mkdir(parents=True)
    for folder in (elsewhere, elsewhere / "results"):
        (folder / "url").write_text(f"reg/a@{DIGEST}")
    link = tmp_path / "run/1" / part
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    found = one(of_step(type_, "url"), replace(at(tmp_path), step_names=("one", "two")))
    assert found is not None
    assert (found.present, found.cause) == (False, "Link")


def test_a_result_of_a_step_is_read_from_that_steps_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "1" / "status" / "results"
    folder.mkdir(parents=True)
    (folder / "r").write_text("{}\n")
    (folder / "url").write_text(f"reg/a@{DIGEST}")
    pod = replace(at(tmp_path), step_names=("one", "two"))
    found = [
        one(of_step(type_, name), pod) for type_, name in (("STRING", "r"), (SBOM, "r"), ("CONTAINER_IMAGE", "url"))
    ]
    assert [each.value if each else None for each in found] == ["{}", "", f"reg/a@{DIGEST}"]
    assert found[1] is not None
    assert found[1].digest == digests.of_bytes(b"{}\n")
    assert [one(of_step(type_, step="three"), pod) for type_ in ("STRING", SBOM, "CONTAINER_IMAGE")] == [None] * 3


def test_a_path_that_the_server_could_not_fill_in_is_refused_in_its_words(tmp_path: Path) -> None:
    found = one(in_workspace("$(params.v)/f"), replace(at(tmp_path), unresolved={"m": "no param v (fix: write it)"}))
    assert found is not None
    assert (found.finding, found.cause) == ("no param v (fix: write it)", "PathUnresolved")
