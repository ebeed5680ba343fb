"""`avouch artifact upload` and `download`: bytes by their digest, checked on both sides."""

import re
from pathlib import Path
from typing import Any

import click

from avouch import digests, errors
from avouch.cli import failures, options, output, ports, session
from avouch.cli.attestation import common
from avouch.cli.attestation import progress as progress_bar
from avouch.crafting import uploads

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", re.ASCII)
_TICKETS = 20  # of one download: as many breaks of the connection


@click.command(cls=common.Command)
@click.option("-f", "--file", "file", required=True, type=click.Path(dir_okay=False), metavar="FILE", help="The file.")
@options.output("table", "json", "yaml", "name")
@session.given
def upload(started: session.Session, /, file: str, form: str) -> int:
    """Upload a file and print its digest.

    Bytes that the server has are not sent again.
    """
    adapters, path, watch = common.adapters(started), Path(file), progress_bar.watch(started)
    with path.open("rb") as opened, watch(f"hashing {path.name}", path.stat().st_size) as progress:
        hasher = digests.Hasher()
        while chunk := opened.read(digests.CHUNK):
            hasher.update(chunk)
            progress(hasher.size)
    if not hasher.size:
        raise errors.Invalid(f"{file} is empty", field="--file", fix="name a file with content")
    source = uploads.Source(hasher.digest(), hasher.size, path)
    namespace = adapters.namespace()
    if not namespace:
        raise errors.Invalid("no namespace is known", field="--namespace", fix="give --namespace")
    with watch(f"uploading {path.name}", source.size) as progress:
        sent = adapters.server().upload_artifact(namespace, source, progress)
    said = {"digest": str(source.digest), "size": source.size, "name": path.name, "sent": sent}
    _write(form, said, "uploaded" if sent else "there already")
    return failures.OK


@click.command(cls=common.Command)
@click.option("-d", "--digest", "digest", required=True, metavar="sha256:HEX", help="Digest of the artifact.")
@click.option(
    "--run",
    "run",
    default="",
    metavar="NAME",
    help="WorkflowRun that used it: kubectl's user gets a ticket, so no token is needed.",
)
@click.option("--output", "file", type=click.Path(dir_okay=False), default="", metavar="FILE", help="File to write.")
@click.option("--path", "folder", type=click.Path(file_okay=False), default="", metavar="DIR",
              help="Folder to write into, under the digest's name.")  # fmt: skip
@session.given
def download(started: session.Session, /, digest: str, run: str, file: str, folder: str) -> int:
    """Download bytes and verify them.

    A CI job uses its token, and may read what was used by runs that it may attest. With --run the Kubernetes API is
    asked for a one-use ticket instead, which needs the right to create workflowruns/tickets: roles edit, admin and
    avouch-artifact-reader have it.

    The file gets its name when it is complete and its digest is verified. An interrupted download is kept beside it as
    .part, and the next call resumes it.
    """
    wanted = digests.Digest.parse(digest)
    if file and folder:
        raise errors.Invalid("--output and --path exclude each other", field="--path", fix="give --output or --path")
    target = Path(file) if file else Path(folder or ".") / f"sha256-{wanted.hex}"
    with progress_bar.watch(started)(f"downloading {target.name}", 0) as progress:
        if run:
            size = _by_ticket(started, wanted, run, target, progress)
        else:
            size = common.adapters(started).server().download_artifact(wanted, target, progress)
    _write("table", {"digest": str(wanted), "size": size, "name": str(target)}, "downloaded and verified")
    return failures.OK


def _by_ticket(
    started: session.Session, wanted: digests.Digest, run: str, target: Path, progress: uploads.Progress
) -> int:
    """Download with a ticket from the Kubernetes API; each is good for one request, so a break needs another."""
    tries = 0
    while True:
        tries += 1
        with_ticket = _ticket(started, wanted, run)
        try:
            return int(started.adapters.attesting(with_ticket).server().download_artifact(wanted, target, progress))
        except errors.Unauthenticated:
            if tries >= _TICKETS:
                raise


def _ticket(started: session.Session, wanted: digests.Digest, run: str) -> ports.Options:
    """The way to the server that a new ticket opens."""
    if not _NAME.fullmatch(run):
        raise errors.Invalid(
            f"{run[:80]!r} is not the name of a WorkflowRun", field="--run", fix="kubectl get workflowruns"
        )
    cluster = started.cluster
    path = f"/apis/runs.avouch.dev/v1alpha1/namespaces/{cluster.namespace()}/workflowruns/{run}/tickets"
    status = cluster.post(path, {"spec": {"digest": str(wanted)}})["status"]
    server = str(status["url"]).removesuffix(f"/v1/artifacts/{wanted}")
    ca = str(status.get("ca") or "")
    return started.options._replace(server=server, token=str(status["ticket"]), ca=ca)


def _write(form: str, said: dict[str, Any], state: str) -> None:
    if form == "name":
        output.lines([said["digest"]])
    elif form == "table":
        output.facts(
            [("Digest", said["digest"]), ("File", said["name"]), ("Size", f"{said['size']} bytes"), ("State", state)]
        )
    else:
        output.document(form, said)
