"""From what went wrong to what is printed and to the exit code: the one translation of errors for people."""

import os
import sys
from collections.abc import Sequence

import click

from avouch import errors
from avouch.cli import output, session

OK = 0
FAILED = 1
USAGE = 2
GATE = 4  # the Workflow is a gate, and its verdict is not Passed
VERDICT = 5  # a verdict was verified, and it is FAILED
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
COMPLETE = "_AVOUCH_COMPLETE"  # the variable by which a shell asks for completions


def guarded(command: click.Command, arguments: Sequence[str], program: str, started: session.Session) -> int:
    """Run a command and return its exit code; failures are printed on stderr.

    Args:
        command: the command.
        arguments: its arguments.
        program: what the user calls us.
        started: the session that it runs in.
    """
    try:
        colour = output.coloured(started.environment, sys.stdout.isatty())
        answer = command.main(
            list(arguments), program, COMPLETE, standalone_mode=False, obj=started, color=colour
        )  # fmt: skip
        sys.stdout.flush()  # a reader that went away is noticed here, not at the end of the interpreter
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as exc:
        if started.options.debug:
            raise  # with its traceback
        explain(started, exc)
        return FAILED
    return answer if isinstance(answer, int) else OK


def show(started: session.Session, message: str, *, field: str = "", fix: str = "", kind: str = "error") -> None:
    """Print an error, or a warning, on stderr."""
    colour = output.coloured(started.environment, sys.stderr.isatty())
    head = click.style(f"{kind}:", fg="red" if kind == "error" else "yellow", bold=True)
    told = [message, *(f"  {name}: {said}" for name, said in (("field", field), ("fix", fix)) if said)]
    safe = output.harmless("\n".join(told), "\n")
    click.echo(f"{head} {safe}", err=True, color=colour)


def explain(started: session.Session, exc: Exception) -> None:
    """Print an exception as an error."""
    if isinstance(exc, errors.AvouchError):
        said = str(exc.args[0]) if exc.args else type(exc).__name__
        show(started, said, field=getattr(exc, "field", ""), fix=getattr(exc, "fix", ""))
    elif isinstance(exc, OSError):
        show(started, f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc))
    else:
        show(started, f"{type(exc).__name__}: {exc}", fix="this is a bug in avouch: --debug shows where")
