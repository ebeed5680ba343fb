"""`avouch run bundle`: what was signed about a run, byte by byte: its claims, the attestation, the verdict."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from avouch import digests, errors
from avouch.cli import failures, objects, options, output, session
from avouch.cli.runs import finding, page

VERDICT, ATTESTATION, CLAIM = "verdict", "attestation", "claim"
SUFFIX = ".sigstore.json"
_DOCUMENTS = {VERDICT: "vsa", ATTESTATION: "attestation"}  # subresources
MOST = 2000  # bundles that are read: a run has one of each document, and one for each pod
_READER = "ask for the ClusterRole avouch-artifact-reader, or leave the claims out with --without-claims"


class Piece(NamedTuple):
    """One bundle, in the form of Sigstore. `name`: its file's, without the suffix."""

    name: str
    content: bytes


@click.command(cls=options.Command)
@finding.meant
@click.option("--path", "folder", type=click.Path(file_okay=False), default="", metavar="DIR",
              help="Folder to write into, a file for each bundle; default: one named after the run.")  # fmt: skip
@click.option("--output", "file", type=click.Path(dir_okay=False), default="", metavar="FILE",
              help="Write one file of JSON lines instead, a bundle in each.")  # fmt: skip
@click.option(
    "--without-claims", "alone", is_flag=True, help="Leave out what jobs signed: verdict and attestation only."
)
@session.given
def bundle(started: session.Session, name: str, folder: str, file: str, alone: bool) -> int:
    """Save the signed evidence of a run: what its jobs signed, the server's attestation, the verdict.

    \b
    avouch run bundle first
    avouch trust export > trust.json
    avouch run verify first-2b521137d6 --trust trust.json --certificate-identity-regexp 'https://...'

    Takes what avouch run show takes. The files are bundles in Sigstore's form, byte by byte as they were signed. The
    documents of verdicts that others took the place of are in folders of their own, superseded-1 and so on. The
    claims of jobs may hold artifacts, so they need the right to get workflowruns/claims, which roles edit, admin and
    avouch-artifact-reader have; who may see a run may read the others.
    """  # noqa: D301  # click reads the backspace
    if file and folder:
        raise errors.Invalid("--output and --path exclude each other", field="--path", fix="give --output or --path")
    run = finding.one(started, name)
    pieces = [*_gathered(started, run, alone), *([] if file else _superseded(started, run))]
    written = _as_lines(Path(file), pieces) if file else _as_files(Path(folder or finding.name_of(run)), pieces)
    rows = tuple((str(path), piece.name.partition("-")[0], str(digests.of_bytes(piece.content)))
                 for path, piece in zip(written, pieces, strict=True))  # fmt: skip
    output.tabulate(output.Table(("FILE", "WHAT", "DIGEST"), rows))
    return failures.OK


def read(names: tuple[str, ...]) -> list[Piece]:
    """The bundles in folders, in files of JSON lines, and in files with one.

    Raises:
        Invalid: there is none, or more than anybody saved.
    """
    every = (piece for name in names for path in _files(Path(name)) for piece in _pieces(path))
    found = list(itertools.islice(every, MOST + 1))
    if not found:
        raise errors.Invalid("there is no bundle", field="PATH", fix="name what avouch run bundle wrote")
    if len(found) > MOST:
        raise errors.TooLarge(f"more than {MOST} bundles", field="PATH", fix="name those of one run")
    return found


def _gathered(started: session.Session, run: objects.Manifest, alone: bool) -> Iterator[Piece]:
    for name, document in _DOCUMENTS.items():
        yield Piece(name, _raw(started, run, document))
    if alone:
        return
    try:
        listed = json.loads(started.cluster.raw(finding.path_of(run, "claims")))
    except errors.Denied as exc:
        raise errors.Denied(str(exc.args[0]), fix=_READER) from exc
    for each in listed.get("items") or ():
        digest = digests.Digest.parse(str(each.get("digest")))
        content = _raw(started, run, "claims", str(digest))
        if digests.of_bytes(content) != digest:
            raise errors.Corrupt(f"claim {digest} came as {digests.of_bytes(content)}")
        yield Piece(f"{CLAIM}-{digest.hex[:12]}", content)


def _superseded(started: session.Session, run: objects.Manifest) -> Iterator[Piece]:
    """What was signed with the verdicts that others took the place of: apart, for each verifies on its own."""
    for each in page.earlier(run):
        number = str(each.get("number") or 1)
        for name, document in _DOCUMENTS.items():
            path = finding.path_of(run, document)
            yield Piece(f"superseded-{number}/{name}", started.cluster.raw(path, {"superseded": number}).encode())


def _raw(started: session.Session, run: objects.Manifest, *below: str) -> bytes:
    try:
        return started.cluster.raw(finding.path_of(run, *below)).encode()
    except errors.NotFound as exc:
        raise errors.NotFound(f"{exc} (fix: avouch run watch {finding.name_of(run)} waits for the verdict)") from exc


def _as_files(folder: Path, pieces: list[Piece]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{piece.name}{SUFFIX}" for piece in pieces]
    for path, piece in zip(paths, pieces, strict=True):
        path.parent.mkdir(exist_ok=True)
        _write(path, piece.content, "--path")
    return paths


def _as_lines(file: Path, pieces: list[Piece]) -> list[Path]:
    broken = [piece.name for piece in pieces if b"\n" in piece.content]
    if broken:  # written in one line it would be another bundle, with another digest
        raise errors.Invalid(f"{broken[0]} has several lines", field="--output", fix="write a folder: --path DIR")
    _write(file, b"".join(piece.content + b"\n" for piece in pieces), "--output")
    return [file] * len(pieces)


def _write(path: Path, content: bytes, field: str) -> None:
    """Make a file; one that is there with this content stays, and no link is followed."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as exc:
        if path.is_symlink() or path.read_bytes() != content:
            raise errors.Conflict(f"{path} exists and is another file (fix: name another place with {field})") from exc


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix in (".json", ".jsonl") and each.is_file())


def _pieces(path: Path) -> Iterator[Piece]:
    from avouch.attestation import bundle as bundles  # lazy: 60 ms (cryptography) that saving does not need

    with path.open("rb") as file:
        if path.suffix != ".jsonl":
            yield Piece(str(path), file.read(bundles.MAX_BUNDLE + 1))
            return
        for number, line in enumerate(iter(lambda: file.readline(bundles.MAX_BUNDLE + 2), b""), 1):
            if len(line.rstrip(b"\r\n")) > bundles.MAX_BUNDLE:  # what follows is the rest of it
                raise errors.TooLarge(f"{path}:{number} is over {bundles.MAX_BUNDLE} bytes", field="PATH")
            if line.strip():
                yield Piece(f"{path}:{number}", line.rstrip(b"\r\n"))
