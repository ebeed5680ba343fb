import importlib

import click
import pytest

from avouch import errors
from avouch.cli import app, commands, failures, options, session, tree
from avouch.processes import main
from tests.unit.cli import line

FAULT = "  fix: this is a bug in avouch: --debug shows where\n"
PROCESSES = [name for name in main.PROCESSES]
PATHS = [path for path, entry in commands.TABLE.items() if entry.target]


@pytest.mark.parametrize("path", PATHS)
def test_each_command_of_the_table_is_there_and_says_what_it_does(path):
    module, _, name = commands.TABLE[path].target.partition(":")
    command = getattr(importlib.import_module(module), name)
    assert isinstance(command, options.Command)
    assert command.get_short_help_str(200)
    assert commands.TABLE[path].help.endswith(".")


@pytest.mark.parametrize("path", commands.TABLE)
def test_each_command_lies_in_a_group_of_the_table_and_each_alias_leads_somewhere(path):
    entry = commands.TABLE[path]
    above = path.rpartition(" ")[0]
    assert not above or above in commands.TABLE
    assert entry.alias in commands.TABLE if entry.alias else bool(entry.help)


@pytest.mark.parametrize("path", PATHS)
def test_each_command_tells_its_help(path):
    answer = line.run(*path.split(), "-h")
    assert answer.code == 0
    assert answer.out.startswith(f"Usage: avouch {path} ")


def test_help_of_the_top_lists_commands_and_processes_by_section():
    answer = line.run("--help")
    assert answer.code == 0
    assert answer.out.index("Declare:") < answer.out.index("Evidence:") < answer.out.index("Processes")
    assert all(f"  {name} " in answer.out for name in PROCESSES)
    assert "organization" not in answer.out


def test_without_a_command_the_help_is_an_error_of_usage():
    assert line.run().code == failures.USAGE
    assert line.run("contract").code == failures.USAGE


def test_other_names_lead_to_the_same_command():
    for path in ("workflow contract lint", "wf contract lint", "contract lint"):
        assert line.run(*path.split(), "-f", "/nowhere").err == "error: /nowhere: No such file or directory\n"
    assert "Create a token" in line.run("org", "api-token", "create", "-h").out


def test_a_mistyped_command_is_told_with_those_that_look_like_it():
    answer = line.run("contract", "lnt")
    assert answer.code == failures.USAGE
    assert "No such command 'lnt'. Did you mean 'lint'?" in answer.err


class Silent:
    """A cluster without anything in it."""

    def list(self, kind, *, everywhere=False):
        return []


@pytest.mark.parametrize(
    "arguments",
    [("-n", "x", "workflow", "list"), ("workflow", "-n", "x", "list"), ("workflow", "list", "--project", "x"),
     ("-n", "y", "workflow", "list", "--namespace=x")],
)  # fmt: skip
def test_options_of_all_commands_stand_before_or_after_the_name_and_the_last_one_holds(arguments):
    adapters = line.Adapters(cluster=Silent())
    assert line.run(*arguments, adapters=adapters).code == 0
    assert adapters.asked.namespace == "x"


def test_an_option_without_value_takes_one_with_an_equals_sign_only():
    dry = line.run("contract", "create", "--dry-run", "c", "-o", "name")
    assert (dry.code, dry.out) == (0, "contract.chainloop.dev/c\n")
    assert line.run("contract", "create", "--dry-run=nonsense", "c").code == failures.USAGE


def raising(problem: BaseException) -> tree.Tree:
    @click.command(cls=options.Command)
    @session.given
    def command(started: session.Session) -> None:
        raise problem

    top = app.root()
    top.get_command = lambda context, name: command  # type: ignore[method-assign]
    return top


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (errors.Invalid("no", field="a.b", fix="do"), 1, "error: no\n  field: a.b\n  fix: do\n"),
        (errors.NotFound("nothing"), 1, "error: nothing\n"),
        (errors.NotVerified("3 signature", "bad"), 1, "error: step 3 signature: bad\n"),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1, "error: /x: No such file or directory\n"),
        (ValueError("oops"), 1, f"error: ValueError: oops\n{FAULT}"),
        (KeyboardInterrupt(), 130, "\n"),
        (click.Abort(), 130, ""),
        (click.UsageError("so not"), 2, None),
        (SystemExit(3), None, None),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_goes_wrong_is_told_on_stderr_with_its_exit_code(problem, code, said):
    if code is None:
        with pytest.raises(SystemExit):
            line.run("x", top=raising(problem))
        return
    answer = line.run("x", top=raising(problem))
    assert (answer.code, answer.out) == (code, "")
    assert said is None or answer.err == said


def test_with_debug_an_error_keeps_its_traceback():
    with pytest.raises(ValueError, match="oops"):
        line.run("--debug", "x", top=raising(ValueError("oops")))


@pytest.mark.parametrize(("answered", "code"), [(None, 0), (0, 0), (4, 4), ("text", 0)])
def test_what_a_command_answers_is_its_exit_code(answered, code):
    top = app.root()
    top.get_command = lambda context, name: click.Command("x", callback=lambda: answered)  # type: ignore[method-assign]
    assert line.run("x", top=top).code == code


def test_a_process_is_run_with_its_own_main(monkeypatch):
    ran = []
    monkeypatch.setattr("avouch.processes.standin.main", lambda: ran.append("stand-in"))
    assert main.main(["stand-in"]) == 0
    assert ran == ["stand-in"]
    assert "Wait to be stopped" in line.run("stand-in", "--help").out
