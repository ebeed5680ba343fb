"""`avouch completion`: what a shell needs to complete our commands; also what kubectl asks our plugin."""

from collections.abc import Sequence

import click
from click import shell_completion

from avouch.cli import failures, options, ports, session, tree

_NO_FILES = ":4"  # kubectl's word for: offer these and nothing else
_FILES = ":0"
_SHELLS = ("bash", "zsh", "fish")


@click.command(cls=options.Command)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print a shell's completion script.

    \b
    bash:  source <(avouch completion bash)
    zsh:   source <(avouch completion zsh)
    fish:  avouch completion fish | source

    kubectl completes `kubectl avouch` by itself if kubectl_complete-avouch is on PATH.
    """  # noqa: D301  # click reads the backspace
    program = "avouch"
    kind = shell_completion.get_completion_class(shell)
    if kind is not None:
        known = {
            "complete_func": f"_{program}_completion", "complete_var": failures.COMPLETE, "prog_name": program
        }  # fmt: skip
        click.echo(kind.source_template % known)


def for_kubectl(top: tree.Tree, arguments: Sequence[str], adapters: ports.Adapters) -> list[str]:
    """What kubectl's own completion offers: a line for each, then whether files are offered too.

    Args:
        top: all commands.
        arguments: the words after `kubectl avouch`; the last one is still being typed.
        adapters: where adapters come from.
    """
    *before, incomplete = arguments or ("",)
    asked = shell_completion.ShellComplete(top, {"obj": session.Session(adapters)}, "kubectl avouch", failures.COMPLETE)
    found = asked.get_completions(list(before), incomplete)
    offered = [f"{item.value}\t{item.help}" if item.help else str(item.value) for item in found if item.type == "plain"]
    files = any(item.type in ("file", "dir") for item in found)
    return [*offered, _FILES if files else _NO_FILES]
