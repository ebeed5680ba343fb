"""From the last step to the pushed claim, in one process; its exit code and report as people see them."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from avouch import errors, plan
from avouch.sidecar import collect, push, settings, work
from tests.unit.sidecar import life, server


@dataclass
class Pod:
    """A pod of one step whose workspace holds sbom.json, and the server that it pushes to."""

    root: Path
    script: server.Script
    patch: pytest.MonkeyPatch

    def attests(self, *arguments: str, done: int = 1, **environment: str) -> int:
        """Work; the exit code."""
        workspaces = f'{{"source":"{self.root}/ws"}}'
        known = life.environment(
            self.root,
            1,
            AVOUCH_SERVER=self.script.url,
            AVOUCH_CA=self.script.ca,
            AVOUCH_WORKSPACES=workspaces,
            **environment,
        )
        for name, value in known.items():
            self.patch.setenv(name, value)
        return work.main(arguments, done)

    @property
    def report(self) -> str:
        """What an explicit step leaves behind; empty without one."""
        file = self.root / "tekton" / "results" / work.REPORT
        return file.read_text() if file.exists() else ""

    @property
    def last_word(self) -> list[str]:
        """Lines that the container leaves in the pod's status; none of an explicit step."""
        file = self.root / "last-word"
        return file.read_text().splitlines() if file.exists() else []

    def predicate(self) -> dict[str, Any]:
        found: dict[str, Any] = self.script.statement()["predicate"]
        return found

    def methods(self) -> list[str]:
        return [method for method, *_ in self.script.requests]


@contextmanager
def a_pod(root: Path, patch: pytest.MonkeyPatch) -> Iterator[Pod]:
    script = server.Script(life.a_plan(root))
    (root / "ws" / "sbom.json").write_text("{}")
    with server.serving(script, root):
        yield Pod(root, script, patch)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    for name in ("KUBERNETES_SERVICE_HOST", "TEKTON_DASHBOARD_URL"):
        monkeypatch.delenv(name, raising=False)
    with a_pod(tmp_path, monkeypatch) as found:
        yield found


def names(predicate: dict[str, Any]) -> list[str]:
    return [material["annotations"]["chainloop.material.name"] for material in predicate.get("materials", [])]


def test_the_injected_sidecar_pushes_what_it_found_and_tells_it_on_stderr_only(
    pod: Pod, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pod.attests() == 0
    assert pod.methods() == ["POST", "PUT", "POST", "POST"]
    assert names(pod.predicate()) == ["sbom"]
    assert {headers["Avouch-Client"] for _, _, headers, _ in pod.script.requests} == {"sidecar"}
    told = capsys.readouterr().err.splitlines()
    (digest,) = (material["digest"]["sha256"] for material in pod.predicate()["materials"])
    assert told[0] == f"avouch: w: sbom: sha256:{digest}"
    assert told[1].startswith("avouch: w: run w-1: claim sha256:")
    assert told[1].endswith(" is stored")
    assert len(told) == 2
    assert pod.report == ""


def test_an_explicit_step_leaves_a_report_and_is_told_from_the_sidecar(pod: Pod) -> None:
    assert pod.attests("--step", "--strict", done=0) == 0
    assert pod.report.splitlines()[-1].endswith(" is stored")
    assert {headers["Avouch-Client"] for _, _, headers, _ in pod.script.requests} == {"step"}


STRICT = {
    (): 0,
    ("--strict",): 0,
    ("--step",): 0,
    ("--step", "--strict=false"): 0,
    ("--step", "--strict"): 1,
    ("--step", "--strict=true"): 1,
}


@pytest.mark.parametrize("arguments", STRICT)
@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("address", "nothing was attested: AVOUCH_SERVER: must be an https:// address"),
        ("certificate", "w: the server answered 403: refused"),
        ("image", "w: image: 'reg/app:1' is not pinned to a digest"),
        ("argument", "nothing was attested: arguments: "),
    ],
)
def test_only_a_strict_step_lets_it_show_that_something_was_not_attested(
    pod: Pod, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], fails: str, said: str
) -> None:
    more = {"image": ("--material", "image=reg/app:1"), "argument": ("--materials", "image")}.get(fails, ())
    pod.script.url = "http://x" if fails == "address" else pod.script.url
    pod.script.forbids = fails
    image = plan.PlannedMaterial("image", "CONTAINER_IMAGE", optional=True)
    pod.script.plan = replace(pod.script.plan, materials=(image,))
    assert pod.attests(*arguments, *more) == STRICT[arguments]
    assert f"avouch: {said}" in capsys.readouterr().err
    assert (said in pod.report) is ("--step" in arguments)


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--step",), 0), (("--step", "--strict"), 1)])
def test_a_fault_of_our_own_breaks_no_build_either(pod: Pod, arguments: tuple[str, ...], code: int) -> None:
    def broken(_: object) -> None:
        raise KeyError("ours")

    pod.patch.setattr(push.Client, "open", broken)
    assert pod.attests(*arguments) == code
    assert ("nothing was attested: KeyError: 'ours'" in pod.report) is bool(arguments)


