"""The sidecar's whole job against the same work done by sh, openssl and curl.

The job: open the run, hash and upload one file, make a key, have it certified, sign the statement, push the bundle.
Four requests, each on a TLS connection of its own, to one real `avouch server` with a real kube-apiserver and
PostgreSQL. All sides get the same token, file and server, in turns; the server's own time is part of every figure, as
it is in a pod.

  sidecar   the injected one, as the kubelet runs it: it waits already, and the clock runs from the last step's `out` to
            the answer to the push. What it imports late (ssl, cryptography) and its polling of files are included.
  step      the same as an explicit step: the clock runs from starting the process to its end.
  script    bench/sidecar_job.sh, from starting the process to its end.

Run: python -m bench.sidecar_job [--rounds 15] [--kib 1024]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import measure, stage
from tests.cluster.apiserver import ApiServer

SCRIPT = Path(__file__).with_suffix(".sh")
CONTRACT = {
    "apiVersion": "chainloop.dev/v1",
    "kind": "Contract",
    "metadata": {"name": "evidence"},
    "spec": {"materials": [{"name": "sbom", "type": "SBOM_CYCLONEDX_JSON"}]},
}
WHERE = [{"name": "sbom", "workspace": {"name": "source", "path": "sbom.json"}}]


@dataclass(frozen=True, slots=True)
class Job:
    """One pod's files, and the ways to do its job."""

    folder: Path
    server: stage.Server
    caller: stage.Caller

    def sidecar(self) -> float:
        """From the last step's end to the push being answered."""
        out = self.folder / "tekton/run/0/out"
        out.unlink(missing_ok=True)
        with subprocess.Popen(_sidecar(), env=self._environment(), stderr=subprocess.PIPE, text=True) as process:
            _until(process, "waiting")
            time.sleep(0.3)  # it waits in its loop, as it does for the length of a build
            began = time.perf_counter()
            out.touch()
            _until(process, "is stored")
            took = time.perf_counter() - began
            process.terminate()
        return took

    def step(self) -> float:
        """The process from start to end."""
        return _timed(_sidecar("--step", "--strict"), self._environment(), self.folder)

    def script(self) -> float:
        """The shell's process from start to end."""
        with tempfile.TemporaryDirectory() as empty:
            environment = {
                "PATH": os.environ["PATH"],
                "SERVER": self.server.url,
                "CA": str(self.server.ca_file),
                "TOKEN": self.caller.token,
                "WORKFLOW": stage.WORKFLOW,
                "NAMESPACE": stage.NAMESPACE,
                "CONTRACT": str(CONTRACT["metadata"]["name"]),  # type: ignore[index]  # a literal
                "FILE": str(self.folder / "source/sbom.json"),
            }
            return _timed(["sh", str(SCRIPT)], environment, Path(empty))

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(stage.ROOT / "operator"),
            "AVOUCH_SERVER": self.server.url,
            "AVOUCH_CA": self.server.ca_file.read_text(),
            "AVOUCH_TEKTON": str(self.folder / "tekton"),
            "AVOUCH_IDENTITY": str(self.folder / "identity"),
            "AVOUCH_STEPS": "1",
            "AVOUCH_WORKSPACES": json.dumps({"source": str(self.folder / "source")}),
            "POD_NAME": self.caller.pod,
            "POD_NAMESPACE": stage.NAMESPACE,
        }


def pod(folder: Path, caller: stage.Caller, kib: int) -> None:
    """What the kubelet and Tekton put into the pod, and the file a step wrote."""
    for name in ("tekton/run/0", "tekton/results", "identity", "source"):
        (folder / name).mkdir(parents=True)
    (folder / "identity/token").write_text(caller.token)
    (folder / "identity/labels").write_text(f'tekton.dev/taskRun="{caller.taskrun}"\n')
    (folder / "source/sbom.json").write_bytes(
        b'{"bomFormat": "CycloneDX", "x": "' + os.urandom(kib * 512).hex().encode() + b'"}'
    )


def _sidecar(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "avouch.sidecar", *arguments]


def _timed(command: list[str], environment: Mapping[str, str], folder: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return took


def _until(process: "subprocess.Popen[str]", word: str) -> None:
    told = ""
    for line in process.stderr or ():
        told += line
        if word in line:
            return
    raise RuntimeError(f"the sidecar ended without {word!r}: {told}")


def main() -> None:
    parser = measure.arguments(__doc__, rounds=15)
    parser.add_argument("--kib", type=int, default=1024, help="size of the file (%(default)s KiB)")
    options = parser.parse_args()
    if missing := [name for name in ("curl", "openssl") if shutil.which(name) is None]:
        sys.exit(f"this machine lacks {' and '.join(missing)}")
    print(measure.machine())
    with tempfile.TemporaryDirectory() as name, stage.postgres() as url, ApiServer() as api:
        folder = Path(name)
        for sub in ("server", "blobs"):
            (folder / sub).mkdir()
        (caller,) = stage.callers(api, url, 1, CONTRACT, materials=WHERE)
        pod(folder / "pod", caller, options.kib)
        stage.new_authority(folder / "server")
        with stage.serving(api, url, folder / "server", AVOUCH_BLOBS=f"file://{folder / 'blobs'}") as server:
            job = Job(folder / "pod", server, caller)
            sides = [measure.Side(one.__name__, one) for one in (job.script, job.sidecar, job.step)]
            measure.take_turns(sides, 1)  # the server's first answers are slower than all others
            found = measure.take_turns(sides, options.rounds)
    rows = [
        [side, measure.spread([t * 1000 for t in took], ".0f"), measure.spread(measure.ratios(found, side, "script"))]
        for side, took in found.items()
    ]
    measure.table((f"{options.kib} KiB file, {options.rounds} rounds, median (range)", "ms", "/ script"), rows)


if __name__ == "__main__":
    main()
