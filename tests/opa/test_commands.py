"""`avouch policy init|lint|eval|test` with the real OPA: what people see."""

import json
import re
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest

from avouch import digests
from avouch.processes import commandline
from tests import loopback
from tests.opa import commands

pytestmark = pytest.mark.opa

ROOT = Path(__file__).parents[2]
SBOM = str(ROOT / "tests/corpus/reports/npm.cyclonedx.json")
LOG = str(ROOT / "tests/corpus/reports/markdownlint-cli2.sarif")
FRESH = str(ROOT / "examples/policies/sbom-fresh.yaml")
POLICY = """\
apiVersion: chainloop.dev/v1
kind: Policy
metadata:
  name: p
spec:
  inputs:
    - {name: need, required: true, description: what it needs}
  policies:
    - kind: SARIF
      embedded: |
        package main

        import rego.v1

        violations contains msg if {
        \tsome run in input.runs
        \tmsg := sprintf("%s %s", [run.name, input.args.need])
        }
"""
TABLE = """\
policy: p.yaml
cases:
  - name: a run is named
    material: {document: {runs: [{name: ruff}]}}
    with: {need: it}
    expect: {violations: [ruff it]}
  - name: no run passes
    material: {content: {runs: []}}
    with: {need: it}
    expect: passed
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "p.test.yaml").write_text(TABLE)
    return tmp_path


ASKING = """\
apiVersion: chainloop.dev/v1
kind: Policy
metadata:
  name: asking
spec:
  policies:
    - kind: SARIF
      embedded: |
        package main

        import rego.v1

        violations contains msg if {
        \tmsg := http.send({"method": "get", "url": input.where, "tls_ca_cert": input.ca}).raw_body
        }
