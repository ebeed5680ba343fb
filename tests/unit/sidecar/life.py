"""The sidecar as a real process over a real directory, the way the kubelet runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avouch import plan

PACKAGE = Path(__file__).parents[3] / "operator"


def environment(root: Path, steps: int, **extra: str) -> dict[str, str]:
    (root / "identity").mkdir(exist_ok=True)
    (root / "identity" / "token").write_text("token-1")
    (root / "identity" / "labels").write_text('tekton.dev/pipelineTask="build"\ntekton.dev/pipelineRun="run"\n')
    for name in ("results", *(f"run/{i}" for i in range(steps))):
        (root / "tekton" / name).mkdir(parents=True, exist_ok=True)
    return {
        "AVOUCH_TEKTON": str(root / "tekton"),
        "AVOUCH_IDENTITY": str(root / "identity"),
        "AVOUCH_LAST_WORD": str(root / "last-word"),
        "AVOUCH_STEPS": str(steps),
        "POD_NAME": "build-pod",
        "POD_NAMESPACE": "ns",
        "PATH": os.environ["PATH"],
        **extra,
    }


def a_plan(root: Path, path: str = "sbom.json") -> plan.Plan:
    source = plan.Source(plan.From.WORKSPACE, task="build", name="source", path=path)
    material = plan.PlannedMaterial("sbom", "SBOM_CYCLONEDX_JSON", source, output=True)
    (root / "ws").mkdir(exist_ok=True)
    return plan.Plan("w", "w-uid", "ns", "c", 3, "sha256:" + "1" * 64, materials=(material,))


@contextmanager
def running(env: dict[str, str], *arguments: str, flags: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Started, and past the point where it is ready for SIGTERM (unless it is an explicit step)."""
    command = [sys.executable, *flags, "-m", "avouch.sidecar", *arguments]
    process = subprocess.Popen(command, env=env, cwd=PACKAGE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], word: str) -> str:
    """Read what it tells until this word; ends with the process."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if word in line:
            return seen
    raise AssertionError(f"it ended without {word!r}: {seen}")


def stop(process: subprocess.Popen[str]) -> tuple[int, str]:
    """SIGTERM, and what it told until its end."""
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    return process.returncode, told


def end(root: Path, step: int, name: str = "out") -> None:
    (root / "tekton" / "run" / str(step) / name).touch()
