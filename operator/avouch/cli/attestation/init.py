"""`avouch attestation init`: open a run on the server, and begin its attestation here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from avouch import errors
from avouch.attestation import predicate, statement
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common, ports, showing
from avouch.crafting import adding, state, statestore, uploads
from avouch.crafting import run as opening
from avouch.runners import detection, pullrequests

_FILES = (".avouch.yml", ".avouch.yaml", ".chainloop.yml", ".chainloop.yaml")
_PR_INFO = pullrequests.EVIDENCE


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for."""

    workflow: str
    revision: int
    version: opening.VersionRequest
    release: bool
    dry_run: bool
    remote: bool
    replace: bool
    pull_request: bool


@click.command(cls=common.Command)
@click.option("--workflow", required=True, metavar="NAME", help="Workflow that the run is of.")
@click.option("--contract-revision", type=click.IntRange(min=0), default=0, metavar="N", help="Default: the newest.")
@click.option(
    "--version", "version", default="", metavar="TEXT", help="Project version; else projectVersion of a file."
)
@click.option("--existing-version", "existing", is_flag=True, help="Fail where the version does not exist yet.")
@click.option("--latest-version", "latest", is_flag=True, help="The project's latest version.")
@click.option("--mark-latest/--no-mark-latest", "mark_latest", default=None, help="Make the version the latest one.")
@click.option(
    "--release", is_flag=True, help="Release the version with this attestation: nothing is added to it later."
)
@click.option("--dry-run", is_flag=True, help="Record nothing on the server; any runner will do.")
@click.option(
    "--remote-state", "remote", is_flag=True, help="Keep the attestation on the server, for jobs without a disk."
)
@click.option("-f", "--replace", is_flag=True, help="Start anew where an attestation is under construction already.")
@click.option(
    "--pr", "pull_request", is_flag=True, help="The run is for a pull request, also where the CI does not say."
)
@click.option(
    "--local-state-path", "path", type=click.Path(dir_okay=False), default="", metavar="FILE",
    help="File to keep the attestation in [AVOUCH_ATTESTATION_STATE].",
)  # fmt: skip
@options.output("table", "json", "yaml")
@session.given
def init(started: session.Session, /, **said: Any) -> int:
    """Open a run and begin its attestation.

    The project version comes from --version, else from projectVersion in .avouch.yml or .chainloop.yml, else it is v0.
    """
    form, path = said["form"], said["path"]
    asked = _asked(said)
    world: ports.Adapters = started.world.attesting(started.options)
    found = _runner(started)
    local = None if asked.remote else world.local(path)
    if local is not None and not asked.replace:
        _require_none(local)
    around = world.around(started.environment, found.type)
    common.note(started, *around.notes)
    server = world.server()
    run = _open(server, world, asked, found, around)
    common.note(started, *(f"{each.message}{f' (fix: {each.fix})' if each.fix else ''}" for each in run.findings))
    try:
        begun = _begin(started, asked, Facts(server, run, found, around, world))
        kept = local or world.remote(run.id)
        kept.create(begun, replace=asked.replace)
    except errors.AvouchError as exc:
        _close(started, server, asked, run, exc)
        raise
    way = showing.way(common.Place(path, run.id if asked.remote else ""))
    if form == "table":
        showing.tell(begun, way)
    else:
        output.document(form, showing.as_json(begun, way))
    return failures.OK


@dataclass(frozen=True, slots=True)
class Facts:
    """What a first state is made from."""

    server: ports.Server
    run: opening.Run
    runner: detection.Runner
    around: ports.Around
    world: ports.Adapters


def _runner(started: session.Session) -> detection.Runner:
    pod = started.world.pod()
    return detection.discover(started.environment, None if pod is None else detection.Pod(*pod))


def project_version(content: Mapping[str, Any], name: str) -> str:
    """The version that a project's file holds.

    Raises:
        Invalid: it is neither text nor a number.
    """
    found = content.get("projectVersion", "")
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise errors.Invalid("must be text", field=f"{name}: projectVersion", fix='write projectVersion: "1.2.3"')
    return str(found)


def _asked(said: Mapping[str, Any]) -> Asked:
    if said["dry_run"] and said["remote"]:
        fix = "take one of them away"
        raise errors.Invalid("a dry run is not kept on the server", field="--remote-state", fix=fix)
    if said["path"] and said["remote"]:
        raise errors.Invalid("two places for one attestation", field="--remote-state", fix="take one of them away")
    name = said["version"] or ("" if said["latest"] else _version_of_file())
    return Asked(
        said["workflow"],
        said["contract_revision"],
        opening.VersionRequest(name, said["existing"], said["latest"], said["mark_latest"]),
        said["release"],
        said["dry_run"],
        said["remote"],
        said["replace"],
        said["pull_request"],
    )