def test_what_was_given_by_hand_and_delivered_fails_no_strict_step(pod: Pod) -> None:
    assert pod.attests("--step", "--strict", "--material", "note=text") == 0
    assert sorted(names(pod.predicate())) == ["note", "sbom"]


@pytest.mark.parametrize(
    ("name", "expected"), [("build-pod", "build-pod"), ("", "avouch-sidecar"), ("p" * 70, "p" * 64)]
)
def test_the_key_is_certified_for_the_pod_as_far_as_a_name_may_be_long(pod: Pod, name: str, expected: str) -> None:
    assert pod.attests(POD_NAME=name, HOSTNAME=name) == 0
    (body,) = pod.script.bodies("/certificate")
    request = x509.load_pem_x509_csr(json.loads(body)["csr"].encode())
    assert [each.value for each in request.subject] == [expected]


def test_a_value_by_hand_is_all_after_the_first_equals_sign() -> None:
    assert work._arguments(["--material", "image=reg=1"]).material == [("image", "reg=1")]


@pytest.mark.parametrize("given", ["=reg/app", "image", "=", ""])
def test_a_material_by_hand_has_a_name_and_a_value(given: str) -> None:
    with pytest.raises(errors.Invalid, match="write NAME=VALUE") as caught:
        work._arguments(["--material", given])
    assert caught.value.field == "arguments"


def test_a_finding_about_what_nobody_gave_by_hand_fails_no_strict_step(pod: Pod) -> None:
    (pod.root / "ws" / "sbom.json").write_text("")
    assert pod.attests("--step", "--strict") == 0
    assert "w: sbom: sbom.json is empty" in pod.report


def test_bytes_that_need_not_be_uploaded_are_not(pod: Pod) -> None:
    (sbom,) = pod.script.plan.materials
    pod.script.plan = replace(pod.script.plan, materials=(replace(sbom, skip_upload=True),))
    pod.attests()
    assert pod.methods() == ["POST", "POST", "POST"]
    assert names(pod.predicate()) == ["sbom"]
    assert pod.predicate()["materials"][0]["annotations"].get("chainloop.material.cas") is not True


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda file: file.write_text("[]"), "sbom.json changed after it was read"),
        (lambda file: file.unlink(), "sbom.json does not exist"),
    ],
    ids=["rewritten", "deleted"],
)
def test_a_file_that_is_not_what_was_hashed_when_it_is_sent_is_a_finding_and_no_evidence(
    pod: Pod, change: Callable[[Path], object], finding: str
) -> None:
    upload = push.Client.upload

    def meanwhile(*arguments: Any) -> None:
        change(pod.root / "ws" / "sbom.json")
        upload(*arguments)

    pod.patch.setattr(push.Client, "upload", meanwhile)
    assert pod.attests("--step") == 0
    assert names(pod.predicate()) == []
    told = {"avouch.dev/finding.sbom": finding, "avouch.dev/cause.sbom": "Changed"}
    assert pod.predicate()["annotations"] == told
    assert f"w: sbom: {finding}" in pod.report


@pytest.mark.parametrize(("done", "said"), [(0, True), (1, False), (2, False)])
def test_steps_that_did_not_end_are_told(pod: Pod, capsys: pytest.CaptureFixture[str], done: int, said: bool) -> None:
    pod.attests(done=done)
    assert ("avouch: 1 of 1 steps did not end by themselves\n" in capsys.readouterr().err) is said


def test_no_try_is_later_than_the_budget_and_its_alarm_is_off_afterwards(pod: Pod) -> None:
    pod.script.failures[:] = [(429, {"Retry-After": "1"})]
    assert pod.attests("--step", "--strict", AVOUCH_BUDGET="0.5") == 1
    assert "429: scripted" in pod.report
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


SIGNED = "sbom sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_the_last_word_says_where_the_claim_is_and_names_what_it_holds(pod: Pod) -> None:
    pod.attests()
    assert pod.last_word[0].startswith("w: run w-1: claim sha256:")
    assert pod.last_word[1:] == [SIGNED]


