import json
import os
import threading
from pathlib import Path

import pytest
import yaml

from avouch.cli import output
from avouch.contract import reading, revisions, scalars
from avouch.contract.text import nodes, yamltext
from tests.unit.cli import line

GOOD = """\
apiVersion: chainloop.dev/v1
kind: Contract
metadata:
  name: c
spec:
  materials:
  - {type: SARIF, name: s}
"""
TYPING_ERROR = GOOD.replace("name: s}", "name: s, optionl: true}")
BAD = GOOD.replace("SARIF", "SARIFF")
LEGACY = "schemaVersion: v1\n# why\nmaterials:\n- {type: 2, name: image}\n"


def test_lint_names_file_line_and_column_and_the_nearest_name(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(TYPING_ERROR)
    answer = line.run("contract", "lint", "-f", str(path))
    assert answer.code == 0
    assert answer.out.startswith(f"{path}:7:28: warning: spec.materials[0].optionl: ")
    assert "did you mean optional?" in answer.out
    assert answer.err == "1 file(s): 0 error(s), 1 warning(s)\n"
    assert line.run("contract", "lint", "--strict", "-f", str(path)).code == 1


def test_lint_fails_on_errors_and_says_them_in_json_too():
    answer = line.run("contract", "lint", "-f", "-", "-o", "json", stdin=BAD)
    assert answer.code == 1
    (found,) = json.loads(answer.out)
    assert (found["file"], found["line"], found["severity"]) == ("standard input", 7, "error")
    assert found["field"] == "spec.materials[0].type"


def test_lint_reads_folders_below_and_passes_over_what_is_no_declaration(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/two.yml").write_text(BAD)
    (tmp_path / "one.json").write_text(json.dumps(yaml.safe_load(GOOD)))
    (tmp_path / "readme.md").write_text("no")
    answer = line.run("contract", "lint", "-f", str(tmp_path))
    assert answer.code == 1
    assert "2 file(s): 1 error(s)" in answer.err


def test_our_own_kinds_in_a_folder_are_no_errors(tmp_path):
    (tmp_path / "w.yaml").write_text("apiVersion: avouch.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec: {}\n")
    assert line.run("contract", "lint", "-f", str(tmp_path)).code == 0


@pytest.mark.parametrize("kind", ["Deployment", "List", None])
def test_kinds_of_others_are_refused(kind):
    answer = line.run("apply", "--dry-run", "-f", "-", stdin=json.dumps({"apiVersion": "apps/v1", "kind": kind}))
    assert answer.code == 1
    assert "kind" in answer.err


def test_an_empty_folder_is_an_error_because_somebody_meant_another_one(tmp_path):
    answer = line.run("contract", "lint", "-f", str(tmp_path))
    assert answer.code == 1
    assert "no .yaml, .yml, .json below it" in answer.err


def test_a_url_is_downloaded_and_cue_is_refused_with_the_way_out():
    adapters = line.Adapters(pages={"https://x.example/c.yaml": GOOD.encode(), "https://x.example/c.cue": b'a: "b"'})
    assert line.run("contract", "lint", "-f", "https://x.example/c.yaml", adapters=adapters).code == 0
    answer = line.run("contract", "convert", "-f", "https://x.example/c.cue", adapters=adapters)
    assert answer.code == 1
    assert "CUE contract format is no longer supported" in answer.err
    assert "cue export" in answer.err
    assert "404" in line.run("contract", "lint", "-f", "https://x.example/none", adapters=adapters).err


def test_a_pipe_is_read_like_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(GOOD))
    writer.start()
    assert line.run("contract", "lint", "-f", str(pipe)).code == 0
    writer.join()


def test_a_file_that_is_too_large_is_refused_and_not_read_whole(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    answer = line.run("contract", "lint", "-f", str(path))
    assert answer.code == 1
    assert "1048577 bytes, more than 1048576" in answer.out


def test_convert_writes_the_same_contract_in_schema_v2_and_says_that_comments_are_lost():
    answer = line.run("contract", "convert", "-f", "-", "--name", "c", "--description", "why", stdin=LEGACY)
    assert answer.code == 0
    assert answer.err == "note: comments of standard input are not carried over\n"
    made = yaml.safe_load(answer.out)
    assert made["spec"]["materials"] == [{"type": "CONTAINER_IMAGE", "name": "image"}]
    assert made["metadata"]["annotations"] == {"chainloop.dev/description": "why"}


def test_convert_and_back_means_the_same():
    made = line.run("contract", "convert", "-f", "-", "-o", "json", stdin=GOOD.replace("c\n", "c\n  description: d\n"))
    assert "description" not in json.loads(made.out)["metadata"]
    back = line.run("contract", "convert", "-f", "-", "--to", "chainloop", stdin=made.out)
    assert yaml.safe_load(back.out)["metadata"]["description"] == "d"


def test_what_is_mended_on_the_way_is_no_warning():
    answer = line.run("contract", "convert", "-f", "-", stdin=GOOD.replace("c\n", "c\n  description: d\n"))
    assert (answer.code, answer.err) == (0, "")


def test_a_contract_with_errors_is_not_converted():
    answer = line.run("contract", "convert", "-f", "-", stdin=BAD)
    assert (answer.code, answer.out) == (1, "")
    assert "nothing was done" in answer.err


def test_the_legacy_form_without_a_name_and_a_name_for_several_are_refused():
    assert "fix: say --name" in line.run("contract", "convert", "-f", "-", stdin=LEGACY).err
    two = GOOD + "---\n" + GOOD
    assert "fit one contract, here are 2" in line.run("contract", "convert", "-f", "-", "--name", "c", stdin=two).err


def test_a_name_that_no_object_can_have_is_refused():
    answer = line.run("contract", "convert", "-f", "-", "--name", "My contract", stdin=LEGACY)
    assert (answer.code, answer.out) == (1, "")
    assert "'My contract' must contain only lowercase" in answer.err
    assert "field: --name" in answer.err


def test_another_name_than_the_files_is_refused():
    answer = line.run("apply", "--dry-run", "-f", "-", "--name", "other", stdin=GOOD)
    assert answer.code == 1
    assert '--name "other" and metadata.name "c" differ' in answer.err


def test_a_dry_run_asks_nobody():
    answer = line.run("apply", "--dry-run", "-f", "-", stdin=GOOD)
    assert answer.out == "contract.chainloop.dev/c checked (dry run, nothing was sent)\n"
    shown = line.run("apply", "--dry-run", "-f", "-", "-o", "yaml", stdin=GOOD).out
    wanted = revisions.digest(reading.read(yaml.safe_load(GOOD)))
    assert revisions.digest(reading.read(yaml.safe_load(shown))) == wanted


def test_create_needs_a_name_or_a_file_and_one_contract_in_it():
    assert "name is required when no file is provided" in line.run("contract", "create").err
    two = line.run("contract", "create", "-f", "-", "--dry-run", stdin=GOOD + "---\n" + GOOD)
    assert "declares Contract, Contract, not one Contract" in two.err
    workflow = "apiVersion: avouch.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w}\n"
    assert "declares Workflow" in line.run("contract", "create", "-f", "-", "--dry-run", stdin=workflow).err


def test_a_namespace_that_the_file_contradicts_is_refused():
    placed = GOOD.replace("name: c\n", "name: c\n  namespace: a\n")
    answer = line.run("contract", "create", "-n", "b", "-f", "-", "--dry-run", stdin=placed)
    assert answer.code == 1
    assert "field: metadata.namespace" in answer.err


def test_two_different_names_are_refused():
    assert line.run("contract", "create", "a", "--name", "b", "--dry-run").code == 2
    assert line.run("contract", "create", "a", "--name", "a", "--dry-run").code == 0


def test_more_than_anybody_means_is_refused_before_all_of_it_is_read(tmp_path):
    for number in range(70):
        with (tmp_path / f"{number}.yaml").open("wb") as file:
            file.truncate(1024 * 1024)
    answer = line.run("contract", "lint", "-f", str(tmp_path))
    assert answer.code == 1
    assert "more than 67108864 bytes in all" in answer.err


def test_a_workflow_takes_a_contracts_name_or_its_file(tmp_path):
    def made(*arguments, stdin=""):
        answer = line.run("workflow", "create", "w", "--dry-run", "-o", "json", *arguments, stdin=stdin)
        return json.loads(answer.out) if answer.code == 0 else answer.err

    assert made()["spec"] == {}
    assert made("--contract", "c")["spec"] == {"contractRef": {"name": "c"}}
    assert made("--contract", "c", "--contract-scope", "organization")["spec"]["contractRef"]["scope"] == "Organization"
    contract, workflow = made("--contract", "-", stdin=GOOD)
    assert (contract["metadata"]["name"], workflow["spec"]["contractRef"]["name"]) == ("c", "c")
    contract, workflow = made("--contract", "-", stdin=LEGACY)
    assert (contract["metadata"]["name"], workflow["spec"]["contractRef"]["name"]) == ("w", "w")
    assert "--contract-scope needs --contract" in made("--contract-scope", "organization")
    assert "not one Contract" in made("--contract", "-", stdin=GOOD + "---\n" + GOOD)
    assert "No such file" in made("--contract", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("command", [("contract", "lint"), ("apply", "--dry-run")])
def test_a_file_cannot_command_the_terminal_of_whoever_checks_it(command):
    evil = json.dumps(json.loads(json.dumps(yaml.safe_load(GOOD))) | {"\x1b]0;owned\x07": 1})
    answer = line.run(*command, "-f", "-", stdin=evil)
    assert "owned" in answer.out + answer.err
    assert not {"\x1b", "\x07"} & set(answer.out + answer.err)


PRODUCTION = Path(__file__).resolve().parents[2] / "assets" / "contracts"
WORDS = ("true", "y", "1.20", "010", "1e3", "0o17", "1_000", "null", "~", "2031-01-01", "<<", ".inf", "")


def test_what_chainloop_takes_for_a_text_is_written_so_that_kubectl_takes_it_for_one():
    pairs = ", ".join(f"a{number}: {word}" for number, word in enumerate(WORDS) if word not in (".inf", "<<"))
    content = GOOD + f"  policies: {{attestation: [{{ref: p, with: {{{pairs}, y: 1, 7: x}}}}]}}\n"
    made = line.run("contract", "convert", "-f", "-", stdin=content)
    assert (made.code, made.err) == (0, "")
    found = yamltext.read(made.out)
    assert found.flaws == ()
    read = nodes.plain(found.documents[0])["spec"]["policies"]["attestation"][0]["with"]
    wanted = {f"a{number}": word for number, word in enumerate(WORDS) if word not in (".inf", "<<")}
    assert read == wanted | {"y": "1", "7": "x"}
    assert list(scalars.odd_keys(found.documents[0])) == []


@pytest.mark.parametrize("word", WORDS)
def test_a_text_is_written_so_that_kubectl_reads_it_as_one(word):
    (document,) = yamltext.read(output.yaml_text({"a": word, word: "b"})).documents
    assert nodes.plain(document) == {"a": word, word: "b"}
    assert list(scalars.odd_keys(document)) == []


@pytest.mark.parametrize("command", [("apply", "--dry-run"), ("contract", "convert"), ("contract", "lint")])
def test_contracts_as_chainloop_runs_them_in_production_pass(command):
    for path in sorted(PRODUCTION.iterdir()):
        answer = line.run(*command, "-f", str(path))
        assert (answer.code, "error:" in answer.err + answer.out) == (0, False), (path.name, answer.err)


def test_a_folder_of_chainloops_contracts_is_applied_as_a_whole(tmp_path):
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "empty.yaml").write_text(
        "apiVersion: chainloop.dev/v1\nkind: Contract\nmetadata:\n  name: empty\nspec:\n"
    )
    answer = line.run("apply", "--dry-run", "-f", str(tmp_path))
    assert answer.code == 0, answer.err
    assert len(answer.out.splitlines()) == 2
