"""The page about attesting from any CI does what it says: each of its commands, in order, in a shell."""

import shutil
import stat
import subprocess
import sys

from tests import docs
from tests.crafting import builders
from tests.unit.cli.attestation.conftest import Job

PAGE = docs.ROOT / "docs" / "crafting.md"


def test_every_command_of_the_page_runs(job: Job):
    program = job.place / "bin" / "avouch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m avouch.processes.main "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    shutil.copy(builders.REAL / "bundle.json", job.place / "chainloop.json")
    shutil.copy(builders.REAL / "ca.crt.pem", job.place / "chainloop-ca.pem")
    job.memory.stored["sha256:fadc5a2d29942d87afc12b8abacfde3309c0f6e127c43a11312002977cb26e31"] = (
        builders.REAL / "junit.xml"
    ).read_bytes()
    commands = [command for block in docs.blocks(PAGE) if block.kind == "console" for command in block.commands()]
    assert len(commands) == 12
    environment = job.variables()
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command], cwd=job.place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert len(job.memory.bundles) == 2
    assert (job.place / "copy.xml").read_bytes() == (job.place / "junit.xml").read_bytes()
