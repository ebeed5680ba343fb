"""The comparison of pages with what came: it sets aside what varies, and nothing else."""

from pathlib import Path

import pytest

from tests.e2e import runners
from tests.terminal import Terminal, differs

ID = "851769bb-9781-8a6e-8c5a-18e8813731d1"


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("Verdict: Passed", "Verdict: Passed\n"),
        (f"Run: {ID}", f"Run:   {ID.replace('8', '9')}"),
        ("first\n...\nlast", "first\nsecond\nthird\nlast"),
        ("...\nlast", "last"),
        ("not this: ...", "not this: because of that"),
        ("at 2026-01-12T09:00:07Z", "at 2027-02-13T10:11:12.131415Z"),
        ("Verdict: Passed", "note: waiting up to 30 s for the verdict\nVerdict: Passed"),
        ("build-and-test-9bf5399c2a  15s", "build-and-test-0123456789  9m"),
    ],
)
def test_what_varies_from_run_to_run_is_set_aside(shown: str, came: str) -> None:
    assert differs(shown, came) == ""


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("Verdict: Passed", "Verdict: Failed"),
        ("Verdict: Passed", "Verdict: Passed\nerror: after all"),
        ("Verdict: Passed", "note: the verdict is not known yet\nVerdict: Passed"),
        ("Verdict: Passed", ""),
        ("", "Verdict: Passed"),
        ("first\n...\nlast", "first\nsecond"),
        (f"Run: {ID}", "Run:"),
        ("6/7 materials", "5/7 materials"),
        ("a (b)", "a b"),
    ],
)
def test_everything_else_is_a_difference(shown: str, came: str) -> None:
    assert "this came:" in differs(shown, came)


def test_a_terminal_remembers_variables_and_its_directory_and_gives_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    shell = Terminal(tmp_path / "keep", tmp_path, {"PATH": "/usr/bin:/bin"})
    assert shell("export SAID='two words'; cd inner").code == 0
    assert shell('echo "$SAID"; basename "$PWD"; exit 4').output == "two words\ninner\n"
    assert shell("exit 4").code == 4


def test_every_file_of_the_ci_examples_is_run_by_a_test() -> None:
    run = {
        "github.yml",
        "gitlab.yml",
        "Jenkinsfile",
        "azure-pipelines.yml",
        "circleci.yml",
        "attest.sh",
        "attest-in-steps.sh",
        "tekton.yaml",
    }
    assert {file.name for file in runners.FILES.iterdir()} == {*run, "contract.yaml", "README.md"}
    source = (Path(runners.__file__).read_text()) + (Path(runners.__file__).parent / "test_ci_examples.py").read_text()
    assert [name for name in run if f'"{name}"' not in source and f"'{name}'" not in source] == []
