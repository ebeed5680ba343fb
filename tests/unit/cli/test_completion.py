import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avouch.cli import completion
from avouch.processes import main
from tests.unit.cli import line

ROOT = Path(__file__).parents[3]


def offered(*words):
    return completion.for_kubectl(main.top(), words, line.Adapters())


def test_kubectl_is_offered_commands_with_their_help_and_no_files():
    assert offered("contract", "l") == [
        "lint\tCheck contract and policy files, without a cluster.",
        "list\tList Contracts.",
        ":4",
    ]
    assert offered("")[-1] == ":4"
    assert "apply\tApply Contracts, Policies and avouch's other kinds from files." in offered("")


def test_kubectl_is_offered_values_and_files_where_an_option_takes_them():
    assert offered("contract", "lint", "-o", "j") == ["json", ":4"]
    assert offered("apply", "-f", "") == [":0"]
    assert "--output\tOutput format." in offered("runner", "show", "--")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shells_script_asks_through_our_variable(shell):
    answer = line.run("completion", shell)
    assert answer.code == 0
    assert "_AVOUCH_COMPLETE=" in answer.out
    assert "avouch" in answer.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_itself_completes_with_the_script(tmp_path):
    program = tmp_path / "avouch"
    program.write_text(f"#!{sys.executable}\nfrom avouch.processes.main import main\nraise SystemExit(main())\n")
    program.chmod(0o755)
    script = tmp_path / "script"
    script.write_text(line.run("completion", "bash").out)
    typed = "COMP_WORDS=(avouch contract l); COMP_CWORD=2"
    ask = f"source {script}; {typed}; _avouch_completion avouch; echo ${{COMPREPLY[@]}}"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.split() == ["lint", "list"]