def _version_of_file() -> str:
    """From the nearest file of the project, in this directory or in one above it, up to the root of its repository."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name in _FILES:
            file = folder / name
            if file.is_file():
                return _read_version(file)
        if (folder / ".git").exists():
            break
    return ""


def _read_version(file: Path) -> str:
    from avouch.contract.text import (
        files,
        nodes,  # lazy: 29 ms (YAML), and few projects have such a file
    )

    with file.open("rb") as opened_file:
        text = files.read(opened_file.read(nodes.LIMIT + 1), file.name)
    if text.flaws:
        flaw = text.flaws[0]
        raise errors.Invalid(f"{file}: {flaw.message}", field=f"{file.name}: {flaw.place}", fix=flaw.fix)
    plain = [nodes.plain(document) for document in text.documents]
    return project_version(plain[0], file.name) if plain and isinstance(plain[0], Mapping) else ""


def _require_none(kept: statestore.Keeper) -> None:
    try:
        kept.load()
    except errors.NotFound:
        return
    except errors.Invalid as exc:
        raise errors.Conflict(f"{exc} (fix: init --replace)") from exc
    raise statestore.exists(kept.place)


def _open(
    server: ports.Server,
    world: ports.Adapters,
    asked: Asked,
    found: detection.Runner,
    around: ports.Around,
) -> opening.Run:
    namespace = world.namespace()
    if not namespace:
        fix = "give --namespace (Chainloop's --project), or set AVOUCH_NAMESPACE"
        raise errors.Invalid("no namespace is known", field="--namespace", fix=fix)
    request = opening.RunRequest(
        world.new_id(),
        asked.revision,
        found.type,
        found.url,
        around.identity_token,
        asked.version,
        asked.release,
        asked.dry_run,
    )
    return server.open(namespace, asked.workflow, request)


def _begin(started: session.Session, asked: Asked, facts: Facts) -> state.State:
    run, around = facts.run, facts.around
    detection.enforce(run.plan.runner, facts.runner, dry_run=asked.dry_run)
    begun = state.begin(
        state.State(
            run,
            facts.world.now(),
            server=facts.server.address,
            runner_type=facts.runner.type,
            runner_url=facts.runner.url,
            dry_run=asked.dry_run,
            env=_variables(started, asked, facts),
            commit=_head(around),
        )
    )
    if not (asked.pull_request or around.pull_request or pullrequests.is_pull_request(started.environment)):
        return begun
    begun = adding.annotate(begun, {pullrequests.ANNOTATION: "true"}).state
    return _with_pull_request(started, begun, facts)


def _variables(started: session.Session, asked: Asked, facts: Facts) -> dict[str, str]:
    try:
        return detection.recorded(
            facts.runner, started.environment, facts.run.plan.env, skip_runner=facts.run.skip_runner_variables
        )
    except errors.Invalid as exc:
        if not asked.dry_run:
            raise
        failures.tell(started, str(exc), kind="warning")
        return {}


def _head(around: ports.Around) -> statement.ResourceDescriptor | None:
    commit = around.commit
    return predicate.git_head(commit.head, commit.annotations()) if commit and len(commit.head) == 40 else None


def _with_pull_request(started: session.Session, begun: state.State, facts: Facts) -> state.State:
    """What is known of the pull request, as a material: best effort, it never stops a build."""
    request = facts.around.pull_request
    if request is None:
        return begun
    content = pullrequests.content(request)
    from avouch.cli.attestation import gathering  # lazy: 17 ms (readers), for pull requests only

    try:
        found = gathering.of_bytes(request.material, _PR_INFO, f"{request.material}.json", content)
        change = adding.add(begun, adding.asked(begun, request.material, _PR_INFO, 0), found.gathered, {})
        added = change.state.of(request.material)
        if added is not None and added.storage == "uploaded" and found.source is not None:
            facts.server.upload(begun.run.id, found.source, uploads.quiet)
    except errors.AvouchError as exc:
        failures.tell(started, f"the pull request is not recorded: {exc}", kind="warning")
        return begun
    return change.state


def _close(
    started: session.Session, server: ports.Server, asked: Asked, run: opening.Run, why: errors.AvouchError
) -> None:
    """A run whose attestation cannot begin is ended at once, instead of expiring a day later."""
    if asked.dry_run:
        return
    try:
        server.reset(run.id, "failure", str(why)[:500])
    except errors.AvouchError as exc:
        failures.tell(started, f"the run {run.name} stays open until it expires: {exc}", kind="warning")
