"""docs/access.md against a real API server and a real controller: its blocks pasted in order, as a reader would."""

import base64
import os
import subprocess
import time
from pathlib import Path

import pytest

from avouch.controlplane.intake import tokens as token_rules
from tests import docs
from tests.api import installed
from tests.cluster import binaries

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

PATIENCE = 20.0
PAGE = docs.ROOT / "docs/access.md"


def typed_in(command: str, shell: dict[str, str], text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S602 - what a reader would do
        command, shell=True, env=shell, input=text, text=True, capture_output=True, check=False
    )


def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "kubectl").symlink_to(binaries.kubectl())
    with installed.bench(tmp_path) as bench, installed.started(bench) as _:
        bench.namespace("my-project")
        shell = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "KUBECONFIG": str(bench.api.kubeconfig),
            "HOME": str(tmp_path),
        }
        told: dict[str, str] = {}
        for block in docs.blocks(PAGE):
            typed = ("kubectl apply -f -",) if block.kind == "yaml" else block.commands()
            for command in typed:
                deadline = time.monotonic() + PATIENCE
                while (done := typed_in(command, shell, block.text)).returncode:  # a reader types it once more
                    assert time.monotonic() < deadline, f"{block.heading}: {command}\n{done.stdout}{done.stderr}"
                told[command] = done.stdout
        (shown,) = (text for command, text in told.items() if "get secret" in command)
        assert token_rules.parse(base64.b64decode(shown).decode())
        bench.ready("workflow", "release", "my-project")
        bench.becomes(lambda: bench.condition("apitoken", "github", "my-project").get("reason"), "Revoked")
