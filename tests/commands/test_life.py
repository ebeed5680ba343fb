"""What only whole commands show: processes that run at once, are killed, write to terminals, or must stay small."""

import os
import pty
import select
import subprocess

from avouch import digests
from avouch.crafting import state
from tests.crafting.jobs import SIGNER, Job

WANTED = ("--workflow", "build-small", "--version", "1.0.0")
INIT = ("init", "--workflow", "build-small", "-o", "json")


def test_six_commands_attest(job: Job):
    job.ok("init", *WANTED)
    job.add_all()
    assert job.ok("status", "-o", "json").json()["owed"][0]["fix"] == "avouch attestation push --annotation who=VALUE"
    assert "Verdict: Passed" in job.ok("push", "--annotation", "who=me", "--bundle", "bundle.json").out
    assert job.states() == []
    assert job.ok("verify", "-b", "bundle.json", *SIGNER, "-o", "json").json()["verified"]
    assert job.att("reset").code == 1


def test_one_command_attests(job: Job):
    found = job.run(
        "attest", *WANTED, "--material", "skynet-sbom=sbom.cdx.json", "--material-annotation", "skynet-sbom:asset=x",
        "--material", "tests=junit.xml", "--material", "note=hello", "--material", "large-binary=big.bin",
        "--annotation", "who=me",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert [run["verdict"] for run in job.memory.runs.values()] == ["Passed"]


def test_two_adds_at_once_lose_nothing(job: Job):
    job.ok("init", *WANTED)
    running = [
        subprocess.Popen(
            job.command("attestation", "add", "--name", f"n{i}", "--value", f"text {i}"),
            cwd=job.place, env=job.variables(), stdout=subprocess.DEVNULL,
        )
        for i in range(4)
    ]  # fmt: skip
    assert [each.wait(60) for each in running] == [0] * 4
    (file,) = (each for each in job.states() if each.suffix == ".json")
    assert {each.name for each in state.read(file.read_bytes()).materials} == {f"n{i}" for i in range(4)}


def test_a_command_that_is_killed_leaves_a_state_that_the_next_one_reads(job: Job):
    job.ok("init", *WANTED)
    for wait in (0.02, 0.1, 0.15, 0.2, 0.25):
        process = subprocess.Popen(
            job.command("attestation", "add", "--name", "note", "--value", "x"),
            cwd=job.place, env=job.variables(), stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
    job.ok("status")
    job.add_all()


def terminal(job: Job, *arguments: str) -> str:
    """What a command writes on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        job.command(*arguments), cwd=job.place, env=job.variables(TERM="xterm"), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        try:
            piece = os.read(ours, 65536) if ready else b""
        except OSError:  # the other side is closed
            piece = b""
        if not piece:
            break
        written += piece
    os.close(ours)
    assert process.wait(60) == 0, written
    return written.decode()


def test_what_is_quick_shows_no_progress_and_what_is_piped_none_at_all(job: Job):
    job.ok(*INIT)
    assert "junit.xml" in terminal(job, "att", "add", "--name", "tests", "--value", "junit.xml")
    assert "%" not in terminal(job, "att", "status")
    piped = job.ok("status")
    assert "\x1b" not in piped.out + piped.err


def test_a_file_that_no_reader_looks_at_is_hashed_in_pieces(job: Job):
    with (job.place / "image.iso").open("wb") as file:
        file.truncate(600 * 1024 * 1024)
    with (job.place / "image.iso").open("rb") as file:
        digest, _ = digests.of_file(file)
    job.ok(*INIT)
    command = job.command("attestation", "add", "--name", "large-binary", "--value", "image.iso")
    bounded = ["sh", "-c", 'ulimit -v 400000; exec "$@"', "sh", *command]  # KiB of address space
    done = subprocess.run(bounded, cwd=job.place, env=job.variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    added = next(each for each in job.ok("status", "-o", "json").json()["materials"] if each["name"] == "large-binary")
    assert (added["state"], added["digest"]) == ("added", str(digest))


def test_a_server_that_is_down_is_told_and_graceful(job: Job):
    gone = {"AVOUCH_SERVER": "https://127.0.0.1:1"}
    found = job.att("init", *WANTED, "--graceful-exit", **gone)
    assert (found.code, "cannot be reached" in found.err) == (0, True)
