"""A page of the docs, pasted block by block as a reader would, in a shell."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests import docs
from tests.cluster import images

PULLED = "docker.io/library/busybox:1.37"  # the pages' image; the test's cluster pulls nothing


def pasted(pages: Iterable[Path], shell: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Every block of the pages in order; what each command printed. All of them have to end well."""
    told: dict[str, str] = {}
    for block in (block for page in pages for block in docs.blocks(page)):
        if block.kind == "yaml":
            typed, given = ("kubectl apply -f -",), block.text.replace(PULLED, images.SHELL)
        else:
            typed, given = block.commands(), ""
        for command in typed:
            done = subprocess.run(  # noqa: S602 - what a reader would do
                command, shell=True, cwd=folder, env=shell, input=given, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, f"{block.heading}: {command}\n{done.stdout}{done.stderr}"
            told[command] = done.stdout
    return told