def test_a_sidecar_that_is_killed_while_it_pushes_has_said_what_it_signed(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(push.Client, "push", killed)
    with pytest.raises(KeyboardInterrupt):
        pod.attests()
    assert pod.last_word == ["w: the claim was signed, and is being sent", SIGNED]


def test_the_first_failure_is_the_last_word_whatever_is_told_after_it(pod: Pod) -> None:
    pod.script.forbids = "/bundles"
    pod.attests()
    assert pod.last_word == ["w: the server answered 403: refused", SIGNED]


def test_a_server_that_is_away_is_named_with_every_kind_of_its_silence(pod: Pod) -> None:
    pod.script.failures[:] = [(503, {}), (500, {})] * 9
    pod.attests(AVOUCH_BUDGET="0.6")
    assert pod.last_word == ["nothing was attested: POST /v1/runs: 503: scripted, then 500: scripted"]


def test_a_pod_without_the_clusters_names_is_told_which_dns_it_needs(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolves(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolves)
    pod.attests(AVOUCH_BUDGET="0.4")
    (line,) = pod.last_word
    assert "gaierror: [Errno -3] Temporary failure in name resolution (fix: give the pod the cluster's DNS" in line


def test_the_first_failure_stays_the_last_word_whatever_is_said_after_it(pod: Pod) -> None:
    pod.patch.setenv("AVOUCH_LAST_WORD", str(pod.root / "last-word"))
    report = work.Report(injected=True)
    for say in (report.say, report.fail, report.say, report.fail):
        say(f"line {len(report.lines)}")
    assert pod.last_word == ["line 1"]


def test_what_was_not_collected_is_not_among_what_was_signed(pod: Pod) -> None:
    pod.patch.setenv("AVOUCH_LAST_WORD", str(pod.root / "last-word"))
    taken, missed = (plan.PlannedMaterial(name, "STRING") for name in ("note", "other"))
    one = collect.of_text(taken, "hello")
    work.Report(injected=True).sign("w", [one, collect.Collected(missed, finding="the value is empty")])
    assert pod.last_word == ["w: the claim was signed, and is being sent", f"note {one.digest}"]


def test_an_explicit_step_leaves_tektons_termination_message_alone(pod: Pod) -> None:
    pod.attests("--step")
    assert pod.last_word == []


def test_a_last_word_that_cannot_be_left_is_told_and_costs_nothing_else(
    pod: Pod, capsys: pytest.CaptureFixture[str]
) -> None:
    (pod.root / "last-word").mkdir()
    assert pod.attests() == 0
    assert pod.methods() == ["POST", "PUT", "POST", "POST"]
    assert "avouch: the last word could not be left: " in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_told_and_fails_a_strict_step(
    pod: Pod, capsys: pytest.CaptureFixture[str]
) -> None:
    (pod.root / "tekton" / "results" / work.REPORT).mkdir(parents=True)
    assert pod.attests("--step", "--strict") == 1
    assert "avouch: the report could not be written: " in capsys.readouterr().err


def test_a_report_is_cut_to_what_a_result_holds_and_stays_text() -> None:
    report = work.Report()
    report.say("x" + "é" * work.MAX_REPORT)
    assert report.text() == "x" + "é" * ((work.MAX_REPORT - 1) // 2)


SERVERS = plan.PlannedMaterial("sbom", "SBOM_CYCLONEDX_JSON", plan.Source(plan.From.WORKSPACE, "build", "source"))
OTHERS = replace(SERVERS, name="image", type="CONTAINER_IMAGE", source=plan.Source(plan.From.RESULT, "test", "r"))
ANYBODYS = replace(SERVERS, name="any", source=plan.Source())


def a_plan(*materials: plan.PlannedMaterial, **changes: Any) -> plan.Plan:
    return replace(plan.Plan("w", "u", "ns", "c", 1, "sha256:" + "1" * 64, materials), **changes)


def copied(**changes: Any) -> plan.Plan:
    """The environment's copy of the plan, cut to one material."""
    return a_plan(ANYBODYS, **changes)


@pytest.mark.parametrize(
    ("known", "task", "said", "expected"),
    [
        ((copied(),), "build", (), ["any"]),
        ((copied(workflow_uid="v"), copied()), "build", (), ["any"]),
        ((copied(workflow_uid="v"),), "build", (), ["sbom", "any"]),
        ((copied(contract_digest="sha256:" + "2" * 64),), "test", (), ["image", "any"]),
        ((), "", (), ["sbom", "image", "any"]),
        ((copied(),), "build", ("any", "image"), ["any", "image"]),
        ((), "build", ("unknown",), ["sbom", "any", "unknown"]),
    ],
    ids=["copy", "copy of two", "another workflow", "another contract", "no task", "by hand", "not in the contract"],
)
def test_a_pod_collects_what_its_copy_of_the_plan_says_or_the_server_and_what_is_given_by_hand(
    known: tuple[plan.Plan, ...], task: str, said: tuple[str, ...], expected: list[str]
) -> None:
    types = {"image": "CONTAINER_IMAGE", "unknown": "STRING"}
    options = settings.Settings("https://x", "", known)
    found = work.wanted(a_plan(SERVERS, OTHERS, ANYBODYS), options, task, said)
    assert [(each.name, each.type) for each in found] == [
        (name, types.get(name, "SBOM_CYCLONEDX_JSON")) for name in expected
    ]


def test_a_text_that_the_contract_does_not_name_is_taken_and_not_asked_for() -> None:
    (found,) = work.wanted(a_plan(), settings.Settings("https://x", ""), "", ["unknown"])
    assert (found.type, found.optional) == ("STRING", True)


def test_a_param_in_a_path_is_filled_in_by_the_server_and_nothing_else_of_the_copy_changes() -> None:
    templated = replace(SERVERS, source=replace(SERVERS.source, path="$(params.v)/f"))
    here = a_plan(templated, replace(ANYBODYS, output=True))
    theirs = a_plan(replace(templated, source=replace(templated.source, path="1/f")), ANYBODYS, OTHERS)
    found = work.wanted(theirs, settings.Settings("https://x", "", (here,)), "build", ())
    assert found == (theirs.materials[0], here.materials[1])
