"""The page about attesting from any CI does what it says: each of its commands, in order, in a shell."""

import shutil
import stat
import subprocess
import sys

from avouch import digests
from avouch.attestation import bundle, dsse, signing, statement, vsa
from tests import docs
from tests.crafting import builders
from tests.crafting.jobs import Job

PAGE = docs.ROOT / "docs" / "crafting.md"


def write_verdict(job: Job) -> None:
    """A verdict on the run of the page, and the key to verify it."""
    signer, binary = signing.KeySigner.generate(), digests.of_bytes((job.place / "big.bin").read_bytes())
    facts = vsa.VsaFacts(
        "https://avouch.example/verifier", builders.NOW, "avouch://skynet/workflows/build-small",
        "avouch://skynet/contracts/skynet-small@1", digests.of_bytes(b"contract"),
        (vsa.InputAttestation(digests.of_bytes(b"bundle"), builders.NOW),), True, ("AVOUCH_CONTRACT_SATISFIED",),
        (statement.named("big.bin", binary),),
    )  # fmt: skip
    envelope = signing.sign_envelope(signer, dsse.IN_TOTO, vsa.build(facts))
    (job.place / "vsa.json").write_bytes(bundle.to_bytes(bundle.Bundle(envelope, key_hint=signer.keyid)))
    (job.place / "passed.pub").write_bytes(signer.public_key_pem)


def test_every_command_of_the_page_runs(job: Job):
    program = job.place / "bin" / "avouch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m avouch.processes.main "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    shutil.copy(builders.REAL / "bundle.json", job.place / "chainloop.json")
    shutil.copy(builders.REAL / "ca.crt.pem", job.place / "chainloop-ca.pem")
    write_verdict(job)
    job.memory.stored["sha256:fadc5a2d29942d87afc12b8abacfde3309c0f6e127c43a11312002977cb26e31"] = (
        builders.REAL / "junit.xml"
    ).read_bytes()
    commands = [command for block in docs.blocks(PAGE) if block.kind == "console" for command in block.commands()]
    assert len(commands) == 13
    environment = job.variables()
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command], cwd=job.place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert len(job.memory.bundles) == 2
    assert (job.place / "copy.xml").read_bytes() == (job.place / "junit.xml").read_bytes()