"""


def test_a_script_asks_the_hosts_that_its_user_names_and_no_other(environment: dict[str, str], tmp_path: Path) -> None:
    tls = loopback.tls(tmp_path)
    (tmp_path / "asking.yaml").write_text(ASKING)
    with loopback.serving(lambda _: loopback.Reply(body=b"told"), tls) as served:
        document = {"version": "2.1.0", "runs": [], "where": served.url, "ca": tls.authority.read_text()}
        report = tmp_path / "report.json"
        report.write_text(json.dumps(document))
        case = {"name": "it asks", "material": {"document": document}, "expect": {"violations": ["told"]}}
        (tmp_path / "asking.test.yaml").write_text(json.dumps({"policy": "asking.yaml", "cases": [case]}))
        given = ("-f", str(tmp_path / "asking.yaml"), "--material", str(report), "--kind", "SARIF")
        none = commands.run(environment, "policy", "eval", *given)
        assert (none.code, "give --allow-host" in none.err) == (1, True), none.err
        other = commands.run(environment, "policy", "eval", *given, "--allow-host", "other.example")
        assert (other.code, "may not ask localhost" in other.err) == (1, True), other.err
        assert served.seen == []
        named = commands.run(environment, "policy", "eval", *given, "--allow-host", "localhost", "-o", "json")
        assert json.loads(named.out)["violations"] == ["told"], named.err
        table = str(tmp_path / "asking.test.yaml")
        assert commands.run(environment, "policy", "test", table).code == 1
        assert commands.run(environment, "policy", "test", table, "--allow-host", "localhost").code == 0
        server = commands.run(environment, "policy", "test", table, "--allow-host", "localhost", "--on-server")
        assert (server.code, "scripts that the server tries ask no host" in server.err) == (1, True), server.err


@pytest.mark.parametrize("kind", ["SBOM_CYCLONEDX_JSON", "ATTESTATION", "JUNIT_XML", "STRING", "CONTAINER_IMAGE"])
def test_the_policy_to_begin_with_is_well_written_and_its_tests_hold(
    environment: dict[str, str], tmp_path: Path, kind: str
) -> None:
    for more, suffix in (((), ".yaml"), (("--test",), ".test.yaml")):
        answer = commands.run(environment, "policy", "init", "mine", "--kind", kind, *more)
        (tmp_path / f"mine{suffix}").write_text(answer.out)
    answer = commands.run(environment, "policy", "lint", "--strict", "-f", str(tmp_path / "mine.yaml"))
    assert (answer.code, answer.out) == (0, "")
    assert commands.run(environment, "policy", "test", str(tmp_path)).code == 0


@pytest.mark.parametrize("name", ["a b", "x: y", "A", "-a", "a" * 64, "a\n"])
def test_a_policy_to_begin_with_has_a_name_that_the_cluster_takes(name: str) -> None:
    answer = commands.run({}, "policy", "init", "--name", name)
    assert (answer.code, answer.out) == (1, "")
    assert "is no name of a Policy" in answer.err
    assert commands.run({}, "policy", "init", "--name", "a").out == commands.run({}, "policy", "init", "a").out


def test_no_policy_can_judge_files_of_any_format(environment: dict[str, str]) -> None:
    assert commands.run(environment, "policy", "init", "mine", "--kind", "ARTIFACT").code == 2


def test_each_case_has_a_line_and_the_end_has_the_sum(environment: dict[str, str], folder: Path) -> None:
    answer = commands.run(environment, "policy", "test", str(folder / "p.test.yaml"))
    head, *lines = answer.out.splitlines()
    assert head == f"{folder}/p.test.yaml: p"
    assert [re.sub(r"\d+ ms", "N ms", line) for line in lines] == [
        "  ok    a run is named (N ms)",
        "  ok    no run passes (N ms)",
    ]
    assert re.fullmatch(r"2 case\(s\) of 1 file\(s\): all passed, in \d+\.\d s, OPA 1\.\d+\.\d+\n", answer.err)
    assert answer.code == 0


def test_a_case_that_fails_tells_what_differs_and_where(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.test.yaml").write_text(TABLE.replace("[ruff it]", "[ruff this]"))
    answer = commands.run(environment, "policy", "test", str(folder))
    assert answer.code == 1
    assert answer.out.splitlines()[2:5] == [
        f"        {folder}/p.test.yaml:3",
        "        other violations:",
        "          - ruff this",
    ]
    assert "          + ruff it" in answer.out
    assert "2 case(s) of 1 file(s): 1 failed" in answer.err


def test_json_and_junit_tell_the_same(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.test.yaml").write_text(TABLE.replace("[ruff it]", "[<ruff>]"))
    answer = commands.run(environment, "policy", "test", str(folder), "-o", "json")
    first, second = json.loads(answer.out)
    assert (answer.code, first["passed"], second["passed"]) == (1, False, True)
    assert first["differences"] == ["other violations:", "  - <ruff>", "  + ruff it"]
    assert (first["file"], first["line"], first["case"]) == (f"{folder}/p.test.yaml", 3, "a run is named")
    answer = commands.run(environment, "policy", "test", str(folder), "-o", "junit")
    suite = ElementTree.fromstring(answer.out)[0]  # noqa: S314 - our own output
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["a run is named", "no run passes"]
    assert "  - <ruff>" in (suite[0][0].text or "")


def test_only_the_cases_that_are_asked_for_are_run(environment: dict[str, str], folder: Path) -> None:
    answer = commands.run(environment, "policy", "test", str(folder), "--run", "named")
    assert "1 case(s) of 1 file(s): all passed" in answer.err
    answer = commands.run(environment, "policy", "test", str(folder), "--run", "nothing")
    assert answer.code == 1
    assert "no case has 'nothing' in its name" in answer.err


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TABLE.replace("p.yaml", "q.yaml"), "there is no"),
        (TABLE.replace("{document: {runs: [{name: ruff}]}}", "{file: gone.sarif}"), "gone.sarif: No such file"),
        (TABLE.replace("expect: passed", "expected: passed"), "did you mean expect?"),
    ],
)
def test_a_table_that_cannot_be_run_is_an_error_and_no_case_passes(
    environment: dict[str, str], folder: Path, table: str, message: str
) -> None:
    (folder / "p.test.yaml").write_text(table)
    answer = commands.run(environment, "policy", "test", str(folder))
    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err


def test_a_folder_without_tests_is_an_error(environment: dict[str, str], tmp_path: Path) -> None:
    answer = commands.run(environment, "policy", "test", str(tmp_path))
    assert answer.code == 1
    assert "no .test.yaml below it" in answer.err


def test_a_policy_of_several_types_needs_the_type_of_each_material(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.yaml").write_text(POLICY + POLICY[POLICY.index("    - kind") :].replace("SARIF", "OPENVEX"))
    answer = commands.run(environment, "policy", "test", str(folder))
    assert answer.code == 1
    assert "field: material.type" in answer.err


def test_an_input_that_the_policy_does_not_know_fails_the_case(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.test.yaml").write_text(TABLE.replace("{need: it}", "{need: it, neeed: it}"))
    answer = commands.run(environment, "policy", "test", str(folder))
    assert answer.code == 1
    assert "neeed is no input of policy p" in answer.out


def test_tests_beside_policies_are_not_declared(environment: dict[str, str], folder: Path) -> None:
    assert commands.run(environment, "contract", "lint", "-f", str(folder)).code == 0


def test_an_error_of_the_compiler_has_the_line_of_the_file_and_a_caret(
    environment: dict[str, str], folder: Path
) -> None:
    (folder / "p.yaml").write_text(POLICY.replace("run.name", "rune.name"))
    answer = commands.run(environment, "policy", "lint", "-f", str(folder))
    assert answer.code == 1
    assert answer.out.splitlines() == [
        f"{folder}/p.yaml:17:17: error: spec.policies[0].embedded: var rune is unsafe",
        '     msg := sprintf("%s %s", [rune.name, input.args.need])',
        f"    {' ' * 8}^",
    ]
    assert answer.err.startswith("1 file(s): 1 error(s), 0 warning(s), OPA 1.")


def test_what_the_formatter_would_change_is_a_warning_with_its_line(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.yaml").write_text(POLICY.replace("\tsome run", "    some run"))
    answer = commands.run(environment, "policy", "lint", "-f", str(folder))
    assert answer.code == 0
    assert answer.out.splitlines()[0] == (
        f"{folder}/p.yaml:16:13: warning: spec.policies[0].embedded: opa fmt writes: <tab>some run in input.runs"
    )
    assert commands.run(environment, "policy", "lint", "--strict", "-f", str(folder)).code == 1


def test_lines_that_are_left_out_are_told_too(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.yaml").write_text(POLICY.replace("import rego.v1\n\n", "import rego.v1\n\n\n\n"))
    answer = commands.run(environment, "policy", "lint", "-f", str(folder), "-o", "json")
    (found,) = json.loads(answer.out)
    assert (found["line"], found["column"]) == (14, 1)
    assert (found["severity"], found["message"]) == ("warning", "opa fmt leaves out 2 line(s)")


def test_a_script_in_quotes_has_its_own_lines(environment: dict[str, str], folder: Path) -> None:
    script = POLICY.replace("embedded: |\n", "embedded: >-\n").replace("run.name", "rune.name")
    (folder / "p.yaml").write_text(script)
    answer = commands.run(environment, "policy", "lint", "-f", str(folder))
    assert answer.code == 1
    assert f"{folder}/p.yaml:10:17: error: spec.policies[0].embedded: " in answer.out


def test_what_is_wrong_with_the_policy_itself_comes_before_its_scripts(
    environment: dict[str, str], folder: Path
) -> None:
    (folder / "p.yaml").write_text(POLICY.replace("SARIF", "SARIFF").replace("run.name", "rune.name"))
    answer = commands.run(environment, "policy", "lint", "-f", str(folder))
    assert answer.code == 1
    assert "rune" not in answer.out
    assert "SARIFF" in answer.out


def test_what_regal_finds_is_a_warning_where_it_is_on_path(
    environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    report = {
        "violations": [
            {
                "title": "line-length",
                "category": "style",
                "description": "Line too long",
                "location": {"file": "policy.rego", "row": 7, "col": 5},
            }
        ]
    }
    programs = tmp_path / "bin"
    programs.mkdir()
    _program(programs / "regal", f"echo '{json.dumps(report)}'; exit 3")
    answer = commands.run({**environment, "PATH": str(programs)}, "policy", "lint", "-f", str(folder / "p.yaml"))
    assert answer.code == 0
    assert answer.out.splitlines()[0] == (
        f"{folder}/p.yaml:17:13: warning: spec.policies[0].embedded: regal style/line-length: Line too long"
    )
    _program(programs / "regal", "echo broken >&2; exit 1")
    answer = commands.run({**environment, "PATH": str(programs)}, "policy", "lint", "-f", str(folder / "p.yaml"))
    assert "regal ended with 1 and no report: broken" in answer.out


def test_eval_tells_the_violations_and_on_stderr_how_long_it_took_by_which_opa(
    environment: dict[str, str], folder: Path
) -> None:
    arguments = ("--material", SBOM, "--at", "2027-11-30T12:00:00Z")
    answer = commands.run(environment, "policy", "eval", "-f", FRESH, *arguments)
    assert answer.code == 1
    assert answer.out.splitlines()[0] == "sbom-fresh: 1 violation"
    assert "373 days ago" in answer.out
    assert re.fullmatch(r"SBOM_CYCLONEDX_JSON, evaluated in \d+ ms by OPA 1\.\d+\.\d+\n", answer.err)


def test_eval_tells_what_findings_say_beside_their_message(environment: dict[str, str], tmp_path: Path) -> None:
    finding = {"message": "openssl", "external_id": "CVE-1", "package_purl": "pkg:deb/openssl", "severity": "HIGH"}
    script = f"violations contains {json.dumps(finding)}"
    source = POLICY[: POLICY.index("        violations")].replace("SARIF", "SBOM_CYCLONEDX_JSON")
    source = source.replace("required: true", "default: it")
    source = source.replace("metadata:\n", "metadata:\n  annotations: {chainloop.dev/finding_type: VULNERABILITY}\n")
    (tmp_path / "p.yaml").write_text(f"{source}        {script}\n")
    arguments = ("policy", "eval", "-f", str(tmp_path / "p.yaml"), "--material", SBOM)
    answer = commands.run(environment, *arguments)
    facts = "    external_id: CVE-1, package_purl: pkg:deb/openssl, severity: HIGH"
    assert answer.out.splitlines() == ["p: 1 violation", "  openssl", facts]
    told = json.loads(commands.run(environment, *arguments, "-o", "json").out)
    assert told["findings"] == [finding]


@pytest.mark.parametrize(("content", "complaint"), [("", "is empty"), ('{"a": 1}', "bomFormat is not CycloneDX")])
def test_a_file_of_another_type_is_not_judged(
    environment: dict[str, str], tmp_path: Path, content: str, complaint: str
) -> None:
    (tmp_path / "sbom.json").write_text(content)
    said = ("eval", "-p", FRESH, "--material", str(tmp_path / "sbom.json"), "--kind", "SBOM_CYCLONEDX_JSON")
    answer = commands.run(environment, "policy", *said)
    assert (answer.code, answer.out) == (1, "")
    assert complaint in answer.err
    case = "{name: a, material: {type: SBOM_CYCLONEDX_JSON, file: sbom.json}, expect: {error: %s}}"
    (tmp_path / "a.test.yaml").write_text(f"policy: p.yaml\ncases: [{case % complaint}]\n")
    (tmp_path / "p.yaml").write_text(Path(FRESH).read_text())
    assert commands.run(environment, "policy", "test", str(tmp_path / "a.test.yaml")).code == 0


def test_chainloops_names_of_commands_and_flags_mean_the_same(environment: dict[str, str]) -> None:
    assert commands.run(environment, "policy", "devel", "lint", "-p", FRESH).code == 0
    assert commands.run(environment, "policy", "develop", "lint", "--policy", FRESH).code == 0
    said = ("--policy", FRESH, "--material", SBOM, "--at", "2026-11-30T12:00:00Z", "--input", "max_days=99")
    allowed = ("--allowed-hostnames", "a.example,b.example")
    assert commands.run(environment, "policy", "develop", "eval", *said, *allowed).code == 0


def test_a_script_before_rego_v1_is_told_how_to_become_one(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.yaml").write_text(POLICY.replace("violations contains msg if {", "violations[msg] {"))
    answer = commands.run(environment, "policy", "lint", "-f", str(folder / "p.yaml"))
    assert answer.code == 1
    assert answer.out.count("this is Rego v0 (fix: rewrite it: opa fmt --v0-v1 -w FILE.rego)") == 1


def test_a_blank_line_of_the_formatter_is_told_in_words(environment: dict[str, str], folder: Path) -> None:
    (folder / "p.yaml").write_text(POLICY.replace("import rego.v1\n\n", "import rego.v1\n"))
    answer = commands.run(environment, "policy", "lint", "-f", str(folder / "p.yaml"))
    assert "opa fmt writes before this: a blank line" in answer.out


def test_eval_without_a_required_input_says_which_option_gives_it(environment: dict[str, str], folder: Path) -> None:
    arguments = ("policy", "eval", "-f", str(folder / "p.yaml"), "--kind", "SARIF", "--material", LOG)
    answer = commands.run(environment, *arguments)
    assert answer.code == 1
    assert "policy p requires the input need (what it needs)" in answer.err
    assert "fix: add --input need=VALUE" in answer.err
    answer = commands.run(environment, *arguments, "--input", "need=1", "--input", "other=2")
    assert answer.out == "p: passed\n"
    assert "note: other is no input of policy p, and is left out" in answer.err


def test_eval_shows_what_scripts_see(environment: dict[str, str]) -> None:
    arguments = ("--material", SBOM, "--input", "max_days=7", "--annotation", "team=shop", "--show-input")
    answer = commands.run({}, "policy", "eval", "-f", FRESH, *arguments)
    seen = json.loads(answer.out)
    assert seen["bomFormat"] == "CycloneDX"
    assert seen["args"] == {"max_days": "7"}
    assert seen["chainloop_metadata"]["annotations"] == {
        "chainloop.material.name": "npm",
        "chainloop.material.type": "SBOM_CYCLONEDX_JSON",
        "team": "shop",
    }


@pytest.mark.parametrize("option", [("--input", "max_days"), ("--annotation", "=a")])
def test_a_pair_that_is_none_is_refused(option: tuple[str, str]) -> None:
    answer = commands.run({}, "policy", "eval", "-f", FRESH, "--material", SBOM, *option)
    assert answer.code == 2
    assert "is not NAME=VALUE" in answer.err


def test_a_time_that_is_none_is_refused() -> None:
    answer = commands.run({}, "policy", "eval", "-f", FRESH, "--material", SBOM, "--at", "today")
    assert answer.code == 1
    assert "fix: write it like 2026-11-30T12:00:00Z" in answer.err


def test_without_opa_the_fix_says_what_to_install(folder: Path) -> None:
    answer = commands.run({"PATH": str(folder)}, "policy", "test", str(folder))
    assert answer.code == 1
    assert "AVOUCH_OPA" in answer.err


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_version_names_the_opa_that_is_there_and_the_one_that_the_server_has(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVOUCH_OPA", environment["AVOUCH_OPA"])
    found = commandline.Adapters().opa()
    assert found.version.startswith(f"{found.wanted}.")
    assert (found.path, found.problem) == (environment["AVOUCH_OPA"], "")


def test_a_program_that_is_not_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVOUCH_OPA", "/nowhere/opa")
    found = commandline.Adapters().opa()
    assert (found.version, found.path) == ("", "")
    assert "/nowhere/opa is not there" in found.problem


BESIDE = POLICY.partition("embedded: |")[0] + "ref: scripts/p.rego\n"
SCRIPT = "\n".join(line[8:] for line in POLICY.partition("embedded: |\n")[2].splitlines()) + "\n"


@pytest.fixture
def beside(folder: Path) -> Path:
    """The policy of `folder`, with its script in another file."""
    (folder / "scripts").mkdir()
    (folder / "scripts" / "p.rego").write_text(SCRIPT)
    (folder / "p.yaml").write_text(BESIDE)
    return folder


@pytest.mark.parametrize("form", ["ref: scripts/p.rego", "ref: file://scripts/p.rego", "path: ./scripts/p.rego"])
def test_a_script_beside_its_policy_is_tested_evaluated_and_linted(
    environment: dict[str, str], beside: Path, form: str
) -> None:
    (beside / "p.yaml").write_text(BESIDE.replace("ref: scripts/p.rego", form))
    (beside / "m.sarif").write_text(
        '{"version": "2.1.0", "runs": [{"name": "ruff", "tool": {"driver": {"name": "r"}}}]}'
    )
    policy = str(beside / "p.yaml")
    assert commands.run(environment, "policy", "test", str(beside)).code == 0
    asked = ("--material", str(beside / "m.sarif"), "--kind", "SARIF", "--input", "need=it")
    answer = commands.run(environment, "policy", "eval", "-f", policy, *asked)
    assert (answer.code, answer.out) == (1, "p: 1 violation\n  ruff it\n"), answer.err
    answer = commands.run(environment, "policy", "lint", "--strict", "-f", policy)
    assert (answer.code, answer.out) == (0, ""), answer.out


def test_what_is_wrong_with_a_script_beside_its_policy_is_told_by_its_own_line(
    environment: dict[str, str], beside: Path
) -> None:
    (beside / "scripts" / "p.rego").write_text(SCRIPT.replace("run.name", "walk.name"))
    answer = commands.run(environment, "policy", "lint", "-f", str(beside / "p.yaml"))
    assert answer.code == 1
    assert f"{beside}/scripts/p.rego:7:9:" in answer.out
    assert "walk" in answer.out
    (beside / "scripts" / "p.rego").unlink()
    answer = commands.run(environment, "policy", "lint", "-f", str(beside / "p.yaml"))
    assert f"{beside}/p.yaml:10:12: error: spec.policies[0].ref: there is no file" in answer.out
    assert commands.run(environment, "policy", "test", str(beside)).code == 1


def test_a_policy_of_the_web_has_its_scripts_at_its_own_address(environment: dict[str, str], folder: Path) -> None:
    pages = {
        "https://policies.example/a/p.yaml": BESIDE.encode(),
        "https://policies.example/a/scripts/p.rego": SCRIPT.encode(),
        "https://policies.example/b/p.yaml": BESIDE.replace("ref: scripts", "ref: file://scripts").encode(),
    }
    (folder / "m.json").write_text(
        '{"version": "2.1.0", "runs": [{"name": "ruff", "tool": {"driver": {"name": "r"}}}]}'
    )
    asked = ("--material", str(folder / "m.json"), "--kind", "SARIF", "--input", "need=it", "--show-input")
    url, digest = next(iter(pages)), digests.of_bytes(BESIDE.encode())
    for name, told in (
        (url, ""),
        (f"{url}@{digest}", ""),
        (f"{url}@sha256:{'0' * 64}", f"digest mismatch: got {digest}"),
        ("https://policies.example/b/p.yaml", "names no file of others"),
    ):
        answer = commands.run(environment, "policy", "eval", "-f", name, *asked, pages=pages)
        assert (answer.code == 0) == (told == ""), (name, answer.err)
        assert told in answer.err
