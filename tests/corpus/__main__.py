"""Run the tools of the table over a copy of this repository and keep their reports: `python -m tests.corpus [FILE...]`.

A report is kept as the tool wrote it, except for what tells of the machine: its folders, its name, its user and the
registries it uses get other words of the same kind.
"""

import argparse
import getpass
import io
import lzma
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from avouch import errors
from avouch.materials import detection, validation
from tests.cluster import binaries, places
from tests.corpus import table, tools
from tests.corpus.report import FOLDER, Report

FIXED = {"SOURCE_DATE_EPOCH": "1767225600", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
_TIMEOUT = 900
_REGISTRY = re.compile(rb"\b(?:[\w-]+\.)*(?:pypi|pythonhosted|npmjs|yarnpkg|maven|sonatype)\.(?:org|com)\b")
_COMPRESSED = 16 * 1024


def main() -> int:
    """Make the reports named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="names of reports, such as bandit.sarif")
    wanted = set(parser.parse_args().files)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        places_ = _Places(Path(folder).resolve())
        for report in table.REPORTS:
            if not wanted or report.file in wanted:
                failed += not _attempt(report, places_)
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{size / 1e6:.2f} MB in {FOLDER.relative_to(places.REPOSITORY)}, {failed} failed")
    return 1 if failed else 0


def _attempt(report: Report, at: "_Places") -> bool:
    try:
        return _make(report, at)
    except (subprocess.SubprocessError, OSError) as exc:  # a tool that cannot be had keeps no other from running
        print(f"FAILED {report.file}: {exc}")
        return False


class _Places:
    """A copy of what is committed, and an empty folder for what a report needs made before."""

    def __init__(self, root: Path) -> None:
        self.source = root / "avouch"
        self.scratch = root / "scratch"
        self.out = root / "out"
        for path in (self.source, self.scratch, self.out):
            path.mkdir()
        packed = subprocess.run(["git", "archive", "HEAD"], cwd=places.REPOSITORY, check=True, capture_output=True)
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(self.source, filter="data")

    def cleaned(self, content: bytes) -> bytes:
        """Without words that tell of this machine."""
        words = {
            str(self.source): "/src",
            str(self.scratch): "/scratch",
            str(self.out): "/out",
            str(places.REPOSITORY): "/src",
            str(places.cache()): "/cache",
            str(Path(sys.prefix).resolve()): "/venv",
            str(Path.home()): "/home/user",
            socket.gethostname(): "localhost",
        }
        for word, other in sorted(words.items(), key=lambda item: -len(item[0])):
            content = content.replace(word.encode(), other.encode())
        return _REGISTRY.sub(b"packages.example.com", content)


def _make(report: Report, at: _Places) -> bool:
    found = tuple(folder for tool in tools.TOOLS if tool.name in report.tools for folder in tool.path())
    own = [str(Path(sys.executable).parent), *map(str, found), str(_helm(report))]
    out = at.out / report.file
    environment = {
        **os.environ, **FIXED, "PATH": ":".join((*own[1:], own[0], os.environ["PATH"])), "OUT": str(out),
        "SCRATCH": str(at.scratch), "PROGRAMS": str(tools.HERE / "programs"), "PYTHON": sys.executable,
        "PYTHONPATH": f"{at.source / 'operator'}:{at.source}",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", report.command],
        cwd=at.source, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False,
    )  # fmt: skip
    if not out.is_file():
        print(f"FAILED {report.file}: exit code {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
        return False
    content = out.read_bytes()
    content = content if report.binary else at.cleaned(content)
    _check_clean(report, content)
    _keep(report, content)
    _tell(report, content)
    return True


def _helm(report: Report) -> Path:
    """A folder in which helm has its own name."""
    folder = places.cache() / "corpus" / "helm"
    if "helm" in report.tools and not (folder / "helm").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(binaries.binary("helm"), folder / "helm")
    return folder


def _check_clean(report: Report, content: bytes) -> None:
    user = getpass.getuser()
    for word in (f"/{user}/", str(Path.home()), "/tmp/", socket.gethostname()):  # noqa: S108  # a word to look for
        if word.encode() in content:
            place = content.index(word.encode())
            raise SystemExit(f"{report.file} holds {word!r}: {content[max(0, place - 60) : place + 60]!r}")


def _keep(report: Report, content: bytes) -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in (FOLDER / report.file, FOLDER / f"{report.file}.xz"):
        old.unlink(missing_ok=True)
    if len(content) > _COMPRESSED and not report.binary:
        (FOLDER / f"{report.file}.xz").write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    else:
        (FOLDER / report.file).write_bytes(content)


def _tell(report: Report, content: bytes) -> None:
    read = validation.read(report.type, content)
    try:
        detected = detection.file(content).type
    except errors.AvouchError as exc:
        detected = str(exc)
    print(f"{report.file}: {len(content)} bytes, detected {detected}, {read.flaws or dict(read.annotations)}")


if __name__ == "__main__":
    raise SystemExit(main())
